//! A guest's backtrace for people: its own frames, without those of its language's runtime.

/// Frames that are shown.
const FRAMES_MAX: usize = 12;

/// What the functions of languages' runtimes begin with, once a name is freed of its hashes.
const RUNTIME: [&str; 32] = [
    "__rust",
    "rust_",
    "std::",
    "core::",
    "alloc::",
    "<std",
    "<core",
    "<alloc",
    "<&",
    "dlmalloc",
    "wit_bindgen",
    "serde_json::",
    "serde::",
    "hashbrown::",
    "runtime.",
    "internal/",
    "reflect.",
    "(runtime",
    "abort",
    "panic",
    "malloc",
    "free",
    "__libc",
    "__wasi",
    "__wasm",
    "_start",
    "_initialize",
    "__multi3",
    "cabi_",
    "__cabi",
    "Py_",
    "_Py",
];

/// A function on the way to where it ended, and how often it called itself.
struct Frame {
    function: String,
    /// Where it stands in the source, where that is known.
    source: Option<String>,
    times: usize,
}

/// The frames of the guest's own functions, innermost first, one a line; at most 12, and how many were left out.
///
/// The text is wasmtime's, as it is kept. One that is not understood is given back as it is.
#[must_use]
pub fn guest_frames(backtrace: &str) -> String {
    let frames = parse(backtrace);
    if frames.is_empty() {
        return backtrace.to_owned();
    }
    let all: usize = frames.iter().map(|frame| frame.times).sum();
    let own: Vec<&Frame> = frames.iter().filter(|frame| !is_runtime(&frame.function)).collect();
    // A guest that consists of a runtime alone, such as an interpreter, has nothing better to show.
    let shown: Vec<&Frame> = if own.is_empty() { frames.iter().collect() } else { own };
    let shown = || shown.iter().take(FRAMES_MAX);
    let mut lines: Vec<String> = shown().map(|frame| frame.line()).collect();
    let left_out = all - shown().map(|frame| frame.times).sum::<usize>();
    if left_out > 0 {
        lines.push(format!("… and {left_out} more {}", if left_out == 1 { "frame" } else { "frames" }));
    }
    lines.join("\n")
}

impl Frame {
    fn line(&self) -> String {
        let source = self.source.as_ref().map(|source| format!(" at {source}")).unwrap_or_default();
        let times = if self.times > 1 { format!(" ({} times)", self.times) } else { String::new() };
        format!("in {}{source}{times}", self.function)
    }
}

/// Lines as `3:  0x17d1c - totals.wasm!totals::parse::h3d2267532d16e0d7`, and below some `at src/lib.rs:7:3`.
fn parse(backtrace: &str) -> Vec<Frame> {
    let mut frames: Vec<Frame> = Vec::new();
    for line in backtrace.lines().map(str::trim) {
        if let Some(source) = line.strip_prefix("at ") {
            if let Some(last) = frames.last_mut() {
                last.source = Some(source.to_owned());
            }
            continue;
        }
        let Some((number, rest)) = line.split_once(": ") else { continue };
        if number.parse::<u32>().is_err() {
            continue;
        }
        let place = rest.trim();
        let place = place.split_once(" - ").map_or(place, |(_, place)| place);
        let function = plain(place.split_once('!').map_or(place, |(_, function)| function));
        match frames.last_mut() {
            Some(last) if last.function == function && last.source.is_none() => last.times += 1,
            Some(_) | None => frames.push(Frame { function, source: None, times: 1 }),
        }
    }
    frames
}

/// A function's name without the hashes that compilers add: `[465afff93ac137a0]` and `::h3d2267532d16e0d7`.
fn plain(name: &str) -> String {
    let name = match name.rsplit_once("::h") {
        Some((name, hash)) if hash.len() == 16 && is_hex(hash) => name,
        _ => name,
    };
    let mut pieces = name.split('[');
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        match piece.split_once(']') {
            Some((hash, rest)) if hash.len() >= 8 && is_hex(hash) => plain.push_str(rest),
            _ => plain.extend(["[", piece]),
        }
    }
    // The one that Tidemill calls.
    if plain.starts_with("tidemill:processor/handler@") && plain.ends_with("#process") {
        "process".to_owned()
    } else {
        plain
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_runtime(function: &str) -> bool {
    RUNTIME.iter().any(|prefix| function.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn a_panic_of_rust_shows_the_functions_that_led_to_it() {
        let backtrace = "\
    0:  0x1f5a8 - fickle.wasm!__rustc[b1da763420d39311]::rust_panic
    1:  0x1f735 - fickle.wasm!std[465afff93ac137a0]::panicking::panic_with_hook
    2:  0x1fcc8 - fickle.wasm!std[465afff93ac137a0]::panicking::panic_handler::{closure#0}
    3:  0x1cc62 - fickle.wasm!__rustc[b1da763420d39311]::rust_begin_unwind
    4:  0x1ab82 - fickle.wasm!core[12f89f2d8a73214f]::panicking::panic_fmt
    5:  0x19199 - fickle.wasm!fickle::act::h0011223344556677
    6:  0x19199 - fickle.wasm!tidemill:processor/handler@0.1.0#process";
        assert_eq!(guest_frames(backtrace), "in fickle::act\nin process\n… and 5 more frames");
    }

    #[test]
    fn a_function_that_calls_itself_is_one_line() {
        let mut backtrace = "    0: fickle.wasm!fickle::recurse::h3d2267532d16e0d7\n".to_owned();
        for number in 1..20 {
            writeln!(backtrace, "   {number}:  0x17d1c - fickle.wasm!fickle::recurse::h3d2267532d16e0d7").unwrap();
        }
        assert_eq!(guest_frames(&backtrace), "in fickle::recurse (20 times)");
    }

    #[test]
    fn places_in_the_source_are_kept_and_long_ways_are_cut() {
        let mut backtrace = "    0:   0x1 - <unknown>!crash\n                    at main.c:7:3\n".to_owned();
        for number in 1..30 {
            writeln!(backtrace, "   {number}:   0x1 - <unknown>!step{number}").unwrap();
        }
        let shown = guest_frames(&backtrace);
        assert!(shown.starts_with("in crash at main.c:7:3\nin step1\n"), "{shown}");
        assert_eq!(shown.lines().count(), FRAMES_MAX + 1);
        assert!(shown.ends_with("in step11\n… and 18 more frames"), "{shown}");
    }

    #[test]
    fn what_is_only_runtime_or_not_understood_is_shown_nevertheless() {
        assert_eq!(guest_frames("0: 0x1 - a.wasm!abort\n1: 0x2 - a.wasm!_start"), "in abort\nin _start");
        assert_eq!(guest_frames("Traceback (most recent call last)"), "Traceback (most recent call last)");
    }
}
