use super::{Header, TAG_CWT, TAG_ENCRYPT0, TAG_MAC0, TAG_SIGN1, algorithm_number};
use crate::cbor::{Error, Kind, Reader, Writer};

/// A COSE_Encrypt0 (RFC 9052, 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encrypt0<'a> {
    /// Content of the protected byte string, as received; empty for an empty map.
    pub protected: &'a [u8],
    /// Both headers together.
    pub header: Header<'a>,
    /// Ciphertext followed by the tag.
    pub ciphertext: &'a [u8],
}

/// A COSE_Mac0 (RFC 9052, 6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mac0<'a> {
    /// Content of the protected byte string, as received; empty for an empty map.
    pub protected: &'a [u8],
    /// Both headers together.
    pub header: Header<'a>,
    /// What the tag covers.
    pub payload: &'a [u8],
    /// The tag.
    pub tag: &'a [u8],
}

/// A COSE_Sign1 (RFC 9052, 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sign1<'a> {
    /// Content of the protected byte string, as received; empty for an empty map.
    pub protected: &'a [u8],
    /// Both headers together.
    pub header: Header<'a>,
    /// What the signature covers.
    pub payload: &'a [u8],
    /// The signature.
    pub signature: &'a [u8],
}

/// One of the structures a CWT comes in (RFC 8392, 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// Encrypted and authenticated.
    Encrypt0(Encrypt0<'a>),
    /// Authenticated.
    Mac0(Mac0<'a>),
    /// Signed.
    Sign1(Sign1<'a>),
}

impl<'a> Message<'a> {
    /// Reads a structure by its COSE tag, with or without the CWT tag in front; without tags by its
    /// shape: three elements are COSE_Encrypt0; four are COSE_Mac0 if `alg` is a MAC, COSE_Sign1
    /// otherwise (RFC 9052, 2 leaves untagged structures to the context).
    ///
    /// # Errors
    /// [`Error::WrongTag`] for another tag, or a CWT tag without a COSE tag; the header errors of
    /// RFC 9052, 3; malformed CBOR, duplicate labels, detached content, trailing bytes.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes);
        let tag = read_tag(&mut reader)?;
        let parts = Parts::read(&mut reader)?;
        reader.finish()?;
        match (tag, parts.last) {
            (Some(TAG_ENCRYPT0) | None, None) => Ok(Self::Encrypt0(parts.encrypt0())),
            (Some(TAG_MAC0), Some(last)) => Ok(Self::Mac0(parts.mac0(last))),
            (Some(TAG_SIGN1), Some(last)) => Ok(Self::Sign1(parts.sign1(last))),
            (None, Some(last)) => {
                let alg = parts.header.alg.and_then(algorithm_number);
                if matches!(alg, Some(4..=7 | 14 | 15 | 25 | 26)) {
                    Ok(Self::Mac0(parts.mac0(last)))
                } else {
                    Ok(Self::Sign1(parts.sign1(last)))
                }
            }
            (Some(TAG_ENCRYPT0 | TAG_MAC0 | TAG_SIGN1), _) => Err(Error::WrongType),
            (Some(_), _) => Err(Error::WrongTag),
        }
    }

    /// The headers.
    #[must_use]
    pub const fn header(&self) -> &Header<'a> {
        match self {
            Self::Encrypt0(message) => &message.header,
            Self::Mac0(message) => &message.header,
            Self::Sign1(message) => &message.header,
        }
    }
}

impl<'a> Encrypt0<'a> {
    /// Reads a structure with or without its tag (and the CWT tag).
    ///
    /// # Errors
    /// As [`Message::parse`]; [`Error::WrongTag`] or [`Error::WrongType`] for another structure.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let parts = Parts::parse(bytes, TAG_ENCRYPT0)?;
        if parts.last.is_some() {
            Err(Error::WrongType)
        } else {
            Ok(parts.encrypt0())
        }
    }

    /// Writes a tagged structure; returns its length. `protected` is an encoded [`Header`] or
    /// empty.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn encode(
        protected: &[u8],
        unprotected: &Header<'_>,
        ciphertext: &[u8],
        out: &mut [u8],
    ) -> Result<usize, Error> {
        encode(TAG_ENCRYPT0, protected, unprotected, ciphertext, None, out)
    }
}

