use super::parameter;
use crate::cbor::{Error, Label, Reader, Writer, count};

/// What a client posts to `/authz-info` in the OSCORE profile (RFC 9203, 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthzInfoRequest<'a> {
    /// The access token; required.
    pub access_token: &'a [u8],
    /// N1; absent in an update of access rights.
    pub nonce1: Option<&'a [u8]>,
    /// ID1, `ace_client_recipientid`; absent in an update of access rights.
    pub client_recipient_id: Option<&'a [u8]>,
}

impl<'a> AuthzInfoRequest<'a> {
    /// Reads a whole payload.
    ///
    /// # Errors
    /// [`Error::MissingParameter`] without an access token; malformed CBOR, a duplicate key, a
    /// parameter of the wrong type, trailing bytes.
    pub fn parse(payload: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(payload);
        let (mut access_token, mut nonce1, mut client_recipient_id) = (None, None, None);
        reader.map(|key, value| {
            match key {
                Label::Int(parameter::ACCESS_TOKEN) => access_token = Some(value.bytes()?),
                Label::Int(parameter::NONCE1) => nonce1 = Some(value.bytes()?),
                Label::Int(parameter::ACE_CLIENT_RECIPIENTID) => {
                    client_recipient_id = Some(value.bytes()?);
                }
                _ => drop(value.skip()?),
            }
            Ok(())
        })?;
        reader.finish()?;
        let access_token = access_token.ok_or(Error::MissingParameter)?;
        Ok(Self {
            access_token,
            nonce1,
            client_recipient_id,
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
            self.nonce1.is_some(),
            self.client_recipient_id.is_some(),
        ]))?;
        writer.bytes_entry(parameter::ACCESS_TOKEN, Some(self.access_token))?;
        writer.bytes_entry(parameter::NONCE1, self.nonce1)?;
        writer.bytes_entry(parameter::ACE_CLIENT_RECIPIENTID, self.client_recipient_id)?;
        Ok(writer.finish())
    }
}

/// What the resource server answers with 2.01 in the OSCORE profile (RFC 9203, 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthzInfoResponse<'a> {
    /// N2.
    pub nonce2: &'a [u8],
    /// ID2, `ace_server_recipientid`.
    pub server_recipient_id: &'a [u8],
}

impl<'a> AuthzInfoResponse<'a> {
    /// Reads a whole payload.
    ///
    /// # Errors
    /// [`Error::MissingParameter`] unless both are there; malformed CBOR, a duplicate key, a
    /// parameter of the wrong type, trailing bytes.
    pub fn parse(payload: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(payload);
        let (mut nonce2, mut server_recipient_id) = (None, None);
        reader.map(|key, value| {
            match key {
                Label::Int(parameter::NONCE2) => nonce2 = Some(value.bytes()?),
                Label::Int(parameter::ACE_SERVER_RECIPIENTID) => {
                    server_recipient_id = Some(value.bytes()?);
                }
                _ => drop(value.skip()?),
            }
            Ok(())
        })?;
        reader.finish()?;
        Ok(Self {
            nonce2: nonce2.ok_or(Error::MissingParameter)?,
            server_recipient_id: server_recipient_id.ok_or(Error::MissingParameter)?,
        })
    }

    /// Writes the payload; returns its length.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, Error> {
        let mut writer = Writer::new(out);
        writer.map(2)?;
        writer.bytes_entry(parameter::NONCE2, Some(self.nonce2))?;
        writer.bytes_entry(
            parameter::ACE_SERVER_RECIPIENTID,
            Some(self.server_recipient_id),
        )?;
        Ok(writer.finish())
    }
}
