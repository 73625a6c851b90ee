//! The one seam between the ACE stack and cryptography.
//!
//! **What it does.** AEAD, HMAC, HKDF, hashes and signatures, each named by its COSE algorithm number, over byte
//! slices that the caller owns; and [`Secret`], the one type in which keys live. For DTLS 1.2 also key agreement, AES-CCM with a
//! 12-byte nonce, the PRF, and keys and signatures in DER. Behind it stand the RustCrypto and dalek crates.
//!
//! **What it does not.** No COSE structures (see `ace-wire`), no DTLS messages, no key storage, no randomness of its own: the caller
//! brings a [`CryptoRng`]. Nonces are the caller's business too; using one twice under a key breaks every AEAD here.
//!
//! **Covered.** RFC 9053, sections 2.1 (ES256), 2.2 (EdDSA with Ed25519), 3.1 (HMAC), 4.1 (AES-GCM), 4.2 (AES-CCM),
//! 4.3 (ChaCha20/Poly1305) and 5.1 (HKDF); RFC 5869; RFC 3610. RFC 5246, section 5 (PRF with SHA-256); RFC 6655, section 3
//! (AES-CCM); RFC 8422, sections 5.4, 5.10 and 5.11 (secp256r1, X25519, ECDSA signatures in DER); RFC 7748, section 6.1;
//! RFC 5480, section 2 and RFC 8410, section 4 (SubjectPublicKeyInfo).
//!
//! ```
//! use ace_crypto::{Aead, CryptoError};
//!
//! let (key, nonce) = ([7; 16], [9; 13]);
//! let mut buffer = [0; 32];
//! buffer[..5].copy_from_slice(b"22.5C");
//! let sealed = Aead::AesCcm16_64_128.seal(&key, &nonce, b"header", &mut buffer, 5)?;
//! assert_eq!(sealed, 5 + 8);
//!
//! let opened = Aead::AesCcm16_64_128.open(&key, &nonce, b"header", &mut buffer[..sealed])?;
//! assert_eq!(&buffer[..opened], b"22.5C");
//!
//! buffer[..5].copy_from_slice(b"22.5C");
//! let sealed = Aead::AesCcm16_64_128.seal(&key, &nonce, b"header", &mut buffer, 5)?;
//! let refused = Aead::AesCcm16_64_128.open(&key, &nonce, b"another", &mut buffer[..sealed]);
//! assert_eq!(refused, Err(CryptoError::Verification));
//! assert_eq!(buffer[..sealed], [0; 13]);
//! # Ok::<(), CryptoError>(())
//! ```
//!
//! **Features** (all on by default; one that is off takes its variants away and `from_cose` answers `None`):
//! `es256` (and secp256r1), `eddsa` (and X25519; without either there is no [`Signature`] and no [`KeyAgreement`]), `gcm`,
//! `chacha20poly1305`, `sha512` (HKDF and HMAC with SHA-384 and SHA-512), `aes256` (AES-CCM with a 256-bit key). AES-CCM with a
//! 128-bit key, HMAC, HKDF and the PRF with SHA-256 are always there. The small table-free AES is chosen at the final link:
//! `--cfg aes_backend="soft" --cfg aes_backend_soft="compact"`.
//!
//! **Memory.** `no_std`, no heap. Key schedules live on the stack for one call (up to 1 KiB with the bit-sliced software AES).
//!
//! **Panics.** None.
//!
//! **Caveats.** Keys, key schedules, hash states and derived blocks are wiped after use, but the compiler may have left copies in
//! registers or spilled to the stack. A tag that fails costs the same time wherever it differs.
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

// Named for its feature alone: see Cargo.toml.
#[cfg(feature = "gcm")]
use ctr as _;

mod aead;
#[cfg(any(feature = "es256", feature = "eddsa"))]
mod agreement;
mod ccm;
#[cfg(any(feature = "es256", feature = "eddsa"))]
mod der;
mod hash;
mod hkdf;
mod secret;
#[cfg(any(feature = "es256", feature = "eddsa"))]
mod signature;
mod tls;

pub use aead::Aead;
#[cfg(any(feature = "es256", feature = "eddsa"))]
pub use agreement::{EphemeralKey, KeyAgreement, KeyShare};
#[cfg(any(feature = "es256", feature = "eddsa"))]
pub use der::key_id;
#[cfg(feature = "es256")]
pub use der::{MAX_DER_SIGNATURE_LEN, signature_from_der, signature_to_der};
pub use hash::{Mac, Sha256, hmac_sha256, sha256};
pub use hkdf::Hkdf;
/// The randomness of the whole stack: a generator that cannot fail. A board implements [`TryRng`] and [`TryCryptoRng`] with the
/// error `Infallible`, and resets rather than give weak bytes.
pub use rand_core::{CryptoRng, TryCryptoRng, TryRng};
pub use secret::Secret;
#[cfg(feature = "es256")]
pub use signature::Y;
#[cfg(any(feature = "es256", feature = "eddsa"))]
pub use signature::{Signature, SigningKey, VerifyingKey};
pub use tls::{TlsAead, tls12_prf_sha256};

/// Why a cryptographic operation was refused.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CryptoError {
    /// The algorithm is not built in, or does not do what was asked.
    Unsupported,
    /// The key is not as long as the algorithm demands.
    KeyLength,
    /// The nonce is not as long as the algorithm demands.
    NonceLength,
    /// The output does not fit the buffer.
    BufferTooSmall,
    /// The text is longer than the algorithm can protect under one nonce, or the output asked of a KDF is too long.
    TooLong,
    /// The bytes are not a key of this kind: no point on the curve, a point of small order, or no scalar in range.
    InvalidKey,
    /// The tag or signature does not verify.
    Verification,
}

impl core::fmt::Display for CryptoError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Unsupported => "algorithm not supported",
            Self::KeyLength => "key of the wrong length",
            Self::NonceLength => "nonce of the wrong length",
            Self::BufferTooSmall => "buffer too small",
            Self::TooLong => "text or output too long for the algorithm",
            Self::InvalidKey => "not a key of this kind",
            Self::Verification => "tag or signature does not verify",
        })
    }
}

impl core::error::Error for CryptoError {}

/// Compares without telling by its duration where the two differ; lengths are not secret.
#[must_use]
pub fn ct_eq(a: &[u8], b: &[u8]) -> bool {
    use subtle::ConstantTimeEq;
    a.ct_eq(b).into()
}
