//! The admin API of the authorization server: HTTP and JSON, server and client.
#![forbid(unsafe_code)]
#![deny(missing_docs)]
