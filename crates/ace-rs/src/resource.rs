//! What the application provides: resources, and a handler for their requests.

use core::fmt;

use ace_coap::OutMessage;
use ace_wire::aif::MethodSet;
use ace_wire::coap::{CoapError, Code, Options, option};
use heapless::String;

use crate::token::{Key, TokenId};

/// Longest Location-Path a [`Response`] takes, in bytes of `/a/b`.
pub const MAX_LOCATION: usize = 48;

/// Who may use a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anyone, also without protection.
    Public,
    /// The holder of a token that says so.
    Token,
}

/// A resource of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resource {
    /// Absolute path, `/a/b`, compared with Uri-Path without percent-decoding.
    pub path: &'static str,
    /// The methods it has; others are answered 4.05.
    pub methods: MethodSet,
    /// Who may use it.
    pub access: Access,
    /// Whether GET with Observe is taken, under a token (RFC 7641).
    pub observable: bool,
    /// `rt` in `/.well-known/core` (RFC 6690, 3.1); empty leaves it out.
    pub resource_type: &'static str,
    /// `if` in `/.well-known/core` (RFC 6690, 3.2); empty leaves it out.
    pub interface: &'static str,
}

impl Resource {
    /// A resource that takes a token, is not observable and has no attributes.
    #[must_use]
    pub const fn new(path: &'static str, methods: MethodSet) -> Self {
        Self {
            path,
            methods,
            access: Access::Token,
            observable: false,
            resource_type: "",
            interface: "",
        }
    }
}

/// The application behind a [`ResourceServer`](crate::ResourceServer).
pub trait Resources {
    /// The resources; the same at every call.
    fn list(&self) -> &[Resource];

    /// Serves a request that is allowed, on a resource of the list that has the method.
    ///
    /// Called again, with GET, for each notification of an observation. A code that is no response
    /// code, or a payload that did not fit, is answered 5.00.
    fn handle(&mut self, request: &Request<'_>, response: &mut Response<'_>) -> Code;
}

/// A request, whole and allowed.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The method.
    pub method: Code,
    /// The path of the [`Resource`].
    pub path: &'static str,
    /// All options, such as ETag. If-Match and If-None-Match do not come this far: they are
    /// answered 4.02.
    pub options: Options<'a>,
    /// Content-Format of the payload.
    pub content_format: Option<u16>,
    /// Accept: answer in this Content-Format, or 4.06.
    pub accept: Option<u16>,
    /// The payload, put together from its blocks.
    pub payload: &'a [u8],
    /// Who asks; `None` on a public resource without protection.
    pub who: Option<Who<'a>>,
}

impl<'a> Request<'a> {
    /// The Uri-Query options.
    pub fn query(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.options
            .iter()
            .filter(|o| o.number == option::URI_QUERY)
            .map(|o| o.value)
    }
}

/// Whose request it is: the holder of a token, proven by this very request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Who<'a> {
    /// The token's name in events.
    pub token: TokenId,
    /// Its `sub`.
    pub subject: Option<&'a str>,
    /// Its `cti`.
    pub cti: Option<&'a [u8]>,
    /// The profile, and the name of the client's key.
    pub key: Key<'a>,
}

/// The answer a handler writes: payload and options.
pub struct Response<'b> {
    body: &'b mut [u8],
    length: usize,
    overflow: bool,
    /// Content-Format of the payload.
    pub content_format: Option<u16>,
    /// Max-Age in seconds; 60 if absent (RFC 7252, 5.10.5).
    pub max_age: Option<u32>,
    etag: heapless::Vec<u8, 8>,
    location: String<MAX_LOCATION>,
}

impl<'b> Response<'b> {
    pub(crate) fn new(body: &'b mut [u8]) -> Self {
        Self {
            body,
            length: 0,
            overflow: false,
            content_format: None,
            max_age: None,
            etag: heapless::Vec::new(),
            location: String::new(),
        }
    }

    /// Room left for the payload, in bytes.
    #[must_use]
    pub fn room(&self) -> usize {
        self.body.len().saturating_sub(self.length)
    }

    /// Appends to the payload. What does not fit turns the answer into 5.00.
    pub fn write(&mut self, bytes: &[u8]) {
        let end = self.length.saturating_add(bytes.len());
        match self.body.get_mut(self.length..end) {
            Some(room) => {
                room.copy_from_slice(bytes);
                self.length = end;
            }
            None => self.overflow = true,
        }
    }

    /// ETag, of 1 to 8 bytes (RFC 7252, 5.10.6); other lengths turn the answer into 5.00.
    pub fn etag(&mut self, etag: &[u8]) {
        match heapless::Vec::from_slice(etag) {
            Ok(fits) if !etag.is_empty() => self.etag = fits,
            _ => self.overflow = true,
        }
    }

    /// Location-Path, as `/a/b` (RFC 7252, 5.10.7), at most [`MAX_LOCATION`] bytes; a longer one
    /// turns the answer into 5.00.
    pub fn location(&mut self, path: &str) {
        match String::try_from(path) {
            Ok(fits) => self.location = fits,
            Err(_) => self.overflow = true,
        }
    }

    /// Lets `writer` write the payload and say its length.
    pub(crate) fn fill<E>(
        &mut self,
        writer: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<(), E> {
        self.length = writer(self.body)?.min(self.body.len());
        Ok(())
    }

    /// The message with this answer and `code`; 5.00 if something did not fit.
    pub(crate) fn message(&self, code: Code) -> OutMessage<'_> {
        let failed = OutMessage::new(Code::INTERNAL_SERVER_ERROR);
        if self.overflow || !code.is_response() {
            return failed;
        }
        let mut out = OutMessage::new(code).with_payload(self.payload());
        let mut push = || {
            if let Some(format) = self.content_format {
                out.options.push(option::CONTENT_FORMAT, format)?;
            }
            if let Some(seconds) = self.max_age {
                out.options.push(option::MAX_AGE, seconds)?;
            }
            if !self.etag.is_empty() {
                out.options.push(option::ETAG, self.etag.as_slice())?;
            }
            for segment in self.location.split('/').skip(1) {
                out.options.push(option::LOCATION_PATH, segment)?;
            }
            Ok::<(), CoapError>(())
        };
        if push().is_ok() { out } else { failed }
    }

    fn payload(&self) -> &[u8] {
        self.body.get(..self.length).unwrap_or(&[])
    }
}

/// Text appended to the payload; an error if it does not fit.
impl fmt::Write for Response<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write(text.as_bytes());
        if self.overflow {
            Err(fmt::Error)
        } else {
            Ok(())
        }
    }
}

impl fmt::Debug for Response<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("length", &self.length)
            .field("content_format", &self.content_format)
            .field("max_age", &self.max_age)
            .finish_non_exhaustive()
    }
}
