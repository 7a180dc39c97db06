//! Joins customers and their orders, whichever come first, into a row per customer: `customer/<id>`.

use serde::{Deserialize, Serialize};
use tidemill_sdk::prelude::*;

/// What is known of each customer.
const CUSTOMERS: Map<str, Json<Row>> = Map::new("customer/");

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Fact {
    Customer {
        id: String,
        name: String,
    },
    Order {
        customer: String,
        amount: SafeInteger,
    },
    #[serde(other)]
    Other,
}

#[derive(Default, Serialize, Deserialize)]
struct Row {
    name: Option<String>,
    spent: i64,
}

#[derive(Default)]
struct Join;

impl Processor for Join {
    fn apply(&mut self, event: Event<'_>) -> Result {
        match event.json().context("not an event")? {
            Fact::Customer { id, name } => CUSTOMERS.update(&id, |row| row.name = Some(name)),
            Fact::Order { customer, amount } => {
                let mut row = CUSTOMERS.get(&customer)?.unwrap_or_default();
                row.spent = row.spent.checked_add(amount.get()).context("more is spent than 64 bits hold")?;
                CUSTOMERS.put(&customer, row)
            }
            Fact::Other => Ok(()),
        }
    }
}

tidemill_sdk::export!(Join);

#[cfg(test)]
mod tests;
