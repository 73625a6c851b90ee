//! OSCORE (RFC 8613): CoAP messages protected end to end, without IO and without heap.
#![no_std]
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

#[cfg(test)]
extern crate std;

mod binding;
mod bytes;
pub mod class;
mod context;
mod cose;
mod error;
mod merge;
mod option;
mod protect;
mod proxy_uri;
pub mod storage;
#[cfg(test)]
mod tests;
mod unprotect;
mod window;

pub use binding::RequestBinding;
pub use context::{ECHO_LEN, Parameters, SecurityContext};
pub use error::{
    DECRYPTION_FAILED, FAILED_TO_DECODE_COSE, OscoreError, REPLAY_DETECTED,
    SECURITY_CONTEXT_NOT_FOUND,
};
pub use option::{OscoreOption, PartialIv};
pub use unprotect::Unprotected;

/// Longest Sender or Recipient ID, in bytes: the longest nonce of an AEAD less 6 (RFC 8613, 3.3).
pub const MAX_ID: usize = 7;
/// Longest ID Context, in bytes.
pub const MAX_ID_CONTEXT: usize = 24;
/// Largest Sender Sequence Number, 2^40 - 1 (RFC 8613, 7.2.1).
pub const MAX_SEQUENCE: u64 = SEQUENCE_LIMIT - 1;
/// One above [`MAX_SEQUENCE`]: [`SecurityContext::reserve_up_to`] this grants every number there is.
pub const SEQUENCE_LIMIT: u64 = 1 << 40;
/// Numbers the replay window looks back on, the newest included (RFC 8613, 3.2.2, asks for 32).
pub const WINDOW: u32 = 64;
