use crate::cbor::{Error, Kind, Reader, Writer};

/// `scope`: text or byte string (RFC 9200, 5.8.1). Bytes are AIF (RFC 9237) in this stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope<'a> {
    /// Scope tokens separated by spaces (RFC 6749, 3.3).
    Text(&'a str),
    /// An encoded scope.
    Bytes(&'a [u8]),
}

impl<'a> Scope<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        match reader.kind()? {
            Kind::Text => reader.text().map(Self::Text),
            Kind::Bytes => reader.bytes().map(Self::Bytes),
            _ => Err(Error::WrongType),
        }
    }

    pub(crate) fn write_entry(
        scope: Option<Self>,
        key: i64,
        writer: &mut Writer<'_>,
    ) -> Result<(), Error> {
        match scope {
            None => Ok(()),
            Some(Self::Text(text)) => writer.text_entry(key, Some(text)),
            Some(Self::Bytes(bytes)) => writer.bytes_entry(key, Some(bytes)),
        }
    }
}
