//! The lock is the system's: it ends with its process, however that ends.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use crate::{DataLock, Held};

const DIRECTORY: &str = "TIDEMILL_TEST_LOCK";

/// The other process of the test below: holds the lock until it is killed.
#[test]
fn another_process_may_hold_the_lock() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let _lock = DataLock::acquire(directory.as_ref()).unwrap();
    println!("\nlocked");
    std::io::stdin().lines().for_each(drop);
}

#[test]
fn a_lock_ends_with_the_process_that_holds_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut other = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tests::locks::another_process_may_hold_the_lock", "--nocapture"])
        .env(DIRECTORY, directory.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(other.stdout.take().unwrap()).lines().any(|line| line.unwrap() == "locked");
    assert!(said);
    match DataLock::acquire(directory.path()) {
        Err(Held::By { who }) => assert!(who.contains(&format!("process {} on ", other.id())), "{who}"),
        other => panic!("{other:?}"),
    }
    other.kill().unwrap();
    other.wait().unwrap();
    DataLock::acquire(directory.path()).unwrap();
}
