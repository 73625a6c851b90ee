//! URI-local-part (RFC 9237, 2.1): path-abempty and query, compared the way CoAP options compare.

use crate::cbor::Error;

/// One byte of a segment or query argument, or the boundary in front of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// A path segment starts.
    Segment,
    /// A query argument starts.
    Argument,
    /// A byte, percent-decoded.
    Byte(u8),
}

/// Refuses what is not an absolute path (or empty), with an optional query, in RFC 3986 form.
pub(super) fn check(object: &str) -> Result<(), Error> {
    if !(object.is_empty() || object.starts_with(['/', '?'])) {
        return Err(Error::LocalPath);
    }
    let mut rest = object.as_bytes();
    while let Some((byte, tail)) = rest.split_first() {
        rest = match byte {
            b'#' | 0..=b' ' | 0x7f => return Err(Error::LocalPath),
            b'%' => match tail {
                [high, low, tail @ ..] if hex(*high).is_some() && hex(*low).is_some() => tail,
                _ => return Err(Error::LocalPath),
            },
            _ => tail,
        };
    }
    Ok(())
}

/// Path, and query without its `?`.
pub(super) fn split(object: &str) -> (&str, Option<&str>) {
    match object.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (object, None),
    }
}

/// The parts of a path and query as written in a URI. RFC 7252, 6.4: `/` alone is no segment.
pub(super) fn parts_of_text<'a>(
    path: &'a str,
    query: Option<&'a str>,
) -> impl Iterator<Item = Part> + 'a {
    let path = path.strip_prefix('/').filter(|rest| !rest.is_empty());
    let segments = path.into_iter().flat_map(|path| path.split('/'));
    let arguments = query.into_iter().flat_map(|query| query.split('&'));
    let segments = segments.flat_map(|text| start(Part::Segment).chain(decoded(text)));
    segments.chain(arguments.flat_map(|text| start(Part::Argument).chain(decoded(text))))
}

/// The parts of Uri-Path and Uri-Query options. RFC 7252, 6.5: a single empty segment is `/` too.
pub(super) fn parts_of_options<'a, P, Q>(path: P, query: Q) -> impl Iterator<Item = Part>
where
    P: Iterator<Item = &'a [u8]> + Clone,
    Q: Iterator<Item = &'a [u8]>,
{
    let bytes = |value: &'a [u8]| value.iter().copied().map(Part::Byte);
    let is_root = path.clone().take(2).eq(core::iter::once(&b""[..]));
    let segments = path.skip(usize::from(is_root));
    let segments = segments.flat_map(move |value| start(Part::Segment).chain(bytes(value)));
    segments.chain(query.flat_map(move |value| start(Part::Argument).chain(bytes(value))))
}

fn start(part: Part) -> core::iter::Once<Part> {
    core::iter::once(part)
}

fn decoded(text: &str) -> impl Iterator<Item = Part> + '_ {
    let mut rest = text.as_bytes();
    core::iter::from_fn(move || {
        let (byte, tail) = rest.split_first()?;
        let escaped = match tail {
            [high, low, tail @ ..] if *byte == b'%' => hex(*high)
                .zip(hex(*low))
                .map(|(high, low)| (high << 4 | low, tail)),
            _ => None,
        };
        let (byte, tail) = escaped.unwrap_or((*byte, tail));
        rest = tail;
        Some(Part::Byte(byte))
    })
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}
