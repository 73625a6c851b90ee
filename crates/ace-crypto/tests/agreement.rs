//! Key agreement against published vectors, and what it must refuse.
#![cfg(all(feature = "es256", feature = "eddsa"))]

mod rng;
mod vectors;

use ace_crypto::{CryptoError, EphemeralKey, KeyAgreement, VerifyingKey};
use rng::Counting;
use serde_json::Value;
use vectors::{bytes, cases, verdicts};

const BOTH: [KeyAgreement; 2] = [KeyAgreement::Secp256r1, KeyAgreement::X25519];

fn unhex<const N: usize>(text: &str) -> [u8; N] {
    hex::decode(text).unwrap().try_into().unwrap()
}

/// The private key of a case on P-256, an integer of any length there.
fn p256_key(case: &Value) -> Result<EphemeralKey, CryptoError> {
    let integer = bytes(case, "private");
    let digits = &integer[integer.len().saturating_sub(32)..];
    let mut scalar = [0; 32];
    scalar[32 - digits.len()..].copy_from_slice(digits);
    EphemeralKey::from_bytes(KeyAgreement::Secp256r1, &scalar)
}

fn check(case: &Value, key: EphemeralKey, public: &[u8]) {
    let result = key.agree(public);
    if case["valid"] == true {
        let shared = bytes(case, "shared");
        assert_eq!(result.unwrap().as_bytes(), shared, "{}", case["id"]);
    } else {
        assert!(result.is_err(), "{}", case["id"]);
    }
}

#[test]
fn wycheproof_ecdh_p256_points() {
    let cases = cases("wycheproof-ecdh-secp256r1-ecpoint.json");
    assert_eq!(verdicts(&cases), (330, 25));
    for case in cases {
        check(&case, p256_key(&case).unwrap(), &bytes(&case, "public"));
    }
}

#[test]
fn wycheproof_ecdh_p256_subject_public_key_info() {
    let cases = cases("wycheproof-ecdh-secp256r1.json");
    assert_eq!(verdicts(&cases), (330, 282));
    for case in cases {
        let public = VerifyingKey::from_spki(&bytes(&case, "public"));
        assert_eq!(public.is_ok(), case["valid"] == true, "{}", case["id"]);
        if let Ok(public) = public {
            let point = [&[4][..], &public.x(), &public.y().unwrap()].concat();
            check(&case, p256_key(&case).unwrap(), &point);
        }
    }
}

#[test]
fn wycheproof_x25519() {
    let cases = cases("wycheproof-x25519.json");
    assert_eq!(verdicts(&cases), (487, 31));
    for case in cases {
        let key = EphemeralKey::from_bytes(KeyAgreement::X25519, &bytes(&case, "private"));
        check(&case, key.unwrap(), &bytes(&case, "public"));
    }
}

#[test]
fn rfc7748_6_1_alice_and_bob() {
    let a: [u8; 32] = unhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
    let b: [u8; 32] = unhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
    let public_a: [u8; 32] =
        unhex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
    let public_b: [u8; 32] =
        unhex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
    let shared: [u8; 32] =
        unhex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
    for (private, public, peer) in [(a, public_a, public_b), (b, public_b, public_a)] {
        let key = EphemeralKey::from_bytes(KeyAgreement::X25519, &private).unwrap();
        assert_eq!(key.public_key().as_bytes(), public);
        assert_eq!(key.agree(&peer).unwrap().as_bytes(), shared);
    }
}

/// The key of RFC 6979, A.2.5.
const P256_PRIVATE: &str = "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721";
const P256_PUBLIC: &str = "04\
    60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6\
    7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299";

#[test]
fn rfc6979_a_2_5_public_key() {
    let key = || EphemeralKey::from_bytes(KeyAgreement::Secp256r1, &unhex::<32>(P256_PRIVATE));
    let public: [u8; 65] = unhex(P256_PUBLIC);
    assert_eq!(key().unwrap().public_key().as_bytes(), public);

    // One times a point is that point.
    let mut one = [0; 32];
    one[31] = 1;
    let one = || EphemeralKey::from_bytes(KeyAgreement::Secp256r1, &one).unwrap();
    assert_eq!(one().agree(&public).unwrap().as_bytes(), &public[1..33]);
    let generator = one().public_key();
    let same = key().unwrap().agree(generator.as_bytes()).unwrap();
    assert_eq!(same.as_bytes(), &public[1..33]);
}

