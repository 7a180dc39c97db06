//! `record`: a stretch of a feed in a file.

use std::{
    collections::BTreeSet,
    io::{self, BufWriter, Write as _},
    path::Path,
};

use anyhow::{Context as _, bail};
use tidemill_feeds::{record_span, record_start, recording_header};

use super::{
    run::Signals,
    stretch::{Ended, Stretch},
};
use crate::{
    cli::RecordArgs,
    config::{Config, FeedUrl},
    exit::Exit,
    output::{WholeFile, complain, print},
};

/// Records until it is enough, the feed has no more, or a signal comes: what came until then is kept.
pub(super) async fn execute(args: RecordArgs, config: &Path) -> anyhow::Result<Exit> {
    let config = Config::load(config)?;
    refuse_feed(&config, &args.output)?;
    let output = begin(&args)?;
    let mut signals = Signals::listen()?;
    let stretch = tokio::select! {
        biased;
        () = signals.next() => return Ok(Exit::Failed),
        stretch = Stretch::open(&config, &args.feed, args.partition.as_ref(), &args.from) => stretch?,
    };
    let unwritable = || unwritable(&args.output);
    let mut file = BufWriter::new(output);
    file.write_all(&recording_header(&args.feed, stretch.partitions())).with_context(unwritable)?;
    let (mut begun, mut events, mut spans) = (BTreeSet::new(), 0, 0_u64);
    let ended = tokio::select! {
        biased;
        () = signals.next() => None,
        ended = stretch.read(args.events, |partition, span| {
            let mut lines = Vec::new();
            if begun.insert(partition.clone()) {
                record_start(&mut lines, &partition, span.from());
            }
            record_span(&mut lines, &partition, &span);
            events += span.len();
            spans += 1;
            file.write_all(&lines).with_context(unwritable)
        }) => Some(ended?),
    };
    let file = file.into_inner().map_err(std::io::IntoInnerError::into_error).with_context(unwritable)?;
    let stays = file.stays();
    file.keep().or_else(|error| refuse_existing(error, &args.output))?;
    let plural = |count: u64, word: &str| if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") };
    let (said, name) = (plural(events as u64, "event"), args.output.display());
    let sentence = format!("{said} in {} of feed `{}` recorded in {name}", plural(spans, "span"), args.feed);
    if stays {
        print(&format!("{sentence}\n"))?;
    } else {
        // The recording itself may have gone to the standard output.
        complain(&sentence);
    }
    match ended {
        Some(Ended::Enough) => {}
        Some(Ended::AtTheEnd) => complain(&format!("The feed has no more than that: {} were asked for.", args.events)),
        None => complain("Stopped by a signal: what came until then is recorded."),
    }
    Ok(Exit::Done)
}

/// The file, before anybody is asked for what will be in it.
fn begin(args: &RecordArgs) -> anyhow::Result<WholeFile> {
    let begun = if args.force { WholeFile::create(&args.output) } else { WholeFile::create_new(&args.output) };
    begun.or_else(|error| refuse_existing(error, &args.output))
}

/// Says why a file cannot be written; of one that is there, the ways out.
fn refuse_existing<T>(error: io::Error, file: &Path) -> anyhow::Result<T> {
    if error.kind() == io::ErrorKind::AlreadyExists {
        bail!("`{}` exists already\n  hint: give another name, or say `--force` to replace it", file.display());
    }
    Err(error).with_context(|| unwritable(file))
}

fn unwritable(file: &Path) -> String {
    format!("the recording {} cannot be written", file.display())
}

/// A feed's own file is never replaced: its events would be gone, whatever was typed.
fn refuse_feed(config: &Config, file: &Path) -> anyhow::Result<()> {
    let Ok(place) = file.canonicalize() else { return Ok(()) };
    for (name, feed) in &config.feeds {
        if let FeedUrl::File(path) = &feed.url
            && path.canonicalize().is_ok_and(|path| path == place)
        {
            bail!(
                "feed `{name}` is read from `{}`, and a recording would destroy it\n  hint: give another name",
                file.display()
            );
        }
    }
    Ok(())
}
