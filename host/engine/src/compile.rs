//! Compiling: in a child process, which can be limited and killed, as compiling inside a process cannot.

use std::{
    borrow::Cow,
    ffi::OsString,
    fs::File,
    io::{Read, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Resource, Rlimit, Signal, nice, set_parent_process_death_signal, setrlimit},
};
use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::Resolve;

use crate::{
    check::{self, Kind, Sections},
    engine, go,
    load::LoadError,
    slots,
};

/// The longest report that a child may give, in bytes.
const REPORT_BYTES_MAX: u64 = 1024 * 1024;
/// The contract, for modules that do not carry it.
const CONTRACT: &str = include_str!("../../../wit/processor.wit");
/// How much less urgent than the host a child is.
const NICE: i32 = 10;

/// What turns component files into compiled code.
#[derive(Clone, Debug)]
pub enum Compiler {
    /// A child process.
    Child(CompilerCommand),
    /// This process, unbounded: for tests and benchmarks.
    InProcess,
}

/// How to start a child that runs [`compile_child`], and what it may use.
#[derive(Clone, Debug)]
pub struct CompilerCommand {
    /// The program: as a rule the one that runs.
    pub program: PathBuf,
    /// What makes it call [`compile_child`]. The rest of that function's arguments follows.
    pub args: Vec<OsString>,
    /// Longest wall time. When it passes, the child is killed.
    pub time_max: Duration,
    /// Address space in bytes.
    pub memory_bytes_max: u64,
    /// Threads that compile.
    pub threads: usize,
}

impl CompilerCommand {
    /// A command with the usual limits: five minutes, 4 GiB, two threads.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>, args: impl IntoIterator<Item = OsString>) -> Self {
        Self {
            program: program.into(),
            args: args.into_iter().collect(),
            time_max: Duration::from_mins(5),
            memory_bytes_max: 4 * 1024 * 1024 * 1024,
            threads: 2,
        }
    }
}

impl Compiler {
    /// Compiles the component file `input` and writes the code to `output`.
    pub(crate) fn compile(&self, input: &Path, output: &Path) -> Result<(), LoadError> {
        match self {
            Self::InProcess => compile_file(input, output),
            Self::Child(command) => command.run(input, output),
        }
    }
}

impl CompilerCommand {
    fn run(&self, input: &Path, output: &Path) -> Result<(), LoadError> {
        let cpu_seconds = self.time_max.as_secs().max(1).saturating_mul(self.threads.max(1) as u64);
        let mut child = Command::new(&self.program)
            .args(&self.args)
            .args([input, output])
            .args([self.memory_bytes_max.to_string(), cpu_seconds.to_string()])
            .env_clear()
            .env("RAYON_NUM_THREADS", self.threads.max(1).to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| LoadError::Compile(format!("the compiler could not be started: {error}")))?;
        let report = self.report(&mut child);
        if report.is_err() {
            // It may have ended by itself; then there is nothing to kill.
            drop(child.kill());
        }
        let status = child.wait().map_err(|error| LoadError::Compile(format!("the compiler was lost: {error}")))?;
        let report = report?;
        serde_json::from_slice(&report).unwrap_or_else(|_| Err(self.died(status)))
    }

    /// Reads the child's report to its end, or to the deadline.
    fn report(&self, child: &mut Child) -> Result<Vec<u8>, LoadError> {
        let failed = |error: std::io::Error| LoadError::Compile(format!("the compiler's report was lost: {error}"));
        let end = Instant::now() + self.time_max;
        let mut report = Vec::new();
        let Some(stdout) = &mut child.stdout else { return Ok(report) };
        let mut stdout = stdout.take(REPORT_BYTES_MAX);
        let mut chunk = [0; 4096];
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let wait = Timespec::try_from(left).map_err(|_| failed(std::io::ErrorKind::InvalidInput.into()))?;
            let ready = match poll(&mut [PollFd::new(stdout.get_ref(), PollFlags::IN)], Some(&wait)) {
                Ok(ready) => ready,
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(failed(error.into())),
            };
            if ready == 0 {
                let seconds = self.time_max.as_secs_f64();
                return Err(LoadError::Compile(format!("compiling it took longer than {seconds} s")));
            }
            match stdout.read(&mut chunk).map_err(failed)? {
                0 => return Ok(report),
                read => report.extend(chunk.iter().take(read)),
            }
        }
    }

    fn died(&self, status: ExitStatus) -> LoadError {
        let mib = self.memory_bytes_max / 1024 / 1024;
        LoadError::Compile(format!(
            "the compiler gave up ({status}): compiling it takes more than {mib} MiB of memory or {} s, or breaks the compiler",
            self.time_max.as_secs()
        ))
    }
}

