//! The layout of the project, held by tests. Each rule says why it is there when it is broken.

use std::fs;
use std::path::{Path, PathBuf};

use tidemill_pipeline::failpoint::POINTS;

/// A text file of the checkout.
struct File {
    /// From the root, with `/` between the parts.
    path: String,
    text: String,
}

impl File {
    fn is_rust(&self) -> bool {
        has_extension(&self.path, "rs")
    }

    fn is_code(&self) -> bool {
        ["rs", "py", "sh", "sql", "ts", "js", "go", "c", "h"]
            .iter()
            .any(|extension| has_extension(&self.path, extension))
    }

    fn lines(&self) -> usize {
        self.text.lines().count()
    }

    /// Where a text stands: `path:line`.
    fn places(&self, text: &str) -> Vec<String> {
        let found = self.text.lines().enumerate().filter(|(_, line)| line.contains(text));
        found.map(|(index, _)| format!("{}:{}", self.path, index + 1)).collect()
    }
}

fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == extension)
}

fn root() -> PathBuf {
    let package = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
    Path::new(&package).parent().unwrap().to_owned()
}

/// Every text file under a folder of the checkout, without what is built and what others wrote.
fn files(folder: &str) -> Vec<File> {
    let mut found = Vec::new();
    collect(&root().join(folder), &mut found);
    assert!(!found.is_empty(), "nothing lies in {folder}: the rule looks at the wrong place");
    found
}

fn collect(folder: &Path, found: &mut Vec<File>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        // In a second work tree it is a file.
        if name == ".git" {
            continue;
        }
        if path.is_dir() {
            // Somebody else's library, which lies here as they published it.
            let foreign = path.ends_with("sdk/c/yyjson");
            let built = name.starts_with("target")
                || ["node_modules", "__pycache__", ".git", ".tools", "build"].contains(&name);
            if !built && !foreign {
                collect(&path, found);
            }
        } else if let Ok(text) = fs::read_to_string(&path) {
            let path = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            found.push(File { path, text });
        }
    }
}

#[track_caller]
fn check(rule: &str, mut offenders: Vec<String>) {
    offenders.sort();
    assert!(offenders.is_empty(), "{rule}\n  {}", offenders.join("\n  "));
}

/// The dependencies of a manifest, those of its tests apart.
fn dependencies(manifest: &str, tests_too: bool) -> Vec<(String, String)> {
    let text = fs::read_to_string(root().join(manifest)).unwrap();
    let mut section = String::new();
    let mut found = Vec::new();
    for line in text.lines() {
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']').into();
        } else if (section == "dependencies" || tests_too && section == "dev-dependencies")
            && let Some((name, value)) = line.split_once(['=', '.', ' '])
            && !name.starts_with(['#', ' '])
        {
            found.push((name.to_owned(), value.to_owned()));
        }
    }
    found
}

#[test]
fn no_file_is_longer_than_600_lines() {
    let long = files(".").into_iter().filter(|file| file.is_code() && file.lines() > 600);
    check(
        "a file that is longer than 600 lines holds more than one noun: give each a file",
        long.map(|file| format!("{}: {} lines", file.path, file.lines())).collect(),
    );
}

#[test]
fn every_rust_file_says_in_its_first_line_what_it_is() {
    let silent = files(".").into_iter().filter(|file| file.is_rust() && !file.text.starts_with("//! "));
    check("the first line of a file says what its noun is (`//! …`)", silent.map(|file| file.path).collect());
}

#[test]
fn no_file_has_a_name_that_says_nothing() {
    let empty =
        ["mod", "util", "utils", "helper", "helpers", "manager", "handler", "service", "context", "common", "misc"];
    let offenders = files(".").into_iter().filter(|file| {
        let stem = Path::new(&file.path).file_stem().unwrap().to_str().unwrap();
        file.is_code() && empty.contains(&stem)
    });
    check("a file is named after the noun in it, so that it can be found", offenders.map(|file| file.path).collect());
}

#[test]
fn nothing_is_left_to_be_done_in_the_code() {
    let marks = [concat!("FIX", "ME"), concat!("TO", "DO"), concat!("XX", "X"), concat!("HA", "CK")];
    let offenders =
        files(".").into_iter().flat_map(|file| marks.iter().flat_map(|mark| file.places(mark)).collect::<Vec<_>>());
    check("what is left to be done stands in an issue, where somebody looks for it", offenders.collect());
}

