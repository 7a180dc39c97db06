//! The partitions of a FeedAPI feed change while it is followed.

use std::time::{Duration, Instant};

use e2e::{
    feedapi::{FeedApi, Partition},
    guest_host::example,
    project::{Host, Project, wait_until},
    witness::assert_ledger,
};

const KEYS: usize = 6;

/// A project with two processors on the feed: the witness, and one that traps if the order of a key was not kept.
fn project(feed: &FeedApi) -> Project {
    let project = Project::new(&format!(
        "[feeds.orders]\nurl = \"{}\"\nprotocol = \"feedapi\"\npoll-interval = \"5ms\"\n\
         [processors.ledger]\ncomponent = \"ledger.wasm\"\nfeeds = [\"orders\"]\n\
         [processors.order]\ncomponent = \"fickle.wasm\"\nfeeds = [\"orders\"]\n",
        feed.url()
    ));
    project.put("ledger.wasm", &example("rust", "ledger"));
    project.put("fickle.wasm", &example("rust", "fickle"));
    project
}

/// The keys and how many steps each has taken. A step is two events: one that traps if the step after it was seen,
/// and one that makes this step seen.
#[derive(Default)]
struct Steps([usize; KEYS]);

impl Steps {
    /// Takes a step of every key, each in its partition.
    fn take(&mut self, feed: &FeedApi, partition_of: impl Fn(usize) -> u16) {
        for (key, step) in self.0.iter_mut().enumerate() {
            let partition = partition_of(key);
            feed.append(partition, format!("{{\"do\":\"trap-if\",\"key\":\"{key}/{}\",\"of\":{key}}}", *step + 1));
            feed.append(partition, format!("{{\"do\":\"put\",\"key\":\"{key}/{step}\",\"value\":\"1\",\"of\":{key}}}"));
            *step += 1;
        }
    }

    /// Checks that every step of every key was seen, in its order.
    #[track_caller]
    fn assert_seen(&self, project: &Project) {
        let state = project.state("order");
        for (key, steps) in self.0.iter().enumerate() {
            for step in 0..*steps {
                assert!(state.contains_key(&format!("{key}/{step}")), "step {step} of key {key} is lost");
            }
        }
    }
}

fn of_key(event: &str) -> usize {
    serde_json::from_str::<serde_json::Value>(event).unwrap()["of"].as_u64().unwrap().try_into().unwrap()
}

/// Those events of a history that are about these keys.
fn share(history: &[(u64, String)], keys: impl Fn(usize) -> bool) -> Vec<(u64, String)> {
    history.iter().filter(|(_, event)| keys(of_key(event))).cloned().collect()
}

/// Waits until both processors have read so many events of a partition.
#[track_caller]
fn wait_for(project: &Project, partition: &str, position: usize) {
    wait_until("the last event", || {
        ["ledger", "order"].iter().all(|processor| project.partition(processor, partition)["position"] == position)
    });
}

/// Ends a host, which must be well.
fn end(mut host: Host) {
    host.terminate();
    assert!(host.wait().success(), "{}", host.complaints());
    assert!(!host.complaints().contains("the partition stopped"), "{}", host.complaints());
}

/// The place that a cursor of a processor's partition stands at.
fn place(project: &Project, processor: &str, partition: &str) -> u64 {
    project.partition(processor, partition)["cursor"].as_str().unwrap()[1..].parse().unwrap()
}

#[test]
fn the_children_of_a_closed_partition_begin_when_it_is_finished() {
    let feed = FeedApi::start(&[0]);
    let project = project(&feed);
    let mut steps = Steps::default();
    (0..10).for_each(|_| steps.take(&feed, |_| 0));
    let host = project.start();
    wait_for(&project, "0", feed.history(0).len());

    (0..10).for_each(|_| steps.take(&feed, |_| 0));
    feed.change(|partitions| {
        partitions.get_mut(&0).unwrap().closed = true;
        partitions.insert(1, Partition::after(0));
        partitions.insert(2, Partition::after(0));
    });
    (0..10).for_each(|_| steps.take(&feed, |key| if key < KEYS / 2 { 1 } else { 2 }));
    for partition in [1, 2] {
        wait_for(&project, &partition.to_string(), feed.history(partition).len());
    }
    end(host);

    let asked = feed.asked();
    let last_of_parent = asked.iter().rposition(|asked| asked.partition == 0 && asked.events > Some(0)).unwrap();
    let first_of_child = asked.iter().position(|asked| asked.partition > 0).unwrap();
    assert!(last_of_parent < first_of_child, "a child was asked for before its parent was read");
    for child in [1, 2] {
        assert_eq!(asked.iter().find(|asked| asked.partition == child).unwrap().cursor, "_first");
    }
    for partition in [0, 1, 2] {
        assert_ledger(&project, "ledger", "orders", &partition.to_string(), &feed.events_after(partition, 0));
    }
    steps.assert_seen(&project);
    assert_eq!(project.partition("ledger", "0")["status"], "finished");

    // The parent is taken off the list, as publishers do after a while: nothing begins again.
    feed.change(|partitions| drop(partitions.remove(&0)));
    steps.take(&feed, |key| if key < KEYS / 2 { 1 } else { 2 });
    project.run_until_idle();
    for partition in [1, 2] {
        assert_ledger(&project, "ledger", "orders", &partition.to_string(), &feed.events_after(partition, 0));
    }
    steps.assert_seen(&project);
}

