//! Tables for people: a heading, rows, no lines around them, so that they can be cut and searched.

use std::fmt;

use comfy_table::{ContentArrangement, presets::NOTHING};

use super::safe;

/// A table of text. Cells are made safe for a terminal.
#[derive(Debug)]
pub struct Table(comfy_table::Table);

impl Table {
    /// An empty table with these headings.
    #[must_use]
    pub fn new<const N: usize>(headings: [&str; N]) -> Self {
        let mut table = comfy_table::Table::new();
        table.load_preset(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(headings.map(str::to_uppercase));
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        Self(table)
    }

    /// Adds a row. The cells stand under the headings in their order.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.0.add_row(cells.map(|cell| safe(&cell).into_owned()));
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, line) in self.0.lines().enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            f.write_str(line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_their_headings() {
        let mut table = Table::new(["feed", "events"]);
        table.row(["orders".to_owned(), "12".to_owned()]);
        table.row(["u\u{7}".to_owned(), "3".to_owned()]);
        assert_eq!(table.to_string(), "FEED    EVENTS\norders  12\nu\\u{7}  3");
    }
}
