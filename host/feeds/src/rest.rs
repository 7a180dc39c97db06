//! Resting: those who wait at one place until something is behind it. One of them sees to it that the publisher is asked
//! again; the others sleep until there is something to be had.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use tidemill_pipeline::ReadFrom;
use tokio::{
    sync::{Notify, futures::OwnedNotified},
    time::{Instant, sleep_until},
};

use crate::{
    flight::{End, Pages},
    readership::Readership,
};

/// A place, and those who rest there.
#[derive(Debug)]
pub(crate) struct Rest {
    place: ReadFrom,
    /// When it was last said that nothing is behind it.
    since: Instant,
    resting: usize,
    /// Whether one of them sees to it that it is asked again.
    watched: bool,
    bell: Arc<Bell>,
}

#[derive(Debug, Default)]
struct Bell {
    notify: Arc<Notify>,
    /// Rung for all: how the page ended, if it ended without an event.
    news: OnceLock<Option<News>>,
}

/// How a page ended, for those who did not ask for it.
#[derive(Clone, Debug)]
pub(crate) struct News {
    /// The number of the answer: nobody is given one twice.
    pub(crate) answer: u64,
    pub(crate) end: End,
}

impl Rest {
    pub(crate) fn place(&self) -> &ReadFrom {
        &self.place
    }

    /// Wakes all.
    pub(crate) fn ring(&self, news: Option<News>) {
        // It is rung once: then nobody rests here any more.
        self.bell.news.set(news).ok();
        self.bell.notify.notify_waiters();
    }

    /// Wakes one, who sees to it that the place is asked again; an interval after it was said that nothing is behind it.
    pub(crate) fn hand_over(&mut self, said: Option<Instant>) {
        self.since = said.unwrap_or(self.since);
        self.bell.notify.notify_one();
    }
}

/// One who rests.
pub(crate) struct Resting<'a, P: Pages> {
    readership: &'a Readership<P>,
    bell: Arc<Bell>,
    watches: bool,
}

enum Look {
    News(Option<News>),
    Wait(OwnedNotified),
    Watch(Instant, OwnedNotified),
}

impl<'a, P: Pages> Resting<'a, P> {
    pub(crate) fn begin(readership: &'a Readership<P>, place: &ReadFrom) -> Self {
        let mut state = readership.state();
        let bell = if let Some(rest) = state.rests.iter_mut().find(|rest| rest.place == *place) {
            rest.resting += 1;
            Arc::clone(&rest.bell)
        } else {
            let bell = Arc::<Bell>::default();
            state.rests.push(Rest {
                place: place.clone(),
                since: Instant::now(),
                resting: 1,
                watched: false,
                bell: Arc::clone(&bell),
            });
            bell
        };
        drop(state);
        Self { readership, bell, watches: false }
    }

    /// Waits until there is something to be had, or until it is this one's turn to ask. Gives the end of a page that
    /// ended without an event, if that is the news.
    pub(crate) async fn wait(mut self, interval: Duration) -> Option<News> {
        loop {
            match self.look() {
                Look::News(news) => return news,
                Look::Wait(notified) => notified.await,
                // Somebody else may bring news meanwhile.
                Look::Watch(since, notified) => tokio::select! {
                    () = sleep_until(since + interval) => {
                        self.unwatch();
                        return None;
                    }
                    () = notified => {}
                },
            }
        }
    }

    fn look(&mut self) -> Look {
        let mut state = self.readership.state();
        if let Some(news) = self.bell.news.get() {
            return Look::News(news.clone());
        }
        let Some(index) = state.rests.iter().position(|rest| Arc::ptr_eq(&rest.bell, &self.bell)) else {
            return Look::News(None);
        };
        let Some(place) = state.rests.get(index).map(|rest| rest.place.clone()) else { return Look::News(None) };
        if state.was_read(&place) {
            return Look::News(None);
        }
        let asked = state.is_asked(&place);
        let Some(rest) = state.rests.get_mut(index) else { return Look::News(None) };
        let notified = Arc::clone(&self.bell.notify).notified_owned();
        if !self.watches && (asked || rest.watched) {
            return Look::Wait(notified);
        }
        (rest.watched, self.watches) = (true, true);
        Look::Watch(rest.since, notified)
    }

    /// It asks at once, and what it is told wakes another one: nobody needs to be woken now.
    fn unwatch(&mut self) {
        self.watches = false;
        let mut state = self.readership.state();
        if let Some(rest) = state.rests.iter_mut().find(|rest| Arc::ptr_eq(&rest.bell, &self.bell)) {
            rest.watched = false;
        }
    }
}

impl<P: Pages> Drop for Resting<'_, P> {
    fn drop(&mut self) {
        let mut state = self.readership.state();
        let Some(index) = state.rests.iter().position(|rest| Arc::ptr_eq(&rest.bell, &self.bell)) else { return };
        let Some(rest) = state.rests.get_mut(index) else { return };
        rest.resting -= 1;
        if rest.resting == 0 {
            state.rests.swap_remove(index);
        } else if self.watches {
            rest.watched = false;
            self.bell.notify.notify_one();
        }
    }
}
