use core::fmt::{self, Write};
use core::mem;

use minicbor::data::Type;
use minicbor::decode::Decoder;

use super::MAX_DEPTH;
use super::names::Meaning;
use crate::aif::{Aif, MethodSet};
use crate::cbor::{Error, Kind, Label, Reader};
use crate::cose;

/// Why an item was not shown to its end.
enum Stop {
    /// The formatter failed.
    Sink,
    /// Not well-formed, or cut short.
    Malformed,
    /// Deeper than [`MAX_DEPTH`].
    TooDeep,
}

impl From<fmt::Error> for Stop {
    fn from(_: fmt::Error) -> Self {
        Self::Sink
    }
}

impl From<minicbor::decode::Error> for Stop {
    fn from(_: minicbor::decode::Error) -> Self {
        Self::Malformed
    }
}

type Shown = Result<(), Stop>;

/// Walks over the bytes and writes what it sees.
pub(super) struct Printer<'f, 'a> {
    decoder: Decoder<'a>,
    out: &'f mut dyn Write,
    pretty: bool,
    redacted: bool,
    /// Open arrays, maps, tags and embedded items.
    depth: u8,
    /// Open arrays and maps.
    indent: u8,
}

impl<'f, 'a> Printer<'f, 'a> {
    pub(super) fn new(
        bytes: &'a [u8],
        out: &'f mut dyn Write,
        pretty: bool,
        redacted: bool,
    ) -> Self {
        Self {
            decoder: Decoder::new(bytes),
            out,
            pretty,
            redacted,
            depth: 0,
            indent: 0,
        }
    }

    /// All items to the end of the bytes (RFC 8742).
    pub(super) fn sequence(mut self, meaning: Meaning) -> fmt::Result {
        let mut separator = "";
        loop {
            self.out.write_str(separator)?;
            match self.item(meaning) {
                Ok(()) => {}
                Err(Stop::Sink) => return Err(fmt::Error),
                Err(Stop::TooDeep) => return self.out.write_str(" / nested too deep /"),
                Err(Stop::Malformed) => {
                    let at = self.decoder.position();
                    return write!(self.out, " / not well-formed at byte {at} /");
                }
            }
            if self.decoder.position() >= self.decoder.input().len() {
                return Ok(());
            }
            separator = ", ";
        }
    }

    fn item(&mut self, meaning: Meaning) -> Shown {
        if self.redacted && matches!(meaning, Meaning::Secret) {
            return self.secret();
        }
        match self.decoder.datatype()? {
            Type::U8 | Type::U16 | Type::U32 | Type::U64 => self.int(meaning),
            Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::Int => self.int(meaning),
            Type::Bytes => {
                let bytes = self.decoder.bytes()?;
                self.bytes(bytes, meaning)
            }
            Type::String => {
                let text = self.decoder.str()?;
                self.text(text)
            }
            Type::BytesIndef => self.chunks("''_", |printer| {
                let bytes = printer.decoder.bytes()?;
                printer.hex(bytes)
            }),
            Type::StringIndef => self.chunks("\"\"_", |printer| {
                let text = printer.decoder.str()?;
                printer.text(text)
            }),
            Type::Array | Type::ArrayIndef => self.array(meaning),
            Type::Map | Type::MapIndef => self.map(meaning),
            Type::Tag => self.tag(meaning),
            Type::Bool => Ok(write!(self.out, "{}", self.decoder.bool()?)?),
            Type::Null => {
                self.decoder.null()?;
                Ok(self.out.write_str("null")?)
            }
            Type::Undefined => {
                self.decoder.undefined()?;
                Ok(self.out.write_str("undefined")?)
            }
            Type::Simple => self.simple(),
            Type::F16 | Type::F32 | Type::F64 => {
                // Cannot fail but by truncation, which leaves the position where it was.
                let mut reader = Reader::new(self.rest());
                let value = reader.float().map_err(|_| Stop::Malformed)?;
                self.advance(reader.position());
                self.float(value)?;
                self.date(value, meaning)
            }
            Type::Break | Type::Unknown(_) => Err(Stop::Malformed),
        }
    }

