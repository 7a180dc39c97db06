//! The cooldown: a warning that could come with every batch comes once a minute at most.

use std::time::Duration;

use tokio::time::Instant;

/// The shortest time between two.
const COOLDOWN: Duration = Duration::from_mins(1);

/// When something was warned about last.
#[derive(Debug, Default)]
pub(crate) struct Cooldown {
    warned: Option<Instant>,
}

impl Cooldown {
    /// Whether it may be warned about now. If so, a minute without it begins.
    pub(crate) fn begin(&mut self) -> bool {
        let may = self.warned.is_none_or(|warned| warned.elapsed() >= COOLDOWN);
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
    async fn it_begins_once_a_minute() {
        let mut cooldown = Cooldown::default();
        assert!(cooldown.begin() && !cooldown.begin());
        tokio::time::advance(COOLDOWN / 2).await;
        assert!(!cooldown.begin());
        tokio::time::advance(COOLDOWN / 2).await;
        assert!(cooldown.begin() && !cooldown.begin());
    }
}
