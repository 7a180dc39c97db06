//! `backup` and `restore`.

use std::path::Path;

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
    tidemill_store::restore(&args.file, &config.data, args.force)?;
    print(&format!("`{}` holds the database of `{}`\n", config.data.display(), args.file.display()))?;
    if replaces {
        print(&format!("the one before it is kept as `{DATABASE_FILE}.replaced`\n"))?;
    }
    Ok(Exit::Done)
}
