//! Tokens as the authorization server builds them, opened on the device's path and by coset, one held against the other.

mod support;

use ace_crypto::{Aead, Mac, Signature, SigningKey};
use ace_token::issue::{Claims, Cnf, CoseKey, IssueError, Issuer, IssuingKey, Scope};
use ace_token::{Protection, TokenError, TrustedKey, open};
use ace_wire::{
    ace::{self, Confirmation},
    cose,
    cwt::{ClaimsSet, NumericDate},
};
use ciborium::Value;
use coset::{
    CborSerializable, CoseEncrypt0, CoseMac0, CoseSign1, TaggedCborSerializable,
    iana::{Algorithm, CwtClaimName, EnumI64},
};
use support::{AS, Key, TestRng, every_cnf, every_key, full_claims, osc};

/// The content of a token by coset alone.
fn by_coset(token: &[u8], key: &Key) -> Result<Vec<u8>, String> {
    let number = Algorithm::from_i64(key.number()).unwrap();
    let expected = Some(coset::Algorithm::Assigned(number));
    match key {
        Key::Aead(aead, key) => {
            let message = CoseEncrypt0::from_tagged_slice(token).map_err(|e| e.to_string())?;
            assert_eq!(message.protected.header.alg, expected);
            let nonce = message.unprotected.iv.clone();
            message.decrypt_ciphertext(
                &[],
                || "nil".into(),
                |ciphertext, aad| {
                    let mut text = ciphertext.to_vec();
                    let len = aead
                        .open(key, &nonce, aad, &mut text)
                        .map_err(|e| e.to_string())?;
                    text.truncate(len);
                    Ok(text)
                },
            )
        }
        Key::Mac(mac, key) => {
            let message = CoseMac0::from_tagged_slice(token).map_err(|e| e.to_string())?;
            assert_eq!(message.protected.header.alg, expected);
            message.verify_payload_tag(
                &[],
                || "nil".into(),
                |tag, text| mac.verify(key, &[text], tag).map_err(|e| e.to_string()),
            )?;
            Ok(message.payload.unwrap())
        }
        Key::Sign(key) => {
            let message = CoseSign1::from_tagged_slice(token).map_err(|e| e.to_string())?;
            assert_eq!(message.protected.header.alg, expected);
            message
                .verify_signature(&[], |signature, text| {
                    key.verifying_key().verify(&[text], signature)
                })
                .map_err(|e| e.to_string())?;
            Ok(message.payload.unwrap())
        }
    }
}

/// The claims set as the device's parser must see it.
fn assert_same(opened: &ClaimsSet<'_>, issued: &Claims) {
    let date = |seconds: Option<u64>| seconds.map(NumericDate::from_seconds);
    assert_eq!(opened.iss, issued.iss.as_deref());
    assert_eq!(opened.sub, issued.sub.as_deref());
    let audience: Vec<_> = opened.aud.iter().flat_map(|aud| aud.iter()).collect();
    assert_eq!(audience, issued.aud);
    assert_eq!(opened.exp, date(issued.exp));
    assert_eq!(opened.nbf, date(issued.nbf));
    assert_eq!(opened.iat, date(issued.iat));
    assert_eq!(opened.cti, issued.cti.as_deref());
    let scope = opened.scope.map(|scope| match scope {
        ace::Scope::Text(text) => Scope::Text(text.into()),
        ace::Scope::Bytes(bytes) => Scope::Bytes(bytes.into()),
    });
    assert_eq!(scope, issued.scope);
    assert_eq!(opened.ace_profile, issued.ace_profile);
    assert_eq!(opened.cnonce, issued.cnonce.as_deref());
    assert_eq!(opened.exi, issued.exi);
    let cnf = opened.cnf.as_ref().map(|cnf| Cnf::try_from(cnf).unwrap());
    assert_eq!(cnf, issued.cnf);
}

