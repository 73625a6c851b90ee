//! Reading and writing the vectors of RFC 5246, 4.

use crate::Error;

/// Reads from the front; everything missing is [`Error::Decode`].
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(Error::Decode)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn array<const LEN: usize>(&mut self) -> Result<&'a [u8; LEN], Error> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Error::Decode)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Error> {
        self.array().map(|[byte]| *byte)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Error> {
        self.array().copied().map(u16::from_be_bytes)
    }

    pub(crate) fn u24(&mut self) -> Result<usize, Error> {
        let [a, b, c] = *self.array()?;
        Ok(usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c))
    }

    pub(crate) fn u48(&mut self) -> Result<u64, Error> {
        let [a, b, c, d, e, f] = *self.array()?;
        Ok(u64::from_be_bytes([0, 0, a, b, c, d, e, f]))
    }

    /// A vector with a length of one byte.
    pub(crate) fn vec8(&mut self) -> Result<&'a [u8], Error> {
        let len = self.u8()?;
        self.take(len.into())
    }

    /// A vector with a length of two bytes.
    pub(crate) fn vec16(&mut self) -> Result<&'a [u8], Error> {
        let len = self.u16()?;
        self.take(len.into())
    }

    /// A vector with a length of three bytes.
    #[cfg(feature = "_ecc")]
    pub(crate) fn vec24(&mut self) -> Result<&'a [u8], Error> {
        let len = self.u24()?;
        self.take(len)
    }

    /// Refuses bytes behind what was read.
    pub(crate) const fn finish(self) -> Result<(), Error> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Error::Decode)
        }
    }
}

/// The numbers of a list of two-byte numbers.
pub(crate) fn numbers(list: &[u8]) -> impl Iterator<Item = u16> {
    list.as_chunks().0.iter().copied().map(u16::from_be_bytes)
}

/// Writes to the front of a buffer. What does not fit is only counted, and [`finish`](Self::finish) tells.
pub(crate) struct Writer<'b> {
    buffer: &'b mut [u8],
    len: usize,
}

impl<'b> Writer<'b> {
    pub(crate) const fn new(buffer: &'b mut [u8]) -> Self {
        Self { buffer, len: 0 }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// How much was written; [`Error::BufferTooSmall`] if there was no room for something.
    pub(crate) const fn finish(self) -> Result<usize, Error> {
        if self.len > self.buffer.len() {
            return Err(Error::BufferTooSmall);
        }
        Ok(self.len)
    }

    /// Takes back what was written since the length was `len`.
    pub(crate) fn back_to(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    #[inline(never)]
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        let end = self.len.saturating_add(bytes.len());
        if let Some(room) = self.buffer.get_mut(self.len..end) {
            room.copy_from_slice(bytes);
        }
        self.len = end;
    }

    pub(crate) fn u8(&mut self, number: u8) {
        self.put(&[number]);
    }

    pub(crate) fn u16(&mut self, number: u16) {
        self.put(&number.to_be_bytes());
    }

    pub(crate) fn u24(&mut self, number: usize) {
        let [.., a, b, c] = number.to_be_bytes();
        self.put(&[a, b, c]);
    }

    /// The lowest six bytes of the number.
    pub(crate) fn u48(&mut self, number: u64) {
        let [_, _, rest @ ..] = number.to_be_bytes();
        self.put(&rest);
    }

    /// What `body` writes, with its length in `size` bytes (1 to 3) in front.
    pub(crate) fn vec(&mut self, size: usize, body: impl FnOnce(&mut Self)) {
        let at = self.len;
        self.len = at.saturating_add(size);
        body(self);
        self.close(at, size);
    }

    /// Writes the length of what is behind the first `at + size` bytes into the `size` bytes before it.
    #[inline(never)]
    fn close(&mut self, at: usize, size: usize) {
        let mut rest = self.len.saturating_sub(at).saturating_sub(size);
        let digits = self.buffer.get_mut(at..at.saturating_add(size));
        for digit in digits.into_iter().flatten().rev() {
            *digit = rest as u8;
            rest >>= 8;
        }
        if rest != 0 {
            self.len = usize::MAX;
        }
    }

    /// An extension: its type, and what `body` writes as a vector of two length bytes.
    pub(crate) fn extension(&mut self, kind: u16, body: impl FnOnce(&mut Self)) {
        self.u16(kind);
        self.vec(2, body);
    }
}
