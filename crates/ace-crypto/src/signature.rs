//! Signatures by COSE number: ES256 and EdDSA with Ed25519 (RFC 9053, section 2).

use crate::{CryptoError, CryptoRng, Secret};

/// A signature algorithm of the COSE algorithm registry. Signatures are 64 bytes: r and s side by side for ES256,
/// R and S for Ed25519.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i8)]
pub enum Signature {
    /// ECDSA with P-256 and SHA-256.
    #[cfg(feature = "es256")]
    Es256 = -7,
    /// EdDSA; with Ed25519 the only curve here.
    #[cfg(feature = "eddsa")]
    EdDsa = -8,
}

impl Signature {
    /// Length of every signature here, in bytes.
    pub const LEN: usize = 64;

    /// The signature algorithm with this COSE number, if it is built in.
    #[must_use]
    pub const fn from_cose(number: i64) -> Option<Self> {
        match number {
            #[cfg(feature = "es256")]
            -7 => Some(Self::Es256),
            #[cfg(feature = "eddsa")]
            -8 => Some(Self::EdDsa),
            _ => None,
        }
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
            #[cfg(feature = "es256")]
            Self::Es256 => "ES256",
            #[cfg(feature = "eddsa")]
            Self::EdDsa => "EdDSA",
        }
    }
}

/// The y of a point on P-256, whole or as its sign (RFC 9053, section 7.1.1).
#[cfg(feature = "es256")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Y<'a> {
    /// The coordinate, 32 bytes.
    Coordinate(&'a [u8]),
    /// The lowest bit of the coordinate: `true` when it is odd.
    Sign(bool),
}

/// A public key for signatures, checked to be one.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerifyingKey {
    /// A point on P-256, not the one at infinity.
    #[cfg(feature = "es256")]
    P256(p256::ecdsa::VerifyingKey),
    /// A point on Ed25519, not of small order.
    #[cfg(feature = "eddsa")]
    Ed25519(ed25519_dalek::VerifyingKey),
}

impl VerifyingKey {
    /// The key from the coordinates of its point; x is 32 bytes.
    ///
    /// # Errors
    /// [`KeyLength`](CryptoError::KeyLength); [`InvalidKey`](CryptoError::InvalidKey) for a point off the curve.
    #[cfg(feature = "es256")]
    pub fn p256(x: &[u8], y: Y<'_>) -> Result<Self, CryptoError> {
        let x = <&[u8; 32]>::try_from(x).map_err(|_| CryptoError::KeyLength)?;
        let point = match y {
            Y::Coordinate(y) => {
                let y = <&[u8; 32]>::try_from(y).map_err(|_| CryptoError::KeyLength)?;
                p256::Sec1Point::from_affine_coordinates(x.into(), y.into(), false)
            }
            Y::Sign(odd) => {
                let mut compressed = [2 + u8::from(odd); 33];
                crate::hash::copy(x, compressed.split_at_mut(1).1);
                p256::Sec1Point::from_bytes(compressed).map_err(|_| CryptoError::InvalidKey)?
            }
        };
        p256::ecdsa::VerifyingKey::from_sec1_point(&point)
            .map(Self::P256)
            .map_err(|_| CryptoError::InvalidKey)
    }

    /// The key from its 32 bytes (RFC 8032, section 5.1.2).
    ///
    /// # Errors
    /// [`KeyLength`](CryptoError::KeyLength); [`InvalidKey`](CryptoError::InvalidKey) for bytes that are no point, or a
    /// point of small order, for which a signature says nothing about the message.
    #[cfg(feature = "eddsa")]
    pub fn ed25519(bytes: &[u8]) -> Result<Self, CryptoError> {
        let bytes = <&[u8; 32]>::try_from(bytes).map_err(|_| CryptoError::KeyLength)?;
        ed25519_dalek::VerifyingKey::from_bytes(bytes)
            .ok()
            .filter(|key| !key.is_weak())
            .map(Self::Ed25519)
            .ok_or(CryptoError::InvalidKey)
    }

    /// The one algorithm this key verifies.
    #[must_use]
    pub const fn algorithm(&self) -> Signature {
        match self {
            #[cfg(feature = "es256")]
            Self::P256(_) => Signature::Es256,
            #[cfg(feature = "eddsa")]
            Self::Ed25519(_) => Signature::EdDsa,
        }
    }

    /// The x of a COSE_Key: the coordinate on P-256, the whole key on Ed25519.
    #[must_use]
    pub fn x(&self) -> [u8; 32] {
        match self {
            #[cfg(feature = "es256")]
            Self::P256(key) => {
                let point = key.to_sec1_point(false);
                let mut x = [0; 32];
                crate::hash::copy(point.x().map_or(&[], |x| x.as_slice()), &mut x);
                x
            }
            #[cfg(feature = "eddsa")]
            Self::Ed25519(key) => key.to_bytes(),
        }
    }

    /// The y of a COSE_Key: the coordinate on P-256, nothing on Ed25519.
    #[must_use]
    pub fn y(&self) -> Option<[u8; 32]> {
        match self {
            #[cfg(feature = "es256")]
            Self::P256(key) => {
                let point = key.to_sec1_point(false);
                let mut y = [0; 32];
                crate::hash::copy(point.y()?.as_slice(), &mut y);
                Some(y)
            }
            #[cfg(feature = "eddsa")]
            Self::Ed25519(_) => None,
        }
    }

