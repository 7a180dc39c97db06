//! The straight line, by hand: one batch after the other, and what each step took.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, bail};
use bytes::Bytes;
use cpu_time::ProcessTime;
use tidemill_engine::{CodeHashes, Compiler, Component, Engine, EngineSettings, Limits, LogLevel, ProcessorSettings};
use tidemill_feeds::{Address, Feed, FeedSettings, LineForm, Page, PageBounds, Protocol};
use tidemill_pipeline::{
    Ask, Batch, BatchBounds, Call, Commit, Digest, Failure, FeedName, Fetched, Fields, Instances, NewPartition,
    Overlay, PartitionId, PartitionKey, Processor as _, ProcessorId, ProcessorName, ReadFrom, Snapshot, Source as _,
    Span, StateGuard, StateSpace, Status, Step, Store as _, Value, WriteBounds, WriteSet, way,
};
use tidemill_store::{Options, Sqlite};
use tokio::runtime::Runtime;
use url::Url;

use super::Stages;

/// Events in a batch, as many as a worker takes while it catches up.
const BATCH: usize = 10_000;

/// Everything that is there before the first event.
pub(super) struct Machinery {
    runtime: Runtime,
    engine: Engine,
    component: Component,
    /// A component that ignores its events.
    ignoring: Component,
    instances: Instances,
    directory: tempfile::TempDir,
}

impl Machinery {
    pub(super) fn new(component: &[u8], ignoring: &[u8], instances: Instances) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let engine = Engine::new(EngineSettings {
            cache_dir: directory.path().join("code"),
            threads: 1,
            compiler: Compiler::InProcess,
            hashes: Arc::new(Hashes::default()),
            tick: Duration::from_millis(10),
        })?;
        let component = engine.load(component, &limits())?;
        let ignoring = engine.load(ignoring, &limits())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { runtime, engine, component, ignoring, instances, directory })
    }

    /// Goes along all pages of a feed with an empty database.
    pub(super) fn go(&self, url: &str, pages: &[Bytes]) -> Result<Stages> {
        self.runtime.block_on(self.run(&url.parse()?, pages)).map_err(|failure| anyhow!("{failure}"))
    }

    async fn run(&self, url: &Url, pages: &[Bytes]) -> Result<Stages> {
        let key = PartitionKey { feed: FeedName::new("orders"), partition: PartitionId::new("0") };
        let mut settings = FeedSettings::new(key.feed.clone(), Address::Http(url.clone()));
        (settings.protocol, settings.partitions) = (Protocol::ZeroEventHub, NonZeroU32::new(1));
        let feed = Feed::open(settings)?;
        feed.discover().await?;
        let mut source = feed.source(key.partition.clone());

        let database = tempfile::tempdir_in(self.directory.path())?;
        let store = Sqlite::open(database.path(), &Options::default())?;
        let id = ProcessorId { name: ProcessorName::new("totals"), version: 1 };
        let claim = store.claim(&id, "bench").await?;
        let opened = NewPartition { key: key.clone(), start: ReadFrom::First, feed_identity: feed.identity() };
        let mut state = store.state_generation(&claim).await?;
        let guard = |state| StateGuard::Shared { generation: state };
        store.commit(Commit { opened: vec![opened], ..Commit::nothing(claim.clone(), guard(state)) }).await?;
        state = store.state_generation(&claim).await?;
        let mut generation = store.load(&claim, &key).await?.ok_or_else(|| anyhow!("it was opened"))?.generation;

        let mut processor = self.engine.processor(&self.component, processor_settings("totals", self.instances));
        let mut ignoring = self.engine.processor(&self.ignoring, processor_settings("ignoring", self.instances));
        let fields = Fields::new(crate::feed::Feed::READ);
        let mut took = Took::default();
        let mut from = ReadFrom::First;
        // As in a lane, a batch finds at hand what the one before it wrote.
        let mut recent = WriteSet::default();
        let mut events = 0;
        for pages in pages.chunks(BATCH / 1_000) {
            took.parse += parsed(&from, &key.partition, pages)?;
            let mut spans = Vec::new();
            let begun = ProcessTime::now();
            for _ in pages {
                let (mut sink, mut fetched) = way(u32::MAX >> 4);
                let ask = Ask { from: from.clone(), page_size: NonZeroU32::new(1_000).expect("not zero") };
                source.fetch(ask, &mut sink).await?;
                drop(sink);
                while let Some(next) = fetched.recv().await {
                    let Fetched::Span(span, _) = next else { bail!("the publisher has no more") };
                    from = ReadFrom::After(span.to().clone());
                    spans.push(span);
                }
            }
            took.fetch += begun.elapsed();
            let begun = ProcessTime::now();
            let spans: Vec<_> = spans.into_iter().map(|span| span.picked(Some(&fields))).collect();
            took.pick += begun.elapsed();

            let batch = Arc::new(batch(&key, spans)?);
            let (space, reads) = (StateSpace::Shared, Arc::new(AtomicU64::new(0)));
            let snapshot = Timed { snapshot: store.snapshot(&claim, &space), nanos: Arc::clone(&reads) };
            let call = |snapshot: Box<dyn Snapshot>| Call {
                batch: Arc::clone(&batch),
                events: 0..batch.len(),
                overlay: Overlay::new(snapshot, WriteBounds::default()).knowing(recent.clone()),
                fresh: false,
            };
            let begun = ProcessTime::now();
            let processed = processor.process(call(Box::new(snapshot))).await;
            took.process += begun.elapsed();
            took.read += Duration::from_nanos(reads.load(Ordering::Relaxed));
            processed.result.map_err(|refusal| anyhow!("{refusal:?}"))?;
            let overlay = processed.overlay.ok_or_else(|| anyhow!("the overlay is lost"))?;
            let begun = ProcessTime::now();
            let ignored = ignoring.process(call(store.snapshot(&claim, &space))).await;
            took.cross += begun.elapsed();
            ignored.result.map_err(|refusal| anyhow!("{refusal:?}"))?;

            let step = |generation, events| Step {
                key: key.clone(),
                from_generation: generation,
                to: Some(batch.to().clone()),
                events,
                status: Status::Running,
                error: None,
            };
            let writes = overlay.into_writes();
            recent = writes.clone();
            let whole = Commit {
                writes,
                code: Some(processor.code()),
                ..Commit::of_step(claim.clone(), guard(state), step(generation, batch.len() as u64))
            };
            let begun = ProcessTime::now();
            store.commit(whole).await?;
            took.commit += begun.elapsed();
            processor.committed();
            ignoring.committed();
            let empty = Commit {
                code: Some(processor.code()),
                ..Commit::of_step(claim.clone(), guard(state + 1), step(generation + 1, 0))
            };
            let begun = ProcessTime::now();
            store.commit(empty).await?;
            took.empty += begun.elapsed();
            (state, generation) = (state + 2, generation + 2);
            events += batch.len();
        }
        Ok(took.an_event(events))
    }
}

