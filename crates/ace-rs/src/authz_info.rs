//! What a posted token must be to be taken (RFC 9200, 5.10.1.1). Looks, and changes nothing.

use ace_coap::Instant;
use ace_token::{ClaimError, Opened, Validation};
use ace_wire::ace::Profile;
use ace_wire::cwt::ClaimsSet;
#[cfg(feature = "dtls")]
use ace_wire::cwt::NumericDate;

use crate::Refusal;
use crate::config::Config;
use crate::freshness::{Numbers, Term};
use crate::kept::Kept;
use crate::scope::Rights;
use crate::token::{Grant, TokenHash, TokenId};

/// Where the checks happen.
#[derive(Clone, Copy)]
pub(crate) struct Place<'s, 'c> {
    pub(crate) config: &'s Config<'c>,
    pub(crate) numbers: &'s Numbers,
    pub(crate) secret: &'s [u8],
    pub(crate) now: Instant,
    pub(crate) wall: Option<u64>,
}

/// A token whose protection and claims are in order; `cnf` is not looked at yet.
#[derive(Debug)]
pub(crate) struct Examined<'b> {
    /// The authorization server, as a place among the token keys.
    pub(crate) issuer: u8,
    pub(crate) claims: ClaimsSet<'b>,
    pub(crate) term: Term,
    pub(crate) rights: Rights<'b>,
}

impl<'c> Place<'_, 'c> {
    /// Opens a token into `buffer`, and checks its claims in the order of RFC 9200, 5.10.1.1: iss,
    /// exp and its relatives, aud, scope.
    pub(crate) fn examine<'b>(
        self,
        token: &'b [u8],
        buffer: &'b mut [u8],
    ) -> Result<Examined<'b>, Refusal>
    where
        'c: 'b,
    {
        let Opened { claims, issuer, .. } =
            ace_token::open(token, self.config.token_keys, buffer).map_err(Refusal::Token)?;
        let validation = Validation {
            issuer,
            audience: self.config.audiences,
            now: self.wall,
            leeway: 0,
        };
        let who_and_what = match validation.validate(&claims) {
            Err(error @ (ClaimError::Issuer | ClaimError::Expired | ClaimError::NotYetValid)) => {
                return Err(Refusal::Claim(error));
            }
            other => other,
        };
        let term = Term::of(&claims, self.now, self.wall, self.config, self.secret)?;
        self.numbers.check(term.number.get())?;
        who_and_what.map_err(Refusal::Claim)?;
        let scope = claims
            .scope
            .ok_or(Refusal::Claim(ClaimError::MissingScope))?;
        let rights = Rights::recognize(scope, self.config.scopes)?;
        Ok(Examined {
            issuer: self.place_of(issuer),
            claims,
            term,
            rights,
        })
    }
}

impl Place<'_, '_> {
    fn place_of(&self, issuer: &str) -> u8 {
        let mut keys = self.config.token_keys.iter();
        let place = keys.position(|key| key.issuer == issuer);
        place
            .and_then(|place| u8::try_from(place).ok())
            .unwrap_or(u8::MAX)
    }
}

impl Examined<'_> {
    // RFC 9200, 5.10
    pub(crate) fn is_for(&self, profile: Profile) -> Result<(), Refusal> {
        match self.claims.ace_profile {
            Some(other) if other != profile.number() => Err(Refusal::Profile),
            _ => Ok(()),
        }
    }

    /// `iat`, seconds since the epoch.
    #[cfg(feature = "dtls")]
    pub(crate) fn issued(&self) -> Option<u64> {
        self.claims.iat.map(NumericDate::seconds)
    }

    /// What the device keeps of the claims.
    pub(crate) fn grant<const SCOPE: usize>(
        &self,
        id: TokenId,
        hash: TokenHash,
        key_id: &[u8],
    ) -> Result<Grant<SCOPE>, Refusal> {
        Ok(Grant {
            id,
            hash,
            term: self.term,
            #[cfg(feature = "dtls")]
            issued: self.issued().into(),
            claims: Kept::of(self.rights, self.claims.sub, self.claims.cti, key_id)?,
        })
    }
}
