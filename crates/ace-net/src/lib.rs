//! Sockets, clocks and randomness for the ACE engines, on tokio.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod client;
mod file_storage;
mod host;
mod resource_server;
mod service;
mod udp;

pub use client::{HostClient, Outcome, RefusedBy, Requester, RequesterError, Seen};
pub use file_storage::FileStorage;
pub use host::{Clock, randomness, wall_clock};
pub use resource_server::{HostResourceServer, resource_server, serve_resources};
pub use ace_as::Answer;
pub use service::{Limits, Request, Service, answer_of_packet, serve};
pub use udp::bind;

/// The program of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
