//! Bundles as files, and what the engines take from them.

use std::{fmt::Display, path::Path};

use ace_as::{
    AsAccess, ClientBundle, DtlsBundle, Hex, OscoreBundle, RsBundle, TokenKeyBundle,
    TokenKeyMaterial,
};
use ace_client::{AsSecurity, DtlsCredential};
use ace_crypto::{Aead, Hkdf, Mac, Signature, SigningKey, VerifyingKey};
use ace_oscore::Parameters;
use ace_token::{TokenKey, TrustedKey};
use base64::Engine as _;
use zeroize::Zeroizing;

use crate::failure::Failure;

/// Reads what `ace client add` printed.
pub fn read_client(path: &Path) -> Result<ClientBundle, Failure> {
    let text = read(path)?;
    ClientBundle::parse(&text).map_err(|error| meant_for(path, &text, error))
}

/// Reads what `ace rs add` printed.
pub fn read_rs(path: &Path) -> Result<RsBundle, Failure> {
    let text = read(path)?;
    RsBundle::parse(&text).map_err(|error| meant_for(path, &text, error))
}

fn read(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let text = std::fs::read_to_string(path).map(Zeroizing::new);
    text.map_err(|error| Failure::file("read", path, &error))
}

/// The sentence about a file that is no bundle of the kind wanted; it may be one of the other kind.
fn meant_for(path: &Path, text: &str, error: ace_as::BundleError) -> Failure {
    let path = path.display();
    Failure::setup(if ClientBundle::parse(text).is_ok() {
        format!("{path} is the bundle of a client; take what `ace rs add` printed")
    } else if RsBundle::parse(text).is_ok() {
        format!("{path} is the bundle of a resource server; take what `ace client add` printed")
    } else {
        format!("{path} is {error}")
    })
}

/// Which verb makes a bundle anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Client,
    Rs,
}

/// A sentence about something in the bundle of `name`.
fn wrong(kind: Kind, name: &str, what: impl Display) -> Failure {
    let verb = match kind {
        Kind::Client => "client",
        Kind::Rs => "rs",
    };
    Failure::setup(format!(
        "the bundle of {name}: {what}; make another with `ace {verb} add`"
    ))
}

/// A device's own key pair, and the authorization server's key.
#[derive(Debug)]
pub struct KeyPair {
    pub own: SigningKey,
    pub peer: VerifyingKey,
}

/// The raw public keys of a client's bundle, if it has any.
pub fn client_keys(bundle: &ClientBundle) -> Result<Option<KeyPair>, Failure> {
    key_pair(
        Kind::Client,
        &bundle.name,
        bundle.authorization_server.dtls.as_ref(),
    )
}

/// The raw public keys of a resource server's bundle, if it has any.
pub fn rs_keys(bundle: &RsBundle) -> Result<Option<KeyPair>, Failure> {
    key_pair(
        Kind::Rs,
        &bundle.name,
        bundle.authorization_server.dtls.as_ref(),
    )
}

fn key_pair(kind: Kind, name: &str, dtls: Option<&DtlsBundle>) -> Result<Option<KeyPair>, Failure> {
    let Some(DtlsBundle::Rpk {
        private_key,
        public_key,
        peer_public_key,
    }) = dtls
    else {
        return Ok(None);
    };
    let public = |field: &str, key: &Hex| {
        VerifyingKey::from_spki(&key.0).map_err(|_| {
            let what =
                format!("{field} is not the SubjectPublicKeyInfo of a key on P-256 or Ed25519");
            wrong(kind, name, what)
        })
    };
    let (own, peer) = (
        public("public_key", public_key)?,
        public("peer_public_key", peer_public_key)?,
    );
    let Some(private) = private_key else {
        return Err(Failure::setup(format!(
            "the bundle of {name} has no private_key, because the device made it: add \"private_key\" (32 bytes in \
             hexadecimal) beside its public_key"
        )));
    };
    let private = SigningKey::from_bytes(own.algorithm(), private.as_bytes())
        .map_err(|_| wrong(kind, name, "private_key is not 32 bytes of a private key"))?;
    if private.verifying_key() != own {
        let what = "private_key and public_key do not belong together";
        return Err(wrong(kind, name, what));
    }
    Ok(Some(KeyPair { own: private, peer }))
}

