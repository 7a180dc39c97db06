//! `pause`, `resume` and `reset`.

use std::path::Path;

use tidemill_pipeline::{
    FeedName, PartitionKey, ProcessorName, ReadFrom, RejectPolicy, Resolution, StateSpace, option,
};
use tidemill_store::{PartitionStatus, ProcessorStatus, RequestKind};

use super::{
    ask::{ask, known},
    consent::agreed,
};
use crate::{
    cli::{PauseArgs, ResetArgs, ResumeArgs, Target},
    config::Config,
    exit::Exit,
    host::open_feed,
};

/// Pauses.
pub(super) async fn pause(args: PauseArgs, config: &Path) -> anyhow::Result<Exit> {
    let config = Config::load(config)?;
    let (_, status) = known(&config.data, &args.target.processor)?;
    let kinds = meant(&status, &args.target)?.into_iter().map(|partition| RequestKind::Pause { partition });
    ask(&config, &args.target.processor, kinds.collect()).await
}

/// Lets go on.
pub(super) async fn resume(args: ResumeArgs, config: &Path) -> anyhow::Result<Exit> {
    let config = Config::load(config)?;
    let (_, status) = known(&config.data, &args.target.processor)?;
    ask(&config, &args.target.processor, resumptions(&status, &args)?).await
}

/// Moves to another place.
pub(super) async fn reset(args: ResetArgs, config: &Path) -> anyhow::Result<Exit> {
    let config = Config::load(config)?;
    let (reader, status) = known(&config.data, &args.processor)?;
    let (kind, question) = if let Some((key, to)) = args.move_to() {
        require(&status, &key)?;
        let identity = identity(&config, &key.feed)?;
        let own = reader.spaces(&status.id)?.contains(&StateSpace::Partition(key.clone()));
        let question =
            format!("Move processor `{}`, {key}, to {to}? {}", args.processor, what_becomes_of_the_state(&to, own));
        (RequestKind::ResetPartition { key, to, identity }, question)
    } else if !config.processors.contains_key(&args.processor) {
        let question = format!(
            "Processor `{}` is not configured. Delete its state, its parked events and its cursors, and forget it?",
            args.processor
        );
        (RequestKind::Remove, question)
    } else {
        let identities = identities(&config, &args.processor)?;
        let question = format!(
            "Delete the state and the parked events of processor `{}`, and begin all its feeds anew?",
            args.processor
        );
        (RequestKind::Reset { identities }, question)
    };
    if !args.yes && !agreed(&question)? {
        return Ok(Exit::Failed);
    }
    ask(&config, &args.processor, vec![kind]).await
}

/// What a move does to the state, before it is done: its answer says it again.
fn what_becomes_of_the_state(to: &ReadFrom, own: bool) -> &'static str {
    match (to, own) {
        (ReadFrom::First, true) => "Its own state and its parked events are deleted.",
        (ReadFrom::First, false) => {
            "The shared state stays as it is, and the events are applied to it again. Its parked events are deleted."
        }
        (ReadFrom::After(_) | ReadFrom::Last, _) => {
            "The state stays as it is: events that come again are applied to it again, and events that are passed over are left out."
        }
    }
}

/// The partitions that are meant; none stands for all of them at once.
fn meant(status: &ProcessorStatus, target: &Target) -> anyhow::Result<Vec<Option<PartitionKey>>> {
    let Some(feed) = &target.feed else { return Ok(vec![None]) };
    if let Some(partition) = &target.partition {
        let key = PartitionKey { feed: feed.clone(), partition: partition.clone() };
        require(status, &key)?;
        return Ok(vec![Some(key)]);
    }
    let keys: Vec<_> = keys(status).filter(|key| key.feed == *feed).cloned().map(Some).collect();
    anyhow::ensure!(
        !keys.is_empty(),
        "processor `{}` has read no partition of a feed `{feed}`\n  hint: {}",
        status.id.name,
        read(status)
    );
    Ok(keys)
}

