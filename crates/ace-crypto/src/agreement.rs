//! Diffie-Hellman over the named groups of TLS: secp256r1 and X25519 (RFC 8422, section 5).

use crate::{CryptoError, CryptoRng, Secret, hash::copy};

/// A group in which two sides agree on a secret, by its number among the TLS supported groups.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum KeyAgreement {
    /// ECDH on P-256; public keys are uncompressed points.
    #[cfg(feature = "es256")]
    Secp256r1 = 23,
    /// X25519 (RFC 7748).
    #[cfg(feature = "eddsa")]
    X25519 = 29,
}

impl KeyAgreement {
    /// Longest public key of any group here, in bytes.
    pub const MAX_PUBLIC_KEY_LEN: usize = 65;

    /// The group with this number, if it is built in.
    #[must_use]
    pub const fn from_named_group(number: u16) -> Option<Self> {
        match number {
            #[cfg(feature = "es256")]
            23 => Some(Self::Secp256r1),
            #[cfg(feature = "eddsa")]
            29 => Some(Self::X25519),
            _ => None,
        }
    }

    /// The number among the TLS supported groups.
    #[must_use]
    pub const fn named_group(self) -> u16 {
        self as u16
    }

    /// The name among the TLS supported groups.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            #[cfg(feature = "es256")]
            Self::Secp256r1 => "secp256r1",
            #[cfg(feature = "eddsa")]
            Self::X25519 => "x25519",
        }
    }

    /// Length of a public key in bytes: 65 or 32.
    #[must_use]
    pub const fn public_key_len(self) -> usize {
        match self {
            #[cfg(feature = "es256")]
            Self::Secp256r1 => 65,
            #[cfg(feature = "eddsa")]
            Self::X25519 => 32,
        }
    }
}

/// The public key that goes to the other side, as its bytes.
#[derive(Clone, Copy)]
pub struct KeyShare {
    bytes: [u8; KeyAgreement::MAX_PUBLIC_KEY_LEN],
    len: usize,
}

impl KeyShare {
    fn new(bytes: &[u8]) -> Self {
        let mut share = Self {
            bytes: [0; KeyAgreement::MAX_PUBLIC_KEY_LEN],
            len: bytes.len(),
        };
        copy(bytes, &mut share.bytes);
        share
    }

    /// 65 bytes, the uncompressed point, on secp256r1; 32 bytes with X25519.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }
}

impl core::fmt::Debug for KeyShare {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("KeyShare").field(&self.as_bytes()).finish()
    }
}

/// A private key for one agreement. Wiped on drop; `Debug` shows the group only.
///
/// ```
/// # struct Os;
/// # impl ace_crypto::TryRng for Os {
/// #     type Error = core::convert::Infallible;
/// #     fn try_next_u32(&mut self) -> Result<u32, Self::Error> { Ok(4) }
/// #     fn try_next_u64(&mut self) -> Result<u64, Self::Error> { Ok(4) }
/// #     fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> { out.fill(4); Ok(()) }
/// # }
/// # impl ace_crypto::TryCryptoRng for Os {}
/// # let mut rng = Os;
/// # #[cfg(feature = "es256")] {
/// use ace_crypto::{EphemeralKey, KeyAgreement};
/// let (ours, theirs) = (
///     EphemeralKey::generate(KeyAgreement::Secp256r1, &mut rng),
///     EphemeralKey::generate(KeyAgreement::Secp256r1, &mut rng),
/// );
/// let (our_share, their_share) = (ours.public_key(), theirs.public_key());
/// assert_eq!(ours.agree(their_share.as_bytes())?, theirs.agree(our_share.as_bytes())?);
/// # }
/// # Ok::<(), ace_crypto::CryptoError>(())
/// ```
pub struct EphemeralKey(Private);

enum Private {
    #[cfg(feature = "es256")]
    Secp256r1(p256::SecretKey),
    #[cfg(feature = "eddsa")]
    X25519(x25519_dalek::StaticSecret),
}

