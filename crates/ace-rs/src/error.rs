use ace_token::{ClaimError, TokenError};
use ace_wire::coap::Code;

/// Why a [`ResourceServer`](crate::ResourceServer) could not be set up.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// No audience: no token could ever be meant for this server.
    NoAudience,
    /// No token key: no token could ever be verified.
    NoTokenKey,
    /// More scope entries than [`MAX_SCOPES`](crate::MAX_SCOPES).
    TooManyScopes,
    /// Two resources with one path, or a resource at a path of the server's own.
    DuplicateResource,
    /// A table of size zero among the const parameters.
    ZeroSize,
    /// The storage could not be read, or holds something else than this crate writes.
    Storage,
    /// [`notify`](crate::ResourceServer::notify) for a path that is no observable resource.
    NotObservable,
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::NoAudience => "the configuration names no audience",
            Self::NoTokenKey => "the configuration holds no key to verify tokens with",
            Self::TooManyScopes => "the configuration names too many scopes",
            Self::DuplicateResource => "two resources share a path",
            Self::ZeroSize => "a table of size zero",
            Self::Storage => "the storage is unreadable or damaged",
            Self::NotObservable => "no observable resource at this path",
        })
    }
}

impl core::error::Error for Error {}

/// Why a token, or what came with it, was refused; one per rule. For the log: the peer sees
/// [`Refusal::code`] alone.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Not POST (RFC 9200, 5.10.1.2).
    Method,
    /// A Content-Format other than application/ace+cbor (RFC 9203, 4.1) and application/cwt (RFC 9200, 5.10.1).
    ContentFormat,
    /// An Accept other than application/ace+cbor (RFC 7252, 5.10.4).
    NotAcceptable,
    /// The payload is not the map of RFC 9203, 4.1, or holds no token.
    Payload,
    /// A body longer than this server takes.
    TooLarge,
    /// The token could not be opened (RFC 9200, 5.10.1 and 5.10.1.1).
    Token(TokenError),
    /// `iss`, `exp`, `nbf`, `aud` or `scope` failed (RFC 9200, 5.10.1.1).
    Claim(ClaimError),
    /// `iat` and the default lifetime are over, or the token's `exi` number is not above the
    /// highest one that ended (RFC 9200, 5.10.3).
    Expired,
    /// The device does not know the time, and the token needs it.
    ClockUnknown,
    /// The token says neither when it was issued nor when it ends.
    NoExpiration,
    /// `exi` without a `cti` of server identifier and number (RFC 9200, 5.10.3).
    SequenceNumber,
    /// No `cnonce`, or one that is not fresh, while the clock is unknown (RFC 9200, 5.3.1).
    Cnonce,
    /// `scope` is not understood (RFC 9200, 5.10.1.1; RFC 9203, 4.2).
    Scope,
    /// `ace_profile` is another than the token was posted for (RFC 9200, 5.10).
    Profile,
    /// `cnf` is missing or holds no key of the profile that the token was posted for (RFC 9203, 4.2; RFC 9202, 3.2.2 and 3.3.1).
    Confirmation,
    /// The input material lacks `id` or `ms`, has an unknown parameter, or asks for an algorithm
    /// or version that is not built in (RFC 9203, 4.2).
    InputMaterial,
    /// `nonce1` or `ace_client_recipientid` is missing or longer than allowed (RFC 9203, 4.2).
    Exchange,
    /// An update whose `kid` does not name the input material of the context it came in
    /// (RFC 9203, 4.2).
    OtherMaterial,
    /// `cnf`, or the identity of a handshake, names a key that this server neither has nor can derive (RFC 9202, 3.3.2 and 4).
    UnknownKey,
    /// The server has a token for the same key that is not older, or whose age cannot be compared (RFC 9202, 3.4).
    Older,
    /// A claim that does not fit the room this server has for it.
    NoRoomForClaim,
    /// All token slots are taken by live tokens.
    TableFull,
    /// More uploads than are worked on (RFC 9200, 5.10.1.2).
    Busy,
    /// The highest sequence number could not be stored.
    Storage,
}

impl Refusal {
    /// What the peer is answered.
    #[must_use]
    pub const fn code(self) -> Code {
        match self {
            // RFC 9200, 5.10.1.2
            Self::Method => Code::METHOD_NOT_ALLOWED,
            Self::ContentFormat => Code::UNSUPPORTED_CONTENT_FORMAT,
            Self::NotAcceptable => Code::NOT_ACCEPTABLE,
            Self::TooLarge => Code::REQUEST_ENTITY_TOO_LARGE,
            // RFC 9200, 5.10.1.1; RFC 9203, 4.2
            Self::Payload
            | Self::NoExpiration
            | Self::SequenceNumber
            | Self::Scope
            | Self::Profile
            | Self::Confirmation
            | Self::InputMaterial
            | Self::Exchange
            | Self::NoRoomForClaim => Code::BAD_REQUEST,
            Self::Token(error) => error.code(),
            Self::Claim(error) => error.code(),
            Self::Expired
            | Self::ClockUnknown
            | Self::Cnonce
            | Self::OtherMaterial
            | Self::UnknownKey
            | Self::Older => Code::UNAUTHORIZED,
            Self::TableFull => Code::SERVICE_UNAVAILABLE,
            // RFC 8516
            Self::Busy => Code::TOO_MANY_REQUESTS,
            Self::Storage => Code::INTERNAL_SERVER_ERROR,
        }
    }
}

impl core::fmt::Display for Refusal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Method => "only POST is allowed on /authz-info",
            Self::ContentFormat => "the Content-Format is not one of a token",
            Self::NotAcceptable => "an answer in another Content-Format was asked for",
            Self::Payload => "the payload is not a map with an access token",
            Self::TooLarge => "the payload is too large",
            Self::Token(error) => return error.fmt(f),
            Self::Claim(error) => return error.fmt(f),
            Self::Expired => "the token has expired",
            Self::ClockUnknown => "the clock is not set, and the token needs it",
            Self::NoExpiration => "the token has no end",
            Self::SequenceNumber => "the token's exi comes without a numbered cti",
            Self::Cnonce => "the token has no fresh client nonce",
            Self::Scope => "the token's scope is not understood",
            Self::Profile => "the token is for another profile",
            Self::Confirmation => "the token confirms no key of this profile",
            Self::InputMaterial => "the token's OSCORE input material cannot be used",
            Self::Exchange => "nonce1 or ace_client_recipientid is missing or too long",
            Self::UnknownKey => "no such key here",
            Self::Older => "a token for this key is here that is not older",
            Self::OtherMaterial => "the update belongs to another security context",
            Self::NoRoomForClaim => "a claim of the token is too long",
            Self::TableFull => "no room for another token",
            Self::Busy => "too many tokens uploaded",
            Self::Storage => "the storage failed",
        })
    }
}
