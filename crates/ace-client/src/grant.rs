//! What the authorization server granted: the token, its key, scope, audience and end, kept in the
//! one form in which it is also stored.

use ace_crypto::{Aead, Hkdf, Secret};
use ace_oscore::{MAX_ID_CONTEXT, Parameters, SecurityContext};
use ace_wire::ace::{OscoreInputMaterial, Scope};
use ace_wire::cbor::{self, Kind, Reader, Writer};
use ace_wire::cose::algorithm_number;

use crate::Reason;

/// Longest input salt taken (RFC 9203, 3.2.1), in bytes.
pub const MAX_SALT: usize = 64;
/// Longest nonce of a resource server taken (RFC 9203, 4.2), in bytes.
pub const MAX_NONCE: usize = 64;
/// Length of the client's nonce (RFC 9203, 4.1), in bytes.
pub const NONCE: usize = 8;

const VERSION: u64 = 1;

/// Key and algorithms of an OSCORE association, checked (RFC 9203, 3.2.1).
#[derive(Clone, Copy)]
pub(crate) struct Material<'a> {
    pub id: &'a [u8],
    pub ms: &'a [u8],
    pub alg: Aead,
    pub hkdf: Hkdf,
    pub salt: Option<&'a [u8]>,
    pub context_id: Option<&'a [u8]>,
}

impl<'a> Material<'a> {
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

/// A [`Grant`], read.
#[derive(Clone, Copy)]
pub(crate) struct GrantView<'a> {
    pub audience: Option<&'a str>,
    pub token: &'a [u8],
    pub material: Material<'a>,
    /// The scope granted, as far as the client knows it.
    pub scope: Option<Scope<'a>>,
    /// End in seconds since the epoch, where the client knew the time.
    pub ends: Option<u64>,
}

/// One grant in `N` bytes, as CBOR; wiped on drop.
pub(crate) struct Grant<const N: usize>(Secret<N>);

impl<const N: usize> Grant<N> {
    /// `None` if it does not fit.
    pub(crate) fn new(view: &GrantView<'_>) -> Option<Self> {
        let mut whole = Secret::<N>::zeroed(N)?;
        let length = encode(view, whole.as_mut_bytes()).ok()?;
        Secret::new(whole.as_bytes().get(..length)?).map(Self)
    }

    /// Reads what [`Grant::as_bytes`] gave; `None` for anything else.
    pub(crate) fn restore(bytes: &[u8]) -> Option<Self> {
        decode(bytes).ok()?;
        Secret::new(bytes).map(Self)
    }

    /// The form to be stored: holds the key.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// `None` never happens: the bytes were written or checked here.
    pub(crate) fn view(&self) -> Option<GrantView<'_>> {
        decode(self.0.as_bytes()).ok()
    }
}

fn encode(view: &GrantView<'_>, out: &mut [u8]) -> Result<usize, cbor::Error> {
    let optional = |writer: &mut Writer<'_>, bytes: Option<&[u8]>| match bytes {
        None => writer.null(),
        Some(bytes) => writer.bytes(bytes),
    };
    let mut writer = Writer::new(out);
    writer.array(11)?;
    writer.uint(VERSION)?;
    match view.audience {
        None => writer.null()?,
        Some(audience) => writer.text(audience)?,
    }
    writer.bytes(view.token)?;
    writer.bytes(view.material.id)?;
    writer.bytes(view.material.ms)?;
    writer.int(view.material.alg.cose())?;
    writer.int(view.material.hkdf.cose())?;
    optional(&mut writer, view.material.salt)?;
    optional(&mut writer, view.material.context_id)?;
    match view.scope {
        None => writer.null()?,
        Some(Scope::Text(text)) => writer.text(text)?,
        Some(Scope::Bytes(bytes)) => writer.bytes(bytes)?,
    }
    match view.ends {
        None => writer.null()?,
        Some(ends) => writer.uint(ends)?,
    }
    Ok(writer.finish())
}

fn decode(bytes: &[u8]) -> Result<GrantView<'_>, cbor::Error> {
    let mut reader = Reader::new(bytes);
    let (mut audience, mut token, mut id, mut ms) = (None, None, None, None);
    let (mut alg, mut hkdf, mut salt, mut context_id) = (None, None, None, None);
    let (mut scope, mut ends) = (None, None);
    let count = reader.array(|index, item| {
        if item.kind()? == Kind::Null && matches!(index, 1 | 7 | 8 | 9 | 10) {
            return item.null();
        }
        match index {
            0 if item.uint()? != VERSION => return Err(cbor::Error::UnknownValue),
            0 => {}
            1 => audience = Some(item.text()?),
            2 => token = Some(item.bytes()?),
            3 => id = Some(item.bytes()?),
            4 => ms = Some(item.bytes()?),
            5 => alg = Aead::from_cose(item.int()?),
            6 => hkdf = Hkdf::from_cose(item.int()?),
            7 => salt = Some(item.bytes()?),
            8 => context_id = Some(item.bytes()?),
            9 if item.kind()? == Kind::Text => scope = Some(Scope::Text(item.text()?)),
            9 => scope = Some(Scope::Bytes(item.bytes()?)),
            _ => ends = Some(item.uint()?),
        }
        Ok(())
    })?;
    reader.finish()?;
    match (token, id, ms, alg, hkdf) {
        (Some(token), Some(id), Some(ms), Some(alg), Some(hkdf)) if count == 11 => Ok(GrantView {
            audience,
            token,
            material: Material {
                id,
                ms,
                alg,
                hkdf,
                salt,
                context_id,
            },
            scope,
            ends,
        }),
        _ => Err(cbor::Error::MissingParameter),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ace_wire::cbor::Label;

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
    fn grants_come_back_and_nothing_else_does() {
        let view = GrantView {
            audience: Some("thermo"),
            token: &[9; 40],
            material: Material::check(&FULL).unwrap(),
            scope: Some(Scope::Text("r")),
            ends: Some(1_700_000_000),
        };
        let grant = Grant::<160>::new(&view).unwrap();
        let again = Grant::<160>::restore(grant.as_bytes()).unwrap();
        let read = again.view().unwrap();
        assert_eq!(
            (read.audience, read.token, read.scope),
            (Some("thermo"), view.token, view.scope)
        );
        assert_eq!(
            (read.material.ms, read.material.id),
            (&[7; 16][..], &b"1"[..])
        );
        assert_eq!(
            (read.material.salt, read.ends),
            (Some(&[8; 8][..]), view.ends)
        );
        assert!(Grant::<90>::new(&view).is_none());
        for end in 0..grant.as_bytes().len() {
            assert!(
                Grant::<160>::restore(&grant.as_bytes()[..end]).is_none(),
                "{end}"
            );
        }
        let mut long = grant.as_bytes().to_vec();
        long.push(0);
        assert!(Grant::<160>::restore(&long).is_none());
    }
}
