//! Why a token is refused: what the client is told (RFC 9200, 5.8.3; RFC 6749, 5.2), and what the
//! log says beyond that.

use ace_wire::{
    ace::{ErrorCode, ErrorResponse},
    coap::Code,
};

use crate::StoreError;

/// One variant per violated rule.
#[derive(Debug, Clone)]
pub(crate) enum Refusal {
    /// Not a token request (RFC 6749, 5.2: malformed).
    Malformed(ace_wire::Error),
    /// The request came without authentication of the client (RFC 9200, 5.8).
    NotAuthenticated,
    /// `client_id` is not the client that authenticated.
    ClientId,
    /// `client_secret` beside OSCORE or DTLS: more than one way to authenticate (RFC 6749, 2.3).
    ClientSecret,
    /// A resource server asks for a token.
    NotAClient,
    /// Another grant type than client credentials.
    GrantType,
    /// `ace_profile` with a value (RFC 9200, 5.8.4.3).
    ProfileValue,
    /// A `cnonce` longer than a token carries.
    ClientNonce,
    /// No audience though the client has none or several to choose from.
    AudienceMissing,
    /// The audience is unknown, or the client has no grant there: the answer does not tell which.
    Audience,
    /// Client and resource server have no profile in common.
    Profiles,
    /// A key in `req_cnf` that the resource server cannot use (RFC 9200, 5.8.3).
    PopKey,
    /// A public key in `req_cnf` that is not the client's (RFC 9202, 3.2.1).
    ForeignPopKey,
    /// `req_cnf` names a key that no live token of this client for this audience is bound to (RFC 9202, 4).
    UnknownPopKey,
    /// No public key in `req_cnf`, and the resource server has no other way (RFC 9202, 3.2.1).
    PopKeyMissing,
    /// `req_cnf` names input material that is not this client's for this audience (RFC 9203, 3.1).
    InputMaterial,
    /// A scope that is none (RFC 6749, 3.3; RFC 9237).
    ScopeMalformed,
    /// Nothing of the scope is granted.
    ScopeNotGranted,
    /// The token and its answer would be longer than can be sent.
    TooLarge,
    /// Client, resource server or input material were removed while the token was made.
    Removed,
    /// The store failed: no token.
    Store(StoreError),
    /// The token could not be built.
    Internal(&'static str),
}

impl Refusal {
    /// The response code.
    pub fn code(&self) -> Code {
        match self {
            Self::Store(_) => Code::SERVICE_UNAVAILABLE,
            Self::Internal(_) => Code::INTERNAL_SERVER_ERROR,
            _ if self.error() == Some(ErrorCode::InvalidClient) => Code::UNAUTHORIZED,
            _ => Code::BAD_REQUEST,
        }
    }

    /// The ACE error; `None` where CoAP's own codes say it.
    pub fn error(&self) -> Option<ErrorCode> {
        Some(match self {
            Self::Malformed(_)
            | Self::ClientSecret
            | Self::ProfileValue
            | Self::ClientNonce
            | Self::AudienceMissing
            | Self::Audience
            | Self::InputMaterial
            | Self::PopKeyMissing
            | Self::Removed => ErrorCode::InvalidRequest,
            Self::NotAuthenticated | Self::ClientId => ErrorCode::InvalidClient,
            Self::NotAClient => ErrorCode::UnauthorizedClient,
            Self::GrantType => ErrorCode::UnsupportedGrantType,
            Self::ScopeMalformed | Self::ScopeNotGranted | Self::TooLarge => {
                ErrorCode::InvalidScope
            }
            Self::PopKey | Self::ForeignPopKey | Self::UnknownPopKey => {
                ErrorCode::UnsupportedPopKey
            }
            Self::Profiles => ErrorCode::IncompatibleAceProfiles,
            Self::Store(_) | Self::Internal(_) => return None,
        })
    }

