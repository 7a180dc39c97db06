"""Reads a ZeroEventHub feed to its end with the client of the package `zeroeventhub`, for comparison.

    reader.py --url URL --partitions N [--page-size K] [--headers a,b|_all] [--cursor PARTITION=CURSOR]…

Prints every event as a line of JSON, `{"partition": …, "headers": …, "data": …}`, and at last the cursors,
`{"cursors": {"0": …}}`. All partitions are asked for at once. The end is a page without events.
"""

import argparse
import asyncio
import json
from typing import Any

import httpx
from zeroeventhub import FIRST_CURSOR, Client, Cursor, PageEventReceiver, receive_events


def say(line: dict[str, Any]) -> None:
    print(json.dumps(line, ensure_ascii=False))


async def read(given: argparse.Namespace) -> dict[int, str]:
    """Prints the events and returns the last cursors."""
    cursors = {partition: FIRST_CURSOR for partition in range(given.partitions)} | dict(given.cursor)
    names = given.headers.split(",") if given.headers else None
    async with httpx.AsyncClient() as http:
        client = Client(given.url, given.partitions, http)
        while True:
            page = PageEventReceiver()
            asked = [Cursor(partition, cursor) for partition, cursor in cursors.items()]
            await receive_events(page, client.fetch_events(asked, given.page_size, names))
            for event in page.events:
                say({"partition": event.partition_id, "headers": event.headers, "data": event.data})
            cursors |= {cursor.partition_id: cursor.cursor for cursor in page.latest_checkpoints}
            if not page.events:
                return cursors


def start(text: str) -> tuple[int, str]:
    partition, cursor = text.split("=", 1)
    return int(partition), cursor


def main() -> None:
    parser = argparse.ArgumentParser(description="Reads a ZeroEventHub feed to its end.")
    parser.add_argument("--url", required=True)
    parser.add_argument("--partitions", type=int, required=True)
    parser.add_argument("--page-size", type=int)
    parser.add_argument("--headers")
    parser.add_argument("--cursor", type=start, action="append", default=[], metavar="PARTITION=CURSOR")
    say({"cursors": asyncio.run(read(parser.parse_args()))})


if __name__ == "__main__":
    main()
