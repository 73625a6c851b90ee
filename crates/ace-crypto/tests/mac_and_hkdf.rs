//! HMAC, SHA-256, HKDF and the secret type.

mod vectors;

use ace_crypto::{CryptoError, Hkdf, Mac, Secret, ct_eq, hmac_sha256, sha256};
use vectors::{bytes, cases, left_out, verdicts};

#[test]
fn wycheproof_hmac_sha256() {
    let cases = cases("wycheproof-hmac-sha256.json");
    assert_eq!(verdicts(&cases), (33, 54));
    for case in cases {
        let (key, message, tag) = (
            bytes(&case, "key"),
            bytes(&case, "msg"),
            bytes(&case, "tag"),
        );
        let (head, tail) = message.split_at(message.len() / 3);
        let result = Mac::HmacSha256.verify(&key, &[head, tail], &tag);
        let short = Mac::HmacSha256_64.verify(&key, &[&message], &tag[..8]);
        if case["valid"] == true {
            assert_eq!((result, short), (Ok(()), Ok(())), "{}", case["id"]);
            assert_eq!(hmac_sha256(&key, &[head, &[], tail])[..], tag);
        } else {
            assert_eq!(result, Err(CryptoError::Verification), "{}", case["id"]);
        }
    }
}

#[test]
fn cose_wg_hmac_examples() {
    let cases = cases("cose-wg-mac.json");
    assert_eq!(verdicts(&cases), (8, 2));
    for case in cases {
        let Some(mac) = Mac::from_cose(case["alg"].as_i64().unwrap()) else {
            left_out(cfg!(feature = "sha512"));
            continue;
        };
        let (key, message, tag) = (
            bytes(&case, "key"),
            bytes(&case, "msg"),
            bytes(&case, "tag"),
        );
        let result = mac.verify(&key, &[&message], &tag);
        assert_eq!(result.is_ok(), case["valid"] == true, "{}", case["name"]);
    }
}

#[test]
fn a_tag_of_another_length_or_with_a_bit_changed_is_refused() {
    for mac in (-20..20).filter_map(Mac::from_cose) {
        let mut tag = [0; Mac::MAX_TAG_LEN + 1];
        let len = mac.compute(b"key", &[b"message"], &mut tag).unwrap();
        assert_eq!(len, mac.tag_len());
        for cut in (0..=tag.len()).filter(|&cut| cut != len) {
            assert_eq!(
                mac.verify(b"key", &[b"message"], &tag[..cut]),
                Err(CryptoError::Verification)
            );
        }
        for bit in 0..len * 8 {
            let mut changed = tag;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                mac.verify(b"key", &[b"message"], &changed[..len]),
                Err(CryptoError::Verification)
            );
        }
        assert_eq!(mac.verify(b"key", &[b"mes", b"sage"], &tag[..len]), Ok(()));
        assert_eq!(
            mac.compute(b"key", &[], &mut tag[..len - 1]),
            Err(CryptoError::BufferTooSmall)
        );
    }
}

#[test]
fn rfc2104_2_keys_about_one_block_long() {
    // A key longer than a block stands for its hash; one shorter is padded with zeros.
    let long = [0x61; 65];
    assert_eq!(
        hmac_sha256(&long, &[b"m"]),
        hmac_sha256(&sha256(&[&long]), &[b"m"])
    );
    assert_eq!(hmac_sha256(&long[..63], &[b"m"]), {
        let mut padded = [0x61; 64];
        padded[63] = 0;
        hmac_sha256(&padded, &[b"m"])
    });
    assert_ne!(
        hmac_sha256(&long[..64], &[b"m"]),
        hmac_sha256(&long[..63], &[b"m"])
    );
}

#[test]
fn sha256_of_parts_is_that_of_the_whole() {
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(hex::encode(sha256(&[b"abc"])), abc);
    assert_eq!(hex::encode(sha256(&[b"", b"ab", b"c"])), abc);
}

fn wycheproof_hkdf(file: &str, hkdf: Hkdf, expected: (usize, usize)) {
    let cases = cases(file);
    assert_eq!(verdicts(&cases), expected);
    for case in cases {
        let (ikm, salt, info) = (
            bytes(&case, "ikm"),
            bytes(&case, "salt"),
            bytes(&case, "info"),
        );
        let (head, tail) = info.split_at(info.len() / 2);
        let mut out = vec![0; usize::try_from(case["size"].as_u64().unwrap()).unwrap()];
        let result = hkdf.derive(&ikm, &salt, &[head, tail], &mut out);
        if case["valid"] == true {
            assert_eq!(
                (result, out),
                (Ok(()), bytes(&case, "okm")),
                "{}",
                case["id"]
            );
        } else {
            assert_eq!(result, Err(CryptoError::TooLong), "{}", case["id"]);
        }
    }
}

