//! Tokens that must not open: changed, cut, nested too deep, or under another key.

mod support;

use ace_crypto::{Aead, Mac};
use ace_token::{KeySource, TokenError, TokenKey, TrustedKey, open};
use ace_wire::{Error, coap::Code};
use coset::{CoseMac0Builder, HeaderBuilder, TaggedCborSerializable, iana::Algorithm};
use proptest::prelude::*;
use support::{
    AS, KEY, Key, TRUSTED, TestRng, encrypted, encrypted_with, every_key, full_claims, osc, refusal,
};

/// Tokens of every algorithm, plain and nested, with the keys that open them.
fn tokens() -> Vec<(Vec<u8>, Vec<Key>)> {
    let mut tokens = Vec::new();
    for key in every_key() {
        let claims = full_claims(key.encrypts().then(osc));
        tokens.push((key.issue(b"k0", &claims), vec![key]));
    }
    let [outer, inner] = [10, -7].map(|number| {
        every_key()
            .into_iter()
            .find(|key| key.number() == number)
            .unwrap()
    });
    let nested = outer
        .issuer(b"k0")
        .issue_nested(
            &inner.issuer(b"k1"),
            &full_claims(Some(osc())),
            &mut TestRng(3),
        )
        .unwrap();
    tokens.push((nested, vec![outer, inner]));
    tokens
}

fn trusted(keys: &[Key]) -> Vec<TrustedKey<'_>> {
    let kids: [&[u8]; 2] = [b"k0", b"k1"];
    keys.iter()
        .zip(kids)
        .map(|(key, kid)| key.trusted(kid))
        .collect()
}

#[test]
fn every_truncation_is_refused() {
    for (token, keys) in tokens() {
        let keys = trusted(&keys);
        assert!(open(&token, &keys[..], &mut [0; 512]).is_ok());
        for len in 0..token.len() {
            let refused = open(&token[..len], &keys[..], &mut [0; 512]).unwrap_err();
            assert_eq!(refused.code(), Code::BAD_REQUEST, "{len}");
        }
    }
}

#[test]
fn every_single_bit_flip_is_refused() {
    for (token, keys) in tokens() {
        let keys = trusted(&keys);
        for bit in 0..token.len() * 8 {
            let mut changed = token.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let mut buffer = [0; 512];
            let refused = open(&changed, &keys[..], &mut buffer).unwrap_err();
            let code = refused.code();
            assert!(
                code == Code::BAD_REQUEST || code == Code::UNAUTHORIZED,
                "{bit}: {refused:?}"
            );
            if refused == TokenError::Verification {
                assert_eq!(buffer, [0; 512], "plaintext released at {bit}");
            }
        }
    }
}

#[test]
fn trailing_bytes_are_refused() {
    for (token, keys) in tokens() {
        let longer = [&token[..], &[0]].concat();
        let refused = open(&longer, &trusted(&keys)[..], &mut [0; 512]).unwrap_err();
        assert_eq!(refused, TokenError::Malformed(Error::TrailingBytes));
    }
}

#[test]
fn another_key_is_refused_with_4_01() {
    for (token, mut keys) in tokens() {
        match &mut keys[0] {
            Key::Aead(_, key) | Key::Mac(_, key) => key[0] ^= 1,
            Key::Sign(key) => {
                **key = ace_crypto::SigningKey::generate(key.algorithm(), &mut TestRng(12345));
            }
        }
        let mut buffer = [0xee; 512];
        let refused = open(&token, &trusted(&keys)[..], &mut buffer).unwrap_err();
        assert_eq!(refused, TokenError::Verification);
        assert_eq!(refused.code(), Code::UNAUTHORIZED);
    }
}

