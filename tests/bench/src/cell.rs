//! A cell of the comparison: a feed, and what everybody has to do with it. One dimension at a time differs from the centre.

use crate::{
    competitor::{Competitor, Durability, Guest, State},
    feed::Feed,
};

/// A place where competitors are compared.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    /// Its name, for `--only` and in what is kept.
    pub(crate) name: &'static str,
    /// What is different from the centre, for people.
    pub(crate) title: &'static str,
    /// The feed.
    pub(crate) feed: Feed,
    /// What commits wait for.
    pub(crate) durability: Durability,
    /// How the program's state lies.
    pub(crate) state: State,
    /// Whether each round goes on where the one before ended, because its state is too large to be copied.
    pub(crate) goes_on: bool,
    /// Who competes.
    pub(crate) competitors: Vec<Competitor>,
}

impl Cell {
    /// 300 bytes, 1,000 users, one partition, pages of 1,000.
    fn centre() -> Self {
        Self {
            name: "centre",
            title: "300 B, 1 k keys, 1 partition, pages of 1,000",
            feed: Feed::CENTRE,
            durability: Durability::Normal,
            state: State::Shared,
            goes_on: false,
            competitors: Competitor::all(),
        }
    }

    /// All cells, the centre first. The rounds of a group are interleaved, so that its cells can be compared.
    pub(crate) fn all() -> Vec<Vec<Self>> {
        let cell = |name, title, change: &dyn Fn(&mut Self)| {
            let mut cell = Self { name, title, ..Self::centre() };
            change(&mut cell);
            cell
        };
        let history = |name, title, keys| {
            cell(name, title, &|cell| {
                cell.feed = Feed { payload_bytes: 100, keys, everybody_first: true, ..cell.feed };
                cell.goes_on = true;
                // What the state costs SQLite itself is seen beside it.
                cell.competitors = vec![Competitor::HandTuned, Competitor::Tidemill(Guest::Rust)];
            })
        };
        vec![
            vec![Self::centre()],
            vec![cell("100-bytes", "payloads of 100 B", &|cell| cell.feed.payload_bytes = 100)],
            vec![cell("1-kilobyte", "payloads of 1,000 B", &|cell| cell.feed.payload_bytes = 1_000)],
            vec![cell("1-million-keys", "1 M keys, all of them in the state before", &|cell| {
                cell.feed.keys = 1_000_000;
                cell.feed.everybody_first = true;
            })],
            vec![
                cell("8-partitions", "8 partitions", &|cell| cell.feed.partitions = 8),
                cell("8-partitions-apart", "8 partitions, `state = \"partitioned\"`", &|cell| {
                    cell.feed.partitions = 8;
                    cell.state = State::Partitioned;
                    cell.competitors = Guest::ALL.map(Competitor::Tidemill).into();
                }),
            ],
            vec![cell("pages-of-100", "pages of 100", &|cell| cell.feed.page = 100)],
            vec![cell("pages-of-10000", "pages of 10,000", &|cell| cell.feed.page = 10_000)],
            vec![cell("full", "every commit waits for the disk", &|cell| cell.durability = Durability::Full)],
            vec![
                history("10-thousand-keys-uniform", "100 B, 10 k keys, all of them in the state before", 10_000),
                history("10-million-keys-uniform", "100 B, 10 M keys, all of them in the state before", 10_000_000),
            ],
        ]
    }

    /// The same with less to do: fewer keys, components that are compiled in a moment, and outside of the centre only one by hand
    /// and one of the program.
    pub(crate) fn quick(mut self) -> Self {
        self.feed.keys = self.feed.keys.min(10_000);
        self.competitors.retain(|who| !matches!(who, Competitor::Tidemill(guest) if !guest.takes_part(true)));
        if self.name != "centre" && self.competitors.len() > 2 {
            self.competitors.retain(|who| [Competitor::HandPlain, Competitor::Tidemill(Guest::Rust)].contains(who));
        }
        self
    }

    /// How many pages of each partition a competitor reads in a round: about a second's work.
    pub(crate) fn pages(&self, competitor: Competitor, quick: bool) -> usize {
        let events = match competitor {
            _ if quick => 2_000,
            // Each of them finds its row on another page of a file that is larger than every cache.
            _ if self.goes_on && self.feed.keys > 1_000_000 => 100_000,
            _ if self.goes_on => 200_000,
            Competitor::HandTuned | Competitor::Tidemill(Guest::Rust) | Competitor::Whole => 1_000_000,
            Competitor::Tidemill(Guest::C) => 500_000,
            Competitor::Python | Competitor::Tidemill(Guest::Python) => 50_000,
            Competitor::PythonTuned => 200_000,
            Competitor::HandPlain | Competitor::Tidemill(Guest::Go) => 150_000,
            Competitor::Tidemill(Guest::Js) => 80_000,
        };
        (events / (self.feed.page * self.feed.partitions)).max(2)
    }

    /// The pages of each partition that everybody's state holds before the first round.
    pub(crate) fn pages_before(&self) -> usize {
        if self.feed.everybody_first { self.feed.pages_of_everybody() } else { 0 }
    }
}
