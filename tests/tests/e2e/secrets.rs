//! Secrets: planted wherever one can stand, and looked for in everything that the program says, keeps and logs.

use std::{
    fmt::Write as _,
    fs,
    net::TcpListener,
    path::Path,
    process::Output,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use axum::{
    Router,
    extract::Request,
    http::{StatusCode, header::LOCATION},
    response::{IntoResponse as _, Response},
};
use e2e::{
    guest_host::example,
    project::{Project, wait_until},
};
use tokio::runtime::Runtime;

/// A part of every secret here, and of nothing else.
const PLANTED: &str = "pl4nted";

/// The ways in which the publisher fails, by the path of the feed. It repeats whatever it was told, secrets and all.
const WAYS: [&str; 7] = ["refuse", "elsewhere", "around", "nonsense", "broken", "closed", "page"];

/// How often the publisher was told every secret, and repeated it.
static REPEATED: AtomicUsize = AtomicUsize::new(0);

/// A publisher that fails. It ends with its runtime.
fn publisher() -> (Runtime, u16) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    let router = Router::new().fallback(|request: Request| async move { fail(&request) });
    runtime.spawn(async move { axum::serve(listener, router).await });
    (runtime, port)
}

fn fail(request: &Request) -> Response {
    let said = format!("you said {} {:?}", request.uri(), request.headers());
    let all = ["pl4nted-query%2F1", "pl4nted-query-2", "Bearer pl4nted-", "pl4nted-header", "pl4nted-cookie"];
    if all.iter().all(|secret| said.contains(secret)) {
        REPEATED.fetch_add(1, Ordering::Relaxed);
    }
    match request.uri().path().split('/').nth(1).unwrap_or_default() {
        "refuse" => (StatusCode::UNAUTHORIZED, said).into_response(),
        "elsewhere" => {
            let place = format!("http://pl4nted-user:pl4nted-password@localhost:1/?{}", request.uri().query().unwrap());
            (StatusCode::FOUND, [(LOCATION, place)], said).into_response()
        }
        "around" => (StatusCode::FOUND, [(LOCATION, request.uri().to_string())], said).into_response(),
        "broken" => (StatusCode::INTERNAL_SERVER_ERROR, said).into_response(),
        "closed" => (StatusCode::CONFLICT, said).into_response(),
        // A line that is long and no JSON, and one that is JSON and no event.
        "page" => format!("{{\"said\":\"{}\"}}\n", said.replace(['"', '\\'], "")).into_response(),
        _ => said.into_response(),
    }
}

fn project(port: u16, nobody: u16) -> Project {
    let mut text = String::new();
    let mut feed = |name: &str, url: &str, token: &str, protocol: &str| {
        let partitions = if protocol == "zeroeventhub" { "partitions = 1\n" } else { "" };
        let _infallible = write!(
            text,
            "[feeds.{name}]\nurl = \"{url}?code=pl4nted-query%2F1&x=pl4nted-query-2\"\nprotocol = \"{protocol}\"\n{partitions}\
             bearer-token = {token}\nrequest-headers = {{ x-key = \"pl4nted-header\", cookie = \"session=pl4nted-cookie\" }}\n\
             poll-interval = \"50ms\"\n[processors.{name}]\ncomponent = \"totals.wasm\"\nfeeds = [\"{name}\"]\n"
        );
    };
    let (env, file) = ("{ env = \"FEED_TOKEN\" }", "{ file = \"token\" }");
    for way in WAYS {
        feed(&format!("{way}-env"), &format!("http://127.0.0.1:{port}/{way}"), env, "zeroeventhub");
        feed(&format!("{way}-file"), &format!("http://127.0.0.1:{port}/{way}"), file, "feedapi");
    }
    feed("auto", &format!("http://127.0.0.1:{port}/refuse"), file, "auto");
    feed("not-tls", &format!("https://127.0.0.1:{port}/feed"), env, "zeroeventhub");
    feed("nobody", &format!("http://127.0.0.1:{nobody}/feed"), file, "zeroeventhub");
    feed("bad-file", &format!("http://127.0.0.1:{port}/refuse"), "{ file = \"bad-token\" }", "zeroeventhub");
    let mut project = Project::new(&text);
    project.set_environment("FEED_TOKEN", Some("pl4nted-env"));
    project.put("totals.wasm", &example("rust", "totals"));
    project.put("token", b"pl4nted-file\n");
    // No token, for it cannot stand in a header; whoever says so must not repeat it.
    project.put("bad-token", b"pl4nted-first\npl4nted-second\n");
    project
}

#[track_caller]
fn assert_clean(what: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let line = text.lines().find(|line| line.contains(PLANTED));
    assert!(line.is_none(), "{what} has a secret in it: {}", line.unwrap_or_default());
}

#[track_caller]
fn assert_output_clean(what: &str, output: &Output) {
    assert_clean(&format!("{what}, printed"), &output.stdout);
    assert_clean(&format!("{what}, complaint"), &output.stderr);
}

/// Every file of a folder, the tokens' own and the configuration apart.
fn assert_files_clean(folder: &Path) {
    let mut files = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            assert_files_clean(&path);
        } else {
            assert_clean(&path.display().to_string(), &fs::read(&path).unwrap());
        }
        files += 1;
    }
    assert!(files > 0, "{} is empty", folder.display());
}

