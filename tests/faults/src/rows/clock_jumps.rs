//! A wall clock that jumps, as when somebody sets it or a virtual machine wakes up.

use std::time::{Duration, Instant, SystemTime};

use anyhow::Result;
use e2e::{
    guest_host::example,
    project::{Host, Project},
    publisher::Publisher,
};
use serde_json::Value as Json;

use crate::{
    disk::{Record, Shim},
    fold,
    row::Row,
    trial::{Tally, Trial, holds},
};

/// The row.
pub(crate) const ROW: Row = Row {
    name: "clock-jumps",
    fault: "the wall clock jumps by up to a day, forwards and backwards, while a host runs, is asked, and waits for a date",
    unit: "runs",
    invariant: "state, cursors and positions are those of a run without jumps; every wait ends",
    full: 200,
    quick: 4,
    finds: &[DATE_OF_ITS_OWN],
    run,
};

/// Not the host's rule but the publisher's: it does not say what time it is, so that a date can only be measured by the clock that jumps.
const DATE_OF_ITS_OWN: &str = "answers-with-date";

const PARTITIONS: usize = 2;
const EVENTS: usize = 100;
/// Far, in seconds: a day.
const JUMP_MAX: u64 = 86_400;
/// The longest wait that a host may announce: the publisher asks for a second, and the host's own waits grow from a tenth of one.
const WAIT_MAX: f64 = 10.0;
/// How long a run with its waits may last. On a quiet machine it takes a second or two.
const RUN_MAX: Duration = Duration::from_mins(1);

fn run(trial: &Trial) -> Result<Tally> {
    let mut dice = trial.dice();
    let mut tally = Tally::default();
    let publisher = Publisher::start(PARTITIONS, trial.seed);
    let mut jumping = project(&publisher);
    let shim = Shim::under(&mut jumping, "bj")?;
    while tally.tried < trial.count {
        for partition in 0..PARTITIONS {
            publisher.append_numbered(partition, EVENTS);
        }
        let now = SystemTime::now();
        let date = if trial.broken.is_some() { "now".to_owned() } else { httpdate::fmt_http_date(now) };
        let until = httpdate::fmt_http_date(now + Duration::from_secs(1));
        publisher.refuse(1 + dice.usize(..2), &[("date", date), ("retry-after", until)]);
        // From a jump at every look at the clock to one now and then.
        let every = [1, 3, 20, 100][dice.usize(..4)];
        jumping.set_environment("TIDEMILL_SHIM_CLOCK", Some(&format!("{}:{every}:{JUMP_MAX}", dice.u32(..))));
        let began = Instant::now();
        if dice.bool() {
            let mut host = jumping.run(&["--until-idle"]);
            in_time(&mut host, began, |_| false)?;
            let status = host.wait();
            holds!(status.success(), "a run with jumps ends with {status}\n{}", host.complaints());
            tally.count("runs until there was no more to read");
        } else {
            let mut host = jumping.start();
            for command in ["pause", "resume"] {
                jumping.ok(&[command, "ledger"]);
            }
            in_time(&mut host, began, |_| fold::check(&jumping, &publisher).is_ok())?;
            host.terminate();
            let status = host.wait();
            holds!(status.success(), "a host with jumps ends with {status}\n{}", host.complaints());
            tally.count("runs in which an operator paused and resumed");
        }
        fold::check(&jumping, &publisher)?;
        tally.tried += 1;
    }
    Shim::unload(&mut jumping);
    let steady = project(&publisher);
    steady.run_until_idle();
    fold::check(&steady, &publisher)?;
    holds!(steady.state("ledger") == jumping.state("ledger"), "the state is another one than without jumps");
    let jumps = shim.journal()?.records.iter().filter(|record| matches!(record, Record::Jumped(_))).count();
    holds!(jumps > 0, "the clock never jumped");
    tally.add("jumps", jumps as u64);
    Ok(tally)
}

fn project(publisher: &Publisher) -> Project {
    let project = Project::new(&format!(
        "{}poll-interval = \"20ms\"\n\
         [processors.ledger]\ncomponent = \"ledger.wasm\"\nfeeds = [\"witness\"]\nbatch-events = 20\n",
        publisher.section("witness")
    ));
    project.put("ledger.wasm", &example("rust", "ledger"));
    project
}

/// Waits for the end of a host or for a condition, which must come in time.
fn in_time(host: &mut Host, began: Instant, mut done: impl FnMut(&Host) -> bool) -> Result<()> {
    while host.is_running() && !done(host) {
        let longest = announced(&host.complaints()).fold(0.0, f64::max);
        holds!(longest < WAIT_MAX, "the host waits for {longest} s\n{}", host.complaints());
        holds!(began.elapsed() < RUN_MAX, "a wait has not ended after {RUN_MAX:?}\n{}", host.complaints());
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// The waits that a log announces, in seconds, those below one left out: `3599.5s`, and not `120ms`.
fn announced(log: &str) -> impl Iterator<Item = f64> {
    log.lines().filter_map(|line| {
        let line = serde_json::from_str::<Json>(line).ok()?;
        line["wait"].as_str()?.strip_suffix('s')?.parse().ok()
    })
}
