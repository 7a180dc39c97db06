//! The disk: what is surely on it, what was written since, and the images that a power cut may leave.
//!
//! A file's writes are on the disk when a sync of it has ended that began after them. Of the later ones each may be there, not be there,
//! or be halved: each sector of 512 bytes old or new, in any order. A name (made, removed, renamed) is there when the directory was
//! synced; before that it is as it was at any moment since.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
};

use bytes::Bytes;

use super::Record;

const SECTOR_BYTES: usize = 512;

/// A disk, as far as a journal was followed.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    files: Vec<File>,
    /// Which file has an inode now: the system gives the inodes of removed files to new ones.
    inodes: HashMap<u64, usize>,
    names: BTreeMap<PathBuf, usize>,
    names_since: Vec<(PathBuf, Option<usize>)>,
    /// How many of the names since were there when a sync of their directory began.
    names_syncing: usize,
    lies: bool,
}

#[derive(Debug, Default)]
struct File {
    synced: Vec<u8>,
    since: Vec<Change>,
    /// How many of the changes since were there when a sync began.
    syncing: usize,
}

#[derive(Clone, Debug)]
enum Change {
    Write(u64, Bytes),
    Length(u64),
}

/// What became of the writes since the last syncs in an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Torn {
    /// Writes that are there.
    pub(crate) kept: u64,
    /// Writes that are not.
    pub(crate) dropped: u64,
    /// Writes of which some sectors are there.
    pub(crate) halved: u64,
}

impl Disk {
    /// An empty disk, which may be one that lies: syncs are said to be done there, and nothing is done.
    pub(crate) fn new(lies: bool) -> Self {
        Self { lies, ..Self::default() }
    }

    /// Follows one record.
    pub(crate) fn follow(&mut self, record: &Record) {
        match record {
            Record::Created { file, path } => {
                self.inodes.insert(*file, self.files.len());
                self.names_since.push((path.clone(), Some(self.files.len())));
                self.files.push(File::default());
            }
            Record::Written { file, offset, data } => self.change(*file, Change::Write(*offset, data.clone())),
            Record::Truncated { file, length } => self.change(*file, Change::Length(*length)),
            Record::Syncing { file, .. } => match self.inodes.get(file) {
                Some(&at) => self.files[at].syncing = self.files[at].since.len(),
                None => self.names_syncing = self.names_since.len(),
            },
            Record::Synced { file, .. } if !self.lies => match self.inodes.get(file) {
                Some(&at) => self.files[at].sync(),
                None => {
                    for (path, file) in self.names_since.drain(..std::mem::take(&mut self.names_syncing)) {
                        name(&mut self.names, path, file);
                    }
                }
            },
            Record::Unlinked { path } => self.names_since.push((path.clone(), None)),
            Record::Renamed { from, to } => {
                let file = self.name_now(from);
                self.names_since.extend([(from.clone(), None), (to.clone(), file)]);
            }
            Record::Synced { .. } | Record::Begun(_) | Record::Said(_) | Record::Failed { .. } | Record::Jumped(_) => {}
        }
    }

    fn change(&mut self, inode: u64, change: Change) {
        let at = self.inodes.get(&inode).expect("a file is made by a program with the shim, and then written");
        self.files[*at].since.push(change);
    }

    fn name_now(&self, path: &PathBuf) -> Option<usize> {
        let since = self.names_since.iter().rev().find(|(named, _)| named == path);
        since.map_or_else(|| self.names.get(path).copied(), |(_, file)| *file)
    }

    /// What a power cut may leave now: names and contents.
    pub(crate) fn image(&self, dice: &mut fastrand::Rng) -> (Vec<(PathBuf, Vec<u8>)>, Torn) {
        let mut names = self.names.clone();
        let mut until = BTreeMap::<&PathBuf, (usize, usize)>::new();
        for (path, _) in &self.names_since {
            until.entry(path).or_default().0 += 1;
        }
        // Each name as it was at some moment since its directory was synced.
        for (changes, kept) in until.values_mut() {
            *kept = dice.usize(..=*changes);
        }
        for (path, file) in &self.names_since {
            if let Some((_, kept)) = until.get_mut(path)
                && *kept > 0
            {
                *kept -= 1;
                name(&mut names, path.clone(), *file);
            }
        }
        let mut torn = Torn::default();
        let contents = names.into_iter().map(|(path, file)| (path, self.files[file].after_a_cut(dice, &mut torn)));
        (contents.collect(), torn)
    }
}

fn name(names: &mut BTreeMap<PathBuf, usize>, path: PathBuf, file: Option<usize>) {
    match file {
        Some(file) => names.insert(path, file),
        None => names.remove(&path),
    };
}

impl File {
    fn sync(&mut self) {
        for change in self.since.drain(..std::mem::take(&mut self.syncing)) {
            change.apply(&mut self.synced);
        }
    }

