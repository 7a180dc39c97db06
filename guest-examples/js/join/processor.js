// Joins customers and their orders, whichever come first, into one row for each customer.
import { each, Reject } from "tidemill";
import { fits, read, write } from "./row.js";

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

function named(customer, name) {
  write(customer, { ...read(customer), name });
}

function ordered(customer, amount) {
  const row = read(customer);
  const spent = row.spent + amount;
  if (!fits(spent)) {
    throw new Reject(`not an event: customer \`${customer}\` would have spent ${spent}, which is beyond 64 bits`);
  }
  write(customer, { ...row, spent });
}

const text = { is: (value) => typeof value === "string" && value.isWellFormed(), name: "a string" };
const integer = { is: Number.isSafeInteger, name: "an integer of at most 2^53-1 in magnitude" };

function field(event, name, type) {
  const value = event?.[name];
  if (!type.is(value)) throw new Reject(`not an event: \`${name}\` is not ${type.name}`);
  return value;
}
