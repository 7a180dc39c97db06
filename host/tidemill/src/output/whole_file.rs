//! A whole file: it is in its place with everything that was written, or as it was before.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use tempfile::{Builder, NamedTempFile};

/// A file that is being written.
#[derive(Debug)]
pub struct WholeFile(Place);

#[derive(Debug)]
enum Place {
    /// Beside the place that it will take.
    Beside(NamedTempFile, PathBuf),
    /// The same, and nothing may have taken that place meanwhile.
    BesideNothing(NamedTempFile, PathBuf),
    /// What is no regular file takes bytes as they come: a pipe, a terminal, `/dev/null`. To replace it would destroy it.
    Straight(File),
}

impl WholeFile {
    /// Begins a file where none is. What is no regular file takes the bytes: it loses nothing.
    ///
    /// # Errors
    /// When a file is there, or nothing may be written beside it.
    pub fn create_new(path: &Path) -> io::Result<Self> {
        // A link to nothing is in the way, too.
        let taken = |_| fs::symlink_metadata(path).is_ok();
        if fs::metadata(path).map_or_else(taken, |there| there.is_file()) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        Ok(Self(match Self::create(path)?.0 {
            Place::Beside(file, path) => Place::BesideNothing(file, path),
            place @ (Place::BesideNothing(..) | Place::Straight(_)) => place,
        }))
    }

    /// Begins a file. One that is there stays until [`keep`](Self::keep); behind a link it is the file that the link names.
    ///
    /// # Errors
    /// When it may not be written, or nothing may be written beside it.
    pub fn create(path: &Path) -> io::Result<Self> {
        let there = match fs::metadata(path) {
            Ok(there) => Some(there),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let Some(there) = there else {
            // Unlike what is temporary for good, the file is for whom the user's umask says.
            let file = Builder::new().permissions(Permissions::from_mode(0o666)).tempfile_in(parent(path))?;
            return Ok(Self(Place::Beside(file, path.to_owned())));
        };
        // Whoever may not write a file may not replace it either.
        let open = OpenOptions::new().write(true).open(path)?;
        if !there.is_file() {
            return Ok(Self(Place::Straight(open)));
        }
        let place = path.canonicalize()?;
        let file = Builder::new().tempfile_in(parent(&place))?;
        file.as_file().set_permissions(there.permissions())?;
        Ok(Self(Place::Beside(file, place)))
    }

    /// Whether a file will be there afterwards, and not only a reader that has had the bytes.
    #[must_use]
    pub fn stays(&self) -> bool {
        !matches!(self.0, Place::Straight(_))
    }

    /// Puts it in its place, at once.
    ///
    /// # Errors
    /// When it cannot be put there, or another one came where none was; then what is there is as it was.
    pub fn keep(self) -> io::Result<()> {
        match self.0 {
            Place::Beside(file, place) => file.persist(place).map(drop).map_err(|error| error.error),
            Place::BesideNothing(file, place) => file.persist_noclobber(place).map(drop).map_err(|error| error.error),
            Place::Straight(mut file) => file.flush(),
        }
    }
}

/// Writes a whole file.
///
/// # Errors
/// When it cannot be written; then what was there is as it was.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = WholeFile::create(path)?;
    file.write_all(bytes)?;
    file.keep()
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Place::Beside(file, _) | Place::BesideNothing(file, _) => file.write(bytes),
            Place::Straight(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Place::Beside(file, _) | Place::BesideNothing(file, _) => file.flush(),
            Place::Straight(file) => file.flush(),
        }
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|directory| *directory != Path::new("")).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileTypeExt as _, symlink};

    use super::*;

    #[test]
    fn what_was_there_stays_until_the_new_one_is_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("case.toml");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let mut file = WholeFile::create(&path).unwrap();
        file.write_all(b"ne").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        drop(file);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "what was begun is gone");
        write_whole(&path, b"new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    }

    #[test]
    fn a_new_file_takes_no_place_that_is_taken_then_or_meanwhile() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("recording");
        let mut new = WholeFile::create_new(&path).unwrap();
        new.write_all(b"new").unwrap();
        fs::write(&path, "other").unwrap();
        assert_eq!(new.keep().unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(WholeFile::create_new(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).unwrap(), "other");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "what was begun is gone");
        fs::remove_file(&path).unwrap();
        WholeFile::create_new(&path).unwrap().keep().unwrap();
        assert!(path.exists() && !WholeFile::create_new(Path::new("/dev/null")).unwrap().stays());
    }

    #[test]
    fn a_link_goes_on_naming_its_file() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("file"), directory.path().join("link"));
        fs::write(&file, "old").unwrap();
        symlink(&file, &link).unwrap();
        write_whole(&link, b"new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
    }

    #[test]
    fn what_is_no_file_is_written_to_and_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read_to_string(pipe).unwrap()
        });
        write_whole(&pipe, b"new").unwrap();
        assert_eq!(reader.join().unwrap(), "new");
        assert!(fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());
        assert!(WholeFile::create(directory.path()).is_err(), "a directory");
    }
}
