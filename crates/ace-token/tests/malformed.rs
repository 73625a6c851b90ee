//! Tokens under the right key that are not what RFC 8392, RFC 8747 and RFC 9052 define: 4.00.

mod support;

use ace_crypto::{Aead, Mac};
use ace_token::{TokenError, TokenKey, TrustedKey, open};
use ace_wire::{Error, coap::Code};
use coset::{
    CborSerializable, CoseEncrypt0Builder, CoseMac0Builder, HeaderBuilder, TaggedCborSerializable,
    iana::Algorithm,
};
use support::{AS, KEY, TRUSTED, encrypted, refusal};

#[track_caller]
fn claims_refused(hex_claims: &str, error: Error) {
    let refused = refusal(&encrypted(&hex::decode(hex_claims).unwrap()));
    assert_eq!(refused, TokenError::Malformed(error), "{hex_claims}");
    assert_eq!(refused.code(), Code::BAD_REQUEST);
}

#[track_caller]
fn claims_accepted(hex_claims: &str) {
    let token = encrypted(&hex::decode(hex_claims).unwrap());
    assert!(
        open(&token, &TRUSTED, &mut [0; 512]).is_ok(),
        "{hex_claims}"
    );
}

#[test]
fn bytes_behind_the_claims_are_refused() {
    claims_refused("a000", Error::TrailingBytes);
    claims_refused("a101616100", Error::TrailingBytes);
}

#[test]
fn rfc8949_5_6_duplicate_claims_are_refused() {
    claims_refused("a2016161016162", Error::DuplicateKey); // iss
    claims_refused("a2041a70000000041a70000000", Error::DuplicateKey); // exp
    claims_refused("a2041a7000000018041a70000000", Error::DuplicateKey); // exp, key not minimal
    claims_refused("a2096161094161", Error::DuplicateKey); // scope
    claims_refused("a219012c0019012c00", Error::DuplicateKey); // an unknown claim
    claims_refused("a261780061781864", Error::DuplicateKey); // a text key
    claims_refused(
        "a208a1034101 08a1034101".replace(' ', "").as_str(),
        Error::DuplicateKey,
    ); // cnf
}

#[test]
fn rfc8949_5_6_duplicates_inside_cnf_are_refused() {
    claims_refused("a108a2034101034101", Error::DuplicateKey); // kid
    claims_refused("a108a101a301042041010104", Error::DuplicateKey); // COSE_Key: kty
    claims_refused("a108a101a30104204101204102", Error::DuplicateKey); // COSE_Key: k
    claims_refused("a108a104a3004101024102024103", Error::DuplicateKey); // osc: ms
    claims_refused("a108a104a4004101024102186301186302", Error::DuplicateKey); // osc: unknown
}

#[test]
fn rfc8747_3_1_cnf_holds_one_key() {
    claims_refused("a108a0", Error::ConfirmationMembers);
    claims_refused(
        "a108a2034101 01a20104204101".replace(' ', "").as_str(),
        Error::ConfirmationMembers,
    );
    claims_refused(
        "a108a2034101 04a2004101024102".replace(' ', "").as_str(),
        Error::ConfirmationMembers,
    );
    claims_refused("a108a1186301", Error::ConfirmationMembers); // only an unknown member
    claims_refused("a10880", Error::WrongType);
    claims_refused("a108a10301", Error::WrongType);
}

#[test]
fn rfc8747_3_2_a_private_key_is_refused() {
    // {8: {1: {1: 2, -1: 1, -2: x, -3: y, -4: d}}}
    let coordinate = |label: &str| format!("{label}5820{}", "11".repeat(32));
    let public = format!("0102 2001 {} {}", coordinate("21"), coordinate("22")).replace(' ', "");
    claims_accepted(&format!("a108a101a4{public}"));
    claims_refused(
        &format!("a108a101a5{public}{}", coordinate("23")),
        Error::PrivateKey,
    );
}