#[test]
fn an_unknown_kid_is_refused_with_4_01() {
    for (token, keys) in tokens() {
        let mut keys = trusted(&keys);
        for kid in [Some(&b"k"[..]), Some(b"k00"), Some(b""), None] {
            keys[0].kid = kid;
            let refused = open(&token, &keys[..], &mut [0; 512]).unwrap_err();
            assert_eq!(refused, TokenError::UnknownKey);
            assert_eq!(refused.code(), Code::UNAUTHORIZED);
        }
        assert_eq!(
            open(&token, &[] as &[TrustedKey<'_>], &mut [0; 512]),
            Err(TokenError::UnknownKey)
        );
    }
    // No kid, but the only key there is has one.
    let token = encrypted_with(&[0xa0], |builder| builder.iv(vec![1; 13]));
    assert_eq!(refusal(&token), TokenError::UnknownKey);
    let unnamed = [TrustedKey {
        kid: None,
        ..TRUSTED[0]
    }];
    assert!(open(&token, &unnamed, &mut [0; 64]).is_ok());
}

/// Answers with one key whatever is asked for.
struct Always<'a>(TokenKey<'a>);

impl KeySource for Always<'_> {
    fn find(&self, _: Option<&[u8]>, _: i64) -> Option<(TokenKey<'_>, &str)> {
        Some((self.0, AS))
    }
}

#[test]
fn rfc9052_7_1_the_algorithm_is_that_of_the_key() {
    let keys = every_key();
    for token_key in &keys {
        let token = token_key.issue(b"k", &full_claims(None));
        for other in keys
            .iter()
            .filter(|other| other.number() != token_key.number())
        {
            let refused =
                open(&token, &Always(other.trusted(b"k").key), &mut [0; 512]).unwrap_err();
            assert_eq!(refused, TokenError::KeyMismatch);
            assert_eq!(refused.code(), Code::UNAUTHORIZED);
            // A source that goes by algorithm does not find it.
            assert_eq!(
                open(&token, &[other.trusted(b"k")], &mut [0; 512]),
                Err(TokenError::UnknownKey)
            );
        }
    }
}

#[test]
fn a_mac_under_the_bytes_of_a_public_key_is_refused() {
    // The classic confusion: what everybody knows, taken for a shared secret.
    for signer in every_key() {
        let Key::Sign(signer) = signer else { continue };
        let public = signer.verifying_key();
        let forged = Key::Mac(Mac::HmacSha256, public.x().to_vec());
        let token = forged.issue(b"k", &full_claims(None));
        let source = Always(TokenKey::Verify(public));
        assert_eq!(open(&token, &source, &mut []), Err(TokenError::KeyMismatch));
    }
}

#[test]
fn a_structure_under_the_tag_of_another_is_refused() {
    for (token, keys) in tokens() {
        for tag in 0xd0..=0xd7u8 {
            let mut changed = token.clone();
            if changed[0] == tag {
                continue;
            }
            changed[0] = tag;
            let refused = open(&changed, &trusted(&keys)[..], &mut [0; 512]).unwrap_err();
            // MAC and signature have one shape: there the algorithm tells.
            let wrong_algorithm = matches!((token[0], tag), (0xd1, 0xd2) | (0xd2, 0xd1));
            let code = if wrong_algorithm {
                Code::UNAUTHORIZED
            } else {
                Code::BAD_REQUEST
            };
            assert_eq!(
                refused.code(),
                code,
                "{:02x} as {tag:02x}: {refused:?}",
                token[0]
            );
        }
    }
}

#[test]
fn the_buffer_bounds_an_encrypted_token() {
    for (token, keys) in tokens() {
        let keys = trusted(&keys);
        let mut smallest = 0;
        while let Err(error) = open(&token, &keys[..], &mut vec![0; smallest]) {
            assert_eq!(error, TokenError::BufferTooSmall);
            assert_eq!(error.code(), Code::REQUEST_ENTITY_TOO_LARGE);
            smallest += 1;
        }
        assert_eq!(smallest == 0, token[0] != 0xd0);
        assert!(smallest < token.len());
    }
}

