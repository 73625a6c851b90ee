use ::ace_client::{Event, Phase, Reason, Refusal, Step};
use ace_wire::ace::ErrorCode;
use ace_wire::coap::Code;

use crate::bytes::ace_bytes;
use crate::client::ACE_NO_FORMAT;

/// What a client has to tell.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ace_client_event_kind {
    /// Another phase began: `phase`.
    ACE_CLIENT_PHASE = 0,
    /// The answer to the request: `code`, `content_format`, `payload`, `is_protected`. Ends it.
    ACE_CLIENT_RESPONSE = 1,
    /// News about the observed resource: as for a response. A `code` of 4.00 or above ends the observation.
    ACE_CLIENT_NOTIFICATION = 2,
    /// The authorization server refused: `error`, and its sentence in `payload`. Ends the request.
    ACE_CLIENT_REFUSED_BY_AS = 3,
    /// The resource server refused: `step`, `code`, `is_protected`. Ends the request.
    ACE_CLIENT_REFUSED_BY_RS = 4,
    /// The authorization server granted less than the request needs: `code`. Ends the request.
    ACE_CLIENT_NOT_GRANTED = 5,
    /// The resource server names an authorization server that is not trusted: its URI in `payload`. Ends the request.
    ACE_CLIENT_UNTRUSTED_AS = 6,
    /// The request failed: `step`, `reason`. Ends it.
    ACE_CLIENT_FAILED = 7,
    /// The observation ended, since it could not be renewed: `step`, `reason`.
    ACE_CLIENT_OBSERVATION_LOST = 8,
    /// A token could not be renewed; the one held is used on: `step`, `reason`.
    ACE_CLIENT_RENEWAL_FAILED = 9,
}

/// What a client is doing, and where something failed.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ace_client_phase {
    /// Nothing.
    ACE_IDLE = 0,
    /// Asking the resource server, without protection, for its hints.
    ACE_HINTS = 1,
    /// Asking the authorization server for a token.
    ACE_TOKEN = 2,
    /// Taking the token to the resource server.
    ACE_UPLOAD = 3,
    /// Getting more rights for the key in use.
    ACE_UPDATE = 4,
    /// The request itself.
    ACE_ACCESS = 5,
    /// Waiting for notifications.
    ACE_OBSERVING = 6,
    /// A DTLS handshake, with the authorization server or the resource server.
    ACE_HANDSHAKE = 7,
}

/// Why a step failed.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ace_client_reason {
    /// Another than those below.
    ACE_REASON_OTHER = 0,
    /// No answer.
    ACE_REASON_TIMED_OUT = 1,
    /// The peer rejected the message.
    ACE_REASON_RESET = 2,
    /// An answer without protection, which anyone may have sent; its code in `code`.
    ACE_REASON_UNPROTECTED = 3,
    /// An answer that does not verify.
    ACE_REASON_VERIFICATION = 4,
    /// No answer to a request that is not idempotent: it may have been carried out, and was not sent again.
    ACE_REASON_UNKNOWN_OUTCOME = 5,
    /// A code that the step does not provide for; in `code`.
    ACE_REASON_UNEXPECTED_CODE = 6,
    /// A payload that is not what it must be.
    ACE_REASON_MALFORMED = 7,
    /// No hints: name the audience in the request.
    ACE_REASON_NO_HINTS = 8,
    /// A token that has expired, or does not say how long it lives.
    ACE_REASON_LIFETIME = 9,
    /// A token for a profile or of a type that this client does not have, or without a key.
    ACE_REASON_TOKEN = 10,
    /// More than the client has room for.
    ACE_REASON_TOO_LONG = 11,
    /// The state would not take the records.
    ACE_REASON_STORAGE = 12,
    /// The sequence numbers with the authorization server are used up: register anew.
    ACE_REASON_SEQUENCE_EXHAUSTED = 13,
    /// In the background: the authorization server refused; its error in `error`.
    ACE_REASON_REFUSED_BY_AS = 14,
    /// In the background: the resource server refused; its code in `code`.
    ACE_REASON_REFUSED_BY_RS = 15,
    /// In the background: less was granted than is needed.
    ACE_REASON_NOT_GRANTED = 16,
    /// The peer of a DTLS handshake has another key than it must have.
    ACE_REASON_WRONG_KEY = 17,
    /// A DTLS handshake failed, or a session ended.
    ACE_REASON_DTLS = 18,
}

/// What a client tells. What does not belong to its kind is zero.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ace_client_event {
    /// What happened.
    pub kind: ace_client_event_kind,
    /// The phase that began, or the step that failed or was refused.
    pub phase: ace_client_phase,
    /// Why it failed.
    pub reason: ace_client_reason,
    /// Response code, as in CoAP: class in the upper three bits.
    pub code: u8,
    /// Content-Format of the payload; ACE_NO_FORMAT if it has none.
    pub content_format: u16,
    /// Whether the answer was protected; what is not may be anybody's.
    pub is_protected: bool,
    /// Error of the authorization server, as in RFC 9200, 8.4.
    pub error: i32,
    /// The body, or a text; lent until the next call on the handle.
    pub payload: ace_bytes,
}

