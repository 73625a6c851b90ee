//! The Authorization Information Format for REST resources (RFC 9237): which methods are allowed on
//! which path. What is not listed is denied.
//!
//! ```
//! use ace_wire::aif::{Aif, MethodSet, Permission};
//! use ace_wire::coap::Code;
//!
//! let entries = [("/s/temp", MethodSet::GET), ("/a/led", MethodSet::GET | MethodSet::PUT)];
//! let mut scope = [0u8; 64];
//! let length = Aif::encode(entries.iter().copied(), &mut scope)?;
//!
//! let aif = Aif::parse(&scope[..length])?;
//! assert_eq!(aif.permits("/a/led", None, Code::PUT), Permission::Allowed);
//! assert_eq!(aif.permits("/s/temp", None, Code::PUT), Permission::MethodNotAllowed);
//! assert_eq!(aif.permits("/door", None, Code::GET), Permission::NoSuchObject);
//! # Ok::<(), ace_wire::Error>(())
//! ```

mod local_path;
mod method_set;
#[cfg(test)]
mod tests;

use core::fmt;

pub use method_set::MethodSet;

use crate::cbor::{Error, Reader, Writer};
use crate::coap::Code;
use local_path::{check, parts_of_options, parts_of_text};

/// What a list of authorizations says about one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// The method is allowed on the object.
    Allowed,
    /// The object is listed, the method is not: 4.05 (RFC 9200, 5.10.2).
    MethodNotAllowed,
    /// The object is not listed: 4.03 (RFC 9200, 5.10.2).
    NoSuchObject,
}

/// A checked AIF-REST value (RFC 9237, Figure 4) over its CBOR bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Aif<'a>(&'a [u8]);

impl<'a> Aif<'a> {
    /// Checks a whole AIF value.
    ///
    /// # Errors
    /// [`Error::LocalPath`] for an object that is no absolute path; malformed CBOR, an entry that
    /// is not a pair of text string and unsigned integer, trailing bytes.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes);
        reader.array(|_, entry| {
            let pair = entry.array(|index, item| match index {
                0 => check(item.text()?),
                1 => item.uint().map(drop),
                _ => Err(Error::WrongType),
            })?;
            if pair == 2 {
                Ok(())
            } else {
                Err(Error::WrongType)
            }
        })?;
        reader.finish()?;
        Ok(Self(bytes))
    }

    /// The CBOR bytes.
    #[must_use]
    pub fn as_cbor(&self) -> &'a [u8] {
        self.0
    }

    /// The entries in their order: path (with query) and methods.
    #[must_use]
    pub fn iter(&self) -> AifIter<'a> {
        let mut reader = Reader::new(self.0);
        // Checked when parsed.
        let left = reader.array_head().unwrap_or(0);
        AifIter { reader, left }
    }

    /// What this list says about `method` on `path` (as in a URI, `/a/led`; `/` and the empty
    /// string are the root) with `query` (as in a URI, without `?`).
    ///
    /// Paths and queries match whole or not at all; percent-encoded and plain forms of one byte are
    /// the same (RFC 7252, 6.4), an encoded `/`, `?` or `&` is not a separator. Entries for the
    /// same object add up.
    #[must_use]
    pub fn permits(&self, path: &str, query: Option<&str>, method: Code) -> Permission {
        self.decide(method, |object| {
            let requested = parts_of_text(path, query);
            let (path, query) = local_path::split(object);
            parts_of_text(path, query).eq(requested)
        })
    }

    /// As [`Aif::permits`], for the values of a request's Uri-Path and Uri-Query options.
    #[must_use]
    pub fn permits_options<'o, P, Q>(&self, path: P, query: Q, method: Code) -> Permission
    where
        P: Iterator<Item = &'o [u8]> + Clone,
        Q: Iterator<Item = &'o [u8]> + Clone,
    {
        self.decide(method, |object| {
            let requested = parts_of_options(path.clone(), query.clone());
            let (path, query) = local_path::split(object);
            parts_of_text(path, query).eq(requested)
        })
    }

    fn decide(&self, method: Code, matches: impl Fn(&str) -> bool) -> Permission {
        let mut decision = Permission::NoSuchObject;
        for (object, methods) in self.iter() {
            if matches(object) {
                if methods.contains(method) {
                    return Permission::Allowed;
                }
                decision = Permission::MethodNotAllowed;
            }
        }
        decision
    }

    /// Writes the entries, those of one object merged into its first (RFC 9237, 3); returns the
    /// length.
    ///
    /// # Errors
    /// [`Error::LocalPath`], [`Error::BufferTooSmall`].
    pub fn encode<'e, I>(entries: I, out: &mut [u8]) -> Result<usize, Error>
    where
        I: Iterator<Item = (&'e str, MethodSet)> + Clone,
    {
        let is_first = |index: usize, object: &str| {
            !entries
                .clone()
                .take(index)
                .any(|(earlier, _)| earlier == object)
        };
        let mut objects = 0usize;
        for (index, (object, _)) in entries.clone().enumerate() {
            check(object)?;
            objects = objects.saturating_add(usize::from(is_first(index, object)));
        }
        let mut writer = Writer::new(out);
        writer.array(objects)?;
        for (index, (object, _)) in entries.clone().enumerate() {
            if !is_first(index, object) {
                continue;
            }
            let methods = entries
                .clone()
                .filter(|(other, _)| *other == object)
                .fold(MethodSet::EMPTY, |all, (_, methods)| all | methods);
            writer.array(2)?;
            writer.text(object)?;
            writer.uint(methods.0)?;
        }
        Ok(writer.finish())
    }
}

impl fmt::Debug for Aif<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// `GET /temp; GET,PUT /led`.
impl fmt::Display for Aif<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (object, methods)) in self.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{methods} {object}")?;
        }
        Ok(())
    }
}

/// Reads `GET /temp` or `GET,PUT /led`: the methods, a space, the path.
///
/// # Errors
/// [`Error::UnknownMethod`], [`Error::LocalPath`].
pub fn parse_entry(text: &str) -> Result<(&str, MethodSet), Error> {
    let (methods, object) = text.trim().split_once(' ').ok_or(Error::LocalPath)?;
    let object = object.trim_start();
    check(object)?;
    Ok((object, MethodSet::parse(methods)?))
}

/// The entries of an [`Aif`].
#[derive(Debug, Clone)]
pub struct AifIter<'a> {
    reader: Reader<'a>,
    left: u64,
}

impl<'a> Iterator for AifIter<'a> {
    type Item = (&'a str, MethodSet);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        // Checked when parsed.
        self.reader.array_head().ok()?;
        let object = self.reader.text().ok()?;
        let methods = self.reader.uint().ok()?;
        Some((object, MethodSet(methods)))
    }
}
