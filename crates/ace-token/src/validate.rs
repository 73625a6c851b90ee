//! The claims that a resource server checks before it stores a token (RFC 9200, 5.10.1.1).

use ace_wire::{
    coap::Code,
    cwt::{ClaimsSet, NumericDate},
};

/// Who the resource server is, whom it trusts, and what time it is.
#[derive(Debug, Clone, Copy)]
pub struct Validation<'a> {
    /// The authorization server whose key opened the token: [`Opened::issuer`](crate::Opened::issuer).
    pub issuer: &'a str,
    /// The audiences this resource server identifies with.
    pub audience: &'a [&'a str],
    /// Seconds since 1970-01-01T00:00Z by a clock that can be trusted; without one `exp` and `nbf` are not checked, and
    /// the caller must bound the token's life by `exi` or `cnonce` (RFC 9200, 5.10.3).
    pub now: Option<u64>,
    /// Seconds by which the clocks of the two servers may differ.
    pub leeway: u64,
}

impl Validation<'_> {
    /// Checks `iss`, `exp`, `nbf`, `aud` and the presence of `scope`; the first that fails is told. Whether the resource
    /// server knows the scope is for the caller to say, last.
    ///
    /// # Errors
    /// See [`ClaimError`].
    pub fn validate(&self, claims: &ClaimsSet<'_>) -> Result<(), ClaimError> {
        if claims.iss.is_some_and(|issuer| issuer != self.issuer) {
            return Err(ClaimError::Issuer);
        }
        if let Some(now) = self.now {
            // RFC 8392, 3.1.4: on or after `exp` it is over.
            let earliest = NumericDate::from_seconds(now.saturating_sub(self.leeway));
            if claims.exp.is_some_and(|end| end <= earliest) {
                return Err(ClaimError::Expired);
            }
            // RFC 8392, 3.1.5: not before `nbf`.
            let latest = NumericDate::from_seconds(now.saturating_add(self.leeway));
            if claims.nbf.is_some_and(|start| start > latest) {
                return Err(ClaimError::NotYetValid);
            }
        }
        let audience = claims.aud.ok_or(ClaimError::MissingAudience)?;
        if !self.audience.iter().any(|name| audience.contains(name)) {
            return Err(ClaimError::Audience);
        }
        if claims.scope.is_none() {
            return Err(ClaimError::MissingScope);
        }
        Ok(())
    }
}

/// Why the claims of a token were refused.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimError {
    /// `iss` is not the authorization server whose key opened the token.
    Issuer,
    /// `exp` has come.
    Expired,
    /// `nbf` is still ahead.
    NotYetValid,
    /// There is no `aud`.
    MissingAudience,
    /// `aud` does not name this resource server.
    Audience,
    /// There is no `scope`.
    MissingScope,
}

impl ClaimError {
    /// What `/authz-info` answers (RFC 9200, 5.10.1.1): 4.01 for issuer and time, 4.03 for the audience, 4.00 for the scope.
    #[must_use]
    pub const fn code(self) -> Code {
        match self {
            Self::Issuer | Self::Expired | Self::NotYetValid => Code::UNAUTHORIZED,
            Self::MissingAudience | Self::Audience => Code::FORBIDDEN,
            Self::MissingScope => Code::BAD_REQUEST,
        }
    }
}

impl core::fmt::Display for ClaimError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Issuer => "the token's issuer is not the one whose key protects it",
            Self::Expired => "the token has expired",
            Self::NotYetValid => "the token is not valid yet",
            Self::MissingAudience => "the token names no audience",
            Self::Audience => "the token is for another audience",
            Self::MissingScope => "the token names no scope",
        })
    }
}

impl core::error::Error for ClaimError {}