/// How a client speaks to the authorization server, and the URI it does so at: OSCORE if its bundle has that.
pub fn as_security<'b>(
    bundle: &'b ClientBundle,
    keys: Option<&'b KeyPair>,
) -> Result<(AsSecurity<'b>, &'b str), Failure> {
    let AsAccess {
        uri,
        coaps_uri,
        oscore,
        dtls,
    } = &bundle.authorization_server;
    if let Some(oscore) = oscore {
        let parameters = parameters(oscore, &bundle.name)?;
        return Ok((AsSecurity::Oscore(parameters), uri));
    }
    let credential = match (dtls, keys) {
        (Some(DtlsBundle::Psk { psk_identity, psk }), _) => {
            let (identity, key) = (psk_identity.0.as_slice(), psk.as_bytes());
            if identity.is_empty() || identity.len() > ace_dtls::MAX_IDENTITY {
                let what = format!(
                    "psk_identity must have 1 to {} bytes",
                    ace_dtls::MAX_IDENTITY
                );
                return Err(wrong(Kind::Client, &bundle.name, what));
            }
            if key.is_empty() || key.len() > ace_dtls::MAX_PSK {
                let what = format!("psk must have 1 to {} bytes", ace_dtls::MAX_PSK);
                return Err(wrong(Kind::Client, &bundle.name, what));
            }
            DtlsCredential::Psk { identity, key }
        }
        (Some(DtlsBundle::Rpk { .. }), Some(KeyPair { own, peer })) => {
            DtlsCredential::Rpk { key: own, peer }
        }
        _ => {
            let what = "there is neither oscore nor dtls in `as`";
            return Err(wrong(Kind::Client, &bundle.name, what));
        }
    };
    let uri = coaps_uri.as_ref().unwrap_or(uri);
    Ok((AsSecurity::Dtls(credential), uri))
}

/// The OSCORE context a bundle describes, from the device's side.
fn parameters<'b>(bundle: &'b OscoreBundle, name: &str) -> Result<Parameters<'b>, Failure> {
    let unknown = |what, number| {
        let what = format!("{what} {number} is not one this program knows");
        wrong(Kind::Client, name, what)
    };
    if bundle.master_secret.as_bytes().is_empty() {
        return Err(wrong(Kind::Client, name, "master_secret is empty"));
    }
    Ok(Parameters {
        master_secret: bundle.master_secret.as_bytes(),
        master_salt: bundle.master_salt.as_bytes(),
        sender_id: &bundle.sender_id.0,
        recipient_id: &bundle.recipient_id.0,
        id_context: bundle.id_context.as_ref().map(|id| id.0.as_slice()),
        aead: Aead::from_cose(bundle.alg).ok_or_else(|| unknown("alg", bundle.alg))?,
        hkdf: Hkdf::from_cose(bundle.hkdf).ok_or_else(|| unknown("hkdf", bundle.hkdf))?,
    })
}

/// The keys of a bundle, as the device opens tokens with them.
pub fn trusted_keys(bundle: &RsBundle) -> Result<Vec<TrustedKey<'_>>, Failure> {
    let keys = bundle.token_keys.iter().map(|entry| {
        let key = token_key(entry).map_err(|why| {
            let what = format!("token_keys: alg {} {why}", entry.alg);
            wrong(Kind::Rs, &bundle.name, what)
        })?;
        Ok(TrustedKey {
            kid: Some(&entry.kid.0),
            issuer: &bundle.issuer,
            key,
        })
    });
    keys.collect()
}

fn token_key(entry: &TokenKeyBundle) -> Result<TokenKey<'_>, &'static str> {
    let unknown = "is not an algorithm this program opens tokens with";
    match (&entry.key, Signature::from_cose(entry.alg)) {
        (TokenKeyMaterial::Public(key), Some(algorithm)) => VerifyingKey::from_spki(&key.0)
            .ok()
            .filter(|key| key.algorithm() == algorithm)
            .map(TokenKey::Verify)
            .ok_or("has a `public_key` that is not one of its own"),
        (TokenKeyMaterial::Public(_), None) if is_symmetric(entry.alg) => {
            Err("takes a key `k`, not a `public_key`")
        }
        (TokenKeyMaterial::Secret(_), Some(_)) => Err("takes a `public_key`, not a key `k`"),
        (TokenKeyMaterial::Public(_), None) => Err(unknown),
        (TokenKeyMaterial::Secret(k), None) => {
            let k = k.as_bytes();
            match (Aead::from_cose(entry.alg), Mac::from_cose(entry.alg)) {
                (Some(aead), _) if k.len() == aead.key_len() => Ok(TokenKey::Aead(aead, k)),
                (None, Some(mac)) if !k.is_empty() => Ok(TokenKey::Mac(mac, k)),
                (None, None) => Err(unknown),
                _ => Err("has a key `k` of another length"),
            }
        }
    }
}

