//! Public keys and ECDSA signatures in DER, and what their decoders must refuse.
#![cfg(all(feature = "es256", feature = "eddsa"))]

mod rng;
mod vectors;

use ace_crypto::{
    CryptoError, MAX_DER_SIGNATURE_LEN, Signature, SigningKey, VerifyingKey, Y, key_id, sha256,
    signature_from_der, signature_to_der,
};
use proptest::prelude::*;
use rng::Counting;
use vectors::{bytes, cases, verdicts};

fn to_der(signature: &[u8; 64]) -> Vec<u8> {
    let mut out = [0xee; MAX_DER_SIGNATURE_LEN + 1];
    let len = signature_to_der(signature, &mut out).unwrap();
    assert!(out[len..].iter().all(|&byte| byte == 0xee));
    for room in 0..len {
        assert_eq!(
            signature_to_der(signature, &mut vec![0; room]),
            Err(CryptoError::BufferTooSmall)
        );
    }
    out[..len].to_vec()
}

fn to_spki(key: &VerifyingKey) -> Vec<u8> {
    let mut out = [0xee; VerifyingKey::MAX_SPKI_LEN + 1];
    let len = key.to_spki(&mut out).unwrap();
    assert_eq!(len, key.spki_len());
    assert!(out[len..].iter().all(|&byte| byte == 0xee));
    for room in 0..len {
        assert_eq!(
            key.to_spki(&mut vec![0; room]),
            Err(CryptoError::BufferTooSmall)
        );
    }
    out[..len].to_vec()
}

#[test]
fn wycheproof_ecdsa_p256_der() {
    let cases = cases("wycheproof-ecdsa-secp256r1-sha256.json");
    assert_eq!(verdicts(&cases), (174, 310));
    for case in cases {
        let spki = bytes(&case, "spki");
        let key = VerifyingKey::from_spki(&spki).unwrap();
        assert_eq!(to_spki(&key), spki);
        let der = bytes(&case, "sig");
        let signature = signature_from_der(&der);
        let result = signature.and_then(|signature| {
            assert_eq!(to_der(&signature), der, "{}", case["id"]);
            key.verify(&[&bytes(&case, "msg")], &signature)
        });
        let expected = if case["valid"] == true {
            Ok(())
        } else {
            Err(CryptoError::Verification)
        };
        assert_eq!(result, expected, "{}", case["id"]);
    }
}

#[test]
fn rfc8410_10_1_public_key() {
    // MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
    let spki = hex::decode(
        "302a300506032b6570032100\
         19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1",
    )
    .unwrap();
    let key = VerifyingKey::from_spki(&spki).unwrap();
    assert_eq!(key, VerifyingKey::ed25519(&spki[12..]).unwrap());
    assert_eq!(to_spki(&key), spki);
}

#[test]
fn rfc5480_2_only_the_one_encoding_is_read() {
    for algorithm in [Signature::Es256, Signature::EdDsa] {
        let key = SigningKey::generate(algorithm, &mut Counting(7)).verifying_key();
        let spki = to_spki(&key);
        assert_eq!(VerifyingKey::from_spki(&spki), Ok(key));
        let prefix = spki.len()
            - if algorithm == Signature::Es256 {
                64
            } else {
                32
            };
        for cut in 0..spki.len() {
            let refused = if cut < prefix {
                CryptoError::Unsupported
            } else {
                CryptoError::KeyLength
            };
            assert_eq!(VerifyingKey::from_spki(&spki[..cut]), Err(refused));
        }
        let longer = [&spki[..], &[0]].concat();
        assert_eq!(
            VerifyingKey::from_spki(&longer),
            Err(CryptoError::KeyLength)
        );
        for at in 0..prefix {
            for bit in 0..8 {
                let mut changed = spki.clone();
                changed[at] ^= 1 << bit;
                assert_eq!(
                    VerifyingKey::from_spki(&changed),
                    Err(CryptoError::Unsupported)
                );
            }
        }
        for at in prefix..spki.len() {
            let mut changed = spki.clone();
            changed[at] ^= 1;
            assert_ne!(VerifyingKey::from_spki(&changed), Ok(key));
        }
    }
}

#[test]
fn rfc5480_2_2_points_off_the_curve_and_compressed_ones_are_refused() {
    let x = hex::decode("60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6");
    let key = VerifyingKey::p256(&x.unwrap(), Y::Sign(true)).unwrap();
    let mut spki = to_spki(&key);
    spki[90] ^= 1;
    assert_eq!(VerifyingKey::from_spki(&spki), Err(CryptoError::InvalidKey));
    let compressed = [
        &hex::decode("3039301306072a8648ce3d020106082a8648ce3d03010703220003").unwrap(),
        &key.x()[..],
    ]
    .concat();
    assert_eq!(
        VerifyingKey::from_spki(&compressed),
        Err(CryptoError::Unsupported)
    );
    // Ed25519's neutral point.
    let weak =
        "302a300506032b65700321000100000000000000000000000000000000000000000000000000000000000000";
    assert_eq!(
        VerifyingKey::from_spki(&hex::decode(weak).unwrap()),
        Err(CryptoError::InvalidKey)
    );
}

