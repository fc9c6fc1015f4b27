/** Types of run-stream.js. The wire shapes are those of the protocol; unknown fields and types may be added to them. */

export interface Problem {
  code: string;
  detail: string;
  retryable: boolean;
}

export interface Progress {
  done: number;
  total: number | null;
  unit: string;
  /** Of a fan-out: names of the first parts that failed. */
  failed?: string[];
}

export type RunState =
  | "pending" | "running" | "waiting" | "completed" | "failed" | "cancelling" | "cancelled"
  | "compensating" | "compensated" | "compensation_failed";

export type StepState =
  | "pending" | "ready" | "running" | "retrying" | "waiting" | "completed" | "failed" | "skipped" | "cancelled"
  | "compensating" | "compensated" | "compensation_failed";

export interface Step {
  name: string;
  title: string;
  kind: "step" | "wait" | "fan_out";
  position: number;
  stage: number;
  branch: number;
  state: StepState;
  /** What it last said; while `skipped`: why. */
  state_info: string;
  attempt: number;
  max_attempts: number;
  progress: Progress | null;
  items_count: number;
  /** RFC 3339, UTC, like every time here. While `retrying`: when the next try begins; while `waiting`: until when. */
  due_at: string | null;
  started_at: string | null;
  finished_at: string | null;
  error: Problem | null;
  /** Of all its attempts; null when it asked no model. */
  usage: StepUsage | null;
}

/** cost: null where a model without a price was used. */
export interface Usage {
  tokens_in: number;
  tokens_out: number;
  cost: number | null;
}

/** From `model` on: of the latest attempt, null for a fan-out. Times from its first question, in seconds. */
export interface StepUsage extends Usage {
  calls: number;
  is_estimated: boolean;
  model: string | null;
  finish_reason: string | null;
  first_token_seconds: number | null;
  first_item_seconds: number | null;
  last_item_seconds: number | null;
}

export interface Snapshot {
  id: string;
  workflow: string;
  version: number;
  title: string;
  state: RunState;
  state_info: string;
  is_terminal: boolean;
  allowed_actions: string[];
  /** Above 1 once the log was restored to an earlier point: seconds since 1970, usually. */
  epoch: number;
  /** What a stream goes on from: `seq`, or `epoch.seq` when the epoch is above 1. */
  seq: number;
  progress: Progress;
  current_steps: string[];
  steps: Step[];
  error?: Problem | null;
  labels: Record<string, string>;
  usage: Usage & { currency: string };
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
  links: { self: string; events: string; items: string; result: string; page: string };
}

export interface Envelope<Data = Record<string, unknown>> {
  v: 1;
  /** Absent on ephemeral frames: `step.progress`, `item.partial`. */
  seq?: number;
  id?: string;
  type: string;
  run: string;
  step?: string;
  attempt?: number;
  time: string;
  data: Data;
}

export interface Freshness {
  state: "loading" | "live" | "catching_up" | "offline" | "done" | "stopped";
  /** Milliseconds since the epoch of the last sign of life, while `offline`. */
  since: number | null;
  /** Why it will not be tried again, while `stopped`. */
  reason: "signed_out" | "forbidden" | "unknown" | null;
}

export interface RunStreamOptions {
  /** The snapshot's address, `/api/v1/runs/{id}`. */
  url: string;
  /** The WebSocket's address; null for server-sent events only. Default `/ws/v1`. */
  socket?: string | null;
  run: string;
  /** The `seq` to go on from; null (the default) reads the snapshot first. */
  after?: number | null;
  /** The epoch that `after` is of. Default 1. */
  epoch?: number;
  /** Whether the run had ended at that cursor. */
  over?: boolean;
  limits?: Partial<Limits>;
}

/** All in milliseconds, but `silence`, which counts heartbeats. */
export interface Limits {
  heartbeatMs: number;
  silence: number;
  openMs: number;
  healthyMs: number;
  backoffBaseMs: number;
  backoffCapMs: number;
  graceMs: number;
  idlePollMs: number;
}

export interface RunStreamEventMap {
  /** A numbered event: each once, in order. */
  event: CustomEvent<Envelope>;
  /** An ephemeral frame: may be missing. */
  frame: CustomEvent<Envelope>;
  /** The run was read: at the start without a cursor, and by `refresh()`. */
  snapshot: CustomEvent<Snapshot>;
  /**
   * The log was restored to an earlier point, or does not reach back to where we were: forget what was shown, and begin
   * from this. Events go on from its `seq`, in its `epoch`.
   */
  reset: CustomEvent<Snapshot>;
  freshness: CustomEvent<Freshness>;
}

/** The events of one run, once and in order, however often the line is cut. */
export class RunStream extends EventTarget {
  constructor(options: RunStreamOptions);
  readonly url: string;
  readonly run: string;
  /** The last number applied; null before the first snapshot. */
  readonly seen: number | null;
  readonly epoch: number;
  /** As the server takes it for `after`: `seen`, or `epoch.seen` as text when the epoch is above 1. */
  readonly cursor: number | string | null;
  readonly freshness: Freshness;
  start(): this;
  stop(): void;
  refresh(): Promise<Snapshot>;
  addEventListener<Type extends keyof RunStreamEventMap>(
    type: Type,
    listener: (event: RunStreamEventMap[Type]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
}

/** Server-sent events out of text that is cut anywhere. */
export class SseParser {
  feed(text: string): { id: string | null; event: string; data: string }[];
}

/** Milliseconds to wait after so many failures: full jitter below a doubling, capped bound. */
export function backoff(failures: number, options?: { base?: number; cap?: number; roll?: number }): number;

/** The snapshot, changed in place by one event. */
export function reduce(run: Snapshot, event: Envelope): Snapshot;

export interface Card {
  kind: string;
  fields: Record<string, string>;
  more: [label: string, text: string][];
}

/** The sentences of a run, in the words that the server gives. `now`: milliseconds, on the server's clock. */
export class Painter {
  constructor(page: {
    words: Record<string, unknown>;
    noun?: [string, string];
    labels?: Record<string, string>;
    /** "UTC": times as the server says them; else where the reader is. */
    zone?: string;
  });
  headline(run: Snapshot): string;
  detail(run: Snapshot): string;
  percent(run: Snapshot): number;
  position(run: Snapshot): string;
  note(step: Step, now: number): string;
  why(step: Step): string;
  failedParts(step: Step): string;
  failure(run: Snapshot): string;
  kept(run: Snapshot): string;
  gone(run: Snapshot): string;
  empty(run: Snapshot): string;
  found(count: number): string;
  duration(seconds: number): string;
  moment(iso: string): string;
  card(value: Record<string, unknown>): Card;
  label(name: string, labels?: Record<string, string>): string;
  text(value: unknown): string;
}

/** `<run-progress>`: keeps server-rendered markup true. */
export class RunProgress extends HTMLElement {
  stream: RunStream;
  /** The snapshot, moved on by what was heard since. */
  readonly run: Snapshot;
  /** An item's value into a clone of the page's card. */
  fillCard(card: Element, item: { value: Record<string, unknown> }): void;
  /** Of a `<template data-template="…">` of the page. */
  clone(name: string): Element;
}

declare global {
  interface HTMLElementTagNameMap {
    "run-progress": RunProgress;
  }
}
