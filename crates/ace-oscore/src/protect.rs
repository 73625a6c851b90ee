//! From a CoAP message to an OSCORE message (RFC 8613, 8.1 and 8.3).

use ace_wire::coap::{Code, Message, OptionList, Options, Token, Type, Writer, option};
use zeroize::Zeroize;

use crate::{
    ECHO_LEN, MAX_ID, OscoreError, OscoreOption, RequestBinding, SecurityContext,
    binding::Kind,
    bytes::Bytes,
    class,
    cose::{self, Nonce},
    error::writing,
    proxy_uri::ProxyUri,
    unprotect,
};

/// Longest OSCORE option written here: flags, Partial IV, length, wrapped ID Context, `kid`.
const MAX_OPTION: usize = 1 + 5 + 1 + 2 + crate::MAX_ID_CONTEXT + MAX_ID;

impl SecurityContext {
    /// Protects a request and writes the whole encoded OSCORE message to `out` (RFC 8613, 8.1).
    ///
    /// Every option of Class E or both goes inside; Uri-Host, Uri-Port, Hop-Limit, Proxy-Scheme and EDHOC stay outside,
    /// Observe stands in both places, Proxy-Uri is split between them. Each call uses a new sequence number, also for
    /// the same message. With `send_id_context` the option carries the ID Context, if there is one, for a server that
    /// cannot tell by `kid` alone.
    ///
    /// [`MAX_OVERHEAD`](crate::MAX_OVERHEAD) says how much longer `out` is to be than the message.
    ///
    /// # Errors
    /// [`OscoreError::NotARequest`], [`OscoreError::NestedOscore`], [`OscoreError::ProxyUri`],
    /// [`OscoreError::SequenceExhausted`], [`OscoreError::NotReserved`]; [`OscoreError::TooLong`] and
    /// [`OscoreError::BufferTooSmall`] cost the sequence number. `out` is zero after an error.
    pub fn protect_request(
        &mut self,
        message: &Message<'_>,
        send_id_context: bool,
        out: &mut [u8],
    ) -> Result<(usize, RequestBinding), OscoreError> {
        let id_context = self.id_context_bytes().filter(|_| send_id_context);
        self.protect_request_with(message, id_context.as_ref().map(Bytes::as_bytes), out)
    }

    pub(crate) fn protect_request_with(
        &mut self,
        message: &Message<'_>,
        kid_context: Option<&[u8]>,
        out: &mut [u8],
    ) -> Result<(usize, RequestBinding), OscoreError> {
        if !message.code.is_request() {
            return Err(OscoreError::NotARequest);
        }
        let original = Original::of(message)?;
        let partial_iv = self.claim_number()?;
        let kid = self.sender_id;
        let kind = match unprotect::observe(message.options) {
            Some(0) => Kind::Registration,
            _ => Kind::Plain,
        };
        let binding = RequestBinding::new(kid, partial_iv, kind);
        let option = OscoreOption {
            partial_iv: Some(partial_iv),
            kid_context,
            kid: Some(kid.as_bytes()),
        };
        let nonce = cose::nonce(&self.common_iv, kid.as_bytes(), partial_iv);
        let len = self.seal(&original, &option, &nonce, &binding, out)?;
        Ok((len, binding))
    }

    /// Protects a response to the request of `binding` and writes the whole encoded OSCORE message to `out`
    /// (RFC 8613, 8.3).
    ///
    /// The first response to a request takes the request's nonce and no sequence number, unless the request is so old
    /// that the replay window has forgotten it; every further one (a notification), and the answer to a challenge, takes
    /// a new Partial IV. A response with Observe is a notification: its value stays outside, inside the option is empty.
    ///
    /// # Errors
    /// [`OscoreError::NotAResponse`], [`OscoreError::NestedOscore`], [`OscoreError::ContextNotFound`] for a binding of
    /// another context, [`OscoreError::UnexpectedObserve`], [`OscoreError::SequenceExhausted`],
    /// [`OscoreError::NotReserved`]; [`OscoreError::TooLong`] and [`OscoreError::BufferTooSmall`] cost the nonce.
    /// `out` is zero after an error.
    pub fn protect_response(
        &mut self,
        binding: &mut RequestBinding,
        message: &Message<'_>,
        out: &mut [u8],
    ) -> Result<usize, OscoreError> {
        self.protect_response_with(binding, message, None, out)
    }

