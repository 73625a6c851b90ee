//! A token that was taken, and the security context it comes with.

use core::fmt;

use ace_coap::Instant;
#[cfg(feature = "dtls")]
use ace_crypto::Secret;
use ace_crypto::{hmac_sha256, sha256};
#[cfg(feature = "oscore")]
use ace_oscore::SecurityContext;

#[cfg(feature = "dtls")]
use crate::freshness::Sparse;
use crate::freshness::Term;
use crate::kept::Kept;
use crate::rate::Paid;

/// Longest `kid` of the key of a DTLS client taken, in bytes.
#[cfg(feature = "dtls")]
pub const MAX_KEY_ID: usize = 24;
/// Longest pre-shared key of a DTLS client taken, in bytes.
#[cfg(feature = "dtls")]
pub const MAX_PSK: usize = 32;

/// Names a token in events and lists: counts up from 1 in the order of acceptance, and is not used
/// again before 2^32 more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenId(pub u32);

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// The token hash of RFC 9770, 4, for sha-256, without the byte in front that names the function.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash(pub [u8; 32]);

impl TokenHash {
    /// Hashes a token as it stands in `access_token` of a CBOR response.
    ///
    /// `scratch` holds its base64url form for the time of the call: 4 bytes per 3. `None` if that
    /// does not fit.
    #[must_use]
    #[inline(never)]
    pub fn of(token: &[u8], scratch: &mut [u8]) -> Option<Self> {
        // RFC 9770, 4.3.1: the hash is over the base64url text, without padding.
        const ALPHABET: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut length = 0usize;
        for group in token.chunks(3) {
            let bits = (0..3).fold(0u32, |bits, at| {
                bits << 8 | group.get(at).copied().map_or(0, u32::from)
            });
            for digit in 0..=group.len() {
                let index = bits >> (18 - 6 * digit) & 63;
                *scratch.get_mut(length)? = *ALPHABET.get(index as usize)?;
                length += 1;
            }
        }
        Some(Self(sha256(&[scratch.get(..length)?])))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Which token [`revoke`](crate::ResourceServer::revoke) ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revoke<'a> {
    /// The one with this hash.
    Hash(TokenHash),
    /// All with this `cti`.
    Cti(&'a [u8]),
}

/// What the device keeps of a token. `SCOPE` is the room for its scope, `sub` and `cti`.
#[derive(Debug)]
pub(crate) struct Grant<const SCOPE: usize> {
    pub(crate) id: TokenId,
    pub(crate) hash: TokenHash,
    pub(crate) term: Term,
    /// `iat`, seconds since the epoch.
    #[cfg(feature = "dtls")]
    pub(crate) issued: Sparse,
    pub(crate) claims: Kept<SCOPE>,
}

impl<const SCOPE: usize> Grant<SCOPE> {
    pub(crate) fn is_meant(&self, which: Revoke<'_>) -> bool {
        match which {
            Revoke::Hash(hash) => self.hash == hash,
            Revoke::Cti(cti) => self.claims.cti() == Some(cti),
        }
    }
}

/// A proof-of-possession key without the key: compares, reveals nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyDigest([u8; 16]);

impl KeyDigest {
    /// Of the kind of key and its bytes.
    pub(crate) fn of(key: &[&[u8]], secret: &[u8]) -> Self {
        let mut digest = [0; 16];
        let whole = hmac_sha256(secret, key);
        digest
            .iter_mut()
            .zip(whole)
            .for_each(|(to, from)| *to = from);
        Self(digest)
    }

    #[cfg(feature = "persist")]
    pub(crate) const fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    #[cfg(feature = "persist")]
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

/// Whether the presenter of a token has proven possession of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Not yet; posted at this time.
    Awaited(Instant),
    /// By a request that verified under the context, or by a handshake.
    Given,
}

/// How messages under a token are protected.
#[derive(Debug)]
pub(crate) enum Security {
    #[cfg(feature = "oscore")]
    Oscore(SecurityContext),
    /// In DTLS sessions, with this key.
    #[cfg(feature = "dtls")]
    Psk(Secret<MAX_PSK>),
    /// In DTLS sessions, with the public key whose digest is the entry's.
    #[cfg(all(feature = "dtls", feature = "_ecc"))]
    RawPublicKey,
}

/// A token and its key.
#[derive(Debug)]
pub(crate) struct Entry<P, const SCOPE: usize> {
    pub(crate) grant: Grant<SCOPE>,
    pub(crate) security: Security,
    /// Which of the authorization servers gave the key its name, as a place among the token keys.
    pub(crate) issuer: u8,
    pub(crate) key: KeyDigest,
    pub(crate) proof: Proof,
    /// Where the token was posted from, then where the last request that verified came from.
    /// Unknown after a reset.
    pub(crate) peer: Option<P>,
    /// Updates of rights, which cost a verification each.
    pub(crate) updates: Paid,
}

impl<P, const SCOPE: usize> Entry<P, SCOPE> {
    pub(crate) fn is_confirmed(&self) -> bool {
        self.proof == Proof::Given
    }

    /// Whether both tokens are of one client: the same key or, if that is asked for, the same `sub`, which
    /// means what its authorization server says.
    pub(crate) fn same_client(
        &self,
        issuer: u8,
        key: KeyDigest,
        subject: Option<&str>,
        by_subject: bool,
    ) -> bool {
        let same_subject =
            || subject.is_some() && self.issuer == issuer && self.grant.claims.subject() == subject;
        self.key == key || by_subject && same_subject()
    }

    pub(crate) fn view(&self) -> TokenView<'_, P>
    where
        P: Copy,
    {
        TokenView {
            id: self.grant.id,
            hash: self.grant.hash,
            cti: self.grant.claims.cti(),
            subject: self.grant.claims.subject(),
            ends: self.grant.term.end,
            exp: self.grant.term.exp.get(),
            confirmed: self.is_confirmed(),
            peer: self.peer,
            key: self.key(),
        }
    }

    /// What requests under this token are known by.
    pub(crate) fn key(&self) -> Key<'_> {
        match &self.security {
            #[cfg(feature = "oscore")]
            Security::Oscore(context) => Key::Oscore {
                recipient_id: context.recipient_id(),
            },
            #[cfg(feature = "dtls")]
            Security::Psk(_) => Key::Psk {
                kid: self.grant.claims.key_id(),
            },
            #[cfg(all(feature = "dtls", feature = "_ecc"))]
            Security::RawPublicKey => Key::RawPublicKey {
                kid: self.grant.claims.key_id(),
            },
        }
    }

    #[cfg(feature = "oscore")]
    pub(crate) fn context(&self) -> Option<&SecurityContext> {
        match &self.security {
            Security::Oscore(context) => Some(context),
            #[cfg(feature = "dtls")]
            _ => None,
        }
    }

    #[cfg(feature = "oscore")]
    pub(crate) fn context_mut(&mut self) -> Option<&mut SecurityContext> {
        match &mut self.security {
            Security::Oscore(context) => Some(context),
            #[cfg(feature = "dtls")]
            _ => None,
        }
    }

    /// Whether its key is one of DTLS sessions.
    #[cfg(feature = "dtls")]
    pub(crate) fn is_dtls(&self) -> bool {
        !matches!(self.key(), Key::Oscore { .. })
    }
}

/// The profile of a token, and the name of its key there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Key<'a> {
    /// coap_oscore (RFC 9203).
    Oscore {
        /// OSCORE Recipient ID of its context: the `kid` of the client's requests.
        recipient_id: &'a [u8],
    },
    /// coap_dtls with a pre-shared key (RFC 9202, 3.3).
    Psk {
        /// `kid` of the key.
        kid: &'a [u8],
    },
    /// coap_dtls with a raw public key (RFC 9202, 3.2).
    RawPublicKey {
        /// `kid` of the client's key; that of [`ace_crypto::key_id`] if the token gave none.
        kid: &'a [u8],
    },
}

