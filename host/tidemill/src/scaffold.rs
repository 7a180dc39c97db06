//! The scaffold: the files of a new project, made of the example of its language.

mod language;
mod manifest;
mod name;
mod templates;

use std::path::Path;

use anyhow::Context as _;

use crate::{cli::Language, config, exit::Misuse};

/// A file of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectFile {
    /// From the directory of the project.
    pub path: String,
    /// What is in it.
    pub text: String,
    /// Whether it is a program.
    pub executable: bool,
}

/// A project that is not yet there.
#[derive(Clone, Debug)]
pub struct Project<'a> {
    name: &'a str,
    language: Language,
}

impl<'a> Project<'a> {
    /// A project with this name.
    ///
    /// # Errors
    /// A name that the processor, or the language's own packages, cannot have.
    pub fn new(name: &'a str, language: Language) -> Result<Self, Misuse> {
        name::check(name)?;
        Ok(Self { name, language })
    }

    /// Its files, in the order of their paths.
    ///
    /// # Errors
    /// A template that is not what it should be; a test makes a project of each language.
    pub fn files(&self) -> anyhow::Result<Vec<ProjectFile>> {
        let mut files = Vec::new();
        for template in templates::CONTRACT.iter().chain(templates::of(self.language)) {
            let path = self.place(template.path).with_context(|| format!("{} has no place", template.path))?;
            let text = self.renamed(&path, template.text)?;
            files.push(ProjectFile { executable: has_extension(&path, "sh"), path, text });
        }
        let written = [
            ("tidemill.toml", CONFIGURATION.to_owned()),
            ("tidemill/tidemill.schema.json", format!("{:#}\n", config::schema())),
            ("events.ndjson", EVENTS.to_owned()),
            ("cases/adds-up.toml", ADDS_UP.to_owned()),
            ("cases/is-no-payment.toml", IS_NO_PAYMENT.to_owned()),
            (".gitignore", self.language.ignored()),
            ("README.md", README.to_owned()),
        ];
        for (path, text) in written {
            files.push(ProjectFile { path: path.to_owned(), text: self.filled(&text), executable: false });
        }
        files.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(files)
    }

    /// What to do next, a line each.
    #[must_use]
    pub fn next_steps(&self) -> [(String, &'static str); 3] {
        let (build, test) = (self.language.build(), "tidemill test cases");
        [
            (format!("{build} && {test}"), "build it, and see that its cases hold"),
            ("tidemill run --until-idle".to_owned(), "apply the events of events.ndjson"),
            (format!("tidemill state scan {}", self.name), "what has it computed?"),
        ]
    }

    /// Where a file of this repository lies in the project. Files keep their places to each other.
    fn place(&self, path: &str) -> Option<String> {
        let folder = self.language.folder();
        let example = format!("guest-examples/{folder}/totals/");
        let shared = format!("guest-examples/{folder}/");
        if let Some(own) = path.strip_prefix(&example).or_else(|| path.strip_prefix(&shared)) {
            // A file's name that the user chooses could mean something: to Go, `orders_test.go` is a test.
            return Some(own.replace("totals", "main"));
        }
        (path.starts_with("sdk/") || path.starts_with("wit/")).then(|| format!("tidemill/{path}"))
    }

    /// A template as it stands in the project.
    fn renamed(&self, path: &str, text: &str) -> anyhow::Result<String> {
        if path.starts_with("tidemill/") {
            return Ok(text.to_owned());
        }
        let text = text.replace("../../../", "tidemill/").replace("../build.sh", "./build.sh");
        Ok(match path {
            "Cargo.toml" => {
                let workspace = templates::RUST_WORKSPACE.replace("../../", "tidemill/");
                manifest::alone(&text, &workspace)?.replace("\"totals\"", &format!("\"{}\"", self.name))
            }
            // A build does not depend on what somebody calls the directory.
            "build.sh" => with_default_name(&text, self.name),
            "Makefile" => text.replace("$(notdir $(CURDIR))", self.name),
            // Without a dot it would be a package of Go's library, if that has one of this name.
            "go.mod" => text.replace("module totals", &format!("module example.com/{}", self.name)),
            path if has_extension(path, "c") => text.replace("totals.c", "main.c"),
            _ => text,
        })
    }

    /// One of our own texts with what belongs in it.
    fn filled(&self, text: &str) -> String {
        let language = self.language;
        text.replace("{name}", self.name)
            .replace("{language}", language.title())
            .replace("{component}", &language.component(self.name))
            .replace("{build}", language.build())
            .replace("{main}", language.main())
            .replace("{test}", language.test())
            .replace("{needs}", language.needs())
    }
}

/// The script with this name for what it builds, where it would take the directory's.
fn with_default_name(script: &str, name: &str) -> String {
    let line = |line: &str| match line.split_once("=${NAME:-") {
        Some((variable, _)) => format!("{variable}=${{NAME:-{name}}}\n"),
        None => format!("{line}\n"),
    };
    script.lines().map(line).collect()
}

const CONFIGURATION: &str = include_str!("scaffold/project/tidemill.toml.txt");
const README: &str = include_str!("scaffold/project/README.txt");
const EVENTS: &str = include_str!("scaffold/project/events.ndjson");
const ADDS_UP: &str = include_str!("scaffold/project/adds-up.toml");
const IS_NO_PAYMENT: &str = include_str!("scaffold/project/is-no-payment.toml");

/// Whether a file of a template ends so. Their names are ours.
fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == extension)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_of_go_may_be_called_as_a_package_of_gos_library() {
        let files = Project::new("fmt", Language::Go).unwrap().files().unwrap();
        let module = files.iter().find(|file| file.path == "go.mod").unwrap();
        assert!(module.text.starts_with("module example.com/fmt\n"), "{}", module.text);
    }
}
