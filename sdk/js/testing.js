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
    handler.process({ feed, partition, events: Array.from(events, raw) });
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

const isEnvelope = (event) =>
  typeof event === "object" && event !== null && !(event instanceof Uint8Array) && "data" in event;

const lift = (value) =>
  value instanceof Uint8Array ? { tag: "bytes", val: value } : { tag: "text", val: value };
