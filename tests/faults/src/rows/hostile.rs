//! The rows of hostile components: each kind in a real host, beside neighbours that must not notice.

pub(crate) mod cache;
pub(crate) mod files;
pub(crate) mod neighbours;
pub(crate) mod overtime;
pub(crate) mod rejected;
