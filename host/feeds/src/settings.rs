//! A feed's settings: where it is, how it is asked, and the bounds of its answers.

use std::{fmt, num::NonZeroU32, path::PathBuf, time::Duration};

use tidemill_pipeline::FeedName;
use url::Url;

/// How a feed is read. Its `Debug` shows no header's value and no query: they may be secret.
#[derive(Clone)]
pub struct FeedSettings {
    /// Its name in the configuration, for messages.
    pub name: FeedName,
    /// Where it is.
    pub address: Address,
    /// What its publisher speaks. Without meaning for a file.
    pub protocol: Protocol,
    /// How many partitions the publisher has. For ZeroEventHub, which has no discovery.
    pub partitions: Option<NonZeroU32>,
    /// Which headers of the events to ask for, by name, or `_all` alone. For ZeroEventHub.
    pub event_headers: Vec<String>,
    /// Headers of every request.
    pub request_headers: Vec<(String, String)>,
    /// Where the bearer token comes from.
    pub credential: Option<Credential>,
    /// Certificates to trust instead of the system's, as PEM.
    pub ca_file: Option<PathBuf>,
    /// What an answer may cost.
    pub bounds: Bounds,
}

/// Where a feed is.
#[derive(Clone, PartialEq, Eq)]
pub enum Address {
    /// At a publisher, over HTTP. Its query is kept in every request.
    Http(Url),
    /// In a local NDJSON file.
    File(PathBuf),
}

/// What a publisher speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// To be found out by a bare request: FeedAPI if a token comes back, ZeroEventHub if it is refused.
    #[default]
    Auto,
    /// ZeroEventHub, version 1.
    ZeroEventHub,
    /// FeedAPI, version 2.
    FeedApi,
}

/// Where a bearer token comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// An environment variable.
    Env(String),
    /// A file, read again when the publisher answers 401 or 403. White space around the token is left out.
    File(PathBuf),
}

/// What an answer may cost. Each bound is a setting of the feed, named in the error when it is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// `line-bytes-max`: the longest line. A longer one stops the partition.
    pub line_bytes_max: usize,
    /// `page-bytes-max`: the longest page, after decompression. A longer one is cut at its last checkpoint; one
    /// without a checkpoint in it stops the partition. At most 4 GiB count.
    pub page_bytes_max: usize,
    /// `shared-bytes`: the most bytes of what was read lately that are kept for others who read the same partitions.
    /// Nothing is kept of a partition with one reader.
    pub shared_bytes_max: usize,
    /// `header-bytes-max`: the most bytes of the headers of an answer.
    pub header_bytes_max: usize,
    /// `time-to-first-byte`: from a request to the head of its answer, connecting included.
    pub time_to_first_byte: Duration,
    /// `idle-time`: the longest silence within an answer.
    pub idle_time: Duration,
    /// `bytes-per-second-min`: the least rate on the wire, on average over `idle_time`; 0 for none.
    pub bytes_per_second_min: usize,
    /// `decompression-ratio-max`: how many times its size on the wire an answer may grow, past its first MiB.
    pub decompression_ratio_max: u64,
    /// `redirects-max`: how many redirects within the same origin are followed.
    pub redirects_max: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            line_bytes_max: 1024 * 1024,
            page_bytes_max: 64 * 1024 * 1024,
            shared_bytes_max: 64 * 1024 * 1024,
            header_bytes_max: 64 * 1024,
            time_to_first_byte: Duration::from_secs(30),
            idle_time: Duration::from_secs(30),
            bytes_per_second_min: 128,
            decompression_ratio_max: 200,
            redirects_max: 3,
        }
    }
}

impl FeedSettings {
    /// The settings of a feed about which only its address is known.
    #[must_use]
    pub fn new(name: FeedName, address: Address) -> Self {
        Self {
            name,
            address,
            protocol: Protocol::Auto,
            partitions: None,
            event_headers: Vec::new(),
            request_headers: Vec::new(),
            credential: None,
            ca_file: None,
            bounds: Bounds::default(),
        }
    }
}

impl fmt::Debug for FeedSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header_names: Vec<&str> = self.request_headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("FeedSettings")
            .field("name", &self.name)
            .field("address", &self.address)
            .field("protocol", &self.protocol)
            .field("partitions", &self.partitions)
            .field("event_headers", &self.event_headers)
            .field("request_headers", &header_names)
            .field("credential", &self.credential)
            .field("ca_file", &self.ca_file)
            .field("bounds", &self.bounds)
            .finish()
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(url) => write!(f, "{}{}", url.origin().ascii_serialization(), url.path()),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

/// Why a feed cannot be opened with its settings.
#[derive(Debug, thiserror::Error)]
#[error("feed `{feed}`: {problem}")]
pub struct FeedError {
    feed: FeedName,
    problem: String,
    hint: &'static str,
}

impl FeedError {
    pub(crate) fn new(feed: &FeedName, problem: impl Into<String>, hint: &'static str) -> Self {
        Self { feed: feed.clone(), problem: problem.into(), hint }
    }

    /// What a person can do about it.
    #[must_use]
    pub fn hint(&self) -> &str {
        self.hint
    }
}
