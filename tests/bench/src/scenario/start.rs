//! The start: from the process to its first commit, with compiled code in the cache.

use std::{process::Stdio, time::SystemTime};

use anyhow::Result;

use super::{
    Row, Section, quantile,
    setting::{Differences, Setting, milliseconds},
};
use crate::{
    competitor::{Guest, Project},
    feed::Feed,
    median::median,
    places::Places,
    publisher::Publisher,
};

/// Starts hosts over a feed of one page, in turn.
pub(super) fn measure(places: &Places, quick: bool) -> Result<Section> {
    let rounds = if quick { 1 } else { 15 };
    let mut publisher = Publisher::start(&Feed::CENTRE, 1)?;
    publisher.open(1)?;
    let url = publisher.url().to_owned();
    let guests = [Guest::Rust, Guest::Js, Guest::Python].into_iter().filter(|guest| guest.takes_part(quick));
    let mut samples: Vec<(Guest, Vec<f64>, Vec<f64>)> = guests.map(|guest| (guest, Vec::new(), Vec::new())).collect();
    for _ in 0..rounds {
        for (guest, times, costs) in &mut samples {
            let (warm, component) = (Project::warm(*guest, places)?, places.totals(guest.folder())?);
            let setting = Setting::new(places, (&url, &Feed::CENTRE), &component, Some(&warm), Differences::default())?;
            let began = SystemTime::now();
            let host = setting.run(&["--log-level", "warn"], Stdio::inherit())?;
            times.push(milliseconds(began, setting.wait_for(1, &host)?));
            costs.push(host.cpu()?.as_secs_f64() * 1_000.0);
            host.end()?;
        }
    }
    let middle = |values: &[f64]| median(values.iter().copied());
    let rows = samples.iter().map(|(guest, times, costs)| {
        Row::new(guest.folder(), [Some(middle(times)), quantile(times, 1.0), Some(middle(costs))])
    });
    Ok(Section {
        title: "Start".into(),
        about: format!(
            "From the start of `tidemill run` to the moment at which another reader of the database sees the first \
             1,000 events committed. The compiled code is in the cache and its hash is checked; the system has the \
             files in memory. {rounds} starts each, in turn."
        ),
        columns: ["median, ms", "slowest, ms", "processor time until then, ms"].map(str::to_owned).into(),
        rows: rows.collect(),
    })
}
