// A customer's row in the state: the name, once it is known, and what was spent.
import { Halt, state } from "tidemill";

export interface Row {
  name: string | null;
  spent: bigint;
}

/** The row of a customer, empty if there is none yet. */
export function read(id: string): Row {
  const key = keyOf(id);
  const value = state.get(key);
  if (value === undefined) return { name: null, spent: 0n };
  // Beyond 2^53 a JSON number would lose digits, so the digits are read as they stand.
  const [, name, spent] = /^\{"name":(null|".*"),"spent":(-?\d+)\}$/su.exec(String(value)) ?? [];
  try {
    if (name === undefined || spent === undefined) throw new SyntaxError('it is not {"name":…,"spent":…}');
    return { name: JSON.parse(name), spent: BigInt(spent) };
  } catch (cause) {
    throw new Halt(`the row \`${key}\` cannot be read: ${(cause as Error).message}`, { cause });
  }
}

export function write(id: string, { name, spent }: Row): void {
  state.put(keyOf(id), `{"name":${JSON.stringify(name)},"spent":${spent}}`);
}

const keyOf = (id: string) => `customer/${id}`;
