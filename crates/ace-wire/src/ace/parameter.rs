//! Map keys of ACE payloads (IANA "OAuth Parameters CBOR Mappings": RFC 9200, Table 5; RFC 9201,
//! Table 1; RFC 9203, 9.2), of AS Request Creation Hints (RFC 9200, Table 1), of `cnf` (RFC 8747,
//! Table 1; RFC 9203, 9.5) and of OSCORE_Input_Material (RFC 9203, Table 1).

/// `access_token`: byte string.
pub const ACCESS_TOKEN: i64 = 1;
/// `expires_in`: unsigned integer, seconds.
pub const EXPIRES_IN: i64 = 2;
/// `req_cnf`: map (RFC 9201).
pub const REQ_CNF: i64 = 4;
/// `audience`: text string.
pub const AUDIENCE: i64 = 5;
/// `cnf`: map (RFC 9201).
pub const CNF: i64 = 8;
/// `scope`: text or byte string.
pub const SCOPE: i64 = 9;
/// `client_id`: text string.
pub const CLIENT_ID: i64 = 24;
/// `client_secret`: byte string.
pub const CLIENT_SECRET: i64 = 25;
/// `response_type`: text string.
pub const RESPONSE_TYPE: i64 = 26;
/// `redirect_uri`: text string.
pub const REDIRECT_URI: i64 = 27;
/// `state`: text string.
pub const STATE: i64 = 28;
/// `code`: byte string.
pub const CODE: i64 = 29;
/// `error`: integer.
pub const ERROR: i64 = 30;
/// `error_description`: text string.
pub const ERROR_DESCRIPTION: i64 = 31;
/// `error_uri`: text string.
pub const ERROR_URI: i64 = 32;
/// `grant_type`: unsigned integer.
pub const GRANT_TYPE: i64 = 33;
/// `token_type`: integer.
pub const TOKEN_TYPE: i64 = 34;
/// `username`: text string.
pub const USERNAME: i64 = 35;
/// `password`: text string.
pub const PASSWORD: i64 = 36;
/// `refresh_token`: byte string.
pub const REFRESH_TOKEN: i64 = 37;
/// `ace_profile`: integer, or null in a request.
pub const ACE_PROFILE: i64 = 38;
/// `cnonce`: byte string.
pub const CNONCE: i64 = 39;
/// `nonce1`: byte string (RFC 9203).
pub const NONCE1: i64 = 40;
/// `rs_cnf`: map (RFC 9201).
pub const RS_CNF: i64 = 41;
/// `nonce2`: byte string (RFC 9203).
pub const NONCE2: i64 = 42;
/// `ace_client_recipientid`: byte string (RFC 9203).
pub const ACE_CLIENT_RECIPIENTID: i64 = 43;
/// `ace_server_recipientid`: byte string (RFC 9203).
pub const ACE_SERVER_RECIPIENTID: i64 = 44;

/// `token_type` PoP (RFC 9200, 8.7), the default.
pub const TOKEN_TYPE_POP: i64 = 2;
/// `token_type` Bearer (RFC 9200, 8.7).
pub const TOKEN_TYPE_BEARER: i64 = 1;

/// Keys of AS Request Creation Hints that are not numbered as in [`super::parameter`].
pub mod hint {
    /// `AS`: text string, the absolute URI of the authorization server.
    pub const AS: i64 = 1;
    /// `kid`: byte string.
    pub const KID: i64 = 2;
}

/// Keys of introspection requests and responses (RFC 9200, Table 6) that are numbered neither as in [`super::parameter`]
/// nor as the claims of a token.
pub mod introspection {
    /// `active`: boolean.
    pub const ACTIVE: i64 = 10;
    /// `token`: byte string.
    pub const TOKEN: i64 = 11;
    /// `token_type_hint`: text string, or the number of a token type.
    pub const TOKEN_TYPE_HINT: i64 = 33;
}

/// Keys of token revocation lists (RFC 9770, Table 1) and of the errors of their endpoint.
pub mod trl {
    /// `full_set`: array of token hashes.
    pub const FULL_SET: i64 = 0;
    /// `diff_set`: array of pairs of arrays of token hashes.
    pub const DIFF_SET: i64 = 1;
    /// `cursor`: unsigned integer or null.
    pub const CURSOR: i64 = 2;
    /// `more`: boolean.
    pub const MORE: i64 = 3;
    /// `title` of problem details: text string (RFC 9290, 2).
    pub const TITLE: i64 = -1;
    /// `detail` of problem details: text string (RFC 9290, 2).
    pub const DETAIL: i64 = -2;
    /// `ace-trl-error`: map (RFC 9770, 6.1).
    pub const ACE_TRL_ERROR: i64 = 1;
    /// `error-id` in it: integer.
    pub const ERROR_ID: i64 = 0;
    /// `cursor` in it: unsigned integer or null.
    pub const ERROR_CURSOR: i64 = 1;
}

/// Members of `cnf`, `req_cnf` and `rs_cnf`.
pub mod cnf {
    /// `COSE_Key`: map.
    pub const COSE_KEY: i64 = 1;
    /// `Encrypted_COSE_Key`: COSE_Encrypt or COSE_Encrypt0.
    pub const ENCRYPTED_COSE_KEY: i64 = 2;
    /// `kid`: byte string.
    pub const KID: i64 = 3;
    /// `osc`: OSCORE_Input_Material.
    pub const OSC: i64 = 4;
}

/// Members of OSCORE_Input_Material.
pub mod osc {
    /// `id`: byte string.
    pub const ID: i64 = 0;
    /// `version`: unsigned integer.
    pub const VERSION: i64 = 1;
    /// `ms`: byte string, the Master Secret.
    pub const MS: i64 = 2;
    /// `hkdf`: text string or integer.
    pub const HKDF: i64 = 3;
    /// `alg`: text string or integer.
    pub const ALG: i64 = 4;
    /// `salt`: byte string.
    pub const SALT: i64 = 5;
    /// `contextId`: byte string.
    pub const CONTEXT_ID: i64 = 6;
}
