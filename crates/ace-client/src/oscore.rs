//! The OSCORE side of both profiles' common flow (RFC 9203). `without_oscore` stands in for it in builds that do not have it.

use ace_crypto::{Aead, CryptoRng, Hkdf};
use ace_oscore::storage::{self, Key, Storage, StorageError};
use ace_oscore::{MAX_ID_CONTEXT, OscoreError, Parameters, SEQUENCE_LIMIT, SecurityContext};
use ace_wire::ace::{AuthzInfoRequest, AuthzInfoResponse, OscoreInputMaterial};
use ace_wire::cbor::{self, Writer};
use ace_wire::coap::Message;
use ace_wire::cose::algorithm_number;

use crate::grant::{MAX_NONCE, MAX_SALT, NONCE};
use crate::{ClientError, Config, Reason, token};

pub(crate) use ace_oscore::RequestBinding as Binding;

/// A security context.
pub(crate) struct Context(SecurityContext);

impl Context {
    /// The context with the authorization server, if it is one; its sequence numbers go on from the storage (RFC 8613, B.1.1).
    pub(crate) fn with_authority<P>(
        config: &Config<'_, P>,
        storage: &mut impl Storage,
    ) -> Result<Option<Self>, ClientError> {
        let Some(parameters) = config.as_security.oscore() else {
            return Ok(None);
        };
        let mut context = SecurityContext::derive(parameters).map_err(ClientError::AsContext)?;
        let key = Key(config.storage_key);
        storage::restore(&mut context, storage, key, config.reservation)
            .map_err(|_| ClientError::Storage)?;
        Ok(Some(Self(context)))
    }

    /// RFC 8613, B.1.1: reserves sequence numbers in the storage before they are used.
    pub(crate) fn reserve<P>(
        &mut self,
        config: &Config<'_, P>,
        storage: &mut impl Storage,
    ) -> Result<(), Reason> {
        if !self.0.needs_reservation(1) {
            return Ok(());
        }
        let key = Key(config.storage_key);
        storage::reserve(&mut self.0, storage, key, config.reservation).map_err(|error| match error
        {
            StorageError::Exhausted => Reason::SequenceExhausted,
            _ => Reason::Storage,
        })
    }

    pub(crate) fn protect(
        &mut self,
        message: &Message<'_>,
        out: &mut [u8],
    ) -> Result<(usize, Binding), Reason> {
        self.0
            .protect_request(message, true, out)
            .map_err(|error| match error {
                OscoreError::SequenceExhausted => Reason::SequenceExhausted,
                _ => Reason::Unsendable,
            })
    }

    /// `None` for what does not verify.
    pub(crate) fn unprotect<'o>(
        &mut self,
        binding: &mut Binding,
        message: &Message<'_>,
        out: &'o mut [u8],
    ) -> Option<Message<'o>> {
        self.0.unprotect_response(binding, message, out).ok()
    }

    /// RFC 9203, 6: with the last sequence number the context ends.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.0.next_sequence() > ace_oscore::MAX_SEQUENCE
    }

    pub(crate) fn uses(&self, id: u8) -> bool {
        self.0.recipient_id() == [id]
    }
}

/// Key and algorithms of an OSCORE association, checked (RFC 9203, 3.2.1).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Material<'a> {
    pub id: &'a [u8],
    pub ms: &'a [u8],
    pub alg: Aead,
    pub hkdf: Hkdf,
    pub salt: Option<&'a [u8]>,
    pub context_id: Option<&'a [u8]>,
}

impl<'a> Material<'a> {
    /// From the form in which grants are kept.
    pub(crate) fn stored(
        id: &'a [u8],
        ms: &'a [u8],
        [alg, hkdf]: [i64; 2],
        [salt, context_id]: [Option<&'a [u8]>; 2],
    ) -> Option<Self> {
        Some(Self {
            id,
            ms,
            alg: Aead::from_cose(alg)?,
            hkdf: Hkdf::from_cose(hkdf)?,
            salt,
            context_id,
        })
    }

    /// The form in which grants are kept: identifier, key, algorithms, salt and ID Context.
    pub(crate) fn write(&self, writer: &mut Writer<'_>) -> Result<(), cbor::Error> {
        writer.bytes(self.id)?;
        writer.bytes(self.ms)?;
        writer.int(self.alg.cose())?;
        writer.int(self.hkdf.cose())?;
        for bytes in [self.salt, self.context_id] {
            match bytes {
                None => writer.null()?,
                Some(bytes) => writer.bytes(bytes)?,
            }
        }
        Ok(())
    }

    pub(crate) const fn id(&self) -> &'a [u8] {
        self.id
    }