impl ace_client_event {
    pub(crate) fn of(event: &Event<'_>) -> Self {
        use ace_client_event_kind::*;
        let none = |kind| Self {
            kind,
            phase: ace_client_phase::ACE_IDLE,
            reason: ace_client_reason::ACE_REASON_OTHER,
            code: 0,
            content_format: ACE_NO_FORMAT,
            is_protected: false,
            error: 0,
            payload: ace_bytes::EMPTY,
        };
        match *event {
            Event::Phase(phase) => Self {
                phase: phase.into(),
                ..none(ACE_CLIENT_PHASE)
            },
            Event::Response {
                code,
                content_format,
                payload,
                protected,
            } => none(ACE_CLIENT_RESPONSE).answer(code, content_format, payload, protected),
            Event::Notification {
                code,
                content_format,
                payload,
                protected,
            } => none(ACE_CLIENT_NOTIFICATION).answer(code, content_format, payload, protected),
            Event::Refused { by } => match by {
                Refusal::As { error, description } => Self {
                    error: number(error),
                    payload: description
                        .map_or(ace_bytes::EMPTY, |text| ace_bytes::lend(text.as_bytes())),
                    ..none(ACE_CLIENT_REFUSED_BY_AS)
                },
                Refusal::Rs {
                    step,
                    code,
                    protected,
                } => Self {
                    phase: Phase::from(step).into(),
                    code: code.0,
                    is_protected: protected,
                    ..none(ACE_CLIENT_REFUSED_BY_RS)
                },
                Refusal::NotGranted { code } => Self {
                    code: code.0,
                    ..none(ACE_CLIENT_NOT_GRANTED)
                },
                Refusal::UntrustedAs { uri } => Self {
                    payload: ace_bytes::lend(uri.as_bytes()),
                    ..none(ACE_CLIENT_UNTRUSTED_AS)
                },
            },
            Event::Failed { step, reason } => none(ACE_CLIENT_FAILED).failure(step, reason),
            Event::ObservationLost { step, reason } => {
                none(ACE_CLIENT_OBSERVATION_LOST).failure(step, reason)
            }
            Event::RenewalFailed { step, reason } => {
                none(ACE_CLIENT_RENEWAL_FAILED).failure(step, reason)
            }
        }
    }

    fn answer(
        self,
        code: Code,
        content_format: Option<u16>,
        payload: &[u8],
        is_protected: bool,
    ) -> Self {
        Self {
            code: code.0,
            content_format: content_format.unwrap_or(ACE_NO_FORMAT),
            is_protected,
            payload: ace_bytes::lend(payload),
            ..self
        }
    }

    fn failure(self, step: Step, reason: Reason) -> Self {
        use ace_client_reason::*;
        let (code, error) = match reason {
            Reason::Unprotected(code)
            | Reason::UnexpectedCode(code)
            | Reason::NoHints(code)
            | Reason::RefusedByRs(code) => (code.0, 0),
            Reason::RefusedByAs(error) => (0, number(error)),
            _ => (0, 0),
        };
        let reason = match reason {
            Reason::TimedOut => ACE_REASON_TIMED_OUT,
            Reason::Reset => ACE_REASON_RESET,
            Reason::Unprotected(_) => ACE_REASON_UNPROTECTED,
            Reason::Verification => ACE_REASON_VERIFICATION,
            Reason::UnknownOutcome => ACE_REASON_UNKNOWN_OUTCOME,
            Reason::UnexpectedCode(_) => ACE_REASON_UNEXPECTED_CODE,
            Reason::Malformed | Reason::ContentFormat(_) | Reason::Blockwise => {
                ACE_REASON_MALFORMED
            }
            Reason::NoHints(_) => ACE_REASON_NO_HINTS,
            Reason::UnknownLifetime | Reason::Expired => ACE_REASON_LIFETIME,
            Reason::Profile(_) | Reason::TokenType(_) | Reason::Confirmation => ACE_REASON_TOKEN,
            Reason::TooLong => ACE_REASON_TOO_LONG,
            Reason::Storage => ACE_REASON_STORAGE,
            Reason::SequenceExhausted => ACE_REASON_SEQUENCE_EXHAUSTED,
            Reason::RefusedByAs(_) => ACE_REASON_REFUSED_BY_AS,
            Reason::RefusedByRs(_) => ACE_REASON_REFUSED_BY_RS,
            Reason::NotGranted => ACE_REASON_NOT_GRANTED,
            Reason::WrongKey => ACE_REASON_WRONG_KEY,
            #[cfg(feature = "dtls")]
            Reason::Dtls(_) => ACE_REASON_DTLS,
            _ => ACE_REASON_OTHER,
        };
        Self {
            phase: Phase::from(step).into(),
            reason,
            code,
            error,
            ..self
        }
    }
}

fn number(error: ErrorCode) -> i32 {
    i32::try_from(error.number()).unwrap_or(0)
}

impl From<Phase> for ace_client_phase {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Idle => Self::ACE_IDLE,
            Phase::Hints => Self::ACE_HINTS,
            Phase::Token => Self::ACE_TOKEN,
            Phase::Upload => Self::ACE_UPLOAD,
            Phase::Update => Self::ACE_UPDATE,
            Phase::Access => Self::ACE_ACCESS,
            Phase::Observing => Self::ACE_OBSERVING,
            Phase::Handshake => Self::ACE_HANDSHAKE,
        }
    }
}
