//! From an OSCORE message back to the CoAP message (RFC 8613, 8.2 and 8.4).

use ace_crypto::CryptoRng;
use ace_wire::coap::{Code, Message, OptionView, Options, option};
use zeroize::Zeroize;

use crate::{
    ECHO_LEN, OscoreError, OscoreOption, RequestBinding, SecurityContext,
    binding::Kind,
    class,
    context::Freshness,
    cose::{self, Nonce},
    merge,
    option::PartialIv,
    window::ReplayWindow,
};

/// A request that verified.
#[derive(Debug)]
pub enum Unprotected<'o> {
    /// A request to be served.
    Request {
        /// Code, options and payload as the client wrote them, beside outer type, Message ID and token, and the outer
        /// options that proxies use (Uri-Host, Uri-Port, …).
        message: Message<'o>,
        /// For [`SecurityContext::protect_response`].
        binding: RequestBinding,
    },
    /// A request that may be a replay, since the replay window was lost: not to be served but answered with
    /// [`SecurityContext::protect_challenge`] (RFC 8613, B.1.2). Nothing of it is left in `out`.
    Challenge {
        /// For [`SecurityContext::protect_challenge`].
        binding: RequestBinding,
        /// Value of the Echo option to send.
        echo: [u8; ECHO_LEN],
    },
}

