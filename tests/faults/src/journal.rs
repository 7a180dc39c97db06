//! The journal: every step of every checkpoint, noted by the database itself in the transaction that made it. So it is known
//! how many commits there were, also of those whose host did not live to hear of it.

use anyhow::Result;

use crate::{
    database::{Database, Stands, number},
    trial::holds,
};

const TRIGGERS: &str = "
    CREATE TABLE IF NOT EXISTS journal (
        step INTEGER PRIMARY KEY, processor TEXT NOT NULL, partition TEXT NOT NULL, epoch INTEGER NOT NULL,
        was INTEGER NOT NULL, generation INTEGER NOT NULL, cursor TEXT, position INTEGER NOT NULL
    ) STRICT;
    CREATE TRIGGER IF NOT EXISTS journal_step AFTER UPDATE OF generation ON checkpoint BEGIN
        INSERT INTO journal
        SELECT NULL, NEW.processor, NEW.partition, epoch, OLD.generation, NEW.generation, NEW.cursor, NEW.position
        FROM processor WHERE processor.processor = NEW.processor AND processor.version = NEW.version;
    END;
    CREATE TABLE IF NOT EXISTS state_journal (
        step INTEGER PRIMARY KEY, processor TEXT NOT NULL, was INTEGER NOT NULL, generation INTEGER NOT NULL
    ) STRICT;
    CREATE TRIGGER IF NOT EXISTS state_journal_step AFTER UPDATE OF state_generation ON processor BEGIN
        INSERT INTO state_journal VALUES (NULL, NEW.processor, OLD.state_generation, NEW.state_generation);
    END;
";

/// Begins the journal of a database.
pub(crate) fn begin(database: &Database) -> Result<()> {
    Ok(database.0.execute_batch(TRIGGERS)?)
}

/// Checks that each step of a processor's partitions began where the one before it ended, that the checkpoints' generations are
/// those of the last steps, and that no epoch committed after a later one.
pub(crate) fn check(database: &Database, processor: &str) -> Result<()> {
    let mut statement = database.0.prepare_cached(
        "SELECT was, generation, epoch, coalesce(lag(generation) OVER steps, was), coalesce(lag(epoch) OVER steps, 0)
         FROM journal WHERE processor = ?1 AND partition = ?2 WINDOW steps AS (ORDER BY step)",
    )?;
    for stands in database.partitions(processor)? {
        let mut rows = statement.query([processor, &stands.partition])?;
        let mut last = None;
        while let Some(row) = rows.next()? {
            let [was, generation, epoch, before, epoch_before] =
                [number(row, 0)?, number(row, 1)?, number(row, 2)?, number(row, 3)?, number(row, 4)?];
            let partition = &stands.partition;
            holds!(
                was == before,
                "partition {partition}: a step began at generation {was}, the one before ended at {before}"
            );
            holds!(generation == was + 1, "partition {partition}: a step from generation {was} to {generation}");
            holds!(epoch >= epoch_before, "partition {partition}: epoch {epoch} committed after {epoch_before}");
            last = Some(generation);
        }
        let Stands { partition, generation, .. } = &stands;
        holds!(
            last.is_none_or(|last| last == *generation),
            "partition {partition} is at generation {generation}, and its last commit made {last:?}"
        );
    }
    Ok(())
}

/// Checks that every step moved the cursor and the position together, where the cursor after the n-th event is `cN`.
pub(crate) fn check_places(database: &Database) -> Result<()> {
    let mut statement = database.0.prepare_cached(
        "SELECT partition, generation, cursor, position FROM journal
         WHERE cursor IS NOT NULL AND cursor <> 'c' || position ORDER BY step LIMIT 1",
    )?;
    let mut rows = statement.query([])?;
    if let Some(row) = rows.next()? {
        let (partition, generation): (String, u64) = (row.get(0)?, number(row, 1)?);
        let (cursor, position): (String, u64) = (row.get(2)?, number(row, 3)?);
        holds!(
            false,
            "partition {partition}, generation {generation}: {position} events were applied to come to the cursor {cursor}"
        );
    }
    Ok(())
}

/// How many changes of the shared state were no step of a checkpoint, less how many steps were no change of it: 0 if each commit
/// was both, as those of batches are.
pub(crate) fn beside_steps(database: &Database, processor: &str) -> Result<i64> {
    let count = |table: &str| -> Result<i64> {
        let text = format!("SELECT count(*) FROM {table} WHERE processor = ?1");
        Ok(database.0.query_row(&text, [processor], |row| row.get(0))?)
    };
    Ok(count("state_journal")? - count("journal")?)
}
