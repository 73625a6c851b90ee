//! Strict CBOR (RFC 8949): a reader that refuses what security objects must not contain, and a
//! writer into a caller's buffer.
//!
//! The reader accepts longer than shortest encodings of numbers and lengths (RFC 8949, 4.1 asks
//! preferred encoding of senders only) and compares map keys by value, so `0x01` and `0x1801` are
//! the same key. It refuses indefinite lengths, duplicate keys, invalid UTF-8, nesting deeper than
//! [`MAX_DEPTH`], maps of more than [`MAX_MAP_ENTRIES`] entries, and, by [`Reader::finish`],
//! trailing bytes. It needs no table: earlier keys of a map are found by scanning its bytes again.
//!
//! ```
//! use ace_wire::cbor::{Label, Reader, Writer};
//!
//! let mut buffer = [0u8; 16];
//! let mut writer = Writer::new(&mut buffer);
//! writer.map(1)?;
//! writer.int(9)?;
//! writer.text("read")?;
//! let length = writer.finish();
//!
//! let mut scope = None;
//! let mut reader = Reader::new(&buffer[..length]);
//! reader.map(|key, value| {
//!     match key {
//!         Label::Int(9) => scope = Some(value.text()?),
//!         _ => drop(value.skip()?),
//!     }
//!     Ok(())
//! })?;
//! reader.finish()?;
//! assert_eq!(scope, Some("read"));
//! # Ok::<(), ace_wire::Error>(())
//! ```

mod float;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub use crate::Error;
pub use reader::{Kind, Reader};
pub use writer::Writer;
pub(crate) use writer::count;

/// Deepest nesting of arrays and maps that [`Reader`] follows.
pub const MAX_DEPTH: u8 = 8;

/// Most entries [`Reader::map`] takes in one map.
pub const MAX_MAP_ENTRIES: usize = 64;

/// `int / tstr`: a map key, an algorithm, a key operation (RFC 9052, 1.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Label<'a> {
    /// An integer.
    Int(i64),
    /// A text string.
    Text(&'a str),
}

impl Label<'_> {
    /// The number, if it is one.
    pub const fn int(self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(number),
            Self::Text(_) => None,
        }
    }
}

impl From<i64> for Label<'_> {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}
