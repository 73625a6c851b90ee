use core::fmt;
use core::time::Duration;

use ace_token::TrustedKey;
use ace_wire::ace::Scope;
use ace_wire::aif::MethodSet;

/// Most entries of [`Config::scopes`].
pub const MAX_SCOPES: usize = 64;

/// What a [`ResourceServer`](crate::ResourceServer) is told once; borrowed for its whole life.
///
/// ```
/// use ace_rs::{Config, MethodSet, ScopeName, TokenKey, TrustedKey};
///
/// let keys = [TrustedKey {
///     kid: Some(b"as1"),
///     issuer: "coap://as.example.com",
///     key: TokenKey::Aead(ace_crypto::Aead::AesCcm16_64_128, &[7; 16]),
/// }];
/// let scopes = [ScopeName { name: "read", path: "/temp", methods: MethodSet::GET }];
/// let mut config = Config::new(&["thermo"], "coap://as.example.com/token", &keys);
/// config.scopes = &scopes;
/// # assert_eq!(config.scopes.len(), 1);
/// ```
#[derive(Clone, Copy)]
pub struct Config<'c> {
    /// The audiences this server identifies with; the first one goes into hints.
    pub audiences: &'c [&'c str],
    /// Absolute URI of the token endpoint, for hints (RFC 9200, 5.3); empty leaves it out.
    pub as_uri: &'c str,
    /// The keys tokens are protected with, and the `iss` of the authorization server of each.
    pub token_keys: &'c [TrustedKey<'c>],
    /// What the words of a text scope mean. Several entries may share a name: their rights add up.
    /// At most [`MAX_SCOPES`]. Binary scopes are AIF (RFC 9237) and need no entry.
    pub scopes: &'c [ScopeName<'c>],
    /// What vouches for a token's freshness while the wall clock is unknown. Default
    /// [`Freshness::Clock`].
    pub freshness: Freshness,
    /// The identifier of this server in front of the number in the `cti` of tokens with `exi`
    /// (RFC 9200, 5.10.3). Default: the first audience.
    pub identifier: &'c [u8],
    /// The scope that hints suggest. Default [`ScopeHint::Asked`].
    pub scope_hint: ScopeHint<'c>,
    /// Shared with the authorization server, to derive the key of a DTLS client from a token that only names it
    /// (RFC 9202, 3.3.1); the same for all of [`token_keys`](Self::token_keys). `None`: such tokens are refused.
    #[cfg(feature = "dtls")]
    pub key_derivation_key: Option<&'c [u8]>,
    /// This server's own key, which clients with raw public keys know from the authorization server (RFC 9202, 3.2).
    /// `None`: no raw public keys.
    #[cfg(all(feature = "dtls", feature = "_ecc"))]
    pub own_key: Option<&'c ace_crypto::SigningKey>,
    /// Suites, timing and Connection IDs of DTLS. Its `mtu` is bounded by the server's.
    #[cfg(feature = "dtls")]
    pub dtls: ace_dtls::Config,
    /// Name of the first of `TOKENS` + `UNCONFIRMED` records (at most 64) in the storage in which confirmed tokens and their
    /// keys survive a reset. Default `None`: none does, clients are told, and post theirs again.
    ///
    /// It takes a clock that can be trusted: tokens come back with the first call that knows the time. Tokens with `exi`
    /// are never kept (RFC 9200, 5.10.3). A token is written when its key is proven and with each update, at most 16 times
    /// in a row and then once in 30 s (beyond that it lasts until the reset, and
    /// [`TokenNotKept`](crate::EventKind::TokenNotKept) says so), and each time 64 sequence numbers are used up. A change of the keys, audiences or
    /// scopes of this configuration gives up what was kept.
    #[cfg(feature = "persist")]
    pub persist: Option<u32>,
    /// Rates and lifetimes.
    pub limits: Limits,
    /// Timing of messages (RFC 7252, 4.8).
    pub transmission: ace_coap::Transmission,
}

