// A customer's row in the state: the name, once it is known, and what was spent.
import { Halt, state } from "tidemill";

/** The whole number after the name `spent`, as its digits stand. */
const DIGITS = /"spent"\s*:\s*(-?\d+)(?=\s*[,}])/g;

/** The row of a customer, empty if there is none yet. */
export function read(id) {
  const key = keyOf(id);
  const value = state.get(key);
  if (value === undefined) return { name: null, spent: 0n };
  try {
    return parse(value);
  } catch (cause) {
    throw new Halt(`the row \`${key}\` cannot be read: ${cause.message}`, { cause });
  }
}

function parse(value) {
  if (typeof value !== "string") throw new TypeError("it is bytes");
  const { name, spent: rounded } = JSON.parse(value);
  // Beyond 2^53 a JSON number loses digits, so it is read once more as text.
  const { spent } = JSON.parse(value.replace(DIGITS, '"spent":"$1"'));
  if (!(name === null || typeof name === "string") || typeof rounded !== "number" || typeof spent !== "string") {
    throw new TypeError('it is not {"name":…,"spent":…}');
  }
  if (!fits(BigInt(spent))) throw new RangeError("`spent` is beyond 64 bits");
  return { name, spent: BigInt(spent) };
}

export function write(id, { name, spent }) {
  state.put(keyOf(id), `{"name":${JSON.stringify(name)},"spent":${spent}}`);
}

/** Whether what was spent has 64 bits. */
export const fits = (spent) => BigInt.asIntN(64, spent) === spent;

const keyOf = (id) => `customer/${id}`;
