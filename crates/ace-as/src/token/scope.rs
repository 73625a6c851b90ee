//! The largest part of the scope asked for that the grants allow.

use std::collections::{BTreeMap, BTreeSet};

use ace_wire::{
    ace::Scope,
    aif::{Aif, MethodSet},
};

use super::Refusal;
use crate::{
    registry::scope::{AIF, TEXT, is_scope_token},
    store::GrantRow,
};

/// What a token will say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Granted {
    pub scope: OwnedScope,
    /// Whether the client must be told, because it is not what it asked for (RFC 6749, 5.1).
    pub differs: bool,
}

/// A scope of our own making.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OwnedScope {
    Text(String),
    /// AIF (RFC 9237), CBOR.
    Aif(Vec<u8>),
}

impl OwnedScope {
    pub fn as_scope(&self) -> Scope<'_> {
        match self {
            Self::Text(text) => Scope::Text(text),
            Self::Aif(bytes) => Scope::Bytes(bytes),
        }
    }
}

/// As a person reads it; `?` where AIF is malformed.
pub(crate) fn shown(scope: Scope<'_>) -> String {
    match scope {
        Scope::Text(text) => text.to_owned(),
        Scope::Bytes(bytes) => {
            Aif::parse(bytes).map_or_else(|_| "?".to_owned(), |aif| aif.to_string())
        }
    }
}

/// Narrows `asked` to `grants`, which are all of one kind; all of them if nothing was asked.
pub(crate) fn narrow(asked: Option<Scope<'_>>, grants: &[GrantRow]) -> Result<Granted, Refusal> {
    match asked {
        None => everything(grants),
        Some(Scope::Text(text)) => narrow_text(text, grants),
        Some(Scope::Bytes(bytes)) => narrow_aif(bytes, grants),
    }
}

fn everything(grants: &[GrantRow]) -> Result<Granted, Refusal> {
    let tokens: Vec<_> = of_kind(grants, TEXT).map(|(token, _)| token).collect();
    let scope = if tokens.is_empty() {
        aif(of_kind(grants, AIF))?
    } else {
        OwnedScope::Text(tokens.join(" "))
    };
    Ok(Granted {
        scope,
        differs: true,
    })
}

fn narrow_text(asked: &str, grants: &[GrantRow]) -> Result<Granted, Refusal> {
    let granted: BTreeSet<_> = of_kind(grants, TEXT).map(|(token, _)| token).collect();
    let mut seen = BTreeSet::new();
    let mut allowed = Vec::new();
    let mut differs = false;
    for token in asked.split(' ') {
        if !is_scope_token(token) {
            return Err(Refusal::ScopeMalformed);
        }
        if !seen.insert(token) {
            continue;
        }
        if granted.contains(token) {
            allowed.push(token);
        } else {
            differs = true;
        }
    }
    if allowed.is_empty() {
        return Err(Refusal::ScopeNotGranted);
    }
    Ok(Granted {
        scope: OwnedScope::Text(allowed.join(" ")),
        differs,
    })
}

fn narrow_aif(asked: &[u8], grants: &[GrantRow]) -> Result<Granted, Refusal> {
    let asked = Aif::parse(asked).map_err(|_| Refusal::ScopeMalformed)?;
    let granted: BTreeMap<_, _> = of_kind(grants, AIF).collect();
    let mut wanted = BTreeMap::new();
    for (path, methods) in asked.iter() {
        // RFC 9237, 3: entries of one object add up.
        let all = wanted.entry(path).or_insert(MethodSet::EMPTY);
        *all = *all | methods;
    }
    let mut differs = false;
    let mut allowed = Vec::new();
    for (path, methods) in wanted {
        let both = granted
            .get(path)
            .copied()
            .unwrap_or_default()
            .intersection(methods);
        differs |= both != methods;
        if !both.is_empty() {
            allowed.push((path, both));
        }
    }
    if allowed.is_empty() {
        return Err(Refusal::ScopeNotGranted);
    }
    Ok(Granted {
        scope: aif(allowed.into_iter())?,
        differs,
    })
}

fn of_kind(grants: &[GrantRow], kind: i64) -> impl Iterator<Item = (&str, MethodSet)> + Clone {
    grants
        .iter()
        .filter(move |(of, ..)| *of == kind)
        .map(|(_, object, methods)| (object.as_str(), MethodSet(methods.cast_unsigned())))
}

