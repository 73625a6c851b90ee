//! Public keys and ECDSA signatures in DER, as TLS carries them. Each key has one encoding only, so a fixed prefix tells it.

use crate::{CryptoError, VerifyingKey, hash::copy};

/// SubjectPublicKeyInfo of a point on P-256, up to its x: id-ecPublicKey, secp256r1, uncompressed.
// RFC 5480, 2.1.1 and 2.2
#[cfg(feature = "es256")]
const P256_PREFIX: [u8; 27] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];

/// SubjectPublicKeyInfo of an Ed25519 key, up to the key: id-Ed25519, no parameters.
// RFC 8410, 3 and 4
#[cfg(feature = "eddsa")]
const ED25519_PREFIX: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

impl VerifyingKey {
    /// Longest SubjectPublicKeyInfo of any key here, in bytes.
    pub const MAX_SPKI_LEN: usize = 91;

    /// Length of the SubjectPublicKeyInfo in bytes: 91 (P-256) or 44 (Ed25519).
    #[must_use]
    pub const fn spki_len(&self) -> usize {
        match self {
            #[cfg(feature = "es256")]
            Self::P256(_) => P256_PREFIX.len() + 64,
            #[cfg(feature = "eddsa")]
            Self::Ed25519(_) => ED25519_PREFIX.len() + 32,
        }
    }

    /// Writes the DER of the SubjectPublicKeyInfo to the start of `out` and returns its length.
    ///
    /// # Errors
    /// [`BufferTooSmall`](CryptoError::BufferTooSmall).
    pub fn to_spki(&self, out: &mut [u8]) -> Result<usize, CryptoError> {
        let x = self.x();
        match self {
            #[cfg(feature = "es256")]
            Self::P256(_) => write(&[&P256_PREFIX, &x, &self.y().unwrap_or_default()], out),
            #[cfg(feature = "eddsa")]
            Self::Ed25519(_) => write(&[&ED25519_PREFIX, &x], out),
        }
    }

    /// The key from the DER of its SubjectPublicKeyInfo, and nothing behind it.
    ///
    /// # Errors
    /// [`Unsupported`](CryptoError::Unsupported) for another algorithm, curve or encoding (a compressed point among them);
    /// [`KeyLength`](CryptoError::KeyLength) for too few or too many bytes; [`InvalidKey`](CryptoError::InvalidKey) for a
    /// point off the curve or of small order.
    pub fn from_spki(der: &[u8]) -> Result<Self, CryptoError> {
        #[cfg(feature = "es256")]
        if let Some(point) = der.strip_prefix(&P256_PREFIX) {
            let (x, y) = point.split_at_checked(32).ok_or(CryptoError::KeyLength)?;
            return Self::p256(x, crate::Y::Coordinate(y));
        }
        #[cfg(feature = "eddsa")]
        if let Some(key) = der.strip_prefix(&ED25519_PREFIX) {
            return Self::ed25519(key);
        }
        Err(CryptoError::Unsupported)
    }
}

/// The `kid` by which this stack names a public key: the first 8 bytes of the SHA-256 of its SubjectPublicKeyInfo.
///
/// RFC 9202, 4 leaves to the parties how a key is named; a hash needs no agreement between them.
#[must_use]
pub fn key_id(key: &VerifyingKey) -> [u8; 8] {
    let mut spki = [0; VerifyingKey::MAX_SPKI_LEN];
    let len = key.to_spki(&mut spki).unwrap_or_default();
    let mut id = [0; 8];
    copy(
        &crate::sha256(&[spki.get(..len).unwrap_or_default()]),
        &mut id,
    );
    id
}

/// Longest DER of an ECDSA signature with P-256, in bytes.
#[cfg(feature = "es256")]
pub const MAX_DER_SIGNATURE_LEN: usize = 72;

