//! DTLS on a host: one UDP socket, many sessions, and CoAP inside of them (`coaps`, RFC 7252, 9.1; RFC 9202).

mod client;
mod control;
mod entry;
mod event;
mod lifecycle;
mod limits;
mod peer;
mod server;
mod sessions;
mod tables;

pub use client::{CoapsClient, CoapsError, Observation, Reply};
pub use control::SessionControl;
pub use event::{Ended, SessionEvent};
pub use limits::SessionLimits;
pub use peer::{Credential, DtlsPeer, SessionId};
pub use server::{CoapsConfig, serve_coaps};
pub use sessions::Sessions;
