//! A reader: one of those who read a partition together. What it is given is what it would be given alone.

use std::{sync::Arc, time::Duration};

use tidemill_pipeline::{Ask, PageEnd, ReadFrom, SpanSink};

use crate::{
    flight::{End, Pages},
    readership::Readership,
    rest::News,
    seat::Seat,
    walk::{Step, Walk},
};

/// One reader of a partition.
pub(crate) struct Reader<P: Pages> {
    readership: Arc<Readership<P>>,
    /// The last answer that it was given.
    heard: u64,
    /// How a page from a place ended while it rested there.
    news: Option<(ReadFrom, News)>,
}

impl<P: Pages> Reader<P> {
    /// One more reader.
    pub(crate) fn new(readership: Arc<Readership<P>>) -> Self {
        let heard = readership.enter();
        Self { readership, heard, news: None }
    }

    /// As [`Source::fetch`](tidemill_pipeline::Source::fetch).
    pub(crate) async fn fetch(&mut self, ask: Ask, spans: &mut SpanSink) -> End {
        if let Some((at, news)) = self.news.take()
            && at == ask.from
        {
            self.heard = self.heard.max(news.answer);
            return news.end;
        }
        let mut walk = Walk::new(ask, self.heard);
        let mut seat = Seat::none(&self.readership);
        loop {
            let taken = match self.readership.step(&mut walk, &mut seat) {
                Step::Take(span) => vec![span],
                Step::ReadOn(flight) => seat.read_on(flight).await,
                Step::Wait(moved) => {
                    moved.await;
                    continue;
                }
                Step::Ended(end) => {
                    self.heard = walk.heard;
                    return end;
                }
            };
            for span in taken {
                walk.pass(&span);
                if spans.push(span).await.is_err() {
                    return Ok(PageEnd::default());
                }
            }
        }
    }

    /// As [`Source::rest`](tidemill_pipeline::Source::rest).
    pub(crate) async fn rest(&mut self, from: &ReadFrom, interval: Duration) {
        let news = self.readership.rest(from).wait(interval).await;
        self.news = news.map(|news| (from.clone(), news));
    }
}

impl<P: Pages> Drop for Reader<P> {
    fn drop(&mut self) {
        self.readership.leave();
    }
}

#[cfg(test)]
mod tests;
