//! The den: a project with hostile components and two neighbours, `totals` and `ledger`, that run on another feed.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fmt::Write as _,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use e2e::{
    guest_host::example,
    hostile,
    project::{Host, Project},
    publisher::Publisher,
};
use rusqlite::{Connection, OpenFlags};

use crate::{
    fold,
    queued::Queued,
    trial::{Trial, holds},
};

/// What a call of a hostile component may take.
pub(crate) const CALL_TIME: Duration = Duration::from_millis(200);
/// What a host with all of them may take, in bytes: what it needs anyway in the build of the tests, and for every thread a call's
/// memory, write set and log.
const MEMORY_BYTES_MAX: u64 = 400 * 1024 * 1024;
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);
/// No wait is longer.
const DEADLINE: Duration = Duration::from_mins(14);

/// The project, and the publisher of its neighbours' feed.
pub(crate) struct Den {
    pub(crate) project: Project,
    pub(crate) neighbours: Publisher,
    queued: RefCell<Queued>,
}

/// Where a processor is in a partition.
#[derive(Clone, Debug)]
#[expect(dead_code, reason = "the partition is for people who read it in an error")]
pub(crate) struct Stand {
    pub(crate) processor: String,
    pub(crate) partition: String,
    pub(crate) position: i64,
    pub(crate) status: String,
}

impl Den {
    /// A den where these components run. `configuration` says how, and what they read.
    pub(crate) fn new(trial: &Trial, harms: &[&str], configuration: &str) -> Result<Self> {
        let neighbours = Publisher::start(1, trial.seed);
        let mut text = format!("{configuration}\n{}", feed("witness", &neighbours));
        for name in ["totals", "ledger"] {
            writeln!(text, "[processors.{name}]\ncomponent = \"{name}.wasm\"\nfeeds = [\"witness\"]")?;
        }
        let mut project = Project::new(&text);
        project.set_environment("TIDEMILL_BREAK", trial.broken);
        for name in ["totals", "ledger"] {
            project.put(&format!("{name}.wasm"), &example("rust", name));
        }
        for harm in harms {
            project.put(&format!("{harm}.wasm"), &hostile::component(harm));
        }
        Ok(Self { project, neighbours, queued: RefCell::default() })
    }

    /// Gives the neighbours so many events more.
    pub(crate) fn feed_neighbours(&self, events: usize) {
        let begin = self.neighbours.count(0);
        let event = |number: usize| format!("{{\"user\":\"u{}\",\"amount\":{number}}}", number % 7);
        self.neighbours.append(0, (begin..begin + events).map(event));
    }

    /// Where all processors are, as the database says.
    pub(crate) fn stands(&self) -> Result<Vec<Stand>> {
        let file = self.project.path().join("data/tidemill.db");
        let database = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        database.busy_timeout(Duration::from_secs(10))?;
        let mut query =
            database.prepare("SELECT processor, partition, position, status FROM checkpoint ORDER BY 1, 2")?;
        let stand = |row: &rusqlite::Row<'_>| {
            Ok(Stand { processor: row.get(0)?, partition: row.get(1)?, position: row.get(2)?, status: row.get(3)? })
        };
        Ok(query.query_map([], stand)?.collect::<rusqlite::Result<_>>()?)
    }

    /// Waits until the stands are as wanted.
    pub(crate) fn wait(&self, host: &mut Host, what: &str, wanted: impl Fn(&[Stand]) -> bool) -> Result<()> {
        self.wait_host(host, what, |stands, _| wanted(stands))
    }

    /// The same for what only the host's log tells.
    pub(crate) fn wait_host(
        &self,
        host: &mut Host,
        what: &str,
        wanted: impl Fn(&[Stand], &Host) -> bool,
    ) -> Result<()> {
        let began = Instant::now();
        loop {
            let stands = self.stands()?;
            if wanted(&stands, host) {
                return Ok(());
            }
            holds!(host.is_running(), "the host ended\n{}", host.complaints());
            self.queued.borrow_mut().look(host.id());
            self.check_times(host)?;
            if began.elapsed() > DEADLINE {
                bail!("{what} did not happen within {DEADLINE:?}: {stands:?}\n{}", last(&host.complaints()));
            }
            thread::sleep(LOOK);
        }
    }

    /// Waits until the neighbours have all of their events.
    pub(crate) fn wait_for_neighbours(&self, host: &mut Host) -> Result<()> {
        let events = i64::try_from(self.neighbours.count(0))?;
        self.wait(host, "the neighbours' end", |stands| done(stands) == events)
    }

    /// How many events both neighbours have applied.
    pub(crate) fn neighbours_done(&self) -> Result<i64> {
        Ok(done(&self.stands()?))
    }

    /// Waits until the neighbours have all of their events, and checks that they have each once, and nothing else.
    pub(crate) fn check_neighbours(&self, host: &mut Host) -> Result<()> {
        self.wait_for_neighbours(host)?;
        let count = self.neighbours.count(0);
        fold::check(&self.project, &self.neighbours)?;
        let mut wanted = BTreeMap::<String, usize>::new();
        (0..count).for_each(|number| *wanted.entry(format!("total/u{}", number % 7)).or_default() += number);
        let wanted: BTreeMap<String, String> =
            wanted.into_iter().map(|(key, total)| (key, total.to_string())).collect();
        let found = self.project.state("totals");
        holds!(found == wanted, "the neighbour `totals` has {found:?}, not {wanted:?}");
        Ok(())
    }

    /// Checks how long each refused call ran, and the memory of the host. Gives both, for people.
    pub(crate) fn check_host(&self, host: &Host) -> Result<(Duration, u64)> {
        let longest = self.check_times(host)?;
        let memory = host.memory_peak().context("the host has ended")?;
        holds!(memory <= MEMORY_BYTES_MAX, "the host had {memory} bytes of memory");
        Ok((longest, memory))
    }

    /// Checks how long each refused call ran on its thread, as the host's log says, and gives the longest time. What the thread
    /// waited for a core does not count.
    fn check_times(&self, host: &Host) -> Result<Duration> {
        let longest = host.refused().into_iter().max_by_key(|call| call.took);
        let Some(longest) = longest else { return Ok(Duration::ZERO) };
        let (whose, took, queued) = (longest.processor, longest.took, self.queued.borrow().longest());
        holds!(
            took <= 2 * CALL_TIME + queued,
            "a call of `{whose}` was stopped after {took:?}, and may take {CALL_TIME:?}; no thread waited longer than {queued:?} for a core"
        );
        Ok(took)
    }
}

/// How many events both neighbours have applied.
fn done(stands: &[Stand]) -> i64 {
    let of = |name: &str| stands.iter().find(|stand| stand.processor == name).map_or(0, |stand| stand.position);
    of("totals").min(of("ledger"))
}

/// A feed's section, for a publisher that speaks ZeroEventHub.
pub(crate) fn feed(name: &str, publisher: &Publisher) -> String {
    format!("{}poll-interval = \"20ms\"\n", publisher.section(name))
}

/// The end of a long text.
fn last(text: &str) -> &str {
    text.get(text.ceil_char_boundary(text.len().saturating_sub(4_000))..).unwrap_or_default()
}
