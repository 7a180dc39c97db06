//! What an operator asks of a processor, of a host that runs and of none.

use std::{fs::OpenOptions, io::Write as _};

use e2e::{
    guest_host::example,
    project::{Host, Project, log_lines, wait_until},
    publisher::Publisher,
    witness::{assert_ledger, assert_whole_ledger, chain},
};

const PARTITIONS: usize = 2;

/// A feed of two partitions in spans of ten events, and the witness on it.
struct World {
    publisher: Publisher,
    project: Project,
}

impl World {
    fn new() -> Self {
        let world = Self { publisher: Publisher::start(PARTITIONS, 1), project: Project::new("") };
        world.publisher.set_span(10);
        world.project.put("ledger.wasm", &example("rust", "ledger"));
        world.project.configure(&configuration(&world.publisher.url()));
        world
    }

    fn append(&self, partition: usize, count: usize) {
        self.publisher.append_numbered(partition, count);
    }

    fn position(&self, partition: usize) -> u64 {
        self.project.partition("ledger", &partition.to_string())["position"].as_u64().unwrap_or(0)
    }

    fn status(&self, partition: usize) -> String {
        self.project.partition("ledger", &partition.to_string())["status"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    fn wait_for(&self, partition: usize, position: u64) {
        wait_until("the last event", || self.position(partition) == position);
    }

    fn assert_whole(&self) {
        assert_whole_ledger(&self.project, "ledger", "orders", &self.publisher);
    }
}

fn configuration(url: &str) -> String {
    format!(
        "[feeds.orders]\nurl = \"{url}\"\nprotocol = \"zeroeventhub\"\npartitions = {PARTITIONS}\npoll-interval = \"10ms\"\n\
         [processors.ledger]\ncomponent = \"ledger.wasm\"\nfeeds = [\"orders\"]\nbatch-events = 20\n"
    )
}

#[track_caller]
fn end(mut host: Host) {
    host.terminate();
    assert!(host.wait().success(), "{}", host.complaints());
}

#[test]
fn a_partition_that_is_paused_stands_still_until_it_is_resumed() {
    let world = World::new();
    (0..PARTITIONS).for_each(|partition| world.append(partition, 25));
    let host = world.project.start();
    (0..PARTITIONS).for_each(|partition| world.wait_for(partition, 25));
    let paused = world.project.ok(&["pause", "ledger", "--feed", "orders", "--partition", "0"]);
    assert_eq!(paused, "1 partition of processor `ledger` paused\n");
    (0..PARTITIONS).for_each(|partition| world.append(partition, 500));
    world.wait_for(1, 525);
    assert_eq!((world.status(0).as_str(), world.position(0)), ("paused", 25));
    end(host);

    // A restart changes nothing about it, and a pause does not keep anybody waiting.
    world.append(1, 100);
    let log = world.project.run_until_stopped();
    assert_eq!((world.status(0).as_str(), world.position(0), world.position(1)), ("paused", 25, 625));
    let why = &log_lines(&log, "the run ends with 1: not everything went well")[0];
    assert_eq!((&why["paused"], &why["stopped"]), (&"`ledger` orders/0".into(), &serde_json::Value::Null), "{log}");
    assert!(why["hint"].as_str().unwrap().contains("`tidemill resume`"), "{log}");
    let ended = &log_lines(&log, "the host ended")[0];
    assert!(ended["seconds"].is_number() && ended["events_per_second"].is_number(), "{ended}");

    let host = world.project.start();
    wait_until("the host", || world.project.status()["host"]["running"] == true);
    assert_eq!(world.project.ok(&["resume", "ledger"]), "1 partition of processor `ledger` resumed\n");
    world.wait_for(0, 525);
    end(host);
    world.assert_whole();
}

#[test]
fn a_reset_under_a_running_host_folds_the_feed_anew() {
    let world = World::new();
    (0..PARTITIONS).for_each(|partition| world.append(partition, 2_000));
    let mut host = world.project.start();
    host.wait_for("committed", 20);
    let reset = world.project.ok(&["reset", "ledger", "--yes"]);
    assert!(reset.contains("begins again"), "{reset}");
    (0..PARTITIONS).for_each(|partition| world.append(partition, 100));
    (0..PARTITIONS).for_each(|partition| world.wait_for(partition, 2_100));
    end(host);
    world.assert_whole();
    assert_eq!(world.project.state("ledger").len(), 2 * PARTITIONS);
}

#[test]
fn a_partition_is_moved_to_a_cursor_or_to_the_beginning_and_its_events_come_again() {
    let world = World::new();
    (0..PARTITIONS).for_each(|partition| world.append(partition, 50));
    let host = world.project.start();
    (0..PARTITIONS).for_each(|partition| world.wait_for(partition, 50));
    let again =
        |to: &str| world.project.ok(&["reset", "ledger", "--feed", "orders", "--partition", "0", "--to", to, "--yes"]);
    assert!(again("c30").contains("goes on from"));
    wait_until("the events from c30", || world.position(0) == 70);
    let mut expected = world.publisher.events(0);
    expected.extend_from_within(30..);
    assert_ledger(&world.project, "ledger", "orders", "0", &expected);
    end(host);

    // With no host the command does it by itself.
    assert!(again("first").contains("goes on from"));
    assert_eq!((world.position(0), world.project.partition("ledger", "0")["start"].as_str()), (0, Some("first")));
    world.project.run_until_idle();
    expected.extend(world.publisher.events(0));
    assert_ledger(&world.project, "ledger", "orders", "0", &expected);
    assert_ledger(&world.project, "ledger", "orders", "1", &world.publisher.events(1));
}

#[test]
fn a_second_host_on_a_data_directory_is_refused_and_told_who_holds_it() {
    let world = World::new();
    world.append(0, 10);
    let mut host = world.project.start();
    host.wait_for("committed", 1);
    let refused = world.project.fails(&["run", "--until-idle"], 1);
    assert!(refused.contains(&format!("is in use by process {}", host.id())), "{refused}");
    assert!(host.is_running());
    world.append(0, 10);
    world.wait_for(0, 20);
    end(host);
}

#[test]
fn a_feed_whose_address_changed_is_refused_until_the_change_is_accepted() {
    let world = World::new();
    (0..PARTITIONS).for_each(|partition| world.append(partition, 30));
    world.project.run_until_idle();

    let moved = Publisher::start(PARTITIONS, 2);
    (0..PARTITIONS).for_each(|partition| moved.append(partition, world.publisher.events(partition)));
    world.project.configure(&configuration(&moved.url()));
    (0..PARTITIONS).for_each(|partition| moved.append_numbered(partition, 30));
    let log = world.project.run_until_stopped();
    assert!(log.contains("its cursor belongs to") && log.contains("--accept-feed-change orders"), "{log}");
    let stopped = world.project.partition("ledger", "0");
    assert_eq!((stopped["status"].as_str(), stopped["position"].as_u64()), (Some("stopped"), Some(30)));
    assert!(stopped["last-error"]["hint"].as_str().unwrap().contains("tidemill reset"), "{stopped}");
    assert_eq!(moved.requests(), 0, "a feed that may be another one is not read");

    let mut host = world.project.run(&["--until-idle", "--accept-feed-change", "orders"]);
    assert!(host.wait().success(), "{}", host.complaints());
    assert_whole_ledger(&world.project, "ledger", "orders", &moved);
    // Once is enough.
    world.project.run_until_idle();
    assert_eq!(world.status(0), "running");
}

#[test]
fn a_partition_that_stopped_over_its_feed_is_well_again_after_a_restart_even_if_nothing_is_new() {
    let world = World::new();
    (0..PARTITIONS).for_each(|partition| world.append(partition, 30));
    world.project.run_until_idle();
    world.project.configure(&configuration(&world.publisher.url()).replace("partitions = 2", "partitions = 3"));
    let log = world.project.run_until_stopped();
    assert!(log.contains("the partition stopped"), "{log}");
    assert_eq!(world.status(0), "stopped");
    world.project.configure(&configuration(&world.publisher.url()));
    world.project.ok(&["pause", "ledger", "--feed", "orders", "--partition", "2"]);
    world.project.run_until_idle();
    let well = world.project.partition("ledger", "0");
    assert_eq!((well["status"].as_str(), &well["last-error"]), (Some("running"), &serde_json::Value::Null));
    world.assert_whole();
}

#[test]
fn a_signal_ends_a_host_after_its_batches_and_nothing_is_half_done() {
    let world = World::new();
    (0..PARTITIONS).for_each(|partition| world.append(partition, 5_000));
    for _ in 0..3 {
        let mut host = world.project.start();
        host.wait_for("committed", 5);
        host.terminate();
        assert_eq!(host.wait().code(), Some(0));
        let state = world.project.state("ledger");
        for partition in 0..PARTITIONS {
            let count = world.position(partition);
            assert_eq!(state[&format!("ledger/orders/{partition}/count")], count.to_string());
            let events = world.publisher.events(partition);
            let expected = chain(&events[..usize::try_from(count).unwrap()]);
            assert_eq!(state[&format!("ledger/orders/{partition}/chain")], expected);
        }
    }
    world.project.run_until_idle();
    world.assert_whole();
}

#[test]
fn a_database_that_is_damaged_under_a_host_ends_it_with_1_and_a_hint() {
    for arguments in [&[][..], &["--until-idle"]] {
        let world = World::new();
        (0..PARTITIONS).for_each(|partition| world.append(partition, 5_000));
        let mut host = world.project.run(arguments);
        host.wait_for("committed", 3);
        let database = |name: &str| {
            let path = world.project.path().join("data").join(name);
            OpenOptions::new().write(true).open(path).unwrap()
        };
        // The log goes, and what is left makes no sense.
        database("tidemill.db-wal").set_len(0).unwrap();
        database("tidemill.db").write_all(&vec![0xA5; 256 * 1024]).unwrap();
        let mut more = 0;
        wait_until("the end of the host", || {
            more += 1;
            if more % 20 == 0 {
                world.append(0, 5);
            }
            !host.is_running()
        });
        assert_eq!(host.wait().code(), Some(1), "{}", host.complaints());
        let log = host.complaints();
        assert!(log.contains("the store has stopped") && log.contains("hint: "), "{log}");
    }
}

/// A host whose component computes for ever, as far as its limits are concerned.
fn endless(call_time: &str) -> (Publisher, Project, Host) {
    let publisher = Publisher::start(1, 1);
    publisher.append(0, [r#"{"do":"burn"}"#.to_owned()]);
    let project = Project::new(&format!(
        "[feeds.orders]\nurl = \"{}\"\nprotocol = \"zeroeventhub\"\npartitions = 1\n\
         [processors.fickle]\ncomponent = \"fickle.wasm\"\nfeeds = [\"orders\"]\n\
         [processors.fickle.limits]\ncall-time = \"{call_time}\"\nfuel-per-call = 1_000_000_000_000\n",
        publisher.url()
    ));
    project.put("fickle.wasm", &example("rust", "fickle"));
    let mut host = project.start();
    host.wait_for("processing", 1);
    (publisher, project, host)
}

#[test]
fn a_second_signal_ends_a_host_at_once() {
    let (_publisher, project, mut host) = endless("1m");
    host.terminate();
    host.wait_for("stopping after the batches that run; a second signal stops at once", 1);
    assert!(host.is_running(), "the batch that runs is waited for");
    let began = std::time::Instant::now();
    wait_until("the end of the host", || {
        host.terminate();
        !host.is_running()
    });
    assert_eq!(host.wait().code(), Some(1));
    let took = began.elapsed();
    // Signals that come within a moment are the first one again: `timeout` sends two.
    let (least, most) = (std::time::Duration::from_millis(200), std::time::Duration::from_secs(5));
    assert!((least..most).contains(&took), "it took {took:?}");
    assert_eq!(project.partition("fickle", "0")["position"], 0);
}

#[test]
fn a_backup_of_a_running_host_is_one_moment_from_which_everything_can_go_on() {
    let world = World::new();
    (0..PARTITIONS).for_each(|partition| world.append(partition, 3_000));
    let mut host = world.project.start();
    host.wait_for("committed", 20);
    world.project.ok(&["backup", "copy.db"]);
    (0..PARTITIONS).for_each(|partition| world.wait_for(partition, 3_000));
    end(host);
    world.assert_whole();

    world.project.ok(&["restore", "copy.db", "--force"]);
    let restored: u64 = (0..PARTITIONS).map(|partition| world.position(partition)).sum();
    assert!((1..6_000).contains(&restored), "the copy was made in the middle: {restored}");
    (0..PARTITIONS).for_each(|partition| world.append(partition, 100));
    world.project.run_until_idle();
    world.assert_whole();
}

#[test]
fn a_restore_under_a_running_host_is_refused() {
    let world = World::new();
    world.append(0, 10);
    let mut host = world.project.start();
    host.wait_for("committed", 1);
    world.project.ok(&["backup", "copy.db"]);
    let refused = world.project.fails(&["restore", "copy.db", "--force"], 1);
    assert!(refused.contains("is in use by process"), "{refused}");
    world.append(0, 10);
    world.wait_for(0, 20);
    end(host);
}

#[test]
fn a_wrong_configuration_ends_a_run_with_2() {
    let world = World::new();
    world.project.configure("[feeds.orders]\nurll = \"http://127.0.0.1:1/\"\n");
    let errors = world.project.fails(&["run", "--until-idle"], 2);
    assert!(errors.contains("urll") && errors.contains("did you mean"), "{errors}");
}

#[test]
fn a_processor_that_cannot_be_loaded_ends_an_idle_run_with_1_and_the_others_are_done() {
    let world = World::new();
    (0..PARTITIONS).for_each(|partition| world.append(partition, 10));
    let two = configuration(&world.publisher.url())
        + "[processors.other]\ncomponent = \"other.wasm\"\nfeeds = [\"orders\"]\n";
    world.project.configure(&two);
    world.project.put("other.wasm", b"nothing");
    let log = world.project.run_until_stopped();
    let why: serde_json::Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    assert_eq!((&why["not_running"], &why["stopped"]), (&"`other`".into(), &serde_json::Value::Null), "{log}");
    world.assert_whole();
}

#[test]
fn a_file_is_a_feed_that_is_followed_as_it_grows() {
    let line = |number: usize| format!("{{\"number\":{number}}}");
    let project = Project::new(
        "[feeds.orders]\nurl = \"file:orders.ndjson\"\npage-size = 7\npoll-interval = \"10ms\"\n\
         [processors.ledger]\ncomponent = \"ledger.wasm\"\nfeeds = [\"orders\"]\n",
    );
    project.put("ledger.wasm", &example("rust", "ledger"));
    let all: Vec<String> = (0..100).map(line).collect();
    let text = |events: &[String]| events.join("\n") + "\n";
    let append = |text: &str| {
        let mut file = OpenOptions::new().create(true).append(true).open(project.path().join("orders.ndjson")).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
    append(&text(&all[..40]));
    project.run_until_idle();
    assert_ledger(&project, "ledger", "orders", "0", &all[..40]);
    let size = text(&all[..40]).len();
    assert_eq!(project.partition("ledger", "0")["cursor"], size.to_string());

    let mut host = project.start();
    host.wait_for("the processor starts", 1);
    // The last line is not there yet until it ends.
    append(text(&all[40..]).trim_end());
    wait_until("all but the last line", || project.partition("ledger", "0")["position"] == 99);
    append("\n");
    wait_until("the last line", || project.partition("ledger", "0")["position"] == 100);
    end(host);
    assert_ledger(&project, "ledger", "orders", "0", &all);
}
