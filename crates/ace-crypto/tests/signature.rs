//! ES256 and EdDSA against published vectors, and what they must refuse.
#![cfg(all(feature = "es256", feature = "eddsa"))]

mod rng;
mod vectors;

use ace_crypto::{CryptoError, Signature, SigningKey, VerifyingKey, Y};
use rng::Counting;
use vectors::{bytes, cases, verdicts};

const BOTH: [Signature; 2] = [Signature::Es256, Signature::EdDsa];

fn unhex<const N: usize>(text: &str) -> [u8; N] {
    hex::decode(text).unwrap().try_into().unwrap()
}

#[test]
fn wycheproof_ecdsa_p256_p1363() {
    let cases = cases("wycheproof-ecdsa-secp256r1-sha256-p1363.json");
    assert_eq!(verdicts(&cases), (173, 89));
    for case in cases {
        let point = bytes(&case, "point");
        let (x, y) = point[1..].split_at(32);
        let key = VerifyingKey::p256(x, Y::Coordinate(y)).unwrap();
        assert_eq!(VerifyingKey::p256(x, Y::Sign(y[31] & 1 == 1)), Ok(key));
        assert_ne!(VerifyingKey::p256(x, Y::Sign(y[31] & 1 == 0)), Ok(key));
        assert_eq!((&key.x()[..], &key.y().unwrap()[..]), (x, y));
        let message = bytes(&case, "msg");
        let (head, tail) = message.split_at(message.len() / 2);
        let result = key.verify(&[head, tail], &bytes(&case, "sig"));
        assert_eq!(
            result.is_ok(),
            case["valid"] == true,
            "{}: {result:?}",
            case["id"]
        );
    }
}

#[test]
fn wycheproof_ed25519() {
    let cases = cases("wycheproof-ed25519.json");
    assert_eq!(verdicts(&cases), (88, 63));
    for case in cases {
        let key = VerifyingKey::ed25519(&bytes(&case, "pk")).unwrap();
        assert_eq!((key.x().to_vec(), key.y()), (bytes(&case, "pk"), None));
        let message = bytes(&case, "msg");
        let (head, tail) = message.split_at(message.len() / 2);
        let result = key.verify(&[head, tail], &bytes(&case, "sig"));
        assert_eq!(
            result.is_ok(),
            case["valid"] == true,
            "{}: {result:?}",
            case["id"]
        );
    }
}

#[test]
fn cose_wg_examples() {
    let cases = cases("cose-wg-sign.json");
    assert_eq!(verdicts(&cases), (2, 0));
    for case in cases {
        let key = match Signature::from_cose(case["alg"].as_i64().unwrap()).unwrap() {
            Signature::Es256 => {
                VerifyingKey::p256(&bytes(&case, "x"), Y::Coordinate(&bytes(&case, "y")))
            }
            _ => VerifyingKey::ed25519(&bytes(&case, "x")),
        };
        let result = key
            .unwrap()
            .verify(&[&bytes(&case, "msg")], &bytes(&case, "sig"));
        assert_eq!(result, Ok(()), "{}", case["name"]);
    }
}

#[test]
fn rfc6979_a_2_5_signature_over_sample() {
    let scalar: [u8; 32] =
        unhex("C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721");
    let key = SigningKey::from_bytes(Signature::Es256, &scalar).unwrap();
    assert_eq!(
        key.verifying_key(),
        VerifyingKey::p256(
            &unhex::<32>("60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6"),
            Y::Coordinate(&unhex::<32>(
                "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299"
            )),
        )
        .unwrap()
    );
    let expected: [u8; 64] = unhex(
        "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716\
         F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8",
    );
    assert_eq!(key.sign(&[b"sam", b"ple"]), Ok(expected));
    assert_eq!(key.to_bytes().as_bytes(), scalar);
}

#[test]
fn rfc8032_7_1_test_2() {
    let seed: [u8; 32] = unhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
    let key = SigningKey::from_bytes(Signature::EdDsa, &seed).unwrap();
    assert_eq!(
        key.verifying_key().x(),
        unhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
    );
    let expected: [u8; 64] = unhex(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
         085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    );
    assert_eq!(key.sign(&[&[], &[0x72]]), Ok(expected));
    assert_eq!(key.to_bytes().as_bytes(), seed);
}

