//! Messages to be sent, without what the endpoint adds: type and Message ID.

use ace_wire::coap::{CoapError, Code, Message, OptionList, Token, Type, Writer, option};

use crate::Error;

/// How many options an [`OutMessage`] holds.
pub const MAX_OPTIONS: usize = 16;

/// A message to be sent: code, options and payload.
///
/// ```
/// use ace_coap::{Code, OutMessage, option};
///
/// let mut request = OutMessage::new(Code::GET);
/// request.options.push_path("/.well-known/core")?;
/// request.options.push(option::ACCEPT, 40u16)?;
/// assert_eq!(request.encoded_len(8), 4 + 8 + 12 + 5 + 2);
/// # Ok::<(), ace_wire::coap::CoapError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct OutMessage<'a> {
    /// Method or response code.
    pub code: Code,
    /// The token of a request whose caller chooses it (to renew or end an observation, RFC 7641, 3.3.1 and 3.6);
    /// `None` lets the endpoint draw eight random bytes. Without meaning in a response.
    pub token: Option<Token>,
    /// Options.
    pub options: OptionList<'a, MAX_OPTIONS>,
    /// Payload; empty if there is none.
    pub payload: &'a [u8],
}

impl<'a> OutMessage<'a> {
    /// A message without options and payload.
    #[must_use]
    pub const fn new(code: Code) -> Self {
        Self {
            code,
            token: None,
            options: OptionList::new(),
            payload: &[],
        }
    }

    /// The same with a payload.
    #[must_use]
    pub const fn with_payload(mut self, payload: &'a [u8]) -> Self {
        self.payload = payload;
        self
    }

    /// Code, options and payload of a parsed message; the token is not taken over.
    ///
    /// # Errors
    /// [`CoapError::TooManyOptions`] above [`MAX_OPTIONS`].
    pub fn from_message(message: &Message<'a>) -> Result<Self, CoapError> {
        let mut out = Self::new(message.code).with_payload(message.payload);
        out.options.extend(message.options, |_| true)?;
        Ok(out)
    }

    /// Bytes of the whole CoAP message with a token of `token_len` bytes.
    #[must_use]
    pub fn encoded_len(&self, token_len: usize) -> usize {
        let mut previous = 0;
        let options: usize = self
            .options
            .iter()
            .map(|(number, value)| {
                let len = value.bytes(&mut [0; 4]).len();
                let delta = usize::from(number - previous);
                previous = number;
                1 + extension(delta) + extension(len) + len
            })
            .sum();
        let payload = match self.payload.len() {
            0 => 0,
            len => 1 + len,
        };
        4 + token_len + options + payload
    }

    /// Writes the whole CoAP message and returns its length.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if it does not fit `buffer`.
    pub fn encode(
        &self,
        buffer: &mut [u8],
        kind: Type,
        id: u16,
        token: Token,
    ) -> Result<usize, Error> {
        let mut write = || {
            let mut writer = Writer::new(buffer, kind, self.code, id, token)?;
            writer.options(&self.options)?;
            writer.payload(self.payload)?;
            Ok(writer.finish())
        };
        write().map_err(|_: CoapError| Error::TooLarge)
    }

    /// Whether the message carries the Observe option with this value; any value for `None`.
    pub(crate) fn observes(&self, wanted: Option<u8>) -> bool {
        self.options.iter().any(|(number, value)| {
            number == option::OBSERVE
                && wanted.is_none_or(|w| {
                    let mut scratch = [0; 4];
                    let value = value.bytes(&mut scratch);
                    value.iter().rev().skip(1).all(|b| *b == 0)
                        && value.last().copied().unwrap_or(0) == w
                })
        })
    }
}

/// Extension bytes of a delta or length (RFC 7252, 3.1).
const fn extension(value: usize) -> usize {
    match value {
        0..=12 => 0,
        13..=268 => 1,
        _ => 2,
    }
}

/// Whether a message asks for an acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reliability {
    /// CON: retransmitted until acknowledged (RFC 7252, 4.2).
    Confirmable,
    /// NON: sent once (RFC 7252, 4.3).
    NonConfirmable,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_len_is_what_encode_writes() {
        let long = [b'x'; 300];
        for values in [&[][..], &[0], &[12], &[13], &[268], &[269], &[300, 13, 0]] {
            for number in [1u16, 13, 268, 269, 2000] {
                let mut out = OutMessage::new(Code::POST).with_payload(&long[..values.len()]);
                for (i, len) in values.iter().enumerate() {
                    out.options
                        .push(number * (i as u16 + 1), &long[..*len])
                        .unwrap();
                }
                out.options.push(65000, 0x1234u32).unwrap();
                let mut buffer = [0; 2048];
                let token = Token::new(&[1, 2, 3]).unwrap();
                let len = out
                    .encode(&mut buffer, Type::Confirmable, 7, token)
                    .unwrap();
                assert_eq!(len, out.encoded_len(3));
                assert!(
                    out.encode(&mut buffer[..len - 1], Type::Confirmable, 7, token)
                        .is_err()
                );
                let message = Message::parse(&buffer[..len]).unwrap();
                let again = OutMessage::from_message(&message).unwrap();
                assert_eq!(again.encoded_len(3), len);
            }
        }
    }

    #[test]
    fn rfc7641_2_observe_value_of_any_length() {
        for (value, zero) in [
            (&[][..], true),
            (&[0], true),
            (&[0, 0, 0], true),
            (&[1], false),
            (&[1, 0], false),
        ] {
            let mut out = OutMessage::new(Code::GET);
            assert!(!out.observes(None));
            out.options.push(option::OBSERVE, value).unwrap();
            assert!(out.observes(None));
            assert_eq!(out.observes(Some(0)), zero, "{value:?}");
        }
    }
}
