//! `backup` and `restore`.

use std::{fs::File, io::Read as _, path::Path};

use tidemill_store::DATABASE_FILE;

use crate::{
    cli::{BackupArgs, RestoreArgs},
    config::Config,
    exit::Exit,
    output::print,
};

/// Copies the database into a file.
pub(super) fn backup(args: &BackupArgs, config: &Path) -> anyhow::Result<Exit> {
    let config = Config::load(config)?;
    tidemill_store::backup(&config.data, &args.file)?;
    let bytes = std::fs::metadata(&args.file)?.len();
    print(&format!(
        "`{}` holds the database of `{}` ({})\n",
        args.file.display(),
        config.data.display(),
        bytesize::ByteSize(bytes)
    ))?;
    Ok(Exit::Done)
}

/// Puts a backup in the place of the database.
pub(super) fn restore(args: &RestoreArgs, config: &Path) -> anyhow::Result<Exit> {
    let config = Config::load(config)?;
    let replaces = config.data.join(DATABASE_FILE).exists();
    anyhow::ensure!(
        args.force || !replaces,
        "there is a database in `{}` already\n  hint: say `--force` to replace it; it is kept beside the new one, with the ending `.replaced`",
        config.data.display()
    );
    require_database(&args.file)?;
    tidemill_store::restore(&args.file, &config.data, args.force)?;
    print(&format!("`{}` holds the database of `{}`\n", config.data.display(), args.file.display()))?;
    if replaces {
        print(&format!("the one before it is kept as `{DATABASE_FILE}.replaced`\n"))?;
    }
    Ok(Exit::Done)
}

/// What every file of `SQLite` begins with.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Finds out at once that a file is no backup, before anything is copied.
fn require_database(file: &Path) -> anyhow::Result<()> {
    let mut begin = Vec::new();
    let read = File::open(file).and_then(|file| file.take(MAGIC.len() as u64).read_to_end(&mut begin));
    read.map_err(|error| anyhow::anyhow!("the backup `{}` cannot be read: {error}", file.display()))?;
    anyhow::ensure!(
        begin == MAGIC,
        "`{}` is no backup of Tidemill\n  hint: give a file that `tidemill backup` wrote",
        file.display()
    );
    Ok(())
}
