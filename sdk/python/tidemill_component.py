"""Makes what the component exports of a processor's function: its exceptions become the contract's failures."""

from __future__ import annotations

import gc
import linecache
import logging
import math
import re
import sys
import traceback
from collections.abc import Callable
from itertools import repeat
from typing import Any

import tidemill
from tidemill import TRACE, Batch, Event, Halt, Reject, Retry

if sys.platform == "wasi":
    from componentize_py_types import Err
    from wit_world.imports import log as _log, types as _types
else:
    from tidemill_testing import Err, _log, _types

HOUR_MS = 3_600_000  # the longest wait that counts
NOWHERE = 2**32 - 1  # a place outside of every batch: Tidemill searches for the event
REASON_BYTES = 4000  # Tidemill keeps 4 KiB
OURS = (tidemill.__file__, __file__)
MOUNT = re.compile(r'(?:^|(?<=File "))/\d+/')  # in a component the folders of --python-path are /0, /1 and so on
LEVELS = {
    TRACE: _log.Level.TRACE,
    logging.DEBUG: _log.Level.DEBUG,
    logging.INFO: _log.Level.INFO,
    logging.WARNING: _log.Level.WARN,
    logging.ERROR: _log.Level.ERROR,
}


def handlers(process: Callable[[Batch], None]) -> tuple[type, type]:
    """The classes that componentize-py calls: with a batch of records, and with one by columns."""

    def call(lifted: Any, events: list[Event]) -> None:
        kept = (number for number, level in LEVELS.items() if _log.enabled(level))
        logging.root.setLevel(next(kept, logging.CRITICAL))
        batch = Batch(lifted.feed, lifted.partition, events)
        try:
            process(batch)
        except MemoryError:
            raise  # Tidemill finds out which event takes too much
        except BaseException as error:  # sys.exit() too: it would trap, and nobody would see where
            raise Err(failure(error, batch)) from error

    class Handler:
        def process(self, batch: Any) -> None:
            call(batch, records(batch))

    class BulkHandler:
        def process(self, batch: Any) -> None:
            call(batch, columns(batch))

    if sys.platform == "wasi":
        freeze()
    return Handler, BulkHandler


def records(batch: Any) -> list[Event]:
    """The events of a batch that crossed as a record for each."""
    return [Event(e.data.value, e.headers, e.id, e.kind, e.key, e.occurred_at) for e in batch.events]


def columns(batch: Any) -> list[Event]:
    """The events of a batch that crossed by columns, of which it has all but the payloads' for all events or for none."""
    known = (texts(batch.id), texts(batch.kind), texts(batch.key), batch.occurred_at)
    known = (repeat(None) if column is None else column for column in known)
    # A list of headers for each, and no Python between one event and the next.
    return list(map(Event, texts(batch.data), iter(list, None), *known))


def texts(column: Any) -> list[str] | None:
    """The texts of a column. Not by its ends, which count bytes: a place in `str` is another one."""
    return None if column is None else column.lines.split("\n")[:-1]


def failure(error: BaseException, batch: Batch) -> Any:
    """What an exception is in the contract."""
    if isinstance(error, Halt):
        return _types.Failure_Halt(message(error))
    if isinstance(error, Retry):
        return _types.Failure_Retry(_types.Retry(wait(error.after_ms), message(error)))
    index, reason = (error.index, message(error)) if isinstance(error, Reject) else (None, explanation(error))
    index = batch.index if index is None else index
    inside = isinstance(index, int) and 0 <= index < len(batch)
    return _types.Failure_Reject(_types.Reject(index if inside else NOWHERE, reason))


def message(error: BaseException) -> str:
    """What an exception says, even if its `__str__` fails."""
    try:
        return printable(str(error))
    except Exception as failed:
        return f"{type(error).__name__}, whose __str__ raised {type(failed).__name__}"


def wait(after_ms: Any) -> int:
    """Whole milliseconds between none and an hour; what is no number is none."""
    try:
        return math.ceil(min(max(after_ms, 0), HOUR_MS))
    except (TypeError, ValueError):
        return 0


def explanation(error: BaseException) -> str:
    """`file:line: message`, then the traceback through your code; if it is long, its outermost part is left out."""
    trace = traceback.TracebackException.from_exception(error)
    trace.stack[:] = [frame for frame in trace.stack if frame.filename not in OURS]
    said = "".join(trace.format_exception_only()).strip()
    if trace.stack:
        yours = [frame for frame in trace.stack if MOUNT.match(frame.filename)]
        last = (yours or trace.stack)[-1]
        said = f"{MOUNT.sub('', last.filename)}:{last.lineno}: {said}"
    first = printable(said[: REASON_BYTES // 8])
    frames = MOUNT.sub("", printable("".join(trace.format()).rstrip())).encode()
    room = REASON_BYTES - len(first.encode())
    if len(frames) > room:
        frames = b"[...] " + frames[-room:]
    return f"{first}\n{frames.decode(errors='ignore')}"


def freeze() -> None:
    """Prepares for the moment after the build: a component begins every instance with this memory, and has no files."""
    # Tracebacks show the lines of your modules. Without a time they are not compared with a file.
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None) or ""
        if MOUNT.match(file) and (lines := linecache.getlines(file)):
            linecache.cache[file] = (0, None, lines, file)
    # What is there stays. If the collector went through it, each new instance would touch, and so copy, all of its
    # memory, and a call with a thousand events would take half as long again.
    gc.collect()
    gc.freeze()
    # Of what a batch leaves, little is a circle: a search after every 2,000 objects took 4 % of a call.
    gc.set_threshold(50_000)


def printable(text: str) -> str:
    """Half of a surrogate pair is no text outside of Python: a reason or a log line shows it as an escape."""
    return text.encode(errors="backslashreplace").decode()


class Lines(logging.Handler):
    """Gives the lines of `logging` to Tidemill."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            level = max((number for number in LEVELS if number <= record.levelno), default=TRACE)
            _log.write(LEVELS[level], printable(self.format(record)))
        except Exception:
            self.handleError(record)  # as every handler: a line that cannot be made fails no event


if sys.platform == "wasi":
    logging.addLevelName(TRACE, "TRACE")
    logging.root.addHandler(Lines())
