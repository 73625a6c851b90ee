//! Proxy-Uri taken apart: what the proxy needs stays outside, path and query go inside (RFC 8613, 4.1.3.3).

use ace_wire::coap::{Message, Writer, option};

use crate::{OscoreError, error::writing};

/// The parts of a Proxy-Uri.
#[derive(Clone, Copy)]
pub(crate) struct ProxyUri<'a> {
    origin: &'a [u8],
    path: Option<&'a [u8]>,
    query: Option<&'a [u8]>,
}

impl<'a> ProxyUri<'a> {
    /// The Proxy-Uri of a message, if it has one.
    pub(crate) fn of(message: &Message<'a>) -> Result<Option<Self>, OscoreError> {
        message
            .options
            .find(option::PROXY_URI)
            .map(Self::split)
            .transpose()
    }

    // RFC 7252, 6.4
    fn split(uri: &'a [u8]) -> Result<Self, OscoreError> {
        core::str::from_utf8(uri).map_err(|_| OscoreError::ProxyUri)?;
        let (scheme, rest) = cut(uri, b':').ok_or(OscoreError::ProxyUri)?;
        let rest = rest.strip_prefix(b"//").ok_or(OscoreError::ProxyUri)?;
        let authority_len = rest
            .iter()
            .position(|byte| matches!(byte, b'/' | b'?'))
            .unwrap_or(rest.len());
        let (authority, local) = rest.split_at(authority_len);
        // RFC 7252, 6.4: no fragment. RFC 8613, 4.1.3.3: no user information.
        if scheme.is_empty()
            || authority.is_empty()
            || authority.contains(&b'@')
            || uri.contains(&b'#')
        {
            return Err(OscoreError::ProxyUri);
        }
        let (path, query) = match cut(local, b'?') {
            Some((path, query)) => (path, Some(query)),
            None => (local, None),
        };
        let path = path.strip_prefix(b"/").unwrap_or(path);
        Ok(Self {
            origin: uri
                .get(..uri.len().saturating_sub(local.len()))
                .unwrap_or(&[]),
            path: (!path.is_empty()).then_some(path),
            query,
        })
    }

    /// Scheme, host and port, as they came: the outer Proxy-Uri.
    pub(crate) const fn origin(&self) -> &'a [u8] {
        self.origin
    }

    /// Writes an option per path segment.
    pub(crate) fn write_path(&self, writer: &mut Writer<'_>) -> Result<(), OscoreError> {
        write_parts(writer, option::URI_PATH, self.path, b'/')
    }

    /// Writes an option per query argument.
    pub(crate) fn write_query(&self, writer: &mut Writer<'_>) -> Result<(), OscoreError> {
        write_parts(writer, option::URI_QUERY, self.query, b'&')
    }
}

/// What stands before and behind the first `separator`.
fn cut(bytes: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|byte| *byte == separator)?;
    Some((bytes.get(..at)?, bytes.get(at + 1..)?))
}

fn write_parts(
    writer: &mut Writer<'_>,
    number: u16,
    text: Option<&[u8]>,
    separator: u8,
) -> Result<(), OscoreError> {
    let Some(text) = text else { return Ok(()) };
    for part in text.split(|byte| *byte == separator) {
        let mut scratch = [0; MAX_PART];
        let decoded = decode(part, &mut scratch)?;
        writer.option(number, decoded).map_err(writing)?;
    }
    Ok(())
}

/// Longest value of Uri-Path and Uri-Query (RFC 7252, 5.10).
const MAX_PART: usize = 255;

/// Resolves percent-encoding.
fn decode<'s>(part: &[u8], scratch: &'s mut [u8; MAX_PART]) -> Result<&'s [u8], OscoreError> {
    let mut bytes = part.iter();
    let mut len = 0;
    let mut places = scratch.iter_mut();
    while let Some(&byte) = bytes.next() {
        let value = if byte == b'%' {
            let mut digit = || {
                let byte = *bytes.next()?;
                char::from(byte).to_digit(16)
            };
            let (high, low) = (digit(), digit());
            high.zip(low)
                .map(|(high, low)| (high << 4 | low) as u8)
                .ok_or(OscoreError::ProxyUri)?
        } else {
            byte
        };
        *places.next().ok_or(OscoreError::ProxyUri)? = value;
        len += 1;
    }
    Ok(scratch.get(..len).unwrap_or(&[]))
}
