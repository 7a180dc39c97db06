// Adds what each user paid to `total/<user>`: one read and one write for a whole batch.
import { batch, Halt, state, type Value } from "tidemill";
import { payment } from "./payment.ts";

export const handler = batch((events) => {
  const paid = new Map<string, bigint>();
  for (const event of events) {
    const { user, amount } = payment(event);
    const key = `total/${user}`;
    paid.set(key, (paid.get(key) ?? 0n) + amount);
  }

  const before = state.getMany(paid.keys());
  const sums = Array.from(paid, ([key, amount], i) => [key, String(total(key, before[i]) + amount)] as const);
  state.apply(sums);
});

/** The number that a key holds; a key without a value holds 0. */
function total(key: string, value: Value | undefined): bigint {
  if (value === undefined) return 0n;
  if (typeof value === "string" && /^[+-]?\d+$/.test(value)) return BigInt(value);
  throw new Halt(`the state of \`${key}\` is not a number`);
}
