//! Memory: the most that a host has resident while it catches up as fast as it can.

use std::process::Stdio;

use anyhow::Result;

use super::{
    Row, Section,
    setting::{Differences, Setting},
};
use crate::{
    competitor::{Guest, Project},
    feed::Feed,
    places::Places,
    publisher::Publisher,
};

const FEED: Feed = Feed { payload_bytes: 1_000, partitions: 8, ..Feed::CENTRE };

/// Lets default hosts catch up with a long feed.
pub(super) fn measure(places: &Places, quick: bool) -> Result<Section> {
    let pages = |guest| match (quick, guest) {
        (true, _) => 1,
        (false, Guest::Rust) => 60,
        (false, _) => 12,
    };
    let mut rows = Vec::new();
    for guest in [Guest::Rust, Guest::Js, Guest::Python].into_iter().filter(|guest| guest.takes_part(quick)) {
        for state in ["shared", "partitioned"] {
            let pages = pages(guest);
            let mut publisher = Publisher::start(&FEED, pages)?;
            publisher.open(pages)?;
            let url = publisher.url().to_owned();
            let processor = format!("state = \"{state}\"\ninstances = \"{}\"", guest.instances().as_str());
            let differences = Differences { processor: &processor, ..Differences::default() };
            let (warm, component) = (Project::warm(guest, places)?, places.totals(guest.folder())?);
            let setting = Setting::new(places, (&url, &FEED), &component, Some(&warm), differences)?;
            let host = setting.run(&["--log-level", "warn"], Stdio::inherit())?;
            setting.wait_for(pages, &host)?;
            let peak = host.status("VmHWM")?;
            host.end()?;
            let megabytes = (pages * FEED.page * FEED.partitions * FEED.payload_bytes) as f64 / 1e6;
            rows.push(Row::new(format!("{guest}, {state}"), [Some(peak as f64 / 1_024.0), Some(megabytes)]));
        }
    }
    Ok(Section {
        title: "Memory".into(),
        about: "The most memory that a host with the default settings has resident while it catches up with 8 \
                partitions of events of 1,000 bytes, compiled code and instances included. One run."
            .into(),
        columns: ["peak, MiB", "payloads read, MB"].map(str::to_owned).into(),
        rows,
    })
}
