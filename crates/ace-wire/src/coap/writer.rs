use super::{CoapError, Code, OptionView, Options, Token, Type};

/// Writes one message into a caller's buffer, options in ascending order, then the payload.
#[derive(Debug)]
pub struct Writer<'b> {
    buffer: &'b mut [u8],
    position: usize,
    last_option: u16,
}

impl<'b> Writer<'b> {
    /// Writes header and token (RFC 7252, 3).
    ///
    /// # Errors
    /// [`CoapError::BufferTooSmall`].
    pub fn new(
        buffer: &'b mut [u8],
        kind: Type,
        code: Code,
        id: u16,
        token: Token,
    ) -> Result<Self, CoapError> {
        let [high, low] = id.to_be_bytes();
        let token = token.as_bytes();
        let mut writer = Self {
            buffer,
            position: 0,
            last_option: 0,
        };
        writer.push(&[
            1 << 6 | kind.bits() << 4 | token.len() as u8,
            code.0,
            high,
            low,
        ])?;
        writer.push(token)?;
        Ok(writer)
    }

    /// Writes code and options as OSCORE protects them, without CoAP header (RFC 8613, 5.3).
    ///
    /// # Errors
    /// [`CoapError::BufferTooSmall`].
    pub fn plaintext(buffer: &'b mut [u8], code: Code) -> Result<Self, CoapError> {
        let mut writer = Self {
            buffer,
            position: 0,
            last_option: 0,
        };
        writer.push(&[code.0])?;
        Ok(writer)
    }

    /// Appends one option; numbers must not fall.
    ///
    /// # Errors
    /// [`CoapError::OptionOrder`], [`CoapError::OptionValue`] above 65,804 bytes,
    /// [`CoapError::BufferTooSmall`].
    pub fn option(&mut self, number: u16, value: &[u8]) -> Result<(), CoapError> {
        let delta = number
            .checked_sub(self.last_option)
            .ok_or(CoapError::OptionOrder)?;
        // First byte and up to two bytes each.
        let mut head = [0; 5];
        let (first, rest) = head.split_at_mut(1);
        let (high, after_delta) = extend(usize::from(delta), rest)?;
        let rest = rest.get_mut(after_delta..).unwrap_or_default();
        let (low, after_length) = extend(value.len(), rest)?;
        first.fill(high << 4 | low);
        self.push(head.get(..1 + after_delta + after_length).unwrap_or(&[]))?;
        self.push(value)?;
        self.last_option = number;
        Ok(())
    }

    /// Appends every option of a list, in order.
    ///
    /// # Errors
    /// As [`Writer::option`].
    pub fn options<const N: usize>(
        &mut self,
        options: &OptionList<'_, N>,
    ) -> Result<(), CoapError> {
        self.entries(options.entries.get(..options.len).unwrap_or_default())
    }

    // One instance for lists of all capacities.
    fn entries(&mut self, entries: &[(u16, OptionValue<'_>)]) -> Result<(), CoapError> {
        for (number, value) in entries {
            self.option(*number, value.bytes(&mut [0; 4]))?;
        }
        Ok(())
    }

    /// Appends the payload; an empty one leaves the marker out (RFC 7252, 3).
    ///
    /// # Errors
    /// [`CoapError::BufferTooSmall`].
    pub fn payload(&mut self, payload: &[u8]) -> Result<(), CoapError> {
        if payload.is_empty() {
            return Ok(());
        }
        self.push(&[0xff])?;
        self.push(payload)
    }

    /// Length of what was written.
    pub fn finish(self) -> usize {
        self.position
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), CoapError> {
        let end = self.position + bytes.len();
        self.buffer
            .get_mut(self.position..end)
            .ok_or(CoapError::BufferTooSmall)?
            .copy_from_slice(bytes);
        self.position = end;
        Ok(())
    }
}

/// The nibble of a delta or length; what extends it goes to the start of `out`, with its length (RFC 7252, 3.1).
fn extend(value: usize, out: &mut [u8]) -> Result<(u8, usize), CoapError> {
    let (nibble, bytes, skipped) = match value {
        0..=12 => return Ok((value as u8, 0)),
        13..=268 => (13, ((value - 13) as u16).to_be_bytes(), 1),
        269..=65804 => (14, ((value - 269) as u16).to_be_bytes(), 0),
        _ => return Err(CoapError::OptionValue),
    };
    for (place, byte) in out.iter_mut().zip(bytes.iter().skip(skipped)) {
        *place = *byte;
    }
    Ok((nibble, 2 - skipped))
}

/// An option value to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptionValue<'a> {
    /// Opaque bytes or a string.
    Bytes(&'a [u8]),
    /// An unsigned integer in its shortest form (RFC 7252, 3.2).
    Uint(u32),
}

impl<'a> OptionValue<'a> {
    /// The encoded value; `scratch` holds an integer's bytes.
    pub fn bytes<'s>(&self, scratch: &'s mut [u8; 4]) -> &'s [u8]
    where
        'a: 's,
    {
        match *self {
            Self::Bytes(bytes) => bytes,
            Self::Uint(value) => {
                *scratch = value.to_be_bytes();
                scratch
                    .get(value.leading_zeros() as usize / 8..)
                    .unwrap_or(&[])
            }
        }
    }
}

impl<'a> From<&'a [u8]> for OptionValue<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(bytes)
    }
}

