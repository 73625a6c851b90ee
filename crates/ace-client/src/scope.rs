//! Scopes as sets: what is asked for on top of what is held, and whether it was granted.

use ace_wire::ace::Scope;
use ace_wire::aif::{Aif, MethodSet};

use crate::Reason;

/// Writes the union of `held` and `wanted` into `out` (RFC 9203, 3.1: the new token replaces the
/// old one, so it must hold both).
///
/// `None` if they are of different kinds, do not parse, or do not fit.
pub(crate) fn union<'o>(
    held: Option<Scope<'_>>,
    wanted: Scope<'_>,
    out: &'o mut [u8],
) -> Option<Scope<'o>> {
    let Some(held) = held else {
        return copy(wanted, out);
    };
    match (held, wanted) {
        (Scope::Bytes(held), Scope::Bytes(wanted)) => {
            let entries = Aif::parse(held)
                .ok()?
                .iter()
                .chain(Aif::parse(wanted).ok()?.iter());
            let length = Aif::encode(entries, out).ok()?;
            out.get(..length).map(Scope::Bytes)
        }
        (Scope::Text(held), Scope::Text(wanted)) => {
            let mut length = 0;
            let added = wanted
                .split(' ')
                .filter(|t| !held.split(' ').any(|h| h == *t));
            for token in held
                .split(' ')
                .chain(added)
                .filter(|token| !token.is_empty())
            {
                if length > 0 {
                    *out.get_mut(length)? = b' ';
                    length += 1;
                }
                out.get_mut(length..length + token.len())?
                    .copy_from_slice(token.as_bytes());
                length += token.len();
            }
            core::str::from_utf8(out.get(..length)?)
                .ok()
                .map(Scope::Text)
        }
        _ => None,
    }
}

/// Whether `granted` holds all of `wanted`.
pub(crate) fn covers(granted: Scope<'_>, wanted: Scope<'_>) -> bool {
    match (granted, wanted) {
        (Scope::Bytes(granted), Scope::Bytes(wanted)) => {
            let (Ok(granted), Ok(wanted)) = (Aif::parse(granted), Aif::parse(wanted)) else {
                return granted == wanted;
            };
            wanted.iter().all(|(object, methods)| {
                let allowed = granted
                    .iter()
                    .filter(|(other, _)| *other == object)
                    .fold(MethodSet::EMPTY, |all, (_, methods)| all | methods);
                allowed.contains_all(methods)
            })
        }
        (Scope::Text(granted), Scope::Text(wanted)) => wanted
            .split(' ')
            .filter(|token| !token.is_empty())
            .all(|token| granted.split(' ').any(|have| have == token)),
        _ => false,
    }
}

/// Copies a scope.
pub(crate) fn copy<'o>(scope: Scope<'_>, out: &'o mut [u8]) -> Option<Scope<'o>> {
    let bytes = match scope {
        Scope::Text(text) => text.as_bytes(),
        Scope::Bytes(bytes) => bytes,
    };
    let out = out.get_mut(..bytes.len())?;
    out.copy_from_slice(bytes);
    match scope {
        Scope::Text(_) => core::str::from_utf8(out).ok().map(Scope::Text),
        Scope::Bytes(_) => Some(Scope::Bytes(out)),
    }
}

/// The AIF scope of one method on one resource.
pub(crate) fn of_request<'o>(
    path: &str,
    query: Option<&str>,
    methods: MethodSet,
    out: &'o mut [u8],
) -> Result<Scope<'o>, Reason> {
    let mut object = heapless::String::<{ crate::request::MAX_TARGET + 2 }>::new();
    let pieces = [
        if path.starts_with('/') { "" } else { "/" },
        path,
        if query.is_some() { "?" } else { "" },
        query.unwrap_or(""),
    ];
    for piece in pieces {
        object.push_str(piece).map_err(|_| Reason::TooLong)?;
    }
    let length = Aif::encode(core::iter::once((object.as_str(), methods)), out)
        .map_err(|_| Reason::TooLong)?;
    Ok(Scope::Bytes(out.get(..length).unwrap_or(&[])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aif<'o>(entries: &[(&str, MethodSet)], out: &'o mut [u8]) -> Scope<'o> {
        let length = Aif::encode(entries.iter().copied(), out).unwrap();
        Scope::Bytes(&out[..length])
    }

    #[test]
    fn rfc9203_3_1_update_asks_for_held_and_wanted() {
        let (mut a, mut b, mut c, mut out) = ([0; 64], [0; 64], [0; 64], [0; 64]);
        let held = aif(
            &[("/temp", MethodSet::GET), ("/led", MethodSet::GET)],
            &mut a,
        );
        let wanted = of_request("/led", None, MethodSet::PUT, &mut b).unwrap();
        let both = [
            ("/temp", MethodSet::GET),
            ("/led", MethodSet::GET | MethodSet::PUT),
        ];
        let both = aif(&both, &mut c);
        let united = union(Some(held), wanted, &mut out).unwrap();
        assert_eq!(united, both);
        assert!(covers(both, held) && covers(both, wanted));
        assert!(!covers(held, wanted) && !covers(wanted, held));
        assert_eq!(union(Some(held), wanted, &mut [0; 8]), None);

        let united = union(Some(Scope::Text("r w")), Scope::Text("w x"), &mut out).unwrap();
        assert_eq!(united, Scope::Text("r w x"));
        assert!(covers(united, Scope::Text("x r")) && !covers(united, Scope::Text("rw")));
        assert_eq!(union(Some(Scope::Text("r")), wanted, &mut c), None);
        assert!(!covers(Scope::Text("r"), wanted));
    }

    #[test]
    fn rfc9237_2_1_scope_of_a_request_names_path_and_query() {
        let mut out = [0; 64];
        let Scope::Bytes(bytes) = of_request("led", Some("x=1"), MethodSet::GET, &mut out).unwrap()
        else {
            panic!("text");
        };
        assert!(
            Aif::parse(bytes)
                .unwrap()
                .iter()
                .eq([("/led?x=1", MethodSet::GET)])
        );
    }
}
