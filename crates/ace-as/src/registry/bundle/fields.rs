//! What stands in the JSON of a bundle, before it is known to make sense.

use serde::{Deserialize, Serialize};

use super::{AsAccess, DtlsBundle, Hex, OscoreBundle, SecretHex, TokenKeyBundle, TokenKeyMaterial};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Access {
    uri: String,
    coaps_uri: Option<String>,
    oscore: Option<OscoreBundle>,
    dtls: Option<DtlsBundle>,
}

impl TryFrom<Access> for AsAccess {
    type Error = &'static str;

    fn try_from(fields: Access) -> Result<Self, Self::Error> {
        let Access {
            uri,
            coaps_uri,
            oscore,
            dtls,
        } = fields;
        if oscore.is_none() && dtls.is_none() {
            return Err("missing field `oscore` or `dtls`");
        }
        Ok(Self {
            uri,
            coaps_uri,
            oscore,
            dtls,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Dtls {
    psk_identity: Option<Hex>,
    psk: Option<SecretHex>,
    private_key: Option<SecretHex>,
    public_key: Option<Hex>,
    peer_public_key: Option<Hex>,
}

impl TryFrom<Dtls> for DtlsBundle {
    type Error = &'static str;

    fn try_from(fields: Dtls) -> Result<Self, Self::Error> {
        match fields {
            Dtls {
                psk_identity: Some(psk_identity),
                psk: Some(psk),
                private_key: None,
                public_key: None,
                peer_public_key: None,
            } => Ok(Self::Psk { psk_identity, psk }),
            Dtls {
                psk_identity: None,
                psk: None,
                private_key,
                public_key: Some(public_key),
                peer_public_key: Some(peer_public_key),
            } => Ok(Self::Rpk {
                private_key,
                public_key,
                peer_public_key,
            }),
            _ => Err(
                "`dtls` has `psk_identity` and `psk`, or `public_key`, `peer_public_key` and mostly `private_key`",
            ),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenKey {
    kid: Hex,
    alg: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    k: Option<SecretHex>,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<Hex>,
}

impl TryFrom<TokenKey> for TokenKeyBundle {
    type Error = &'static str;

    fn try_from(fields: TokenKey) -> Result<Self, Self::Error> {
        let TokenKey { kid, alg, .. } = fields;
        let key = match (fields.k, fields.public_key) {
            (Some(k), None) => TokenKeyMaterial::Secret(k),
            (None, Some(key)) => TokenKeyMaterial::Public(key),
            _ => return Err("a key in `token_keys` has either `k` or `public_key`"),
        };
        Ok(Self { kid, alg, key })
    }
}

impl From<TokenKeyBundle> for TokenKey {
    fn from(bundle: TokenKeyBundle) -> Self {
        let (k, public_key) = match bundle.key {
            TokenKeyMaterial::Secret(k) => (Some(k), None),
            TokenKeyMaterial::Public(key) => (None, Some(key)),
        };
        Self {
            kid: bundle.kid,
            alg: bundle.alg,
            k,
            public_key,
        }
    }
}
