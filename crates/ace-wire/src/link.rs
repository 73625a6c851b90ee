//! Writes `application/link-format` (RFC 6690), what `/.well-known/core` answers.
//!
//! ```
//! use ace_wire::link::LinkWriter;
//!
//! let mut payload = [0u8; 64];
//! let mut links = LinkWriter::new(&mut payload);
//! links.link("/temp")?;
//! links.attribute("rt", "temperature")?;
//! links.number("ct", 0)?;
//! links.link("/led")?;
//! links.flag("obs")?;
//! let length = links.finish();
//! assert_eq!(&payload[..length], br#"</temp>;rt="temperature";ct=0,</led>;obs"#);
//! # Ok::<(), ace_wire::Error>(())
//! ```

use core::fmt::{self, Write};

use crate::Error;

/// Writes links one after the other; attributes belong to the link before them.
#[derive(Debug)]
pub struct LinkWriter<'b> {
    out: &'b mut [u8],
    length: usize,
}

impl<'b> LinkWriter<'b> {
    /// A writer at the start of `out`.
    pub fn new(out: &'b mut [u8]) -> Self {
        Self { out, length: 0 }
    }

    /// Starts a link to `target`, a URI reference. Bytes that cannot stand between `<` and `>` are
    /// percent-encoded.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn link(&mut self, target: &str) -> Result<(), Error> {
        if self.length > 0 {
            self.put(b",")?;
        }
        self.put(b"<")?;
        for byte in target.bytes() {
            match byte {
                // RFC 3986, 2: never in a URI.
                0..=b' ' | b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{'..=b'}' | 0x7f.. => {
                    write!(self, "%{byte:02X}").map_err(|_| Error::BufferTooSmall)?;
                }
                _ => self.put(&[byte])?,
            }
        }
        self.put(b">")
    }

    /// `;name="value"`, with `"` and `\` escaped (RFC 6690, 2: quoted-string).
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn attribute(&mut self, name: &str, value: &str) -> Result<(), Error> {
        self.flag(name)?;
        self.put(b"=\"")?;
        for byte in value.bytes() {
            if matches!(byte, b'"' | b'\\') {
                self.put(b"\\")?;
            }
            self.put(&[byte])?;
        }
        self.put(b"\"")
    }

    /// `;name=value`.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn number(&mut self, name: &str, value: u64) -> Result<(), Error> {
        self.flag(name)?;
        write!(self, "={value}").map_err(|_| Error::BufferTooSmall)
    }

    /// `;name`.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn flag(&mut self, name: &str) -> Result<(), Error> {
        self.put(b";")?;
        self.put(name.as_bytes())
    }

    /// Ends the writing; returns the number of bytes written.
    #[must_use]
    pub fn finish(self) -> usize {
        self.length
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let end = self
            .length
            .checked_add(bytes.len())
            .ok_or(Error::BufferTooSmall)?;
        let room = self
            .out
            .get_mut(self.length..end)
            .ok_or(Error::BufferTooSmall)?;
        room.copy_from_slice(bytes);
        self.length = end;
        Ok(())
    }
}

impl Write for LinkWriter<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text.as_bytes()).map_err(|_| fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    fn written(write: impl Fn(&mut LinkWriter<'_>) -> Result<(), Error>) -> std::string::String {
        let mut out = vec![0u8; 512];
        let mut links = LinkWriter::new(&mut out);
        write(&mut links).unwrap();
        let length = links.finish();
        for short in 0..length {
            assert_eq!(
                write(&mut LinkWriter::new(&mut out[..short])),
                Err(Error::BufferTooSmall)
            );
        }
        write(&mut LinkWriter::new(&mut out[..length])).unwrap();
        out.truncate(length);
        std::string::String::from_utf8(out).unwrap()
    }

    #[test]
    fn rfc6690_5_links_as_in_the_examples() {
        let links = written(|links| {
            links.link("/sensors")?;
            links.number("ct", 40)?;
            links.attribute("title", "Sensor Index")?;
            links.link("/sensors/temp")?;
            links.attribute("rt", "temperature-c")?;
            links.attribute("if", "sensor")?;
            links.link("http://www.example.com/sensors/t123")?;
            links.attribute("anchor", "/sensors/temp")?;
            links.attribute("rel", "describedby")
        });
        assert_eq!(
            links,
            "</sensors>;ct=40;title=\"Sensor Index\",\
             </sensors/temp>;rt=\"temperature-c\";if=\"sensor\",\
             <http://www.example.com/sensors/t123>;anchor=\"/sensors/temp\";rel=\"describedby\"",
        );
        assert_eq!(written(|_| Ok(())), "");
    }

    #[test]
    fn rfc6690_2_nothing_breaks_out_of_its_quotes() {
        let links = written(|links| {
            links.link("/a>;x=\"y\",</b c\\\u{20ac}%41")?;
            links.attribute("title", "say \"hi\" \\ \u{20ac}")
        });
        assert_eq!(
            links,
            "</a%3E;x=%22y%22,%3C/b%20c%5C%E2%82%AC%41>;title=\"say \\\"hi\\\" \\\\ \u{20ac}\"",
        );
        assert_eq!(links.matches('<').count(), 1);
    }
}
