//! Adds up the amounts of each user: `{"user": "ada", "amount": 3}` into the key `total/ada`.

wit_bindgen::generate!({ path: "../../../wit" });

use std::borrow::Cow;

use exports::tidemill::processor::handler::{Batch, Failure, Guest};
use rustc_hash::FxHashMap;
use serde::Deserialize;
use tidemill::processor::state;
use tidemill::processor::types::{Reject, Value, Write};

#[derive(Deserialize)]
struct Payment<'a> {
    #[serde(borrow)]
    user: Cow<'a, str>,
    amount: i64,
}

struct Totals;

impl Guest for Totals {
    fn process(batch: Batch) -> Result<(), Failure> {
        // Sums are wider than amounts, so that they cannot overflow.
        let mut sums: FxHashMap<Cow<str>, i128> = FxHashMap::default();
        for (index, event) in (0..).zip(&batch.events) {
            let payment = parse(&event.data).map_err(|reason| Failure::Reject(Reject { index, reason }))?;
            *sums.entry(payment.user).or_default() += i128::from(payment.amount);
        }

        let keys: Vec<String> = sums.keys().map(|user| format!("total/{user}")).collect();
        let before = state::get_many(&keys);
        let mut writes = Vec::with_capacity(keys.len());
        for ((key, before), sum) in keys.into_iter().zip(before).zip(sums.values()) {
            let total = number(before).ok_or_else(|| Failure::Halt(format!("the state of `{key}` is not a number")))?;
            writes.push(Write { key, value: Some(Value::Text((total + sum).to_string())) });
        }
        state::apply(&writes);
        Ok(())
    }
}

fn parse(data: &Value) -> Result<Payment<'_>, String> {
    let Value::Text(text) = data else { return Err("the payload is not text".to_owned()) };
    serde_json::from_str(text).map_err(|error| format!("not a payment: {error}"))
}

fn number(value: Option<Value>) -> Option<i128> {
    match value {
        None => Some(0),
        Some(Value::Text(text)) => text.parse().ok(),
        Some(Value::Bytes(_)) => None,
    }
}

export!(Totals);
