//! A feed: discovers its partitions and gives a source for each.

use std::{
    collections::HashMap,
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use bytes::BytesMut;
use tidemill_pipeline::{Failure, FailureKind, FeedName, Listed, PartitionId, Stage};
use url::Url;

use crate::{
    Address, Bounds, Discovery, FeedError, FeedSettings, FeedSource, Protocol,
    discovery::{self, NoDiscovery},
    file,
    flight::PublishedPages,
    http::{Http, body_failure},
    reader::Reader,
    readership::Readership,
    recorded, request,
    room::Room,
};

/// The longest answer to a discovery: 32,768 partitions with a hundred bytes each.
const DISCOVERY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A feed. Clones share the connections, the token and what is known of the protocol.
#[derive(Clone)]
pub struct Feed {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) name: FeedName,
    pub(crate) bounds: Bounds,
    pub(crate) place: Place,
    identity: String,
}

pub(crate) enum Place {
    File(PathBuf),
    Publisher(Box<Publisher>),
}

/// A publisher, and what is known of it.
pub(crate) struct Publisher {
    pub(crate) http: Http,
    pub(crate) url: Url,
    pub(crate) event_headers: Vec<String>,
    partitions: Option<u32>,
    known: Mutex<Known>,
    /// Who reads, by partition.
    readerships: Mutex<HashMap<PartitionId, Weak<Readership<PublishedPages>>>>,
    room: Arc<Room>,
}

/// What the discoveries found so far.
#[derive(Clone)]
struct Known {
    protocol: Protocol,
    token: Option<Arc<str>>,
}

/// How a partition is to be asked for.
#[derive(Clone, Debug)]
pub(crate) enum Dialect {
    ZeroEventHub { partitions: u32 },
    FeedApi { token: Arc<str> },
}

impl Feed {
    /// Opens a feed. Asks nobody yet; only `ca-file` is read.
    ///
    /// # Errors
    /// When the settings cannot be used.
    pub fn open(settings: FeedSettings) -> Result<Self, FeedError> {
        let (place, identity) = match &settings.address {
            Address::File(path) => {
                // A file that is not there yet has an identity all the same.
                let path = std::fs::canonicalize(path).or_else(|_| std::path::absolute(path)).map_err(|error| {
                    FeedError::new(
                        &settings.name,
                        format!("the file's path is not valid: {error}"),
                        "look at its `url`",
                    )
                })?;
                let identity = format!("file:{}", path.display());
                (Place::File(path), identity)
            }
            Address::Http(url) => {
                request::check(&settings.name, url, settings.protocol)?;
                let identity = format!("{}{}", url.origin().ascii_serialization(), url.path());
                let publisher = Publisher {
                    http: Http::new(&settings)?,
                    url: url.clone(),
                    event_headers: settings.event_headers,
                    partitions: settings.partitions.map(std::num::NonZeroU32::get),
                    known: Mutex::new(Known { protocol: settings.protocol, token: None }),
                    readerships: Mutex::default(),
                    room: Arc::new(Room::new(settings.bounds.shared_bytes_max)),
                };
                (Place::Publisher(Box::new(publisher)), identity)
            }
        };
        Ok(Self { shared: Arc::new(Shared { name: settings.name, bounds: settings.bounds, place, identity }) })
    }

    /// What its checkpoints belong to: the origin and the path, or the file's full path. Without credentials and query.
    #[must_use]
    pub fn identity(&self) -> String {
        self.shared.identity.clone()
    }

    /// Asks which partitions there are. A request is made for FeedAPI, and for [`Protocol::Auto`] until it is known
    /// what the publisher speaks. May be dropped at any moment.
    ///
    /// # Errors
    /// `Unavailable` when the publisher could not be asked, `Broken` when it is not what the settings say.
    pub async fn discover(&self) -> Result<Discovery, Failure> {
        match &self.shared.place {
            Place::File(path) => {
                let partitions = recorded::partitions(path).await.into_iter().map(Listed::open).collect();
                Ok(Discovery { protocol: Protocol::Auto, partitions })
            }
            Place::Publisher(publisher) => publisher.discover(&self.shared.bounds).await,
        }
    }

    /// Looks whether there is what the feed needs of this machine: its file, or the bearer token. Asks no publisher.
    ///
    /// # Errors
    /// What reading the feed would fail with.
    pub async fn look(&self) -> Result<(), Failure> {
        match &self.shared.place {
            Place::File(path) => file::open(path).await.map(drop),
            Place::Publisher(publisher) => publisher.http.look().await,
        }
    }

    /// A source of one partition. Sources of one feed may fetch at the same time; those of a partition that stand at the
    /// same place share a request, and what was read lately.
    #[must_use]
    pub fn source(&self, partition: PartitionId) -> FeedSource {
        match &self.shared.place {
            Place::File(_) => FeedSource::recorded(self.clone(), partition),
            Place::Publisher(publisher) => FeedSource::published(Reader::new(self.readership(publisher, partition))),
        }
    }

