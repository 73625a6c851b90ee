//! The resource server of ACE-OAuth, on a device or a host: takes tokens at `/authz-info`, sets up the OSCORE context or the
//! DTLS session of each client, and decides every request by the token's scope, without asking anyone.
//!
//! **What it does.** A whole CoAP server without IO: reliability, block-wise transfers, Observe, `/.well-known/core`; the
//! authorization information endpoint; OSCORE contexts made from tokens, confirmed by the first request; DTLS sessions with
//! pre-shared keys (named by `kid`, brought along as a whole token, contained in it or derived from it) and with raw public
//! keys; both replaced and ended with their tokens; update of rights within them; AS Request Creation Hints; the decision 4.01,
//! 4.03 or 4.05. The application provides [`Resources`] and never sees a request that is not allowed.
//!
//! **What it does not.** No introspection; no JWT; no Dynamic-X methods of AIF (they grant nothing); no If-Match and
//! If-None-Match (4.02); no multicast; no OSCORE appendix B.2; no encrypted COSE_Key in `cnf`; no DTLS session resumption. It
//! keeps no session across a reboot and, unless configured to, no token: clients are told, and post theirs again.
//!
//! **Covered.** RFC 9200, sections 5.2, 5.3, 5.10; RFC 9202, sections 3.2.2, 3.3.1, 3.3.2, 3.4, 4, 5; RFC 9203, sections 4
//! and 6; RFC 9237; RFC 8613, section 8; RFC 9175, 2; RFC 7641; RFC 7959; RFC 8516; RFC 6690.
//!
//! ```
//! use ace_coap::Instant;
//! use ace_oscore::storage::{Key, Storage};
//! use ace_rs::{Config, MethodSet, Request, Resource, ResourceServer, Resources, Response, Slot, TokenKey, TrustedKey};
//! use ace_wire::{ace::AsRequestCreationHints, coap::{Code, Message}};
//!
//! struct Thermometer;
//! impl Resources for Thermometer {
//!     fn list(&self) -> &[Resource] {
//!         const LIST: [Resource; 1] = [Resource::new("/temp", MethodSet::GET)];
//!         &LIST
//!     }
//!     fn handle(&mut self, _: &Request<'_>, response: &mut Response<'_>) -> Code {
//!         response.write(b"22.5");
//!         Code::CONTENT
//!     }
//! }
//!
//! #[derive(Default)]
//! struct Flash(Option<[u8; 8]>);
//! impl Storage for Flash {
//!     type Error = core::convert::Infallible;
//!     fn load(&mut self, _: Key, out: &mut [u8]) -> Result<Option<usize>, Self::Error> {
//!         Ok(self.0.map(|record| {
//!             out[..8].copy_from_slice(&record);
//!             8
//!         }))
//!     }
//!     fn save(&mut self, _: Key, value: &[u8]) -> Result<(), Self::Error> {
//!         self.0 = value.try_into().ok();
//!         Ok(())
//!     }
//! }
//!
//! // What the device was given when it was registered.
//! let keys = [TrustedKey {
//!     kid: Some(b"rs1"),
//!     issuer: "coap://as.example",
//!     key: TokenKey::Aead(ace_crypto::Aead::AesCcm16_64_128, &[7; 16]),
//! }];
//! let config = Config::new(&["thermo"], "coap://as.example/token", &keys);
//! # let mut rng = ace_testkit::SeededRandom::new(1); // a real device takes its hardware generator
//! let slots = [const { Slot::<u16>::new() }; 8];
//! let mut server: ResourceServer<'_, _, _, _, _> =
//!     ResourceServer::new(&config, Thermometer, Flash::default(), slots, &mut rng)?;
//!
//! // A stranger asks for /temp. To tell where to get a token takes more bytes than may go to an unverified address: the
//! // stranger gets an Echo value first, and repeats the request with it.
//! let (now, wall, stranger) = (Instant(0), Some(1_700_000_000), 4711);
//! let request = [0x40, 0x01, 0x00, 0x01, 0xb4, b't', b'e', b'm', b'p'];
//! server.handle(now, wall, stranger, &mut request.clone(), &mut rng);
//! let challenge = server.poll_transmit(now).unwrap().datagram.to_vec();
//! let echo = Message::parse(&challenge)?.options.find(252).unwrap().to_vec();
//! let again = [&[0x40, 0x01, 0x00, 0x02, 0xb4, b't', b'e', b'm', b'p', 0xdc, 0xe4], &echo[..]].concat();
//! server.handle(now, wall, stranger, &mut again.clone(), &mut rng);
//! let answer = server.poll_transmit(now).unwrap();
//! let answer = Message::parse(answer.datagram)?;
//! assert_eq!(answer.code, Code::UNAUTHORIZED);
//! let hints = AsRequestCreationHints::parse(answer.payload)?;
//! assert_eq!((hints.r#as, hints.audience), (Some("coap://as.example/token"), Some("thermo")));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # DTLS
//!
//! Datagrams of DTLS and of CoAP are told apart by their first byte, so that both may come by one port or by two. What is
//! exchanged in a session and what is exchanged in the clear never mix, even from one address. A `psk_identity` that gives no
//! valid token ends the handshake with `illegal_parameter` (RFC 9202, 3.3.2), a public key without token with `access_denied`, and
//! lack of room or time for a good token with `internal_error`. A token for a key that is here replaces its rights, wherever it
//! is posted, if it is newer by the number in its `cti` (the [`Config::identifier`], then up to eight bytes) or by its `iat`; if these
//! cannot be compared, only the holder of the key may post it, in its session. A session whose token ends says 4.01 to its
//! observers, then closes; one whose token is there survives any request that is not allowed.
//!
//! # Memory
//!
//! No heap. A server with the default parameters, all features, `P` = `SocketAddr` and eight slots of the endpoint is a value of
//! 30,400 bytes on a 64-bit machine, in which stand
//!
//! | bytes (64-bit) | for |
//! |---|---|
//! | 520 | each of `TOKENS` and `UNCONFIRMED`, of which `SCOPE` = 160; 32 less without keys of 256 bits |
//! | 96 | each of `OBSERVERS` |
//! | 2,208 | each of `TRANSFERS`: a body of `BODY` = 1024 of a request, and one of an answer |
//! | 1,288 | each slot of the endpoint, with `MTU` = 1152 |
//! | `MTU` | the next datagram of a session, with the feature `dtls`; and what [`ace_dtls::Server`] takes |
//!
//! The configuration is borrowed, and may lie in flash. A small server on a Cortex-M3, with `TOKENS` = 4, `UNCONFIRMED` = 2,
//! `OBSERVERS` = 1, `SCOPE` = 64, `TRANSFERS` = 1, `BODY` and `MTU` = 256 and three slots, takes 4,608 bytes for OSCORE alone, and 5,864
//! for DTLS with pre-shared keys, two sessions and one handshake of 512 bytes. With `UNCONFIRMED` = 1, `TRANSFERS` = 0 and a handshake of 320
//! bytes these are 3,608 and 4,784. A call uses up to about
//! 3 x `MTU` + 2 x `BODY` bytes of stack beside what cryptography needs.
//!
//! # Who gives way to whom
//!
//! - A token in force is never pushed out by one that was only posted. It ends by time, by revocation, or by its own
//!   client: by the first request under a context, or the handshake, from another token with the same key or, unless
//!   configured otherwise, with the same `sub`.
//! - When `TOKENS` tokens are in force, a posted token of another client is refused with 5.03 and Max-Age until the next one ends.
//! - Up to `UNCONFIRMED` posted tokens wait for their first request. One more takes the place of the oldest that was posted
//!   longer ago than [`Limits::grace`]; if there is none, it is refused with 5.03 and Max-Age.
//! - A DTLS session more than `SESSIONS` takes the place of the one that was idle longest, whose token stays; a handshake more than
//!   `HANDSHAKES` that of the oldest, if that took longer than five seconds.
//! - An observation more than `OBSERVERS` is answered as a plain GET. A block-wise transfer more than `TRANSFERS` takes the
//!   place of the one that was idle longest; those of strangers and those of clients have separate places, half each, if there are two or more.
//!
//! # Floods
//!
//! Verifying a token costs time, and a posted token takes a slot. Without pressure anyone may post, at a common rate. When
//! that rate is used up, or a quarter of the slots hold tokens younger than [`Limits::grace`], a source must show its
//! address by Echo (4.01), and each of eight classes of sources may post once in 16 x `grace` / `UNCONFIRMED`: 16 s by
//! default, else 4.29 with Max-Age. Which class a source ([`Peer::source`]) is in follows from a secret, and is drawn anew as often; a source
//! that confirms a token gets its allowance back. All classes together take half of the slots' time, the common rate a quarter of it.
//!
//! So whatever is posted, by however many spoofed addresses, of one replayed token or many valid ones: a client with no flooding source in
//! its class posts its token at the first try after Echo, or after at most 3 x `grace` where it gets 5.03. A flood from *n*
//! real addresses leaves the client alone in its class with probability (7/8)^*n*, drawn anew with every allowance.
//!
//! A token that comes in a handshake is posted as any other, by a source that has shown its address.
//!
//! A block-wise upload survives as long as its blocks come less than `grace` apart and fewer than `TRANSFERS` / 2 others of
//! proven sources begin in between.
//!
//! # Time
//!
//! With a wall clock `exp` and `nbf` are checked. Without one [`Freshness`] says what takes its place. `exi` counts in
//! any case: the highest number seen is stored before the token is taken, and after a reboot all up to it are expired.
//!
//! # After a reset
//!
//! With [`Config::persist`] and a clock, confirmed tokens come back with their keys. A client under OSCORE goes on in its
//! context: its first request is challenged by Echo (RFC 8613, B.1.2), the server's own sequence numbers go on above those
//! reserved before. A client of coap_dtls makes a new handshake with the key it has. Observations are gone.
//!
//! # Features
//!
//! `oscore` and `dtls` (default) are the profiles, of which one is needed. `es256`, `eddsa`, `gcm`, `aes256` (default),
//! `chacha20poly1305`, `sha512`: algorithms of tokens and contexts beyond AES-CCM with 128 bits, HMAC and HKDF with SHA-256; `es256` and
//! `eddsa` with `dtls` bring raw public keys on P-256 and Ed25519. `rpk` stands for these three.
//!
//! **Panics.** None.
//!
//! **Caveats.** The random generator must be good from the first call on: nonces that repeat after a reboot break OSCORE.
//! Keys are wiped where they lie when a token ends; copies that the compiler spilled to the stack are not. The bodies of block-wise answers
//! stay in memory for up to EXCHANGE_LIFETIME (RFC 7252, 4.8.2). The count of `exi` begins anew for a token that was posted, never used,
//! and pushed out or given up before it is posted again. `exi` numbers are those of one authorization server. A token may be posted in other bytes
//! than it was issued in (CBOR and COSE leave its outermost layer a choice): [`Revoke::Cti`] finds it in any, [`Revoke::Hash`] in those it came in. With
//! [`Config::persist`], replays of captured requests cost one write to the storage for each 64 until the client comes back after a reset.
#![cfg_attr(not(test), no_std)]
#![deny(missing_docs)]
#![forbid(unsafe_code)]
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

