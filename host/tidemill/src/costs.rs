//! The cost of events, by kind: so that limits are set by looking.

use std::collections::BTreeMap;

use serde::Serialize;
use tidemill_pipeline::{EventRef, Rehearsed, ValueRef};

use crate::output::shorten;

/// Kinds that are told apart; the events of others are counted together.
const KINDS_MAX: usize = 200;
/// The longest name of a kind, in characters: what a pointer points to may be a whole payload.
const KIND_CHARS_MAX: usize = 100;
/// What those are called.
const OTHERS: &str = "(others)";
/// What an event is called whose kind is not known.
const NONE: &str = "(none)";

/// What events cost, by kind. Its size does not grow with the number of events.
#[derive(Clone, Debug, Default)]
pub struct Costs(BTreeMap<String, KindCosts>);

/// What the events of one kind cost.
#[derive(Clone, Debug, Default)]
pub struct KindCosts {
    /// How many there were.
    pub events: u64,
    /// How many of them were rejected; what they cost is not known.
    pub rejected: u64,
    /// Fuel.
    pub fuel: Spread,
    /// Bytes of keys and values that were written.
    pub bytes_written: Spread,
    /// The most linear memory of any, in bytes.
    pub memory_bytes_max: u64,
}

/// What one event cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventCost {
    /// Fuel.
    pub fuel: u64,
    /// Bytes of keys and values that it wrote.
    pub bytes_written: u64,
    /// Linear memory, in bytes.
    pub memory_bytes: u64,
}

impl EventCost {
    /// What a batch of one event cost; none if it was not applied.
    #[must_use]
    pub fn of(rehearsed: &Rehearsed) -> Option<Self> {
        if !rehearsed.rejected.is_empty() || rehearsed.end.is_some() {
            return None;
        }
        let size = |change: &tidemill_pipeline::Change| {
            change.key.len() + change.after.as_ref().map_or(0, tidemill_pipeline::Value::len)
        };
        Some(Self {
            fuel: rehearsed.cost.fuel,
            bytes_written: rehearsed.changes.iter().map(size).sum::<usize>() as u64,
            memory_bytes: rehearsed.cost.memory_bytes,
        })
    }
}

impl Costs {
    /// Adds an event; `cost` is none if it was rejected.
    pub fn add(&mut self, kind: &str, cost: Option<EventCost>) {
        let known = self.0.contains_key(kind) || self.0.len() < KINDS_MAX;
        let costs = self.0.entry(if known { kind } else { OTHERS }.to_owned()).or_default();
        costs.events += 1;
        match cost {
            Some(cost) => {
                costs.fuel.add(cost.fuel);
                costs.bytes_written.add(cost.bytes_written);
                costs.memory_bytes_max = costs.memory_bytes_max.max(cost.memory_bytes);
            }
            None => costs.rejected += 1,
        }
    }

    /// The kinds in the order of their names.
    pub fn kinds(&self) -> impl Iterator<Item = (&str, &KindCosts)> {
        self.0.iter().map(|(kind, costs)| (kind.as_str(), costs))
    }
}

/// The kind of an event: what its envelope says, or what stands at a JSON pointer in its payload.
#[must_use]
pub fn kind_of(event: EventRef<'_>, pointer: Option<&str>) -> String {
    let Some(pointer) = pointer else {
        let kind = event.metadata().and_then(|metadata| metadata.kind.as_deref());
        return shorten(kind.unwrap_or(NONE), KIND_CHARS_MAX).into_owned();
    };
    let payload: Option<serde_json::Value> = match event.data() {
        ValueRef::Text(text) => serde_json::from_str(text).ok(),
        ValueRef::Bytes(_) => None,
    };
    match payload.as_ref().and_then(|payload| payload.pointer(pointer)) {
        Some(serde_json::Value::String(kind)) => shorten(kind, KIND_CHARS_MAX).into_owned(),
        Some(other) => shorten(&other.to_string(), KIND_CHARS_MAX).into_owned(),
        None => NONE.to_owned(),
    }
}

/// How some numbers are spread, to one part in 64.
#[derive(Clone, Debug, Default)]
pub struct Spread {
    counts: BTreeMap<u64, u64>,
    total: u64,
    max: u64,
}

/// The bits of a number that are kept.
const BITS: u32 = 6;

impl Spread {
    fn add(&mut self, number: u64) {
        let shift = (u64::BITS - number.leading_zeros()).saturating_sub(BITS + 1);
        let bucket = (u64::from(shift) << BITS) + (number >> shift);
        *self.counts.entry(bucket).or_default() += 1;
        self.total += 1;
        self.max = self.max.max(number);
    }

    /// The least number that so many of a thousand do not exceed; 0 without a number.
    #[must_use]
    pub fn of_thousand(&self, part: u64) -> u64 {
        let wanted = u128::from(self.total) * u128::from(part);
        let mut seen = 0;
        for (bucket, count) in &self.counts {
            seen += u128::from(*count) * 1_000;
            if seen >= wanted {
                return upper(*bucket).min(self.max);
            }
        }
        self.max
    }

