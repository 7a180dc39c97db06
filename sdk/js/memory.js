// The contract's imports in memory: what the module stands on when it runs in Node, under a test.
const LEVELS = ["trace", "debug", "info", "warn", "error"];
const PAGE_MAX = 1000;

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

export const state = {
  get: (key) => values.get(key),
  getMany: (keys) => keys.map((key) => values.get(key)),
  put: (key, value) => void values.set(key, copy(value)),
  delete: (key) => void values.delete(key),
  apply(writes) {
    for (const { key, value } of writes) {
      if (value === undefined) values.delete(key);
      else values.set(key, copy(value));
    }
  },
  scan({ prefix, after, limit }) {
    const most = limit === 0 ? PAGE_MAX : Math.min(limit, PAGE_MAX);
    const found = sorted().filter(([key]) => key.startsWith(prefix) && (after === undefined || compare(key, after) > 0));
    return { entries: found.slice(0, most).map(([key, value]) => ({ key, value })), more: found.length > most };
  },
};

export const config = {
  get: (name) => settings.get(name),
  getAll: () => [...settings].sort(([a], [b]) => compare(a, b)),
};

export const log = {
  enabled: (level) => LEVELS.indexOf(level) >= LEVELS.indexOf(least),
  write(level, message) {
    if (log.enabled(level)) lines.push({ level, message });
  },
};

const sorted = () => [...values].sort(([a], [b]) => compare(a, b));

/** By the bytes of UTF-8, as the host orders keys; JavaScript itself compares UTF-16. */
const compare = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b));

const copy = (value) => (value.tag === "bytes" ? { tag: "bytes", val: value.val.slice() } : value);
