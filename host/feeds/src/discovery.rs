//! FeedAPI's discovery: the token, and the partitions with their ancestors.

use std::collections::BTreeSet;

use serde::Deserialize;
use tidemill_pipeline::{Listed, PartitionId};

use crate::Protocol;

/// What a discovery found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovery {
    /// What the publisher speaks: never [`Protocol::Auto`]. For a file without meaning.
    pub protocol: Protocol,
    /// The partitions, in the publisher's order; at least one.
    pub partitions: Vec<Listed>,
}

/// The document that answers a discovery.
#[derive(Debug, Deserialize)]
struct Document {
    token: String,
    partitions: Vec<Partition>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "these are the names on the wire")]
struct Partition {
    id: Id,
    closed: Option<bool>,
    // The specification has two names for each of these.
    starts_after_partition: Option<Id>,
    starts_after_parent: Option<Id>,
    cursor_from_partitions: Option<Vec<Id>>,
    split_from_ancestors: Option<Vec<Id>>,
}

/// Strings by the specification, numbers in one library.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Id {
    Number(u64),
    Text(String),
}

/// The longest identifier of a partition; by the specification they have at most five digits.
const ID_BYTES_MAX: usize = 64;

impl Id {
    fn partition(self) -> Result<PartitionId, String> {
        let text = match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text,
        };
        let printable = text.bytes().all(|byte| byte.is_ascii_graphic());
        if text.is_empty() || text.len() > ID_BYTES_MAX || !printable {
            return Err(format!("a partition's identifier is not 1 to {ID_BYTES_MAX} printable characters"));
        }
        Ok(PartitionId::new(text))
    }
}

/// Why a document is no discovery.
#[derive(Debug, PartialEq, Eq)]
pub enum NoDiscovery {
    /// It is no JSON, or has no token.
    NoToken,
    /// It has one, and is not what the protocol promises.
    Wrong(String),
}

/// Reads the document: the token and the partitions, in the publisher's order; at least one, none twice. No I/O.
///
/// # Errors
/// When it is no discovery, or one that cannot be trusted.
pub fn parse_discovery(bytes: &[u8]) -> Result<(String, Vec<Listed>), NoDiscovery> {
    let value: serde_json::Value = serde_json::from_slice(bytes).map_err(|_| NoDiscovery::NoToken)?;
    if value.get("token").is_none() {
        return Err(NoDiscovery::NoToken);
    }
    let wrong = |reason: String| NoDiscovery::Wrong(reason);
    let document: Document = serde_json::from_value(value).map_err(|error| wrong(error.to_string()))?;
    if document.token.is_empty() {
        return Err(wrong("its token is empty".to_owned()));
    }
    let listed = document.partitions.into_iter().map(listed).collect::<Result<Vec<_>, _>>().map_err(wrong)?;
    if listed.is_empty() {
        return Err(wrong("it lists no partition".to_owned()));
    }
    let mut seen = BTreeSet::new();
    if let Some(twice) = listed.iter().find(|listed| !seen.insert(&listed.id)) {
        return Err(wrong(format!("it lists partition {} twice", twice.id)));
    }
    Ok((document.token, listed))
}

fn listed(partition: Partition) -> Result<Listed, String> {
    let ancestors = partition.cursor_from_partitions.or(partition.split_from_ancestors).unwrap_or_default();
    Ok(Listed {
        id: partition.id.partition()?,
        closed: partition.closed.unwrap_or(false),
        starts_after: partition
            .starts_after_partition
            .or(partition.starts_after_parent)
            .map(Id::partition)
            .transpose()?,
        cursor_from: ancestors.into_iter().map(Id::partition).collect::<Result<_, _>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> PartitionId {
        PartitionId::new(name)
    }

    #[test]
    fn both_spellings_of_identifiers_and_of_parents_are_understood() {
        let expected = vec![
            Listed { closed: true, ..Listed::open(id("0")) },
            Listed { starts_after: Some(id("0")), cursor_from: vec![id("2"), id("3")], ..Listed::open(id("1")) },
        ];
        for text in [
            r#"{"token":"t","partitions":[{"id":"0","closed":true},
                {"id":"1","startsAfterPartition":"0","cursorFromPartitions":["2","3"]}],"exactlyOnce":true}"#,
            r#"{"token":"t","partitions":[{"id":0,"closed":true,"startsAfterPartition":null},
                {"id":1,"startsAfterParent":0,"splitFromAncestors":[2,3],"extra":{}}]}"#,
        ] {
            assert_eq!(parse_discovery(text.as_bytes()), Ok(("t".to_owned(), expected.clone())));
        }
    }

    #[test]
    fn a_document_that_cannot_be_trusted_says_why() {
        for text in ["", "Internal server error", "{}", "[]", r#"{"partitions":[]}"#] {
            assert_eq!(parse_discovery(text.as_bytes()), Err(NoDiscovery::NoToken), "{text}");
        }
        for (text, reason) in [
            (r#"{"token":"","partitions":[{"id":"0"}]}"#, "its token is empty"),
            (r#"{"token":"t","partitions":[]}"#, "it lists no partition"),
            (r#"{"token":"t","partitions":[{"id":"0"},{"id":0}]}"#, "it lists partition 0 twice"),
            (
                r#"{"token":"t","partitions":[{"id":""}]}"#,
                "a partition's identifier is not 1 to 64 printable characters",
            ),
        ] {
            assert_eq!(parse_discovery(text.as_bytes()), Err(NoDiscovery::Wrong(reason.to_owned())), "{text}");
        }
    }
}
