//! `tidemill feed serve`: a local file as a feed.

use std::sync::Arc;

use anyhow::Context as _;
use tokio::net::TcpListener;

use super::run::Signals;
use crate::{
    cli::ServeArgs,
    exit::Exit,
    output::print,
    serve::{FileLog, Options, serve},
};

/// Publishes until Ctrl-C or SIGTERM.
pub(super) async fn execute(args: ServeArgs) -> anyhow::Result<Exit> {
    let log = FileLog::open(&args.file).with_context(|| format!("{} cannot be published", args.file.display()))?;
    let listener =
        TcpListener::bind(args.listen).await.with_context(|| format!("{} cannot be listened on", args.listen))?;
    let url = format!("http://{}/feed", listener.local_addr()?);
    // Before the address is known: whoever has read it may already want the end.
    let mut signals = Signals::listen()?;
    print(&format!("{} as a feed of {} partition(s): {url}\n", args.file.display(), args.partitions))?;
    let options = Options { partitions: args.partitions, key: args.key, ..Options::default() };
    serve(listener, Arc::new(log), options, async move { signals.next().await }).await?;
    Ok(Exit::Done)
}
