//! Records as they lie in the log.
//!
//! Two items make a record: the value, and after it a witness that it was written. Each names the key and counts the
//! versions of the record. Without the witness, a flipped bit in the newest value would bring back the one before it,
//! which for a sequence number is the one thing that must not happen. A short value stands in the witness once more, and
//! survives the loss of the other.

use ace_oscore::storage::Key;
use sequential_storage::map;
use sequential_storage::map::SerializationError;

/// Longest value that is kept twice, in bytes.
pub(crate) const SHORT: usize = 16;
/// What stands in front of a value, in bytes: kind, key, version, and that a value follows.
pub(crate) const OVERHEAD: usize = 10;

/// One of the two items of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Item {
    Value(Key),
    Witness(Key),
}

const VALUE: u8 = 1;
const WITNESS: u8 = 2;

impl map::Key for Item {
    fn serialize_into(&self, buffer: &mut [u8]) -> Result<usize, SerializationError> {
        let (kind, Key(key)) = match self {
            Self::Value(key) => (VALUE, key),
            Self::Witness(key) => (WITNESS, key),
        };
        let (first, rest) = buffer
            .split_first_mut()
            .ok_or(SerializationError::BufferTooSmall)?;
        *first = kind;
        let key_bytes = rest
            .first_chunk_mut()
            .ok_or(SerializationError::BufferTooSmall)?;
        *key_bytes = key.to_be_bytes();
        Ok(5)
    }

    fn deserialize_from(buffer: &[u8]) -> Result<(Self, usize), SerializationError> {
        let (kind, rest) = buffer
            .split_first()
            .ok_or(SerializationError::BufferTooSmall)?;
        let key = rest
            .first_chunk()
            .ok_or(SerializationError::BufferTooSmall)?;
        let key = Key(u32::from_be_bytes(*key));
        let item = match *kind {
            VALUE => Self::Value(key),
            WITNESS => Self::Witness(key),
            _ => return Err(SerializationError::InvalidFormat),
        };
        Ok((item, 5))
    }

    fn get_len(_: &[u8]) -> Result<usize, SerializationError> {
        Ok(5)
    }
}

/// A value, or the copy of it in its witness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Versioned<'a> {
    pub(crate) version: u32,
    /// `None` in the witness of a long value.
    pub(crate) value: Option<&'a [u8]>,
}

/// The value follows.
const HELD: u8 = 1;

impl<'a> map::Value<'a> for Versioned<'a> {
    fn serialize_into(&self, buffer: &mut [u8]) -> Result<usize, SerializationError> {
        let small = || SerializationError::BufferTooSmall;
        let (version, rest) = buffer.split_first_chunk_mut().ok_or_else(small)?;
        *version = self.version.to_be_bytes();
        let Some(value) = self.value else {
            return Ok(4);
        };
        let (held, rest) = rest.split_first_mut().ok_or_else(small)?;
        *held = HELD;
        rest.get_mut(..value.len())
            .ok_or_else(small)?
            .copy_from_slice(value);
        Ok(value.len().saturating_add(5))
    }

    fn deserialize_from(buffer: &'a [u8]) -> Result<(Self, usize), SerializationError> {
        let (version, rest) = buffer
            .split_first_chunk()
            .ok_or(SerializationError::InvalidData)?;
        let value = match rest.split_first() {
            None => None,
            Some((&HELD, value)) => Some(value),
            Some(_) => return Err(SerializationError::InvalidData),
        };
        let version = u32::from_be_bytes(*version);
        Ok((Self { version, value }, buffer.len()))
    }
}
