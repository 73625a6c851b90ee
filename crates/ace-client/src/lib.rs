//! The client of ACE-OAuth on a device: gets tokens, takes them to resource servers, and makes protected requests.
//!
//! **What it does.** [`Client`] is a state machine without IO and without clock. For each request of the application it
//! finds the way: the resource server's hints, the token from the authorization server, the upload to `/authz-info`, the
//! request under OSCORE or in a DTLS session, as the authorization server chose. It holds tokens for several resource servers, renews them before they end, uploads them again
//! when a resource server forgot them, asks for more rights when some are missing, keeps one observation alive through
//! all of that, and goes on after a reboot.
//!
//! **What it does not.** Profiles `coap_oscore` and `coap_dtls` (pre-shared and raw public keys, DTLS 1.2) only. One authorization
//! server, spoken to over OSCORE or DTLS; one request of the application, one observation and one handshake at a time; no grant but client credentials; no introspection. No sockets: see
//! `ace-net`.
//!
//! **Covered.** RFC 9200, 5.1 to 5.3, 5.8, 5.10.1 to 5.10.4; RFC 9202, 3 to 6; RFC 9203, 3, 4 and 6; RFC 9237 for scopes; RFC 9175, 2.3
//! and 3; RFC 8613, B.1.1; RFC 7959 and RFC 7641 at the client.
//!
//! ```text
//!            no token, no audience                    token and context held
//!   request ────────► Hints                 request ───────────────► Access ──► answer
//!     │ audience        │ 4.01 with hints                            ▲  │ ▲
//!     ▼                 ▼            token held, no context          │  │ └──────────────┐
//!   Token ◄──────────────                  request ──► Upload ───────┘  │ 4.01, unprotected
//!     │ 2.01                                            ▲  │ refused    ├──► Upload, then Token
//!     └─────────────────────────────────────────────────┘  └──► Token   │ 4.03, 4.05, protected
//!                                                                       └──► Update ──► Access
//! ```
//!
//! With coap_dtls a handshake stands between Upload and Access, and what gives no context there gives no session here.
//!
//! ```
//! use ace_client::{AsSecurity, Client, Config, Event, Instant, Phase, Request};
//! use ace_crypto::{Aead, Hkdf};
//! use ace_oscore::{Parameters, storage::{Key, Storage}};
//! # use ace_testkit::SeededRandom as BoardRandom;
//!
//! /// Where sequence numbers and tokens outlive a reboot.
//! #[derive(Default)]
//! struct Flash(std::collections::BTreeMap<u32, Vec<u8>>);
//! impl Storage for Flash {
//!     type Error = ();
//!     fn load(&mut self, key: Key, out: &mut [u8]) -> Result<Option<usize>, ()> {
//!         let Some(record) = self.0.get(&key.0) else { return Ok(None) };
//!         out.get_mut(..record.len()).ok_or(())?.copy_from_slice(record);
//!         Ok(Some(record.len()))
//!     }
//!     fn save(&mut self, key: Key, value: &[u8]) -> Result<(), ()> {
//!         self.0.insert(key.0, value.to_vec());
//!         Ok(())
//!     }
//! }
//!
//! // Peers are whatever names them to the caller's network: here IPv4 addresses with ports.
//! let (authorization_server, thermometer) = (([192, 0, 2, 1], 5683), ([192, 0, 2, 7], 5683));
//! let context = Parameters {
//!     master_secret: &[0x11; 16],
//!     master_salt: &[],
//!     sender_id: b"c1",
//!     recipient_id: b"as",
//!     id_context: None,
//!     aead: Aead::AesCcm16_64_128,
//!     hkdf: Hkdf::Sha256,
//! };
//! let config = Config::new(authorization_server, "coap://as.example.com/token", AsSecurity::Oscore(context));
//! let mut rng = BoardRandom::new(1);
//! let mut client: Client<_, _> = Client::new(config, Flash::default(), &mut rng).unwrap();
//!
//! let (now, wall) = (Instant(0), Some(1_700_000_000));
//! client.request(now, wall, thermometer, Request::get("/temp"), &mut rng).unwrap();
//!
//! // After each call: send what there is to send, look at the events, set the timer.
//! let transmit = client.poll_transmit(now).unwrap();
//! assert_eq!(transmit.peer, thermometer);
//! assert_eq!(client.poll_event(), Some(Event::Phase(Phase::Hints)));
//! assert!(client.poll_timeout().is_some());
//! // … and what comes in: client.handle(now, wall, peer, datagram, &mut rng), and
//! // client.handle_timeout(now, wall, &mut rng) when the time has come.
//! ```
//!
//! **Decisions.** Where the RFCs leave a choice:
//!
//! - The unprotected request that fetches the hints is a GET without payload on the path of the application's request,
//!   whatever its method: it must neither do nor tell anything. If it is answered and the application asked for a GET,
//!   that is the answer, marked unprotected; other methods then need [`Request::audience`], which skips this step.
//! - Whatever is not protected is advice. Unprotected 4.00 and 4.01 to a protected request make the client upload its
//!   token again for a new context *beside* the one it has; the old context goes when a response verifies under the
//!   new one, when its token ends, or after [`Config::unauthorized_limit`] of them.
//! - GET, PUT, DELETE and FETCH are tried again. POST, PATCH and iPATCH are sent once; if no verified answer comes they
//!   end with [`Reason::UnknownOutcome`], and the next request makes sure of the context first.
//! - Renewal asks for a new token with a new key. An update of rights keeps the key; its token is not kept, the one
//!   that brought the key is, since only that one can be uploaded again.
//! - DTLS is inside: a datagram is a record or a CoAP message by its first byte. Each session is an other end of its own for CoAP:
//!   nothing in the clear or in another session answers what was asked in it.
//! - A session is lost when a request in it gets no answer, or when its peer closes it: another handshake follows, then another
//!   upload, then another token. Unprotected alerts end a handshake and never a session. Sessions are not stored.
//! - coap_dtls: renewal with a pre-shared key brings a new key and a new session; with a public key the new token goes to the
//!   resource server in the session, which stays. A session with the authorization server that was idle for five minutes is not used.
//! - A token response without `ace_profile` is of the profile that `cnf` and `rs_cnf` belong to; one that mixes both is refused.
//! - The identifier of a public key is the start of a hash of it ([`ace_crypto::key_id`]).
//! - A token's lifetime counts from when it was asked for. After a reboot it is used if the wall clock was known when
//!   it came and is known now, and if it has an audience, by which it is found: addresses are not stored.
//! - A full table gives up the token that ends first, one under observation last.
//! - The `kid` of hints is not used: the client knows by itself which key it has.
//!
//! **Features.** At least one profile: `oscore`; `dtls` (pre-shared keys); `es256` and `eddsa` (with `dtls`: raw public keys on P-256
//! and Ed25519), or `rpk` for both. `aes256` for OSCORE. All are on by default; what is off leaves nothing in the binary. Other
//! algorithms of OSCORE are those built into `ace-crypto`.
//!
//! **Memory.** All of it in [`Client`], sized by its parameters; no heap. In bytes:
//!
//! | `Client<P, S, TOKENS, GRANT, BODY, SLOTS, MTU, HANDSHAKE>` | features | 32-bit | 64-bit |
//! |---|---|---|---|
//! | the default: 2, 640, 1024, 3, 1152, 1024 | all, with those of other crates in the build | 10,900 | 11,700 |
//! | 1, 256, 320, 2, 256, 320 | the same | | 4,800 |
//! | 1, 256, 320, 2, 256 | `oscore` | 3,400 | |
//! | 1, 256, 320, 2, 256, 320 | `dtls` | 3,900 | |
//! | 1, 448, 512, 2, 256, 896 | `es256` | 5,000 | |
//!
//! That is `TOKENS * (GRANT + 260)`, with OSCORE 220 more for each, `SLOTS * (MTU + 130)`, `BODY`, and the larger of `BODY` and, with DTLS,
//! `HANDSHAKE + 480`: a handshake is where a body would be. With DTLS also `MTU` and the session with the authorization server, 220; and about
//! 1,300 more. `HANDSHAKE` must hold all messages of a handshake, see `ace-dtls`. On the stack lie one or two messages of `MTU`, a
//! `GRANT` and what the cryptography needs.
//!
//! **Panics.** None. `new` refuses impossible sizes at compile time.
//!
//! **Caveats.** The storage holds keys: it must be as safe as the device. [`AsSecurity::Oscore`] must be the client's own:
//! two clients with the same context and separate storages would use one nonce twice. Response bodies are put together
//! inside OSCORE; outer block-wise transfer of OSCORE messages, as proxies may do, and Echo outside of OSCORE on protected
//! exchanges are not understood.
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
#![cfg_attr(
    not(all(feature = "oscore", feature = "_rpk")),
    allow(
        dead_code,
        clippy::large_enum_variant,
        clippy::default_constructed_unit_structs,
        reason = "what belongs to a profile that is not built in has no values"
    )
)]

#[cfg(test)]
extern crate std;

#[cfg(not(any(feature = "oscore", feature = "dtls")))]
compile_error!("at least one profile: feature `oscore` or `dtls`");

mod client;
mod config;
#[cfg(feature = "dtls")]
mod dtls;
mod event;
mod flow;
mod grant;
mod hints;
mod observe;
#[cfg(feature = "oscore")]
mod oscore;
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

#[cfg(not(feature = "dtls"))]
#[path = "without_dtls.rs"]
mod dtls;
#[cfg(not(feature = "oscore"))]
#[path = "without_oscore.rs"]
mod oscore;

pub use ace_coap::{Instant, Transmission};
pub use client::{Client, ClientError};
#[cfg(feature = "dtls")]
pub use config::DtlsCredential;
pub use config::{AsSecurity, Config, OnDenied};
pub use event::{Event, Phase, Reason, Refusal, Step};
#[cfg(feature = "oscore")]
pub use grant::{MAX_NONCE, MAX_SALT};
pub use observe::MAX_OBSERVED;
pub use request::{MAX_PARTS, MAX_TARGET, Request, RequestError};
pub use send::MAX_SCOPE;
pub use watch::{Direction, Watch, Watched};
