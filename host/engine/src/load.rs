//! Loading.

use tidemill_pipeline::Digest;

use crate::{component::Component, engine::Engine, limits::Limits};

/// Why a component was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Invalid.
    #[error("{0}")]
    Invalid(String),
}

pub(crate) fn load(engine: &Engine, file: &[u8], _limits: &Limits) -> Result<Component, LoadError> {
    let refused = |error: wasmtime::Error| LoadError::Invalid(format!("{error:#}"));
    let code = wasmtime::component::Component::from_binary(&engine.0.wasmtime, file).map_err(refused)?;
    let handler = code.get_export_index(None, "tidemill:processor/handler@0.1.0");
    let process = handler.and_then(|handler| code.get_export_index(Some(&handler), "process"));
    let Some(process) = process else { return Err(LoadError::Invalid("no handler".into())) };
    let pre = engine.0.linker.instantiate_pre(&code).map_err(refused)?;
    Ok(Component::new(engine.clone(), Digest::of(file), pre, process))
}
