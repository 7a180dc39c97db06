"""Stands in for Tidemill in tests of a processor on plain Python: `run` gives it events and returns the state.

    from tidemill_testing import run
    from main import process

    def test_amounts_are_added():
        assert run(process, {"user": "ada", "amount": 3}, state={"total/ada": "4"}) == {"total/ada": "7"}

What the processor raises comes through as it is, so `assertRaises` and `pytest.raises` work; what it logs goes to
`logging`, so `assertLogs` and `caplog` do. Fuel, memory and the other limits exist in Tidemill only.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Mapping
from dataclasses import make_dataclass
from types import SimpleNamespace
from typing import Any


def run(
    process: Callable[[Any], None],
    *events: Any,
    state: Mapping[str, str | bytes] | None = None,
    config: Mapping[str, str] | None = None,
    feed: str = "events",
    partition: str = "0",
) -> dict[str, str | bytes]:
    """Gives the events to the processor in one batch and returns the state afterwards; `state` is the one before.

    An event is a `tidemill.Event`, a payload as `str` or `bytes`, or anything else, which is sent as JSON.
    """
    from tidemill import Batch, Event, Reject  # which imports this module

    def event(data: Any) -> Event:
        if isinstance(data, Event):
            return data
        return Event(data if isinstance(data, (str, bytes)) else json.dumps(data))

    _state.values = {key: _value(value) for key, value in (state or {}).items()}
    _config.values = dict(config or {})
    batch = Batch(feed, partition, [event(data) for data in events])
    try:
        process(batch)
    except Reject as reject:
        reject.index = batch.index if reject.index is None else reject.index
        raise
    return {key: _state.values[key].value for key in sorted(_state.values, key=str.encode)}


class _State:
    Range = make_dataclass("Range", ["prefix", "after", "limit"])

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def get(self, key: str) -> Any:
        return self.values.get(_key(key))

    def get_many(self, keys: list[str]) -> list[Any]:
        return [self.get(key) for key in keys]

    def put(self, key: str, value: Any) -> None:
        self.values[_key(key)] = value

    def delete(self, key: str) -> None:
        self.values.pop(_key(key), None)

    def apply(self, writes: list[Any]) -> None:
        for write in writes:
            if write.value is None:
                self.delete(write.key)
            else:
                self.put(write.key, write.value)

    def scan(self, range: Any) -> Any:
        after = b"" if range.after is None else range.after.encode()
        found = [key for key in self.values if key.startswith(range.prefix) and key.encode() > after]
        found.sort(key=str.encode)
        most = min(range.limit or 1000, 1000)
        entries = [SimpleNamespace(key=key, value=self.values[key]) for key in found[:most]]
        return SimpleNamespace(entries=entries, more=len(found) > most)


class _Config:
    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def get(self, name: str) -> str | None:
        return self.values.get(name)

    def get_all(self) -> list[tuple[str, str]]:
        return sorted(self.values.items())


def _key(key: str) -> str:
    if not 1 <= len(key.encode()) <= 1024:
        raise ValueError(f"a key has 1 to 1,024 bytes, not {len(key.encode())}")
    return key


def _value(value: str | bytes) -> Any:
    return (_types.Value_Text if isinstance(value, str) else _types.Value_Bytes)(value)


class Err(Exception):
    """As componentize-py raises it: the failure of a call."""

    def __init__(self, value: Any) -> None:
        super().__init__(value)
        self.value = value


_types = SimpleNamespace(
    Value_Text=make_dataclass("Value_Text", ["value"]),
    Value_Bytes=make_dataclass("Value_Bytes", ["value"]),
    Write=make_dataclass("Write", ["key", "value"]),
    Reject=make_dataclass("Reject", ["index", "reason"]),
    Retry=make_dataclass("Retry", ["after_ms", "reason"]),
    Failure_Reject=make_dataclass("Failure_Reject", ["value"]),
    Failure_Retry=make_dataclass("Failure_Retry", ["value"]),
    Failure_Halt=make_dataclass("Failure_Halt", ["value"]),
)
_state = _State()
_config = _Config()
_log = SimpleNamespace(Level=enum.Enum("Level", "TRACE DEBUG INFO WARN ERROR"), enabled=lambda level: True)
