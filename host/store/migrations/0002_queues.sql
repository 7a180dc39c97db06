-- Where order is kept by key, parked events with a key stand in a queue: those of the same processor, feed, lane and key, in
-- the order of their numbers. `lane` is empty for shared state, else the partition whose own state it is.
CREATE TABLE parked_event_2 (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    processor TEXT NOT NULL,
    version INTEGER NOT NULL,
    feed TEXT NOT NULL,
    partition TEXT NOT NULL,
    span_from TEXT NOT NULL CHECK (span_from IN ('first', 'last') OR span_from LIKE 'after:_%'),
    digest BLOB NOT NULL CHECK (length(digest) = 32),
    copies INTEGER NOT NULL CHECK (copies > 0),
    payload ANY NOT NULL CHECK (typeof(payload) IN ('text', 'blob')),
    metadata TEXT CHECK (json_valid(metadata)),
    cause TEXT NOT NULL,
    reason TEXT NOT NULL,
    backtrace TEXT,
    component BLOB CHECK (length(component) = 32),
    parked_at TEXT NOT NULL,
    key TEXT CHECK (key <> ''),
    lane TEXT NOT NULL,
    FOREIGN KEY (processor, version) REFERENCES processor
) STRICT;

INSERT INTO parked_event_2
    SELECT id, processor, version, feed, partition, span_from, digest, copies, payload, metadata, cause, reason, backtrace,
        component, parked_at, NULL, ''
    FROM parked_event;

-- Numbers are never used twice, not those of events that are gone either.
DELETE FROM sqlite_sequence WHERE name = 'parked_event_2';
UPDATE sqlite_sequence SET name = 'parked_event_2' WHERE name = 'parked_event';
DROP TABLE parked_event;
ALTER TABLE parked_event_2 RENAME TO parked_event;

-- An event without a key is put aside once, however often it came.
CREATE UNIQUE INDEX parked_once ON parked_event (processor, version, feed, partition, span_from, digest) WHERE key IS NULL;
CREATE INDEX parked_queue ON parked_event (processor, version, feed, lane, key);
