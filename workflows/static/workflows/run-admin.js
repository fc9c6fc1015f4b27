/**
 * Keeps a run's page in the admin true. Everything on it is rendered by the server: when the run moves, the page's
 * live part is asked for again and each section that changed is put in place of the old one. Without this module
 * the page has its Refresh link.
 */

import { RunStream } from "../streaming/run-stream.js";

const GATHER_MS = 300; // from the first sign of a change to asking; what follows meanwhile comes along
const FAILED_MS = 5_000; // until the next try when an answer did not come
const SHOWN_MAX = 100_000; // characters of a payload shown in the page; the whole of it is behind its link

const live = document.getElementById("lh-live");
const sections = new Map(); // id -> what the server last said, to leave alone what has not changed
let timer = 0;
let isStale = false;
let isAsking = false;

const { run, snapshot, socket, fragment, seq, epoch, over } = live.dataset;
const stream = new RunStream({ url: snapshot, socket, run, after: Number(seq), epoch: Number(epoch), over: over !== undefined });

for (const section of live.children) sections.set(section.id, section.cloneNode(true));
stream.addEventListener("event", changed);
stream.addEventListener("snapshot", changed);
stream.addEventListener("reset", changed);
stream.addEventListener("frame", ({ detail }) => showProgress(detail));
stream.addEventListener("freshness", ({ detail }) => sayFreshness(detail));
document.addEventListener("visibilitychange", () => isStale && changed());
live.addEventListener("toggle", ({ target }) => target.open && target.dataset.load && load(target), true);
setInterval(tick, 1_000);
stream.start();

// --- following the run ---------------------------------------------------------------------------------------

/** Something happened. Not pushed back by what follows, or a busy run would never be shown. */
function changed() {
  isStale = true;
  if (!timer && !isAsking && document.visibilityState === "visible") timer = setTimeout(ask, GATHER_MS);
}

async function ask() {
  const began = performance.now();
  [timer, isAsking, isStale] = [0, true, false];
  const isPlaced = await askOnce().catch(() => false);
  isAsking = false;
  if (isPlaced && !isStale) return;
  isStale = true;
  const pause = 4 * (performance.now() - began); // a slow server is asked less often
  timer = setTimeout(ask, Math.max(pause, isPlaced ? GATHER_MS : FAILED_MS));
}

/** Whether the page is true now, or will not be any more. */
async function askOnce() {
  const response = await fetch(fragment + location.search, { headers: { Accept: "text/html" } });
  if (response.redirected || response.status === 403 || response.status === 404) return stopped(response);
  if (response.ok) place(await response.text());
  return response.ok;
}

function stopped({ redirected }) {
  stream.stop();
  sayFreshness({ state: "stopped", reason: redirected ? "signed_out" : "forbidden" });
  return true;
}

function place(html) {
  const fresh = new DOMParser().parseFromString(html, "text/html").body;
  for (const section of [...fresh.children]) {
    const old = document.getElementById(section.id);
    if (!old || section.isEqualNode(sections.get(section.id))) continue;
    sections.set(section.id, section.cloneNode(true));
    const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
    // What the reader has opened stays open, as it is: its key names its content.
    for (const opened of old.querySelectorAll("details[open][id]")) {
      section.querySelector(`#${CSS.escape(opened.id)}`)?.replaceWith(opened);
    }
    if (section.id === "lh-head" && old.dataset.state !== section.dataset.state) announce(section);
    Object.assign(old.dataset, section.dataset);
    old.replaceChildren(...section.childNodes);
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  }
}

function announce(head) {
  document.getElementById("lh-said").textContent = head.querySelector(".lh-summary").textContent.replace(/\s+/g, " ").trim();
}

/** An ephemeral frame: the step's own count, ahead of what is saved. */
function showProgress({ type, step, data }) {
  if (type !== "step.progress") return;
  const cell = live.querySelector(`[data-step="${CSS.escape(step)}"] [data-progress]`);
  if (cell) cell.textContent = `${data.total ? `${data.done} of ${data.total}` : data.done} ${data.unit ?? ""}`.trim();
}

// --- words ---------------------------------------------------------------------------------------------------

function sayFreshness({ state, since, reason }) {
  const time = since ? new Date(since).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }) : "";
  const words = {
    loading: "Connecting…",
    live: "Up to date",
    catching_up: "Catching up…",
    offline: `Offline since ${time}`,
    done: "Up to date: the run is at rest",
    stopped: { signed_out: "You are signed out. Sign in and open this page again.", unknown: "This run does not exist any more." }[reason]
      ?? "You may not follow this run any more.",
  };
  const place = document.getElementById("lh-freshness");
  place.textContent = words[state];
  place.closest("[data-freshness]").dataset.freshness = state;
}

function tick() {
  if (document.visibilityState !== "visible") return;
  for (const place of live.querySelectorAll("[data-since]")) {
    place.textContent = duration((Date.now() - Date.parse(place.dataset.since)) / 1_000);
  }
}

/** The twin of `workflows.admin.wording.duration`. */
function duration(seconds) {
  if (seconds < 10) return `${Math.trunc(Math.max(0, seconds) * 10) / 10} s`;
  const whole = Math.trunc(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3_600) return `${Math.trunc(whole / 60)} min ${whole % 60} s`;
  if (whole < 86_400) return `${Math.trunc(whole / 3_600)} h ${Math.trunc((whole % 3_600) / 60)} min`;
  return `${Math.trunc(whole / 86_400)} d ${Math.trunc((whole % 86_400) / 3_600)} h`;
}

// --- payloads ------------------------------------------------------------------------------------------------

/** Shown as text, once it is opened, and never before. */
async function load(details) {
  const url = details.dataset.load;
  delete details.dataset.load;
  const shown = document.createElement("pre");
  shown.textContent = "Loading…";
  details.append(shown);
  try {
    const response = await fetch(url, { headers: { Accept: "application/json" } });
    if (!response.ok || response.redirected) throw new Error(String(response.status));
    const text = await response.text();
    const whole = text.length > SHOWN_MAX ? text : JSON.stringify(JSON.parse(text), null, 2);
    shown.textContent = whole.length > SHOWN_MAX ? `${whole.slice(0, SHOWN_MAX)}\n… the rest is behind the link above` : whole;
  } catch {
    shown.remove();
    details.dataset.load = url;
    details.querySelector("a").focus();
  }
}