/// What the hidden command runs: `INPUT OUTPUT MEMORY_BYTES CPU_SECONDS`. Limits itself, checks the file `INPUT`,
/// turns it into a component if it is a core module, compiles it, writes the code to `OUTPUT`, and reports on the
/// standard output.
pub fn compile_child(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let [input, output, memory, cpu] = args.as_slice() else { return ExitCode::from(2) };
    let number = |text: &OsString| text.to_str().and_then(|text| text.parse().ok());
    let (Some(memory), Some(cpu)) = (number(memory), number(cpu)) else { return ExitCode::from(2) };
    if limit_self(memory, cpu).is_err() {
        return ExitCode::FAILURE;
    }
    let report = compile_file(Path::new(input), Path::new(output));
    let Ok(report) = serde_json::to_vec(&report) else { return ExitCode::FAILURE };
    match std::io::stdout().write_all(&report) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn limit_self(memory_bytes: u64, cpu_seconds: u64) -> rustix::io::Result<()> {
    let at_most = |max| Rlimit { current: Some(max), maximum: Some(max) };
    setrlimit(Resource::As, at_most(memory_bytes))?;
    setrlimit(Resource::Cpu, at_most(cpu_seconds))?;
    setrlimit(Resource::Core, at_most(0))?;
    nice(NICE)?;
    #[cfg(target_os = "linux")]
    set_parent_process_death_signal(Some(Signal::KILL))?;
    Ok(())
}

fn compile_file(input: &Path, output: &Path) -> Result<(), LoadError> {
    let io =
        |error: std::io::Error| LoadError::Compile(format!("the compiler could not read or write its files: {error}"));
    let code = compile(&std::fs::read(input).map_err(io)?)?;
    let mut file = File::create(output).map_err(io)?;
    file.write_all(&code).map_err(io)?;
    file.sync_all().map_err(io)
}

/// Compiles a component, or a core module made for the contract.
fn compile(file: &[u8]) -> Result<Vec<u8>, LoadError> {
    let sections = check::sections(file)?;
    let made;
    let component = match sections.kind {
        Kind::Component => file,
        Kind::CoreModule => {
            let module =
                if sections.metadata { Cow::Borrowed(file) } else { Cow::Owned(with_contract(file, &sections)?) };
            made = componentize(&module)?;
            let misfits = check::misfits(&check::sections(&made)?);
            if !misfits.is_empty() {
                return Err(LoadError::Unfit(misfits));
            }
            made.as_slice()
        }
    };
    let engine = wasmtime::Engine::new(&engine::config())
        .map_err(|error| LoadError::Compile(format!("the compiler could not be set up: {error:#}")))?;
    let invalid = |error: wasmtime::Error| LoadError::Invalid(format!("it does not compile: {error:#}"));
    let compiled = wasmtime::component::Component::new(&engine, component).map_err(invalid)?;
    if let Some(required) = compiled.resources_required() {
        slots::fits(&required)?;
    }
    compiled.serialize().map_err(invalid)
}

/// What `wasm-tools component embed` does, for a module whose names say that it is made for the contract: with the patch that they
/// name, as a module of another patch is as good.
fn with_contract(module: &[u8], sections: &Sections) -> Result<Vec<u8>, LoadError> {
    let mut module = module.to_owned();
    let number = |version: &&str| version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let version = check::handler_version(sections).filter(number).unwrap_or("0.1.0");
    let contract = CONTRACT.replacen("processor@0.1.0;", &format!("processor@{version};"), 1);
    let world = if check::handles_bulk(sections) { "bulk-processor" } else { "processor" };
    let mut embed = || {
        let mut resolve = Resolve::default();
        let package = resolve.push_str("processor.wit", &contract)?;
        let world = resolve.select_world(&[package], Some(world))?;
        wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
    };
    embed()
        .map_err(|error| LoadError::Invalid(format!("the core module could not be given the contract: {error:#}")))?;
    Ok(module)
}

/// What `wasm-tools component new` does, with the adapter for modules that import WASI's first preview.
fn componentize(module: &[u8]) -> Result<Vec<u8>, LoadError> {
    use wasi_preview1_component_adapter_provider as usual;
    let for_go = go::made(module).then(go::adapter);
    let adapter = for_go.as_deref().unwrap_or(usual::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER);
    let encode = || {
        ComponentEncoder::default()
            .validate(true)
            .module(module)?
            .adapter(usual::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, adapter)?
            .encode()
    };
    encode().map_err(|error| LoadError::Invalid(format!("the core module could not be made a component: {error:#}")))
}
