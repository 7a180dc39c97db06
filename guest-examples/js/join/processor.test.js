// The processor's logic in plain Node: `npm test`.
import assert from "node:assert/strict";
import { test } from "node:test";
import { run } from "tidemill/testing";
import { handler } from "./processor.js";

const ada = { type: "customer", id: "c1", name: "Ada" };
const order = (amount) => ({ type: "order", customer: "c1", amount });

test("an order may come before its customer", () => {
  assert.deepEqual(run(handler, { events: [order(7)] }).state, { "customer/c1": '{"name":null,"spent":7}' });
  assert.deepEqual(run(handler, { events: [order(7), ada] }).state, { "customer/c1": '{"name":"Ada","spent":7}' });
  assert.deepEqual(run(handler, { events: [ada, order(7)] }).state, { "customer/c1": '{"name":"Ada","spent":7}' });
});

test("names are escaped as little as JSON allows", () => {
  const name = '"\\\u0000\b\f\n\r\t\u001f/<&\u007f\u2028€😀';
  const { state } = run(handler, { events: [{ ...ada, name }, order(1)] });
  assert.equal(state["customer/c1"], '{"name":"\\"\\\\\\u0000\\b\\f\\n\\r\\t\\u001f/<&\u007f\u2028€😀","spent":1}');
});

test("what was spent has 64 bits, and one more is rejected", () => {
  const before = { "customer/c1": '{"name":null,"spent":9223372036854775806}' };
  assert.deepEqual(run(handler, { before, events: [order(1)] }).state, {
    "customer/c1": '{"name":null,"spent":9223372036854775807}',
  });
  const { failure } = run(handler, { before, events: [order(1), order(1)] });
  assert.equal(failure.val.index, 1);
  assert.match(failure.val.reason, /^not an event: /);
});

test("a row that cannot be read needs a person", () => {
  for (const row of ["", "{}", '{"name":"a","b","spent":1}', new Uint8Array([1])]) {
    const { failure } = run(handler, { before: { "customer/c1": row }, events: [order(1)] });
    assert.equal(failure.tag, "halt");
    assert.match(failure.val, /^the row `customer\/c1` cannot be read: /);
  }
});

for (const wrong of ["nonsense", "[]", "{}", '{"type":"customer","id":"c1"}', '{"type":"order","customer":1,"amount":1}']) {
  test(`${wrong} is rejected`, () => {
    const { failure } = run(handler, { events: [wrong] });
    assert.equal(failure.val.index, 0);
    assert.match(failure.val.reason, /^not an event: /);
  });
}

test("events of other types are left out", () => {
  assert.deepEqual(run(handler, { events: [{ type: "refund" }] }), { state: {}, failure: undefined, log: [] });
});
