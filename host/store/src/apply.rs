//! Applying a commit within a transaction: first the compare-and-sets, then everything else.

use rusqlite::{Connection, OptionalExtension, params};
use tidemill_pipeline::{
    Claim, Code, Commit, Instances, NewPartition, PartitionKey, ProcessorId, ReadFrom, StateGuard, StateSpace, Status,
    Step, Usage, failpoint,
};

use crate::{
    entries,
    error::{Result, StoreError},
    parked,
    rows::{NOW, error_json, signed, start_and_cursor, unsigned},
    stored,
};

/// Applies a commit, and says what it does to what the processor keeps. On an error the caller rolls back to before it.
pub(crate) fn commit(connection: &Connection, commit: &Commit) -> Result<Usage> {
    let Commit { claim, guard, step, writes, parked: aside, settled, opened, code, durability: _ } = commit;
    match guard {
        StateGuard::Shared { generation } => move_shared_state(connection, claim, *generation)?,
        StateGuard::Partition(_) => require_claim(connection, claim)?,
    }
    failpoint::reach("state-moved");
    let (before, quota) = stored::load(connection, &claim.processor)?;
    match (step, guard) {
        (Some(step), _) => move_checkpoint(connection, &claim.processor, step)?,
        // Writes without a step, such as those of a retry: whoever read the space or its queues before them must find out.
        (None, StateGuard::Partition(key)) if !writes.is_empty() || !settled.is_empty() => {
            raise_generation(connection, claim, key)?;
        }
        (None, _) => {}
    }
    let space = match guard {
        StateGuard::Shared { .. } => StateSpace::Shared,
        StateGuard::Partition(key) => StateSpace::Partition(key.clone()),
    };
    failpoint::reach("before-writes");
    if !failpoint::breaks("cursor-with-writes") {
        entries::write(connection, &claim.processor, &space, writes)?;
    }
    failpoint::reach("after-writes");
    let lane = parked::lane(&space);
    // Settled first: a retry that was rejected again puts the event back with its new error.
    settled.iter().try_for_each(|settled| parked::settle(connection, &claim.processor, lane, settled))?;
    aside.iter().try_for_each(|event| parked::park(connection, &claim.processor, lane, event))?;
    opened.iter().try_for_each(|partition| open(connection, &claim.processor, partition))?;
    if let (Some(step), Some(code)) = (step, code) {
        note_lineage(connection, &claim.processor, step, code)?;
        failpoint::reach("after-lineage");
    }
    let (after, _) = stored::load(connection, &claim.processor)?;
    let usage = Usage { quota, before, after };
    usage.check().map_err(StoreError::Known)?;
    Ok(usage)
}

fn move_shared_state(connection: &Connection, claim: &Claim, seen: u64) -> Result<()> {
    let changed = connection
        .prepare_cached(
            "UPDATE processor SET state_generation = state_generation + 1
             WHERE processor = ?1 AND version = ?2 AND epoch = ?3 AND state_generation = ?4",
        )?
        .execute(params![
            claim.processor.name.as_str(),
            claim.processor.version,
            signed(claim.epoch)?,
            signed(seen)?
        ])?;
    if changed == 1 || failpoint::breaks("compare-and-set") {
        return Ok(());
    }
    let now = state_generation(connection, claim)?;
    Err(StoreError::Fenced(format!("the state of {} is at generation {now}, not {seen}", claim.processor)))
}

/// Raises the shared state's generation without comparing it, for what an operator asked for: whoever is at work
/// on the state starts over. The claim must stand.
pub(crate) fn disturb_shared_state(connection: &Connection, claim: &Claim) -> Result<()> {
    let seen = state_generation(connection, claim)?;
    move_shared_state(connection, claim, seen)
}

/// The generation of the shared state, if the claim stands.
pub(crate) fn state_generation(connection: &Connection, claim: &Claim) -> Result<u64> {
    let processor = &claim.processor;
    let row = connection
        .prepare_cached(
            "SELECT epoch, state_generation, owner, claimed_at FROM processor WHERE processor = ?1 AND version = ?2",
        )?
        .query_row((processor.name.as_str(), processor.version), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?, row.get::<_, String>(3)?))
        })
        .optional()?;
    match row {
        Some((epoch, generation, _, _)) if unsigned(epoch)? == claim.epoch => unsigned(generation),
        Some((_, _, owner, _)) if owner.is_empty() => {
            Err(StoreError::Superseded { processor: processor.clone(), owner: "nobody: it was removed".into() })
        }
        Some((_, _, owner, at)) => {
            Err(StoreError::Superseded { processor: processor.clone(), owner: format!("{owner} at {at}") })
        }
        None => Err(StoreError::Superseded { processor: processor.clone(), owner: "nobody: it is gone".into() }),
    }
}

