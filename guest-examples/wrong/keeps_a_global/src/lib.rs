//! Wrong: adds up the amounts of each user, like totals, but keeps the sums in a global instead of the state.

use std::{collections::BTreeMap, sync::Mutex};

use serde::Deserialize;
use tidemill_sdk::prelude::*;

const TOTALS: Map<str, i128> = Map::new("total/");

/// The mistake: it ends with the instance, and it is not the state that was committed.
static SUMS: Mutex<BTreeMap<String, i128>> = Mutex::new(BTreeMap::new());

#[derive(Deserialize)]
struct Payment {
    user: String,
    amount: SafeInteger,
}

#[derive(Default)]
struct KeepsAGlobal;

impl Processor for KeepsAGlobal {
    fn apply(&mut self, event: Event<'_>) -> Result {
        let payment: Payment = event.json().context("not a payment")?;
        let mut sums = SUMS.lock()?;
        let sum = sums.entry(payment.user.clone()).or_default();
        *sum += i128::from(payment.amount);
        TOTALS.put(&payment.user, *sum)
    }
}

tidemill_sdk::export!(KeepsAGlobal);