/// The claims set as coset sees it, claim by claim.
fn assert_same_by_coset(payload: &[u8], issued: &Claims) {
    let claims = coset::cwt::ClaimsSet::from_slice(payload).unwrap();
    assert_eq!(claims.issuer, issued.iss);
    assert_eq!(claims.subject, issued.sub);
    assert_eq!(claims.audience.as_ref(), issued.aud.first());
    let date = |date: Option<coset::cwt::Timestamp>| match date {
        Some(coset::cwt::Timestamp::WholeSeconds(seconds)) => u64::try_from(seconds).ok(),
        other => panic!("{other:?}"),
    };
    assert_eq!(date(claims.expiration_time), issued.exp);
    assert_eq!(date(claims.not_before), issued.nbf);
    assert_eq!(date(claims.issued_at), issued.iat);
    assert_eq!(claims.cwt_id, issued.cti);
    let rest = |name: CwtClaimName| {
        let name = coset::cwt::ClaimName::Assigned(name);
        let found = claims.rest.iter().find(|(each, _)| *each == name);
        found.map(|(_, value)| value.clone())
    };
    let scope = issued.scope.clone().map(|scope| match scope {
        Scope::Text(text) => Value::Text(text),
        Scope::Bytes(bytes) => Value::Bytes(bytes),
    });
    assert_eq!(rest(CwtClaimName::Scope), scope);
    assert_eq!(
        rest(CwtClaimName::AceProfile),
        issued.ace_profile.map(Value::from)
    );
    assert_eq!(
        rest(CwtClaimName::CNonce),
        issued.cnonce.clone().map(Value::Bytes)
    );
    assert_eq!(rest(CwtClaimName::Exi), issued.exi.map(Value::from));
    let cnf = rest(CwtClaimName::Cnf).map(|value| value.into_map().unwrap());
    assert_eq!(
        cnf.as_ref().map_or(0, Vec::len),
        usize::from(issued.cnf.is_some())
    );
    if let (Some(cnf), Some(issued)) = (cnf, &issued.cnf) {
        assert_same_cnf_by_coset(&cnf[0], issued);
    }
}

fn assert_same_cnf_by_coset((member, value): &(Value, Value), issued: &Cnf) {
    let member: i128 = member.as_integer().unwrap().into();
    match issued {
        Cnf::CoseKey(key) => {
            use coset::AsCborValue;
            assert_eq!(member, 1);
            let found = coset::CoseKey::from_cbor_value(value.clone()).unwrap();
            let kid = match key {
                CoseKey::Derived { kid } => Some(kid.clone()),
                CoseKey::Symmetric { kid, .. }
                | CoseKey::Ec2 { kid, .. }
                | CoseKey::Okp { kid, .. } => kid.clone(),
            };
            assert_eq!(found.key_id, kid.unwrap_or_default());
            let secret = match key {
                CoseKey::Symmetric { k, .. } => Some(Value::Bytes(k.to_vec())),
                _ => None,
            };
            let k = found
                .params
                .iter()
                .find(|(label, _)| *label == coset::Label::Int(-1));
            if let Some(secret) = secret {
                assert_eq!(k.map(|(_, k)| k), Some(&secret));
            }
        }
        Cnf::Kid(kid) => assert_eq!((member, value), (3, &Value::Bytes(kid.clone()))),
        Cnf::Osc(material) => {
            assert_eq!(member, 4);
            let map = value.as_map().unwrap();
            let get = |key: i64| {
                let found = map.iter().find(|(each, _)| *each == Value::from(key));
                found.map(|(_, value)| value.clone())
            };
            assert_eq!(get(0), Some(Value::Bytes(material.id.clone())));
            assert_eq!(get(1), material.version.map(Value::from));
            assert_eq!(get(2), Some(Value::Bytes(material.ms.to_vec())));
            assert_eq!(get(3), material.hkdf.map(Value::from));
            assert_eq!(get(4), material.alg.map(Value::from));
            assert_eq!(get(5), material.salt.clone().map(Value::Bytes));
            assert_eq!(get(6), material.context_id.clone().map(Value::Bytes));
        }
    }
}