impl EphemeralKey {
    /// A fresh key.
    pub fn generate(group: KeyAgreement, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self(match group {
            #[cfg(feature = "es256")]
            KeyAgreement::Secp256r1 => {
                use p256::elliptic_curve::Generate;
                Private::Secp256r1(p256::SecretKey::generate_from_rng(rng))
            }
            #[cfg(feature = "eddsa")]
            KeyAgreement::X25519 => {
                Private::X25519(x25519_dalek::StaticSecret::random_from_rng(rng))
            }
        })
    }

    /// The key from its 32 bytes: big-endian scalar (secp256r1) or the bytes that X25519 clamps. For known answers; a key
    /// that serves more than one agreement is not ephemeral.
    ///
    /// # Errors
    /// [`KeyLength`](CryptoError::KeyLength); [`InvalidKey`](CryptoError::InvalidKey) for a scalar out of range.
    pub fn from_bytes(group: KeyAgreement, bytes: &[u8]) -> Result<Self, CryptoError> {
        let bytes = <&[u8; 32]>::try_from(bytes).map_err(|_| CryptoError::KeyLength)?;
        match group {
            #[cfg(feature = "es256")]
            KeyAgreement::Secp256r1 => p256::SecretKey::from_bytes(bytes.into())
                .map(|key| Self(Private::Secp256r1(key)))
                .map_err(|_| CryptoError::InvalidKey),
            #[cfg(feature = "eddsa")]
            KeyAgreement::X25519 => Ok(Self(Private::X25519((*bytes).into()))),
        }
    }

    /// The group this key belongs to.
    #[must_use]
    pub const fn group(&self) -> KeyAgreement {
        match self.0 {
            #[cfg(feature = "es256")]
            Private::Secp256r1(_) => KeyAgreement::Secp256r1,
            #[cfg(feature = "eddsa")]
            Private::X25519(_) => KeyAgreement::X25519,
        }
    }

    /// The public key, for the other side. Costs one multiplication on the curve.
    #[must_use]
    pub fn public_key(&self) -> KeyShare {
        match &self.0 {
            #[cfg(feature = "es256")]
            Private::Secp256r1(key) => {
                use p256::elliptic_curve::sec1::ToSec1Point;
                KeyShare::new(key.public_key().to_sec1_point(false).as_bytes())
            }
            #[cfg(feature = "eddsa")]
            Private::X25519(key) => KeyShare::new(x25519_dalek::PublicKey::from(key).as_bytes()),
        }
    }

    /// The secret that this key and the other side's public key lead to: 32 bytes, the x coordinate of the common point.
    ///
    /// # Errors
    /// [`KeyLength`](CryptoError::KeyLength), also for a compressed point and the point at infinity;
    /// [`InvalidKey`](CryptoError::InvalidKey) for a point off the curve, and for X25519 when the result would be zero because
    /// the peer's point has small order.
    pub fn agree(self, peer_public: &[u8]) -> Result<Secret<32>, CryptoError> {
        if peer_public.len() != self.group().public_key_len() {
            return Err(CryptoError::KeyLength);
        }
        match self.0 {
            // RFC 8422, 5.4.1 and 5.11: the point is uncompressed and checked to be on the curve, whose order is prime.
            #[cfg(feature = "es256")]
            Private::Secp256r1(key) => {
                let peer = Some(peer_public)
                    .filter(|bytes| bytes.first() == Some(&4))
                    .and_then(|bytes| p256::PublicKey::from_sec1_bytes(bytes).ok())
                    .ok_or(CryptoError::InvalidKey)?;
                secret(key.diffie_hellman(&peer).raw_secret_bytes())
            }
            // RFC 7748, 6.1; RFC 8422, 5.11
            #[cfg(feature = "eddsa")]
            Private::X25519(key) => {
                let peer = <[u8; 32]>::try_from(peer_public).map_err(|_| CryptoError::KeyLength)?;
                let shared = key.diffie_hellman(&peer.into());
                if shared.was_contributory() {
                    secret(shared.as_bytes())
                } else {
                    Err(CryptoError::InvalidKey)
                }
            }
        }
    }
}

fn secret(bytes: &[u8]) -> Result<Secret<32>, CryptoError> {
    Secret::new(bytes).ok_or(CryptoError::KeyLength)
}

impl zeroize::ZeroizeOnDrop for EphemeralKey {}

impl core::fmt::Debug for EphemeralKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "EphemeralKey({}, ..)", self.group().name())
    }
}
