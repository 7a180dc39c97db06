//! Many processors in one host: what a publisher sees of them, and what they take while nothing happens.

use std::{
    fmt::Write as _,
    fs,
    time::{Duration, Instant},
};

use e2e::{
    guest_host::example,
    project::{Host, Project, wait_until},
    publisher::Publisher,
};

/// So many processors of one component on one feed, each with a configuration of its own.
fn project(publisher: &Publisher, processors: usize) -> Project {
    let mut configuration = format!(
        "[feeds.orders]\nurl = \"{}\"\nprotocol = \"zeroeventhub\"\npartitions = 1\npage-size = 100\npoll-interval = \"200ms\"\n",
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
    wait_until("ten polls are over", || began.elapsed() > Duration::from_secs(2));
    let asked = publisher.requests() - before;
    let most = began.elapsed().as_millis() / 200 + 2;
    assert!(asked > 0 && asked as u128 <= most, "{asked} requests, not more than {most}");
    assert!(threads(&host) < 40, "{} threads", threads(&host));

    publisher.append(0, events(5));
    wait_until("all have heard of the new events", || applied(&project, 15) == 200);
    host.terminate();
    assert!(host.wait().success());
}
