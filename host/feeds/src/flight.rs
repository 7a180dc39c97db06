//! A page in flight: from the request to the last line of its answer.

use std::{future::Future, pin::Pin};

use tidemill_pipeline::{
    Ask, Failure, FailureKind, PageEnd, PartitionId, ReadFrom, Span, Stage, failpoint, from_option, option,
};

use crate::{
    Feed, LineForm, Page, PageBounds, PageError, PageProblem,
    body::Body,
    feed::{Dialect, Place},
    http::body_failure,
    request,
    source::{LOOK, RESET, SOME_CURSOR},
};

/// How a page ended.
pub(crate) type End = Result<PageEnd, Failure>;

/// Where pages come from.
pub(crate) trait Pages: Send + Sync {
    /// A page on its way.
    type Flight: Flight;

    /// Asks for a page. Nothing happens before [`Flight::next`].
    fn ask(&self, ask: Ask) -> Self::Flight;
}

/// A page on its way.
pub(crate) trait Flight: Send {
    /// Waits for what comes next and appends it. With the last of it comes the end, after which there is nothing. May be
    /// dropped at any moment and called again, by another task too.
    fn next(&mut self, spans: &mut Vec<Span>) -> impl Future<Output = Option<End>> + Send;
}

/// The pages of one partition at a publisher.
pub(crate) struct PublishedPages {
    feed: Feed,
    partition: PartitionId,
}

impl PublishedPages {
    pub(crate) fn new(feed: Feed, partition: PartitionId) -> Self {
        Self { feed, partition }
    }
}

impl Pages for PublishedPages {
    type Flight = PageFlight;

    fn ask(&self, ask: Ask) -> PageFlight {
        let (feed, partition, start) = (self.feed.clone(), self.partition.clone(), ask.from.clone());
        let answer = Box::pin(answer(feed.clone(), partition.clone(), ask));
        PageFlight { feed, partition, start, leg: Leg::Asked(answer) }
    }
}

/// A page of a publisher.
pub(crate) struct PageFlight {
    feed: Feed,
    partition: PartitionId,
    start: ReadFrom,
    leg: Leg,
}

type Answer = Pin<Box<dyn Future<Output = Result<Arriving, Failure>> + Send>>;

enum Leg {
    Asked(Answer),
    Arriving(Box<Arriving>),
}

/// An answer whose body is being read.
struct Arriving {
    body: Body,
    page: Page,
    bytes: usize,
    /// Whether a checkpoint came, be it the one that was asked from.
    passed: bool,
}

/// Asks a publisher, up to the head of its answer.
async fn answer(feed: Feed, partition: PartitionId, ask: Ask) -> Result<Arriving, Failure> {
    let Place::Publisher(publisher) = &feed.shared.place else {
        return Err(Failure::broken(Stage::Fetch, "a file has no publisher"));
    };
    let dialect = publisher.dialect()?;
    let url = request::page(&publisher.url, &dialect, &partition, &ask, &publisher.event_headers);
    let body = match (publisher.http.get(&url, Stage::Fetch).await, &dialect) {
        (Ok(body), _) => body,
        (Err(failure), Dialect::FeedApi { token }) if failure.kind == FailureKind::Moved => {
            publisher.forget(token);
            return Err(failure);
        }
        (Err(mut failure), _) => {
            if let ReadFrom::After(cursor) = &ask.from {
                failure.cause = format!("{} (asked from cursor `{cursor}`)", failure.cause);
            }
            return Err(failure);
        }
    };
    let form = match dialect {
        Dialect::ZeroEventHub { .. } => LineForm::ZeroEventHub(partition),
        Dialect::FeedApi { .. } => LineForm::FeedApi,
    };
    let bounds = &feed.shared.bounds;
    let bounds = PageBounds { line_bytes_max: bounds.line_bytes_max, span_bytes_max: bounds.page_bytes_max };
    Ok(Arriving { body, page: Page::new(form, ask.from, bounds), bytes: 0, passed: false })
}

impl Flight for PageFlight {
    async fn next(&mut self, spans: &mut Vec<Span>) -> Option<End> {
        let Self { feed, partition, start, leg } = self;
        if let Leg::Asked(answer) = leg {
            *leg = match answer.await {
                Ok(arriving) => Leg::Arriving(Box::new(arriving)),
                Err(failure) => return Some(Err(failure)),
            };
        }
        let Leg::Arriving(arriving) = leg else { return None };
        let Arriving { body, page, bytes, passed } = &mut **arriving;
        let bytes_max = feed.shared.bounds.page_bytes_max;
        let cut = |page: &Page, error: &PageError| Some(Ok(cut(feed, partition, page, start, error)));
        loop {
            loop {
                match page.next_span() {
                    Ok(Some(span)) => {
                        *passed = true;
                        spans.push(span);
                    }
                    Ok(None) => break,
                    Err(error) => {
                        spans.extend(torn(page));
                        return cut(page, &error);
                    }
                }
            }
            if *bytes > bytes_max && *passed {
                return Some(Ok(PageEnd { tail_events: page.tail_events(), cut: None }));
            }
            if !spans.is_empty() {
                return None;
            }
            let before = page.buffer().len();
            match body.read(page.buffer()).await {
                Ok(true) => {
                    failpoint::reach("in-page");
                    *bytes = bytes.saturating_add(page.buffer().len().saturating_sub(before));
                }
                Ok(false) => break,
                Err(error) => {
                    spans.extend(torn(page));
                    let what = format!("the page after {} (line {})", page.at(), page.line());
                    return Some(Err(body_failure(&error, &what, Stage::Fetch)));
                }
            }
        }
        match page.finish() {
            Ok(Some(span)) => {
                spans.push(span);
                Some(Ok(PageEnd::default()))
            }
            Ok(None) => Some(Ok(PageEnd { tail_events: page.tail_events(), cut: None })),
            Err(error) => cut(page, &error),
        }
    }
}

/// What is behind the last checkpoint of a page that broke: nothing to be handed on, unless that rule is to be broken.
fn torn(page: &mut Page) -> Option<Span> {
    if failpoint::breaks("whole-spans") { page.torn_span() } else { None }
}

/// How a page ends that cannot be read on.
fn cut(feed: &Feed, partition: &PartitionId, page: &Page, start: &ReadFrom, error: &PageError) -> PageEnd {
    let tail_events = page.tail_events();
    let (feed, at) = (&feed.shared.name, page.at());
    let cause = format!("the page after {at} is not valid: {error}");
    let partition = option("--partition", partition.as_str());
    let reset = format!("{RESET} --feed {feed} {partition} --to {SOME_CURSOR}");
    let failure = match error.problem {
        // A publisher that fails in the middle of a page says so in a line of its own, and the next time it may go well.
        PageProblem::Line(_) => Failure::unavailable(Stage::Fetch, cause).hint(format!(
            "if it stays so, look at the feed's `url` and `protocol`, and {LOOK} {feed} {partition} {}`",
            from_option(at)
        )),
        PageProblem::LineTooLong(_) => Failure::broken(Stage::Fetch, cause)
            .hint(format!("raise `line-bytes-max` of the feed, or leave the line out: `{reset}`")),
        // It is asked for again, and then it begins here.
        PageProblem::SpanTooLong(_) if at != start => return PageEnd { tail_events, cut: None },
        PageProblem::SpanTooLong(_) => Failure::broken(Stage::Fetch, cause)
            .hint(format!("raise `page-bytes-max` of the feed, or leave the events out: `{reset}`")),
    };
    PageEnd { tail_events, cut: Some(failure) }
}
