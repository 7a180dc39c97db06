//! Which component a processor runs, and what another one means for the partitions that stopped.

use super::*;

async fn stop(fixture: &Fixture, partition: &str, status: Status) {
    let from_generation = fixture.checkpoint(partition).await.generation;
    let step = Step { key: key(partition), from_generation, to: None, events: 0, status, error: None };
    fixture.commit(Commit { step: Some(step), ..fixture.nothing().await }).await;
}

#[tokio::test]
async fn another_component_lets_stopped_partitions_try_again_in_the_transaction_that_accepts_it() {
    let fixture = Fixture::new().await;
    let accept = async |bytes: &[u8]| fixture.store.accept_component(&fixture.claim, Digest::of(bytes)).await.unwrap();
    let status = async |partition: &str| fixture.checkpoint(partition).await.status;
    for partition in ["1", "2"] {
        fixture.open_partition(partition, ReadFrom::Last).await;
    }
    assert_eq!(accept(b"one").await, 0);
    stop(&fixture, "0", Status::Halted).await;
    stop(&fixture, "1", Status::Stalled).await;
    stop(&fixture, "2", Status::Paused).await;
    assert_eq!(accept(b"one").await, 0, "it is the same");
    assert_eq!(status("0").await, Status::Halted);

    let generation = fixture.checkpoint("0").await.generation;
    assert_eq!(accept(b"two").await, 2);
    assert_eq!(fixture.checkpoint("0").await.generation, generation + 1);
    assert_eq!(status("0").await, Status::Running);
    assert_eq!(status("1").await, Status::Starting, "it has not read its first event");
    assert_eq!(status("2").await, Status::Paused);
}
