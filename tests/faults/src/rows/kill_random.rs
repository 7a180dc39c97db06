//! SIGKILL at random moments, and a start again, in a loop.

use std::{fmt::Write as _, thread, time::Duration};

use anyhow::Result;
use e2e::{guest_host::example, project::Project, publisher::Publisher};

use crate::{
    fold,
    row::Row,
    trial::{Tally, Trial},
};

/// The row.
pub(crate) const ROW: Row = Row {
    name: "kill-random",
    fault: "SIGKILL at random moments, and a start again, in a loop",
    unit: "kills",
    invariant: "the state is the fold of the events; cursor and position are the feed's end; 0 lost, 0 twice",
    full: 1_000,
    quick: 12,
    finds: &["cursor-with-writes"],
    run,
};

const PARTITIONS: usize = 3;
/// Kills between two looks at the whole state.
const KILLS_A_CHECK: u64 = 20;
/// Kills in a project, before another one takes its place: to fold the events again takes the longer the more there are.
const KILLS_A_PROJECT: u64 = 100;

fn run(trial: &Trial) -> Result<Tally> {
    let mut dice = trial.dice();
    let mut tally = Tally::default();
    while tally.tried < trial.count {
        let kills = KILLS_A_PROJECT.min(trial.count - tally.tried);
        in_a_project(trial.broken, kills, &mut dice, &mut tally)?;
    }
    Ok(tally)
}

fn in_a_project(broken: Option<&str>, kills: u64, dice: &mut fastrand::Rng, tally: &mut Tally) -> Result<()> {
    let publisher = Publisher::start(PARTITIONS, dice.u64(..));
    let mut configuration = format!("{}poll-interval = \"20ms\"\n", publisher.section("witness"));
    write!(
        configuration,
        "[processors.ledger]\ncomponent = \"ledger.wasm\"\nfeeds = [\"witness\"]\nbatch-events = 60\n"
    )?;
    let mut project = Project::new(&configuration);
    project.set_environment("TIDEMILL_BREAK", broken);
    project.put("ledger.wasm", &example("rust", "ledger"));
    for kill in 1..=kills {
        for partition in 0..PARTITIONS {
            publisher.append_numbered(partition, 600);
        }
        publisher.set_breaks(10);
        let mut host = project.run(&[]);
        // Most kills fall into the work, and some into the start.
        if dice.u8(..6) > 0 {
            host.wait_for("processing", 1 + dice.usize(..8));
            thread::sleep(Duration::from_micros(dice.u64(..20_000)));
        } else {
            thread::sleep(Duration::from_millis(dice.u64(..60)));
        }
        tally.count(&format!("killed while {:?}", host.kill()).to_lowercase());
        tally.tried += 1;
        if kill.is_multiple_of(KILLS_A_CHECK) || kill == kills {
            publisher.set_breaks(0);
            project.run_until_idle();
            fold::check(&project, &publisher)?;
            tally.count("comparisons of the whole state");
        }
    }
    Ok(())
}
