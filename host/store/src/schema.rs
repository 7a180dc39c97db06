//! The schema: numbered migrations, each applied once and in one transaction.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};
use tidemill_pipeline::failpoint;

use crate::error::{Result, StoreError};

/// The migrations in order; the first brings an empty file to schema 1. What was released never changes.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_first.sql"),
    include_str!("../migrations/0002_queues.sql"),
    include_str!("../migrations/0003_quotas.sql"),
];

/// Marks the file as ours: "Tide" in ASCII.
const APPLICATION_ID: u32 = 0x5469_6465;

/// The schema that this program reads and writes.
pub(crate) fn version() -> u32 {
    u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
}

/// Brings a database up to date.
pub(crate) fn migrate(connection: &mut Connection) -> Result<()> {
    apply(connection, MIGRATIONS)
}

/// Checks that a database is ours and of exactly the schema that this program knows. Never writes.
pub(crate) fn require_current(connection: &Connection) -> Result<()> {
    let (found, known) = (found(connection)?, version());
    match found.cmp(&known) {
        std::cmp::Ordering::Less if found == 0 => Err(missing(connection)),
        std::cmp::Ordering::Less => Err(StoreError::SchemaOlder { found, known }),
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(StoreError::SchemaNewer { found, known }),
    }
}

/// Checks that a database is ours and of a schema that this program can bring up to date, or of its own. Never writes.
pub(crate) fn require_known(connection: &Connection) -> Result<()> {
    let (found, known) = (found(connection)?, version());
    match found {
        0 => Err(missing(connection)),
        newer if newer > known => Err(StoreError::SchemaNewer { found, known }),
        _ => Ok(()),
    }
}

/// An empty file, such as a start leaves that was cut off before its first migration.
fn missing(connection: &Connection) -> StoreError {
    StoreError::Missing(Path::new(connection.path().unwrap_or_default()).parent().unwrap_or(Path::new("")).into())
}