#[test]
fn no_test_is_switched_off() {
    let off = concat!("#[", "ignore");
    let offenders = files(".").into_iter().filter(File::is_rust).flat_map(|file| file.places(off));
    check("a test that does not run proves nothing: repair it or delete it", offenders.collect());
}

#[test]
fn adapters_import_the_pipeline_only() {
    let adapters = ["engine", "feeds", "store"];
    let mut offenders = Vec::new();
    for (one, other) in adapters.iter().flat_map(|one| adapters.map(|other| (one, other))) {
        if *one != other {
            let file = format!("host/{one}/Cargo.toml");
            let name = format!("tidemill-{other}");
            offenders.extend(
                dependencies(&file, true).into_iter().filter(|(found, _)| *found == name).map(|_| file.clone()),
            );
        }
    }
    check("adapters know the rules and not each other, so that each can be replaced alone", offenders);
}

#[test]
fn the_pipeline_knows_nobody() {
    let above = ["tidemill", "tidemill-engine", "tidemill-feeds", "tidemill-store"];
    let offenders =
        dependencies("host/pipeline/Cargo.toml", true).into_iter().filter(|(name, _)| above.contains(&name.as_str()));
    check("the rules stand at the bottom: they know nobody", offenders.map(|(name, _)| name).collect());
}

#[test]
fn at_most_one_file_of_the_program_names_every_adapter() {
    let adapters = ["tidemill_engine::", "tidemill_feeds::", "tidemill_store::"];
    let all =
        files("host/tidemill/src").into_iter().filter(|file| adapters.iter().all(|name| file.text.contains(name)));
    let all: Vec<String> = all.map(|file| file.path).collect();
    assert!(all.len() <= 1, "the wiring is one file, so that one can read what the program is made of: {all:?}");
}

#[test]
fn each_contact_with_the_world_has_one_crate() {
    let contacts = [("wasmtime", "host/engine"), ("reqwest", "host/feeds"), ("rusqlite", "host/store")];
    let mut offenders = Vec::new();
    for (library, home) in contacts {
        for file in files("host") {
            let outside = !file.path.starts_with(&format!("{home}/"));
            if outside && file.is_rust() {
                offenders.extend(file.places(&format!("{library}::")));
            }
            if outside && file.path.ends_with("Cargo.toml") {
                let all = dependencies(&file.path, true).into_iter();
                let named = all.filter(|(name, _)| name.split('-').next() == Some(library));
                offenders.extend(named.map(|(name, _)| format!("{}: {name}", file.path)));
            }
        }
    }
    check(
        "only the engine names wasmtime, only the feeds reqwest, only the store rusqlite: a replacement touches one crate",
        offenders,
    );
}

#[test]
fn the_pipeline_performs_no_input_or_output() {
    let known = ["backon", "bytes", "bytestring", "memchr", "serde_json", "sha2", "thiserror", "tokio", "tracing"];
    let mut offenders = Vec::new();
    for (name, value) in dependencies("host/pipeline/Cargo.toml", false) {
        let pure = ["sync", "time", "macros"];
        let features = value.split_once("features").map_or("", |(_, features)| features);
        if !known.contains(&name.as_str()) {
            offenders.push(format!("host/pipeline/Cargo.toml: {name}"));
        }
        if name == "tokio" {
            let other = features.split('"').skip(1).step_by(2).filter(|feature| !pure.contains(feature));
            offenders.extend(other.map(|feature| format!("host/pipeline/Cargo.toml: tokio with {feature}")));
        }
    }
    for file in files("host/pipeline/src") {
        for world in
            ["std::fs", "std::net", "std::process", "std::env", "std::thread", "SystemTime", "tokio::fs", "tokio::net"]
        {
            offenders.extend(file.places(world));
        }
    }
    check(
        "the rules run in thousands of simulated worlds because they touch no real one: what they need of it is a port \
         (a new dependency that does no input or output is added to the list in this test)",
        offenders,
    );
}

#[test]
fn every_package_of_the_host_obeys_the_workspace_lints() {
    let manifests = files("host").into_iter().filter(|file| file.path.ends_with("Cargo.toml"));
    let offenders = manifests.filter(|file| !file.text.contains("[lints]\nworkspace = true"));
    check("a package without `[lints] workspace = true` may panic unseen", offenders.map(|file| file.path).collect());
}

