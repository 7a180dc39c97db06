//! Compiling.

/// What turns component files into compiled code.
#[derive(Clone, Debug)]
pub enum Compiler {
    /// This process, unbounded: for tests and benchmarks.
    InProcess,
}
