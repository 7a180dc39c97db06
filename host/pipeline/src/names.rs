//! Names: of feeds, partitions and processors. Cheap to clone, never empty.

use std::{fmt, sync::Arc};

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Wraps a name. An empty one is a bug of the caller.
            #[must_use]
            pub fn new(name: impl Into<Arc<str>>) -> Self {
                let name = name.into();
                assert!(!name.is_empty(), concat!(stringify!($name), " must not be empty"));
                Self(name)
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// A feed's name in the configuration.
    FeedName
}
name! {
    /// A partition's identifier within its feed, as the publisher writes it.
    PartitionId
}
name! {
    /// A processor's name in the configuration.
    ProcessorName
}

/// One partition of one feed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionKey {
    /// The feed.
    pub feed: FeedName,
    /// The partition within it.
    pub partition: PartitionId,
}

impl fmt::Display for PartitionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "feed `{}`, partition {}", self.feed, self.partition)
    }
}

/// A processor and the version of its state: a rebuild is a new version beside the live one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessorId {
    /// The processor.
    pub name: ProcessorName,
    /// The version, from 1.
    pub version: u32,
}

impl fmt::Display for ProcessorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "processor `{}`", self.name)
    }
}
