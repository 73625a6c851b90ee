//! AS Request Creation Hints (RFC 9200, 5.3).

use ace_coap::Instant;
use ace_wire::ace::{AsRequestCreationHints, Scope};
use ace_wire::coap::{Code, Options};

use crate::config::{Config, Freshness, ScopeHint};
use crate::freshness::cnonce;
use crate::scope::asked;

/// Longest hints, in bytes.
pub(crate) const MAX_HINTS: usize = 384;

/// What the client asked for and under which key, as far as that is known.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Subject<'a> {
    pub(crate) request: Option<(Options<'a>, Code)>,
    /// Of the association the request came in: the next token may be for the same key.
    pub(crate) key_id: Option<&'a [u8]>,
}

/// Writes hints to `out`; empty if they do not fit.
pub(crate) fn hints<'b>(
    config: &Config<'_>,
    now: Instant,
    wall: Option<u64>,
    secret: &[u8],
    subject: Subject<'_>,
    out: &'b mut [u8; MAX_HINTS],
) -> &'b [u8] {
    let mut aif = [0; 160];
    let scope = match (config.scope_hint, subject.request) {
        (ScopeHint::Fixed(scope), _) => Some(scope),
        (ScopeHint::Asked, Some((options, method))) => {
            asked(options, method, &mut aif).map(Scope::Bytes)
        }
        _ => None,
    };
    // RFC 9200, 5.3.1
    let nonce = match (config.freshness, wall) {
        (Freshness::Cnonce(_), None) => Some(cnonce(now, secret)),
        _ => None,
    };
    let hints = AsRequestCreationHints {
        r#as: Some(config.as_uri).filter(|uri| !uri.is_empty()),
        audience: config.audiences.first().copied(),
        scope,
        kid: subject.key_id.filter(|kid| !kid.is_empty()),
        cnonce: nonce.as_ref().map(<[u8; 12]>::as_slice),
    };
    let length = hints.encode(out).unwrap_or(0);
    out.get(..length).unwrap_or(&[])
}
