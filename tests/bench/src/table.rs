//! The tables of the comparison, and which goals it reaches.

use std::fmt::Write as _;

use anyhow::Result;

use crate::{
    cell::Cell,
    compare::Compared,
    comparison::Rounds,
    competitor::{Competitor, Guest},
    goal::Goal,
    median::median,
    run::Sample,
};

/// How many times hand-plain hand-tuned must be; else nobody has tuned.
const TUNED_AT_LEAST: f64 = 1.8;

const RUST: Competitor = Competitor::Tidemill(Guest::Rust);

/// Markdown: a table for each cell that is there.
pub(crate) fn text(compared: &Compared) -> Result<String> {
    let mut text = "## Against consumers written by hand\n".to_owned();
    for cell in Cell::all().iter().flatten() {
        if let Some(rounds) = compared.cells.get(cell.name) {
            write!(text, "\n### {}\n\n{}", capitalized(cell.title), table(cell, rounds)?)?;
        }
    }
    if let Some(warning) = straw_man(compared) {
        write!(text, "\n**{warning}**\n")?;
    }
    Ok(text)
}

/// A cell's table.
pub(crate) fn table(cell: &Cell, rounds: &Rounds) -> Result<String> {
    let baselines = [Competitor::HandPlain, Competitor::HandTuned, Competitor::Python];
    let baselines = baselines.map(|baseline| rounds.get(&baseline.name()));
    let mut text =
        "| | events/s | of hand-plain | of hand-tuned | of python | CPU an event | cores busy | memory at most |\n"
            .to_owned();
    text += "|---|--:|--:|--:|--:|--:|--:|--:|\n";
    for competitor in &cell.competitors {
        let Some(samples) = rounds.get(&competitor.name()) else { continue };
        let of = baselines.map(|baseline| match baseline {
            None => String::new(),
            Some(baseline) => format!("{:.2}×", ratio(samples, baseline)),
        });
        writeln!(
            text,
            "| {competitor} | {} | {} | {} | {} | {} ns | {:.2} | {} |",
            grouped(median(samples.iter().map(Sample::rate))),
            of[0],
            of[1],
            of[2],
            grouped(median(samples.iter().map(|sample| sample.cpu_seconds * 1e9 / sample.events as f64))),
            median(samples.iter().map(|sample| sample.cpu_seconds / sample.seconds)),
            peak(samples).map_or_else(String::new, |bytes| format!("{:.0} MiB", bytes / 1_048_576.0)),
        )?;
    }
    Ok(text)
}

/// The goals that this decides, as far as it was measured.
pub(crate) fn goals(compared: &Compared) -> Vec<Goal> {
    let centre = |who: Competitor, whom: Competitor, wanted: f64| {
        let ratio = between(compared, ("centre", who), ("centre", whom));
        Goal::at_least(format!("{who} against {whom}"), wanted, ratio)
    };
    vec![
        centre(RUST, Competitor::HandPlain, 2.5),
        centre(RUST, Competitor::HandTuned, 1.0),
        centre(RUST, Competitor::Python, 7.0),
        centre(Competitor::Tidemill(Guest::Js), Competitor::Python, 0.7),
        centre(Competitor::Tidemill(Guest::Python), Competitor::Python, 0.7),
        centre(Competitor::HandTuned, Competitor::HandPlain, TUNED_AT_LEAST),
        Goal::at_least(
            "events/s over 10 M keys against 10 k, uniform keys".to_owned(),
            0.5,
            between(compared, ("10-million-keys-uniform", RUST), ("10-thousand-keys-uniform", RUST)),
        ),
        Goal::at_most(
            "peak of memory at 10 M keys against 10 k, uniform keys".to_owned(),
            1.5,
            "times",
            peak_of(compared, "10-million-keys-uniform")
                .zip(peak_of(compared, "10-thousand-keys-uniform"))
                .map(|(many, few)| many / few),
        ),
    ]
}

/// What to think of the baseline, if it is none.
pub(crate) fn straw_man(compared: &Compared) -> Option<String> {
    let ratio = between(compared, ("centre", Competitor::HandTuned), ("centre", Competitor::HandPlain))?;
    (ratio < TUNED_AT_LEAST).then(|| {
        format!("hand-tuned reaches {ratio:.2}× hand-plain, less than {TUNED_AT_LEAST}×: as a baseline it is a straw man, or the machine was busy.")
    })
}

/// How many times as fast one was as another, in another cell or in the same.
fn between(compared: &Compared, one: (&str, Competitor), other: (&str, Competitor)) -> Option<f64> {
    let samples = |(cell, who): (&str, Competitor)| compared.cells.get(cell)?.get(&who.name());
    Some(ratio(samples(one)?, samples(other)?))
}

/// The median over the rounds of the ratio within each.
fn ratio(one: &[Sample], other: &[Sample]) -> f64 {
    median(one.iter().zip(other).map(|(one, other)| one.rate() / other.rate()))
}

/// The most memory that any of the runs had resident, in bytes.
fn peak(samples: &[Sample]) -> Option<f64> {
    samples.iter().filter_map(|sample| sample.memory_peak_bytes).max().map(|bytes| bytes as f64)
}

/// That of the program in a cell.
fn peak_of(compared: &Compared, cell: &str) -> Option<f64> {
    peak(compared.cells.get(cell)?.get(&RUST.name())?)
}

/// A whole number with its thousands apart.
fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn capitalized(text: &str) -> String {
    let mut signs = text.chars();
    signs.next().map(|first| first.to_uppercase().chain(signs).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(seconds: [f64; 3]) -> Vec<Sample> {
        let sample = |seconds| Sample {
            events: 1_000,
            seconds,
            process_seconds: seconds,
            cpu_seconds: seconds,
            publisher_cpu_seconds: 0.0,
            requests: 2,
            memory_peak_bytes: None,
        };
        seconds.map(sample).into()
    }

    #[test]
    fn a_ratio_is_taken_within_each_round() {
        // The machine was ten times slower in the second round, for both.
        let ratio = ratio(&samples([1.0, 10.0, 1.0]), &samples([2.0, 20.0, 2.0]));
        assert!((ratio - 2.0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_baseline_that_nobody_has_tuned_is_called_a_straw_man() {
        let compared = |tuned| {
            let rounds = [("hand-plain", [3.0; 3]), ("hand-tuned", tuned)];
            let rounds = rounds.map(|(name, seconds)| (name.to_owned(), samples(seconds))).into();
            Compared { cells: [("centre".to_owned(), rounds)].into() }
        };
        assert_eq!(straw_man(&compared([1.0; 3])), None);
        assert!(straw_man(&compared([2.0; 3])).unwrap().contains("1.50×"));
    }
}
