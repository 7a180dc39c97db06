// The contract's imports in memory: what the module stands on when it runs in Node, under a test.
const LEVELS = ["trace", "debug", "info", "warn", "error"];
const PAGE_MAX = 1000;
const KEY_BYTES_MAX = 1024;

let values = new Map();
let settings = new Map();
let lines = [];
let least = "info";

/** Begins a test: only these values, settings and no lines. */
export function reset({ before = [], config: given = {}, logLevel = "info" } = {}) {
  values = new Map(before);
  settings = new Map(Object.entries(given));
  lines = [];
  least = logLevel;
}

/** The state in the order of the bytes of the keys, and the lines that were written. */
export const snapshot = () => ({ values: sorted(), lines });

export function begin() {}

/** @satisfies {typeof import("tidemill:processor/state@0.1.0")} */
export const state = {
  get: (key) => values.get(key),
  getMany: (keys) => keys.map((key) => values.get(key)),
  put: (key, value) => void values.set(checked(key), copy(value)),
  delete: (key) => void values.delete(checked(key)),
  apply(writes) {
    for (const { key, value } of writes) {
      if (value === undefined) state.delete(key);
      else state.put(key, value);
    }
  },
  scan({ prefix, after, limit }) {
    const most = limit === 0 ? PAGE_MAX : Math.min(limit, PAGE_MAX);
    const found = sorted().filter(([key]) => key.startsWith(prefix) && (after === undefined || compare(key, after) > 0));
    return { entries: found.slice(0, most).map(([key, value]) => ({ key, value })), more: found.length > most };
  },
};

/** @satisfies {typeof import("tidemill:processor/config@0.1.0")} */
export const config = {
  get: (name) => settings.get(name),
  getAll: () => [...settings].sort(([a], [b]) => compare(a, b)),
};

/** @satisfies {typeof import("tidemill:processor/log@0.1.0")} */
export const log = {
  enabled: (level) => LEVELS.indexOf(level) >= LEVELS.indexOf(least),
  write(level, message) {
    if (log.enabled(level)) lines.push({ level, message });
  },
};

const sorted = () => [...values].sort(([a], [b]) => compare(a, b));

/** By the bytes of UTF-8, as the host orders keys; JavaScript itself compares UTF-16. */
const compare = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b));

function checked(key) {
  const bytes = Buffer.byteLength(key);
  if (bytes < 1 || bytes > KEY_BYTES_MAX) throw new Error(`a key has ${bytes} bytes; a key has 1 to ${KEY_BYTES_MAX}`);
  return key;
}

const copy = (value) => (value.tag === "bytes" ? { tag: "bytes", val: value.val.slice() } : value);
