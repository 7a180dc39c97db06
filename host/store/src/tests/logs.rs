//! The write-ahead log is bounded, whoever reads.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn the_log_stays_bounded_under_eight_busy_partitions_with_readers() {
    let bound = 16 * 1024 * 1024;
    let fixture = Arc::new(Fixture::with(&Options { wal_bytes_max: bound, ..Options::default() }).await);
    for partition in 1..8 {
        fixture.open_partition(&partition.to_string(), ReadFrom::First).await;
    }
    let log = fixture.path().join("tidemill.db-wal");
    let done = Arc::new(AtomicBool::new(false));
    let watcher = {
        let done = Arc::clone(&done);
        std::thread::spawn(move || {
            let mut longest = 0;
            while !done.load(Ordering::Relaxed) {
                longest = longest.max(std::fs::metadata(&log).map_or(0, |log| log.len()));
                std::thread::yield_now();
            }
            longest
        })
    };
    // Calls of 3 ms, one beginning before the other ends: without the gate some reader always holds the log.
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let (fixture, done) = (Arc::clone(&fixture), Arc::clone(&done));
            std::thread::spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    let mut snapshot = fixture.store.snapshot(&fixture.claim, &StateSpace::Partition(key("0")));
                    let began = Instant::now();
                    while began.elapsed() < Duration::from_millis(3) {
                        snapshot.get("0/1").unwrap();
                    }
                }
            })
        })
        .collect();
    let partitions: Vec<_> = (0..8)
        .map(|partition| {
            let fixture = Arc::clone(&fixture);
            tokio::spawn(async move {
                let partition = partition.to_string();
                for batch in 0..40 {
                    let space = StateSpace::Partition(key(&partition));
                    let mut snapshot = fixture.store.snapshot(&fixture.claim, &space);
                    tokio::task::block_in_place(|| snapshot.get("a").unwrap());
                    let commit = fixture.own(&partition, &batch.to_string(), bulk(100, batch)).await;
                    drop(snapshot);
                    fixture.commit(commit).await;
                }
            })
        })
        .collect();
    for partition in partitions {
        partition.await.unwrap();
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.join().unwrap();
    }
    let longest = watcher.join().unwrap();
    // Without the gate it grows to 78 MB. What is under way when the gate closes still comes.
    assert!(longest > 0 && longest < bound * 2, "{longest}");
    assert_eq!(fixture.checkpoint("7").await.position, 40);
}
