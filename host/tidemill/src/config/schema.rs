//! The schema: what `tidemill.toml` may say, for editors, from the declarations themselves.

use serde_json::{Map, Value as Json, json};
use toml::de::DeValue;

use super::{reference::sections, section::Described, values};

/// What `names` holds the names of feeds and processors to.
const NAME: &str = "^[a-z0-9][a-z0-9_-]{0,62}$";

/// The JSON Schema of `tidemill.toml` (draft 2020-12).
///
/// It refuses what the program refuses at one place: unknown names, kinds, bounds of numbers. What concerns several settings at
/// once, and the bounds of what is written with a unit, only the program checks.
#[must_use]
pub fn schema() -> Json {
    let [host, feed, processor, limits, quotas, config] = sections();
    let processor = with(
        object(processor.1, &processor.2),
        [
            ("limits", object(limits.1, &limits.2)),
            ("quotas", object(quotas.1, &quotas.2)),
            ("config", component_config(config.1)),
        ],
    );
    let named = |about: &str, each: Json| {
        let names = json!({ "pattern": NAME });
        json!({ "description": about, "type": "object", "propertyNames": names, "additionalProperties": each })
    };
    let feeds = named("The feeds, each under `[feeds.NAME]`.", object(feed.1, &feed.2));
    let processors = named("The processors, each under `[processors.NAME]`.", processor);
    let mut file =
        with(object("The configuration of Tidemill.", &host.2), [("feeds", feeds), ("processors", processors)]);
    if let Json::Object(file) = &mut file {
        file.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        file.insert("title".to_owned(), json!("tidemill.toml"));
    }
    file
}

