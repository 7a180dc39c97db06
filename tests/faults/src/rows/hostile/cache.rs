//! Compiled code that was changed on the disk: it must never run.

use std::fs;

use anyhow::{Context as _, Result};
use e2e::publisher::Publisher;

use crate::{
    den::{Den, feed},
    fold,
    row::Row,
    trial::{Tally, Trial, holds},
};

/// The row.
pub(crate) const ROW: Row = Row {
    name: "hostile-cache",
    fault: "compiled code in the data directory that is changed between two starts: flipped, cut, swapped or emptied",
    unit: "starts",
    invariant: "changed code is never run: it is found out, and compiled again; the state is the fold of the events",
    full: 100,
    quick: 4,
    finds: &["code-hashes"],
    run,
};

const FOUND_OUT: &str = "cached code is not used; it is compiled again";

fn run(trial: &Trial) -> Result<Tally> {
    let mut dice = trial.dice();
    let unused = Publisher::start(1, trial.seed);
    let den = Den::new(trial, &[], &feed("unused", &unused))?;
    den.feed_neighbours(50);
    den.project.run_until_idle();
    let mut tally = Tally::default();
    while tally.tried < trial.count {
        let folder = den.project.path().join("data/code");
        let mut files = Vec::new();
        for entry in fs::read_dir(&folder)? {
            files.push(entry?.path());
        }
        files.sort();
        holds!(files.len() == 2, "two components have two files of code: {files:?}");
        let (file, other) = (files.swap_remove(dice.usize(..2)), files.pop().context("there are two")?);
        let mut code = fs::read(&file)?;
        let how = match tally.tried % 4 {
            0 => {
                let at = dice.usize(..code.len());
                code[at] ^= 1 << dice.u8(..8);
                "one bit flipped"
            }
            1 => {
                code.truncate(dice.usize(1..code.len()));
                "cut short"
            }
            2 => {
                code = fs::read(other)?;
                "the other component's code"
            }
            _ => {
                code.clear();
                "emptied"
            }
        };
        fs::write(&file, &code)?;
        den.feed_neighbours(50);
        let mut host = den.project.run(&["--until-idle"]);
        let status = host.wait();
        holds!(host.logged(FOUND_OUT) == 1, "{how}: it was not found out\n{}", host.complaints());
        holds!(status.success(), "{how}: {status}\n{}", host.complaints());
        holds!(fs::read(&file)? != code, "{how}: it was not compiled again");
        fold::check(&den.project, &den.neighbours)?;
        tally.count(how);
        tally.tried += 1;
    }
    Ok(tally)
}