/// A signature with these r and s, most significant byte first.
fn signature(r: &[u8], s: &[u8]) -> [u8; 64] {
    let mut signature = [0; 64];
    signature[32 - r.len()..32].copy_from_slice(r);
    signature[64 - s.len()..].copy_from_slice(s);
    signature
}

#[test]
fn rfc8422_5_4_integers_are_as_short_as_can_be() {
    for (r, s, der) in [
        (&[][..], &[][..], "3006020100020100"),
        (&[1], &[0x7f], "300602010102017f"),
        (&[0x80], &[0xff], "300802020080020200ff"),
        (&[1, 0], &[0x80, 0], "3009020201000203008000"),
    ] {
        let (signature, der) = (signature(r, s), hex::decode(der).unwrap());
        assert_eq!(to_der(&signature), der);
        assert_eq!(signature_from_der(&der), Ok(signature));
    }
    let longest = to_der(&[0xff; 64]);
    assert_eq!(longest.len(), MAX_DER_SIGNATURE_LEN);
    assert_eq!(signature_from_der(&longest), Ok([0xff; 64]));
}

#[test]
fn rfc8422_5_4_other_encodings_are_refused() {
    let (zeros, ones) = ("00".repeat(32), "ff".repeat(32));
    for (der, why) in [
        ("", "nothing"),
        ("30", "no length"),
        ("3000", "no integer"),
        ("3003 020101", "one integer"),
        ("3009 020101 020101 020101", "three integers"),
        ("3006 020101 020101 00", "a byte behind the sequence"),
        ("3007 020101 020101 00", "a byte behind the integers"),
        ("308106 020101 020101", "a length in the long form"),
        ("3007 02810101 020101", "a length in the long form"),
        ("3080 020101 020101 0000", "an indefinite length"),
        ("3007 02020001 020101", "a sign byte without need"),
        ("3007 020101 02020000", "a zero of two bytes"),
        ("3006 020181 020101", "a negative r"),
        ("3006 020101 0201ff", "a negative s"),
        ("3005 0200 020101", "an empty integer"),
        ("3106 020101 020101", "a set"),
        ("3006 030101 020101", "another type for r"),
        ("3006 020101 040101", "another type for s"),
        ("3005 020101 020101", "a sequence cut short"),
        ("3007 020101 020101", "a sequence beyond the end"),
        ("3006 020101 020201", "an integer beyond the end"),
        (&format!("3026 022101{zeros} 020101"), "257 bits"),
        (&format!("3027 022200ff{ones} 020101"), "264 bits"),
    ] {
        let der = hex::decode(der.replace(' ', "")).unwrap();
        let result = signature_from_der(&der);
        assert_eq!(result, Err(CryptoError::Verification), "{why}");
    }
}

/// Whatever is read is written the same: no signature has two encodings.
fn is_canonical(der: &[u8]) {
    if let Ok(signature) = signature_from_der(der) {
        assert_eq!(to_der(&signature), der);
    }
}

#[test]
fn every_byte_of_a_signature_changed_to_every_value() {
    for signature in [
        signature(&[0xff; 32], &[0x7f; 32]),
        signature(&[0x80; 31], &[1]),
        signature(&[], &[0x7f; 12]),
    ] {
        let der = to_der(&signature);
        assert_eq!(signature_from_der(&der), Ok(signature));
        for at in 0..der.len() {
            for value in 0..=255 {
                let mut changed = der.clone();
                changed[at] = value;
                is_canonical(&changed);
            }
            assert_eq!(
                signature_from_der(&der[..at]),
                Err(CryptoError::Verification)
            );
        }
        let longer = [&der[..], &[0]].concat();
        assert_eq!(signature_from_der(&longer), Err(CryptoError::Verification));
    }
}

proptest! {
    #[test]
    fn signatures_come_back(
        r in proptest::collection::vec(any::<u8>(), 0..=32),
        s in proptest::collection::vec(any::<u8>(), 0..=32),
    ) {
        let signature = signature(&r, &s);
        prop_assert_eq!(signature_from_der(&to_der(&signature)), Ok(signature));
    }

    #[test]
    fn random_bytes_never_panic(
        head in proptest::sample::select(vec![&[][..], &[0x30], &[0x30, 0x06, 0x02, 0x01], &[0x30, 0x2a], &[0x30, 0x59]]),
        tail in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        let der = [head, &tail].concat();
        is_canonical(&der);
        if let Ok(key) = VerifyingKey::from_spki(&der) {
            prop_assert_eq!(to_spki(&key), der);
        }
    }
}

#[test]
fn a_key_is_named_by_the_hash_of_its_subject_public_key_info() {
    // RFC 8410, 10.1
    let spki = hex::decode(
        "302a300506032b657003210019bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1",
    );
    let spki = spki.unwrap();
    let key = VerifyingKey::from_spki(&spki).unwrap();
    assert_eq!(key_id(&key), sha256(&[&spki])[..8]);
    assert_eq!(hex::encode(key_id(&key)), "a1e9156054e04fac");
    for algorithm in [Signature::Es256, Signature::EdDsa] {
        let key = SigningKey::generate(algorithm, &mut Counting(9)).verifying_key();
        assert_eq!(key_id(&key), sha256(&[&to_spki(&key)])[..8]);
    }
}