    /// What the client's developer is told: printable ASCII without quotes and backslashes (RFC 6749, 5.2).
    pub fn description(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "not a token request in CBOR",
            Self::NotAuthenticated => "ask over OSCORE or DTLS",
            Self::ClientId => "client_id is not the authenticated client",
            Self::ClientSecret => {
                "the secure channel authenticates the client; leave client_secret out"
            }
            Self::NotAClient => "registered as a resource server",
            Self::GrantType => "only client_credentials",
            Self::ProfileValue => "ace_profile must be null",
            Self::ClientNonce => "cnonce too long",
            Self::AudienceMissing => "name the audience",
            // One answer for both, and for one that was just removed: not an oracle for audiences.
            Self::Audience | Self::Removed => "no access at this audience",
            Self::Profiles => "no profile in common with the audience",
            Self::PopKey => "no key for this audience",
            Self::ForeignPopKey => "not the key of this client",
            Self::InputMaterial | Self::UnknownPopKey => {
                "req_cnf names no key of this client for this audience"
            }
            Self::PopKeyMissing => "req_cnf must hold the public key of the client",
            Self::ScopeMalformed => "malformed scope",
            Self::ScopeNotGranted => "nothing of this scope is granted",
            Self::TooLarge => "too much for one token; ask for less",
            Self::Store(_) | Self::Internal(_) => "",
        }
    }

    /// What the log says.
    pub fn reason(&self) -> String {
        match self {
            Self::Malformed(error) => format!("malformed: {error:?}"),
            Self::Audience => "unknown audience or no grant there".to_owned(),
            Self::AudienceMissing => "no audience named, and not exactly one granted".to_owned(),
            Self::Removed => "removed while the token was made".to_owned(),
            Self::Store(error) => error.to_string(),
            Self::Internal(reason) => (*reason).to_owned(),
            other => other.description().to_owned(),
        }
    }

    /// The CBOR payload; empty where there is no ACE error.
    pub fn payload(&self) -> Vec<u8> {
        let Some(error) = self.error() else {
            return Vec::new();
        };
        let response = ErrorResponse {
            error,
            error_description: Some(self.description()),
            error_uri: None,
        };
        let mut payload = vec![0; 128];
        // Descriptions are literals; a test writes each.
        let length = response.encode(&mut payload).unwrap_or(0);
        payload.truncate(length);
        payload
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9200_5_8_3_every_error_has_its_number_and_a_description_in_the_allowed_characters() {
        use Refusal as R;
        for (refusal, code, number) in [
            (
                R::Malformed(ace_wire::Error::Truncated),
                Code::BAD_REQUEST,
                1,
            ),
            (R::ClientSecret, Code::BAD_REQUEST, 1),
            (R::ProfileValue, Code::BAD_REQUEST, 1),
            (R::ClientNonce, Code::BAD_REQUEST, 1),
            (R::AudienceMissing, Code::BAD_REQUEST, 1),
            (R::Audience, Code::BAD_REQUEST, 1),
            (R::InputMaterial, Code::BAD_REQUEST, 1),
            (R::Removed, Code::BAD_REQUEST, 1),
            (R::NotAuthenticated, Code::UNAUTHORIZED, 2),
            (R::ClientId, Code::UNAUTHORIZED, 2),
            (R::NotAClient, Code::BAD_REQUEST, 4),
            (R::GrantType, Code::BAD_REQUEST, 5),
            (R::ScopeMalformed, Code::BAD_REQUEST, 6),
            (R::ScopeNotGranted, Code::BAD_REQUEST, 6),
            (R::TooLarge, Code::BAD_REQUEST, 6),
            (R::PopKey, Code::BAD_REQUEST, 7),
            (R::ForeignPopKey, Code::BAD_REQUEST, 7),
            (R::UnknownPopKey, Code::BAD_REQUEST, 7),
            (R::PopKeyMissing, Code::BAD_REQUEST, 1),
            (R::Profiles, Code::BAD_REQUEST, 8),
        ] {
            assert_eq!(refusal.code(), code, "{refusal:?}");
            let payload = refusal.payload();
            let response = ErrorResponse::parse(&payload).unwrap();
            assert_eq!(response.error.number(), number, "{refusal:?}");
            let description = response.error_description.unwrap();
            assert!(!description.is_empty());
            assert!(
                description
                    .bytes()
                    .all(|b| matches!(b, 0x20 | 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
            );
        }
        assert!(R::Store(StoreError::Closed).payload().is_empty());
        assert_eq!(
            R::Store(StoreError::Closed).code(),
            Code::SERVICE_UNAVAILABLE
        );
    }

    #[test]
    fn an_unknown_audience_and_one_without_grant_answer_the_same() {
        assert_eq!(Refusal::Audience.payload(), Refusal::Removed.payload());
    }
}
