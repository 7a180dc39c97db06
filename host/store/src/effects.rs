//! The effects of requests, each within the transaction that also writes its outcome.

use rusqlite::{Connection, params};
use tidemill_pipeline::{Claim, FeedName, PartitionKey, ProcessorId, ReadFrom, StateSpace, failpoint};

use crate::{
    apply, entries,
    error::{Result, StoreError},
    pauses,
    request::{self, Outcome, Request, RequestId, RequestKind},
    rows::{NOW, start_and_cursor},
};

/// Executes a request, or tells again what became of it. A refusal changes nothing but the outcome.
pub(crate) fn execute(connection: &Connection, claim: &Claim, id: RequestId) -> Result<Outcome> {
    let (request, done) = request::find(connection, id)?;
    if let Some(outcome) = done {
        return Ok(outcome);
    }
    connection.execute_batch("SAVEPOINT effect")?;
    let outcome = match effect(connection, claim, &request) {
        Ok(sentence) => Outcome::Done(sentence),
        Err(StoreError::Refused { cause, hint }) => {
            connection.execute_batch("ROLLBACK TO effect")?;
            Outcome::Refused { cause, hint }
        }
        Err(error) => return Err(error),
    };
    connection.execute_batch("RELEASE effect")?;
    failpoint::reach("in-request");
    request::finish(connection, id, &outcome)?;
    Ok(outcome)
}

fn effect(connection: &Connection, claim: &Claim, request: &Request) -> Result<String> {
    if request.processor != claim.processor {
        return Err(refused(format!("the request is about {}, not {}", request.processor, claim.processor)));
    }
    // First of all the compare-and-set: whoever is at work on the state starts over from the store.
    apply::disturb_shared_state(connection, claim)?;
    let processor = &claim.processor;
    match &request.kind {
        RequestKind::Pause { partition } => pauses::pause(connection, processor, partition.as_ref()),
        RequestKind::Resume { partition, resolution } => match resolution {
            Some(resolution) => pauses::resolve(connection, processor, resolution),
            None => pauses::resume(connection, processor, partition.as_ref()),
        },
        RequestKind::Reset { identities } => reset(connection, processor, identities),
        RequestKind::Remove => remove(connection, processor),
        RequestKind::ResetPartition { key, to, identity } => {
            reset_partition(connection, processor, key, to, identity.as_deref())
        }
        RequestKind::AcceptFeedChange { feed, identity } => accept_feed(connection, processor, feed, identity),
        RequestKind::DropParked { parked } => drop_parked(connection, processor, parked),
        RequestKind::RetryParked { .. } => Err(StoreError::refused(
            "parked events are retried by a host that has their component",
            "retry them with `tidemill parked retry`",
        )),
        RequestKind::Unknown(word) => Err(StoreError::refused(
            format!("the host does not know the request `{word}`"),
            "it is of an older version than the command: start it again with the program that you have now",
        )),
    }
}

/// A request that cannot be fulfilled.
pub(crate) fn refused(cause: String) -> StoreError {
    StoreError::refused(cause, "look at it with `tidemill status`")
}

/// A number of things, in words.
pub(crate) fn count(rows: usize, what: &str) -> String {
    format!("{rows} {what}{}", if rows == 1 { "" } else { "s" })
}

/// A request about a partition that is not there.
pub(crate) fn no_partition(processor: &ProcessorId, key: &PartitionKey) -> StoreError {
    refused(format!("{processor} has no {key}"))
}

/// Forgets a processor's state, its parked events, which it counts, and who computed what.
fn forget(connection: &Connection, processor: &ProcessorId) -> Result<usize> {
    let names = params![processor.name.as_str(), processor.version];
    connection
        .execute("INSERT INTO dropped_space SELECT id FROM space WHERE processor = ?1 AND version = ?2", names)?;
    connection.execute("DELETE FROM space WHERE processor = ?1 AND version = ?2", names)?;
    // Positions are counted anew, and who computed them is another question.
    connection.execute("DELETE FROM lineage WHERE processor = ?1 AND version = ?2", names)?;
    Ok(connection.execute("DELETE FROM parked_event WHERE processor = ?1 AND version = ?2", names)?)
}

/// Leaves a row that nobody owns, with the epoch and the generation: whoever claims the processor again counts on from them, so
/// that none who remembers the old one passes a comparison.
fn remove(connection: &Connection, processor: &ProcessorId) -> Result<String> {
    let names = params![processor.name.as_str(), processor.version];
    let parked = forget(connection, processor)?;
    let partitions = connection.execute("DELETE FROM checkpoint WHERE processor = ?1 AND version = ?2", names)?;
    connection.execute(
        "UPDATE processor SET owner = '', component = NULL, rows_max = NULL, bytes_max = NULL
         WHERE processor = ?1 AND version = ?2",
        names,
    )?;
    let (partitions, parked) = (count(partitions, "partition"), count(parked, "parked event"));
    Ok(format!("{processor} is removed: state, {partitions} and {parked} forgotten"))
}

