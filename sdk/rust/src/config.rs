//! The configuration: what the operator set for this processor, in `[processors.NAME.config]`.

use std::{fmt::Display, str::FromStr};

use crate::{
    error::{Error, Result},
    port,
};

/// The value of a setting, or none.
///
/// # Errors
/// A halt, when it is not a `T`: no event is to blame for it.
pub fn get<T: FromStr<Err: Display>>(name: &str) -> Result<Option<T>> {
    let Some(text) = port::config::get(name) else { return Ok(None) };
    match text.parse() {
        Ok(value) => Ok(Some(value)),
        Err(error) => Err(Error::halt(format_args!("the setting `{name}` is `{text}`, which does not fit: {error}"))),
    }
}

/// The value of a setting that must be there.
///
/// # Errors
/// A halt, when it is missing or not a `T`.
pub fn require<T: FromStr<Err: Display>>(name: &str) -> Result<T> {
    get(name)?
        .ok_or_else(|| Error::halt(format_args!("the setting `{name}` is missing: set it in [processors.NAME.config]")))
}

/// All settings, ordered by name.
#[must_use]
pub fn all() -> Vec<(String, String)> {
    port::config::get_all()
}
