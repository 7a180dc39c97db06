//! `feed tail`: events of a feed as they come.

pub(super) mod pages;
mod printed;

use std::{
    io::{self, IsTerminal as _, Write as _},
    path::Path,
};

use tidemill_pipeline::{FeedName, PartitionId, ReadFrom};

use self::{
    pages::{Follower, Followers, Piece},
    printed::Form,
};
use super::run::Signals;
use crate::{
    cli::TailArgs,
    config::{Config, FeedConfig},
    exit::{Exit, Misuse},
    host::{Feed, open_feed},
};

/// Prints until it was enough, or until a signal.
pub(super) async fn execute(args: TailArgs, config: &Path) -> anyhow::Result<Exit> {
    let config = Config::load(config)?;
    let settings = configured(&config, &args.feed)?;
    let feed = open_feed(&args.feed, settings)?;
    let mut signals = Signals::listen()?;
    tokio::select! {
        biased;
        () = signals.next() => Ok(Exit::Done),
        exit = follow(&args, settings, feed) => exit,
    }
}

async fn follow(args: &TailArgs, settings: &FeedConfig, feed: Feed) -> anyhow::Result<Exit> {
    let listed = pages::discover(&args.feed, &feed).await?;
    let partitions = chosen(&args.feed, args.partition.as_ref(), &args.from, listed)?;
    let follower = |partition| Follower::new(args.feed.clone(), feed.clone(), partition, settings);
    let mut followers = Followers::of(partitions.into_iter().map(follower), &args.from);
    let form = if args.json { Form::Json } else { Form::Payloads { terminal: io::stdout().is_terminal() } };
    let mut left = args.events.unwrap_or(u64::MAX);
    while left > 0 {
        let Some(piece) = followers.next().await? else { break };
        print(&piece, form, &mut left)?;
    }
    Ok(Exit::Done)
}

/// Prints at most so many events of a span.
fn print(piece: &Piece, form: Form, left: &mut u64) -> io::Result<()> {
    let mut stdout = io::BufWriter::new(io::stdout().lock());
    form.write(&mut stdout, &piece.partition, &piece.span, left)?;
    stdout.flush()
}

pub(super) fn configured<'a>(config: &'a Config, feed: &FeedName) -> Result<&'a FeedConfig, Misuse> {
    config.feeds.get(feed).ok_or_else(|| {
        let names: Vec<_> = config.feeds.keys().map(|name| format!("`{name}`")).collect();
        let hint = if names.is_empty() {
            "it has none: add one under `[feeds.NAME]`".to_owned()
        } else {
            format!("its feeds are {}", names.join(", "))
        };
        Misuse { message: format!("the configuration has no feed `{feed}`"), hint }
    })
}

/// The partitions that are meant, of those that there are.
pub(super) fn chosen(
    feed: &FeedName,
    partition: Option<&PartitionId>,
    from: &ReadFrom,
    listed: Vec<PartitionId>,
) -> Result<Vec<PartitionId>, Misuse> {
    let names = |listed: &[PartitionId]| listed.iter().take(20).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match partition {
        Some(partition) if listed.contains(partition) => Ok(vec![partition.clone()]),
        Some(partition) => {
            let message = format!("feed `{feed}` has no partition {partition}");
            Err(Misuse { message, hint: format!("it has {}", names(&listed)) })
        }
        None if matches!(from, ReadFrom::After(_)) && listed.len() > 1 => {
            let message = "a cursor belongs to one partition, and none was named".to_owned();
            Err(Misuse { message, hint: format!("say `--partition P`: feed `{feed}` has {}", names(&listed)) })
        }
        None => Ok(listed),
    }
}
