// A payment, as the feed has it: whose, and how much.
import { Reject } from "tidemill";

/** The payment of an event, or a rejection that says what is wrong with it. */
export function payment(event) {
  const value = event.json("a payment");
  if (typeof value !== "object" || value === null) throw new Reject("not a payment: it is no JSON object");
  const { user, amount } = value;
  if (typeof user !== "string" || !user.isWellFormed()) throw new Reject("not a payment: `user` is not a string");
  if (!Number.isSafeInteger(amount)) throw new Reject("not a payment: `amount` is not an integer of at most 2^53-1 in magnitude");
  return { user, amount: BigInt(amount) };
}
