//! The fold: what `ledger` must have written, and where its checkpoints must be, after all events of a feed; and that what is
//! kept is counted as it is.

use anyhow::Result;
use e2e::{project::Project, publisher::Publisher, witness::chain};

use crate::{database::Database, trial::holds};

/// Checks that the processor `ledger` has every event of `publisher`'s feed `witness` once and in order, and that its
/// checkpoints stand at the end of the feed.
pub(crate) fn check(project: &Project, publisher: &Publisher) -> Result<()> {
    check_all(&Database::open(&project.path().join("data"))?, "ledger", "witness", publisher)
}

/// The same of a processor that is called otherwise, and of another feed.
pub(crate) fn check_all(database: &Database, processor: &str, feed: &str, publisher: &Publisher) -> Result<()> {
    check_counts(database)?;
    for partition in 0..publisher.partitions() {
        let events = publisher.events(partition);
        if events.is_empty() {
            continue;
        }
        let partition = partition.to_string();
        check_events(database, processor, feed, &partition, &events)?;
        let cursor = database.partition(processor, &partition)?.and_then(|stands| stands.cursor);
        let end = format!("c{}", events.len());
        holds!(cursor.as_ref() == Some(&end), "partition {partition} has the cursor {cursor:?}, not {end}");
    }
    Ok(())
}

/// Processors whose count of what they keep is not what a recount finds.
const MISCOUNTED: &str = "
    SELECT count(*) FROM processor AS p WHERE (stored_rows, stored_bytes) <> (
        SELECT count(*), coalesce(sum(kept.bytes), 0) FROM (
            SELECT octet_length(key) + octet_length(value) AS bytes FROM entry JOIN space AS s ON s.id = entry.space
                WHERE (s.processor, s.version) = (p.processor, p.version)
            UNION ALL SELECT octet_length(payload) + coalesce(octet_length(metadata), 0) + octet_length(reason)
                    + coalesce(octet_length(backtrace), 0)
                FROM parked_event AS e WHERE (e.processor, e.version) = (p.processor, p.version)) AS kept)";

/// Checks that what every processor keeps is counted as it is.
pub(crate) fn check_counts(database: &Database) -> Result<()> {
    let miscounted = database.number(MISCOUNTED)?;
    holds!(miscounted == 0, "what {miscounted} processors keep is not what is counted");
    Ok(())
}

/// Checks that a processor has exactly these events of a partition, each once and in order, and has counted them in its position.
pub(crate) fn check_events(
    database: &Database,
    processor: &str,
    feed: &str,
    partition: &str,
    events: &[String],
) -> Result<()> {
    let state = database.state(processor)?;
    let read = |name: &str| state.get(&format!("ledger/{feed}/{partition}/{name}")).map_or("", String::as_str);
    let wanted = events.len();
    if wanted > 0 {
        let count = read("count");
        holds!(
            count == wanted.to_string(),
            "`{processor}`, partition {partition} has {wanted} events, and {count:?} were applied"
        );
        holds!(
            read("chain") == chain(events),
            "`{processor}`, partition {partition}: not these {wanted} events in their order"
        );
    }
    let position = database.partition(processor, partition)?.map_or(0, |stands| stands.position);
    holds!(position == wanted as u64, "`{processor}`, partition {partition} stands at {position}, not {wanted}");
    Ok(())
}
