use super::Context;
use crate::ace::parameter as p;
use crate::ace::{ErrorCode, GrantType, Profile};
use crate::cose::{algorithm_name, header_label, key_label};
use crate::cwt::claim;

/// What an item is: decides how it and its parts are shown.
#[derive(Debug, Clone, Copy)]
pub(super) enum Meaning {
    /// Nothing known.
    Plain,
    /// Map of parameters of the token endpoint and of `/authz-info`.
    Parameters,
    /// Map of hints.
    Hints,
    /// Map of introspection parameters.
    Introspection,
    /// Map of claims.
    ClaimsSet,
    /// Map with one key.
    Confirmation,
    /// Map of OSCORE input material.
    Osc,
    /// COSE_Key; the key type decides what the negative labels are.
    CoseKey(Option<i64>),
    /// COSE header map.
    Header,
    /// Tag and array of a COSE structure; the tag if it is known.
    Cose(Option<u64>),
    /// Array of path and methods.
    Aif,
    /// Pair of path and methods.
    AifEntry,
    /// REST-method-set.
    Methods,
    /// Byte string that holds a header map.
    Protected,
    /// Byte string that holds a claims set or a COSE structure.
    Payload,
    /// Byte string that holds a COSE structure.
    Token,
    /// Text, or byte string that holds AIF.
    Scope,
    /// Seconds since 1970.
    Date,
    /// A number with a name.
    Named(fn(i64) -> Option<&'static str>),
    /// Must not be shown.
    Secret,
}

impl Meaning {
    pub(super) const fn of(context: Context) -> Self {
        match context {
            Context::Plain => Self::Plain,
            Context::Parameters => Self::Parameters,
            Context::Hints => Self::Hints,
            Context::Introspection => Self::Introspection,
            Context::ClaimsSet => Self::ClaimsSet,
            Context::Cose => Self::Cose(None),
            Context::Header => Self::Header,
            Context::CoseKey => Self::CoseKey(None),
            Context::Confirmation => Self::Confirmation,
            Context::OscoreInputMaterial => Self::Osc,
            Context::Aif => Self::Aif,
        }
    }

    /// Name and meaning of the entry with this key, if this is a map.
    pub(super) fn entry(self, key: i64) -> (Option<&'static str>, Self) {
        let known = match self {
            Self::Parameters => parameter(key),
            Self::Hints => hint(key),
            Self::Introspection => introspection(key),
            Self::ClaimsSet => claim(key),
            Self::Confirmation => confirmation(key),
            Self::Osc => osc(key),
            Self::Header => header(key),
            Self::CoseKey(kty) => return cose_key(kty, key),
            _ => None,
        };
        match known {
            Some((name, meaning)) => (Some(name), meaning),
            None => (None, Self::Plain),
        }
    }

