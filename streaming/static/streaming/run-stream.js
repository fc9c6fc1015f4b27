/**
 * Longhaul in the browser.
 *
 * RunStream       an EventTarget: every event of one run, once and in order, however often the line is cut.
 * <run-progress>  wraps server-rendered markup that is true at its snapshot's `seq`, and keeps it true.
 *
 * One ES module: no dependency, no build step. It writes text with `textContent` only and clones the page's own
 * `<template>` elements, so layout, words and language stay on the server, and a strict content security policy
 * holds. The wire format is in the protocol documentation; types are in run-stream.d.ts.
 */

const SUBPROTOCOL = "runs.v1.json";
const DEFAULTS = Object.freeze({
  heartbeatMs: 15_000, // until `hello` says otherwise
  silence: 2.5, // heartbeats of silence after which a connection is dead
  openMs: 10_000, // longest wait for the first frame of a connection, and for an answer that is read at once
  healthyMs: 10_000, // a connection that lived this long ends a series of failures
  backoffBaseMs: 1_000,
  backoffCapMs: 30_000,
  graceMs: 1_000, // for a replay to reach the head it was announced with
  idlePollMs: 30_000, // snapshot reads after the end, where no socket tells of a resumed run
});
const REFUSED_CODES = { 4401: "signed_out", 4403: "forbidden", 4404: "unknown" };
const REFUSED_STATUS = { 401: "signed_out", 403: "forbidden", 404: "unknown" };
const NEW_ROUND = new Set(["run.resumed", "run.compensating", "run.cancelling"]);

/** Milliseconds before try number `failures + 1`: full jitter below a doubling, capped bound. */
export function backoff(failures, { base = DEFAULTS.backoffBaseMs, cap = DEFAULTS.backoffCapMs, roll = Math.random() } = {}) {
  return roll * Math.min(cap, base * 2 ** Math.min(failures, 30));
}

/** Server-sent events out of text cut anywhere. A block counts only with the blank line that ends it. */
export class SseParser {
  #rest = "";
  #block = { id: null, event: "message", data: [] };

  /** @returns {{id: string | null, event: string, data: string}[]} the blocks that `text` completed */
  feed(text) {
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop();
    const blocks = [];
    for (const line of lines) {
      if (line !== "") this.#line(line);
      else {
        const { id, event, data } = this.#block;
        if (data.length) blocks.push({ id, event, data: data.join("\n") });
        this.#block = { id: null, event: "message", data: [] };
      }
    }
    return blocks;
  }

  #line(line) {
    const [, field, value] = /^([^:]*):? ?([^]*)$/.exec(line);
    if (field === "data") this.#block.data.push(value);
    else if (field === "id" || field === "event") this.#block[field] = value;
  }
}

/**
 * The events of one run.
 *
 * Dispatches `event` (a numbered envelope; each once, in order), `frame` (an ephemeral one, without number),
 * `snapshot` (the run was read again), `reset` (what was shown before may not be in the log any more),
 * `freshness` ({state: "loading" | "live" | "catching_up" | "offline" | "done" | "stopped", since, reason}).
 */
export class RunStream extends EventTarget {
  #limits;
  #eventsUrl;
  #socketUrl;
  #abort = null;
  #interrupt = () => {}; // ends what the loop waits for: a connection, or a pause
  #watchdog = 0;
  #hbMs;
  #heard = false; // anything, on this connection
  #aliveAt = 0; // when this connection was opened, or last said something; 0 in a pause
  #lastHeardAt; // of any
  #failures = 0;
  #misses = 0; // sockets in a row that said nothing
  #socketWorked = false;
  #head = 0; // the highest number the server has told us of
  #healing = null; // the connection whose gap is being read, by its #interrupt
  #era = 0; // times the snapshot was taken as a new beginning
  #mustLoad;
  #isFull = true; // whether we are shown every event, so that a jump is a loss
  #over;

  /**
   * url: the snapshot's address; socket: the WebSocket's, or null for server-sent events only; after: the cursor
   * to go on from (null: read the snapshot first); over: whether the run had ended at that cursor.
   */
  constructor({ url, socket = "/ws/v1", run, after = null, epoch = 1, over = false, limits = {} }) {
    super();
    this.#limits = { ...DEFAULTS, ...limits };
    this.#hbMs = this.#limits.heartbeatMs;
    this.url = new URL(url, location.href).href;
    this.#eventsUrl = `${this.url}/events`;
    this.#socketUrl = socket && new URL(socket, location.href).href.replace(/^http/, "ws");
    this.run = run;
    this.seen = after;
    this.#mustLoad = after === null;
    this.epoch = epoch;
    this.#over = over;
    this.#lastHeardAt = Date.now();
    this.freshness = { state: "loading", since: null, reason: null };
  }

  /** `seq`, or `epoch.seq` once the log has been restored to an earlier point. */
  get cursor() {
    return this.epoch > 1 ? `${this.epoch}.${this.seen}` : this.seen;
  }

