use ace_wire::ace::Scope;
use ace_wire::coap::Code;
use zeroize::Zeroize;

/// Longest path with query of a request, in bytes.
pub const MAX_TARGET: usize = 128;

/// Most segments of the path and arguments of the query together.
pub const MAX_PARTS: usize = 12;

/// A request of the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// Method.
    pub code: Code,
    /// Absolute path, `/led`; segments become Uri-Path options as they stand. Percent-encoding is
    /// refused, not resolved.
    pub path: &'a str,
    /// Query without `?`; arguments separated by `&` become Uri-Query options.
    pub query: Option<&'a str>,
    /// Content-Format of the payload.
    pub content_format: Option<u16>,
    /// Content-Format wanted of the answer.
    pub accept: Option<u16>,
    /// Body; empty for none. Goes block-wise if it is long.
    pub payload: &'a [u8],
    /// Register as observer (RFC 7641); GET only.
    pub observe: bool,
    /// Audience to ask the authorization server for. `None`: the one the resource server hints at.
    ///
    /// With an audience no unprotected request is sent to the resource first. One follows, a GET of its path and
    /// query, if the token is refused with 4.01 and no hints; nothing but hints is taken from its answer.
    pub audience: Option<&'a str>,
    /// Scope to ask for. `None`: the one the resource server hints at.
    pub scope: Option<Scope<'a>>,
}

impl<'a> Request<'a> {
    /// A request with a method and a path, and nothing else.
    #[must_use]
    pub const fn new(code: Code, path: &'a str) -> Self {
        Self {
            code,
            path,
            query: None,
            content_format: None,
            accept: None,
            payload: &[],
            observe: false,
            audience: None,
            scope: None,
        }
    }

    /// GET on a path.
    #[must_use]
    pub const fn get(path: &'a str) -> Self {
        Self::new(Code::GET, path)
    }

    /// Whether carrying it out twice is the same as once (RFC 7252, 5.1; RFC 8132, 2 and 3).
    pub(crate) const fn is_idempotent(&self) -> bool {
        matches!(
            self.code,
            Code::GET | Code::PUT | Code::DELETE | Code::FETCH
        )
    }

    /// Bytes of all parts together.
    pub(crate) fn len(&self) -> usize {
        let scope = match self.scope {
            None => 0,
            Some(Scope::Text(text)) => text.len(),
            Some(Scope::Bytes(bytes)) => bytes.len(),
        };
        let texts = [
            self.path,
            self.query.unwrap_or(""),
            self.audience.unwrap_or(""),
        ];
        texts.iter().map(|text| text.len()).sum::<usize>() + scope + self.payload.len()
    }

    fn check(&self) -> Result<(), RequestError> {
        if !self.code.is_request() {
            return Err(RequestError::Method);
        }
        if self.observe && self.code != Code::GET {
            return Err(RequestError::Observe);
        }
        let bad = |b: u8| b <= b' ' || b == 0x7f || matches!(b, b'%' | b'#');
        let path = self.path.bytes().any(|b| bad(b) || b == b'?') || !self.path.starts_with('/');
        let long = |text: &str, separator| text.split(separator).any(|part| part.len() > 255);
        let query = self.query.unwrap_or("");
        if path || query.bytes().any(bad) || long(self.path, '/') || long(query, '&') {
            return Err(RequestError::Target);
        }
        let parts = self.path.split('/').count() + query.split('&').count();
        if parts > MAX_PARTS {
            return Err(RequestError::TooLong);
        }
        if self.path.len() + query.len() > MAX_TARGET {
            return Err(RequestError::TooLong);
        }
        Ok(())
    }
}

/// Why a request was not taken; nothing changed.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestError {
    /// Another request is not finished, or its outcome is not yet polled.
    Busy,
    /// The code is no request method.
    Method,
    /// Only a GET can observe.
    Observe,
    /// The path is not absolute, or path or query hold what no CoAP option holds as it stands.
    Target,
    /// The parts together are longer than the request buffer (or than [`MAX_OBSERVED`] for one that
    /// observes), the target is longer than [`MAX_TARGET`] or has more than [`MAX_PARTS`] parts.
    ///
    /// [`MAX_OBSERVED`]: crate::MAX_OBSERVED
    TooLong,
}

impl core::fmt::Display for RequestError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Busy => "another request is under way",
            Self::Method => "not a request method",
            Self::Observe => "only GET can observe",
            Self::Target => "not a path and query that CoAP options can hold",
            Self::TooLong => "the request is longer than the client's buffer",
        })
    }
}

impl core::error::Error for RequestError {}

/// A request kept until it is done: its parts one behind the other. Wiped on drop.
pub(crate) struct Stored<const N: usize> {
    code: Code,
    content_format: Option<u16>,
    accept: Option<u16>,
    observe: bool,
    text_scope: bool,
    /// Ends of path, query, audience, scope and payload in `bytes`.
    ends: [u16; 5],
    present: [bool; 3],
    bytes: [u8; N],
}

