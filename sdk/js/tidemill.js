// The module that processors import: events in, state, configuration and log beside them, failures as exceptions.
import * as contract from "#contract";
import { columns, records } from "./delivery.js";
import { checkNesting } from "./nesting.js";
import { report, reasonOf } from "./report.js";

/** A place outside every batch: the host searches for the event itself. */
const UNKNOWN = 0x7fff_ffff;

/** This event can never be applied. Its reason is the message alone, without a stack. */
export class Reject extends Error {
  name = "Reject";

  /**
   * @param {string} reason
   * @param {{ index?: number, cause?: unknown }} [options]
   */
  constructor(reason, { index, cause } = {}) {
    super(reason, { cause });
    this.index = index;
  }
}

/** The world is not ready: give me the same batch again, later. */
export class Retry extends Error {
  name = "Retry";

  /**
   * @param {string} reason
   * @param {{ afterMs?: number, cause?: unknown }} [options]
   */
  constructor(reason, { afterMs = 1000, cause } = {}) {
    super(reason, { cause });
    this.afterMs = afterMs;
  }
}

/** Go no further on this partition until a person has looked. */
export class Halt extends Error {
  name = "Halt";
}

/** One fact of the feed, and its place in the batch. */
class Event {
  #delivery;

  constructor(delivery, index) {
    this.#delivery = delivery;
    this.index = index;
  }