fn is_symmetric(alg: i64) -> bool {
    Aead::from_cose(alg).is_some() || Mac::from_cose(alg).is_some()
}

/// Longest file with a public key.
const MAX_KEY_FILE: usize = 4096;

/// Reads a public key: its SubjectPublicKeyInfo as PEM, as DER or in hexadecimal.
pub fn read_public_key(path: &Path) -> Result<VerifyingKey, Failure> {
    let bytes = std::fs::read(path).map(Zeroizing::new);
    let bytes = bytes.map_err(|error| Failure::file("read", path, &error))?;
    let path = path.display();
    let advice = "expected the public key alone, as `openssl pkey -in KEY -pubout` writes it";
    if let Ok(text) = std::str::from_utf8(&bytes)
        && text.contains("PRIVATE KEY")
    {
        return Err(Failure::setup(format!(
            "{path} holds a private key, which stays with the device; {advice}"
        )));
    }
    let key = (bytes.len() <= MAX_KEY_FILE)
        .then(|| der(&bytes))
        .and_then(|der| VerifyingKey::from_spki(&der).ok());
    key.ok_or_else(|| {
        Failure::setup(format!(
            "{path} is no public key on P-256 or Ed25519; {advice}"
        ))
    })
}

fn der(bytes: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return bytes.to_vec();
    };
    const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
    let plain = |text: &str| text.split_whitespace().collect::<String>();
    if let Some((_, rest)) = text.split_once(BEGIN)
        && let Some((body, _)) = rest.split_once("-----END PUBLIC KEY-----")
    {
        let base64 = base64::engine::general_purpose::STANDARD;
        return base64.decode(plain(body)).unwrap_or_default();
    }
    hex::decode(plain(text)).unwrap_or_else(|_| bytes.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of `openssl ecparam -name prime256v1 -genkey` and `openssl genpkey -algorithm ed25519`, with `-pubout`.
    fn pem(key: &VerifyingKey) -> String {
        let base64 = base64::engine::general_purpose::STANDARD;
        let text = base64.encode(spki(key));
        let (first, second) = text.split_at(text.len() / 2);
        format!("-----BEGIN PUBLIC KEY-----\n{first}\n{second}\n-----END PUBLIC KEY-----\n")
    }

    fn spki(key: &VerifyingKey) -> Vec<u8> {
        let mut der = [0; VerifyingKey::MAX_SPKI_LEN];
        let length = key.to_spki(&mut der).expect("fits");
        der[..length].to_vec()
    }

    #[test]
    fn public_keys_are_read_in_each_form_and_private_ones_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        for algorithm in [Signature::Es256, Signature::EdDsa] {
            let mut rng = ace_net::randomness();
            let key = SigningKey::generate(algorithm, &mut rng).verifying_key();
            let der = spki(&key);
            let hex = hex::encode(&der);
            for bytes in [
                der.clone(),
                format!("{hex}\n").into_bytes(),
                hex.to_uppercase().into_bytes(),
                pem(&key).into_bytes(),
                pem(&key).replace('\n', "\r\n").into_bytes(),
            ] {
                std::fs::write(&path, &bytes).expect("written");
                assert_eq!(read_public_key(&path).expect("a key"), key);
            }
            for cut in 0..der.len() {
                std::fs::write(&path, &der[..cut]).expect("written");
                let said = read_public_key(&path).expect_err("refused").to_string();
                assert!(said.contains("is no public key"), "{said}");
            }
        }
        let private = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        std::fs::write(&path, private).expect("written");
        let said = read_public_key(&path).expect_err("refused").to_string();
        assert!(said.contains("holds a private key"), "{said}");
        assert!(!said.contains("AAAA"), "{said}");
    }
}