#[test]
fn generations_that_were_closed_while_no_host_ran_are_read_one_after_the_other() {
    let feed = FeedApi::start(&[0]);
    feed.list_numbers();
    let project = project(&feed);
    let mut steps = Steps::default();
    steps.take(&feed, |_| 0);
    project.run_until_idle();

    for (parent, child) in [(0, 1), (1, 2), (2, 3)] {
        (0..5).for_each(|_| steps.take(&feed, |_| parent));
        feed.change(|partitions| {
            partitions.get_mut(&parent).unwrap().closed = true;
            partitions.insert(child, Partition::after(parent));
        });
    }
    (0..5).for_each(|_| steps.take(&feed, |_| 3));
    project.run_until_idle();
    for partition in 0..=3 {
        assert_ledger(&project, "ledger", "orders", &partition.to_string(), &feed.events_after(partition, 0));
    }
    steps.assert_seen(&project);
    let words = ["0", "1", "2", "3"].map(|partition| project.partition("order", partition)["status"].clone());
    assert_eq!(words, ["finished", "finished", "finished", "running"]);
}

#[test]
fn partitions_that_took_over_a_history_go_on_from_the_cursor_of_the_one_before() {
    let feed = FeedApi::start(&[0]);
    let project = project(&feed);
    let mut steps = Steps::default();
    (0..10).for_each(|_| steps.take(&feed, |_| 0));
    let host = project.start();
    wait_for(&project, "0", feed.history(0).len());

    let history = feed.history(0);
    feed.change(|partitions| {
        partitions.remove(&0);
        for (id, keys) in [(1, 0..KEYS / 2), (2, KEYS / 2..KEYS)] {
            partitions.insert(id, Partition::of_history(&[0], share(&history, |key| keys.contains(&key))));
        }
    });
    let split = history.last().unwrap().0;
    (0..10).for_each(|_| steps.take(&feed, |key| if key < KEYS / 2 { 1 } else { 2 }));
    for partition in [1, 2] {
        wait_for(&project, &partition.to_string(), feed.events_after(partition, split).len());
    }
    end(host);
    assert_ledger(&project, "ledger", "orders", "0", &history.into_iter().map(|(_, event)| event).collect::<Vec<_>>());
    for partition in [1, 2] {
        assert_ledger(&project, "ledger", "orders", &partition.to_string(), &feed.events_after(partition, split));
    }
    steps.assert_seen(&project);
    assert!(feed.asked().iter().all(|asked| asked.partition == 0 || asked.cursor != "_first"));
    assert_eq!(project.partition("ledger", "0")["position"], 120, "a retired partition stays in sight");
}

#[test]
fn partitions_that_become_one_go_on_from_the_nearest_ancestor_that_was_read() {
    let feed = FeedApi::start(&[1, 2]);
    let project = project(&feed);
    let mut steps = Steps::default();
    let half = |key: usize| if key < KEYS / 2 { 1 } else { 2 };
    (0..10).for_each(|_| steps.take(&feed, half));
    project.run_until_idle();
    let merged = place(&project, "ledger", "1").max(place(&project, "ledger", "2"));
    assert_eq!(merged, 120, "both were read to their end");

    // The history lay in a partition 8 for a while, which nobody here has seen.
    let mut history = [feed.history(1), feed.history(2)].concat();
    history.sort();
    feed.change(|partitions| {
        partitions.clear();
        partitions.insert(9, Partition::of_history(&[8, 2, 1], history));
    });
    (0..10).for_each(|_| steps.take(&feed, |_| 9));
    project.run_until_idle();
    assert_ledger(&project, "ledger", "orders", "9", &feed.events_after(9, merged));
    steps.assert_seen(&project);
    let first = feed.asked().into_iter().find(|asked| asked.partition == 9).unwrap();
    assert_eq!(first.cursor, "e120");
}

#[test]
fn a_publisher_that_refuses_its_own_tokens_is_asked_less_and_less_and_nothing_is_lost() {
    let feed = FeedApi::start(&[0, 1]);
    let project = project(&feed);
    let mut steps = Steps::default();
    let half = |key: usize| u16::from(key < KEYS / 2);
    (0..10).for_each(|_| steps.take(&feed, half));
    let host = project.start();
    for partition in [0, 1] {
        wait_for(&project, &partition.to_string(), feed.history(partition).len());
    }

    (0..10).for_each(|_| steps.take(&feed, half));
    let (began, discoveries, asked) = (Instant::now(), feed.discoveries(), feed.asked().len());
    feed.set_storm(true);
    wait_until("four discoveries", || feed.discoveries() >= discoveries + 4);
    // The waits before the second to the fourth are 100, 200 and 400 ms at least.
    assert!(began.elapsed() >= Duration::from_millis(700), "the publisher was asked at once again and again");
    let refused = feed.asked()[asked..].iter().filter(|asked| asked.events.is_none()).count();
    assert!(refused <= 4 * 2 * 2, "a token that was refused was sent again: {refused} times 409");
    feed.set_storm(false);
    for partition in [0, 1] {
        wait_for(&project, &partition.to_string(), feed.history(partition).len());
    }
    end(host);
    for partition in [0, 1] {
        assert_ledger(&project, "ledger", "orders", &partition.to_string(), &feed.events_after(partition, 0));
    }
    steps.assert_seen(&project);
}
