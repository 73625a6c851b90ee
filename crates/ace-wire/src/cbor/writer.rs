use super::{Error, Label};

/// Writes CBOR items in preferred (shortest) encoding into a caller's buffer.
///
/// Arrays and maps are announced with their number of elements or pairs; the caller writes them
/// after. Every method fails with [`Error::BufferTooSmall`] alone; what was written before stays.
#[derive(Debug)]
pub struct Writer<'b> {
    out: &'b mut [u8],
    at: usize,
}

type Written = Result<(), Error>;

impl<'b> Writer<'b> {
    /// A writer at the start of `out`.
    pub fn new(out: &'b mut [u8]) -> Self {
        Self { out, at: 0 }
    }

    /// Number of bytes written.
    #[must_use]
    pub fn position(&self) -> usize {
        self.at
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
        // RFC 8949, 3.1: -1 - argument.
        if value < 0 {
            self.head(1, (!value).unsigned_abs())
        } else {
            self.head(0, value.unsigned_abs())
        }
    }

    /// An unsigned integer.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn uint(&mut self, value: u64) -> Written {
        self.head(0, value)
    }

    /// A byte string.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn bytes(&mut self, value: &[u8]) -> Written {
        self.head(2, value.len() as u64)?;
        self.raw(value)
    }

    /// The head of a byte string of `length` bytes, which the caller puts behind it.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn bytes_head(&mut self, length: usize) -> Written {
        self.head(2, length as u64)
    }

    /// A text string.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn text(&mut self, value: &str) -> Written {
        self.head(3, value.len() as u64)?;
        self.raw(value.as_bytes())
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
        self.head(7, 20 + u64::from(value))
    }

    /// `null`.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn null(&mut self) -> Written {
        self.head(7, 22)
    }

    /// A double-precision float.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn float(&mut self, value: f64) -> Written {
        self.raw(&[0xfb])?;
        self.raw(&value.to_be_bytes())
    }

    /// The head of an array of `length` elements.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn array(&mut self, length: usize) -> Written {
        self.head(4, length as u64)
    }

    /// The head of a map of `pairs` pairs.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn map(&mut self, pairs: usize) -> Written {
        self.head(5, pairs as u64)
    }

    /// A tag; its content is the next item.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn tag(&mut self, tag: u64) -> Written {
        self.head(6, tag)
    }

    /// Bytes that are CBOR already.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn raw(&mut self, cbor: &[u8]) -> Written {
        let place = self.out.get_mut(self.at..).unwrap_or_default();
        let place = place.get_mut(..cbor.len()).ok_or(Error::BufferTooSmall)?;
        place.copy_from_slice(cbor);
        self.at = self.at.saturating_add(cbor.len());
        Ok(())
    }

    /// Major type and argument, in the shortest form.
    // RFC 8949, 3 and 4.2.1
    #[inline(never)]
    fn head(&mut self, major: u8, argument: u64) -> Written {
        let bytes = argument.to_be_bytes();
        let (info, zeros) = match argument {
            0..24 => (bytes.last().copied().unwrap_or_default(), 8),
            24..0x100 => (24, 7),
            0x100..0x1_0000 => (25, 6),
            0x1_0000..0x1_0000_0000 => (26, 4),
            _ => (27, 0),
        };
        self.raw(&[major << 5 | info])?;
        self.raw(bytes.get(zeros..).unwrap_or_default())
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

/// How many of `present` are true: the number of pairs of a map with optional entries.
pub(crate) fn count(present: &[bool]) -> usize {
    present.iter().filter(|present| **present).count()
}
