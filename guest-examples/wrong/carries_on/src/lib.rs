//! Wrong: adds up the amounts of each user, like totals, but leaves out what is not a payment and says that all went well.

use serde::Deserialize;
use tidemill_sdk::prelude::*;

const TOTALS: Map<str, i128> = Map::new("total/");

#[derive(Deserialize)]
struct Payment {
    user: String,
    amount: SafeInteger,
}

#[derive(Default)]
struct CarriesOn;

impl Processor for CarriesOn {
    fn apply(&mut self, event: Event<'_>) -> Result {
        // The mistake: nobody will see that this event was not applied, and what follows it is.
        let Ok(payment) = event.json::<Payment>() else { return Ok(()) };
        TOTALS.add(&payment.user, payment.amount)
    }
}

tidemill_sdk::export!(CarriesOn);
