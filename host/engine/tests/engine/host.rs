//! The host of the tests: an engine, a processor, a state in memory.

use std::{
    collections::{BTreeMap, HashMap},
    future::Future,
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Wake, Waker},
    thread::Thread,
    time::Duration,
};

use tempfile::TempDir;
use tidemill_engine::{
    CodeHashes, Compiler, ComponentProcessor, Engine, EngineSettings, Limits, LoadError, LogLevel, ProcessorSettings,
};
use tidemill_pipeline::{
    Batch, Call, Cost, Cursor, Digest, Event, Failure, FeedName, Instances, Metadata, Overlay, PartitionId,
    PartitionKey, Processed, Processor, ProcessorName, ReadFrom, Refusal, Rejection, Snapshot, Span, Value,
    WriteBounds,
};

#[derive(Default)]
pub struct Hashes(pub Mutex<HashMap<String, Digest>>);

impl CodeHashes for Hashes {
    fn get(&self, name: &str) -> Option<Digest> {
        self.0.lock().unwrap().get(name).copied()
    }

    fn set(&self, name: &str, hash: Digest) {
        self.0.lock().unwrap().insert(name.to_owned(), hash);
    }
}

pub fn settings(dir: &std::path::Path) -> EngineSettings {
    EngineSettings {
        cache_dir: dir.join("code"),
        threads: 2,
        compiler: Compiler::InProcess,
        hashes: Arc::new(Hashes::default()),
        tick: Duration::from_millis(5),
    }
}

/// An engine, and the directory that it keeps code in.
pub fn engine() -> (Engine, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (Engine::new(settings(dir.path())).unwrap(), dir)
}

/// Why a file is not loaded.
pub fn load_error(file: &[u8], limits: &Limits) -> LoadError {
    let (engine, _dir) = engine();
    engine.load(file, limits).expect_err("it is not loaded")
}

/// A processor over a state in memory.
pub struct Host {
    pub processor: ComponentProcessor,
    pub state: BTreeMap<String, Value>,
    pub bounds: WriteBounds,
    pub broken: bool,
    _dir: TempDir,
}

pub fn processor_settings() -> ProcessorSettings {
    ProcessorSettings {
        name: ProcessorName::new("totals"),
        config: vec![("currency".into(), "NOK".into()), ("a".into(), "1".into())],
        config_digest: Digest::of(b"config"),
        limits: Limits { fuel_base: 100_000_000, call_time_max: Duration::from_secs(20), ..Limits::default() },
        instances: Instances::Fresh,
        log_level: LogLevel::Info,
    }
}

impl Host {
    pub fn new(file: &[u8]) -> Self {
        Self::with(file, |_| {})
    }

    pub fn with(file: &[u8], change: impl FnOnce(&mut ProcessorSettings)) -> Self {
        let (engine, dir) = engine();
        let mut settings = processor_settings();
        change(&mut settings);
        let component = engine.load(file, &Limits::default()).unwrap();
        let processor = engine.processor(&component, settings);
        Self { processor, state: BTreeMap::new(), bounds: WriteBounds::default(), broken: false, _dir: dir }
    }

    pub fn call(&mut self, events: &[&str]) -> Processed {
        self.process(self::events(events), false)
    }

    pub fn process(&mut self, batch: Batch, fresh: bool) -> Processed {
        let base = Fixed { state: self.state.clone(), broken: self.broken };
        let overlay = Overlay::new(Box::new(base), self.bounds);
        let events = 0..batch.len();
        block_on(self.processor.process(Call { batch: Arc::new(batch), events, overlay, fresh }))
    }

    /// Calls, and commits what was written.
    pub fn apply(&mut self, events: &[&str]) -> Cost {
        let processed = self.call(events);
        let cost = processed.result.unwrap();
        for (key, value) in processed.overlay.unwrap().into_writes().iter() {
            match value {
                Some(value) => self.state.insert(key.to_owned(), value.clone()),
                None => self.state.remove(key),
            };
        }
        self.processor.committed();
        cost
    }

    pub fn refusal(&mut self, events: &[&str]) -> Refusal {
        let processed = self.call(events);
        let writes = processed.overlay.expect("the overlay comes back").into_writes();
        assert!(writes.is_empty(), "a refused call leaves no write");
        processed.result.expect_err("the call is refused")
    }

    pub fn rejection(&mut self, events: &[&str]) -> Rejection {
        match self.refusal(events) {
            Refusal::Rejected(rejection) => rejection,
            other => panic!("not rejected: {other:?}"),
        }
    }

    pub fn text(&self, key: &str) -> Option<&str> {
        match self.state.get(key)? {
            Value::Text(text) => Some(text),
            Value::Bytes(_) => None,
        }
    }
}

/// A call over no state.
pub fn call(processor: &mut ComponentProcessor, batch: Batch) -> Processed {
    let overlay = Overlay::new(no_state(), WriteBounds::default());
    let events = 0..batch.len();
    block_on(processor.process(Call { batch: Arc::new(batch), events, overlay, fresh: false }))
}

/// A batch of events without metadata.
pub fn events(events: &[&str]) -> Batch {
    batch(events.iter().map(|event| (*event, Metadata::default())))
}

pub fn batch<'a>(events: impl IntoIterator<Item = (&'a str, Metadata)>) -> Batch {
    let mut body = String::new();
    let mut ranges = Vec::new();
    for (event, metadata) in events {
        let start = u32::try_from(body.len()).unwrap();
        body.push_str(event);
        let end = u32::try_from(body.len()).unwrap();
        ranges.push(Event::text(start..end).with_metadata(metadata));
    }
    let key = PartitionKey { feed: FeedName::new("orders"), partition: PartitionId::new("0") };
    Batch::new(key, Span::new(ReadFrom::First, Cursor::new("1").unwrap(), body.into(), ranges))
}

/// A state without an entry.
pub fn no_state() -> Box<dyn Snapshot> {
    Box::new(Fixed { state: BTreeMap::new(), broken: false })
}

struct Fixed {
    state: BTreeMap<String, Value>,
    broken: bool,
}

impl Snapshot for Fixed {
    fn get(&mut self, key: &str) -> Result<Option<Value>, Failure> {
        if self.broken {
            return Err(Failure::unavailable(tidemill_pipeline::Stage::Load, "the disk is gone"));
        }
        Ok(self.state.get(key).cloned())
    }

    fn scan(&mut self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<(String, Value)>, Failure> {
        let hit = |key: &str| key.starts_with(prefix) && after.is_none_or(|after| key > after);
        let found = self.state.iter().filter(|(key, _)| hit(key)).take(limit);
        Ok(found.map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}

pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}
