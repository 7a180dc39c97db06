//! An outage: something fails again and again. It is said at first, and then ever more rarely.

use tidemill_pipeline::Failure;

/// Failures that follow each other, and when there is something to say about them.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    /// The cause that was said last.
    said: Option<String>,
    tries: u64,
}

impl Outage {
    /// Counts a try that failed. Gives how many there were, this one included, if it is to be said: the first, one with
    /// another cause than was said last, and of the others each that has doubled the number of tries, 2, 4, 8 and so on.
    pub(crate) fn failed(&mut self, failure: &Failure) -> Option<u64> {
        self.tries += 1;
        let other = self.said.as_ref() != Some(&failure.cause);
        if other {
            self.said = Some(failure.cause.clone());
        }
        (other || self.tries.is_power_of_two()).then_some(self.tries)
    }

    /// It went well: the next failure is the first one again.
    pub(crate) fn end(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use tidemill_pipeline::Stage;

    use super::*;

    #[test]
    fn a_failure_is_said_at_first_then_ever_more_rarely_and_at_once_if_its_cause_is_another_one() {
        let failed = |outage: &mut Outage, cause: &str| outage.failed(&Failure::unavailable(Stage::Fetch, cause));
        let mut outage = Outage::default();
        let said: Vec<_> = (0..100).filter_map(|_| failed(&mut outage, "no")).collect();
        assert_eq!(said, [1, 2, 4, 8, 16, 32, 64]);
        assert_eq!((failed(&mut outage, "not now"), failed(&mut outage, "not now")), (Some(101), None));
        assert_eq!(failed(&mut outage, "no"), Some(103));
        outage.end();
        assert_eq!(failed(&mut outage, "no"), Some(1));
    }
}
