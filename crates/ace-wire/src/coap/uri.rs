use super::CoapError;

/// URI scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `coap`, default port 5683.
    Coap,
    /// `coaps`, default port 5684.
    Coaps,
}

impl Scheme {
    /// The default UDP port (RFC 7252, 6.1 and 6.2).
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Coap => 5683,
            Self::Coaps => 5684,
        }
    }
}

/// A `coap://host[:port]/path[?query]` URI (RFC 7252, 6), borrowed.
///
/// Percent-encoding is not resolved: resources of constrained devices have plain names, and an
/// escape that is not decoded cannot name another resource by accident. A `%` is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uri<'a> {
    /// `coap` or `coaps`.
    pub scheme: Scheme,
    /// Host name or address literal; IPv6 without brackets.
    pub host: &'a str,
    /// Port, the scheme's default if not written.
    pub port: u16,
    /// Path with its leading `/`; `/` when absent.
    pub path: &'a str,
    /// Query without its `?`; `None` when absent.
    pub query: Option<&'a str>,
}

impl<'a> Uri<'a> {
    /// Reads an absolute URI.
    ///
    /// # Errors
    /// [`CoapError::Uri`] for another scheme, user information, a fragment, an empty host, a bad
    /// port, or percent-encoding.
    pub fn parse(text: &'a str) -> Result<Self, CoapError> {
        // Bytes and single characters throughout: searching for a string is a function of 1 KB.
        let (scheme, rest) = cut(text, b':')
            .and_then(|(scheme, rest)| Some((scheme, rest.strip_prefix("//")?)))
            .ok_or(CoapError::Uri)?;
        let scheme = if scheme.eq_ignore_ascii_case("coap") {
            Scheme::Coap
        } else if scheme.eq_ignore_ascii_case("coaps") {
            Scheme::Coaps
        } else {
            return Err(CoapError::Uri);
        };
        // RFC 7252, 6.1: no fragment.
        if rest
            .bytes()
            .any(|b| b <= b' ' || matches!(b, b'#' | b'%' | b'@' | 0x80..))
        {
            return Err(CoapError::Uri);
        }
        let path_at = rest
            .bytes()
            .position(|b| matches!(b, b'/' | b'?'))
            .unwrap_or(rest.len());
        let (authority, local) = rest.split_at_checked(path_at).ok_or(CoapError::Uri)?;
        let (path, query) = match cut(local, b'?') {
            Some((path, query)) => (path, Some(query)),
            None => (local, None),
        };
        let (host, port) = match authority.strip_prefix('[') {
            Some(v6) => {
                let (host, port) = cut(v6, b']').ok_or(CoapError::Uri)?;
                (
                    host,
                    port.strip_prefix(':').or(port.is_empty().then_some("")),
                )
            }
            None => match cut(authority, b':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, Some("")),
            },
        };
        let port = match port.ok_or(CoapError::Uri)? {
            "" => scheme.default_port(),
            digits => number(digits).ok_or(CoapError::Uri)?,
        };
        if host.is_empty() {
            return Err(CoapError::Uri);
        }
        Ok(Self {
            scheme,
            host,
            port,
            path: if path.is_empty() { "/" } else { path },
            query,
        })
    }

    /// The segments that become Uri-Path options (RFC 7252, 6.4).
    pub fn path_segments(&self) -> PathSegments<'a> {
        PathSegments(match self.path.strip_prefix('/').unwrap_or(self.path) {
            "" => None,
            path => Some(path),
        })
    }

    /// The arguments that become Uri-Query options (RFC 7252, 6.4).
    pub const fn query_parameters(&self) -> QueryParameters<'a> {
        QueryParameters(self.query)
    }

    /// Whether both name the same endpoint and resource: scheme, host (without regard to case),
    /// port and path. The query does not count.
    pub fn same_resource(&self, other: &Uri<'_>) -> bool {
        self.scheme == other.scheme
            && self.host.eq_ignore_ascii_case(other.host)
            && self.port == other.port
            && self.path == other.path
    }
}

/// Segments of a path, without the slashes.
#[derive(Debug, Clone)]
pub struct PathSegments<'a>(Option<&'a str>);

impl<'a> Iterator for PathSegments<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        next_part(&mut self.0, b'/')
    }
}

/// Arguments of a query, without the ampersands.
#[derive(Debug, Clone)]
pub struct QueryParameters<'a>(Option<&'a str>);

impl<'a> Iterator for QueryParameters<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        next_part(&mut self.0, b'&')
    }
}

/// A port: digits and nothing else, up to 65,535.
fn number(digits: &str) -> Option<u16> {
    let mut number = 0u16;
    for digit in digits.bytes() {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number = number.checked_mul(10)?.checked_add(digit.into())?;
    }
    Some(number)
}

/// What stands before and behind the first `separator`, which is ASCII.
fn cut(text: &str, separator: u8) -> Option<(&str, &str)> {
    let at = text.bytes().position(|byte| byte == separator)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

fn next_part<'a>(rest: &mut Option<&'a str>, separator: u8) -> Option<&'a str> {
    let text = rest.take()?;
    match cut(text, separator) {
        Some((head, tail)) => {
            *rest = Some(tail);
            Some(head)
        }
        None => Some(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc7252_6_4_parts() {
        let uri = Uri::parse("coap://[2001:db8::1]:61616/a/b?x=1&y").unwrap();
        assert_eq!(
            (uri.host, uri.port, uri.path),
            ("2001:db8::1", 61616, "/a/b")
        );
        assert!(uri.path_segments().eq(["a", "b"]));
        assert!(uri.query_parameters().eq(["x=1", "y"]));
        let uri = Uri::parse("coaps://as.example.com").unwrap();
        assert_eq!((uri.port, uri.path, uri.query), (5684, "/", None));
        assert_eq!(uri.path_segments().count(), 0);
        assert_eq!(Uri::parse("coap://h:?q").unwrap().port, 5683);
    }

    #[test]
    fn rfc7252_6_1_refused() {
        for bad in [
            "",
            "coap:/x",
            "http://x/",
            "coap://",
            "coap://:5683/",
            "coap://h:70000/",
            "coap://h:+1/",
            "coap://h/#f",
            "coap://u@h/",
            "coap://h/%2f",
            "coap://[::1",
            "coap://[::1]x/",
            "coap://h/a b",
        ] {
            assert_eq!(Uri::parse(bad), Err(CoapError::Uri), "{bad}");
        }
    }

    #[test]
    fn same_resource_ignores_case_of_host_and_written_default_port() {
        let a = Uri::parse("coap://AS.example.com/token").unwrap();
        assert!(a.same_resource(&Uri::parse("coap://as.example.com:5683/token").unwrap()));
        assert!(!a.same_resource(&Uri::parse("coap://as.example.com:5684/token").unwrap()));
        assert!(!a.same_resource(&Uri::parse("coaps://as.example.com:5683/token").unwrap()));
    }
}