#[test]
fn every_algorithm_and_confirmation_is_opened_by_both_paths() {
    let mut tokens = 0;
    for key in every_key() {
        for cnf in every_cnf() {
            let claims = full_claims(cnf);
            if !key.encrypts() && claims.cnf.as_ref().is_some_and(Cnf::is_secret) {
                assert_eq!(
                    key.issuer(b"k").issue_with_nonce(&claims, &[]),
                    Err(IssueError::SecretInClear)
                );
                continue;
            }
            let token = key.issue(b"k", &claims);
            // RFC 8392, 6: the COSE tag, no CWT tag.
            assert_eq!(token[0] & 0xf8, 0xd0);

            let trusted = [key.trusted(b"k")];
            let mut buffer = [0; 512];
            let opened = open(&token, &trusted, &mut buffer).unwrap();
            assert_same(&opened.claims, &claims);
            assert_eq!((opened.issuer, opened.kid), (AS, Some(&b"k"[..])));

            let payload = by_coset(&token, &key).unwrap();
            assert_same_by_coset(&payload, &claims);
            assert_eq!(ClaimsSet::parse(&payload).unwrap(), opened.claims);

            // What the device's encoder would have written is the same, byte for byte.
            let mut encoded = [0; 512];
            let len = opened.claims.encode(&mut encoded).unwrap();
            assert_eq!(encoded[..len], payload[..]);
            tokens += 1;
        }
    }
    assert_eq!(tokens, 12 * 11 + 6 * 8);
}

#[test]
fn tokens_built_without_coset_are_opened_by_coset() {
    let mut payload = [0; 256];
    let claims = ClaimsSet {
        aud: Some(ace_wire::cwt::Audience::one("thermo")),
        exi: Some(60),
        cnf: Some(Confirmation::Kid(b"pop")),
        ..Default::default()
    };
    let len = claims.encode(&mut payload).unwrap();
    let payload = &payload[..len];
    for key in every_key() {
        let mut protected = [0; 16];
        let header = cose::Header {
            alg: Some(key.number().into()),
            ..Default::default()
        };
        let len = header.encode(&mut protected).unwrap();
        let protected = &protected[..len];
        let (mut structure, mut out) = ([0; 64], [0; 512]);
        let len = match &key {
            Key::Aead(aead, key) => {
                let nonce = vec![5; aead.nonce_len()];
                let len = cose::enc_structure(protected, &[], &mut structure).unwrap();
                let mut text = [payload, &[0; 16]].concat();
                let sealed = aead
                    .seal(key, &nonce, &structure[..len], &mut text, payload.len())
                    .unwrap();
                let unprotected = cose::Header {
                    iv: Some(&nonce),
                    ..Default::default()
                };
                cose::Encrypt0::encode(protected, &unprotected, &text[..sealed], &mut out)
            }
            Key::Mac(mac, key) => {
                let len =
                    cose::mac_structure(protected, &[], payload.len(), &mut structure).unwrap();
                let mut tag = [0; 64];
                let tag_len = mac
                    .compute(key, &[&structure[..len], payload], &mut tag)
                    .unwrap();
                cose::Mac0::encode(
                    protected,
                    &Default::default(),
                    payload,
                    &tag[..tag_len],
                    &mut out,
                )
            }
            Key::Sign(key) => {
                let len =
                    cose::sig_structure(protected, &[], payload.len(), &mut structure).unwrap();
                let signature = key.sign(&[&structure[..len], payload]).unwrap();
                cose::Sign1::encode(
                    protected,
                    &Default::default(),
                    payload,
                    &signature,
                    &mut out,
                )
            }
        };
        assert_eq!(by_coset(&out[..len.unwrap()], &key).as_deref(), Ok(payload));
    }
}

#[test]
fn several_audiences_are_an_array() {
    let key = &every_key()[0];
    for aud in [vec![], vec!["a".into(), "b".into(), "c".into()]] {
        let claims = Claims {
            aud,
            scope: Some(Scope::Bytes(vec![0x80])),
            ..full_claims(None)
        };
        let token = key.issue(b"k", &claims);
        let (trusted, mut buffer) = ([key.trusted(b"k")], [0; 512]);
        assert_same(
            &open(&token, &trusted, &mut buffer).unwrap().claims,
            &claims,
        );
    }
    // No claim at all.
    let token = key.issue(b"k", &Claims::default());
    let (trusted, mut buffer) = ([key.trusted(b"k")], [0; 512]);
    let opened = open(&token, &trusted, &mut buffer).unwrap();
    assert_eq!(opened.claims, ClaimsSet::default());
}

