//! CoAP option numbers (IANA "CoAP Option Numbers") and what a number says about the option.

/// If-Match (RFC 7252).
pub const IF_MATCH: u16 = 1;
/// Uri-Host (RFC 7252).
pub const URI_HOST: u16 = 3;
/// ETag (RFC 7252).
pub const ETAG: u16 = 4;
/// If-None-Match (RFC 7252).
pub const IF_NONE_MATCH: u16 = 5;
/// Observe (RFC 7641).
pub const OBSERVE: u16 = 6;
/// Uri-Port (RFC 7252).
pub const URI_PORT: u16 = 7;
/// Location-Path (RFC 7252).
pub const LOCATION_PATH: u16 = 8;
/// OSCORE (RFC 8613).
pub const OSCORE: u16 = 9;
/// Uri-Path (RFC 7252).
pub const URI_PATH: u16 = 11;
/// Content-Format (RFC 7252).
pub const CONTENT_FORMAT: u16 = 12;
/// Max-Age (RFC 7252).
pub const MAX_AGE: u16 = 14;
/// Uri-Query (RFC 7252).
pub const URI_QUERY: u16 = 15;
/// Hop-Limit (RFC 8768).
pub const HOP_LIMIT: u16 = 16;
/// Accept (RFC 7252).
pub const ACCEPT: u16 = 17;
/// Q-Block1 (RFC 9177).
pub const Q_BLOCK1: u16 = 19;
/// Location-Query (RFC 7252).
pub const LOCATION_QUERY: u16 = 20;
/// EDHOC (RFC 9668).
pub const EDHOC: u16 = 21;
/// Block2 (RFC 7959).
pub const BLOCK2: u16 = 23;
/// Block1 (RFC 7959).
pub const BLOCK1: u16 = 27;
/// Size2 (RFC 7959).
pub const SIZE2: u16 = 28;
/// Q-Block2 (RFC 9177).
pub const Q_BLOCK2: u16 = 31;
/// Proxy-Uri (RFC 7252).
pub const PROXY_URI: u16 = 35;
/// Proxy-Scheme (RFC 7252).
pub const PROXY_SCHEME: u16 = 39;
/// Size1 (RFC 7252, 7959).
pub const SIZE1: u16 = 60;
/// Echo (RFC 9175).
pub const ECHO: u16 = 252;
/// No-Response (RFC 7967).
pub const NO_RESPONSE: u16 = 258;
/// Request-Tag (RFC 9175).
pub const REQUEST_TAG: u16 = 292;

/// Whether an endpoint that does not know the option must refuse the message (RFC 7252, 5.4.6).
pub const fn is_critical(number: u16) -> bool {
    number & 1 == 1
}

/// Whether a proxy that does not know the option must not forward it (RFC 7252, 5.4.6).
pub const fn is_unsafe(number: u16) -> bool {
    number & 2 == 2
}

/// Whether the option is left out of the cache key (RFC 7252, 5.4.6).
pub const fn is_no_cache_key(number: u16) -> bool {
    number & 0x1e == 0x1c
}

/// Whether a message may carry the option more than once (RFC 7252, 5.4.5 and 5.10).
pub const fn is_repeatable(number: u16) -> bool {
    matches!(
        number,
        IF_MATCH | ETAG | LOCATION_PATH | URI_PATH | URI_QUERY | LOCATION_QUERY | REQUEST_TAG
    )
}

/// The shortest and longest value a registered option may have, in bytes; `None` if not registered here.
///
/// RFC 7252, 5.4.3: a value outside of it makes the option unrecognized.
pub const fn length_range(number: u16) -> Option<(usize, usize)> {
    Some(match number {
        IF_MATCH => (0, 8),
        URI_HOST => (1, 255),
        ETAG => (1, 8),
        IF_NONE_MATCH => (0, 0),
        OBSERVE | BLOCK1 | BLOCK2 | Q_BLOCK1 | Q_BLOCK2 => (0, 3),
        URI_PORT | CONTENT_FORMAT | ACCEPT => (0, 2),
        LOCATION_PATH | URI_PATH | URI_QUERY | LOCATION_QUERY | OSCORE => (0, 255),
        MAX_AGE | SIZE1 | SIZE2 => (0, 4),
        HOP_LIMIT => (1, 1),
        EDHOC => (0, 0),
        PROXY_URI => (1, 1034),
        PROXY_SCHEME => (1, 255),
        ECHO => (1, 40),
        NO_RESPONSE => (0, 1),
        REQUEST_TAG => (0, 8),
        _ => return None,
    })
}

/// The option's name, as IANA writes it.
pub const fn name(number: u16) -> Option<&'static str> {
    Some(match number {
        IF_MATCH => "If-Match",
        URI_HOST => "Uri-Host",
        ETAG => "ETag",
        IF_NONE_MATCH => "If-None-Match",
        OBSERVE => "Observe",
        URI_PORT => "Uri-Port",
        LOCATION_PATH => "Location-Path",
        OSCORE => "OSCORE",
        URI_PATH => "Uri-Path",
        CONTENT_FORMAT => "Content-Format",
        MAX_AGE => "Max-Age",
        URI_QUERY => "Uri-Query",
        HOP_LIMIT => "Hop-Limit",
        ACCEPT => "Accept",
        Q_BLOCK1 => "Q-Block1",
        LOCATION_QUERY => "Location-Query",
        EDHOC => "EDHOC",
        BLOCK2 => "Block2",
        BLOCK1 => "Block1",
        SIZE2 => "Size2",
        Q_BLOCK2 => "Q-Block2",
        PROXY_URI => "Proxy-Uri",
        PROXY_SCHEME => "Proxy-Scheme",
        SIZE1 => "Size1",
        ECHO => "Echo",
        NO_RESPONSE => "No-Response",
        REQUEST_TAG => "Request-Tag",
        _ => return None,
    })
}
