//! The partitions of a feed, as its publisher lists them.

use std::collections::BTreeMap;

use crate::{Cursor, PartitionId, ReadFrom, failpoint::breaks};

/// A partition as a discovery lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its identifier.
    pub id: PartitionId,
    /// No event will be added to it any more.
    pub closed: bool,
    /// The parent that must be finished before this one begins (FeedAPI `startsAfterPartition`).
    pub starts_after: Option<PartitionId>,
    /// Partitions whose cursors are valid here, nearest first (FeedAPI `cursorFromPartitions`).
    pub cursor_from: Vec<PartitionId>,
}

impl Listed {
    /// An open partition without ancestors.
    #[must_use]
    pub fn open(id: PartitionId) -> Self {
        Self { id, closed: false, starts_after: None, cursor_from: Vec::new() }
    }
}

/// What the store knows of a partition, as far as planning needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Where it stands, if a cursor was ever committed.
    pub cursor: Option<Cursor>,
    /// Whether it was closed and read to its end.
    pub finished: bool,
}

/// What a discovery means for one processor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Partitions to open now, with the place that each starts at.
    pub open: Vec<(PartitionId, ReadFrom)>,
    /// Partitions to run, those to open included.
    pub run: Vec<PartitionId>,
}

/// Plans which partitions run.
///
/// `start` applies to the partitions of the first discovery. One that appears later begins at the cursor of its
/// nearest ancestor that has one, else at the beginning. A child of a closed parent waits until that is finished.
#[must_use]
pub fn plan(listed: &[Listed], known: &BTreeMap<PartitionId, Known>, start: &ReadFrom) -> Plan {
    let first = known.is_empty();
    let mut plan = Plan::default();
    for partition in listed {
        // A parent that vanished before it was read to its end is read out: its child waits for it.
        if let Some(parent) = &partition.starts_after
            && known.get(parent).is_some_and(|known| !known.finished)
            && !listed.iter().any(|listed| listed.id == *parent)
            && !plan.run.contains(parent)
        {
            plan.run.push(parent.clone());
        }
        match known.get(&partition.id) {
            Some(known) if known.finished => {}
            // A child that is known waits too: after a reset its parent is read again.
            _ if waits(partition, listed, known) && !breaks("parents-first") => {}
            Some(_) => plan.run.push(partition.id.clone()),
            None => {
                let inherited = partition.cursor_from.iter().find_map(|ancestor| known.get(ancestor)?.cursor.clone());
                let from = match inherited {
                    Some(cursor) => ReadFrom::After(cursor),
                    None if first => start.clone(),
                    None => ReadFrom::First,
                };
                plan.open.push((partition.id.clone(), from));
                plan.run.push(partition.id.clone());
            }
        }
    }
    plan
}

/// Whether a partition must wait for its parent: one that is listed or known, and not finished.
fn waits(partition: &Listed, listed: &[Listed], known: &BTreeMap<PartitionId, Known>) -> bool {
    let Some(parent) = &partition.starts_after else { return false };
    match known.get(parent) {
        Some(known) => !known.finished,
        None => listed.iter().any(|other| other.id == *parent),
    }
}

/// The partitions that begin when a parent is finished.
pub fn children<'a>(parent: &'a PartitionId, listed: &'a [Listed]) -> impl Iterator<Item = &'a PartitionId> {
    listed.iter().filter(move |listed| listed.starts_after.as_ref() == Some(parent)).map(|listed| &listed.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> PartitionId {
        PartitionId::new(name)
    }

    fn after(cursor: &str) -> ReadFrom {
        ReadFrom::After(Cursor::new(cursor).unwrap())
    }

    fn known(partitions: &[(&str, Option<&str>, bool)]) -> BTreeMap<PartitionId, Known> {
        let known =
            |cursor: Option<&str>, finished| Known { cursor: cursor.map(|text| Cursor::new(text).unwrap()), finished };
        partitions.iter().map(|(name, cursor, finished)| (id(name), known(*cursor, *finished))).collect()
    }

    #[track_caller]
    fn check(listed: &[Listed], known: &BTreeMap<PartitionId, Known>, open: &[(&str, ReadFrom)], run: &[&str]) {
        let plan = plan(listed, known, &ReadFrom::Last);
        assert_eq!(plan.open, open.iter().map(|(name, from)| (id(name), from.clone())).collect::<Vec<_>>());
        assert_eq!(plan.run, run.iter().map(|name| id(name)).collect::<Vec<_>>());
    }

    #[test]
    fn start_applies_to_the_first_discovery_only() {
        let listed = [Listed::open(id("0")), Listed::open(id("1"))];
        check(&listed, &known(&[]), &[("0", ReadFrom::Last), ("1", ReadFrom::Last)], &["0", "1"]);
        check(&listed, &known(&[("0", Some("7"), false)]), &[("1", ReadFrom::First)], &["0", "1"]);
    }

    #[test]
    fn a_child_waits_until_its_closed_parent_is_finished() {
        let parent = Listed { closed: true, ..Listed::open(id("0")) };
        let child = Listed { starts_after: Some(id("0")), ..Listed::open(id("1")) };
        let listed = [parent, child.clone()];
        check(&listed, &known(&[]), &[("0", ReadFrom::Last)], &["0"]);
        check(&listed, &known(&[("0", Some("7"), false)]), &[], &["0"]);
        check(&listed, &known(&[("0", None, false), ("1", None, false)]), &[], &["0"]);
        check(&listed, &known(&[("0", Some("9"), true), ("1", None, false)]), &[], &["1"]);
        check(&listed, &known(&[("0", Some("9"), true)]), &[("1", ReadFrom::First)], &["1"]);
        // Known and not listed any more: it is read out first.
        check(std::slice::from_ref(&child), &known(&[("0", Some("7"), false)]), &[], &["0"]);
        // Neither listed nor known: there is nothing to wait for.
        check(&[child], &known(&[("5", Some("1"), false)]), &[("1", ReadFrom::First)], &["1"]);
        assert_eq!(children(&id("0"), &listed).collect::<Vec<_>>(), [&id("1")]);
    }

    #[test]
    fn moved_history_goes_on_from_the_nearest_ancestor_that_has_a_cursor() {
        let child = Listed { cursor_from: vec![id("3"), id("2"), id("1")], ..Listed::open(id("4")) };
        let known = known(&[("1", Some("old"), false), ("2", Some("near"), false), ("3", None, false)]);
        check(&[child], &known, &[("4", after("near"))], &["4"]);
    }
}
