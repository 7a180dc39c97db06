// What people read when a processor throws, in plain Node: `npm test`.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { run } from "tidemill/testing";
import { handler } from "./processor.js";

test("an exception rejects its event, with the line that threw it", () => {
  const source = readFileSync(new URL("./processor.js", import.meta.url), "utf8");
  const line = source.split("\n").findIndex((text) => text.includes("throw new Error(message)")) + 1;
  const put = { do: "put", key: "a", value: "1" };
  const { state, failure } = run(handler, { events: [put, put, { do: "throw", message: "ouch" }] });
  assert.equal(failure.val.index, 2);
  assert.match(failure.val.reason, /^Error: ouch\n/);
  assert.ok(failure.val.reason.includes(`processor.js:${line}:`), failure.val.reason);
  assert.deepEqual(state, {});
});

test("an instruction that nobody knows is rejected", () => {
  for (const wrong of [{ do: "fly" }, { do: "toString" }, {}, null, "[]", "{"]) {
    const { failure } = run(handler, { events: [wrong] });
    assert.match(failure.val.reason, /^not an instruction: /);
  }
});