    pub(crate) fn check(material: &OscoreInputMaterial<'a>) -> Result<Self, Reason> {
        // RFC 9203, 3.2: Master Secret and identifier must be there.
        let (Some(id), Some(ms)) = (material.id, material.ms) else {
            return Err(Reason::Confirmation);
        };
        // RFC 8613, 3.2 and 5.4: what is left out has the default.
        let number = |label: Option<_>, default| match label {
            None => Some(default),
            Some(label) => algorithm_number(label),
        };
        let alg = number(material.alg, Aead::AesCcm16_64_128.cose()).and_then(Aead::from_cose);
        let hkdf = number(material.hkdf, Hkdf::Sha256.cose()).and_then(Hkdf::from_cose);
        let known = !material.unknown && matches!(material.version, None | Some(1));
        let fits = material.salt.is_none_or(|salt| salt.len() <= MAX_SALT)
            && material
                .context_id
                .is_none_or(|id| id.len() <= MAX_ID_CONTEXT)
            && !ms.is_empty();
        match (alg, hkdf) {
            (Some(alg), Some(hkdf)) if known && fits => Ok(Self {
                id,
                ms,
                alg,
                hkdf,
                salt: material.salt,
                context_id: material.context_id,
            }),
            _ => Err(Reason::InputMaterial),
        }
    }

    /// Derives the context from what both sides put in (RFC 9203, 4.3).
    pub(crate) fn derive(
        &self,
        nonce1: &[u8],
        nonce2: &[u8],
        recipient_id: &[u8],
        sender_id: &[u8],
    ) -> Result<SecurityContext, Reason> {
        // RFC 9203, 4.3: equal identifiers would give equal keys.
        if recipient_id == sender_id {
            return Err(Reason::SameIdentifier);
        }
        if nonce2.len() > MAX_NONCE {
            return Err(Reason::ServerParameters);
        }
        // RFC 9203, 4.3: salt | N1 | N2, each as CBOR byte string.
        let mut salt = [0; MAX_SALT + MAX_NONCE + NONCE + 6];
        let mut writer = Writer::new(&mut salt);
        [self.salt.unwrap_or(&[]), nonce1, nonce2]
            .iter()
            .try_for_each(|part| writer.bytes(part))
            .map_err(|_| Reason::ServerParameters)?;
        let length = writer.finish();
        SecurityContext::derive(&Parameters {
            master_secret: self.ms,
            master_salt: salt.get(..length).unwrap_or(&[]),
            sender_id,
            recipient_id,
            id_context: self.context_id,
            aead: self.alg,
            hkdf: self.hkdf,
        })
        .map_err(|_| Reason::ServerParameters)
    }
}

/// Reads the answer to an upload: nonce and identifier of the resource server.
fn uploaded(content_format: Option<u16>, payload: &[u8]) -> Result<AuthzInfoResponse<'_>, Reason> {
    token::check_format(content_format)?;
    // RFC 9203, 4.3: without both the exchange stops here.
    AuthzInfoResponse::parse(payload).map_err(|_| Reason::Malformed)
}

/// What the client put into its last upload (RFC 9203, 4.1).
#[derive(Default)]
pub(crate) struct Upload {
    nonce1: [u8; NONCE],
    id1: u8,
}

impl Upload {
    /// RFC 9203, 4.1: a nonce never used with this key, an identifier no other context has.
    pub(crate) fn draw(
        &mut self,
        rng: &mut dyn CryptoRng,
        in_use: impl Fn(u8) -> bool,
    ) -> Result<(), Reason> {
        rng.fill_bytes(&mut self.nonce1);
        let mut id = [0];
        rng.fill_bytes(&mut id);
        self.id1 = (0..=u8::MAX)
            .map(|step| id[0].wrapping_add(step))
            .find(|id| !in_use(*id))
            .ok_or(Reason::Unsendable)?;
        Ok(())
    }

    pub(crate) fn encode(&self, token: &[u8], out: &mut [u8]) -> Result<usize, Reason> {
        let upload = AuthzInfoRequest {
            access_token: token,
            nonce1: Some(&self.nonce1),
            client_recipient_id: Some(&[self.id1]),
        };
        upload.encode(out).map_err(|_| Reason::TooLong)
    }

