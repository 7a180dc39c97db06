// The processor's logic in plain Node: `npm test`.
import assert from "node:assert/strict";
import { test } from "node:test";
import { run } from "tidemill/testing";
import { handler } from "./processor.js";

test("payments are added to what the user has paid before", () => {
  const { state } = run(handler, {
    before: { "total/ada": "39" },
    events: [{ user: "ada", amount: 3 }, { user: "bob", amount: 5 }, { user: "bob", amount: -7 }],
  });
  assert.deepEqual(state, { "total/ada": "42", "total/bob": "-2" });
});

test("a sum has no largest number", () => {
  const { state } = run(handler, {
    before: { "total/ada": "170141183460469231731687303715884105727" },
    events: [{ user: "ada", amount: Number.MAX_SAFE_INTEGER }],
  });
  assert.deepEqual(state, { "total/ada": "170141183460469231731696310915138846718" });
});

for (const wrong of ["{", "null", '{"user": "ada"}', '{"user": 1, "amount": 2}', '{"user": "ada", "amount": 3.5}']) {
  test(`${wrong} is rejected at its place, and nothing is written`, () => {
    const { state, failure } = run(handler, { events: [{ user: "ada", amount: 1 }, wrong] });
    assert.equal(failure.tag, "reject");
    assert.equal(failure.val.index, 1);
    assert.match(failure.val.reason, /^not a payment: /);
    assert.deepEqual(state, {});
  });
}

test("a state that is no number needs a person", () => {
  const { failure } = run(handler, { before: { "total/ada": "many" }, events: [{ user: "ada", amount: 1 }] });
  assert.deepEqual(failure, { tag: "halt", val: "the state of `total/ada` is not a number" });
});