/// A token as it is listed by [`tokens`](crate::ResourceServer::tokens).
#[derive(Debug, Clone, Copy)]
pub struct TokenView<'a, P> {
    /// Its name in events.
    pub id: TokenId,
    /// Its hash (RFC 9770, 4).
    pub hash: TokenHash,
    /// `cti`.
    pub cti: Option<&'a [u8]>,
    /// `sub`.
    pub subject: Option<&'a str>,
    /// When it ends at the latest.
    pub ends: Instant,
    /// `exp`, seconds since the epoch, or what stands in for it.
    pub exp: Option<u64>,
    /// Whether its presenter has proven possession of the key.
    pub confirmed: bool,
    /// Where its last request that verified came from; before the first, where it was posted from. `None` from a reset to
    /// the first one after it.
    pub peer: Option<P>,
    /// Its profile, and the name of its key.
    pub key: Key<'a>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9770_4_3_1_hash_is_over_base64url_without_padding() {
        for (token, text) in [
            (&b""[..], &b""[..]),
            (b"f", b"Zg"),
            (b"fo", b"Zm8"),
            (b"foo", b"Zm9v"),
            (b"foob", b"Zm9vYg"),
            (&[0xfb, 0xff, 0xfe], b"-__-"),
        ] {
            let hash = TokenHash::of(token, &mut [0; 8]).unwrap();
            assert_eq!(hash, TokenHash(sha256(&[text])), "{token:?}");
        }
        assert_eq!(TokenHash::of(b"foob", &mut [0; 5]), None);
    }
}
