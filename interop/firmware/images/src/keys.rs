//! Keys from the fields.

#[cfg(feature = "client")]
use ace_client::AsSecurity;
#[cfg(feature = "es256")]
use ace_crypto::{Signature, SigningKey, VerifyingKey};
use board::provision::Provision;

#[cfg(feature = "client")]
use crate::field;

/// How the authorization server is spoken to: over DTLS if there are keys for it, else over OSCORE. `None` if this image
/// cannot do it.
#[cfg(feature = "client")]
pub fn as_security(fields: Provision) -> Option<AsSecurity<'static>> {
    #[cfg(feature = "es256")]
    if let (Some(key), Some(peer)) = (signing_key(fields, field::PRIVATE_KEY), public_key(fields, field::AS_PUBLIC_KEY))
    {
        static OWN: board::Place<SigningKey> = board::Place::new();
        static PEER: board::Place<VerifyingKey> = board::Place::new();
        let (key, peer) = (OWN.fill(|| key), PEER.fill(|| peer));
        return Some(AsSecurity::Dtls(ace_client::DtlsCredential::Rpk { key, peer }));
    }
    #[cfg(feature = "dtls")]
    if let (Some(identity), Some(key)) = (fields.all(field::PSK_IDENTITY).next(), fields.all(field::PSK).next()) {
        return Some(AsSecurity::Dtls(ace_client::DtlsCredential::Psk { identity, key }));
    }
    #[cfg(feature = "oscore")]
    if let (Some(aead), Some(hkdf)) = (fields.number(field::AEAD), fields.number(field::HKDF)) {
        return Some(AsSecurity::Oscore(ace_oscore::Parameters {
            master_secret: fields.bytes(field::MASTER_SECRET),
            master_salt: fields.bytes(field::MASTER_SALT),
            sender_id: fields.bytes(field::SENDER_ID),
            recipient_id: fields.bytes(field::RECIPIENT_ID),
            id_context: fields.all(field::ID_CONTEXT).next(),
            aead: ace_crypto::Aead::from_cose(aead)?,
            hkdf: ace_crypto::Hkdf::from_cose(hkdf)?,
        }));
    }
    None
}

/// A key pair on P-256, from its private half.
#[cfg(feature = "es256")]
pub fn signing_key(fields: Provision, tag: u8) -> Option<SigningKey> {
    SigningKey::from_bytes(Signature::Es256, fields.bytes(tag)).ok()
}

/// A key from its SubjectPublicKeyInfo.
#[cfg(feature = "es256")]
pub fn public_key(fields: Provision, tag: u8) -> Option<VerifyingKey> {
    VerifyingKey::from_spki(fields.bytes(tag)).ok()
}