    /// Meaning of the element at `index` of an array of `length` elements.
    pub(super) const fn element(self, index: u64, length: Option<u64>) -> Self {
        match (self, index) {
            (Self::Cose(_), 0) => Self::Protected,
            (Self::Cose(_), 1) => Self::Header,
            (Self::Cose(Some(crate::cose::TAG_MAC0 | crate::cose::TAG_SIGN1)), 2) => Self::Payload,
            (Self::Cose(None), 2) if !matches!(length, Some(3)) => Self::Payload,
            (Self::Aif, _) => Self::AifEntry,
            (Self::AifEntry, 1) => Self::Methods,
            _ => Self::Plain,
        }
    }
}

type Known = Option<(&'static str, Meaning)>;

fn parameter(key: i64) -> Known {
    use Meaning::{Confirmation, Named, Plain, Scope, Secret, Token};
    Some(match key {
        p::ACCESS_TOKEN => ("access_token", Token),
        p::EXPIRES_IN => ("expires_in", Plain),
        p::REQ_CNF => ("req_cnf", Confirmation),
        p::AUDIENCE => ("audience", Plain),
        p::CNF => ("cnf", Confirmation),
        p::SCOPE => ("scope", Scope),
        p::CLIENT_ID => ("client_id", Plain),
        p::CLIENT_SECRET => ("client_secret", Secret),
        p::RESPONSE_TYPE => ("response_type", Plain),
        p::REDIRECT_URI => ("redirect_uri", Plain),
        p::STATE => ("state", Plain),
        p::CODE => ("code", Secret),
        p::ERROR => (
            "error",
            Named(|number| ErrorCode::from_number(number).name()),
        ),
        p::ERROR_DESCRIPTION => ("error_description", Plain),
        p::ERROR_URI => ("error_uri", Plain),
        p::GRANT_TYPE => ("grant_type", Named(grant_type)),
        p::TOKEN_TYPE => ("token_type", Named(token_type)),
        p::USERNAME => ("username", Plain),
        p::PASSWORD => ("password", Secret),
        p::REFRESH_TOKEN => ("refresh_token", Secret),
        p::ACE_PROFILE => ("ace_profile", Named(profile)),
        p::CNONCE => ("cnonce", Plain),
        p::NONCE1 => ("nonce1", Plain),
        p::RS_CNF => ("rs_cnf", Confirmation),
        p::NONCE2 => ("nonce2", Plain),
        p::ACE_CLIENT_RECIPIENTID => ("ace_client_recipientid", Plain),
        p::ACE_SERVER_RECIPIENTID => ("ace_server_recipientid", Plain),
        _ => return None,
    })
}

fn hint(key: i64) -> Known {
    Some(match key {
        p::hint::AS => ("AS", Meaning::Plain),
        p::hint::KID => ("kid", Meaning::Plain),
        p::AUDIENCE => ("audience", Meaning::Plain),
        p::SCOPE => ("scope", Meaning::Scope),
        p::CNONCE => ("cnonce", Meaning::Plain),
        _ => return None,
    })
}

fn introspection(key: i64) -> Known {
    Some(match key {
        10 => ("active", Meaning::Plain),
        11 => ("token", Meaning::Token),
        33 => ("token_type_hint", Meaning::Plain),
        p::CLIENT_ID | p::USERNAME | p::TOKEN_TYPE => return parameter(key),
        p::ERROR | p::ERROR_DESCRIPTION | p::ERROR_URI => return parameter(key),
        p::RS_CNF => return parameter(key),
        _ => return claim(key),
    })
}

fn claim(key: i64) -> Known {
    Some(match key {
        claim::ISS => ("iss", Meaning::Plain),
        claim::SUB => ("sub", Meaning::Plain),
        claim::AUD => ("aud", Meaning::Plain),
        claim::EXP => ("exp", Meaning::Date),
        claim::NBF => ("nbf", Meaning::Date),
        claim::IAT => ("iat", Meaning::Date),
        claim::CTI => ("cti", Meaning::Plain),
        claim::CNF => ("cnf", Meaning::Confirmation),
        claim::SCOPE => ("scope", Meaning::Scope),
        claim::ACE_PROFILE => ("ace_profile", Meaning::Named(profile)),
        claim::CNONCE => ("cnonce", Meaning::Plain),
        claim::EXI => ("exi", Meaning::Plain),
        _ => return None,
    })
}

fn confirmation(key: i64) -> Known {
    Some(match key {
        p::cnf::COSE_KEY => ("COSE_Key", Meaning::CoseKey(None)),
        p::cnf::ENCRYPTED_COSE_KEY => ("Encrypted_COSE_Key", Meaning::Cose(None)),
        p::cnf::KID => ("kid", Meaning::Plain),
        p::cnf::OSC => ("osc", Meaning::Osc),
        _ => return None,
    })
}

fn osc(key: i64) -> Known {
    Some(match key {
        p::osc::ID => ("id", Meaning::Plain),
        p::osc::VERSION => ("version", Meaning::Plain),
        p::osc::MS => ("ms", Meaning::Secret),
        p::osc::HKDF => ("hkdf", Meaning::Named(algorithm_name)),
        p::osc::ALG => ("alg", Meaning::Named(algorithm_name)),
        p::osc::SALT => ("salt", Meaning::Plain),
        p::osc::CONTEXT_ID => ("contextId", Meaning::Plain),
        _ => return None,
    })
}

fn header(key: i64) -> Known {
    Some(match key {
        header_label::ALG => ("alg", Meaning::Named(algorithm_name)),
        header_label::CRIT => ("crit", Meaning::Plain),
        header_label::CONTENT_TYPE => ("content type", Meaning::Plain),
        header_label::KID => ("kid", Meaning::Plain),
        header_label::IV => ("IV", Meaning::Plain),
        header_label::PARTIAL_IV => ("Partial IV", Meaning::Plain),
        _ => return None,
    })
}

fn cose_key(kty: Option<i64>, key: i64) -> (Option<&'static str>, Meaning) {
    let (name, meaning) = match (key, kty) {
        (key_label::KTY, _) => ("kty", Meaning::Named(key_type)),
        (key_label::KID, _) => ("kid", Meaning::Plain),
        (key_label::ALG, _) => ("alg", Meaning::Named(algorithm_name)),
        (key_label::KEY_OPS, _) => ("key_ops", Meaning::Plain),
        (key_label::BASE_IV, _) => ("Base IV", Meaning::Plain),
        (key_label::K, Some(4)) => ("k", Meaning::Secret),
        (key_label::CRV, Some(1 | 2)) => ("crv", Meaning::Named(curve)),
        (key_label::X, Some(1 | 2)) => ("x", Meaning::Plain),
        (key_label::Y, Some(2)) => ("y", Meaning::Plain),
        (key_label::D, Some(1 | 2)) => ("d", Meaning::Secret),
        // A type without names here: whatever it is, it belongs to the key.
        (..=-1, _) => return (None, Meaning::Secret),
        _ => return (None, Meaning::Plain),
    };
    (Some(name), meaning)
}

fn grant_type(number: i64) -> Option<&'static str> {
    u64::try_from(number)
        .ok()
        .and_then(|number| GrantType::from_number(number).name())
}

fn token_type(number: i64) -> Option<&'static str> {
    match number {
        p::TOKEN_TYPE_BEARER => Some("Bearer"),
        p::TOKEN_TYPE_POP => Some("PoP"),
        _ => None,
    }
}

fn profile(number: i64) -> Option<&'static str> {
    Profile::from_number(number).map(Profile::name)
}

fn key_type(number: i64) -> Option<&'static str> {
    Some(match number {
        1 => "OKP",
        2 => "EC2",
        3 => "RSA",
        4 => "Symmetric",
        _ => return None,
    })
}

fn curve(number: i64) -> Option<&'static str> {
    Some(match number {
        1 => "P-256",
        2 => "P-384",
        3 => "P-521",
        4 => "X25519",
        5 => "X448",
        6 => "Ed25519",
        7 => "Ed448",
        _ => return None,
    })
}
