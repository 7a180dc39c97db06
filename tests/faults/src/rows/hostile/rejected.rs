//! Components that do harm at some of their events, and are rejected for it, or are shown nothing of the world.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use anyhow::{Result, ensure};
use e2e::{hostile, publisher::Publisher};
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

use crate::{
    den::{CALL_TIME, Den, feed},
    row::Row,
    trial::{Tally, Trial, holds},
};

/// The row. Each event is given to every kind.
pub(crate) const ROW: Row = Row {
    name: "hostile-rejected",
    fault: "components that trap, loop, recurse, take memory, flood the host, lie at the boundary, or reach for the world",
    unit: "harmful events",
    invariant: "exactly the harmful event is put aside, with a reason that names the limit; nothing of it is committed, and all \
                others are; a call ends within twice its time; the host's memory is bounded; the neighbours are exact",
    full: 100 * KINDS,
    quick: 2 * KINDS,
    finds: &["host-calls-cost", "rejected-writes"],
    run,
};

const KINDS: u64 = (REJECTED.len() + SHOWN.len()) as u64;

/// The kinds that are rejected: what the cause must be, and what the reason must say.
const REJECTED: [(&str, &str, &str); 18] = [
    ("trap", "trap", "divide by zero"),
    ("unreachable", "trap", "unreachable"),
    ("endless-loop", "fuel", "limits.fuel-per-event"),
    ("deep-recursion", "trap", "call stack exhausted"),
    ("memory-growth", "memory", "limits.memory"),
    ("small-allocations", "memory", "limits.memory"),
    ("table-growth", "memory", "table elements"),
    ("host-calls", "fuel", "limits.fuel-per-event"),
    ("million-writes", "limit", "limits.write-rows"),
    ("huge-key", "limit", "a key has 60000 bytes"),
    ("huge-value", "limit", "limits.write-bytes"),
    ("endless-scan", "fuel", "limits.fuel-per-event"),
    ("invalid-utf8", "trap", "utf-8"),
    ("pointer-out-of-bounds", "trap", "out of bounds"),
    ("list-out-of-bounds", "trap", "out of bounds"),
    ("answer-out-of-bounds", "trap", "out of bounds"),
    ("lying-result", "trap", "out of bounds"),
    ("log-flood", "fuel", "limits.fuel-per-event"),
];

/// The kinds that keep within their bounds, and what they are shown: nothing. `crowd` costs too much only if its batch is large.
const SHOWN: [(&str, &str); 8] = [
    ("sleeping", "1"),
    ("clock", "1"),
    ("files", "8"),
    ("environment", "00"),
    ("sockets", "1"),
    ("neighbours-keys", "00"),
    ("hidden-state", "0"),
    ("crowd", ""),
];

/// A harmful event stands between harmless ones.
const HARMLESS: u64 = 2;

