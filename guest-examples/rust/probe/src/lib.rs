//! Does what its events say: `{"do": "put", "key": "a", "value": "1"}`. It exists for the suite that every language passes.

mod instruction;
mod obedience;
mod rendering;

use tidemill_sdk::{contract::state, prelude::*};

#[derive(Default)]
struct Probe;

impl Processor for Probe {
    fn apply(&mut self, event: Event<'_>) -> Result {
        if let value @ Value::Bytes(_) = event.data() {
            state::put(&format!("bytes/{}", event.index()), &value);
            return Ok(());
        }
        obedience::obey(event.json().context("not an instruction")?, event)
    }
}

tidemill_sdk::export!(Probe);
