//! Building tokens on the authorization server, with coset and ciborium.
//!
//! A token carries the COSE tag and no CWT tag; `kid` and IV stand in the unprotected header.
//!
//! Claims and plaintexts are wiped after use. One exception: the inside of a nested token passes through coset, which frees
//! its copies as they are.

mod claims;

use alloc::vec::Vec;

use ace_crypto::{Aead, CryptoError, CryptoRng, Mac, SigningKey};
use coset::{
    CoseEncrypt0Builder, CoseMac0Builder, CoseSign1Builder, HeaderBuilder, TaggedCborSerializable,
    iana::{Algorithm, EnumI64},
};
use zeroize::Zeroizing;

pub use claims::{Claims, Cnf, CoseKey, OscoreInputMaterial, Scope, Y};

/// Shortest nonce for which drawing at random keeps repetitions out of reach.
const RANDOM_NONCE: usize = 12;

/// The key a token is protected with. `Debug` does not show it.
#[derive(Clone, Copy)]
pub enum IssuingKey<'a> {
    /// Shared with the resource server: COSE_Encrypt0.
    Aead(Aead, &'a [u8]),
    /// Shared with the resource server: COSE_Mac0.
    Mac(Mac, &'a [u8]),
    /// The authorization server's own: COSE_Sign1.
    Sign(&'a SigningKey),
}

impl core::fmt::Debug for IssuingKey<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Aead(aead, _) => write!(f, "Aead({aead:?}, ..)"),
            Self::Mac(mac, _) => write!(f, "Mac({mac:?}, ..)"),
            Self::Sign(key) => f.debug_tuple("Sign").field(key).finish(),
        }
    }
}

/// Issues tokens under one key.
#[derive(Debug, Clone, Copy)]
pub struct Issuer<'a> {
    /// Put into the token for the resource server to find the key by.
    pub kid: Option<&'a [u8]>,
    /// The key.
    pub key: IssuingKey<'a>,
}

