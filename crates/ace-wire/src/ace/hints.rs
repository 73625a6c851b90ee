use super::Scope;
use super::parameter::{self, hint};
use crate::cbor::{Error, Label, Reader, Writer, count};

/// AS Request Creation Hints (RFC 9200, 5.3): what a resource server answers to a request without
/// authorization.
///
/// ```
/// use ace_wire::ace::{AsRequestCreationHints, Scope};
///
/// let hints = AsRequestCreationHints {
///     r#as: Some("coap://as.example.com/token"),
///     audience: Some("thermo"),
///     scope: Some(Scope::Text("rTempC")),
///     ..Default::default()
/// };
/// let mut payload = [0u8; 64];
/// let length = hints.encode(&mut payload)?;
/// assert_eq!(AsRequestCreationHints::parse(&payload[..length])?, hints);
/// # Ok::<(), ace_wire::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AsRequestCreationHints<'a> {
    /// `AS`: absolute URI of the token endpoint.
    pub r#as: Option<&'a str>,
    /// Key of the present security association, to bind the next token to.
    pub kid: Option<&'a [u8]>,
    /// What to ask the AS for as audience.
    pub audience: Option<&'a str>,
    /// What to ask the AS for as scope.
    pub scope: Option<Scope<'a>>,
    /// Client-nonce to hand to the AS (RFC 9200, 5.3.1).
    pub cnonce: Option<&'a [u8]>,
}

impl<'a> AsRequestCreationHints<'a> {
    /// Reads a whole payload.
    ///
    /// # Errors
    /// Malformed CBOR, a duplicate key, a parameter of the wrong type, trailing bytes.
    pub fn parse(payload: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(payload);
        let mut hints = Self::default();
        reader.map(|key, value| {
            match key {
                Label::Int(hint::AS) => hints.r#as = Some(value.text()?),
                Label::Int(hint::KID) => hints.kid = Some(value.bytes()?),
                Label::Int(parameter::AUDIENCE) => hints.audience = Some(value.text()?),
                Label::Int(parameter::SCOPE) => hints.scope = Some(Scope::read(value)?),
                Label::Int(parameter::CNONCE) => hints.cnonce = Some(value.bytes()?),
                _ => drop(value.skip()?),
            }
            Ok(())
        })?;
        reader.finish()?;
        Ok(hints)
    }

    /// Writes the payload; returns its length.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, Error> {
        let mut writer = Writer::new(out);
        writer.map(count(&[
            self.r#as.is_some(),
            self.kid.is_some(),
            self.audience.is_some(),
            self.scope.is_some(),
            self.cnonce.is_some(),
        ]))?;
        writer.text_entry(hint::AS, self.r#as)?;
        writer.bytes_entry(hint::KID, self.kid)?;
        writer.text_entry(parameter::AUDIENCE, self.audience)?;
        Scope::write_entry(self.scope, parameter::SCOPE, &mut writer)?;
        writer.bytes_entry(parameter::CNONCE, self.cnonce)?;
        Ok(writer.finish())
    }
}
