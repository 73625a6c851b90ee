use core::fmt;

use super::parameter as p;
use super::{Confirmation, ErrorCode, Scope};
use crate::cbor::{Error, Label, Reader, Writer, count};
use crate::hidden::Hidden;

/// The Access Information: a successful token response (RFC 9200, 5.8.2; RFC 9201, 3.2).
///
/// `Debug` shows no key and of `refresh_token` the length alone.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct AccessInformation<'a> {
    /// The access token, opaque to the client; required.
    pub access_token: &'a [u8],
    /// Lifetime in seconds.
    pub expires_in: Option<u64>,
    /// The key the token is bound to.
    pub cnf: Option<Confirmation<'a>>,
    /// The scope granted; absent if it is the one asked for (RFC 6749, 5.1).
    pub scope: Option<Scope<'a>>,
    /// Token type; PoP (2) if absent.
    pub token_type: Option<i64>,
    /// State.
    pub state: Option<&'a str>,
    /// Refresh token.
    pub refresh_token: Option<&'a [u8]>,
    /// Profile to speak with the resource server; see [`super::Profile`].
    pub ace_profile: Option<i64>,
    /// The resource server's public key.
    pub rs_cnf: Option<Confirmation<'a>>,
}

impl<'a> AccessInformation<'a> {
    /// Reads a whole payload.
    ///
    /// # Errors
    /// [`Error::MissingParameter`] without an access token; malformed CBOR, a duplicate key, a
    /// parameter of the wrong type, trailing bytes, and what [`Confirmation::parse`] refuses.
    pub fn parse(payload: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(payload);
        let mut information = Self::default();
        let mut access_token = None;
        reader.map(|key, value| {
            let Label::Int(key) = key else {
                return value.skip().map(drop);
            };
            match key {
                p::ACCESS_TOKEN => access_token = Some(value.bytes()?),
                p::EXPIRES_IN => information.expires_in = Some(value.uint()?),
                p::CNF => information.cnf = Some(Confirmation::read(value)?),
                p::SCOPE => information.scope = Some(Scope::read(value)?),
                p::STATE => information.state = Some(value.text()?),
                p::TOKEN_TYPE => information.token_type = Some(value.int()?),
                p::REFRESH_TOKEN => information.refresh_token = Some(value.bytes()?),
                p::ACE_PROFILE => information.ace_profile = Some(value.int()?),
                p::RS_CNF => information.rs_cnf = Some(Confirmation::read(value)?),
                _ => drop(value.skip()?),
            }
            Ok(())
        })?;
        reader.finish()?;
        information.access_token = access_token.ok_or(Error::MissingParameter)?;
        Ok(information)
    }

    /// Writes the payload; returns its length.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, Error> {
        let mut writer = Writer::new(out);
        writer.map(count(&[
            true,
            self.expires_in.is_some(),
            self.cnf.is_some(),
            self.scope.is_some(),
            self.state.is_some(),
            self.token_type.is_some(),
            self.refresh_token.is_some(),
            self.ace_profile.is_some(),
            self.rs_cnf.is_some(),
        ]))?;
        writer.bytes_entry(p::ACCESS_TOKEN, Some(self.access_token))?;
        writer.uint_entry(p::EXPIRES_IN, self.expires_in)?;
        Confirmation::write_entry(self.cnf.as_ref(), p::CNF, &mut writer)?;
        Scope::write_entry(self.scope, p::SCOPE, &mut writer)?;
        writer.text_entry(p::STATE, self.state)?;
        writer.int_entry(p::TOKEN_TYPE, self.token_type)?;
        writer.bytes_entry(p::REFRESH_TOKEN, self.refresh_token)?;
        writer.int_entry(p::ACE_PROFILE, self.ace_profile)?;
        Confirmation::write_entry(self.rs_cnf.as_ref(), p::RS_CNF, &mut writer)?;
        Ok(writer.finish())
    }
}

impl fmt::Debug for AccessInformation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessInformation")
            .field("access_token", &self.access_token)
            .field("expires_in", &self.expires_in)
            .field("cnf", &self.cnf)
            .field("scope", &self.scope)
            .field("token_type", &self.token_type)
            .field("state", &self.state)
            .field("refresh_token", &self.refresh_token.map(Hidden))
            .field("ace_profile", &self.ace_profile)
            .field("rs_cnf", &self.rs_cnf)
            .finish()
    }
}

/// An error response (RFC 9200, 5.8.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorResponse<'a> {
    /// What went wrong; required.
    pub error: ErrorCode,
    /// A sentence for the developer.
    pub error_description: Option<&'a str>,
    /// A page about the error.
    pub error_uri: Option<&'a str>,
}

impl<'a> ErrorResponse<'a> {
    /// Reads a whole payload.
    ///
    /// # Errors
    /// [`Error::MissingParameter`] without `error`; malformed CBOR, a duplicate key, a parameter of
    /// the wrong type, trailing bytes.
    pub fn parse(payload: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(payload);
        let (mut error, mut error_description, mut error_uri) = (None, None, None);
        reader.map(|key, value| {
            match key {
                Label::Int(p::ERROR) => error = Some(ErrorCode::from_number(value.int()?)),
                Label::Int(p::ERROR_DESCRIPTION) => error_description = Some(value.text()?),
                Label::Int(p::ERROR_URI) => error_uri = Some(value.text()?),
                _ => drop(value.skip()?),
            }
            Ok(())
        })?;
        reader.finish()?;
        let error = error.ok_or(Error::MissingParameter)?;
        Ok(Self {
            error,
            error_description,
            error_uri,
        })
    }

    /// Writes the payload; returns its length.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, Error> {
        let mut writer = Writer::new(out);
        writer.map(count(&[
            true,
            self.error_description.is_some(),
            self.error_uri.is_some(),
        ]))?;
        writer.int_entry(p::ERROR, Some(self.error.number()))?;
        writer.text_entry(p::ERROR_DESCRIPTION, self.error_description)?;
        writer.text_entry(p::ERROR_URI, self.error_uri)?;
        Ok(writer.finish())
    }
}
