//! From the bytes of a token to its claims.
//!
//! Each layer goes the same way: COSE structure, key by `kid` and algorithm, verification, content. Content that begins
//! with a COSE tag is the next layer, otherwise it is the claims set (RFC 8392, 7.2).

use ace_crypto::CryptoError;
use ace_wire::{
    ace::Confirmation,
    cbor::{Kind, Reader},
    cose::{
        CoseKey, Message, TAG_CWT, TAG_ENCRYPT0, TAG_MAC0, TAG_SIGN1, algorithm_number,
        enc_structure, mac_structure,
    },
    cwt::ClaimsSet,
};

#[cfg(any(feature = "es256", feature = "eddsa"))]
use ace_wire::cose::sig_structure;

use crate::{KeySource, TokenError, TokenKey};

/// Most nested COSE structures in one token: signed, then encrypted.
pub const MAX_LAYERS: usize = 2;

/// Protected headers up to this many bytes are always taken.
pub const MAX_PROTECTED: usize = 128;

/// Additional data around the protected header: array, context, two lengths, empty external data.
const STRUCTURE: usize = MAX_PROTECTED + 24;

/// How a token was protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Protection {
    /// In COSE_Encrypt0.
    pub encrypted: bool,
    /// In COSE_Mac0.
    pub maced: bool,
    /// In COSE_Sign1.
    pub signed: bool,
}

/// A token whose protection verified. Nothing is said yet about its claims: see [`Validation`](crate::Validation).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened<'b> {
    /// The claims.
    pub claims: ClaimsSet<'b>,
    /// The authorization server whose key opened it; `iss`, if present, must say the same.
    pub issuer: &'b str,
    /// `kid` of the outermost structure.
    pub kid: Option<&'b [u8]>,
    /// The structures around the claims.
    pub protection: Protection,
}

/// Opens a token: COSE_Encrypt0, COSE_Mac0 or COSE_Sign1, or two of them nested (RFC 8392, 7.2), with or without the COSE
/// tag and the CWT tag.
///
/// `buffer` takes the plaintext of an encrypted token, and must be as long as its ciphertext (shorter than the token).
/// It holds keys afterwards: wipe it when the claims are no longer needed.
///
/// # Errors
/// See [`TokenError`]. After [`TokenError::Verification`] of an encrypted layer nothing of the plaintext is in `buffer`.
pub fn open<'b, K: KeySource + ?Sized>(
    token: &'b [u8],
    keys: &'b K,
    buffer: &'b mut [u8],
) -> Result<Opened<'b>, TokenError> {
    let mut buffer = Some(buffer);
    let mut protection = Protection::default();
    let mut outermost: Option<Layer<'b>> = None;
    let mut bytes = token;
    for _ in 0..MAX_LAYERS {
        let message = Message::parse(bytes)?;
        let layer = match message {
            Message::Encrypt0(_) => {
                protection.encrypted = true;
                layer(
                    &message,
                    keys,
                    buffer.take().ok_or(TokenError::TooManyLayers)?,
                )?
            }
            Message::Mac0(_) => {
                protection.maced = true;
                layer(&message, keys, &mut [])?
            }
            Message::Sign1(_) => {
                protection.signed = true;
                layer(&message, keys, &mut [])?
            }
        };
        let outer = *outermost.get_or_insert(layer);
        if outer.issuer != layer.issuer {
            return Err(TokenError::IssuerMismatch);
        }
        bytes = layer.content;
        if is_cose(bytes) {
            continue;
        }
        let claims = ClaimsSet::parse(bytes)?;
        // RFC 8747, 3.2; RFC 9203, 3.2
        if !protection.encrypted && claims.cnf.as_ref().is_some_and(holds_secret) {
            return Err(TokenError::SecretInClear);
        }
        let (issuer, kid) = (outer.issuer, outer.kid);
        return Ok(Opened {
            claims,
            issuer,
            kid,
            protection,
        });
    }
    Err(TokenError::TooManyLayers)
}

/// What was inside one COSE structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layer<'b> {
    /// Plaintext or payload.
    pub content: &'b [u8],
    /// Whose key verified it.
    pub issuer: &'b str,
    /// `kid` of the structure.
    pub kid: Option<&'b [u8]>,
}

/// Opens the outermost COSE structure alone, whatever is inside. `buffer` is used as by [`open`].
///
/// # Errors
/// See [`TokenError`].
pub fn open_layer<'b, K: KeySource + ?Sized>(
    bytes: &'b [u8],
    keys: &'b K,
    buffer: &'b mut [u8],
) -> Result<Layer<'b>, TokenError> {
    layer(&Message::parse(bytes)?, keys, buffer)
}