    pub(crate) fn protect_response_with(
        &mut self,
        binding: &RequestBinding,
        message: &Message<'_>,
        kid_context: Option<&[u8]>,
        out: &mut [u8],
    ) -> Result<usize, OscoreError> {
        if !message.code.is_response() {
            return Err(OscoreError::NotAResponse);
        }
        // A binding of this endpoint's own request would lead to a nonce it has used itself.
        if binding.kid() != self.recipient_id() {
            return Err(OscoreError::ContextNotFound);
        }
        let original = Original::of(message)?;
        if original.observe && !binding.is_registration() {
            return Err(OscoreError::UnexpectedObserve);
        }
        self.check_not_exhausted()?;
        // RFC 8613, 8.3, step 3, and 8.3.1; B.1.2: a challenge never goes out under the request's nonce.
        let reuse =
            binding.kind != Kind::Challenged && self.window.claim_nonce(binding.partial_iv());
        let (partial_iv, nonce) = if reuse {
            let nonce = cose::nonce(&self.common_iv, binding.kid(), binding.partial_iv);
            (None, nonce)
        } else {
            let partial_iv = self.claim_number()?;
            let nonce = cose::nonce(&self.common_iv, self.sender_id(), partial_iv);
            (Some(partial_iv), nonce)
        };
        let option = OscoreOption {
            partial_iv,
            kid_context,
            kid: None,
        };
        self.seal(&original, &option, &nonce, binding, out)
    }

    /// Writes the answer to a challenged request: 4.01 with the Echo value inside and nothing else, under a Partial IV of
    /// its own (RFC 8613, B.1.2).
    ///
    /// `kind`, `id` and `token` are those of the response.
    ///
    /// # Errors
    /// As [`protect_response`](Self::protect_response).
    pub fn protect_challenge(
        &mut self,
        binding: &mut RequestBinding,
        echo: &[u8; ECHO_LEN],
        kind: Type,
        id: u16,
        token: Token,
        out: &mut [u8],
    ) -> Result<usize, OscoreError> {
        let mut options = OptionList::<1>::new();
        options.push(option::ECHO, echo).map_err(writing)?;
        let mut bytes = [0; ECHO_LEN + 4];
        let mut writer = Writer::plaintext(&mut bytes, Code::UNAUTHORIZED).map_err(writing)?;
        writer.options(&options).map_err(writing)?;
        let len = writer.finish();
        let plain = bytes.get(..len).unwrap_or(&[]);
        let message = Message::parse_plaintext(plain, kind, id, token).map_err(writing)?;
        self.protect_response(binding, &message, out)
    }

    fn seal(
        &self,
        original: &Original<'_>,
        option: &OscoreOption<'_>,
        nonce: &Nonce,
        binding: &RequestBinding,
        out: &mut [u8],
    ) -> Result<usize, OscoreError> {
        let result = self.try_seal(original, option, nonce, binding, out);
        if result.is_err() {
            out.zeroize();
        }
        result
    }

    fn try_seal(
        &self,
        original: &Original<'_>,
        option: &OscoreOption<'_>,
        nonce: &Nonce,
        binding: &RequestBinding,
        out: &mut [u8],
    ) -> Result<usize, OscoreError> {
        let aad = cose::aad(self.aead, binding.kid(), binding.partial_iv)
            .ok_or(OscoreError::IdTooLong)?;
        let outer_len = original.write_outer(option, out)?;
        let room = out
            .get_mut(outer_len..)
            .ok_or(OscoreError::BufferTooSmall)?;
        let (marker, room) = room.split_first_mut().ok_or(OscoreError::BufferTooSmall)?;
        *marker = 0xff;
        let plaintext_len = original.write_inner(room)?;
        let sealed = self
            .aead
            .seal(
                self.sender_key.as_bytes(),
                nonce.as_bytes(),
                aad.as_bytes(),
                room,
                plaintext_len,
            )
            .map_err(|error| match error {
                ace_crypto::CryptoError::BufferTooSmall => OscoreError::BufferTooSmall,
                _ => OscoreError::TooLong,
            })?;
        Ok(outer_len.saturating_add(1).saturating_add(sealed))
    }
}

