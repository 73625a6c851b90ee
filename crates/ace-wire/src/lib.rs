//! CoAP, CBOR, COSE, CWT and ACE-OAuth on the wire: bytes and their meaning, nothing else.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::todo,
        clippy::unreachable
    )
)]

pub mod ace;
pub mod aif;
pub mod cbor;
pub mod coap;
pub mod cose;
pub mod cwt;
pub mod diag;
mod error;
mod hidden;
pub mod link;

pub use error::Error;
