/**
 * The items of a run, for a page that shows them in its own way: fold the events of run-stream.js into a Map of step
 * names to Maps of index to item.
 *
 *   const items = new Map();
 *   stream.addEventListener("event", ({ detail }) => render(foldItems(items, detail)));
 *
 * On the server the same is streaming/folding.py.
 */

/** Changes and returns `items`. Apply each event once and in order; types that are not about items change nothing. */
export function foldItems(items, { type, step, data }) {
  const held = items.get(step) ?? new Map();
  if (type === "item.committed") items.set(step, held.set(data.index, data));
  else if (type === "item.replaced") {
    const { repaired, ...before } = held.get(data.index) ?? {}; // how the earlier content came to be says nothing of this one
    items.set(step, held.set(data.index, { ...before, ...data }));
  } else if (type === "item.retracted") held.delete(data.index);
  else if (type === "items.reset") {
    for (const index of [...held.keys()].filter((index) => index > data.keep_through)) held.delete(index);
  }
  return items;
}