impl Issuer<'_> {
    /// A token with these claims. COSE_Encrypt0 gets a random nonce.
    ///
    /// # Errors
    /// [`IssueError::SecretInClear`] for a symmetric key among the claims when this key does not encrypt;
    /// [`IssueError::NonceTooShort`] when the AEAD's nonce is too short to be drawn at random;
    /// [`IssueError::Crypto`] when the key does not fit its algorithm.
    pub fn issue(
        &self,
        claims: &Claims,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Vec<u8>, IssueError> {
        self.check(claims)?;
        self.protect(&claims.to_cbor()?, &self.random_nonce(rng)?)
    }

    /// As [`issue`](Self::issue), with a nonce that the caller never used before under this key, such as a stored
    /// counter. Only for COSE_Encrypt0.
    ///
    /// # Errors
    /// As [`issue`](Self::issue); [`IssueError::Crypto`] for a nonce of the wrong length.
    pub fn issue_with_nonce(&self, claims: &Claims, nonce: &[u8]) -> Result<Vec<u8>, IssueError> {
        self.check(claims)?;
        self.protect(&claims.to_cbor()?, nonce)
    }

    /// A token signed (or MACed) by `inner` and then encrypted under this key (RFC 8392, A.6).
    ///
    /// # Errors
    /// As [`issue`](Self::issue); [`IssueError::Nesting`] unless the outer key encrypts and the inner one does not.
    pub fn issue_nested(
        &self,
        inner: &Issuer<'_>,
        claims: &Claims,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Vec<u8>, IssueError> {
        if !self.encrypts() || inner.encrypts() {
            return Err(IssueError::Nesting);
        }
        let signed = Zeroizing::new(inner.protect(&claims.to_cbor()?, &[])?);
        self.protect(&signed, &self.random_nonce(rng)?)
    }

    const fn encrypts(&self) -> bool {
        matches!(self.key, IssuingKey::Aead(..))
    }

    // RFC 8747, 3.2; RFC 9203, 3.2
    fn check(&self, claims: &Claims) -> Result<(), IssueError> {
        let secret = claims.cnf.as_ref().is_some_and(Cnf::is_secret);
        if secret && !self.encrypts() {
            return Err(IssueError::SecretInClear);
        }
        Ok(())
    }

    fn random_nonce(&self, rng: &mut (impl CryptoRng + ?Sized)) -> Result<Vec<u8>, IssueError> {
        let IssuingKey::Aead(aead, _) = self.key else {
            return Ok(Vec::new());
        };
        if aead.nonce_len() < RANDOM_NONCE {
            return Err(IssueError::NonceTooShort);
        }
        let mut nonce = alloc::vec![0; aead.nonce_len()];
        rng.fill_bytes(&mut nonce);
        Ok(nonce)
    }

    /// One COSE structure, tagged, around `content`.
    fn protect(&self, content: &[u8], nonce: &[u8]) -> Result<Vec<u8>, IssueError> {
        let algorithm = match self.key {
            IssuingKey::Aead(aead, _) => aead.cose(),
            IssuingKey::Mac(mac, _) => mac.cose(),
            IssuingKey::Sign(key) => key.algorithm().cose(),
        };
        let algorithm = Algorithm::from_i64(algorithm).ok_or(IssueError::Encoding)?;
        let protected = HeaderBuilder::new().algorithm(algorithm).build();
        let mut unprotected = HeaderBuilder::new();
        if let Some(kid) = self.kid {
            unprotected = unprotected.key_id(kid.to_vec());
        }
        match self.key {
            IssuingKey::Aead(aead, key) => CoseEncrypt0Builder::new()
                .protected(protected)
                .unprotected(unprotected.iv(nonce.to_vec()).build())
                .try_create_ciphertext(content, &[], |plaintext, aad| {
                    // Room for the tag from the start, so that no copy of the plaintext is left behind.
                    let mut text = Vec::with_capacity(plaintext.len() + aead.tag_len());
                    text.extend_from_slice(plaintext);
                    text.resize(plaintext.len() + aead.tag_len(), 0);
                    let mut text = Zeroizing::new(text);
                    aead.seal(key, nonce, aad, &mut text, plaintext.len())?;
                    Ok::<_, CryptoError>(core::mem::take(&mut *text))
                })?
                .build()
                .to_tagged_vec(),
            IssuingKey::Mac(mac, key) => CoseMac0Builder::new()
                .protected(protected)
                .unprotected(unprotected.build())
                .payload(content.to_vec())
                .try_create_tag(&[], |message| {
                    let mut tag = alloc::vec![0; mac.tag_len()];
                    mac.compute(key, &[message], &mut tag).map(|_| tag)
                })?
                .build()
                .to_tagged_vec(),
            IssuingKey::Sign(key) => CoseSign1Builder::new()
                .protected(protected)
                .unprotected(unprotected.build())
                .payload(content.to_vec())
                .try_create_signature(&[], |message| {
                    key.sign(&[message]).map(|signature| signature.to_vec())
                })?
                .build()
                .to_tagged_vec(),
        }
        .map_err(|_| IssueError::Encoding)
    }
}

/// Why a token was not issued.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssueError {
    /// A symmetric key may only go into an encrypted token (RFC 8747, 3.2; RFC 9203, 3.2).
    SecretInClear,
    /// The AEAD's nonce is too short to be drawn at random: count with
    /// [`issue_with_nonce`](Issuer::issue_with_nonce).
    NonceTooShort,
    /// Nesting is an inner key that signs or MACs and an outer one that encrypts.
    Nesting,
    /// The confirmation is of a kind that tokens here do not carry: an encrypted or private key, a key of unknown type,
    /// an algorithm by an unregistered name, or OSCORE material with unknown parameters.
    UnsupportedConfirmation,
    /// The key or nonce does not fit its algorithm.
    Crypto(CryptoError),
    /// The encoder refused.
    Encoding,
}

impl From<CryptoError> for IssueError {
    fn from(error: CryptoError) -> Self {
        Self::Crypto(error)
    }
}

impl core::fmt::Display for IssueError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::SecretInClear => "a symmetric key may only go into an encrypted token",
            Self::NonceTooShort => "the algorithm's nonce is too short to be drawn at random",
            Self::Nesting => "a nested token is signed or MACed inside and encrypted outside",
            Self::UnsupportedConfirmation => "not a confirmation that a token here can carry",
            Self::Crypto(error) => return write!(f, "the token key does not fit: {error}"),
            Self::Encoding => "the token could not be encoded",
        })
    }
}

impl core::error::Error for IssueError {}
