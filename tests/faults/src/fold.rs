//! The fold: what `ledger` must have written, and where its checkpoints must be, after all events of a feed.

use anyhow::Result;
use e2e::{project::Project, publisher::Publisher, witness::chain};

use crate::trial::holds;

/// Checks that the processor `ledger` has every event of `publisher`'s feed `witness` once and in order, and that its
/// checkpoints stand at the end of the feed.
pub(crate) fn check(project: &Project, publisher: &Publisher) -> Result<()> {
    let state = project.state("ledger");
    for partition in 0..publisher.partitions() {
        let events = publisher.events(partition);
        if events.is_empty() {
            continue;
        }
        let read = |name: &str| state.get(&format!("ledger/witness/{partition}/{name}")).map_or("", String::as_str);
        let (count, wanted) = (read("count"), events.len());
        holds!(count == wanted.to_string(), "partition {partition} has {wanted} events, and {count:?} were applied");
        holds!(read("chain") == chain(&events), "partition {partition}: not these {wanted} events in their order");
        let stands = project.partition("ledger", &partition.to_string());
        holds!(stands["position"] == wanted, "partition {partition} stands at {}, not {wanted}", stands["position"]);
        let (cursor, end) = (stands["cursor"].as_str().unwrap_or_default(), format!("c{wanted}"));
        holds!(cursor == end, "partition {partition} has the cursor {cursor}, not {end}");
    }
    Ok(())
}