fn aif<'a>(
    entries: impl Iterator<Item = (&'a str, MethodSet)> + Clone,
) -> Result<OwnedScope, Refusal> {
    // An array head, a text head and an integer take nine bytes at most.
    let bound = entries
        .clone()
        .map(|(path, _)| path.len().saturating_add(27))
        .fold(9, usize::saturating_add);
    let mut bytes = vec![0; bound];
    let length = Aif::encode(entries, &mut bytes)
        .map_err(|_| Refusal::Internal("a grant that is no AIF"))?;
    bytes.truncate(length);
    Ok(OwnedScope::Aif(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths() -> Vec<GrantRow> {
        vec![(AIF, "/led".into(), 5), (AIF, "/temp".into(), 1)]
    }

    fn tokens() -> Vec<GrantRow> {
        vec![(TEXT, "read".into(), 0), (TEXT, "write".into(), 0)]
    }

    fn encoded(entries: &[(&str, u64)]) -> Vec<u8> {
        let OwnedScope::Aif(bytes) =
            aif(entries.iter().map(|(path, bits)| (*path, MethodSet(*bits)))).unwrap()
        else {
            panic!("not AIF");
        };
        bytes
    }

    fn narrowed(asked: &[(&str, u64)]) -> (String, bool) {
        let granted = narrow(Some(Scope::Bytes(&encoded(asked))), &paths()).unwrap();
        (shown(granted.scope.as_scope()), granted.differs)
    }

    #[test]
    fn rfc6749_3_3_aif_is_narrowed_to_the_largest_allowed_part() {
        assert_eq!(narrowed(&[("/temp", 1)]), ("GET /temp".into(), false));
        assert_eq!(narrowed(&[("/temp", 5)]), ("GET /temp".into(), true));
        assert_eq!(
            narrowed(&[("/led", 7), ("/door", 1), ("/temp", 1)]),
            ("GET,PUT /led; GET /temp".into(), true)
        );
        assert_eq!(
            narrowed(&[("/temp", 1), ("/led", 5)]),
            ("GET,PUT /led; GET /temp".into(), false)
        );
        // An entry without methods asks for nothing.
        assert_eq!(
            narrowed(&[("/temp", 1), ("/door", 0)]),
            ("GET /temp".into(), false)
        );
    }

    #[test]
    fn rfc9237_3_entries_of_one_object_add_up_in_the_request() {
        // [["/led", 1], ["/led", 4]], which the encoder would have merged.
        let asked = hex::decode("82 82 64 2f6c6564 01 82 64 2f6c6564 04".replace(' ', "")).unwrap();
        let granted = narrow(Some(Scope::Bytes(&asked)), &paths()).unwrap();
        assert_eq!(
            (shown(granted.scope.as_scope()), granted.differs),
            ("GET,PUT /led".into(), false)
        );
    }

    #[test]
    fn rfc6749_3_3_text_is_narrowed_to_the_largest_allowed_part() {
        let narrowed = |asked| {
            let granted = narrow(Some(Scope::Text(asked)), &tokens()).unwrap();
            (shown(granted.scope.as_scope()), granted.differs)
        };
        assert_eq!(narrowed("write read"), ("write read".into(), false));
        assert_eq!(narrowed("write admin"), ("write".into(), true));
        assert_eq!(narrowed("read read"), ("read".into(), false));
    }

    #[test]
    fn rfc6749_5_2_nothing_granted_or_malformed_is_invalid_scope() {
        fn refused(asked: Scope<'_>, grants: &[GrantRow]) -> Refusal {
            narrow(Some(asked), grants).unwrap_err()
        }
        assert!(matches!(
            refused(Scope::Text("admin"), &tokens()),
            Refusal::ScopeNotGranted
        ));
        assert!(matches!(
            refused(Scope::Text("read"), &paths()),
            Refusal::ScopeNotGranted
        ));
        assert!(matches!(
            refused(Scope::Bytes(&[0x80]), &paths()),
            Refusal::ScopeNotGranted
        ));
        let foreign = encoded(&[("/temp", 4)]);
        assert!(matches!(
            refused(Scope::Bytes(&foreign), &paths()),
            Refusal::ScopeNotGranted
        ));
        for malformed in [
            "",
            " ",
            "read ",
            " read",
            "read  write",
            "re\"ad",
            "re\\ad",
            "läs",
        ] {
            assert!(
                matches!(
                    refused(Scope::Text(malformed), &tokens()),
                    Refusal::ScopeMalformed
                ),
                "{malformed:?}"
            );
        }
        let whole = encoded(&[("/temp", 1)]);
        for length in 0..whole.len() {
            assert!(matches!(
                refused(Scope::Bytes(&whole[..length]), &paths()),
                Refusal::ScopeMalformed
            ));
        }
    }

    #[test]
    fn rfc6749_3_3_no_scope_means_all_that_is_granted() {
        let all = |grants: &[GrantRow]| {
            let granted = narrow(None, grants).unwrap();
            assert!(granted.differs);
            shown(granted.scope.as_scope())
        };
        assert_eq!(all(&paths()), "GET,PUT /led; GET /temp");
        assert_eq!(all(&tokens()), "read write");
    }
}