#[test]
fn nesting_is_bounded() {
    let once = encrypted(&[0xa0]);
    assert!(open(&once, &TRUSTED, &mut [0; 512]).is_ok());
    // Encryption inside encryption would need a second buffer.
    assert_eq!(refusal(&encrypted(&once)), TokenError::TooManyLayers);
    assert_eq!(TokenError::TooManyLayers.code(), Code::BAD_REQUEST);

    let keys = every_key();
    let mac = keys.iter().find(|key| key.number() == 5).unwrap();
    let wrapped = |content: Vec<u8>| {
        let Key::Mac(_, key) = mac else {
            unreachable!()
        };
        CoseMac0Builder::new()
            .protected(
                HeaderBuilder::new()
                    .algorithm(Algorithm::HMAC_256_256)
                    .build(),
            )
            .unprotected(HeaderBuilder::new().key_id(b"m".to_vec()).build())
            .payload(content)
            .create_tag(&[], |text| ace_crypto::hmac_sha256(key, &[text]).to_vec())
            .build()
            .to_tagged_vec()
            .unwrap()
    };
    let trusted = [mac.trusted(b"m"), TRUSTED[0]];
    let two = wrapped(wrapped(vec![0xa0]));
    assert!(open(&two, &trusted, &mut []).is_ok());
    assert_eq!(
        open(&wrapped(two), &trusted, &mut []),
        Err(TokenError::TooManyLayers)
    );
    assert!(open(&wrapped(once), &trusted, &mut [0; 512]).is_ok());
    // RFC 8392, 7.2, step 6: without its tag, the inside is not a token.
    let untagged = encrypted(&wrapped(vec![0xa0])[1..]);
    assert_eq!(
        open(&untagged, &trusted, &mut [0; 512]),
        Err(TokenError::Malformed(Error::WrongType))
    );
}

#[test]
fn keys_of_the_wrong_length_open_nothing() {
    let short = [TrustedKey {
        key: TokenKey::Aead(Aead::AesCcm16_64_128, &KEY[..15]),
        ..TRUSTED[0]
    }];
    let refused = open(&encrypted(&[0xa0]), &short, &mut [0; 64]).map(drop);
    assert_eq!(refused, Err(TokenError::KeyMismatch));
}

#[test]
fn rfc9052_7_1_cose_keys_for_something_else_are_refused() {
    use ace_wire::cose::{AlgId, CoseKey, KeyOps, KeyType, curve};
    let mut key = CoseKey::new(KeyType::Symmetric);
    key.k = Some(&KEY);
    let fits = |key: &CoseKey<'_>| TokenKey::from_cose_key(key).is_ok();
    assert!(!fits(&key), "no algorithm");
    key.alg = Some(AlgId::Int(10));
    assert!(fits(&key));
    key.alg = Some(AlgId::Text("AES-CCM-16-64-128"));
    assert!(fits(&key));
    for (ops, allowed) in [
        (&[0x81, 0x04][..], true),
        (&[0x82, 0x03, 0x04], true),
        (&[0x81, 0x03], false),
    ] {
        key.key_ops = Some(KeyOps::parse(ops).unwrap());
        assert_eq!(fits(&key), allowed);
    }
    key.key_ops = None;
    for number in [11, -7, 99] {
        key.alg = Some(AlgId::Int(number));
        assert!(!fits(&key), "{number}");
    }
    key.alg = Some(AlgId::Int(5));
    key.k = Some(&[]);
    assert!(!fits(&key), "empty");

    let public = every_key()
        .into_iter()
        .find(|key| key.number() == -8)
        .unwrap();
    let Key::Sign(public) = public else {
        unreachable!()
    };
    let x = public.verifying_key().x();
    let mut key = CoseKey::new(KeyType::Okp);
    key.crv = Some(curve::ED25519);
    key.x = Some(&x);
    assert!(fits(&key));
    for (number, allowed) in [(-8, true), (-7, false), (10, false)] {
        key.alg = Some(AlgId::Int(number));
        assert_eq!(fits(&key), allowed);
    }
    key.alg = Some(AlgId::Text("my-own"));
    assert!(!fits(&key));
    (key.alg, key.crv) = (None, Some(curve::X25519));
    assert!(!fits(&key));
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut buffer = [0; 512];
        prop_assert!(open(&bytes, &TRUSTED, &mut buffer).is_err());
    }

    #[test]
    fn changed_tokens_never_panic_or_open(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        which in any::<prop::sample::Index>(),
    ) {
        let tokens = tokens();
        let (token, keys) = which.get(&tokens);
        let mut changed = token.clone();
        for (at, byte) in changes {
            *at.get_mut(&mut changed) = byte;
        }
        prop_assume!(changed != *token);
        let mut buffer = [0; 512];
        prop_assert!(open(&changed, &trusted(keys)[..], &mut buffer).is_err());
    }

    #[test]
    fn any_authenticated_content_is_read_without_panic(content in proptest::collection::vec(any::<u8>(), 0..200)) {
        let token = encrypted(&content);
        let mut buffer = [0; 512];
        if let Err(error) = open(&token, &TRUSTED, &mut buffer) {
            prop_assert_eq!(error.code(), Code::BAD_REQUEST);
        }
    }
}
