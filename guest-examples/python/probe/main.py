"""Does what its events say, good or bad. It exists for the conformance suite, and shows every part of the contract."""

import logging
from typing import Any

from tidemill import TRACE, Batch, Event, Halt, Reject, Retry, Value, config, log, processor, state

MOST = 2**53 - 1  # what every reader of JSON keeps exactly
LEVELS = {
    "trace": TRACE,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
}
calls = 0  # how often `global` was done on this instance


@processor
def process(batch: Batch) -> None:
    for index, event in enumerate(batch):
        if isinstance(event.data, bytes):
            state[f"bytes/{index}"] = event.data
        else:
            follow(instruction(event), batch, index)


def instruction(event: Event) -> dict[str, Any]:
    try:
        fields = event.json()
    except ValueError as error:
        raise Reject(f"not an instruction: {error}") from None
    if not isinstance(fields, dict) or "do" not in fields:
        raise Reject("not an instruction: there is no `do`")
    return fields


def follow(fields: dict[str, Any], batch: Batch, index: int) -> None:
    match fields:
        case {"do": "put", "key": key, "value": value}:
            state[key] = value
        case {"do": "put-bytes", "key": key, "value": value}:
            state[key] = bytes(value)
        case {"do": "delete", "key": key}:
            del state[key]
        case {"do": "apply", "writes": writes}:
            state.apply((write["key"], write["value"]) for write in writes)
        case {"do": "get", "key": key, "into": into}:
            state[into] = shown(state.get(key))
        case {"do": "copy", "key": key, "into": into}:
            put_or_delete(into, state.get(key))
        case {"do": "get-many", "keys": keys, "into": into}:
            state[into] = "\n".join(shown(value) for value in state.get_many(keys))
        case {"do": "scan", "prefix": prefix, "limit": limit, "into": into}:
            entries, more = state.page(prefix, fields.get("after"), limit)
            lines = [f"{key}={shown(value)}" for key, value in entries]
            state[into] = "\n".join([*lines, "more" if more else "end"])
        case {"do": "count", "prefix": prefix, "limit": limit, "into": into}:
            state[into] = str(count(prefix, limit))
        case {"do": "sum", "key": key, "amount": int(amount)} if abs(amount) <= MOST:
            state[key] = str(int(state.get(key, "0")) + amount)
        case {"do": "event", "into": into}:
            state[into] = described(batch, index)
        case {"do": "config", "name": name, "into": into}:
            put_or_delete(into, config.get(name))
        case {"do": "config-all", "into": into}:
            state[into] = "\n".join(f"{name}={value}" for name, value in config.items())
        case {"do": "log", "level": level, "message": message}:
            log.log(LEVELS[level], "%s", message)
        case {"do": "log-enabled", "level": level, "into": into}:
            state[into] = "true" if log.isEnabledFor(LEVELS[level]) else "false"
        case {"do": "reject", "reason": reason}:
            raise Reject(reason, fields.get("index"))
        case {"do": "retry", "after-ms": after_ms, "reason": reason}:
            raise Retry(reason, after_ms)
        case {"do": "halt", "reason": reason}:
            raise Halt(reason)
        case {"do": "throw", "message": message}:
            raise RuntimeError(message)
        case {"do": "global", "into": into}:
            global calls
            calls += 1
            state[into] = str(calls)
        case {"do": "bulk", "prefix": prefix, "rows": rows, "bytes": length}:
            state.apply((f"{prefix}{row:04}", "x" * length) for row in range(rows))
        case _:
            raise Reject(f"not an instruction: `{fields['do']}` is not known, or not with these fields")


def count(prefix: str, limit: int) -> int:
    """How many keys begin with `prefix`, read in pages of `limit`."""
    found, after, more = 0, None, True
    while more:
        entries, more = state.page(prefix, after, limit)
        found += len(entries)
        after = entries[-1][0] if entries else None
    return found


def described(batch: Batch, index: int) -> str:
    event = batch.events[index]
    lines = {
        "feed": batch.feed,
        "partition": batch.partition,
        "index": index,
        "id": event.id,
        "kind": event.kind,
        "key": event.key,
        "occurred-at": event.occurred_at,
    }
    return "\n".join(
        [
            *(f"{name}={'-' if value is None else value}" for name, value in lines.items()),
            *(f"header {name}={value}" for name, value in event.headers),
            f"data={shown(event.data)}",
        ]
    )


def put_or_delete(key: str, value: Value | None) -> None:
    if value is None:
        del state[key]
    else:
        state[key] = value


def shown(value: Value | None) -> str:
    match value:
        case None:
            return "-"
        case str():
            return f"t:{value}"
        case bytes():
            return f"b:{value.hex()}"