impl SecurityContext {
    /// Verifies and decrypts a request into `out` (RFC 8613, 8.2). `option` is the message's, by which the caller found
    /// this context: [`OscoreOption::of`], [`matches`](Self::matches).
    ///
    /// `out` as long as the datagram is always enough. Outer options of Class E are discarded; outer Block options the
    /// caller has processed before (RFC 8613, 8.2.1). The replay window moves only once the tag has verified. `rng` is
    /// used for a challenge alone.
    ///
    /// # Errors
    /// [`OscoreError::Malformed`], [`OscoreError::UnknownCriticalOption`], [`OscoreError::ContextNotFound`],
    /// [`OscoreError::Replay`], [`OscoreError::Decryption`], [`OscoreError::InvalidPlaintext`],
    /// [`OscoreError::NestedOscore`], [`OscoreError::NotARequest`] (what the peer may be told:
    /// [`OscoreError::outer_code`]), [`OscoreError::BufferTooSmall`]. `out` is zero after an error.
    pub fn unprotect_request<'o>(
        &mut self,
        option: &OscoreOption<'_>,
        message: &Message<'_>,
        rng: &mut dyn CryptoRng,
        out: &'o mut [u8],
    ) -> Result<Unprotected<'o>, OscoreError> {
        // RFC 8613, 8.2, step 2: without kid or Partial IV it is no request.
        if option.kid.is_none() || option.partial_iv.is_none() {
            out.zeroize();
            return Err(OscoreError::Malformed);
        }
        if !self.matches(option) {
            out.zeroize();
            return Err(OscoreError::ContextNotFound);
        }
        match self.verify_request(option, message, out) {
            Ok(Verified {
                layout,
                binding,
                fresh: true,
            }) => Ok(Unprotected::Request {
                message: layout.view(message, out)?,
                binding,
            }),
            Ok(Verified { binding, .. }) => {
                out.zeroize();
                Ok(Unprotected::Challenge {
                    binding,
                    echo: self.challenge(rng),
                })
            }
            Err(error) => {
                out.zeroize();
                Err(error)
            }
        }
    }

    pub(crate) fn verify_request(
        &mut self,
        option: &OscoreOption<'_>,
        message: &Message<'_>,
        out: &mut [u8],
    ) -> Result<Verified, OscoreError> {
        if !message.code.is_request() {
            return Err(OscoreError::NotARequest);
        }
        check_outer(message)?;
        let partial_iv = option.partial_iv.ok_or(OscoreError::Malformed)?;
        let number = partial_iv.number();
        // RFC 8613, 8.2, step 3
        if self.is_synchronised() {
            self.window.check(number)?;
        }
        let kid = self.recipient_id;
        let nonce = cose::nonce(&self.common_iv, kid.as_bytes(), partial_iv);
        let binding = RequestBinding::new(kid, partial_iv, Kind::Plain);
        let plain = self.open(&nonce, &binding, message, out)?;

        // From here on the request is the client's: its number counts as received, whatever else is wrong with it.
        let inner = Inner::read(&plain, message, out, self);
        let fresh = match (&inner, self.freshness) {
            (_, Freshness::Synchronised) => {
                self.window.accept(number);
                true
            }
            // RFC 8613, B.1.2: written after the loss, so it is the lower limit of what is accepted.
            (Ok(Inner { own_echo: true, .. }), _) => {
                self.window = ReplayWindow::from_limit(number);
                self.freshness = Freshness::Synchronised;
                true
            }
            _ => false,
        };
        let inner = inner?;
        if !inner.code.is_request() {
            return Err(OscoreError::NotARequest);
        }
        let kind = match (fresh, inner.observe) {
            (false, _) => Kind::Challenged,
            (true, Some(0)) => Kind::Registration,
            (true, _) => Kind::Plain,
        };
        Ok(Verified {
            layout: inner.merge(&plain, message, out)?,
            binding: RequestBinding { kind, ..binding },
            fresh,
        })
    }

    /// Verifies and decrypts a response to the request of `binding` into `out` (RFC 8613, 8.4).
    ///
    /// `out` as long as the datagram is always enough. One response is accepted; to a registration, notifications as long
    /// as each is newer than those before (RFC 8613, 7.4.1) until one without Observe ends it. Since none comes out of
    /// order, a client needs no look at the value of Observe. After an error the binding is as it was: a forged response
    /// does not end the exchange.
    ///
    /// # Errors
    /// [`OscoreError::NotOscore`], [`OscoreError::Malformed`], [`OscoreError::UnknownCriticalOption`],
    /// [`OscoreError::ContextNotFound`], [`OscoreError::Decryption`], [`OscoreError::InvalidPlaintext`],
    /// [`OscoreError::NestedOscore`], [`OscoreError::NotAResponse`], [`OscoreError::UnexpectedObserve`],
    /// [`OscoreError::RepeatedResponse`], [`OscoreError::StaleNotification`], [`OscoreError::BufferTooSmall`].
    /// `out` is zero after an error.
    pub fn unprotect_response<'o>(
        &self,
        binding: &mut RequestBinding,
        message: &Message<'_>,
        out: &'o mut [u8],
    ) -> Result<Message<'o>, OscoreError> {
        let result = OscoreOption::of(message).and_then(|option| {
            // A kid context of another context is the second step of appendix B.2: see `rederive`.
            if !self.matches_id_context(&option) {
                return Err(OscoreError::ContextNotFound);
            }
            let nonce = self.response_nonce(&option, binding);
            self.verify_response(&option, &nonce, binding, message, out)
        });
        match result {
            Ok(layout) => layout.view(message, out),
            Err(error) => {
                out.zeroize();
                Err(error)
            }
        }
    }

    /// RFC 8613, 8.4, step 4: from the response's Partial IV, or the request's nonce.
    pub(crate) fn response_nonce(
        &self,
        option: &OscoreOption<'_>,
        binding: &RequestBinding,
    ) -> Nonce {
        match option.partial_iv {
            Some(partial_iv) => cose::nonce(&self.common_iv, self.recipient_id(), partial_iv),
            None => cose::nonce(&self.common_iv, binding.kid(), binding.partial_iv),
        }
    }

    pub(crate) fn verify_response(
        &self,
        option: &OscoreOption<'_>,
        nonce: &Nonce,
        binding: &mut RequestBinding,
        message: &Message<'_>,
        out: &mut [u8],
    ) -> Result<Layout, OscoreError> {
        if !message.code.is_response() {
            return Err(OscoreError::NotAResponse);
        }
        if binding.kid() != self.sender_id()
            || option.kid.is_some_and(|kid| kid != self.recipient_id())
        {
            return Err(OscoreError::ContextNotFound);
        }
        check_outer(message)?;
        check_order(binding, option.partial_iv)?;
        let plain = self.open(nonce, binding, message, out)?;
        let inner = Inner::read(&plain, message, out, self)?;
        if !inner.code.is_response() {
            return Err(OscoreError::NotAResponse);
        }
        // RFC 8613, 4.1.3.5.2
        if inner.observe.is_some() && !binding.is_registration() {
            return Err(OscoreError::UnexpectedObserve);
        }
        let layout = inner.merge(&plain, message, out)?;
        // RFC 8613, 8.4.2
        match option.partial_iv {
            Some(partial_iv) => binding.next_notification = partial_iv.number().saturating_add(1),
            None => binding.nonce_used = true,
        }
        binding.closed = inner.observe.is_none();
        Ok(layout)
    }

    /// Decrypts the payload to `out`, leaving room in front for outer options; returns where the plaintext is.
    fn open(
        &self,
        nonce: &Nonce,
        binding: &RequestBinding,
        message: &Message<'_>,
        out: &mut [u8],
    ) -> Result<Plain, OscoreError> {
        let aad = cose::aad(self.aead, binding.kid(), binding.partial_iv)
            .ok_or(OscoreError::IdTooLong)?;
        let start = surviving(message.options)
            .map(|o| merge::encoded_len(&o))
            .sum::<usize>();
        let end = start.saturating_add(message.payload.len());
        let buffer = out.get_mut(start..end).ok_or(OscoreError::BufferTooSmall)?;
        buffer.copy_from_slice(message.payload);
        let len = self
            .aead
            .open(
                self.recipient_key.as_bytes(),
                nonce.as_bytes(),
                aad.as_bytes(),
                buffer,
            )
            .map_err(|_| OscoreError::Decryption)?;
        Ok(Plain { start, len })
    }
}

