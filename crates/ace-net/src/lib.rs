//! The ACE engines on tokio UDP sockets.
//!
//! **What it does.** Drives engines that do no IO: [`serve`] any [`Service`], an authorization server
//! ([`ace_as::AuthorizationServer`]) among them; [`serve_resources`] a resource server; [`Requester`] a client. In
//! DTLS, [`dtls::serve_coaps`] any [`Service`], and [`dtls::CoapsClient`] a client of one. Gives them
//! time ([`Clock`], [`wall_clock`]), the system's randomness ([`randomness`]) and storage in a file ([`FileStorage`]).
//!
//! **What it does not.** No TCP, no multicast, no DNS: callers resolve names.
//!
//! ```no_run
//! use std::sync::Arc;
//! use ace_net::{Answer, Limits, Request, Service};
//! use coap_lite::{Packet, ResponseType};
//!
//! /// A CoAP server written against `coap-lite`, without any protection.
//! struct Hello;
//! impl Service for Hello {
//!     async fn call(&self, request: Request) -> Option<Answer> {
//!         let asked: Packet = request.packet()?;
//!         let mut answer = Packet::new();
//!         answer.header.code = coap_lite::MessageClass::Response(ResponseType::Content);
//!         answer.payload = format!("{} bytes of payload", asked.payload.len()).into_bytes();
//!         Some(ace_net::answer_of_packet(answer))
//!     }
//! }
//!
//! # async fn run() -> std::io::Result<()> {
//! let socket = ace_net::bind("127.0.0.1:5683".parse().unwrap()).await?;
//! ace_net::serve(socket, Arc::new(Hello), Limits::default(), std::future::pending()).await
//! # }
//! ```
//!
//! **Memory.** Bounded by [`Limits`]; about 1.3 KiB for each exchange under way or answer kept. The engines in
//! [`HostClient`] and [`HostResourceServer`] take some 60 and 450 KiB and are built on the stack before they move to
//! the heap: threads want 8 MiB of stack in unoptimized builds. DTLS sessions and handshakes are bounded by
//! [`dtls::SessionLimits`]; nothing is kept of a client that has not returned its cookie.
//!
//! **Panics.** When the system has no randomness to give.
//!
//! **Caveats.** One task drives each engine. `coap-lite` is used for its message type alone: its parser is lenient and its
//! block handler unsafe on a listening path, so every datagram passes this stack's parser first. A DTLS session with a
//! Connection ID moves to the address of its newest verified record; whether the peer can be reached there is not
//! probed (RFC 9146, 6), so a service with long answers should ask for Echo after a move (RFC 9175).
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod client;
pub mod dtls;
mod file_storage;
mod host;
mod remote;
mod resource_server;
mod service;
mod udp;

pub use ace_as::Answer;
pub use client::{HostClient, Outcome, RefusedBy, Requester, RequesterError, Seen};
pub use file_storage::FileStorage;
pub use host::{Clock, randomness, wall_clock};
pub use remote::Remote;
pub use resource_server::{HostResourceServer, resource_server, serve_resources};
pub use service::{Limits, Request, Service, answer_of_packet, serve};
pub use udp::bind;

/// The program of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
