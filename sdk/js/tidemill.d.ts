// What the module offers, for editors and for tsc.

/** A payload or a stored value. Text and bytes are different values: what is put as a string is read as a string. */
export type Value = string | Uint8Array;

/** One fact of the feed. */
export interface Event {
  /** The payload. JSON is text, exactly as the publisher sent it. */
  readonly data: Value;
  /** The event's place in its batch, from 0. */
  readonly index: number;
  /** The feed's name in `tidemill.toml`. */
  readonly feed: string;
  /** The partition within the feed. */
  readonly partition: string;
  /** The publisher's headers, in its order; empty unless the feed's `event-headers` asks for them. */
  readonly headers: ReadonlyArray<readonly [name: string, value: string]>;
  /** The identifier that the publisher gave the event. */
  readonly id: string | undefined;
  /** What kind of event it is (CloudEvents `type`). */
  readonly kind: string | undefined;
  /** What the event is about (CloudEvents `partitionkey`, else `subject`). */
  readonly key: string | undefined;
  /**
   * When it happened, in microseconds since 1970. As a date: `new Date(Number(event.occurredAt / 1000n))`.
   * Exact to the microsecond until the year 2255.
   */
  readonly occurredAt: bigint | undefined;
  /**
   * The payload as JSON. What is not JSON rejects the event, with a reason that begins `not WHAT: `.
   * The type is a promise of the publisher's, and nobody has checked it.
   */
  json<T = unknown>(what?: string): T;
}

/** Where the events of a batch are from. */
export interface Origin {
  readonly feed: string;
  readonly partition: string;
}

/** What a module exports under the name `handler`. */
export interface Handler {
  process(batch: unknown): void;
}

/**
 * A processor that applies one event at a time, each with its JSON.
 *
 * Whatever `apply` throws rejects the event that it was given; the reason is the message and the places in your
 * sources. `what` names the payload where it is not JSON: `not a payment: …`.
 */
export function each<T = unknown>(apply: (payload: T, event: Event) => void, options?: { what?: string }): Handler;

/**
 * A processor that applies a whole batch at once, for reading and writing many keys in one crossing.
 *
 * Walk the events with `for … of`: then an exception within the loop rejects the event that it was thrown at. After
 * the loop no event is to blame, and the host searches for it. A loop that `break` leaves has not ended: what is thrown
 * after it rejects the event that it was left at, unless you throw a `Reject` with the `index` of another.
 */
export function batch(apply: (events: readonly Event[], origin: Origin) => void): Handler;

/** This event can never be applied. The operator's `on-reject` decides what happens; writes of the call are forgotten. */
export class Reject extends Error {
  /** `index`: another place in the batch than that of the event being applied. */
  constructor(reason: string, options?: { index?: number; cause?: unknown });
  readonly index: number | undefined;
}

/** The world is not ready: give me the same batch again, later. */
export class Retry extends Error {
  /** `afterMs`: the shortest wait in milliseconds, 1,000 if it is not given. At most an hour counts. */
  constructor(reason: string, options?: { afterMs?: number; cause?: unknown });
  readonly afterMs: number;
}

/** Go no further on this partition until a person has looked. The reason is shown to them. */
export class Halt extends Error {
  constructor(reason: string, options?: { cause?: unknown });
}

/** Entries in the order of the bytes of their keys, and whether more come after the last. */
export interface Page {
  readonly entries: Array<[key: string, value: Value]>;
  readonly more: boolean;
}

/**
 * The processor's own key-value state. A read sees the writes before it in the same call; all of them are committed
 * together with the feed's cursor, or none. Keys are text of 1 to 1,024 bytes.
 */
export const state: {
  /** The value of a key. */
  get(key: string): Value | undefined;
  /** The values of several keys in the order asked. Cheaper than many `get`s. */
  getMany(keys: Iterable<string>): Array<Value | undefined>;
  /** The value of a key whose values are text. Bytes under it halt the partition. */
  text(key: string): string | undefined;
  /** Sets a key. */
  put(key: string, value: Value): void;
  /** Removes a key; a key that is not there is no error. */
  delete(key: string): void;
  /** Many changes in one crossing, in their order; `null` or `undefined` removes the key. A `Map` will do. */
  apply(writes: Iterable<readonly [key: string, value: Value | null | undefined]>): void;
  /** One page of the keys that begin with `prefix` and are greater than `after`: at most `limit`, at most 1,000. */
  scan(range?: { prefix?: string; after?: string | null; limit?: number }): Page;
  /** All entries whose keys begin with `prefix`, page by page, in the order of the bytes of their keys. */
  entries(prefix?: string, pageLimit?: number): Generator<[key: string, value: Value], void, void>;
};

/** What the operator configured for this processor (`[processors.NAME.config]`), as text. */
export const config: {
  /** The value of a setting. Numbers and booleans are given as TOML writes them. */
  get(name: string): string | undefined;
  /** All settings, ordered by name. */
  getAll(): Map<string, string>;
};

export type Level = "trace" | "debug" | "info" | "warn" | "error";

/** Lines for the operator, in the host's own log, at most 4 KiB each. `console` writes there too. */
export const log: {
  /** Whether lines of this level are kept. */
  enabled(level: Level): boolean;
  write(level: Level, message: string): void;
} & { readonly [level in Level]: (message: string) => void };
