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
    /// Who competes.
    pub(crate) competitors: Vec<Competitor>,
}

impl Cell {
    /// 300 bytes, 1,000 users, one partition, pages of 1,000.
    fn centre() -> Self {
        Self {
            name: "centre",
            title: "300 B, 1 k keys, 1 partition, pages of 1,000",
            feed: Feed { payload_bytes: 300, keys: 1_000, partitions: 1, page: 1_000, everybody_first: false },
            durability: Durability::Normal,
            state: State::Shared,
            competitors: Competitor::all(),
        }
    }

    /// All cells, the centre first.
    pub(crate) fn all() -> Vec<Self> {
        let cell = |name, title, change: &dyn Fn(&mut Self)| {
            let mut cell = Self { name, title, ..Self::centre() };
            change(&mut cell);
            cell
        };
        vec![
            Self::centre(),
            cell("100-bytes", "payloads of 100 B", &|cell| cell.feed.payload_bytes = 100),
            cell("1-kilobyte", "payloads of 1,000 B", &|cell| cell.feed.payload_bytes = 1_000),
            cell("1-million-keys", "1 M keys, all of them in the state before", &|cell| {
                cell.feed.keys = 1_000_000;
                cell.feed.everybody_first = true;
            }),
            cell("8-partitions", "8 partitions", &|cell| cell.feed.partitions = 8),
            cell("8-partitions-apart", "8 partitions, `state = \"partitioned\"`", &|cell| {
                cell.feed.partitions = 8;
                cell.state = State::Partitioned;
                cell.competitors = Guest::ALL.map(Competitor::Tidemill).into();
            }),
            cell("pages-of-100", "pages of 100", &|cell| cell.feed.page = 100),
            cell("pages-of-10000", "pages of 10,000", &|cell| cell.feed.page = 10_000),
            cell("full", "durability full", &|cell| cell.durability = Durability::Full),
        ]
    }

    /// How many pages of each partition a competitor reads in a round: about a second's work.
    pub(crate) fn pages(&self, competitor: Competitor, quick: bool) -> usize {
        let events = match (quick, competitor) {
            (true, _) => 2_000,
            (false, Competitor::HandPlain) => 150_000,
            (false, Competitor::HandTuned) => 500_000,
            (false, Competitor::Python) => 50_000,
            (false, Competitor::PythonTuned) => 200_000,
            (false, Competitor::Tidemill(Guest::Rust | Guest::C)) => 500_000,
            (false, Competitor::Tidemill(Guest::Go)) => 150_000,
            (false, Competitor::Tidemill(Guest::Js)) => 80_000,
            (false, Competitor::Tidemill(Guest::Python)) => 50_000,
        };
        (events / (self.feed.page * self.feed.partitions)).max(2)
    }

    /// The pages of each partition that everybody's state holds before the first round.
    pub(crate) fn pages_before(&self) -> usize {
        if self.feed.everybody_first { self.feed.pages_of_everybody() } else { 0 }
    }
}
