//! Tags of the fields in the file `provision`; `provision.py` beside this crate writes them from a bundle.

/// Where the authorization server is reached.
pub const AS_ADDRESS: u8 = 1;
/// URI of its token endpoint.
pub const AS_URI: u8 = 2;
/// Where the resource server is reached.
pub const RS_ADDRESS: u8 = 3;

/// Of the OSCORE context with the authorization server.
pub const MASTER_SECRET: u8 = 16;
pub const MASTER_SALT: u8 = 17;
pub const SENDER_ID: u8 = 18;
pub const RECIPIENT_ID: u8 = 19;
pub const ID_CONTEXT: u8 = 20;
pub const AEAD: u8 = 21;
pub const HKDF: u8 = 22;

/// Of the DTLS session with the authorization server.
pub const PSK_IDENTITY: u8 = 32;
pub const PSK: u8 = 33;
/// The device's own key, and the authorization server's as SubjectPublicKeyInfo.
pub const PRIVATE_KEY: u8 = 34;
pub const AS_PUBLIC_KEY: u8 = 35;

/// Of a resource server.
pub const AUDIENCE: u8 = 48;
pub const ISSUER: u8 = 49;
/// Of the key that opens tokens.
pub const KID: u8 = 50;
pub const ALG: u8 = 51;
pub const KEY: u8 = 52;
/// Keys of tokens are derived with it (RFC 9202, 3.3.1).
pub const DERIVATION_KEY: u8 = 53;
/// The resource server's own key towards clients.
pub const RS_PRIVATE_KEY: u8 = 54;
