//! The fold: what `ledger` must have written, and where its checkpoints must be, after all events of a feed.

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