impl<'a> Mac0<'a> {
    /// Reads a structure with or without its tag (and the CWT tag).
    ///
    /// # Errors
    /// As [`Message::parse`]; [`Error::WrongTag`] or [`Error::WrongType`] for another structure.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let parts = Parts::parse(bytes, TAG_MAC0)?;
        parts
            .last
            .map(|tag| parts.mac0(tag))
            .ok_or(Error::WrongType)
    }

    /// Writes a tagged structure; returns its length. `protected` is an encoded [`Header`] or
    /// empty.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn encode(
        protected: &[u8],
        unprotected: &Header<'_>,
        payload: &[u8],
        tag: &[u8],
        out: &mut [u8],
    ) -> Result<usize, Error> {
        encode(TAG_MAC0, protected, unprotected, payload, Some(tag), out)
    }
}

impl<'a> Sign1<'a> {
    /// Reads a structure with or without its tag (and the CWT tag).
    ///
    /// # Errors
    /// As [`Message::parse`]; [`Error::WrongTag`] or [`Error::WrongType`] for another structure.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let parts = Parts::parse(bytes, TAG_SIGN1)?;
        parts
            .last
            .map(|signature| parts.sign1(signature))
            .ok_or(Error::WrongType)
    }

    /// Writes a tagged structure; returns its length. `protected` is an encoded [`Header`] or
    /// empty.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn encode(
        protected: &[u8],
        unprotected: &Header<'_>,
        payload: &[u8],
        signature: &[u8],
        out: &mut [u8],
    ) -> Result<usize, Error> {
        encode(
            TAG_SIGN1,
            protected,
            unprotected,
            payload,
            Some(signature),
            out,
        )
    }
}

/// The array that all three have in common.
#[derive(Clone, Copy)]
struct Parts<'a> {
    protected: &'a [u8],
    header: Header<'a>,
    content: &'a [u8],
    /// Tag or signature.
    last: Option<&'a [u8]>,
}

impl<'a> Parts<'a> {
    fn parse(bytes: &'a [u8], expected: u64) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes);
        if read_tag(&mut reader)?.is_some_and(|tag| tag != expected) {
            return Err(Error::WrongTag);
        }
        let parts = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(parts)
    }

    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut parts = Self {
            protected: &[],
            header: Header::default(),
            content: &[],
            last: None,
        };
        let elements = reader.array(|index, element| {
            match index {
                // RFC 9052, 3: an empty map is sent, and taken, as an empty string.
                0 => match element.bytes()? {
                    [0xa0] => parts.protected = &[],
                    protected => parts.protected = protected,
                },
                1 => parts.header = Header::read(parts.protected, element)?,
                2 => parts.content = element.bytes()?,
                3 => parts.last = Some(element.bytes()?),
                _ => return Err(Error::WrongType),
            }
            Ok(())
        })?;
        if elements < 3 {
            Err(Error::WrongType)
        } else {
            Ok(parts)
        }
    }

    const fn encrypt0(self) -> Encrypt0<'a> {
        Encrypt0 {
            protected: self.protected,
            header: self.header,
            ciphertext: self.content,
        }
    }

    const fn mac0(self, tag: &'a [u8]) -> Mac0<'a> {
        Mac0 {
            protected: self.protected,
            header: self.header,
            payload: self.content,
            tag,
        }
    }

    const fn sign1(self, signature: &'a [u8]) -> Sign1<'a> {
        Sign1 {
            protected: self.protected,
            header: self.header,
            payload: self.content,
            signature,
        }
    }
}

/// The COSE tag, if there is one. RFC 8392, 6: behind a CWT tag there must be one.
fn read_tag(reader: &mut Reader<'_>) -> Result<Option<u64>, Error> {
    if reader.kind()? != Kind::Tag {
        return Ok(None);
    }
    let tag = reader.tag()?;
    if tag != TAG_CWT {
        return Ok(Some(tag));
    }
    match reader.kind()? {
        Kind::Tag => reader.tag().map(Some),
        _ => Err(Error::WrongTag),
    }
}

fn encode(
    tag: u64,
    protected: &[u8],
    unprotected: &Header<'_>,
    content: &[u8],
    last: Option<&[u8]>,
    out: &mut [u8],
) -> Result<usize, Error> {
    let mut writer = Writer::new(out);
    writer.tag(tag)?;
    writer.array(if last.is_some() { 4 } else { 3 })?;
    writer.bytes(protected)?;
    unprotected.write(&mut writer)?;
    writer.bytes(content)?;
    if let Some(last) = last {
        writer.bytes(last)?;
    }
    Ok(writer.finish())
}
