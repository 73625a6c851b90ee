//! The key that a token of the coap_dtls profile confirms (RFC 9202, 3.2.2, 3.3.1 and 4).

use ace_crypto::Secret;
use ace_wire::ace::Confirmation;
use ace_wire::cose::{CoseKey, KeyType};
use heapless::Vec;

use crate::Refusal;
use crate::config::Config;
use crate::token::{KeyDigest, MAX_KEY_ID, MAX_PSK, Security};

/// What a `cnf` claim says.
pub(crate) enum Possession<'b> {
    /// The key itself.
    Key(Key),
    /// A key that this server has, or a symmetric one that it can derive.
    Named { kid: &'b [u8], symmetric: bool },
}

/// A key that this server did not know before.
pub(crate) struct Key {
    pub(crate) kid: Vec<u8, MAX_KEY_ID>,
    pub(crate) digest: KeyDigest,
    pub(crate) own: Own,
}

/// What of a key has to be kept beside its digest.
pub(crate) enum Own {
    Secret(Secret<MAX_PSK>),
    #[cfg(feature = "_ecc")]
    Nothing,
}

impl From<Own> for Security {
    fn from(own: Own) -> Self {
        match own {
            Own::Secret(key) => Self::Psk(key),
            #[cfg(feature = "_ecc")]
            Own::Nothing => Self::RawPublicKey,
        }
    }
}

impl<'b> Possession<'b> {
    pub(crate) fn of(
        cnf: Option<Confirmation<'b>>,
        config: &Config<'_>,
        secret: &[u8],
    ) -> Result<Self, Refusal> {
        match cnf {
            Some(Confirmation::Kid(kid)) => Ok(Self::Named {
                kid,
                symmetric: false,
            }),
            Some(Confirmation::CoseKey(key)) => Self::of_key(&key, config, secret),
            _ => Err(Refusal::Confirmation),
        }
    }

    fn of_key(key: &CoseKey<'b>, config: &Config<'_>, secret: &[u8]) -> Result<Self, Refusal> {
        match (key.kty, key.k, key.kid) {
            // That the token is encrypted was seen to when it was opened. Without a kid it comes as a whole identity.
            (KeyType::Symmetric, Some(k), kid) if !k.is_empty() => {
                Key::symmetric(kid.unwrap_or(&[]), k, secret).map(Self::Key)
            }
            (KeyType::Symmetric, None, Some(kid)) => Ok(Self::Named {
                kid,
                symmetric: true,
            }),
            _ => public(key, config, secret),
        }
    }
}

impl Key {
    fn symmetric(kid: &[u8], k: &[u8], secret: &[u8]) -> Result<Self, Refusal> {
        Ok(Self {
            kid: Vec::from_slice(kid).map_err(|_| Refusal::NoRoomForClaim)?,
            digest: KeyDigest::of(&[b"psk", k], secret),
            own: Own::Secret(Secret::new(k).ok_or(Refusal::NoRoomForClaim)?),
        })
    }

    /// The key that follows from a token that only names it (RFC 9202, 3.3.1).
    pub(crate) fn derive(
        kid: &[u8],
        token: &[u8],
        config: &Config<'_>,
        secret: &[u8],
    ) -> Result<Self, Refusal> {
        let material = config.key_derivation_key.ok_or(Refusal::UnknownKey)?;
        let k = ace_token::derive_psk(material, token).map_err(|_| Refusal::TooLarge)?;
        Self::symmetric(kid, k.as_bytes(), secret)
    }
}

/// The client's raw public key (RFC 9202, 3.2.2).
#[cfg(feature = "_ecc")]
fn public<'b>(
    key: &CoseKey<'b>,
    config: &Config<'_>,
    secret: &[u8],
) -> Result<Possession<'b>, Refusal> {
    let known = ace_token::TokenKey::from_cose_key(key);
    match (config.own_key, known) {
        (Some(_), Ok(ace_token::TokenKey::Verify(public))) => {
            let own = ace_crypto::key_id(&public);
            let kid = key.kid.unwrap_or(&own);
            Ok(Possession::Key(Key {
                kid: Vec::from_slice(kid).map_err(|_| Refusal::NoRoomForClaim)?,
                digest: public_digest(&public, secret),
                own: Own::Nothing,
            }))
        }
        _ => Err(Refusal::Confirmation),
    }
}

#[cfg(not(feature = "_ecc"))]
fn public<'b>(_: &CoseKey<'b>, _: &Config<'_>, _: &[u8]) -> Result<Possession<'b>, Refusal> {
    Err(Refusal::Confirmation)
}

/// What a public key is compared by.
#[cfg(feature = "_ecc")]
pub(crate) fn public_digest(key: &ace_crypto::VerifyingKey, secret: &[u8]) -> KeyDigest {
    let curve = [key.algorithm().cose() as u8];
    let y = key.y().unwrap_or([0; 32]);
    KeyDigest::of(&[b"rpk", &curve, &key.x(), &y], secret)
}

/// The kid in a `psk_identity` that names an uploaded token: `{8: {1: {1: 4, 2: kid}}}` (RFC 9202, 3.3.2).
pub(crate) fn named_by(identity: &[u8]) -> Option<&[u8]> {
    let confirmation = identity.strip_prefix(&[0xa1, 0x08])?;
    let Ok(Confirmation::CoseKey(key)) = Confirmation::parse(confirmation) else {
        return None;
    };
    let alone = CoseKey {
        kid: key.kid,
        ..CoseKey::new(KeyType::Symmetric)
    };
    // Members that are not known were skipped.
    let length = |kid: &[u8]| 9 + usize::from(kid.len() > 23) + kid.len();
    key.kid
        .filter(|kid| key == alone && identity.len() == length(kid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9202_3_3_2_identity_that_names_a_key() {
        // The bytes of figure 9.
        let identity = hex::decode("a108a101a2010402483d027833fc6267ce").unwrap();
        let kid = hex::decode("3d027833fc6267ce").unwrap();
        assert_eq!(named_by(&identity), Some(&kid[..]));
        let turned = hex::decode("a108a101a202483d027833fc6267ce0104").unwrap();
        assert_eq!(named_by(&turned), Some(&kid[..]));
        for end in 0..identity.len() {
            assert_eq!(named_by(&identity[..end]), None, "{end}");
        }
        for other in [
            // Bytes behind it; another key type; no kid; a key; an algorithm; a second member; kid alone.
            "a108a101a2010402483d027833fc6267ce00",
            "a108a101a2010202483d027833fc6267ce",
            "a108a101a10104",
            "a108a101a30104024101204101",
            "a108a101a3010402410103 0a",
            "a208a101a20104024101010a",
            "a108a1034101",
            "a108a101a301040241012001",
            "a108a201a201040241010301",
            "a108a101a201041802 4101",
            "",
        ] {
            let identity = hex::decode(other.replace(' ', "")).unwrap();
            assert_eq!(named_by(&identity), None, "{other}");
        }
    }
}
