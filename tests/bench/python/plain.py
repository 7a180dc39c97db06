"""The consumer that the README of the package `zeroeventhub` shows, with sqlite3: one transaction for each page."""

import argparse
import asyncio
import sqlite3

import httpx
import zeroeventhub

import ledger


async def read(given: argparse.Namespace) -> None:
    database = ledger.open_database(given)
    cursors = [zeroeventhub.Cursor(p, ledger.cursor(database, p)) for p in range(given.partitions)]
    page = zeroeventhub.PageEventReceiver()
    async with httpx.AsyncClient() as session:
        client = zeroeventhub.Client(given.url, given.partitions, session)
        while True:
            await zeroeventhub.receive_events(page, client.fetch_events(cursors))
            if not page.events:
                return
            with database:
                write_effect_of_events(database, page.events)
                ledger.set_cursors(database, {c.partition_id: c.cursor for c in page.latest_checkpoints})
            cursors = page.latest_checkpoints
            page.clear()


def write_effect_of_events(database: sqlite3.Connection, events: list[zeroeventhub.Event]) -> None:
    for event in events:
        database.execute(
            "INSERT INTO totals (user, total) VALUES (?, ?) ON CONFLICT (user) DO UPDATE SET total = total + excluded.total",
            (event.data["user"], event.data["amount"]),
        )


if __name__ == "__main__":
    asyncio.run(read(ledger.arguments()))