/// A database of this schema in memory, with nothing in it. Not by [`migrate`], whose failpoints are those of a file.
pub(crate) fn fresh(schema: u32) -> Result<Connection> {
    if schema > version() {
        return Err(StoreError::SchemaNewer { found: schema, known: version() });
    }
    let connection = Connection::open_in_memory()?;
    for (number, migration) in (1..=schema).zip(MIGRATIONS) {
        connection.execute_batch(migration)?;
        connection.pragma_update(None, "user_version", number)?;
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    Ok(connection)
}

fn apply(connection: &mut Connection, migrations: &[&str]) -> Result<()> {
    let known = u32::try_from(migrations.len()).unwrap_or(u32::MAX);
    let found = found(connection)?;
    if found > known {
        return Err(StoreError::SchemaNewer { found, known });
    }
    if (1..known).contains(&found) {
        // Whoever waits for it sees why: a migration may read everything.
        let pages = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
        let bytes = pages("page_count")? * pages("page_size")?;
        tracing::info!(from = found, to = known, bytes, "bringing the database's schema up to date");
    }
    for (number, migration) in (1_u32..).zip(migrations).skip(found as usize) {
        failpoint::reach("before-migration");
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(migration)?;
        failpoint::reach("in-migration");
        transaction.pragma_update(None, "user_version", number)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.commit()?;
        failpoint::reach("after-migration");
    }
    Ok(())
}

/// The schema of the file, 0 if it is empty.
pub(crate) fn found(connection: &Connection) -> Result<u32> {
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, u32>(0));
    let (application, schema) = (number("application_id")?, number("user_version")?);
    let tables: u32 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let empty = schema == 0 && application == 0 && tables == 0;
    if application != APPLICATION_ID && !empty {
        return Err(StoreError::Foreign(connection.path().unwrap_or_default().into()));
    }
    Ok(schema)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables(connection: &Connection) -> Vec<String> {
        let mut statement =
            connection.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().collect::<rusqlite::Result<_>>().unwrap()
    }

    #[test]
    fn the_schema_is_the_one_that_was_agreed() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        insta::assert_snapshot!(tables(&connection).join(";\n\n"));
    }

    #[test]
    fn every_table_is_strict() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        let loose: Vec<String> = connection
            .prepare(
                "SELECT name FROM pragma_table_list WHERE type = 'table' AND NOT strict AND name NOT LIKE 'sqlite_%'",
            )
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<rusqlite::Result<_>>()
            .unwrap();
        assert_eq!(loose, [""; 0]);
    }

    #[test]
    fn events_that_were_parked_before_there_were_queues_keep_their_numbers_and_numbers_are_not_used_again() {
        let mut connection = Connection::open_in_memory().unwrap();
        apply(&mut connection, &MIGRATIONS[..1]).unwrap();
        connection.execute_batch("INSERT INTO processor VALUES ('totals', 1, 1, 0, 'me', 'now', NULL)").unwrap();
        let columns =
            "processor, version, feed, partition, span_from, digest, copies, payload, cause, reason, parked_at";
        let park = |connection: &Connection, span: &str, more: &str, value: &str| {
            let text = format!(
                "INSERT INTO parked_event ({columns}{more})
                 VALUES ('totals', 1, 'orders', '0', '{span}', zeroblob(32), 2, 'payload', 'trap', 'why', 'now'{value})"
            );
            connection.execute(&text, []).unwrap();
        };
        for span in ["first", "after:1", "after:2"] {
            park(&connection, span, "", "");
        }
        connection.execute("DELETE FROM parked_event WHERE id = 3", []).unwrap();
        migrate(&mut connection).unwrap();
        park(&connection, "after:3", ", lane", ", ''");
        let mut statement =
            connection.prepare("SELECT id, span_from, copies, key FROM parked_event ORDER BY id").unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)));
        let rows: Vec<(i64, String, u32, Option<String>)> = rows.unwrap().collect::<rusqlite::Result<_>>().unwrap();
        let row = |id, span: &str| (id, span.to_owned(), 2, None);
        assert_eq!(rows, [row(1, "first"), row(2, "after:1"), row(4, "after:3")]);
    }

    #[test]
    fn migrations_are_applied_once_and_in_order() {
        let mut connection = Connection::open_in_memory().unwrap();
        let first = "CREATE TABLE a(x INTEGER) STRICT; INSERT INTO a VALUES (1);";
        apply(&mut connection, &[first]).unwrap();
        apply(&mut connection, &[first, "UPDATE a SET x = x + 10;"]).unwrap();
        apply(&mut connection, &[first, "UPDATE a SET x = x + 10;"]).unwrap();
        assert_eq!(connection.query_row("SELECT x FROM a", [], |row| row.get::<_, i64>(0)).unwrap(), 11);
    }

    #[test]
    fn a_migration_that_fails_leaves_the_schema_before_it() {
        let mut connection = Connection::open_in_memory().unwrap();
        let first = "CREATE TABLE a(x INTEGER) STRICT;";
        apply(&mut connection, &[first, "CREATE TABLE b(x INTEGER) STRICT; nonsense"]).unwrap_err();
        assert_eq!(found(&connection).unwrap(), 1);
        assert_eq!(tables(&connection).len(), 1);
    }

    #[test]
    fn a_newer_schema_is_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        connection.pragma_update(None, "user_version", version() + 1).unwrap();
        assert!(matches!(migrate(&mut connection), Err(StoreError::SchemaNewer { .. })));
        assert!(matches!(require_current(&connection), Err(StoreError::SchemaNewer { .. })));
        connection.pragma_update(None, "user_version", version() - 1).unwrap();
        assert!(matches!(require_current(&connection), Err(StoreError::SchemaOlder { .. })));
        connection.pragma_update(None, "user_version", 0).unwrap();
        assert!(matches!(require_current(&connection), Err(StoreError::Missing(_))));
    }

    #[test]
    fn a_database_of_another_program_is_not_touched() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE theirs(x)").unwrap();
        assert!(matches!(migrate(&mut connection), Err(StoreError::Foreign(_))));
        assert_eq!(tables(&connection), ["CREATE TABLE theirs(x)"]);
    }
}
