//! The report that CI reads, as `JUnit` has it.

use std::{path::Path, time::Duration};

use anyhow::Context as _;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::report::Tested;
use crate::output::write_whole;

/// Gathers cases, a suite for each directory.
pub(super) struct Junit(Vec<TestSuite>);

impl Junit {
    pub(super) fn new() -> Self {
        Self(Vec::new())
    }

    pub(super) fn add(&mut self, tested: &Tested<'_>) {
        let directory = tested.case.path.parent().unwrap_or(Path::new("")).display().to_string();
        let status = if tested.differences.is_empty() {
            TestCaseStatus::success()
        } else {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(
                tested.differences.iter().map(crate::cases::Difference::title).collect::<Vec<_>>().join("; "),
            );
            let text: Vec<String> = tested.differences.iter().map(ToString::to_string).collect();
            status.set_description(text.join("\n"));
            status
        };
        let mut case = TestCase::new(tested.case.name.clone(), status);
        case.set_time(tested.elapsed);
        case.set_classname(directory.clone());
        if !tested.outcome.lines.is_empty() {
            let lines: Vec<String> = tested.outcome.lines.iter().map(ToString::to_string).collect();
            case.set_system_out(lines.join("\n"));
        }
        if let Some(suite) = self.0.iter_mut().find(|suite| suite.name.as_str() == directory) {
            suite.add_test_case(case);
        } else {
            let mut suite = TestSuite::new(directory);
            suite.add_test_case(case);
            self.0.push(suite);
        }
    }

    pub(super) fn write(self, path: &Path, elapsed: Duration) -> anyhow::Result<()> {
        let mut report = Report::new("tidemill test");
        report.set_time(elapsed);
        report.add_test_suites(self.0);
        let text = report.to_string().context("the report cannot be written as XML")?;
        write_whole(path, text.as_bytes()).with_context(|| format!("the report {} cannot be written", path.display()))
    }
}
