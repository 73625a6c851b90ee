//! Raw public keys as COSE_Keys (RFC 9053, 7).

use ace_crypto::{SigningKey, VerifyingKey};
use ace_wire::cose::{CoseKey, KeyType, Y, curve};

/// The name of the client's own key.
pub(super) fn id(own: &SigningKey) -> [u8; 8] {
    ace_crypto::key_id(&own.verifying_key())
}

/// The key in a COSE_Key, if it is one of a curve that is built in.
pub(super) fn from_cose(key: &CoseKey<'_>) -> Option<VerifyingKey> {
    match (key.kty, key.crv, key.x, key.y) {
        #[cfg(feature = "es256")]
        (KeyType::Ec2, Some(curve::P_256), Some(x), Some(y)) => {
            let y = match y {
                Y::Bytes(y) => ace_crypto::Y::Coordinate(y),
                Y::Sign(odd) => ace_crypto::Y::Sign(odd),
            };
            VerifyingKey::p256(x, y).ok()
        }
        #[cfg(feature = "eddsa")]
        (KeyType::Okp, Some(curve::ED25519), Some(x), _) => VerifyingKey::ed25519(x).ok(),
        _ => None,
    }
}

/// The client's own key as a COSE_Key in `kid` and `room`.
pub(super) fn to_cose<'a>(
    own: &SigningKey,
    kid: &'a mut [u8; 8],
    room: &'a mut [u8],
) -> Option<CoseKey<'a>> {
    let key = own.verifying_key();
    *kid = ace_crypto::key_id(&key);
    let (x, rest) = room.split_at_mut_checked(32)?;
    x.copy_from_slice(&key.x());
    let y = key.y().and_then(|y| {
        let place = rest.get_mut(..32)?;
        place.copy_from_slice(&y);
        Some(Y::Bytes(place))
    });
    let (kty, crv) = match y {
        Some(_) => (KeyType::Ec2, curve::P_256),
        None => (KeyType::Okp, curve::ED25519),
    };
    Some(CoseKey {
        kid: Some(kid),
        crv: Some(crv),
        x: Some(x),
        y,
        ..CoseKey::new(kty)
    })
}