fn reset(connection: &Connection, processor: &ProcessorId, identities: &[(FeedName, String)]) -> Result<String> {
    let names = params![processor.name.as_str(), processor.version];
    let parked = forget(connection, processor)?;
    // The rows stay, and so do their generations: none is ever used twice.
    let text = format!(
        "UPDATE checkpoint SET start = 'first', cursor = NULL, generation = generation + 1, position = 0,
             status = 'running', last_error = NULL, resolution = NULL, updated_at = {NOW}
         WHERE processor = ?1 AND version = ?2"
    );
    let partitions = connection.execute(&text, names)?;
    for (feed, identity) in identities {
        connection.execute(
            "UPDATE checkpoint SET feed_identity = ?4 WHERE processor = ?1 AND version = ?2 AND feed = ?3",
            params![processor.name.as_str(), processor.version, feed.as_str(), identity],
        )?;
    }
    let (partitions, parked) = (count(partitions, "partition"), count(parked, "parked event"));
    Ok(format!("{processor} begins again: state, {partitions} and {parked} forgotten"))
}

fn reset_partition(
    connection: &Connection,
    processor: &ProcessorId,
    key: &PartitionKey,
    to: &ReadFrom,
    identity: Option<&str>,
) -> Result<String> {
    if *to == ReadFrom::Last {
        let cause = "a partition is reset to `first` or to a cursor, not to `last`";
        return Err(StoreError::refused(cause, "say `first`, or a cursor that its publisher knows"));
    }
    let (start, cursor) = start_and_cursor(to);
    let text = format!(
        "UPDATE checkpoint SET start = ?5, cursor = ?6, generation = generation + 1,
             position = CASE WHEN ?6 IS NULL THEN 0 ELSE position END, feed_identity = coalesce(?7, feed_identity),
             status = 'running', last_error = NULL, resolution = NULL, updated_at = {NOW}
         WHERE processor = ?1 AND version = ?2 AND feed = ?3 AND partition = ?4"
    );
    let (name, version) = (processor.name.as_str(), processor.version);
    let (feed, partition) = (key.feed.as_str(), key.partition.as_str());
    let rows = connection.execute(&text, params![name, version, feed, partition, start, cursor, identity])?;
    if rows == 0 {
        return Err(no_partition(processor, key));
    }
    let own = entries::space(connection, processor, &StateSpace::Partition(key.clone()))?;
    let mut said = vec![format!("{key} of {processor} goes on from {to}")];
    if let (ReadFrom::First, Some(own)) = (to, own) {
        connection.execute("INSERT INTO dropped_space VALUES (?1)", [own])?;
        connection.execute("DELETE FROM space WHERE id = ?1", [own])?;
        said.push("its own state is deleted".to_owned());
    } else if own.is_some() || entries::space(connection, processor, &StateSpace::Shared)?.is_some() {
        // It is said, for whoever takes a state for gone would have everything counted twice.
        let whose = if own.is_some() { "its own" } else { "the shared" };
        said.push(format!("{whose} state stays as it is, and events that come again are applied to it again"));
    }
    if *to == ReadFrom::First {
        // The positions are counted anew: what is noted of them is about events before.
        connection.execute(
            "DELETE FROM lineage WHERE processor = ?1 AND version = ?2 AND feed = ?3 AND partition = ?4",
            params![name, version, feed, partition],
        )?;
        let parked = connection.execute(
            "DELETE FROM parked_event WHERE processor = ?1 AND version = ?2 AND feed = ?3 AND partition = ?4",
            params![name, version, feed, partition],
        )?;
        if parked > 0 {
            said.push(format!("{} of it dropped", count(parked, "parked event")));
        }
    }
    Ok(said.join("; "))
}

fn accept_feed(connection: &Connection, processor: &ProcessorId, feed: &FeedName, identity: &str) -> Result<String> {
    let rows = connection.execute(
        "UPDATE checkpoint SET feed_identity = ?4, generation = generation + 1
         WHERE processor = ?1 AND version = ?2 AND feed = ?3",
        params![processor.name.as_str(), processor.version, feed.as_str(), identity],
    )?;
    if rows == 0 {
        return Err(refused(format!("{processor} has no partition of the feed `{feed}`")));
    }
    Ok(format!("{} of the feed `{feed}` read from `{identity}`", count(rows, "partition")))
}

fn drop_parked(connection: &Connection, processor: &ProcessorId, numbers: &[i64]) -> Result<String> {
    for number in numbers {
        let rows = connection.execute(
            "DELETE FROM parked_event WHERE processor = ?1 AND version = ?2 AND id = ?3",
            params![processor.name.as_str(), processor.version, number],
        )?;
        if rows == 0 {
            let cause = format!("{processor} has no parked event {number}");
            return Err(StoreError::refused(cause, "look at them with `tidemill parked list`; none was dropped"));
        }
    }
    Ok(format!("{} of {processor} dropped", count(numbers.len(), "parked event")))
}