fn keys(status: &ProcessorStatus) -> impl Iterator<Item = &PartitionKey> {
    status.partitions.iter().map(|partition| &partition.key)
}

fn require(status: &ProcessorStatus, key: &PartitionKey) -> anyhow::Result<()> {
    anyhow::ensure!(
        keys(status).any(|known| known == key),
        "processor `{}` has not read {key}\n  hint: {}",
        status.id.name,
        read(status)
    );
    Ok(())
}

/// What a processor has read, as a hint. Of many partitions only the first.
fn read(status: &ProcessorStatus) -> String {
    const SHOWN: usize = 10;
    let shown: Vec<_> = keys(status).take(SHOWN).map(|key| format!("{}/{}", key.feed, key.partition)).collect();
    match status.partitions.len() {
        0 => "it has read nothing yet".to_owned(),
        more if more > SHOWN => {
            format!("it has read {} and {} more; see `tidemill status`", shown.join(", "), more - SHOWN)
        }
        _ => format!("it has read {}", shown.join(", ")),
    }
}

/// What to ask for: with a policy, the decision about each event that a meant partition stands at.
fn resumptions(status: &ProcessorStatus, args: &ResumeArgs) -> anyhow::Result<Vec<RequestKind>> {
    let meant = meant(status, &args.target)?;
    let Some(policy) = args.policy() else {
        return Ok(meant.into_iter().map(|partition| RequestKind::Resume { partition, resolution: None }).collect());
    };
    let is_meant =
        |partition: &&PartitionStatus| meant.iter().any(|key| key.as_ref().is_none_or(|key| *key == partition.key));
    let decided = status.partitions.iter().filter(is_meant).filter_map(|partition| {
        let event = partition.checkpoint.error.as_ref()?.event.clone()?;
        let resolution = Some(Resolution { event, policy });
        Some(RequestKind::Resume { partition: Some(partition.key.clone()), resolution })
    });
    let decided: Vec<_> = decided.collect();
    if decided.is_empty()
        && let Some(stands) = status.partitions.iter().filter(is_meant).find(|stands| stands.checkpoint.error.is_some())
    {
        return Err(over_no_event(&args.target.processor, stands, policy));
    }
    anyhow::ensure!(
        !decided.is_empty(),
        "no partition that is meant stands at an event, so there is nothing to {}\n  hint: see `tidemill status`; without `--park` or `--skip` it only goes on",
        policy.as_str()
    );
    Ok(decided)
}

/// What cannot be settled by deciding about an event: the component asked for a person, it took too long, or the feed is broken.
fn over_no_event(processor: &ProcessorName, stands: &PartitionStatus, policy: RejectPolicy) -> anyhow::Error {
    let PartitionStatus { key, checkpoint, .. } = stands;
    let cause = checkpoint.error.as_ref().map(|error| error.cause.as_str()).unwrap_or_default();
    let PartitionKey { feed, partition } = key;
    let (status, policy) = (checkpoint.status, policy.as_str());
    let partition = option("--partition", partition.as_str());
    anyhow::anyhow!(
        "{key} of processor `{processor}` is {status}, but at no event, so there is nothing to {policy}: {cause}\n  hint: see to that, then `tidemill resume {processor}` without `--{policy}`; or go on behind it with `tidemill reset {processor} --feed {feed} {partition} --to CURSOR`"
    )
}

/// What the cursors of a feed belong to from now on; none if the feed is not configured.
fn identity(config: &Config, feed: &FeedName) -> anyhow::Result<Option<String>> {
    config.feeds.get(feed).map(|settings| Ok(open_feed(feed, settings)?.identity())).transpose()
}

/// The same for every feed of a processor.
fn identities(config: &Config, processor: &ProcessorName) -> anyhow::Result<Vec<(FeedName, String)>> {
    let mut identities = Vec::new();
    for feed in config.processors.get(processor).map(|processor| processor.feeds.as_slice()).unwrap_or_default() {
        identities.extend(identity(config, feed)?.map(|identity| (feed.clone(), identity)));
    }
    Ok(identities)
}
