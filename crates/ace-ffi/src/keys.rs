#[cfg(feature = "rpk")]
use crate::ace_status::{self, ACE_ERR_KEY, ACE_ERR_UNSUPPORTED};

/// A raw public key on secp256r1, with ECDSA and SHA-256.
pub const ACE_P256: u8 = 0;
/// A raw public key on Ed25519.
pub const ACE_ED25519: u8 = 1;

/// The key in 32 bytes.
#[cfg(feature = "rpk")]
pub(crate) fn signing_key(curve: u8, bytes: &[u8]) -> Result<ace_crypto::SigningKey, ace_status> {
    let algorithm = match curve {
        ACE_P256 => ace_crypto::Signature::Es256,
        #[cfg(feature = "ed25519")]
        ACE_ED25519 => ace_crypto::Signature::EdDsa,
        _ => return Err(ACE_ERR_UNSUPPORTED),
    };
    ace_crypto::SigningKey::from_bytes(algorithm, bytes).map_err(|_| ACE_ERR_KEY)
}

/// The key in a SubjectPublicKeyInfo.
#[cfg(feature = "rpk")]
pub(crate) fn public_key(der: &[u8]) -> Result<ace_crypto::VerifyingKey, ace_status> {
    ace_crypto::VerifyingKey::from_spki(der).map_err(|_| ACE_ERR_KEY)
}
