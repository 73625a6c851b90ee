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
                    self.put(b"%")?;
                    self.put(&hex(byte))?;
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
        self.put(b"=")?;
        let mut digits = [0; 20];
        let mut rest = value;
        let mut start = digits.len();
        for place in digits.iter_mut().rev() {
            start -= 1;
            // Without a division of 64 bits for what has 32, as Content-Formats have.
            let digit;
            (rest, digit) = match u32::try_from(rest) {
                Ok(short) => (u64::from(short / 10), short % 10),
                Err(_) => (rest / 10, (rest % 10) as u32),
            };
            *place = b'0' + digit as u8;
            if rest == 0 {
                break;
            }
        }
        self.put(digits.get(start..).unwrap_or_default())
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

/// A byte as two digits.
const fn hex(byte: u8) -> [u8; 2] {
    const fn digit(nibble: u8) -> u8 {
        if nibble < 10 {
            b'0' + nibble
        } else {
            b'A' + nibble - 10
        }
    }
    [digit(byte >> 4), digit(byte & 0xf)]
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