/// What all events together took.
#[derive(Default)]
struct Took {
    /// With parsing.
    fetch: Duration,
    parse: Duration,
    pick: Duration,
    /// With crossing and reading.
    process: Duration,
    cross: Duration,
    read: Duration,
    /// With the rows.
    commit: Duration,
    empty: Duration,
}

impl Took {
    fn an_event(&self, events: usize) -> Stages {
        let an_event = |time: Duration| time.as_secs_f64() * 1e9 / events as f64;
        Stages {
            fetch: an_event(self.fetch.saturating_sub(self.parse)),
            parse: an_event(self.parse),
            pick: an_event(self.pick),
            cross: an_event(self.cross),
            guest: an_event(self.process.saturating_sub(self.cross + self.read)),
            read: an_event(self.read),
            write: an_event(self.commit.saturating_sub(self.empty)),
            commit: an_event(self.empty),
        }
    }
}

/// What it takes to find the spans in pages that are there already.
fn parsed(from: &ReadFrom, partition: &PartitionId, pages: &[Bytes]) -> Result<Duration> {
    let bounds = PageBounds { line_bytes_max: 1 << 20, span_bytes_max: 64 << 20 };
    let begun = ProcessTime::now();
    for bytes in pages {
        let mut page = Page::new(LineForm::ZeroEventHub(partition.clone()), from.clone(), bounds);
        for chunk in bytes.chunks(64 * 1024) {
            page.push(chunk);
            while page.next_span()?.is_some() {}
        }
    }
    Ok(begun.elapsed())
}

fn batch(key: &PartitionKey, spans: Vec<Span>) -> Result<Batch> {
    let mut spans = spans.into_iter();
    let mut batch = Batch::new(key.clone(), spans.next().ok_or_else(|| anyhow!("no span came"))?);
    let bounds = BatchBounds { events_max: usize::MAX, bytes_max: usize::MAX };
    spans.try_for_each(|span| batch.push(span, bounds)).map_err(|_| anyhow!("the spans do not follow each other"))?;
    Ok(batch)
}

fn limits() -> Limits {
    Limits { call_time_max: Duration::from_mins(1), ..Limits::default() }
}

fn processor_settings(name: &str, instances: Instances) -> ProcessorSettings {
    ProcessorSettings {
        name: ProcessorName::new(name),
        config: Vec::new(),
        config_digest: Digest::of(b""),
        limits: limits(),
        instances,
        log_level: LogLevel::Info,
    }
}

/// A snapshot that knows how long it was read.
struct Timed {
    snapshot: Box<dyn Snapshot>,
    nanos: Arc<AtomicU64>,
}

impl Timed {
    fn timed<T>(&mut self, read: impl FnOnce(&mut dyn Snapshot) -> T) -> T {
        let begun = Instant::now();
        let result = read(&mut *self.snapshot);
        self.nanos.fetch_add(u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        result
    }
}

impl Snapshot for Timed {
    fn get(&mut self, key: &str) -> Result<Option<Value>, Failure> {
        self.timed(|snapshot| snapshot.get(key))
    }

    fn scan(&mut self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<(String, Value)>, Failure> {
        self.timed(|snapshot| snapshot.scan(prefix, after, limit))
    }
}

/// The hashes of compiled code, in memory.
#[derive(Default)]
struct Hashes(Mutex<HashMap<String, Digest>>);

impl CodeHashes for Hashes {
    fn get(&self, name: &str) -> Option<Digest> {
        self.0.lock().expect("no holder panics").get(name).copied()
    }

    fn set(&self, name: &str, hash: Digest) {
        self.0.lock().expect("no holder panics").insert(name.to_owned(), hash);
    }
}
