//! What can go wrong, and what the peer is told about it.

use core::fmt;

/// The rule that the peer's message, a parameter or a call breaks.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// A message whose lengths do not add up, or with bytes behind its end (RFC 5246, 7.2.2).
    Decode,
    /// A handshake message that is not due in this state (RFC 5246, 7.4).
    UnexpectedMessage,
    /// A handshake message longer than the rest of the handshake buffer.
    MessageTooLong,
    /// The peer does not speak DTLS 1.2 (RFC 6347, 4.2.1; RFC 5246, E.1).
    ProtocolVersion,
    /// No cipher suite, group and signature algorithm in common (RFC 5246, 7.4.1.3; RFC 8422, 4).
    NoCommonSuite,
    /// The server chose a suite that was not offered (RFC 5246, 7.4.1.3).
    SuiteNotOffered,
    /// The null compression method is not offered, or another one chosen (RFC 5246, 7.4.1.2).
    Compression,
    /// An extension twice (RFC 5246, 7.4.1.4).
    DuplicateExtension,
    /// The server answered an extension that was not offered (RFC 5246, 7.4.1.4).
    UnsolicitedExtension,
    /// An extension with a value that its RFC forbids.
    ExtensionValue,
    /// The peer does not know the extended master secret (RFC 7627, 5.2 and 5.3).
    NoExtendedMasterSecret,
    /// `renegotiation_info` with content in a first handshake (RFC 5746, 3.4 and 3.6).
    RenegotiationInfo,
    /// The peer's Connection ID is longer than [`MAX_CID`](crate::MAX_CID).
    ConnectionIdTooLong,
    /// No raw public keys with the peer, or nothing else where there are X.509 certificates (RFC 7250, 4.2).
    CertificateType,
    /// The client sent no key although it must (RFC 5246, 7.4.6).
    NoPeerKey,
    /// The peer's raw public key is no key (RFC 7250, 3).
    PeerKeyInvalid,
    /// The peer's raw public key is of another kind than those built in (RFC 7250, 3).
    PeerKeyUnsupported,
    /// The application does not accept the peer's key. The alert may be another one, see [`Decision::RefuseWith`](crate::Decision::RefuseWith).
    PeerKeyRefused,
    /// The application does not know the PSK identity, or refuses it (RFC 4279, 2). The alert may be another one, as above.
    UnknownIdentity,
    /// A PSK identity longer than [`MAX_IDENTITY`](crate::MAX_IDENTITY).
    IdentityTooLong,
    /// The application has no credentials for any suite or for the one chosen, or they are too long.
    NoCredentials,
    /// An X.509 certificate that is none, is revoked, or breaks a rule of its kind (RFC 5280).
    #[cfg(feature = "x509")]
    CertificateInvalid,
    /// An X.509 certificate that is not valid now.
    #[cfg(feature = "x509")]
    CertificateExpired,
    /// No chain of X.509 certificates leads to a trust anchor.
    #[cfg(feature = "x509")]
    UnknownIssuer,
    /// The server's X.509 certificate is for another name, or there is none to compare with.
    #[cfg(feature = "x509")]
    CertificateName,
    /// An X.509 certificate that is not for this use (RFC 5280, 4.2.1.12).
    #[cfg(feature = "x509")]
    CertificatePurpose,
    /// A curve that was not offered, or a public key that is no point on it (RFC 8422, 5.4, 5.10, 5.11).
    KeyShare,
    /// A signature algorithm that was not offered or does not fit the key (RFC 5246, 7.4.3, 7.4.8).
    SignatureAlgorithm,
    /// The signature does not verify (RFC 5246, 7.4.3, 7.4.8).
    Signature,
    /// The Finished message does not verify (RFC 5246, 7.4.9).
    Finished,
    /// The peer's first protected records did not verify: it has another key (RFC 4279, 2).
    WrongKey,
    /// The last sequence number is used up (RFC 6347, 4.1).
    SequenceExhausted,
    /// The cryptographic library refused; not seen with keys that were built.
    Crypto,
    /// The handshake buffer, or the caller's buffer, is too small.
    BufferTooSmall,
    /// Data longer than one record may carry to this peer.
    DataTooLong,
    /// No connection yet, or no more.
    NotConnected,
}

