//! The shape of a database: the tables, indices, views and triggers that its schema consists of.
//!
//! The check of SQLite says nothing of it: a database without a trigger is a sound one. But the triggers count what is kept, and
//! the indices keep an event from being put aside twice.

use std::{collections::BTreeMap, fmt};

use rusqlite::Connection;

use crate::{
    error::{Result, StoreError},
    schema,
};

/// The text of everything that has a name, by its kind and its name.
type Shape = BTreeMap<(String, String), String>;

/// Checks that a database has the shape of its schema. Never writes.
///
/// # Errors
/// When something is missing, differs, or belongs to nobody; or when the database is not ours, or of a newer schema.
pub(crate) fn require(connection: &Connection) -> Result<()> {
    let version = schema::found(connection)?;
    let (found, wanted) = (read(connection)?, read(&schema::fresh(version)?)?);
    match difference(&found, &wanted) {
        Some(difference) => Err(StoreError::Shape { version, difference }),
        None => Ok(()),
    }
}

fn read(connection: &Connection) -> Result<Shape> {
    // What SQLite makes for itself is left out: it has no text, or keeps numbers and statistics.
    let mut statement = connection.prepare(
        r"SELECT type, name, sql FROM sqlite_schema
          WHERE sql IS NOT NULL AND NOT (type = 'table' AND name LIKE 'sqlite\_%' ESCAPE '\')",
    )?;
    let rows = statement.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), normal(&row.get::<_, String>(2)?))))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// A text as it is compared. Versions of SQLite may rewrite it in their own way when they change a table: how names are quoted
/// and where lines end says nothing. What is within quotation marks of values is left as it is.
fn normal(text: &str) -> String {
    let mut normal = String::with_capacity(text.len());
    for (number, piece) in text.split('\'').enumerate() {
        if number % 2 == 1 {
            normal.extend(["'", piece, "'"]);
        } else {
            normal.push_str(&piece.replace('"', "").split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
    normal
}

/// The first difference in words, and how many more there are. What is missing comes first, and a table before what goes with it.
fn difference(found: &Shape, wanted: &Shape) -> Option<String> {
    let mut missing: Vec<_> = wanted.keys().filter(|name| !found.contains_key(*name)).collect();
    missing.sort_by_key(|(kind, _)| kind != "table");
    let missing = missing.into_iter().map(|name| said(name, "is missing"));
    let other = wanted.iter().filter(|(name, text)| found.get(*name).is_some_and(|found| found != *text));
    let other = other.map(|(name, _)| said(name, "differs"));
    let foreign =
        found.keys().filter(|name| !wanted.contains_key(*name)).map(|name| said(name, "does not belong there"));
    let mut all = missing.chain(other).chain(foreign);
    let first = all.next()?;
    Some(match all.count() {
        0 => first,
        1 => format!("{first}, and there is one more difference"),
        more => format!("{first}, and there are {more} more differences"),
    })
}

fn said((kind, name): &(String, String), what: impl fmt::Display) -> String {
    format!("the {kind} `{name}` {what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a fresh database after this.
    fn after(version: u32, change: &str) -> std::result::Result<(), String> {
        let connection = schema::fresh(version).unwrap();
        connection.execute_batch(change).unwrap();
        require(&connection).map_err(|error| error.to_string())
    }

    #[test]
    fn every_table_index_view_and_trigger_that_is_missing_is_named() {
        for version in 1..=schema::version() {
            assert_eq!(after(version, ""), Ok(()));
            for (kind, name) in read(&schema::fresh(version).unwrap()).unwrap().into_keys() {
                let said = after(version, &format!("DROP {kind} {name}")).unwrap_err();
                let expected = format!("is not as schema {version} makes it: the {kind} `{name}` is missing");
                assert!(said.contains(&expected), "{said}");
            }
        }
    }

    #[test]
    fn what_is_another_one_or_does_not_belong_there_is_named() {
        for (change, expected) in [
            (
                "DROP TRIGGER parked_gone; CREATE TRIGGER parked_gone AFTER DELETE ON parked_event BEGIN SELECT 1; END",
                "the trigger `parked_gone` differs",
            ),
            (
                "CREATE TRIGGER mine AFTER DELETE ON entry BEGIN SELECT 1; END",
                "the trigger `mine` does not belong there",
            ),
            ("CREATE TABLE mine (x); CREATE INDEX theirs ON mine (x)", "the index `theirs` does not belong there"),
            ("ALTER TABLE request ADD COLUMN mine TEXT", "the table `request` differs"),
            ("DROP TRIGGER space_gone; DROP TRIGGER space_counted", "the trigger `space_counted` is missing"),
        ] {
            let said = after(schema::version(), change).unwrap_err();
            assert!(said.contains(expected), "{change}: {said}");
        }
        let several = "DROP TRIGGER space_gone; DROP TRIGGER space_counted; CREATE TABLE mine (x)";
        let said = after(schema::version(), several).unwrap_err();
        assert!(said.ends_with("the trigger `space_counted` is missing, and there are 2 more differences"), "{said}");
    }

    #[test]
    fn what_sqlite_keeps_for_itself_and_how_it_quotes_are_no_difference() {
        let statistics = "INSERT INTO code VALUES ('k', zeroblob(32)); ANALYZE";
        assert_eq!(after(schema::version(), statistics), Ok(()));
        assert_eq!(
            normal("CREATE TABLE \"a\"(\n  x CHECK (x <> 'a  \"b\"'))"),
            normal("CREATE TABLE a( x CHECK (x <> 'a  \"b\"'))")
        );
        assert_ne!(normal("CHECK (x <> 'a  b')"), normal("CHECK (x <> 'a b')"));
    }
}
