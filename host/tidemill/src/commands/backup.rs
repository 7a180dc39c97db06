//! `backup` and `restore`.

use std::path::Path;

use anyhow::Context as _;
use tidemill_store::{DATABASE_FILE, Restored};

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
    let written = std::fs::metadata(&args.file);
    let bytes = written.with_context(|| format!("`{}` was written and is gone", args.file.display()))?.len();
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
    anyhow::ensure!(
        args.force || !config.data.join(DATABASE_FILE).exists(),
        "there is a database in `{}` already\n  hint: say `--force` to put the backup in its place; it is kept beside it",
        config.data.display()
    );
    let Restored { kept, recounted } = tidemill_store::restore(&args.file, &config.data, args.force)?;
    print(&format!("`{}` holds the database of `{}`\n", config.data.display(), args.file.display()))?;
    for processor in recounted {
        print(&format!("the backup counted wrongly what {processor} keeps, and it was counted anew\n"))?;
    }
    if let Some(kept) = kept {
        let kept = kept.display();
        print(&format!(
            "the one before it is kept as `{kept}`; `tidemill restore {kept} --force` puts it back, and it is yours to delete\n"
        ))?;
    }
    Ok(Exit::Done)
}
