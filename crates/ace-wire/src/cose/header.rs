use super::{AlgId, header_label as label};
use crate::cbor::{Error, Kind, Label, Reader, Writer, count};

/// The header parameters of RFC 9052, 3.1 that this crate understands.
///
/// Of a parsed structure: protected and unprotected together; no label is in both. To write:
/// one bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Header<'a> {
    /// Algorithm; always from the protected header.
    pub alg: Option<AlgId<'a>>,
    /// Content type: CoAP Content-Format number or media type.
    pub content_type: Option<Label<'a>>,
    /// Key identifier.
    pub kid: Option<&'a [u8]>,
    /// Whole nonce.
    pub iv: Option<&'a [u8]>,
    /// Part of the nonce.
    pub partial_iv: Option<&'a [u8]>,
}

impl<'a> Header<'a> {
    /// Reads the content of the protected byte string and the unprotected map at `reader`.
    pub(crate) fn read(protected: &'a [u8], reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut header = Self::default();
        if !protected.is_empty() {
            let mut inner = Reader::new(protected);
            inner.map(|key, value| header.read_entry(key, value, Some(protected)))?;
            inner.finish()?;
        }
        let mut unprotected = reader.clone();
        reader.skip()?;
        unprotected.map(|key, value| {
            // RFC 9052, 3: a label is in one of the two maps.
            if has_label(protected, key)? {
                return Err(Error::LabelInBothHeaders);
            }
            header.read_entry(key, value, None)
        })?;
        // RFC 9052, 3.1
        if header.iv.is_some() && header.partial_iv.is_some() {
            return Err(Error::IvAndPartialIv);
        }
        Ok(header)
    }

    /// `protected` is the protected map if the entry is inside it.
    fn read_entry(
        &mut self,
        key: Label<'a>,
        value: &mut Reader<'a>,
        protected: Option<&'a [u8]>,
    ) -> Result<(), Error> {
        let Label::Int(key) = key else {
            return value.skip().map(drop);
        };
        match (key, protected) {
            (label::ALG, Some(_)) => self.alg = Some(value.label()?),
            // RFC 9052, 3.1: authenticated wherever the structure can.
            (label::ALG, None) => return Err(Error::AlgorithmNotProtected),
            (label::CRIT, Some(map)) => critical(map, value)?,
            (label::CRIT, None) => return Err(Error::MalformedCritical),
            (label::CONTENT_TYPE, _) => self.content_type = Some(content_type(value)?),
            (label::KID, _) => self.kid = Some(value.bytes()?),
            (label::IV, _) => self.iv = Some(value.bytes()?),
            (label::PARTIAL_IV, _) => self.partial_iv = Some(value.bytes()?),
            _ => drop(value.skip()?),
        }
        Ok(())
    }

    /// Writes the map, empty if nothing is set; returns its length. A protected header without
    /// parameters is the empty byte string instead (RFC 9052, 3).
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, Error> {
        let mut writer = Writer::new(out);
        self.write(&mut writer)?;
        Ok(writer.finish())
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) -> Result<(), Error> {
        writer.map(count(&[
            self.alg.is_some(),
            self.content_type.is_some(),
            self.kid.is_some(),
            self.iv.is_some(),
            self.partial_iv.is_some(),
        ]))?;
        writer.label_entry(label::ALG, self.alg)?;
        writer.label_entry(label::CONTENT_TYPE, self.content_type)?;
        writer.bytes_entry(label::KID, self.kid)?;
        writer.bytes_entry(label::IV, self.iv)?;
        writer.bytes_entry(label::PARTIAL_IV, self.partial_iv)
    }
}

/// RFC 9052, 3.1: tstr / uint.
fn content_type<'a>(value: &mut Reader<'a>) -> Result<Label<'a>, Error> {
    match value.label()? {
        Label::Int(..0) => Err(Error::WrongType),
        content_type => Ok(content_type),
    }
}

/// RFC 9052, 3.1: a non-empty array of labels, each of them understood and in the protected header.
fn critical<'a>(protected: &'a [u8], value: &mut Reader<'a>) -> Result<(), Error> {
    if value.kind()? != Kind::Array {
        return Err(Error::WrongType);
    }
    let labels = value.array(|_, element| {
        let critical = element.label()?;
        if !matches!(critical, Label::Int(label::ALG..=label::PARTIAL_IV)) {
            return Err(Error::UnknownCritical);
        }
        if !has_label(protected, critical)? {
            return Err(Error::MalformedCritical);
        }
        Ok(())
    })?;
    if labels == 0 {
        Err(Error::MalformedCritical)
    } else {
        Ok(())
    }
}

fn has_label(map: &[u8], wanted: Label<'_>) -> Result<bool, Error> {
    let mut found = false;
    if !map.is_empty() {
        Reader::new(map).map(|key, value| {
            found |= key == wanted;
            value.skip().map(drop)
        })?;
    }
    Ok(found)
}
