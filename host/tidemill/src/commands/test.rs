//! `test`: cases, through the real engine.

mod junit;
mod report;

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::Context as _;

use self::report::{Report, Tested};
use crate::{
    cases::{Case, CaseDefaults, Workbench, compare},
    cli::TestArgs,
    config::{Config, ProcessorConfig},
    exit::{Exit, Misuse},
};

/// Runs the cases. Fails if one of them did.
pub(super) fn execute(args: &TestArgs, config: &Path) -> anyhow::Result<Exit> {
    let (file, defaults) = tested(args, config)?;
    let began = Instant::now();
    let cases = cases(args)?;
    let workbench = Workbench::of_the_user()?;
    let component = workbench.load_file(&file, &defaults.limits)?;
    let mut report = Report::new(args);
    for case in &cases {
        let started = Instant::now();
        let outcome = workbench.run(case, &component, &defaults).with_context(|| format!("case `{}`", case.name))?;
        let differences = compare(case, &outcome);
        report.add(&Tested { case, outcome, differences, elapsed: started.elapsed() })?;
    }
    report.finish(began.elapsed())
}

/// The component, and what the configuration says about it.
fn tested(args: &TestArgs, config: &Path) -> anyhow::Result<(PathBuf, CaseDefaults)> {
    if let Some(file) = &args.component {
        return Ok((file.clone(), CaseDefaults::default()));
    }
    let config = Config::load(config)?;
    let processor = chosen(args, &config)?;
    Ok((processor.component.clone(), CaseDefaults::of(processor)))
}

fn chosen<'a>(args: &TestArgs, config: &'a Config) -> Result<&'a ProcessorConfig, Misuse> {
    let names = || config.processors.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let mut all = config.processors.iter();
    match (&args.processor, all.next(), all.next()) {
        (Some(name), ..) => config.processors.get(name).ok_or_else(|| Misuse {
            message: format!("the configuration has no processor `{name}`"),
            hint: format!("its processors are {}", names()),
        }),
        (None, Some((_, only)), None) => Ok(only),
        (None, None, _) => Err(Misuse {
            message: "the configuration has no processor".to_owned(),
            hint: "add one, or name a file with `--component FILE`".to_owned(),
        }),
        (None, Some(_), Some(_)) => Err(Misuse {
            message: "the configuration has more than one processor, and none was named".to_owned(),
            hint: format!("say `--processor NAME`, one of {}", names()),
        }),
    }
}

/// The cases that are meant; at least one.
fn cases(args: &TestArgs) -> anyhow::Result<Vec<Case>> {
    let mut cases = Vec::new();
    for path in &args.cases {
        if path.is_dir() { cases.extend(Case::read_all(path)?) } else { cases.push(Case::read(path)?) }
    }
    let found = cases.len();
    if let Some(text) = &args.filter {
        cases.retain(|case| case.name.contains(text.as_str()));
    }
    if !cases.is_empty() {
        return Ok(cases);
    }
    let named = args.cases.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    let (message, hint) = match (found, &args.filter) {
        (1.., Some(text)) => {
            (format!("no case in {named} has `{text}` in its name"), format!("there are {found} cases"))
        }
        _ => (format!("there is no case in {named}"), "a case is a file `NAME.toml`; see docs/testing.md".to_owned()),
    };
    Err(Misuse { message, hint }.into())
}
