//! The operator's commands as a shell sees them, over a database that the store made.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking, its tools too")]

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use tempfile::TempDir;
use tidemill_pipeline::*;
use tidemill_store::{DataLock, Options, Sqlite};

const TOTALS: &[u8] = include_bytes!("../src/demo/totals.wasm");
const CONFIG: &str = "\
[feeds.orders]\nurl = \"file:orders.ndjson\"\npoll-interval = \"10ms\"\n
[processors.totals]\ncomponent = \"totals.wasm\"\nfeeds = [\"orders\"]\n
[processors.ledger]\ncomponent = \"totals.wasm\"\nfeeds = [\"orders\"]\nstate = \"partitioned\"\n";

/// A directory with a configuration, a feed, a component, and a database in which `totals` and `ledger` have run.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::write(place.path().join("tidemill.toml"), CONFIG).unwrap();
        fs::write(
            place.path().join("orders.ndjson"),
            "{\"user\":\"ada\",\"amount\":3}\n{\"user\":\"bob\",\"amount\":5}\n",
        )
        .unwrap();
        fs::write(place.path().join("totals.wasm"), TOTALS).unwrap();
        fs::create_dir(place.data()).unwrap();
        block_on(async {
            let store = Sqlite::open(&place.data(), &Options::default()).unwrap();
            let claim = open(&store, "totals").await;
            let writes = (0..150).map(|row| (format!("row/{row:03}"), Some(Value::from("1"))));
            let bytes = ("raw".to_owned(), Some(Value::Bytes(vec![0xff])));
            let guard = StateGuard::Shared { generation: store.state_generation(&claim).await.unwrap() };
            let halted = Step {
                key: key(),
                from_generation: store.load(&claim, &key()).await.unwrap().unwrap().generation,
                to: None,
                events: 0,
                status: Status::Halted,
                error: Some(LastError {
                    kind: "rejected".into(),
                    stage: "process".into(),
                    cause: "no amount".into(),
                    hint: None,
                    event: Some(event(b"poison")),
                    backtrace: None,
                }),
            };
            let parked = vec![parked("{\"user\":\"eve\",\"amount\":1}"), parked("poison")];
            let commit =
                Commit { writes: writes.chain([bytes]).collect(), parked, ..Commit::of_step(claim, guard, halted) };
            store.commit(commit).await.unwrap();

            let claim = open(&store, "ledger").await;
            let step = Step {
                key: key(),
                from_generation: store.load(&claim, &key()).await.unwrap().unwrap().generation,
                to: Some(Cursor::new("25").unwrap()),
                events: 1,
                status: Status::Running,
                error: None,
            };
            let writes = [("own".to_owned(), Some(Value::from("2")))].into_iter().collect();
            let commit = Commit { writes, ..Commit::of_step(claim, StateGuard::Partition(key()), step) };
            store.commit(commit).await.unwrap();
            store.close().unwrap();
        });
        place
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn data(&self) -> std::path::PathBuf {
        self.path().join("data")
    }

    fn run(&self, arguments: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidemill"));
        command
            .current_dir(self.path())
            .args(arguments.split(' '))
            .env("XDG_CACHE_HOME", self.path().join("cache"))
            .env_remove("TIDEMILL_CONFIG")
            .env_remove("TIDEMILL_LOG");
        command.stdin(Stdio::null()).output().expect("the program starts")
    }

    /// Starts a command that prints a line and goes on, has it end by a signal once the line is there, and gives its code.
    fn ended_by(&self, signal: rustix::process::Signal, arguments: &str) -> Option<i32> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidemill"));
        command.current_dir(self.path()).args(arguments.split(' ')).env_remove("TIDEMILL_CONFIG");
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the program starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(!line.is_empty());
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), signal).unwrap();
        child.wait().unwrap().code()
    }

    /// Runs a command that goes well, and gives what it printed.
    fn done(&self, arguments: &str) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that ends with a code, and gives what it complained of.
    fn fails(&self, arguments: &str, code: i32) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    fn status(&self) -> serde_json::Value {
        serde_json::from_str(&self.done("status --json")).unwrap()
    }

    /// The status word of `totals`' partition.
    fn word(&self) -> String {
        self.status()["processors"][1]["partitions"][0]["status"].as_str().unwrap().to_owned()
    }
}

