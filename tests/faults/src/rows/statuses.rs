//! Every status of the table in the protocols' page, before the head, within it and within the body, with every kind of
//! `Retry-After`: what the reader says of it, and what the worker does about that.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result};
use tidemill_feeds::{Address, Bounds, Credential, Feed, FeedSettings};
use tidemill_pipeline::{Ask, Cursor, Failure, FeedName, PageEnd, PartitionId, ReadFrom, Source as _, Stage, way};

use crate::{
    replay,
    row::Row,
    table::{ANSWERS, ASKS, Case, PLACES, Place, WAITS, Wait, cases, check},
    trial::{Tally, Trial, holds},
    wire::{self, Act, Asked, Framing, Wire},
};

/// The row.
pub(crate) const ROW: Row = Row {
    name: "statuses",
    fault: "every status, before the head, within it, and within the body, with `Retry-After` as seconds, date and garbage",
    unit: "answers",
    invariant: "the worker waits, stops, follows or discovers again as the table says, for as long as it says; a cursor that keeps failing is called suspect",
    full: (ANSWERS.len() * PLACES.len() * WAITS.len() * ASKS.len()) as u64,
    quick: 350,
    finds: &["retry-after", "one-origin"],
    run,
};

fn run(trial: &Trial) -> Result<Tally> {
    let mut cases: Vec<(usize, Case)> = cases().into_iter().enumerate().collect();
    trial.dice().shuffle(&mut cases);
    cases.truncate(usize::try_from(trial.count)?);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut tally = Tally::default();
    let publishers = runtime.block_on(Publishers::start())?;
    for (number, case) in cases {
        let (result, asked) = runtime.block_on(publishers.ask(number, case))?;
        tally.count(&check(case, &result, asked)?);
        tally.tried += 1;
        if let Err(failure) = result {
            replay::check(&failure).with_context(|| format!("{case:?}"))?;
        }
        let elsewhere = publishers.elsewhere.lock().expect("no holder panics").len();
        holds!(elsewhere == 0, "{case:?}: the credential went to another origin");
    }
    Ok(tally)
}

/// A publisher that answers each case as it says, and another origin.
struct Publishers {
    wire: Wire,
    _other: Wire,
    /// Whether all is answered well.
    is_well: Arc<AtomicBool>,
    /// The requests for cases, and what came to the other origin.
    asked: Arc<Mutex<usize>>,
    elsewhere: Arc<Mutex<Vec<Asked>>>,
    directory: tempfile::TempDir,
}

const PAGE: &str = "{\"partition\":0,\"data\":1}\n{\"partition\":0,\"cursor\":\"9\"}\n";
const DISCOVERY: &str = "{\"token\":\"t\",\"partitions\":[{\"id\":\"0\"}]}";

impl Publishers {
    async fn start() -> Result<Self> {
        let elsewhere = Arc::<Mutex<Vec<Asked>>>::default();
        let seen = Arc::clone(&elsewhere);
        let other = Wire::start(move |asked| {
            seen.lock().expect("no holder panics").push(asked.clone());
            wire::page(if asked.place().is_some() { PAGE } else { DISCOVERY })
        })
        .await?;
        let asked = Arc::<Mutex<usize>>::default();
        let (cases, counter, other_url) = (cases(), Arc::clone(&asked), other.url());
        let is_well = Arc::new(AtomicBool::new(true));
        let well = Arc::clone(&is_well);
        let wire = Wire::start(move |asked| {
            let mut path = asked.path.trim_matches('/').split('/');
            let number = path.find_map(|part| part.parse::<usize>().ok());
            let Some(case) = number.and_then(|number| cases.get(number)) else { return vec![Act::Close] };
            let concerned = (case.asks.1 == Stage::Discover) != asked.place().is_some();
            if !concerned || well.load(Ordering::Relaxed) {
                return wire::page(if asked.place().is_some() { PAGE } else { DISCOVERY });
            }
            *counter.lock().expect("no holder panics") += 1;
            case.acts(asked, &other_url)
        })
        .await?;
        Ok(Self { wire, _other: other, is_well, asked, elsewhere, directory: tempfile::tempdir()? })
    }

