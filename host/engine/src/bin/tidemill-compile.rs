//! The compiling child as a program of its own, for the tests of this package; Tidemill has a hidden command instead.

use std::process::ExitCode;

fn main() -> ExitCode {
    tidemill_engine::compile_child(std::env::args_os().skip(1))
}
