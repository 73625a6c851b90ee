//! Pre-shared keys that are derived from a token instead of carried in it (RFC 9202, section 3.3.1).

use ace_crypto::{CryptoError, Hkdf, Secret};
use ace_wire::cbor::Writer;

/// Length of a derived key, in bytes.
pub const DERIVED_PSK: usize = 16;

/// Array of three, text of 28 characters, length, head of a byte string.
const MAX_INFO: usize = 1 + 2 + TYPE.len() + 1 + 9;

const TYPE: &str = "ACE-CoAP-DTLS-key-derivation";

/// The key that client and resource server share by this token: HKDF with SHA-256 over the key derivation key that authorization
/// server and resource server share, bound to the token as it was transferred.
///
/// # Errors
/// None that occur: the sizes are fixed.
// RFC 9202, 3.3.1: no salt; info is [type, L, access_token].
pub fn derive_psk(
    key_derivation_key: &[u8],
    access_token: &[u8],
) -> Result<Secret<DERIVED_PSK>, CryptoError> {
    let mut head = [0; MAX_INFO];
    let length = info_head(access_token.len(), &mut head);
    let length = length.map_err(|_| CryptoError::BufferTooSmall)?;
    let mut key = Secret::full([0; DERIVED_PSK]);
    let info = [head.get(..length).unwrap_or_default(), access_token];
    Hkdf::Sha256.derive(key_derivation_key, &[], &info, key.as_mut_bytes())?;
    Ok(key)
}

/// `info` up to the bytes of the token, so that these need no copy.
fn info_head(token: usize, out: &mut [u8]) -> Result<usize, ace_wire::Error> {
    let mut writer = Writer::new(out);
    writer.array(3)?;
    writer.text(TYPE)?;
    writer.uint(DERIVED_PSK as u64)?;
    writer.bytes_head(token)?;
    Ok(writer.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9202_3_3_1_info_is_the_deterministic_array_of_the_text() {
        let mut head = [0; MAX_INFO];
        let length = info_head(0x1234, &mut head).unwrap();
        let mut expected = b"\x83\x78\x1cACE-CoAP-DTLS-key-derivation\x10".to_vec();
        expected.extend(b"\x59\x12\x34");
        assert_eq!(&head[..length], expected);
        // Not one token and another's tail: the length is part of it.
        assert_eq!(info_head(3, &mut head).unwrap(), 33);
        assert_eq!(info_head(usize::MAX, &mut head).unwrap(), 41);
    }

    /// Made by another HKDF and another CBOR encoder (Python's hmac and hashlib).
    #[test]
    fn rfc9202_3_3_1_the_key_is_what_others_derive() {
        let material = b"the key of derivation of one AS and RS";
        let token: [u8; 300] = core::array::from_fn(|at| at as u8);
        let vectors: [(&[u8], &str); 3] = [
            (&token[..7], "da8e406a880c934baf4fcedde2b0bce5"),
            (&token[..100], "e111bbd8f466b5408353a3580dcff544"),
            (&token, "8c39ea6fda97244a0780112055a763b5"),
        ];
        for (token, expected) in vectors {
            let key = derive_psk(material, token).unwrap();
            assert_eq!(hex::encode(key.as_bytes()), expected);
        }
    }

    #[test]
    fn rfc9202_3_3_1_the_key_depends_on_token_and_derivation_key() {
        let key = derive_psk(&[7; 32], b"token").unwrap();
        // RFC 5869, step by step.
        let mut info =
            std::vec::Vec::from(&b"\x83\x78\x1cACE-CoAP-DTLS-key-derivation\x10\x45token"[..]);
        info.push(1);
        let prk = ace_crypto::hmac_sha256(&[0; 32], &[&[7; 32]]);
        let okm = ace_crypto::hmac_sha256(&prk, &[&info]);
        assert_eq!(key.as_bytes(), &okm[..16]);
        assert_ne!(key, derive_psk(&[7; 32], b"toker").unwrap());
        assert_ne!(key, derive_psk(&[8; 32], b"token").unwrap());
    }
}
