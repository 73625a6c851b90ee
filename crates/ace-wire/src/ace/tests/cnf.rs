use proptest::prelude::*;

use super::{encoded, full_material, public_key};
use crate::Error;
use crate::ace::{Confirmation, OscoreInputMaterial, TokenRequest};
use crate::cbor::Label;
use crate::cose::{CoseKey, KeyType};
use crate::testing::{assert_strict, assert_types, cbor, hex, value, with_unknown_entries};

#[test]
fn rfc9203_3_2_1_input_material_is_strict() {
    let parse = |bytes: &[u8]| OscoreInputMaterial::parse(bytes).map(drop);
    let material = full_material();
    let valid = encoded(|out| material.encode(out));
    assert_eq!(OscoreInputMaterial::parse(&valid), Ok(material));
    assert_strict(&valid, parse);
    let types = [
        (0, "b"),
        (1, "u"),
        (2, "b"),
        (3, "unt"),
        (4, "unt"),
        (5, "b"),
        (6, "b"),
    ];
    assert_types(&valid, &types, parse);
    assert_eq!(
        OscoreInputMaterial::parse(&[0xa0]),
        Ok(OscoreInputMaterial::default())
    );
}

#[test]
fn rfc9203_4_2_unknown_input_material_is_reported() {
    let valid = encoded(|out| full_material().encode(out));
    let read = with_unknown_entries(&valid);
    let read = OscoreInputMaterial::parse(&read).unwrap();
    assert_eq!(
        read,
        OscoreInputMaterial {
            unknown: true,
            ..full_material()
        }
    );
    assert!(!OscoreInputMaterial::parse(&valid).unwrap().unknown);
    for unknown in ["a10700", "a12000", "a1626d7340"] {
        assert!(
            OscoreInputMaterial::parse(&hex(unknown)).unwrap().unknown,
            "{unknown}"
        );
    }
}

#[test]
fn rfc8747_3_1_confirmation_holds_exactly_one_key() {
    let refused = |payload: &str| Confirmation::parse(&hex(payload)).unwrap_err();
    assert_eq!(refused("a0"), Error::ConfirmationMembers);
    // Unknown members are ignored, so these hold no key.
    assert_eq!(refused("a10941 00"), Error::ConfirmationMembers);
    assert_eq!(refused("a1636b6964 4100"), Error::ConfirmationMembers);
    // Two different members.
    assert_eq!(
        refused("a2 03 4101 04 a1 00 4101"),
        Error::ConfirmationMembers
    );
    assert_eq!(
        refused("a2 01 a2 01 04 20 4101 03 4101"),
        Error::ConfirmationMembers
    );
    assert_eq!(
        refused("a2 03 4101 02 83 40 a0 40"),
        Error::ConfirmationMembers
    );
    // The same member twice.
    assert_eq!(refused("a2 03 4101 03 4102"), Error::DuplicateKey);
    let kid = hex("a2 09 820102 03 4101");
    assert_eq!(Confirmation::parse(&kid), Ok(Confirmation::Kid(&[1])));
}

#[test]
fn rfc8747_3_2_private_keys_are_refused() {
    let key = CoseKey {
        d: Some(&[0x57; 32]),
        ..public_key()
    };
    let payload = encoded(|out| Confirmation::CoseKey(key).encode(out));
    assert_eq!(Confirmation::parse(&payload), Err(Error::PrivateKey));
    assert_eq!(
        TokenRequest::parse(&[&[0xa1, 0x04][..], &payload].concat()),
        Err(Error::PrivateKey)
    );
}

#[test]
fn rfc8747_3_3_encrypted_key_is_an_array_and_kept_as_it_is() {
    let vector = include_str!("../../../tests/vectors/rfc8747-3.3.json");
    let vector: serde_json::Value = serde_json::from_str(vector).unwrap();
    let part = |name: &str| vector[name].as_str().unwrap();
    let encrypted = hex(&std::format!(
        "83 43{} a1 05 4d{} 5830{}",
        part("protected"),
        part("iv"),
        part("ciphertext"),
    ));
    for tagged in [encrypted.clone(), [&[0xd0][..], &encrypted].concat()] {
        let cnf = [&[0xa1, 0x02][..], &tagged].concat();
        let read = Confirmation::parse(&cnf).unwrap();
        assert_eq!(read, Confirmation::EncryptedCoseKey(&tagged));
        assert_eq!(encoded(|out| read.encode(out)), cnf);
        assert_strict(&cnf, |bytes| Confirmation::parse(bytes).map(drop));
    }
    let message = crate::cose::Encrypt0::parse(&encrypted).unwrap();
    assert_eq!(message.ciphertext, hex(part("ciphertext")));
    assert_eq!(message.header.iv, Some(&hex(part("iv"))[..]));
    let mut aad = [0u8; 32];
    let length = crate::cose::enc_structure(message.protected, &[], &mut aad).unwrap();
    assert_eq!(aad[..length], hex(part("aad")));
    let key = hex(part("plaintext"));
    let key = CoseKey::parse(&key).unwrap();
    assert_eq!(
        (key.kty, key.alg),
        (KeyType::Symmetric, Some(Label::Int(5)))
    );

    for wrong in [
        "a1 02 40",
        "a1 02 80",
        "a1 02 8140",
        "a1 02 8540a0404040",
        "a1 02 a0",
        "a1 02 f6",
    ] {
        assert_eq!(
            Confirmation::parse(&hex(wrong)),
            Err(Error::WrongType),
            "{wrong}"
        );
    }
    assert_eq!(
        Confirmation::parse(&hex("a1 02 d1 83 40 a0 40")),
        Err(Error::WrongTag)
    );
    assert!(Confirmation::parse(&hex("a1 02 d860 84 40 a0 40 80")).is_ok());
}

#[test]
fn rfc8747_3_confirmations_are_strict() {
    let parse = |bytes: &[u8]| Confirmation::parse(bytes).map(drop);
    let cases = [
        (Confirmation::CoseKey(public_key()), (1, "m")),
        (Confirmation::Kid(&[0xdf, 0xd1]), (3, "b")),
        (Confirmation::Osc(full_material()), (4, "m")),
    ];
    for (confirmation, types) in cases {
        let valid = encoded(|out| confirmation.encode(out));
        assert_eq!(Confirmation::parse(&valid), Ok(confirmation));
        assert_strict(&valid, parse);
        assert_types(&valid, &[types], parse);
        assert_eq!(
            Confirmation::parse(&with_unknown_entries(&valid)),
            Ok(confirmation)
        );
    }
}

proptest! {
    #[test]
    fn input_material_is_read_as_written(
        version in proptest::option::of(any::<u64>()),
        hkdf in proptest::option::of(any::<i64>()),
        alg in super::text(),
        blobs in (super::bytes(), super::bytes(), super::bytes(), super::bytes()),
    ) {
        let material = OscoreInputMaterial {
            id: blobs.0.as_deref(),
            version,
            ms: blobs.1.as_deref(),
            hkdf: hkdf.map(Label::Int),
            alg: alg.as_deref().map(Label::Text),
            salt: blobs.2.as_deref(),
            context_id: blobs.3.as_deref(),
            unknown: false,
        };
        let payload = encoded(|out| material.encode(out));
        prop_assert_eq!(OscoreInputMaterial::parse(&payload), Ok(material));
        prop_assert_eq!(cbor(&value(&payload)), payload);
    }
}
