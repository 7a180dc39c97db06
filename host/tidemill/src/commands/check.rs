//! `tidemill check`: everything that is wrong with the configuration, at once.

use std::path::Path;

use crate::{
    config::{Config, StateLayout},
    exit::Exit,
    output::{Table, print},
};

/// Loads the configuration and prints what it comes to.
pub(super) fn execute(path: &Path) -> anyhow::Result<Exit> {
    let config = Config::load(path)?;
    print(&summary(&config))?;
    Ok(Exit::Done)
}

fn summary(config: &Config) -> String {
    let mut feeds = Table::new(["feed", "address"]);
    for (name, feed) in &config.feeds {
        feeds.row([name.to_string(), feed.address()]);
    }
    let mut processors = Table::new(["processor", "component", "feeds", "state", "on reject"]);
    for (name, processor) in &config.processors {
        let state = match processor.state {
            StateLayout::Shared => "shared",
            StateLayout::Partitioned => "partitioned",
        };
        processors.row([
            name.to_string(),
            processor.component.display().to_string(),
            processor.feeds.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            state.to_owned(),
            processor.on_reject.as_str().to_owned(),
        ]);
    }
    format!("data  {}\n\n{feeds}\n\n{processors}\n", config.data.display())
}
