//! What the endpoint of the token revocation list answers (RFC 9770, 6 to 9).

use core::fmt;

use super::parameter::trl as p;
use crate::cbor::{Error, Kind, Label, Reader, Writer, count};

/// A response of the TRL endpoint, to a full query (RFC 9770, 7 and 9.1) or a diff query (8 and 9.2).
///
/// ```
/// use ace_wire::ace::{Cursor, Trl, TrlSet};
///
/// // RFC 9770, 9.2.1: nothing was ever revoked for this requester.
/// let nothing = [0xa3, 0x01, 0x80, 0x02, 0xf6, 0x03, 0xf4];
/// let trl = Trl::parse(&nothing)?;
/// assert!(matches!(trl.set, TrlSet::Diff(entries) if entries.iter().count() == 0));
/// assert_eq!((trl.cursor, trl.more), (Cursor::Null, Some(false)));
/// # Ok::<(), ace_wire::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trl<'a> {
    /// The hashes; required.
    pub set: TrlSet<'a>,
    /// Where the next diff query is to go on.
    pub cursor: Cursor,
    /// In the answer to a diff query: whether there is more than fits, from the cursor on; with [`Cursor::Null`], that
    /// updates were lost and a full query is to be made (RFC 9770, 9.2.3).
    pub more: Option<bool>,
}

/// The hashes in a [`Trl`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrlSet<'a> {
    /// `full_set`: all that are revoked and not expired.
    Full(TokenHashes<'a>),
    /// `diff_set`: updates, the latest first.
    Diff(DiffEntries<'a>),
}

/// `cursor`: the index of an update in the requester's collection (RFC 9770, 6.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Cursor {
    /// Not there: the authorization server has no cursors.
    #[default]
    Absent,
    /// null: there is no update to go on from.
    Null,
    /// This one.
    At(u64),
}

impl Cursor {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        if reader.kind()? == Kind::Null {
            return reader.null().map(|()| Self::Null);
        }
        reader.uint().map(Self::At)
    }

    fn write_entry(self, key: i64, writer: &mut Writer<'_>) -> Result<(), Error> {
        match self {
            Self::Absent => Ok(()),
            Self::Null => {
                writer.int(key)?;
                writer.null()
            }
            Self::At(index) => writer.uint_entry(key, Some(index)),
        }
    }

    fn is_present(self) -> bool {
        self != Self::Absent
    }
}

impl<'a> Trl<'a> {
    /// Reads a whole payload.
    ///
    /// # Errors
    /// [`Error::MissingParameter`] without a set, [`Error::UnknownValue`] with both; malformed CBOR, a duplicate key, a
    /// parameter of the wrong type, trailing bytes.
    pub fn parse(payload: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(payload);
        let (mut full, mut diff) = (None, None);
        let (mut cursor, mut more) = (Cursor::Absent, None);
        reader.map(|key, value| {
            match key {
                Label::Int(p::FULL_SET) => full = Some(TokenHashes::read(value)?),
                Label::Int(p::DIFF_SET) => diff = Some(DiffEntries::read(value)?),
                Label::Int(p::CURSOR) => cursor = Cursor::read(value)?,
                Label::Int(p::MORE) => more = Some(value.bool()?),
                _ => drop(value.skip()?),
            }
            Ok(())
        })?;
        reader.finish()?;
        let set = match (full, diff) {
            (Some(hashes), None) => TrlSet::Full(hashes),
            (None, Some(entries)) => TrlSet::Diff(entries),
            (None, None) => return Err(Error::MissingParameter),
            (Some(_), Some(_)) => return Err(Error::UnknownValue),
        };
        Ok(Self { set, cursor, more })
    }

    /// Writes the payload; returns its length.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, Error> {
        let mut writer = Writer::new(out);
        writer.map(count(&[
            true,
            self.cursor.is_present(),
            self.more.is_some(),
        ]))?;
        match self.set {
            TrlSet::Full(hashes) => {
                writer.int(p::FULL_SET)?;
                hashes.write(&mut writer)?;
            }
            TrlSet::Diff(entries) => {
                writer.int(p::DIFF_SET)?;
                entries.write(&mut writer)?;
            }
        }
        self.cursor.write_entry(p::CURSOR, &mut writer)?;
        if let Some(more) = self.more {
            writer.int(p::MORE)?;
            writer.bool(more)?;
        }
        Ok(writer.finish())
    }
}

/// A set of token hashes (RFC 9770, 4.4): each begins with the number of its hash function, 1 for sha-256, and is as long
/// as that makes it; whoever reads decides about others. Compared in order.
#[derive(Clone, Copy)]
pub struct TokenHashes<'a>(Hashes<'a>);