    /// Checks the signature over the concatenated `parts`.
    ///
    /// # Errors
    /// [`Verification`](CryptoError::Verification), also for a signature that is not 64 bytes.
    pub fn verify(&self, parts: &[&[u8]], signature: &[u8]) -> Result<(), CryptoError> {
        match self {
            #[cfg(feature = "es256")]
            Self::P256(key) => {
                use p256::ecdsa::signature::hazmat::PrehashVerifier;
                p256::ecdsa::Signature::from_slice(signature)
                    .and_then(|signature| key.verify_prehash(&crate::sha256(parts), &signature))
                    .map_err(|_| CryptoError::Verification)
            }
            #[cfg(feature = "eddsa")]
            Self::Ed25519(key) => {
                let mut verifier = ed25519_dalek::Signature::from_slice(signature)
                    .and_then(|signature| key.verify_stream(&signature))
                    .map_err(|_| CryptoError::Verification)?;
                for part in parts {
                    verifier.update(part);
                }
                verifier
                    .finalize_and_verify()
                    .map_err(|_| CryptoError::Verification)
            }
        }
    }
}

/// A private key for signatures. Wiped on drop; `Debug` shows the algorithm only.
#[non_exhaustive]
#[derive(Clone)]
pub enum SigningKey {
    /// A scalar of P-256.
    #[cfg(feature = "es256")]
    P256(p256::ecdsa::SigningKey),
    /// A seed of Ed25519.
    #[cfg(feature = "eddsa")]
    Ed25519(ed25519_dalek::SigningKey),
}

impl SigningKey {
    /// A fresh key.
    pub fn generate(algorithm: Signature, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        match algorithm {
            #[cfg(feature = "es256")]
            Signature::Es256 => {
                use p256::elliptic_curve::Generate;
                Self::P256(p256::ecdsa::SigningKey::generate_from_rng(rng))
            }
            #[cfg(feature = "eddsa")]
            Signature::EdDsa => {
                use zeroize::Zeroize;
                let mut seed = [0; 32];
                rng.fill_bytes(&mut seed);
                let key = ed25519_dalek::SigningKey::from_bytes(&seed);
                seed.zeroize();
                Self::Ed25519(key)
            }
        }
    }

    /// The key from the 32 bytes of `d` in a COSE_Key: scalar (P-256) or seed (Ed25519).
    ///
    /// # Errors
    /// [`KeyLength`](CryptoError::KeyLength); [`InvalidKey`](CryptoError::InvalidKey) for a scalar out of range.
    pub fn from_bytes(algorithm: Signature, bytes: &[u8]) -> Result<Self, CryptoError> {
        let bytes = <&[u8; 32]>::try_from(bytes).map_err(|_| CryptoError::KeyLength)?;
        match algorithm {
            #[cfg(feature = "es256")]
            Signature::Es256 => p256::ecdsa::SigningKey::from_slice(bytes)
                .map(Self::P256)
                .map_err(|_| CryptoError::InvalidKey),
            #[cfg(feature = "eddsa")]
            Signature::EdDsa => Ok(Self::Ed25519(ed25519_dalek::SigningKey::from_bytes(bytes))),
        }
    }

    /// The 32 bytes that [`from_bytes`](Self::from_bytes) takes.
    #[must_use]
    pub fn to_bytes(&self) -> Secret<32> {
        match self {
            #[cfg(feature = "es256")]
            Self::P256(key) => {
                use zeroize::Zeroize;
                let mut bytes = key.to_bytes();
                let mut secret = Secret::full([0; 32]);
                crate::hash::copy(&bytes, secret.as_mut_bytes());
                bytes.as_mut_slice().zeroize();
                secret
            }
            #[cfg(feature = "eddsa")]
            Self::Ed25519(key) => {
                let mut secret = Secret::full([0; 32]);
                crate::hash::copy(key.as_bytes(), secret.as_mut_bytes());
                secret
            }
        }
    }

    /// The one algorithm this key signs with.
    #[must_use]
    pub const fn algorithm(&self) -> Signature {
        match self {
            #[cfg(feature = "es256")]
            Self::P256(_) => Signature::Es256,
            #[cfg(feature = "eddsa")]
            Self::Ed25519(_) => Signature::EdDsa,
        }
    }

    /// Signs the concatenated `parts`. Both algorithms are deterministic (RFC 6979, RFC 8032).
    ///
    /// # Errors
    /// [`InvalidKey`](CryptoError::InvalidKey) if the library refuses the key; not seen with a key that was built.
    pub fn sign(&self, parts: &[&[u8]]) -> Result<[u8; Signature::LEN], CryptoError> {
        match self {
            #[cfg(feature = "es256")]
            Self::P256(key) => {
                use p256::ecdsa::signature::hazmat::PrehashSigner;
                let signature: p256::ecdsa::Signature = key
                    .sign_prehash(&crate::sha256(parts))
                    .map_err(|_| CryptoError::InvalidKey)?;
                Ok(signature.to_bytes().into())
            }
            #[cfg(feature = "eddsa")]
            Self::Ed25519(key) => {
                use ed25519_dalek::hazmat::{ExpandedSecretKey, raw_sign_byupdate};
                use sha2::{Digest, Sha512};
                raw_sign_byupdate::<Sha512, _>(
                    &ExpandedSecretKey::from(key.as_bytes()),
                    |hash| {
                        for part in parts {
                            Digest::update(hash, part);
                        }
                        Ok(())
                    },
                    &key.verifying_key(),
                )
                .map(|signature| signature.to_bytes())
                .map_err(|_| CryptoError::InvalidKey)
            }
        }
    }

    /// The public key.
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        match self {
            #[cfg(feature = "es256")]
            Self::P256(key) => VerifyingKey::P256(*key.verifying_key()),
            #[cfg(feature = "eddsa")]
            Self::Ed25519(key) => VerifyingKey::Ed25519(key.verifying_key()),
        }
    }
}

impl core::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "SigningKey({}, ..)", self.algorithm().name())
    }
}