#[test]
fn wycheproof_hkdf_sha256() {
    wycheproof_hkdf("wycheproof-hkdf-sha256.json", Hkdf::Sha256, (83, 3));
}

#[cfg(feature = "sha512")]
#[test]
fn wycheproof_hkdf_sha512() {
    wycheproof_hkdf("wycheproof-hkdf-sha512.json", Hkdf::Sha512, (80, 3));
}

#[test]
fn cose_wg_hkdf_examples() {
    let cases = cases("cose-wg-hkdf.json");
    assert_eq!(cases.len(), 28);
    for case in cases {
        let number = if case["sha"] == 256 { -10 } else { -11 };
        let Some(hkdf) = Hkdf::from_cose(number) else {
            left_out(cfg!(feature = "sha512"));
            continue;
        };
        let (ikm, salt, info) = (
            bytes(&case, "ikm"),
            bytes(&case, "salt"),
            bytes(&case, "info"),
        );
        let expected = bytes(&case, "okm");
        let mut out = vec![0; expected.len()];
        hkdf.derive(&ikm, &salt, &[&info], &mut out).unwrap();
        assert_eq!(out, expected, "{}", case["name"]);
    }
}

#[test]
fn rfc5869_2_3_longest_output() {
    let mut out = vec![0; 255 * 32 + 1];
    assert_eq!(
        Hkdf::Sha256.derive(b"k", b"s", &[], &mut out),
        Err(CryptoError::TooLong)
    );
    assert_eq!(
        Hkdf::Sha256.derive(b"k", b"s", &[], &mut out[..255 * 32]),
        Ok(())
    );
    assert!(out[254 * 32..255 * 32].iter().any(|&byte| byte != 0));
    assert_eq!(Hkdf::Sha256.derive(b"k", b"s", &[], &mut []), Ok(()));
}

#[test]
fn rfc9203_3_2_1_hkdf_is_read_by_either_number() {
    assert_eq!(Hkdf::from_cose(5), Some(Hkdf::Sha256));
    assert_eq!(Hkdf::from_cose(-10), Some(Hkdf::Sha256));
    assert_eq!((Hkdf::Sha256.cose(), Hkdf::Sha256.hmac_cose()), (-10, 5));
    assert_eq!(Hkdf::from_cose(6), None);
    #[cfg(feature = "sha512")]
    {
        assert_eq!(Hkdf::from_cose(7), Some(Hkdf::Sha512));
        assert_eq!(Hkdf::from_cose(-11), Some(Hkdf::Sha512));
        assert_eq!((Hkdf::Sha512.cose(), Hkdf::Sha512.hmac_cose()), (-11, 7));
    }
    for number in (-300..300).filter(|number| ![-10, -11, 5, 7].contains(number)) {
        assert_eq!(Hkdf::from_cose(number), None);
    }
}

#[test]
fn rfc9053_3_1_numbers_are_those_of_the_registry() {
    for mac in (-300..300).filter_map(Mac::from_cose) {
        let expected = match mac.cose() {
            4 => ("HMAC 256/64", 8),
            5 => ("HMAC 256/256", 32),
            6 => ("HMAC 384/384", 48),
            7 => ("HMAC 512/512", 64),
            other => panic!("{other}"),
        };
        assert_eq!((mac.name(), mac.tag_len()), expected);
        assert_eq!(Mac::from_cose(mac.cose()), Some(mac));
    }
}

#[test]
fn secrets_do_not_show_and_compare_by_content() {
    let secret = Secret::<8>::new(&[0xab; 5]).unwrap();
    assert_eq!(format!("{secret:?} {secret:#?}"), "Secret(..) Secret(..)");
    assert_eq!((secret.len(), secret.is_empty()), (5, false));
    assert_eq!(secret.as_bytes(), [0xab; 5]);
    assert_eq!(secret, secret.clone());
    assert_ne!(secret, Secret::new(&[0xab; 4]).unwrap());
    assert_ne!(secret, Secret::new(&[0xab, 0xab, 0xab, 0xab, 0]).unwrap());
    assert!(Secret::<8>::new(&[0; 9]).is_none());
    assert!(Secret::<8>::zeroed(9).is_none());
    assert!(Secret::<0>::new(&[]).unwrap().is_empty());

    let mut derived = Secret::<8>::zeroed(3).unwrap();
    derived.as_mut_bytes().copy_from_slice(b"abc");
    assert_eq!(derived.as_bytes(), b"abc");
    assert_eq!(Secret::full(*b"abc"), Secret::<3>::new(b"abc").unwrap());
}

#[test]
fn constant_time_comparison_agrees_with_the_plain_one() {
    assert!(ct_eq(b"", b""));
    assert!(ct_eq(b"abc", b"abc"));
    assert!(!ct_eq(b"abc", b"abd"));
    assert!(!ct_eq(b"abc", b"ab"));
}
