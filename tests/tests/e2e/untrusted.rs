//! Bytes from outside that are likely to be wrong: what must hold for any bytes holds for these.

use std::{fs, path::Path};

use e2e::untrusted;

/// Every file of a folder of the corpus, cut short in every place too if it is small.
fn replay(folder: &str, check: fn(&[u8])) {
    const CUT_BYTES_MAX: usize = 600;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(folder);
    let mut files = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        check(&bytes);
        for end in 0..bytes.len().min(CUT_BYTES_MAX) {
            check(&bytes[..end]);
        }
        files += 1;
    }
    assert!(files > 3, "{} has {files} files", folder.display());
}

#[test]
fn pages_of_the_corpus_are_read_the_same_however_they_are_cut() {
    replay("page", untrusted::page);
}

#[test]
fn discoveries_of_the_corpus_are_understood_or_refused() {
    replay("discovery", untrusted::discovery);
}

#[test]
fn configurations_of_the_corpus_are_understood_or_every_problem_has_a_sentence() {
    replay("configuration", untrusted::configuration);
}

#[test]
fn component_files_of_the_corpus_are_described_or_refused() {
    replay("component", untrusted::component);
}
