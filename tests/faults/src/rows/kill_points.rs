//! SIGKILL at each named point of the straight line, as often as there are seeds.

mod finish;
mod line;
mod migration;
mod poison;
mod reload;
mod request;

use std::{
    collections::VecDeque,
    os::unix::process::ExitStatusExt as _,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use e2e::project::{Host, Project};

use self::{
    finish::Finish, line::Line, migration::Migration, poison::Poison, poison::Retry, reload::Reload, request::Reset,
};
use crate::{
    row::Row,
    trial::{Tally, Trial},
};

/// The row.
pub(crate) const ROW: Row = Row {
    name: "kill-points",
    fault: "SIGKILL at each named point: migration, fetch, process, each statement of the commit, reply, finish, reload, request",
    unit: "kills",
    invariant: "the state is the fold of the events; cursor, position, generation and the journal of commits agree; what was \
                parked or asked for happened once; 0 lost, 0 twice",
    full: 50 * POINTS as u64,
    quick: POINTS as u64,
    finds: &["cursor-with-writes", "parked-with-cursor", "settled-with-writes"],
    run,
};

const POINTS: usize = tidemill_pipeline::failpoint::POINTS.len();
/// Worlds that live at the same time: they mostly wait.
const AT_ONCE: usize = 3;
/// No host takes longer to come to a point.
const PATIENCE: Duration = Duration::from_mins(1);

/// A project and its feed, in which some points are reached.
trait World {
    /// A new one, whose processors have run once. Its hosts break the rule.
    fn begin(seed: u64, broken: Option<&str>) -> Result<Self>
    where
        Self: Sized;

    /// The project.
    fn project(&mut self) -> &mut Project;

    /// Makes what the next kill falls into. No host runs.
    fn prepare(&mut self) -> Result<()>;

    /// Does to the host that runs what leads it to the point.
    fn provoke(&mut self, _host: &mut Host) -> Result<()> {
        Ok(())
    }

    /// Starts again, waits until everything is done, and compares.
    fn settle(&mut self) -> Result<()>;
}

/// The points that are reached in a kind of world, each with how often it is reached at least.
struct Kind {
    name: &'static str,
    points: &'static [(&'static str, u64)],
    begin: fn(u64, Option<&str>) -> Begun,
}

/// A world that has begun.
type Begun = Result<Box<dyn World>>;

fn boxed<W: World + 'static>(seed: u64, broken: Option<&str>) -> Begun {
    Ok(Box::new(W::begin(seed, broken)?))
}

/// The kinds, those first that take longest.
const KINDS: [Kind; 7] = [
    Kind { name: "line", points: line::POINTS, begin: boxed::<Line> },
    Kind { name: "poison", points: poison::POINTS, begin: boxed::<Poison> },
    Kind { name: "retry", points: poison::RETRY_POINTS, begin: boxed::<Retry> },
    Kind { name: "migration", points: migration::POINTS, begin: boxed::<Migration> },
    Kind { name: "finish", points: finish::POINTS, begin: boxed::<Finish> },
    Kind { name: "reload", points: reload::POINTS, begin: boxed::<Reload> },
    Kind { name: "request", points: request::POINTS, begin: boxed::<Reset> },
];

/// A world to make, and how many of its points to kill a host at.
struct Errand {
    kind: &'static Kind,
    kills: usize,
    seed: u64,
}

fn run(trial: &Trial) -> Result<Tally> {
    let mut dice = trial.dice();
    let mut errands = VecDeque::new();
    let mut left = usize::try_from(trial.count)?;
    // Round after round, each with a kill at every point.
    while left > 0 {
        for kind in &KINDS {
            let kills = kind.points.len().min(left);
            left -= kills;
            errands.push_back(Errand { kind, kills, seed: dice.u64(..) });
        }
    }
    let (errands, tally, over) = (Mutex::new(errands), Mutex::new(Tally::default()), AtomicBool::new(false));
    let work = || -> Result<()> {
        while !over.load(Ordering::Relaxed) {
            let Some(errand) = errands.lock().unwrap().pop_front() else { break };
            errand.run(trial.broken, &tally, &over).inspect_err(|_| over.store(true, Ordering::Relaxed))?;
        }
        Ok(())
    };
    let done: Vec<Result<()>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| panicked(&*panic))).collect()
    });
    done.into_iter().collect::<Result<()>>()?;
    Ok(tally.into_inner().unwrap())
}

/// What the tests' tools complain of by a panic.
fn panicked(panic: &(dyn std::any::Any + Send)) -> Result<()> {
    let words = panic.downcast_ref::<String>().cloned();
    let words = words.or_else(|| panic.downcast_ref::<&str>().map(|words| (*words).to_owned()));
    Err(anyhow!("{}", words.unwrap_or_else(|| "a panic without words".to_owned())))
}

impl Errand {
    fn run(&self, broken: Option<&str>, tally: &Mutex<Tally>, over: &AtomicBool) -> Result<()> {
        if self.kills == 0 {
            return Ok(());
        }
        let mut dice = fastrand::Rng::with_seed(self.seed);
        let mut points = self.kind.points.to_vec();
        dice.shuffle(&mut points);
        let mut world = (self.kind.begin)(self.seed, broken)?;
        for (point, times) in points.into_iter().take(self.kills) {
            if over.load(Ordering::Relaxed) {
                break;
            }
            let time = dice.u64(1..=times);
            let done = world.prepare().and_then(|()| kill(&mut *world, point, time)).and_then(|()| world.settle());
            done.with_context(|| format!("`{point}`, the {time}. time, in a world of the kind {}", self.kind.name))?;
            let mut tally = tally.lock().unwrap();
            tally.tried += 1;
            tally.count(point);
        }
        Ok(())
    }
}

/// Starts a host that dies when it reaches a point for the n-th time, and sees it die there.
fn kill(world: &mut dyn World, point: &str, time: u64) -> Result<()> {
    world.project().set_environment("TIDEMILL_KILL_AT", Some(&format!("{point}:{time}")));
    let mut host = world.project().run(&[]);
    world.project().set_environment("TIDEMILL_KILL_AT", None);
    world.provoke(&mut host)?;
    let deadline = Instant::now() + PATIENCE;
    while host.is_running() {
        if Instant::now() > deadline {
            bail!("`{point}` was not reached {time} times\n{}", host.complaints());
        }
        thread::sleep(Duration::from_millis(2));
    }
    let status = host.wait();
    ensure!(status.signal() == Some(9), "the host ended by itself: {status}\n{}", host.complaints());
    Ok(())
}

/// Waits for something to be so while the host runs. False if the host has died before.
fn wait_for(host: &mut Host, what: &str, mut is_so: impl FnMut(&Host) -> Result<bool>) -> Result<bool> {
    let deadline = Instant::now() + PATIENCE;
    while host.is_running() {
        if is_so(host)? {
            return Ok(true);
        }
        ensure!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}\n{}", host.complaints());
        thread::sleep(Duration::from_millis(2));
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tidemill_pipeline::failpoint;

    use super::KINDS;

    #[test]
    fn every_point_that_there_is_is_reached_in_one_kind_of_world() {
        let mut reached: Vec<&str> = KINDS.iter().flat_map(|kind| kind.points).map(|(point, _)| *point).collect();
        reached.sort_unstable();
        let all: BTreeSet<&str> = failpoint::POINTS.iter().map(|(point, _)| *point).collect();
        assert_eq!(reached, all.into_iter().collect::<Vec<_>>());
    }
}
