//! The coap_dtls profile (RFC 9202) at the client.
#![cfg(feature = "rpk")]

#[path = "../common/mod.rs"]
mod common;
mod flow;
mod hostile;
mod world;
