/**
 * Longhaul in the browser: the items that a model is in the middle of.
 *
 * HalfItems   keeps them true, from the events and the frames of a RunStream.
 *
 * Beside run-stream.js, which this module adds to: where a `<run-progress>` has a list for them, they are shown in it,
 * filled into clones of the page's own card, with `textContent` only.
 */

/**
 * A value after operations on it, changed in place where it can be: ["set", pointer, value], ["push", pointer, value],
 * ["append", pointer, text]. Throws if they do not belong to it.
 */
export function applyOps(value, ops) {
  for (const [verb, pointer, operand] of ops) {
    const path = pointer.split("/").slice(1).map((name) => name.replaceAll("~1", "/").replaceAll("~0", "~"));
    const given = typeof operand === "object" ? structuredClone(operand) : operand; // others may hold the frame
    if (!path.length && verb !== "push") {
      value = verb === "set" ? given : grown(value, given);
      continue;
    }
    const last = verb === "push" ? null : path.pop();
    const place = path.reduce(member, value);
    if (verb === "push") place.push(given);
    else put(place, last, verb === "set" ? given : grown(member(place, last), given));
  }
  return value;
}

/** A model may call a member whatever it likes, `__proto__` too. */
function member(place, name) {
  if (typeof place !== "object" || place === null || !Object.hasOwn(place, name)) throw new Error("no such member");
  return place[name];
}

function put(place, name, value) {
  if (typeof place !== "object" || place === null) throw new Error("no place for a member");
  Object.defineProperty(place, name, { value, writable: true, enumerable: true, configurable: true });
}

function grown(text, more) {
  if (typeof text !== "string" || typeof more !== "string") throw new Error("only a text can be appended to");
  return text + more;
}

const ENDS_RUN = new Set(["completed", "failed", "cancelled", "compensated", "compensation_failed"]);
const ENDS_WRITING = new Set(["completed", "failed", "retry_scheduled", "skipped", "cancelled", "reset"]);

/**
 * The half-written items of a run, one a step at most. They may yet be refused, and a number is there only once it is
 * final. Give `take` every event and every frame; iterate for { step, index, value }.
 */
export class HalfItems {
  #steps = new Map(); // by name: attempt, rev, committed (the highest index that is), half

  /** @returns {boolean} whether something is to be shown that was not */
  take({ type, step, attempt, data }) {
    const [subject, verb] = type.split(".");
    if (subject === "run" && ENDS_RUN.has(verb)) return this.#end([...this.#steps.keys()]);
    if (!step) return false;
    if (type === "item.partial") return this.#grow(this.#at(step, attempt), attempt, data);
    if (type === "item.committed") return this.commit(step, data.index);
    if ((subject === "step" && ENDS_WRITING.has(verb)) || (subject === "attempt" && verb !== "started")) return this.#end([step], attempt);
    return false;
  }

  /** That the step's items up to `index` are there. A frame that took the longer way may still tell of one. */
  commit(step, index) {
    const known = this.#at(step);
    known.committed = Math.max(known.committed, index);
    return known.half?.index <= index && this.#drop(known);
  }

  *[Symbol.iterator]() {
    for (const [step, { half }] of this.#steps) if (half) yield { step, ...half };
  }

  #at(step, attempt = 0) {
    if (!this.#steps.has(step)) this.#steps.set(step, { attempt, rev: 0, committed: -1, half: null });
    return this.#steps.get(step);
  }

  #grow(known, attempt, { index, rev, ops }) {
    if (attempt < known.attempt || index <= known.committed) return false;
    if (attempt > known.attempt) Object.assign(known, { attempt, rev: 0 }); // what the one before left goes below
    const isAll = ops[0]?.[0] === "set" && ops[0][1] === "";
    if (rev <= known.rev || !(isAll || rev === known.rev + 1)) return false; // old; or a hole: all is told again soon
    try {
      const value = applyOps(isAll ? null : known.half?.value, ops);
      Object.assign(known, { rev, half: value === null ? null : { index, value } });
    } catch {
      known.half = null; // until all is told
    }
    return true;
  }

  /** What comes of this attempt from now on is late. A frame of the next one may have come before the word of it. */
  #end(steps, attempt = Infinity) {
    return steps.map((step) => this.#at(step)).reduce((isNew, known) => {
      if (attempt < known.attempt) return isNew;
      known.rev = Infinity;
      return this.#drop(known) || isNew;
    }, false);
  }

  #drop(known) {
    const isNew = known.half !== null;
    known.half = null;
    return isNew;
  }
}

/** What a `<run-progress>` shows below its cards: neither counted nor read aloud, and gone once it is a card. */
class HalfList {
  #halves = new HalfItems();
  #page;
  #list;

  constructor(page, list) {
    [this.#page, this.#list] = [page, list];
    for (const { dataset } of this.#cards()) this.#halves.commit(dataset.step, Number(dataset.index));
    page.stream.addEventListener("event", ({ detail }) => this.#halves.take(detail) && this.#paint(detail));
    page.stream.addEventListener("frame", ({ detail }) => !this.#isLate(detail) && this.#halves.take(detail) && this.#paint());
  }

  #cards() {
    return this.#page.querySelectorAll("[data-part=cards] > *");
  }

  /** What is kept for those who come may be of an attempt that was lost. */
  #isLate({ step: name, attempt }) {
    const step = this.#page.run.steps.find((step) => step.name === name);
    return step !== undefined && (attempt < step.attempt || (attempt === step.attempt && step.state !== "running"));
  }

  #paint(event) {
    const old = new Map([...this.#list.children].map((half) => [half.dataset.step, half]));
    for (const { step, value } of this.#halves) {
      if (typeof value !== "object" || Array.isArray(value)) continue;
      const half = old.get(step) ?? this.#list.appendChild(this.#newHalf(step));
      old.delete(step);
      this.#page.fillCard(half, { value });
    }
    for (const half of old.values()) half.remove();
    const empty = this.#page.querySelector("[data-part=empty]");
    if (empty) empty.hidden = Boolean(this.#list.children.length || this.#cards().length);
    if (event?.type === "item.committed") this.#settle(event);
  }

  #newHalf(step) {
    const half = this.#page.clone("half");
    half.dataset.step = step;
    half.append(...this.#page.clone("item").children);
    return half;
  }

  /** Its card was seen growing: it does not arrive. */
  #settle({ step, data }) {
    const isIt = ({ dataset }) => dataset.step === step && dataset.index === String(data.index);
    const card = [...this.#cards()].findLast(isIt);
    if (!card) return;
    delete card.dataset.fresh;
    card.dataset.grown = "";
  }
}

customElements.whenDefined("run-progress").then(() => {
  for (const page of document.querySelectorAll("run-progress")) {
    const list = page.querySelector("[data-part=halves]");
    if (list) new HalfList(page, list);
  }
});
