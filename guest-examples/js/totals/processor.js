// Adds what each user paid to `total/<user>`: one read and one write for a whole batch.
import { batch, Halt, state } from "tidemill";
import { payment } from "./payment.js";

export const handler = batch((events) => {
  const paid = new Map();
  for (const event of events) {
    const { user, amount } = payment(event);
    const key = `total/${user}`;
    paid.set(key, (paid.get(key) ?? 0n) + amount);
  }

  const before = state.getMany(paid.keys());
  state.apply(Array.from(paid, ([key, amount], i) => [key, String(total(key, before[i]) + amount)]));
});

/** The number that a key holds; a key without a value holds 0. */
function total(key, value) {
  if (value === undefined) return 0n;
  if (typeof value === "string" && /^[+-]?\d+$/.test(value)) return BigInt(value);
  throw new Halt(`the state of \`${key}\` is not a number`);
}
