//! Keys of coap_dtls: as the authorization server names them, as they are kept, and as a handshake takes them.

#[cfg(feature = "_rpk")]
use ace_dtls::Decision;
use ace_dtls::{MAX_PSK, OwnPsk};
use ace_wire::ace::{AccessInformation, Confirmation};
use ace_wire::cose::{CoseKey, KeyType};

#[cfg(feature = "_rpk")]
use super::key;
use crate::config::DtlsCredential;
use crate::{Config, Reason};

/// Longest key identifier taken, in bytes.
const MAX_KID: usize = 64;

/// The key of a token and its name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Material<'a> {
    kind: Kind,
    kid: &'a [u8],
    /// The pre-shared key, or the SubjectPublicKeyInfo of the resource server.
    key: &'a [u8],
}

#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    Psk = 2,
    #[cfg(feature = "_rpk")]
    Rpk = 3,
}

impl<'a> Material<'a> {
    /// From the form in which grants are kept.
    pub(crate) const fn stored(version: u64, kid: &'a [u8], key: &'a [u8]) -> Option<Self> {
        let kind = match version {
            2 => Kind::Psk,
            #[cfg(feature = "_rpk")]
            3 => Kind::Rpk,
            _ => return None,
        };
        Some(Self { kind, kid, key })
    }

    pub(crate) const fn version(&self) -> u64 {
        self.kind as u64
    }

    pub(crate) const fn kid(&self) -> &'a [u8] {
        self.kid
    }

    pub(crate) const fn key(&self) -> &'a [u8] {
        self.key
    }

    pub(crate) fn is_psk(&self) -> bool {
        self.kind == Kind::Psk
    }

    /// Whether the client can prove to have the key: its own may have been replaced since the token came.
    pub(crate) fn is_held(&self, own: Own<'_>) -> bool {
        let _ = &own;
        match self.kind {
            Kind::Psk => true,
            #[cfg(feature = "_rpk")]
            Kind::Rpk => own.is_some_and(|own| key::id(own) == self.kid),
        }
    }

    /// The key that a token response brings; `None` in an update of rights, where it stays.
    ///
    /// `held` is the key of the token held before.
    pub(crate) fn check(
        answer: &AccessInformation<'a>,
        is_update: bool,
        held: Option<Material<'_>>,
        own: Own<'_>,
        room: &'a mut Room,
    ) -> Result<Option<Self>, Reason> {
        let stays = match answer.cnf {
            None => true,
            Some(Confirmation::Kid(kid)) => held.is_some_and(|held| held.kid == kid),
            _ => false,
        };
        // RFC 9202, 4
        if is_update && stays && answer.rs_cnf.is_none() {
            return Ok(None);
        }
        match answer.cnf {
            Some(Confirmation::CoseKey(key)) if key.kty == KeyType::Symmetric => {
                // RFC 9202, 3.3.2 names rs_cnf for the identifier; its figures have it with the key.
                let kid = match answer.rs_cnf {
                    None => key.kid,
                    Some(Confirmation::Kid(kid)) => Some(kid),
                    Some(_) => None,
                };
                let (Some(kid), Some(key)) = (kid, key.k) else {
                    return Err(Reason::Confirmation);
                };
                if key.is_empty() || key.len() > MAX_PSK || kid.len() > MAX_KID {
                    return Err(Reason::InputMaterial);
                }
                let kind = Kind::Psk;
                Ok(Some(Self { kind, kid, key }))
            }
            #[cfg(feature = "_rpk")]
            cnf => {
                let own = own.ok_or(Reason::Confirmation)?;
                let Room { kid, bytes: spki } = room;
                *kid = key::id(own);
                let kid = &kid[..];
                let is_own = match cnf {
                    // RFC 9202, 3.2.2: the key of the request.
                    None => true,
                    Some(Confirmation::Kid(named)) => named == kid,
                    Some(Confirmation::CoseKey(named)) => {
                        key::from_cose(&named) == Some(own.verifying_key())
                    }
                    Some(_) => false,
                };
                let length = match answer.rs_cnf {
                    Some(Confirmation::CoseKey(theirs)) => key::from_cose(&theirs)
                        .and_then(|key| key.to_spki(&mut spki[..]).ok())
                        .ok_or(Reason::InputMaterial)?,
                    // RFC 9202, 3.2.1: left out where the client knows it.
                    None => held
                        .filter(|held| held.kind == Kind::Rpk)
                        .and_then(|held| {
                            spki.get_mut(..held.key.len())?.copy_from_slice(held.key);
                            Some(held.key.len())
                        })
                        .ok_or(Reason::Confirmation)?,
                    Some(_) => return Err(Reason::Confirmation),
                };
                if !is_own {
                    return Err(Reason::Confirmation);
                }
                let key = spki.get(..length).unwrap_or(&[]);
                if is_update && held.is_some_and(|held| held.kid == kid && held.key == key) {
                    return Ok(None);
                }
                let kind = Kind::Rpk;
                Ok(Some(Self { kind, kid, key }))
            }
            #[cfg(not(feature = "_rpk"))]
            _ => {
                let _ = (own, room);
                Err(Reason::Confirmation)
            }
        }
    }
}

/// The client's own key towards resource servers.
#[cfg(feature = "_rpk")]
pub(crate) type Own<'c> = Option<&'c ace_crypto::SigningKey>;
/// The client's own key towards resource servers: none.
#[cfg(not(feature = "_rpk"))]
pub(crate) type Own<'c> = core::marker::PhantomData<&'c ()>;

