//! Trouble with the disk: calls that fail, files that are taken away or overwritten, a database that others hold.

mod calls;
mod files;
mod holders;
mod site;

use anyhow::{Context as _, Result};

use self::site::Site;
use crate::{
    row::Row,
    trial::{Tally, Trial},
};

/// The row.
pub(crate) const ROW: Row = Row {
    name: "disk-trouble",
    fault: "disk full at any write, read-only, EIO on fsync, read and write, short writes, a database that others hold, a deleted or \
            overwritten file",
    unit: "troubles",
    invariant: "a clear error with a hint, no fsync after a failed one, and the exact state when the trouble has passed",
    full: 500,
    quick: 12,
    finds: &["failed-sync-stops", "files-still-there"],
    run,
};

/// A kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    FailedSync,
    TakenWhileRunning,
    FullDisk,
    FailedCall,
    ShortWrites,
    ReadOnly,
    TakenBetweenRuns,
    GarbageWhileRunning,
    GarbageBetweenRuns,
    Writer,
    LongReader,
    LongWriter,
}

/// All of them, one after the other.
const KINDS: [Kind; 12] = [
    Kind::FailedSync,
    Kind::TakenWhileRunning,
    Kind::FullDisk,
    Kind::FailedCall,
    Kind::ShortWrites,
    Kind::ReadOnly,
    Kind::TakenBetweenRuns,
    Kind::GarbageWhileRunning,
    Kind::GarbageBetweenRuns,
    Kind::Writer,
    Kind::LongReader,
    Kind::LongWriter,
];

/// Of so many troubles one begins with a new database, and one before the host starts.
const AGES: usize = 3;

fn run(trial: &Trial) -> Result<Tally> {
    let mut dice = trial.dice();
    let mut site = Site::new(trial.broken, dice.fork())?;
    let mut tally = Tally::default();
    for number in 0..usize::try_from(trial.count)? {
        // After all kinds at all ages another site: a new database reads all that was ever appended.
        if number > 0 && number % (KINDS.len() * AGES) == 0 {
            site = Site::new(trial.broken, dice.fork())?;
        }
        let (kind, age) = (KINDS[number % KINDS.len()], number / KINDS.len() % AGES);
        site.settle(age == 1, kind == Kind::FailedSync)?;
        let at_start = age > 0;
        let came = match kind {
            Kind::FailedSync | Kind::FullDisk | Kind::FailedCall | Kind::ShortWrites | Kind::ReadOnly => {
                calls::fail(&mut site, kind, at_start)
            }
            Kind::TakenWhileRunning => files::take_while_running(&mut site),
            Kind::TakenBetweenRuns => files::take_between_runs(&mut site),
            Kind::GarbageWhileRunning => files::garble(&mut site, true),
            Kind::GarbageBetweenRuns => files::garble(&mut site, false),
            Kind::Writer => holders::write(&mut site, false),
            Kind::LongWriter => holders::write(&mut site, true),
            Kind::LongReader => holders::read(&mut site),
        };
        let came = came.with_context(|| format!("trouble {number}, {kind:?}"))?;
        tally.count(&format!("{}: {came}", kind.words()));
        tally.tried += 1;
    }
    Ok(tally)
}

impl Kind {
    fn words(self) -> &'static str {
        match self {
            Self::FailedSync => "an fsync fails",
            Self::TakenWhileRunning => "a file is taken away while the host runs",
            Self::FullDisk => "the disk is full",
            Self::FailedCall => "a read, write or truncate fails",
            Self::ShortWrites => "writes are short",
            Self::ReadOnly => "the disk is read-only",
            Self::TakenBetweenRuns => "a file is taken away between runs",
            Self::GarbageWhileRunning => "a file is overwritten while the host runs",
            Self::GarbageBetweenRuns => "a file is overwritten between runs",
            Self::Writer => "another program writes for a moment",
            Self::LongReader => "another program reads all the time",
            Self::LongWriter => "another program writes for long",
        }
    }
}
