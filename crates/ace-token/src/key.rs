//! The keys of the authorization servers that a resource server trusts.

use ace_crypto::{Aead, Mac};
#[cfg(any(feature = "es256", feature = "eddsa"))]
use ace_wire::cose::curve;
use ace_wire::cose::{CoseKey, KeyType, algorithm_number};

use crate::TokenError;

/// A key that opens tokens, bound to the one algorithm it is for. `Debug` does not show it.
#[derive(Clone, Copy)]
pub enum TokenKey<'a> {
    /// For COSE_Encrypt0.
    Aead(Aead, &'a [u8]),
    /// For COSE_Mac0.
    Mac(Mac, &'a [u8]),
    /// For COSE_Sign1.
    #[cfg(any(feature = "es256", feature = "eddsa"))]
    Verify(ace_crypto::VerifyingKey),
}

impl<'a> TokenKey<'a> {
    /// The key in a COSE_Key. `alg` is needed for symmetric keys, and checked wherever it stands; so are the length and,
    /// if present, `key_ops` (RFC 9052, 7.1).
    ///
    /// # Errors
    /// [`TokenError::KeyMismatch`] for a key that no token here can be opened with.
    pub fn from_cose_key(key: &CoseKey<'a>) -> Result<Self, TokenError> {
        let algorithm = key.alg.and_then(algorithm_number);
        let found = match (key.kty, key.k, algorithm) {
            (KeyType::Symmetric, Some(k), Some(number)) => symmetric(k, number),
            (KeyType::Symmetric, ..) => None,
            _ => public(key)
                .filter(|found| key.alg.is_none() || Some(found.algorithm()) == algorithm),
        };
        let found = found.ok_or(TokenError::KeyMismatch)?;
        // RFC 9052, Table 5: decrypt, MAC verify, verify
        let operation = match found {
            Self::Aead(..) => 4,
            Self::Mac(..) => 10,
            #[cfg(any(feature = "es256", feature = "eddsa"))]
            Self::Verify(_) => 2,
        };
        match key.key_ops {
            Some(allowed) if !allowed.contains(operation) => Err(TokenError::KeyMismatch),
            _ => Ok(found),
        }
    }

    /// The COSE number of the algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> i64 {
        match self {
            Self::Aead(aead, _) => aead.cose(),
            Self::Mac(mac, _) => mac.cose(),
            #[cfg(any(feature = "es256", feature = "eddsa"))]
            Self::Verify(key) => key.algorithm().cose(),
        }
    }
}

impl core::fmt::Debug for TokenKey<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Aead(aead, _) => write!(f, "Aead({aead:?}, ..)"),
            Self::Mac(mac, _) => write!(f, "Mac({mac:?}, ..)"),
            #[cfg(any(feature = "es256", feature = "eddsa"))]
            Self::Verify(key) => f.debug_tuple("Verify").field(key).finish(),
        }
    }
}

fn symmetric(k: &[u8], algorithm: i64) -> Option<TokenKey<'_>> {
    if let Some(aead) = Aead::from_cose(algorithm) {
        return (k.len() == aead.key_len()).then_some(TokenKey::Aead(aead, k));
    }
    // RFC 9053, 3.1: HMAC takes a key of any length, though not none.
    Mac::from_cose(algorithm)
        .filter(|_| !k.is_empty())
        .map(|mac| TokenKey::Mac(mac, k))
}

fn public<'a>(key: &CoseKey<'a>) -> Option<TokenKey<'a>> {
    match (key.kty, key.crv, key.x, key.y) {
        #[cfg(feature = "es256")]
        (KeyType::Ec2, Some(curve::P_256), Some(x), Some(y)) => {
            let y = match y {
                ace_wire::cose::Y::Bytes(y) => ace_crypto::Y::Coordinate(y),
                ace_wire::cose::Y::Sign(sign) => ace_crypto::Y::Sign(sign),
            };
            ace_crypto::VerifyingKey::p256(x, y)
                .ok()
                .map(TokenKey::Verify)
        }
        #[cfg(feature = "eddsa")]
        (KeyType::Okp, Some(curve::ED25519), Some(x), _) => ace_crypto::VerifyingKey::ed25519(x)
            .ok()
            .map(TokenKey::Verify),
        _ => None,
    }
}

/// Where [`open`](crate::open) finds the key of a token.
pub trait KeySource {
    /// The key for this `kid` and COSE algorithm, and the issuer it belongs to, who alone has the right to issue with it.
    ///
    /// `kid` is `None` for a token without one. Whatever is returned, a token whose algorithm is not that of the key is
    /// refused.
    fn find(&self, kid: Option<&[u8]>, algorithm: i64) -> Option<(TokenKey<'_>, &str)>;
}

/// One entry of the simplest [`KeySource`], a slice.
#[derive(Debug, Clone, Copy)]
pub struct TrustedKey<'a> {
    /// The `kid` that tokens carry; `None` is for tokens without one.
    pub kid: Option<&'a [u8]>,
    /// The `iss` of the authorization server.
    pub issuer: &'a str,
    /// Its key.
    pub key: TokenKey<'a>,
}

/// The first entry with the same `kid` and algorithm.
impl KeySource for [TrustedKey<'_>] {
    fn find(&self, kid: Option<&[u8]>, algorithm: i64) -> Option<(TokenKey<'_>, &str)> {
        self.iter()
            .find(|trusted| trusted.kid == kid && trusted.key.algorithm() == algorithm)
            .map(|trusted| (trusted.key, trusted.issuer))
    }
}

impl<const N: usize> KeySource for [TrustedKey<'_>; N] {
    fn find(&self, kid: Option<&[u8]>, algorithm: i64) -> Option<(TokenKey<'_>, &str)> {
        self.as_slice().find(kid, algorithm)
    }
}
