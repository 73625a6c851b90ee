use super::parameter as p;
use super::{Confirmation, Scope};
use crate::cbor::{Error, Label, Reader, Writer, count};
use crate::cwt::{Audience, NumericDate, claim};

/// An introspection request (RFC 9200, 5.9.1).
///
/// ```
/// use ace_wire::ace::{IntrospectionRequest, parameter};
///
/// let request = IntrospectionRequest {
///     token: &[0xee, 0x08],
///     token_type_hint: Some(parameter::TOKEN_TYPE_POP.into()),
/// };
/// let mut payload = [0u8; 16];
/// let length = request.encode(&mut payload)?;
/// assert_eq!(IntrospectionRequest::parse(&payload[..length])?, request);
/// # Ok::<(), ace_wire::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntrospectionRequest<'a> {
    /// The token asked about, as it was uploaded; required.
    pub token: &'a [u8],
    /// What kind of token it may be. The RFC's table gives a text string, its example a number: both are read.
    pub token_type_hint: Option<Label<'a>>,
}

impl<'a> IntrospectionRequest<'a> {
    /// Reads a whole payload.
    ///
    /// # Errors
    /// [`Error::MissingParameter`] without a token; malformed CBOR, a duplicate key, a parameter of the wrong type,
    /// trailing bytes.
    pub fn parse(payload: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(payload);
        let (mut token, mut token_type_hint) = (None, None);
        reader.map(|key, value| {
            match key {
                Label::Int(p::introspection::TOKEN) => token = Some(value.bytes()?),
                Label::Int(p::introspection::TOKEN_TYPE_HINT) => {
                    token_type_hint = Some(value.label()?);
                }
                _ => drop(value.skip()?),
            }
            Ok(())
        })?;
        reader.finish()?;
        Ok(Self {
            token: token.ok_or(Error::MissingParameter)?,
            token_type_hint,
        })
    }

    /// Writes the payload; returns its length.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, Error> {
        let mut writer = Writer::new(out);
        writer.map(count(&[true, self.token_type_hint.is_some()]))?;
        writer.bytes_entry(p::introspection::TOKEN, Some(self.token))?;
        writer.label_entry(p::introspection::TOKEN_TYPE_HINT, self.token_type_hint)?;
        Ok(writer.finish())
    }
}

/// An introspection response (RFC 9200, 5.9.2; RFC 9201, 4). Of a token that is not active, nothing else is told
/// (RFC 7662, 2.2).
///
/// `Debug` shows no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IntrospectionResponse<'a> {
    /// Whether the token is valid for whom asked; required.
    pub active: bool,
    /// Issuer.
    pub iss: Option<&'a str>,
    /// Subject.
    pub sub: Option<&'a str>,
    /// Audience: a text string here, with an array read as in a token.
    pub aud: Option<Audience<'a>>,
    /// Expiration time.
    pub exp: Option<NumericDate>,
    /// Not before.
    pub nbf: Option<NumericDate>,
    /// Issued at.
    pub iat: Option<NumericDate>,
    /// CWT ID.
    pub cti: Option<&'a [u8]>,
    /// The key the token is bound to.
    pub cnf: Option<Confirmation<'a>>,
    /// Scope.
    pub scope: Option<Scope<'a>>,
    /// The client it was issued to.
    pub client_id: Option<&'a str>,
    /// Token type; PoP (2) if absent.
    pub token_type: Option<i64>,
    /// Resource owner's name.
    pub username: Option<&'a str>,
    /// Profile to speak with the client; see [`super::Profile`].
    pub ace_profile: Option<i64>,
    /// Client-nonce that the resource server had given with its hints.
    pub cnonce: Option<&'a [u8]>,
    /// Lifetime in seconds from the first sight of the token (RFC 9200, 5.10.3).
    pub exi: Option<u64>,
}

impl<'a> IntrospectionResponse<'a> {
    /// Reads a whole payload.
    ///
    /// # Errors
    /// [`Error::MissingParameter`] without `active`; [`Error::NumericDate`] for dates that are not finite and positive;
    /// malformed CBOR, a duplicate key, a parameter of the wrong type, trailing bytes, and what
    /// [`Confirmation::parse`] refuses.
    pub fn parse(payload: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(payload);
        let mut response = Self::default();
        let mut active = None;
        reader.map(|key, value| {
            let Label::Int(key) = key else {
                return value.skip().map(drop);
            };
            match key {
                claim::ISS => response.iss = Some(value.text()?),
                claim::SUB => response.sub = Some(value.text()?),
                claim::AUD => response.aud = Some(Audience::read(value)?),
                claim::EXP => response.exp = Some(NumericDate::read(value)?),
                claim::NBF => response.nbf = Some(NumericDate::read(value)?),
                claim::IAT => response.iat = Some(NumericDate::read(value)?),
                claim::CTI => response.cti = Some(value.bytes()?),
                p::CNF => response.cnf = Some(Confirmation::read(value)?),
                p::SCOPE => response.scope = Some(Scope::read(value)?),
                p::introspection::ACTIVE => active = Some(value.bool()?),
                p::CLIENT_ID => response.client_id = Some(value.text()?),
                p::TOKEN_TYPE => response.token_type = Some(value.int()?),
                p::USERNAME => response.username = Some(value.text()?),
                p::ACE_PROFILE => response.ace_profile = Some(value.int()?),
                p::CNONCE => response.cnonce = Some(value.bytes()?),
                claim::EXI => response.exi = Some(value.uint()?),
                _ => drop(value.skip()?),
            }
            Ok(())
        })?;
        reader.finish()?;
        response.active = active.ok_or(Error::MissingParameter)?;
        Ok(response)
    }

    /// Writes the payload; returns its length.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, Error> {
        let mut writer = Writer::new(out);
        writer.map(count(&[
            true,
            self.iss.is_some(),
            self.sub.is_some(),
            self.aud.is_some(),
            self.exp.is_some(),
            self.nbf.is_some(),
            self.iat.is_some(),
            self.cti.is_some(),
            self.cnf.is_some(),
            self.scope.is_some(),
            self.client_id.is_some(),
            self.token_type.is_some(),
            self.username.is_some(),
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
        Confirmation::write_entry(self.cnf.as_ref(), p::CNF, &mut writer)?;
        Scope::write_entry(self.scope, p::SCOPE, &mut writer)?;
        writer.int(p::introspection::ACTIVE)?;
        writer.bool(self.active)?;
        writer.text_entry(p::CLIENT_ID, self.client_id)?;
        writer.int_entry(p::TOKEN_TYPE, self.token_type)?;
        writer.text_entry(p::USERNAME, self.username)?;
        writer.int_entry(p::ACE_PROFILE, self.ace_profile)?;
        writer.bytes_entry(p::CNONCE, self.cnonce)?;
        writer.uint_entry(claim::EXI, self.exi)?;
        Ok(writer.finish())
    }
}
