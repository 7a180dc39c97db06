// A payment, as the feed has it: whose, and how much.
import { Reject, type Event } from "tidemill";

export interface Payment {
  user: string;
  amount: bigint;
}

/** The payment of an event, or a rejection that says what is wrong with it. */
export function payment(event: Event): Payment {
  const value = event.json<Record<keyof Payment, unknown> | null>("a payment");
  if (typeof value !== "object" || value === null) throw new Reject("not a payment: it is no JSON object");
  const { user, amount } = value;
  if (typeof user !== "string" || !user.isWellFormed()) throw new Reject("not a payment: `user` is not a string");
  if (!isInteger(amount)) throw new Reject("not a payment: `amount` is not an integer of at most 2^53-1 in magnitude");
  return { user, amount: BigInt(amount) };
}

function isInteger(value: unknown): value is number {
  return Number.isSafeInteger(value);
}
