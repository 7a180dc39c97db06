//! A component that rejects what is poison, and says of it what it likes.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
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

/// Appends every event to one value.
#[derive(Clone, Debug)]
pub(crate) struct Component {
    pub(crate) bounds: BatchBounds,
    pub(crate) naming: Naming,
    /// The most events that its fuel lasts for; at least 1.
    pub(crate) cost_max: usize,
    /// Whether a reused instance rejects everything.
    pub(crate) stale: bool,
    /// The payloads that it was given alone, on a fresh instance.
    pub(crate) alone: Arc<Mutex<BTreeSet<String>>>,
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
            if text.starts_with("poison") {
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
    let log = match overlay.get(LOG).unwrap() {
        Some(Value::Text(log)) => log,
        Some(Value::Bytes(_)) | None => String::new(),
    };
    overlay.write(LOG.into(), Some(Value::Text(format!("{log}{text} ")))).unwrap();
}

impl Processor for Component {
    async fn process(&mut self, mut call: Call) -> Processed {
        self.check(&call);
        let result = self.apply(&mut call);
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
        Code { component: Digest::of(b"component"), config: Digest::of(b""), instances: Instances::Reuse }
    }
}
