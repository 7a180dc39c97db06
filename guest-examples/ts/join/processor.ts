// Joins customers and their orders, whichever come first, into one row for each customer.
import { each, Reject } from "tidemill";
import { fits, read, write } from "./row.ts";

export const handler = each(
  (event) => {
    switch (field(event, "type", text)) {
      case "customer":
        return named(field(event, "id", text), field(event, "name", text));
      case "order":
        return ordered(field(event, "customer", text), BigInt(field(event, "amount", integer)));
    }
  },
  { what: "an event" },
);

function named(customer: string, name: string): void {
  write(customer, { ...read(customer), name });
}

function ordered(customer: string, amount: bigint): void {
  const row = read(customer);
  const spent = row.spent + amount;
  if (!fits(spent)) {
    throw new Reject(`not an event: customer \`${customer}\` would have spent ${spent}, which is beyond 64 bits`);
  }
  write(customer, { ...row, spent });
}

/** What a field must be, and how people call that. */
interface Type<T> {
  is(value: unknown): value is T;
  name: string;
}

const text: Type<string> = {
  is: (value): value is string => typeof value === "string" && value.isWellFormed(),
  name: "a string",
};

const integer: Type<number> = {
  is: (value): value is number => Number.isSafeInteger(value),
  name: "an integer of at most 2^53-1 in magnitude",
};

function field<T>(event: unknown, name: string, type: Type<T>): T {
  const value = (event as Record<string, unknown> | null)?.[name];
  if (!type.is(value)) throw new Reject(`not an event: \`${name}\` is not ${type.name}`);
  return value;
}
