// The module's own facts, in plain Node: `node --test`.
import assert from "node:assert/strict";
import { test } from "node:test";
import { batch, each, Halt, log, Reject, Retry, state } from "./tidemill.js";
import { run } from "./testing.js";

const failureOf = (handler, events = [0, 1, 2]) => run(handler, { events }).failure;

test("what is thrown within the loop rejects the event that it was thrown at", () => {
  const handler = batch((events) => {
    for (const event of events) if (event.index === 1) throw new Error("ouch");
  });
  assert.equal(failureOf(handler).val.index, 1);
});

test("what is thrown after the loop blames no event", () => {
  const handler = batch((events) => {
    for (const event of events) state.put("n", String(event.index));
    throw new Error("ouch");
  });
  assert.ok(failureOf(handler).val.index > 2);
});

test("a rejection has its reason alone, and the place that it names", () => {
  const handler = batch((events) => {
    throw new Reject(`I do not like ${events.length - 1}`, { index: events.length - 1 });
  });
  assert.deepEqual(failureOf(handler), { tag: "reject", val: { index: 2, reason: "I do not like 2" } });
});

test("a walk within a walk leaves the outer one where it is", () => {
  const handler = batch((events) => {
    for (const event of events) {
      for (const other of events) state.put(`${event.index}`, `${other.index}`);
      if (event.index === 1) throw new Error("ouch");
    }
  });
  assert.equal(failureOf(handler).val.index, 1);
});

test("a place that no batch has is one outside of it", () => {
  for (const index of [-1, 2 ** 32, NaN, 0.5, "1", 1n, {}]) {
    const { val } = failureOf(each(() => { throw new Reject("no", { index }); }));
    assert.equal(val.index, 0x7fff_ffff);
  }
});

test("retry waits for whole milliseconds, at most an hour", () => {
  for (const [given, kept] of [[1500, 1500], [0.5, 1], [-1, 0], [Infinity, 3_600_000], [undefined, 1000], [NaN, 0], ["5", 0], [1n, 0]]) {
    const failure = failureOf(each(() => { throw new Retry("not yet", { afterMs: given }); }));
    assert.deepEqual(failure, { tag: "retry", val: { afterMs: kept, reason: "not yet" } });
  }
});

test("halt has its reason alone", () => {
  assert.deepEqual(failureOf(each(() => { throw new Halt("stop ✋"); })), { tag: "halt", val: "stop ✋" });
});

test("a long message leaves room for the place that threw, within 4 KiB", () => {
  for (const letter of ["x", "é", "€", "😀"]) {
    const { reason } = failureOf(each(() => { throw new Error(letter.repeat(10_000)); })).val;
    assert.ok(Buffer.byteLength(reason) <= 4096);
    assert.ok(reason.isWellFormed());
    assert.match(reason, /tidemill\.test\.js:\d+:\d+/);
  }
});

test("a reason of one's own is cut at 4 KiB, between characters", () => {
  for (const letter of ["x", "é", "€", "😀"]) {
    const { reason } = failureOf(each(() => { throw new Reject(letter.repeat(5_000)); })).val;
    const bytes = Buffer.byteLength(reason);
    assert.ok(bytes <= 4096 && bytes > 4088, `${bytes}`);
    assert.ok(reason.isWellFormed() && reason.endsWith("…"));
  }
});

test("the causes of an exception follow it", () => {
  const handler = each(() => { throw new Error("outer", { cause: new TypeError("inner") }); });
  assert.match(failureOf(handler).val.reason, /^Error: outer\n[^]*\ncaused by: TypeError: inner\n/);
});

test("anything may be thrown", () => {
  for (const [thrown, shown] of [["text", "text"], [null, "null"], [{}, "[object Object]"], [Object.create(null), "something"]]) {
    assert.ok(failureOf(each(() => { throw thrown; })).val.reason.startsWith(shown));
  }
});

test("what is thrown may fail when it is looked at", () => {
  const ouch = () => { throw new Error("again"); };
  const hostile = { toString: ouch, get stack() { return ouch(); }, get cause() { return ouch(); } };
  assert.match(failureOf(each(() => { throw hostile; })).val.reason, /^something was thrown/);
  const halt = Object.defineProperty(new Halt("x"), "message", { get: ouch });
  assert.deepEqual(failureOf(each(() => { throw halt; })), { tag: "halt", val: "undefined" });
  assert.equal(failureOf(each(() => { throw Object.assign(new Reject("x"), { message: 5 }); })).val.reason, "5");
});

