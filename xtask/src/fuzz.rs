//! Fuzzing: what must hold for any bytes from outside is tried on bytes that libFuzzer makes.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use duct::cmd;

use crate::project::{root, target};
use crate::tools;

/// `fuzz`
#[derive(Args)]
pub(crate) struct FuzzArgs {
    /// The targets; all of them if none is named.
    targets: Vec<Target>,
    /// How long each is tried, in seconds. The default makes an hour of all four.
    #[arg(long, default_value_t = 900)]
    seconds: u32,
}

/// What is fed with bytes: a function of `tests/src/untrusted.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Target {
    /// Pages of a publisher.
    Page,
    /// Discovery documents of `FeedAPI`.
    Discovery,
    /// Configuration files.
    Configuration,
    /// Component files.
    Component,
}

impl Target {
    fn name(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Discovery => "discovery",
            Self::Configuration => "configuration",
            Self::Component => "component",
        }
    }

    /// Inputs longer than this find nothing that shorter ones do not. In bytes.
    fn bytes_max(self) -> u32 {
        match self {
            Self::Page | Self::Discovery => 4_096,
            Self::Configuration => 2_048,
            Self::Component => 16_384,
        }
    }
}

/// Fuzzes one target after the other, beginning with the corpus in the checkout and what was found before. What crashes
/// is kept in `target/fuzz/artifacts`, and belongs into the corpus once it is repaired.
pub(crate) fn run(arguments: &FuzzArgs) -> Result<()> {
    let targets = if arguments.targets.is_empty() { Target::value_variants() } else { &arguments.targets };
    let fuzz = tools::cargo_fuzz()?;
    for chosen in targets {
        let name = chosen.name();
        eprintln!("\n== {name}");
        let found = target().join("fuzz/corpus").join(name);
        let artifacts = target().join("fuzz/artifacts").join(name);
        fs::create_dir_all(&found)?;
        fs::create_dir_all(&artifacts)?;
        cmd!(
            &fuzz,
            "run",
            "--fuzz-dir",
            root().join("tests/fuzz"),
            // Nothing here is unsafe code: what is looked for are panics and broken properties.
            "--sanitizer",
            "none",
            "--target-dir",
            target().join("fuzz"),
            name,
            &found,
            root().join("tests/fuzz/corpus").join(name),
            "--",
            format!("-max_total_time={}", arguments.seconds),
            format!("-max_len={}", chosen.bytes_max()),
            format!("-artifact_prefix={}/", artifacts.display()),
            "-timeout=10",
            "-rss_limit_mb=2048",
            "-print_final_stats=1",
        )
        .dir(root())
        // libFuzzer's instrumentation is the nightly toolchain's alone.
        .env("RUSTUP_TOOLCHAIN", "nightly")
        .env_remove("CARGO")
        .run()
        .with_context(|| format!("{name}: the input that failed lies in {}", shown(&artifacts)))?;
    }
    Ok(())
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}