impl<const N: usize> Stored<N> {
    pub(crate) const fn new() -> Self {
        Self {
            code: Code::EMPTY,
            content_format: None,
            accept: None,
            observe: false,
            text_scope: false,
            ends: [0; 5],
            present: [false; 3],
            bytes: [0; N],
        }
    }

    /// Keeps a copy; on an error nothing changed.
    pub(crate) fn store(&mut self, request: &Request<'_>) -> Result<(), RequestError> {
        request.check()?;
        let (scope, text_scope) = match request.scope {
            None => (&[][..], false),
            Some(Scope::Text(text)) => (text.as_bytes(), true),
            Some(Scope::Bytes(bytes)) => (bytes, false),
        };
        let parts = [
            request.path.as_bytes(),
            request.query.unwrap_or("").as_bytes(),
            request.audience.unwrap_or("").as_bytes(),
            scope,
            request.payload,
        ];
        if request.len() > N || request.len() > usize::from(u16::MAX) {
            return Err(RequestError::TooLong);
        }
        self.wipe();
        let mut end = 0;
        for (part, kept) in parts.iter().zip(&mut self.ends) {
            if let Some(place) = self.bytes.get_mut(end..end + part.len()) {
                place.copy_from_slice(part);
            }
            end += part.len();
            *kept = end as u16;
        }
        self.code = request.code;
        self.content_format = request.content_format;
        self.accept = request.accept;
        self.observe = request.observe;
        self.text_scope = text_scope;
        self.present = [
            request.query.is_some(),
            request.audience.is_some(),
            request.scope.is_some(),
        ];
        Ok(())
    }

    pub(crate) fn view(&self) -> Request<'_> {
        let part = |index: usize| {
            let end = self.ends.get(index).copied().unwrap_or(0);
            let start = index
                .checked_sub(1)
                .and_then(|i| self.ends.get(i))
                .copied()
                .unwrap_or(0);
            self.bytes
                .get(usize::from(start)..usize::from(end))
                .unwrap_or(&[])
        };
        let text = |index| core::str::from_utf8(part(index)).unwrap_or("");
        let [query, audience, scope] = self.present;
        Request {
            code: self.code,
            path: text(0),
            query: query.then(|| text(1)),
            content_format: self.content_format,
            accept: self.accept,
            payload: part(4),
            observe: self.observe,
            audience: audience.then(|| text(2)),
            scope: scope.then(|| match self.text_scope {
                true => Scope::Text(text(3)),
                false => Scope::Bytes(part(3)),
            }),
        }
    }

    pub(crate) fn wipe(&mut self) {
        self.bytes.zeroize();
        self.ends = [0; 5];
        self.present = [false; 3];
    }
}

impl<const N: usize> Drop for Stored<N> {
    fn drop(&mut self) {
        self.wipe();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_comes_back() {
        let mut stored = Stored::<64>::new();
        let full = Request {
            query: Some("a=1&b"),
            content_format: Some(0),
            accept: Some(60),
            payload: b"on",
            audience: Some("thermo"),
            scope: Some(Scope::Text("r w")),
            ..Request::new(Code::PUT, "/led")
        };
        stored.store(&full).unwrap();
        assert_eq!(stored.view(), full);
        let empty = Request {
            scope: Some(Scope::Bytes(&[])),
            ..Request::get("/")
        };
        stored.store(&empty).unwrap();
        assert_eq!(stored.view(), empty);
        assert_eq!(stored.bytes[1..], [0; 63]);
    }

    #[test]
    fn refused_requests_leave_the_stored_one() {
        let mut stored = Stored::<16>::new();
        stored.store(&Request::get("/temp")).unwrap();
        let long = [b'a'; MAX_TARGET];
        let long = core::str::from_utf8(&long).unwrap();
        for (request, error) in [
            (Request::new(Code::CONTENT, "/"), RequestError::Method),
            (
                Request {
                    observe: true,
                    ..Request::new(Code::PUT, "/")
                },
                RequestError::Observe,
            ),
            (Request::get("temp"), RequestError::Target),
            (Request::get("/te%6dp"), RequestError::Target),
            (Request::get("/te mp"), RequestError::Target),
            (Request::get("/temp?x"), RequestError::Target),
            (
                Request {
                    query: Some("a b"),
                    ..Request::get("/")
                },
                RequestError::Target,
            ),
            (
                Request {
                    query: Some(long),
                    ..Request::get("/")
                },
                RequestError::TooLong,
            ),
            (
                Request {
                    payload: &[0; 16],
                    ..Request::get("/")
                },
                RequestError::TooLong,
            ),
        ] {
            assert_eq!(stored.store(&request), Err(error), "{request:?}");
            assert_eq!(stored.view(), Request::get("/temp"));
        }
    }
}
