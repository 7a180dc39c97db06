//! Quiet: a warning that could come with every batch comes once a minute at most.

use std::time::Duration;

use tokio::time::Instant;

/// The shortest time between two.
const SILENCE: Duration = Duration::from_mins(1);

/// When something was warned about last.
#[derive(Debug, Default)]
pub(crate) struct Quiet {
    warned: Option<Instant>,
}

impl Quiet {
    /// Whether it may be warned about now. If so, the next minute begins.
    pub(crate) fn may_end(&mut self) -> bool {
        let may = self.warned.is_none_or(|warned| warned.elapsed() >= SILENCE);
        if may {
            self.warned = Some(Instant::now());
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_ends_once_a_minute() {
        let mut quiet = Quiet::default();
        assert!(quiet.may_end() && !quiet.may_end());
        tokio::time::advance(SILENCE / 2).await;
        assert!(!quiet.may_end());
        tokio::time::advance(SILENCE / 2).await;
        assert!(quiet.may_end() && !quiet.may_end());
    }
}
