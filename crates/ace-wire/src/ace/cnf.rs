use super::OscoreInputMaterial;
use super::parameter::cnf;
#[cfg(feature = "cose-key")]
use crate::cbor::Kind;
use crate::cbor::{Error, Label, Reader, Writer};
use crate::cose::CoseKey;
#[cfg(feature = "cose-key")]
use crate::cose::{Header, TAG_ENCRYPT, TAG_ENCRYPT0};

/// The value of `cnf`, `req_cnf` or `rs_cnf`: one proof-of-possession key (RFC 8747, 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmation<'a> {
    /// A public or symmetric key (RFC 8747, 3.2).
    CoseKey(CoseKey<'a>),
    /// COSE_Encrypt or COSE_Encrypt0 around a COSE_Key, as CBOR (RFC 8747, 3.3).
    EncryptedCoseKey(&'a [u8]),
    /// The identifier of a key that both sides know (RFC 8747, 3.4).
    Kid(&'a [u8]),
    /// OSCORE input material (RFC 9203, 3.2.1).
    Osc(OscoreInputMaterial<'a>),
}

impl<'a> Confirmation<'a> {
    /// Reads one confirmation map and nothing else.
    ///
    /// # Errors
    /// [`Error::ConfirmationMembers`] unless exactly one known member is there;
    /// [`Error::PrivateKey`]; malformed CBOR, a duplicate key, a member of the wrong type,
    /// trailing bytes.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes);
        let confirmation = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(confirmation)
    }

    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut found = None;
        reader.map(|key, value| {
            let member = match key {
                #[cfg(feature = "cose-key")]
                Label::Int(cnf::COSE_KEY) => Self::CoseKey(CoseKey::read(value)?),
                #[cfg(feature = "cose-key")]
                Label::Int(cnf::ENCRYPTED_COSE_KEY) => {
                    Self::EncryptedCoseKey(encrypted_cose_key(value)?)
                }
                Label::Int(cnf::KID) => Self::Kid(value.bytes()?),
                Label::Int(cnf::OSC) => Self::Osc(OscoreInputMaterial::read(value)?),
                // RFC 8747, 3.1: members that are not understood are ignored.
                _ => return value.skip().map(drop),
            };
            // RFC 8747, 3.1: a single key.
            match found.replace(member) {
                None => Ok(()),
                Some(_) => Err(Error::ConfirmationMembers),
            }
        })?;
        match found {
            // RFC 8747, 3.2: the private half stays with the presenter.
            Some(Self::CoseKey(key)) if key.d.is_some() => Err(Error::PrivateKey),
            Some(confirmation) => Ok(confirmation),
            None => Err(Error::ConfirmationMembers),
        }
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
        writer.map(1)?;
        match self {
            Self::CoseKey(key) => {
                writer.int(cnf::COSE_KEY)?;
                key.write(writer)
            }
            Self::EncryptedCoseKey(cbor) => {
                writer.int(cnf::ENCRYPTED_COSE_KEY)?;
                writer.raw(cbor)
            }
            Self::Kid(kid) => writer.bytes_entry(cnf::KID, Some(kid)),
            Self::Osc(material) => {
                writer.int(cnf::OSC)?;
                material.write(writer)
            }
        }
    }

    pub(crate) fn write_entry(
        confirmation: Option<&Self>,
        key: i64,
        writer: &mut Writer<'_>,
    ) -> Result<(), Error> {
        let Some(confirmation) = confirmation else {
            return Ok(());
        };
        writer.int(key)?;
        confirmation.write(writer)
    }
}

/// An untagged or tagged COSE_Encrypt0 (3 elements) or COSE_Encrypt (4), whose recipients are not
/// looked into.
#[cfg(feature = "cose-key")]
fn encrypted_cose_key<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Error> {
    let mut look = reader.clone();
    if look.kind()? == Kind::Tag && !matches!(look.tag()?, TAG_ENCRYPT0 | TAG_ENCRYPT) {
        return Err(Error::WrongTag);
    }
    let mut protected: &[u8] = &[];
    let elements = look.array(|index, element| {
        match index {
            0 => protected = element.bytes()?,
            1 => drop(Header::read(protected, element)?),
            2 => drop(element.bytes()?),
            _ => drop(element.skip()?),
        }
        Ok(())
    })?;
    if !matches!(elements, 3 | 4) {
        return Err(Error::WrongType);
    }
    reader.skip()
}
