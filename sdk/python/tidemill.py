"""What an event processor in Python needs, over the bindings that componentize-py makes from `wit/`.

    from tidemill import Batch, processor, state

    @processor
    def process(batch: Batch) -> None:
        for event in batch:
            state["last"] = event.json()["name"]

An exception of yours becomes a rejection of the event that the loop was at, with the traceback. Outside of a
component, in your tests, `tidemill_testing` stands in for Tidemill.
"""

from __future__ import annotations

import functools
import json
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, NoReturn, Union

if sys.platform == "wasi":
    from wit_world.imports import config as _config, state as _state, types as _types
else:
    from tidemill_testing import _config, _state, _types

__all__ = ["TRACE", "Batch", "Event", "Halt", "Reject", "Retry", "Value"]
__all__ += ["config", "each_event", "log", "processor", "state"]

Value = Union[str, bytes]
"""A payload or a stored value. Text and bytes are different values: what is put as `str` is read as `str`."""

log = logging.getLogger("tidemill")
"""A logger as any other: in a component, all of `logging` goes to Tidemill's log, from `log-level` on."""

TRACE = 5
"""The level below `logging.DEBUG`."""


@dataclass(slots=True)
class Event:
    """One fact of the feed."""

    data: Value
    headers: list[tuple[str, str]] = field(default_factory=list)
    id: str | None = None
    kind: str | None = None
    key: str | None = None
    occurred_at: int | None = None
    """When it happened, in microseconds since 1970."""

    def json(self) -> Any:
        """The payload as JSON says it. Raises `ValueError` for bytes and for what is not JSON; NaN is not."""
        if isinstance(self.data, bytes):
            raise ValueError("the payload is bytes, not text")
        try:
            return _json(self.data)
        except RecursionError:
            raise ValueError("it is nested too deeply") from None

    @property
    def time(self) -> datetime | None:
        """When it happened, in UTC."""
        return None if self.occurred_at is None else _EPOCH + timedelta(microseconds=self.occurred_at)


@dataclass(slots=True)
class Batch:
    """Events of one partition that are committed together: `for event in batch`."""

    feed: str
    partition: str
    events: list[Event]
    index: int | None = None
    """Where the loop over the batch is, `None` before and after it; what fails then is the failure of that event.

    After a `break` it is where the loop was left: set it to `None` if what follows is about the whole batch.
    """

    def __iter__(self) -> Iterator[Event]:
        before = self.index  # not None in a loop within a loop
        for index, event in enumerate(self.events):
            self.index = index
            yield event
        self.index = before

    def __len__(self) -> int:
        return len(self.events)


class Reject(Exception):
    """This event can never be applied. Without `index` it is the one where the loop over the batch is."""

    def __init__(self, reason: str, index: int | None = None) -> None:
        super().__init__(reason)
        self.index = index


class Retry(Exception):
    """The world is not ready: the same batch again, after so many milliseconds at least. At most an hour counts."""

    def __init__(self, reason: str, after_ms: int = 1000) -> None:
        super().__init__(reason)
        self.after_ms = after_ms


class Halt(Exception):
    """Go no further on this partition until a person has looked."""


class State:
    """The processor's own keys and values. A read sees the writes before it; if the call fails, nothing is kept."""

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key, or `default`."""
        value = _state.get(_text(key))
        return default if value is None else value.value

    def __getitem__(self, key: str) -> Any:
        if (value := self.get(key)) is None:
            raise KeyError(key)
        return value

    def __contains__(self, key: str) -> bool:
        return self.get(key) is not None

    def __setitem__(self, key: str, value: Value) -> None:
        _state.put(_text(key), _lower(value))

    def __delitem__(self, key: str) -> None:
        """Removes a key; a key that is not there is no error."""
        _state.delete(_text(key))

    def get_many(self, keys: Iterable[str]) -> list[Any]:
        """The values of several keys in the order asked, `None` for a key without one. Cheaper than many `get`s."""
        keys = list(keys)
        _text("".join(keys))
        values = _state.get_many(keys)
        return [None if value is None else value.value for value in values]

    def apply(self, writes: Mapping[str, Value | None] | Iterable[tuple[str, Value | None]]) -> None:
        """Many changes at once, in their order; `None` deletes. Cheaper than one by one."""
        pairs = writes.items() if isinstance(writes, Mapping) else writes
        _state.apply([_types.Write(_text(key), None if value is None else _lower(value)) for key, value in pairs])

    def scan(self, prefix: str = "", after: str | None = None) -> Iterator[tuple[str, Any]]:
        """The keys that begin with `prefix` and are greater than `after`, with their values, by the keys' bytes."""
        more = True
        while more:
            entries, more = self.page(prefix, after)
            yield from entries
            after = entries[-1][0] if entries else after

    def page(self, prefix: str = "", after: str | None = None, limit: int = 0) -> tuple[list[tuple[str, Any]], bool]:
        """At most `limit` entries of a scan (0: as many as come at once, 1,000), and whether there are more."""
        if limit < 0:
            raise ValueError(f"a page cannot have {limit} entries")
        after = None if after is None else _text(after)
        page = _state.scan(_state.Range(_text(prefix), after, min(limit, 1000)))
        return [(entry.key, entry.value.value) for entry in page.entries], page.more


class Config(Mapping[str, str]):
    """What the operator configured in `[processors.NAME.config]`, all of it as text."""

    def __getitem__(self, name: str) -> str:
        if (value := _config.get(_text(name))) is None:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in _config.get_all())

    def __len__(self) -> int:
        return len(_config.get_all())


state = State()
config = Config()


def processor(process: Callable[[Batch], None]) -> Callable[[Batch], None]:
    """Makes a function of your main module the processor: it is called once for a batch."""
    _export(process, process.__globals__)
    return process


def each_event(apply: Callable[[Event], None]) -> Callable[[Batch], None]:
    """Makes a function of your main module the processor: it is called for one event after the other."""

    @functools.wraps(apply)
    def process(batch: Batch) -> None:
        for event in batch:
            apply(event)

    _export(process, apply.__globals__)
    return process


def _export(process: Callable[[Batch], None], module: dict[str, Any]) -> None:
    from tidemill_component import handlers  # which imports this module

    module["Handler"], module["BulkHandler"] = handlers(process)  # componentize-py looks for these names


def _text(text: str) -> str:
    """Refuses what cannot cross into Tidemill here, so that the traceback shows your line."""
    if not isinstance(text, str):
        raise TypeError(f"expected str, not {type(text).__name__}")
    if not text.isascii():
        text.encode()  # half of a surrogate pair is no text outside of Python
    return text


def _lower(value: Value) -> Any:
    if isinstance(value, str):
        return _types.Value_Text(_text(value))
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _types.Value_Bytes(bytes(value))
    raise TypeError(f"expected str or bytes, not {type(value).__name__}")


def _not_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


_decoder = json.JSONDecoder(parse_constant=_not_json)
_scan, _decode = _decoder.scan_once, _decoder.decode


def _json(text: str) -> Any:
    """What the decoder makes of a text. That it looks for space around it first is a third of its time."""
    try:
        value, end = _scan(text, 0)
    except StopIteration:
        end = -1
    return value if end == len(text) else _decode(text)


_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
