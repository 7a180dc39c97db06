//! Adds up the amounts of each user: `{"user": "ada", "amount": 3}` into the key `total/ada`.

use std::borrow::Cow;

use serde::Deserialize;
use tidemill_sdk::prelude::*;

/// The sum of each user's amounts.
const TOTALS: Map<str, i128> = Map::new("total/");

#[derive(Deserialize)]
struct Payment<'a> {
    #[serde(borrow)]
    user: Cow<'a, str>,
    amount: SafeInteger,
}

#[derive(Default)]
struct Totals;

impl Processor for Totals {
    fn apply(&mut self, event: Event<'_>) -> Result {
        let payment: Payment = event.json().context("not a payment")?;
        TOTALS.add(&payment.user, payment.amount)
    }
}

tidemill_sdk::export!(Totals);

#[cfg(test)]
mod tests;