/// A request whose tag has verified.
pub(crate) struct Verified {
    layout: Layout,
    pub(crate) binding: RequestBinding,
    /// Whether it is known to be no replay.
    fresh: bool,
}

/// Where in `out` the plaintext is.
struct Plain {
    start: usize,
    len: usize,
}

/// What the plaintext says.
struct Inner {
    code: Code,
    observe: Option<u32>,
    own_echo: bool,
    options_len: usize,
    payload_len: usize,
}

impl Inner {
    fn read(
        plain: &Plain,
        message: &Message<'_>,
        out: &[u8],
        context: &SecurityContext,
    ) -> Result<Self, OscoreError> {
        let Message {
            kind, id, token, ..
        } = *message;
        let bytes = out
            .get(plain.start..plain.start.saturating_add(plain.len))
            .ok_or(OscoreError::InvalidPlaintext)?;
        let inner = Message::parse_plaintext(bytes, kind, id, token)
            .map_err(|_| OscoreError::InvalidPlaintext)?;
        // RFC 8613, 4.1.3.7
        if inner.options.contains(option::OSCORE) {
            return Err(OscoreError::NestedOscore);
        }
        Ok(Self {
            code: inner.code,
            observe: observe(inner.options),
            own_echo: context.is_own_echo(inner.options.find(option::ECHO)),
            options_len: inner.options.as_bytes().len(),
            payload_len: inner.payload.len(),
        })
    }

    /// Adds the outer options (RFC 8613, 8.2, step 7).
    fn merge(
        &self,
        plain: &Plain,
        message: &Message<'_>,
        out: &mut [u8],
    ) -> Result<Layout, OscoreError> {
        let inner_start = plain.start.saturating_add(1);
        let inner_end = inner_start.saturating_add(self.options_len);
        let payload_end = plain.start.saturating_add(plain.len);
        let payload = payload_end.saturating_sub(self.payload_len)..payload_end;
        let options = if plain.start == 0 {
            inner_start..inner_end
        } else {
            let room = out
                .get_mut(..inner_end)
                .ok_or(OscoreError::BufferTooSmall)?;
            0..merge::merge(surviving(message.options), room, inner_start)
                .ok_or(OscoreError::InvalidPlaintext)?
        };
        Ok(Layout {
            code: self.code,
            options,
            payload,
        })
    }
}

/// Where in `out` the parts of the decrypted message are.
#[derive(PartialEq, Eq)]
pub(crate) struct Layout {
    code: Code,
    options: core::ops::Range<usize>,
    payload: core::ops::Range<usize>,
}

impl Layout {
    pub(crate) fn view<'o>(
        self,
        message: &Message<'_>,
        out: &'o [u8],
    ) -> Result<Message<'o>, OscoreError> {
        let (options, _) = Options::parse_with_payload(out.get(self.options).unwrap_or(&[]))
            .map_err(|_| OscoreError::InvalidPlaintext)?;
        Ok(Message {
            kind: message.kind,
            code: self.code,
            id: message.id,
            token: message.token,
            options,
            payload: out.get(self.payload).unwrap_or(&[]),
        })
    }
}

/// The value of Observe; one too long is as none (RFC 7252, 5.4.3, and RFC 7641, 2).
pub(crate) fn observe(options: Options<'_>) -> Option<u32> {
    let value = options.find(option::OBSERVE)?;
    (value.len() <= 3).then(|| value.iter().fold(0, |n, b| n << 8 | u32::from(*b)))
}

/// Outer options that live on in the decrypted message.
fn surviving(options: Options<'_>) -> impl Iterator<Item = OptionView<'_>> {
    options.iter().filter(|o| class::survives(o.number))
}

/// RFC 8613, 8.2, step 1, discards what is known to belong inside; a critical option nobody knows is refused as
/// RFC 7252, 5.4.1, has it.
fn check_outer(message: &Message<'_>) -> Result<(), OscoreError> {
    let unknown = message
        .options
        .iter()
        .any(|o| option::is_critical(o.number) && option::name(o.number).is_none());
    if unknown {
        return Err(OscoreError::UnknownCriticalOption);
    }
    // RFC 8613, 2
    if message.payload.is_empty() {
        return Err(OscoreError::Malformed);
    }
    Ok(())
}

/// Whether a response with this Partial IV is still due.
fn check_order(binding: &RequestBinding, partial_iv: Option<PartialIv>) -> Result<(), OscoreError> {
    // RFC 8613, 7.4: a single response.
    if binding.closed {
        return Err(OscoreError::RepeatedResponse);
    }
    match partial_iv {
        // RFC 8613, 7.4.1 and 8.4.2: one notification without Partial IV, and it is the oldest.
        None if binding.nonce_used => Err(OscoreError::RepeatedResponse),
        None if binding.next_notification > 0 => Err(OscoreError::StaleNotification),
        Some(partial_iv) if partial_iv.number() < binding.next_notification => {
            Err(OscoreError::StaleNotification)
        }
        _ => Ok(()),
    }
}
