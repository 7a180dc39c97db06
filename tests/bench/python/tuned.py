"""A tuned consumer in Python: no framework, a page parsed at once, one dict and one `executemany` for each page, fetch ahead."""

import argparse
import http.client
import json
from collections import defaultdict
from concurrent.futures import Future, ThreadPoolExecutor
from urllib.parse import urlsplit

import ledger

type Page = tuple[dict[str, int], str] | None


class Fetcher:
    """A connection that is kept, and a thread that fetches and parses the next page of a partition."""

    def __init__(self, given: argparse.Namespace, partition: int) -> None:
        address = urlsplit(given.url)
        self.connection = http.client.HTTPConnection(address.netloc)
        self.path = f"{address.path}?n={given.partitions}&cursor{partition}="
        self.thread = ThreadPoolExecutor(1)

    def begin(self, cursor: str) -> Future[bytes]:
        return self.thread.submit(self.fetch, cursor)

    def fetch(self, cursor: str) -> bytes:
        self.connection.request("GET", self.path + cursor)
        response = self.connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise ConnectionError(f"the publisher answers {response.status}: {body.decode()}")
        return body


def parse(body: bytes) -> Page:
    """The sum of each user, and the cursor behind them; nothing at the end of the feed."""
    if not body:
        return None
    *events, checkpoint = json.loads(b"[%b]" % body.rstrip(b"\n").replace(b"\n", b","))
    sums: defaultdict[str, int] = defaultdict(int)
    for event in events:
        payment = event["data"]
        sums[payment["user"]] += payment["amount"]
    return sums, checkpoint["cursor"]


def main() -> None:
    given = ledger.arguments()
    database = ledger.open_database(given)
    fetchers = {partition: Fetcher(given, partition) for partition in range(given.partitions)}
    coming = {partition: fetcher.begin(ledger.cursor(database, partition)) for partition, fetcher in fetchers.items()}
    while coming:
        for partition in list(coming):
            page = parse(coming.pop(partition).result())
            if page is None:
                continue
            sums, cursor = page
            coming[partition] = fetchers[partition].begin(cursor)
            with database:
                database.executemany(
                    "INSERT INTO totals (user, total) VALUES (?, ?)"
                    " ON CONFLICT (user) DO UPDATE SET total = total + excluded.total",
                    sums.items(),
                )
                ledger.set_cursors(database, {partition: cursor})


if __name__ == "__main__":
    main()
