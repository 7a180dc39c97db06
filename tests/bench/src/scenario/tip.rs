//! The tip: how long after a publisher's answer its one event is committed, while nothing else happens.

use std::{process::Stdio, thread::sleep, time::Duration};

use anyhow::{Context as _, Result};

use super::{
    Row, Section, quantile,
    setting::{Differences, Setting, milliseconds},
};
use crate::{
    competitor::{Guest, Project},
    feed::Feed,
    places::Places,
    publisher::Publisher,
};

const FEED: Feed = Feed { page: 1, ..Feed::CENTRE };
/// A case: requests are held until there is an event.
pub(super) const LONG_POLLS: &str = "long polls, durability normal";
/// A case: it is asked again and again.
pub(super) const POLLS: &str = "polls, durability normal";
/// Between two events: from this on, and up to as much longer.
const PAUSE_MIN: Duration = Duration::from_millis(10);

/// Appends event after event.
pub(super) fn measure(places: &Places, quick: bool) -> Result<Section> {
    let events = if quick { 5 } else { 1_000 };
    let mut rows = Vec::new();
    for (case, held, durability) in
        [(LONG_POLLS, true, "normal"), (POLLS, false, "normal"), ("long polls, durability full", true, "full")]
    {
        let mut publisher =
            if held { Publisher::start_holding(&FEED, events + 1)? } else { Publisher::start(&FEED, events + 1)? };
        let url = publisher.url().to_owned();
        let processor = format!("durability = \"{durability}\"");
        let differences = Differences { feed: "poll-interval = \"20ms\"", processor: &processor };
        let (warm, component) = (Project::warm(Guest::Rust, places)?, places.totals("rust")?);
        let setting = Setting::new(places, (&url, &FEED), &component, Some(&warm), differences)?;
        publisher.open(1)?;
        let host = setting.run(&["--log-level", "warn"], Stdio::inherit())?;
        setting.wait_for(1, &host)?;
        let (mut since_appended, mut since_answered) = (Vec::new(), Vec::new());
        for number in 2..=events + 1 {
            sleep(PAUSE_MIN + PAUSE_MIN * u32::try_from(number * 7 % 10)? / 10);
            publisher.open(number)?;
            let committed = setting.wait_for(number, &host)?;
            let seen = publisher.seen()?;
            since_appended.push(milliseconds(seen.opened.context("it was opened")?, committed));
            since_answered.push(milliseconds(seen.last_page.context("it was committed")?, committed));
        }
        host.end()?;
        let figures = [(&since_answered, 0.5), (&since_answered, 0.99), (&since_answered, 1.0), (&since_appended, 0.5)];
        let appended = quantile(&since_appended, 0.99);
        let figures = figures.map(|(values, share)| quantile(values, share)).into_iter().chain([appended]);
        rows.push(Row::new(case, figures));
    }
    Ok(Section {
        title: "At the tip".into(),
        about: format!(
            "One event at a time, {events} of them, while nothing else happens: from the moment at which the publisher \
             answers, and from the moment at which the event was appended, to the moment at which another reader of \
             the database sees it committed. The reader looks every 0.1 ms. A publisher that knows long polls holds \
             the request; else `poll-interval` is 20 ms here."
        ),
        columns: ["answer to commit, p50, ms", "p99, ms", "slowest, ms", "append to commit, p50, ms", "p99, ms"]
            .map(str::to_owned)
            .into(),
        rows,
    })
}
