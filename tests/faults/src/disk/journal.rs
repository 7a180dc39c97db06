//! The journal: what programs did to their files and what they said, in order, as `journal.c` records it.

use std::path::PathBuf;

use bytes::{Buf as _, Bytes};

const MAGIC: u32 = 0x6c61_6e6a;
const HEADER_BYTES: usize = 32;

/// What was recorded, in its order.
#[derive(Debug)]
pub(crate) struct Journal {
    /// The records.
    pub(crate) records: Vec<Record>,
}

/// One thing that was done. Files are known by their inodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// A process began, which is called this.
    Begun(String),
    /// A file was made.
    Created { file: u64, path: PathBuf },
    /// Bytes were written.
    Written { file: u64, offset: u64, data: Bytes },
    /// A file was made so long.
    Truncated { file: u64, length: u64 },
    /// A sync began.
    Syncing { file: u64, path: PathBuf },
    /// A sync ended well.
    Synced { file: u64, path: PathBuf },
    /// A name was taken away.
    Unlinked { path: PathBuf },
    /// A name became another one.
    Renamed { from: PathBuf, to: PathBuf },
    /// A process said something.
    Said(String),
    /// A call failed because it was made to.
    Failed { call: char, path: PathBuf },
    /// The wall clock jumped to so many seconds from the right time.
    Jumped(i64),
}

impl Journal {
    /// Reads a journal. A last record that is not whole is of a process that was killed, and left out.
    pub(crate) fn parse(mut bytes: Bytes) -> Self {
        let mut records = Vec::new();
        while let Some(record) = next(&mut bytes) {
            records.push(record);
        }
        Self { records }
    }
}

fn next(bytes: &mut Bytes) -> Option<Record> {
    if bytes.len() < HEADER_BYTES {
        return None;
    }
    let mut header = bytes.slice(..HEADER_BYTES);
    assert_eq!(header.get_u32_le(), MAGIC, "the journal of the shim is not whole");
    let kind = header.get_u32_le();
    let (file, offset) = (header.get_u64_le(), header.get_u64_le());
    let (path, data) = (header.get_u32_le() as usize, header.get_u32_le() as usize);
    if bytes.len() < HEADER_BYTES + path + data {
        return None;
    }
    bytes.advance(HEADER_BYTES);
    let text = |bytes: Bytes| String::from_utf8_lossy(&bytes).into_owned();
    let path = text(bytes.split_to(path));
    let data = bytes.split_to(data);
    Some(match u8::try_from(kind).unwrap_or(0) {
        b'b' => Record::Begun(path),
        b'c' => Record::Created { file, path: path.into() },
        b'w' => Record::Written { file, offset, data },
        b't' => Record::Truncated { file, length: offset },
        b's' => Record::Syncing { file, path: path.into() },
        b'S' => Record::Synced { file, path: path.into() },
        b'u' => Record::Unlinked { path: path.into() },
        b'r' => Record::Renamed { from: path.into(), to: text(data).into() },
        b'p' => Record::Said(text(data)),
        b'f' => Record::Failed { call: text(data).chars().next().unwrap_or('?'), path: path.into() },
        b'j' => Record::Jumped(offset.cast_signed()),
        other => panic!("the journal of the shim has a record of kind {other}"),
    })
}
