"""Tests of the module on plain Python: `python3 -m unittest`."""

import logging
import sys
import unittest
from types import SimpleNamespace
from typing import Any
from unittest import mock

import tidemill_testing
from tidemill import Batch, Event, Halt, Reject, Retry, config, each_event, processor, state
from tidemill_component import Lines, columns, handlers, records
from tidemill_testing import Err, run


def failure(process: Any, *payloads: str) -> Any:
    """What the component returns for a batch."""
    events = [
        SimpleNamespace(data=tidemill_testing._value(data), headers=[], id=None, kind=None, key=None, occurred_at=None)
        for data in payloads
    ]
    try:
        handlers(process)[0]().process(SimpleNamespace(feed="events", partition="0", events=events))
    except Err as err:
        return err.value.value
    return None


def by_columns(*events: Event) -> Any:
    """The events as Tidemill gives them in a few large pieces."""

    def column(texts: list[Any]) -> Any:
        if texts[0] is None:
            return None
        lines = [f"{text}\n" for text in texts]
        ends = [len("".join(lines[: index + 1]).encode()) - 1 for index in range(len(lines))]
        return SimpleNamespace(lines="".join(lines), ends=ends)

    known = {name: column([getattr(event, name) for event in events]) for name in ("data", "id", "kind", "key")}
    times = [event.occurred_at for event in events]
    occurred_at = None if times[0] is None else times
    return SimpleNamespace(feed="events", partition="0", occurred_at=occurred_at, **known)


def read_all(batch: Batch) -> None:
    for event in batch:
        event.json()


class Columns(unittest.TestCase):
    def test_an_event_is_the_same_whether_its_batch_comes_by_columns_or_as_records(self) -> None:
        for events in [
            [Event("")],
            [Event("1"), Event('{"a": "\u00f8\u20ac\U0001f600\u2028"}'), Event("")],
            [Event("1", id="\u00f8", kind="", key="k", occurred_at=-5), Event("2", id="2", kind="x", key="", occurred_at=7)],
        ]:
            lifted = [
                SimpleNamespace(
                    data=tidemill_testing._value(e.data),
                    headers=e.headers, id=e.id, kind=e.kind, key=e.key, occurred_at=e.occurred_at,
                )
                for e in events
            ]
            self.assertEqual(columns(by_columns(*events)), events)
            self.assertEqual(records(SimpleNamespace(events=lifted)), events)

    def test_no_event_shares_its_headers_with_another(self) -> None:
        one, other = columns(by_columns(Event("1"), Event("2")))
        one.headers.append(("a", "b"))
        self.assertEqual(other.headers, [])

    def test_what_fails_in_a_batch_by_columns_is_told_as_in_any_other(self) -> None:
        with self.assertRaises(Err) as raised:
            handlers(read_all)[1]().process(by_columns(Event("1"), Event("{")))
        self.assertEqual(raised.exception.value.value.index, 1)


class Failures(unittest.TestCase):
    def test_an_exception_rejects_the_event_that_the_loop_is_at_with_file_line_and_traceback(self) -> None:
        reject = failure(read_all, "1", "2", "{")
        self.assertEqual(reject.index, 2)
        first, *trace = reject.reason.splitlines()
        self.assertRegex(first, r"test_tidemill\.py:\d+: json\.decoder\.JSONDecodeError: Expecting property name")
        self.assertEqual(trace[0], "Traceback (most recent call last):")
        self.assertRegex(trace[1], r'test_tidemill\.py", line \d+, in read_all')
        self.assertIn("event.json()", trace[2])

    def test_an_exception_after_the_loop_blames_no_event(self) -> None:
        def process(batch: Batch) -> None:
            read_all(batch)
            raise KeyError("x")

        self.assertEqual(failure(process, "1", "2").index, 2**32 - 1)

    def test_a_long_traceback_keeps_its_innermost_part(self) -> None:
        def dive(depth: int) -> None:
            dive(depth - 1) if depth % 2 else sink(depth - 1)

        def sink(depth: int) -> None:
            dive(depth) if depth > 0 else 1 / 0

        reason = failure(lambda batch: dive(200), "1").reason
        self.assertLessEqual(len(reason.encode()), 4096)
        self.assertRegex(reason.splitlines()[0], r"test_tidemill\.py:\d+: ZeroDivisionError: division by zero")
        self.assertTrue(reason.endswith("ZeroDivisionError: division by zero"))

    def test_reject_names_its_event_by_itself_or_by_index(self) -> None:
        def process(batch: Batch) -> None:
            for event in batch:
                if event.data == "bad":
                    raise Reject("so \ud800")
            raise Reject("first", index=0)

        self.assertEqual(vars(failure(process, "1", "bad")), {"index": 1, "reason": "so \\ud800"})
        self.assertEqual(vars(failure(process, "1", "2")), {"index": 0, "reason": "first"})

    def test_a_wait_is_between_nothing_and_an_hour(self) -> None:
        unheard_of: Any = "soon"
        waits: list[Any] = [(-1, 0), (1500, 1500), (0.5, 1), (2**64, 3_600_000), (float("nan"), 0), (unheard_of, 0)]
        for asked, given in waits:

            def process(batch: Batch, asked: Any = asked) -> None:
                raise Retry("later", asked)

            self.assertEqual(vars(failure(process, "1")), {"after_ms": given, "reason": "later"})

    def test_a_wait_is_a_second_unless_said(self) -> None:
        self.assertEqual(Retry("later").after_ms, 1000)

    def test_an_index_that_no_batch_has_blames_no_event(self) -> None:
        for index in [-1, 2, 2**70, "1", 0.5]:

            def process(batch: Batch, index: Any = index) -> None:
                raise Reject("no", index)

            with self.subTest(index=index):
                self.assertEqual(failure(process, "1", "2").index, 2**32 - 1)

    def test_an_exception_that_cannot_be_shown_is_named(self) -> None:
        class Silent(Halt):
            def __str__(self) -> str:
                raise RuntimeError

        def process(batch: Batch) -> None:
            raise Silent

        self.assertEqual(failure(process, "1"), "Silent, whose __str__ raised RuntimeError")

    def test_leaving_the_interpreter_rejects(self) -> None:
        def process(batch: Batch) -> None:
            for _ in batch:
                sys.exit("enough")

        reject = failure(process, "1", "2")
        self.assertEqual(reject.index, 0)
        self.assertIn("SystemExit: enough", reject.reason)

    def test_a_loop_within_a_loop_leaves_the_outer_one_where_it_is(self) -> None:
        def process(batch: Batch) -> None:
            for event in batch:
                read_all(batch)
                if event.data == "2":
                    raise KeyError("x")

        self.assertEqual(failure(process, "1", "2", "3").index, 1)

    def test_causes_in_a_circle_come_to_an_end(self) -> None:
        def process(batch: Batch) -> None:
            one, other = KeyError("one"), KeyError("other")
            one.__cause__, other.__cause__ = other, one
            raise one

        self.assertIn("KeyError: 'one'", failure(process, "1").reason)

    def test_a_log_line_that_cannot_be_made_fails_no_event(self) -> None:
        lines = Lines()
        record = logging.LogRecord("x", logging.INFO, "", 0, "%d paid", ("ada",), None)
        with mock.patch.object(lines, "handleError") as handled:
            lines.emit(record)
        handled.assert_called_once_with(record)

    def test_halt_is_its_reason(self) -> None:
        def process(batch: Batch) -> None:
            raise Halt("look")

        self.assertEqual(failure(process, "1"), "look")


