//! A page: events and checkpoints of some partitions, made piece by piece as the reader takes them.

use std::{collections::VecDeque, sync::Arc};

use serde_json::value::RawValue;

use super::{
    Options,
    log::{Log, LogError, Position},
    partition::partition_of,
};

/// How much of the log is read for one piece.
const PIECE_BYTES: usize = 128 * 1024;

/// How much of the log a page looks through for one partition. A page must end, even if the log grows without rest
/// and nothing in it is for this partition.
const LOOK_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    ZeroEventHub,
    FeedApi,
}

/// A page that is being made.
pub(super) struct Page {
    log: Arc<dyn Log>,
    options: Arc<Options>,
    dialect: Dialect,
    /// The partitions that are not at their end yet. They take turns.
    parts: VecDeque<Part>,
}

/// One partition of a page.
struct Part {
    partition: u32,
    begin: Position,
    at: Position,
    /// Events that may still come.
    events_left: usize,
    bytes_left: usize,
    /// Events since the last checkpoint.
    open: usize,
    /// The last checkpoint of this page.
    marked: Option<Position>,
}

impl Page {
    /// A page of about `events` events from these places on.
    pub(super) fn new(
        log: Arc<dyn Log>,
        options: Arc<Options>,
        dialect: Dialect,
        places: &[(u32, Position)],
        events: usize,
    ) -> Self {
        let share = events.div_ceil(places.len().max(1)).max(1);
        let part = |&(partition, begin): &(u32, Position)| Part {
            partition,
            begin,
            at: begin,
            events_left: share,
            bytes_left: LOOK_BYTES_MAX,
            open: 0,
            marked: None,
        };
        Self { log, options, dialect, parts: places.iter().map(part).collect() }
    }

    /// The next piece; none at the end of the page. It ends with a checkpoint, and so does every partition's part of
    /// the page. Blocks.
    ///
    /// # Errors
    /// When nothing can be said about a partition: the first line behind its cursor cannot be published.
    pub(super) fn next(&mut self) -> Option<Result<Vec<u8>, LogError>> {
        let mut part = self.parts.pop_front()?;
        let mut piece = Vec::new();
        match self.piece(&mut part, &mut piece) {
            Ok(more) => {
                self.checkpoint(&mut part, &mut piece);
                if more {
                    self.parts.push_back(part);
                }
                Some(Ok(piece))
            }
            // The reader gets what is before the bad line; asking from there, it is told what is wrong.
            Err(_) if part.at != part.begin => {
                self.checkpoint(&mut part, &mut piece);
                Some(Ok(piece))
            }
            Err(error) => Some(Err(error)),
        }
    }

    /// Adds events to a piece. Whether the partition has more for this page.
    fn piece(&self, part: &mut Part, piece: &mut Vec<u8>) -> Result<bool, LogError> {
        let lines = self.log.read(part.at, PIECE_BYTES)?;
        for (line, behind) in lines.iter() {
            self.line(part, line, piece)?;
            part.at = behind;
            if part.open >= self.options.checkpoint_events.max(1) {
                self.checkpoint(part, piece);
            }
            if part.events_left == 0 {
                return Ok(false);
            }
        }
        part.bytes_left = part.bytes_left.saturating_sub(lines.bytes.len());
        Ok(!lines.ends.is_empty() && part.bytes_left > 0)
    }

    fn line(&self, part: &mut Part, line: &[u8], piece: &mut Vec<u8>) -> Result<(), LogError> {
        let Options { key, partitions, .. } = &*self.options;
        if line.is_empty() || partition_of(line, part.at.line, key.as_deref(), *partitions) != part.partition {
            return Ok(());
        }
        let Ok(data) = serde_json::from_slice::<&RawValue>(line) else {
            return Err(LogError::Content(format!("line {} is not JSON", part.at.line + 1)));
        };
        match self.dialect {
            Dialect::ZeroEventHub => {
                piece.extend_from_slice(format!("{{\"partition\":{},\"data\":", part.partition).as_bytes());
            }
            Dialect::FeedApi => piece.extend_from_slice(b"{\"data\":"),
        }
        piece.extend_from_slice(data.get().as_bytes());
        piece.extend_from_slice(b"}\n");
        part.open += 1;
        part.events_left -= 1;
        Ok(())
    }

    /// Says where the partition is, unless that was just said.
    fn checkpoint(&self, part: &mut Part, piece: &mut Vec<u8>) {
        if part.marked.replace(part.at) == Some(part.at) {
            return;
        }
        let line = match self.dialect {
            Dialect::ZeroEventHub => format!("{{\"partition\":{},\"cursor\":\"{}\"}}\n", part.partition, part.at),
            Dialect::FeedApi => format!("{{\"cursor\":\"{}\"}}\n", part.at),
        };
        piece.extend_from_slice(line.as_bytes());
        part.open = 0;
    }
}
