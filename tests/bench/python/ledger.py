"""The database of the consumers in Python, and what they are told on the command line."""

import argparse
import sqlite3
from collections.abc import Mapping

SCHEMA = """
    CREATE TABLE IF NOT EXISTS totals (user TEXT PRIMARY KEY, total INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS cursors (partition INTEGER PRIMARY KEY, cursor TEXT NOT NULL);
"""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Adds up the payments of a feed, until there are no more.")
    parser.add_argument("--url", required=True)
    parser.add_argument("--partitions", type=int, required=True)
    parser.add_argument("--durability", choices=["normal", "full"], required=True)
    parser.add_argument("--database", required=True)
    return parser.parse_args()


def open_database(given: argparse.Namespace) -> sqlite3.Connection:
    """Opens it, with the settings that everybody has."""
    database = sqlite3.connect(given.database)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute(f"PRAGMA synchronous = {given.durability}")
    database.execute(f"PRAGMA cache_size = {-16 * 1024}")  # as large as the program's
    database.executescript(SCHEMA)
    return database


def cursor(database: sqlite3.Connection, partition: int) -> str:
    """Where a partition is."""
    row = database.execute("SELECT cursor FROM cursors WHERE partition = ?", (partition,)).fetchone()
    return row[0] if row else "_first"


def set_cursors(database: sqlite3.Connection, cursors: Mapping[int, str]) -> None:
    """Says where partitions are."""
    database.executemany("INSERT OR REPLACE INTO cursors (partition, cursor) VALUES (?, ?)", cursors.items())