impl Error {
    /// The alert that tells the peer.
    #[must_use]
    pub const fn alert(self) -> Alert {
        match self {
            Self::Decode => Alert::DECODE_ERROR,
            Self::UnexpectedMessage => Alert::UNEXPECTED_MESSAGE,
            Self::ProtocolVersion => Alert::PROTOCOL_VERSION,
            Self::MessageTooLong
            | Self::NoCommonSuite
            | Self::NoExtendedMasterSecret
            | Self::RenegotiationInfo
            | Self::NoPeerKey => Alert::HANDSHAKE_FAILURE,
            Self::SuiteNotOffered
            | Self::Compression
            | Self::DuplicateExtension
            | Self::ExtensionValue
            | Self::KeyShare
            | Self::SignatureAlgorithm => Alert::ILLEGAL_PARAMETER,
            Self::UnsolicitedExtension => Alert::UNSUPPORTED_EXTENSION,
            Self::CertificateType | Self::PeerKeyUnsupported => Alert::UNSUPPORTED_CERTIFICATE,
            Self::PeerKeyInvalid => Alert::BAD_CERTIFICATE,
            Self::PeerKeyRefused => Alert::CERTIFICATE_UNKNOWN,
            #[cfg(feature = "x509")]
            Self::CertificateInvalid | Self::CertificateName => Alert::BAD_CERTIFICATE,
            #[cfg(feature = "x509")]
            Self::CertificateExpired => Alert::CERTIFICATE_EXPIRED,
            #[cfg(feature = "x509")]
            Self::UnknownIssuer => Alert::UNKNOWN_CA,
            #[cfg(feature = "x509")]
            Self::CertificatePurpose => Alert::UNSUPPORTED_CERTIFICATE,
            Self::UnknownIdentity | Self::IdentityTooLong => Alert::UNKNOWN_PSK_IDENTITY,
            Self::Signature | Self::Finished | Self::WrongKey => Alert::DECRYPT_ERROR,
            Self::SequenceExhausted => Alert::CLOSE_NOTIFY,
            Self::ConnectionIdTooLong
            | Self::NoCredentials
            | Self::Crypto
            | Self::BufferTooSmall
            | Self::DataTooLong
            | Self::NotConnected => Alert::INTERNAL_ERROR,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Decode => "message cannot be decoded",
            Self::UnexpectedMessage => "handshake message out of order",
            Self::MessageTooLong => "handshake message too long for the buffer",
            Self::ProtocolVersion => "peer does not speak DTLS 1.2",
            Self::NoCommonSuite => "no cipher suite in common",
            Self::SuiteNotOffered => "server chose a cipher suite that was not offered",
            Self::Compression => "no null compression",
            Self::DuplicateExtension => "the same extension twice",
            Self::UnsolicitedExtension => "server answers an extension that was not offered",
            Self::ExtensionValue => "extension with a forbidden value",
            Self::NoExtendedMasterSecret => "peer does not know the extended master secret",
            Self::RenegotiationInfo => "renegotiation_info is not empty",
            Self::ConnectionIdTooLong => "peer's connection id is too long",
            Self::CertificateType => "no raw public keys with this peer",
            Self::NoPeerKey => "client sent no public key",
            Self::PeerKeyInvalid => "peer's public key is invalid",
            Self::PeerKeyUnsupported => "peer's public key is of an unsupported kind",
            Self::PeerKeyRefused => "peer's public key is not accepted",
            Self::UnknownIdentity => "unknown PSK identity",
            Self::IdentityTooLong => "PSK identity too long",
            Self::NoCredentials => "no credentials for the cipher suite",
            #[cfg(feature = "x509")]
            Self::CertificateInvalid => "peer's certificate is invalid",
            #[cfg(feature = "x509")]
            Self::CertificateExpired => "peer's certificate is not valid now",
            #[cfg(feature = "x509")]
            Self::UnknownIssuer => "peer's certificate has no trusted issuer",
            #[cfg(feature = "x509")]
            Self::CertificateName => "peer's certificate is for another name",
            #[cfg(feature = "x509")]
            Self::CertificatePurpose => "peer's certificate is for another use",
            Self::KeyShare => "invalid key share",
            Self::SignatureAlgorithm => "signature algorithm not offered or of another key",
            Self::Signature => "signature does not verify",
            Self::Finished => "Finished does not verify",
            Self::WrongKey => "peer has another key",
            Self::SequenceExhausted => "sequence numbers used up",
            Self::Crypto => "cryptographic operation refused",
            Self::BufferTooSmall => "buffer too small",
            Self::DataTooLong => "data too long for one record",
            Self::NotConnected => "not connected",
        })
    }
}

