//! The parkings: what the log says of events that are put aside. A few lines a minute, however many they are; none goes uncounted.

use std::{mem::take, time::Duration};

use tokio::time::Instant;

use crate::{BEHIND, ParkedEvent};

/// Lines about a partition within a minute. What comes beyond them is counted in the next line.
const LINES_MAX: u32 = 6;
const MINUTE: Duration = Duration::from_mins(1);
/// The longest reason in a line, in characters. `parked show` has it whole.
const REASON_CHARS_MAX: usize = 200;

/// Events that were put aside together, in one commit or in several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parked {
    /// How many.
    pub(crate) events: u64,
    /// Those of them that only wait behind another one of their key.
    waiting: u64,
    /// The cause and the reason of the first one that does not only wait.
    first: Option<(String, String)>,
}

impl Parked {
    /// What there is to say of some events.
    pub(crate) fn of(events: &[ParkedEvent]) -> Self {
        let copies = |event: &ParkedEvent| u64::from(event.copies);
        let first = events.iter().find(|event| event.cause != BEHIND);
        Self {
            events: events.iter().map(copies).sum(),
            waiting: events.iter().filter(|event| event.cause == BEHIND).map(copies).sum(),
            first: first.map(|event| (event.cause.clone(), plain(&event.reason))),
        }
    }

    fn add(&mut self, other: Self) {
        self.events += other.events;
        self.waiting += other.waiting;
        self.first = self.first.take().or(other.first);
    }
}

/// What is said about one partition.
#[derive(Debug, Default)]
pub(crate) struct Parkings {
    unsaid: Parked,
    /// When the minute began, and how many lines there were in it.
    minute: Option<(Instant, u32)>,
}

impl Parkings {
    /// Says that events were put aside, now or later. Call it when they are committed.
    pub(crate) fn add(&mut self, parked: Parked) {
        self.unsaid.add(parked);
        self.say();
    }

    /// Says what was not said yet, unless there was enough to read in this minute.
    pub(crate) fn say(&mut self) {
        if self.unsaid.events == 0 {
            return;
        }
        let (began, lines) = self.minute.filter(|(began, _)| began.elapsed() < MINUTE).unwrap_or((Instant::now(), 0));
        if lines < LINES_MAX {
            self.minute = Some((began, lines + 1));
            self.end();
        }
    }

    /// Says what was not said yet.
    pub(crate) fn end(&mut self) {
        let Parked { events, waiting, first } = take(&mut self.unsaid);
        if events == 0 {
            return;
        }
        let waiting = (waiting > 0).then_some(waiting);
        // Those that wait have their key in their reason, and it may come from a payload.
        let (cause, reason) = first.unzip();
        let cause = cause.as_deref().unwrap_or(BEHIND);
        let reason = reason.as_deref().unwrap_or("an event before it with its key is parked");
        let hint = "look at them with `tidemill parked list`, then `tidemill parked retry` or `drop`";
        tracing::warn!(parked = events, waiting, cause, reason, hint, "events were parked");
    }
}

/// What a component says, in one line that is not long and cannot steer a terminal.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for (place, char) in text.chars().enumerate() {
        if place == REASON_CHARS_MAX {
            plain.push('…');
            break;
        }
        // Some characters turn the direction of text (CVE-2021-42574).
        if char.is_control() || matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
            plain.extend(char.escape_default());
        } else {
            plain.push(char);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Digest, EventKey, FeedName, ParkedId, PartitionId, PartitionKey, ReadFrom, Value};

    fn event(cause: &str, reason: &str, copies: u32) -> ParkedEvent {
        let key = PartitionKey { feed: FeedName::new("orders"), partition: PartitionId::new("0") };
        ParkedEvent {
            id: ParkedId { key, span_from: ReadFrom::First, payload: Digest::of(reason.as_bytes()) },
            copies,
            key: EventKey::new("ada"),
            payload: Value::from("{}"),
            metadata: None,
            cause: cause.to_owned(),
            reason: reason.to_owned(),
            backtrace: None,
            component: None,
        }
    }

    #[test]
    fn copies_and_those_that_wait_are_counted_and_the_first_that_does_not_wait_is_named() {
        let events = [event(BEHIND, "ada", 1), event("trap", "first\n\u{1b}[2J", 3), event("rejected", "second", 1)];
        let named = ("trap".to_owned(), "first\\n\\u{1b}[2J".to_owned());
        assert_eq!(Parked::of(&events), Parked { events: 5, waiting: 1, first: Some(named) });
        assert_eq!(Parked::of(&events[..1]), Parked { events: 1, waiting: 1, first: None });
        let (_, long) = Parked::of(&[event("trap", &"x".repeat(4096), 1)]).first.unwrap();
        assert_eq!(long.chars().count(), REASON_CHARS_MAX + 1);
    }

    #[tokio::test(start_paused = true)]
    async fn of_a_flood_there_are_a_few_lines_a_minute_and_the_rest_is_in_the_next_one() {
        let mut parkings = Parkings::default();
        let unsaid = |parkings: &mut Parkings| {
            parkings.add(Parked::of(&[event("trap", "no", 1)]));
            parkings.unsaid.events
        };
        let after_each: Vec<_> = (0..10).map(|_| unsaid(&mut parkings)).collect();
        assert_eq!(after_each, [0, 0, 0, 0, 0, 0, 1, 2, 3, 4]);
        tokio::time::advance(MINUTE).await;
        assert_eq!(unsaid(&mut parkings), 0, "the next minute begins with the rest of the one before");
        let later: Vec<_> = (0..10).map(|_| unsaid(&mut parkings)).collect();
        assert_eq!(later, [0, 0, 0, 0, 0, 1, 2, 3, 4, 5]);
        parkings.end();
        assert_eq!(parkings.unsaid, Parked::default());
    }
}
