//! What was read lately of a partition: spans by the place that they begin at, bounded in bytes and in age.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use tidemill_pipeline::{ReadFrom, Span};
use tokio::time::Instant;

/// After this time a publisher may say something else, and whoever comes asks it.
const AGE_MAX: Duration = Duration::from_mins(1);
/// What a span and an event take beside their bytes, about.
const SPAN_BYTES: usize = 256;
const EVENT_BYTES: usize = 48;

/// The spans that were read last.
#[derive(Debug, Default)]
pub(crate) struct Recent {
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
    /// The span that begins at a place, if it was read lately.
    pub(crate) fn after(&self, place: &ReadFrom) -> Option<&Span> {
        self.spans.get(place).filter(|kept| kept.since.elapsed() < AGE_MAX).map(|kept| &kept.span)
    }

    /// Keeps a span, and lets go of the oldest until no more than so many bytes are kept; the newest always stays.
    pub(crate) fn keep(&mut self, span: &Span, bytes_max: usize) {
        // "From now on" is another place each time, and a cursor that stays where it was leads nowhere.
        if *span.from() == ReadFrom::Last || span.from().cursor() == Some(span.to()) {
            return;
        }
        self.count += 1;
        let kept = Kept { span: span.clone(), number: self.count, since: Instant::now() };
        self.bytes += kept.bytes();
        if let Some(before) = self.spans.insert(span.from().clone(), kept) {
            self.bytes -= before.bytes();
        }
        self.order.push_back((span.from().clone(), self.count));
        while self.order.len() > 1 && (self.bytes > bytes_max || self.is_stale()) {
            self.drop_oldest();
        }
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
            self.bytes -= kept.bytes();
        }
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

    #[tokio::test(start_paused = true)]
    async fn the_oldest_go_when_there_are_too_many_bytes_and_all_go_after_a_minute() {
        let mut recent = Recent::default();
        for at in 0..10 {
            recent.keep(&span(at, at + 1), 4 * 1400);
        }
        let kept: Vec<usize> = (0..10).filter(|at| recent.after(&place(*at)).is_some()).collect();
        assert_eq!(kept, [6, 7, 8, 9]);
        recent.keep(&span(10, 11), 1);
        assert!(recent.after(&place(10)).is_some(), "a single larger one still passes");
        assert_eq!(recent.spans.len(), 1);
        tokio::time::advance(AGE_MAX).await;
        assert!(recent.after(&place(10)).is_none());
        recent.tidy();
        assert!(recent.spans.is_empty() && recent.order.is_empty() && recent.bytes == 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_that_is_read_again_is_kept_once_and_as_long_as_the_newer_one() {
        let mut recent = Recent::default();
        recent.keep(&span(0, 1), usize::MAX);
        tokio::time::advance(AGE_MAX / 2).await;
        recent.keep(&span(0, 2), usize::MAX);
        assert_eq!(recent.bytes, SPAN_BYTES + 1000 + EVENT_BYTES);
        tokio::time::advance(AGE_MAX / 2).await;
        recent.tidy();
        assert_eq!(recent.after(&place(0)).unwrap().to().as_str(), "2");
    }

    #[tokio::test(start_paused = true)]
    async fn a_checkpoint_that_leads_nowhere_is_not_kept() {
        let mut recent = Recent::default();
        recent.keep(&span(3, 3), usize::MAX);
        assert!(recent.after(&place(3)).is_none());
    }
}
