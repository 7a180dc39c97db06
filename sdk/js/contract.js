// The contract's imports as the component has them, and what QuickJS lacks or has without being deterministic.
import * as state from "tidemill:processor/state@0.1.0";
import * as config from "tidemill:processor/config@0.1.0";
import * as log from "tidemill:processor/log@0.1.0";

export { state, config, log };

const SEED = 0x7469_6465;
let random = SEED;

/** Begins a call: whatever ran in this instance before, the same numbers follow. */
export function begin() {
  random = SEED;
}

// QuickJS seeds its own generator when the component is built, and a kept instance would go on with it, so the same
// batch would not give the same writes. This is mulberry32: good for spreading, useless for secrets.
Math.random = () => {
  random = (random + 0x6d2b_79f5) | 0;
  let mixed = Math.imul(random ^ (random >>> 15), 1 | random);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
};

/** A value in a line of the log. As in Node, no value makes `console` throw: not a circle, not a `BigInt` in an object. */
function show(value) {
  try {
    return typeof value === "object" && !(value instanceof Error) ? JSON.stringify(value) : String(value);
  } catch {
    return Object.prototype.toString.call(value);
  }
}

const line = (level) => (...values) => log.write(level, values.map(show).join(" ").toWellFormed());

// It counts from the moment of the build.
Reflect.deleteProperty(globalThis, "performance");

// QuickJS has no console.
Object.assign(globalThis, {
  console: {
    trace: line("trace"),
    debug: line("debug"),
    log: line("info"),
    info: line("info"),
    warn: line("warn"),
    error: line("error"),
  },
});