/// Opens the `Encrypted_COSE_Key` of a confirmation (RFC 8747, 3.3). `buffer` is used as by [`open`].
///
/// # Errors
/// See [`TokenError`]; COSE_Encrypt, with its recipients, is [`TokenError::Malformed`].
pub fn open_encrypted_key<'b, K: KeySource + ?Sized>(
    encrypted: &'b [u8],
    keys: &'b K,
    buffer: &'b mut [u8],
) -> Result<CoseKey<'b>, TokenError> {
    match Message::parse(encrypted)? {
        message @ Message::Encrypt0(_) => {
            Ok(CoseKey::parse(layer(&message, keys, buffer)?.content)?)
        }
        _ => Err(TokenError::Malformed(ace_wire::Error::WrongType)),
    }
}

fn layer<'b, K: KeySource + ?Sized>(
    message: &Message<'b>,
    keys: &'b K,
    buffer: &'b mut [u8],
) -> Result<Layer<'b>, TokenError> {
    let header = message.header();
    let algorithm = header
        .alg
        .and_then(algorithm_number)
        .ok_or(TokenError::MissingAlgorithm)?;
    let (key, issuer) = keys
        .find(header.kid, algorithm)
        .ok_or(TokenError::UnknownKey)?;
    // RFC 9052, 7.1: the key's algorithm is the token's.
    if key.algorithm() != algorithm {
        return Err(TokenError::KeyMismatch);
    }
    let mut structure = [0; STRUCTURE];
    let content = match (*message, key) {
        // RFC 9052, 5.3
        (Message::Encrypt0(message), TokenKey::Aead(aead, key)) => {
            let aad = enc_structure(message.protected, &[], &mut structure);
            let aad = written(&structure, aad)?;
            let nonce = header.iv.ok_or(TokenError::Nonce)?;
            let text = buffer
                .get_mut(..message.ciphertext.len())
                .ok_or(TokenError::BufferTooSmall)?;
            text.copy_from_slice(message.ciphertext);
            let len = aead.open(key, nonce, aad, text).map_err(refusal)?;
            text.get(..len).unwrap_or(&[])
        }
        // RFC 9052, 6.3
        (Message::Mac0(message), TokenKey::Mac(mac, key)) => {
            let len = message.payload.len();
            let head = mac_structure(message.protected, &[], len, &mut structure);
            let head = written(&structure, head)?;
            mac.verify(key, &[head, message.payload], message.tag)
                .map_err(refusal)?;
            message.payload
        }
        // RFC 9052, 4.4
        #[cfg(any(feature = "es256", feature = "eddsa"))]
        (Message::Sign1(message), TokenKey::Verify(key)) => {
            let len = message.payload.len();
            let head = sig_structure(message.protected, &[], len, &mut structure);
            let head = written(&structure, head)?;
            key.verify(&[head, message.payload], message.signature)
                .map_err(refusal)?;
            message.payload
        }
        _ => return Err(TokenError::KeyMismatch),
    };
    Ok(Layer {
        content,
        issuer,
        kid: header.kid,
    })
}

fn written(structure: &[u8], len: Result<usize, ace_wire::Error>) -> Result<&[u8], TokenError> {
    len.ok()
        .and_then(|len| structure.get(..len))
        .ok_or(TokenError::HeaderTooLong)
}

fn refusal(error: CryptoError) -> TokenError {
    match error {
        CryptoError::NonceLength => TokenError::Nonce,
        CryptoError::Verification => TokenError::Verification,
        _ => TokenError::KeyMismatch,
    }
}

/// Whether the content is a further COSE structure (RFC 8392, 7.2, step 6).
fn is_cose(content: &[u8]) -> bool {
    let mut reader = Reader::new(content);
    reader.kind() == Ok(Kind::Tag)
        && matches!(
            reader.tag(),
            Ok(TAG_ENCRYPT0 | TAG_MAC0 | TAG_SIGN1 | TAG_CWT)
        )
}

fn holds_secret(confirmation: &Confirmation<'_>) -> bool {
    match confirmation {
        Confirmation::CoseKey(key) => key.k.is_some(),
        Confirmation::Osc(material) => material.ms.is_some(),
        Confirmation::Kid(_) | Confirmation::EncryptedCoseKey(_) => false,
    }
}
