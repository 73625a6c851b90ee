//! SHA-256, and HMAC by COSE number (RFC 9053, section 3.1).

use hmac::{
    EagerHash, Hmac, KeyInit, Mac as _,
    digest::{FixedOutput, Key, Output},
};
use sha2::Digest;
use zeroize::Zeroize;

use crate::CryptoError;

/// HMAC of the COSE algorithm registry. Keys may be of any length.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i8)]
pub enum Mac {
    /// HMAC with SHA-256, cut to 8 bytes.
    HmacSha256_64 = 4,
    /// HMAC with SHA-256; tag 32 bytes.
    HmacSha256 = 5,
    /// HMAC with SHA-384; tag 48 bytes.
    #[cfg(feature = "sha512")]
    HmacSha384 = 6,
    /// HMAC with SHA-512; tag 64 bytes.
    #[cfg(feature = "sha512")]
    HmacSha512 = 7,
}

impl Mac {
    /// Longest tag of any MAC here, in bytes.
    pub const MAX_TAG_LEN: usize = 64;

    /// The MAC with this COSE number, if it is built in.
    #[must_use]
    pub const fn from_cose(number: i64) -> Option<Self> {
        Some(match number {
            4 => Self::HmacSha256_64,
            5 => Self::HmacSha256,
            #[cfg(feature = "sha512")]
            6 => Self::HmacSha384,
            #[cfg(feature = "sha512")]
            7 => Self::HmacSha512,
            _ => return None,
        })
    }

    /// The COSE algorithm number.
    #[must_use]
    pub const fn cose(self) -> i64 {
        self as i8 as i64
    }

    /// The name in the COSE algorithm registry.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HmacSha256_64 => "HMAC 256/64",
            Self::HmacSha256 => "HMAC 256/256",
            #[cfg(feature = "sha512")]
            Self::HmacSha384 => "HMAC 384/384",
            #[cfg(feature = "sha512")]
            Self::HmacSha512 => "HMAC 512/512",
        }
    }

    /// Length of the tag in bytes: 8, 32, 48 or 64.
    #[must_use]
    pub const fn tag_len(self) -> usize {
        match self {
            Self::HmacSha256_64 => 8,
            Self::HmacSha256 => 32,
            #[cfg(feature = "sha512")]
            Self::HmacSha384 => 48,
            #[cfg(feature = "sha512")]
            Self::HmacSha512 => 64,
        }
    }

    /// Writes the tag over the concatenated `parts` to the start of `out` and returns its length.
    ///
    /// # Errors
    /// [`BufferTooSmall`](CryptoError::BufferTooSmall).
    pub fn compute(
        self,
        key: &[u8],
        parts: &[&[u8]],
        out: &mut [u8],
    ) -> Result<usize, CryptoError> {
        let len = self.tag_len();
        let out = out.get_mut(..len).ok_or(CryptoError::BufferTooSmall)?;
        match self {
            Self::HmacSha256_64 | Self::HmacSha256 => cut::<sha2::Sha256>(key, parts, out),
            #[cfg(feature = "sha512")]
            Self::HmacSha384 => cut::<sha2::Sha384>(key, parts, out),
            #[cfg(feature = "sha512")]
            Self::HmacSha512 => cut::<sha2::Sha512>(key, parts, out),
        }
        Ok(len)
    }

    /// Checks the tag over the concatenated `parts`, in constant time.
    ///
    /// # Errors
    /// [`Verification`](CryptoError::Verification), also for a tag of another length.
    pub fn verify(self, key: &[u8], parts: &[&[u8]], tag: &[u8]) -> Result<(), CryptoError> {
        let mut expected = [0; Self::MAX_TAG_LEN];
        let len = self.compute(key, parts, &mut expected)?;
        let same = crate::ct_eq(expected.get(..len).unwrap_or(&[]), tag);
        expected.zeroize();
        if same {
            Ok(())
        } else {
            Err(CryptoError::Verification)
        }
    }
}

/// SHA-256 over bytes that come piece by piece. A clone taken on the way gives the hash of what came so far.
///
/// ```
/// use ace_crypto::{Sha256, sha256};
/// let mut hash = Sha256::new();
/// hash.update(b"hello ");
/// let so_far = hash.clone().finish();
/// hash.update(b"world");
/// assert_eq!(so_far, sha256(&[b"hello "]));
/// assert_eq!(hash.finish(), sha256(&[b"hello world"]));
/// ```
#[derive(Clone, Default)]
pub struct Sha256(sha2::Sha256);

impl Sha256 {
    /// Length of the hash, in bytes.
    pub const LEN: usize = 32;

    /// The hash of nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        Digest::update(&mut self.0, bytes);
    }

    /// The hash of all that was taken in.
    #[must_use]
    pub fn finish(self) -> [u8; Self::LEN] {
        self.0.finalize().into()
    }
}

impl core::fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Sha256(..)")
    }
}

/// SHA-256 over the concatenated `parts`.
#[must_use]
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finish()
}

/// HMAC with SHA-256 over the concatenated `parts`; 32 bytes.
#[must_use]
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut out = [0; 32];
    cut::<sha2::Sha256>(key, parts, &mut out);
    out
}

/// HMAC over the concatenated `parts`, in full.
pub(crate) fn hmac<D: EagerHash>(key: &[u8], parts: &[&[u8]], out: &mut Output<Hmac<D>>) {
    let mut mac = keyed::<D>(key);
    for part in parts {
        mac.update(part);
    }
    mac.finalize_into(out);
}

/// HMAC ready to take the text. Pads the key itself, since `new_from_slice` has an error that cannot happen.
// RFC 2104, 2
pub(crate) fn keyed<D: EagerHash>(key: &[u8]) -> Hmac<D> {
    let mut block = Key::<Hmac<D>>::default();
    if key.len() <= block.len() {
        copy(key, &mut block);
    } else {
        let mut hash = D::digest(key);
        copy(&hash, &mut block);
        hash.as_mut_slice().zeroize();
    }
    let mac = Hmac::<D>::new(&block);
    block.as_mut_slice().zeroize();
    mac
}

/// The first bytes of an HMAC, as many as `out` holds.
fn cut<D: EagerHash>(key: &[u8], parts: &[&[u8]], out: &mut [u8]) {
    let mut full = Output::<Hmac<D>>::default();
    hmac::<D>(key, parts, &mut full);
    copy(&full, out);
    full.as_mut_slice().zeroize();
}

/// Copies as many bytes as both have.
pub(crate) fn copy(from: &[u8], to: &mut [u8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}
