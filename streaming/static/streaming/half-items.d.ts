/** Types of half-items.js. */

import type { Envelope } from "./run-stream.js";

/** `set`: the member, or with an empty pointer all, is the value. `push`: a list has one more. `append`: a text goes on. */
export type Op = ["set" | "push", pointer: string, value: unknown] | ["append", pointer: string, text: string];

/** `data` of the ephemeral `item.partial`. After a hole in `rev` only a `set` of all counts; of null: it is taken back. */
export interface ItemPartial {
  index: number;
  rev: number;
  ops: Op[];
}

/** A value after operations, changed in place where it can be. Throws if they do not belong to it. */
export function applyOps(value: unknown, ops: Op[]): unknown;

/** The items that are being written, one a step at most; they may yet be refused. Give `take` every event and frame. */
export class HalfItems implements Iterable<{ step: string; index: number; value: unknown }> {
  /** Whether something is to be shown that was not. */
  take(event: Envelope): boolean;
  /** That the step's items up to `index` are there, as a snapshot or a page says. */
  commit(step: string, index: number): boolean;
  [Symbol.iterator](): Iterator<{ step: string; index: number; value: unknown }>;
}
