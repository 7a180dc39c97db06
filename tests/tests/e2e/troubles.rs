//! What `status` says while nothing moves and nothing has stopped.

use std::{fs, net::TcpListener};

use e2e::{
    guest_host::example,
    project::{Project, wait_until},
};

/// A port that nobody listens on now.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn status_says_that_a_publisher_is_away_until_it_comes() {
    let port = free_port();
    let project = Project::new(&format!(
        "[feeds.orders]\nurl = \"http://127.0.0.1:{port}/feed\"\nprotocol = \"zeroeventhub\"\npartitions = 1\npoll-interval = \"10ms\"\n\
         [processors.totals]\ncomponent = \"totals.wasm\"\nfeeds = [\"orders\"]\n"
    ));
    project.put("totals.wasm", &example("rust", "totals"));
    let mut host = project.start();
    wait_until("the trouble is in sight", || !project.status()["troubles"].as_array().unwrap().is_empty());
    let trouble = project.status()["troubles"][0].clone();
    assert_eq!(
        (&trouble["processor"], &trouble["feed"], &trouble["partition"]),
        (&"totals".into(), &"orders".into(), &"0".into())
    );
    assert_eq!(trouble["kind"], "unavailable");
    assert_eq!(trouble["hint"], "look at the feed's `url`, and whether its publisher runs");
    let text = project.ok(&["status"]);
    assert!(text.contains("Processor `totals`, feed `orders`, partition 0 waits (unavailable, since "), "{text}");
    assert!(text.contains(trouble["cause"].as_str().unwrap()), "{text}");

    fs::write(project.path().join("orders.ndjson"), "{\"user\":\"ada\",\"amount\":3}\n").unwrap();
    let mut publisher =
        project.command(&["feed", "serve", "orders.ndjson", "--listen", &format!("127.0.0.1:{port}")]).spawn().unwrap();
    wait_until("the event is there and the trouble is over", || {
        let status = project.status();
        let partition = &status["processors"][0]["partitions"][0];
        partition["position"] == 1 && status["troubles"].as_array().unwrap().is_empty()
    });
    publisher.kill().unwrap();
    publisher.wait().unwrap();
    wait_until("the trouble is back", || !project.status()["troubles"].as_array().unwrap().is_empty());

    host.terminate();
    assert!(host.wait().success());
    assert!(project.status()["troubles"].as_array().unwrap().is_empty(), "who does not run does not wait");
    assert!(!project.path().join("data/troubles.json").exists());
}

#[test]
fn a_component_whose_code_cannot_be_kept_is_tried_again_and_needs_no_other_file() {
    let project = Project::new(
        "[feeds.orders]\nurl = \"file:orders.ndjson\"\n\
         [processors.totals]\ncomponent = \"totals.wasm\"\nfeeds = [\"orders\"]\n",
    );
    project.put("totals.wasm", &example("rust", "totals"));
    fs::write(project.path().join("orders.ndjson"), "{\"user\":\"ada\",\"amount\":3}\n").unwrap();
    project.run_until_idle();
    // In the place of the compiled code lies what no file can replace.
    let code = fs::read_dir(project.path().join("data/code")).unwrap().next().unwrap().unwrap().path();
    fs::remove_file(&code).unwrap();
    fs::create_dir_all(code.join("in-the-way")).unwrap();
    let mut host = project.run(&[]);
    host.wait_for("the component cannot be loaded now; it is tried again", 1);
    let said = host.complaints();
    assert!(said.contains("cache of compiled code") && said.contains("look at the space on the disk"), "{said}");
    fs::remove_dir_all(&code).unwrap();
    host.wait_for("the processor starts", 1);
    host.terminate();
    assert!(host.wait().success());
}

#[test]
fn status_says_that_a_component_does_not_load_until_it_does() {
    let project = Project::new(
        "[feeds.orders]\nurl = \"file:orders.ndjson\"\npoll-interval = \"10ms\"\n\
         [processors.totals]\ncomponent = \"totals.wasm\"\nfeeds = [\"orders\"]\n",
    );
    fs::write(project.path().join("orders.ndjson"), "{\"user\":\"ada\",\"amount\":3}\n").unwrap();
    let mut host = project.run(&[]);
    host.wait_for("the component does not load; waiting for another file", 1);
    let trouble = || project.status()["troubles"][0].clone();
    wait_until("the missing component is in sight", || !trouble().is_null());
    let missing = trouble();
    assert_eq!((&missing["processor"], &missing["kind"]), (&"totals".into(), &"broken".into()));
    assert!(missing["feed"].is_null() && missing["partition"].is_null(), "{missing}");
    assert!(missing["cause"].as_str().unwrap().ends_with("totals.wasm is not there"), "{missing}");
    assert!(missing["hint"].as_str().unwrap().starts_with("build it"), "{missing}");
    let text = project.ok(&["status"]);
    assert!(text.contains("Processor `totals` is in trouble (broken, since "), "{text}");

    let good = example("rust", "totals");
    project.put("totals.wasm", &good);
    wait_until("it runs and the trouble is over", || trouble().is_null());
    project.put("totals.wasm", b"no component");
    wait_until("the bad file is in sight", || !trouble().is_null());
    let bad = trouble();
    assert!(bad["cause"].as_str().unwrap().ends_with("; the last accepted one runs in its place"), "{bad}");
    project.put("totals.wasm", &good);
    wait_until("the trouble is over again", || trouble().is_null());
    host.terminate();
    assert!(host.wait().success());
}