/// A table with exactly these settings.
fn object(about: &str, settings: &[Described]) -> Json {
    // Names without a meaning of their own are tables: whoever calls adds them.
    let settings = || settings.iter().filter(|setting| !setting.doc.is_empty());
    let properties: Map<_, _> = settings().map(|setting| (setting.name.to_owned(), property(setting))).collect();
    let required: Vec<_> = settings().filter(|setting| setting.required).map(|setting| setting.name).collect();
    json!({
        "description": about,
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

/// The same table with more entries.
fn with<const N: usize>(mut object: Json, entries: [(&str, Json); N]) -> Json {
    if let Some(properties) = object.get_mut("properties").and_then(Json::as_object_mut) {
        properties.extend(entries.map(|(name, schema)| (name.to_owned(), schema)));
    }
    object
}

fn property(setting: &Described) -> Json {
    let mut schema = setting.schema.clone();
    if let Json::Object(schema) = &mut schema {
        let expects = format!("{}\n\n{}.", setting.doc, first_upper(&setting.expects));
        schema.insert("description".to_owned(), expects.into());
        if let Some(default) = setting.default {
            let value = DeValue::parse(default).expect("defaults are TOML values; a test reads them all");
            schema.insert("default".to_owned(), values::json(value.get_ref()).unwrap_or_default());
        }
    }
    schema
}

/// What the user gives the component: anything, for it is read as text.
fn component_config(about: &str) -> Json {
    json!({ "description": about, "type": "object" })
}

fn first_upper(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        path::{Path, PathBuf},
    };

    use super::*;
    use clap::ValueEnum as _;

    use crate::{cli::Language, config::Config, scaffold::Project};

    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    /// What the schema has against a file; empty if nothing.
    fn complaints(text: &str) -> Vec<String> {
        let file: Json = toml::from_str(text).expect("it is TOML");
        let validator = jsonschema::draft202012::new(&schema()).expect("it is a schema");
        validator.iter_errors(&file).map(|error| format!("{}: {error}", error.instance_path())).collect()
    }

    fn program_accepts(text: &str) -> bool {
        Config::parse(Path::new("tidemill.toml"), text).is_ok()
    }

    /// Every configuration of the project: files, and the blocks of `toml` in the pages that have a heading of ours.
    fn configurations() -> Vec<(String, String)> {
        let mut found = Vec::new();
        for language in Language::value_variants() {
            let files = Project::new("payments", *language).unwrap().files().unwrap();
            let own = files.into_iter().find(|file| file.path == "tidemill.toml").unwrap();
            found.push((format!("a new project in {language:?}"), own.text));
        }
        let mut folders = vec![root()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                if path.is_dir() {
                    let ours = !name.starts_with('.') && !name.starts_with("target") && name != "node_modules";
                    folders.extend(ours.then_some(path));
                } else if path.extension().is_some_and(|extension| extension == "md") {
                    let text = fs::read_to_string(&path).unwrap();
                    let blocks = text.split("\n```toml\n").skip(1).filter_map(|rest| rest.split("\n```").next());
                    let ours = blocks.filter(|block| block.contains("[feeds.") && block.contains("[processors."));
                    found.extend(ours.map(|block| (path.display().to_string(), block.to_owned())));
                } else if name == "tidemill.toml" || name == "full.toml" {
                    found.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
                }
            }
        }
        found
    }

    #[test]
    fn the_schema_and_the_program_accept_every_configuration_of_the_project() {
        let found = configurations();
        assert!(found.len() > Language::value_variants().len(), "there are some: {found:?}");
        for (path, text) in found {
            assert_eq!(complaints(&text), [""; 0], "{path}");
            assert!(program_accepts(&text), "{path}: {:?}", Config::parse(Path::new("a"), &text).err());
        }
    }

    const SMALLEST: &str = "[feeds.a]\nurl = \"http://a\"\n[processors.b]\ncomponent = \"b.wasm\"\nfeeds = [\"a\"]\n";

    #[test]
    fn the_schema_refuses_what_the_program_refuses() {
        assert!(program_accepts(SMALLEST) && complaints(SMALLEST).is_empty());
        for (line, place) in [
            ("colour = 1", "/processors/b"),
            ("on-reject = \"hope\"", "/processors/b/on-reject"),
            ("batch-events = 0", "/processors/b/batch-events"),
            ("batch-events = 100_001", "/processors/b/batch-events"),
            ("batch-events = \"many\"", "/processors/b/batch-events"),
            ("batch-bytes = 1", "/processors/b/batch-bytes"),
            ("batch-bytes = \"1 apple\"", "/processors/b/batch-bytes"),
            ("limits.call-time = 5", "/processors/b/limits/call-time"),
            ("limits.call-time = \"soon\"", "/processors/b/limits/call-time"),
            ("limits.fule = 5", "/processors/b/limits"),
            ("config = 1", "/processors/b/config"),
            ("[processors.B]\ncomponent = \"b\"\nfeeds = [\"a\"]", "/processors"),
            ("[processors.c]\ncomponent = \"\"\nfeeds = [\"a\"]", "/processors/c/component"),
            ("[processors.c]\nfeeds = [\"a\"]", "/processors/c"),
            ("[feeds.c]\nurl = \"ftp://a\"", "/feeds/c/url"),
            ("[feeds.c]\nurl = \"http://a\"\nbearer-token = \"hunter2\"", "/feeds/c/bearer-token"),
            ("[feeds.c]\nurl = \"http://a\"\nbearer-token = { env = \"A\", file = \"b\" }", "/feeds/c/bearer-token"),
            ("[feeds.c]\nurl = \"http://a\"\nrequest-headers = { \"a b\" = \"c\" }", "/feeds/c/request-headers"),
        ] {
            let text = format!("{SMALLEST}{line}\n");
            let complaints = complaints(&text);
            assert!(!program_accepts(&text), "{line}: the program takes it");
            assert!(complaints.iter().any(|found| found.starts_with(&format!("{place}: "))), "{line}: {complaints:?}");
        }
        assert!(!complaints("dta = \"data\"").is_empty());
    }

    #[test]
    fn the_schema_refuses_nothing_that_the_program_accepts() {
        for line in [
            "batch-bytes = \"1.5 mib\"",
            "batch-bytes = \"64k\"",
            "batch-bytes = 2_048",
            "limits.call-time = \"1m 30s\"",
            "limits.call-time = \"1500 millis\"",
            "config = { a = 1, b = { c = [true, 2026-11-22] } }",
            "[feeds.0-a_b]\nurl = \"HTTPS://a\"",
            "[feeds.c]\nurl = \"file:///a.ndjson\"",
            "[feeds.c]\nurl = \"http://a\"\nrequest-headers = { X-Team = \"\" }",
        ] {
            let text = format!("{SMALLEST}{line}\n");
            assert!(program_accepts(&text), "{line}: {:?}", Config::parse(Path::new("a"), &text).err());
            assert_eq!(complaints(&text), [""; 0], "{line}");
        }
    }

    #[test]
    fn every_default_of_the_schema_is_one_that_it_accepts() {
        for (title, _, settings) in sections() {
            for setting in settings.iter().filter(|setting| !setting.doc.is_empty()) {
                let property = property(setting);
                let Some(default) = property.get("default") else { continue };
                let found = jsonschema::draft202012::new(&property).unwrap();
                assert!(found.is_valid(default), "{title}: {property}");
            }
        }
    }

    #[test]
    fn the_schema_that_is_checked_in_is_in_step_with_the_declarations() {
        let path = root().join("docs/tidemill.schema.json");
        let text = format!("{:#}\n", schema());
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&path, &text).unwrap();
        }
        let written = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == text,
            "docs/tidemill.schema.json is out of step: write it with `UPDATE=1 cargo test --workspace schema`"
        );
    }
}
