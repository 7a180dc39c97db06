//! Counts the events of each kind: `kind/<kind>`. It stands for what is built elsewhere: older tools, an older patch of the contract.

wit_bindgen::generate!({ path: "wit" });

use exports::tidemill::processor::handler::{Batch, Failure, Guest};
use tidemill::processor::log::{self, Level};
use tidemill::processor::state;
use tidemill::processor::types::Value;

struct Elsewhere;

impl Guest for Elsewhere {
    fn process(batch: Batch) -> Result<(), Failure> {
        for event in &batch.events {
            let key = format!("kind/{}", event.kind.as_deref().unwrap_or("none"));
            let before = match state::get(&key) {
                Some(Value::Text(text)) => {
                    text.parse().map_err(|_| Failure::Halt(format!("`{key}` is not a number")))?
                }
                Some(Value::Bytes(_)) => return Err(Failure::Halt(format!("`{key}` is bytes"))),
                None => 0_u64,
            };
            state::put(&key, &Value::Text((before + 1).to_string()));
        }
        log::write(Level::Debug, &format!("{} events", batch.events.len()));
        Ok(())
    }
}

export!(Elsewhere);
