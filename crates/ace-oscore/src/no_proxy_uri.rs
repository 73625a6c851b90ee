//! In place of the feature `proxy-uri`: a message with Proxy-Uri is refused.

use ace_wire::coap::{Message, Writer, option};

use crate::OscoreError;

/// Never made.
#[derive(Clone, Copy)]
pub(crate) enum ProxyUri<'a> {
    #[expect(dead_code, reason = "holds the lifetime")]
    Never(core::convert::Infallible, &'a [u8]),
}

impl<'a> ProxyUri<'a> {
    pub(crate) fn of(message: &Message<'a>) -> Result<Option<Self>, OscoreError> {
        if message.options.contains(option::PROXY_URI) {
            return Err(OscoreError::ProxyUri);
        }
        Ok(None)
    }

    pub(crate) const fn origin(&self) -> &'a [u8] {
        match *self {
            Self::Never(never, _) => match never {},
        }
    }

    pub(crate) const fn write_path(&self, _: &mut Writer<'_>) -> Result<(), OscoreError> {
        match *self {
            Self::Never(never, _) => match never {},
        }
    }

    pub(crate) const fn write_query(&self, _: &mut Writer<'_>) -> Result<(), OscoreError> {
        match *self {
            Self::Never(never, _) => match never {},
        }
    }
}
