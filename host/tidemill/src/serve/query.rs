//! What a reader asks for: the two protocols' parameters, checked.

use std::collections::{BTreeMap, btree_map::Entry};

use super::log::{LogError, Position};

/// The most events of a page, whatever is asked for.
const PAGE_EVENTS_MAX: usize = 1_000_000;

/// The parameters by name, none twice.
#[derive(Debug)]
pub(super) struct Query(BTreeMap<String, String>);

/// Where a reader wants to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    First,
    Last,
    At(Position),
}

impl Query {
    /// Takes a query string apart. A repeated parameter is refused: publishers differ in which one counts.
    pub(super) fn parse(query: &str) -> Result<Self, LogError> {
        let mut parameters = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match parameters.entry(name.into_owned()) {
                Entry::Vacant(place) => drop(place.insert(value.into_owned())),
                Entry::Occupied(taken) => {
                    return Err(wrong(format!("`{}` is given twice", taken.key().escape_debug())));
                }
            }
        }
        Ok(Self(parameters))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A parameter that must be there.
    pub(super) fn required(&self, name: &str) -> Result<&str, LogError> {
        self.get(name).ok_or_else(|| wrong(format!("the parameter `{name}` is missing")))
    }

    /// ZeroEventHub's partitions and where to begin in each: `cursor0=…&cursor2=…`, in ascending order.
    pub(super) fn cursors(&self, partitions: u32) -> Result<Vec<(u32, From)>, LogError> {
        let mut cursors = Vec::new();
        for (name, value) in &self.0 {
            let Some(number) = name.strip_prefix("cursor") else { continue };
            let partition = number.parse().ok().filter(|partition: &u32| partition.to_string() == number);
            match partition {
                Some(partition) if partition < partitions => cursors.push((partition, from(value)?)),
                _ => {
                    return Err(wrong(format!(
                        "`{}` names no partition: there are {partitions}, from 0",
                        name.escape_debug()
                    )));
                }
            }
        }
        cursors.sort_by_key(|(partition, _)| *partition);
        if cursors.is_empty() {
            Err(wrong("no cursor is given: ask with `cursor0=_first`".to_owned()))
        } else {
            Ok(cursors)
        }
    }

    /// How many events the reader would like at once.
    pub(super) fn page_events(&self, default: usize) -> Result<usize, LogError> {
        match self.get("pagesizehint") {
            None => Ok(default),
            Some(text) => match text.parse::<usize>() {
                Ok(events) => Ok(events.clamp(1, PAGE_EVENTS_MAX)),
                Err(_) => Err(wrong("`pagesizehint` is not a whole number".to_owned())),
            },
        }
    }
}

/// A cursor as a reader sends it.
pub(super) fn from(cursor: &str) -> Result<From, LogError> {
    match cursor {
        "_first" => Ok(From::First),
        "_last" => Ok(From::Last),
        cursor => cursor.parse().map(From::At),
    }
}

pub(super) fn wrong(message: String) -> LogError {
    LogError::Cursor(message)
}
