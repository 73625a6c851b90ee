//! The authorization server of ACE-OAuth, without sockets.
//!
//! **What it does.** Keeps who there is and who may do what in one file ([`Store`], [`Registry`]); answers CoAP requests
//! under OSCORE ([`AuthorizationServer::handle`]) and in DTLS sessions ([`AuthorizationServer::handle_in_session`]),
//! block-wise; decides token requests, makes proof-of-possession keys and tokens for `coap_oscore` and `coap_dtls`, and
//! answers after the commit. Many requests share one commit. The registry may be changed by another process while the
//! server runs: each request sees what was committed before it.
//!
//! **What it does not.** No sockets, retransmission or duplicate detection (`ace-net`); of DTLS the credentials alone
//! ([`DtlsCredentials`]), the handshakes are `ace-dtls`'s. No introspection, no revocation of tokens already issued, no X.509,
//! no grants of a person at a browser. One server per store at a time: a second one is refused.
//!
//! **Which token a client gets.** A client has one [`ClientProfile`], with the authorization server and with resource
//! servers; a resource server has several [`RsProfile`]s.
//!
//! | client | in the request | token |
//! |---|---|---|
//! | `coap_oscore` | no `req_cnf` | new OSCORE input material, in an encrypted token |
//! | `coap_dtls-psk`, `coap_dtls-rpk` | no `req_cnf` | a new pre-shared key, in an encrypted token or derived from it |
//! | `coap_dtls-rpk` | `req_cnf` with its key, or with `kid` of it | its public key; the answer has the server's in `rs_cnf` |
//! | any | `req_cnf` with `kid` of a live token's key | new rights for this key, which the token names |
//!
//! The kid of a public key is [`ace_crypto::key_id`], whatever the client calls it. Nobody gets a token for a public key
//! that is not registered as its own and proved in its handshake.
//!
//! **Covered.** RFC 9200, sections 5.8 (token endpoint) and 5.10.3 (`exi`, `cti`); RFC 9201, section 3; RFC 9202, sections
//! 3.1, 3.2.1, 3.3.1, 4 and 6; RFC 9203, sections 3 and 5; RFC 9237; RFC 6749, sections 2.3, 3.3, 4.4, 5.1 and 5.2;
//! RFC 8613, section 8 and appendix B.1; RFC 7959; RFC 9175; RFC 6690.
//!
//! ```
//! use ace_as::{AuthorizationServer, ClientOptions, Config, Limits, Registry, RsOptions, Site, Store};
//! use ace_wire::{ace::AccessInformation, coap::Code};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let store = Store::create(folder.path().join("store.sqlite")).await?;
//! let site = Site {
//!     issuer: "coap://as.example".into(),
//!     uri: "coap://as.example/token".into(),
//!     coaps_uri: Some("coaps://as.example/token".into()),
//! };
//!
//! let registry = Registry::new(store.clone(), site.clone());
//! let thermo = registry.add_rs("thermo", "thermo", &RsOptions::default()).await?;
//! let alice = registry.add_client("alice", &ClientOptions::default()).await?;
//! registry.grant("alice", "thermo", "GET /temp").await?;
//! // What the devices are given.
//! let (_for_thermo, _for_alice) = (serde_json::to_string(&thermo)?, serde_json::to_string(&alice)?);
//!
//! let config = Config { site, token_lifetime: 3600, limits: Limits::default() };
//! let server = AuthorizationServer::new(store, config).await?;
//! // {audience: "thermo"}, as alice's CoAP client would send it to `server.handle` under OSCORE.
//! let answer = server.token("alice", 1_700_000_000, Some(19), b"\xa1\x05\x66thermo").await?;
//! assert_eq!(answer.code, Code::CREATED);
//! assert_eq!(AccessInformation::parse(&answer.payload)?.expires_in, Some(3600));
//! # Ok(())
//! # }
//! ```
//!
//! **Memory.** Bounded by [`Limits`]: by default up to 40 MB for 65,536 security contexts, grown as peers come, and 2 MB
//! for bodies in blocks. One reservation of 64 numbers per audience in use. Up to 2,048 names of DTLS peers in handshakes.
//!
//! **Panics.** None from input. [`Store`] must be opened within a tokio runtime; without any randomness from the system
//! a challenge to a peer panics, since nothing may go on.
//!
//! **Caveats.** Keys lie in the store unencrypted: its file has mode 0600, and the store refuses one that others may read.
//! Among them are the private keys of devices that were made here, so that bundles can be shown again; register a device
//! by a key that it made itself ([`DeviceKey::Public`]) to keep its private key out.
//! The AS's own key in DTLS is on P-256: a device with a raw public key needs ES256 to know the AS by it, whichever curve
//! its own key is on. A store put back from a backup has lost the sequence numbers and counters used since: register peers anew then.
//! SQLite's write-ahead log wants a local disk.
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

mod audit;
pub mod registry;
mod server;
mod store;
mod token;

pub use registry::{
    AsAccess, BundleError, ClientBundle, ClientOptions, ClientProfile, ClientSummary, Curve,
    DeviceKey, DtlsBundle, GrantSummary, Hex, OscoreBundle, Registry, RegistryError, RsBundle,
    RsOptions, RsProfile, RsSummary, SecretHex, Site, TokenKeyBundle, TokenKeyMaterial,
    UnknownCurve,
};
pub use server::{Answer, AuthorizationServer, Config, DtlsCredentials, Limits, PeerId};
pub use store::{Store, StoreError};
pub use token::TokenAnswer;
