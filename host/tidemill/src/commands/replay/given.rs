//! The events that are replayed: of a file, of a feed, or one that was put aside.

use std::path::Path;

use tidemill_pipeline::{Digest, FeedName, PartitionId, PartitionKey, Span, span_of};

use super::super::{ask::id, block_on, stretch::Stretch};
use crate::{
    cases::FileEvents,
    cli::{ReplayArgs, StretchArgs},
    config::{Config, ProcessorConfig},
    exit::Misuse,
    host::Reader,
};

/// Events of a feed that are read if nobody says how many.
pub(in super::super) const EVENTS: u64 = 1_000;

/// Spans in their order, and the event that is meant, if one is.
pub(super) struct Given {
    pub(super) spans: Spans,
    pub(super) one: Option<One>,
}

type Spans = Box<dyn Iterator<Item = anyhow::Result<(PartitionKey, Span)>>>;

/// The event that is meant.
pub(super) enum One {
    /// By its place among all of them, from 1.
    Place(u64),
    /// By its payload: how the digest begins.
    Payload(String),
}

impl One {
    /// Its place in a span, from 0, if it is there; `before` events were in the spans before.
    pub(super) fn place(&self, span: &Span, before: u64) -> Option<usize> {
        match self {
            Self::Place(place) => {
                let place = usize::try_from(place.checked_sub(before)?.checked_sub(1)?).ok()?;
                (place < span.len()).then_some(place)
            }
            Self::Payload(digest) => {
                span.events().position(|event| Digest::of(event.data().as_bytes()).to_string().starts_with(digest))
            }
        }
    }
}

impl Given {
    /// What the command line names.
    pub(super) fn open(args: &ReplayArgs, config: &Config, processor: &ProcessorConfig) -> anyhow::Result<Self> {
        let one = match (args.event, &args.payload) {
            (Some(place), _) => Some(One::Place(place)),
            (None, Some(digest)) => Some(One::Payload(digest.clone())),
            (None, None) => None,
        };
        let spans: Spans = match (&args.file, args.parked) {
            (Some(file), _) => Box::new(of_file(file, processor)?),
            (None, Some(number)) => Box::new(std::iter::once(Ok(parked(args, config, number)?))),
            (None, None) => {
                let name = args.stretch.feed.as_ref().ok_or_else(|| Misuse {
                    message: "no events were named".to_owned(),
                    hint: "say `--events FILE`, `--feed FEED` or `--parked NUMBER`".to_owned(),
                })?;
                let events = args.stretch.count.unwrap_or(match one {
                    // The span that begins at the cursor has it.
                    Some(One::Payload(_)) => 1,
                    Some(One::Place(place)) => place,
                    None => EVENTS,
                });
                Box::new(of_feed(config, name, &args.stretch, events)?.into_iter().map(Ok))
            }
        };
        Ok(Self { spans, one })
    }
}

fn parked(args: &ReplayArgs, config: &Config, number: i64) -> anyhow::Result<(PartitionKey, Span)> {
    let parked = Reader::open(&config.data)?.parked(number)?;
    let parked = parked.filter(|parked| parked.processor == id(&args.processor)).ok_or_else(|| {
        anyhow::anyhow!(
            "processor `{0}` has no parked event {number}\n  hint: see them with `tidemill parked list {0}`",
            args.processor
        )
    })?;
    Ok((parked.event.id.key.clone(), span_of(&parked.event)?))
}

/// The events of a file. One that does not say where they come from stands for the processor's first feed.
pub(in super::super) fn of_file(file: &Path, processor: &ProcessorConfig) -> anyhow::Result<FileEvents> {
    let feed = processor.feeds.first().cloned();
    let feed = feed.unwrap_or_else(|| FeedName::new("events"));
    FileEvents::open(file, &PartitionKey { feed, partition: PartitionId::new("0") })
}

/// At least so many events of a feed, from where the command line says.
pub(in super::super) fn of_feed(
    config: &Config,
    name: &FeedName,
    stretch: &StretchArgs,
    events: u64,
) -> anyhow::Result<Vec<(PartitionKey, Span)>> {
    block_on(async {
        let stretch = Stretch::open(config, name, stretch.partition.as_ref(), &stretch.from).await?;
        let mut spans = Vec::new();
        stretch
            .read(events, |partition, span| {
                spans.push((PartitionKey { feed: name.clone(), partition }, span));
                Ok(())
            })
            .await?;
        Ok(spans)
    })
}
