//! A host in one process with its state in memory: calls a built component directly, without feed and database.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use tidemill_engine::{
    CodeHashes, Compiler, ComponentProcessor, Engine, EngineSettings, Limits, LogLevel, ProcessorSettings,
};
use tidemill_pipeline::{
    Batch, Call, Cursor, Digest, Event, Failure, FeedName, Instances, Overlay, PartitionId, PartitionKey, Processor,
    ProcessorName, ReadFrom, Refusal, Snapshot, Span, Value, WriteBounds,
};

/// The file of an example that `cargo xtask guests` built.
#[must_use]
pub fn example(language: &str, name: &str) -> Vec<u8> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../target/guests/{language}/{name}.wasm"));
    fs::read(&file).unwrap_or_else(|error| {
        panic!("{}: {error}\nhint: cargo xtask guests {}", file.display(), built_with(language));
    })
}

/// The language whose build makes a folder of `target/guests`.
#[must_use]
pub fn built_with(folder: &str) -> &str {
    if ["wrong", "elsewhere"].contains(&folder) { "rust" } else { folder }
}

/// The same module with a custom section more: another digest, the same behaviour.
#[must_use]
pub fn with_a_note(module: &[u8], note: &str) -> Vec<u8> {
    let section = [&[4][..], b"note", note.as_bytes()].concat();
    let length = u8::try_from(section.len()).unwrap();
    assert!(length < 128, "a length below 128 is one byte of LEB128");
    [module, &[0, length], &section].concat()
}

/// A component, its state, and the feed `orders`, partition `0`.
pub struct GuestHost {
    /// What was committed.
    pub state: BTreeMap<String, Value>,
    processor: ComponentProcessor,
}

impl GuestHost {
    /// A host for the component in this file, with an empty state.
    #[must_use]
    pub fn new(file: &[u8]) -> Self {
        Self::with_config(file, &[])
    }

    /// The same with a configuration that the component may read.
    #[must_use]
    pub fn with_config(file: &[u8], config: &[(&str, &str)]) -> Self {
        let limits = Limits { call_time_max: Duration::from_mins(1), ..Limits::default() };
        let directory = tempfile::tempdir().unwrap();
        let engine = Engine::new(EngineSettings {
            cache_dir: directory.path().join("code"),
            threads: 1,
            compiler: Compiler::InProcess,
            hashes: Arc::new(Hashes::default()),
            tick: Duration::from_millis(10),
        })
        .unwrap();
        let component =
            engine.load(file, &limits).unwrap_or_else(|error| panic!("the component does not load: {error}"));
        let settings = ProcessorSettings {
            name: ProcessorName::new("guest"),
            config: config.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            config_digest: Digest::of(b""),
            limits,
            instances: Instances::Fresh,
            log_level: LogLevel::Info,
        };
        Self { state: BTreeMap::new(), processor: engine.processor(&component, settings) }
    }

    /// Gives the component these payloads as one batch. What it wrote is committed if the call went well, and
    /// forgotten if not.
    ///
    /// # Errors
    /// What the component answered, where that is not success.
    pub fn call(&mut self, payloads: &[&str]) -> Result<(), Refusal> {
        let overlay = Overlay::new(Box::new(Memory(self.state.clone())), WriteBounds::default());
        let call = Call { batch: Arc::new(batch(payloads)), events: 0..payloads.len(), overlay, fresh: true };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let processed = runtime.block_on(self.processor.process(call));
        let writes = processed.overlay.expect("the overlay comes back").into_writes();
        assert!(processed.result.is_ok() || writes.is_empty(), "a refused call leaves no write");
        for (key, value) in writes.iter() {
            match value {
                Some(value) => self.state.insert(key.to_owned(), value.clone()),
                None => self.state.remove(key),
            };
        }
        processed.result.map(|_| ())
    }

    /// The text under a key; none if there is none, or if it is bytes.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.state.get(key)? {
            Value::Text(text) => Some(text),
            Value::Bytes(_) => None,
        }
    }
}

/// A batch of these payloads, of the feed `orders`, partition `0`.
#[must_use]
pub fn batch(payloads: &[&str]) -> Batch {
    let mut body = String::new();
    let mut events = Vec::new();
    for payload in payloads {
        let start = u32::try_from(body.len()).unwrap();
        body.push_str(payload);
        events.push(Event::text(start..u32::try_from(body.len()).unwrap()));
    }
    let key = PartitionKey { feed: FeedName::new("orders"), partition: PartitionId::new("0") };
    Batch::new(key, Span::new(ReadFrom::First, Cursor::new("1").unwrap(), body.into(), events))
}

/// A state in memory.
#[derive(Default)]
pub struct Memory(BTreeMap<String, Value>);

impl Snapshot for Memory {
    fn get(&mut self, key: &str) -> Result<Option<Value>, Failure> {
        Ok(self.0.get(key).cloned())
    }

    fn scan(&mut self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<(String, Value)>, Failure> {
        let hits =
            self.0.iter().filter(|(key, _)| key.starts_with(prefix) && after.is_none_or(|after| key.as_str() > after));
        Ok(hits.take(limit).map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}

/// The hashes of compiled code, in memory.
#[derive(Default)]
pub struct Hashes(Mutex<HashMap<String, Digest>>);

impl CodeHashes for Hashes {
    fn get(&self, name: &str) -> Option<Digest> {
        self.0.lock().unwrap().get(name).copied()
    }

    fn set(&self, name: &str, hash: Digest) {
        self.0.lock().unwrap().insert(name.to_owned(), hash);
    }
}