#[test]
fn rfc8392_a_6_nested_tokens_of_every_pair() {
    let mut pairs = 0;
    for outer in every_key() {
        for inner in every_key() {
            let claims = full_claims(Some(osc()));
            let issued =
                outer
                    .issuer(b"out")
                    .issue_nested(&inner.issuer(b"in"), &claims, &mut TestRng(1));
            if !outer.encrypts() || inner.encrypts() {
                assert_eq!(issued, Err(IssueError::Nesting));
                continue;
            }
            if matches!(&outer, Key::Aead(aead, _) if aead.nonce_len() < 12) {
                assert_eq!(issued, Err(IssueError::NonceTooShort));
                continue;
            }
            let token = issued.unwrap();
            let trusted = [outer.trusted(b"out"), inner.trusted(b"in")];
            let mut buffer = [0; 512];
            let opened = open(&token, &trusted, &mut buffer).unwrap();
            assert_same(&opened.claims, &claims);
            assert_eq!(opened.kid, Some(&b"out"[..]));
            let maced = matches!(inner, Key::Mac(..));
            assert_eq!(
                opened.protection,
                Protection {
                    encrypted: true,
                    maced,
                    signed: !maced
                }
            );
            assert_same_by_coset(
                &by_coset(&by_coset(&token, &outer).unwrap(), &inner).unwrap(),
                &claims,
            );

            // Each layer must be by a known key, and both by the same issuer.
            for left in 0..2 {
                assert_eq!(
                    open(&token, &trusted[left..=left], &mut [0; 512]),
                    Err(TokenError::UnknownKey)
                );
            }
            let other = [
                TrustedKey {
                    issuer: "coap://other",
                    ..trusted[0]
                },
                trusted[1],
            ];
            assert_eq!(
                open(&token, &other, &mut [0; 512]),
                Err(TokenError::IssuerMismatch)
            );
            pairs += 1;
        }
    }
    assert_eq!(pairs, 8 * 6);
}

#[test]
fn random_nonces_differ_and_short_ones_are_not_drawn() {
    let rng = &mut TestRng(7);
    for key in every_key() {
        let issuer = key.issuer(b"k");
        let (one, two) = (
            issuer.issue(&full_claims(None), rng),
            issuer.issue(&full_claims(None), rng),
        );
        match &key {
            Key::Aead(aead, _) if aead.nonce_len() < 12 => {
                assert_eq!(
                    (one, two),
                    (
                        Err(IssueError::NonceTooShort),
                        Err(IssueError::NonceTooShort)
                    )
                );
            }
            Key::Aead(..) => assert_ne!(one.unwrap(), two.unwrap()),
            _ => assert_eq!(one.unwrap(), two.unwrap()),
        }
    }
}

#[test]
fn keys_and_nonces_that_do_not_fit_are_refused() {
    let claims = full_claims(None);
    let short = Issuer {
        kid: None,
        key: IssuingKey::Aead(Aead::AesCcm16_64_128, &[0; 15]),
    };
    assert_eq!(
        short.issue(&claims, &mut TestRng(0)),
        Err(IssueError::Crypto(ace_crypto::CryptoError::KeyLength))
    );
    let issuer = Issuer {
        kid: None,
        key: IssuingKey::Aead(Aead::AesCcm16_64_128, &[0; 16]),
    };
    assert_eq!(
        issuer.issue_with_nonce(&claims, &[0; 12]),
        Err(IssueError::Crypto(ace_crypto::CryptoError::NonceLength))
    );
}

