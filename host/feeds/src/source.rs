//! One partition of a feed, read by cursor.

use tidemill_pipeline::{Ask, Failure, FailureKind, PageEnd, PartitionId, ReadFrom, Source, SpanSink, Stage};

use crate::{
    Feed, LineForm, Page, PageBounds, PageError, PageProblem,
    feed::{Dialect, Place, Publisher},
    http::body_failure,
    recorded, request,
};

/// One partition of a [`Feed`].
#[derive(Debug)]
pub struct FeedSource {
    feed: Feed,
    partition: PartitionId,
}

impl Source for FeedSource {
    async fn fetch(&mut self, ask: Ask, spans: &mut SpanSink) -> Result<PageEnd, Failure> {
        let shared = &self.feed.shared;
        match &shared.place {
            Place::Publisher(publisher) => self.page(publisher, ask, spans).await,
            Place::File(path) => recorded::fetch(&shared.name, path, &shared.bounds, &self.partition, ask, spans).await,
        }
    }
}

impl FeedSource {
    pub(crate) fn new(feed: Feed, partition: PartitionId) -> Self {
        Self { feed, partition }
    }

    /// Asks a publisher for a page, and hands on its spans.
    async fn page(&self, publisher: &Publisher, ask: Ask, spans: &mut SpanSink) -> Result<PageEnd, Failure> {
        let dialect = publisher.dialect()?;
        let url = request::page(&publisher.url, &dialect, &self.partition, &ask, &publisher.event_headers);
        let form = match &dialect {
            Dialect::ZeroEventHub { .. } => LineForm::ZeroEventHub(self.partition.clone()),
            Dialect::FeedApi { .. } => LineForm::FeedApi,
        };
        let mut body = match (publisher.http.get(&url, Stage::Fetch).await, &dialect) {
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
        let bytes_max = self.feed.shared.bounds.page_bytes_max;
        let bounds = PageBounds { line_bytes_max: self.feed.shared.bounds.line_bytes_max, span_bytes_max: bytes_max };
        let start = ask.from.clone();
        let mut page = Page::new(form, ask.from, bounds);
        let mut bytes: usize = 0;
        loop {
            match self.drain(&mut page, spans).await {
                Drained::All => {}
                Drained::Unheard => return Ok(PageEnd::default()),
                Drained::Failed(error) => return Ok(self.cut(&page, &start, &error)),
            }
            if bytes > bytes_max && *page.at() != start {
                return Ok(PageEnd { tail_events: page.tail_events(), cut: None });
            }
            let before = page.buffer().len();
            match body.read(page.buffer()).await {
                Ok(true) => bytes = bytes.saturating_add(page.buffer().len().saturating_sub(before)),
                Ok(false) => break,
                Err(error) => {
                    let what = format!("the page after {} (line {})", page.at(), page.line());
                    return Err(body_failure(&error, &what, Stage::Fetch));
                }
            }
        }
        match page.finish() {
            Ok(Some(span)) => {
                // An unheard span ends the page as well.
                spans.push(span).await.ok();
                Ok(PageEnd::default())
            }
            Ok(None) => Ok(PageEnd { tail_events: page.tail_events(), cut: None }),
            Err(error) => Ok(self.cut(&page, &start, &error)),
        }
    }

    async fn drain(&self, page: &mut Page, spans: &mut SpanSink) -> Drained {
        loop {
            match page.next_span() {
                Ok(Some(span)) => {
                    if spans.push(span).await.is_err() {
                        return Drained::Unheard;
                    }
                }
                Ok(None) => return Drained::All,
                Err(error) => return Drained::Failed(error),
            }
        }
    }

    /// How a page ends that cannot be read on.
    fn cut(&self, page: &Page, start: &ReadFrom, error: &PageError) -> PageEnd {
        let tail_events = page.tail_events();
        let (feed, partition, at) = (&self.feed.shared.name, &self.partition, page.at());
        let cause = format!("the page after {at} is not valid: {error}");
        let reset = format!("tidemill reset PROCESSOR --feed {feed} --partition {partition} --to CURSOR");
        let failure = match error.problem {
            PageProblem::Line(_) => {
                let from = at.cursor().map(|cursor| format!(" --from {cursor}")).unwrap_or_default();
                Failure::unavailable(Stage::Fetch, cause)
                    .hint(format!("look at it with `tidemill feed tail {feed} --partition {partition}{from}`"))
            }
            PageProblem::LineTooLong(_) => Failure::broken(Stage::Fetch, cause)
                .hint(format!("raise `line-bytes-max` of the feed, or leave the line out: `{reset}`")),
            // It is asked for again, and then it begins here.
            PageProblem::SpanTooLong(_) if at != start => return PageEnd { tail_events, cut: None },
            PageProblem::SpanTooLong(_) => Failure::broken(Stage::Fetch, cause)
                .hint(format!("raise `page-bytes-max` of the feed, or leave the events out: `{reset}`")),
        };
        PageEnd { tail_events, cut: Some(failure) }
    }
}

enum Drained {
    All,
    Unheard,
    Failed(PageError),
}
