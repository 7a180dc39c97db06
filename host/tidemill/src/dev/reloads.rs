//! Reloads: how long they took, and when the first event went through the new code.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use tidemill_pipeline::{Digest, ProcessorName};

use super::entry::{self, ms};

/// What one processor's reload is waited for with.
#[derive(Debug)]
struct Awaited {
    component: Digest,
    edited: Instant,
    reloaded: Instant,
}

/// Waits for the first batch of each new component.
#[derive(Debug, Default)]
pub(crate) struct Reloads {
    /// The component of each processor's last batch, and when its first one was committed.
    seen: BTreeMap<ProcessorName, (Digest, Instant)>,
    awaited: BTreeMap<ProcessorName, Awaited>,
}

/// The parts of a reload's time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) build: Option<Duration>,
    pub(crate) compiling: Duration,
}

impl Times {
    /// What a reload took beyond the compilers' own times.
    pub(crate) fn rest(&self, since_edit: Duration) -> Duration {
        since_edit.saturating_sub(self.build.unwrap_or_default()).saturating_sub(self.compiling)
    }
}

impl Reloads {
    /// A component was put in its place, because of an edit. Its first batch may have been committed already.
    pub(crate) fn reloaded(
        &mut self,
        processor: &ProcessorName,
        component: Digest,
        edited: Instant,
        reloaded: Instant,
    ) -> Option<entry::FirstEvent> {
        let awaited = Awaited { component, edited, reloaded };
        match self.seen.get(processor) {
            Some((seen, at)) if *seen == component => Some(first(processor, &awaited, *at)),
            Some(_) | None => {
                self.awaited.insert(processor.clone(), awaited);
                None
            }
        }
    }

    /// A batch with events was committed.
    pub(crate) fn committed(
        &mut self,
        processor: &ProcessorName,
        component: Digest,
        at: Instant,
    ) -> Option<entry::FirstEvent> {
        let known = self.seen.get(processor).is_some_and(|(seen, _)| *seen == component);
        if !known {
            self.seen.insert(processor.clone(), (component, at));
        }
        let awaited = self.awaited.get(processor).is_some_and(|awaited| awaited.component == component);
        let awaited = awaited.then(|| self.awaited.remove(processor)).flatten()?;
        Some(first(processor, &awaited, at))
    }
}

fn first(processor: &ProcessorName, awaited: &Awaited, at: Instant) -> entry::FirstEvent {
    entry::FirstEvent {
        processor: processor.to_string(),
        component: awaited.component.short(),
        since_edit_ms: ms(at.saturating_duration_since(awaited.edited)),
        since_reload_ms: ms(at.saturating_duration_since(awaited.reloaded)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_batch_of_a_new_component_is_told_once_whichever_is_heard_of_first() {
        let (old, new, third) = (Digest::of(b"old"), Digest::of(b"new"), Digest::of(b"third"));
        let totals = ProcessorName::new("totals");
        let began = Instant::now();
        let at = |ms| began + Duration::from_millis(ms);
        let mut reloads = Reloads::default();
        assert!(reloads.committed(&totals, old, at(0)).is_none());
        assert!(reloads.reloaded(&totals, new, at(10), at(90)).is_none());
        assert!(reloads.committed(&totals, old, at(91)).is_none(), "that was still the old one");
        let first = reloads.committed(&totals, new, at(100)).unwrap();
        assert!((first.since_edit_ms - 90.0).abs() < 0.01 && (first.since_reload_ms - 10.0).abs() < 0.01, "{first:?}");
        assert!(reloads.committed(&totals, new, at(101)).is_none(), "once");
        // The batch was heard of before the reload.
        assert!(reloads.committed(&totals, third, at(200)).is_none());
        let first = reloads.reloaded(&totals, third, at(150), at(201)).unwrap();
        assert!((first.since_edit_ms - 50.0).abs() < 0.01 && first.since_reload_ms == 0.0, "{first:?}");
    }

    #[test]
    fn the_rest_is_what_the_compilers_did_not_take() {
        let times = Times { build: Some(Duration::from_millis(700)), compiling: Duration::from_millis(100) };
        assert_eq!(times.rest(Duration::from_millis(850)), Duration::from_millis(50));
    }
}
