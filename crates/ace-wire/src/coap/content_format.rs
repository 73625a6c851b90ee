//! Content-Format numbers this stack uses (IANA "CoAP Content-Formats").

/// text/plain; charset=utf-8.
pub const TEXT_PLAIN: u16 = 0;
/// application/ace+cbor (RFC 9200, 8.16).
pub const ACE_CBOR: u16 = 19;
/// application/link-format (RFC 6690).
pub const LINK_FORMAT: u16 = 40;
/// application/octet-stream.
pub const OCTET_STREAM: u16 = 42;
/// application/cbor.
pub const CBOR: u16 = 60;
/// application/cwt (RFC 8392).
pub const CWT: u16 = 61;
/// application/concise-problem-details+cbor (RFC 9290, 6.3).
pub const CONCISE_PROBLEM_DETAILS_CBOR: u16 = 257;
/// application/ace-trl+cbor (RFC 9770, 15.2).
pub const ACE_TRL_CBOR: u16 = 262;
/// application/oscore (RFC 8613).
pub const OSCORE: u16 = 10001;