#[test]
fn every_failpoint_is_planted_once_and_where_it_says() {
    let code = files("host");
    let planted = |name: &str| {
        let call = format!("failpoint::reach(\"{name}\")");
        code.iter().filter(|file| file.is_rust()).flat_map(|file| file.places(&call)).collect::<Vec<_>>()
    };
    let wrong = POINTS.iter().filter(|(name, file)| {
        let places = planted(name);
        places.len() != 1 || !places.iter().all(|place| place.starts_with(&format!("{file}:")))
    });
    check(
        "the fault matrix kills a host at every point of `POINTS`, which says where each of them is",
        wrong.map(|(name, file)| format!("`{name}`: not in {file}, but {:?}", planted(name))).collect(),
    );
    let listed = |line: &&str| POINTS.iter().any(|(name, _)| line.contains(&format!("reach(\"{name}\")")));
    let unlisted = code.iter().filter(|file| file.is_rust() && !file.path.ends_with("pipeline/src/failpoint.rs"));
    let unlisted = unlisted.flat_map(|file| {
        let calls = file.text.lines().filter(|line| line.contains("failpoint::reach(") && !listed(line));
        calls.map(|line| format!("{}: {}", file.path, line.trim())).collect::<Vec<_>>()
    });
    check("a failpoint that is not in `POINTS` is never tried", unlisted.collect());
}

#[test]
fn examples_are_short_and_built_from_the_contract_itself() {
    let sources: Vec<File> =
        files("guest-examples/rust").into_iter().filter(|file| file.path.ends_with("src/lib.rs")).collect();
    // These two do what their events say, and there is much to say.
    let for_tests = |file: &File| ["fickle", "probe"].iter().any(|name| file.path.contains(name));
    let long = sources.iter().filter(|file| !for_tests(file) && file.lines() >= 60);
    check(
        "a processor of one's own is promised to be short: under 60 lines",
        long.map(|file| format!("{}: {} lines", file.path, file.lines())).collect(),
    );
    let made_with_the_sdk = |file: &File| file.text.contains("tidemill_sdk::export!");
    let mut copied: Vec<_> = sources
        .iter()
        .filter(|file| !made_with_the_sdk(file) && !file.text.contains("path: \"../../../wit\""))
        .map(|file| file.path.clone())
        .collect();
    let sdk = fs::read_to_string(root().join("sdk/rust/src/contract.rs")).unwrap();
    if !sdk.contains("path: \"../../wit\"") {
        copied.push("sdk/rust/src/contract.rs".to_owned());
    }
    check("bindings come from `wit/`, never from a copy that ages", copied);
}

#[test]
fn the_contract_is_the_one_that_components_were_built_for() {
    let contract = fs::read_to_string(root().join("wit/processor.wit")).unwrap();
    let snapshot = fs::read_to_string(root().join("tests/snapshots/processor-0.1.0.wit")).unwrap();
    assert!(
        contract == snapshot,
        "the contract changed. Components that exist were built for the old one: imports may gain functions, exported \
         types never change.\nhint: if it is meant, cp wit/processor.wit tests/snapshots/processor-0.1.0.wit"
    );
}

#[test]
fn no_path_of_somebodys_machine_is_in_the_project() {
    let folders = ["root", "home", "Users", "work"].map(|folder| format!("/{folder}/"));
    let mut offenders = Vec::new();
    for file in files(".") {
        for (index, line) in file.text.lines().enumerate() {
            if folders.iter().any(|folder| names_absolute(line, folder)) {
                offenders.push(format!("{}:{}", file.path, index + 1));
            }
        }
    }
    let demo = fs::read(root().join("host/tidemill/src/demo/totals.wasm")).unwrap();
    if names_absolute(&String::from_utf8_lossy(&demo), &folders[0]) {
        offenders.push("host/tidemill/src/demo/totals.wasm".to_owned());
    }
    check("a path that exists on one machine is of no use on another", offenders);
}

#[test]
fn every_link_between_the_pages_leads_somewhere() {
    let mut offenders = Vec::new();
    for file in files(".").into_iter().filter(|file| has_extension(&file.path, "md")) {
        let folder = root().join(&file.path).parent().unwrap().to_owned();
        let links = file.text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://") && !link.contains(char::is_whitespace)) {
            let target = link.split('#').next().unwrap();
            if !target.is_empty() && !folder.join(target).exists() {
                offenders.push(format!("{}: {link}", file.path));
            }
        }
    }
    check("a link that leads nowhere costs everybody who follows it", offenders);
}

/// Whether a text has this folder at the root of a path: in `$PREFIX/root/usr` it is not.
fn names_absolute(text: &str, folder: &str) -> bool {
    text.match_indices(folder).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        !before.is_some_and(|before| before.is_alphanumeric() || "_-.}~)".contains(before))
    })
}
