// Does what its events say, so that every part of the contract can be looked at from outside.
import { batch, config, Halt, log, Reject, Retry, state } from "tidemill";

let calls = 0;

export const handler = batch((events) => {
  for (const event of events) {
    if (typeof event.data === "string") obey(event.json("an instruction"), event);
    else state.put(`bytes/${event.index}`, event.data);
  }
});

const instructions = {
  put: ({ key, value }) => state.put(key, value),
  "put-bytes": ({ key, value }) => state.put(key, Uint8Array.from(value)),
  delete: ({ key }) => state.delete(key),
  apply: ({ writes }) => state.apply(writes.map(({ key, value }) => [key, value])),
  get: ({ key, into }) => state.put(into, rendered(state.get(key))),
  copy: ({ key, into }) => assign(into, state.get(key)),
  "get-many": ({ keys, into }) => state.put(into, state.getMany(keys).map(rendered).join("\n")),
  scan({ prefix, after, limit, into }) {
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
  "config-all": ({ into }) => state.put(into, [...config.getAll()].map(([name, value]) => `${name}=${value}`).join("\n")),
  log: ({ level, message }) => log.write(level, message),
  "log-enabled": ({ level, into }) => state.put(into, String(log.enabled(level))),
  reject({ reason, index }) {
    throw new Reject(reason, { index });
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
    state.apply(Array.from({ length: rows }, (_, row) => [prefix + String(row).padStart(4, "0"), value]));
  },
};

function obey(asked, event) {
  const name = asked?.do;
  if (!Object.hasOwn(instructions, name)) throw new Reject(`not an instruction: \`do\` is ${JSON.stringify(name)}`);
  instructions[name](asked, event);
}

function assign(key, value) {
  if (value === undefined) state.delete(key);
  else state.put(key, value);
}

function rendered(value) {
  if (value === undefined) return "-";
  if (typeof value === "string") return `t:${value}`;
  return `b:${Array.from(value, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

function described(event) {
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
