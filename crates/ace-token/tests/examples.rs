//! The examples of RFC 8392, appendix A, of RFC 8747, and those of the COSE working group.

mod vectors;

use ace_crypto::{Aead, Mac, VerifyingKey, Y};
use ace_token::{
    KeySource, Opened, Protection, TokenError, TokenKey, TrustedKey, open, open_encrypted_key,
    open_layer,
};
use ace_wire::{
    Error,
    ace::Confirmation,
    cbor::Label,
    coap::Code,
    cose::{CoseKey, KeyType},
    cwt::{ClaimsSet, NumericDate},
};
use vectors::{bytes, file};

const ISSUER: &str = "coap://as.example.com";

/// The bytes of a figure of RFC 8392, appendix A.
fn figure(number: u32) -> Vec<u8> {
    let file = file("rfc8392-appendix-a.json");
    let prefix = format!("Figure {number}:");
    let figures = file["figures"].as_array().unwrap();
    let found = figures
        .iter()
        .find(|f| f["caption"].as_str().unwrap().starts_with(&prefix));
    bytes(found.unwrap_or_else(|| panic!("no figure {number}")), "hex")
}

/// Opens a token with the keys of appendix A.2, all of them trusted.
fn with_appendix_a<R>(token: &[u8], check: impl FnOnce(Result<Opened<'_>, TokenError>) -> R) -> R {
    let (encryption, mac, signature) = (figure(4), figure(6), figure(8));
    let keys = [
        CoseKey::parse(&encryption).unwrap(),
        corrected(CoseKey::parse(&mac).unwrap()),
        CoseKey::parse(&signature).unwrap(),
    ];
    let trusted = keys.map(|key| TrustedKey {
        kid: key.kid,
        issuer: ISSUER,
        key: TokenKey::from_cose_key(&key).unwrap(),
    });
    check(open(token, &trusted, &mut [0; 512]))
}

/// The key of A.2.2 is used with HMAC 256/64, but carries the number of AES-CCM.
fn corrected(mut key: CoseKey<'_>) -> CoseKey<'_> {
    assert_eq!(key.alg, Some(Label::Int(10)));
    key.alg = Some(Label::Int(4));
    key
}

fn assert_claims_of_a_1(claims: &ClaimsSet<'_>) {
    assert_eq!(claims.iss, Some(ISSUER));
    assert_eq!(claims.sub, Some("erikw"));
    assert!(claims.aud.unwrap().iter().eq(["coap://light.example.com"]));
    assert_eq!(claims.exp, Some(NumericDate::from_seconds(1_444_064_944)));
    assert_eq!(claims.nbf, Some(NumericDate::from_seconds(1_443_944_944)));
    assert_eq!(claims.iat, Some(NumericDate::from_seconds(1_443_944_944)));
    assert_eq!(claims.cti, Some(&[0x0b, 0x71][..]));
    assert_eq!(ClaimsSet::parse(&figure(2)).as_ref(), Ok(claims));
}

#[test]
fn rfc8392_a_2_2_key_for_another_algorithm_is_refused() {
    let figure = figure(6);
    let key = CoseKey::parse(&figure).unwrap();
    assert_eq!(
        TokenKey::from_cose_key(&key).err(),
        Some(TokenError::KeyMismatch)
    );
    assert!(TokenKey::from_cose_key(&corrected(key)).is_ok());
}

#[test]
fn rfc8392_a_3_signed() {
    with_appendix_a(&figure(10), |opened| {
        let opened = opened.unwrap();
        assert_claims_of_a_1(&opened.claims);
        assert_eq!(opened.kid, Some(&b"AsymmetricECDSA256"[..]));
        assert_eq!(opened.issuer, ISSUER);
        assert_eq!(
            opened.protection,
            Protection {
                signed: true,
                ..Default::default()
            }
        );
    });
}

#[test]
fn rfc8392_a_4_maced_with_cwt_tag() {
    with_appendix_a(&figure(12), |opened| {
        let opened = opened.unwrap();
        assert_claims_of_a_1(&opened.claims);
        assert_eq!(
            opened.protection,
            Protection {
                maced: true,
                ..Default::default()
            }
        );
    });
}

#[test]
fn rfc8392_a_5_encrypted() {
    with_appendix_a(&figure(14), |opened| {
        let opened = opened.unwrap();
        assert_claims_of_a_1(&opened.claims);
        assert_eq!(
            opened.protection,
            Protection {
                encrypted: true,
                ..Default::default()
            }
        );
    });
}

#[test]
fn rfc8392_a_6_signed_then_encrypted() {
    with_appendix_a(&figure(16), |opened| {
        let opened = opened.unwrap();
        assert_claims_of_a_1(&opened.claims);
        assert_eq!(opened.kid, Some(&b"Symmetric128"[..]));
        let both = Protection {
            encrypted: true,
            signed: true,
            maced: false,
        };
        assert_eq!(opened.protection, both);
    });
}

#[test]
fn rfc8392_a_7_floating_point_iat() {
    with_appendix_a(&figure(18), |opened| {
        let iat = opened.unwrap().claims.iat.unwrap();
        assert_eq!(
            (iat.seconds(), iat.nanoseconds()),
            (1_443_944_944, 500_000_000)
        );
    });
}

#[test]
fn rfc8392_6_tags_may_be_left_out_but_not_be_others() {
    for (number, tag) in [(10, 0xd2), (14, 0xd0)] {
        let tagged = figure(number);
        assert_eq!(tagged[0], tag);
        for accepted in [&tagged[1..], &[&[0xd8, 61], &tagged[..]].concat()] {
            with_appendix_a(accepted, |opened| {
                assert_claims_of_a_1(&opened.unwrap().claims)
            });
        }
        for prefix in [&[0xd8, 62][..], &[0xd8, 61, 0xd8, 61], &[0xd1], &[0xc0]] {
            with_appendix_a(&[prefix, &tagged[..]].concat(), |opened| {
                assert_eq!(opened.unwrap_err().code(), Code::BAD_REQUEST);
            });
        }
        // RFC 8392, 7.2, step 2: a COSE tag follows the CWT tag.
        with_appendix_a(&[&[0xd8, 61], &tagged[1..]].concat(), |opened| {
            assert_eq!(opened, Err(TokenError::Malformed(Error::WrongTag)));
        });
    }
}

#[test]
fn rfc8747_3_3_encrypted_cose_key() {
    let vector = file("rfc8747-s3.3.json");
    let (protected, iv, ciphertext) = (
        bytes(&vector, "protected"),
        bytes(&vector, "iv"),
        bytes(&vector, "ciphertext"),
    );
    // The array as the RFC prints it, inside `cnf` as member 2.
    let cnf = [
        &[0xa1, 0x02, 0x83, 0x43][..],
        &protected,
        &[0xa1, 0x05, 0x4d],
        &iv,
        &[0x58, u8::try_from(ciphertext.len()).unwrap()],
        &ciphertext,
    ]
    .concat();
    let Confirmation::EncryptedCoseKey(encrypted) = Confirmation::parse(&cnf).unwrap() else {
        panic!("{cnf:02x?}");
    };
    let key = bytes(&vector, "key");
    let trusted = [TrustedKey {
        kid: None,
        issuer: ISSUER,
        key: TokenKey::Aead(Aead::AesCcm16_64_128, &key),
    }];
    let mut buffer = [0; 64];
    let opened = open_encrypted_key(encrypted, &trusted, &mut buffer).unwrap();
    assert_eq!(opened.kty, KeyType::Symmetric);
    assert_eq!(opened.alg, Some(Label::Int(5)));
    let k = "6684523ab17337f173500e5728c628547cb37dfe68449c65f885d1b73b49eae1";
    assert_eq!(hex::encode(opened.k.unwrap()), k);

    let wrong = [TrustedKey {
        key: TokenKey::Aead(Aead::AesCcm16_64_128, &[0; 16]),
        ..trusted[0]
    }];
    let mut buffer = [0xaa; 64];
    assert_eq!(
        open_encrypted_key(encrypted, &wrong, &mut buffer),
        Err(TokenError::Verification)
    );
    assert_eq!(buffer[..ciphertext.len()], vec![0; ciphertext.len()]);
}

/// One key, for whatever algorithm and `kid` the structure names.
enum AnyAlgorithm {
    Symmetric(Vec<u8>),
    Public(VerifyingKey),
}

impl KeySource for AnyAlgorithm {
    fn find(&self, _: Option<&[u8]>, algorithm: i64) -> Option<(TokenKey<'_>, &str)> {
        let key = match self {
            Self::Symmetric(k) => Aead::from_cose(algorithm)
                .map(|aead| TokenKey::Aead(aead, k))
                .or_else(|| Mac::from_cose(algorithm).map(|mac| TokenKey::Mac(mac, k)))?,
            Self::Public(key) => TokenKey::Verify(*key),
        };
        Some((key, ISSUER))
    }
}

/// What the examples are answered with, by the rule they break or the choice made here.
fn refusal(name: &str, external: bool) -> Option<TokenError> {
    let (folder, name) = name.split_once('/').unwrap();
    Some(match (folder, name.trim_end_matches(".json")) {
        // Another CBOR tag.
        (_, "enc-fail-01" | "mac-fail-01" | "sign-fail-01") => {
            TokenError::Malformed(Error::WrongTag)
        }
        // Tag or content changed; protected header changed after the fact.
        (_, "enc-fail-02" | "mac-fail-02" | "sign-fail-02") => TokenError::Verification,
        (_, "enc-fail-06" | "mac-fail-06" | "sign-fail-06") => TokenError::Verification,
        (_, "enc-fail-07" | "mac-fail-07" | "sign-fail-07") => TokenError::Verification,
        (_, "aes-gcm-enc-04" | "HMac-enc-04") => TokenError::Verification,
        // alg -999
        (_, "enc-fail-03" | "mac-fail-03") => TokenError::UnknownKey,
        (_, "sign-fail-03") => TokenError::KeyMismatch,
        // alg "Unknown"
        (_, "enc-fail-04" | "mac-fail-04" | "sign-fail-04") => TokenError::MissingAlgorithm,
        // alg in the unprotected header
        (_, "enc-pass-01" | "enc-pass-03" | "sign-pass-01") => {
            TokenError::Malformed(Error::AlgorithmNotProtected)
        }
        (_, "mac-pass-01" | "mac-pass-02" | "mac-pass-03") => {
            TokenError::Malformed(Error::AlgorithmNotProtected)
        }
        // A token has no external data.
        _ if external => TokenError::Verification,
        // Partial IV without an IV to complete it; AES-MAC; ES384, ES512, Ed448.
        ("RFC8152", "Appendix_C_4_2") => TokenError::Nonce,
        ("RFC8152", "Appendix_C_6_1") => TokenError::UnknownKey,
        ("ecdsa-examples", "ecdsa-sig-04") => TokenError::KeyMismatch,
        _ => return None,
    })
}

#[test]
fn cose_wg_examples() {
    let file = file("cose-wg.json");
    let (mut passed, mut refused, mut no_key) = (0, 0, 0);
    for case in file["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let source = match case["crv"].as_str() {
            None => AnyAlgorithm::Symmetric(bytes(case, "key")),
            Some("P-256") => AnyAlgorithm::Public(
                VerifyingKey::p256(&bytes(case, "x"), Y::Coordinate(&bytes(case, "y"))).unwrap(),
            ),
            Some("Ed25519") => {
                AnyAlgorithm::Public(VerifyingKey::ed25519(&bytes(case, "x")).unwrap())
            }
            Some(_) => {
                // P-384, P-521 and Ed448 cannot be given as keys at all.
                no_key += 1;
                continue;
            }
        };
        let (cbor, mut buffer) = (bytes(case, "cbor"), [0; 256]);
        let result = open_layer(&cbor, &source, &mut buffer).map(|layer| layer.content);
        match refusal(name, case["external"].is_string()) {
            Some(error) => {
                assert_eq!(result, Err(error), "{name}");
                refused += 1;
            }
            None => {
                assert_eq!(case["fail"], false, "{name} is said to fail");
                assert_eq!(result, Ok(&bytes(case, "content")[..]), "{name}");
                passed += 1;
            }
        }
    }
    assert_eq!((passed, refused, no_key), (28, 31, 3));
}
