//! The component of a world: a witness that keeps, per partition, a count and a chain over the events in their
//! order, and one sum over all partitions, so that a lost, doubled or misplaced event and a lost update show.

use std::time::Duration;

use tidemill_pipeline::{
    Call, Code, Cost, Digest, Failure, Instances, Overlay, Processed, Processor, Refusal, Rejection, RejectionCause,
    Stage, Value, ValueRef,
};

use super::{Dice, Trouble};

/// An event that no component can apply.
pub(super) const POISON: &str = "poison";

/// The witness.
#[derive(Clone, Debug)]
pub struct Component {
    /// How it takes its time.
    pub dice: Dice,
    /// What goes wrong.
    pub trouble: Trouble,
    /// Whether it can apply what was poison to the one before it.
    pub repaired: bool,
}

/// One event folded into what the witness keeps.
pub(super) fn fold(chain: u64, event: &str) -> u64 {
    event
        .bytes()
        .fold(chain ^ 0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn number(overlay: &mut Overlay, key: &str) -> Result<u64, Refusal> {
    match overlay.get(key).map_err(Refusal::Host)? {
        Some(Value::Text(text)) => Ok(text.parse().unwrap()),
        Some(Value::Bytes(_)) => panic!("the witness keeps text"),
        None => Ok(0),
    }
}

fn put(overlay: &mut Overlay, key: String, number: u64) {
    overlay.write(key, Some(Value::Text(number.to_string()))).unwrap();
}

impl Component {
    async fn apply(&self, call: &mut Call) -> Result<Cost, Refusal> {
        if self.trouble.strikes(3) {
            return Err(Refusal::Retry { after: Duration::from_millis(10), reason: "not yet".into() });
        }
        if self.trouble.strikes(2) {
            return Err(Refusal::Overtime { limit: Duration::from_secs(1) });
        }
        if self.trouble.strikes(2) {
            return Err(Refusal::Host(Failure::unavailable(Stage::Load, "the database is busy")));
        }
        let partition = call.batch.key().partition.clone();
        for (index, event) in call.batch.events().enumerate().skip(call.events.start).take(call.events.len()) {
            let ValueRef::Text(text) = event.data() else { panic!("the feed sends text") };
            if text.contains(POISON) && !self.repaired {
                // Some components name the event and some trap.
                let named = text.len() % 2 == 0;
                return Err(Refusal::Rejected(Rejection {
                    cause: if named { RejectionCause::Returned } else { RejectionCause::Trap },
                    index: named.then_some(index - call.events.start),
                    reason: "no".into(),
                    backtrace: None,
                }));
            }
            let overlay = &mut call.overlay;
            let chain = number(overlay, &format!("chain/{partition}"))?;
            let count = number(overlay, &format!("count/{partition}"))?;
            let sum = number(overlay, "sum")?;
            if let Some(key) = event.metadata().and_then(|metadata| metadata.key.as_deref()) {
                let chain = number(overlay, &format!("key/{partition}/{key}"))?;
                put(overlay, format!("key/{partition}/{key}"), fold(chain, text));
            }
            put(overlay, format!("chain/{partition}"), fold(chain, text));
            put(overlay, format!("count/{partition}"), count + 1);
            put(overlay, "sum".into(), sum + 1);
        }
        self.dice.pause(10).await;
        Ok(Cost::default())
    }
}

impl Processor for Component {
    async fn process(&mut self, mut call: Call) -> Processed {
        let result = self.apply(&mut call).await;
        match &result {
            Ok(_) => call.overlay.settle(),
            Err(_) => call.overlay.discard(),
        }
        Processed { overlay: Some(call.overlay), result, took: Duration::ZERO }
    }

    fn committed(&mut self) {}

    fn code(&self) -> Code {
        Code { component: Digest::of(b"witness"), config: Digest::of(b""), instances: Instances::Fresh }
    }
}
