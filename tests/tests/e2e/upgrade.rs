//! A database of an older program meets this one.

use std::{fs, path::Path};

use e2e::{guest_host::example, project::Project, publisher::Publisher, witness::assert_whole_ledger};
use serde_json::Value as Json;

/// A database as schema 2 wrote it, in which the processor `totals` has run.
const SCHEMA_2: &str = include_str!("../../../host/store/fixtures/schema_2.sql");

fn schema(file: &Path) -> u32 {
    rusqlite::Connection::open(file).unwrap().pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
}

#[test]
fn an_older_database_is_copied_first_and_a_run_says_that_it_brings_it_up_to_date() {
    let publisher = Publisher::start(1, 1);
    publisher.append(0, (0..10).map(|number| format!("{{\"number\":{number}}}")));
    let project = Project::new(&format!(
        "{}[processors.ledger]\ncomponent = \"ledger.wasm\"\nfeeds = [\"orders\"]\n",
        publisher.section("orders")
    ));
    project.put("ledger.wasm", &example("rust", "ledger"));
    let database = project.path().join("data/tidemill.db");
    fs::create_dir(project.path().join("data")).unwrap();
    rusqlite::Connection::open(&database).unwrap().execute_batch(SCHEMA_2).unwrap();

    for command in [["state", "scan", "totals"].as_slice(), &["status"], &["reset", "totals", "--yes"]] {
        let refused = project.fails(command, 1);
        let hint = "hint: copy it first with `tidemill backup FILE`; then `tidemill run` brings it up to date";
        assert!(refused.contains("has schema 2") && refused.contains(hint), "{refused}");
    }
    project.ok(&["backup", "before.db"]);
    let (copy, bytes) = (project.path().join("before.db"), fs::metadata(&database).unwrap().len());
    assert_eq!((schema(&copy), schema(&database)), (2, 2));

    let mut host = project.run(&["--until-idle"]);
    assert!(host.wait().success(), "{}", host.complaints());
    let log = host.complaints();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Json>(line).ok());
    let said: Vec<_> = lines.filter(|line| line["message"] == "bringing the database's schema up to date").collect();
    let [line] = said.as_slice() else { panic!("it is said once: {log}") };
    assert_eq!((&line["level"], &line["from"], &line["to"]), (&"INFO".into(), &2.into(), &3.into()), "{line}");
    assert_eq!(line["bytes"], bytes, "{line}");
    assert_eq!(project.ok(&["state", "get", "totals", "total/ada"]), "12\n");
    assert_whole_ledger(&project, "ledger", "orders", &publisher);

    // The way back, for a program that knows nothing newer, is the copy.
    assert_eq!(schema(&copy), 2);
}
