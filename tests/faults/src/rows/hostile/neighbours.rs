//! What neighbours notice of a hostile component: how much of what they are offered they still get through, and how late.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use e2e::{project::Host, publisher::Publisher};

use crate::{
    den::{CALL_TIME, Den, feed},
    row::Row,
    trial::{Tally, Trial, holds},
};

/// The row.
pub(crate) const ROW: Row = Row {
    name: "hostile-neighbours",
    fault: "each kind of hostile component at work all the time, beside neighbours that are offered half of what they could do",
    unit: "rounds",
    invariant: "the median of the rounds: the neighbours get through at least 80 % of what they are offered, and 99 of 100 events \
                are later by a call's time at most than without it",
    full: ROUNDS * KINDS.len() as u64,
    quick: 2,
    finds: &["doubtful-share"],
    run,
};

/// Rounds a kind, each with and without it.
const ROUNDS: u64 = 5;
/// How long a round is measured.
const WINDOW: Duration = Duration::from_secs(1);
/// Of what they are offered the neighbours must get through so much.
const KEPT_LEAST: f64 = 0.8;
/// And so much in the windows without the hostile one, or the machine has something else to do.
const QUIET: f64 = 0.9;
/// How often the rounds of a kind are tried where the machine is busy without the hostile one, too.
const CHANCES: u64 = 3;
/// Between two looks.
const STEP: Duration = Duration::from_millis(5);
/// Partitions that have their harm in a round, where each stalls after three calls: more than there are threads.
const AT_ONCE: usize = 8;
/// Events by which the capacity is measured.
const CAPACITY_EVENTS: usize = 50_000;

/// The kinds; those that only the clock stops are the worst, and come first.
const KINDS: [(&str, Stopped); 20] = [
    ("endless-loop", Stopped::ByTheClock),
    ("host-calls", Stopped::ByTheClock),
    ("endless-scan", Stopped::ByTheClock),
    ("log-flood", Stopped::ByTheClock),
    ("trap", Stopped::ByItself),
    ("unreachable", Stopped::ByItself),
    ("deep-recursion", Stopped::ByItself),
    ("memory-growth", Stopped::ByItself),
    ("small-allocations", Stopped::ByItself),
    ("table-growth", Stopped::ByItself),
    ("million-writes", Stopped::ByItself),
    ("huge-key", Stopped::ByItself),
    ("huge-value", Stopped::ByItself),
    ("invalid-utf8", Stopped::ByItself),
    ("pointer-out-of-bounds", Stopped::ByItself),
    ("list-out-of-bounds", Stopped::ByItself),
    ("answer-out-of-bounds", Stopped::ByItself),
    ("lying-result", Stopped::ByItself),
    ("sleeping", Stopped::ByItself),
    ("crowd", Stopped::ByItself),
];

/// What ends a harmful call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stopped {
    /// Its fuel, a limit or a trap: the event is left out, and the next comes.
    ByItself,
    /// It has all fuel: after three calls its partition stalls.
    ByTheClock,
}

/// A hostile processor and its feed.
struct Harm {
    name: &'static str,
    stopped: Stopped,
    publisher: Publisher,
}

/// What the neighbours came to in a window.
#[derive(Clone, Copy, Debug)]
struct Measured {
    /// How fast they were, of how fast they were offered events, from a quarter of the time on: that they are always a little
    /// behind does not count.
    kept: f64,
    /// How late the latest of a hundred events was.
    p99: Duration,
}

/// What a kind's rounds came to.
struct Rounds {
    /// Events a second that each neighbour was offered.
    offered: f64,
    with: Measured,
    without: Measured,
    /// How often they were tried.
    chances: u64,
}