#[test]
fn no_secret_is_in_what_the_program_says_keeps_or_logs_however_its_feeds_fail() {
    let (_runtime, port) = publisher();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let project = project(port, nobody);
    // Libraries too: what they log of a request is not in our hands.
    for (format, level) in [("text", "trace"), ("json", "trace,hyper_util=trace")] {
        let arguments = ["run", "--log-format", format, "--log-level", level];
        let mut command = project.command(&arguments);
        let log = fs::File::create(project.path().join("log")).unwrap();
        let mut host = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let said = || {
            if !project.path().join("data/tidemill.db").exists() {
                return Vec::new();
            }
            let output = project.tidemill(&["status", "--json"]);
            let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
            let troubles = status["troubles"].as_array().into_iter().flatten();
            let waiting = troubles.filter_map(|trouble| trouble["feed"].as_str());
            let processors = status["processors"].as_array().into_iter().flatten();
            let stopped = processors
                .filter(|processor| {
                    let mut partitions = processor["partitions"].as_array().into_iter().flatten();
                    partitions.any(|partition| !partition["last-error"].is_null())
                })
                .filter_map(|processor| processor["name"].as_str());
            let mut said: Vec<String> = waiting.chain(stopped).map(str::to_owned).collect();
            said.sort();
            said.dedup();
            said
        };
        // For ZeroEventHub a conflict says that the partitions moved: it is asked again, and nothing is wrong so far.
        let feeds = 2 * WAYS.len() + 4 - 1;
        wait_until("every feed has failed", || said().len() >= feeds || host.try_wait().unwrap().is_some());
        assert!(host.try_wait().unwrap().is_none(), "{}", fs::read_to_string(project.path().join("log")).unwrap());
        for arguments in [&["status"][..], &["status", "--json"], &["parked", "list"], &["parked", "list", "--json"]] {
            assert_output_clean(&format!("{arguments:?} beside a host"), &project.tidemill(arguments));
        }
        let pid = rustix::process::Pid::from_child(&host);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        host.wait().unwrap();
        let log = fs::read(project.path().join("log")).unwrap();
        assert!(log.len() > 10_000, "the log is there");
        assert_clean(&format!("the log at {level}"), &log);
    }
    assert!(REPEATED.load(Ordering::Relaxed) > 20, "the secrets were sent, and came back");
    let all: [&[&str]; 12] = [
        &["check"],
        &["status"],
        &["status", "--json"],
        &["state", "scan", "refuse-env", "--json"],
        &["feed", "tail", "refuse-env", "-n", "1"],
        &["feed", "tail", "elsewhere-file", "-n", "1", "--from", "first"],
        &["feed", "tail", "page-env", "-n", "1", "--from", "first"],
        &["replay", "broken-env", "--feed", "broken-env", "--partition", "0", "--from", "first"],
        &["record", "refuse-file", "--output", "recorded.ndjson"],
        &["inspect", "totals.wasm"],
        &["backup", "backup.db"],
        &["schema"],
    ];
    for arguments in all {
        let mut child = project.command(arguments);
        child.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let child = child.spawn().unwrap();
        let pid = rustix::process::Pid::from_child(&child);
        // Some go on asking until they are told to end.
        let ended = thread::spawn(move || child.wait_with_output().unwrap());
        let patience = std::time::Instant::now() + Duration::from_secs(3);
        while !ended.is_finished() && std::time::Instant::now() < patience {
            thread::sleep(Duration::from_millis(10));
        }
        if !ended.is_finished() {
            rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        }
        let output = ended.join().unwrap();
        // There is no state to scan; all others have something to say.
        let silent = output.stdout.is_empty() && output.stderr.is_empty();
        assert_eq!(silent, arguments[0] == "state", "{arguments:?} is silent: {silent}");
        assert_output_clean(&format!("{arguments:?}"), &output);
    }
    assert_files_clean(&project.path().join("data"));
    assert_clean("the backup", &fs::read(project.path().join("backup.db")).unwrap());
}

#[test]
fn no_secret_is_in_the_problems_of_a_configuration() {
    let feed = "[feeds.orders]\nprotocol = \"zeroeventhub\"\npartitions = 1\n";
    for wrong in [
        "url = \"http://h/?code=pl4nted\"\nrequest-headers = { x-key = \"pl4nted }",
        "url = \"http://h/?code=pl4nted\"\nrequest-headers = { x-key = [\"pl4nted\"] }",
        "url = \"http://h/?code=pl4nted\"\nrequest-headers = \"x-key: pl4nted\"",
        "url = \"http://h/?code=pl4nted\"\nrequest-headers = { x-key = \"pl4nted\\n\" }",
        "url = \"http://h/?code=pl4nted\"\nbearer-token = \"pl4nted\"",
        "url = \"http://h/?code=pl4nted\"\nbearer-token = { value = \"pl4nted\" }",
        "url = \"http://user:pl4nted@h/\"",
        "url = \"http://h/?code=pl4nted#pl4nted\"",
        "url = \"http://h:port/?code=pl4nted\"",
        "url = \"gopher://h/?code=pl4nted\"",
        "url = \"h/?code=pl4nted\"",
        "url = \"http://h/?n=pl4nted\"",
    ] {
        let project = Project::new(&format!(
            "{feed}{wrong}\n[processors.totals]\ncomponent = \"totals.wasm\"\nfeeds = [\"orders\"]\n"
        ));
        project.put("totals.wasm", &example("rust", "totals"));
        for command in ["check", "run"] {
            let output = project.tidemill(&[command]);
            assert_output_clean(&format!("{command} of {wrong:?}"), &output);
            assert!(!output.status.success(), "{wrong} is taken by {command}");
        }
    }
}