/// A message to be protected, checked.
struct Original<'m> {
    message: &'m Message<'m>,
    observe: bool,
    proxy_uri: Option<ProxyUri<'m>>,
}

impl<'m> Original<'m> {
    fn of(message: &'m Message<'_>) -> Result<Self, OscoreError> {
        // RFC 8613, 4.1.3.7
        if message.options.contains(option::OSCORE) {
            return Err(OscoreError::NestedOscore);
        }
        Ok(Self {
            observe: message.options.contains(option::OBSERVE),
            proxy_uri: ProxyUri::of(message)?,
            message,
        })
    }

    // RFC 8613, 4.2
    fn outer_code(&self) -> Code {
        match (self.message.code.is_request(), self.observe) {
            (true, false) => Code::POST,
            (true, true) => Code::FETCH,
            (false, false) => Code::CHANGED,
            (false, true) => Code::CONTENT,
        }
    }

    /// Header, token and outer options; returns their length.
    fn write_outer(&self, oscore: &OscoreOption<'_>, out: &mut [u8]) -> Result<usize, OscoreError> {
        let Message {
            kind, id, token, ..
        } = *self.message;
        let mut value = [0; MAX_OPTION];
        let value_len = oscore.encode(&mut value)?;
        let mut oscore = value.get(..value_len);

        let mut writer = Writer::new(out, kind, self.outer_code(), id, token).map_err(writing)?;
        for o in self.message.options {
            if o.number > option::OSCORE
                && let Some(value) = oscore.take()
            {
                writer.option(option::OSCORE, value).map_err(writing)?;
            }
            let value = match (o.number, &self.proxy_uri) {
                (number, _) if !class::is_outer(number) => continue,
                // RFC 8613, 4.1.3.3
                (option::PROXY_URI, Some(uri)) => uri.origin(),
                // RFC 7252, 5.10.2: Proxy-Uri goes before these.
                (option::URI_HOST | option::URI_PORT, Some(_)) => continue,
                _ => o.value,
            };
            writer.option(o.number, value).map_err(writing)?;
        }
        if let Some(value) = oscore {
            writer.option(option::OSCORE, value).map_err(writing)?;
        }
        Ok(writer.finish())
    }

    /// Code, inner options and payload (RFC 8613, 5.3); returns their length.
    fn write_inner(&self, out: &mut [u8]) -> Result<usize, OscoreError> {
        let Message {
            code,
            options,
            payload,
            ..
        } = *self.message;
        let mut writer = Writer::plaintext(out, code).map_err(writing)?;
        match &self.proxy_uri {
            None => self.write_options(options, 0..=u16::MAX, &mut writer)?,
            // RFC 8613, 4.1.3.3: path and query come from the Proxy-Uri alone.
            Some(uri) => {
                self.write_options(options, 0..=option::URI_PATH - 1, &mut writer)?;
                uri.write_path(&mut writer)?;
                let between = option::URI_PATH + 1..=option::URI_QUERY - 1;
                self.write_options(options, between, &mut writer)?;
                uri.write_query(&mut writer)?;
                self.write_options(options, option::URI_QUERY + 1..=u16::MAX, &mut writer)?;
            }
        }
        writer.payload(payload).map_err(writing)?;
        Ok(writer.finish())
    }

    fn write_options(
        &self,
        options: Options<'_>,
        numbers: core::ops::RangeInclusive<u16>,
        writer: &mut Writer<'_>,
    ) -> Result<(), OscoreError> {
        for o in options {
            if !class::is_inner(o.number) || !numbers.contains(&o.number) {
                continue;
            }
            // RFC 8613, 4.1.3.5.2: inside of a notification Observe is empty.
            let value = match o.number {
                option::OBSERVE if self.message.code.is_response() => &[],
                _ => o.value,
            };
            writer.option(o.number, value).map_err(writing)?;
        }
        Ok(())
    }
}
