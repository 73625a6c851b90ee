//! Our keys, and whose keys we accept.

use ace_crypto::{Secret, Signature, SigningKey, VerifyingKey};
use ace_dtls::{Credentials, Decision, OwnPsk, Psk, X509};
use anyhow::{Context as _, Result, bail};
use rustls_pki_types::{CertificateDer, ServerName};

use crate::arguments::Arguments;

pub struct Keys {
    psk: Option<(String, Vec<u8>)>,
    own: Option<SigningKey>,
    peer_key: Vec<u8>,
    x509: Option<X509>,
}

impl Keys {
    pub fn of(arguments: &mut Arguments) -> Result<Self> {
        let psk = match arguments.option("--psk")? {
            Some(key) => Some((arguments.required("--identity")?, hex::decode(key)?)),
            None => None,
        };
        let own = match arguments.option("--own")? {
            Some(own) => Some(signing_key(&own)?),
            None => None,
        };
        let peer_key = arguments.option("--peer-key")?.unwrap_or_default();
        Ok(Self {
            psk,
            own,
            peer_key: hex::decode(peer_key)?,
            x509: x509(arguments)?,
        })
    }

    pub fn has_psk(&self) -> bool {
        self.psk.is_some()
    }
}

fn x509(arguments: &mut Arguments) -> Result<Option<X509>> {
    let Some(chain) = arguments.option("--chain")? else {
        return Ok(None);
    };
    let read = |path: &str| -> Result<CertificateDer<'static>> {
        Ok(std::fs::read(path).with_context(|| path.to_owned())?.into())
    };
    let anchor = read(&arguments.required("--anchor")?)?;
    Ok(Some(X509 {
        chain: chain.split(',').map(read).collect::<Result<_>>()?,
        server_name: Some(ServerName::try_from(arguments.required("--name")?)?),
        ..X509::trusting(&[anchor])?
    }))
}

fn signing_key(text: &str) -> Result<SigningKey> {
    let (algorithm, key) = text.split_once(':').context("--own ALGORITHM:HEX")?;
    let algorithm = match algorithm {
        "es256" => Signature::Es256,
        "eddsa" => Signature::EdDsa,
        other => bail!("unknown algorithm {other}"),
    };
    SigningKey::from_bytes(algorithm, &hex::decode(key)?)
        .map_err(|error| anyhow::anyhow!("--own: {error:?}"))
}

impl Credentials for Keys {
    fn find_psk(&mut self, identity: &[u8]) -> Decision<Psk> {
        eprintln!("identity {}", hex::encode(identity));
        let Some((_, key)) = self.psk.as_ref().filter(|psk| psk.0.as_bytes() == identity) else {
            return Decision::Refuse;
        };
        Secret::new(key).map_or(Decision::Refuse, |key| {
            Decision::Accept(Psk { key, peer: 1 })
        })
    }

    fn own_psk(&self, hint: &[u8]) -> Option<OwnPsk<'_>> {
        eprintln!("hint {}", hex::encode(hint));
        self.psk.as_ref().map(|(identity, key)| OwnPsk {
            identity: identity.as_bytes(),
            key,
        })
    }

    fn signing_key(&self) -> Option<&SigningKey> {
        self.own.as_ref()
    }

    fn x509(&self) -> Option<&X509> {
        self.x509.as_ref()
    }

    fn accept_chain(&mut self, chain: &[CertificateDer<'_>], _: &VerifyingKey) -> Decision<u64> {
        eprintln!("chain of {} certificates", chain.len());
        Decision::Accept(3)
    }

    fn accept_key(&mut self, key: &VerifyingKey) -> Decision<u64> {
        let mut spki = [0; VerifyingKey::MAX_SPKI_LEN];
        let spki = match key.to_spki(&mut spki) {
            Ok(len) => &spki[..len],
            Err(_) => return Decision::Refuse,
        };
        eprintln!("peer key {}", hex::encode(spki));
        if spki == self.peer_key {
            Decision::Accept(2)
        } else {
            Decision::Refuse
        }
    }
}