#[cfg(not(any(feature = "oscore", feature = "dtls")))]
compile_error!("a profile is needed: the feature `oscore`, `dtls` or both");

mod authz_info;
mod bodies;
mod config;
#[cfg(feature = "dtls")]
mod dtls_tokens;
mod error;
mod event;
#[cfg(not(feature = "persist"))]
mod forgetful;
mod freshness;
mod front;
mod hints;
mod inside;
mod kept;
mod link;
#[cfg(feature = "oscore")]
mod material;
mod notify;
mod observers;
mod peer;
#[cfg(feature = "persist")]
mod persist;
#[cfg(feature = "dtls")]
mod possession;
#[cfg(feature = "oscore")]
mod protected;
mod rate;
mod resource;
mod scope;
mod server;
#[cfg(feature = "dtls")]
mod session;
mod store;
mod table;
mod token;
mod unprotected;
mod well_known;

pub use ace_token::{TokenKey, TrustedKey};
pub use ace_wire::aif::MethodSet;
pub use config::{Config, Freshness, Limits, MAX_SCOPES, ScopeHint, ScopeName};
pub use error::{Error, Refusal};
pub use event::{Event, EventKind, EventPath, MAX_EVENT_PATH, MAX_EVENTS, Outcome};
pub use freshness::SEQUENCE_KEY;
pub use link::{Link, Slot};
pub use peer::Peer;
pub use resource::{Access, MAX_LOCATION, Request, Resource, Resources, Response, Who};
pub use server::{AUTHZ_INFO, ResourceServer, WELL_KNOWN_CORE};
pub use token::{Key, Revoke, TokenHash, TokenId, TokenView};
#[cfg(feature = "dtls")]
pub use token::{MAX_KEY_ID, MAX_PSK};
