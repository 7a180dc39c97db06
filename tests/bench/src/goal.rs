//! A goal: what was to be reached, what was measured, and whether that is enough.

/// One line of the table of goals.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Goal {
    /// What is measured.
    pub(crate) what: String,
    /// What was to be reached, in words.
    pub(crate) wanted: String,
    /// What came, in words; none if it was not measured.
    pub(crate) got: Option<String>,
    /// Whether that is enough.
    pub(crate) arrived: bool,
}

impl Goal {
    /// A ratio that should be large.
    pub(crate) fn at_least(what: String, wanted: f64, got: Option<f64>) -> Self {
        Self {
            what,
            wanted: format!("≥ {wanted}×"),
            got: got.map(|got| format!("{got:.2}×")),
            arrived: got.is_some_and(|got| got >= wanted),
        }
    }

    /// A figure that should be small.
    pub(crate) fn at_most(what: String, wanted: f64, unit: &str, got: Option<f64>) -> Self {
        Self {
            what,
            wanted: format!("≤ {wanted} {unit}"),
            got: got.map(|got| format!("{got:.1} {unit}")),
            arrived: got.is_some_and(|got| got <= wanted),
        }
    }

    /// Its row in Markdown.
    pub(crate) fn row(&self) -> String {
        let verdict = match (&self.got, self.arrived) {
            (None, _) => "not measured",
            (Some(_), true) => "arrived",
            (Some(_), false) => "not arrived",
        };
        format!("| {} | {} | {} | {verdict} |\n", self.what, self.wanted, self.got.as_deref().unwrap_or(""))
    }
}

#[cfg(test)]
mod tests {
    use super::Goal;

    #[test]
    fn a_goal_that_was_not_measured_is_not_arrived_at() {
        let row = |got| Goal::at_least("a".to_owned(), 2.5, got).row();
        assert_eq!(row(None), "| a | ≥ 2.5× |  | not measured |\n");
        assert_eq!(row(Some(2.4)), "| a | ≥ 2.5× | 2.40× | not arrived |\n");
        assert_eq!(row(Some(2.5)), "| a | ≥ 2.5× | 2.50× | arrived |\n");
    }
}