#[derive(Clone, Copy)]
enum Hashes<'a> {
    List(&'a [&'a [u8]]),
    /// A checked array of byte strings.
    Cbor(&'a [u8]),
}

impl<'a> TokenHashes<'a> {
    /// These hashes.
    #[must_use]
    pub const fn list(hashes: &'a [&'a [u8]]) -> Self {
        Self(Hashes::List(hashes))
    }

    /// The hashes, one after the other.
    #[must_use]
    pub fn iter(&self) -> TokenHashesIter<'a> {
        TokenHashesIter(match self.0 {
            Hashes::List(list) => Rest::List(list),
            Hashes::Cbor(cbor) => elements(cbor).map_or(Rest::List(&[]), Rest::Cbor),
        })
    }

    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut look = reader.clone();
        look.array(|_, element| element.bytes().map(drop))?;
        reader.skip().map(|cbor| Self(Hashes::Cbor(cbor)))
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), Error> {
        match self.0 {
            Hashes::Cbor(cbor) => writer.raw(cbor),
            Hashes::List(list) => {
                writer.array(list.len())?;
                list.iter().try_for_each(|hash| writer.bytes(hash))
            }
        }
    }
}

/// The hashes of [`TokenHashes`].
#[derive(Debug, Clone)]
pub struct TokenHashesIter<'a>(Rest<'a, &'a [u8]>);

#[derive(Debug, Clone)]
enum Rest<'a, T> {
    List(&'a [T]),
    Cbor(Reader<'a>),
}

impl<'a> Iterator for TokenHashesIter<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        match &mut self.0 {
            Rest::List(list) => next_of(list),
            // Checked when parsed: fails at the end alone.
            Rest::Cbor(reader) => reader.bytes().ok(),
        }
    }
}

/// Updates of the list, the latest first (RFC 9770, 8). Compared in order.
#[derive(Clone, Copy)]
pub struct DiffEntries<'a>(Entries<'a>);

#[derive(Clone, Copy)]
enum Entries<'a> {
    List(&'a [DiffEntry<'a>]),
    /// A checked array of pairs.
    Cbor(&'a [u8]),
}

/// One update of the list (RFC 9770, 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiffEntry<'a> {
    /// Revoked tokens that have expired.
    pub removed: TokenHashes<'a>,
    /// Tokens that were revoked.
    pub added: TokenHashes<'a>,
}

impl<'a> DiffEntry<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let (mut removed, mut added) = (None, None);
        let length = reader.array(|index, element| {
            match index {
                0 => removed = Some(TokenHashes::read(element)?),
                1 => added = Some(TokenHashes::read(element)?),
                _ => return Err(Error::WrongType),
            }
            Ok(())
        })?;
        match (length, removed, added) {
            (2, Some(removed), Some(added)) => Ok(Self { removed, added }),
            _ => Err(Error::WrongType),
        }
    }
}

impl<'a> DiffEntries<'a> {
    /// These updates, the latest first.
    #[must_use]
    pub const fn list(entries: &'a [DiffEntry<'a>]) -> Self {
        Self(Entries::List(entries))
    }

    /// The updates, the latest first.
    #[must_use]
    pub fn iter(&self) -> DiffEntriesIter<'a> {
        DiffEntriesIter(match self.0 {
            Entries::List(list) => Rest::List(list),
            Entries::Cbor(cbor) => elements(cbor).map_or(Rest::List(&[]), Rest::Cbor),
        })
    }

    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut look = reader.clone();
        look.array(|_, element| DiffEntry::read(element).map(drop))?;
        reader.skip().map(|cbor| Self(Entries::Cbor(cbor)))
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), Error> {
        match self.0 {
            Entries::Cbor(cbor) => writer.raw(cbor),
            Entries::List(list) => {
                writer.array(list.len())?;
                list.iter().try_for_each(|entry| {
                    writer.array(2)?;
                    entry.removed.write(writer)?;
                    entry.added.write(writer)
                })
            }
        }
    }
}

/// The updates of [`DiffEntries`].
#[derive(Debug, Clone)]
pub struct DiffEntriesIter<'a>(Rest<'a, DiffEntry<'a>>);

impl<'a> Iterator for DiffEntriesIter<'a> {
    type Item = DiffEntry<'a>;

    fn next(&mut self) -> Option<DiffEntry<'a>> {
        match &mut self.0 {
            Rest::List(list) => next_of(list),
            // Checked when parsed: fails at the end alone.
            Rest::Cbor(reader) => DiffEntry::read(reader).ok(),
        }
    }
}

/// A reader at the first element of an array.
fn elements(cbor: &[u8]) -> Option<Reader<'_>> {
    let mut reader = Reader::new(cbor);
    // Checked when parsed.
    reader.array_head().ok().map(|_| reader)
}

