//! Wrong: does what its events say, like probe, but nothing is ever deleted.

#[path = "../../../rust/probe/src/instruction.rs"]
mod instruction;
#[path = "../../../rust/probe/src/obedience.rs"]
mod obedience;
#[path = "../../../rust/probe/src/rendering.rs"]
mod rendering;

use instruction::Instruction;
use tidemill_sdk::{contract::state, prelude::*};

#[derive(Default)]
struct LosesDeletes;

impl Processor for LosesDeletes {
    fn apply(&mut self, event: Event<'_>) -> Result {
        if let Value::Bytes(_) = event.data() {
            state::put(&format!("bytes/{}", event.index()), &event.data());
            return Ok(());
        }
        match event.json().context("not an instruction")? {
            // The mistake: a change without a value is taken for no change.
            Instruction::Delete { .. } => Ok(()),
            Instruction::Apply { mut writes } => {
                writes.retain(|change| change.value.is_some());
                obedience::obey(Instruction::Apply { writes }, event)
            }
            other => obedience::obey(other, event),
        }
    }
}

tidemill_sdk::export!(LosesDeletes);
