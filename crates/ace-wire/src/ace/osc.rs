use core::fmt;

use super::parameter::osc;
use crate::cbor::{Error, Label, Reader, Writer, count};
use crate::hidden::Hidden;

/// OSCORE_Input_Material (RFC 9203, 3.2.1), the `osc` member of `cnf`.
///
/// `Debug` does not show the Master Secret.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct OscoreInputMaterial<'a> {
    /// Identifier of the input material.
    pub id: Option<&'a [u8]>,
    /// OSCORE version; 1 if absent.
    pub version: Option<u64>,
    /// Master Secret.
    pub ms: Option<&'a [u8]>,
    /// HKDF algorithm; HKDF with SHA-256 if absent. As a number either of the HMAC (5, 7) or of
    /// direct+HKDF (-10, -11); see [`crate::cose::algorithm_number`] for names.
    pub hkdf: Option<Label<'a>>,
    /// AEAD algorithm; AES-CCM-16-64-128 (10) if absent.
    pub alg: Option<Label<'a>>,
    /// Input to the Master Salt; empty if absent.
    pub salt: Option<&'a [u8]>,
    /// OSCORE ID Context (`contextId`).
    pub context_id: Option<&'a [u8]>,
    /// Whether the map held a parameter other than these: a resource server refuses such material
    /// (RFC 9203, 4.2). Not encoded.
    pub unknown: bool,
}

impl<'a> OscoreInputMaterial<'a> {
    /// Reads one OSCORE_Input_Material and nothing else.
    ///
    /// # Errors
    /// Malformed CBOR, a duplicate key, a parameter of the wrong type, trailing bytes.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes);
        let material = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(material)
    }

    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut material = Self::default();
        reader.map(|key, value| {
            match key {
                Label::Int(osc::ID) => material.id = Some(value.bytes()?),
                Label::Int(osc::VERSION) => material.version = Some(value.uint()?),
                Label::Int(osc::MS) => material.ms = Some(value.bytes()?),
                Label::Int(osc::HKDF) => material.hkdf = Some(value.label()?),
                Label::Int(osc::ALG) => material.alg = Some(value.label()?),
                Label::Int(osc::SALT) => material.salt = Some(value.bytes()?),
                Label::Int(osc::CONTEXT_ID) => material.context_id = Some(value.bytes()?),
                _ => {
                    value.skip()?;
                    material.unknown = true;
                }
            }
            Ok(())
        })?;
        Ok(material)
    }

    /// Writes the map; returns its length.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, Error> {
        let mut writer = Writer::new(out);
        self.write(&mut writer)?;
        Ok(writer.finish())
    }

    pub(crate) fn write(&self, writer: &mut Writer<'_>) -> Result<(), Error> {
        writer.map(count(&[
            self.id.is_some(),
            self.version.is_some(),
            self.ms.is_some(),
            self.hkdf.is_some(),
            self.alg.is_some(),
            self.salt.is_some(),
            self.context_id.is_some(),
        ]))?;
        writer.bytes_entry(osc::ID, self.id)?;
        writer.uint_entry(osc::VERSION, self.version)?;
        writer.bytes_entry(osc::MS, self.ms)?;
        writer.label_entry(osc::HKDF, self.hkdf)?;
        writer.label_entry(osc::ALG, self.alg)?;
        writer.bytes_entry(osc::SALT, self.salt)?;
        writer.bytes_entry(osc::CONTEXT_ID, self.context_id)
    }
}

impl fmt::Debug for OscoreInputMaterial<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OscoreInputMaterial")
            .field("id", &self.id)
            .field("version", &self.version)
            .field("ms", &self.ms.map(Hidden))
            .field("hkdf", &self.hkdf)
            .field("alg", &self.alg)
            .field("salt", &self.salt)
            .field("context_id", &self.context_id)
            .field("unknown", &self.unknown)
            .finish()
    }
}