impl<'c, P> Config<'c, P> {
    pub(crate) fn own(&self) -> Own<'c> {
        #[cfg(feature = "_rpk")]
        return self.own_key;
        #[cfg(not(feature = "_rpk"))]
        core::marker::PhantomData
    }
}

/// Where keys and names lie that are put together for a moment; nothing secret.
pub(crate) struct Room {
    kid: [u8; 8],
    bytes: [u8; 96],
}

impl Room {
    pub(crate) const fn new() -> Self {
        Self {
            kid: [0; 8],
            bytes: [0; 96],
        }
    }
}

/// `req_cnf` of a token request: the client's public key (RFC 9202, 3.2.1), if it has one.
pub(crate) fn confirmation<'a>(own: Own<'_>, room: &'a mut Room) -> Option<Confirmation<'a>> {
    #[cfg(feature = "_rpk")]
    return own
        .and_then(|own| key::to_cose(own, &mut room.kid, &mut room.bytes))
        .map(Confirmation::CoseKey);
    #[cfg(not(feature = "_rpk"))]
    {
        let _ = (own, room);
        None
    }
}

/// What the client has to show in one handshake, and whom it believes.
pub(crate) struct Credentials<'a> {
    psk: Option<OwnPsk<'a>>,
    /// Own key, and the SubjectPublicKeyInfo of the one peer there may be.
    #[cfg(feature = "_rpk")]
    keys: Option<(&'a ace_crypto::SigningKey, &'a [u8])>,
}

impl<'a> Credentials<'a> {
    const fn psk(identity: &'a [u8], key: &'a [u8]) -> Self {
        Self {
            psk: Some(OwnPsk { identity, key }),
            #[cfg(feature = "_rpk")]
            keys: None,
        }
    }

    /// Towards the authorization server.
    pub(super) fn of_authority<P>(config: &'a Config<'_, P>, room: &'a mut Room) -> Option<Self> {
        match *config.as_security.dtls()? {
            DtlsCredential::Psk { identity, key } => {
                let _ = room;
                Some(Self::psk(identity, key))
            }
            #[cfg(feature = "_rpk")]
            DtlsCredential::Rpk { key, peer } => {
                let length = peer.to_spki(&mut room.bytes).ok()?;
                Some(Self {
                    psk: None,
                    keys: Some((key, room.bytes.get(..length)?)),
                })
            }
        }
    }

    /// Towards a resource server, with the whole token as identity if there is one (RFC 9202, 3.3.2).
    pub(super) fn of_token(
        material: Material<'a>,
        token: Option<&'a [u8]>,
        own: Own<'a>,
        room: &'a mut Room,
    ) -> Option<Self> {
        let _ = &own;
        match (material.kind, token) {
            (Kind::Psk, Some(token)) => Some(Self::psk(token, material.key)),
            (Kind::Psk, None) => {
                // RFC 9202, figure 9
                let (head, rest) = room.bytes.split_first_chunk_mut()?;
                *head = [0xa1, 0x08];
                let named = CoseKey {
                    kid: Some(material.kid),
                    ..CoseKey::new(KeyType::Symmetric)
                };
                let length = Confirmation::CoseKey(named).encode(rest).ok()?;
                let identity = room.bytes.get(..2 + length)?;
                Some(Self::psk(identity, material.key))
            }
            #[cfg(feature = "_rpk")]
            (Kind::Rpk, _) => Some(Self {
                psk: None,
                keys: own.map(|own| (own, material.key)),
            }),
        }
    }
}

impl ace_dtls::Credentials for Credentials<'_> {
    fn own_psk(&self, _hint: &[u8]) -> Option<OwnPsk<'_>> {
        self.psk
    }

    #[cfg(feature = "_rpk")]
    fn signing_key(&self) -> Option<&ace_crypto::SigningKey> {
        self.keys.map(|(own, _)| own)
    }

    #[cfg(feature = "_rpk")]
    fn accept_key(&mut self, key: &ace_crypto::VerifyingKey) -> Decision<u64> {
        let mut spki = [0; ace_crypto::VerifyingKey::MAX_SPKI_LEN];
        let length = key.to_spki(&mut spki).unwrap_or(0);
        match self.keys {
            Some((_, named)) if spki.get(..length) == Some(named) => Decision::Accept(0),
            _ => Decision::Refuse,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9202_3_3_2_psk_identity_is_a_cose_key_with_the_kid() {
        let kid = [0x3d, 0x02, 0x78, 0x33, 0xfc, 0x62, 0x67, 0xce];
        let material = Material::stored(2, &kid, &[7; 16]).unwrap();
        let mut room = Room::new();
        let shown = Credentials::of_token(material, None, Own::default(), &mut room).unwrap();
        let figure_9 = [
            0xa1, 0x08, 0xa1, 0x01, 0xa2, 0x01, 0x04, 0x02, 0x48, 0x3d, 0x02, 0x78, 0x33, 0xfc,
            0x62, 0x67, 0xce,
        ];
        assert_eq!(shown.psk.unwrap().identity, figure_9);
        let mut room = Room::new();
        let token = Some(&b"opaque"[..]);
        let shown = Credentials::of_token(material, token, Own::default(), &mut room).unwrap();
        assert_eq!(shown.psk.unwrap().identity, b"opaque");
        let long = Material::stored(2, &[1; MAX_KID], &[7; 16]).unwrap();
        assert!(Credentials::of_token(long, None, Own::default(), &mut Room::new()).is_some());
    }
}
