use minicbor::data::Type;
use minicbor::decode::{Decoder, Error as DecodeError};

use super::{Error, Label, MAX_DEPTH, MAX_MAP_ENTRIES, half_to_f64};

/// The CBOR type of the next item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Major types 0 and 1.
    Int,
    /// Major type 2, definite length.
    Bytes,
    /// Major type 3, definite length.
    Text,
    /// Major type 4, definite length.
    Array,
    /// Major type 5, definite length.
    Map,
    /// Major type 6.
    Tag,
    /// A half, single or double precision float.
    Float,
    /// `false` or `true`.
    Bool,
    /// `null`.
    Null,
    /// `undefined` or an unassigned simple value.
    Simple,
}

/// Reads CBOR items one after the other from a byte slice; strings borrow from it.
///
/// A failed read leaves the position undefined: give up the whole input then.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    decoder: Decoder<'a>,
    depth: u8,
}

impl<'a> Reader<'a> {
    /// A reader at the first byte of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            decoder: Decoder::new(bytes),
            depth: 0,
        }
    }

    /// Offset of the next byte to read.
    #[must_use]
    pub fn position(&self) -> usize {
        self.decoder.position()
    }

    /// Whether all bytes are read.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        self.decoder.position() >= self.decoder.input().len()
    }

    /// Checks that nothing follows.
    ///
    /// # Errors
    /// [`Error::TrailingBytes`].
    pub fn finish(self) -> Result<(), Error> {
        if self.is_at_end() {
            Ok(())
        } else {
            Err(Error::TrailingBytes)
        }
    }

    /// The type of the next item, which stays unread.
    ///
    /// # Errors
    /// [`Error::Truncated`], [`Error::IndefiniteLength`], [`Error::Malformed`].
    pub fn kind(&self) -> Result<Kind, Error> {
        Ok(match self.decoder.datatype().map_err(refusal)? {
            Type::U8 | Type::U16 | Type::U32 | Type::U64 => Kind::Int,
            Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::Int => Kind::Int,
            Type::Bytes => Kind::Bytes,
            Type::String => Kind::Text,
            Type::Array => Kind::Array,
            Type::Map => Kind::Map,
            Type::Tag => Kind::Tag,
            Type::F16 | Type::F32 | Type::F64 => Kind::Float,
            Type::Bool => Kind::Bool,
            Type::Null => Kind::Null,
            Type::Undefined | Type::Simple => Kind::Simple,
            Type::BytesIndef | Type::StringIndef | Type::ArrayIndef | Type::MapIndef => {
                return Err(Error::IndefiniteLength);
            }
            Type::Break | Type::Unknown(_) => return Err(Error::Malformed),
        })
    }

    fn expect(&self, kind: Kind) -> Result<(), Error> {
        if self.kind()? == kind {
            Ok(())
        } else {
            Err(Error::WrongType)
        }
    }

    /// An integer from -2^63 to 2^63 - 1.
    ///
    /// # Errors
    /// [`Error::WrongType`], [`Error::OutOfRange`], [`Error::Truncated`].
    pub fn int(&mut self) -> Result<i64, Error> {
        self.expect(Kind::Int)?;
        let value = self.decoder.int().map_err(refusal)?;
        i64::try_from(value).map_err(|_| Error::OutOfRange)
    }

    /// An unsigned integer.
    ///
    /// # Errors
    /// [`Error::WrongType`] (also for negative integers), [`Error::Truncated`].
    pub fn uint(&mut self) -> Result<u64, Error> {
        self.expect(Kind::Int)?;
        let value = self.decoder.int().map_err(refusal)?;
        u64::try_from(value).map_err(|_| Error::WrongType)
    }

    /// A byte string.
    ///
    /// # Errors
    /// [`Error::WrongType`], [`Error::Truncated`], [`Error::IndefiniteLength`].
    pub fn bytes(&mut self) -> Result<&'a [u8], Error> {
        self.expect(Kind::Bytes)?;
        self.decoder.bytes().map_err(refusal)
    }

    /// A text string.
    ///
    /// # Errors
    /// [`Error::WrongType`], [`Error::InvalidText`], [`Error::Truncated`],
    /// [`Error::IndefiniteLength`].
    pub fn text(&mut self) -> Result<&'a str, Error> {
        self.expect(Kind::Text)?;
        // The type and the length are checked: what is left is truncation and UTF-8.
        self.decoder.str().map_err(|error| {
            if error.is_end_of_input() {
                Error::Truncated
            } else {
                Error::InvalidText
            }
        })
    }

    /// An integer or a text string.
    ///
    /// # Errors
    /// As [`Reader::int`] and [`Reader::text`].
    pub fn label(&mut self) -> Result<Label<'a>, Error> {
        match self.kind()? {
            Kind::Int => self.int().map(Label::Int),
            Kind::Text => self.text().map(Label::Text),
            _ => Err(Error::WrongType),
        }
    }

    /// A boolean.
    ///
    /// # Errors
    /// [`Error::WrongType`], [`Error::Truncated`].
    pub fn bool(&mut self) -> Result<bool, Error> {
        self.expect(Kind::Bool)?;
        self.decoder.bool().map_err(refusal)
    }

    /// `null`.
    ///
    /// # Errors
    /// [`Error::WrongType`], [`Error::Truncated`].
    pub fn null(&mut self) -> Result<(), Error> {
        self.expect(Kind::Null)?;
        self.decoder.null().map_err(refusal)
    }

    /// A float of any precision.
    ///
    /// # Errors
    /// [`Error::WrongType`], [`Error::Truncated`].
    pub fn float(&mut self) -> Result<f64, Error> {
        match self.decoder.datatype().map_err(refusal)? {
            Type::F16 => {
                // Read here: minicbor reads halves only with a further dependency.
                let at = self.decoder.position().saturating_add(1);
                let bits = self
                    .decoder
                    .input()
                    .get(at..)
                    .and_then(<[u8]>::first_chunk::<2>);
                let bits = bits.ok_or(Error::Truncated)?;
                self.decoder.set_position(at.saturating_add(2));
                Ok(half_to_f64(u16::from_be_bytes(*bits)))
            }
            Type::F32 => self.decoder.f32().map(f64::from).map_err(refusal),
            Type::F64 => self.decoder.f64().map_err(refusal),
            _ => Err(Error::WrongType),
        }
    }

    /// A tag number; its content is the next item.
    ///
    /// # Errors
    /// [`Error::WrongType`], [`Error::Truncated`].
    pub fn tag(&mut self) -> Result<u64, Error> {
        self.expect(Kind::Tag)?;
        self.decoder.tag().map(|tag| tag.as_u64()).map_err(refusal)
    }

    /// A whole array: `element` is called for each element and must read exactly that one.
    /// Returns the number of elements.
    ///
    /// # Errors
    /// [`Error::WrongType`], [`Error::TooDeep`], and what `element` returns.
    pub fn array<F>(&mut self, mut element: F) -> Result<u64, Error>
    where
        F: FnMut(u64, &mut Self) -> Result<(), Error>,
    {
        let count = self.enter(Kind::Array)?;
        for index in 0..count {
            element(index, self)?;
        }
        self.leave();
        Ok(count)
    }

    /// The head of an array; its elements come next. Returns their number.
    pub(crate) fn array_head(&mut self) -> Result<u64, Error> {
        self.expect(Kind::Array)?;
        self.count(Kind::Array)
    }

    /// A whole map: `entry` is called with each key and must read exactly the value.
    ///
    /// Keys are integers or text strings.
    ///
    /// # Errors
    /// [`Error::DuplicateKey`], [`Error::TooManyEntries`], [`Error::TooDeep`],
    /// [`Error::WrongType`] (not a map, or a key of another type), and what `entry` returns.
    pub fn map<F>(&mut self, mut entry: F) -> Result<(), Error>
    where
        F: FnMut(Label<'a>, &mut Self) -> Result<(), Error>,
    {
        let count = self.enter(Kind::Map)?;
        if count > MAX_MAP_ENTRIES as u64 {
            return Err(Error::TooManyEntries);
        }
        let start = self.clone();
        for index in 0..count {
            let key = self.label()?;
            let mut earlier = start.clone();
            for _ in 0..index {
                // RFC 8949, 5.6; RFC 9052, 3
                if earlier.label()? == key {
                    return Err(Error::DuplicateKey);
                }
                earlier.skip()?;
            }
            entry(key, self)?;
        }
        self.leave();
        Ok(())
    }

    /// Skips the next item with all it contains; returns its bytes.
    ///
    /// # Errors
    /// [`Error::Truncated`], [`Error::Malformed`], [`Error::IndefiniteLength`],
    /// [`Error::InvalidText`], [`Error::TooDeep`]. Duplicate keys inside are not looked for.
    pub fn skip(&mut self) -> Result<&'a [u8], Error> {
        let start = self.decoder.position();
        // Items still to come at each open level.
        let mut levels = [0u64; MAX_DEPTH as usize + 1];
        let mut level = 0usize;
        *levels.first_mut().ok_or(Error::TooDeep)? = 1;
        while let Some(left) = levels.get_mut(level) {
            if *left == 0 {
                if level == 0 {
                    break;
                }
                level = level.saturating_sub(1);
                continue;
            }
            *left = left.saturating_sub(1);
            let inner = match self.kind()? {
                Kind::Int => self.decoder.int().map(drop).map_err(refusal).map(|()| 0)?,
                Kind::Bytes => self.bytes().map(|_| 0)?,
                Kind::Text => self.text().map(|_| 0)?,
                Kind::Bool => self.bool().map(|_| 0)?,
                Kind::Null => self.null().map(|()| 0)?,
                Kind::Float => self.float().map(|_| 0)?,
                Kind::Simple => self.simple().map(|_| 0)?,
                Kind::Tag => {
                    self.tag()?;
                    *left = left.saturating_add(1);
                    0
                }
                kind @ (Kind::Array | Kind::Map) => self.count(kind)?,
            };
            if inner > 0 {
                level = level.saturating_add(1);
                if level.saturating_add(usize::from(self.depth)) > usize::from(MAX_DEPTH) {
                    return Err(Error::TooDeep);
                }
                *levels.get_mut(level).ok_or(Error::TooDeep)? = inner;
            }
        }
        let end = self.decoder.position();
        self.decoder.input().get(start..end).ok_or(Error::Truncated)
    }

    /// Number of items inside the array or map that comes next; more items than bytes left is
    /// refused at once, so that a loop over the count is bounded by the input.
    fn count(&mut self, kind: Kind) -> Result<u64, Error> {
        let (count, items) = match kind {
            Kind::Array => {
                let count = self.decoder.array().map_err(refusal)?;
                (count, count)
            }
            _ => {
                let count = self.decoder.map().map_err(refusal)?;
                (count, count.map(|pairs| pairs.saturating_mul(2)))
            }
        };
        let (Some(_), Some(items)) = (count, items) else {
            return Err(Error::IndefiniteLength);
        };
        let left = self
            .decoder
            .input()
            .len()
            .saturating_sub(self.decoder.position());
        if items > left as u64 {
            return Err(Error::Truncated);
        }
        Ok(items)
    }

    fn enter(&mut self, kind: Kind) -> Result<u64, Error> {
        self.expect(kind)?;
        if self.depth >= MAX_DEPTH {
            return Err(Error::TooDeep);
        }
        self.depth = self.depth.saturating_add(1);
        let items = self.count(kind)?;
        Ok(if kind == Kind::Map { items / 2 } else { items })
    }

    fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    fn simple(&mut self) -> Result<u8, Error> {
        if self.decoder.datatype().map_err(refusal)? == Type::Undefined {
            return self.decoder.undefined().map(|()| 23).map_err(refusal);
        }
        let two_bytes = self.decoder.input().get(self.decoder.position()) == Some(&0xf8);
        match self.decoder.simple().map_err(refusal)? {
            // RFC 8949, 3.3: values below 32 have no two-byte form.
            0..=31 if two_bytes => Err(Error::Malformed),
            value => Ok(value),
        }
    }
}

fn refusal(error: DecodeError) -> Error {
    if error.is_end_of_input() {
        Error::Truncated
    } else if error.is_type_mismatch() {
        Error::WrongType
    } else {
        // A length that does not fit the address space.
        Error::Truncated
    }
}
