//! A log that is made up: users and amounts, the same for the same seed, as many as are published by now.

use std::sync::atomic::{AtomicU64, Ordering};

use super::log::{Lines, Log, LogError, Position};

const NAMES: [&str; 16] = [
    "ada",
    "alan",
    "barbara",
    "claude",
    "donald",
    "edsger",
    "frances",
    "grace",
    "hedy",
    "john",
    "katherine",
    "ken",
    "leslie",
    "margaret",
    "niklaus",
    "tony",
];

/// Events `{"id": 7, "user": "ada-12", "amount": 31}` that are computed when they are read. An offset is an event's number.
#[derive(Debug)]
pub struct Generated {
    seed: u64,
    users: u64,
    published: AtomicU64,
}

impl Generated {
    /// Events of so many users (at least 1), none published yet.
    #[must_use]
    pub fn new(seed: u64, users: u64) -> Self {
        Self { seed, users: users.max(1), published: AtomicU64::new(0) }
    }

    /// Appends events until there are so many; never takes one back.
    pub fn publish(&self, events: u64) {
        self.published.fetch_max(events, Ordering::Release);
    }

    /// How many events are published.
    #[must_use]
    pub fn published(&self) -> u64 {
        self.published.load(Ordering::Acquire)
    }

    /// The user and the amount of an event.
    #[must_use]
    pub fn event(&self, number: u64) -> (String, i64) {
        let random = mixed(self.seed ^ mixed(number));
        let user = random % self.users;
        let name = usize::try_from(user % NAMES.len() as u64).ok().and_then(|place| NAMES.get(place)).unwrap_or(&"ada");
        let amount = i64::try_from((random >> 32) % 100).unwrap_or(0) + 1;
        (format!("{name}-{}", user / NAMES.len() as u64), amount)
    }
}

impl Log for Generated {
    fn identity(&self) -> String {
        format!("generated from seed {} for {} users", self.seed, self.users)
    }

    fn read(&self, from: Position, bytes_max: usize) -> Result<Lines, LogError> {
        let mut lines = Lines::default();
        for number in from.line..self.published() {
            let (user, amount) = self.event(number);
            let line = format!("{{\"id\":{number},\"user\":\"{user}\",\"amount\":{amount}}}\n");
            lines.bytes.extend_from_slice(line.as_bytes());
            lines.ends.push((lines.bytes.len(), Position { offset: number + 1, line: number + 1 }));
            if lines.bytes.len() >= bytes_max {
                break;
            }
        }
        Ok(lines)
    }

    fn check(&self, position: Position) -> Result<(), LogError> {
        if position.offset == position.line && position.line <= self.published() {
            Ok(())
        } else {
            Err(LogError::Cursor(format!("`{position}` is not a cursor of this feed")))
        }
    }

    fn end(&self) -> Result<Position, LogError> {
        let published = self.published();
        Ok(Position { offset: published, line: published })
    }
}

/// `SplitMix64`: each number has a random one of its own (Steele, Lea and Flood, 2014).
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_events_wherever_one_begins() {
        let (one, other) = (Generated::new(7, 100), Generated::new(7, 100));
        one.publish(50);
        other.publish(50);
        let all = one.read(Position::default(), usize::MAX).unwrap();
        let behind = all.ends[19].1;
        let rest = other.read(behind, usize::MAX).unwrap();
        assert!(all.iter().skip(20).eq(rest.iter()));
        assert_ne!(Generated::new(8, 100).event(3), one.event(3));
    }

    #[test]
    fn only_what_is_published_can_be_read() {
        let log = Generated::new(1, 10);
        assert_eq!(log.read(Position::default(), 100).unwrap(), Lines::default());
        log.publish(3);
        log.publish(2);
        assert_eq!(log.read(Position::default(), usize::MAX).unwrap().ends.len(), 3);
        assert!(log.check(Position { offset: 4, line: 4 }).is_err());
        assert!(log.check(Position { offset: 3, line: 2 }).is_err());
        assert!(log.check(log.end().unwrap()).is_ok());
    }
}