fn run(trial: &Trial) -> Result<Tally> {
    let rounds = trial.count.min(ROUNDS);
    let kinds = usize::try_from(trial.count.div_ceil(ROUNDS))?;
    let (mut tally, mut again) = (Tally::default(), 0);
    for (name, stopped) in KINDS.into_iter().take(kinds) {
        let Rounds { offered, with, without, chances } = beside(&Harm::new(name, stopped, trial), rounds, trial)?;
        tally.tried += rounds;
        again += chances - 1;
        holds!(
            without.kept >= QUIET,
            "without `{name}` the neighbours got through {:.0} % of half of what they could do a moment before, and no better \
             {chances} times: the machine has something else to do, and nothing can be said",
            without.kept * 100.0
        );
        holds!(
            with.kept >= KEPT_LEAST,
            "beside `{name}` the neighbours got through {:.0} % of {offered:.0} events a second, and {:.0} % without it",
            with.kept * 100.0,
            without.kept * 100.0
        );
        holds!(
            with.p99 <= without.p99 + CALL_TIME,
            "beside `{name}` the neighbours' events were {:?} late, and {:?} without it (the 99th of 100)",
            with.p99,
            without.p99
        );
        let words = |measured: Measured| format!("{:.0} %, {} ms", measured.kept * 100.0, measured.p99.as_millis());
        tally.note(
            &format!("{name}: offered a second, kept and p99 with it, without it"),
            format!("{offered:.0}; {}; {}", words(with), words(without)),
        );
    }
    tally.add("rounds of a kind that were disturbed and tried again", again);
    Ok(tally)
}

/// The rounds of a kind in a host of its own: what other kinds do while they are idle would be measured too.
fn beside(harm: &Harm, count: u64, trial: &Trial) -> Result<Rounds> {
    let den = Den::new(trial, &[harm.name], &harm.configuration())?;
    let mut host = den.project.start();
    den.feed_neighbours(100);
    den.wait_for_neighbours(&mut host)?;
    // What is broken on purpose need not be broken twice.
    let chances = if trial.broken.is_some() { 1 } else { CHANCES };
    let rounds = harm.rounds(count, chances, &den, &mut host)?;
    den.check_neighbours(&mut host)?;
    host.terminate();
    holds!(host.wait().success(), "the host did not end well\n{}", host.complaints());
    Ok(rounds)
}

impl Harm {
    fn new(name: &'static str, stopped: Stopped, trial: &Trial) -> Self {
        let partitions = match stopped {
            Stopped::ByItself => 1,
            Stopped::ByTheClock => AT_ONCE,
        };
        let publisher = Publisher::start(partitions, trial.seed);
        publisher.set_span(1);
        Self { name, stopped, publisher }
    }

    fn configuration(&self) -> String {
        let name = self.name;
        let fuel: u64 = if self.stopped == Stopped::ByItself { 10_000_000 } else { 1_000_000_000_000 };
        format!(
            "{}[processors.{name}]\ncomponent = \"{name}.wasm\"\nfeeds = [\"{name}\"]\non-reject = \"skip\"\nbatch-events = 8\n\
             state = \"partitioned\"\nlog-level = \"error\"\n[processors.{name}.limits]\ncall-time = \"{CALL_TIME:?}\"\n\
             fuel-per-call = {fuel}\nfuel-per-event = 1_000_000\nmemory = \"2MiB\"\nwrite-rows = 500\nwrite-bytes = \"64KiB\"\n",
            feed(name, &self.publisher)
        )
    }

    /// The rounds, with and without it. Where the neighbours cannot do without it what they could a moment before, something else
    /// is at work, and all is measured once more.
    fn rounds(&self, count: u64, chances_max: u64, den: &Den, host: &mut Host) -> Result<Rounds> {
        let mut chances = 0;
        loop {
            chances += 1;
            self.rest(den, host)?;
            let offered = capacity(den, host)? / 2.0;
            let (mut with, mut without) = (Vec::new(), Vec::new());
            for _ in 0..count {
                self.rest(den, host)?;
                without.push(measure(den, host, offered, || Ok(()))?);
                self.begin(den);
                with.push(measure(den, host, offered, || self.go_on(den))?);
            }
            let (with, without) = (median(with), median(without));
            if without.kept >= QUIET || chances == chances_max {
                return Ok(Rounds { offered, with, without, chances });
            }
        }
    }

    /// Begins a round: what the clock must stop is in several partitions at once, again and again at the same event.
    fn begin(&self, den: &Den) {
        if self.stopped == Stopped::ByTheClock {
            if self.publisher.count(0) == 0 {
                (0..AT_ONCE).for_each(|partition| self.publisher.append(partition, ["\"harm\"".into()]));
            } else {
                den.project.ok(&["resume", self.name]);
            }
        }
    }

