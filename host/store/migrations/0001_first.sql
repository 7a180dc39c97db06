-- What a host knows of itself: whether it ended well, and on which boot of the machine it ran.
CREATE TABLE host (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    boot TEXT NOT NULL,
    closed INTEGER NOT NULL CHECK (closed IN (0, 1))
) STRICT;

-- A processor, and who may change it. `epoch` rises with every claim, `state_generation` with every change of shared state.
CREATE TABLE processor (
    processor TEXT NOT NULL CHECK (processor <> ''),
    version INTEGER NOT NULL CHECK (version > 0),
    epoch INTEGER NOT NULL CHECK (epoch > 0),
    state_generation INTEGER NOT NULL CHECK (state_generation >= 0),
    owner TEXT NOT NULL,
    claimed_at TEXT NOT NULL,
    component BLOB CHECK (length(component) = 32),
    PRIMARY KEY (processor, version)
) STRICT, WITHOUT ROWID;

-- How far a processor is in a partition. Without a cursor it reads from `start`.
CREATE TABLE checkpoint (
    processor TEXT NOT NULL,
    version INTEGER NOT NULL,
    feed TEXT NOT NULL CHECK (feed <> ''),
    partition TEXT NOT NULL CHECK (partition <> ''),
    start TEXT NOT NULL CHECK (start IN ('first', 'last')),
    cursor TEXT CHECK (cursor NOT IN ('', '_first', '_last')),
    generation INTEGER NOT NULL CHECK (generation >= 0),
    position INTEGER NOT NULL CHECK (position >= 0),
    status TEXT NOT NULL
        CHECK (status IN ('starting', 'running', 'paused', 'halted', 'stalled', 'stopped', 'finished')),
    feed_identity TEXT NOT NULL,
    last_error TEXT CHECK (json_valid(last_error)),
    resolution TEXT CHECK (json_valid(resolution)),
    updated_at TEXT NOT NULL,
    PRIMARY KEY (processor, version, feed, partition),
    FOREIGN KEY (processor, version) REFERENCES processor
) STRICT, WITHOUT ROWID;

-- A key space: a processor's shared one (feed and partition are empty), or one for each partition.
CREATE TABLE space (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    processor TEXT NOT NULL,
    version INTEGER NOT NULL,
    feed TEXT NOT NULL,
    partition TEXT NOT NULL,
    UNIQUE (processor, version, feed, partition),
    FOREIGN KEY (processor, version) REFERENCES processor
) STRICT;

-- Key spaces that a reset took away. Their entries are nobody's, and are deleted bit by bit.
CREATE TABLE dropped_space (id INTEGER PRIMARY KEY) STRICT;

-- The state. Text is TEXT and bytes are BLOB.
CREATE TABLE entry (
    space INTEGER NOT NULL,
    key TEXT NOT NULL,
    value ANY NOT NULL CHECK (typeof(value) IN ('text', 'blob')),
    PRIMARY KEY (space, key)
) STRICT, WITHOUT ROWID;

-- The state, for people.
CREATE VIEW state AS
    SELECT processor, version, feed, partition, key, value FROM entry JOIN space ON space.id = entry.space;

-- Events that the policy put aside. `span_from` is `first`, `last` or `after:CURSOR`.
CREATE TABLE parked_event (
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
    UNIQUE (processor, version, feed, partition, span_from, digest),
    FOREIGN KEY (processor, version) REFERENCES processor
) STRICT;

-- Which code computed a partition's part of the state, and since when.
CREATE TABLE lineage (
    processor TEXT NOT NULL,
    version INTEGER NOT NULL,
    feed TEXT NOT NULL,
    partition TEXT NOT NULL,
    from_generation INTEGER NOT NULL,
    from_position INTEGER NOT NULL,
    component BLOB NOT NULL CHECK (length(component) = 32),
    config BLOB NOT NULL CHECK (length(config) = 32),
    instances TEXT NOT NULL CHECK (instances IN ('fresh', 'reuse')),
    since TEXT NOT NULL,
    PRIMARY KEY (processor, version, feed, partition, from_generation),
    FOREIGN KEY (processor, version) REFERENCES processor
) STRICT, WITHOUT ROWID;

-- What operators ask for. The outcome is written in the transaction of the effect.
CREATE TABLE request (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    asked TEXT NOT NULL CHECK (json_valid(asked)),
    asked_at TEXT NOT NULL,
    outcome TEXT CHECK (json_valid(outcome)),
    done_at TEXT
) STRICT;

CREATE INDEX request_pending ON request (id) WHERE outcome IS NULL;

-- The hashes of the compiled code in the cache.
CREATE TABLE code (
    key TEXT PRIMARY KEY,
    hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT, WITHOUT ROWID;
