//! A feed: generated payments, the same on every machine, and what they come to.

use std::{fmt::Write as _, ops::Range};

use bytes::Bytes;
use clap::Args;

/// What a feed looks like. Every event follows from its place alone.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub(crate) struct Feed {
    /// The bytes of a payload.
    #[arg(long, default_value_t = 300)]
    pub(crate) payload_bytes: usize,
    /// How many users there are. A user's payments are all in one partition.
    #[arg(long, default_value_t = 1_000)]
    pub(crate) keys: u64,
    /// How many partitions there are.
    #[arg(long, default_value_t = 1)]
    pub(crate) partitions: usize,
    /// The events of a page. A page ends with a checkpoint, and the cursor is the number of the next page.
    #[arg(long, default_value_t = 1_000)]
    pub(crate) page: usize,
    /// Begins with a payment for every user, in the order of their names; what follows is uniform.
    #[arg(long)]
    pub(crate) everybody_first: bool,
}

/// An event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Payment {
    /// Whose it is, as a number.
    pub(crate) user: u64,
    /// How much it is.
    pub(crate) amount: i64,
}

impl Feed {
    /// That of the centre of the comparison, and of whatever is measured beside it.
    pub(crate) const CENTRE: Self =
        Self { payload_bytes: 300, keys: 1_000, partitions: 1, page: 1_000, everybody_first: false };

    /// The members of a payload that a processor of payments reads; it leaves the note alone.
    pub(crate) const READ: &[&str] = &["user", "amount"];

    /// The payment at a place of a partition.
    pub(crate) fn payment(&self, partition: usize, place: u64) -> Payment {
        let partitions = self.partitions as u64;
        let shard = self.keys / partitions;
        let dice = mixed(place.wrapping_mul(partitions).wrapping_add(partition as u64));
        let within = if self.everybody_first && place < shard { place } else { (dice >> 16) % shard };
        let amount = i64::try_from(dice & 0xff).expect("a byte") - 100;
        Payment { user: within * partitions + partition as u64, amount }
    }

    /// How many pages a partition needs for everybody's first payment.
    pub(crate) fn pages_of_everybody(&self) -> usize {
        usize::try_from(self.keys).expect("fits").div_ceil(self.page * self.partitions)
    }

    /// The pages of a partition as they are sent, checkpoints included.
    pub(crate) fn pages(&self, partition: usize, count: usize) -> Vec<Bytes> {
        let mut text = String::with_capacity(count * self.page * (self.payload_bytes + 28));
        let mut ends = Vec::with_capacity(count);
        for page in 0..count {
            for place in 0..self.page {
                let payment = self.payment(partition, (page * self.page + place) as u64);
                write!(text, "{{\"partition\":{partition},\"data\":").expect("text takes everything");
                self.write_payload(&mut text, payment);
                text += "}\n";
            }
            writeln!(text, "{{\"partition\":{partition},\"cursor\":\"{}\"}}", page + 1).expect("text takes everything");
            ends.push(text.len());
        }
        let whole = Bytes::from(text);
        let begins = std::iter::once(0).chain(ends.iter().copied());
        begins.zip(&ends).map(|(begin, end)| whole.slice(begin..*end)).collect()
    }

    /// `{"user":"u000123","amount":17,"note":"…"}`, with a note that makes it as long as it has to be.
    fn write_payload(&self, text: &mut String, payment: Payment) {
        const NOTE: &str = "paid at the counter of the harbour cafe, two coffees and a cinnamon bun; ";
        let begin = text.len();
        let Payment { user, amount } = payment;
        write!(text, "{{\"user\":\"{}\",\"amount\":{amount},\"note\":\"", name(user)).expect("text takes everything");
        let mut rest = (self.payload_bytes + begin).saturating_sub(text.len() + 2);
        while rest > 0 {
            let piece = rest.min(NOTE.len());
            text.push_str(&NOTE[..piece]);
            rest -= piece;
        }
        text.push_str("\"}");
    }

    /// What the payments of these pages of every partition come to, by user.
    pub(crate) fn totals(&self, pages: Range<usize>) -> Totals {
        let mut totals = Totals::new(self.keys);
        for partition in 0..self.partitions {
            for place in pages.start * self.page..pages.end * self.page {
                totals.add(self.payment(partition, place as u64));
            }
        }
        totals
    }
}

/// The sum of each user's payments; none for those who have not paid.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Totals(Vec<Option<i64>>);

impl Totals {
    /// Nobody has paid.
    pub(crate) fn new(users: u64) -> Self {
        Self(vec![None; usize::try_from(users).expect("fits")])
    }

    /// Adds a payment to its user's sum.
    pub(crate) fn add(&mut self, payment: Payment) {
        let total = self.0.get_mut(usize::try_from(payment.user).expect("fits")).expect("a user of the feed");
        *total = Some(total.unwrap_or(0) + payment.amount);
    }

    /// Sets a user's sum; false if there was one.
    pub(crate) fn set(&mut self, user: u64, total: i64) -> bool {
        let place = self.0.get_mut(usize::try_from(user).expect("fits")).expect("a user of the feed");
        place.replace(total).is_none()
    }

    /// The first user whose sums differ, and both sums.
    pub(crate) fn difference(&self, other: &Self) -> Option<(String, Option<i64>, Option<i64>)> {
        let mut pairs = self.0.iter().zip(&other.0).enumerate();
        let (user, (one, two)) = pairs.find(|(_, (one, two))| one != two)?;
        Some((name(user as u64), *one, *two))
    }
}

/// A user's name.
fn name(user: u64) -> String {
    format!("u{user:06}")
}

/// The user of a name.
pub(crate) fn user(name: &str) -> Option<u64> {
    name.strip_prefix('u')?.parse().ok()
}

/// `splitmix64`: numbers that look random and are always the same.
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FEED: Feed = Feed { payload_bytes: 100, keys: 40, partitions: 2, page: 10, everybody_first: false };

    #[test]
    fn a_payload_has_the_bytes_that_were_asked_for() {
        for payload_bytes in [100, 300, 1_000] {
            let mut text = String::new();
            Feed { payload_bytes, ..FEED }.write_payload(&mut text, Payment { user: 7, amount: -3 });
            assert_eq!(text.len(), payload_bytes);
            let payload: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!((payload["user"].as_str(), payload["amount"].as_i64()), (Some("u000007"), Some(-3)));
        }
    }

    #[test]
    fn the_totals_are_those_of_the_pages_that_are_sent() {
        let mut sent = Totals::new(FEED.keys);
        for page in (0..2).flat_map(|partition| FEED.pages(partition, 3)) {
            for line in std::str::from_utf8(&page).unwrap().lines() {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                if let Some(data) = line.get("data") {
                    let user = user(data["user"].as_str().unwrap()).unwrap();
                    assert_eq!(user % 2, line["partition"].as_u64().unwrap());
                    sent.add(Payment { user, amount: data["amount"].as_i64().unwrap() });
                }
            }
        }
        assert_eq!(sent.difference(&FEED.totals(0..3)), None);
    }

    #[test]
    fn everybody_pays_once_before_anybody_pays_twice() {
        let feed = Feed { everybody_first: true, ..FEED };
        let totals = feed.totals(0..feed.pages_of_everybody());
        assert!(totals.0.iter().all(Option::is_some));
    }
}
