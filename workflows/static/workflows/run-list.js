/**
 * Keeps the rows of the run list true, a few seconds behind. Rows stay where they are and keep their tick; when there
 * are others by now, the list says so and leaves it to the reader to load them.
 */

const EVERY_MS = 5_000;

const place = document.getElementById("lh-freshness");
const rowsOf = (page) => new Map([...page.querySelectorAll("#result_list tbody tr")].map((row) => [keyOf(row), row]));
const keyOf = (row) => row.querySelector(".field-what a")?.getAttribute("href");

async function look() {
  if (document.visibilityState !== "visible") return;
  const response = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!response.ok || response.redirected) throw new Error(String(response.status));
  const [shown, fresh] = [rowsOf(document), rowsOf(new DOMParser().parseFromString(await response.text(), "text/html"))];
  for (const [key, row] of shown) if (fresh.has(key)) renew(row, fresh.get(key));
  const isSame = [...shown.keys()].join() === [...fresh.keys()].join();
  say("live", isSame ? "Up to date" : "There are other runs by now");
}

/** Cell by cell, but for the tick: the admin's own script holds on to it. */
function renew(row, fresh) {
  for (const [index, cell] of [...row.cells].entries()) {
    const now = fresh.cells[index];
    if (!cell.matches(".action-checkbox") && now && !cell.isEqualNode(now)) cell.replaceChildren(...now.childNodes);
  }
}

function say(state, text) {
  if (place.textContent !== text) place.textContent = text;
  place.closest("[data-freshness]").dataset.freshness = state;
}

function lost() {
  if (place.closest("[data-freshness]").dataset.freshness === "offline") return;
  say("offline", `Offline since ${new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}`);
}

setInterval(() => look().catch(lost), EVERY_MS);