    /// The largest.
    #[must_use]
    pub fn max(&self) -> u64 {
        self.max
    }
}

/// The largest number of a bucket.
fn upper(bucket: u64) -> u64 {
    let shift = (bucket >> BITS).saturating_sub(1);
    let number = bucket - (shift << BITS);
    ((u128::from(number) + 1) << shift).saturating_sub(1).try_into().unwrap_or(u64::MAX)
}

/// A kind as programs read it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct KindRow<'a> {
    kind: &'a str,
    events: u64,
    rejected: u64,
    fuel_median: u64,
    fuel_p99: u64,
    fuel_max: u64,
    bytes_written_median: u64,
    bytes_written_max: u64,
    memory_bytes_max: u64,
}

impl<'a> KindRow<'a> {
    /// The numbers of a kind.
    #[must_use]
    pub fn new(kind: &'a str, costs: &KindCosts) -> Self {
        Self {
            kind,
            events: costs.events,
            rejected: costs.rejected,
            fuel_median: costs.fuel.of_thousand(500),
            fuel_p99: costs.fuel.of_thousand(990),
            fuel_max: costs.fuel.max(),
            bytes_written_median: costs.bytes_written.of_thousand(500),
            bytes_written_max: costs.bytes_written.max(),
            memory_bytes_max: costs.memory_bytes_max,
        }
    }

    /// The numbers as cells, under [`HEADINGS`].
    #[must_use]
    pub fn cells(&self) -> [String; 9] {
        [
            self.kind.to_owned(),
            self.events.to_string(),
            self.rejected.to_string(),
            self.fuel_median.to_string(),
            self.fuel_p99.to_string(),
            self.fuel_max.to_string(),
            self.bytes_written_median.to_string(),
            self.bytes_written_max.to_string(),
            bytesize::ByteSize(self.memory_bytes_max).to_string(),
        ]
    }
}

/// What stands above the cells of a kind.
pub const HEADINGS: [&str; 9] =
    ["kind", "events", "rejected", "fuel median", "p99", "max", "bytes written median", "max", "memory max"];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tidemill_pipeline::{Cursor, Event, ReadFrom, Span};

    use super::*;

    proptest! {
        #[test]
        fn a_spread_is_right_to_one_part_in_64(mut numbers in prop::collection::vec(any::<u64>().prop_flat_map(|max| 0..=max), 1..200)) {
            let mut spread = Spread::default();
            for number in &numbers {
                spread.add(*number);
            }
            numbers.sort_unstable();
            for part in [1_usize, 500, 990, 1_000] {
                let exact = numbers[(numbers.len() * part).div_ceil(1_000).max(1) - 1];
                let found = spread.of_thousand(part as u64);
                prop_assert!(found >= exact && found - exact <= exact / 64, "{part}: {found} for {exact}");
            }
            prop_assert_eq!(spread.max(), numbers[numbers.len() - 1]);
        }
    }

    #[test]
    fn a_kind_is_what_the_pointer_points_to_and_never_long() {
        let long = "x".repeat(10_000);
        let text = format!(r#"{{"type":"paid","a/b":{{"~":7}},"":[null],"long":"{long}"}}"#);
        let deep = "[".repeat(100_000);
        let kind = |text: &str, pointer| {
            let event = Event::text(0..u32::try_from(text.len()).unwrap());
            let to = Cursor::new("1").unwrap();
            let span = Span::new(ReadFrom::First, to, text.to_owned().into(), vec![event]);
            kind_of(span.events().next().unwrap(), Some(pointer))
        };
        for (pointer, expected) in
            [("/type", "paid"), ("/a~1b/~0", "7"), ("/", "[null]"), ("//0", "null"), ("/none", NONE), ("/type/0", NONE)]
        {
            assert_eq!(kind(&text, pointer), expected, "{pointer}");
        }
        for pointer in ["", "/long"] {
            assert_eq!(kind(&text, pointer).chars().count(), KIND_CHARS_MAX);
        }
        assert_eq!(kind(&deep, ""), NONE);
        assert_eq!(kind("not JSON", "/type"), NONE);
    }

    #[test]
    fn each_kind_is_counted_by_itself_and_too_many_together() {
        let mut costs = Costs::default();
        costs.add("order", Some(EventCost { fuel: 10, bytes_written: 3, memory_bytes: 7 }));
        costs.add("order", Some(EventCost { fuel: 30, bytes_written: 1, memory_bytes: 9 }));
        costs.add("order", None);
        let (kind, order) = costs.kinds().next().unwrap();
        assert_eq!((kind, order.events, order.rejected), ("order", 3, 1));
        assert_eq!((order.fuel.of_thousand(500), order.fuel.max(), order.memory_bytes_max), (10, 30, 9));
        for number in 0..1_000 {
            costs.add(&number.to_string(), None);
        }
        assert_eq!(costs.kinds().count(), KINDS_MAX + 1);
        assert_eq!(costs.kinds().map(|(_, costs)| costs.events).sum::<u64>(), 1_003);
    }
}