    fn after_a_cut(&self, dice: &mut fastrand::Rng, torn: &mut Torn) -> Vec<u8> {
        let mut content = self.synced.clone();
        // Of some images nearly all is there, of some hardly anything.
        let percent = [0, 10, 50, 90, 100][dice.usize(..5)];
        for change in &self.since {
            let whole = dice.u32(..100) < percent;
            match change {
                Change::Write(offset, data) if dice.u8(..4) == 0 && percent % 100 != 0 => {
                    torn.halved += 1;
                    sectors(*offset, data).filter(|_| dice.bool()).for_each(|part| part.apply(&mut content));
                }
                change if whole => {
                    torn.kept += 1;
                    change.apply(&mut content);
                }
                Change::Write(offset, data) => {
                    torn.dropped += 1;
                    // A file may have become longer without what was written there.
                    if dice.u8(..3) == 0 {
                        grow(&mut content, place(*offset) + data.len());
                    }
                }
                Change::Length(_) => torn.dropped += 1,
            }
        }
        content
    }
}

/// A write in the pieces that a disk writes as a whole.
fn sectors(offset: u64, data: &Bytes) -> impl Iterator<Item = Change> {
    let begin = place(offset);
    let first = SECTOR_BYTES - begin % SECTOR_BYTES;
    let ends = (first..data.len()).step_by(SECTOR_BYTES).chain([data.len()]);
    let mut from = 0;
    ends.map(move |end| {
        let part = data.slice(from..end);
        let at = offset + from as u64;
        from = end;
        Change::Write(at, part)
    })
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write(offset, data) => {
                let (begin, end) = (place(*offset), place(*offset) + data.len());
                grow(content, end);
                content[begin..end].copy_from_slice(data);
            }
            Self::Length(length) => content.resize(place(*length), 0),
        }
    }
}

fn grow(content: &mut Vec<u8>, length: usize) {
    if content.len() < length {
        content.resize(length, 0);
    }
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).expect("the files of these tests fit into memory")
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Disk {
        fn follow_all(&mut self, records: &[Record]) {
            for record in records {
                self.follow(record);
            }
        }
    }

    fn created(file: u64, path: &str) -> Record {
        Record::Created { file, path: path.into() }
    }

    fn written(file: u64, byte: u8, bytes: usize) -> Record {
        Record::Written { file, offset: 0, data: vec![byte; bytes].into() }
    }

    fn sync(file: u64) -> [Record; 2] {
        let path = PathBuf::new();
        [Record::Syncing { file, path: path.clone() }, Record::Synced { file, path }]
    }

    fn images(disk: &Disk) -> Vec<Vec<(PathBuf, Vec<u8>)>> {
        (0..200).map(|seed| disk.image(&mut fastrand::Rng::with_seed(seed)).0).collect()
    }

    #[test]
    fn what_was_synced_is_in_every_image_and_what_was_not_in_some() {
        let mut disk = Disk::default();
        disk.follow(&created(1, "a"));
        disk.follow_all(&sync(9));
        disk.follow(&written(1, 1, 1024));
        disk.follow_all(&sync(1));
        assert!(images(&disk).iter().all(|image| *image == [("a".into(), vec![1; 1024])]));
        disk.follow(&written(1, 2, 1024));
        let contents: Vec<_> = images(&disk).into_iter().map(|mut image| image.remove(0).1).collect();
        for half in [[1, 1], [1, 2], [2, 1], [2, 2]] {
            let wanted = [[half[0]; 512], [half[1]; 512]].concat();
            assert!(contents.contains(&wanted), "{half:?} is never there");
        }
        assert!(
            contents
                .iter()
                .all(|content| content.chunks(512).all(|sector| sector.iter().all(|byte| *byte == sector[0])))
        );
    }

    #[test]
    fn a_write_that_came_after_the_sync_began_is_not_covered_by_it() {
        let mut disk = Disk::default();
        disk.follow(&created(1, "a"));
        disk.follow_all(&sync(9));
        let [begun, ended] = sync(1);
        disk.follow_all(&[begun, written(1, 1, 8), ended]);
        assert!(images(&disk).iter().any(|image| image[0].1.is_empty()));
    }

    #[test]
    fn a_new_name_may_be_missing_until_its_directory_was_synced() {
        let mut disk = Disk::default();
        disk.follow(&created(1, "a"));
        disk.follow_all(&sync(1));
        assert!(images(&disk).iter().any(Vec::is_empty));
        disk.follow_all(&sync(9));
        disk.follow(&Record::Renamed { from: "a".into(), to: "b".into() });
        let names = |image: Vec<(PathBuf, Vec<u8>)>| image.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert!(images(&disk).into_iter().any(|image| names(image) == [PathBuf::from("b")]));
        disk.follow_all(&sync(9));
        assert!(images(&disk).into_iter().all(|image| names(image) == [PathBuf::from("b")]));
    }
}
