use ace_coap::{CoapError, OutMessage};
use ace_wire::coap::{Code, Message, OptionValue, Token, Type, Writer};
use zeroize::Zeroizing;

/// A response: what the CoAP layer puts beside type, Message ID and token.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// Response code.
    pub code: Code,
    /// Option numbers and values.
    pub options: Vec<(u16, Vec<u8>)>,
    /// Payload, empty if there is none; wiped on drop.
    pub payload: Zeroizing<Vec<u8>>,
}

impl Answer {
    pub(crate) fn new(code: Code) -> Self {
        Self {
            code,
            options: Vec::new(),
            payload: Zeroizing::default(),
        }
    }

    pub(crate) fn with_option<'v>(
        mut self,
        number: u16,
        value: impl Into<OptionValue<'v>>,
    ) -> Self {
        self.options
            .push((number, value.into().bytes(&mut [0; 4]).to_vec()));
        self
    }

    pub(crate) fn with_payload(mut self, payload: impl Into<Vec<u8>>) -> Self {
        self.payload = Zeroizing::new(payload.into());
        self
    }

    /// As the CoAP engine takes it.
    ///
    /// # Errors
    /// [`CoapError::TooManyOptions`]; the server's own answers have a few.
    pub fn as_message(&self) -> Result<OutMessage<'_>, CoapError> {
        let mut message = OutMessage::new(self.code).with_payload(&self.payload);
        for (number, value) in &self.options {
            message.options.push(*number, value.as_slice())?;
        }
        Ok(message)
    }

    pub(crate) fn of_message(message: &OutMessage<'_>) -> Self {
        let options = message.options.iter();
        let options = options
            .map(|(number, value)| (number, value.bytes(&mut [0; 4]).to_vec()))
            .collect();
        Self {
            code: message.code,
            options,
            payload: Zeroizing::new(message.payload.to_vec()),
        }
    }

    pub(crate) fn of_parsed(message: &Message<'_>) -> Self {
        let options = message
            .options
            .iter()
            .map(|option| (option.number, option.value.to_vec()))
            .collect();
        Self {
            code: message.code,
            options,
            payload: Zeroizing::new(message.payload.to_vec()),
        }
    }

    /// Code, options and payload as OSCORE protects them (RFC 8613, 5.3).
    pub(crate) fn plaintext(&self) -> Result<Zeroizing<Vec<u8>>, CoapError> {
        let options: usize = self
            .options
            .iter()
            .map(|(_, value)| value.len().saturating_add(5))
            .sum();
        let mut plaintext = Zeroizing::new(vec![
            0;
            self.payload
                .len()
                .saturating_add(options)
                .saturating_add(2)
        ]);
        let message = self.as_message()?;
        let mut writer = Writer::plaintext(&mut plaintext, self.code)?;
        writer.options(&message.options)?;
        writer.payload(message.payload)?;
        let length = writer.finish();
        plaintext.truncate(length);
        Ok(plaintext)
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let payload = format_args!("{} bytes", self.payload.len()).to_string();
        f.debug_struct("Answer")
            .field("code", &self.code)
            .field("options", &self.options)
            .field("payload", &payload)
            .finish()
    }
}

/// Views `plaintext` as a response with the Message ID and token of its request.
pub(crate) fn response(plaintext: &[u8], id: u16, token: Token) -> Result<Message<'_>, CoapError> {
    Message::parse_plaintext(plaintext, Type::Acknowledgement, id, token)
}
