use proptest::prelude::*;
use std::vec::Vec;

use super::*;
use crate::Error;
use crate::testing::{
    assert_strict, assert_types, cbor, hex, value, with_unknown_entries, without,
};

fn encoded(encode: impl Fn(&mut [u8]) -> Result<usize, Error>) -> Vec<u8> {
    let mut out = std::vec![0u8; 1024];
    let length = encode(&mut out).unwrap();
    for short in 0..length {
        assert_eq!(encode(&mut out[..short]), Err(Error::BufferTooSmall));
    }
    out.truncate(length);
    out
}

fn check_key(bytes: &[u8]) -> Result<(), Error> {
    CoseKey::parse(bytes).map(drop)
}

fn check_message(bytes: &[u8]) -> Result<(), Error> {
    Message::parse(bytes).map(drop)
}

#[test]
fn rfc9053_7_keys_are_strict() {
    let ops = hex("820102");
    let ec2 = CoseKey {
        kid: Some(&[1]),
        alg: Some(Label::Int(-7)),
        key_ops: Some(KeyOps::parse(&ops).unwrap()),
        base_iv: Some(&[7; 7]),
        crv: Some(curve::P_256),
        x: Some(&[2; 32]),
        y: Some(Y::Bytes(&[3; 32])),
        d: Some(&[4; 32]),
        ..CoseKey::new(KeyType::Ec2)
    };
    let okp = CoseKey {
        y: None,
        crv: Some(curve::ED25519),
        ..ec2
    };
    let okp = CoseKey {
        kty: KeyType::Okp,
        ..okp
    };
    let symmetric = CoseKey {
        k: Some(&[5; 16]),
        ..CoseKey::new(KeyType::Symmetric)
    };
    let common = [(1, "un"), (2, "b"), (3, "unt"), (4, "a"), (5, "b")];
    let cases: [(CoseKey<'_>, &[(i64, &str)]); 3] = [
        (
            ec2,
            &[
                common[0],
                common[1],
                common[2],
                common[3],
                common[4],
                (-1, "un"),
                (-2, "b"),
                (-3, "bo"),
                (-4, "b"),
            ],
        ),
        (
            okp,
            &[
                common[0],
                common[1],
                common[2],
                common[3],
                common[4],
                (-1, "un"),
                (-2, "b"),
                (-4, "b"),
            ],
        ),
        (symmetric, &[common[0], (-1, "b")]),
    ];
    for (key, types) in cases {
        let valid = encoded(|out| key.encode(out));
        assert_eq!(CoseKey::parse(&valid), Ok(key));
        assert_eq!(CoseKey::parse(&with_unknown_entries(&valid)), Ok(key));
        assert_strict(&valid, check_key);
        // An empty key_ops is refused below; elsewhere any array would do.
        let types: Vec<_> = types
            .iter()
            .map(|(label, types)| (*label, if *label == 4 { "" } else { *types }))
            .collect();
        assert_types(&valid, &types, check_key);
        assert_eq!(check_key(&without(&valid, 1)), Err(Error::MissingParameter));
    }
}

#[test]
fn rfc9053_7_keys_must_be_complete() {
    for (key, complete) in [
        ("a1 01 04", false),
        ("a2 01 04 20 41ff", true),
        // RFC 9202, Figure 7: the identifier of a key that the reader knows or derives.
        ("a2 01 04 02 48 3d027833fc6267ce", true),
        // An empty key value is one on the wire; cryptography refuses its length.
        ("a2 01 04 20 40", true),
        ("a1 01 01", false),
        ("a2 01 01 20 06", false),
        ("a2 01 01 21 41ff", false),
        ("a3 01 01 20 06 21 41ff", true),
        ("a3 01 01 20 06 23 41ff", true),
        ("a3 01 02 20 01 21 41ff", false),
        ("a3 01 02 20 01 22 41ff", false),
        ("a4 01 02 20 01 21 41ff 22 41ff", true),
        ("a4 01 02 20 01 21 41ff 22 f5", true),
        ("a3 01 02 21 41ff 22 41ff", false),
        ("a3 01 02 20 01 23 41ff", true),
        ("a4 01 02 20 01 21 41ff 23 41ff", false),
        // RSA, which is not read further.
        ("a3 01 03 20 41ff 21 f6", true),
    ] {
        let expected = if complete {
            Ok(())
        } else {
            Err(Error::IncompleteKey)
        };
        assert_eq!(check_key(&hex(key)), expected, "{key}");
    }
    assert_eq!(check_key(&hex("a1 01 61 78")), Err(Error::WrongType));
    assert_eq!(check_key(&hex("a0")), Err(Error::MissingParameter));
}

#[test]
fn rfc9052_7_1_key_ops_is_a_filled_array_of_labels() {
    for wrong in ["80", "8140", "81f6", "01", "a0", "8180"] {
        let key = [&hex("a3 01 04 20 41ff 04")[..], &hex(wrong)].concat();
        assert_eq!(check_key(&key), Err(Error::WrongType), "{wrong}");
        assert_eq!(
            KeyOps::parse(&hex(wrong)).map(drop),
            Err(Error::WrongType),
            "{wrong}"
        );
    }
    let ops = hex("83 03 63616263 0a");
    let ops = KeyOps::parse(&ops).unwrap();
    assert!(ops.contains(3) && ops.contains(10) && !ops.contains(4));
    assert_eq!(std::format!("{ops:?}"), "[Int(3), Text(\"abc\"), Int(10)]");
    assert_eq!(
        KeyOps::parse(&hex("810300")).map(drop),
        Err(Error::TrailingBytes)
    );
}

#[test]
fn labels_mean_what_the_key_type_says_wherever_it_stands() {
    // kty behind everything else.
    let key = hex("a3 20 06 21 41ff 01 01");
    let key = CoseKey::parse(&key).unwrap();
    assert_eq!(
        (key.kty, key.crv, key.x, key.k),
        (KeyType::Okp, Some(6), Some(&[0xff][..]), None)
    );
    let key = hex("a2 20 41ee 01 04");
    let key = CoseKey::parse(&key).unwrap();
    assert_eq!((key.k, key.crv), (Some(&[0xee][..]), None));
    // y is no parameter of OKP, and ignored.
    let key = hex("a4 01 01 20 06 21 41ff 22 f6");
    assert_eq!(CoseKey::parse(&key).unwrap().y, None);
}

/// cose-wg/Examples, KeySet.txt: the public parts of the keys of RFC 9052, appendix C.7, as a
/// set's members are.
#[test]
fn rfc9052_c_7_keys() {
    let keys = [
        "a5 01 02 02 4f 6d65726961646f632e6272616e6479 20 01
         21 5820 65eda5a12577c2bae829437fe338701a10aaa375e1bb5b5de108de439c08551d
         22 5820 1e52ed75701163f7f9e40ddf9f341b3dc9ba860af7e0ca7ca7e9eecd0084d19c",
        "a6 20 03 02 581e 62696c626f2e62616767696e7340686f626269746f6e2e6578616d706c65 01 02
         21 5842 0072992cb3ac08ecf3e5c63dedec0d51a8c1f79ef2f82f94f3c737bf5de7986671eac625fe8257bbd0394644caaa3aaf8f27a4585fbbcad0f2457620085e5c8f42ad
         22 5842 01dca6947bce88bc5790485ac97427342bc35f887d86d65a089377e247e60baa55e4e8501e2ada5724ac51d6909008033ebc10ac999b9d7f5cc2519f3fe1ea1d9475
         23 5842 00085138ddabf5ca975f5860f91a08e91d6d5f9a76ad4018766a476680b55cd339e8ab6c72b5facdb2a2a50ac25bd086647dd3e2e6e99e84ca2c3609fdf177feb26d",
        "a3 01 04 02 4b 6f75722d73656372657432 20 50 849b5786457c1491be3a76dcea6c4271",
    ];
    for bytes in keys {
        let bytes = hex(bytes);
        let key = CoseKey::parse(&bytes).unwrap();
        assert_eq!(CoseKey::parse(&encoded(|out| key.encode(out))), Ok(key));
        assert_strict(&bytes, check_key);
        let theirs = coset::CborSerializable::from_slice(&bytes);
        let theirs: coset::CoseKey = theirs.unwrap();
        assert_eq!(theirs.key_id, key.kid.unwrap());
        assert_eq!(
            theirs.params.len(),
            value(&bytes).as_map().unwrap().len() - 2
        );
    }
}

#[test]
fn rfc9052_2_structures_are_told_apart_by_tag_and_shape() {
    let encrypt0 = "83 43a1010a a0 41ff";
    let mac0 = "84 43a10105 a0 41ff 41ee";
    let sign1 = "84 43a10126 a0 41ff 41ee";
    let kind = |bytes: &str| {
        Message::parse(&hex(bytes)).map(|message| match message {
            Message::Encrypt0(_) => "Encrypt0",
            Message::Mac0(_) => "Mac0",
            Message::Sign1(_) => "Sign1",
        })
    };
    for cwt in ["", "d83d"] {
        assert_eq!(kind(&std::format!("{cwt} d0 {encrypt0}")), Ok("Encrypt0"));
        assert_eq!(kind(&std::format!("{cwt} d1 {mac0}")), Ok("Mac0"));
        assert_eq!(kind(&std::format!("{cwt} d2 {sign1}")), Ok("Sign1"));
        // The tag decides, not the algorithm: that is for who holds the key.
        assert_eq!(kind(&std::format!("{cwt} d1 {sign1}")), Ok("Mac0"));
    }
    assert_eq!(kind(encrypt0), Ok("Encrypt0"));
    assert_eq!(kind(mac0), Ok("Mac0"));
    assert_eq!(kind(sign1), Ok("Sign1"));
    // No algorithm says MAC.
    assert_eq!(kind("84 40 a0 41ff 41ee"), Ok("Sign1"));
    for (tag, body) in [("d0", mac0), ("d1", encrypt0), ("d2", encrypt0)] {
        assert_eq!(kind(&std::format!("{tag} {body}")), Err(Error::WrongType));
    }
    // RFC 8392, 6: the CWT tag stands in front of a COSE tag.
    assert_eq!(kind(&std::format!("d83d {encrypt0}")), Err(Error::WrongTag));
    for tag in [
        "d83d d83d d0",
        "d860",
        "d861",
        "c0",
        "d9d9f7",
        "d0 d0",
        "d0 d83d",
    ] {
        let refused = kind(&std::format!("{tag} {encrypt0}"));
        assert!(
            matches!(refused, Err(Error::WrongTag | Error::WrongType)),
            "{tag}: {refused:?}"
        );
    }
    let other = hex(&std::format!("d1 {mac0}"));
    assert_eq!(Encrypt0::parse(&other), Err(Error::WrongTag));
    assert_eq!(Sign1::parse(&other), Err(Error::WrongTag));
    assert_eq!(Encrypt0::parse(&hex(mac0)), Err(Error::WrongType));
    assert_eq!(Mac0::parse(&hex(encrypt0)), Err(Error::WrongType));
    assert_eq!(Sign1::parse(&hex(encrypt0)), Err(Error::WrongType));
}

#[test]
fn rfc9052_2_structures_are_strict() {
    let protected = encoded(|out| {
        Header {
            alg: Some(Label::Int(10)),
            ..Header::default()
        }
        .encode(out)
    });
    let unprotected = Header {
        kid: Some(b"kid"),
        iv: Some(&[9; 13]),
        content_type: Some(Label::Int(60)),
        ..Header::default()
    };
    for bytes in [
        encoded(|out| Encrypt0::encode(&protected, &unprotected, &[1, 2], out)),
        encoded(|out| Mac0::encode(&protected, &unprotected, &[1, 2], &[3], out)),
        encoded(|out| Sign1::encode(&protected, &unprotected, &[1, 2], &[3], out)),
    ] {
        assert_strict(&bytes, check_message);
        let header = *Message::parse(&bytes).unwrap().header();
        assert_eq!(
            header,
            Header {
                alg: Some(Label::Int(10)),
                ..unprotected
            }
        );
        assert_eq!(cbor(&value(&bytes)), bytes, "ciborium writes the same");
    }
    for wrong in [
        "d0 80",
        "d0 82 40 a0",
        "d0 85 40 a0 40 40 40",
        "d0 a0",
        "d0 40",
        "d0 00",
        // protected not a byte string, or not a map inside
        "d0 83 a0 a0 40",
        "d0 83 f6 a0 40",
        "d0 83 4101 a0 40",
        "d0 83 4180 a0 40",
        // unprotected not a map
        "d0 83 40 40 40",
        "d0 83 40 80 40",
        "d0 83 40 f6 40",
        // detached content, content and tags of other types
        "d0 83 40 a0 f6",
        "d0 83 40 a0 60",
        "d1 84 40 a0 f6 40",
        "d2 84 40 a0 40 f6",
        "d2 84 40 a0 40 00",
    ] {
        assert_eq!(check_message(&hex(wrong)), Err(Error::WrongType), "{wrong}");
    }
    // The protected map is one whole item.
    assert_eq!(
        check_message(&hex("d0 83 42a000 a0 40")),
        Err(Error::TrailingBytes)
    );
    assert_eq!(
        check_message(&hex("d0 83 42a101 a0 40")),
        Err(Error::Truncated)
    );
    assert_eq!(
        check_message(&hex("d0 83 45bf010aff00 a0 40")),
        Err(Error::IndefiniteLength)
    );
}

#[test]
fn rfc9052_3_headers_are_strict() {
    let refused = |protected: &str, unprotected: &str| {
        let protected = hex(protected);
        let length = u8::try_from(protected.len()).unwrap();
        assert!(length < 24);
        let message = [
            &[0xd0, 0x83, 0x40 | length][..],
            &protected,
            &hex(unprotected),
            &[0x41, 0xff],
        ];
        Message::parse(&message.concat()).err()
    };
    assert_eq!(refused("a1010a", "a1 04 4101"), None);
    // Twice in one map.
    assert_eq!(refused("a2010a010a", "a0"), Some(Error::DuplicateKey));
    assert_eq!(
        refused("a1010a", "a2 04 4101 04 4102"),
        Some(Error::DuplicateKey)
    );
    assert_eq!(
        refused("a1010a", "a2 18 63 00 19 0063 00"),
        Some(Error::DuplicateKey)
    );
    // In both maps, known or not.
    assert_eq!(
        refused("a2 010a 044101", "a1 04 4101"),
        Some(Error::LabelInBothHeaders)
    );
    assert_eq!(
        refused("a2 010a 1863 00", "a1 1863 00"),
        Some(Error::LabelInBothHeaders)
    );
    assert_eq!(
        refused("a2 010a 6178 00", "a1 6178 00"),
        Some(Error::LabelInBothHeaders)
    );
    assert_eq!(
        refused("a1 010a", "a1 01 0a"),
        Some(Error::LabelInBothHeaders)
    );
    // 3.1: alg
    assert_eq!(refused("", "a1 01 0a"), Some(Error::AlgorithmNotProtected));
    assert_eq!(
        refused("a0", "a1 01 0a"),
        Some(Error::AlgorithmNotProtected)
    );
    // 3.1: crit
    assert_eq!(refused("a2 010a 028101", "a0"), None);
    assert_eq!(refused("a3 010a 054101 02820105", "a0"), None);
    assert_eq!(
        refused("a2 010a 0280", "a0"),
        Some(Error::MalformedCritical)
    );
    assert_eq!(
        refused("a2 010a 028105", "a0"),
        Some(Error::MalformedCritical)
    );
    assert_eq!(
        refused("a2 010a 028105", "a1 05 4101"),
        Some(Error::MalformedCritical)
    );
    assert_eq!(
        refused("a1 010a", "a1 02 8101"),
        Some(Error::MalformedCritical)
    );
    assert_eq!(
        refused("a3 010a 1863 00 02 811863", "a0"),
        Some(Error::UnknownCritical)
    );
    assert_eq!(
        refused("a3 010a 6178 00 02 816178", "a0"),
        Some(Error::UnknownCritical)
    );
    assert_eq!(refused("a2 010a 0201", "a0"), Some(Error::WrongType));
    assert_eq!(refused("a2 010a 028140", "a0"), Some(Error::WrongType));
    // 3.1: IV and Partial IV
    assert_eq!(
        refused("a1010a", "a2 05 4101 06 4101"),
        Some(Error::IvAndPartialIv)
    );
    assert_eq!(
        refused("a2010a054101", "a1 06 4101"),
        Some(Error::IvAndPartialIv)
    );
    // Types.
    for wrong in [
        "a1 01 40",
        "a1 01 f6",
        "a1 03 20",
        "a1 03 40",
        "a1 04 61 78",
        "a1 05 01",
        "a1 06 01",
    ] {
        assert_eq!(refused(wrong, "a0"), Some(Error::WrongType), "{wrong}");
    }
    for wrong in ["a1 03 20", "a1 04 6178", "a1 05 01", "a1 06 01", "a1 40 01"] {
        assert_eq!(refused("a1010a", wrong), Some(Error::WrongType), "{wrong}");
    }
    // Unknown ones are ignored.
    assert_eq!(refused("a2 010a 6178 00", "a2 1863 00 6179 a0"), None);
}

#[test]
fn rfc9052_3_an_empty_protected_header_comes_in_two_forms() {
    for protected in ["40", "41a0"] {
        let bytes = hex(&std::format!("d0 83 {protected} a0 41ff"));
        let message = Encrypt0::parse(&bytes).unwrap();
        assert_eq!(message.protected, &[] as &[u8]);
        assert_eq!(message.header, Header::default());
    }
}

#[test]
fn rfc9052_structures_to_authenticate() {
    let aad = encoded(|out| enc_structure(&hex("a1010a"), &[], out));
    assert_eq!(aad, hex("83 68 456e637279707430 43a1010a 40"));
    let prefix = encoded(|out| mac_structure(&hex("a10104"), &[1], 0x50, out));
    assert_eq!(prefix, hex("84 64 4d414330 43a10104 4101 5850"));
    let prefix = encoded(|out| sig_structure(&hex("a10126"), &[], 5, out));
    assert_eq!(prefix, hex("84 6a 5369676e617475726531 43a10126 40 45"));
}

#[test]
fn algorithms_have_numbers_and_names() {
    assert_eq!(algorithm_number(Label::Text("AES-CCM-16-64-128")), Some(10));
    assert_eq!(algorithm_number(Label::Text("HMAC 256/256")), Some(5));
    assert_eq!(algorithm_number(Label::Text("aes-ccm-16-64-128")), None);
    assert_eq!(algorithm_number(Label::Int(-65_535)), Some(-65_535));
    assert_eq!(algorithm_name(-7), Some("ES256"));
    assert_eq!(algorithm_name(0), None);
    // coset knows the same numbers.
    use coset::iana::{Algorithm, EnumI64};
    for number in -300..300 {
        if algorithm_name(number).is_some() {
            assert!(Algorithm::from_i64(number).is_some(), "{number}");
        }
    }
    assert_eq!(Algorithm::AES_CCM_16_128_256.to_i64(), 31);
}

fn blob() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..40)
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ = check_key(&bytes);
        let _ = check_message(&bytes);
        let _ = KeyOps::parse(&bytes);
    }

    #[test]
    fn random_headers_never_panic(protected in blob(), unprotected in blob()) {
        let message = encoded(|out| {
            Encrypt0::encode(&protected, &Header::default(), &unprotected, out)
        });
        let _ = check_message(&message);
    }

    #[test]
    fn structures_are_read_as_written_and_as_coset_reads_them(
        alg in prop::sample::select(std::vec![4i64, 5, 10, 30, -7, -8]),
        // coset takes no empty ones.
        kid in proptest::option::of(proptest::collection::vec(any::<u8>(), 1..40)),
        iv in proptest::option::of(proptest::collection::vec(any::<u8>(), 1..14)),
        content in blob(),
        last in blob(),
    ) {
        let protected = Header { alg: Some(Label::Int(alg)), ..Header::default() };
        let protected = encoded(|out| protected.encode(out));
        let unprotected = Header { kid: kid.as_deref(), iv: iv.as_deref(), ..Header::default() };
        let header = Header { alg: Some(Label::Int(alg)), ..unprotected };

        use coset::TaggedCborSerializable;
        let bytes = encoded(|out| Encrypt0::encode(&protected, &unprotected, &content, out));
        let ours = Encrypt0::parse(&bytes).unwrap();
        prop_assert_eq!(ours, Encrypt0 { protected: &protected, header, ciphertext: &content });
        let theirs = coset::CoseEncrypt0::from_tagged_slice(&bytes).unwrap();
        prop_assert_eq!(theirs.ciphertext.as_deref(), Some(&content[..]));
        prop_assert_eq!(&theirs.unprotected.key_id[..], kid.as_deref().unwrap_or_default());
        prop_assert_eq!(&theirs.unprotected.iv[..], iv.as_deref().unwrap_or_default());

        let bytes = encoded(|out| Mac0::encode(&protected, &unprotected, &content, &last, out));
        let ours = Mac0::parse(&bytes).unwrap();
        prop_assert_eq!(ours, Mac0 { protected: &protected, header, payload: &content, tag: &last });
        let theirs = coset::CoseMac0::from_tagged_slice(&bytes).unwrap();
        prop_assert_eq!(theirs.tag, &last[..]);

        let bytes = encoded(|out| Sign1::encode(&protected, &unprotected, &content, &last, out));
        let ours = Sign1::parse(&bytes).unwrap();
        prop_assert_eq!(ours.signature, &last[..]);
        let theirs = coset::CoseSign1::from_tagged_slice(&bytes).unwrap();
        let mut to_sign = encoded(|out| {
            sig_structure(ours.protected, b"aad", ours.payload.len(), out)
        });
        to_sign.extend(ours.payload);
        prop_assert_eq!(theirs.tbs_data(b"aad"), to_sign);
    }
}
