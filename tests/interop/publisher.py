"""A ZeroEventHub publisher made of the package `zeroeventhub` and FastAPI, for tests of readers.

    publisher.py [--partitions 2] [--events 100] [--page 1000] [--checkpoint-every 10] [--port 0]

Prints `{"ready": true, "port": …, "url": …}` on standard output when it serves. Then it obeys commands on standard
input, one a line, and answers each with one line of JSON; it ends when its standard input does:

    append PARTITION COUNT      generates more events
    event PARTITION JSON        appends this payload
    break COUNT                 the next COUNT responses that have events end in the middle, as a failing publisher's do
    stats                       how many requests were answered, and how many responses were broken

Event `i` of partition `p` is a function of `p` and `i` alone (`payload`), so that a test can say what must have come.
"""

import argparse
import asyncio
import json
import socket
import sys
from collections.abc import Generator, Sequence
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from zeroeventhub import ALL_HEADERS, FIRST_CURSOR, LAST_CURSOR, Cursor, ZeroEventHubFastApiHandler

# Text that travels differently from publisher to publisher: escapes, signs that Go escapes, several planes of Unicode.
NOTES = ["plain", 'a "quote" and a \\', "<b>&</b>", "blåbærsyltetøy", "雨 \u2028 🌊", "tab\tnewline\n", ""]


def payload(partition: int, index: int) -> dict[str, Any]:
    """The event at this place of this partition."""
    return {
        "user": f"user-{(index * 7 + partition) % 50}",
        "amount": (index * 31 + partition * 17) % 201 - 100,
        "partition": partition,
        "index": index,
        "note": NOTES[(index + partition) % len(NOTES)],
        "ratio": index / 8,
    }


def headers(partition: int, index: int) -> dict[str, str]:
    """What is known about the event at this place."""
    return {"ce_id": f"{partition}-{index}", "ce_type": "payment" if index % 3 else "refund"}


class Feed:
    """The events of all partitions, as the reader of the package's handler. A cursor is `at-<number of events before it>`."""

    def __init__(self, partitions: int, events: int, page: int, checkpoint_every: int) -> None:
        self.partitions: list[list[Any]] = [[payload(p, i) for i in range(events)] for p in range(partitions)]
        self.page = page
        self.checkpoint_every = checkpoint_every
        self.breaks = 0
        self.requests = 0
        self.broken = 0

    def get_data(
        self, cursors: Sequence[Cursor], headers: Sequence[str] | None, page_size: int | None
    ) -> Generator[dict[str, Any], None, None]:
        self.requests += 1
        # Here, not in the generator: a cursor that cannot be read is answered by 500 before the first byte.
        starts = {cursor.partition_id: self.position(cursor) for cursor in cursors}
        return self.lines(cursors, starts, headers, min(page_size or self.page, self.page))

    def position(self, cursor: Cursor) -> int:
        length = len(self.partitions[cursor.partition_id])
        if cursor.cursor == FIRST_CURSOR:
            return 0
        if cursor.cursor == LAST_CURSOR:
            return max(length - 1, 0)
        position = int(cursor.cursor.removeprefix("at-"))
        if not 0 <= position <= length:
            raise ValueError(f"no such position: {position}")
        return position

    def lines(
        self, cursors: Sequence[Cursor], starts: dict[int, int], names: Sequence[str] | None, page: int
    ) -> Generator[dict[str, Any], None, None]:
        """A page: the partitions take turns, and each ends with a checkpoint. At the tip of a partition it is empty."""
        share = max(page // len(cursors), 1)
        ends = {p: min(start + share, len(self.partitions[p])) for p, start in starts.items()}
        breaking = self.breaks > 0 and any(ends[p] > starts[p] for p in starts)
        self.breaks -= breaking
        self.broken += breaking
        for step in range(share):
            for p, start in starts.items():
                at = start + step
                if at >= ends[p]:
                    continue
                if breaking and 2 * step >= ends[p] - start:
                    raise ConnectionError("the test asked for a response that breaks")
                event: dict[str, Any] = {"partition": p}
                if names:
                    event["headers"] = self.chosen(names, p, at)
                yield event | {"data": self.partitions[p][at]}
                if (at + 1) % self.checkpoint_every == 0 or at + 1 == ends[p]:
                    yield {"partition": p, "cursor": f"at-{at + 1}"}
        for cursor in cursors:
            p = cursor.partition_id
            if ends[p] == starts[p] and cursor.cursor in (FIRST_CURSOR, LAST_CURSOR):
                yield {"partition": p, "cursor": f"at-{ends[p]}"}

    @staticmethod
    def chosen(names: Sequence[str], partition: int, index: int) -> dict[str, str]:
        known = headers(partition, index)
        return known if tuple(names) == ALL_HEADERS else {name: known[name] for name in names if name in known}

    def obey(self, line: str) -> dict[str, Any]:
        """Carries out one command and returns the answer."""
        match line.split(maxsplit=2):
            case ["append", partition, count]:
                events = self.partitions[int(partition)]
                start = len(events)
                events.extend(payload(int(partition), start + i) for i in range(int(count)))
                return {"partition": int(partition), "events": len(events)}
            case ["event", partition, data]:
                events = self.partitions[int(partition)]
                events.append(json.loads(data))
                return {"partition": int(partition), "events": len(events)}
            case ["break", count]:
                self.breaks = int(count)
                return {"breaks": self.breaks}
            case ["stats"]:
                return {"requests": self.requests, "broken": self.broken, "events": [len(events) for events in self.partitions]}
        return {"error": f"not a command: {line}"}


def application(feed: Feed) -> FastAPI:
    app = FastAPI()
    handler = ZeroEventHubFastApiHandler(data_reader=feed, server_partition_count=len(feed.partitions))

    @app.get("/feed")
    async def serve(request: Request) -> StreamingResponse:
        return handler.handle(request)

    return app


def say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


async def obey_commands(feed: Feed) -> None:
    """Reads commands until standard input ends, which it does when the test is gone."""
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        try:
            say(feed.obey(line.strip()))
        except (ValueError, IndexError) as error:
            say({"error": str(error)})


async def main() -> None:
    parser = argparse.ArgumentParser(description="A ZeroEventHub publisher of generated events.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--partitions", type=int, default=2)
    parser.add_argument("--events", type=int, default=100, help="per partition")
    parser.add_argument("--page", type=int, default=1000, help="events in a response at most")
    parser.add_argument("--checkpoint-every", type=int, default=10, help="events")
    given = parser.parse_args()

    feed = Feed(given.partitions, given.events, given.page, given.checkpoint_every)
    listener = socket.create_server(("127.0.0.1", given.port))
    port = listener.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(application(feed), log_level="critical", timeout_graceful_shutdown=1))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    say({"ready": True, "port": port, "url": f"http://127.0.0.1:{port}/feed"})
    await obey_commands(feed)
    server.should_exit = True
    await serving


if __name__ == "__main__":
    asyncio.run(main())
