/**
 * A result that opens in place. Everything is rendered by the server: a level of the tree is a page of its own, and
 * when a node is opened, that page is asked for and its level put below the node. Without this module the links lead
 * to the same pages.
 */

class ResultTree extends HTMLElement {
  connectedCallback() {
    this.addEventListener("toggle", ({ target }) => target.open && this.#open(target), true); // it does not bubble
    this.addEventListener("click", (event) => this.#follow(event));
  }

  /** Fill an opened node with its level, once. */
  async #open(node) {
    if (!node.dataset.level || node.getAttribute("aria-busy")) return;
    const place = node.lastElementChild;
    const link = place.querySelector("a");
    const label = link.textContent;
    link.textContent = "Loading…";
    node.setAttribute("aria-busy", "true");
    const level = await ask(node.dataset.level);
    node.removeAttribute("aria-busy");
    if (typeof level === "string") return fail(place, link, label, level);
    delete node.dataset.level;
    place.replaceWith(...level);
    this.#say(`${level[0].children.length} lines below ${node.querySelector(".key").textContent}`);
  }

  /** "Show more" appends what its link leads to. */
  async #follow(event) {
    const link = event.target.closest("[data-part=more] a");
    if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    const place = link.parentElement;
    if (place.getAttribute("aria-busy")) return;
    place.setAttribute("aria-busy", "true");
    const level = await ask(link.getAttribute("href"));
    place.removeAttribute("aria-busy");
    if (typeof level === "string") return fail(place, link, link.textContent, level);
    const [nodes, ...rest] = level;
    const added = [...nodes.children];
    place.previousElementSibling.append(...added);
    place.replaceWith(...rest);
    focus(added[0]);
    this.#say(`${added.length} more lines`);
  }

  #say(text) {
    this.querySelector("[data-part=status]").textContent = text;
  }
}

/** The level that a page shows: its list and, if there is more, the link to it. A sentence when it could not be had. */
async function ask(query) {
  let response;
  try {
    response = await fetch(location.pathname + query, { headers: { Accept: "text/html" } });
    if (response.redirected) return "You are signed out: load this page again.";
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const nodes = page.querySelector("[data-part=nodes]");
    if (response.ok && nodes) return [nodes, page.querySelector("[data-part=more]")].filter(Boolean);
    return page.querySelector("[role=alert]")?.textContent ?? "The server did not give it. Try again in a while.";
  } catch {
    return "The server cannot be reached. Try again in a while.";
  }
}

/** The link stays, so that it can be tried again, here or on a page of its own. */
function fail(place, link, label, sentence) {
  link.textContent = label;
  let alert = place.querySelector("[role=alert]");
  if (!alert) {
    alert = document.createElement("span");
    alert.setAttribute("role", "alert");
    place.append(" ", alert);
  }
  alert.textContent = sentence;
}

/** Whoever went on by keyboard is where the new lines begin. */
function focus(item) {
  const target = item?.querySelector("summary, a") ?? item;
  if (!target) return;
  if (target === item) item.tabIndex = -1;
  target.focus();
}

customElements.define("result-tree", ResultTree);
