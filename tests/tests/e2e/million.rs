//! A large feed, read to its end: correct, in bounded memory, and how fast.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufWriter, Write as _},
    time::Instant,
};

use e2e::{guest_host::example, project::Project, served::Served};

/// The most memory that the host may ever have resident, in bytes, however long the feed is.
const MEMORY_MAX: u64 = 200 * 1024 * 1024;

const PARTITIONS: usize = 3;
const USERS: u64 = 1_000;

/// Writes the events, about 200 bytes each, and gives what `totals` must make of them.
fn write(file: File, events: u64) -> BTreeMap<String, String> {
    let mut file = BufWriter::new(file);
    let mut totals = BTreeMap::<u64, i64>::new();
    for number in 0..events {
        let (user, amount) = (number.wrapping_mul(2_654_435_761) % USERS, i64::try_from(number % 201).unwrap() - 100);
        *totals.entry(user).or_default() += amount;
        writeln!(
            file,
            "{{\"user\":\"user-{user}\",\"amount\":{amount},\"number\":{number},\"note\":\"{:-<120}\"}}",
            "as long as a small order is"
        )
        .unwrap();
    }
    file.flush().unwrap();
    totals.into_iter().map(|(user, total)| (format!("total/user-{user}"), total.to_string())).collect()
}

#[test]
fn a_large_feed_is_read_to_its_end_in_bounded_memory() {
    let events: u64 = std::env::var("TIDEMILL_EVENTS").map_or(200_000, |events| events.parse().unwrap());
    let project = Project::new("");
    let totals = write(File::create(project.path().join("events.ndjson")).unwrap(), events);
    let served = Served::start(&project, "events.ndjson", PARTITIONS);
    let configuration = format!(
        "[feeds.events]\nurl = \"{}\"\nprotocol = \"zeroeventhub\"\npartitions = {PARTITIONS}\npage-size = 10000\n\
         [processors.totals]\ncomponent = \"totals.wasm\"\nfeeds = [\"events\"]\n",
        served.url()
    );
    project.put("tidemill.toml", configuration.as_bytes());
    project.put("totals.wasm", &example("rust", "totals"));

    let (began, mut memory) = (Instant::now(), 0);
    let mut host = project.run(&["--until-idle"]);
    while host.is_running() {
        memory = memory.max(host.memory_peak().unwrap_or(0));
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let seconds = began.elapsed().as_secs_f64();
    assert!(host.wait().success(), "{}", host.complaints());
    assert_eq!(project.state("totals"), totals);
    let status = project.status();
    let partitions = status["processors"][0]["partitions"].as_array().unwrap();
    assert_eq!(partitions.iter().map(|partition| partition["position"].as_u64().unwrap()).sum::<u64>(), events);

    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = events as f64 / seconds;
    println!(
        "{events} events in {seconds:.1} s, start and end included: {rate:.0} events/s; at most {} MiB resident",
        memory / 1024 / 1024
    );
    assert!(memory > 0 && memory <= MEMORY_MAX, "{memory} bytes were resident, more than {MEMORY_MAX}");
}
