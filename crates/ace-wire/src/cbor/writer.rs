use minicbor::encode::write::Cursor;
use minicbor::encode::{Encoder, Error as EncodeError};

use super::{Error, Label};

/// Writes CBOR items in preferred (shortest) encoding into a caller's buffer.
///
/// Arrays and maps are announced with their number of elements or pairs; the caller writes them
/// after. Every method fails with [`Error::BufferTooSmall`] alone; what was written before stays.
#[derive(Debug)]
pub struct Writer<'b> {
    encoder: Encoder<Cursor<&'b mut [u8]>>,
}

type Written = Result<(), Error>;

impl<'b> Writer<'b> {
    /// A writer at the start of `out`.
    pub fn new(out: &'b mut [u8]) -> Self {
        Self {
            encoder: Encoder::new(Cursor::new(out)),
        }
    }

    /// Number of bytes written.
    #[must_use]
    pub fn position(&self) -> usize {
        self.encoder.writer().position()
    }

    /// Ends the writing; returns the number of bytes written.
    #[must_use]
    pub fn finish(self) -> usize {
        self.position()
    }

    /// A signed integer.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn int(&mut self, value: i64) -> Written {
        self.encoder.i64(value).map(drop).map_err(refusal)
    }

    /// An unsigned integer.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn uint(&mut self, value: u64) -> Written {
        self.encoder.u64(value).map(drop).map_err(refusal)
    }

    /// A byte string.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn bytes(&mut self, value: &[u8]) -> Written {
        self.encoder.bytes(value).map(drop).map_err(refusal)
    }

    /// The head of a byte string of `length` bytes, which the caller puts behind it.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn bytes_head(&mut self, length: usize) -> Written {
        self.encoder
            .bytes_len(length as u64)
            .map(drop)
            .map_err(refusal)
    }

    /// A text string.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn text(&mut self, value: &str) -> Written {
        self.encoder.str(value).map(drop).map_err(refusal)
    }

    /// An integer or a text string.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn label(&mut self, value: Label<'_>) -> Written {
        match value {
            Label::Int(number) => self.int(number),
            Label::Text(text) => self.text(text),
        }
    }

    /// A boolean.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn bool(&mut self, value: bool) -> Written {
        self.encoder.bool(value).map(drop).map_err(refusal)
    }

    /// `null`.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn null(&mut self) -> Written {
        self.encoder.null().map(drop).map_err(refusal)
    }

    /// A double-precision float.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn float(&mut self, value: f64) -> Written {
        self.encoder.f64(value).map(drop).map_err(refusal)
    }

    /// The head of an array of `length` elements.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn array(&mut self, length: usize) -> Written {
        self.encoder.array(length as u64).map(drop).map_err(refusal)
    }

    /// The head of a map of `pairs` pairs.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn map(&mut self, pairs: usize) -> Written {
        self.encoder.map(pairs as u64).map(drop).map_err(refusal)
    }

    /// A tag; its content is the next item.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn tag(&mut self, tag: u64) -> Written {
        self.encoder
            .tag(minicbor::data::Tag::new(tag))
            .map(drop)
            .map_err(refusal)
    }

    /// Bytes that are CBOR already.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn raw(&mut self, cbor: &[u8]) -> Written {
        use minicbor::encode::Write;
        self.encoder
            .writer_mut()
            .write_all(cbor)
            .map_err(|_| Error::BufferTooSmall)
    }

    /// The key `key` and a byte string, if there is one.
    pub(crate) fn bytes_entry(&mut self, key: i64, value: Option<&[u8]>) -> Written {
        let Some(value) = value else { return Ok(()) };
        self.int(key)?;
        self.bytes(value)
    }

    /// The key `key` and a text string, if there is one.
    pub(crate) fn text_entry(&mut self, key: i64, value: Option<&str>) -> Written {
        let Some(value) = value else { return Ok(()) };
        self.int(key)?;
        self.text(value)
    }

    /// The key `key` and an unsigned integer, if there is one.
    pub(crate) fn uint_entry(&mut self, key: i64, value: Option<u64>) -> Written {
        let Some(value) = value else { return Ok(()) };
        self.int(key)?;
        self.uint(value)
    }

    /// The key `key` and an integer, if there is one.
    pub(crate) fn int_entry(&mut self, key: i64, value: Option<i64>) -> Written {
        let Some(value) = value else { return Ok(()) };
        self.int(key)?;
        self.int(value)
    }

    /// The key `key` and a label, if there is one.
    pub(crate) fn label_entry(&mut self, key: i64, value: Option<Label<'_>>) -> Written {
        let Some(value) = value else { return Ok(()) };
        self.int(key)?;
        self.label(value)
    }
}

fn refusal<E>(_: EncodeError<E>) -> Error {
    Error::BufferTooSmall
}

/// How many of `present` are true: the number of pairs of a map with optional entries.
pub(crate) fn count(present: &[bool]) -> usize {
    present.iter().filter(|present| **present).count()
}
