//! The strain: a span that writes nearly as much as a batch may. It cannot become smaller, so the next may be rejected.

use crate::{Batch, PartitionKey, ProcessorName, WriteBounds, WriteSet, cooldown::Cooldown, nearly};

/// Warns of it, of each partition once a minute at most.
#[derive(Debug, Default)]
pub(crate) struct Strain {
    cooldown: Cooldown,
}

impl Strain {
    /// Warns of a span that stands alone and has come near a bound of its writes, and says whether it did.
    pub(crate) fn look(
        &mut self,
        processor: &ProcessorName,
        batch: &Batch,
        writes: &WriteSet,
        bounds: WriteBounds,
    ) -> bool {
        let (rows, bytes) = (writes.len(), writes.bytes());
        let near_rows = nearly(rows as u64, bounds.rows_max as u64);
        let near_bytes = nearly(bytes as u64, bounds.bytes_max as u64);
        if batch.spans().len() != 1 || !(near_rows || near_bytes) || !self.cooldown.begin() {
            return false;
        }
        let PartitionKey { feed, partition } = batch.key();
        let setting = if near_rows { "limits.write-rows" } else { "limits.write-bytes" };
        tracing::warn!(
            %processor, %feed, %partition, from = %batch.from(), rows, rows_max = bounds.rows_max, bytes, bytes_max = bounds.bytes_max, setting,
            hint = "one that writes more is rejected: raise the limit, or let the component write less for an event",
            "the events between two checkpoints write nearly as much as a batch may"
        );
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::{BatchBounds, Cursor, Event, FeedName, PartitionId, ReadFrom, Span};

    const BOUNDS: WriteBounds = WriteBounds { rows_max: 10, bytes_max: 100, key_bytes_max: 10 };

    fn written(rows: usize, value: &str) -> WriteSet {
        (0..rows).map(|row| (row.to_string(), Some(value.into()))).collect()
    }

    fn batch(spans: usize) -> Batch {
        let cursor = |place: usize| Cursor::new(&place.to_string()).unwrap();
        let span = |place: usize| {
            Span::new(ReadFrom::After(cursor(place)), cursor(place + 1), Bytes::new(), vec![Event::text(0..0)])
        };
        let key = PartitionKey { feed: FeedName::new("orders"), partition: PartitionId::new("0") };
        let mut batch = Batch::new(key, span(0));
        (1..spans).for_each(|place| batch.push(span(place), BatchBounds::default()).unwrap());
        batch
    }

    #[tokio::test(start_paused = true)]
    async fn a_span_alone_that_writes_80_per_cent_of_either_bound_is_warned_about_once_a_minute() {
        let totals = ProcessorName::new("totals");
        let mut strain = Strain::default();
        assert!(!strain.look(&totals, &batch(1), &written(7, "1"), BOUNDS));
        assert!(!strain.look(&totals, &batch(2), &written(10, "1"), BOUNDS), "it can become smaller");
        assert!(strain.look(&totals, &batch(1), &written(8, "1"), BOUNDS));
        tokio::time::advance(Duration::from_secs(59)).await;
        assert!(!strain.look(&totals, &batch(1), &written(10, "1"), BOUNDS));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(strain.look(&totals, &batch(1), &written(2, &"x".repeat(39)), BOUNDS), "80 bytes");
    }
}