impl<'a, const L: usize> From<&'a [u8; L]> for OptionValue<'a> {
    fn from(bytes: &'a [u8; L]) -> Self {
        Self::Bytes(bytes)
    }
}

impl<'a> From<&'a str> for OptionValue<'a> {
    fn from(text: &'a str) -> Self {
        Self::Bytes(text.as_bytes())
    }
}

impl From<u32> for OptionValue<'_> {
    fn from(value: u32) -> Self {
        Self::Uint(value)
    }
}

impl From<u16> for OptionValue<'_> {
    fn from(value: u16) -> Self {
        Self::Uint(u32::from(value))
    }
}

/// Up to `N` options, kept in ascending order whatever the order they come in; equal numbers keep
/// the order of insertion.
#[derive(Debug, Clone, Copy)]
pub struct OptionList<'a, const N: usize> {
    entries: [(u16, OptionValue<'a>); N],
    len: usize,
}

impl<'a, const N: usize> OptionList<'a, N> {
    /// An empty list.
    pub const fn new() -> Self {
        Self {
            entries: [(0, OptionValue::Uint(0)); N],
            len: 0,
        }
    }

    /// Adds an option.
    ///
    /// # Errors
    /// [`CoapError::TooManyOptions`] above `N`.
    pub fn push(
        &mut self,
        number: u16,
        value: impl Into<OptionValue<'a>>,
    ) -> Result<(), CoapError> {
        insert(&mut self.entries, &mut self.len, number, value.into())
    }

    /// Adds a Uri-Path option for each segment of `/a/b` (RFC 7252, 6.4; no percent-decoding).
    ///
    /// # Errors
    /// [`CoapError::TooManyOptions`].
    pub fn push_path(&mut self, path: &'a str) -> Result<(), CoapError> {
        let path = path.strip_prefix('/').unwrap_or(path);
        if path.is_empty() {
            return Ok(());
        }
        for segment in path.as_bytes().split(|byte| *byte == b'/') {
            self.push(super::option::URI_PATH, segment)?;
        }
        Ok(())
    }

    /// Adds every option of a parsed message that `keep` accepts.
    ///
    /// # Errors
    /// [`CoapError::TooManyOptions`].
    pub fn extend(
        &mut self,
        options: Options<'a>,
        keep: impl Fn(OptionView<'a>) -> bool,
    ) -> Result<(), CoapError> {
        options
            .iter()
            .filter(|o| keep(*o))
            .try_for_each(|o| self.push(o.number, o.value))
    }

    /// The options in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = (u16, OptionValue<'a>)> + '_ {
        self.entries.iter().take(self.len).copied()
    }

    /// Whether an option with this number is in the list.
    pub fn contains(&self, number: u16) -> bool {
        self.iter().any(|(n, _)| n == number)
    }

    /// How many options there are.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// Puts an option where it belongs among the first `len` entries. One instance for lists of all capacities.
fn insert<'a>(
    entries: &mut [(u16, OptionValue<'a>)],
    len: &mut usize,
    number: u16,
    value: OptionValue<'a>,
) -> Result<(), CoapError> {
    if *len >= entries.len() {
        return Err(CoapError::TooManyOptions);
    }
    let mut carried = (number, value);
    for entry in entries.get_mut(..*len).unwrap_or_default() {
        // A new one goes behind its equals, and then each pushes the next on.
        if entry.0 > carried.0 || carried.0 > number {
            core::mem::swap(entry, &mut carried);
        }
    }
    *entries.get_mut(*len).ok_or(CoapError::TooManyOptions)? = carried;
    *len += 1;
    Ok(())
}

impl<const N: usize> Default for OptionList<'_, N> {
    fn default() -> Self {
        Self::new()
    }
}