/// Checks that a claim stands.
pub(crate) fn require_claim(connection: &Connection, claim: &Claim) -> Result<()> {
    state_generation(connection, claim).map(drop)
}

fn move_checkpoint(connection: &Connection, processor: &ProcessorId, step: &Step) -> Result<()> {
    let error = step.error.as_ref().map(error_json).transpose()?;
    let unmoved = if failpoint::breaks("compare-and-set") { "?9 >= 0" } else { "generation = ?9" };
    let sql = format!(
        "UPDATE checkpoint SET cursor = coalesce(?5, cursor), generation = generation + 1, position = position + ?6,
             status = ?7, last_error = ?8, resolution = iif(?5 IS NULL, resolution, NULL), updated_at = {NOW}
         WHERE processor = ?1 AND version = ?2 AND feed = ?3 AND partition = ?4 AND {unmoved}"
    );
    let changed = connection.prepare_cached(&sql)?.execute(params![
        processor.name.as_str(),
        processor.version,
        step.key.feed.as_str(),
        step.key.partition.as_str(),
        step.to.as_ref().map(tidemill_pipeline::Cursor::as_str),
        signed(step.events)?,
        step.status.as_str(),
        error,
        signed(step.from_generation)?,
    ])?;
    if changed == 1 {
        return Ok(());
    }
    Err(StoreError::Fenced(format!(
        "the checkpoint of {} is not at generation {} any more",
        step.key, step.from_generation
    )))
}

fn raise_generation(connection: &Connection, claim: &Claim, key: &PartitionKey) -> Result<()> {
    let changed = connection
        .prepare_cached(
            "UPDATE checkpoint SET generation = generation + 1
             WHERE processor = ?1 AND version = ?2 AND feed = ?3 AND partition = ?4",
        )?
        .execute(params![
            claim.processor.name.as_str(),
            claim.processor.version,
            key.feed.as_str(),
            key.partition.as_str()
        ])?;
    if changed == 1 { Ok(()) } else { Err(StoreError::Fenced(format!("{key} has no checkpoint"))) }
}

fn open(connection: &Connection, processor: &ProcessorId, partition: &NewPartition) -> Result<()> {
    let (start, cursor) = start_and_cursor(&partition.start);
    let status = match partition.start {
        ReadFrom::Last => Status::Starting,
        ReadFrom::First | ReadFrom::After(_) => Status::Running,
    };
    let sql = format!(
        "INSERT INTO checkpoint
             (processor, version, feed, partition, start, cursor, generation, position, status, feed_identity, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, 0, ?7, ?8, {NOW})
         ON CONFLICT DO NOTHING"
    );
    connection.prepare_cached(&sql)?.execute(params![
        processor.name.as_str(),
        processor.version,
        partition.key.feed.as_str(),
        partition.key.partition.as_str(),
        start,
        cursor,
        status.as_str(),
        partition.feed_identity,
    ])?;
    failpoint::reach("opened");
    Ok(())
}

/// Notes who computes from this step on, if it is not who computed before.
fn note_lineage(connection: &Connection, processor: &ProcessorId, step: &Step, code: &Code) -> Result<()> {
    let Code { component, config, instances } = code;
    let instances: &str = Instances::as_str(*instances);
    let text = format!(
        "INSERT INTO lineage
         SELECT ?1, ?2, ?3, ?4, generation, position - ?5, ?6, ?7, ?8, {NOW} FROM checkpoint
         WHERE processor = ?1 AND version = ?2 AND feed = ?3 AND partition = ?4 AND (?6, ?7, ?8) IS NOT (
             SELECT component, config, instances FROM lineage
             WHERE processor = ?1 AND version = ?2 AND feed = ?3 AND partition = ?4
             ORDER BY from_generation DESC LIMIT 1)"
    );
    connection.prepare_cached(&text)?.execute(params![
        processor.name.as_str(),
        processor.version,
        step.key.feed.as_str(),
        step.key.partition.as_str(),
        signed(step.events)?,
        component.as_bytes(),
        config.as_bytes(),
        instances,
    ])?;
    Ok(())
}
