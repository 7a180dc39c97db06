//! What was read lately of a partition: spans by the place that they begin at, bounded in bytes and in age.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use tidemill_pipeline::{ReadFrom, Span};
use tokio::time::Instant;

use crate::room::Room;

/// After this time a publisher may say something else, and whoever comes asks it.
const AGE_MAX: Duration = Duration::from_mins(5);
/// What a span and an event take beside their bytes, about.
const SPAN_BYTES: usize = 256;
const EVENT_BYTES: usize = 48;

/// The spans that were read last.
#[derive(Debug)]
pub(crate) struct Recent {
    room: Arc<Room>,
    spans: HashMap<ReadFrom, Kept>,
    /// In the order in which they came. Some are gone: another span took their place.
    order: VecDeque<(ReadFrom, u64)>,
    bytes: usize,
    count: u64,
}

#[derive(Debug)]
struct Kept {
    span: Span,
    number: u64,
    since: Instant,
}

impl Kept {
    fn bytes(&self) -> usize {
        SPAN_BYTES + self.span.bytes() + EVENT_BYTES * self.span.len()
    }
}

impl Recent {
    /// Nothing yet.
    pub(crate) fn new(room: Arc<Room>) -> Self {
        Self { room, spans: HashMap::new(), order: VecDeque::new(), bytes: 0, count: 0 }
    }

    /// The span that begins at a place, if it was read lately.
    pub(crate) fn after(&self, place: &ReadFrom) -> Option<&Span> {
        self.spans.get(place).filter(|kept| kept.since.elapsed() < AGE_MAX).map(|kept| &kept.span)
    }

    /// Keeps a span, and lets go of older ones until the partition is within its share. One that is larger than the share is
    /// kept alone, if the other partitions leave room for it.
    pub(crate) fn keep(&mut self, span: &Span) {
        // "From now on" is another place each time, and a cursor that stays where it was leads nowhere.
        if *span.from() == ReadFrom::Last || span.from().cursor() == Some(span.to()) {
            return;
        }
        if let Some(before) = self.spans.remove(span.from()) {
            self.give_back(&before);
        }
        self.count += 1;
        let kept = Kept { span: span.clone(), number: self.count, since: Instant::now() };
        let bytes = kept.bytes();
        let share = self.room.share();
        while self.is_stale() || (self.bytes > 0 && self.bytes.saturating_add(bytes) > share) {
            self.drop_oldest();
        }
        if self.room.take(bytes) {
            self.bytes += bytes;
            self.spans.insert(span.from().clone(), kept);
            self.order.push_back((span.from().clone(), self.count));
        }
    }

    /// Lets go of everything.
    pub(crate) fn clear(&mut self) {
        self.spans.clear();
        self.order.clear();
        self.room.give_back(std::mem::take(&mut self.bytes));
    }

    fn give_back(&mut self, kept: &Kept) {
        self.bytes -= kept.bytes();
        self.room.give_back(kept.bytes());
    }

    /// Lets go of what is too old.
    pub(crate) fn tidy(&mut self) {
        while self.is_stale() {
            self.drop_oldest();
        }
    }

    fn is_stale(&self) -> bool {
        self.order.front().is_some_and(|(place, number)| {
            let kept = self.spans.get(place).filter(|kept| kept.number == *number);
            kept.is_none_or(|kept| kept.since.elapsed() >= AGE_MAX)
        })
    }

    fn drop_oldest(&mut self) {
        let Some((place, number)) = self.order.pop_front() else { return };
        if self.spans.get(&place).is_some_and(|kept| kept.number == number)
            && let Some(kept) = self.spans.remove(&place)
        {
            self.give_back(&kept);
        }
    }
}

impl Drop for Recent {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tidemill_pipeline::{Cursor, Event};

    use super::*;

    fn place(at: usize) -> ReadFrom {
        ReadFrom::After(Cursor::new(&at.to_string()).unwrap())
    }

    fn span(from: usize, to: usize) -> Span {
        let body = Bytes::from(vec![b'x'; 1000]);
        Span::new(place(from), Cursor::new(&to.to_string()).unwrap(), body, vec![Event::text(0..1000)])
    }

    /// What a span of these takes.
    const BYTES: usize = SPAN_BYTES + 1000 + EVENT_BYTES;

    /// What was read lately of the only partition of a room.
    fn recent(bytes_max: usize) -> Recent {
        let room = Arc::new(Room::new(bytes_max));
        room.enter();
        Recent::new(room)
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_go_when_there_are_too_many_bytes_and_all_go_after_some_minutes() {
        let mut recent = recent(4 * BYTES + 1);
        for at in 0..10 {
            recent.keep(&span(at, at + 1));
        }
        let kept: Vec<usize> = (0..10).filter(|at| recent.after(&place(*at)).is_some()).collect();
        assert_eq!(kept, [6, 7, 8, 9]);
        assert_eq!(recent.room.kept(), 4 * BYTES);
        tokio::time::advance(AGE_MAX).await;
        assert!(recent.after(&place(9)).is_none());
        recent.tidy();
        assert!(recent.spans.is_empty() && recent.order.is_empty() && recent.room.kept() == 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_that_is_read_again_is_kept_once_and_as_long_as_the_newer_one() {
        let mut recent = recent(usize::MAX);
        recent.keep(&span(0, 1));
        tokio::time::advance(AGE_MAX / 2).await;
        recent.keep(&span(0, 2));
        assert_eq!(recent.bytes, BYTES);
        tokio::time::advance(AGE_MAX / 2).await;
        recent.tidy();
        assert_eq!(recent.after(&place(0)).unwrap().to().as_str(), "2");
    }

    #[tokio::test(start_paused = true)]
    async fn a_checkpoint_that_leads_nowhere_is_not_kept() {
        let mut recent = recent(usize::MAX);
        recent.keep(&span(3, 3));
        assert!(recent.after(&place(3)).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn no_byte_is_kept_beyond_the_bound_of_all_partitions_together() {
        let nothing = &mut recent(0);
        nothing.keep(&span(0, 1));
        assert!(nothing.after(&place(0)).is_none() && nothing.order.is_empty());

        // Three partitions, and room for two spans: a share is less than a span.
        let room = Arc::new(Room::new(2 * BYTES));
        (0..3).for_each(|_| room.enter());
        let mut partitions = [(); 3].map(|()| Recent::new(Arc::clone(&room)));
        for at in 0..5 {
            for recent in &mut partitions {
                recent.keep(&span(at, at + 1));
            }
            let kept = [0, 1, 2].map(|partition: usize| partitions[partition].after(&place(at)).is_some());
            assert_eq!(kept, [true, true, false], "a span that is larger than the share is kept while there is room");
            assert_eq!(room.kept(), 2 * BYTES);
        }
        drop(partitions);
        assert_eq!(room.kept(), 0);
    }
}