    /// The context from the answer to the upload (RFC 9203, 4.3).
    pub(crate) fn derive(
        &self,
        material: &Material<'_>,
        content_format: Option<u16>,
        answer: &[u8],
    ) -> Result<Context, Reason> {
        let theirs = uploaded(content_format, answer)?;
        let id = theirs.server_recipient_id;
        let mut context = material.derive(&self.nonce1, theirs.nonce2, &[self.id1], id)?;
        // Keys that live in RAM alone: every number is theirs.
        context.reserve_up_to(SEQUENCE_LIMIT);
        Ok(Context(context))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ace_wire::cbor::Label;
    use ace_wire::coap::content_format::ACE_CBOR;

    const FULL: OscoreInputMaterial<'static> = OscoreInputMaterial {
        id: Some(b"1"),
        version: Some(1),
        ms: Some(&[7; 16]),
        hkdf: Some(Label::Int(5)),
        alg: Some(Label::Text("AES-CCM-16-64-128")),
        salt: Some(&[8; 8]),
        context_id: Some(b"ctx"),
        unknown: false,
    };

    #[test]
    fn rfc9203_3_2_1_material_is_checked() {
        assert!(Material::check(&FULL).is_ok());
        let bare = OscoreInputMaterial {
            id: Some(b""),
            ms: Some(&[7; 16]),
            ..Default::default()
        };
        assert!(Material::check(&bare).is_ok());
        for (material, reason) in [
            (
                OscoreInputMaterial { id: None, ..FULL },
                Reason::Confirmation,
            ),
            (
                OscoreInputMaterial { ms: None, ..FULL },
                Reason::Confirmation,
            ),
            (
                OscoreInputMaterial {
                    ms: Some(&[]),
                    ..FULL
                },
                Reason::InputMaterial,
            ),
            (
                OscoreInputMaterial {
                    version: Some(2),
                    ..FULL
                },
                Reason::InputMaterial,
            ),
            (
                OscoreInputMaterial {
                    alg: Some(Label::Int(5)),
                    ..FULL
                },
                Reason::InputMaterial,
            ),
            (
                OscoreInputMaterial {
                    alg: Some(Label::Text("x")),
                    ..FULL
                },
                Reason::InputMaterial,
            ),
            (
                OscoreInputMaterial {
                    hkdf: Some(Label::Int(10)),
                    ..FULL
                },
                Reason::InputMaterial,
            ),
            (
                OscoreInputMaterial {
                    unknown: true,
                    ..FULL
                },
                Reason::InputMaterial,
            ),
            (
                OscoreInputMaterial {
                    salt: Some(&[0; 65]),
                    ..FULL
                },
                Reason::InputMaterial,
            ),
            (
                OscoreInputMaterial {
                    context_id: Some(&[0; 25]),
                    ..FULL
                },
                Reason::InputMaterial,
            ),
        ] {
            assert_eq!(
                Material::check(&material).err(),
                Some(reason),
                "{material:?}"
            );
        }
    }

    #[test]
    fn rfc9203_4_3_equal_identifiers_and_long_parameters_derive_nothing() {
        let material = Material::check(&FULL).unwrap();
        let derive =
            |n2: &[u8], id1: &[u8], id2: &[u8]| material.derive(&[1; 8], n2, id1, id2).err();
        assert_eq!(derive(&[2; 8], &[1], &[2]), None);
        assert_eq!(derive(&[2; 8], &[1], &[]), None);
        assert_eq!(derive(&[2; 64], &[1], &[2]), None);
        assert_eq!(derive(&[2; 8], &[1], &[1]), Some(Reason::SameIdentifier));
        assert_eq!(derive(&[2; 65], &[1], &[2]), Some(Reason::ServerParameters));
        assert_eq!(
            derive(&[2; 8], &[1], &[2; 8]),
            Some(Reason::ServerParameters)
        );
    }

    #[test]
    fn rfc9203_4_2_every_truncation_of_the_answer_to_an_upload_is_refused() {
        let answer = AuthzInfoResponse {
            nonce2: &[1; 8],
            server_recipient_id: &[2],
        };
        let mut out = [0; 64];
        let length = answer.encode(&mut out).unwrap();
        assert_eq!(uploaded(Some(ACE_CBOR), &out[..length]), Ok(answer));
        for end in 0..length {
            assert_eq!(uploaded(None, &out[..end]), Err(Reason::Malformed));
        }
        assert_eq!(
            uploaded(Some(0), &out[..length]),
            Err(Reason::ContentFormat(0))
        );
    }
}
