// Does what its events say, so that every part of the contract can be looked at from outside.
import { batch, config, type Event, Halt, type Level, log, Reject, Retry, state, type Value } from "tidemill";

let calls = 0;

export const handler = batch((events) => {
  for (const event of events) {
    if (typeof event.data === "string") obey(event.json("an instruction"), event);
    else state.put(`bytes/${event.index}`, event.data);
  }
});

/** What each instruction needs beside its name. */
interface Instructions {
  put: { key: string; value: string };
  "put-bytes": { key: string; value: number[] };
  delete: { key: string };
  apply: { writes: Array<{ key: string; value: string | null }> };
  get: { key: string; into: string };
  copy: { key: string; into: string };
  "get-many": { keys: string[]; into: string };
  scan: { prefix: string; after?: string | null; limit: number; into: string };
  count: { prefix: string; limit: number; into: string };
  sum: { key: string; amount: number };
  event: { into: string };
  config: { name: string; into: string };
  "config-all": { into: string };
  log: { level: Level; message: string };
  "log-enabled": { level: Level; into: string };
  reject: { reason: string; index?: number };
  retry: { "after-ms": number; reason: string };
  halt: { reason: string };
  throw: { message: string };
  global: { into: string };
  bulk: { prefix: string; rows: number; bytes: number };
}

const instructions: { [name in keyof Instructions]: (asked: Instructions[name], event: Event) => void } = {
  put: ({ key, value }) => state.put(key, value),
  "put-bytes": ({ key, value }) => state.put(key, Uint8Array.from(value)),
  delete: ({ key }) => state.delete(key),
  apply: ({ writes }) => state.apply(writes.map(({ key, value }) => [key, value] as const)),
  get: ({ key, into }) => state.put(into, rendered(state.get(key))),
  copy: ({ key, into }) => assign(into, state.get(key)),
  "get-many": ({ keys, into }) => state.put(into, state.getMany(keys).map(rendered).join("\n")),
  scan({ prefix, after = null, limit, into }) {
    const { entries, more } = state.scan({ prefix, after, limit });
    const lines = entries.map(([key, value]) => `${key}=${rendered(value)}`);
    state.put(into, [...lines, more ? "more" : "end"].join("\n"));
  },
  count({ prefix, limit, into }) {
    let found = 0;
    for (const _ of state.entries(prefix, limit)) found += 1;
    state.put(into, String(found));
  },
  sum({ key, amount }) {
    if (!Number.isSafeInteger(amount)) throw new Reject("not an instruction: `amount` is not an integer of at most 2^53-1 in magnitude");
    state.put(key, String(BigInt(state.text(key) ?? 0) + BigInt(amount)));
  },
  event: ({ into }, event) => state.put(into, described(event)),
  config: ({ name, into }) => assign(into, config.get(name)),
  "config-all": ({ into }) => state.put(into, Array.from(config.getAll(), ([name, value]) => `${name}=${value}`).join("\n")),
  log: ({ level, message }) => log.write(level, message),
  "log-enabled": ({ level, into }) => state.put(into, String(log.enabled(level))),
  reject({ reason, index }) {
    throw new Reject(reason, index === undefined ? {} : { index });
  },
  retry({ "after-ms": afterMs, reason }) {
    throw new Retry(reason, { afterMs });
  },
  halt({ reason }) {
    throw new Halt(reason);
  },
  throw({ message }) {
    throw new Error(message);
  },
  global({ into }) {
    calls += 1;
    state.put(into, String(calls));
  },
  bulk({ prefix, rows, bytes }) {
    const value = "x".repeat(bytes);
    state.apply(Array.from({ length: rows }, (_, row) => [prefix + String(row).padStart(4, "0"), value] as const));
  },
};

function obey(asked: unknown, event: Event): void {
  const name = (asked as { do?: unknown } | null)?.do;
  if (!isInstruction(name)) throw new Reject(`not an instruction: \`do\` is ${JSON.stringify(name)}`);
  // The fields are the sender's word: this processor exists to be told what to do by its tests.
  instructions[name](asked as never, event);
}

function isInstruction(name: unknown): name is keyof Instructions {
  return typeof name === "string" && Object.hasOwn(instructions, name);
}

function assign(key: string, value: Value | undefined): void {
  if (value === undefined) state.delete(key);
  else state.put(key, value);
}

function rendered(value: Value | undefined): string {
  if (value === undefined) return "-";
  if (typeof value === "string") return `t:${value}`;
  return `b:${Array.from(value, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

function described(event: Event): string {
  return [
    `feed=${event.feed}`,
    `partition=${event.partition}`,
    `index=${event.index}`,
    `id=${event.id ?? "-"}`,
    `kind=${event.kind ?? "-"}`,
    `key=${event.key ?? "-"}`,
    `occurred-at=${event.occurredAt ?? "-"}`,
    ...event.headers.map(([name, value]) => `header ${name}=${value}`),
    `data=${rendered(event.data)}`,
  ].join("\n");
}
