//! A reset, asked for while the host runs: everything begins again, once.

use anyhow::{Result, ensure};
use e2e::{
    guest_host::example,
    project::{Host, Project},
    publisher::Publisher,
};
use tidemill_pipeline::{ProcessorId, ProcessorName};
use tidemill_store::{RequestId, RequestKind, Requests};

use super::{World, wait_for};
use crate::{database::Database, fold, journal, trial::holds};

pub(super) const POINTS: &[(&str, u64)] = &[("before-request", 1), ("in-request", 1), ("after-request", 1)];

const PARTITIONS: usize = 2;

/// The world.
pub(super) struct Reset {
    project: Project,
    publisher: Publisher,
    request: Option<RequestId>,
    requests: i64,
}

/// Asks something of the processor of a project.
pub(super) fn ask(project: &Project, processor: &str, kind: &RequestKind) -> Result<RequestId> {
    let id = ProcessorId { name: ProcessorName::new(processor), version: 1 };
    Ok(Requests::open(&project.path().join("data"))?.submit(&id, kind)?)
}

/// Starts a host, waits until it has answered and something is so, and stops it.
pub(super) fn run_until(project: &Project, request: RequestId, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
    let requests = Requests::open(&project.path().join("data"))?;
    let mut host = project.start();
    let done = wait_for(&mut host, "the request", |_| Ok(requests.outcome(request)?.is_some() && is_so()?))?;
    ensure!(done, "the host ended by itself\n{}", host.complaints());
    host.terminate();
    let status = host.wait();
    ensure!(status.success(), "the host ended with {status}\n{}", host.complaints());
    Ok(())
}

impl Reset {
    fn database(&self) -> Result<Database> {
        Database::open(&self.project.path().join("data"))
    }
}

impl World for Reset {
    fn begin(seed: u64, broken: Option<&str>) -> Result<Self> {
        let publisher = Publisher::start(PARTITIONS, seed);
        let mut project = Project::new(&format!(
            "{}poll-interval = \"10ms\"\n\
             [processors.ledger]\ncomponent = \"ledger.wasm\"\nfeeds = [\"witness\"]\nbatch-events = 20\n",
            publisher.section("witness")
        ));
        project.put("ledger.wasm", &example("rust", "ledger"));
        project.run_until_idle();
        project.set_environment("TIDEMILL_BREAK", broken);
        let world = Self { project, publisher, request: None, requests: 0 };
        journal::begin(&world.database()?)?;
        Ok(world)
    }

    fn project(&mut self) -> &mut Project {
        &mut self.project
    }

    fn prepare(&mut self) -> Result<()> {
        for partition in 0..PARTITIONS {
            self.publisher.append_numbered(partition, 30);
        }
        Ok(())
    }

    fn provoke(&mut self, host: &mut Host) -> Result<()> {
        let began = wait_for(host, "a commit", |host| Ok(host.logged("committed") > 0))?;
        ensure!(began, "the host ended before it was asked for anything\n{}", host.complaints());
        self.request = Some(ask(&self.project, "ledger", &RequestKind::Reset { identities: Vec::new() })?);
        self.requests += 1;
        Ok(())
    }

    fn settle(&mut self) -> Result<()> {
        let database = self.database()?;
        if let Some(request) = self.request.take() {
            let ends: Vec<u64> = (0..PARTITIONS).map(|partition| self.publisher.count(partition) as u64).collect();
            run_until(&self.project, request, || {
                let at: Vec<u64> = database.partitions("ledger")?.into_iter().map(|stands| stands.position).collect();
                Ok(at == ends)
            })?;
        }
        fold::check_all(&database, "ledger", "witness", &self.publisher)?;
        journal::check(&database, "ledger")?;
        journal::check_places(&database)?;
        // A reset changes the shared state once, and each checkpoint.
        let partitions = i64::try_from(PARTITIONS)?;
        let (beside, wanted) = (journal::beside_steps(&database, "ledger")?, self.requests * (1 - partitions));
        holds!(beside == wanted, "{} resets were asked for, and the journal has {beside}, not {wanted}", self.requests);
        Ok(())
    }
}
