//! Keys of every algorithm, and randomness that repeats.
#![allow(dead_code, reason = "not every test binary needs all of it")]

use ace_crypto::{Aead, Mac, Signature, SigningKey};
use ace_token::issue::{Claims, Cnf, CoseKey, Issuer, IssuingKey, OscoreInputMaterial, Scope, Y};
use ace_token::{TokenError, TokenKey, TrustedKey, open};
use coset::{CoseEncrypt0Builder, HeaderBuilder, TaggedCborSerializable, iana::Algorithm};

pub const AS: &str = "coap://as.example";

/// Randomness for tests: SHA-256 of a counter.
pub struct TestRng(pub u64);

impl rand_core::TryRng for TestRng {
    type Error = core::convert::Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)
            .map(|()| u32::from_le_bytes(bytes))
    }
    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)
            .map(|()| u64::from_le_bytes(bytes))
    }
    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        for chunk in out.chunks_mut(32) {
            self.0 += 1;
            let block = ace_crypto::sha256(&[&self.0.to_le_bytes()]);
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
        Ok(())
    }
}

impl rand_core::TryCryptoRng for TestRng {}

/// A key with both of its sides.
pub enum Key {
    Aead(Aead, Vec<u8>),
    Mac(Mac, Vec<u8>),
    Sign(Box<SigningKey>),
}

impl Key {
    pub fn number(&self) -> i64 {
        match self {
            Self::Aead(aead, _) => aead.cose(),
            Self::Mac(mac, _) => mac.cose(),
            Self::Sign(key) => key.algorithm().cose(),
        }
    }

    pub fn issuer<'a>(&'a self, kid: &'a [u8]) -> Issuer<'a> {
        let key = match self {
            Self::Aead(aead, key) => IssuingKey::Aead(*aead, key),
            Self::Mac(mac, key) => IssuingKey::Mac(*mac, key),
            Self::Sign(key) => IssuingKey::Sign(key),
        };
        Issuer {
            kid: Some(kid),
            key,
        }
    }

    pub fn trusted<'a>(&'a self, kid: &'a [u8]) -> TrustedKey<'a> {
        let key = match self {
            Self::Aead(aead, key) => TokenKey::Aead(*aead, key),
            Self::Mac(mac, key) => TokenKey::Mac(*mac, key),
            Self::Sign(key) => TokenKey::Verify(key.verifying_key()),
        };
        TrustedKey {
            kid: Some(kid),
            issuer: AS,
            key,
        }
    }

    pub fn encrypts(&self) -> bool {
        matches!(self, Self::Aead(..))
    }

    /// A token by this key with a fixed nonce.
    pub fn issue(&self, kid: &[u8], claims: &Claims) -> Vec<u8> {
        let nonce = match self {
            Self::Aead(aead, _) => vec![0x17; aead.nonce_len()],
            _ => Vec::new(),
        };
        self.issuer(kid).issue_with_nonce(claims, &nonce).unwrap()
    }
}

/// One key for every algorithm that tokens can have here.
pub fn every_key() -> Vec<Key> {
    let mut keys = Vec::new();
    for number in -10..40 {
        if let Some(aead) = Aead::from_cose(number) {
            keys.push(Key::Aead(aead, vec![0x40 + number as u8; aead.key_len()]));
        }
        if let Some(mac) = Mac::from_cose(number) {
            keys.push(Key::Mac(
                mac,
                vec![0x40 + number as u8; mac.tag_len().max(32)],
            ));
        }
        if let Some(signature) = Signature::from_cose(number) {
            let key = SigningKey::generate(signature, &mut TestRng(99));
            keys.push(Key::Sign(Box::new(key)));
        }
    }
    assert_eq!(keys.len(), 12 + 4 + 2);
    keys
}

