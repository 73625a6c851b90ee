//! What an operator writes as a grant, and how it stands in the store.

use ace_wire::{Error, aif, aif::MethodSet};

use super::RegistryError;

/// `grant_.kind` of a scope token.
pub(crate) const TEXT: i64 = 0;
/// `grant_.kind` of a path with methods.
pub(crate) const AIF: i64 = 1;

/// One grant as written: `GET,PUT /led`, or scope tokens.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum GrantText<'a> {
    Methods(&'a str, MethodSet),
    Tokens(Vec<&'a str>),
}

impl<'a> GrantText<'a> {
    /// Methods and path if it begins with a method or has a path; scope tokens otherwise.
    pub fn parse(text: &'a str) -> Result<Self, RegistryError> {
        let text = text.trim();
        let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
        let rest = rest.trim();
        if first.starts_with('/') {
            return Err(RegistryError::Method {
                methods: first.to_owned(),
            });
        }
        if MethodSet::parse(first).is_ok() || rest.starts_with('/') {
            return match aif::parse_entry(text) {
                // Grants are of one object each; the empty path is written `/`.
                Ok((path, methods)) if path.starts_with('/') => Ok(Self::Methods(path, methods)),
                Err(Error::UnknownMethod) => Err(RegistryError::Method {
                    methods: first.to_owned(),
                }),
                _ => Err(RegistryError::Path {
                    path: rest.to_owned(),
                }),
            };
        }
        let tokens: Vec<_> = text.split_ascii_whitespace().collect();
        match tokens.iter().find(|token| !is_scope_token(token)) {
            Some(token) => Err(RegistryError::ScopeToken {
                token: (*token).to_owned(),
            }),
            None if tokens.is_empty() => Err(RegistryError::ScopeToken {
                token: String::new(),
            }),
            None => Ok(Self::Tokens(tokens)),
        }
    }

    pub fn kind(&self) -> i64 {
        match self {
            Self::Methods(..) => AIF,
            Self::Tokens(_) => TEXT,
        }
    }

    /// Object and method bits of each row.
    pub fn rows(&self) -> Vec<(&'a str, i64)> {
        match self {
            Self::Methods(path, methods) => vec![(path, methods.0.cast_signed())],
            Self::Tokens(tokens) => tokens.iter().map(|token| (*token, 0)).collect(),
        }
    }
}

/// RFC 6749, 3.3.
pub(crate) fn is_scope_token(token: &str) -> bool {
    !token.is_empty()
        && token
            .bytes()
            .all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

/// A row as the operator writes it.
pub(super) fn written(kind: i64, object: &str, methods: i64) -> String {
    if kind == AIF {
        format!("{} {object}", MethodSet(methods.cast_unsigned()))
    } else {
        object.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_and_path_are_told_from_scope_tokens() {
        let methods = MethodSet::GET | MethodSet::PUT;
        assert_eq!(
            GrantText::parse("GET /temp").unwrap(),
            GrantText::Methods("/temp", MethodSet::GET)
        );
        assert_eq!(
            GrantText::parse(" GET,PUT  /led ").unwrap(),
            GrantText::Methods("/led", methods)
        );
        assert_eq!(
            GrantText::parse("read write").unwrap(),
            GrantText::Tokens(vec!["read", "write"])
        );
    }

    #[test]
    fn slips_are_named() {
        let message = |text| GrantText::parse(text).unwrap_err().to_string();
        assert!(
            message("GIT /temp").starts_with("unknown method in `GIT`; use GET, POST"),
            "{}",
            message("GIT /temp")
        );
        assert!(message("/temp").starts_with("unknown method in `/temp`"));
        assert!(message("GET temp").starts_with("`temp` is not a path"));
        assert!(message("GET").starts_with("`` is not a path"));
        assert!(message("GET /a#b").starts_with("`/a#b` is not a path"));
        assert!(message("r\"ead").contains("cannot be a scope"));
        assert!(message("").contains("cannot be a scope"));
        assert!(message("läs").contains("cannot be a scope"));
    }
}