fn next_of<T: Copy>(list: &mut &[T]) -> Option<T> {
    let (first, rest) = list.split_first()?;
    *list = rest;
    Some(*first)
}

impl PartialEq for TokenHashes<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for TokenHashes<'_> {}

impl fmt::Debug for TokenHashes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl PartialEq for DiffEntries<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for DiffEntries<'_> {}

impl fmt::Debug for DiffEntries<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// `error-id` (RFC 9770, 13).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TrlError {
    /// 0.
    InvalidParameterValue,
    /// 1.
    InvalidSetOfParameters,
    /// 2.
    OutOfBoundCursor,
    /// A number this crate does not know.
    Other(i64),
}

impl TrlError {
    /// The error with this CBOR value.
    #[must_use]
    pub const fn from_number(number: i64) -> Self {
        match number {
            0 => Self::InvalidParameterValue,
            1 => Self::InvalidSetOfParameters,
            2 => Self::OutOfBoundCursor,
            other => Self::Other(other),
        }
    }

    /// The CBOR value.
    #[must_use]
    pub const fn number(self) -> i64 {
        match self {
            Self::InvalidParameterValue => 0,
            Self::InvalidSetOfParameters => 1,
            Self::OutOfBoundCursor => 2,
            Self::Other(other) => other,
        }
    }

    /// The registered description.
    #[must_use]
    pub const fn description(self) -> Option<&'static str> {
        Some(match self {
            Self::InvalidParameterValue => "Invalid parameter value",
            Self::InvalidSetOfParameters => "Invalid set of parameters",
            Self::OutOfBoundCursor => "Out of bound cursor value",
            Self::Other(_) => return None,
        })
    }
}

/// Why the TRL endpoint refused a query: Concise Problem Details (RFC 9770, 6.1; RFC 9290).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrlProblem<'a> {
    /// What is wrong; required.
    pub error: TrlError,
    /// The index of the latest update.
    pub cursor: Cursor,
    /// A short summary. One with a language tag is passed over.
    pub title: Option<&'a str>,
    /// A sentence for who looks into it. One with a language tag is passed over.
    pub detail: Option<&'a str>,
}

impl<'a> TrlProblem<'a> {
    /// Reads a whole payload.
    ///
    /// # Errors
    /// [`Error::MissingParameter`] without `ace-trl-error` or its `error-id`; malformed CBOR, a duplicate key, a
    /// parameter of the wrong type, trailing bytes.
    pub fn parse(payload: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(payload);
        let (mut title, mut detail, mut found) = (None, None, None);
        reader.map(|key, value| {
            match key {
                Label::Int(p::TITLE) => title = plain_text(value)?,
                Label::Int(p::DETAIL) => detail = plain_text(value)?,
                Label::Int(p::ACE_TRL_ERROR) => found = Some(error(value)?),
                _ => drop(value.skip()?),
            }
            Ok(())
        })?;
        reader.finish()?;
        let (error, cursor) = found.ok_or(Error::MissingParameter)?;
        Ok(Self {
            error,
            cursor,
            title,
            detail,
        })
    }

    /// Writes the payload; returns its length.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, Error> {
        let mut writer = Writer::new(out);
        writer.map(count(&[true, self.title.is_some(), self.detail.is_some()]))?;
        writer.text_entry(p::TITLE, self.title)?;
        writer.text_entry(p::DETAIL, self.detail)?;
        writer.int(p::ACE_TRL_ERROR)?;
        writer.map(count(&[true, self.cursor.is_present()]))?;
        writer.int_entry(p::ERROR_ID, Some(self.error.number()))?;
        self.cursor.write_entry(p::ERROR_CURSOR, &mut writer)?;
        Ok(writer.finish())
    }
}

/// RFC 9290, 2: text, or text with a language, which is tag 38.
fn plain_text<'a>(value: &mut Reader<'a>) -> Result<Option<&'a str>, Error> {
    if value.kind()? != Kind::Tag {
        return value.text().map(Some);
    }
    if value.clone().tag()? != 38 {
        return Err(Error::WrongType);
    }
    value.skip().map(|_| None)
}

fn error(value: &mut Reader<'_>) -> Result<(TrlError, Cursor), Error> {
    let (mut id, mut cursor) = (None, Cursor::Absent);
    value.map(|key, value| {
        match key {
            Label::Int(p::ERROR_ID) => id = Some(TrlError::from_number(value.int()?)),
            Label::Int(p::ERROR_CURSOR) => cursor = Cursor::read(value)?,
            _ => drop(value.skip()?),
        }
        Ok(())
    })?;
    Ok((id.ok_or(Error::MissingParameter)?, cursor))
}