  get data() { return this.#delivery.data[this.index]; }
  get headers() { return this.#delivery.known("headers", this.index) ?? []; }
  get id() { return this.#delivery.known("id", this.index); }
  get kind() { return this.#delivery.known("kind", this.index); }
  get key() { return this.#delivery.known("key", this.index); }
  get feed() { return this.#delivery.feed; }
  get partition() { return this.#delivery.partition; }

  get occurredAt() {
    const micros = this.#delivery.known("occurredAt", this.index);
    return micros === undefined ? undefined : BigInt(micros);
  }

  json(what = "JSON") {
    const data = this.data;
    if (typeof data !== "string") throw new Reject(`not ${what}: the payload is bytes`, { index: this.index });
    try {
      checkNesting(data);
      return JSON.parse(data);
    } catch (cause) {
      throw new Reject(`not ${what}: ${cause.message}`, { index: this.index, cause });
    }
  }
}

/**
 * Calls `apply` with each event's JSON and the event itself.
 * @param {(payload: any, event: Event) => void} apply
 * @param {{ what?: string }} [options]
 */
export function each(apply, { what } = {}) {
  return batch((events) => {
    for (const event of events) refusePromise(apply(event.json(what), event));
  });
}

// The batch of this call, until the next: most instances live for one, and need not free it event by event.
let last;

/** Calls `apply` once with all events of a batch. Walking them with `for … of` tells which one is being applied. */
export function batch(apply) {
  const process = (delivery) => {
    contract.begin();
    let current; // the place of the walk, while there is one
    const { feed, partition, data } = delivery;
    const events = [];
    for (let index = 0; index < data.length; index += 1) events.push(new Event(delivery, index));
    Object.defineProperty(events, Symbol.iterator, {
      *value() {
        const before = current; // of a walk within a walk
        // Not `events`: an array that holds itself waits for the collector, which takes longer than to free it.
        for (let place = 0; place < this.length; place += 1) {
          const event = this[place];
          current = event.index;
          yield event;
        }
        current = before;
      },
    });
    last = events;
    try {
      refusePromise(apply(events, { feed, partition }));
    } catch (error) {
      throw failure(error, current);
    }
  };
  return {
    process: (batch) => process(records(batch)),
    processBulk: (batch) => process(columns(batch)),
  };
}

/** The processor's own key-value state: text is a string, bytes are a Uint8Array. */
export const state = {
  get(key) {
    return contract.state.get(text(key, "a key"))?.val;
  },

  getMany(keys) {
    return contract.state.getMany(Array.from(keys, (key) => text(key, "a key"))).map((value) => value?.val);
  },

  text(key) {
    const value = state.get(key);
    if (value !== undefined && typeof value !== "string") {
      throw new Halt(`the state of \`${key}\` is bytes, where text was expected`);
    }
    return value;
  },

  put(key, value) {
    contract.state.put(text(key, "a key"), lower(value));
  },

  delete(key) {
    contract.state.delete(text(key, "a key"));
  },

  apply(writes) {
    contract.state.apply(
      Array.from(writes, (write) => ({
        key: text(write[0], "a key"),
        value: write[1] == null ? undefined : lower(write[1]),
      })),
    );
  },

  /** @param {{ prefix?: string, after?: string | null, limit?: number }} [range] */
  scan({ prefix = "", after, limit = 0 } = {}) {
    const page = contract.state.scan({
      prefix: text(prefix, "a prefix"),
      after: after == null ? undefined : text(after, "`after`"),
      limit: entriesAtMost(limit),
    });
    return { entries: page.entries.map(({ key, value }) => [key, value.val]), more: page.more };
  },

  *entries(prefix = "", limit = 0) {
    let after;
    let page;
    do {
      page = state.scan({ prefix, after, limit });
      yield* page.entries;
      after = page.entries.at(-1)?.[0];
    } while (page.more);
  },
};

/** What the operator configured for this processor. */
export const config = {
  get: (name) => contract.config.get(text(name, "a name")) ?? undefined,
  getAll: () => new Map(contract.config.getAll()),
};

/** Lines for the operator, in the host's own log. */
export const log = {
  enabled: (level) => contract.log.enabled(level),
  write: (level, message) => contract.log.write(level, String(message).toWellFormed()),
  trace: (message) => log.write("trace", message),
  debug: (message) => log.write("debug", message),
  info: (message) => log.write("info", message),
  warn: (message) => log.write("warn", message),
  error: (message) => log.write("error", message),
};

/**
 * A value as it crosses to the host.
 * @returns {import("tidemill:processor/types@0.1.0").Value}
 */
function lower(value) {
  if (value instanceof Uint8Array) return { tag: "bytes", val: value };
  return { tag: "text", val: text(value, "a value") };
}

/** Text that UTF-8 can hold. Half of a surrogate pair would otherwise be lost on the way, silently. */
function text(value, what) {
  if (typeof value !== "string") {
    const article = what === "a value" ? "a string or a Uint8Array" : "a string";
    throw new TypeError(`${what} must be ${article}, not ${value === null ? "null" : typeof value}`);
  }
  if (!value.isWellFormed()) {
    throw new TypeError(`${what} has half of a surrogate pair, which is not text: ${JSON.stringify(value)}`);
  }
  return value;
}

/** As many entries as asked for, within what the host gives; a number past 2^31 would not survive the crossing. */
function entriesAtMost(limit) {
  if (!(limit >= 0)) throw new RangeError(`a page cannot have ${limit} entries`);
  return Math.min(Math.ceil(limit), 1000);
}

/** What went wrong, as the contract has it. */
function failure(error, current) {
  if (error instanceof Halt) return { tag: "halt", val: reasonOf(error) };
  if (error instanceof Retry) return { tag: "retry", val: { afterMs: wait(error.afterMs), reason: reasonOf(error) } };
  const [index, reason] = error instanceof Reject ? [error.index ?? current, reasonOf(error)] : [current, report(error)];
  const inside = Number.isInteger(index) && index >= 0 && index < UNKNOWN;
  return { tag: "reject", val: { index: inside ? index : UNKNOWN, reason } };
}

/** Whole milliseconds between none and an hour; what is no number is none. */
function wait(afterMs) {
  return typeof afterMs === "number" ? Math.ceil(Math.max(0, Math.min(afterMs || 0, 3_600_000))) : 0;
}

function refusePromise(result) {
  if (typeof result?.then === "function") {
    throw new TypeError("the function returned a promise, but a processor cannot wait: make it a plain function");
  }
}
