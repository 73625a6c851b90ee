//! The claims of a CBOR Web Token (RFC 8392, RFC 8747, RFC 9200) once its COSE layer is open.

mod audience;
mod claims;
mod numeric_date;
#[cfg(test)]
mod tests;

pub use audience::{Audience, AudienceIter};
pub use claims::ClaimsSet;
pub use numeric_date::NumericDate;

/// Claim keys (IANA "CBOR Web Token (CWT) Claims").
pub mod claim {
    /// `iss`: text string.
    pub const ISS: i64 = 1;
    /// `sub`: text string.
    pub const SUB: i64 = 2;
    /// `aud`: text string, or array of text strings.
    pub const AUD: i64 = 3;
    /// `exp`: NumericDate.
    pub const EXP: i64 = 4;
    /// `nbf`: NumericDate.
    pub const NBF: i64 = 5;
    /// `iat`: NumericDate.
    pub const IAT: i64 = 6;
    /// `cti`: byte string.
    pub const CTI: i64 = 7;
    /// `cnf`: map (RFC 8747).
    pub const CNF: i64 = 8;
    /// `scope`: text or byte string (RFC 9200).
    pub const SCOPE: i64 = 9;
    /// `ace_profile`: integer (RFC 9200).
    pub const ACE_PROFILE: i64 = 38;
    /// `cnonce`: byte string (RFC 9200).
    pub const CNONCE: i64 = 39;
    /// `exi`: unsigned integer (RFC 9200).
    pub const EXI: i64 = 40;
}