async fn open(store: &Sqlite, name: &str) -> Claim {
    let processor = ProcessorId { name: ProcessorName::new(name), version: 1 };
    let claim = store.claim(&processor, "a test").await.unwrap();
    let guard = StateGuard::Shared { generation: store.state_generation(&claim).await.unwrap() };
    let opened = vec![NewPartition { key: key(), start: ReadFrom::First, feed_identity: "file:elsewhere".into() }];
    let nothing = Step { key: key(), from_generation: 0, to: None, events: 0, status: Status::Running, error: None };
    let commit = Commit { step: None, opened, ..Commit::of_step(claim.clone(), guard, nothing) };
    store.commit(commit).await.unwrap();
    claim
}

fn key() -> PartitionKey {
    PartitionKey { feed: FeedName::new("orders"), partition: PartitionId::new("0") }
}

fn event(payload: &[u8]) -> ParkedId {
    ParkedId { key: key(), span_from: ReadFrom::First, payload: Digest::of(payload) }
}

fn parked(payload: &str) -> ParkedEvent {
    ParkedEvent {
        id: event(payload.as_bytes()),
        copies: 1,
        key: None,
        payload: payload.into(),
        metadata: None,
        cause: "rejected".into(),
        reason: "no amount".into(),
        backtrace: None,
        component: None,
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(future)
}

#[test]
fn status_tells_who_runs_and_neither_waits_nor_takes_the_lock() {
    let place = Place::new();
    let status = place.status();
    assert_eq!(status["host"]["running"], false);
    assert_eq!(status["processors"][1]["name"], "totals");
    assert_eq!(status["processors"][1]["partitions"][0]["lag"], serde_json::Value::Null);
    assert_eq!(
        status["processors"][1]["partitions"][0]["last-error"]["event"]["payload"],
        Digest::of(b"poison").to_string()
    );
    let lock = DataLock::acquire(&place.data()).unwrap();
    assert_eq!(place.status()["host"]["running"], true);
    assert!(place.done("status").starts_with(&format!("A host runs: process {}", std::process::id())));
    drop(lock);
}

#[test]
fn what_reads_makes_no_data_directory() {
    let place = Place::new();
    fs::remove_dir_all(place.data()).unwrap();
    for command in
        ["status", "state scan totals", "parked list", "pause totals", "reset totals --yes", "backup copy.db"]
    {
        let errors = place.fails(command, 1);
        assert!(errors.contains("there is no database in `data`\n  hint: "), "{command}: {errors}");
        assert!(!place.data().exists(), "{command}");
    }
}

#[test]
fn a_scan_goes_through_all_pages_and_tells_bytes_from_text() {
    let place = Place::new();
    let all = place.done("state scan totals --json");
    assert_eq!(all.lines().count(), 151);
    assert_eq!(all.lines().next(), Some(r#"{"key":"raw","value-base64":"/w=="}"#));
    assert_eq!(all.lines().last(), Some(r#"{"key":"row/149","value":"1"}"#));
    assert_eq!(place.done("state scan totals --prefix row/1 -n 3"), "row/100\t1\nrow/101\t1\nrow/102\t1\n");
}

#[test]
fn a_key_is_got_exactly_or_is_said_to_be_missing() {
    let place = Place::new();
    assert_eq!(place.done("state get totals row/007"), "1\n");
    assert_eq!(place.run("state get totals raw").stdout, [0xff]);
    assert!(place.fails("state get totals nothing", 1).contains("has no key `nothing`\n  hint: "));
    assert!(place.fails("state get nobody key", 1).contains("these have: `ledger`, `totals`"));
}

#[test]
fn the_key_space_of_a_partition_is_named_or_asked_for() {
    let place = Place::new();
    assert_eq!(place.done("state get ledger own --feed orders --partition 0"), "2\n");
    assert!(place.fails("state get ledger own", 2).contains("say which, as in `--feed orders --partition 0`"));
    assert!(place.fails("state get totals raw --feed orders --partition 0", 2).contains("is shared by all partitions"));
}

#[test]
fn without_a_host_a_command_takes_the_lock_and_does_it_itself() {
    let place = Place::new();
    place.done("resume totals");
    assert_eq!(place.word(), "running");
    assert_eq!(place.done("pause totals --feed orders"), "1 partition of processor `totals` paused\n");
    assert_eq!(place.word(), "paused");
    assert!(place.fails("pause totals --feed users", 1).contains("hint: it has read orders/0"));
}

#[test]
fn a_decision_is_about_the_event_that_the_partition_stands_at() {
    let place = Place::new();
    place.done("resume totals --skip");
    let partition = place.status()["processors"][1]["partitions"][0].clone();
    assert_eq!(
        (partition["status"].as_str(), partition["resolutions"][0]["policy"].as_str()),
        (Some("running"), Some("skip"))
    );
    assert!(place.fails("resume totals --park", 1).contains("there is nothing to park\n  hint: "));
}

#[test]
fn a_reset_is_meant_or_refused_and_takes_the_feeds_of_now() {
    let place = Place::new();
    assert!(place.fails("reset totals", 2).contains("hint: say `--yes`"));
    assert_eq!(place.word(), "halted");
    place.done("reset totals --yes");
    assert_eq!(place.done("state scan totals"), "");
    let partition = place.status()["processors"][1]["partitions"][0].clone();
    assert_eq!((partition["start"].as_str(), partition["status"].as_str()), (Some("first"), Some("running")));
    let identity = partition["feed-identity"].as_str().unwrap();
    assert!(identity.ends_with("/orders.ndjson"), "{identity}");
    place.done("reset ledger --feed orders --partition 0 --to 7 --yes");
    assert_eq!(place.status()["processors"][0]["partitions"][0]["cursor"], "7");
}

#[test]
fn a_move_of_a_partition_says_beforehand_and_afterwards_what_becomes_of_the_state() {
    let place = Place::new();
    let asked = place.fails("reset totals --feed orders --partition 0 --to first", 2);
    assert!(asked.contains("The shared state stays as it is, and the events are applied to it again."), "{asked}");
    let asked = place.fails("reset ledger --feed orders --partition 0 --to first", 2);
    assert!(asked.contains("Its own state and its parked events are deleted."), "{asked}");
    let asked = place.fails("reset ledger --feed orders --partition 0 --to 7", 2);
    assert!(asked.contains("The state stays as it is: "), "{asked}");

    let moved = place.done("reset totals --feed orders --partition 0 --to first --yes");
    let said = "the shared state stays as it is, and events that come again are applied to it again; 2 parked events of it dropped";
    assert!(moved.contains(said), "{moved}");
    assert_eq!(place.done("state scan totals").lines().count(), 151);
    let moved = place.done("reset ledger --feed orders --partition 0 --to first --yes");
    assert!(moved.contains("its own state is deleted"), "{moved}");

    let help = place.done("reset --help");
    assert!(
        help.starts_with("Begin a processor anew, without its state; or move one partition, and leave the shared"),
        "{help}"
    );
    assert!(help.contains("shared state stays as it is, with `--to first` too"), "{help}");
}

#[test]
fn parked_events_are_listed_shown_retried_and_dropped() {
    let place = Place::new();
    let list = place.done("parked list totals --json");
    let numbers: Vec<i64> = list
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["number"].as_i64().unwrap())
        .collect();
    let [good, bad] = numbers.as_slice() else { panic!("{list}") };
    let shown = place.done(&format!("parked show totals {good}"));
    assert!(shown.contains("Payload\n{\"user\":\"eve\",\"amount\":1}\n"), "{shown}");
    assert!(shown.ends_with(&format!("tidemill replay totals --parked {good}\n")), "{shown}");
    assert!(place.fails("parked show totals 999", 1).contains("hint: see them with `tidemill parked list totals`"));
    assert_eq!(place.done(&format!("parked retry totals {good}")), "1 applied\n");
    assert_eq!(place.done("state get totals total/eve"), "1\n");
    assert!(place.fails("parked retry totals --all", 1).contains(&format!("{bad} stays parked")));
    let asked = place.fails("parked drop totals --all", 2);
    assert!(
        asked.contains("Forget 1 parked event of processor `totals`") && asked.contains("hint: say `--yes`"),
        "{asked}"
    );
    assert_eq!(place.done("parked list totals --json").lines().count(), 1);
    assert_eq!(place.done("parked drop totals --all --yes"), "1 parked event of processor `totals` dropped\n");
    assert_eq!(place.done("parked list"), "");
}

#[test]
fn a_host_that_runs_is_asked_and_its_outcome_is_told() {
    let place = Place::new();
    let _lock = DataLock::acquire(&place.data()).unwrap();
    let (stop, stopped) = mpsc::channel::<()>();
    let data = place.data();
    let host = thread::spawn(move || {
        block_on(async {
            let store = Sqlite::open(&data, &Options::default()).unwrap();
            let processor = ProcessorId { name: ProcessorName::new("totals"), version: 1 };
            let claim = store.claim(&processor, "the host").await.unwrap();
            while stopped
                .recv_timeout(Duration::from_millis(10))
                .is_err_and(|error| error == mpsc::RecvTimeoutError::Timeout)
            {
                for request in store.pending().await.unwrap() {
                    store.execute(&claim, request.id).await.unwrap();
                }
            }
            store.close().unwrap();
        });
    });
    assert_eq!(
        place.done("pause totals"),
        "1 partition of processor `totals` paused; feed `orders`, partition 0 was halted, its error stays in sight, and only `tidemill resume` lets it try again\n"
    );
    assert_eq!(place.done("resume totals"), "1 partition of processor `totals` resumed\n");
    assert!(place.fails("parked retry totals --all", 1).starts_with("error: "));
    drop(stop);
    host.join().unwrap();
    assert_eq!(place.word(), "running");
}

#[test]
fn a_backup_is_put_back_only_over_what_may_be_replaced() {
    let place = Place::new();
    place.done("backup copy.db");
    assert!(place.fails("backup copy.db", 1).contains("exists already\n  hint: "));
    place.done("parked drop totals --all --yes");
    assert!(place.fails("restore copy.db", 1).contains("say `--force`"));
    let restored = place.done("restore copy.db --force");
    assert!(restored.contains("is kept as `data/tidemill.db.replaced`; "), "{restored}");
    assert_eq!(place.status()["processors"][1]["parked"], 2);
    let undone = place.done("restore data/tidemill.db.replaced --force");
    assert!(undone.contains("is kept as `data/tidemill.db.replaced-2`; "), "{undone}");
    assert_eq!(place.status()["processors"][1]["parked"], 0);
    place.done("restore data/tidemill.db.replaced-2 --force");
    assert_eq!(place.status()["processors"][1]["parked"], 2);
    assert!(place.fails("restore orders.ndjson --force", 1).contains("give a file that `tidemill backup` wrote"));
    let nowhere = place.fails("restore nowhere.db --force", 1);
    assert!(nowhere.contains("`nowhere.db` cannot be read: ") && nowhere.contains("\n  hint: "), "{nowhere}");
    let copy = fs::read(place.path().join("copy.db")).unwrap();
    fs::write(place.path().join("cut.db"), &copy[..copy.len() / 2]).unwrap();
    let cut = place.fails("restore cut.db --force", 1);
    assert!(cut.starts_with("error: the backup `cut.db` is damaged, and nothing was changed: "), "{cut}");
    assert!(cut.ends_with("\n  hint: put another backup back\n") && cut.lines().count() == 2, "{cut}");
    assert_eq!(place.status()["processors"][1]["parked"], 2);
}

#[test]
fn a_damaged_database_is_named_with_the_way_out_and_nothing_is_said_to_have_stopped() {
    let place = Place::new();
    place.done("backup copy.db");
    let database = place.data().join("tidemill.db");
    let whole = fs::read(&database).unwrap();
    let hint =
        "\n  hint: stop the host, look at the disk, and put a backup back with `tidemill restore FILE --force`\n";
    // No database at all any more, and one whose pages behind the first make no sense.
    let senseless = [&whole[..4096], &vec![0xA5; whole.len() - 4096][..]].concat();
    for (content, cause) in
        [(vec![0xA5; whole.len()], "file is not a database"), (senseless, "disk image is malformed")]
    {
        fs::write(&database, content).unwrap();
        for command in
            ["status", "state scan totals", "parked list", "pause totals", "reset totals --yes", "backup b.db"]
        {
            let said = place.fails(command, 1);
            assert!(said.starts_with("error: the database `data/tidemill.db` is damaged: "), "{command}: {said}");
            assert!(said.contains(cause) && said.ends_with(hint), "{command}: {said}");
            assert_eq!(said.lines().count(), 2, "{command}: {said}");
        }
    }
    place.done("restore copy.db --force");
    assert_eq!(place.word(), "halted");
}

#[test]
fn tail_prints_the_events_of_a_feed_and_ends_after_so_many() {
    let place = Place::new();
    assert_eq!(place.done("feed tail orders --from first -n 1"), "{\"user\":\"ada\",\"amount\":3}\n");
    let lines = place.done("feed tail orders --from first -n 2 --json");
    assert!(lines.starts_with("{\"partition\":\"0\",\"data\":{\"user\":\"ada\",\"amount\":3}}\n"), "{lines}");
    assert!(place.fails("feed tail users", 2).contains("hint: its feeds are `orders`"));
    assert!(place.fails("feed tail orders --partition 4", 2).contains("hint: it has 0"));
}

#[test]
fn who_only_looks_is_told_where_else_to_begin_and_not_to_reset_a_processor() {
    let place = Place::new();
    for command in ["feed tail orders -n 1", "record orders --events 1 -o case.ndjson", "replay totals --feed orders"] {
        let said = place.fails(&format!("{command} --from 9999"), 1);
        assert!(said.ends_with("\n  hint: if the file was replaced, read it anew: say `--from first`\n"), "{said}");
        place.done(&format!("{command} --from first"));
    }
}

#[test]
fn a_recording_replaces_a_file_only_if_that_is_meant_and_the_file_of_a_feed_never() {
    let place = Place::new();
    let record = "record orders --events 1 -o";
    let feed = fs::read(place.path().join("orders.ndjson")).unwrap();
    std::os::unix::fs::symlink("orders.ndjson", place.path().join("link.ndjson")).unwrap();
    for output in ["orders.ndjson", "./orders.ndjson --force", "link.ndjson --force"] {
        let said = place.fails(&format!("{record} {output}"), 1);
        assert!(said.starts_with("error: feed `orders` is read from `") && said.contains("\n  hint: "), "{said}");
    }
    assert_eq!(fs::read(place.path().join("orders.ndjson")).unwrap(), feed);
    place.done(&format!("{record} case.ndjson"));
    fs::write(place.path().join("case.ndjson"), "mine").unwrap();
    let said = place.fails(&format!("{record} case.ndjson"), 1);
    assert!(said.starts_with("error: `case.ndjson` exists already\n  hint: ") && said.contains("`--force`"), "{said}");
    assert_eq!(fs::read(place.path().join("case.ndjson")).unwrap(), b"mine");
    place.done(&format!("{record} case.ndjson --force"));
    assert!(fs::read(place.path().join("case.ndjson")).unwrap().starts_with(b"{\"recording\""));
    assert!(place.done(&format!("{record} /dev/stdout")).starts_with("{\"recording\""));
}

#[test]
fn who_has_seen_enough_of_many_partitions_leaves_nobody_who_complains() {
    const PARTITIONS: usize = 64;
    let place = Place::new();
    let names: Vec<_> = (0..PARTITIONS).map(|partition| partition.to_string()).collect();
    let listed = serde_json::to_string(&names).unwrap();
    let mut lines =
        vec![format!("{{\"recording\":\"tidemill\",\"version\":1,\"feed\":\"orders\",\"partitions\":{listed}}}")];
    lines.extend(names.iter().map(|name| format!("{{\"partition\":\"{name}\",\"from\":\"_first\"}}")));
    for cursor in 1..20 {
        for name in &names {
            lines.push(format!("{{\"partition\":\"{name}\",\"data\":{{\"user\":\"ada\",\"amount\":1}}}}"));
            lines.push(format!("{{\"partition\":\"{name}\",\"cursor\":\"{cursor}\"}}"));
        }
    }
    fs::write(place.path().join("orders.ndjson"), lines.join("\n") + "\n").unwrap();
    for _ in 0..8 {
        for command in ["feed tail orders --from first -n 1", "replay totals --feed orders --event 1"] {
            let output = place.run(command);
            assert_eq!(
                (output.status.code(), String::from_utf8_lossy(&output.stderr)),
                (Some(0), "".into()),
                "{command}"
            );
        }
    }
}

#[test]
fn inspect_needs_no_configuration_and_fails_for_what_is_no_component() {
    let place = Place::new();
    fs::remove_file(place.path().join("tidemill.toml")).unwrap();
    assert!(place.done("inspect totals.wasm").contains("it is made a component when it is loaded"));
    assert!(place.fails("inspect orders.ndjson", 1).contains("orders.ndjson is nothing that a processor can run: "));
}

#[test]
fn check_loads_every_component_and_reports_all_errors_at_once() {
    let place = Place::new();
    let summary = place.done("check");
    assert!(summary.contains(&Digest::of(TOTALS).short()), "{summary}");
    fs::write(place.path().join("bad.wasm"), "no").unwrap();
    let broken = CONFIG.replacen("totals.wasm", "missing.wasm", 1).replacen("\"totals.wasm", "\"bad.wasm", 1);
    fs::write(place.path().join("tidemill.toml"), broken).unwrap();
    let errors = place.fails("check", 1);
    assert!(
        errors.contains("processor `totals`: the component missing.wasm is not there\n  hint: build it"),
        "{errors}"
    );
    assert!(errors.contains("processor `ledger`: the component bad.wasm does not load: "), "{errors}");
    fs::write(
        place.path().join("tidemill.toml"),
        CONFIG
            .replace("poll-interval", "ca-file = \"none.pem\"\npoll-interval")
            .replace("file:orders.ndjson", "http://127.0.0.1:1/"),
    )
    .unwrap();
    let errors = place.fails("check", 1);
    assert!(errors.contains("feed `orders`: "), "{errors}");
    assert_eq!(place.fails("run", 1), errors, "`run` says the same, with the same code");
}

#[test]
fn whoever_waits_for_a_large_component_is_told_what_for_and_need_not_wait_again() {
    let place = Place::new();
    fs::write(place.path().join("totals.wasm"), large(TOTALS)).unwrap();
    let said = |arguments: &str| String::from_utf8(place.run(arguments).stderr).unwrap();
    let first = said("check");
    assert!(first.starts_with("compiling totals.wasm (2."), "{first}");
    assert_eq!(said("check"), "");
    assert_eq!(said("replay totals --events orders.ndjson"), "", "`replay` and `test` have the code that `check` has");
    let line = "tidemill::compiling: compiling totals.wasm (2.";
    let first = said("run --until-idle");
    assert!(first.contains(line), "{first}");
    let second = said("run --until-idle");
    assert!(!second.contains(line), "{second}");
}

/// A component with 2 MiB beside its code.
fn large(component: &[u8]) -> Vec<u8> {
    let mut section = vec![0, 0x80, 0x80, 0x80, 0x01, 3];
    section.extend_from_slice(b"big");
    section.resize(section.len() + (1 << 21) - 4, 0);
    [component, &section].concat()
}

#[test]
fn serve_and_tail_end_well_by_a_signal() {
    use rustix::process::Signal;
    let place = Place::new();
    for signal in [Signal::INT, Signal::TERM] {
        assert_eq!(place.ended_by(signal, "feed serve orders.ndjson --listen 127.0.0.1:0"), Some(0), "{signal:?}");
        assert_eq!(place.ended_by(signal, "feed tail orders --from first"), Some(0), "{signal:?}");
    }
}

#[test]
fn state_that_was_kept_by_another_layout_is_not_left_behind_without_a_word() {
    let place = Place::new();
    let other = CONFIG
        .replace("state = \"partitioned\"\n", "")
        .replace("[processors.totals]\n", "[processors.totals]\nstate = \"partitioned\"\n");
    fs::write(place.path().join("tidemill.toml"), &other).unwrap();
    let before = place.status();
    for command in ["run --until-idle", "check"] {
        let said = place.fails(command, 2);
        for (name, is, was) in [("totals", "partitioned", "shared"), ("ledger", "shared", "partitioned")] {
            let problem = format!(
                "error: processor `{name}` has `state = \"{is}\"`, and the database keeps {was} state of it, which it would not see\n  \
                 hint: go on with `state = \"{was}\"`; or forget it and read the feeds anew with `tidemill reset {name}`; or give"
            );
            assert!(said.contains(&problem), "{command}: {said}");
        }
    }
    assert_eq!(place.status(), before, "nothing was claimed");
    for command in ["parked retry totals 1", "replay totals --parked 1"] {
        let said = place.fails(command, 2);
        assert!(said.contains("which it would not see") && !said.contains("ledger"), "{command}: {said}");
    }
    for name in ["totals", "ledger"] {
        place.done(&format!("reset {name} --yes"));
    }
    place.done("check");
    place.done("run --until-idle");
    let count = |what: &str| place.done(&format!("state scan {what} --json")).lines().count();
    assert_eq!((count("totals --feed orders --partition 0"), count("ledger")), (2, 2));
}

#[test]
fn a_layout_may_change_as_long_as_nothing_is_kept() {
    let place = Place::new();
    place.done("reset totals --yes");
    place.done("reset ledger --yes");
    let other = CONFIG.replace("[processors.totals]\n", "[processors.totals]\nstate = \"partitioned\"\n");
    fs::write(place.path().join("tidemill.toml"), other).unwrap();
    place.done("check");
    place.done("run --until-idle");
}