#[test]
fn generated_keys_agree_and_differ() {
    let rng: &mut dyn ace_crypto::CryptoRng = &mut Counting(0);
    for group in BOTH {
        let (ours, theirs) = (
            EphemeralKey::generate(group, rng),
            EphemeralKey::generate(group, rng),
        );
        let third = EphemeralKey::generate(group, rng);
        assert_eq!(ours.group(), group);
        let (our_share, their_share) = (ours.public_key(), theirs.public_key());
        assert_eq!(our_share.as_bytes().len(), group.public_key_len());
        assert_ne!(our_share.as_bytes(), their_share.as_bytes());
        let shared = ours.agree(their_share.as_bytes()).unwrap();
        assert_eq!(shared, theirs.agree(our_share.as_bytes()).unwrap());
        assert_eq!(shared.len(), 32);
        assert_ne!(shared, third.agree(our_share.as_bytes()).unwrap());
    }
}

#[test]
fn rfc8422_5_11_a_point_off_the_curve_is_refused() {
    let agree = |public: &[u8]| {
        EphemeralKey::from_bytes(KeyAgreement::Secp256r1, &[1; 32])
            .unwrap()
            .agree(public)
    };
    let invalid = Err(CryptoError::InvalidKey);
    let public: [u8; 65] = unhex(P256_PUBLIC);
    assert!(agree(&public).is_ok());
    for bit in 0..256 {
        let mut off = public;
        off[33 + bit / 8] ^= 1 << (bit % 8);
        assert_eq!(agree(&off), invalid);
    }
    // Only the uncompressed form, and no coordinate beyond the field.
    for form in (0..=255).filter(|&form| form != 4) {
        let mut other = public;
        other[0] = form;
        assert_eq!(agree(&other), invalid);
    }
    let mut beyond = [0xff; 65];
    beyond[0] = 4;
    assert_eq!(agree(&beyond), invalid);
    let mut zeros = [0; 65];
    assert_eq!(agree(&zeros), invalid);
    zeros[0] = 4;
    assert_eq!(agree(&zeros), invalid);

    // The point at infinity and compressed points are shorter.
    assert_eq!(agree(&[0]), Err(CryptoError::KeyLength));
    let compressed = [&[3], &public[1..33]].concat();
    assert_eq!(agree(&compressed), Err(CryptoError::KeyLength));
}

#[test]
fn rfc8422_5_11_an_x25519_result_of_zero_is_refused() {
    // The points of small order: zero, one, the two of order eight, minus one; and those a field size above.
    for point in [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ] {
        let point: [u8; 32] = unhex(point);
        for private in [[0; 32], [1; 32], [0xff; 32]] {
            let key = EphemeralKey::from_bytes(KeyAgreement::X25519, &private).unwrap();
            assert_eq!(key.agree(&point), Err(CryptoError::InvalidKey));
            let key = EphemeralKey::from_bytes(KeyAgreement::X25519, &private).unwrap();
            let mut high = point;
            high[31] |= 0x80;
            assert_eq!(key.agree(&high), Err(CryptoError::InvalidKey));
        }
    }
}

#[test]
fn keys_of_another_length_or_out_of_range_are_refused() {
    for group in BOTH {
        for len in (0..70).filter(|&len| len != group.public_key_len()) {
            let key = EphemeralKey::from_bytes(group, &[1; 32]).unwrap();
            assert_eq!(key.agree(&vec![4; len]), Err(CryptoError::KeyLength));
        }
        for len in (0..70).filter(|&len| len != 32) {
            let refused = EphemeralKey::from_bytes(group, &vec![1; len]);
            assert_eq!(refused.err(), Some(CryptoError::KeyLength));
        }
    }
    let order: [u8; 32] = unhex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    for scalar in [[0; 32], order, [0xff; 32]] {
        let refused = EphemeralKey::from_bytes(KeyAgreement::Secp256r1, &scalar);
        assert_eq!(refused.err(), Some(CryptoError::InvalidKey));
    }
}

#[test]
fn private_keys_do_not_show() {
    for group in BOTH {
        let key = EphemeralKey::from_bytes(group, &[0x5a; 32]).unwrap();
        assert_eq!(
            format!("{key:?}"),
            format!("EphemeralKey({}, ..)", group.name())
        );
    }
}

#[test]
fn rfc8422_5_1_1_numbers_are_those_of_the_registry() {
    let here: Vec<_> = (0..=u16::MAX)
        .filter_map(KeyAgreement::from_named_group)
        .map(|group| (group.named_group(), group.name(), group.public_key_len()))
        .collect();
    assert_eq!(here, [(23, "secp256r1", 65), (29, "x25519", 32)]);
    for group in BOTH {
        assert!(group.public_key_len() <= KeyAgreement::MAX_PUBLIC_KEY_LEN);
    }
}
