//! What the authorization server granted: the token, its key, scope, audience and end, kept in the
//! one form in which it is also stored.

use ace_crypto::Secret;
use ace_wire::ace::Scope;
use ace_wire::cbor::{self, Kind, Reader, Writer};

use crate::dtls;
use crate::oscore::Material;

#[cfg(feature = "oscore")]
/// Longest input salt taken (RFC 9203, 3.2.1), in bytes.
pub const MAX_SALT: usize = 64;
#[cfg(feature = "oscore")]
/// Longest nonce of a resource server taken (RFC 9203, 4.2), in bytes.
pub const MAX_NONCE: usize = 64;
/// Length of the client's nonce (RFC 9203, 4.1), in bytes.
#[cfg(feature = "oscore")]
pub const NONCE: usize = 8;

const VERSION_OSCORE: u64 = 1;

/// What the client got a token's key as.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keying<'a> {
    /// RFC 9203, 3.2.1
    Oscore(Material<'a>),
    /// RFC 9202, 3.2.1 and 3.3.1
    Dtls(dtls::Material<'a>),
}

impl<'a> Keying<'a> {
    /// The name of the key towards the authorization server.
    pub(crate) const fn id(&self) -> &'a [u8] {
        match self {
            Self::Oscore(material) => material.id(),
            Self::Dtls(material) => material.kid(),
        }
    }
}

/// A [`Grant`], read.
#[derive(Clone, Copy)]
pub(crate) struct GrantView<'a> {
    pub audience: Option<&'a str>,
    pub token: &'a [u8],
    pub keying: Keying<'a>,
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
    let mut writer = Writer::new(out);
    let elements = match view.keying {
        Keying::Oscore(_) => 11,
        Keying::Dtls(_) => 7,
    };
    writer.array(elements)?;
    writer.uint(match &view.keying {
        Keying::Oscore(_) => VERSION_OSCORE,
        Keying::Dtls(material) => material.version(),
    })?;
    match view.audience {
        None => writer.null()?,
        Some(audience) => writer.text(audience)?,
    }
    writer.bytes(view.token)?;
    match &view.keying {
        Keying::Oscore(material) => material.write(&mut writer)?,
        Keying::Dtls(material) => {
            writer.bytes(material.kid())?;
            writer.bytes(material.key())?;
        }
    }
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
    let (mut version, mut last) = (0, 0);
    let (mut audience, mut token, mut id, mut key) = (None, None, None, None);
    let (mut numbers, mut salt, mut context_id) = ([0; 2], None, None);
    let (mut scope, mut ends) = (None, None);
    let count = reader.array(|index, item| {
        if index == 0 {
            version = item.uint()?;
            last = if version == VERSION_OSCORE { 10 } else { 6 };
            return Ok(());
        }
        let is_optional = matches!(index, 1 | 7 | 8) || index + 1 >= last;
        if is_optional && item.kind()? == Kind::Null {
            return item.null();
        }
        match index {
            1 => audience = Some(item.text()?),
            2 => token = Some(item.bytes()?),
            3 => id = Some(item.bytes()?),
            4 => key = Some(item.bytes()?),
            _ if index == last => ends = Some(item.uint()?),
            _ if index + 1 == last && item.kind()? == Kind::Text => {
                scope = Some(Scope::Text(item.text()?));
            }
            _ if index + 1 == last => scope = Some(Scope::Bytes(item.bytes()?)),
            5 | 6 => {
                let [alg, hkdf] = &mut numbers;
                *(if index == 5 { alg } else { hkdf }) = item.int()?;
            }
            7 => salt = Some(item.bytes()?),
            _ => context_id = Some(item.bytes()?),
        }
        Ok(())
    })?;
    reader.finish()?;
    let (Some(token), Some(id), Some(key)) = (token, id, key) else {
        return Err(cbor::Error::MissingParameter);
    };
    let keying = match version {
        VERSION_OSCORE => {
            Material::stored(id, key, numbers, [salt, context_id]).map(Keying::Oscore)
        }
        other => dtls::Material::stored(other, id, key).map(Keying::Dtls),
    };
    match keying {
        Some(keying) if count == last + 1 => Ok(GrantView {
            audience,
            token,
            keying,
            scope,
            ends,
        }),
        _ => Err(cbor::Error::UnknownValue),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_come_back_and_nothing_else_does() {
        let salt = [Some(&[8; 8][..]), Some(&b"ctx"[..])];
        let keyings = [
            Material::stored(b"1", &[7; 16], [10, -10], salt).map(Keying::Oscore),
            Material::stored(b"", &[7; 16], [10, -10], [None; 2]).map(Keying::Oscore),
            dtls::Material::stored(2, b"kid", &[7; 16]).map(Keying::Dtls),
            dtls::Material::stored(3, &[1; 8], &[7; 91]).map(Keying::Dtls),
        ];
        for keying in keyings.into_iter().flatten() {
            for (scope, ends, audience) in [
                (
                    Some(Scope::Text("r")),
                    Some(1_700_000_000),
                    Some("thermometer"),
                ),
                (Some(Scope::Bytes(&[1; 50])), None, None),
                (None, None, None),
            ] {
                comes_back(&GrantView {
                    audience,
                    token: &[9; 40],
                    keying,
                    scope,
                    ends,
                });
            }
        }
    }

    fn comes_back(view: &GrantView<'_>) {
        let grant = Grant::<256>::new(view).unwrap();
        let again = Grant::<256>::restore(grant.as_bytes()).unwrap();
        let read = again.view().unwrap();
        assert_eq!(
            (read.audience, read.token, read.scope, read.ends),
            (view.audience, view.token, view.scope, view.ends)
        );
        assert!(read.keying == view.keying);
        assert!(Grant::<48>::new(view).is_none());
        for end in 0..grant.as_bytes().len() {
            let part = &grant.as_bytes()[..end];
            assert!(Grant::<256>::restore(part).is_none(), "{end}");
        }
        let mut long = grant.as_bytes().to_vec();
        long.push(0);
        assert!(Grant::<256>::restore(&long).is_none());
        let mut other = grant.as_bytes().to_vec();
        other[1] = 4;
        assert!(Grant::<256>::restore(&other).is_none());
    }
}
