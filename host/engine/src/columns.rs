//! The columns: the events of a call as a few large pieces, where they fit into them.

use std::ops::Range;

use tidemill_pipeline::{Batch, EventRef, Metadata, Span, ValueRef};
use wasmtime::component::{ComponentType, Lower};

use crate::contract::BulkBatch;

/// `bulk-handler.column`.
#[derive(ComponentType, Lower, Default)]
#[component(record)]
pub(crate) struct Column {
    lines: String,
    ends: Vec<u32>,
}

impl Column {
    /// Adds the next event's text, if it fits.
    #[inline]
    fn push(&mut self, text: &str) -> Option<()> {
        if memchr::memchr(b'\n', text.as_bytes()).is_some() {
            return None;
        }
        self.lines.push_str(text);
        self.ends.push(u32::try_from(self.lines.len()).ok()?);
        self.lines.push('\n');
        Some(())
    }
}

/// The events of a call, by columns. A column is there for all events or for none.
#[derive(Default)]
pub(crate) struct Columns {
    data: Column,
    id: Option<Column>,
    kind: Option<Column>,
    key: Option<Column>,
    occurred_at: Option<Vec<i64>>,
}

impl Columns {
    /// The events in a range of a batch, or none if one of them does not fit. It depends on these events alone.
    pub(crate) fn of(batch: &Batch, range: &Range<usize>) -> Option<Self> {
        let mut events = batch.range(range.clone()).peekable();
        let first = events.peek()?.metadata();
        let has = |known: fn(&Metadata) -> bool| first.is_some_and(known);
        let column = |known| has(known).then(Column::default);
        // Most bytes of a span are payloads, so that is enough, and seldom much too much; unless fields are picked of them.
        let picked: usize = batch.spans().iter().map(Span::picked_bytes).sum();
        let bytes = if picked > 0 { picked } else { batch.bytes() } / batch.len().max(1) * range.len();
        let data = Column { lines: String::with_capacity(bytes), ends: Vec::with_capacity(range.len()) };
        let mut columns = Self {
            data,
            id: column(|known| known.id.is_some()),
            kind: column(|known| known.kind.is_some()),
            key: column(|known| known.key.is_some()),
            occurred_at: has(|known| known.occurred_at_us.is_some()).then(Vec::new),
        };
        let bare = first.is_none();
        for event in events {
            columns.push(event, bare)?;
        }
        Some(columns)
    }

    /// Adds the next event, if it fits. `bare`: no event may have metadata.
    #[inline]
    fn push(&mut self, event: EventRef<'_>, bare: bool) -> Option<()> {
        let ValueRef::Text(text) = event.given() else { return None };
        if event.fault().is_some() {
            return None;
        }
        self.data.push(text)?;
        match event.metadata() {
            None => bare.then_some(()),
            Some(Metadata { headers, id, kind, key, occurred_at_us }) => {
                text_of(&mut self.id, id.as_deref())?;
                text_of(&mut self.kind, kind.as_deref())?;
                text_of(&mut self.key, key.as_deref())?;
                match (&mut self.occurred_at, occurred_at_us) {
                    (Some(times), Some(time)) => times.push(*time),
                    (None, None) => {}
                    (Some(_), None) | (None, Some(_)) => return None,
                }
                headers.is_empty().then_some(())
            }
        }
    }

    /// As they cross.
    pub(crate) fn batch<'a>(&'a self, feed: &'a str, partition: &'a str) -> BulkBatch<'a> {
        BulkBatch {
            feed,
            partition,
            data: &self.data,
            id: self.id.as_ref(),
            kind: self.kind.as_ref(),
            key: self.key.as_ref(),
            occurred_at: self.occurred_at.as_deref(),
        }
    }

    /// How many events there are.
    pub(crate) fn len(&self) -> usize {
        self.data.ends.len()
    }

    /// The size of the payloads.
    pub(crate) fn bytes(&self) -> usize {
        self.data.lines.len() - self.data.ends.len()
    }

    /// When the last event occurred, if they say it.
    pub(crate) fn last_occurred_at_us(&self) -> Option<i64> {
        self.occurred_at.as_ref()?.last().copied()
    }
}

/// Adds a text where there is a column for it, and only there.
fn text_of(column: &mut Option<Column>, text: Option<&str>) -> Option<()> {
    match (column, text) {
        (Some(column), Some(text)) => column.push(text),
        (None, None) => Some(()),
        (Some(_), None) | (None, Some(_)) => None,
    }
}