  start() {
    if (this.#abort) return this;
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    const on = (target, type, act) => target.addEventListener(type, act, { signal });
    on(document, "visibilitychange", () => document.visibilityState === "visible" && this.#look());
    on(window, "pageshow", () => this.#look());
    on(window, "online", () => this.#interrupt({ wait: 0 }));
    on(window, "offline", () => this.#interrupt({ lost: true }));
    // An open socket would keep the page out of the back/forward cache; `pageshow` opens it again.
    on(window, "pagehide", () => this.#interrupt({ wait: Infinity }));
    this.#loop(signal);
    return this;
  }

  stop() {
    this.#abort?.abort();
    this.#abort = null;
    clearTimeout(this.#watchdog);
    this.#interrupt({});
  }

  /**
   * Reads the snapshot again and dispatches it. The cursor stays: events go on from where they were. A snapshot of a
   * restored log is no news of the one that was followed: then all begins anew, with `reset`.
   */
  async refresh() {
    const snapshot = await this.#get(this.url);
    if (this.seen === null || this.#sameEpoch(snapshot)) this.dispatchEvent(new CustomEvent("snapshot", { detail: snapshot }));
    return snapshot;
  }

  async #loop(signal) {
    while (!signal.aborted) {
      const openedAt = Date.now();
      this.#heard = false;
      const cut = await this.#follow(signal);
      if (signal.aborted) return; // another loop may be at work by now
      clearTimeout(this.#watchdog);
      if (cut.refused) return this.#say("stopped", { reason: cut.refused });
      this.#mustLoad ||= Boolean(cut.reset);
      if (cut.done) await this.#idle(signal);
      else if (!cut.again) await this.#pauseAfter(cut, openedAt);
    }
  }

  /** One connection. Resolves, and never rejects, with how it ended: {wait?, lost?, again?, reset?, done?, refused?}. */
  async #follow(signal) {
    try {
      if (this.#mustLoad) await this.#load();
      const bySocket = this.#socketUrl && this.#misses < (this.#socketWorked ? 3 : 1);
      if (bySocket) return await this.#bySocket();
      this.#misses = 0;
      return await this.#bySse(signal);
    } catch (error) {
      return error.cut ?? { lost: !this.#heard };
    }
  }

  async #pauseAfter({ wait, lost }, openedAt) {
    if (this.#heard && Date.now() - openedAt >= this.#limits.healthyMs) this.#failures = 0;
    if (this.#heard && !lost) this.#say("catching_up");
    else this.#say("offline", { since: this.#lastHeardAt });
    const { backoffBaseMs: base, backoffCapMs: cap } = this.#limits;
    await this.#pause(wait ?? backoff(this.#failures++, { base, cap }));
  }

  #pause(ms) {
    this.#aliveAt = 0;
    return new Promise((resolve) => {
      const timer = ms === Infinity ? 0 : setTimeout(resolve, ms);
      this.#interrupt = () => resolve(clearTimeout(timer));
    });
  }

  /** After the end, where no socket tells of it: an operator may resume the run. */
  async #idle(signal) {
    this.#say("done");
    while (!signal.aborted) {
      await this.#pause(this.#limits.idlePollMs);
      if (document.visibilityState === "hidden") continue;
      const snapshot = await this.refresh().catch(() => null);
      // Fewer events than we have seen: a restored log. Whoever is asked for more of it says so.
      if (this.#mustLoad || (snapshot && (snapshot.seq !== this.seen || !snapshot.is_terminal))) return;
    }
  }

  // --- two transports, one meaning -------------------------------------------------------------------------

  #bySocket() {
    return new Promise((resolve) => {
      const socket = new WebSocket(this.#socketUrl, SUBPROTOCOL);
      const send = (frame) => socket.send(JSON.stringify(frame));
      const end = ({ failed, ...cut }) => {
        socket.onopen = socket.onmessage = socket.onclose = null;
        socket.close();
        const isMiss = failed && !this.#heard;
        if (isMiss) this.#misses += 1;
        // Where a proxy refuses sockets, or swallows them, the other transport is tried at once.
        resolve({ ...cut, again: isMiss && !this.#socketWorked });
      };
      this.#begin(end);
      socket.onopen = () => send({ type: "subscribe", run: this.run, after: this.cursor });
      socket.onmessage = ({ data }) => {
        [this.#misses, this.#socketWorked] = [0, true];
        this.#hear();
        const frame = JSON.parse(data);
        if (frame.type === "hb") send({ type: "ping" }); // a client that stays silent is closed with 4408
        if (!frame.run || frame.run === this.run) this.#take(frame);
      };
      socket.onclose = ({ code }) => {
        if (code === 4400) this.#misses = 3; // we do not agree on frames: go by the other transport
        end({ refused: REFUSED_CODES[code], lost: !this.#heard, failed: true });
      };
    });
  }

  #bySse(signal) {
    const line = new AbortController();
    const hungUp = new Promise((resolve) => this.#begin((cut) => resolve(cut, line.abort())));
    return Promise.race([hungUp, this.#readSse(AbortSignal.any([signal, line.signal]))]).finally(() => line.abort());
  }

  async #readSse(signal) {
    const headers = { Accept: "text/event-stream" };
    const response = await this.#fetch(`${this.#eventsUrl}?after=${this.cursor}`, { headers, signal });
    if (response.status === 204) return { done: true };
    const parser = new SseParser();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return { done: this.#over && this.seen >= this.#head };
      this.#hear();
      for (const { event, data } of parser.feed(value)) {
        const body = JSON.parse(data);
        this.#take(event === "control" ? body : { type: "event", event: body });
      }
    }
  }

  #begin(end) {
    this.#interrupt = end;
    this.#aliveAt = Date.now();
    this.#watch(this.#limits.openMs);
  }

  #hear() {
    this.#heard = true;
    this.#aliveAt = this.#lastHeardAt = Date.now();
    this.#watch(this.#hbMs * this.#limits.silence);
  }

  #watch(ms) {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(() => this.#interrupt({ failed: true }), ms);
  }

  /** The page is looked at again. Timers slept with it, so ask the clock whether the line can still be alive. */
  #look() {
    if (Date.now() - this.#aliveAt > this.#hbMs * 1.2) this.#interrupt({ wait: 0 });
  }

  #take(frame) {
    switch (frame.type) {
      case "event":
        return this.#accept(frame.event);
      case "hello":
      case "subscribed":
        this.#hbMs = frame.hb_ms ?? this.#hbMs;
        this.#hear();
        return frame.head === undefined ? undefined : this.#catchUp(frame);
      case "caught_up":
        return this.#reach(frame.seq);
      case "hb":
        return this.#sameEpoch(frame) && this.#heal(frame.head);
      case "gap":
        return this.#heal(Math.max(this.#head, this.seen + 1));
      case "end":
        this.#over = true;
        return this.#heal(frame.last_seq);
      case "reset":
        return this.#startAnew();
      case "error":
        return this.#interrupt({ refused: REFUSED_STATUS[frame.problem?.status] });
      case "bye":
        return this.#interrupt({ wait: (frame.retry_ms ?? 1_000) * (1 + Math.random()) });
    }
  }

  /** The server replays what we lack; if it has not done so after a moment, we read it. */
  #catchUp(frame) {
    if (!this.#sameEpoch(frame)) return;
    this.#isFull = frame.full !== false;
    this.#head = Math.max(this.#head, frame.head);
    this.#settle();
    setTimeout(() => this.#heal(this.#head), this.#limits.graceMs);
  }

  /** Whether this is said of the log that we follow. If not, it was restored: what was shown may never have been. */
  #sameEpoch({ epoch = this.epoch }) {
    if (epoch !== this.epoch) this.#startAnew();
    return epoch === this.epoch;
  }

  #startAnew() {
    this.#mustLoad = true; // before the connection has ended, and also when this is heard between two of them
    this.#interrupt({});
  }

  // --- the cursor ------------------------------------------------------------------------------------------

  #accept(envelope) {
    if (this.#mustLoad) return; // of a log that is over for us
    if (envelope.seq === undefined) this.dispatchEvent(new CustomEvent("frame", { detail: envelope }));
    else if (envelope.seq === this.seen + 1 || (!this.#isFull && envelope.seq > this.seen)) this.#apply(envelope);
    else if (envelope.seq > this.seen) this.#heal(envelope.seq);
  }

  /** All that we may see up to `seq` was sent. */
  #reach(seq) {
    if (this.#isFull) this.#heal(seq);
    else this.seen = Math.max(this.seen, seq);
    this.#settle();
  }

  #apply(envelope) {
    this.seen = envelope.seq;
    this.#head = Math.max(this.#head, envelope.seq);
    if (NEW_ROUND.has(envelope.type)) this.#over = false;
    this.dispatchEvent(new CustomEvent("event", { detail: envelope }));
    this.#settle();
  }

  /** Reads the log up to `head`. Numbers that are missing there as well belong to events that are not for us. */
  async #heal(head = 0) {
    this.#head = Math.max(this.#head, head);
    // Between two connections nothing is read: the next one begins with a replay.
    if (this.#healing === this.#interrupt || this.#mustLoad || this.#aliveAt === 0) return;
    const connection = (this.#healing = this.#interrupt);
    const era = this.#era;
    try {
      while (this.seen < this.#head) {
        const goal = this.#head;
        this.#say("catching_up");
        const page = await this.#get(`${this.#eventsUrl}?after=${this.cursor}`);
        // This page is of a log that is gone, or the connection is, and the next one does this work.
        if (era !== this.#era || connection !== this.#interrupt || !this.#sameEpoch(page)) return;
        for (const envelope of page.events) if (envelope.seq > this.seen) this.#apply(envelope);
        if (!page.next) this.seen = Math.max(this.seen, goal);
      }
      this.#settle();
    } catch (error) {
      connection(error.cut ?? { lost: true });
    } finally {
      if (this.#healing === connection) this.#healing = null;
    }
  }

  /** Before anything was shown: a `snapshot`. After a restored or forgotten log: a `reset`. */
  async #load() {
    const snapshot = await this.#get(this.url);
    const again = this.seen !== null;
    this.#mustLoad = false;
    this.#era += 1;
    [this.seen, this.#head, this.epoch, this.#over] = [snapshot.seq, snapshot.seq, snapshot.epoch, snapshot.is_terminal];
    this.dispatchEvent(new CustomEvent(again ? "reset" : "snapshot", { detail: snapshot }));
  }

  /** Never longer than `openMs`, answer and body: whoever waits for it forgets what else it would have heard. */
  async #get(url) {
    const signals = [AbortSignal.timeout(this.#limits.openMs)];
    if (this.#abort) signals.push(this.#abort.signal);
    const options = { headers: { Accept: "application/json" }, signal: AbortSignal.any(signals) };
    return (await this.#fetch(url, options)).json();
  }

  /** A good response, or an error whose `cut` says how the connection ends. */
  async #fetch(url, options) {
    const response = await fetch(url, { credentials: "same-origin", cache: "no-store", ...options });
    if (response.ok) return response;
    const seconds = Number(response.headers.get("Retry-After"));
    throw Object.assign(new Error(`${url} answered ${response.status}`), {
      cut: {
        refused: REFUSED_STATUS[response.status],
        reset: response.status === 410,
        lost: response.status !== 410,
        wait: seconds ? seconds * 1_000 * (1 + Math.random()) : undefined,
      },
    });
  }

  /** Says where we stand, once nothing that we know of is missing. */
  #settle() {
    if (!this.#heard || this.#aliveAt === 0) return; // a late answer while the line is down
    if (this.seen >= this.#head) this.#say(this.#over ? "done" : "live");
    else if (this.freshness.state !== "live") this.#say("catching_up");
  }

  #say(state, { since = null, reason = null } = {}) {
    if (this.freshness.state === state) return; // one loss has one beginning, however many tries it takes
    this.freshness = { state, since, reason };
    this.dispatchEvent(new CustomEvent("freshness", { detail: this.freshness }));
  }
}

// --- what a run looks like ---------------------------------------------------------------------------------

const CURRENT = new Set(["running", "retrying", "waiting", "compensating"]);
const DONE = new Set(["completed", "skipped"]);
const BROKEN = new Set(["failed", "compensation_failed"]);
const UNDO = new Set(["compensating", "compensated", "compensation_failed"]);
const ENDED = new Set([...DONE, ...BROKEN, "cancelled", "compensated"]);
const TIMED = new Set(["running", "completed", "failed"]); // states whose step says how long it took
const PLACED = ["kind", "value", "page", "quote"]; // fields of an item with a place of their own on its card
const IDLE_SECONDS = 60;
const NAMED_PARTS = 5;

// What an event makes of its subject. Any other event changes no state: a later server may have more of them.
const RUN_STATES = { started: "running", resumed: "running" };
for (const state of ["waiting", "completed", "failed", "cancelling", "cancelled", ...UNDO]) RUN_STATES[state] = state;
const STEP_STATES = { started: "running", expanded: "running", retry_scheduled: "retrying", reset: "pending" };
for (const state of ["waiting", "completed", "failed", "skipped", "cancelled"]) STEP_STATES[state] = state;
const UNDO_STATES = { started: "compensating", completed: "compensated", failed: "compensation_failed" };

/** Of the name of a fan-out's part, `score[3]`: the fan-out's, and the part's number. Of any other step: -1. */
function partOf(name) {
  const [, of, index] = /^([^[]*)\[(\d+)\]$/.exec(name ?? "") ?? [];
  return of === undefined ? { of: name, index: -1 } : { of, index: Number(index) };
}

/**
 * A snapshot, moved on by one event (or ephemeral frame). Changes and returns `run`; unknown types and unknown steps
 * change nothing. Events that the snapshot holds already are ignored.
 */
export function reduce(run, event) {
  if (event.seq !== undefined) {
    if (event.seq <= run.seq) return run;
    run.seq = event.seq;
  }
  const { type, data, time, attempt } = { ...event, data: event.data ?? {} };
  const [subject, verb] = type.split(".");
  const { of, index } = partOf(event.step);
  const step = run.steps.find(({ name }) => name === of);
  const isWhole = step && index < 0;
  if (isWhole && attempt > step.attempt && subject !== "compensation" && data.kind !== "undo") {
    // The next try has begun. A frame, which takes the shorter way, may tell it before the event does.
    Object.assign(step, { attempt, error: null, progress: null, finished_at: null });
    if (["pending", "ready", "retrying"].includes(step.state)) step.state = "running";
  }
  if (subject === "run") reduceRun(run, verb, { data, time });
  else if (type === "message") run.state_info = data.text ?? "";
  else if (subject.startsWith("item") && step) step.items_count = itemsCounted(step.items_count, type, data);
  else if (step && !isWhole) reducePart(step, event.step, subject, verb);
  else if (step && subject === "step") {
    if (verb !== "progress") run.state_info = ""; // what the step before said is over
    reduceStep(step, verb, { data, time });
  } else if (step && subject === "compensation" && UNDO_STATES[verb]) {
    Object.assign(step, { state: UNDO_STATES[verb], error: data.error ?? null, finished_at: null });
  }
  if (ENDED.has(step?.state)) step.finished_at ??= time;
  const names = (isIt) => run.steps.filter(({ state }) => isIt(state)).map(({ name }) => name);
  // That a wait was answered is told of its step; the run goes on without a word.
  const isAtWork = names((state) => state === "running" || state === "retrying").length;
  if (run.state === "waiting" && (isAtWork || !names((state) => state === "waiting").length)) run.state = "running";
  run.current_steps = names((state) => state !== "pending" && !ENDED.has(state));
  run.progress = { ...run.progress, done: names((state) => DONE.has(state)).length };
  return run;
}

function itemsCounted(count, type, data) {
  if (type === "item.committed") return count + 1;
  if (type === "item.retracted") return Math.max(count - 1, 0);
  return type === "items.reset" ? Math.min(count, data.keep_through + 1) : count;
}

function reduceRun(run, verb, { data, time }) {
  const state = RUN_STATES[verb];
  if (!state) return;
  run.state = state;
  run.is_terminal = ENDED.has(state);
  run.finished_at = run.is_terminal ? time : null;
  run.started_at ??= time;
  run.state_info = "";
  if (!UNDO.has(state) || data.error) run.error = data.error ?? null; // an undo does not forget what it is for
  const broken = data.failed_step && run.steps.find(({ name }) => name === data.failed_step);
  if (broken) broken.error = data.error;
}

function reduceStep(step, verb, { data, time }) {
  if (verb === "progress") {
    const back = step.progress && step.progress.total === data.total && data.done < step.progress.done;
    if (step.state === "running" && !back) step.progress = data; // a late frame must not move the bar back
    return;
  }
  const state = STEP_STATES[verb];
  if (!state) return;
  step.state = state;
  step.error = data.error ?? null;
  step.due_at = data.retry_at ?? data.expires_at ?? null;
  step.state_info = data.reason ?? "";
  if (verb === "started" || verb === "waiting") step.started_at ??= time;
  if (verb === "started" && !isFanOut(step)) step.attempt = Math.max(step.attempt, 1);
  if (verb === "reset") step.started_at = step.finished_at = null;
  if (verb === "retry_scheduled") step.max_attempts = data.max_attempts ?? step.max_attempts;
  if (verb === "completed" && !isFanOut(step)) step.items_count = data.items_count ?? step.items_count;
  if (verb === "expanded") {
    const done = Math.min(step.progress?.done ?? 0, data.parts); // what an earlier round did is not done again
    step.progress = data.parts ? { done, total: data.parts, unit: "parts", failed: [] } : null;
  } else if (state !== "running" && !isFanOut(step)) step.progress = null;
}

/** The parts of a fan-out are not on the page: they are counted. */
function reducePart(step, name, subject, verb) {
  if (subject === "compensation" && step.state !== "compensating" && verb === "started") {
    // How many are to be undone is the server's to say.
    Object.assign(step, { state: "compensating", progress: null, finished_at: null });
  }
  const { progress } = step;
  if (!progress || (subject === "compensation") !== (step.state === "compensating")) return;
  if (subject !== "step" && subject !== "compensation") return;
  const failed = (progress.failed ?? []).filter((other) => other !== name);
  if (verb === "failed") failed.push(name);
  const isDone = verb === "completed" || verb === "skipped";
  const done = Math.min(progress.done + (isDone ? 1 : 0), progress.total);
  step.progress = { ...progress, done, failed: failed.sort((one, other) => partOf(one).index - partOf(other).index) };
}

const isFanOut = ({ kind }) => kind === "fan_out";
const fill = (pattern, values) => pattern.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
const joined = (...said) => said.filter(Boolean).join(" · ");
const secondsBetween = (start, end) => (start && end ? (Date.parse(end) - Date.parse(start)) / 1_000 : null);

/** Seconds in which a step was under way: neither waits count, nor days between a failure and its retry. */
function workedSeconds(run) {
  const spans = run.steps
    .filter(({ kind, started_at, finished_at }) => started_at && finished_at && kind !== "wait")
    .map(({ started_at, finished_at }) => [Date.parse(started_at), Date.parse(finished_at)])
    .sort(([one], [other]) => one - other);
  if (!spans.length) return secondsBetween(run.started_at, run.finished_at);
  let [worked, reached] = [0, spans[0][0]];
  for (const [start, end] of spans) {
    worked += Math.max(0, end - Math.max(start, reached));
    reached = Math.max(reached, end);
  }
  return worked / 1_000;
}

/** The sentences of a run. Each method says to the letter what its twin in workflows/pages/painting.py says. */
export class Painter {
  constructor({ words, noun = ["result", "results"], labels = {}, zone = "" }) {
    Object.assign(this, { words, noun, labels, zone });
  }

  headline(run) {
    const isIt = (state) => (run.state === "running" ? CURRENT.has(state) : state === "waiting");
    const titles = run.steps.filter(({ state }) => isIt(state)).map(({ title }) => title);
    if (["running", "waiting"].includes(run.state) && titles.length) return titles.join(", ");
    return this.words.headline[run.state] ?? run.state;
  }

  detail(run) {
    const { words } = this;
    if (run.is_terminal) return "";
    if (words.detail[run.state]) return words.detail[run.state];
    if (run.state === "waiting") {
      const [first] = run.steps.filter(({ state, due_at }) => state === "waiting" && due_at).map(({ due_at }) => due_at).sort();
      return first ? fill(words.until, { time: this.moment(first) }) : "";
    }
    return this.headline(run).split(", ").includes(run.state_info) ? "" : run.state_info;
  }

  percent(run) {
    if (!run.steps.length) return 0;
    const parts = run.steps.map((step) => {
      const { state, progress } = step;
      if (DONE.has(state)) return 1;
      const isCounted = state === "running" || (state === "failed" && isFanOut(step));
      return isCounted && progress?.total ? Math.min(1, progress.done / progress.total) : 0;
    });
    return Math.trunc((100 * parts.reduce((sum, part) => sum + part, 0)) / run.steps.length);
  }

  position(run) {
    const { words } = this;
    const { steps } = run;
    const count = (isIt) => steps.filter(({ state }) => isIt(state)).length;
    if (run.state === "completed") return this.#allDone(run);
    if (words.undone[run.state]) return fill(words.undone[run.state], { count: count((state) => state === "compensated") });
    const total = steps.length;
    const current = steps.filter(({ state }) => CURRENT.has(state));
    if (current.length && !run.is_terminal) {
      const numbers = current.map((step) => steps.indexOf(step) + 1).join(", ");
      if (current.length > 1) return fill(words.positions, { numbers, total });
      return joined(fill(words.position, { number: numbers, total }), this.counted(current[0]) || this.found(current[0].items_count));
    }
    const done = count((state) => DONE.has(state));
    return fill(done || run.is_terminal ? words.stopped_at : words.not_started, { done, total });
  }

  #allDone(run) {
    const { words } = this;
    const [text, worked] = [words.all_done, workedSeconds(run)];
    if (worked === null) return text;
    const span = secondsBetween(run.started_at, run.finished_at) ?? 0;
    const time = this.duration(worked);
    if (span - worked <= IDLE_SECONDS) return fill(words.in_time, { text, time });
    return fill(words.in_work, { text, time, since: this.moment(run.started_at) });
  }

  counted({ progress }) {
    if (!progress) return "";
    const [done, total] = [this.text(progress.done), this.text(progress.total)];
    return fill(progress.total ? this.words.counted : this.words.counting, { done, total, unit: progress.unit }).trim();
  }

  note(step, now) {
    const { words } = this;
    const { state } = step;
    if (state === "retrying") return this.#again(step, now);
    if (state === "waiting" && step.due_at) return fill(words.waiting_until, { time: this.moment(step.due_at) });
    const isReasoned = state === "skipped" && step.state_info;
    const isCounted = state === "running" || (isFanOut(step) && !["pending", "ready"].includes(state));
    const again = ["running", "failed"].includes(state) && step.attempt > 1;
    return joined(
      isReasoned ? fill(words.skipped_since, { reason: step.state_info }) : words.step[state] ?? state,
      isCounted && this.counted(step),
      isCounted && this.failedParts(step),
      this.found(step.items_count),
      again && fill(words.try_of, { number: step.attempt, total: step.max_attempts }),
      this.#timeTaken(step, now),
    );
  }

  failedParts({ progress }) {
    const names = progress?.failed ?? [];
    const shown = names.slice(0, NAMED_PARTS).join(", ") + (names.length > NAMED_PARTS ? " …" : "");
    return names.length ? fill(this.words.failed_parts, { names: shown }) : "";
  }

  #timeTaken({ state, kind, started_at, finished_at }, now) {
    const taken = TIMED.has(state) ? secondsBetween(started_at, finished_at ?? new Date(now).toISOString()) : null;
    if (taken === null) return "";
    const time = this.duration(taken);
    return kind === "wait" ? fill(this.words.waited, { time }) : time;
  }

  #again(step, now) {
    const wait = step.due_at ? (Date.parse(step.due_at) - now) / 1_000 : 0;
    const values = { time: this.duration(wait), number: step.attempt + 1, total: step.max_attempts };
    return fill(wait >= 1 ? this.words.again_in : this.words.again_now, values);
  }

  found(count) {
    return count ? `${count} ${this.noun[count === 1 ? 0 : 1]}` : "";
  }

  empty(run) {
    return this.words[run.is_terminal ? "nothing" : "nothing_yet"];
  }

  failure(run) {
    if (!BROKEN.has(run.state)) return "";
    const broken = run.steps.find(({ state, error }) => BROKEN.has(state) && error);
    if (!broken) return run.error?.detail ?? this.words.failure_unknown;
    const pattern = run.state === "failed" ? this.words.failure : this.words.undo_failure;
    return fill(pattern, { step: broken.title, detail: broken.error.detail });
  }

  kept(run) {
    return this.words.kept[run.state] ?? "";
  }

  gone(run) {
    const said = this.words.gone[run.state] ?? "";
    const isReasoned = ["compensating", "compensated"].includes(run.state) && run.error;
    return isReasoned ? `${said} ${fill(this.words.because, { detail: run.error.detail })}` : said;
  }

  why(step) {
    return step.state === "retrying" && step.error ? step.error.detail : "";
  }

  duration(seconds) {
    const { words } = this;
    const whole = Math.trunc(seconds);
    if (whole < 1) return words.instant;
    if (whole < 60) return fill(words.seconds, { seconds: whole });
    if (whole < 3600) return fill(words.minutes, { minutes: Math.trunc(whole / 60), seconds: whole % 60 });
    if (whole < 86_400) return fill(words.hours, { hours: Math.trunc(whole / 3600), minutes: Math.trunc((whole % 3600) / 60) });
    return fill(words.days, { days: Math.trunc(whole / 86_400), hours: Math.trunc((whole % 86_400) / 3600) });
  }

  /** A day and a time of it, where the reader is; with `zone` "UTC" as the server says it. */
  moment(iso) {
    const [date, utc] = [new Date(iso), this.zone === "UTC" ? "UTC" : ""];
    const get = (unit) => date[`get${utc}${unit}`]();
    const time = [get("Hours"), get("Minutes")].map((number) => String(number).padStart(2, "0")).join(":");
    const text = fill(this.words.moment, { day: get("Date"), month: this.words.months[get("Month")], time });
    return utc ? fill(this.words.utc, { time: text }) : text;
  }

  /** An item as its card shows it. fields: each as text, empty when there is nothing to say; more: the rest. */
  card(value) {
    const names = [...Object.keys(this.labels), ...Object.keys(value).filter((name) => !(name in this.labels)).sort()];
    const fields = Object.fromEntries(names.map((name) => [name, this.text(value[name])]));
    const kind = fields.kind ?? "";
    fields.kind_label = this.label(kind, {});
    const named = ["title", "name", ...names].find((name) => fields[name] && !PLACED.includes(name));
    fields.title = fields[named] ?? "";
    if (fields.page) fields.page = fill(this.words.page, { page: fields.page });
    const elsewhere = [...PLACED, "title", "name", named];
    const more = names.filter((name) => !elsewhere.includes(name) && fields[name]).map((name) => [this.label(name), fields[name]]);
    return { kind, fields, more };
  }

  label(name, labels = this.labels) {
    const plain = name.replaceAll("_", " ").trim();
    return labels[name] || plain.slice(0, 1).toUpperCase() + plain.slice(1);
  }

  text(value) {
    if (value === null || value === undefined) return "";
    if (typeof value === "boolean") return this.words[value ? "yes" : "no"];
    if (typeof value !== "object") return String(value);
    const isFlat = Array.isArray(value) && !value.some((entry) => typeof entry === "object" && entry !== null);
    return isFlat ? value.map((entry) => this.text(entry)).join(", ") : JSON.stringify(value);
  }
}

/**
 * The progress page's element. Everything inside is rendered by the server; parts are found by `data-part`, and a
 * page may leave out any of them.
 */
export class RunProgress extends HTMLElement {
  #parts = new Map();
  #painter;
  #run;
  #timers = [];
  #observer = null;
  #skewMs = Infinity; // our clock minus the server's, at least: an event cannot arrive before it happened
  #percent = 0;
  #said = { text: "", count: 0, at: 0 };
  #only = null;
  #newBelow = 0;
  #isEndInView = true;
  #askedAt = 0;
  #pending = null; // a painting
  #later = null; // events since a snapshot was asked for, which may not know them
  #asking = 0; // snapshots that were asked for and have not come

  connectedCallback() {
    if (!this.stream) this.#begin(); // moved within the page, it goes on from where it was
    this.#watchEnd();
    this.#timers.push(setInterval(() => document.visibilityState === "visible" && this.#tick(), 1_000));
    this.stream.start();
  }

  #begin() {
    const read = (id) => JSON.parse(this.querySelector(id).textContent);
    const page = read("#run-page");
    this.#run = read("#run-snapshot");
    this.#painter = new Painter(page);
    this.#learnTime(page.now);
    this.#percent = this.#painter.percent(this.#run);
    this.#said = { text: this.#painter.headline(this.#run), count: this.#count(), at: Date.now() };
    const { id, seq, epoch, is_terminal: over, links } = this.#run;
    this.stream = new RunStream({ url: links.self, socket: this.dataset.socket, run: id, after: seq, epoch, over });
    this.#listen();
    for (const card of this.#cards()) this.#tally(card);
    for (const time of this.querySelectorAll("time[datetime]")) localise(time);
    this.#changed(this.#run); // its times are in UTC until now
  }

  /** The snapshot, moved on by what was heard since. */
  get run() {
    return this.#run;
  }

  disconnectedCallback() {
    this.stream.stop();
    this.#observer?.disconnect();
    this.#timers.splice(0).forEach(clearInterval);
  }

  #listen() {
    const on = (type, act) => this.stream.addEventListener(type, ({ detail }) => act(detail));
    on("event", (event) => this.#take(event));
    on("frame", (frame) => this.#changed(reduce(this.#run, frame)));
    on("snapshot", (snapshot) => this.#renew(snapshot));
    on("reset", () => location.reload()); // only the server knows what stands in a restored log
    on("freshness", (freshness) => this.#paintFreshness(freshness));
  }

  #take(event) {
    this.#learnTime(event.time);
    const { type, data } = event;
    if (type === "item.committed") this.#addCard(event);
    else if (type === "item.replaced") this.#refillCard(this.#cardOf(event), data);
    else if (type === "item.retracted") this.#dropCards(this.#cardsOf(event.step).filter(({ dataset }) => Number(dataset.index) === data.index));
    else if (type === "items.reset") this.#resetCards(event);
    else if (type === "message") this.#addSaid(event);
    this.#later?.push(event);
    this.#changed(reduce(this.#run, event));
    const { of, index } = partOf(event.step);
    const isUncounted = index >= 0 && this.#run.steps.some(({ name, state, progress }) => name === of && state === "compensating" && !progress);
    // What can be done now, and what a resumed or undone run begins with, is the server's to say.
    const isTurn = type.startsWith("run.") ? type !== "run.started" : ["input.received", "step.skipped"].includes(type);
    if (isTurn || isUncounted) this.#refresh();
    if (NEW_ROUND.has(type)) this.#percent = 0;
  }

  /** Reads the run again. What happens meanwhile is kept, since the answer may be older. */
  #refresh() {
    this.#later ??= [];
    this.#asking += 1;
    const done = () => {
      this.#asking -= 1;
      if (!this.#asking) this.#later = null;
    };
    this.stream.refresh().then(done, done);
  }

  #renew(snapshot) {
    for (const event of this.#later ?? []) reduce(snapshot, event);
    if (snapshot.seq >= this.#run.seq) this.#changed(snapshot);
  }

  #changed(run) {
    this.#run = run;
    this.#pending ??= setTimeout(() => this.#paint(), 16); // a replay of a thousand events is painted once
  }

  #paint() {
    this.#pending = null;
    const [run, painter] = [this.#run, this.#painter];
    this.dataset.state = run.state;
    this.dataset.seq = this.stream.seen;
    const headline = painter.headline(run);
    this.#text("headline", headline);
    this.#text("detail", painter.detail(run));
    this.#text("failure-text", painter.failure(run));
    this.#text("kept", painter.kept(run));
    this.#show("failure", painter.failure(run) !== "");
    this.#text("gone", painter.gone(run));
    this.#show("gone", painter.gone(run) !== "");
    this.#show("result", run.state === "completed");
    if (painter.gone(run)) this.#part("result")?.replaceChildren(); // what is gone is not linked to
    this.#paintForms(run);
    if (this.hasAttribute("data-titles-page")) document.title = `${headline} · ${run.title}`;
    this.#paintBar(run);
    this.#paintSteps();
    this.#text("count", this.#count());
    this.#text("empty", painter.empty(run));
    this.#announce(headline);
  }

  /** The forms are there from the beginning, for those who may; they show while their time is. */
  #paintForms(run) {
    this.#show("stop", run.allowed_actions?.includes("cancel") && !run.is_terminal && run.state !== "cancelling");
    for (const form of this.querySelectorAll("[data-answers]")) {
      form.hidden = !run.steps.some(({ name, state }) => name === form.dataset.answers && state === "waiting");
    }
  }

  #paintBar(run) {
    const percent = this.#painter.percent(run);
    this.#percent = UNDO.has(run.state) ? percent : Math.max(this.#percent, percent); // back only by an undo
    const [bar, position] = [this.#part("bar"), this.#painter.position(run)];
    this.#text("position", position);
    bar?.setAttribute("aria-valuenow", this.#percent);
    bar?.setAttribute("aria-valuetext", position);
    this.#part("fill")?.setAttribute("width", `${this.#percent}%`);
  }

  #paintSteps() {
    const now = Date.now() - this.#skewMs;
    for (const step of this.#run.steps) {
      const row = this.querySelector(`[data-step="${CSS.escape(step.name)}"].step`);
      if (!row) continue;
      row.dataset.state = step.state;
      row.querySelector("use")?.setAttribute("href", `#icon-${step.state}`);
      write(row.querySelector("[data-part=note]"), this.#painter.note(step, now));
      write(row.querySelector("[data-part=why]"), this.#painter.why(step), { hide: true });
    }
  }

  #tick() {
    if (this.#run.steps.some(({ state }) => state === "running" || state === "retrying")) this.#paintSteps();
    this.#askForOverdue();
    if (Date.now() - this.#said.at > 10_000) this.#announce(this.#painter.headline(this.#run));
  }

  /** That a further try begins is for operators to see; to others the snapshot tells it, once the wait is over. */
  #askForOverdue() {
    const now = Date.now();
    const isOverdue = ({ state, attempt, due_at }) =>
      attempt > 0 && (state === "ready" || (state === "retrying" && Date.parse(due_at) + 1_500 < now - this.#skewMs));
    if (now - this.#askedAt < 5_000 || this.#run.is_terminal || !this.#run.steps.some(isOverdue)) return;
    this.#askedAt = now;
    this.#refresh();
  }

  /** The one region that is read aloud: on a new headline, on each tenth item or ten seconds, and at the end. */
  #announce(headline) {
    const [count, said] = [this.#count(), this.#said];
    said.count = Math.min(said.count, count); // a retry may take items away
    const isDue = Math.floor(count / 10) > Math.floor(said.count / 10) || Date.now() - said.at > 10_000;
    if (headline === said.text && !(count > said.count && isDue)) return;
    this.#said = { text: headline, count, at: Date.now() };
    this.#text("status", [headline, this.#painter.found(count)].filter(Boolean).join(". "));
  }

  #paintFreshness({ state, since, reason }) {
    const time = since && new Date(since).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    const word = state === "done" && this.#run.state !== "completed" ? "ended" : reason ?? state;
    this.#text("freshness-text", fill(this.#painter.words.freshness[word], { time }));
    this.#part("freshness")?.setAttribute("data-freshness", state);
  }

  // --- cards -----------------------------------------------------------------------------------------------

  #cards() {
    return [...(this.#part("cards")?.children ?? [])];
  }

  #cardsOf(step) {
    return this.#cards().filter((card) => card.dataset.step === step);
  }

  #cardOf({ step, data }) {
    return this.#cardsOf(step).find((card) => card.dataset.index === String(data.index));
  }

  #count() {
    return this.#run.steps.reduce((sum, { items_count }) => sum + items_count, 0);
  }

  #addCard(event) {
    const list = this.#part("cards");
    if (!list || this.#part("cut")) return; // a list that shows only its beginning does not grow
    const card = this.clone("item");
    Object.assign(card.dataset, { step: event.step, index: event.data.index, key: event.data.key, fresh: "" });
    this.fillCard(card, event.data);
    this.#show("empty", false);
    const place = this.#place(card);
    const isLater = (other) => this.#place(other).map((number, at) => number - place[at]).find(Boolean) > 0;
    const next = list.lastElementChild && isLater(list.lastElementChild) && this.#cards().find(isLater);
    list.insertBefore(card, next || null);
    this.#tally(card);
    this.#below(1);
  }

  /** What cards are ordered by: step, part, index. */
  #place({ dataset: { step, index } }) {
    const part = partOf(step);
    return [this.#run.steps.findIndex(({ name }) => name === part.of), part.index, Number(index)];
  }

  /** An item's value into a clone of the page's card. */
  fillCard(card, { value }) {
    if (!card) return;
    const shown = this.#painter.card(value);
    card.dataset.kind = shown.kind;
    for (const place of card.querySelectorAll("[data-field]")) write(place, shown.fields[place.dataset.field], { hide: true });
    const more = card.querySelector("[data-part=more]");
    more?.replaceChildren(...shown.more.map(([name, text]) => this.#field(name, text)));
    if (more) more.hidden = !shown.more.length;
  }

  #field(name, text) {
    const row = this.clone("field");
    row.querySelector("dt").textContent = name;
    row.querySelector("dd").textContent = text;
    return row;
  }

  #refillCard(card, data) {
    if (!card) return;
    this.fillCard(card, data);
    this.#tallyAgain(); // it may be of another kind now
  }

  /** Of the step's cards, those above `keep_through` are replaced by what follows. */
  #resetCards({ step, data }) {
    const replaced = this.#cardsOf(step).filter(({ dataset }) => Number(dataset.index) > data.keep_through);
    // Of a list that shows only its beginning, what follows is not here, and would not be added.
    if (replaced.length && this.#part("cut")) location.reload();
    this.#dropCards(replaced);
  }

  #dropCards(cards) {
    for (const card of cards) card.remove();
    this.#below(-Math.min(this.#newBelow, cards.length));
    this.#show("empty", !this.#cards().length);
    this.#tallyAgain();
  }

  #tallyAgain() {
    const [list, only] = [this.#part("kinds"), this.#only];
    if (!list) return;
    list.replaceChildren();
    list.hidden = true;
    this.#only = null;
    for (const card of this.#cards()) this.#tally(card);
    this.#showOnly(list.querySelector(`[data-kind="${CSS.escape(only ?? "")}"]`) ? only : null);
  }

  /** Counts a card with its kind, and hides it while only another kind is shown. */
  #tally({ dataset: { kind } }) {
    const list = this.#part("kinds");
    if (!list || !kind) return;
    let chip = list.querySelector(`[data-kind="${CSS.escape(kind)}"]`);
    if (!chip) {
      chip = this.clone("kind");
      chip.dataset.kind = kind;
      chip.querySelector("[data-part=name]").textContent = this.#painter.label(kind, {});
      chip.querySelector("button").addEventListener("click", () => this.#showOnly(this.#only === kind ? null : kind));
      list.append(chip);
      list.hidden = list.children.length < 2;
    }
    const count = chip.querySelector("[data-part=count]");
    count.textContent = Number(count.textContent) + 1;
    if (this.#only) this.#showOnly(this.#only);
  }

  #showOnly(kind) {
    this.#only = kind;
    for (const card of this.#cards()) card.hidden = kind !== null && card.dataset.kind !== kind;
    for (const chip of this.#part("kinds").children) {
      chip.querySelector("button").setAttribute("aria-pressed", chip.dataset.kind === kind);
    }
  }

  /** Nothing scrolls by itself; who reads further up is told that there is more. */
  #watchEnd() {
    const end = this.#part("newest");
    if (!end) return;
    this.#observer = new IntersectionObserver(([{ isIntersecting }]) => {
      this.#isEndInView = isIntersecting;
      if (isIntersecting) this.#below(-this.#newBelow);
    });
    this.#observer.observe(end);
  }

  #below(count) {
    if (count > 0 && this.#isEndInView) return;
    this.#newBelow += count;
    this.#text("below-text", fill(this.#painter.words.below, { count: this.#newBelow }));
    this.#show("below", this.#newBelow > 0);
  }

  #addSaid({ time, data }) {
    const isWarning = "warning" in (data.params ?? {});
    const list = this.#part(isWarning ? "warning-list" : "activity-list");
    if (!list) return;
    const row = this.clone("said");
    row.querySelector("time").dateTime = time;
    localise(row.querySelector("time"));
    row.querySelector("[data-part=text]").textContent = data.text;
    list.append(row);
    if (!isWarning) while (list.children.length > 50) list.firstElementChild.remove();
    this.#show(isWarning ? "warnings" : "activity", true);
  }

  // --- the markup ------------------------------------------------------------------------------------------

  #learnTime(time) {
    this.#skewMs = Math.min(this.#skewMs, Date.now() - Date.parse(time));
  }

  #part(name) {
    if (!this.#parts.has(name)) this.#parts.set(name, this.querySelector(`[data-part="${name}"]`));
    return this.#parts.get(name);
  }

  #text(part, text) {
    write(this.#part(part), text);
  }

  #show(part, isShown) {
    const place = this.#part(part);
    if (place) place.hidden = !isShown;
  }

  clone(name) {
    return this.querySelector(`template[data-template="${name}"]`).content.firstElementChild.cloneNode(true);
  }
}

/** Text that is the same is not written again: what stands still is not read aloud twice, and stays selected. */
function write(place, text, { hide = false } = {}) {
  if (!place) return;
  const said = String(text ?? "");
  if (place.textContent !== said) place.textContent = said;
  if (hide) place.hidden = said === "";
}

/** The server says its times in UTC; whoever reads them is somewhere. */
function localise(time) {
  time.textContent = new Date(time.dateTime).toLocaleTimeString([], { hour12: false });
}

customElements.define("run-progress", RunProgress);
