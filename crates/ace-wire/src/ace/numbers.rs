/// `grant_type` (RFC 9200, Table 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GrantType {
    /// 0.
    Password,
    /// 1.
    AuthorizationCode,
    /// 2; implied when the parameter is absent (RFC 9200, 5.8.1).
    #[default]
    ClientCredentials,
    /// 3.
    RefreshToken,
    /// A number this crate does not know, 4 or more.
    Other(u64),
}

impl GrantType {
    /// The grant type with this CBOR value.
    #[must_use]
    pub const fn from_number(number: u64) -> Self {
        match number {
            0 => Self::Password,
            1 => Self::AuthorizationCode,
            2 => Self::ClientCredentials,
            3 => Self::RefreshToken,
            other => Self::Other(other),
        }
    }

    /// The CBOR value.
    #[must_use]
    pub const fn number(self) -> u64 {
        match self {
            Self::Password => 0,
            Self::AuthorizationCode => 1,
            Self::ClientCredentials => 2,
            Self::RefreshToken => 3,
            Self::Other(other) => other,
        }
    }

    /// The registered name.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::Password => "password",
            Self::AuthorizationCode => "authorization_code",
            Self::ClientCredentials => "client_credentials",
            Self::RefreshToken => "refresh_token",
            Self::Other(_) => return None,
        })
    }
}

/// `ace_profile` values this stack speaks (RFC 9202, 9; RFC 9203, 9.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Profile {
    /// `coap_dtls`.
    CoapDtls = 1,
    /// `coap_oscore`.
    CoapOscore = 2,
}

impl Profile {
    /// The profile with this CBOR value.
    #[must_use]
    pub const fn from_number(number: i64) -> Option<Self> {
        match number {
            1 => Some(Self::CoapDtls),
            2 => Some(Self::CoapOscore),
            _ => None,
        }
    }

    /// The CBOR value.
    #[must_use]
    pub const fn number(self) -> i64 {
        self as i64
    }

    /// The registered name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CoapDtls => "coap_dtls",
            Self::CoapOscore => "coap_oscore",
        }
    }
}

/// `error` (RFC 9200, Table 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// 1.
    InvalidRequest,
    /// 2.
    InvalidClient,
    /// 3.
    InvalidGrant,
    /// 4.
    UnauthorizedClient,
    /// 5.
    UnsupportedGrantType,
    /// 6.
    InvalidScope,
    /// 7.
    UnsupportedPopKey,
    /// 8.
    IncompatibleAceProfiles,
    /// A number this crate does not know.
    Other(i64),
}

impl ErrorCode {
    /// The error with this CBOR value.
    #[must_use]
    pub const fn from_number(number: i64) -> Self {
        match number {
            1 => Self::InvalidRequest,
            2 => Self::InvalidClient,
            3 => Self::InvalidGrant,
            4 => Self::UnauthorizedClient,
            5 => Self::UnsupportedGrantType,
            6 => Self::InvalidScope,
            7 => Self::UnsupportedPopKey,
            8 => Self::IncompatibleAceProfiles,
            other => Self::Other(other),
        }
    }

    /// The CBOR value.
    #[must_use]
    pub const fn number(self) -> i64 {
        match self {
            Self::InvalidRequest => 1,
            Self::InvalidClient => 2,
            Self::InvalidGrant => 3,
            Self::UnauthorizedClient => 4,
            Self::UnsupportedGrantType => 5,
            Self::InvalidScope => 6,
            Self::UnsupportedPopKey => 7,
            Self::IncompatibleAceProfiles => 8,
            Self::Other(other) => other,
        }
    }

    /// The registered name.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::UnsupportedPopKey => "unsupported_pop_key",
            Self::IncompatibleAceProfiles => "incompatible_ace_profiles",
            Self::Other(_) => return None,
        })
    }
}