#[test]
fn rfc8747_3_2_a_symmetric_key_in_clear_is_refused() {
    for claims in ["a108a101a2010420415a", "a108a104a200410102415a"] {
        let claims = hex::decode(claims).unwrap();
        assert!(open(&encrypted(&claims), &TRUSTED, &mut [0; 64]).is_ok());

        let token = CoseMac0Builder::new()
            .protected(
                HeaderBuilder::new()
                    .algorithm(Algorithm::HMAC_256_256)
                    .build(),
            )
            .unprotected(HeaderBuilder::new().key_id(b"m".to_vec()).build())
            .payload(claims)
            .create_tag(&[], |text| {
                ace_crypto::hmac_sha256(&[9; 32], &[text]).to_vec()
            })
            .build()
            .to_tagged_vec()
            .unwrap();
        let keys = [
            TrustedKey {
                kid: Some(b"m"),
                issuer: AS,
                key: TokenKey::Mac(Mac::HmacSha256, &[9; 32]),
            },
            TRUSTED[0],
        ];
        let refused = open(&token, &keys, &mut []);
        assert_eq!(refused, Err(TokenError::SecretInClear));
        assert_eq!(TokenError::SecretInClear.code(), Code::BAD_REQUEST);
        // Encrypted outside, it is no longer in clear.
        assert!(open(&encrypted(&token), &keys, &mut [0; 256]).is_ok());
    }
}

#[test]
fn indefinite_lengths_are_refused() {
    claims_refused("bf016161ff", Error::IndefiniteLength);
    claims_refused("a1017f6161ff", Error::IndefiniteLength);
    claims_refused("a1075f4101ff", Error::IndefiniteLength);
    claims_refused("a1039f6161ff", Error::IndefiniteLength);
    claims_refused("a108bf034101ff", Error::IndefiniteLength);
    claims_refused("a119012c9fff", Error::IndefiniteLength);

    let token = encrypted(&[0xa0]);
    let protected = hex::decode("43a1010a").unwrap();
    assert_eq!(token[..6], [&[0xd0, 0x83][..], &protected].concat());
    let array = [&[0xd0, 0x9f], &token[2..], &[0xff]].concat();
    assert_eq!(
        refusal(&array),
        TokenError::Malformed(Error::IndefiniteLength)
    );
    let string = [&[0xd0, 0x83, 0x5f], &protected[..], &[0xff], &token[6..]].concat();
    assert_eq!(
        refusal(&string),
        TokenError::Malformed(Error::IndefiniteLength)
    );
}

#[test]
fn rfc8392_2_dates_that_are_no_dates_are_refused() {
    for claim in ["04", "05", "06"] {
        for date in [
            "f97e00",
            "f97c00",
            "f9fc00", // half: NaN, inf, -inf
            "fa7fc00000",
            "fa7f800000",
            "faff800000", // single
            "fb7ff8000000000000",
            "fb7ff0000000000000",
            "fbfff0000000000000", // double
            "fbfff8000000000000",
            "f97e01", // NaN with sign and payload
            "20",
            "3903e7",
            "3b7fffffffffffffff", // -1, -1000, -2^63
            "fbbff0000000000000",
            "f9bc00",             // -1.0
            "fb7fefffffffffffff", // 1.8e308
        ] {
            claims_refused(&format!("a1{claim}{date}"), Error::NumericDate);
        }
        claims_refused(&format!("a1{claim}6131"), Error::WrongType);
        claims_refused(&format!("a1{claim}f6"), Error::WrongType);
        claims_refused(&format!("a1{claim}c11a70000000"), Error::WrongType); // tag 1 is to be left out
        for date in [
            "00",
            "1a70000000",
            "1b7fffffffffffffff",
            "fb41d584367c200000",
            "f97bff",
        ] {
            claims_accepted(&format!("a1{claim}{date}"));
        }
    }
}

#[test]
fn claims_of_the_wrong_type_are_refused() {
    for claims in [
        "a10101",
        "a1014161",
        "a10200",
        "a10300",
        "a103a0",
        "a1038101",
        "a10700",
        "a1076161",
        "a10900",
        "a1182660",
        "a1182700",
        "a118276161",
        "a1182820",
        "a118284161",
        "80",
        "00",
        "f6",
    ] {
        claims_refused(claims, Error::WrongType);
    }
    claims_refused("a1016180", Error::InvalidText);
    claims_refused("", Error::Truncated);
    claims_refused("a1", Error::Truncated);
    // Claims nobody here knows are passed over (RFC 8392, 3).
    claims_accepted("a21a0001000080617800");
}

