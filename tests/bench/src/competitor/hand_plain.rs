//! hand-plain: the consumer that a competent engineer writes in an afternoon, and is content with.

use anyhow::{Context as _, Result};
use rusqlite::{Connection, OptionalExtension as _, Transaction};
use serde_json::Value;

use super::{ConsumerArgs, ledger};

/// Reads every partition to its end, in turn.
pub(super) fn run(arguments: &ConsumerArgs) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(read(arguments))
}

async fn read(arguments: &ConsumerArgs) -> Result<()> {
    let mut database = ledger::open(&arguments.database, arguments.durability)?;
    let client = reqwest::Client::new();
    let mut partitions: Vec<u32> = (0..arguments.partitions).collect();
    while !partitions.is_empty() {
        let mut unfinished = Vec::new();
        for partition in partitions {
            let cursor = ledger::cursor(&database, partition)?;
            let url = format!("{}?n={}&cursor{partition}={cursor}", arguments.url, arguments.partitions);
            let page = client.get(url).send().await?.error_for_status()?.text().await?;
            if !page.is_empty() {
                apply(&mut database, partition, &page)?;
                unfinished.push(partition);
            }
        }
        partitions = unfinished;
    }
    Ok(())
}

/// Applies a page and moves the cursor, in one transaction.
fn apply(database: &mut Connection, partition: u32, page: &str) -> Result<()> {
    let transaction = database.transaction()?;
    for line in page.lines() {
        let line: Value = serde_json::from_str(line)?;
        if let Some(cursor) = line["cursor"].as_str() {
            ledger::set_cursor(&transaction, partition, cursor)?;
        } else {
            let user = line["data"]["user"].as_str().context("an event has no user")?;
            let amount = line["data"]["amount"].as_i64().context("an event has no amount")?;
            add(&transaction, user, amount)?;
        }
    }
    transaction.commit()?;
    Ok(())
}

fn add(transaction: &Transaction<'_>, user: &str, amount: i64) -> Result<()> {
    let total: Option<i64> = transaction
        .prepare_cached("SELECT total FROM totals WHERE user = ?1")?
        .query_row([user], |row| row.get(0))
        .optional()?;
    transaction
        .prepare_cached(
            "INSERT INTO totals (user, total) VALUES (?1, ?2) ON CONFLICT (user) DO UPDATE SET total = excluded.total",
        )?
        .execute((user, total.unwrap_or(0) + amount))?;
    Ok(())
}
