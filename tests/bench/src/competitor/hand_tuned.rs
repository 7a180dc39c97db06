//! hand-tuned: the consumer of somebody who has measured. Typed and borrowed, streaming, a map and a transaction for each
//! page, a statement for each key, and the next pages are fetched and parsed while this one is written.

use std::collections::HashMap;

use anyhow::{Context as _, Result};
use bytes::BytesMut;
use reqwest::Client;
use rusqlite::Connection;
use serde::Deserialize;
use tokio::sync::mpsc;

use super::{ConsumerArgs, ledger};

/// How many pages wait for the database, of all partitions together.
const AHEAD: usize = 4;

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow, default)]
    cursor: Option<&'a str>,
    #[serde(borrow, default)]
    data: Option<Payment<'a>>,
}

#[derive(Deserialize)]
struct Payment<'a> {
    user: &'a str,
    amount: i64,
}

/// What a page comes to.
struct Page {
    partition: u32,
    sums: HashMap<Box<str>, i64>,
    cursor: String,
}

/// Fetches and parses on one thread, writes on another.
pub(super) fn run(arguments: &ConsumerArgs) -> Result<()> {
    let mut database = ledger::open(&arguments.database, arguments.durability)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let (pages, mut arriving) = mpsc::channel(AHEAD);
    let client = Client::new();
    let mut fetchers = Vec::new();
    for partition in 0..arguments.partitions {
        let cursor = ledger::cursor(&database, partition)?;
        let url = format!("{}?n={}&cursor{partition}=", arguments.url, arguments.partitions);
        fetchers.push(runtime.spawn(fetch(client.clone(), url, partition, cursor, pages.clone())));
    }
    drop(pages);
    while let Some(page) = arriving.blocking_recv() {
        apply(&mut database, &page)?;
    }
    fetchers.into_iter().try_for_each(|fetcher| runtime.block_on(fetcher)?)
}

/// Fetches page after page of a partition until there is none.
async fn fetch(client: Client, url: String, partition: u32, cursor: String, pages: mpsc::Sender<Page>) -> Result<()> {
    let mut cursor = cursor;
    loop {
        let mut response = client.get(format!("{url}{cursor}")).send().await?.error_for_status()?;
        let mut page = Page { partition, sums: HashMap::new(), cursor: String::new() };
        let mut rest = BytesMut::new();
        while let Some(chunk) = response.chunk().await? {
            page.take(&chunk, &mut rest)?;
        }
        if page.cursor.is_empty() {
            return Ok(());
        }
        cursor.clone_from(&page.cursor);
        pages.send(page).await.ok().context("the writer has ended")?;
    }
}

impl Page {
    /// Adds the lines of a chunk; what has no end yet is kept in `rest`.
    fn take(&mut self, chunk: &[u8], rest: &mut BytesMut) -> Result<()> {
        let mut begin = 0;
        for end in memchr::memchr_iter(b'\n', chunk) {
            if rest.is_empty() {
                self.add(&chunk[begin..end])?;
            } else {
                rest.extend_from_slice(&chunk[begin..end]);
                self.add(rest)?;
                rest.clear();
            }
            begin = end + 1;
        }
        rest.extend_from_slice(&chunk[begin..]);
        Ok(())
    }

    fn add(&mut self, line: &[u8]) -> Result<()> {
        let line: Line<'_> = serde_json::from_slice(line)?;
        if let Some(Payment { user, amount }) = line.data {
            match self.sums.get_mut(user) {
                Some(sum) => *sum += amount,
                None => drop(self.sums.insert(user.into(), amount)),
            }
        }
        if let Some(cursor) = line.cursor {
            cursor.clone_into(&mut self.cursor);
        }
        Ok(())
    }
}

/// Applies a page and moves the cursor, in one transaction. Sorted, neighbours are written while their page is at hand.
fn apply(database: &mut Connection, page: &Page) -> Result<()> {
    let mut sums: Vec<(&str, i64)> = page.sums.iter().map(|(user, sum)| (user.as_ref(), *sum)).collect();
    sums.sort_unstable();
    let transaction = database.transaction()?;
    let mut upsert = transaction.prepare_cached(
        "INSERT INTO totals (user, total) VALUES (?1, ?2) ON CONFLICT (user) DO UPDATE SET total = total + excluded.total",
    )?;
    for sum in sums {
        upsert.execute(sum)?;
    }
    drop(upsert);
    ledger::set_cursor(&transaction, page.partition, &page.cursor)?;
    transaction.commit()?;
    Ok(())
}
