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
    match processors.into_iter().find(|known| known.id == id(name)) {
        Some(known) => Ok((reader, known)),
        None => {
            let hint = match names.as_slice() {
                [] => "none has run yet: start them with `tidemill run`".to_owned(),
                _ => format!("these have: {}", names.join(", ")),
            };
            anyhow::bail!("no processor `{name}` has run with the data directory `{}`\n  hint: {hint}", data.display())
        }
    }
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
            match by_host(&config.data, processor, &kind, wait_max).await? {
                Some(outcome) => {
                    outcomes.push(outcome);
                    continue;
                }
                None => tracing::info!("the host has ended; the command goes on without it"),
            }
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
