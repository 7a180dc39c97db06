//! The wiring: the one file that names every adapter and makes them from the configuration.

use std::{ffi::OsString, fmt, path::Path, sync::Arc, thread::available_parallelism, time::Duration};

use anyhow::Context as _;
use tidemill_engine::{CodeHashes, Compiler, CompilerCommand, EngineSettings, LoadError, LogLevel, ProcessorSettings};
use tidemill_feeds::{Address, Bounds, Credential, FeedSettings};
use tidemill_pipeline::{
    Claim, Digest, Failure, FeedName, FetchSettings, Fields, Observer, PartitionKey, ProcessorId, ProcessorName, Quota,
    RetryPolicy, Share, Stage, WorkerSettings,
};
use tidemill_store::{DataLock, Options, Outcome, Owner, RequestKind, Requests};

use super::{HostOptions, anew::CODE, components::unloadable, make_data_directory, troubles};
use crate::{
    config::{FeedConfig, FeedUrl, Limits, ProcessorConfig, Protocol, SecretSource},
    logging::COMPILING_TARGET,
};

pub(crate) type Store = tidemill_store::Sqlite;
pub(crate) type Reader = tidemill_store::Reader;
type Engine = tidemill_engine::Engine;
pub(crate) type Component = tidemill_engine::Component;
pub(crate) type Processor = tidemill_engine::ComponentProcessor;
pub(crate) type LogQuota = tidemill_engine::LogQuota;
pub(crate) type Feed = tidemill_feeds::Feed;

/// The protocol with a discovery.
pub(crate) const FEED_API: tidemill_feeds::Protocol = tidemill_feeds::Protocol::FeedApi;

/// The largest component that is compiled before anybody wonders. Those of Rust and C are smaller, interpreters larger.
const QUICK_BYTES_MAX: usize = 1024 * 1024;

/// How finely the wall time of calls is measured.
const TICK: Duration = Duration::from_millis(10);

/// What every processor of a host shares.
pub(crate) struct Wiring {
    pub(crate) store: Store,
    engine: Engine,
    pub(crate) options: HostOptions,
    data: std::path::PathBuf,
    /// Says to others that this process runs the processors. Released by the system however the process ends.
    _lock: DataLock,
}

impl fmt::Debug for Wiring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wiring").field("data", &self.data).finish_non_exhaustive()
    }
}

impl Wiring {
    /// Takes the data directory, and opens what is in it. Blocks.
    pub(crate) fn open(data: &Path, options: HostOptions) -> anyhow::Result<Self> {
        make_data_directory(data)?;
        let lock = DataLock::acquire(data).map_err(|held| {
            anyhow::anyhow!("{held}\n  hint: stop it first, or give this configuration a `data` directory of its own")
        })?;
        // Of a host that could not say that it ended.
        troubles::forget(data);
        let store = Store::open(data, &Options::default())?;
        let hashes = Hashes { store: store.clone(), runtime: tokio::runtime::Handle::current() };
        let threads = options.threads.unwrap_or_else(|| available_parallelism().map_or(1, usize::from));
        let engine = Engine::new(engine_settings(&data.join(CODE), threads, Arc::new(hashes))?)?;
        Ok(Self { store, engine, options, data: data.to_owned(), _lock: lock })
    }

    /// Forgets why things waited: nothing runs any more.
    pub(super) fn forget_troubles(&self) {
        troubles::forget(&self.data);
    }

    /// Claims a processor for this process.
    pub(crate) async fn claim(&self, processor: &ProcessorId) -> Result<Claim, Failure> {
        self.store.claim(processor, &Owner::this_process().to_string()).await
    }

    /// Sets how much a processor may keep from now on, and warns if that is nearly used up.
    pub(crate) async fn set_quota(&self, claim: &Claim, quota: Quota) -> Result<(), Failure> {
        let stored = self.store.set_quota(claim, quota).await?;
        let near = quota.shares(stored).filter(Share::is_nearly_used);
        near.for_each(|share| share.warn(&claim.processor.name));
        Ok(())
    }

