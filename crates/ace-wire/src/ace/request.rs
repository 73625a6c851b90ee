use core::fmt;

use super::parameter as p;
use super::{Confirmation, GrantType, Scope};
use crate::cbor::{Error, Kind, Label, Reader, Writer, count};
use crate::hidden::Hidden;

/// `ace_profile` in a token request (RFC 9200, 5.8.4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProfileRequest {
    /// Not there: the client knows the profile.
    #[default]
    Absent,
    /// null: the client asks the AS to name the profile.
    Null,
    /// A number; the RFC gives it no meaning in a request.
    Value(i64),
}

/// A token request (RFC 9200, 5.8.1; RFC 9201, 3.1).
///
/// `Debug` shows the length of `client_secret`, `code`, `password` and `refresh_token` alone.
///
/// ```
/// use ace_wire::ace::{Confirmation, Scope, TokenRequest};
///
/// // RFC 9203, Figure 3: more rights for an existing OSCORE association.
/// let request = TokenRequest {
///     audience: Some("tempSensor4711"),
///     scope: Some(Scope::Text("write")),
///     req_cnf: Some(Confirmation::Kid(&[0x01])),
///     ..Default::default()
/// };
/// let mut payload = [0u8; 64];
/// let length = request.encode(&mut payload)?;
/// assert_eq!(TokenRequest::parse(&payload[..length])?, request);
/// # Ok::<(), ace_wire::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct TokenRequest<'a> {
    /// Grant type; `client_credentials` if absent, and then not encoded.
    pub grant_type: GrantType,
    /// Client identifier.
    pub client_id: Option<&'a str>,
    /// Client secret.
    pub client_secret: Option<&'a [u8]>,
    /// Audience of the token asked for.
    pub audience: Option<&'a str>,
    /// Scope asked for.
    pub scope: Option<Scope<'a>>,
    /// Key to bind the token to.
    pub req_cnf: Option<Confirmation<'a>>,
    /// Whether the answer is to name the profile.
    pub ace_profile: ProfileRequest,
    /// Client-nonce from the hints (RFC 9200, 5.8.4.4).
    pub cnonce: Option<&'a [u8]>,
    /// Response type (authorization endpoint).
    pub response_type: Option<&'a str>,
    /// Redirection URI.
    pub redirect_uri: Option<&'a str>,
    /// State.
    pub state: Option<&'a str>,
    /// Authorization code.
    pub code: Option<&'a [u8]>,
    /// Resource owner's name.
    pub username: Option<&'a str>,
    /// Resource owner's password.
    pub password: Option<&'a str>,
    /// Refresh token.
    pub refresh_token: Option<&'a [u8]>,
}

impl<'a> TokenRequest<'a> {
    /// Reads a whole payload. Parameters of responses are ignored like unknown ones.
    ///
    /// # Errors
    /// Malformed CBOR, a duplicate key, a parameter of the wrong type, trailing bytes, and what
    /// [`Confirmation::parse`] refuses.
    pub fn parse(payload: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(payload);
        let mut request = Self::default();
        reader.map(|key, value| {
            let Label::Int(key) = key else {
                return value.skip().map(drop);
            };
            match key {
                p::REQ_CNF => request.req_cnf = Some(Confirmation::read(value)?),
                p::AUDIENCE => request.audience = Some(value.text()?),
                p::SCOPE => request.scope = Some(Scope::read(value)?),
                p::CLIENT_ID => request.client_id = Some(value.text()?),
                p::CLIENT_SECRET => request.client_secret = Some(value.bytes()?),
                p::RESPONSE_TYPE => request.response_type = Some(value.text()?),
                p::REDIRECT_URI => request.redirect_uri = Some(value.text()?),
                p::STATE => request.state = Some(value.text()?),
                p::CODE => request.code = Some(value.bytes()?),
                p::GRANT_TYPE => request.grant_type = GrantType::from_number(value.uint()?),
                p::USERNAME => request.username = Some(value.text()?),
                p::PASSWORD => request.password = Some(value.text()?),
                p::REFRESH_TOKEN => request.refresh_token = Some(value.bytes()?),
                p::ACE_PROFILE => {
                    request.ace_profile = if value.kind()? == Kind::Null {
                        value.null()?;
                        ProfileRequest::Null
                    } else {
                        ProfileRequest::Value(value.int()?)
                    };
                }
                p::CNONCE => request.cnonce = Some(value.bytes()?),
                _ => drop(value.skip()?),
            }
            Ok(())
        })?;
        reader.finish()?;
        Ok(request)
    }

    /// Writes the payload; returns its length.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, Error> {
        let mut writer = Writer::new(out);
        // RFC 9200, 5.8.1: absent means client_credentials.
        let grant_type = match self.grant_type {
            GrantType::ClientCredentials => None,
            other => Some(other.number()),
        };
        writer.map(count(&[
            self.req_cnf.is_some(),
            self.audience.is_some(),
            self.scope.is_some(),
            self.client_id.is_some(),
            self.client_secret.is_some(),
            self.response_type.is_some(),
            self.redirect_uri.is_some(),
            self.state.is_some(),
            self.code.is_some(),
            grant_type.is_some(),
            self.username.is_some(),
            self.password.is_some(),
            self.refresh_token.is_some(),
            self.ace_profile != ProfileRequest::Absent,
            self.cnonce.is_some(),
        ]))?;
        Confirmation::write_entry(self.req_cnf.as_ref(), p::REQ_CNF, &mut writer)?;
        writer.text_entry(p::AUDIENCE, self.audience)?;
        Scope::write_entry(self.scope, p::SCOPE, &mut writer)?;
        writer.text_entry(p::CLIENT_ID, self.client_id)?;
        writer.bytes_entry(p::CLIENT_SECRET, self.client_secret)?;
        writer.text_entry(p::RESPONSE_TYPE, self.response_type)?;
        writer.text_entry(p::REDIRECT_URI, self.redirect_uri)?;
        writer.text_entry(p::STATE, self.state)?;
        writer.bytes_entry(p::CODE, self.code)?;
        writer.uint_entry(p::GRANT_TYPE, grant_type)?;
        writer.text_entry(p::USERNAME, self.username)?;
        writer.text_entry(p::PASSWORD, self.password)?;
        writer.bytes_entry(p::REFRESH_TOKEN, self.refresh_token)?;
        match self.ace_profile {
            ProfileRequest::Absent => {}
            ProfileRequest::Null => {
                writer.int(p::ACE_PROFILE)?;
                writer.null()?;
            }
            ProfileRequest::Value(profile) => writer.int_entry(p::ACE_PROFILE, Some(profile))?,
        }
        writer.bytes_entry(p::CNONCE, self.cnonce)?;
        Ok(writer.finish())
    }
}

impl fmt::Debug for TokenRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenRequest")
            .field("grant_type", &self.grant_type)
            .field("client_id", &self.client_id)
            .field("client_secret", &self.client_secret.map(Hidden))
            .field("audience", &self.audience)
            .field("scope", &self.scope)
            .field("req_cnf", &self.req_cnf)
            .field("ace_profile", &self.ace_profile)
            .field("cnonce", &self.cnonce)
            .field("response_type", &self.response_type)
            .field("redirect_uri", &self.redirect_uri)
            .field("state", &self.state)
            .field("code", &self.code.map(Hidden))
            .field("username", &self.username)
            .field(
                "password",
                &self.password.map(|text| Hidden(text.as_bytes())),
            )
            .field("refresh_token", &self.refresh_token.map(Hidden))
            .finish()
    }
}
