//! Pausing and resuming: which partitions go on, and by what an operator decided about the events that they stood at.

use rusqlite::{Connection, params};
use tidemill_pipeline::{Checkpoint, PartitionKey, ProcessorId, Resolution, Status};

use crate::{
    effects::{count, no_partition, refused},
    error::Result,
    rows::{NOW, ResolutionJson, json},
    sqlite,
};

/// Running again means starting again for a partition that has not had its first checkpoint.
const RUNS: &str = "CASE WHEN cursor IS NULL AND start = 'last' THEN 'starting' ELSE 'running' END";

/// Whether a worker goes on from it at once.
fn moves(status: Status) -> bool {
    matches!(status, Status::Starting | Status::Running)
}

/// Stops partitions until they are resumed. Those that stand over an error are paused too, for another component or a start would
/// let them try again. The error stays in sight.
pub(crate) fn pause(
    connection: &Connection,
    processor: &ProcessorId,
    partition: Option<&PartitionKey>,
) -> Result<String> {
    let meant = meant(connection, processor, partition)?;
    let may_pause = |status| !matches!(status, Status::Paused | Status::Finished);
    let paused: Vec<_> = meant.iter().filter(|(_, checkpoint)| may_pause(checkpoint.status)).collect();
    turn(connection, processor, &paused, "status = 'paused'")?;
    let said = turned(processor, &meant, &paused, "paused");
    let mut stood = paused.iter().filter(|(_, checkpoint)| !moves(checkpoint.status));
    Ok(match (stood.next(), stood.count()) {
        (None, _) => said,
        (Some((key, checkpoint)), 0) => format!(
            "{said}; {key} was {}, its error stays in sight, and only `tidemill resume` lets it try again",
            checkpoint.status
        ),
        (Some(_), more) => format!(
            "{said}; {} of them stood over an error, which stays in sight, and only `tidemill resume` lets them try again",
            more + 1
        ),
    })
}

/// Lets those that stand go on.
pub(crate) fn resume(
    connection: &Connection,
    processor: &ProcessorId,
    partition: Option<&PartitionKey>,
) -> Result<String> {
    let meant = meant(connection, processor, partition)?;
    let stands = |status: Status| !moves(status) && status != Status::Finished;
    let resumed: Vec<_> = meant.iter().filter(|(_, checkpoint)| stands(checkpoint.status)).collect();
    turn(connection, processor, &resumed, &format!("status = {RUNS}, last_error = NULL"))?;
    Ok(turned(processor, &meant, &resumed, "resumed"))
}

/// Lets the partitions that stopped over an event or a slow call try again, by what was decided about the event if
/// something was.
pub(crate) fn try_again(connection: &Connection, processor: &ProcessorId) -> Result<usize> {
    let text = format!(
        "UPDATE checkpoint SET status = {RUNS}, generation = generation + 1, updated_at = {NOW}, last_error = NULL
         WHERE processor = ?1 AND version = ?2 AND status IN ('{}', '{}')",
        Status::Halted,
        Status::Stalled
    );
    Ok(connection.execute(&text, params![processor.name.as_str(), processor.version])?)
}

/// Lets a partition go on by what was decided about the event that it stands at.
pub(crate) fn resolve(connection: &Connection, processor: &ProcessorId, resolution: &Resolution) -> Result<String> {
    let key = &resolution.event.key;
    let checkpoint = sqlite::load(connection, processor, key)?.ok_or_else(|| no_partition(processor, key))?;
    let shown = checkpoint.error.and_then(|error| error.event);
    if shown.as_ref() != Some(&resolution.event) {
        return Err(refused(format!("{key} does not stand at the event {}", resolution.event.payload.short())));
    }
    // The span may have others that were decided before; of two decisions about one event the last counts.
    let mut decided = checkpoint.resolutions;
    decided.retain(|known| known.event != resolution.event);
    decided.push(resolution.clone());
    let decided: Vec<_> = decided.iter().map(ResolutionJson::from).collect();
    let text = format!(
        "UPDATE checkpoint SET status = {RUNS}, generation = generation + 1, updated_at = {NOW},
             last_error = NULL, resolution = ?5
         WHERE processor = ?1 AND version = ?2 AND feed = ?3 AND partition = ?4"
    );
    connection.execute(
        &text,
        params![processor.name.as_str(), processor.version, key.feed.as_str(), key.partition.as_str(), json(&decided)?],
    )?;
    let (event, policy) = (resolution.event.payload.short(), resolution.policy.as_str());
    Ok(format!("{key} of {processor} resumed: {policy} event {event}"))
}

/// The partitions that a request means, as they are.
fn meant(
    connection: &Connection,
    processor: &ProcessorId,
    partition: Option<&PartitionKey>,
) -> Result<Vec<(PartitionKey, Checkpoint)>> {
    let Some(key) = partition else { return sqlite::partitions(connection, processor) };
    let checkpoint = sqlite::load(connection, processor, key)?.ok_or_else(|| no_partition(processor, key))?;
    Ok(vec![(key.clone(), checkpoint)])
}

/// Changes partitions, with a new generation for each. What was decided about their events stays.
fn turn(
    connection: &Connection,
    processor: &ProcessorId,
    partitions: &[&(PartitionKey, Checkpoint)],
    change: &str,
) -> Result<()> {
    let text = format!(
        "UPDATE checkpoint SET {change}, generation = generation + 1, updated_at = {NOW}
         WHERE processor = ?1 AND version = ?2 AND feed = ?3 AND partition = ?4"
    );
    let mut statement = connection.prepare_cached(&text)?;
    for (key, _) in partitions {
        let (feed, partition) = (key.feed.as_str(), key.partition.as_str());
        let turned = statement.execute(params![processor.name.as_str(), processor.version, feed, partition])?;
        assert_eq!(turned, 1, "{key} was there a moment ago, in this transaction");
    }
    Ok(())
}

/// What a request did to the partitions that it means, in words; why nothing, if it did nothing.
fn turned(
    processor: &ProcessorId,
    meant: &[(PartitionKey, Checkpoint)],
    turned: &[&(PartitionKey, Checkpoint)],
    what: &str,
) -> String {
    let said = format!("{} of {processor} {what}", count(turned.len(), "partition"));
    if !turned.is_empty() {
        let decided: usize = turned.iter().map(|(_, checkpoint)| checkpoint.resolutions.len()).sum();
        return match decided {
            0 => said,
            1 => format!("{said}; what was decided about 1 event still counts"),
            more => format!("{said}; what was decided about {more} events still counts"),
        };
    }
    let stand = |status: Status| {
        let number = meant.iter().filter(|(_, checkpoint)| checkpoint.status == status).count();
        (number > 0).then(|| format!("{number} {} {status}", if number == 1 { "is" } else { "are" }))
    };
    let standing: Vec<String> = Status::ALL.into_iter().filter_map(stand).collect();
    let why = if standing.is_empty() { "it has read none yet".to_owned() } else { standing.join(", ") };
    format!("{said}: {why}")
}
