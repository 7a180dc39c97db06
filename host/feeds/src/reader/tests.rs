//! Readers together are given what each would be given alone, and ask as if they were one.

use std::{
    num::NonZeroU32,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use proptest::prelude::*;
use tidemill_pipeline::{Cursor, Event, Failure, Fetched, Span, Stage, way};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use super::*;
use crate::{flight::Flight, room::Room};

const INTERVAL: Duration = Duration::from_secs(1);
const PAGE_SIZE: NonZeroU32 = NonZeroU32::new(20).unwrap();

/// A feed whose events are numbers, each at the place of its number. It counts what it is asked.
struct Numbers {
    events: AtomicUsize,
    requests: AtomicUsize,
    dropped: AtomicUsize,
    /// How long an answer takes, and each of its spans.
    slow: Duration,
    /// Of 100 answers, how many fail somewhere.
    fails: AtomicUsize,
    rng: Mutex<fastrand::Rng>,
}

impl Numbers {
    fn of(events: usize) -> Arc<Self> {
        Self::with(events, 0, Duration::from_millis(10))
    }

    fn with(events: usize, seed: u64, slow: Duration) -> Arc<Self> {
        Arc::new(Self {
            events: events.into(),
            requests: AtomicUsize::new(0),
            dropped: AtomicUsize::new(0),
            slow,
            fails: AtomicUsize::new(0),
            rng: Mutex::new(fastrand::Rng::with_seed(seed)),
        })
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    fn append(&self, events: usize) {
        self.events.fetch_add(events, Ordering::Relaxed);
    }

    fn below(&self, bound: usize) -> usize {
        self.rng.lock().unwrap().usize(..bound)
    }

    fn readership(self: &Arc<Self>, bytes_max: usize) -> Arc<Readership<Arc<Self>>> {
        Arc::new(Readership::new(Arc::clone(self), Arc::new(Room::new(bytes_max))))
    }
}

struct NumbersFlight {
    feed: Arc<Numbers>,
    at: usize,
    /// The end of the page, however many events there are.
    page_end: usize,
    began: bool,
    done: bool,
}

impl Pages for Arc<Numbers> {
    type Flight = NumbersFlight;

    fn ask(&self, ask: Ask) -> NumbersFlight {
        let at = number(&ask.from);
        NumbersFlight {
            feed: Arc::clone(self),
            at,
            page_end: at + ask.page_size.get() as usize,
            began: false,
            done: false,
        }
    }
}

impl Flight for NumbersFlight {
    async fn next(&mut self, spans: &mut Vec<Span>) -> Option<End> {
        if !self.began {
            self.began = true;
            self.feed.requests.fetch_add(1, Ordering::Relaxed);
        }
        sleep(self.feed.slow).await;
        let until = self.feed.events.load(Ordering::Relaxed).min(self.page_end);
        let fails = self.feed.below(100) < self.feed.fails.load(Ordering::Relaxed);
        if fails || self.at == until {
            self.done = true;
            let failure = Failure::unavailable(Stage::Fetch, "the connection broke");
            return Some(if fails { Err(failure) } else { Ok(PageEnd::default()) });
        }
        for _ in 0..=self.feed.below(2) {
            if self.at == until {
                break;
            }
            let events = (1 + self.feed.below(4)).min(until - self.at);
            spans.push(span(self.at, events));
            self.at += events;
        }
        None
    }
}

impl Drop for NumbersFlight {
    fn drop(&mut self) {
        self.feed.dropped.fetch_add(usize::from(!self.done), Ordering::Relaxed);
    }
}

fn number(from: &ReadFrom) -> usize {
    from.cursor().map_or(0, |cursor| cursor.as_str().parse().unwrap())
}

fn place(number: usize) -> ReadFrom {
    if number == 0 { ReadFrom::First } else { ReadFrom::After(Cursor::new(&number.to_string()).unwrap()) }
}

fn span(at: usize, events: usize) -> Span {
    let to = Cursor::new(&(at + events).to_string()).unwrap();
    Span::new(place(at), to, Bytes::from(vec![b'x'; 100]), vec![Event::text(0..1); events])
}

fn ask(from: &ReadFrom) -> Ask {
    Ask { from: from.clone(), page_size: PAGE_SIZE }
}

/// Reads a page, and checks that it goes on where the place is.
async fn page(reader: &mut Reader<Arc<Numbers>>, from: &mut ReadFrom) -> (usize, End) {
    let (mut sink, mut fetched) = way(u32::MAX >> 4);
    let end = reader.fetch(ask(from), &mut sink).await;
    drop(sink);
    let mut events = 0;
    while let Some(Fetched::Span(span, _)) = fetched.recv().await {
        assert_eq!(span.from(), from, "a gap or a repetition");
        *from = ReadFrom::After(span.to().clone());
        events += span.len();
    }
    (events, end)
}

/// Reads as the pipeline does until a place is reached.
async fn read(reader: &mut Reader<Arc<Numbers>>, from: &mut ReadFrom, until: usize) {
    while number(from) < until {
        match page(reader, from).await {
            (0, Ok(_)) => reader.rest(from, INTERVAL).await,
            (_, Ok(_)) => {}
            (_, Err(_)) => sleep(Duration::from_millis(300)).await,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn fifty_who_begin_together_ask_as_one_does() {
    let alone = Numbers::of(1000);
    read(&mut Reader::new(alone.readership(1 << 20)), &mut ReadFrom::First, 1000).await;
    let feed = Numbers::of(1000);
    let readership = feed.readership(1 << 20);
    let mut readers = JoinSet::new();
    for number in 0..50 {
        let mut reader = Reader::new(Arc::clone(&readership));
        readers.spawn(async move {
            sleep(Duration::from_millis(7 * number)).await;
            read(&mut reader, &mut ReadFrom::First, 1000).await;
        });
    }
    while readers.join_next().await.is_some() {}
    assert_eq!(feed.requests(), alone.requests());
}

#[tokio::test(start_paused = true)]
async fn those_who_rest_ask_as_one_does_and_all_hear_of_an_event_at_the_next_answer() {
    let feed = Numbers::of(0);
    let readership = feed.readership(1 << 20);
    let mut readers = JoinSet::new();
    for number in 0..50 {
        let mut reader = Reader::new(Arc::clone(&readership));
        readers.spawn(async move {
            sleep(Duration::from_millis(3 * number)).await;
            read(&mut reader, &mut ReadFrom::First, 5).await;
            Instant::now()
        });
    }
    sleep(100 * INTERVAL).await;
    assert!((95..=105).contains(&feed.requests()), "{}", feed.requests());
    let appended = Instant::now();
    feed.append(5);
    while let Some(heard) = readers.join_next().await {
        assert!(heard.unwrap() - appended < INTERVAL * 11 / 10);
    }
}

#[tokio::test(start_paused = true)]
async fn whenever_the_one_who_asks_for_those_who_rest_goes_another_one_asks() {
    // While it rests; while it asks; and between the answer and the next rest.
    for stay in [INTERVAL / 2, INTERVAL * 3 / 2, INTERVAL * 2] {
        let feed = Numbers::with(0, 0, INTERVAL * 3 / 4);
        let readership = feed.readership(1 << 20);
        let (mut first, mut second) = (Reader::new(Arc::clone(&readership)), Reader::new(readership));
        let (mut from, mut other) = (ReadFrom::First, ReadFrom::First);
        tokio::join!(page(&mut first, &mut from), page(&mut second, &mut other)).0.1.unwrap();
        let asking = tokio::spawn(async move {
            first.rest(&from, INTERVAL).await;
            page(&mut first, &mut from).await.1.unwrap();
            std::future::pending::<()>().await;
        });
        tokio::task::yield_now().await;
        let resting = tokio::spawn(async move {
            second.rest(&other, INTERVAL).await;
            read(&mut second, &mut other, 5).await;
        });
        sleep(stay).await;
        asking.abort();
        feed.append(5);
        timeout(5 * INTERVAL, resting).await.expect("nobody asks").unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_reaches_all_who_rest() {
    let feed = Numbers::of(0);
    let readership = feed.readership(1 << 20);
    let mut readers = JoinSet::new();
    for _ in 0..20 {
        let mut reader = Reader::new(Arc::clone(&readership));
        readers.spawn(async move {
            let mut from = ReadFrom::First;
            loop {
                if let (_, Err(failure)) = page(&mut reader, &mut from).await {
                    return failure.cause;
                }
                reader.rest(&from, INTERVAL).await;
            }
        });
    }
    sleep(INTERVAL / 2).await;
    let before = feed.requests();
    feed.fails.store(100, Ordering::Relaxed);
    let failed = timeout(INTERVAL, readers.join_all()).await.unwrap();
    assert_eq!(failed, vec!["the connection broke"; 20]);
    assert_eq!(feed.requests(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn a_page_outlives_whoever_asked_for_it_and_goes_with_the_last_who_joined() {
    let feed = Numbers::with(20, 0, INTERVAL);
    let readership = feed.readership(1 << 20);
    let mut first = Reader::new(Arc::clone(&readership));
    let mut second = Reader::new(Arc::clone(&readership));
    let (mut from, mut other) = (ReadFrom::First, ReadFrom::First);
    {
        let mut joined = std::pin::pin!(page(&mut second, &mut other));
        timeout(INTERVAL / 2, async { tokio::join!(page(&mut first, &mut from), &mut joined) }).await.unwrap_err();
        assert_eq!(timeout(60 * INTERVAL, joined).await.unwrap().0, 20);
    }
    assert_eq!((feed.requests(), feed.dropped.load(Ordering::Relaxed)), (1, 0));
    timeout(INTERVAL / 2, page(&mut second, &mut other)).await.unwrap_err();
    assert_eq!((feed.requests(), feed.dropped.load(Ordering::Relaxed)), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn who_comes_when_nothing_was_said_for_a_while_asks_anew() {
    let feed = Numbers::of(0);
    let readership = feed.readership(1 << 20);
    let (mut first, mut second) = (Reader::new(Arc::clone(&readership)), Reader::new(readership));
    page(&mut first, &mut ReadFrom::First).await.1.unwrap();
    page(&mut second, &mut ReadFrom::First).await.1.unwrap();
    assert_eq!(feed.requests(), 1, "it was said just now");
    page(&mut second, &mut ReadFrom::First).await.1.unwrap();
    assert_eq!(feed.requests(), 2, "it was said to this one already");
    sleep(INTERVAL).await;
    feed.append(1);
    assert_eq!(page(&mut first, &mut ReadFrom::First).await.0, 1);
}

#[tokio::test(start_paused = true)]
async fn who_falls_behind_what_is_kept_asks_for_himself_and_holds_nobody_back() {
    let feed = Numbers::of(1000);
    let readership = feed.readership(10_000);
    let (mut slow, mut quick) = (Reader::new(Arc::clone(&readership)), Reader::new(readership));
    let mut from = ReadFrom::First;
    let (mut sink, mut fetched) = way(500);
    let reading = tokio::spawn(async move { slow.fetch(ask(&ReadFrom::First), &mut sink).await });
    timeout(INTERVAL * 60, read(&mut quick, &mut from, 1000)).await.unwrap();
    let mut place = ReadFrom::First;
    while let Some(Fetched::Span(span, _)) = fetched.recv().await {
        assert_eq!(*span.from(), place);
        place = ReadFrom::After(span.to().clone());
    }
    reading.await.unwrap().unwrap();
    assert!(number(&place) > 0 && number(&place) < 1000);
}

#[tokio::test(start_paused = true)]
async fn after_forgetting_the_publisher_is_asked_again() {
    let feed = Numbers::of(20);
    let readership = feed.readership(1 << 20);
    let (mut first, mut second) = (Reader::new(Arc::clone(&readership)), Reader::new(Arc::clone(&readership)));
    assert_eq!(page(&mut first, &mut ReadFrom::First).await.0, 20);
    assert_eq!(page(&mut second, &mut ReadFrom::First).await.0, 20);
    assert_eq!(feed.requests(), 1);
    readership.forget();
    assert_eq!(page(&mut second, &mut ReadFrom::First).await.0, 20);
    assert_eq!(feed.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn nobody_joins_a_page_that_was_in_flight_when_all_was_forgotten() {
    let feed = Numbers::with(20, 0, INTERVAL);
    let readership = feed.readership(1 << 20);
    let mut first = Reader::new(Arc::clone(&readership));
    let mut second = Reader::new(Arc::clone(&readership));
    let (mut from, mut other) = (ReadFrom::First, ReadFrom::First);
    let mut early = std::pin::pin!(page(&mut first, &mut from));
    timeout(INTERVAL / 2, &mut early).await.unwrap_err();
    readership.forget();
    let late = async {
        timeout(INTERVAL / 4, page(&mut second, &mut other)).await.unwrap_err();
        assert_eq!(feed.requests(), 2, "the second asks for itself");
    };
    tokio::join!(late, async { assert_eq!(timeout(60 * INTERVAL, early).await.unwrap().0, 20) });
    assert_eq!(feed.requests(), 2, "the first reads on");
    assert_eq!(page(&mut second, &mut ReadFrom::First).await.0, 20);
    assert_eq!(feed.requests(), 3, "nothing of the page before was kept");
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_given_once_to_each_who_rested() {
    let feed = Numbers::of(0);
    let readership = feed.readership(1 << 20);
    let (mut first, mut second) = (Reader::new(Arc::clone(&readership)), Reader::new(readership));
    let (mut from, mut other) = (ReadFrom::First, ReadFrom::First);
    page(&mut first, &mut from).await.1.unwrap();
    page(&mut second, &mut other).await.1.unwrap();
    feed.fails.store(100, Ordering::Relaxed);
    let asking = async {
        first.rest(&from.clone(), INTERVAL).await;
        page(&mut first, &mut from).await.1.unwrap_err();
    };
    let resting = async {
        second.rest(&other.clone(), INTERVAL).await;
        page(&mut second, &mut other).await.1.unwrap_err();
    };
    tokio::join!(asking, resting);
    assert_eq!(feed.requests(), 2, "both heard of one failure");
    page(&mut second, &mut other).await.1.unwrap_err();
    assert_eq!(feed.requests(), 3, "the same failure was given twice");
}

/// A reader that goes away and comes back at random, until it has read everything.
async fn restless(readership: Arc<Readership<Arc<Numbers>>>, seed: u64, until: usize) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut from = ReadFrom::First;
    while number(&from) < until {
        sleep(Duration::from_millis(rng.u64(..500))).await;
        let mut reader = Reader::new(Arc::clone(&readership));
        let stay = Duration::from_millis(rng.u64(1..3000));
        // It may end in the middle of a page: what was not read through `page` is read again.
        timeout(stay, read(&mut reader, &mut from, until)).await.ok();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn readers_that_come_and_go_are_each_given_everything_once_and_in_order(
        seed: u64,
        readers in 1u64..12,
        fails in 0usize..40,
        bytes_max in prop_oneof![Just(0usize), Just(2_000), Just(1 << 20)],
        slow in 0u64..200,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let feed = Numbers::with(0, seed, Duration::from_millis(slow));
            feed.fails.store(fails, Ordering::Relaxed);
            let readership = feed.readership(bytes_max);
            let mut all = JoinSet::new();
            for number in 0..readers {
                all.spawn(restless(Arc::clone(&readership), seed.wrapping_add(number), 300));
            }
            for _ in 0..30 {
                sleep(Duration::from_millis(700)).await;
                feed.append(10);
            }
            let day = Duration::from_hours(24);
            timeout(day, async { while let Some(done) = all.join_next().await { done.unwrap(); } }).await.expect("one waits for ever");
        });
    }
}
