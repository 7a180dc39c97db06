//! The history: the commits of a recording in their order, when each was begun and said to be done, and what was promised by then.

use anyhow::{Context as _, Result};
use e2e::witness::chains;
use serde_json::Value as Json;

use super::{
    opened::Opened,
    recording::{PARTITIONS, Recording},
};
use crate::{disk::Record, trial::holds};

/// The commits of a recording.
#[derive(Debug)]
pub(super) struct History {
    pub(super) steps: Vec<Step>,
    /// Where the partitions stand after so many steps.
    stands: Vec<[u64; PARTITIONS]>,
    /// The hash chains of each partition's events, after none, one, two.
    chains: Vec<Vec<String>>,
    /// From which record on the host had which durability.
    durabilities: Vec<(usize, String)>,
    /// From which record on how many steps were promised.
    promises: Vec<(usize, usize)>,
}

/// A commit that moved a partition.
#[derive(Debug)]
pub(super) struct Step {
    /// The record before which it cannot be there.
    begun: usize,
    partition: usize,
    /// The generation that it made.
    generation: u64,
    /// The position that it led to, once that is known.
    to: Option<u64>,
}

/// What an image is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// Commits that had been said to be done, or begun, and are not there.
    pub(super) lost: u64,
    /// Commits that had to be there.
    pub(super) promised: usize,
}

impl History {
    /// The history of a recording.
    pub(super) fn of(recording: &Recording) -> Result<Self> {
        let chains = (0..PARTITIONS).map(|partition| chains(&recording.publisher.events(partition))).collect();
        let mut history =
            Self { steps: Vec::new(), stands: Vec::new(), chains, durabilities: Vec::new(), promises: vec![(0, 0)] };
        let (mut begins, mut asked) = (recording.begins.iter(), 0);
        for (at, record) in recording.journal.records.iter().enumerate() {
            match record {
                Record::Begun(label) if label == "answer" => asked = history.said(),
                Record::Begun(label) => {
                    history.durabilities.push((at, label.clone()));
                    history.settle(begins.next().context("a host began of which nobody knows")?);
                }
                Record::Said(text) => {
                    for line in text.lines() {
                        match serde_json::from_str::<Json>(line) {
                            Ok(line) => history.read(at, &line)?,
                            // An operator is answered: what was done before they asked is as safe as what they asked for.
                            Err(_) => history.promise(at, asked),
                        }
                    }
                }
                _ => {}
            }
        }
        history.settle(begins.next().context("the end is not known")?);
        history.add_up()?;
        Ok(history)
    }

    /// Takes in a line of the host's log.
    fn read(&mut self, at: usize, line: &Json) -> Result<()> {
        let spans = line["spans"].as_array().into_iter().flatten();
        let partition = || spans.filter_map(|span| span["partition"].as_str()).next_back();
        let number = || partition().context("a commit of no partition")?.parse::<usize>().context("a partition");
        let generation = || line["generation"].as_u64().context("a commit without a generation");
        match line["message"].as_str() {
            Some("committing") => {
                self.steps.push(Step { begun: at, partition: number()?, generation: generation()? + 1, to: None });
            }
            Some("committed") => {
                let (partition, generation) = (number()?, generation()?);
                let same =
                    |step: &Step| step.partition == partition && step.generation == generation && step.to.is_none();
                let step = self.steps.iter().rposition(same).context("a commit that never began")?;
                let to = line["to"].as_str().and_then(|to| to.strip_prefix('c')).context("a commit to nowhere")?;
                self.steps[step].to = Some(to.parse()?);
                if self.durability(at) == "full" {
                    self.promise(at, step + 1);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// How many steps were said to be done.
    fn said(&self) -> usize {
        self.steps.iter().rposition(|step| step.to.is_some()).map_or(0, |last| last + 1)
    }

    fn promise(&mut self, at: usize, steps: usize) {
        let before = self.promises.last().map_or(0, |(_, steps)| *steps);
        self.promises.push((at, steps.max(before)));
    }

    /// A host was killed: whether the commits that it had begun were made is seen by where the partitions stand.
    fn settle(&mut self, stand: &[u64; PARTITIONS]) {
        let mut known = [0; PARTITIONS];
        self.steps.iter().filter_map(|step| Some((step.partition, step.to?))).for_each(|(at, to)| known[at] = to);
        self.steps.retain_mut(|step| {
            if step.to.is_none() && stand[step.partition] > known[step.partition] {
                step.to = Some(stand[step.partition]);
            }
            step.to.is_some()
        });
    }

    /// Where the partitions stand after each step.
    fn add_up(&mut self) -> Result<()> {
        let mut stand = [0; PARTITIONS];
        self.stands.push(stand);
        for step in &self.steps {
            let to = step.to.context("every step was settled")?;
            anyhow::ensure!(to > stand[step.partition], "the commits of partition {} are not in order", step.partition);
            stand[step.partition] = to;
            self.stands.push(stand);
        }
        Ok(())
    }

    /// With which durability the host ran at a record.
    pub(super) fn durability(&self, at: usize) -> &str {
        let before = self.durabilities.iter().rev().find(|(begun, _)| *begun <= at);
        before.map_or("normal", |(_, durability)| durability)
    }

    /// Which commits an image has: a prefix of those that were begun before the cut, with all that were promised.
    pub(super) fn find(&self, cut: usize, opened: &Opened) -> Result<Found> {
        for (number, partition) in opened.partitions.iter().enumerate() {
            let position = partition.position;
            let cursor = (position > 0).then(|| format!("c{position}"));
            holds!(
                partition.cursor == cursor,
                "partition {number} is at {position} with the cursor {:?}",
                partition.cursor
            );
            holds!(
                partition.count == position,
                "partition {number} is at {position}, and {} were applied",
                partition.count
            );
            let chain = usize::try_from(position).ok().and_then(|position| self.chains[number].get(position));
            holds!(chain == Some(&partition.chain), "partition {number}: not these {position} events in their order");
            let made =
                self.steps.iter().rfind(|step| step.partition == number && step.generation <= partition.generation);
            let made = made.and_then(|step| step.to).unwrap_or(0);
            holds!(
                made == position,
                "partition {number}: generation {} is position {made}, not {position}",
                partition.generation
            );
        }
        let begun = self.steps.partition_point(|step| step.begun < cut);
        let promise = self.promises.partition_point(|(at, _)| *at < cut);
        let promised = promise.checked_sub(1).map_or(0, |last| self.promises[last].1);
        let stand = opened.partitions.each_ref().map(|partition| partition.position);
        let Some(steps) = self.stands[..=begun].iter().rposition(|known| *known == stand) else {
            holds!(false, "the partitions stand at {stand:?}, where they never stood together");
            return Err(anyhow::anyhow!("never reached"));
        };
        holds!(steps >= promised, "{promised} commits were promised, and {steps} are there");
        Ok(Found { lost: (begun - steps) as u64, promised })
    }
}
