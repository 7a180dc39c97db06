-- What is kept is counted in the transaction that changes it: entries by their space, and everything by its processor, parked
-- events included. A row is an entry or a parked event. `rows_max` and `bytes_max` are the quota; without one they are NULL.
ALTER TABLE space ADD COLUMN stored_rows INTEGER NOT NULL DEFAULT 0 CHECK (stored_rows >= 0);
ALTER TABLE space ADD COLUMN stored_bytes INTEGER NOT NULL DEFAULT 0 CHECK (stored_bytes >= 0);
ALTER TABLE processor ADD COLUMN stored_rows INTEGER NOT NULL DEFAULT 0 CHECK (stored_rows >= 0);
ALTER TABLE processor ADD COLUMN stored_bytes INTEGER NOT NULL DEFAULT 0 CHECK (stored_bytes >= 0);
ALTER TABLE processor ADD COLUMN rows_max INTEGER CHECK (rows_max > 0);
ALTER TABLE processor ADD COLUMN bytes_max INTEGER CHECK (bytes_max > 0);

-- What a parked event takes: its payload, what the publisher said about it, and why it was put aside.
ALTER TABLE parked_event ADD COLUMN bytes INTEGER AS (
    octet_length(payload) + coalesce(octet_length(metadata), 0) + octet_length(reason) + coalesce(octet_length(backtrace), 0)
) VIRTUAL;

UPDATE space SET (stored_rows, stored_bytes) = (
    SELECT count(*), coalesce(sum(octet_length(key) + octet_length(value)), 0) FROM entry WHERE entry.space = space.id);

UPDATE processor SET (stored_rows, stored_bytes) = (
    SELECT coalesce(sum(kept.rows), 0), coalesce(sum(kept.bytes), 0) FROM (
        SELECT processor, version, stored_rows AS rows, stored_bytes AS bytes FROM space
        UNION ALL SELECT processor, version, 1, bytes FROM parked_event) AS kept
    WHERE kept.processor = processor.processor AND kept.version = processor.version);

-- Triggers keep the sum, whichever way a space or a parked event changes. None is on `entry`: a commit counts what it writes.
CREATE TRIGGER space_counted AFTER UPDATE OF stored_rows, stored_bytes ON space BEGIN
    UPDATE processor SET stored_rows = stored_rows + new.stored_rows - old.stored_rows,
        stored_bytes = stored_bytes + new.stored_bytes - old.stored_bytes
    WHERE processor = new.processor AND version = new.version;
END;

CREATE TRIGGER space_gone AFTER DELETE ON space BEGIN
    UPDATE processor SET stored_rows = stored_rows - old.stored_rows, stored_bytes = stored_bytes - old.stored_bytes
    WHERE processor = old.processor AND version = old.version;
END;

CREATE TRIGGER parked_counted AFTER INSERT ON parked_event BEGIN
    UPDATE processor SET stored_rows = stored_rows + 1, stored_bytes = stored_bytes + new.bytes
    WHERE processor = new.processor AND version = new.version;
END;

CREATE TRIGGER parked_changed AFTER UPDATE ON parked_event BEGIN
    UPDATE processor SET stored_bytes = stored_bytes + new.bytes - old.bytes
    WHERE processor = new.processor AND version = new.version;
END;

CREATE TRIGGER parked_gone AFTER DELETE ON parked_event BEGIN
    UPDATE processor SET stored_rows = stored_rows - 1, stored_bytes = stored_bytes - old.bytes
    WHERE processor = old.processor AND version = old.version;
END;