    /// Sees to it that there is always an event more, and never many.
    fn go_on(&self, den: &Den) -> Result<()> {
        let left = self.left(den)?;
        if self.stopped == Stopped::ByItself && left < 16 {
            let begin = self.publisher.count(0);
            self.publisher.append(0, (begin..begin + 32).map(|number| format!("\"harm {number}\"")));
        }
        Ok(())
    }

    /// Waits until it does nothing any more.
    fn rest(&self, den: &Den, host: &mut Host) -> Result<()> {
        while self.left(den)? > 0 {
            holds!(host.is_running(), "the host ended\n{}", host.complaints());
            thread::sleep(STEP);
        }
        Ok(())
    }

    /// The events that wait, or the partitions that have not stalled yet.
    fn left(&self, den: &Den) -> Result<usize> {
        let stands = den.stands()?;
        let own = stands.iter().filter(|stand| stand.processor == self.name);
        Ok(match self.stopped {
            Stopped::ByTheClock => {
                let begun = if self.publisher.count(0) == 0 { 0 } else { AT_ONCE };
                begun - own.filter(|stand| stand.status == "stalled").count()
            }
            Stopped::ByItself => {
                let done = own.map(|stand| stand.position).sum::<i64>();
                self.publisher.count(0).saturating_sub(usize::try_from(done)?)
            }
        })
    }
}

/// How many events a second the neighbours get through when there are enough.
fn capacity(den: &Den, host: &mut Host) -> Result<f64> {
    let began = Instant::now();
    den.feed_neighbours(CAPACITY_EVENTS);
    den.wait_for_neighbours(host)?;
    #[expect(clippy::cast_precision_loss, reason = "a few million at most")]
    Ok(CAPACITY_EVENTS as f64 / began.elapsed().as_secs_f64())
}

/// Offers events to the neighbours for a while, and sees when they have been applied by both.
fn measure(den: &Den, host: &mut Host, per_second: f64, mut beside: impl FnMut() -> Result<()>) -> Result<Measured> {
    den.wait_for_neighbours(host)?;
    let first = den.neighbours_done()?;
    let began = Instant::now();
    // When how many had been offered, and applied.
    let (mut offered, mut applied) = (vec![(Duration::ZERO, first)], vec![(Duration::ZERO, first)]);
    loop {
        let now = began.elapsed();
        let done = den.neighbours_done()?;
        applied.push((began.elapsed(), done));
        let last = offered.last().map_or(first, |(_, events)| *events);
        if now < WINDOW {
            #[expect(clippy::cast_possible_truncation, reason = "a few million at most")]
            let due = first + (now.as_secs_f64() * per_second) as i64;
            den.feed_neighbours(usize::try_from(due - last)?);
            offered.push((now, due));
            beside()?;
        } else if done == last {
            break;
        }
        holds!(host.is_running(), "the host ended\n{}", host.complaints());
        thread::sleep(STEP);
    }
    let mut late: Vec<Duration> = Vec::new();
    for (when, events) in offered.iter().skip(1) {
        let seen = applied.iter().find(|(_, done)| done >= events).context("all are applied")?.0;
        late.push(seen.saturating_sub(*when));
    }
    late.sort();
    let p99 = *late.get((late.len() * 99 / 100).min(late.len() - 1)).context("there are several")?;
    #[expect(clippy::cast_precision_loss, reason = "a few million at most")]
    let kept = within(&applied) as f64 / within(&offered).max(1) as f64;
    Ok(Measured { kept, p99 })
}

/// How many events were added in the last three quarters of the window.
fn within(counts: &[(Duration, i64)]) -> i64 {
    let at = |when: Duration| counts.iter().rfind(|(then, _)| *then <= when).map_or(0, |(_, events)| *events);
    at(WINDOW) - at(WINDOW / 4)
}

/// The median of each figure.
fn median(rounds: Vec<Measured>) -> Measured {
    let (mut kept, mut p99): (Vec<f64>, Vec<Duration>) =
        rounds.into_iter().map(|round| (round.kept, round.p99)).unzip();
    kept.sort_by(f64::total_cmp);
    p99.sort();
    // Of two the better one: what is wrong is wrong each time.
    Measured { kept: kept[kept.len() / 2], p99: p99[(p99.len() - 1) / 2] }
}
