use ace_wire::coap::Code;

/// Why a token could not be opened.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenError {
    /// The token, or the claims in it, are not what RFC 9052 and RFC 8392 define.
    Malformed(ace_wire::Error),
    /// The protected header names no algorithm by number or registered name.
    MissingAlgorithm,
    /// No IV, or one of another length than the algorithm's nonce.
    Nonce,
    /// A protected header longer than [`MAX_PROTECTED`](crate::MAX_PROTECTED).
    HeaderTooLong,
    /// More than [`MAX_LAYERS`](crate::MAX_LAYERS) nested structures, or encryption inside encryption.
    TooManyLayers,
    /// A symmetric proof-of-possession key in a token that is not encrypted (RFC 8747, 3.2; RFC 9203, 3.2).
    SecretInClear,
    /// The ciphertext does not fit the caller's buffer.
    BufferTooSmall,
    /// There is no key for this `kid` and algorithm.
    UnknownKey,
    /// The key that was found is for another structure or algorithm, or is not of the algorithm's length.
    KeyMismatch,
    /// The two layers of a nested token are by different issuers.
    IssuerMismatch,
    /// The tag or signature does not verify.
    Verification,
}

impl TokenError {
    /// What `/authz-info` answers (RFC 9200, 5.10.1 and 5.10.1.1): 4.00 for a broken structure, 4.01 when the protection
    /// is not that of a trusted issuer, 4.13 for a token beyond this device's buffer.
    #[must_use]
    pub const fn code(self) -> Code {
        match self {
            Self::Malformed(_)
            | Self::MissingAlgorithm
            | Self::Nonce
            | Self::HeaderTooLong
            | Self::TooManyLayers
            | Self::SecretInClear => Code::BAD_REQUEST,
            Self::BufferTooSmall => Code::REQUEST_ENTITY_TOO_LARGE,
            Self::UnknownKey | Self::KeyMismatch | Self::IssuerMismatch | Self::Verification => {
                Code::UNAUTHORIZED
            }
        }
    }
}

impl From<ace_wire::Error> for TokenError {
    fn from(error: ace_wire::Error) -> Self {
        Self::Malformed(error)
    }
}

impl core::fmt::Display for TokenError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Malformed(error) => return write!(f, "malformed token: {error}"),
            Self::MissingAlgorithm => "the token names no algorithm",
            Self::Nonce => "the token's IV is missing or has the wrong length",
            Self::HeaderTooLong => "the token's protected header is too long",
            Self::TooManyLayers => "the token is nested too deep",
            Self::SecretInClear => "a symmetric key in a token that is not encrypted",
            Self::BufferTooSmall => "the token is larger than the buffer for it",
            Self::UnknownKey => "no key for the token's kid and algorithm",
            Self::KeyMismatch => "the key is not for the token's algorithm",
            Self::IssuerMismatch => "the layers of the token are by different issuers",
            Self::Verification => "the token's tag or signature does not verify",
        })
    }
}

impl core::error::Error for TokenError {}