    /// Lets a feed's cursors count although its address changed, if the command line says so.
    pub(crate) async fn accept_feed_change(&self, claim: &Claim, name: &FeedName, feed: &Feed) -> Result<(), Failure> {
        if !self.options.accept_feed_change.accepts(name) {
            return Ok(());
        }
        let kind = RequestKind::AcceptFeedChange { feed: name.clone(), identity: feed.identity() };
        let (data, processor) = (self.data.clone(), claim.processor.clone());
        let submit = move || Requests::open(&data)?.submit(&processor, &kind);
        let id = tokio::task::spawn_blocking(submit).await.unwrap_or_else(|error| {
            Err(Failure::unavailable(tidemill_pipeline::Stage::Load, format!("the request was lost: {error}")))
        })?;
        let processor = &claim.processor.name;
        match self.store.execute(claim, id).await? {
            Outcome::Done(done) => {
                tracing::info!(%processor, feed = %name, done, "the feed's new address was accepted");
            }
            Outcome::Refused { cause, hint } => {
                tracing::warn!(%processor, feed = %name, %cause, hint = hint.as_deref(), "the feed's new address was not accepted");
            }
        }
        Ok(())
    }

    /// Notes that a processor runs a component from now on. What stopped over the one before may try again; gives how
    /// many partitions that are.
    pub(crate) async fn accept(&self, claim: &Claim, component: &Component) -> Result<usize, Failure> {
        let resumed = self.store.accept_component(claim, component.digest()).await?;
        if resumed > 0 {
            tracing::info!(processor = %claim.processor.name, partitions = resumed, "stopped partitions try again with another component");
        }
        Ok(resumed)
    }

    /// Loads a component. Blocks.
    pub(crate) fn load(&self, bytes: &[u8], config: &ProcessorConfig) -> anyhow::Result<Component> {
        if is_long_work(&self.engine, bytes) {
            tracing::info!(target: COMPILING_TARGET, "{}", compiling(&config.component, bytes));
        }
        let component = self.engine.load(bytes, &limits(config)).map_err(|error| {
            if matches!(error, LoadError::Cache(_)) {
                // It says nothing about the component: the same goes well when the disk does.
                let cause = format!("the component {} does not load: {error}", config.component.display());
                return Failure::unavailable(Stage::Load, cause)
                    .hint("look at the space on the disk and at the directory's owner");
            }
            unloadable(&config.component, &error.into())
        });
        Ok(component?)
    }

    /// A processor that calls a component. Costs next to nothing until its first call. What it says counts towards a quota
    /// of lines.
    pub(crate) fn processor(
        &self,
        component: &Component,
        name: &ProcessorName,
        config: &ProcessorConfig,
        lines: Arc<LogQuota>,
    ) -> Processor {
        let settings = ProcessorSettings {
            name: name.clone(),
            config: config.config.entries().iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            config_digest: config.digest(),
            limits: limits(config),
            instances: config.instances,
            log_level: log_level(config.log_level),
        };
        self.engine.processor(component, settings).within(lines)
    }
}

/// Whether loading a component takes so long that people ask themselves what it does.
pub(crate) fn is_long_work(engine: &Engine, bytes: &[u8]) -> bool {
    bytes.len() > QUICK_BYTES_MAX && !engine.is_compiled(bytes)
}

/// What is said to whoever waits.
pub(crate) fn compiling(path: &Path, bytes: &[u8]) -> String {
    let size = bytesize::ByteSize(bytes.len() as u64);
    format!("compiling {} ({size}) to machine code; it is kept, so the next start is quick", path.display())
}

/// The engine's settings for this program: it compiles in a child of itself.
pub(crate) fn engine_settings(
    cache_dir: &Path,
    threads: usize,
    hashes: Arc<dyn CodeHashes>,
) -> anyhow::Result<EngineSettings> {
    let program = std::env::current_exe()
        .context("the program's own file cannot be found; it compiles components in a child of itself")?;
    let compiler = Compiler::Child(CompilerCommand::new(program, [OsString::from("compile-child")]));
    Ok(EngineSettings { cache_dir: cache_dir.to_owned(), threads, compiler, hashes, tick: TICK })
}

/// What the component of a processor may use.
fn limits(config: &ProcessorConfig) -> tidemill_engine::Limits {
    granted(&config.limits)
}

