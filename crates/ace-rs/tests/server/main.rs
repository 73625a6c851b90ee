//! The server against tokens of `ace-token`'s issuer, rule by rule.

mod access;
mod authz_info;
mod bench;
