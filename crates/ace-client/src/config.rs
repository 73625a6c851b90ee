use core::time::Duration;

use ace_coap::Transmission;
#[cfg(feature = "_rpk")]
use ace_crypto::{SigningKey, VerifyingKey};
#[cfg(feature = "oscore")]
use ace_oscore::Parameters;

use crate::Watch;

/// What to do when the resource server denies a request under protection (RFC 9200, 5.10.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnDenied {
    /// Ask the authorization server once for the missing right, for the key in use (RFC 9203, 3.1).
    #[default]
    Update,
    /// Report it.
    Report,
}

/// How the client and its authorization server know each other.
#[derive(Debug, Clone, Copy)]
pub enum AsSecurity<'c> {
    /// By an OSCORE context, from this side: the sender is the client. No other client may have the same:
    /// with separate storages, two would use one nonce twice.
    #[cfg(feature = "oscore")]
    Oscore(Parameters<'c>),
    /// By the keys of a DTLS handshake (RFC 9202, 6).
    #[cfg(feature = "dtls")]
    Dtls(DtlsCredential<'c>),
}

#[allow(
    irrefutable_let_patterns,
    reason = "with one profile there is one variant"
)]
impl<'c> AsSecurity<'c> {
    #[cfg(feature = "oscore")]
    pub(crate) const fn oscore(&self) -> Option<&Parameters<'c>> {
        if let Self::Oscore(parameters) = self {
            return Some(parameters);
        }
        None
    }

    #[cfg(feature = "dtls")]
    pub(crate) const fn dtls(&self) -> Option<&DtlsCredential<'c>> {
        if let Self::Dtls(credential) = self {
            return Some(credential);
        }
        None
    }
}

/// Keys of a DTLS handshake with the authorization server.
#[cfg(feature = "dtls")]
#[derive(Clone, Copy)]
pub enum DtlsCredential<'c> {
    /// A pre-shared key.
    Psk {
        /// Sent in the clear; 1 to 512 bytes of any value.
        identity: &'c [u8],
        /// 1 to 64 bytes.
        key: &'c [u8],
    },
    /// Raw public keys (RFC 7250).
    #[cfg(feature = "_rpk")]
    Rpk {
        /// The client's own key.
        key: &'c SigningKey,
        /// The key of the authorization server; no other is accepted.
        peer: &'c VerifyingKey,
    },
}

#[cfg(feature = "dtls")]
impl core::fmt::Debug for DtlsCredential<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Psk { identity, .. } => f
                .debug_struct("Psk")
                .field("identity", identity)
                .finish_non_exhaustive(),
            #[cfg(feature = "_rpk")]
            Self::Rpk { .. } => f.debug_struct("Rpk").finish_non_exhaustive(),
        }
    }
}

/// What a [`Client`](crate::Client) is told once.
#[derive(Debug, Clone, Copy)]
pub struct Config<'c, P> {
    /// Where the authorization server is reached.
    pub as_peer: P,
    /// URI of its token endpoint, `coap://as.example.com/token` (with DTLS `coaps:`): the one
    /// authorization server that hints may name.
    pub as_uri: &'c str,
    /// How it is spoken to.
    pub as_security: AsSecurity<'c>,
    /// The client's own key towards resource servers: with one, raw public keys are offered to the
    /// authorization server for its tokens (RFC 9202, 3.2.1). Default none.
    #[cfg(feature = "_rpk")]
    pub own_key: Option<&'c SigningKey>,
    /// Where the resource server at this CoAP address speaks DTLS. Default: at the same address.
    #[cfg(feature = "dtls")]
    pub coaps: fn(P) -> P,
    /// Whether a token with a pre-shared key goes to the resource server inside the handshake, if it
    /// is not longer than 512 bytes, and is not uploaded before (RFC 9202, 3.3.2). Default no: what the
    /// resource server finds wrong with a token, it can say of an upload alone.
    #[cfg(feature = "dtls")]
    pub token_in_handshake: bool,
    /// Path of the authorization information endpoint of resource servers. Default `/authz-info`.
    pub authz_info: &'c str,
    /// What to do when a right is missing. Default [`OnDenied::Update`].
    pub on_denied: OnDenied,
    /// Messages per step, 1 or more: a step that got no usable answer is tried again with a new
    /// message. Default 4. A request that is not idempotent is sent once.
    pub attempts: u8,
    /// A token with no more than this left is renewed, in the background of the next request to its
    /// resource server or for an observation. Default 60 s; zero never renews.
    pub renew_before: Duration,
    /// Lifetime of tokens that come without `expires_in` (RFC 9200, 5.10.4). Default `None`: such
    /// tokens are not used.
    pub default_lifetime: Option<Duration>,
    /// Longest payload in one message, in bytes; bodies beyond it go block-wise in blocks of the
    /// largest power of two that fits (16 to 1024). Default 1024. Leave about 100 bytes of `MTU` to
    /// headers and OSCORE.
    pub block_size: usize,
    /// How many unprotected 4.01 to protected requests end an OSCORE context (RFC 9203, 6).
    /// Default 4. The token stays and derives the next one.
    pub unauthorized_limit: u8,
    /// Sender sequence numbers of the context with the authorization server reserved in one write
    /// to the storage (RFC 8613, B.1.1). Default 64.
    pub reservation: u64,
    /// Name of the first record in the storage. Default 0. The sequence numbers of the context with
    /// the authorization server are kept there, the tokens in the `TOKENS` records after it.
    pub storage_key: u32,
    /// Timing of messages (RFC 7252, 4.8).
    pub transmission: Transmission,
    /// Who looks on. Default nobody.
    pub watch: Watch<'c>,
}

impl<'c, P> Config<'c, P> {
    /// The defaults, for an authorization server.
    pub fn new(as_peer: P, as_uri: &'c str, as_security: AsSecurity<'c>) -> Self {
        Self {
            as_peer,
            as_uri,
            as_security,
            #[cfg(feature = "_rpk")]
            own_key: None,
            #[cfg(feature = "dtls")]
            coaps: |peer| peer,
            #[cfg(feature = "dtls")]
            token_in_handshake: false,
            authz_info: "/authz-info",
            on_denied: OnDenied::default(),
            attempts: 4,
            renew_before: Duration::from_secs(60),
            default_lifetime: None,
            block_size: 1024,
            unauthorized_limit: 4,
            reservation: 64,
            storage_key: 0,
            transmission: Transmission::default(),
            watch: Watch::default(),
        }
    }
}
