//! CoAP messages (RFC 7252, 3): a checked borrowed view, a writer into a caller's buffer, options,
//! codes, block option values (RFC 7959) and `coap://` URIs.
//!
//! ```
//! use ace_wire::coap::{Code, Message, Options, OptionList, Type, Token, Writer, option};
//!
//! let mut buffer = [0u8; 64];
//! let mut options = OptionList::<4>::new();
//! options.push(option::URI_PATH, b"temp")?;
//! let mut writer = Writer::new(&mut buffer, Type::Confirmable, Code::GET, 7, Token::new(&[1])?)?;
//! writer.options(&options)?;
//! let length = writer.finish();
//!
//! let message = Message::parse(&buffer[..length])?;
//! assert_eq!(message.options.find(option::URI_PATH), Some(&b"temp"[..]));
//! # Ok::<(), ace_wire::coap::CoapError>(())
//! ```

mod block;
mod code;
pub mod content_format;
mod message;
pub mod option;
mod uri;
mod writer;

pub use block::Block;
pub use code::Code;
pub use message::{Message, OptionView, Options, OptionsIter, Token, Type};
pub use uri::{PathSegments, QueryParameters, Scheme, Uri};
pub use writer::{OptionList, OptionValue, Writer};

/// What makes bytes not a CoAP message, or a message not writable.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CoapError {
    /// Fewer bytes than the header, the token or an option announces (RFC 7252, 3).
    Truncated,
    /// A version other than 1: to be ignored silently (RFC 7252, 3).
    Version,
    /// A token length of 9 to 15 (RFC 7252, 3).
    TokenLength,
    /// An Empty message with anything after the Message ID (RFC 7252, 4.1).
    EmptyNotEmpty,
    /// A reserved code class: 1, 6 or 7 over UDP (RFC 7252, 3).
    CodeClass,
    /// Option delta or length nibble of 15 outside the payload marker (RFC 7252, 3.1).
    ReservedNibble,
    /// An option number above 65535 (RFC 7252, 3.1).
    OptionNumber,
    /// A payload marker without payload (RFC 7252, 3).
    EmptyPayload,
    /// An option value whose length or form its definition does not allow (RFC 7252, 5.4.3).
    OptionValue,
    /// Options written out of order.
    OptionOrder,
    /// More options than an [`OptionList`] holds.
    TooManyOptions,
    /// The caller's buffer is too small.
    BufferTooSmall,
    /// Not a `coap` or `coaps` URI this stack can use (RFC 7252, 6).
    Uri,
}

impl core::fmt::Display for CoapError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Truncated => "the CoAP message is cut short",
            Self::Version => "not CoAP version 1",
            Self::TokenLength => "a token longer than 8 bytes",
            Self::EmptyNotEmpty => "an Empty message that is not empty",
            Self::CodeClass => "a reserved code class",
            Self::ReservedNibble => "an option with a reserved delta or length",
            Self::OptionNumber => "an option number above 65535",
            Self::EmptyPayload => "a payload marker without payload",
            Self::OptionValue => "an option value that its definition does not allow",
            Self::OptionOrder => "options out of order",
            Self::TooManyOptions => "more options than there is room for",
            Self::BufferTooSmall => "the output buffer is too small",
            Self::Uri => "not a coap or coaps URI that can be used",
        })
    }
}

impl core::error::Error for CoapError {}

#[cfg(test)]
mod tests;
