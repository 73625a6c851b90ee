use ace_wire::ace::ErrorCode;
use ace_wire::coap::Code;

/// What the client is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Phase {
    /// Nothing is under way.
    #[default]
    Idle,
    /// An unprotected request to the resource server, for its hints (RFC 9200, 5.2 and 5.3).
    Hints,
    /// A token request to the authorization server (RFC 9200, 5.8).
    Token,
    /// A token on its way to `/authz-info` (RFC 9203, 4).
    Upload,
    /// More rights for the key in use: token request and protected upload (RFC 9203, 3.1 and 4.1).
    Update,
    /// A DTLS handshake with the resource server (RFC 9202, 3.2.2 and 3.3.2).
    Handshake,
    /// The protected request.
    Access,
    /// Nothing but waiting for notifications (RFC 7641).
    Observing,
}

/// A step that can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// The unprotected request.
    Hints,
    /// The token request.
    Token,
    /// The upload of the token.
    Upload,
    /// The DTLS handshake with the resource server; one with the authorization server is part of the
    /// token request.
    Handshake,
    /// The update of rights.
    Update,
    /// The protected request.
    Access,
}

impl From<Step> for Phase {
    fn from(step: Step) -> Self {
        match step {
            Step::Hints => Self::Hints,
            Step::Token => Self::Token,
            Step::Upload => Self::Upload,
            Step::Handshake => Self::Handshake,
            Step::Update => Self::Update,
            Step::Access => Self::Access,
        }
    }
}

/// Why a step failed, one variant per violated rule.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// No answer to any attempt.
    TimedOut,
    /// The peer does not want the message (RFC 7252, 4.2).
    Reset,
    /// An answer without protection where protection was due; it may be anybody's.
    Unprotected(Code),
    /// The peer of a DTLS handshake has another key than it must have: than the authorization server
    /// named, or than was configured.
    WrongKey,
    /// A DTLS handshake failed, or a session ended.
    #[cfg(feature = "dtls")]
    Dtls(ace_dtls::CloseReason),
    /// An answer under OSCORE that does not verify.
    Verification,
    /// A request that is not idempotent, perhaps carried out and perhaps not: it is not sent twice.
    UnknownOutcome,
    /// A response code that the step does not provide for.
    UnexpectedCode(Code),
    /// The payload is not what the step's answer must be.
    Malformed,
    /// The payload is of another content format than the step's answer must be.
    ContentFormat(u16),
    /// The resource cannot be asked for hints by GET, and the request named no audience.
    NoHints(Code),
    /// The resource server asked for freshness again and again (RFC 9175, 2.3).
    EchoLoop,
    /// Token without `expires_in`, and no default lifetime is configured (RFC 9200, 5.10.4).
    UnknownLifetime,
    /// Token that has already expired.
    Expired,
    /// The token is for a profile that is not built in (RFC 9200, 5.8.4.3).
    Profile(i64),
    /// `token_type` is another than PoP (RFC 9200, 5.8.4.2).
    TokenType(i64),
    /// `cnf` and `rs_cnf` are not what the profile asks for: OSCORE input material with `id` and `ms` (RFC 9203,
    /// 3.2), a symmetric key with `kid` (RFC 9202, 3.3.1), or the client's own key with the resource
    /// server's (RFC 9202, 3.2.1).
    Confirmation,
    /// A key that cannot be used: of another curve than those built in, too long, or OSCORE input material of another version, with an algorithm not built in, with parameters
    /// that are not known or longer than this crate holds (RFC 9203, 3.2.1).
    InputMaterial,
    /// The resource server chose the client's own identifier (RFC 9203, 4.3).
    SameIdentifier,
    /// Nonce or identifier of the resource server longer than they can be used.
    ServerParameters,
    /// The body does not fit the client's buffers.
    TooLong,
    /// The body changed while it was fetched block by block.
    Blockwise,
    /// The storage would not take the sequence numbers (RFC 8613, B.1.1).
    Storage,
    /// The sequence numbers of the context with the authorization server are used up.
    SequenceExhausted,
    /// The message cannot be built or sent.
    Unsendable,
    /// In the background: the authorization server refused.
    RefusedByAs(ErrorCode),
    /// In the background: the resource server refused, with this code.
    RefusedByRs(Code),
    /// In the background: the authorization server granted less than is needed.
    NotGranted,
    /// In the background: the resource server names another authorization server.
    UntrustedAs,
    /// The resource server answers, but no longer registers the observer.
    NotObservable,
}