/// What a component may use.
pub(crate) fn granted(limits: &Limits) -> tidemill_engine::Limits {
    tidemill_engine::Limits {
        memory_bytes_max: limits.memory_bytes_max,
        call_time_max: limits.call_time,
        fuel_base: limits.fuel_per_call,
        fuel_per_event: limits.fuel_per_event,
        fuel_per_byte: limits.fuel_per_byte,
        component_bytes_max: limits.component_bytes_max,
        ..tidemill_engine::Limits::default()
    }
}

pub(crate) fn log_level(level: tracing::Level) -> LogLevel {
    match level {
        tracing::Level::TRACE => LogLevel::Trace,
        tracing::Level::DEBUG => LogLevel::Debug,
        tracing::Level::INFO => LogLevel::Info,
        tracing::Level::WARN => LogLevel::Warn,
        tracing::Level::ERROR => LogLevel::Error,
    }
}

/// The hashes of compiled code, kept in the database.
struct Hashes {
    store: Store,
    runtime: tokio::runtime::Handle,
}

impl CodeHashes for Hashes {
    fn get(&self, name: &str) -> Option<Digest> {
        self.runtime.block_on(self.store.code_hash(name)).unwrap_or_else(|failure| {
            tracing::warn!(cause = %failure.cause, "the hash of compiled code cannot be read");
            None
        })
    }

    fn set(&self, name: &str, hash: Digest) {
        if let Err(failure) = self.runtime.block_on(self.store.set_code_hash(name, hash)) {
            tracing::warn!(cause = %failure.cause, "the hash of compiled code cannot be kept; it will be compiled again");
        }
    }
}

/// A feed of the configuration. No network.
pub(crate) fn open_feed(name: &FeedName, config: &FeedConfig) -> anyhow::Result<Feed> {
    let address = match &config.url {
        FeedUrl::Http(url) => Address::Http(url.clone()),
        FeedUrl::File(path) => Address::File(path.clone()),
    };
    let bounds = &config.bounds;
    let settings = FeedSettings {
        protocol: match config.protocol {
            Protocol::Auto => tidemill_feeds::Protocol::Auto,
            Protocol::ZeroEventHub => tidemill_feeds::Protocol::ZeroEventHub,
            Protocol::FeedApi => tidemill_feeds::Protocol::FeedApi,
        },
        partitions: config.partitions,
        event_headers: config.event_headers.clone(),
        request_headers: config.request_headers.0.clone().into_iter().collect(),
        credential: config.bearer_token.as_ref().map(|source| match source {
            SecretSource::Env(name) => Credential::Env(name.clone()),
            SecretSource::File(path) => Credential::File(path.clone()),
        }),
        ca_file: config.ca_file.clone(),
        bounds: Bounds {
            line_bytes_max: bounds.line_bytes_max,
            page_bytes_max: bounds.page_bytes_max,
            shared_bytes_max: bounds.shared_bytes_max,
            header_bytes_max: bounds.header_bytes_max,
            time_to_first_byte: bounds.time_to_first_byte,
            idle_time: bounds.idle_time,
            bytes_per_second_min: bounds.bytes_per_second_min,
            decompression_ratio_max: bounds.decompression_ratio_max,
            redirects_max: bounds.redirects_max,
        },
        ..FeedSettings::new(name.clone(), address)
    };
    Feed::open(settings).map_err(|error| anyhow::anyhow!("{error}\n  hint: {}", error.hint()))
}

/// The waits after failures.
pub(crate) fn retry_policy() -> RetryPolicy {
    RetryPolicy::default()
}

pub(crate) fn fetch_settings(config: &FeedConfig) -> FetchSettings {
    FetchSettings { page_size: config.page_size, poll_interval: config.poll_interval, retry: retry_policy() }
}

pub(crate) fn worker_settings(
    key: PartitionKey,
    feed_identity: String,
    feed: &FeedConfig,
    config: &ProcessorConfig,
    observer: Option<Arc<dyn Observer>>,
) -> WorkerSettings {
    WorkerSettings {
        key,
        feed_identity,
        fields: config.fields.as_ref().map(Fields::new),
        batch: config.batch,
        // A batch may become twice as large at once, and must still fit a call.
        batch_time: config.batch_time.min(config.limits.call_time / 2),
        writes: config.limits.writes,
        on_reject: config.on_reject,
        parking: config.parking.clone(),
        durability: config.durability,
        fetch_ahead_bytes: feed.bounds.fetch_ahead_bytes,
        retry: retry_policy(),
        observer,
    }
}
