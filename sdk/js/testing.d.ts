// What a test needs: one batch, given to a processor over a state in memory.
import type { Handler, Level, Value } from "./tidemill.js";

/** An event as the host would give it; `data` that is neither text nor bytes becomes JSON. */
export interface Envelope {
  data: unknown;
  headers?: Array<[name: string, value: string]>;
  id?: string;
  kind?: string;
  key?: string;
  occurredAt?: bigint;
}

export interface Situation {
  /** An `Envelope` where there is a field `data`; else the payload, as JSON unless it is text or bytes. */
  events: Iterable<unknown>;
  /** The state at the beginning. */
  before?: Record<string, Value>;
  /** What `config` gives. */
  config?: Record<string, string>;
  logLevel?: Level;
  feed?: string;
  partition?: string;
}

/** The contract's failures, as the host would get them. */
export type Failure =
  | { tag: "reject"; val: { index: number; reason: string } }
  | { tag: "retry"; val: { afterMs: number; reason: string } }
  | { tag: "halt"; val: string };

export interface Outcome {
  /** The whole state afterwards. */
  state: Record<string, Value>;
  failure: Failure | undefined;
  log: Array<{ level: Level; message: string }>;
}

/** Gives one batch to a processor. A failure leaves the state as it was, as in production. */
export function run(handler: Handler, situation: Situation): Outcome;