#[test]
fn rfc9052_3_1_headers_are_checked() {
    let header = |protected: &str, unprotected: &str| {
        let (protected, unprotected) = (
            hex::decode(protected).unwrap(),
            hex::decode(unprotected).unwrap(),
        );
        let head = [0xd0, 0x83, 0x40 | u8::try_from(protected.len()).unwrap()];
        [&head, &protected[..], &unprotected, &[0x49], &[0; 9]].concat()
    };
    let iv = "054d01010101010101010101010101";
    let good = format!("a20443727331{iv}");
    assert_eq!(refusal(&header("a1010a", &good)), TokenError::Verification);

    let malformed = |error| TokenError::Malformed(error);
    let cases = [
        ("", good.as_str(), TokenError::MissingAlgorithm),
        ("a0", &good, TokenError::MissingAlgorithm),
        ("a10161", &good, malformed(Error::Truncated)),
        ("a101f6", &good, malformed(Error::WrongType)),
        ("a1010a00", &good, malformed(Error::TrailingBytes)),
        ("a2010a010a", &good, malformed(Error::DuplicateKey)),
        ("a10163464f4f", &good, TokenError::MissingAlgorithm),
        ("a1010b", &good, TokenError::UnknownKey),
        ("a2010a044101", &good, malformed(Error::LabelInBothHeaders)),
        ("a2010a028118ff", &good, malformed(Error::UnknownCritical)),
        ("a2010a0280", &good, malformed(Error::MalformedCritical)),
        ("a1010a", "a0", TokenError::UnknownKey),
        (
            "a1010a",
            "a20443727331044101",
            malformed(Error::DuplicateKey),
        ),
        ("a1010a", "a104187b", malformed(Error::WrongType)),
        ("a1010a", "a10443727331", TokenError::Nonce),
        ("a1010a", "a204437273310540", TokenError::Nonce),
        (
            "a1010a",
            "a20443727331054c010101010101010101010101",
            TokenError::Nonce,
        ),
        ("a1010a", "a20443727331064101", TokenError::Nonce),
    ];
    for (protected, unprotected, error) in cases {
        assert_eq!(
            refusal(&header(protected, unprotected)),
            error,
            "{protected} {unprotected}"
        );
    }
    let both = format!("a30443727331{iv}064101");
    assert_eq!(
        refusal(&header("a1010a", &both)),
        malformed(Error::IvAndPartialIv)
    );
    let unprotected_alg = format!("a3010a0443727331{iv}");
    assert_eq!(
        refusal(&header("a0", &unprotected_alg)),
        malformed(Error::AlgorithmNotProtected)
    );
}

#[test]
fn detached_content_is_refused() {
    for token in [
        "d08343a1010aa0f6",
        "d18443a10105a0f64101",
        "d28443a10126a0f64101",
    ] {
        let token = hex::decode(token).unwrap();
        assert_eq!(refusal(&token), TokenError::Malformed(Error::WrongType));
    }
}

#[test]
fn a_ciphertext_shorter_than_a_tag_is_refused() {
    for len in 0..8u8 {
        let head = hex::decode("d08343a1010aa20443727331054d01010101010101010101010101").unwrap();
        let token = [&head[..], &[0x40 | len], &vec![0; usize::from(len)]].concat();
        assert_eq!(refusal(&token), TokenError::Verification);
    }
}

#[test]
fn long_protected_headers_are_taken_up_to_the_limit() {
    let token = |filler: usize| {
        let header = HeaderBuilder::new()
            .algorithm(Algorithm::AES_CCM_16_64_128)
            .text_value("x".into(), ciborium::Value::Bytes(vec![0; filler]))
            .build();
        let protected = header.clone().to_vec().unwrap().len();
        let token = CoseEncrypt0Builder::new()
            .protected(header)
            .unprotected(
                HeaderBuilder::new()
                    .key_id(b"rs1".to_vec())
                    .iv(vec![1; 13])
                    .build(),
            )
            .create_ciphertext(&[0xa0], &[], |_, aad| {
                let mut text = [0xa0, 0, 0, 0, 0, 0, 0, 0, 0];
                Aead::AesCcm16_64_128
                    .seal(&KEY, &[1; 13], aad, &mut text, 1)
                    .unwrap();
                text.to_vec()
            })
            .build()
            .to_tagged_vec()
            .unwrap();
        (protected, token)
    };
    let mut longest = 0;
    for filler in 0..250 {
        let (protected, token) = token(filler);
        match open(&token, &TRUSTED, &mut [0; 64]) {
            Ok(_) => longest = protected,
            Err(error) => {
                assert!(protected > ace_token::MAX_PROTECTED);
                assert_eq!(
                    (error, error.code()),
                    (TokenError::HeaderTooLong, Code::BAD_REQUEST)
                );
            }
        }
    }
    assert!(longest >= ace_token::MAX_PROTECTED);
}
