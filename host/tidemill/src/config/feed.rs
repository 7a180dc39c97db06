//! A feed's settings.

use std::{collections::BTreeMap, fmt, num::NonZeroU32, path::PathBuf, time::Duration};

use toml::Spanned;
use url::Url;

use super::{
    SecretSource,
    bounds::FeedBounds,
    kinds::{Choice, Count, File, Headers, Secret, Time, Words, is_token},
    section::Section,
    url::FeedUrl as UrlKind,
};

/// Where a feed is and how it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedConfig {
    /// Where it is.
    pub url: FeedUrl,
    /// What its publisher speaks. Without meaning for a file.
    pub protocol: Protocol,
    /// How many partitions the publisher has, for ZeroEventHub, which has no discovery.
    pub partitions: Option<NonZeroU32>,
    /// How many events to ask for at once.
    pub page_size: NonZeroU32,
    /// Which of its events' headers to ask for: names, or `_all` alone.
    pub event_headers: Vec<String>,
    /// Headers of every request.
    pub request_headers: RequestHeaders,
    /// Where the bearer token comes from.
    pub bearer_token: Option<SecretSource>,
    /// Certificates to trust instead of the usual ones, as PEM.
    pub ca_file: Option<PathBuf>,
    /// The wait after a page without events.
    pub poll_interval: Duration,
    /// The wait between two discoveries.
    pub discovery_interval: Duration,
    /// What reading it may take.
    pub bounds: FeedBounds,
}

/// Where a feed is.
#[derive(Clone, PartialEq, Eq)]
pub enum FeedUrl {
    /// At a publisher, over HTTP.
    Http(Url),
    /// In a local NDJSON file.
    File(PathBuf),
}

impl fmt::Display for FeedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(url) => write!(f, "{}{}", url.origin().ascii_serialization(), url.path()),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

/// Without the query, which may hold a secret.
impl fmt::Debug for FeedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// What a publisher speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// FeedAPI if a bare request is answered with a token, else ZeroEventHub.
    Auto,
    /// ZeroEventHub, version 1.
    ZeroEventHub,
    /// FeedAPI, version 2.
    FeedApi,
}

/// Headers of every request: names and values. Its `Debug` shows no value, for they may be secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RequestHeaders(pub BTreeMap<String, String>);

impl fmt::Debug for RequestHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl FeedConfig {
    /// Declares, reads and checks the settings.
    pub(super) fn read(section: &mut Section<'_>) -> Option<Self> {
        let feed = Self::settings(section);
        if let Some(feed) = &feed {
            feed.check(section);
        }
        feed
    }

    fn settings(section: &mut Section<'_>) -> Option<Self> {
        let url = section.required(
            "url",
            &UrlKind,
            "The publisher, or an NDJSON file. For FeedAPI: the address that answers discovery.",
        );
        let protocol = section.setting(
            "protocol",
            &Choice(&[
                ("auto", Protocol::Auto),
                ("zeroeventhub", Protocol::ZeroEventHub),
                ("feedapi", Protocol::FeedApi),
            ]),
            "\"auto\"",
            "What the publisher speaks. `auto` asks for a discovery: FeedAPI if a token comes back, else ZeroEventHub.",
        );
        let partitions = section.optional(
            "partitions",
            &Count(1..=32_768),
            "How many partitions the publisher has. ZeroEventHub only: it has no discovery.",
        );
        let page_size = section.setting(
            "page-size",
            &Count(1..=1_000_000),
            "1_000",
            "A hint to the publisher: how many events to send at once.",
        );
        let event_headers = section.setting("event-headers", &Words("header names"), "[]", "ZeroEventHub's `headers`: which headers of the events to ask for; `[\"_all\"]` for all. They cost time: ask for what the component reads.");
        let request_headers = section.setting(
            "request-headers",
            &Headers,
            "{}",
            "Headers of every request, in the clear: for a token use `bearer-token`.",
        );
        let bearer_token = section.optional("bearer-token", &Secret, "Where the token for `Authorization: Bearer` comes from. A file is read again when the publisher answers 401 or 403.");
        let ca_file =
            section.optional("ca-file", &File, "Certificates (PEM) to trust for this feed instead of the system's.");
        let poll_interval = section.setting(
            "poll-interval",
            &Time(Duration::from_millis(1)..=Duration::from_hours(1)),
            "\"1s\"",
            "How long to wait after a page without events.",
        );
        let discovery_interval = section.setting(
            "discovery-interval",
            &Time(Duration::from_millis(100)..=Duration::from_hours(24)),
            "\"1m\"",
            "How long to wait between two discoveries (FeedAPI).",
        );
        let bounds = FeedBounds::read(section);
        Some(Self {
            url: url?,
            protocol,
            partitions: partitions.and_then(non_zero),
            page_size: non_zero(page_size)?,
            event_headers: header_names(section, event_headers),
            request_headers: RequestHeaders(request_headers),
            bearer_token,
            ca_file,
            poll_interval,
            discovery_interval,
            bounds,
        })
    }

    /// What must fit together.
    fn check(&self, section: &Section<'_>) {
        match (&self.url, self.protocol) {
            (FeedUrl::File(_), _) => {
                for name in ["protocol", "partitions", "event-headers", "request-headers", "bearer-token", "ca-file"] {
                    if let Some(span) = section.given(name) {
                        section.problem(
                            span,
                            format!("`{name}` has no meaning for a file"),
                            "leave it out: a file is one partition, `0`",
                        );
                    }
                }
            }
            (FeedUrl::Http(_), Protocol::FeedApi) => {
                if let Some(span) = section.given("partitions") {
                    section.problem(
                        span,
                        "`partitions` is for ZeroEventHub only",
                        "leave it out: FeedAPI lists its partitions itself",
                    );
                }
            }
            (FeedUrl::Http(_), Protocol::ZeroEventHub) if section.given("partitions").is_none() => section.problem(
                section.place_of("protocol"),
                format!("{} has no `partitions`, and ZeroEventHub has no discovery", section.title()),
                "add `partitions = …`: how many the publisher says it has",
            ),
            (FeedUrl::Http(_), Protocol::ZeroEventHub | Protocol::Auto) => {}
        }
        let twice = self.request_headers.0.keys().find(|name| name.eq_ignore_ascii_case("authorization"));
        if let (Some(name), Some(_)) = (twice, &self.bearer_token) {
            section.problem(
                section.place_of("request-headers"),
                format!("`{name}` stands in `request-headers` beside `bearer-token`"),
                "keep one of them",
            );
        }
    }

    /// Where it is, for people: without the query, which may hold a secret.
    #[must_use]
    pub fn address(&self) -> String {
        self.url.to_string()
    }
}

fn non_zero(number: u64) -> Option<NonZeroU32> {
    u32::try_from(number).ok().and_then(NonZeroU32::new)
}

fn header_names(section: &Section<'_>, names: Vec<Spanned<String>>) -> Vec<String> {
    let alone = names.len() == 1;
    for name in &names {
        let text = name.get_ref();
        if text == "_all" && !alone {
            section.problem(
                name.span(),
                "`_all` stands beside other names in `event-headers`",
                "write `event-headers = [\"_all\"]`, or only names",
            );
        } else if !is_token(text) {
            section.problem(
                name.span(),
                format!("`{text}` in `event-headers` is not a header's name"),
                "a name has letters, digits, `-` and `_`",
            );
        }
    }
    names.into_iter().map(Spanned::into_inner).collect()
}