/// Writes an ES256 signature, r and s side by side, as the DER of ECDSA-Sig-Value to the start of `out` and returns its length:
/// at most [`MAX_DER_SIGNATURE_LEN`].
///
/// # Errors
/// [`BufferTooSmall`](CryptoError::BufferTooSmall).
// RFC 8422, 5.4
#[cfg(feature = "es256")]
pub fn signature_to_der(signature: &[u8; 64], out: &mut [u8]) -> Result<usize, CryptoError> {
    let (r, s) = signature.split_at(32);
    let mut body = [0; MAX_DER_SIGNATURE_LEN - 2];
    let first = write_integer(r, &mut body)?;
    let second = write_integer(s, body.get_mut(first..).unwrap_or_default())?;
    let len = first + second;
    let body = body.get(..len).unwrap_or_default();
    write(&[&[0x30, len as u8], body], out)
}

/// An ES256 signature, r and s side by side, from the DER of ECDSA-Sig-Value. Whether r and s are in range is for
/// [`VerifyingKey::verify`] to say.
///
/// # Errors
/// [`Verification`](CryptoError::Verification) for anything but the one shortest encoding of two non-negative integers of up to
/// 256 bits.
// RFC 8422, 5.4
#[cfg(feature = "es256")]
pub fn signature_from_der(der: &[u8]) -> Result<[u8; 64], CryptoError> {
    read_signature(der).ok_or(CryptoError::Verification)
}

#[cfg(feature = "es256")]
fn read_signature(der: &[u8]) -> Option<[u8; 64]> {
    let mut signature = [0; 64];
    let (r, s) = signature.split_at_mut(32);
    let (sequence, rest) = element(0x30, der)?;
    let (first, second) = element(0x02, sequence)?;
    let (second, behind) = element(0x02, second)?;
    read_integer(first, r)?;
    read_integer(second, s)?;
    (rest.is_empty() && behind.is_empty()).then_some(signature)
}

/// The content of the element with this tag at the start of `der`, and what comes behind it. Lengths of 128 and more do not occur.
#[cfg(feature = "es256")]
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&[found, len], rest) = der.split_first_chunk()?;
    (found == tag && len < 0x80)
        .then(|| rest.split_at_checked(len.into()))
        .flatten()
}

/// Puts the content of an INTEGER at the end of `out`, which is zero.
#[cfg(feature = "es256")]
fn read_integer(content: &[u8], out: &mut [u8]) -> Option<()> {
    let digits = match content {
        // A sign byte must be needed.
        [0, digits @ ..] if digits.first().is_none_or(|&digit| digit >= 0x80) => digits,
        [first, ..] if (1..0x80).contains(first) => content,
        _ => return None,
    };
    let room = out
        .len()
        .checked_sub(digits.len())
        .and_then(|start| out.get_mut(start..))?;
    copy(digits, room);
    Some(())
}

/// Writes an INTEGER of these 32 bytes, most significant first, and returns its length.
#[cfg(feature = "es256")]
fn write_integer(bytes: &[u8], out: &mut [u8]) -> Result<usize, CryptoError> {
    let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
    let digits = bytes.get(zeros..).unwrap_or_default();
    let positive = digits.first().is_some_and(|&digit| digit < 0x80);
    let sign: &[u8] = if positive { &[] } else { &[0] };
    let len = sign.len() + digits.len();
    write(&[&[0x02, len as u8], sign, digits], out)
}

/// Writes the concatenated `parts` to the start of `out` and returns their length.
fn write(parts: &[&[u8]], out: &mut [u8]) -> Result<usize, CryptoError> {
    let len = parts.iter().map(|part| part.len()).sum();
    let mut rest = out.get_mut(..len).ok_or(CryptoError::BufferTooSmall)?;
    for part in parts {
        let (place, behind) = rest
            .split_at_mut_checked(part.len())
            .ok_or(CryptoError::BufferTooSmall)?;
        copy(part, place);
        rest = behind;
    }
    Ok(len)
}
