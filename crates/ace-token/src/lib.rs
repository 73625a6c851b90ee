//! CBOR Web Tokens for ACE: opened and checked on devices, issued on the authorization server.
//!
//! **What it does.** [`open`] takes a token in COSE_Encrypt0, COSE_Mac0 or COSE_Sign1, or signed and then encrypted,
//! finds its key through the caller's [`KeySource`], verifies it and gives the claims, which borrow from the token and
//! from the caller's buffer. [`Validation`] checks `iss`, `exp`, `nbf`, `aud` and `scope` in the order of RFC 9200. With
//! the feature `issue`, the module `issue` builds tokens.
//!
//! **What it does not.** It stores nothing: `exi` counters, replayed `cti` and `cnonce` are the resource server's. It
//! does not decide whether a scope is one the resource server knows. No COSE_Encrypt, COSE_Mac or COSE_Sign (several
//! recipients or signers), no JWT, no introspection.
//!
//! [`derive_psk`] gives the key of a token that names one without carrying it.
//!
//! **Covered.** RFC 8392, RFC 8747, RFC 9200 sections 5.10.1 and 5.10.1.1, RFC 9202 section 3.3.1, RFC 9203 section 3.2;
//! RFC 9052 sections 4.2, 5.2 and 6.2.
//!
//! ```
//! use ace_crypto::{Aead, Secret};
//! use ace_token::{TokenKey, TrustedKey, Validation, open};
//! # #[cfg(feature = "issue")] {
//! # use ace_token::issue::{Claims, Issuer, IssuingKey, Scope};
//! # let issuer = Issuer { kid: Some(b"rs1"), key: IssuingKey::Aead(Aead::AesCcm16_64_128, &[7; 16]) };
//! # let claims = Claims {
//! #     aud: vec!["thermo".into()],
//! #     scope: Some(Scope::Text("read".into())),
//! #     exp: Some(1_800_000_000),
//! #     ..Claims::default()
//! # };
//! # let token = issuer.issue_with_nonce(&claims, &[1; 13])?;
//! // What the resource server was given when it was registered.
//! let trusted = [TrustedKey {
//!     kid: Some(b"rs1"),
//!     issuer: "coap://as.example",
//!     key: TokenKey::Aead(Aead::AesCcm16_64_128, &[7; 16]),
//! }];
//!
//! // The plaintext lives in a buffer that is wiped when it goes.
//! let mut plaintext = Secret::<512>::full([0; 512]);
//! let opened = open(&token, &trusted[..], plaintext.as_mut_bytes())?;
//! let check = Validation {
//!     issuer: opened.issuer,
//!     audience: &["thermo"],
//!     now: Some(1_700_000_000),
//!     leeway: 5,
//! };
//! check.validate(&opened.claims)?;
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Features.** `es256`, `eddsa`, `gcm` (on by default), `chacha20poly1305`, `sha512`: the algorithms beyond AES-CCM and
//! HMAC with SHA-256. `issue`: tokens are built; needs `alloc`, for hosts.
//!
//! **Memory.** No heap without `issue`. The buffer must hold the ciphertext of an encrypted token; signed and MACed tokens
//! are read in place. The header of a token may have up to [`MAX_PROTECTED`] protected bytes.
//!
//! **Panics.** None.
//!
//! **Caveats.** The buffer given to [`open`] holds the proof-of-possession key until the caller wipes it: take a
//! [`Secret`](ace_crypto::Secret) for it, as above.
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

#[cfg(feature = "issue")]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod derive;
mod error;
#[cfg(feature = "issue")]
pub mod issue;
mod key;
mod open;
mod validate;

pub use derive::{DERIVED_PSK, derive_psk};
pub use error::TokenError;
pub use key::{KeySource, TokenKey, TrustedKey};
pub use open::{
    Layer, MAX_LAYERS, MAX_PROTECTED, Opened, Protection, open, open_encrypted_key, open_layer,
};
pub use validate::{ClaimError, Validation};
