//! Where `ledger` stands in the database of a directory, read without the program.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

/// The position of a partition; 0 if it was not begun yet, or cannot be read now.
pub(crate) fn position(directory: &Path, partition: usize) -> u64 {
    let open = Connection::open_with_flags(directory.join("tidemill.db"), OpenFlags::SQLITE_OPEN_READ_ONLY);
    let read = open.and_then(|connection| {
        let text = "SELECT position FROM checkpoint WHERE processor = 'ledger' AND partition = ?1";
        connection.query_row(text, [partition.to_string()], |row| Ok(row.get::<_, i64>(0)?.cast_unsigned()))
    });
    read.unwrap_or(0)
}
