// Running a processor in Node, without Wasm, over a state in memory.
import { reset, snapshot } from "./memory.js";

/**
 * Gives one batch to a processor. A failure leaves the state as it was, as in production.
 * @type {import("./testing.js").run}
 */
export function run(handler, { events, before = {}, config, logLevel, feed = "events", partition = "0" }) {
  const held = Object.entries(before).map(([key, value]) => [key, lift(value)]);
  reset({ before: held, config, logLevel });
  let failure;
  try {
    const batch = { feed, partition, events: Array.from(events, raw) };
    const columns = byColumns(batch);
    if (columns !== undefined && handler.processBulk !== undefined) handler.processBulk(columns);
    else handler.process(batch);
  } catch (thrown) {
    // What the module throws is the contract's failure; anything else is a bug of the module.
    if (thrown?.tag === undefined) throw thrown;
    failure = thrown;
  }
  const { values, lines } = snapshot();
  const kept = failure === undefined ? values : held;
  return { state: Object.fromEntries(kept.map(([key, value]) => [key, value.val])), failure, log: lines };
}

/** An event as the host gives it, from a payload, or from an envelope with `data`. */
function raw(event) {
  const { data, headers = [], ...envelope } = isEnvelope(event) ? event : { data: event };
  const given = typeof data === "string" || data instanceof Uint8Array ? data : JSON.stringify(data);
  return { data: lift(given), headers, ...envelope };
}

/** The batch as the host gives it where it fits: texts without line feeds, no headers, and what one event has, all have. */
function byColumns({ feed, partition, events }) {
  const columns = {};
  for (const name of ["data", "id", "kind", "key", "occurredAt"]) {
    const values = events.map((event) => (name === "data" ? event.data.val : event[name]));
    const missing = values.filter((value) => value == null).length;
    if (missing > 0 && missing < values.length) return undefined;
    if (name !== "occurredAt" && values.some((value) => value != null && (typeof value !== "string" || value.includes("\n")))) return undefined;
    if (missing === 0) columns[name] = name === "occurredAt" ? values : column(values);
  }
  const fits = events.length > 0 && events.every(({ headers }) => headers.length === 0);
  return fits ? { feed, partition, ...columns } : undefined;
}

function column(texts) {
  const lines = texts.map((text) => `${text}\n`);
  let end = 0;
  return { lines: lines.join(""), ends: lines.map((line) => (end += Buffer.byteLength(line)) - 1) };
}

const isEnvelope = (event) =>
  typeof event === "object" && event !== null && !(event instanceof Uint8Array) && "data" in event;

const lift = (value) =>
  value instanceof Uint8Array ? { tag: "bytes", val: value } : { tag: "text", val: value };
