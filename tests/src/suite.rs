//! The suite of all languages: the same cases for every language's components, and the same writes from all of them.
//!
//! A component passes a case if the case says so, and if it wrote in each batch what the Rust component wrote, byte for byte.
//! What a failure says may differ in words where the case does not fix them.

use std::{collections::BTreeMap, fmt, fs, path::PathBuf};

use tidemill::{
    cases::{Case, CaseDefaults, CaseFailure, CaseOutcome, Workbench, compare},
    config::{FailedAs, Limits},
};
use tidemill_engine::{Compiler, Component};
use tidemill_pipeline::Change;

pub use crate::guest_build::root;
use crate::guest_host::built_with;

/// The processors that exist in every language, and have cases.
pub const PROCESSORS: [&str; 3] = ["totals", "join", "probe"];

/// The language that the others are compared with.
pub const REFERENCE: &str = "rust";

/// Cases, and an engine to try components on.
pub struct Suite {
    workbench: Workbench,
    cache: PathBuf,
    cases: BTreeMap<&'static str, Vec<Case>>,
}

/// A case that a component was tried on.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The processor and the case: `totals/one-by-one`.
    pub case: String,
    /// What was wrong; nothing if the component passed.
    pub faults: Vec<String>,
}

/// What the components of a language came to, case by case.
#[derive(Clone, Debug)]
pub struct Verdicts(pub Vec<Verdict>);

impl Suite {
    /// All cases, and an engine that finds again what this machine has compiled before.
    #[must_use]
    pub fn open() -> Self {
        let folder = root().join("guest-examples/cases");
        let read = |processor: &'static str| {
            let cases = Case::read_all(&folder.join(processor)).unwrap_or_else(|error| panic!("{error:?}"));
            (processor, cases)
        };
        let cases = PROCESSORS.into_iter().filter(|processor| folder.join(processor).is_dir()).map(read).collect();
        let cache = root().join("target/tmp/conformance-code");
        let workbench = Workbench::open(&cache, Compiler::InProcess).unwrap_or_else(|error| panic!("{error:?}"));
        Self { workbench, cache, cases }
    }

    /// The names of all cases: `totals/one-by-one`.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let cases = self.cases.iter();
        cases.flat_map(|(processor, cases)| cases.iter().map(move |case| name(processor, case))).collect()
    }

    /// Tries the components of a language on all cases.
    #[must_use]
    pub fn try_language(&self, language: &str) -> Verdicts {
        let verdicts = self.cases.keys().flat_map(|processor| self.try_component(language, processor, processor).0);
        Verdicts(verdicts.collect())
    }

    /// Tries a component of `target/guests/FOLDER` on the cases of a processor.
    #[must_use]
    pub fn try_component(&self, folder: &str, component: &str, processor: &str) -> Verdicts {
        let reference = self.load(REFERENCE, processor);
        let component = self.load(folder, component);
        let cases = self.cases.get(processor).into_iter().flatten();
        let verdicts = cases.map(|case| {
            let outcome = self.run(case, &component);
            let mut faults: Vec<String> = compare(case, &outcome).iter().map(ToString::to_string).collect();
            if folder != REFERENCE {
                faults.extend(unlike(&outcome, &self.run(case, &reference)));
            }
            Verdict { case: name(processor, case), faults }
        });
        Verdicts(verdicts.collect())
    }

    /// The reasons of the failures that a language's component comes to in a case: `probe/a-throw`.
    #[must_use]
    pub fn reasons(&self, language: &str, case: &str) -> Vec<String> {
        let mut cases =
            self.cases.iter().flat_map(|(processor, cases)| cases.iter().map(move |case| (processor, case)));
        let found = cases.find(|(processor, known)| name(processor, known) == case);
        let (processor, found) = found.unwrap_or_else(|| panic!("there is no case {case}"));
        let outcome = self.run(found, &self.load(language, processor));
        outcome.failures.into_iter().map(|failure| failure.reason).collect()
    }

    fn load(&self, folder: &str, component: &str) -> Component {
        let file = built(folder, component);
        let bytes = fs::read(&file).unwrap_or_else(|error| {
            panic!("{}: {error}\nhint: cargo xtask guests {}", file.display(), built_with(folder))
        });
        // Tests run side by side in processes of their own; what is large is compiled by one of them, and the others find it.
        let lock = fs::File::create(self.cache.join(format!("{folder}-{component}.lock"))).unwrap();
        lock.lock().unwrap();
        let loaded = self.workbench.load(&bytes, &Limits::default());
        loaded.unwrap_or_else(|error| panic!("{} does not load: {error:?}", file.display()))
    }

    fn run(&self, case: &Case, component: &Component) -> CaseOutcome {
        let outcome = self.workbench.run(case, component, &CaseDefaults::default());
        outcome.unwrap_or_else(|error| panic!("{}: {error:?}", case.path.display()))
    }
}

impl Verdicts {
    /// Those that did not pass.
    #[must_use]
    pub fn failed(&self) -> Vec<&Verdict> {
        self.0.iter().filter(|verdict| !verdict.faults.is_empty()).collect()
    }

    /// The verdict on a case.
    #[must_use]
    pub fn of(&self, case: &str) -> &Verdict {
        self.0.iter().find(|verdict| verdict.case == case).unwrap_or_else(|| panic!("there is no case {case}"))
    }
}

impl fmt::Display for Verdicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed = self.failed();
        write!(f, "{} of {} cases failed", failed.len(), self.0.len())?;
        for verdict in failed {
            write!(f, "\n\n{}\n{}", verdict.case, verdict.faults.join("\n"))?;
        }
        Ok(())
    }
}

/// Where a component lies once `cargo xtask guests` has built it.
#[must_use]
pub fn built(folder: &str, component: &str) -> PathBuf {
    root().join("target/guests").join(folder).join(format!("{component}.wasm"))
}

fn name(processor: &str, case: &Case) -> String {
    format!("{processor}/{}", case.name)
}

/// In what an outcome differs from that of the reference: the writes of each batch, and which failures there were.
fn unlike(outcome: &CaseOutcome, reference: &CaseOutcome) -> Vec<String> {
    let mut faults = Vec::new();
    let place = |failure: &CaseFailure| -> (Option<u64>, FailedAs, Option<u64>) {
        (failure.event, failure.kind, failure.after_ms)
    };
    let (found, expected): (Vec<_>, Vec<_>) =
        (outcome.failures.iter().map(place).collect(), reference.failures.iter().map(place).collect());
    if found != expected {
        faults.push(format!("other failures than {REFERENCE}: {found:?}, not {expected:?}"));
    }
    if outcome.batches.len() != reference.batches.len() {
        let (found, expected) = (outcome.batches.len(), reference.batches.len());
        faults.push(format!("it came to {found} batches, {REFERENCE} to {expected}"));
    }
    for (number, (found, expected)) in (1..).zip(outcome.batches.iter().zip(&reference.batches)) {
        let differing = |one: &[Change], other: &[Change]| {
            one.iter()
                .find(|change| !other.contains(change))
                .map(|change| format!("{:?} = {:?}", change.key, change.after))
        };
        if found.changes != expected.changes {
            let written = differing(&found.changes, &expected.changes).unwrap_or_else(|| "nothing more".to_owned());
            let missing = differing(&expected.changes, &found.changes).unwrap_or_else(|| "nothing more".to_owned());
            faults.push(format!("batch {number}: it writes {written}; {REFERENCE} writes {missing}"));
        }
    }
    faults
}
