/// Why a CBOR-based structure was refused, or could not be written.
///
/// One variant per violated rule. What a peer is told is decided by the caller; all of these except
/// [`Error::BufferTooSmall`] mean a malformed payload.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The input ends inside an item (RFC 8949, 1.2: not well-formed).
    Truncated,
    /// Bytes follow the item.
    TrailingBytes,
    /// A reserved initial byte, a stray break, or a badly encoded simple value (RFC 8949, 3).
    Malformed,
    /// An indefinite-length string, array or map.
    IndefiniteLength,
    /// Another CBOR type than the field's definition gives.
    WrongType,
    /// A text string that is not UTF-8 (RFC 8949, 5.3.1).
    InvalidText,
    /// An integer that the field's definition, or 64 signed bits, cannot hold.
    OutOfRange,
    /// Arrays and maps nested deeper than [`MAX_DEPTH`](crate::cbor::MAX_DEPTH).
    TooDeep,
    /// A map with more than [`MAX_MAP_ENTRIES`](crate::cbor::MAX_MAP_ENTRIES) entries.
    TooManyEntries,
    /// The same key twice in one map (RFC 8949, 5.6; RFC 9052, 3).
    DuplicateKey,
    /// A parameter that the message must carry is absent.
    MissingParameter,
    /// A value that has no meaning where it stands, such as an unknown version: for formats that
    /// other crates read with [`Reader`](crate::cbor::Reader).
    UnknownValue,
    /// `exp`, `nbf` or `iat` is not a number, infinite, negative, or beyond 2^53 s as a float.
    NumericDate,
    /// `cnf`, `req_cnf` or `rs_cnf` does not hold exactly one known member (RFC 8747, 3.1).
    ConfirmationMembers,
    /// A private key inside `cnf`, `req_cnf` or `rs_cnf` (RFC 8747, 3.2).
    PrivateKey,
    /// A COSE_Key lacks a parameter that its key type requires (RFC 9053, 7).
    IncompleteKey,
    /// One label in both the protected and the unprotected header (RFC 9052, 3).
    LabelInBothHeaders,
    /// `alg` outside the protected header (RFC 9052, 3.1).
    AlgorithmNotProtected,
    /// `crit` outside the protected header, empty, or naming a header that is not there
    /// (RFC 9052, 3.1).
    MalformedCritical,
    /// `crit` names a header this crate does not know (RFC 9052, 3.1).
    UnknownCritical,
    /// Both IV and Partial IV (RFC 9052, 3.1).
    IvAndPartialIv,
    /// A CBOR tag other than the structure's own (RFC 9052, 2; RFC 8392, 6).
    WrongTag,
    /// An AIF path that is not an absolute path with an optional query (RFC 9237, 3).
    LocalPath,
    /// A method name that no CoAP method has (RFC 9237, 3).
    UnknownMethod,
    /// The caller's buffer is too small.
    BufferTooSmall,
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Truncated => "the CBOR item is cut short",
            Self::TrailingBytes => "bytes follow the CBOR item",
            Self::Malformed => "not well-formed CBOR",
            Self::IndefiniteLength => "indefinite lengths are not allowed",
            Self::WrongType => "a value has the wrong CBOR type",
            Self::InvalidText => "a text string is not UTF-8",
            Self::OutOfRange => "a number is out of range",
            Self::TooDeep => "CBOR nested too deep",
            Self::TooManyEntries => "too many entries in one map",
            Self::DuplicateKey => "a map has the same key twice",
            Self::MissingParameter => "a required parameter is missing",
            Self::UnknownValue => "a value has no meaning here",
            Self::NumericDate => "a date is not a finite number of seconds since 1970",
            Self::ConfirmationMembers => "a confirmation must hold exactly one key",
            Self::PrivateKey => "a confirmation must not hold a private key",
            Self::IncompleteKey => "a COSE_Key lacks a parameter of its key type",
            Self::LabelInBothHeaders => "a COSE header parameter is in both headers",
            Self::AlgorithmNotProtected => "the COSE algorithm is not in the protected header",
            Self::MalformedCritical => "the COSE crit header parameter is malformed",
            Self::UnknownCritical => "an unknown COSE header parameter is critical",
            Self::IvAndPartialIv => "a COSE header holds both IV and Partial IV",
            Self::WrongTag => "a CBOR tag is not the expected one",
            Self::LocalPath => "not an absolute path",
            Self::UnknownMethod => "not a CoAP method",
            Self::BufferTooSmall => "the output buffer is too small",
        })
    }
}

impl core::error::Error for Error {}
