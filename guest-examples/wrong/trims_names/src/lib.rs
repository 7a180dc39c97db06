//! Wrong: adds up the amounts of each user, like totals, but tidies the names first.

use serde::Deserialize;
use tidemill_sdk::prelude::*;

const TOTALS: Map<str, i128> = Map::new("total/");

#[derive(Deserialize)]
struct Payment {
    user: String,
    amount: SafeInteger,
}

#[derive(Default)]
struct TrimsNames;

impl Processor for TrimsNames {
    fn apply(&mut self, event: Event<'_>) -> Result {
        let payment: Payment = event.json().context("not a payment")?;
        // The mistake: ` ada` and `ada` are two users.
        TOTALS.add(payment.user.trim(), payment.amount)
    }
}

tidemill_sdk::export!(TrimsNames);
