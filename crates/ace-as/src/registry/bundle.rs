//! Bundles: what a device must be given, as JSON that other programs can read. Byte strings are
//! hexadecimal; OSCORE ids are from the device's side.

mod fields;

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use zeroize::Zeroizing;

use super::RsProfile;

/// What a client needs to get tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientBundle {
    /// The client's name.
    pub name: String,
    /// How to reach the authorization server.
    #[serde(rename = "as")]
    pub authorization_server: AsAccess,
}

/// What a resource server needs to open tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RsBundle {
    /// The resource server's name.
    pub name: String,
    /// The `aud` of tokens for it.
    pub audience: String,
    /// The `iss` of tokens for it.
    pub issuer: String,
    /// What it speaks with clients; `coap_oscore` if absent.
    #[serde(default = "oscore_alone", skip_serializing_if = "is_oscore_alone")]
    pub profiles: Vec<RsProfile>,
    /// How to reach the authorization server. With raw public keys, the key pair is the one towards clients too.
    #[serde(rename = "as")]
    pub authorization_server: AsAccess,
    /// Keys that open tokens.
    pub token_keys: Vec<TokenKeyBundle>,
    /// What the keys of clients are derived from, if tokens do not carry them (RFC 9202, 3.3.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_derivation_key: Option<SecretHex>,
}

fn is_oscore_alone(profiles: &Vec<RsProfile>) -> bool {
    *profiles == [RsProfile::CoapOscore]
}

fn oscore_alone() -> Vec<RsProfile> {
    vec![RsProfile::CoapOscore]
}

/// The authorization server as a device sees it: over OSCORE, DTLS, or both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "fields::Access")]
pub struct AsAccess {
    /// URI of the token endpoint; `coaps` if there is DTLS alone.
    pub uri: String,
    /// Its URI over DTLS, if `uri` is the one for OSCORE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coaps_uri: Option<String>,
    /// The pre-established security context (RFC 9203, 5).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oscore: Option<OscoreBundle>,
    /// The credentials for DTLS (RFC 9202, 6).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dtls: Option<DtlsBundle>,
}

/// What a device shows, and whom it believes, in DTLS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "fields::Dtls", untagged)]
pub enum DtlsBundle {
    /// A pre-shared key.
    Psk {
        /// Printable ASCII.
        psk_identity: Hex,
        /// The key.
        psk: SecretHex,
    },
    /// Raw public keys.
    Rpk {
        /// Scalar (P-256) or seed (Ed25519), 32 bytes; absent if the device made its key itself.
        #[serde(skip_serializing_if = "Option::is_none")]
        private_key: Option<SecretHex>,
        /// The device's key: DER of its SubjectPublicKeyInfo.
        public_key: Hex,
        /// The authorization server's, likewise.
        peer_public_key: Hex,
    },
}

/// Input of an OSCORE security context (RFC 8613, 3.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OscoreBundle {
    /// Master Secret.
    pub master_secret: SecretHex,
    /// Master Salt.
    pub master_salt: SecretHex,
    /// The device's Sender ID.
    pub sender_id: Hex,
    /// The device's Recipient ID.
    pub recipient_id: Hex,
    /// ID Context; null if there is none.
    pub id_context: Option<Hex>,
    /// AEAD algorithm, COSE number.
    pub alg: i64,
    /// HKDF algorithm, COSE number.
    pub hkdf: i64,
}

/// A key that opens tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "fields::TokenKey", into = "fields::TokenKey")]
pub struct TokenKeyBundle {
    /// Key identifier, in the token's COSE headers.
    pub kid: Hex,
    /// Algorithm, COSE number.
    pub alg: i64,
    /// The key.
    pub key: TokenKeyMaterial,
}

/// The key itself: `k` or `public_key` in JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenKeyMaterial {
    /// Shared with the authorization server, which encrypts tokens with it.
    Secret(SecretHex),
    /// With which the authorization server signs: DER of its SubjectPublicKeyInfo.
    Public(Hex),
}

impl TokenKeyBundle {
    /// The shared key, if it is one.
    #[must_use]
    pub const fn secret(&self) -> Option<&SecretHex> {
        match &self.key {
            TokenKeyMaterial::Secret(k) => Some(k),
            TokenKeyMaterial::Public(_) => None,
        }
    }
}

/// Bytes, as hexadecimal in JSON.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Hex(pub Vec<u8>);

/// Secret bytes, as hexadecimal in JSON: wiped on drop, not shown by `Debug`.
#[derive(Clone)]
pub struct SecretHex(Zeroizing<Vec<u8>>);

impl SecretHex {
    /// Takes the bytes over.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The secret itself.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl PartialEq for SecretHex {
    fn eq(&self, other: &Self) -> bool {
        ace_crypto::ct_eq(&self.0, &other.0)
    }
}

impl Eq for SecretHex {}

impl fmt::Debug for SecretHex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHex(..)")
    }
}

impl fmt::Debug for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(&self.0))
    }
}

impl Serialize for SecretHex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(hex::encode(&*self.0)))
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        hex::decode(&text)
            .map(Self)
            .map_err(|_| D::Error::custom(NOT_HEX))
    }
}

impl<'de> Deserialize<'de> for SecretHex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        // The value itself is not shown: it may be a key with a slip in it.
        hex::decode(&*text)
            .map(Self::new)
            .map_err(|_| D::Error::custom(NOT_HEX))
    }
}

const NOT_HEX: &str = "expected bytes in hexadecimal, two digits each";

/// Why a file is not a bundle.
#[derive(Debug, thiserror::Error)]
#[error("not a {kind} bundle: {reason}; make one with `ace {verb} add NAME`")]
pub struct BundleError {
    kind: &'static str,
    verb: &'static str,
    reason: String,
}

impl ClientBundle {
    /// Reads what `ace client add` printed.
    ///
    /// # Errors
    /// What is wrong and in which line; unknown and missing fields are named.
    pub fn parse(json: &str) -> Result<Self, BundleError> {
        parse(json, "client", "client")
    }
}

impl RsBundle {
    /// Reads what `ace rs add` printed.
    ///
    /// # Errors
    /// What is wrong and in which line; unknown and missing fields are named.
    pub fn parse(json: &str) -> Result<Self, BundleError> {
        parse(json, "resource server", "rs")
    }
}

fn parse<'a, T: Deserialize<'a>>(
    json: &'a str,
    kind: &'static str,
    verb: &'static str,
) -> Result<T, BundleError> {
    serde_json::from_str(json).map_err(|error| BundleError {
        kind,
        verb,
        reason: error.to_string(),
    })
}
