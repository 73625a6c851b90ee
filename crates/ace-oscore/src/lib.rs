//! OSCORE (RFC 8613): CoAP messages protected end to end, without IO and without heap.
//!
//! **What it does.** Derives security contexts; turns a CoAP request or response into an OSCORE message in the caller's buffer
//! and back; refuses replays; sees to it that no nonce is used twice, over reboots too; re-synchronises what a reboot lost.
//!
//! **What it does not.** No sockets, no retransmission, no block-wise transfer (outer Block options are for the caller's block
//! layer, before [`unprotect_request`](SecurityContext::unprotect_request)), no table of contexts, no key establishment. Not
//! here either: signalling messages of CoAP over TCP (RFC 8613, 4.3), HTTP (11), Group OSCORE.
//!
//! **Covered.** RFC 8613: 2, 3, 4 without 4.3, 5, 6, 7, 8, appendices B.1.1 ([`storage`]), B.1.2 ([`Unprotected::Challenge`]),
//! B.1.3 and B.2 ([`rederive`]), C (vectors); the option classes ([`class`]) of RFC 8613, 8768, 9175, 9177 and 9668.
//!
//! ```
//! use ace_crypto::{Aead, Hkdf};
//! use ace_oscore::{OscoreOption, Parameters, SEQUENCE_LIMIT, SecurityContext, Unprotected};
//! use ace_wire::coap::{Code, Message};
//! # struct NoRng;
//! # impl rand_core::TryRng for NoRng {
//! #     type Error = core::convert::Infallible;
//! #     fn try_next_u32(&mut self) -> Result<u32, Self::Error> { Ok(4) }
//! #     fn try_next_u64(&mut self) -> Result<u64, Self::Error> { Ok(4) }
//! #     fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> { out.fill(4); Ok(()) }
//! # }
//! # impl rand_core::TryCryptoRng for NoRng {}
//! # let mut rng = NoRng;
//!
//! let parameters = Parameters {
//!     master_secret: &[1; 16],
//!     master_salt: &[],
//!     sender_id: b"c",
//!     recipient_id: b"s",
//!     id_context: None,
//!     aead: Aead::AesCcm16_64_128,
//!     hkdf: Hkdf::Sha256,
//! };
//! let mut client = SecurityContext::derive(&parameters)?;
//! let mut server = SecurityContext::derive(&Parameters { sender_id: b"s", recipient_id: b"c", ..parameters })?;
//! // These keys will not outlive this program, so no storage is needed.
//! client.reserve_up_to(SEQUENCE_LIMIT);
//! server.reserve_up_to(SEQUENCE_LIMIT);
//!
//! // Client: GET /temp
//! let request = [0x40, 0x01, 0x00, 0x01, 0xb4, b't', b'e', b'm', b'p'];
//! let mut sent = [0; 64];
//! let (length, mut binding) = client.protect_request(&Message::parse(&request).unwrap(), false, &mut sent)?;
//! assert!(!sent.windows(4).any(|bytes| bytes == b"temp"));
//!
//! // Server
//! let received = Message::parse(&sent[..length]).unwrap();
//! let option = OscoreOption::of(&received)?;
//! assert!(server.matches(&option));
//! let mut plain = [0; 64];
//! let Unprotected::Request { message, binding: mut answer } =
//!     server.unprotect_request(&option, &received, &mut rng, &mut plain)?
//! else {
//!     unreachable!("this context has not been resumed");
//! };
//! assert!(message.options.path_is("/temp"));
//! let response = [0x60, 0x45, 0x00, 0x01, 0xff, b'2', b'2'];
//! let length = server.protect_response(&mut answer, &Message::parse(&response).unwrap(), &mut sent)?;
//!
//! // Client
//! let received = Message::parse(&sent[..length]).unwrap();
//! let message = client.unprotect_response(&mut binding, &received, &mut plain)?;
//! assert_eq!((message.code, message.payload), (Code::CONTENT, &b"22"[..]));
//! # Ok::<(), ace_oscore::OscoreError>(())
//! ```
//!
//! **Features.** `proxy-uri` (default): requests with Proxy-Uri. The AEADs and HKDFs are those that `ace-crypto` is built with.
//!
//! **Memory.** [`SecurityContext`] takes 200 bytes (184 on 32-bit machines), [`RequestBinding`] 32; the caller's buffers
//! hold the messages. Deriving a context runs HKDF three times.
//!
//! **Panics.** None.
//!
//! **Caveats.** What is decrypted stays in the caller's buffer until the caller wipes it; after an error nothing is left there.
//! Whoever can make a resumed server see old requests makes it spend sequence numbers on challenges: limit their rate.
//! The replay window looks back on 64 numbers; a request older than that is refused though it may be new.
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

#[cfg(test)]
extern crate std;

mod binding;
mod bytes;
pub mod class;
mod context;
mod cose;
mod error;
mod kept;
mod merge;
mod option;
mod protect;
#[cfg(feature = "proxy-uri")]
mod proxy_uri;
#[cfg(not(feature = "proxy-uri"))]
#[path = "no_proxy_uri.rs"]
mod proxy_uri;
pub mod rederive;
pub mod storage;
#[cfg(test)]
mod tests;
mod unprotect;
mod window;

pub use binding::RequestBinding;
pub use context::{ECHO_LEN, Parameters, SecurityContext};
pub use error::{
    DECRYPTION_FAILED, FAILED_TO_DECODE_COSE, OscoreError, REPLAY_DETECTED,
    SECURITY_CONTEXT_NOT_FOUND,
};
pub use kept::MAX_KEPT;
pub use option::{OscoreOption, PartialIv};
pub use unprotect::Unprotected;

/// Longest Sender or Recipient ID, in bytes: the longest nonce of an AEAD less 6 (RFC 8613, 3.3).
pub const MAX_ID: usize = 7;
/// Longest ID Context, in bytes.
pub const MAX_ID_CONTEXT: usize = 24;
/// Largest Sender Sequence Number, 2^40 - 1 (RFC 8613, 7.2.1).
pub const MAX_SEQUENCE: u64 = SEQUENCE_LIMIT - 1;
/// One above [`MAX_SEQUENCE`]: [`SecurityContext::reserve_up_to`] this grants every number there is.
pub const SEQUENCE_LIMIT: u64 = 1 << 40;
/// A buffer this much longer than the message, in bytes, is enough to protect it: code, tag of 16, payload marker, the
/// longest OSCORE option, a second Observe and longer option headers. A Proxy-Uri may need one more per path segment and
/// query argument. The usual case is 8 + 2 + 4 bytes for a request, 8 + 3 for a response.
pub const MAX_OVERHEAD: usize = 96;
/// Numbers the replay window looks back on, the newest included (RFC 8613, 3.2.2, asks for 32).
pub const WINDOW: u32 = 64;
