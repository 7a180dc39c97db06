//! The addresses of the publisher, and what it answers.

use std::{io, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{RawQuery, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use futures_util::stream;
use serde_json::json;
use tidemill_pipeline::Digest;

use super::{
    Options,
    log::{Log, LogError, Position},
    page::{Dialect, Page},
    query::{From, Query, from, wrong},
};

/// What every request needs.
#[derive(Clone)]
struct Publisher {
    log: Arc<dyn Log>,
    options: Arc<Options>,
    token: Arc<str>,
}

/// Why a request is refused.
enum Refused {
    /// The token is not this feed's: the reader must discover it again.
    Token,
    Log(LogError),
}

impl std::convert::From<LogError> for Refused {
    fn from(error: LogError) -> Self {
        Self::Log(error)
    }
}

/// The addresses of the publisher.
pub(super) fn router(log: Arc<dyn Log>, options: Options) -> Router {
    let token = token(&*log, &options).into();
    let publisher = Publisher { log, options: Arc::new(options), token };
    Router::new()
        .route("/", get(async || "a feed is published at /feed\n"))
        .route("/feed", get(feed))
        .route("/feed/events", get(feed_events))
        .with_state(publisher)
}

/// A token for as long as partitions mean the same: it depends on the log, their number and the key.
fn token(log: &dyn Log, options: &Options) -> String {
    let seed = json!([log.identity(), options.partitions, options.key]);
    Digest::of(seed.to_string().as_bytes()).short()
}

/// ZeroEventHub, or FeedAPI's discovery if nothing is asked.
async fn feed(State(publisher): State<Publisher>, RawQuery(query): RawQuery) -> Response {
    answer(publisher.feed(&query.unwrap_or_default()).await)
}

/// FeedAPI's events.
async fn feed_events(State(publisher): State<Publisher>, RawQuery(query): RawQuery) -> Response {
    answer(publisher.feed_events(&query.unwrap_or_default()).await)
}

fn answer(result: Result<Response, Refused>) -> Response {
    result.unwrap_or_else(|refused| {
        let (status, message) = match refused {
            Refused::Token => (StatusCode::CONFLICT, "the token is not this feed's: discover it again".to_owned()),
            Refused::Log(error) => (status_of(&error), error.to_string()),
        };
        if status.is_server_error() {
            tracing::warn!(error = message, "a request could not be answered");
        }
        (status, format!("{message}\n")).into_response()
    })
}

fn status_of(error: &LogError) -> StatusCode {
    match error {
        LogError::Cursor(_) => StatusCode::BAD_REQUEST,
        LogError::Gone(_) => StatusCode::GONE,
        LogError::Content(_) => StatusCode::INTERNAL_SERVER_ERROR,
        LogError::Io(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

impl Publisher {
    async fn feed(self, query: &str) -> Result<Response, Refused> {
        let query = Query::parse(query)?;
        if query.is_empty() {
            return Ok(self.discovery());
        }
        let partitions = self.options.partitions;
        let believed = query.required("n")?;
        if believed.parse() != Ok(partitions) {
            return Err(wrong(format!("this feed has {partitions} partitions (n={partitions})")).into());
        }
        let cursors = query.cursors(partitions)?;
        let events = query.page_events(self.options.page_events)?;
        self.page(Dialect::ZeroEventHub, cursors, events).await
    }

    async fn feed_events(self, query: &str) -> Result<Response, Refused> {
        let query = Query::parse(query)?;
        if query.required("token")? != &*self.token {
            return Err(Refused::Token);
        }
        let partition = query.required("partition")?;
        let number = (0..self.options.partitions).find(|number| number.to_string() == partition);
        let Some(number) = number else {
            return Err(wrong(format!("there is no partition `{}`", partition.escape_debug())).into());
        };
        let cursor = from(query.required("cursor")?)?;
        let events = query.page_events(self.options.page_events)?;
        self.page(Dialect::FeedApi, vec![(number, cursor)], events).await
    }

    fn discovery(&self) -> Response {
        let partitions: Vec<_> =
            (0..self.options.partitions).map(|partition| json!({ "id": partition.to_string() })).collect();
        let document = json!({ "token": &*self.token, "partitions": partitions, "exactlyOnce": true });
        ([(header::CONTENT_TYPE, "application/json")], document.to_string()).into_response()
    }

    /// Makes the first piece before answering, so that an error still has a status of its own.
    async fn page(self, dialect: Dialect, cursors: Vec<(u32, From)>, events: usize) -> Result<Response, Refused> {
        let (first, page) = blocking(move || {
            let places = cursors
                .into_iter()
                .map(|(partition, from)| Ok((partition, place(&*self.log, from)?)))
                .collect::<Result<Vec<_>, LogError>>()?;
            let mut page = Page::new(self.log, self.options, dialect, &places, events);
            Ok((page.next().transpose()?, page))
        })
        .await?;
        let rest = stream::try_unfold(page, async |mut page| {
            let (piece, page) = blocking(move || Ok((page.next().transpose()?, page))).await?;
            Ok::<_, LogError>(piece.map(|piece| (Bytes::from(piece), page)))
        });
        let pieces = futures_util::StreamExt::chain(
            stream::iter(first.map(|piece| Ok::<_, LogError>(Bytes::from(piece)))),
            rest,
        );
        Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(pieces)).into_response())
    }
}

fn place(log: &dyn Log, from: From) -> Result<Position, LogError> {
    match from {
        From::First => Ok(Position::default()),
        From::Last => log.end(),
        From::At(position) => log.check(position).map(|()| position),
    }
}

/// Reads the log on a thread that may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LogError> + Send + 'static,
) -> Result<T, LogError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(_) => Err(LogError::Io(io::Error::other("reading was interrupted"))),
    }
}
