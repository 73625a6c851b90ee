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
        "algorithm {alg} cannot protect tokens; use 10, 30 or 31 (AES-CCM), or 1, 2 or 3 (AES-GCM)"
    )]
    TokenAlgorithm {
        /// The COSE number.
        alg: i64,
    },
    /// The system gave no random bytes.
    #[error("the system gave no random bytes; try again")]
    Randomness,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
