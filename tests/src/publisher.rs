//! A publisher for tests: ZeroEventHub over real HTTP, with checkpoints that fall elsewhere each time, and
//! connections that break now and then.

use std::{
    collections::HashMap,
    fmt::Write as _,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::{net::TcpListener, runtime::Runtime};

/// How many events a page has at most, whatever was asked for.
const PAGE_MAX: usize = 5_000;

/// A feed in memory and its server. It ends when dropped.
pub struct Publisher {
    feed: Arc<Feed>,
    address: SocketAddr,
    _runtime: Runtime,
}

struct Feed {
    partitions: Vec<Mutex<Vec<String>>>,
    rng: Mutex<fastrand::Rng>,
    /// Of 100 answers, how many break in the middle.
    breaks: AtomicUsize,
    requests: AtomicUsize,
    /// The headers of the next answers, which are 503.
    refusals: Mutex<Vec<Vec<(&'static str, String)>>>,
    /// The events of a span; 0 for another number each time.
    span: AtomicUsize,
}

impl Publisher {
    /// An empty feed of so many partitions.
    #[must_use]
    pub fn start(partitions: usize, seed: u64) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let feed = Arc::new(Feed {
            partitions: (0..partitions).map(|_| Mutex::default()).collect(),
            rng: Mutex::new(fastrand::Rng::with_seed(seed)),
            breaks: AtomicUsize::new(0),
            requests: AtomicUsize::new(0),
            refusals: Mutex::default(),
            span: AtomicUsize::new(0),
        });
        let router = Router::new().route("/feed", get(page)).with_state(Arc::clone(&feed));
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { feed, address, _runtime: runtime }
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/feed", self.address)
    }

    /// Appends events to a partition.
    pub fn append(&self, partition: usize, events: impl IntoIterator<Item = String>) {
        self.feed.partitions[partition].lock().unwrap().extend(events);
    }

    /// Appends so many events to a partition that say their number, counted from 0 over all that the partition has.
    pub fn append_numbered(&self, partition: usize, count: usize) {
        let mut events = self.feed.partitions[partition].lock().unwrap();
        let begin = events.len();
        events.extend((begin..begin + count).map(|number| format!("{{\"number\":{number}}}")));
    }

    /// The section of a configuration that reads it, under this name. Further settings may follow.
    #[must_use]
    pub fn section(&self, name: &str) -> String {
        let (url, partitions) = (self.url(), self.partitions());
        format!("[feeds.{name}]\nurl = \"{url}\"\nprotocol = \"zeroeventhub\"\npartitions = {partitions}\n")
    }

    /// How many partitions the feed has.
    #[must_use]
    pub fn partitions(&self) -> usize {
        self.feed.partitions.len()
    }

    /// The events of a partition.
    #[must_use]
    pub fn events(&self, partition: usize) -> Vec<String> {
        self.feed.partitions[partition].lock().unwrap().clone()
    }

    /// How many events a partition has.
    #[must_use]
    pub fn count(&self, partition: usize) -> usize {
        self.feed.partitions[partition].lock().unwrap().len()
    }

    /// From now on so many of 100 answers break in the middle.
    pub fn set_breaks(&self, percent: usize) {
        self.feed.breaks.store(percent, Ordering::Relaxed);
    }

    /// From now on every span but the last has so many events.
    pub fn set_span(&self, events: usize) {
        self.feed.span.store(events, Ordering::Relaxed);
    }

    /// So many of the next answers are 503 with these headers.
    pub fn refuse(&self, answers: usize, headers: &[(&'static str, String)]) {
        self.feed.refusals.lock().unwrap().extend(std::iter::repeat_n(headers.to_vec(), answers));
    }

    /// No further answer is refused.
    pub fn relent(&self) {
        self.feed.refusals.lock().unwrap().clear();
    }

    /// How many requests were answered.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.feed.requests.load(Ordering::Relaxed)
    }
}

async fn page(State(feed): State<Arc<Feed>>, Query(query): Query<HashMap<String, String>>) -> Response {
    feed.requests.fetch_add(1, Ordering::Relaxed);
    if let Some(headers) = feed.refusals.lock().unwrap().pop() {
        let mut refusal = StatusCode::SERVICE_UNAVAILABLE.into_response();
        refusal.headers_mut().extend(headers.into_iter().map(|(name, value)| {
            (axum::http::HeaderName::from_static(name), axum::http::HeaderValue::from_str(&value).unwrap())
        }));
        return refusal;
    }
    if query.get("n") != Some(&feed.partitions.len().to_string()) {
        return (StatusCode::BAD_REQUEST, "wrong n").into_response();
    }
    let asked =
        (0..feed.partitions.len()).find_map(|partition| Some((partition, query.get(&format!("cursor{partition}"))?)));
    let Some((partition, cursor)) = asked else { return (StatusCode::BAD_REQUEST, "no cursor").into_response() };
    let size = query.get("pagesizehint").and_then(|hint| hint.parse().ok()).unwrap_or(100).min(PAGE_MAX);
    let (body, breaks) = {
        let events = feed.partitions[partition].lock().unwrap();
        let from = match cursor.as_str() {
            "_first" => 0,
            "_last" => events.len().saturating_sub(1),
            place => match place.strip_prefix('c').and_then(|place| place.parse().ok()) {
                Some(place) if place <= events.len() => place,
                _ => return (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error").into_response(),
            },
        };
        let mut rng = feed.rng.lock().unwrap();
        let mut body = String::new();
        let until = (from + size).min(events.len());
        for (number, event) in events.iter().enumerate().take(until).skip(from) {
            writeln!(body, "{{\"partition\":{partition},\"data\":{event}}}").unwrap();
            let ends = match feed.span.load(Ordering::Relaxed) {
                0 => rng.usize(..40) == 0,
                events => (number + 1).is_multiple_of(events),
            };
            if ends || number + 1 == until {
                writeln!(body, "{{\"partition\":{partition},\"cursor\":\"c{}\"}}", number + 1).unwrap();
            }
        }
        (body, rng.usize(..100) < feed.breaks.load(Ordering::Relaxed))
    };
    if !breaks {
        return body.into_response();
    }
    // Half of the page, and then the connection is reset.
    let body = Bytes::from(body);
    let half = body.slice(..body.len() / 2);
    let pieces = [Ok(half), Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset))];
    Body::from_stream(futures_util::stream::iter(pieces)).into_response()
}
