//! Bundles as files, and what the engines take from them.

use std::path::Path;

use ace_as::{AsAccess, ClientBundle, RsBundle, TokenKeyMaterial};
use ace_crypto::{Aead, Hkdf, Mac, VerifyingKey};
use ace_oscore::Parameters;
use ace_token::{TokenKey, TrustedKey};
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

/// The OSCORE context a bundle describes, from the device's side.
pub fn parameters<'b>(access: &'b AsAccess, name: &str) -> Result<Parameters<'b>, Failure> {
    let Some(bundle) = &access.oscore else {
        return Err(Failure::setup(format!(
            "the bundle of {name} has no `oscore`; make one with it by `ace client add --profile coap_oscore`"
        )));
    };
    let unknown = |what, number| {
        Failure::setup(format!(
            "the bundle of {name}: {what} {number} is not one this program knows; make another with `ace client add`"
        ))
    };
    if bundle.master_secret.as_bytes().is_empty() {
        return Err(Failure::setup(format!(
            "the bundle of {name}: master_secret is empty; make another with `ace client add`"
        )));
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
        let k = match &entry.key {
            TokenKeyMaterial::Secret(k) => k.as_bytes(),
            TokenKeyMaterial::Public(spki) => {
                let key = VerifyingKey::from_spki(&spki.0).ok();
                let key = key.filter(|key| key.algorithm().cose() == entry.alg);
                let key = key.ok_or((entry.alg, "has a `public_key` of another kind"))?;
                return Ok(TrustedKey {
                    kid: Some(&entry.kid.0),
                    issuer: &bundle.issuer,
                    key: TokenKey::Verify(key),
                });
            }
        };
        let key = match (Aead::from_cose(entry.alg), Mac::from_cose(entry.alg)) {
            (Some(aead), _) if k.len() == aead.key_len() => TokenKey::Aead(aead, k),
            (None, Some(mac)) if !k.is_empty() => TokenKey::Mac(mac, k),
            (None, None) => {
                return Err((
                    entry.alg,
                    "is not an algorithm this program opens tokens with",
                ));
            }
            _ => return Err((entry.alg, "has a key `k` of another length")),
        };
        Ok(TrustedKey {
            kid: Some(&entry.kid.0),
            issuer: &bundle.issuer,
            key,
        })
    });
    keys.collect::<Result<_, _>>().map_err(|(alg, why)| {
        Failure::setup(format!(
            "token_keys in the bundle of {}: alg {alg} {why}; make another bundle with `ace rs add`",
            bundle.name
        ))
    })
}