    /// Keeps from now on what is read for other sources of the same partitions that are about to come. Without it, it is
    /// kept while there is more than one.
    pub fn await_others(&self) {
        if let Place::Publisher(publisher) = &self.shared.place {
            publisher.room.await_others();
        }
    }

    /// Lets go of what was read lately, and lets nobody join the pages that are in flight: whatever is read next is asked of
    /// the publisher, who may have been repaired.
    pub fn forget(&self) {
        if let Place::Publisher(publisher) = &self.shared.place {
            let readerships = publisher.readerships.lock().unwrap_or_else(PoisonError::into_inner);
            readerships.values().filter_map(Weak::upgrade).for_each(|readership| readership.forget());
        }
    }

    fn readership(&self, publisher: &Publisher, partition: PartitionId) -> Arc<Readership<PublishedPages>> {
        let mut readerships = publisher.readerships.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(readership) = readerships.get(&partition).and_then(Weak::upgrade) {
            return readership;
        }
        readerships.retain(|_, readership| readership.strong_count() > 0);
        let pages = PublishedPages::new(self.clone(), partition.clone());
        let readership = Arc::new(Readership::new(pages, Arc::clone(&publisher.room)));
        readerships.insert(partition, Arc::downgrade(&readership));
        readership
    }
}

impl Publisher {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn discover(&self, bounds: &Bounds) -> Result<Discovery, Failure> {
        let protocol = self.known().protocol;
        if protocol == Protocol::ZeroEventHub {
            return self.emulated();
        }
        let stage = Stage::Discover;
        let mut body = match self.http.open(&self.url, stage).await {
            Ok(body) => body,
            // Version 1 wants to be told `n`: 400 by its specification, 422 in a framework that checks arguments.
            Err(refused) if protocol == Protocol::Auto && matches!(refused.status, Some(400 | 422)) => {
                let discovery = self.emulated()?;
                self.known().protocol = Protocol::ZeroEventHub;
                return Ok(discovery);
            }
            Err(refused) => return Err(refused.failure),
        };
        let mut bytes = BytesMut::new();
        while body.read(&mut bytes).await.map_err(|error| body_failure(&error, "the discovery", stage))? {
            if bytes.len() > DISCOVERY_BYTES_MAX.min(bounds.page_bytes_max) {
                let cause = "the answer to the discovery does not end";
                return Err(Failure::broken(stage, cause).hint("look at the feed's `url` and `protocol`"));
            }
        }
        let (token, partitions) = discovery::parse_discovery(&bytes).map_err(|why| match why {
            NoDiscovery::NoToken if protocol == Protocol::Auto => {
                Failure::broken(stage, "the publisher speaks neither ZeroEventHub nor FeedAPI: a request without arguments was answered with something else")
                    .hint("look at the feed's `url`, or set its `protocol`")
            }
            NoDiscovery::NoToken => Failure::unavailable(stage, "the answer to the discovery has no token"),
            NoDiscovery::Wrong(why) => Failure::unavailable(stage, format!("the answer to the discovery is not valid: {why}")),
        })?;
        *self.known() = Known { protocol: Protocol::FeedApi, token: Some(token.into()) };
        Ok(Discovery { protocol: Protocol::FeedApi, partitions })
    }

    /// ZeroEventHub has no discovery: the settings say how many partitions there are.
    fn emulated(&self) -> Result<Discovery, Failure> {
        let partitions = self.partitions.ok_or_else(|| no_partitions(Stage::Discover))?;
        let partitions =
            (0..partitions).map(|partition| Listed::open(PartitionId::new(partition.to_string()))).collect();
        Ok(Discovery { protocol: Protocol::ZeroEventHub, partitions })
    }

    /// How to ask for a page now.
    pub(crate) fn dialect(&self) -> Result<Dialect, Failure> {
        let Known { protocol, token } = self.known().clone();
        let moved = |cause| Err(Failure::new(FailureKind::Moved, Stage::Fetch, cause));
        match (protocol, token, self.partitions) {
            (Protocol::ZeroEventHub, _, Some(partitions)) => Ok(Dialect::ZeroEventHub { partitions }),
            (Protocol::ZeroEventHub, _, None) => Err(no_partitions(Stage::Fetch)),
            (Protocol::FeedApi, Some(token), _) => Ok(Dialect::FeedApi { token }),
            (Protocol::FeedApi, None, _) => moved("the feed's token is out of date: it has to be discovered again"),
            (Protocol::Auto, ..) => moved("the feed has not been discovered yet"),
        }
    }

    /// Forgets a token that was refused, unless a discovery has brought another one.
    pub(crate) fn forget(&self, refused: &Arc<str>) {
        let mut known = self.known();
        if known.token.as_ref() == Some(refused) {
            known.token = None;
        }
    }
}

fn no_partitions(stage: Stage) -> Failure {
    Failure::broken(stage, "the publisher speaks ZeroEventHub, which has no discovery")
        .hint("set `partitions` of the feed: how many the publisher says it has")
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("name", &self.shared.name).field("identity", &self.shared.identity).finish()
    }
}