#[test]
fn confirmations_that_no_token_may_carry_are_refused() {
    let mut private = cose::CoseKey::new(cose::KeyType::Ec2);
    private.crv = Some(1);
    private.d = Some(&[1; 32]);
    let mut unknown_type = cose::CoseKey::new(cose::KeyType::Other(3));
    unknown_type.kid = Some(b"rsa");
    let mut named = cose::CoseKey::new(cose::KeyType::Symmetric);
    named.k = Some(&[1; 16]);
    named.alg = Some(cose::AlgId::Text("my-own"));
    let unknown = ace::OscoreInputMaterial {
        id: Some(&[1]),
        ms: Some(&[2; 16]),
        unknown: true,
        ..Default::default()
    };
    for confirmation in [
        Confirmation::CoseKey(private),
        Confirmation::CoseKey(unknown_type),
        Confirmation::CoseKey(named),
        Confirmation::EncryptedCoseKey(&[0x80]),
        Confirmation::Osc(unknown),
        Confirmation::Osc(ace::OscoreInputMaterial {
            ms: None,
            unknown: false,
            ..unknown
        }),
        Confirmation::Osc(ace::OscoreInputMaterial {
            id: None,
            unknown: false,
            ..unknown
        }),
    ] {
        assert_eq!(
            Cnf::try_from(&confirmation),
            Err(IssueError::UnsupportedConfirmation)
        );
    }
    named.alg = Some(cose::AlgId::Text("HMAC 256/256"));
    let Ok(Cnf::CoseKey(CoseKey::Symmetric { alg, .. })) =
        Cnf::try_from(&Confirmation::CoseKey(named))
    else {
        panic!("a registered name is as good as its number");
    };
    assert_eq!(alg, Some(5));
}

#[test]
fn rfc9202_3_3_1_a_derived_key_is_a_name_that_anyone_may_read() {
    let derived = CoseKey::Derived {
        kid: vec![0x3d, 0x02, 0x78, 0x33, 0xfc, 0x62, 0x67, 0xce],
    };
    assert!(!Cnf::CoseKey(derived.clone()).is_secret());
    // Figure 7.
    let mut named = cose::CoseKey::new(cose::KeyType::Symmetric);
    named.kid = Some(b"\x3d\x02\x78\x33\xfc\x62\x67\xce");
    assert_eq!(
        Cnf::try_from(&Confirmation::CoseKey(named)),
        Ok(Cnf::CoseKey(derived.clone()))
    );
    let claims = Claims {
        cnf: Some(Cnf::CoseKey(derived)),
        ..Claims::default()
    };
    let cnf = hex::decode("a108a101a2010402483d027833fc6267ce").unwrap();
    assert_eq!(*claims.to_cbor().unwrap(), cnf);
}

#[test]
fn a_public_key_is_carried_as_it_is() {
    for algorithm in [Signature::Es256, Signature::EdDsa] {
        let key = SigningKey::from_bytes(algorithm, &[0x55; 32])
            .unwrap()
            .verifying_key();
        let claims = Claims {
            cnf: Some(Cnf::CoseKey(CoseKey::public(&key, Some(b"kid")))),
            ..Claims::default()
        };
        let cbor = claims.to_cbor().unwrap();
        let Some(Confirmation::CoseKey(found)) = ClaimsSet::parse(&cbor).unwrap().cnf else {
            panic!("a key")
        };
        assert_eq!(found.kid, Some(&b"kid"[..]));
        let ace_token::TokenKey::Verify(found) =
            ace_token::TokenKey::from_cose_key(&found).unwrap()
        else {
            panic!("a public key")
        };
        assert_eq!(found, key);
    }
}

#[test]
fn nothing_secret_shows() {
    let shown = |cnf| format!("{:?}", full_claims(Some(cnf)));
    let symmetric = CoseKey::Symmetric {
        kid: None,
        alg: None,
        k: vec![0xab; 16].into(),
    };
    for text in [shown(osc()), shown(Cnf::CoseKey(symmetric))] {
        for secret in ["171, 171", "249, 249", "abab", "f9f9"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
    let secret = [0xab; 16];
    let keys = [
        format!("{:?}", IssuingKey::Aead(Aead::AesCcm16_64_128, &secret)),
        format!("{:?}", IssuingKey::Mac(Mac::HmacSha256, &secret)),
        format!(
            "{:?}",
            ace_token::TokenKey::Aead(Aead::AesCcm16_64_128, &secret)
        ),
        format!("{:?}", ace_token::TokenKey::Mac(Mac::HmacSha256, &secret)),
        format!(
            "{:?}",
            IssuingKey::Sign(&SigningKey::from_bytes(Signature::EdDsa, &[0xab; 32]).unwrap())
        ),
    ];
    for text in keys {
        assert!(!text.contains("171") && !text.contains("ab"), "{text}");
        assert!(text.contains(".."), "{text}");
    }
}
