//! The server within the publisher: ZeroEventHub out of pages that were rendered before.

use std::{
    collections::HashMap,
    convert::Infallible,
    io::BufRead as _,
    io::Write as _,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result, bail};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use clap::Args;
use futures_util::stream;
use tokio::{net::TcpListener, sync::watch, time::timeout};

use super::{Ready, Seen};
use crate::feed::Feed;

/// `publish`
#[derive(Debug, Args)]
pub(crate) struct PublishArgs {
    #[command(flatten)]
    feed: Feed,
    /// How many pages of each partition are rendered.
    #[arg(long)]
    pages: usize,
    /// Answers a request at the tip when there is more to give, or after some seconds.
    #[arg(long)]
    hold: bool,
}

/// How long a request at the tip is held.
const HOLD: Duration = Duration::from_secs(10);

struct Server {
    pages: Vec<Vec<Bytes>>,
    now: Mutex<Now>,
    /// How many pages are open, for the requests that are held; none if none is.
    held: Option<watch::Sender<usize>>,
}

/// What changes while it serves.
struct Now {
    /// How many pages of each partition may be read.
    open: usize,
    /// Of which partitions the last of them was asked for.
    at_the_end: Vec<bool>,
    seen: Seen,
}

/// Serves, and obeys the commands on standard input until it ends.
pub(crate) fn publish(arguments: &PublishArgs) -> Result<()> {
    let partitions = arguments.feed.partitions;
    let pages = (0..partitions).map(|partition| arguments.feed.pages(partition, arguments.pages)).collect();
    let now = Now { open: 0, at_the_end: vec![false; partitions], seen: Seen::default() };
    let server = Arc::new(Server { pages, now: Mutex::new(now), held: arguments.hold.then(watch::Sender::default) });

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
    let url = format!("http://{}/feed", listener.local_addr()?);
    let router = Router::new().route("/feed", get(page)).with_state(Arc::clone(&server));
    runtime.spawn(async move { axum::serve(listener, router).await });

    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(&Ready { url })?)?;
    for command in std::io::stdin().lock().lines() {
        let seen = server.obey(&command?)?;
        writeln!(out, "{}", serde_json::to_string(&seen)?)?;
    }
    Ok(())
}

impl Server {
    fn obey(&self, command: &str) -> Result<Seen> {
        let mut now = self.now.lock().expect("nobody panics with it");
        match command.split_once(' ').unwrap_or((command, "")) {
            ("open", count) => {
                now.open = count.parse().context("`open` wants a number")?;
                now.at_the_end.fill(false);
                now.seen = Seen { opened: Some(SystemTime::now()), ..Seen::default() };
                if let Some(held) = &self.held {
                    held.send_replace(now.open);
                }
            }
            ("seen", _) => {}
            _ => bail!("not a command: {command}"),
        }
        Ok(now.seen)
    }

    /// The page of a partition behind a cursor; nothing at the tip, and none if it is no cursor of this feed.
    fn page(&self, partition: usize, cursor: &str) -> Option<Bytes> {
        let pages = self.pages.get(partition)?;
        let number = number(cursor)?;
        let mut now = self.now.lock().expect("nobody panics with it");
        if number >= now.open {
            return Some(Bytes::new());
        }
        now.seen.pages += 1;
        if number + 1 == now.open {
            *now.at_the_end.get_mut(partition)? = true;
            if now.at_the_end.iter().all(|there| *there) {
                now.seen.last_page = Some(SystemTime::now());
            }
        }
        pages.get(number).cloned()
    }

    /// Waits until there is something behind the one cursor that is asked for, if requests are held.
    async fn hold(&self, cursors: &[(usize, &String)]) {
        if let (Some(held), [(_, cursor)]) = (&self.held, cursors)
            && let Some(number) = number(cursor)
        {
            // In the end there is an answer without an event.
            drop(timeout(HOLD, held.subscribe().wait_for(|open| *open > number)).await);
        }
    }

    fn note_request(&self) {
        let mut now = self.now.lock().expect("nobody panics with it");
        now.seen.requests += 1;
        now.seen.first_request.get_or_insert_with(SystemTime::now);
    }
}

/// The number of the page behind a cursor.
fn number(cursor: &str) -> Option<usize> {
    if cursor == "_first" { Some(0) } else { cursor.parse().ok() }
}

/// A page of each partition that is asked for, one after the other.
async fn page(State(server): State<Arc<Server>>, Query(query): Query<HashMap<String, String>>) -> Response {
    if query.get("n").map(String::as_str) != Some(server.pages.len().to_string().as_str()) {
        return (StatusCode::BAD_REQUEST, "`n` is not the number of partitions").into_response();
    }
    server.note_request();
    let asked: Vec<(usize, &String)> = (0..server.pages.len())
        .filter_map(|partition| Some((partition, query.get(&format!("cursor{partition}"))?)))
        .collect();
    server.hold(&asked).await;
    let pages: Option<Vec<Bytes>> =
        asked.into_iter().map(|(partition, cursor)| server.page(partition, cursor)).collect();
    match pages.as_deref() {
        None | Some([]) => (StatusCode::BAD_REQUEST, "there is no such cursor").into_response(),
        Some([page]) => Body::from(page.clone()).into_response(),
        Some(_) => {
            let pages = pages.into_iter().flatten().filter(|page| !page.is_empty()).map(Ok::<_, Infallible>);
            Body::from_stream(stream::iter(pages)).into_response()
        }
    }
}
