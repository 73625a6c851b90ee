use super::{Error, Label, MAX_DEPTH, MAX_MAP_ENTRIES, float};

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
    input: &'a [u8],
    at: usize,
    depth: u8,
}

impl<'a> Reader<'a> {
    /// A reader at the first byte of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self {
            input: bytes,
            at: 0,
            depth: 0,
        }
    }

    /// Offset of the next byte to read.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.at
    }

    /// Whether all bytes are read.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        self.at >= self.input.len()
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
        let initial = self.initial().ok_or(Error::Truncated)?;
        // RFC 8949, 3
        match (initial >> 5, initial & 0x1f) {
            (_, 28..=30) => Err(Error::Malformed),
            (2..=5, 31) => Err(Error::IndefiniteLength),
            (_, 31) => Err(Error::Malformed),
            (0 | 1, _) => Ok(Kind::Int),
            (2, _) => Ok(Kind::Bytes),
            (3, _) => Ok(Kind::Text),
            (4, _) => Ok(Kind::Array),
            (5, _) => Ok(Kind::Map),
            (6, _) => Ok(Kind::Tag),
            (_, 20 | 21) => Ok(Kind::Bool),
            (_, 22) => Ok(Kind::Null),
            (_, 25..=27) => Ok(Kind::Float),
            _ => Ok(Kind::Simple),
        }
    }

    fn initial(&self) -> Option<u8> {
        self.input.get(self.at).copied()
    }

    /// The argument of the next item, which must be of this kind.
    #[inline(never)]
    fn head(&mut self, kind: Kind) -> Result<u64, Error> {
        if self.kind()? == kind {
            self.argument()
        } else {
            Err(Error::WrongType)
        }
    }

    /// The argument of the next item, whose initial byte [`Reader::kind`] has accepted.
    fn argument(&mut self) -> Result<u64, Error> {
        let info = self.initial().ok_or(Error::Truncated)? & 0x1f;
        self.at = self.at.saturating_add(1);
        if info < 24 {
            return Ok(u64::from(info));
        }
        let mut argument = 0;
        for byte in self.take(1 << (info & 3))? {
            argument = argument << 8 | u64::from(*byte);
        }
        Ok(argument)
    }

    #[inline(never)]
    fn take(&mut self, length: u64) -> Result<&'a [u8], Error> {
        let rest = self.input.get(self.at..).unwrap_or_default();
        let taken = usize::try_from(length)
            .ok()
            .and_then(|length| rest.get(..length));
        let taken = taken.ok_or(Error::Truncated)?;
        self.at = self.at.saturating_add(taken.len());
        Ok(taken)
    }

    /// An integer from -2^63 to 2^63 - 1.
    ///
    /// # Errors
    /// [`Error::WrongType`], [`Error::OutOfRange`], [`Error::Truncated`].
    pub fn int(&mut self) -> Result<i64, Error> {
        let negative = self.negative();
        let argument = i64::try_from(self.head(Kind::Int)?).map_err(|_| Error::OutOfRange)?;
        // RFC 8949, 3.1: -1 - argument.
        Ok(if negative { !argument } else { argument })
    }

    /// An unsigned integer.
    ///
    /// # Errors
    /// [`Error::WrongType`] (also for negative integers), [`Error::Truncated`].
    pub fn uint(&mut self) -> Result<u64, Error> {
        let negative = self.negative();
        let argument = self.head(Kind::Int)?;
        if negative {
            return Err(Error::WrongType);
        }
        Ok(argument)
    }

    fn negative(&self) -> bool {
        self.initial().is_some_and(|initial| initial & 0x20 != 0)
    }

    /// A byte string.
    ///
    /// # Errors
    /// [`Error::WrongType`], [`Error::Truncated`], [`Error::IndefiniteLength`].
    pub fn bytes(&mut self) -> Result<&'a [u8], Error> {
        let length = self.head(Kind::Bytes)?;
        self.take(length)
    }

    /// A text string.
    ///
    /// # Errors
    /// [`Error::WrongType`], [`Error::InvalidText`], [`Error::Truncated`],
    /// [`Error::IndefiniteLength`].
    pub fn text(&mut self) -> Result<&'a str, Error> {
        let length = self.head(Kind::Text)?;
        core::str::from_utf8(self.take(length)?).map_err(|_| Error::InvalidText)
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
        Ok(self.head(Kind::Bool)? == 21)
    }

    /// `null`.
    ///
    /// # Errors
    /// [`Error::WrongType`], [`Error::Truncated`].
    pub fn null(&mut self) -> Result<(), Error> {
        self.head(Kind::Null).map(drop)
    }

    /// A float of any precision.
    ///
    /// # Errors
    /// [`Error::WrongType`], [`Error::Truncated`].
    pub fn float(&mut self) -> Result<f64, Error> {
        self.float_bits().map(f64::from_bits)
    }

    /// The same as the bits of a double: made without arithmetic on floats, which a device without them pays 2 KB for.
    pub(crate) fn float_bits(&mut self) -> Result<u64, Error> {
        let info = self.initial().unwrap_or_default() & 0x1f;
        let bits = self.head(Kind::Float)?;
        Ok(match info {
            25 => float::widen(bits, 5, 10),
            26 => float::widen(bits, 8, 23),
            _ => bits,
        })
    }

    /// A tag number; its content is the next item.
    ///
    /// # Errors
    /// [`Error::WrongType`], [`Error::Truncated`].
    pub fn tag(&mut self) -> Result<u64, Error> {
        self.head(Kind::Tag)
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
        self.each_element(&mut element)
    }

    // One instance for all callers, as with maps.
    fn each_element(
        &mut self,
        element: &mut dyn FnMut(u64, &mut Self) -> Result<(), Error>,
    ) -> Result<u64, Error> {
        let count = self.enter(Kind::Array)?;
        for index in 0..count {
            element(index, self)?;
        }
        self.leave();
        Ok(count)
    }

    /// The head of an array; its elements come next. Returns their number.
    pub(crate) fn array_head(&mut self) -> Result<u64, Error> {
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
        self.each_entry(&mut entry)
    }

    fn each_entry(
        &mut self,
        entry: &mut dyn FnMut(Label<'a>, &mut Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
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
        let start = self.at;
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
                Kind::Text => self.text().map(|_| 0)?,
                Kind::Bytes => self.bytes().map(|_| 0)?,
                kind @ (Kind::Array | Kind::Map) => self.count(kind)?,
                kind => {
                    let one_byte = self.initial() != Some(0xf8);
                    let argument = self.argument()?;
                    if kind == Kind::Tag {
                        *left = left.saturating_add(1);
                    }
                    // RFC 8949, 3.3: values below 32 have no two-byte form.
                    if kind == Kind::Simple && !one_byte && argument < 32 {
                        return Err(Error::Malformed);
                    }
                    0
                }
            };
            if inner > 0 {
                level = level.saturating_add(1);
                if level.saturating_add(usize::from(self.depth)) > usize::from(MAX_DEPTH) {
                    return Err(Error::TooDeep);
                }
                *levels.get_mut(level).ok_or(Error::TooDeep)? = inner;
            }
        }
        self.input.get(start..self.at).ok_or(Error::Truncated)
    }

    /// Number of items inside the array or map that comes next; more items than bytes left is
    /// refused at once, so that a loop over the count is bounded by the input.
    fn count(&mut self, kind: Kind) -> Result<u64, Error> {
        let count = self.head(kind)?;
        let items = if kind == Kind::Map {
            count.saturating_mul(2)
        } else {
            count
        };
        if items > self.input.len().saturating_sub(self.at) as u64 {
            return Err(Error::Truncated);
        }
        Ok(items)
    }

    fn enter(&mut self, kind: Kind) -> Result<u64, Error> {
        if self.kind()? != kind {
            return Err(Error::WrongType);
        }
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
}