/// Every claim there is; `cnf` is the caller's.
pub fn full_claims(cnf: Option<Cnf>) -> Claims {
    Claims {
        iss: Some(AS.into()),
        sub: Some("alice".into()),
        aud: vec!["thermo".into()],
        exp: Some(1_900_000_000),
        nbf: Some(1_700_000_000),
        iat: Some(1_700_000_001),
        cti: Some(b"thermo\x07".to_vec()),
        cnf,
        scope: Some(Scope::Text("read write".into())),
        ace_profile: Some(2),
        cnonce: Some(b"cnonce".to_vec()),
        exi: Some(3600),
    }
}

pub fn osc() -> Cnf {
    Cnf::Osc(OscoreInputMaterial {
        id: b"id1".to_vec(),
        version: Some(1),
        ms: vec![0xf9; 16].into(),
        hkdf: Some(-10),
        alg: Some(10),
        salt: Some(vec![0x5a; 8]),
        context_id: Some(vec![0xc1; 8]),
    })
}

/// A confirmation of every kind.
pub fn every_cnf() -> Vec<Option<Cnf>> {
    let ec2 = |y| {
        Cnf::CoseKey(CoseKey::Ec2 {
            kid: Some(b"c1".to_vec()),
            alg: Some(-7),
            crv: 1,
            x: vec![0x11; 32],
            y,
        })
    };
    vec![
        None,
        Some(Cnf::Kid(b"pop".to_vec())),
        Some(ec2(Y::Bytes(vec![0x22; 32]))),
        Some(ec2(Y::Sign(true))),
        Some(Cnf::CoseKey(CoseKey::Okp {
            kid: None,
            alg: None,
            crv: 6,
            x: vec![0x33; 32],
        })),
        Some(Cnf::CoseKey(CoseKey::Symmetric {
            kid: Some(b"psk".to_vec()),
            alg: None,
            k: vec![0x44; 16].into(),
        })),
        Some(Cnf::CoseKey(CoseKey::Derived {
            kid: b"psk".to_vec(),
        })),
        Some(Cnf::CoseKey(CoseKey::public(
            &SigningKey::from_bytes(Signature::Es256, &[0x55; 32])
                .unwrap()
                .verifying_key(),
            Some(b"c2"),
        ))),
        Some(Cnf::CoseKey(CoseKey::public(
            &SigningKey::from_bytes(Signature::EdDsa, &[0x66; 32])
                .unwrap()
                .verifying_key(),
            None,
        ))),
        Some(osc()),
        Some(Cnf::Osc(OscoreInputMaterial {
            id: b"2".to_vec(),
            version: None,
            ms: vec![0xf8; 32].into(),
            hkdf: None,
            alg: None,
            salt: None,
            context_id: None,
        })),
    ]
}

pub const KEY: [u8; 16] = [7; 16];
pub const TRUSTED: [TrustedKey<'static>; 1] = [TrustedKey {
    kid: Some(b"rs1"),
    issuer: AS,
    key: TokenKey::Aead(Aead::AesCcm16_64_128, &KEY),
}];

/// A correctly encrypted token around any bytes.
pub fn encrypted(content: &[u8]) -> Vec<u8> {
    encrypted_with(content, |builder| {
        builder.key_id(b"rs1".to_vec()).iv(vec![1; 13])
    })
}

pub fn encrypted_with(content: &[u8], unprotected: fn(HeaderBuilder) -> HeaderBuilder) -> Vec<u8> {
    let protected = HeaderBuilder::new()
        .algorithm(Algorithm::AES_CCM_16_64_128)
        .build();
    CoseEncrypt0Builder::new()
        .protected(protected)
        .unprotected(unprotected(HeaderBuilder::new()).build())
        .create_ciphertext(content, &[], |plaintext, aad| {
            let mut text = [plaintext, &[0; 8]].concat();
            Aead::AesCcm16_64_128
                .seal(&KEY, &[1; 13], aad, &mut text, plaintext.len())
                .unwrap();
            text
        })
        .build()
        .to_tagged_vec()
        .unwrap()
}

pub fn refusal(token: &[u8]) -> TokenError {
    open(token, &TRUSTED, &mut [0; 512]).unwrap_err()
}