    /// The bytes not read yet.
    fn rest(&self) -> &'a [u8] {
        self.decoder
            .input()
            .get(self.decoder.position()..)
            .unwrap_or_default()
    }

    fn advance(&mut self, bytes: usize) {
        self.decoder
            .set_position(self.decoder.position().saturating_add(bytes));
    }

    fn int(&mut self, meaning: Meaning) -> Shown {
        let value = i128::from(self.decoder.int()?);
        write!(self.out, "{value}")?;
        match (meaning, i64::try_from(value)) {
            (Meaning::Named(name), Ok(number)) => match name(number) {
                Some(name) => self.comment(name),
                None => Ok(()),
            },
            (Meaning::Methods, _) => match u64::try_from(value) {
                Ok(methods) if methods != 0 => Ok(write!(self.out, " / {} /", MethodSet(methods))?),
                _ => Ok(()),
            },
            #[expect(clippy::cast_precision_loss, reason = "only years that fit are shown")]
            (Meaning::Date, Ok(seconds)) => self.date(seconds as f64, meaning),
            _ => Ok(()),
        }
    }

    /// `1.5`, `-4.1`, `1e300`, `NaN`, `Infinity` (RFC 8949, 8).
    fn float(&mut self, value: f64) -> Shown {
        if value.is_finite() {
            return Ok(write!(self.out, "{value:?}")?);
        }
        Ok(self.out.write_str(match value {
            f64::INFINITY => "Infinity",
            f64::NEG_INFINITY => "-Infinity",
            _ => "NaN",
        })?)
    }

    /// The date a NumericDate is, up to the year 9999.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::arithmetic_side_effects,
        reason = "0 <= seconds < 2^38 is checked"
    )]
    fn date(&mut self, seconds: f64, meaning: Meaning) -> Shown {
        const YEAR_10000: f64 = 253_402_300_800.0;
        if !matches!(meaning, Meaning::Date) || !(0.0..YEAR_10000).contains(&seconds) {
            return Ok(());
        }
        let seconds = seconds as u64;
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        // Days since 0000-03-01 in the proleptic Gregorian calendar, in eras of 400 years.
        let days = days + 719_468;
        let (era, day) = (days / 146_097, days % 146_097);
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let (month, year) = if month < 10 {
            (month + 3, era * 400 + year)
        } else {
            (month - 9, era * 400 + year + 1)
        };
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        Ok(write!(
            self.out,
            " / {year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z /"
        )?)
    }

    fn simple(&mut self) -> Shown {
        let two_bytes = self.rest().first() == Some(&0xf8);
        match self.decoder.simple()? {
            // RFC 8949, 3.3: values below 32 have no two-byte form.
            0..=31 if two_bytes => Err(Stop::Malformed),
            value => Ok(write!(self.out, "simple({value})")?),
        }
    }

    fn bytes(&mut self, bytes: &'a [u8], meaning: Meaning) -> Shown {
        let inner = match meaning {
            Meaning::Protected => Meaning::Header,
            Meaning::Token => Meaning::Cose(None),
            Meaning::Payload if matches!(bytes.first(), Some(0xc0..=0xdb)) => Meaning::Cose(None),
            Meaning::Payload => Meaning::ClaimsSet,
            Meaning::Scope => Meaning::Aif,
            _ => return self.hex(bytes),
        };
        if is_such(bytes, inner) {
            return self.embedded(bytes, inner);
        }
        // It may hold a key where nobody can see it.
        if self.redacted && matches!(meaning, Meaning::Token | Meaning::Payload) {
            return Ok(write!(self.out, "(secret, {} bytes)", bytes.len())?);
        }
        self.hex(bytes)
    }

    /// `<<…>>` (RFC 8610, appendix G.3).
    fn embedded(&mut self, bytes: &'a [u8], meaning: Meaning) -> Shown {
        self.enter()?;
        self.out.write_str("<<")?;
        let outer = mem::replace(&mut self.decoder, Decoder::new(bytes));
        self.item(meaning)?;
        self.decoder = outer;
        self.leave();
        Ok(self.out.write_str(">>")?)
    }

    fn hex(&mut self, bytes: &[u8]) -> Shown {
        self.out.write_str("h'")?;
        for byte in bytes {
            write!(self.out, "{byte:02x}")?;
        }
        Ok(self.out.write_char('\'')?)
    }

    fn text(&mut self, text: &str) -> Shown {
        self.out.write_char('"')?;
        for character in text.chars() {
            match character {
                '"' | '\\' => write!(self.out, "\\{character}")?,
                '\n' => self.out.write_str("\\n")?,
                '\r' => self.out.write_str("\\r")?,
                '\t' => self.out.write_str("\\t")?,
                // Control characters, and those that turn the direction of a line around.
                _ if character.is_control()
                    || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
                {
                    write!(self.out, "\\u{:04x}", u32::from(character))?;
                }
                _ => self.out.write_char(character)?,
            }
        }
        Ok(self.out.write_char('"')?)
    }

    /// The chunks of an indefinite-length string: `(_ h'01', h'02')`.
    fn chunks(&mut self, empty: &str, mut chunk: impl FnMut(&mut Self) -> Shown) -> Shown {
        self.advance(1);
        let mut separator = "(_ ";
        while self.decoder.datatype()? != Type::Break {
            self.out.write_str(mem::replace(&mut separator, ", "))?;
            chunk(self)?;
        }
        self.advance(1);
        Ok(self
            .out
            .write_str(if separator == "(_ " { empty } else { ")" })?)
    }

    fn tag(&mut self, meaning: Meaning) -> Shown {
        let tag = self.decoder.tag()?.as_u64();
        let meaning = match (meaning, tag) {
            (Meaning::Cose(_), cose::TAG_CWT) => meaning,
            (Meaning::Cose(_), _) => Meaning::Cose(Some(tag)),
            _ => Meaning::Plain,
        };
        self.enter()?;
        write!(self.out, "{tag}(")?;
        self.item(meaning)?;
        self.leave();
        Ok(self.out.write_char(')')?)
    }

    fn array(&mut self, meaning: Meaning) -> Shown {
        let flat = !matches!(meaning, Meaning::Cose(_)) && is_flat(self.rest());
        let length = self.decoder.array()?;
        self.enter()?;
        self.indent = self.indent.saturating_add(1);
        self.out
            .write_str(if length.is_some() { "[" } else { "[_ " })?;
        let mut index = 0;
        while self.has_more(index, length)? {
            self.separate(index, flat)?;
            self.item(meaning.element(index, length))?;
            index = index.saturating_add(1);
        }
        self.close("]", index, flat)
    }

    fn map(&mut self, meaning: Meaning) -> Shown {
        let meaning = match meaning {
            Meaning::CoseKey(_) => Meaning::CoseKey(key_type(self.rest())),
            other => other,
        };
        let length = self.decoder.map()?;
        self.enter()?;
        self.indent = self.indent.saturating_add(1);
        self.out
            .write_str(if length.is_some() { "{" } else { "{_ " })?;
        let mut index = 0;
        while self.has_more(index, length)? {
            self.separate(index, false)?;
            let key = Reader::new(self.rest()).int();
            let (name, value) = key.map_or((None, Meaning::Plain), |key| meaning.entry(key));
            if let Some(name) = name {
                write!(self.out, "/ {name} / ")?;
            }
            self.item(Meaning::Plain)?;
            self.out.write_str(": ")?;
            self.item(value)?;
            index = index.saturating_add(1);
        }
        self.close("}", index, false)
    }

    /// Whether an element or pair comes; takes the break of an indefinite length.
    fn has_more(&mut self, index: u64, length: Option<u64>) -> Result<bool, Stop> {
        match length {
            Some(length) => Ok(index < length),
            None if self.decoder.datatype()? == Type::Break => {
                self.advance(1);
                Ok(false)
            }
            None => Ok(true),
        }
    }

    fn separate(&mut self, index: u64, flat: bool) -> Shown {
        let lines = self.pretty && !flat;
        if index > 0 {
            self.out.write_str(if lines { "," } else { ", " })?;
        }
        if lines { self.new_line() } else { Ok(()) }
    }

    fn close(&mut self, bracket: &str, elements: u64, flat: bool) -> Shown {
        self.leave();
        self.indent = self.indent.saturating_sub(1);
        if self.pretty && !flat && elements > 0 {
            self.new_line()?;
        }
        Ok(self.out.write_str(bracket)?)
    }

    fn new_line(&mut self) -> Shown {
        self.out.write_char('\n')?;
        for _ in 0..self.indent {
            self.out.write_str("  ")?;
        }
        Ok(())
    }

    fn comment(&mut self, text: &str) -> Shown {
        Ok(write!(self.out, " / {text} /")?)
    }

    fn enter(&mut self) -> Shown {
        if self.depth >= MAX_DEPTH {
            return Err(Stop::TooDeep);
        }
        self.depth = self.depth.saturating_add(1);
        Ok(())
    }

    fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// Walks over an item without showing it.
    fn secret(&mut self) -> Shown {
        let start = self.decoder.position();
        let string = match self.decoder.datatype()? {
            Type::Bytes => self.decoder.clone().bytes().ok().map(<[u8]>::len),
            Type::String => self.decoder.clone().str().ok().map(str::len),
            _ => None,
        };
        let mut nowhere = Nowhere;
        let mut walker = Printer {
            decoder: self.decoder.clone(),
            out: &mut nowhere,
            pretty: false,
            redacted: false,
            depth: self.depth,
            indent: 0,
        };
        let walked = walker.item(Meaning::Plain);
        let end = walker.decoder.position();
        self.decoder.set_position(end);
        walked?;
        let length = string.unwrap_or(end.saturating_sub(start));
        Ok(write!(self.out, "(secret, {length} bytes)")?)
    }
}

