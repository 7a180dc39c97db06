//! The tests' witness: for each partition how many events came, and a hash chain over them in their order.
//!
//! `ledger/<feed>/<partition>/count` is the number in decimal; `…/chain` is the chain so far: the SHA-256, in hex, of
//! the chain before (empty at first) followed by the payload. A lost and a repeated event cannot cancel out.

wit_bindgen::generate!({ path: "../../../wit", world: "processor" });

use exports::tidemill::processor::handler::{Batch, Failure, Guest};
use sha2::{Digest, Sha256};
use tidemill::processor::state;
use tidemill::processor::types::{Value, Write};

struct Ledger;

impl Guest for Ledger {
    fn process(batch: Batch) -> Result<(), Failure> {
        let key = |name: &str| format!("ledger/{}/{}/{name}", batch.feed, batch.partition);
        let count = read(&key("count")).map_or(Ok(0), |text| text.parse::<u64>());
        let count = count.map_err(|error| Failure::Halt(format!("the count is not a number: {error}")))?;
        let mut chain = read(&key("chain")).unwrap_or_default();
        for event in &batch.events {
            let payload = match &event.data {
                Value::Text(text) => text.as_bytes(),
                Value::Bytes(bytes) => bytes,
            };
            chain = format!("{:x}", Sha256::new().chain_update(&chain).chain_update(payload).finalize());
        }
        let count = count + batch.events.len() as u64;
        let write = |name: &str, text: String| Write { key: key(name), value: Some(Value::Text(text)) };
        state::apply(&[write("chain", chain), write("count", count.to_string())]);
        Ok(())
    }
}

fn read(key: &str) -> Option<String> {
    match state::get(key)? {
        Value::Text(text) => Some(text),
        Value::Bytes(bytes) => String::from_utf8(bytes).ok(),
    }
}

export!(Ledger);
