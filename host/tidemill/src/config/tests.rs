//! What the configuration accepts, what it comes to, and what it says when something is wrong.

use std::path::Path;

use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(Path::new("conf/tidemill.toml"), text)
}

fn errors(text: &str) -> String {
    parse(text).expect_err("the file is wrong").to_string()
}

const SMALLEST: &str = r#"
[feeds.orders]
url = "file:orders.ndjson"

[processors.totals]
component = "totals.wasm"
feeds = ["orders"]
"#;

#[test]
fn the_smallest_file_gets_every_default() {
    insta::assert_debug_snapshot!(parse(SMALLEST).unwrap());
}

#[test]
fn everything_can_be_said() {
    insta::assert_debug_snapshot!(parse(include_str!("tests/full.toml")).unwrap());
}

#[test]
fn a_thoroughly_wrong_file_has_all_its_errors_reported_at_once() {
    insta::assert_snapshot!(errors(include_str!("tests/wrong.toml")));
}

#[test]
fn every_syntax_error_has_its_place() {
    insta::assert_snapshot!(errors("data = \n[feeds.orders\nurl = \"http://a\"\nurl = \"http://b\"\n"));
}

#[test]
fn an_empty_file_is_a_configuration_without_work() {
    let config = parse("").unwrap();
    assert_eq!(config.data, Path::new("conf/data"));
    assert!(config.feeds.is_empty() && config.processors.is_empty());
}

#[test]
fn a_missing_file_says_how_to_name_another() {
    let error = Config::load(Path::new("/nowhere/tidemill.toml")).unwrap_err().to_string();
    assert!(error.starts_with("/nowhere/tidemill.toml: there is no such file"), "{error}");
    assert!(error.contains("--config FILE"), "{error}");
}

#[test]
fn a_secret_in_the_file_is_never_repeated() {
    let text = r#"
[feeds.a]
url = "https://user:hunter2@example.com/"
bearer-token = "hunter2"
[feeds.b]
url = "https://example.com/"
bearer-token = { value = "hunter2" }
request-headers = { "X-Key" = "hunter2\n" }
"#;
    let error = errors(text);
    assert!(!error.contains("hunter2"), "{error}");
    let config = parse("[feeds.a]\nurl = \"http://a\"\nrequest-headers = { X-Key = \"hunter2\" }").unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
}

fn component_config(text: &str) -> ComponentConfig {
    let text = format!("{SMALLEST}\n[processors.totals.config]\n{text}");
    let mut config = parse(&text).unwrap();
    config.processors.pop_first().unwrap().1.config
}

#[test]
fn a_component_reads_every_value_as_text() {
    let config = component_config(
        r#"
text = "as it is"
number = 0x10
negative = -1
float = 1.50
large = 1e6
yes = true
day = 2026-11-22
prices.nok = 3
prices.deep.sek = 4
list = ["a", 1, 2.5, { b = [true] }]
"#,
    );
    insta::assert_json_snapshot!(config.entries());
}

#[test]
fn the_digest_of_a_components_configuration_is_that_of_its_meaning() {
    let one = component_config("a = 1\nb.c = \"x\"").digest();
    assert_eq!(one, component_config("b = { c = \"x\" }\na = 0x1 # one").digest());
    for other in ["a = 2\nb.c = \"x\"", "a = 1", "a = 1\nb.cx = \"\"", "a = 1\nb.c = \"x\"\nd = \"\""] {
        assert_ne!(one, component_config(other).digest(), "{other}");
    }
}

#[test]
fn the_digest_of_what_a_component_sees_says_which_fields_it_is_given() {
    let digest = |setting: &str| {
        let config = parse(&format!("{SMALLEST}\n{setting}")).unwrap();
        config.processors.values().next().unwrap().digest()
    };
    let config = component_config("").digest();
    assert_eq!(digest(""), config, "as in hosts that knew no fields");
    let one = digest("fields = ['a', 'b']");
    assert_eq!(one, digest("fields = ['b', 'a', 'b']"), "the payload says their order");
    for other in ["", "fields = []", "fields = ['a']", "fields = ['ab']", "fields = ['a', 'c']"] {
        assert_ne!(one, digest(other), "{other}");
    }
    assert_ne!(config, digest("fields = []"));
}

#[test]
fn sizes_and_durations_are_bounded_on_both_sides() {
    for (setting, good) in [
        ("line-bytes-max = \"1023\"", false),
        ("line-bytes-max = 1024", true),
        ("line-bytes-max = \"1KiB\"", true),
        ("page-bytes-max = \"4GiB\"", true),
        ("page-bytes-max = \"5GiB\"", false),
        ("poll-interval = \"1ms\"", true),
        ("poll-interval = \"999us\"", false),
        ("poll-interval = \"1h\"", true),
        ("poll-interval = \"61m\"", false),
        ("page-size = 0", false),
        ("page-size = 1_000_000", true),
        ("page-size = 1_000_001", false),
    ] {
        let text = format!("[feeds.a]\nurl = \"http://a\"\n{setting}");
        assert_eq!(parse(&text).is_ok(), good, "{setting}: {:?}", parse(&text).err().map(|error| error.to_string()));
    }
}

/// The defaults in the batch's and the overlay's own types are those of the file.
#[test]
fn the_defaults_are_those_of_the_pipeline() {
    let config = parse(SMALLEST).unwrap();
    let totals = config.processors.values().next().unwrap();
    assert_eq!(totals.batch, tidemill_pipeline::BatchBounds::default());
    assert_eq!(totals.limits.writes, tidemill_pipeline::WriteBounds::default());
}

#[test]
fn the_reference_is_in_step_with_the_declarations() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, reference()).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == reference(),
        "docs/configuration.md is out of step: write it with `UPDATE=1 cargo test -p tidemill`"
    );
}

proptest! {
    /// Whatever stands in the file: it is a configuration, or every problem has a place within it.
    #[test]
    fn no_text_is_too_wrong_to_be_reported(
        full: bool, cuts in prop::collection::vec((any::<prop::sample::Index>(), 0..40_usize, "\\PC{0,3}|[\\[\\]{}=\",.\n#0-9]{0,6}"), 1..6),
    ) {
        let text = if full { include_str!("tests/full.toml") } else { include_str!("tests/wrong.toml") };
        let mut chars: Vec<char> = text.chars().collect();
        for (at, length, instead) in cuts {
            let at = at.index(chars.len() + 1);
            let end = (at + length).min(chars.len());
            chars.splice(at..end, instead.chars());
        }
        let text: String = chars.into_iter().collect();
        if let Err(error) = parse(&text) {
            prop_assert!(!error.problems.is_empty());
            for problem in error.problems {
                let (line, column) = problem.place.expect("a text that was read has places");
                prop_assert!(column > 0 && (1..=text.matches('\n').count() + 1).contains(&line), "{problem:?}");
            }
        }
    }
}
