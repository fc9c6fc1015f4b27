/**
 * What a run has used of models, on its page: rendered by the server, told anew by each snapshot that <run-progress>
 * reads. No event tells it, so a snapshot is asked for when a step ends that found something: only those ask models,
 * as a rule.
 */

class RunUsed extends HTMLElement {
  async connectedCallback() {
    await customElements.whenDefined("run-progress");
    const progress = this.closest("run-progress");
    const { words } = JSON.parse(progress.querySelector("#run-page").textContent);
    progress.stream.addEventListener("snapshot", ({ detail }) => this.#tell(used(detail, words)));
    progress.stream.addEventListener("event", ({ detail: { type, data } }) => {
      if (type === "step.completed" && data.items_count) progress.stream.refresh().catch(() => null); // the next one tells it
    });
  }

  #tell(text) {
    const [line] = this.children;
    if (line.textContent !== text) line.textContent = text;
    line.hidden = text === "";
  }
}

/** Says to the letter what its twin in workflows/pages/painting.py says. */
export function used({ usage, steps }, words) {
  const tokens = usage ? usage.tokens_in + usage.tokens_out : 0;
  if (!tokens) return "";
  const isAbout = steps.some((step) => step.usage?.is_estimated);
  const said = fill(isAbout ? words.used_about : words.used, { tokens: grouped(tokens) });
  return [said, cost(usage, words)].filter(Boolean).join(" · ");
}

function cost({ cost, currency }, words) {
  if (!cost) return "";
  const places = cost >= 1 ? 2 : 4;
  const amount = Math.floor(cost * 10 ** places + 0.5);
  const digits = String(Math.max(amount, 1)).padStart(places + 1, "0");
  const text = `${grouped(digits.slice(0, -places))}.${digits.slice(-places)}`;
  return fill(amount ? words.costs : words.costs_little, { cost: text, currency });
}

const grouped = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, ",");
const fill = (pattern, values) => pattern.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");

customElements.define("run-used", RunUsed);
