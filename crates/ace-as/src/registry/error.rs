use crate::StoreError;

/// Why the registry did not do what was asked. Every message says what to do next.
#[non_exhaustive]
#[derive(Debug, Clone, thiserror::Error)]
pub enum RegistryError {
    /// No client of this name.
    #[error(
        "there is no client `{name}`; add it with `ace client add {name}`, or see `ace client list`"
    )]
    UnknownClient {
        /// The name asked for.
        name: String,
    },
    /// No resource server of this name.
    #[error(
        "there is no resource server `{name}`; add it with `ace rs add {name}`, or see `ace rs list`"
    )]
    UnknownRs {
        /// The name asked for.
        name: String,
    },
    /// The name is taken by a client.
    #[error(
        "there is a client `{name}` already; choose another name, or remove it with `ace client remove {name}`"
    )]
    DuplicateClient {
        /// The name.
        name: String,
    },
    /// The name is taken by a resource server.
    #[error(
        "there is a resource server `{name}` already; choose another name, or remove it with `ace rs remove {name}`"
    )]
    DuplicateRs {
        /// The name.
        name: String,
    },
    /// The audience is taken.
    #[error(
        "the audience `{audience}` belongs to the resource server `{name}`; choose another with --audience"
    )]
    DuplicateAudience {
        /// The audience.
        audience: String,
        /// Who has it.
        name: String,
    },
    /// Not a name.
    #[error(
        "`{name}` cannot be a name; use 1 to {max} letters, digits, `.`, `_` or `-`, starting with a letter, digit or `_`"
    )]
    Name {
        /// What was given.
        name: String,
        /// Longest name.
        max: usize,
    },
    /// Not an audience.
    #[error(
        "`{audience}` cannot be an audience; use 1 to {max} bytes of text without spaces or control characters"
    )]
    Audience {
        /// What was given.
        audience: String,
        /// Longest audience.
        max: usize,
    },
    /// A method that CoAP does not have.
    #[error(
        "unknown method in `{methods}`; use GET, POST, PUT, DELETE, FETCH, PATCH or iPATCH, with commas between, as in 'GET,PUT /led'"
    )]
    Method {
        /// What stood before the path.
        methods: String,
    },
    /// A path that is none.
    #[error("`{path}` is not a path; write it as in a URI, starting with `/`, as in 'GET /temp'")]
    Path {
        /// What stood behind the methods.
        path: String,
    },
    /// A scope token with characters that RFC 6749, 3.3, does not allow.
    #[error(
        "`{token}` cannot be a scope; use printable ASCII without spaces, quotes and backslashes, or methods and path as in 'GET /temp'"
    )]
    ScopeToken {
        /// What was given.
        token: String,
    },
    /// One token's scope is either text or AIF.
    #[error(
        "`{client}` has {kind} at `{rs}` and a token carries one kind; take those back first with `ace grant {client} {rs} SCOPE --remove`"
    )]
    MixedScopes {
        /// The client.
        client: String,
        /// The resource server.
        rs: String,
        /// Which kind is there.
        kind: &'static str,
    },
    /// Nothing to take back.
    #[error("`{client}` has no grant for `{scope}` at `{rs}`; see `ace grant {client} {rs}`")]
    NotGranted {
        /// The client.
        client: String,
        /// The resource server.
        rs: String,
        /// What was to be taken back.
        scope: String,
    },
    /// An algorithm that cannot protect tokens.
    #[error(
        "algorithm {alg} cannot protect tokens; use 10, 30 or 31 (AES-CCM), 1, 2 or 3 (AES-GCM), or sign with -7 (ES256) or -8 (EdDSA)"
    )]
    TokenAlgorithm {
        /// The COSE number.
        alg: i64,
    },
    /// Anyone may read a signed token.
    #[error(
        "tokens for {profile} hold a secret, and algorithm {alg} only signs them; choose an algorithm that encrypts, leave the profile out, or, with coap_dtls-psk, let the device derive its keys"
    )]
    SecretInSignedToken {
        /// The COSE number.
        alg: i64,
        /// The profile's name.
        profile: &'static str,
    },
    /// Nothing that its clients could speak.
    #[error(
        "a resource server speaks one profile at least; use coap_oscore, coap_dtls-psk, coap_dtls-rpk, or coap_dtls for both of these"
    )]
    NoProfile,
    /// Keys are derived in one profile alone.
    #[error("only coap_dtls-psk derives keys; add this profile, or leave the derivation out")]
    NothingToDerive,
    /// A public key for a device that will not show it.
    #[error("a public key is for coap_dtls-rpk; add this profile, or leave the key out")]
    UnusedKey,
    /// The key is another device's.
    #[error(
        "this public key is registered already; a key belongs to one device, so make another one"
    )]
    DuplicateKey,
    /// Whoever speaks `coap_dtls` reaches the authorization server over DTLS.
    #[error(
        "the site does not serve DTLS, which this device needs; set `listen_coaps` and `uri_coaps` in ace.toml"
    )]
    NoCoaps,
    /// The system gave no random bytes.
    #[error("the system gave no random bytes; try again")]
    Randomness,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
