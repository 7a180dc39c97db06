//! Components that only the clock can stop, because they were given all the fuel in the world.

use std::fmt::Write as _;

use anyhow::Result;
use e2e::publisher::Publisher;

use crate::{
    den::{CALL_TIME, Den, feed},
    row::Row,
    trial::{Tally, Trial, holds},
};

/// The row.
pub(crate) const ROW: Row = Row {
    name: "hostile-overtime",
    fault: "components with fuel without end that compute, ask the host, read their state or log for ever, in many partitions at once",
    unit: "partitions",
    invariant: "each partition stops right before the harmful event, and says so; a call ends within twice its time; what came \
                before is committed and nothing else; the neighbours are exact",
    full: 100 * HARMS.len() as u64,
    quick: HARMS.len() as u64,
    finds: &["call-time"],
    run,
};

const HARMS: [&str; 4] = ["endless-loop", "host-calls", "endless-scan", "log-flood"];
/// The events before the harmful one.
const BEFORE: u64 = 8;

fn run(trial: &Trial) -> Result<Tally> {
    let partitions = usize::try_from(trial.count.div_ceil(HARMS.len() as u64))?;
    let publisher = Publisher::start(partitions, trial.seed);
    publisher.set_span(1);
    let mut text = feed("harm", &publisher);
    for harm in HARMS {
        write!(
            text,
            "[processors.{harm}]\ncomponent = \"{harm}.wasm\"\nfeeds = [\"harm\"]\nstate = \"partitioned\"\nlog-level = \"warn\"\n\
             [processors.{harm}.limits]\ncall-time = \"{CALL_TIME:?}\"\nfuel-per-call = 1_000_000_000_000\n"
        )?;
    }
    let den = Den::new(trial, &HARMS, &text)?;
    for partition in 0..partitions {
        let before = (0..BEFORE).map(|number| format!("\"good {number}\""));
        publisher.append(partition, before.chain(["\"harm\"".to_owned(), "\"good and never reached\"".to_owned()]));
    }
    den.feed_neighbours(2_000);
    let mut host = den.project.start();
    den.wait(&mut host, "the stop of all partitions", |stands| {
        let harmful = stands.iter().filter(|stand| HARMS.contains(&&*stand.processor));
        harmful.filter(|stand| stand.status == "stalled").count() == partitions * HARMS.len()
    })?;
    den.feed_neighbours(2_000);
    den.check_neighbours(&mut host)?;
    let (longest, memory) = den.check_host(&host)?;

    let mut tally = Tally::default();
    let status = den.project.status();
    for processor in status["processors"].as_array().into_iter().flatten() {
        let name = processor["name"].as_str().unwrap_or_default();
        if !HARMS.contains(&name) {
            continue;
        }
        for stands in processor["partitions"].as_array().into_iter().flatten() {
            let partition = stands["partition"].as_str().unwrap_or_default();
            holds!(stands["position"] == BEFORE, "`{name}`, {partition} stands at {}", stands["position"]);
            let error = &stands["last-error"];
            let (cause, hint) =
                (error["cause"].as_str().unwrap_or_default(), error["hint"].as_str().unwrap_or_default());
            let said = error["kind"] == "stalled" && cause.contains("limits.call-time") && cause.contains("c8");
            holds!(said && hint.contains("tidemill resume"), "`{name}`, {partition} says {error}");
            let arguments = ["state", "scan", name, "--partition", partition, "--feed", "harm", "--json"];
            let kept = den.project.ok(&arguments).lines().count() as u64;
            holds!(kept == BEFORE, "`{name}`, {partition} has {kept} keys, not those of {BEFORE} events");
            tally.count(&format!("{name}: stopped before its event"));
        }
    }
    let refused = host.refused();
    holds!(refused.iter().all(|call| call.why == "overtime"), "a call was refused for another reason than its time");
    tally.add("calls that were stopped", refused.len() as u64);
    tally.note("the longest of them, of 200 ms", format!("{} ms", longest.as_millis()));
    tally.note("the host's memory at most", format!("{} MiB", memory / 1024 / 1024));
    host.terminate();
    holds!(host.wait().success(), "the host did not end well\n{}", host.complaints());
    tally.tried = (partitions * HARMS.len()) as u64;
    Ok(tally)
}
