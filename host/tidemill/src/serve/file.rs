//! A file as a log: one event a line, followed as it grows.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use super::log::{Lines, Log, LogError, Position};

/// The longest line that is published.
const LINE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How much is read at once to find the end.
const COUNT_BYTES: usize = 1024 * 1024;

/// An NDJSON file. It is opened for each read, so that a file that was replaced by name is followed too.
#[derive(Debug)]
pub struct FileLog {
    path: PathBuf,
    /// The end as it was seen last: lines are counted from there on.
    end: Mutex<Position>,
}

impl FileLog {
    /// A file that is there and can be read.
    ///
    /// # Errors
    /// When it cannot be opened, or is no file.
    pub fn open(path: &Path) -> io::Result<Self> {
        let path = path.canonicalize()?;
        if !File::open(&path)?.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
        }
        Ok(Self { path, end: Mutex::default() })
    }

    fn gone(&self, position: Position, length: u64) -> LogError {
        let name = self.path.file_name().unwrap_or_default().display();
        LogError::Gone(format!(
            "cursor `{position}` is behind the end of {name}, which has {length} bytes by now: it was cut or replaced"
        ))
    }
}

impl Log for FileLog {
    fn identity(&self) -> String {
        self.path.display().to_string()
    }

    fn read(&self, from: Position, bytes_max: usize) -> Result<Lines, LogError> {
        let file = File::open(&self.path)?;
        let mut room = bytes_max.max(1);
        loop {
            let mut bytes = read_at(&file, from.offset, room)?;
            let full = bytes.len() == room;
            if bytes.is_empty() {
                let length = file.metadata()?.len();
                return if from.offset > length { Err(self.gone(from, length)) } else { Ok(Lines::default()) };
            }
            let whole = memchr::memrchr(b'\n', &bytes).map_or(0, |newline| newline + 1);
            if whole > 0 || !full {
                bytes.truncate(whole);
                return Ok(split(bytes, from));
            }
            if room >= LINE_BYTES_MAX {
                return Err(LogError::Content(format!("line {} is longer than {LINE_BYTES_MAX} bytes", from.line + 1)));
            }
            room = (room * 4).min(LINE_BYTES_MAX);
        }
    }

    fn check(&self, position: Position) -> Result<(), LogError> {
        let Some(before) = position.offset.checked_sub(1) else { return Ok(()) };
        let file = File::open(&self.path)?;
        match read_at(&file, before, 1)?.as_slice() {
            b"\n" if position.line > 0 => Ok(()),
            [] => Err(self.gone(position, file.metadata()?.len())),
            _ => Err(LogError::Cursor(format!("`{position}` is not a cursor of this feed: no line begins there"))),
        }
    }

    fn end(&self) -> Result<Position, LogError> {
        let file = File::open(&self.path)?;
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        if file.metadata()?.len() < end.offset {
            *end = Position::default();
        }
        let (mut position, mut ahead) = (*end, 0);
        loop {
            let bytes = read_at(&file, position.offset + ahead, COUNT_BYTES)?;
            if bytes.is_empty() {
                break;
            }
            match memchr::memrchr(b'\n', &bytes) {
                Some(newline) => {
                    position.offset += ahead + newline as u64 + 1;
                    position.line += memchr::memchr_iter(b'\n', &bytes).count() as u64;
                    ahead = 0;
                }
                None => ahead += bytes.len() as u64,
            }
        }
        *end = position;
        Ok(position)
    }
}

/// Up to so many bytes from an offset; fewer only at the end of the file.
fn read_at(file: &File, offset: u64, bytes_max: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; bytes_max];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

fn split(bytes: Vec<u8>, from: Position) -> Lines {
    let behind = |newline: usize, line: usize| Position {
        offset: from.offset + newline as u64 + 1,
        line: from.line + line as u64 + 1,
    };
    let newlines = memchr::memchr_iter(b'\n', &bytes).enumerate();
    let ends = newlines.map(|(line, newline)| (newline + 1, behind(newline, line))).collect();
    Lines { bytes, ends }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn file(text: &str) -> (tempfile::NamedTempFile, FileLog) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let log = FileLog::open(file.path()).unwrap();
        (file, log)
    }

    fn texts(lines: &Lines) -> Vec<(&str, String)> {
        lines.iter().map(|(line, behind)| (std::str::from_utf8(line).unwrap(), behind.to_string())).collect()
    }

    #[test]
    fn a_line_without_its_end_is_not_yet_there() {
        let (mut file, log) = file("1\r\n22\n3");
        let lines = log.read(Position::default(), 100).unwrap();
        assert_eq!(texts(&lines), [("1", "3:1".to_owned()), ("22", "6:2".to_owned())]);
        let end = Position { offset: 6, line: 2 };
        assert_eq!(log.end().unwrap(), end);
        assert_eq!(log.read(end, 100).unwrap(), Lines::default());
        file.write_all(b"3\n").unwrap();
        assert_eq!(texts(&log.read(end, 100).unwrap()), [("33", "9:3".to_owned())]);
        assert_eq!(log.end().unwrap(), Position { offset: 9, line: 3 });
    }

    #[test]
    fn a_line_longer_than_what_is_read_at_once_comes_whole() {
        let large = "x".repeat(1_000);
        let (_file, log) = file(&format!("{large}\nshort\n"));
        let lines = log.read(Position::default(), 7).unwrap();
        assert_eq!(texts(&lines)[0], (large.as_str(), "1001:1".to_owned()));
    }

    #[test]
    fn a_cursor_is_good_only_where_a_line_begins() {
        let (_file, log) = file("11\n22\n");
        for (cursor, good) in
            [("0:0", true), ("3:1", true), ("6:2", true), ("2:1", false), ("3:0", false), ("7:2", false)]
        {
            let position: Position = cursor.parse().unwrap();
            assert_eq!(log.check(position).is_ok(), good, "{cursor}");
        }
        for text in ["", "3", "3:", ":1", "a:b", "+3:1", "-1:0", "1:2", "3:1:1", "99999999999999999999:1", "_first"] {
            assert!(text.parse::<Position>().is_err(), "{text}");
        }
        assert!(matches!(log.check(Position { offset: 7, line: 2 }), Err(LogError::Gone(_))));
    }
}
