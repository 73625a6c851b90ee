//! The client of ACE-OAuth.
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

mod client;
mod config;
mod event;
mod flow;
mod grant;
mod hints;
mod observe;
mod queue;
mod receive;
mod request;
mod scope;
mod send;
mod steps;
mod table;
mod token;
mod transfer;
mod watch;

pub use ace_coap::{Instant, Transmission};
pub use client::{Client, ClientError};
pub use config::{Config, OnDenied};
pub use event::{Event, Phase, Reason, Refusal, Step};
pub use grant::{MAX_NONCE, MAX_SALT};
pub use observe::MAX_OBSERVED;
pub use request::{MAX_PARTS, MAX_TARGET, Request, RequestError};
pub use send::MAX_SCOPE;
pub use watch::{Direction, Watch, Watched};
