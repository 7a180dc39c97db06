//! Asking: a change that an operator wants is executed by the host that runs, or here if none does.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use tidemill_pipeline::{Failure, ProcessorId, ProcessorName};
use tidemill_store::{DataLock, Held, Outcome, ProcessorStatus, RequestKind, Requests};
use tokio::{task::spawn_blocking, time::sleep};

use crate::{
    config::Config,
    exit::Exit,
    host::{Reader, STATE_VERSION, execute_alone},
    output::{complain, print},
};

/// How long a command waits for the host that runs.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// How often it looks for the outcome.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// A processor and its state's version.
pub(super) fn id(name: &ProcessorName) -> ProcessorId {
    ProcessorId { name: name.clone(), version: STATE_VERSION }
}

/// What the database knows of a processor.
///
/// # Errors
/// When there is no database, or no such processor has run with it.
pub(super) fn known(data: &Path, name: &ProcessorName) -> anyhow::Result<(Reader, ProcessorStatus)> {
    let reader = Reader::open(data)?;
    let processors = reader.status()?;
    let names: Vec<String> = processors.iter().map(|known| format!("`{}`", known.id.name)).collect();
    let Some(known) = processors.into_iter().find(|known| known.id == id(name)) else {
        let hint = match names.as_slice() {
            [] => "none has run yet: start them with `tidemill run`".to_owned(),
            _ => format!("these have: {}", names.join(", ")),
        };
        anyhow::bail!("no processor `{name}` has run with the data directory `{}`\n  hint: {hint}", data.display())
    };
    Ok((reader, known))
}

/// Has the requests executed, in their order, and prints what became of each.
pub(super) async fn ask(config: &Config, processor: &ProcessorName, kinds: Vec<RequestKind>) -> anyhow::Result<Exit> {
    let mut exit = Exit::Done;
    for outcome in outcomes(config, &id(processor), kinds, WAIT_MAX).await? {
        match outcome {
            Outcome::Done(sentence) => print(&format!("{sentence}\n"))?,
            Outcome::Refused { cause, hint } => {
                let hint = hint.map(|hint| format!("\n  hint: {hint}")).unwrap_or_default();
                complain(&format!("error: {cause}{hint}"));
                exit = Exit::Failed;
            }
        }
    }
    Ok(exit)
}

async fn outcomes(
    config: &Config,
    processor: &ProcessorId,
    kinds: Vec<RequestKind>,
    wait_max: Duration,
) -> anyhow::Result<Vec<Outcome>> {
    let (mut outcomes, mut left) = (Vec::new(), kinds.into_iter());
    while let Some(kind) = left.next() {
        // A host may end, or begin, between two looks.
        if DataLock::holder(&config.data)?.is_some() {
            if let Some(outcome) = by_host(&config.data, processor, &kind, wait_max).await? {
                outcomes.push(outcome);
                continue;
            }
            tracing::info!("the host has ended; the command goes on without it");
        }
        let rest = std::iter::once(kind).chain(left).collect();
        outcomes.extend(alone(config, processor, rest).await?);
        break;
    }
    Ok(outcomes)
}

async fn alone(config: &Config, processor: &ProcessorId, kinds: Vec<RequestKind>) -> anyhow::Result<Vec<Outcome>> {
    execute_alone(config, processor, kinds).await.map_err(|error| match error.downcast_ref::<Held>() {
        Some(Held::By { .. }) => error.context("a host was started just now; give the command again"),
        Some(Held::Failed(_)) | None => error,
    })
}

/// Asks the host and waits. None if it ended first; then the request was taken back.
async fn by_host(
    data: &Path,
    processor: &ProcessorId,
    kind: &RequestKind,
    wait_max: Duration,
) -> anyhow::Result<Option<Outcome>> {
    let (directory, id, asked) = (data.to_owned(), processor.clone(), kind.clone());
    let submit = move || {
        let mut requests = Requests::open(&directory)?;
        let id = requests.submit(&id, &asked)?;
        Ok::<_, Failure>((requests, id))
    };
    let (requests, request) = spawn_blocking(submit).await??;
    let deadline = Instant::now() + wait_max;
    loop {
        if let Some(outcome) = requests.outcome(request)? {
            return Ok(Some(outcome));
        }
        let ended = DataLock::holder(data)?.is_none();
        if ended || Instant::now() > deadline {
            // It may have been done since the look above.
            if !requests.withdraw(request)? {
                return Ok(requests.outcome(request)?);
            }
            anyhow::ensure!(
                ended,
                "the host has not done it within {} s, and the request was taken back\n  hint: a batch that runs is waited for, and a processor whose component does not load does nothing; see the host's log",
                wait_max.as_secs()
            );
            return Ok(None);
        }
        sleep(LOOK_INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use tidemill_pipeline::FailureKind;
    use tidemill_store::{Options, Sqlite};

    use super::*;

    fn totals() -> ProcessorId {
        id(&ProcessorName::new("totals"))
    }

    /// A data directory in which a processor was claimed once.
    async fn place() -> (tempfile::TempDir, Config, Sqlite) {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let store = Sqlite::open(&data, &Options::default()).unwrap();
        store.claim(&totals(), "a test").await.unwrap();
        let config = Config::parse(&directory.path().join("tidemill.toml"), "").unwrap();
        (directory, config, store)
    }

    fn pause() -> Vec<RequestKind> {
        vec![RequestKind::Pause { partition: None }]
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_request_that_a_host_does_not_do_in_time_is_taken_back() {
        let (_directory, config, store) = place().await;
        let _lock = DataLock::acquire(&config.data).unwrap();
        let error = outcomes(&config, &totals(), pause(), Duration::from_millis(100)).await.unwrap_err();
        assert!(error.to_string().contains("the request was taken back\n  hint: "), "{error}");
        assert_eq!(store.pending().await.unwrap(), []);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_command_goes_on_alone_when_the_host_ends_first() {
        let (_directory, config, store) = place().await;
        let lock = DataLock::acquire(&config.data).unwrap();
        let asked = tokio::spawn(async move { outcomes(&config, &totals(), pause(), WAIT_MAX).await });
        let deadline = Instant::now() + WAIT_MAX;
        while store.pending().await.unwrap().is_empty() {
            assert!(Instant::now() < deadline, "nothing was asked");
            tokio::task::yield_now().await;
        }
        store.close().unwrap();
        assert_eq!(store.pending().await.unwrap_err().kind, FailureKind::Broken);
        drop(lock);
        let outcomes = asked.await.unwrap().unwrap();
        assert_eq!(
            outcomes,
            [Outcome::Done("0 partitions of processor `totals` paused: it has read none yet".to_owned())]
        );
    }
}
