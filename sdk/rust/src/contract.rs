//! The contract itself: its types and functions, generated from `wit/` each time this crate is built.
//!
//! A processor made with this crate seldom needs it. What is read and written here passes by the gathered writes of
//! [`Map`](crate::Map): in one call use the one or the other.
#![allow(missing_docs, unreachable_pub, reason = "the documentation stands in the contract")]
#![allow(clippy::pedantic, reason = "generated")]

wit_bindgen::generate!({
    path: "../../wit",
    world: "bulk-processor",
    additional_derives: [PartialEq, Eq],
    pub_export_macro: true,
    export_macro_name: "export_component",
    default_bindings_module: "tidemill_sdk::contract",
});

pub use exports::tidemill::processor::{
    bulk_handler::{BulkBatch, Column, Guest as BulkGuest},
    handler::Guest,
};
pub use tidemill::processor::{config, log, state, types};