test("causes in a circle come to an end", () => {
  const error = new Error("round");
  error.cause = error;
  assert.equal(failureOf(each(() => { throw error; })).val.reason.match(/Error: round/g).length, 4);
});

test("a promise is refused, for nobody would wait for it", () => {
  assert.match(failureOf(each(async () => {})).val.reason, /returned a promise/);
  assert.match(failureOf(batch(async () => {})).val.reason, /returned a promise/);
});

test("half of a surrogate pair is refused, in keys and in values", () => {
  for (const write of [() => state.put("\ud800", "v"), () => state.put("k", "\udc00"), () => state.apply([["k\ud800", null]])]) {
    assert.match(failureOf(each(write)).val.reason, /half of a surrogate pair/);
  }
});

test("what is neither text nor bytes is refused by name", () => {
  assert.match(failureOf(each(() => state.put("k", 1))).val.reason, /a value must be a string or a Uint8Array, not number/);
  assert.match(failureOf(each(() => state.get(undefined))).val.reason, /a key must be a string, not undefined/);
});

test("entries come page by page in the order of the bytes of their keys", () => {
  const keys = ["a", "\uffff", "\u{10000}"];
  let seen;
  run(each(() => {
    state.apply(keys.toReversed().map((key) => [key, key]));
    seen = Array.from(state.entries("", 2), ([key]) => key);
  }), { events: [0] });
  assert.deepEqual(seen, keys);
});

test("a page has as many entries as asked for", () => {
  const before = { k1: "a", k2: "b" };
  const page = (range) => {
    let found;
    run(each(() => { found = state.scan(range); }), { before, events: [0] });
    return found.entries.length;
  };
  assert.deepEqual([page({ limit: 1 }), page({ limit: 2 ** 40 }), page({ limit: Infinity }), page()], [1, 2, 2, 2]);
  for (const limit of [-1, NaN]) {
    assert.match(failureOf(each(() => state.scan({ limit }))).val.reason, /^RangeError: a page cannot have/);
  }
});

test("lines below the level are left out", () => {
  const { log: lines } = run(each(() => { log.debug("no"); log.info("yes"); }), { events: [0] });
  assert.deepEqual(lines, [{ level: "info", message: "yes" }]);
});

test("JSON that nests without end is rejected, and brackets in texts or side by side are not levels", () => {
  const handler = each((value) => state.put("read", JSON.stringify(value)));
  const deep = (levels) => "[".repeat(levels) + "]".repeat(levels);
  const fine = [deep(1000), JSON.stringify("[{\\\"".repeat(2000)), JSON.stringify(Array(3000).fill({ a: [] }))];
  for (const json of fine) assert.equal(run(handler, { events: [json] }).state.read, json);
  for (const json of [deep(1001), "[".repeat(100_000), '{"a":'.repeat(100_000)]) {
    assert.match(failureOf(handler, [json]).val.reason, /^not JSON: it nests deeper than 1000 levels/);
  }
});

test("an event is the same whether its batch comes by columns or as records", () => {
  const shown = batch((events) => {
    for (const event of events) {
      const { data, headers, id, kind, key, feed, partition, occurredAt } = event;
      state.put(String(event.index), `${JSON.stringify({ data, headers, id, kind, key, feed, partition })} ${occurredAt}`);
    }
  });
  // A handler without the second function is given records.
  const byRecords = { process: shown.process };
  const known = { id: "ø€", kind: "", key: "k", occurredAt: -5n };
  for (const events of [
    ["", "{\"a\": \"ø€😀\"}", "", "\u2028"],
    [{ data: "1", ...known }, { data: "2", ...known, id: "2", occurredAt: 7n }],
    [{ data: "1", ...known, key: undefined }],
    ["a\nb", "c"],
    [{ data: "1", ...known }, "2"],
    [{ data: "1", headers: [["a", "b"]] }],
    [new Uint8Array([1]), "2"],
  ]) {
    const { state: columns } = run(shown, { events });
    assert.equal(Object.keys(columns).length, events.length);
    assert.deepEqual(columns, run(byRecords, { events }).state);
  }
});

test("a batch comes by columns where it fits", () => {
  const told = { process: () => state.put("by", "records"), processBulk: () => state.put("by", "columns") };
  const by = (...events) => run(told, { events }).state.by;
  assert.equal(by("1", "ø"), "columns");
  assert.equal(by({ data: "1", id: "1" }, { data: "2", id: "2" }), "columns");
  for (const other of [{ data: "1", id: "1" }, "a\nb", new Uint8Array([1]), { data: "1", headers: [["a", "b"]] }]) {
    assert.equal(by("1", other), "records");
  }
});
