use super::{Audience, NumericDate, claim};
use crate::ace::{Confirmation, Scope};
use crate::cbor::{Error, Label, Reader, Writer, count};

/// A CWT Claims Set (RFC 8392, 3), the plaintext or payload of a token.
///
/// ```
/// use ace_wire::ace::{Confirmation, OscoreInputMaterial, Scope};
/// use ace_wire::cwt::{Audience, ClaimsSet, NumericDate};
///
/// let claims = ClaimsSet {
///     aud: Some(Audience::one("thermo")),
///     exp: Some(NumericDate::from_seconds(1_360_289_224)),
///     scope: Some(Scope::Text("read")),
///     cnf: Some(Confirmation::Osc(OscoreInputMaterial {
///         id: Some(&[1]),
///         ms: Some(&[0xf9; 16]),
///         ..Default::default()
///     })),
///     ..Default::default()
/// };
/// let mut payload = [0u8; 128];
/// let length = claims.encode(&mut payload)?;
/// assert_eq!(ClaimsSet::parse(&payload[..length])?, claims);
/// # Ok::<(), ace_wire::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClaimsSet<'a> {
    /// Issuer.
    pub iss: Option<&'a str>,
    /// Subject.
    pub sub: Option<&'a str>,
    /// Audience.
    pub aud: Option<Audience<'a>>,
    /// Expiration time.
    pub exp: Option<NumericDate>,
    /// Not before.
    pub nbf: Option<NumericDate>,
    /// Issued at.
    pub iat: Option<NumericDate>,
    /// CWT ID.
    pub cti: Option<&'a [u8]>,
    /// The proof-of-possession key (RFC 8747, 3.1).
    pub cnf: Option<Confirmation<'a>>,
    /// Scope (RFC 9200, 8.14).
    pub scope: Option<Scope<'a>>,
    /// Profile (RFC 9200, 8.14); see [`crate::ace::Profile`].
    pub ace_profile: Option<i64>,
    /// Client-nonce (RFC 9200, 5.3.1).
    pub cnonce: Option<&'a [u8]>,
    /// Lifetime in seconds from the first sight of the token (RFC 9200, 5.10.3).
    pub exi: Option<u64>,
}

impl<'a> ClaimsSet<'a> {
    /// Reads a whole claims set. Claims that are not understood are ignored (RFC 8392, 3).
    ///
    /// # Errors
    /// [`Error::NumericDate`] for dates that are not finite and positive; malformed CBOR, a
    /// duplicate key, a claim of the wrong type, trailing bytes, and what [`Confirmation::parse`]
    /// refuses.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes);
        let mut claims = Self::default();
        reader.map(|key, value| {
            let Label::Int(key) = key else {
                return value.skip().map(drop);
            };
            match key {
                claim::ISS => claims.iss = Some(value.text()?),
                claim::SUB => claims.sub = Some(value.text()?),
                claim::AUD => claims.aud = Some(Audience::read(value)?),
                claim::EXP => claims.exp = Some(NumericDate::read(value)?),
                claim::NBF => claims.nbf = Some(NumericDate::read(value)?),
                claim::IAT => claims.iat = Some(NumericDate::read(value)?),
                claim::CTI => claims.cti = Some(value.bytes()?),
                claim::CNF => claims.cnf = Some(Confirmation::read(value)?),
                claim::SCOPE => claims.scope = Some(Scope::read(value)?),
                claim::ACE_PROFILE => claims.ace_profile = Some(value.int()?),
                claim::CNONCE => claims.cnonce = Some(value.bytes()?),
                claim::EXI => claims.exi = Some(value.uint()?),
                _ => drop(value.skip()?),
            }
            Ok(())
        })?;
        reader.finish()?;
        Ok(claims)
    }

    /// Writes the claims set; returns its length.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, Error> {
        let mut writer = Writer::new(out);
        writer.map(count(&[
            self.iss.is_some(),
            self.sub.is_some(),
            self.aud.is_some(),
            self.exp.is_some(),
            self.nbf.is_some(),
            self.iat.is_some(),
            self.cti.is_some(),
            self.cnf.is_some(),
            self.scope.is_some(),
            self.ace_profile.is_some(),
            self.cnonce.is_some(),
            self.exi.is_some(),
        ]))?;
        writer.text_entry(claim::ISS, self.iss)?;
        writer.text_entry(claim::SUB, self.sub)?;
        Audience::write_entry(self.aud.as_ref(), claim::AUD, &mut writer)?;
        NumericDate::write_entry(self.exp, claim::EXP, &mut writer)?;
        NumericDate::write_entry(self.nbf, claim::NBF, &mut writer)?;
        NumericDate::write_entry(self.iat, claim::IAT, &mut writer)?;
        writer.bytes_entry(claim::CTI, self.cti)?;
        Confirmation::write_entry(self.cnf.as_ref(), claim::CNF, &mut writer)?;
        Scope::write_entry(self.scope, claim::SCOPE, &mut writer)?;
        writer.int_entry(claim::ACE_PROFILE, self.ace_profile)?;
        writer.bytes_entry(claim::CNONCE, self.cnonce)?;
        writer.uint_entry(claim::EXI, self.exi)?;
        Ok(writer.finish())
    }
}
