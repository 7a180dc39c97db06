//! The component inside the program: a checked-in binary that must be what its source says.

use std::{fs, path::Path};

use e2e::{
    guest_host::{GuestHost, example},
    project::Project,
};
use sha2::{Digest, Sha256};

fn checked_in(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/tidemill/src/demo").join(name)).unwrap()
}

#[test]
fn the_checked_in_component_is_the_one_that_its_digest_names() {
    let noted = String::from_utf8(checked_in("totals.wasm.sha256")).unwrap();
    let digest = format!("{:x}", Sha256::digest(checked_in("totals.wasm")));
    assert_eq!(noted, format!("{digest}  totals.wasm\n"), "hint: cargo xtask demo-component");
}

#[test]
fn a_fresh_build_behaves_like_the_checked_in_component() {
    let mut old = GuestHost::new(&checked_in("totals.wasm"));
    let mut fresh = GuestHost::new(&example("rust", "totals"));
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..200 {
        let batch: Vec<String> = (0..random.usize(1..40)).map(|_| payload(&mut random)).collect();
        let batch: Vec<&str> = batch.iter().map(String::as_str).collect();
        let (said, expected) = (outcome(&mut fresh, &batch), outcome(&mut old, &batch));
        assert_eq!(said, expected, "round {round}: {batch:?}\nhint: cargo xtask demo-component");
        assert_eq!(fresh.state, old.state, "round {round}: {batch:?}\nhint: cargo xtask demo-component");
    }
    assert!(old.state.len() > 20, "the batches did too little to tell: {:?}", old.state);
}

/// What a call came to. A backtrace names addresses, which differ from build to build.
fn outcome(host: &mut GuestHost, batch: &[&str]) -> Result<(), String> {
    host.call(batch).map_err(|refusal| match refusal {
        tidemill_pipeline::Refusal::Rejected(mut rejection) => {
            rejection.backtrace = None;
            format!("{rejection:?}")
        }
        other => format!("{other:?}"),
    })
}

/// Mostly a payment; now and then something that is none.
fn payload(random: &mut fastrand::Rng) -> String {
    let user = random.u32(0..40);
    match random.u32(0..100) {
        0 => "nonsense".to_owned(),
        1 => format!(r#"{{"user":"user-{user}","amount":"{user}"}}"#),
        2 => format!(r#"{{"user":"\u00e6 {user}","amount":{},"note":[1,{{}}]}}"#, (1_i64 << 53) - 1),
        _ => format!(r#"{{"user":"user-{user}","amount":{}}}"#, random.i64(-1000..1000)),
    }
}

#[test]
fn the_demo_shows_the_main_job_with_nothing_but_the_program() {
    let output = Project::new("").ok(&["demo", "--events", "20000"]);
    assert!(output.contains("A feed of 20000 events in 3 partitions"), "{output}");
    assert!(output.contains("none lost, none applied twice"), "{output}");
    // The lineage has both components.
    let (first, second) = output.split_once("replaced while events flowed (").unwrap().1.split_once(" → ").unwrap();
    let second = second.split_once(')').unwrap().0;
    assert_ne!(first, second);
    for component in [first, second] {
        assert!(output.lines().any(|line| line.contains(" to ") && line.ends_with(component)), "{component}\n{output}");
    }
}