/// Who refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal<'a> {
    /// The authorization server (RFC 9200, 5.8.3).
    As {
        /// Its error.
        error: ErrorCode,
        /// Its sentence for the developer.
        description: Option<&'a str>,
    },
    /// The resource server (RFC 9200, 5.10.1.1 and 5.10.2).
    Rs {
        /// [`Step::Upload`]: the token; [`Step::Update`]: more rights; [`Step::Access`]: the request.
        step: Step,
        /// Its response code.
        code: Code,
        /// Whether the response was protected; if not it may be anybody's.
        protected: bool,
    },
    /// The authorization server granted less than the request needs; the token held stays as it is.
    NotGranted {
        /// How the resource server denied the request.
        code: Code,
    },
    /// The client: the resource server names an authorization server that is not the trusted one.
    UntrustedAs {
        /// The URI it named.
        uri: &'a str,
    },
}

/// What the application is told.
///
/// [`Event::Response`], [`Event::Refused`] and [`Event::Failed`] end a request; each request has one
/// of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// Another phase began.
    Phase(Phase),
    /// The answer to the request.
    Response {
        /// Response code; any but those reported as [`Event::Refused`].
        code: Code,
        /// Content-Format, if given.
        content_format: Option<u16>,
        /// The whole body.
        payload: &'a [u8],
        /// Whether OSCORE or DTLS protected it; `false` only for resources open to all.
        protected: bool,
    },
    /// News about the observed resource (RFC 7641).
    Notification {
        /// Response code; an error ends the observation.
        code: Code,
        /// Content-Format, if given.
        content_format: Option<u16>,
        /// The whole body.
        payload: &'a [u8],
        /// Whether OSCORE or DTLS protected it.
        protected: bool,
    },
    /// The request was refused.
    Refused {
        /// By whom, and why.
        by: Refusal<'a>,
    },
    /// The request failed.
    Failed {
        /// Where.
        step: Step,
        /// Why.
        reason: Reason,
    },
    /// The observation ended: it could not be renewed.
    ObservationLost {
        /// Where.
        step: Step,
        /// Why.
        reason: Reason,
    },
    /// A token could not be renewed in the background; the one held is used on.
    RenewalFailed {
        /// Where.
        step: Step,
        /// Why.
        reason: Reason,
    },
}

impl core::fmt::Display for Reason {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::TimedOut => "no answer",
            Self::Reset => "the message was rejected with a Reset",
            Self::Unprotected(code) => return write!(f, "{code} without protection, which anyone may have sent"),
            Self::WrongKey => "the peer of the DTLS handshake has another key than it must have",
            #[cfg(feature = "dtls")]
            Self::Dtls(reason) => return write!(f, "DTLS: {reason}"),
            Self::Verification => "an answer that does not verify",
            Self::UnknownOutcome => {
                "no answer; the request may have been carried out and is not idempotent, so it was not sent again"
            }
            Self::UnexpectedCode(code) => return write!(f, "{code}, which this step does not provide for"),
            Self::Malformed => "a payload that is not what it must be",
            Self::ContentFormat(number) => return write!(f, "an answer in Content-Format {number}"),
            Self::NoHints(code) => return write!(f, "{code} instead of hints; name the audience"),
            Self::EchoLoop => "freshness was asked for again and again",
            Self::UnknownLifetime => "a token that does not say how long it lives",
            Self::Expired => "a token that has expired",
            Self::Profile(number) => return write!(f, "a token for profile {number}, which this client does not speak"),
            Self::TokenType(number) => return write!(f, "a token of type {number}, which is not proof-of-possession"),
            Self::Confirmation => "a token without the key that its profile asks for",
            Self::InputMaterial => "a key that this client cannot use",
            Self::SameIdentifier => "the client's own identifier",
            Self::ServerParameters => "a nonce or an identifier that is too long",
            Self::TooLong => "more than the client's buffers hold",
            Self::Blockwise => "a body that changed between its blocks",
            Self::Storage => "the storage would not take the sequence numbers",
            Self::SequenceExhausted => "the sequence numbers are used up; register anew",
            Self::Unsendable => "the message cannot be built",
            Self::RefusedByAs(error) => return write!(f, "refused: {}", error.name().unwrap_or("unknown error")),
            Self::RefusedByRs(code) => return write!(f, "refused: {code}"),
            Self::NotGranted => "less was granted than is needed",
            Self::UntrustedAs => "an authorization server that is not trusted",
            Self::NotObservable => "the resource is no longer observable",
        })
    }
}
