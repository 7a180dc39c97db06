//! Joins customers and their orders, whichever come first, into a row per customer: `customer/<id>`.

wit_bindgen::generate!({ path: "../../../wit" });

use exports::tidemill::processor::handler::{Batch, Failure, Guest};
use serde::{Deserialize, Serialize};
use tidemill::processor::{state, types::Reject, types::Value};

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Event {
    Customer {
        id: String,
        name: String,
    },
    Order {
        customer: String,
        amount: i64,
    },
    #[serde(other)]
    Other,
}

#[derive(Default, Serialize, Deserialize)]
struct Row {
    name: Option<String>,
    spent: i64,
}

struct Join;

impl Guest for Join {
    fn process(batch: Batch) -> Result<(), Failure> {
        for (index, event) in (0..).zip(&batch.events) {
            let reject = |error| Failure::Reject(Reject { index, reason: format!("not an event: {error}") });
            match parse(&event.data).map_err(reject)? {
                Event::Customer { id, name } => update(&id, |row| Row { name: Some(name), ..row })?,
                Event::Order { customer, amount } => update(&customer, |row| Row { spent: row.spent + amount, ..row })?,
                Event::Other => {}
            }
        }
        Ok(())
    }
}

fn update(customer: &str, change: impl FnOnce(Row) -> Row) -> Result<(), Failure> {
    let key = format!("customer/{customer}");
    let broken = |error| Failure::Halt(format!("the row `{key}` cannot be read: {error}"));
    let row = state::get(&key).map_or_else(|| Ok(Row::default()), |value| parse(&value)).map_err(broken)?;
    state::put(&key, &Value::Text(serde_json::to_string(&change(row)).expect("a row is plain JSON")));
    Ok(())
}

fn parse<'a, T: Deserialize<'a>>(value: &'a Value) -> Result<T, String> {
    let Value::Text(text) = value else { return Err("it is not text".to_owned()) };
    serde_json::from_str(text).map_err(|error| error.to_string())
}

export!(Join);