    /// Asks for a case as the worker would, and says how it went and how many requests that were.
    async fn ask(&self, number: usize, case: Case) -> Result<(Result<(), Failure>, usize)> {
        let (protocol, stage) = case.asks;
        let token = self.directory.path().join(format!("token-{number}"));
        std::fs::write(&token, "old")?;
        let address = format!("{}/{number}", self.wire.url());
        let mut settings = FeedSettings::new(FeedName::new("feed"), Address::Http(address.parse()?));
        (settings.protocol, settings.partitions) = (protocol, std::num::NonZeroU32::new(1));
        settings.credential = Some(Credential::File(token.clone()));
        settings.bounds = Bounds { idle_time: Duration::from_secs(20), ..Bounds::default() };
        let feed = Feed::open(settings)?;
        self.is_well.store(true, Ordering::Relaxed);
        feed.discover().await?;
        if stage == Stage::Fetch {
            page(&feed).await?;
        }
        self.is_well.store(false, Ordering::Relaxed);
        // From now on the reader knows the old credential.
        std::fs::write(&token, if case.answer.1 == "rotated" { "new" } else { "old" })?;
        *self.asked.lock().expect("no holder panics") = 0;
        let result = if stage == Stage::Discover { feed.discover().await.map(drop) } else { page(&feed).await };
        std::fs::remove_file(&token)?;
        Ok((result, *self.asked.lock().expect("no holder panics")))
    }
}

/// Fetches a page from a cursor.
async fn page(feed: &Feed) -> Result<(), Failure> {
    let (mut sink, fetched) = way(1 << 20);
    let cursor = Cursor::new("5").expect("it is one");
    let ask = Ask { from: ReadFrom::After(cursor), page_size: std::num::NonZeroU32::MIN };
    let end = feed.source(PartitionId::new("0")).fetch(ask, &mut sink).await;
    drop(fetched);
    match end? {
        PageEnd { cut: Some(failure), .. } => Err(failure),
        PageEnd { cut: None, .. } => Ok(()),
    }
}

impl Case {
    fn acts(self, asked: &Asked, other: &str) -> Vec<Act> {
        let (status, detail, _) = self.answer;
        let good = if asked.place().is_some() { PAGE } else { DISCOVERY };
        let redirected = asked.query.contains_key("redirected");
        if detail == "rotated" && asked.authorization == "Bearer new" || detail == "here" && redirected {
            return wire::page(good);
        }
        let query: Vec<String> = asked.query.iter().map(|(name, value)| format!("{name}={value}&")).collect();
        let query = query.concat();
        let location = match detail {
            "here" | "round" => format!("location: {}?{query}redirected=1\r\n", asked.path),
            "elsewhere" => format!("location: {other}?{query}\r\n"),
            _ => String::new(),
        };
        let date = |seconds: i64| {
            let away = Duration::from_secs(seconds.unsigned_abs());
            let now = SystemTime::now();
            httpdate::fmt_http_date(if seconds < 0 { now - away } else { now + away })
        };
        let wait = match self.wait {
            Wait::Nothing => String::new(),
            Wait::Words(words, _) => format!("retry-after: {words}\r\n"),
            Wait::Date(seconds) => format!("retry-after: {}\r\n", date(seconds)),
        };
        let body = if status.starts_with("200") { good.to_owned() } else { "{\"detail\": \"no\"}".repeat(3) };
        let mut bytes = wire::answer(status, &format!("{wait}{location}"), body.as_bytes(), Framing::Length);
        let head = bytes.len() - body.len();
        match self.place.0 {
            Place::Whole => return vec![Act::Send(bytes.into())],
            Place::BeforeHead => bytes.clear(),
            // All lines are there, but not the empty one that ends them.
            Place::InHead => bytes.truncate(head - 2),
            Place::InBody => bytes.truncate(head + body.len() / 2),
        }
        vec![Act::Send(bytes.into()), if self.place.1 { Act::Reset } else { Act::Close }]
    }
}
