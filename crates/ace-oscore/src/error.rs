use ace_wire::coap::{CoapError, Code};

/// Diagnostic payload a server may send with 4.02 (RFC 8613, 8.2, step 2).
pub const FAILED_TO_DECODE_COSE: &str = "Failed to decode COSE";
/// Diagnostic payload a server may send with 4.01 (RFC 8613, 8.2, step 2).
pub const SECURITY_CONTEXT_NOT_FOUND: &str = "Security context not found";
/// Diagnostic payload a server may send with 4.01 (RFC 8613, 7.4).
pub const REPLAY_DETECTED: &str = "Replay detected";
/// Diagnostic payload a server may send with 4.00 (RFC 8613, 8.2, step 6).
pub const DECRYPTION_FAILED: &str = "Decryption failed";

/// The rule that a message, a parameter or a call breaks.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OscoreError {
    /// A Sender or Recipient ID longer than the nonce less 6 bytes (RFC 8613, 3.3).
    IdTooLong,
    /// Sender and Recipient ID are the same (RFC 8613, 3.3).
    SameIds,
    /// An ID Context longer than [`MAX_ID_CONTEXT`](crate::MAX_ID_CONTEXT), or one too long for appendix B.2 here.
    IdContextTooLong,
    /// A Master Secret or Master Salt longer than appendix B.2 takes here.
    SecretTooLong,

    /// No OSCORE option: not an OSCORE message.
    NotOscore,
    /// The OSCORE option or the message around it breaks RFC 8613, 2 or 6.1, or lacks `kid` or Partial IV in a request.
    Malformed,
    /// An outer critical option nobody knows (RFC 7252, 5.4.1).
    UnknownCriticalOption,
    /// `kid` and `kid context` are not this context's (RFC 8613, 8.2, step 2), or a binding belongs to another context.
    ContextNotFound,
    /// A Partial IV seen before, or too old to tell (RFC 8613, 7.4).
    Replay,
    /// The tag does not verify (RFC 8613, 8.2, step 6, and 8.4, step 5).
    Decryption,
    /// What was decrypted is not code, options and payload (RFC 8613, 5.3).
    InvalidPlaintext,
    /// An OSCORE option in the original or decrypted message (RFC 8613, 4.1.3.7).
    NestedOscore,
    /// The code, inner or outer, is no request method where a request is due.
    NotARequest,
    /// The code, inner or outer, is no response code where a response is due.
    NotAResponse,
    /// Observe in a response although the request registered no observation (RFC 8613, 4.1.3.5.2).
    UnexpectedObserve,
    /// A second response where one is due, or a second one without Partial IV (RFC 8613, 7.4 and 8.4.2).
    RepeatedResponse,
    /// A notification no newer than the newest received (RFC 8613, 7.4.1).
    StaleNotification,

    /// The last Sender Sequence Number is used up: this context sends nothing more (RFC 8613, 7.2.1).
    SequenceExhausted,
    /// No Sender Sequence Number is reserved in storage (RFC 8613, B.1.1).
    NotReserved,
    /// A Proxy-Uri that cannot be split (RFC 8613, 4.1.3.3).
    ProxyUri,
    /// A plaintext longer than the AEAD takes (RFC 9053, 4.2).
    TooLong,
    /// The caller's buffer is too small.
    BufferTooSmall,
}

impl OscoreError {
    /// The code of the unprotected error that a server may send (RFC 8613, 7.4 and 8.2); `None` for errors that no
    /// request causes.
    ///
    /// A client that fails to verify a response sends nothing (RFC 8613, 8.4, step 8).
    #[must_use]
    pub const fn outer_code(self) -> Option<Code> {
        match self {
            Self::Malformed | Self::UnknownCriticalOption => Some(Code::BAD_OPTION),
            Self::ContextNotFound | Self::Replay => Some(Code::UNAUTHORIZED),
            Self::Decryption | Self::InvalidPlaintext | Self::NestedOscore | Self::NotARequest => {
                Some(Code::BAD_REQUEST)
            }
            _ => None,
        }
    }

    /// The diagnostic payload that may go with [`outer_code`](Self::outer_code).
    #[must_use]
    pub const fn diagnostic(self) -> Option<&'static str> {
        match self {
            Self::Malformed => Some(FAILED_TO_DECODE_COSE),
            Self::ContextNotFound => Some(SECURITY_CONTEXT_NOT_FOUND),
            Self::Replay => Some(REPLAY_DETECTED),
            Self::Decryption => Some(DECRYPTION_FAILED),
            _ => None,
        }
    }
}

impl core::fmt::Display for OscoreError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::IdTooLong => "sender or recipient id too long for the AEAD",
            Self::SameIds => "sender and recipient id are the same",
            Self::IdContextTooLong => "id context too long",
            Self::SecretTooLong => "master secret or salt too long",
            Self::NotOscore => "no OSCORE option",
            Self::Malformed => FAILED_TO_DECODE_COSE,
            Self::UnknownCriticalOption => "unknown critical option outside of the protection",
            Self::ContextNotFound => SECURITY_CONTEXT_NOT_FOUND,
            Self::Replay => REPLAY_DETECTED,
            Self::Decryption => DECRYPTION_FAILED,
            Self::InvalidPlaintext => "decrypted bytes are not a CoAP message",
            Self::NestedOscore => "OSCORE inside of OSCORE",
            Self::NotARequest => "not a request code",
            Self::NotAResponse => "not a response code",
            Self::UnexpectedObserve => "Observe in a response to no observation",
            Self::RepeatedResponse => "a second response to one request",
            Self::StaleNotification => "notification older than one received before",
            Self::SequenceExhausted => "sender sequence numbers used up",
            Self::NotReserved => "no sender sequence number reserved",
            Self::ProxyUri => "Proxy-Uri cannot be split",
            Self::TooLong => "message too long for the AEAD",
            Self::BufferTooSmall => "buffer too small",
        })
    }
}

impl core::error::Error for OscoreError {}

/// For what is being written: the bytes being read are never at fault there.
pub(crate) const fn writing(error: CoapError) -> OscoreError {
    match error {
        CoapError::OptionValue => OscoreError::TooLong,
        _ => OscoreError::BufferTooSmall,
    }
}
