//! A FeedAPI publisher for tests: real HTTP, a token that changes with the partitions, closed parents and moved history.
//!
//! Cursors are the numbers of events over all partitions, so that a cursor of one partition means the same place in
//! another; a page that reaches the end of its partition gives the place behind the last event of all.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Router,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value as Json, json};
use tokio::{net::TcpListener, runtime::Runtime};

/// How many events a page has at most, whatever was asked for.
const PAGE_MAX: usize = 20;

/// A feed in memory and its server. It ends when dropped.
pub struct FeedApi {
    world: Arc<Mutex<World>>,
    address: SocketAddr,
    _runtime: Runtime,
}

/// What was asked of `/events`, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The partition.
    pub partition: u16,
    /// The cursor, as it was sent.
    pub cursor: String,
    /// How many events were sent; none if the answer was 409.
    pub events: Option<usize>,
}

#[derive(Default)]
struct World {
    token: u32,
    /// Events that there are in all partitions together.
    last: u64,
    partitions: BTreeMap<u16, Partition>,
    /// Whether identifiers are listed as numbers, as one library does.
    numbers: bool,
    /// Whether every request for events is answered with 409.
    storm: bool,
    asked: Vec<Asked>,
    discoveries: usize,
}

/// A partition as it is listed.
#[derive(Clone, Debug, Default)]
pub struct Partition {
    /// No event comes any more.
    pub closed: bool,
    /// `startsAfterPartition`.
    pub starts_after: Option<u16>,
    /// `cursorFromPartitions`.
    pub cursor_from: Vec<u16>,
    events: Vec<(u64, String)>,
}

impl Partition {
    /// One whose parent is closed.
    #[must_use]
    pub fn after(parent: u16) -> Self {
        Self { starts_after: Some(parent), ..Self::default() }
    }

    /// One that has taken over the history of others, the nearest first: those of their events that are its own.
    #[must_use]
    pub fn of_history(ancestors: &[u16], events: Vec<(u64, String)>) -> Self {
        Self { cursor_from: ancestors.to_vec(), events, ..Self::default() }
    }
}

impl FeedApi {
    /// A feed with these partitions.
    #[must_use]
    pub fn start(partitions: &[u16]) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let partitions = partitions.iter().map(|id| (*id, Partition::default())).collect();
        let world = Arc::new(Mutex::new(World { partitions, ..World::default() }));
        let router = Router::new()
            .route("/feed", get(discovery))
            .route("/feed/events", get(events))
            .with_state(Arc::clone(&world));
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { world, address, _runtime: runtime }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/feed", self.address)
    }

    /// Appends an event to an open partition.
    pub fn append(&self, partition: u16, event: String) {
        let mut world = self.world();
        world.last += 1;
        let last = world.last;
        let partition = world.partitions.get_mut(&partition).expect("the partition is there");
        assert!(!partition.closed, "nothing is appended to a closed partition");
        partition.events.push((last, event));
    }

    /// The events of a partition with their places.
    #[must_use]
    pub fn history(&self, partition: u16) -> Vec<(u64, String)> {
        self.world().partitions[&partition].events.clone()
    }

    /// The events of a partition behind a place.
    #[must_use]
    pub fn events_after(&self, partition: u16, place: u64) -> Vec<String> {
        self.history(partition).into_iter().filter(|(at, _)| *at > place).map(|(_, event)| event).collect()
    }

    /// Changes the partitions: from now on the token is another one.
    pub fn change(&self, change: impl FnOnce(&mut BTreeMap<u16, Partition>)) {
        let mut world = self.world();
        change(&mut world.partitions);
        world.token += 1;
    }

    /// From now on identifiers are listed as numbers.
    pub fn list_numbers(&self) {
        self.world().numbers = true;
    }

    /// Whether from now on every request for events is answered with 409, whatever its token.
    pub fn set_storm(&self, storm: bool) {
        self.world().storm = storm;
    }

    /// How often the partitions were asked for.
    #[must_use]
    pub fn discoveries(&self) -> usize {
        self.world().discoveries
    }

    /// What was asked of `/events`, in its order.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.world().asked.clone()
    }
}

async fn discovery(State(world): State<Arc<Mutex<World>>>) -> Response {
    let mut world = world.lock().unwrap();
    world.discoveries += 1;
    let id = |id: u16| if world.numbers { json!(id) } else { json!(id.to_string()) };
    let listed = world.partitions.iter().map(|(number, partition)| {
        let mut listed = json!({"id": id(*number)});
        if partition.closed {
            listed["closed"] = json!(true);
        }
        if let Some(parent) = partition.starts_after {
            listed["startsAfterPartition"] = id(parent);
        }
        if !partition.cursor_from.is_empty() {
            listed["cursorFromPartitions"] = partition.cursor_from.iter().map(|ancestor| id(*ancestor)).collect();
        }
        listed
    });
    let listed: Vec<Json> = listed.collect();
    let token = format!("token;{}", world.token);
    json!({"token": token, "partitions": listed, "exactlyOnce": true}).to_string().into_response()
}

async fn events(State(world): State<Arc<Mutex<World>>>, Query(query): Query<HashMap<String, String>>) -> Response {
    let mut world = world.lock().unwrap();
    let field = |name: &str| query.get(name).cloned().unwrap_or_default();
    let (cursor, token) = (field("cursor"), format!("token;{}", world.token));
    let Ok(number) = field("partition").parse::<u16>() else {
        return (StatusCode::BAD_REQUEST, "no partition").into_response();
    };
    if world.storm || field("token") != token {
        world.asked.push(Asked { partition: number, cursor, events: None });
        return (StatusCode::CONFLICT, "the token has changed").into_response();
    }
    let from = match cursor.as_str() {
        "_first" => 0,
        place => match place.strip_prefix('e').and_then(|place| place.parse().ok()) {
            Some(place) => place,
            None => return (StatusCode::INTERNAL_SERVER_ERROR, "no such cursor").into_response(),
        },
    };
    let Some(partition) = world.partitions.get(&number) else {
        return (StatusCode::NOT_FOUND, "no such partition").into_response();
    };
    let size = field("pagesizehint").parse().unwrap_or(PAGE_MAX).min(PAGE_MAX);
    let behind: Vec<_> = partition.events.iter().filter(|(place, _)| *place > from).collect();
    let sent = behind.len().min(size);
    let mut body = String::new();
    for (index, (place, event)) in behind.iter().take(size).enumerate() {
        writeln!(body, "{{\"data\":{event}}}").unwrap();
        if index % 7 == 6 {
            writeln!(body, "{{\"cursor\":\"e{place}\"}}").unwrap();
        }
    }
    let end = if sent < behind.len() { behind[sent - 1].0 } else { world.last.max(from) };
    writeln!(body, "{{\"cursor\":\"e{end}\"}}").unwrap();
    world.asked.push(Asked { partition: number, cursor, events: Some(sent) });
    body.into_response()
}