#[test]
fn generated_keys_sign_verify_and_survive_storage() {
    let rng: &mut dyn ace_crypto::CryptoRng = &mut Counting(0);
    for algorithm in BOTH {
        let key = SigningKey::generate(algorithm, rng);
        let other = SigningKey::generate(algorithm, rng).verifying_key();
        let stored = key.to_bytes();
        let restored = SigningKey::from_bytes(algorithm, stored.as_bytes()).unwrap();
        let public = restored.verifying_key();
        assert_eq!(
            (public, public.algorithm()),
            (key.verifying_key(), algorithm)
        );

        let signature = key.sign(&[b"message"]).unwrap();
        assert_eq!(public.verify(&[b"mess", b"age"], &signature), Ok(()));
        let refused = Err(CryptoError::Verification);
        assert_eq!(other.verify(&[b"message"], &signature), refused);
        assert_eq!(public.verify(&[b"massage"], &signature), refused);
        for bit in 0..signature.len() * 8 {
            let mut changed = signature;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(public.verify(&[b"message"], &changed), refused);
        }
        for len in 0..signature.len() {
            assert_eq!(public.verify(&[b"message"], &signature[..len]), refused);
        }
        assert_eq!(
            public.verify(&[b"message"], &[&signature[..], &[0]].concat()),
            refused
        );
    }
}

#[test]
fn private_keys_do_not_show() {
    for algorithm in BOTH {
        let key = SigningKey::from_bytes(algorithm, &[0x5a; 32]).unwrap();
        assert_eq!(key.algorithm(), algorithm);
        assert_eq!(
            format!("{key:?}"),
            format!("SigningKey({}, ..)", algorithm.name())
        );
    }
}

#[test]
fn bytes_that_are_no_key_are_refused() {
    let x: [u8; 32] = unhex("60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6");
    let y: [u8; 32] = unhex("7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299");
    let invalid = Err(CryptoError::InvalidKey);
    for bit in 0..256 {
        let mut off = y;
        off[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(VerifyingKey::p256(&x, Y::Coordinate(&off)), invalid);
    }
    assert_eq!(
        VerifyingKey::p256(&[0; 32], Y::Coordinate(&[0; 32])),
        invalid
    );
    assert_eq!(VerifyingKey::p256(&[0xff; 32], Y::Sign(false)), invalid);
    for len in (0..70).filter(|&len| len != 32) {
        let short = Err(CryptoError::KeyLength);
        assert_eq!(VerifyingKey::p256(&vec![1; len], Y::Coordinate(&y)), short);
        assert_eq!(VerifyingKey::p256(&vec![1; len], Y::Sign(true)), short);
        assert_eq!(VerifyingKey::p256(&x, Y::Coordinate(&vec![1; len])), short);
        assert_eq!(VerifyingKey::ed25519(&vec![1; len]), short);
        for algorithm in BOTH {
            assert!(SigningKey::from_bytes(algorithm, &vec![1; len]).is_err());
        }
    }
    // Points of small order: the neutral one and the one of order two.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    assert_eq!(VerifyingKey::ed25519(&neutral), invalid);
    assert_eq!(
        VerifyingKey::ed25519(&unhex::<32>(
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"
        )),
        invalid
    );
    // No point has this y.
    neutral[0] = 2;
    assert_eq!(VerifyingKey::ed25519(&neutral), invalid);
    // Zero and the group order are not scalars.
    let order: [u8; 32] = unhex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    for scalar in [[0; 32], order, [0xff; 32]] {
        let refused = SigningKey::from_bytes(Signature::Es256, &scalar);
        assert_eq!(refused.err(), Some(CryptoError::InvalidKey));
    }
}

#[test]
fn rfc9053_2_numbers_are_those_of_the_registry() {
    let here: Vec<_> = (-300..300)
        .filter_map(Signature::from_cose)
        .map(|algorithm| (algorithm.cose(), algorithm.name()))
        .collect();
    assert_eq!(here, [(-8, "EdDSA"), (-7, "ES256")]);
}
