//! HKDF (RFC 5869) by COSE number, over HMAC.
//!
//! Written out here, because the pseudorandom key and every output block are key material and are wiped in this module; the
//! `hkdf` crate leaves them on the stack.

use hmac::{
    EagerHash, Hmac, Mac as _,
    digest::{FixedOutput, Output},
};
use sha2::Sha256;
use zeroize::Zeroize;

use crate::{
    CryptoError,
    hash::{copy, hmac, keyed},
};

/// HKDF of the COSE algorithm registry.
///
/// ```
/// let mut key = [0; 16];
/// ace_crypto::Hkdf::Sha256.derive(b"secret", b"salt", &[b"la", b"bel"], &mut key)?;
/// # Ok::<(), ace_crypto::CryptoError>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i8)]
pub enum Hkdf {
    /// HKDF with SHA-256. The default of OSCORE.
    Sha256 = -10,
    /// HKDF with SHA-512.
    #[cfg(feature = "sha512")]
    Sha512 = -11,
}

impl Hkdf {
    /// The HKDF with this COSE number, if it is built in. Reads direct+HKDF (-10, -11) as well as the HMAC below it
    /// (5, 7), because RFC 9203, 3.2.1 can be read either way.
    #[must_use]
    pub const fn from_cose(number: i64) -> Option<Self> {
        Some(match number {
            -10 | 5 => Self::Sha256,
            #[cfg(feature = "sha512")]
            -11 | 7 => Self::Sha512,
            _ => return None,
        })
    }

    /// The COSE number of direct+HKDF: -10 or -11.
    #[must_use]
    pub const fn cose(self) -> i64 {
        self as i8 as i64
    }

    /// The COSE number of the HMAC below it: 5 or 7.
    #[must_use]
    pub const fn hmac_cose(self) -> i64 {
        match self {
            Self::Sha256 => 5,
            #[cfg(feature = "sha512")]
            Self::Sha512 => 7,
        }
    }

    /// The name: `HKDF SHA-256` or `HKDF SHA-512`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "HKDF SHA-256",
            #[cfg(feature = "sha512")]
            Self::Sha512 => "HKDF SHA-512",
        }
    }

    /// Extracts from `ikm` and `salt`, then expands with the concatenated `info` until `out` is full.
    ///
    /// # Errors
    /// [`TooLong`](CryptoError::TooLong) when `out` is longer than 255 hashes.
    pub fn derive(
        self,
        ikm: &[u8],
        salt: &[u8],
        info: &[&[u8]],
        out: &mut [u8],
    ) -> Result<(), CryptoError> {
        match self {
            Self::Sha256 => derive::<Sha256>(ikm, salt, info, out),
            #[cfg(feature = "sha512")]
            Self::Sha512 => derive::<sha2::Sha512>(ikm, salt, info, out),
        }
    }
}

// RFC 5869, 2.2 and 2.3
fn derive<D: EagerHash>(
    ikm: &[u8],
    salt: &[u8],
    info: &[&[u8]],
    out: &mut [u8],
) -> Result<(), CryptoError> {
    let mut key = Output::<Hmac<D>>::default();
    let mut block = Output::<Hmac<D>>::default();
    if out.len() > 255 * block.len() {
        return Err(CryptoError::TooLong);
    }
    hmac::<D>(salt, &[ikm], &mut key);

    let mut previous: &[u8] = &[];
    for (number, chunk) in (1..=255u8).zip(out.chunks_mut(block.len())) {
        let mut mac = keyed::<D>(&key);
        mac.update(previous);
        for part in info {
            mac.update(part);
        }
        mac.update(&[number]);
        mac.finalize_into(&mut block);
        copy(&block, chunk);
        previous = chunk;
    }
    key.as_mut_slice().zeroize();
    block.as_mut_slice().zeroize();
    Ok(())
}
