//! A component that rejects what is poison, and says of it what it likes.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tidemill_pipeline::{
    BatchBounds, Call, Code, Cost, Digest, Instances, Overlay, Processed, Processor, Refusal, Rejection,
    RejectionCause, Value, ValueRef,
};

/// The key of what was applied.
pub(crate) const LOG: &str = "log";

/// What a rejection says about the place of the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Naming {
    /// Its place.
    Right,
    /// Nothing: it trapped.
    None,
    /// Another place, perhaps.
    Wrong(usize),
}

/// The key of how often a payload was applied: the part of the state that does not know an order.
pub(crate) fn count(payload: &str) -> String {
    format!("count/{payload}")
}

/// The key of the payloads of one letter in the order in which they were applied.
pub(crate) fn chain(payload: &str) -> String {
    format!("chain/{}", letter(payload))
}

/// The letter of a payload, which is the key of its event.
pub(crate) fn letter(payload: &str) -> &str {
    payload.trim_start_matches(char::is_alphabetic)
}

/// Appends every event to one value and to one of its letter, and counts each payload.
#[derive(Clone, Debug)]
pub(crate) struct Component {
    pub(crate) bounds: BatchBounds,
    pub(crate) naming: Naming,
    /// The most events that its fuel lasts for; at least 1.
    pub(crate) cost_max: usize,
    /// Whether instances are reused, and a reused one rejects everything.
    pub(crate) stale: bool,
    /// Whether it can apply what was poison to the one before it.
    pub(crate) repaired: bool,
    /// How many events each call had, and whether it went well.
    pub(crate) calls: Arc<Mutex<Vec<(usize, bool)>>>,
    /// The payloads that it was given alone, on a fresh instance.
    pub(crate) alone: Arc<Mutex<BTreeSet<String>>>,
    /// Whether the store works on a commit.
    pub(crate) committing: Arc<AtomicBool>,
    /// How many calls there were beside a commit.
    pub(crate) beside: Arc<AtomicUsize>,
}

impl Component {
    fn apply(&self, call: &mut Call) -> Result<(), RejectionOf> {
        if self.stale && !call.fresh {
            return Err((RejectionCause::Trap, None));
        }
        if call.events.len() > self.cost_max {
            return Err((RejectionCause::Fuel, None));
        }
        let batch = Arc::clone(&call.batch);
        for (index, event) in batch.events().skip(call.events.start).take(call.events.len()).enumerate() {
            let ValueRef::Text(text) = event.data() else { panic!("the feed sends text") };
            append(&mut call.overlay, text);
            if text.starts_with("poison") && !self.repaired {
                return Err(match self.naming {
                    Naming::Right => (RejectionCause::Returned, Some(index)),
                    Naming::None => (RejectionCause::Trap, None),
                    // A place that the call does not have is no place; the engine sees to that.
                    Naming::Wrong(place) => (RejectionCause::Returned, Some(place % call.events.len())),
                });
            }
        }
        Ok(())
    }

    fn check(&self, call: &Call) {
        let events: Vec<_> = call.batch.events().skip(call.events.start).take(call.events.len()).collect();
        let bytes: usize = events.iter().map(|event| event.data().len()).sum();
        assert!(events.len() == call.events.len() && !events.is_empty(), "{:?}", call.events);
        assert!(events.len() <= self.bounds.events_max, "{} events in a call", events.len());
        assert!(bytes <= self.bounds.bytes_max || events.len() == 1, "{bytes} bytes in a call");
        assert!(events.iter().all(|event| event.fault().is_none()), "an undeliverable event was delivered");
        if let ([event], true) = (&events[..], call.fresh) {
            self.alone.lock().unwrap().insert(String::from_utf8_lossy(event.data().as_bytes()).into_owned());
        }
    }
}

type RejectionOf = (RejectionCause, Option<usize>);

fn append(overlay: &mut Overlay, text: &str) {
    let log = read(overlay, LOG);
    overlay.write(LOG.into(), Some(Value::Text(format!("{log}{text} ")))).unwrap();
    let chained = read(overlay, &chain(text));
    overlay.write(chain(text), Some(Value::Text(format!("{chained}{text} ")))).unwrap();
    let before: u64 = read(overlay, &count(text)).parse().unwrap_or(0);
    overlay.write(count(text), Some(Value::Text((before + 1).to_string()))).unwrap();
}

fn read(overlay: &mut Overlay, key: &str) -> String {
    match overlay.get(key).unwrap() {
        Some(Value::Text(text)) => text,
        Some(Value::Bytes(_)) | None => String::new(),
    }
}

impl Processor for Component {
    async fn process(&mut self, mut call: Call) -> Processed {
        self.check(&call);
        self.beside.fetch_add(usize::from(self.committing.load(Ordering::SeqCst)), Ordering::SeqCst);
        let result = self.apply(&mut call);
        self.calls.lock().unwrap().push((call.events.len(), result.is_ok()));
        match &result {
            Ok(()) => call.overlay.settle(),
            Err(_) => call.overlay.discard(),
        }
        let result = result.map(|()| Cost::default()).map_err(|(cause, index)| {
            Refusal::Rejected(Rejection { cause, index, reason: "no".into(), backtrace: None })
        });
        Processed { overlay: Some(call.overlay), result, took: Duration::ZERO }
    }

    fn committed(&mut self) {}

    fn code(&self) -> Code {
        let instances = if self.stale { Instances::Reuse } else { Instances::Fresh };
        Code { component: Digest::of(b"component"), config: Digest::of(b""), instances }
    }
}
