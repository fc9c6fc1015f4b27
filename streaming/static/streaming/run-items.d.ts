import type { Envelope } from "./run-stream.js";

export interface Item {
  index: number;
  key: string;
  type: string;
  value: Record<string, unknown>;
}

/** Step name → index → item. */
export type Items = Map<string, Map<number, Item>>;

/** The items, changed in place by one event: committed, replaced, retracted or reset. Each event once, in order. */
export function foldItems(items: Items, event: Envelope): Items;
