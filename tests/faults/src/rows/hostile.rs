//! The rows of hostile components: each kind in a real host, beside neighbours that must not notice.

pub(crate) mod overtime;
pub(crate) mod rejected;