impl core::error::Error for Error {}

/// An alert description of the TLS registry (RFC 5246, 7.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Alert(pub u8);

macro_rules! alerts {
    ($($name:ident $number:literal $text:literal;)*) => {
        impl Alert {
            $(#[doc = concat!("`", $text, "`")] pub const $name: Self = Self($number);)*

            /// The name in the registry, if it is one that DTLS 1.2 knows.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some($text),)*
                    _ => None,
                }
            }
        }
    };
}

alerts! {
    CLOSE_NOTIFY 0 "close_notify";
    UNEXPECTED_MESSAGE 10 "unexpected_message";
    BAD_RECORD_MAC 20 "bad_record_mac";
    RECORD_OVERFLOW 22 "record_overflow";
    HANDSHAKE_FAILURE 40 "handshake_failure";
    BAD_CERTIFICATE 42 "bad_certificate";
    UNSUPPORTED_CERTIFICATE 43 "unsupported_certificate";
    CERTIFICATE_REVOKED 44 "certificate_revoked";
    CERTIFICATE_EXPIRED 45 "certificate_expired";
    CERTIFICATE_UNKNOWN 46 "certificate_unknown";
    ILLEGAL_PARAMETER 47 "illegal_parameter";
    UNKNOWN_CA 48 "unknown_ca";
    ACCESS_DENIED 49 "access_denied";
    DECODE_ERROR 50 "decode_error";
    DECRYPT_ERROR 51 "decrypt_error";
    PROTOCOL_VERSION 70 "protocol_version";
    INSUFFICIENT_SECURITY 71 "insufficient_security";
    INTERNAL_ERROR 80 "internal_error";
    USER_CANCELED 90 "user_canceled";
    NO_RENEGOTIATION 100 "no_renegotiation";
    UNSUPPORTED_EXTENSION 110 "unsupported_extension";
    UNKNOWN_PSK_IDENTITY 115 "unknown_psk_identity";
}

impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "alert {}", self.0),
        }
    }
}

/// Why a connection is over.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// The application closed it.
    Local,
    /// The peer closed it with `close_notify`.
    Peer,
    /// The peer sent a fatal alert.
    Alert(Alert),
    /// The peer, or this side's configuration, broke a rule.
    Failed(Error),
    /// The peer fell silent during the handshake.
    TimedOut,
    /// Another connection took its place.
    Evicted,
    /// The same peer has a newer session, or began anew from the same address.
    Superseded,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("closed by this side"),
            Self::Peer => f.write_str("closed by the peer"),
            Self::Alert(alert) => write!(f, "peer sent {alert}"),
            Self::Failed(error) => error.fmt(f),
            Self::TimedOut => f.write_str("no answer from the peer"),
            Self::Evicted => f.write_str("gave way to others"),
            Self::Superseded => f.write_str("peer began anew"),
        }
    }
}

/// What a connection has to tell.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The handshake is done: data may be sent, and [`Session::peer`](crate::Session::peer) says to whom.
    Connected,
    /// Records that should have been the client's Finished do not verify: it has another key, or somebody else sent them. Told once; the
    /// handshake goes on, and ends with [`Error::WrongKey`] unless the right one comes.
    Doubted,
    /// The connection is over. Poll for what is still to be transmitted, then drop it.
    Closed(CloseReason),
}

/// How many records were dropped, by reason; each saturates. Nothing else changed by them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dropped {
    /// Not a record of DTLS 1.2, or one that is not due now.
    pub invalid: u32,
    /// The tag does not verify.
    pub unverified: u32,
    /// Received before, or too old to tell.
    pub replayed: u32,
}