/// Whether `bytes` start with an array of numbers, strings and the like only.
fn is_flat(bytes: &[u8]) -> bool {
    let flat = Reader::new(bytes).array(|_, element| match element.kind()? {
        Kind::Array | Kind::Map | Kind::Tag => Err(Error::WrongType),
        _ => element.skip().map(drop),
    });
    flat.is_ok()
}

/// Whether `bytes` are one well-formed item that can be shown as `meaning`.
fn is_such(bytes: &[u8], meaning: Meaning) -> bool {
    match meaning {
        Meaning::Cose(_) => cose::Message::parse(bytes).is_ok(),
        Meaning::Aif => Aif::parse(bytes).is_ok(),
        _ => {
            let mut reader = Reader::new(bytes);
            let map = reader.kind() == Ok(Kind::Map);
            map && reader.skip().is_ok() && reader.is_at_end()
        }
    }
}

/// `kty` of the COSE_Key that `bytes` start with.
fn key_type(bytes: &[u8]) -> Option<i64> {
    let mut kty = None;
    let read = Reader::new(bytes).map(|key, value| {
        if key == Label::Int(cose::key_label::KTY) {
            kty = Some(value.int()?);
            return Ok(());
        }
        value.skip().map(drop)
    });
    read.ok().and(kty)
}

/// A sink for what is not shown.
struct Nowhere;

impl Write for Nowhere {
    fn write_str(&mut self, _: &str) -> fmt::Result {
        Ok(())
    }
}
