//! CoAP, CBOR, COSE, CWT and ACE-OAuth on the wire: bytes and their meaning, nothing else.
//!
//! The lowest crate of the stack. It turns bytes into checked values that borrow from them, and
//! values into bytes in a caller's buffer. It keeps no state, does no IO, computes no cryptography,
//! and decides nothing but what a list of authorizations says about a request
//! ([`aif::Aif::permits`]).
//!
//! | module | what | from |
//! |---|---|---|
//! | [`coap`] | messages, options, block values, URIs | RFC 7252, RFC 7959 |
//! | [`cbor`] | strict reader, writer | RFC 8949 |
//! | [`ace`] | token request and response, errors, hints, `/authz-info`, `cnf`, `osc` | RFC 9200 5.3, 5.8; RFC 9201; RFC 9203 3.2, 4.1, 4.2; RFC 8747 3.1 |
//! | [`cose`] | COSE_Key, COSE_Encrypt0, COSE_Mac0, COSE_Sign1, what they authenticate | RFC 9052 3 to 7; RFC 9053 7 |
//! | [`cwt`] | claims | RFC 8392; RFC 8747; RFC 9200 8.14 |
//! | [`aif`] | which methods on which path | RFC 9237 |
//! | [`link`] | writer for `/.well-known/core` | RFC 6690 2 |
//! | [`diag`] | diagnostic notation for people | RFC 8949 8 |
//!
//! What a resource server does with the payload a client posts to `/authz-info`, up to the
//! cryptography:
//!
//! ```
//! use ace_wire::ace::AuthzInfoRequest;
//! use ace_wire::cose::{Encrypt0, enc_structure};
//!
//! let payload = [
//!     0xa3, 0x01, 0x4e, 0xd0, 0x83, 0x43, 0xa1, 0x01, 0x0a, 0xa1, 0x04, 0x41, 0x07, 0x43, 1, 2, 3,
//!     0x18, 0x28, 0x42, 0xca, 0xfe, 0x18, 0x2b, 0x41, 0x16,
//! ];
//! let request = AuthzInfoRequest::parse(&payload)?;
//! assert_eq!(request.client_recipient_id, Some(&[0x16][..]));
//!
//! let token = Encrypt0::parse(request.access_token)?;
//! assert_eq!(token.header.kid, Some(&[0x07][..]));
//! let mut aad = [0u8; 64];
//! let length = enc_structure(token.protected, &[], &mut aad)?;
//! assert_eq!(&aad[..length], b"\x83\x68Encrypt0\x43\xa1\x01\x0a\x40");
//! // Next: the AEAD over token.ciphertext, then cwt::ClaimsSet::parse of the plaintext.
//! # Ok::<(), ace_wire::Error>(())
//! ```
//!
//! # What is refused
//!
//! In every structure: duplicate keys, also in nested maps; trailing bytes; indefinite lengths; a
//! known field of the wrong type; invalid UTF-8; nesting deeper than [`cbor::MAX_DEPTH`]; maps of
//! more than [`cbor::MAX_MAP_ENTRIES`] entries. Unknown keys are ignored with their values. Longer
//! than shortest encodings are accepted: no RFC covered here asks receivers to refuse them.
//!
//! # Features, memory, panics
//!
//! Feature `cose-key` (default): COSE_Key in `cnf`. No heap; parsed values hold references and numbers (the largest,
//! [`ace::AccessInformation`], has less than 512 bytes on 64-bit machines); the stack use of a parser
//! does not grow with its input. Nothing panics, whatever the input. Time to read a map grows with
//! its length times its entries, which are bounded.
//!
//! # Caveats
//!
//! - Keys and Master Secrets are borrowed from the input: whoever owns that buffer wipes it. `Debug`
//!   shows their length alone.
//! - `PartialEq` is not constant-time: do not compare secrets with it.
//! - StringOrURI (RFC 7519, 2) and URIs inside parameters are taken as text.
#![cfg_attr(not(test), no_std)]
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

pub mod ace;
pub mod aif;
pub mod cbor;
pub mod coap;
pub mod cose;
pub mod cwt;
pub mod diag;
mod error;
mod hidden;
pub mod link;
#[cfg(test)]
mod testing;

pub use error::Error;