class States(unittest.TestCase):
    def test_a_scan_gives_every_page_by_the_bytes_of_the_keys(self) -> None:
        before: dict[str, str | bytes] = {f"k/{number:04}": "x" for number in range(2500)}
        before |= {"k/é": b"y", "l": "z"}
        found: list[Any] = []
        run(lambda batch: found.extend(state.scan("k/")), "1", state=before)
        self.assertEqual(found, [*list(before.items())[:2500], ("k/é", b"y")])

    def test_a_read_sees_the_writes_before_it(self) -> None:
        def process(batch: Batch) -> None:
            state["a"] = "1"
            state.apply({"b": b"2", "c": None})
            state.apply([("d", "4"), ("d", None)])
            del state["nobody"]
            self.assertEqual(state.get_many(["a", "b", "c", "d"]), ["1", b"2", None, None])
            self.assertTrue("a" in state and "c" not in state)
            with self.assertRaises(KeyError):
                state["c"]

        self.assertEqual(run(process, "1", state={"c": "3"}), {"a": "1", "b": b"2"})

    def test_a_page_has_as_many_entries_as_asked_for(self) -> None:
        def process(batch: Batch) -> None:
            self.assertEqual(state.page("k", limit=1), ([("k1", "a")], True))
            self.assertEqual(state.page("k", after="k1", limit=2**40), ([("k2", "b")], False))
            with self.assertRaisesRegex(ValueError, "-1 entries"):
                state.page(limit=-1)

        run(process, "1", state={"k1": "a", "k2": "b"})

    def test_whatever_holds_bytes_is_bytes(self) -> None:
        def process(batch: Batch) -> None:
            values: Any = {"a": bytearray(b"\0"), "b": memoryview(b"\1")}
            state.apply(values)

        self.assertEqual(run(process, "1"), {"a": b"\0", "b": b"\1"})

    def test_what_is_neither_text_nor_bytes_is_refused(self) -> None:
        writes: list[Any] = [{5: "x"}, {"x": 5}, {"\ud800": "x"}, {"x": "\ud800"}, {"": "x"}, {"x" * 1025: "x"}]
        for write in writes:
            with self.subTest(write=write), self.assertRaises((TypeError, ValueError)):
                run(lambda batch: state.apply(write), "1")


class Words(unittest.TestCase):
    def test_each_event_is_called_for_one_event_after_the_other(self) -> None:
        @each_event
        def process(event: Event) -> None:
            state[event.json()] = "seen"

        self.assertEqual(run(process, '"a"', '"c"'), {"a": "seen", "c": "seen"})

    def test_a_decorated_function_is_exported_from_its_module(self) -> None:
        processor(read_all)
        self.assertTrue(callable(globals()["Handler"]().process))

    def test_json_is_text_and_neither_nan_nor_bottomless(self) -> None:
        payloads: list[str | bytes] = [b"1", "NaN", "Infinity", "[" * 100_000, ""]
        for data in payloads:
            with self.subTest(data=data[:9]), self.assertRaises(ValueError):
                Event(data).json()

    def test_times_are_exact(self) -> None:
        self.assertEqual(str(Event("", occurred_at=1_767_323_045_000_006).time), "2026-01-02 03:04:05.000006+00:00")

    def test_the_configuration_is_a_mapping(self) -> None:
        def process(batch: Batch) -> None:
            self.assertEqual((config["a"], config.get("b"), dict(config)), ("1", None, {"a": "1"}))

        run(process, "1", config={"a": "1"})


if __name__ == "__main__":
    unittest.main()
