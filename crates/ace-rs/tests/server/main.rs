//! The server against tokens of `ace-token`'s issuer, rule by rule.

mod access;
mod authz_info;
mod bench;
mod blockwise;
mod dtls_client;
mod dtls_hostile;
mod dtls_network;
mod dtls_psk;
mod dtls_rpk;
mod dtls_update;
mod expiry;
mod flood;
mod hints;
mod malformed;
mod network;
mod observe;
mod persist;
mod setup;
mod sizes;
mod small;
mod update;
