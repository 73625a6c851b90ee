use core::time::Duration;

use ace_coap::Transmission;
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

/// What a [`Client`](crate::Client) is told once.
#[derive(Debug, Clone, Copy)]
pub struct Config<'c, P> {
    /// Where the authorization server is reached.
    pub as_peer: P,
    /// URI of its token endpoint, `coap://as.example.com/token`: the one authorization server that
    /// hints may name.
    pub as_uri: &'c str,
    /// The OSCORE context shared with it, from this side: the sender is the client.
    pub as_context: Parameters<'c>,
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
    pub fn new(as_peer: P, as_uri: &'c str, as_context: Parameters<'c>) -> Self {
        Self {
            as_peer,
            as_uri,
            as_context,
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