fn run(trial: &Trial) -> Result<Tally> {
    let events = trial.count.div_ceil(KINDS);
    let harms: Vec<&str> = REJECTED.iter().map(|(harm, ..)| *harm).chain(SHOWN.map(|(harm, _)| harm)).collect();
    let publisher = Publisher::start(1, trial.seed);
    // Several spans in a batch, and several events in a span: both ways to find the culprit are gone.
    publisher.set_span(3);
    let mut text = feed("harm", &publisher);
    for harm in &harms {
        write!(
            text,
            "[processors.{harm}]\ncomponent = \"{harm}.wasm\"\nfeeds = [\"harm\"]\non-reject = \"park\"\nbatch-events = 8\n\
             [processors.{harm}.limits]\ncall-time = \"{CALL_TIME:?}\"\nfuel-per-call = 10_000_000\nfuel-per-event = 1_000_000\n\
             memory = \"2MiB\"\nwrite-rows = 500\nwrite-bytes = \"64KiB\"\n"
        )?;
    }
    let den = Den::new(trial, &harms, &text)?;
    let harmful = |number: u64| format!("\"harm {number}\"");
    let harmless = |number: u64, of: u64| format!("\"good {number} {of}\"");
    for number in 0..events {
        publisher.append(0, [harmless(number, 0), harmful(number), harmless(number, 1)]);
    }
    den.feed_neighbours(2_000);
    let mut host = den.project.start();
    let all = i64::try_from(events * (1 + HARMLESS))?;
    den.wait(&mut host, "the end of the harm", |stands| {
        let done = |harm: &&str| stands.iter().any(|stand| stand.processor == **harm && stand.position == all);
        let stopped = stands.iter().any(|stand| !matches!(stand.status.as_str(), "running" | "starting"));
        stopped || harms.iter().all(done)
    })?;
    if let Some(stand) = den.stands()?.iter().find(|stand| stand.position < all && harms.contains(&&*stand.processor)) {
        holds!(false, "{stand:?} does not go on\n{}", host.complaints());
    }
    den.feed_neighbours(2_000);
    den.check_neighbours(&mut host)?;
    let (longest, memory) = den.check_host(&host)?;

    let parked = parked(&den.project.ok(&["parked", "list", "--json"]))?;
    let harmful: Vec<String> = (0..events).map(harmful).collect();
    let harmless: BTreeSet<String> =
        (0..events).flat_map(|number| (0..HARMLESS).map(move |of| harmless(number, of))).collect();
    let digests: BTreeSet<String> = harmful.iter().map(digest).collect();
    let mut tally = Tally::default();
    for (harm, cause, words) in REJECTED {
        let found = parked.get(harm).map_or(&[][..], Vec::as_slice);
        let aside: BTreeSet<String> = found.iter().map(|event| text_of(event, "digest")).collect();
        holds!(
            aside == digests && found.len() == digests.len(),
            "`{harm}`: {} events were put aside, not its {} harmful ones",
            found.len(),
            digests.len()
        );
        let component = digest(hostile::component(harm));
        for event in found {
            let (is, why) = (text_of(event, "cause"), text_of(event, "reason"));
            holds!(is == cause && why.contains(words), "`{harm}` was put aside by `{is}`: {why}");
            holds!(text_of(event, "component") == component, "`{harm}`: another component is named");
        }
        let kept: BTreeSet<String> = den.project.state(harm).into_keys().collect();
        holds!(kept == harmless, "`{harm}`: {:?} is kept or lost", kept.symmetric_difference(&harmless).next());
        tally.add(&format!("{harm}: put aside"), events);
    }
    for (harm, shown) in SHOWN {
        holds!(!parked.contains_key(harm), "`{harm}` was put aside");
        let state = den.project.state(harm);
        holds!(i64::try_from(state.len())? == all, "`{harm}` has {} of {all} events", state.len());
        for payload in &harmful {
            let saw = &state[payload];
            holds!(saw == shown, "`{harm}` saw {saw:?}, not {shown:?}");
        }
        tally.add(&format!("{harm}: went on, and saw nothing"), events);
    }
    let crowds = host.refused().iter().filter(|call| call.processor == "crowd").count() as u64;
    holds!(crowds > 0, "no batch of `crowd` was too large");
    tally.add("crowd: batches that became smaller", crowds);
    tally.add("calls that were refused", host.refused().len() as u64);
    tally.note("the longest of them, of 200 ms", format!("{} ms", longest.as_millis()));
    tally.note("the host's memory at most", format!("{} MiB", memory / 1024 / 1024));
    host.terminate();
    holds!(host.wait().success(), "the host did not end well\n{}", host.complaints());
    tally.tried = events * KINDS;
    Ok(tally)
}

/// The parked events, by processor.
fn parked(list: &str) -> Result<BTreeMap<String, Vec<Json>>> {
    let mut parked = BTreeMap::<String, Vec<Json>>::new();
    for line in list.lines() {
        let event: Json = serde_json::from_str(line)?;
        ensure!(event["copies"] == 1, "every payload comes once: {line}");
        parked.entry(text_of(&event, "processor")).or_default().push(event);
    }
    Ok(parked)
}

fn text_of(event: &Json, name: &str) -> String {
    event[name].as_str().unwrap_or_default().to_owned()
}

fn digest(bytes: impl AsRef<[u8]>) -> String {
    format!("{:x}", Sha256::digest(bytes))
}
