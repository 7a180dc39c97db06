//! Files that should never become components: each takes the place of a good one, whose processor goes on.

use std::{
    fs,
    io::Write as _,
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use e2e::{guest_host::with_a_note, hostile, project::Host, publisher::Publisher};

use crate::{
    den::{CALL_TIME, Den, feed},
    row::Row,
    trial::{Tally, Trial, holds},
};

/// The row.
pub(crate) const ROW: Row = Row {
    name: "hostile-files",
    fault: "component files of 100 MB, malformed ones, bombs for the compiler, a start function that loops, imports that nobody grants",
    unit: "files",
    invariant: "none is taken that should not be, each is refused in words that name the reason; the component before goes on; the \
                host's memory is bounded; the neighbours are exact",
    full: 100 * KINDS,
    quick: KINDS,
    finds: &["component-size"],
    run,
};

const KINDS: u64 = REFUSED_FOR.len() as u64 + 3;

/// The kinds that must be refused, and the words that the reason must have.
const REFUSED_FOR: [(&str, &str); 7] = [
    ("start-loops", "could not be instantiated within 0.2 s"),
    ("ungranted", "wasi:http/outgoing-handler@0.2.3: components cannot open connections"),
    ("too-large", "limits.component-size"),
    ("cut", "m"),
    ("huge-function", "bytes in one function, and at most"),
    ("many-functions", "functions, and at most"),
    ("nested", "nested modules or components, and at most"),
];
/// The kinds that may be taken, if they can be compiled within the bounds: they are harmless then.
const BOMBS: [&str; 3] = ["flipped", "deep-blocks", "many-locals"];

const REFUSED: &str = "the changed component does not load; the old one goes on";
const RELOADED: &str = "the component was reloaded";
/// More than `limits.component-size` allows by default.
const LARGE_BYTES: u64 = 100 * 1000 * 1000;

fn run(trial: &Trial) -> Result<Tally> {
    let mut dice = trial.dice();
    let publisher = Publisher::start(1, trial.seed);
    let text = format!(
        "{}[processors.guest]\ncomponent = \"guest.wasm\"\nfeeds = [\"harm\"]\n[processors.guest.limits]\ncall-time = \"{CALL_TIME:?}\"\n",
        feed("harm", &publisher)
    );
    let den = Den::new(trial, &[], &text)?;
    let good = hostile::component("hidden-state");
    den.project.put("guest.wasm", &good);
    let bombs = Bombs::new();
    let mut host = den.project.start();
    let mut tally = Tally::default();
    let mut events = 0;
    let kinds: Vec<&str> = REFUSED_FOR.iter().map(|(kind, _)| *kind).chain(BOMBS).collect();
    while tally.tried < trial.count {
        let number = tally.tried;
        let kind = kinds[usize::try_from(number % KINDS)?];
        let (before, reloaded) = (answered(&host), host.logged(RELOADED));
        den.feed_neighbours(50);
        if kind == "too-large" {
            // Sparse: what is refused need not be written.
            let mut file = fs::File::create(den.project.path().join("large"))?;
            file.write_all(b"\0asm\x01\0\0\0")?;
            file.set_len(LARGE_BYTES + number)?;
            fs::rename(den.project.path().join("large"), den.project.path().join("guest.wasm"))?;
        } else {
            den.project.put("guest.wasm", &bombs.file(kind, &good, number, &mut dice));
        }
        den.wait_host(&mut host, &format!("the answer to `{kind}`"), |_, host| answered(host) > before)?;
        let taken = host.logged(RELOADED) > reloaded;
        if let Some((_, words)) = REFUSED_FOR.iter().find(|(refused, _)| *refused == kind) {
            // On a busy machine the file before may be answered a second time, just before this one is.
            let last = || host.complaints().lines().rfind(|line| line.contains(REFUSED)).unwrap_or_default().to_owned();
            wait_briefly(|| last().contains(words));
            let said = last();
            holds!(!taken, "`{kind}` was taken for a component");
            holds!(
                said.contains(words) && said.contains("guest.wasm"),
                "`{kind}` was refused without its reason: {said}"
            );
        }
        tally.count(&format!("{kind}: {}", if taken { "compiled, and taken" } else { "refused" }));
        if taken {
            den.project.put("guest.wasm", &with_a_note(&good, &format!("again {number}")));
            den.wait_host(&mut host, "the good one's return", |_, host| answered(host) > before + 1)?;
        }
        publisher.append(0, [format!("\"good {number}\"")]);
        events += 1;
        tally.tried += 1;
    }
    den.wait(&mut host, "the end", |stands| {
        stands.iter().any(|stand| stand.processor == "guest" && stand.position == events && stand.status == "running")
    })?;
    den.check_neighbours(&mut host)?;
    let (_, memory) = den.check_host(&host)?;
    tally.note("the host's memory at most", format!("{} MiB", memory / 1024 / 1024));
    host.terminate();
    holds!(host.wait().success(), "the host did not end well\n{}", host.complaints());
    Ok(tally)
}

/// Waits until something is so, or for two seconds.
fn wait_briefly(so: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(2);
    while !so() && Instant::now() < until {
        thread::sleep(Duration::from_millis(20));
    }
}

/// How often the host said what became of a file.
fn answered(host: &Host) -> usize {
    host.logged(REFUSED) + host.logged(RELOADED)
}

/// The files that are the same each time but for a note.
struct Bombs {
    huge_function: Vec<u8>,
    many_functions: Vec<u8>,
    deep_blocks: Vec<u8>,
    many_locals: Vec<u8>,
    nested: Vec<u8>,
}

impl Bombs {
    fn new() -> Self {
        let within = |harm: &str| {
            hostile::with_harm(&format!("(func $harm (param $count i32) (result i32) (i32.const 0)) {harm}"))
        };
        Self {
            huge_function: within(&format!("(func {})", "i32.const 2000000000 drop ".repeat(320_000))),
            many_functions: within(&"(func)".repeat(300_001)),
            deep_blocks: within(&format!("(func {} {})", "block ".repeat(30_000), "end ".repeat(30_000))),
            many_locals: within(&format!("(func (local {}))", "i64 ".repeat(49_000)).repeat(20)),
            nested: hostile::text(&format!("{}{}", "(component ".repeat(40), ")".repeat(40))),
        }
    }

    /// A file that nobody has seen before.
    fn file(&self, kind: &str, good: &[u8], number: u64, dice: &mut fastrand::Rng) -> Vec<u8> {
        let file = match kind {
            "cut" => return good[..dice.usize(9..good.len() - 1)].to_vec(),
            "flipped" => {
                let mut file = good.to_vec();
                file[dice.usize(8..good.len())] ^= 1 << dice.u8(..8);
                file
            }
            "huge-function" => self.huge_function.clone(),
            "many-functions" => self.many_functions.clone(),
            "deep-blocks" => self.deep_blocks.clone(),
            "many-locals" => self.many_locals.clone(),
            "nested" => self.nested.clone(),
            harm => hostile::component(harm),
        };
        if kind == "flipped" { file } else { with_a_note(&file, &number.to_string()) }
    }
}
