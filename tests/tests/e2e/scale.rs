//! What a host takes: of its publisher with many processors, of the machine while nothing happens, and where there is little to take.

use std::{
    fmt::Write as _,
    fs,
    process::Command,
    time::{Duration, Instant},
};

use e2e::{
    guest_host::{example, with_a_note},
    project::{Host, Project, program, wait_until},
    publisher::Publisher,
};

/// How long a processor that is at the end waits before it asks again.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// So many processors of one component on one feed, each with a configuration of its own.
fn project(publisher: &Publisher, processors: usize) -> Project {
    let mut configuration = format!(
        "[feeds.orders]\nurl = \"{}\"\nprotocol = \"zeroeventhub\"\npartitions = 1\npage-size = 100\npoll-interval = \"{POLL_INTERVAL:?}\"\n",
        publisher.url()
    );
    for number in 0..processors {
        writeln!(
            configuration,
            "[processors.p{number}]\ncomponent = \"totals.wasm\"\nfeeds = [\"orders\"]\nconfig = {{ tenant = \"{number}\" }}"
        )
        .unwrap();
    }
    let project = Project::new(&configuration);
    project.put("totals.wasm", &example("rust", "totals"));
    project
}

fn events(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|number| format!("{{\"user\":\"u{}\",\"amount\":{number}}}", number % 7))
}

/// The processors that have applied so many events, and how many there are.
fn applied(project: &Project, events: usize) -> usize {
    let status = project.status();
    let processors = status["processors"].as_array().unwrap().iter();
    processors.filter(|processor| processor["partitions"][0]["position"] == events).count()
}

/// The threads of a host.
fn threads(host: &Host) -> usize {
    fs::read_dir(format!("/proc/{}/task", host.id())).unwrap().count()
}

#[test]
fn fifty_processors_ask_the_publisher_about_as_often_as_one_does() {
    const PAGES: usize = 100;
    let publisher = Publisher::start(1, 7);
    publisher.append(0, events(100 * PAGES));
    let project = project(&publisher, 50);
    project.run_until_idle();
    assert_eq!(applied(&project, 100 * PAGES), 50);
    assert_eq!(project.state("p0"), project.state("p49"));
    // One asks once a page and once more. Those who begin a little later ask at the end for themselves, at times.
    assert!((PAGES..PAGES + 50).contains(&publisher.requests()), "{}", publisher.requests());
}

#[test]
fn two_hundred_idle_processors_ask_as_one_does_and_have_no_thread() {
    let publisher = Publisher::start(1, 7);
    publisher.append(0, events(10));
    let project = project(&publisher, 200);
    let mut host = project.start();
    wait_until("all are at the end", || applied(&project, 10) == 200);
    wait_until("the threads of the start have ended", || threads(&host) < 40);
    let (began, before) = (Instant::now(), publisher.requests());
    wait_until("ten polls are over", || publisher.requests() >= before + 10);
    // The first may come at once.
    let elapsed = began.elapsed();
    assert!(elapsed > 8 * POLL_INTERVAL, "ten requests within {elapsed:?}");
    assert!(threads(&host) < 40, "{} threads", threads(&host));

    publisher.append(0, events(5));
    wait_until("all have heard of the new events", || applied(&project, 15) == 200);
    host.terminate();
    assert!(host.wait().success());
}

#[test]
fn a_new_file_is_read_for_all_who_have_it_at_once() {
    const READ: &str = "a component's file was read";
    const PROCESSORS: usize = 30;
    let publisher = Publisher::start(1, 7);
    publisher.append(0, events(10));
    let project = project(&publisher, PROCESSORS);
    let mut host = project.start();
    wait_until("all are at the end", || applied(&project, 10) == PROCESSORS);
    let before = host.logged(READ);
    project.put("totals.wasm", &with_a_note(&example("rust", "totals"), "another"));
    host.wait_for("the component was reloaded", PROCESSORS);
    // Who asks while it is read waits for the next time; and the system may tell of a rename in two reports.
    let reads = host.logged(READ) - before;
    assert!((1..PROCESSORS / 3).contains(&reads), "{reads} reads for {PROCESSORS} processors");
    host.terminate();
    assert!(host.wait().success());
}

#[test]
fn a_host_that_has_few_addresses_works_without_slots() {
    let publisher = Publisher::start(1, 7);
    publisher.append(0, events(100));
    let project = project(&publisher, 2);
    // 64 GiB: enough for an instance, too little for the slots of all.
    let limited = "ulimit -v 67108864 && exec \"$0\" run --until-idle --log-level debug";
    let output = Command::new("sh").args(["-c", limited]).arg(program()).current_dir(project.path()).output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{log}", output.status);
    assert!(log.contains("no slots for instances"), "the limit holds: {log}");
    let total = |user: usize| (0..100).filter(|number| number % 7 == user).sum::<usize>().to_string();
    let expected = (0..7).map(|user| (format!("total/u{user}"), total(user))).collect();
    assert_eq!(project.state("p0"), expected);
    assert_eq!(project.state("p1"), expected);
}