impl<'c> Config<'c> {
    /// The defaults, for one authorization server.
    #[must_use]
    pub fn new(
        audiences: &'c [&'c str],
        as_uri: &'c str,
        token_keys: &'c [TrustedKey<'c>],
    ) -> Self {
        Self {
            audiences,
            as_uri,
            token_keys,
            scopes: &[],
            freshness: Freshness::Clock,
            identifier: audiences
                .first()
                .map_or(&[], |audience| audience.as_bytes()),
            scope_hint: ScopeHint::Asked,
            #[cfg(feature = "dtls")]
            key_derivation_key: None,
            #[cfg(all(feature = "dtls", feature = "_ecc"))]
            own_key: None,
            #[cfg(feature = "dtls")]
            dtls: ace_dtls::Config::DEFAULT,
            #[cfg(feature = "persist")]
            persist: None,
            limits: Limits::default(),
            transmission: ace_coap::Transmission::default(),
        }
    }
}

impl fmt::Debug for Config<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("audiences", &self.audiences)
            .field("as_uri", &self.as_uri)
            .finish_non_exhaustive()
    }
}

/// What one word of a text scope allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScopeName<'c> {
    /// The word, as in `"read_temp write_led"`.
    pub name: &'c str,
    /// The path of the resource, `/a/b`; whatever the query.
    pub path: &'c str,
    /// The methods.
    pub methods: MethodSet,
}

/// What vouches for freshness while the wall clock is unknown (RFC 9200, 5.10.3). With a clock,
/// `exp` and `nbf` are checked in every mode; `exi` counts in every mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Freshness {
    /// Nothing: without a clock, only tokens with `exi` are taken.
    #[default]
    Clock,
    /// A `cnonce` that hints handed out no longer ago than this (RFC 9200, 5.3.1). The token lives
    /// for `exi` seconds, or for `exp` - `iat` since the nonce was made.
    Cnonce(Duration),
}

/// The scope that hints suggest (RFC 9200, 5.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ScopeHint<'c> {
    /// AIF with the path and method of the request.
    #[default]
    Asked,
    /// Always this.
    Fixed(Scope<'c>),
    /// No scope.
    None,
}

/// Rates and lifetimes. All have a working default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long a posted token waits for the first request under its context. Default 2 min.
    pub unconfirmed_lifetime: Duration,
    /// How long a posted token is safe from being pushed out by others. Default 4 s: an exchange or
    /// two. From it follows how often each source may post under pressure; see
    /// [the crate's documentation](crate#floods).
    pub grace: Duration,
    /// Tokens verified in a row without a pause; then one per `upload_interval`. Default 8.
    pub upload_burst: u16,
    /// Default 1 s.
    pub upload_interval: Duration,
    /// Hints sent in a row without a pause; then one per `hints_interval`; above that a bare 4.01.
    /// Default 16.
    pub hints_burst: u16,
    /// Default 125 ms.
    pub hints_interval: Duration,
    /// How old an Echo value may be (RFC 9175, 2.3). Default 1 min.
    pub echo_lifetime: Duration,
    /// The lifetime of tokens that say when they were issued (`iat`) but not when they end. Default
    /// `None`: such tokens are refused.
    pub default_lifetime: Option<Duration>,
    /// A token supersedes the token of another key if both name the same `sub`, so that one client
    /// holds one slot (RFC 9200, 5.10.1). Default true.
    pub one_token_per_subject: bool,
    /// Longest payload in one message, in bytes; longer answers go in blocks of the largest power
    /// of two that fits (16 to 1024). Default 1024.
    pub block_size: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            unconfirmed_lifetime: Duration::from_secs(120),
            grace: Duration::from_secs(4),
            upload_burst: 8,
            upload_interval: Duration::from_secs(1),
            hints_burst: 16,
            hints_interval: Duration::from_millis(125),
            echo_lifetime: Duration::from_secs(60),
            default_lifetime: None,
            one_token_per_subject: true,
            block_size: 1024,
        }
    }
}
