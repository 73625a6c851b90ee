//! Tokens as coset and ciborium read them, which share nothing with `ace-wire`.

use ciborium::Value;
use coset::{CoseEncrypt0, CoseSign1, RegisteredLabelWithPrivate, TaggedCborSerializable};

use super::*;

/// The claims of a token that `key` opens.
pub(super) fn claims(token: &[u8], key: &TokenKeyBundle) -> Vec<(Value, Value)> {
    let payload = match &key.key {
        TokenKeyMaterial::Secret(k) => {
            let token = CoseEncrypt0::from_tagged_slice(token).unwrap();
            let aead = Aead::from_cose(key.alg).unwrap();
            assert_eq!(number(token.protected.header.alg.as_ref()), key.alg);
            assert_eq!(token.unprotected.key_id, key.kid.0);
            token
                .decrypt_ciphertext(
                    &[],
                    || unreachable!("there is a ciphertext"),
                    |ciphertext, aad| {
                        let mut text = ciphertext.to_vec();
                        let length = aead.open(k.as_bytes(), &token.unprotected.iv, aad, &mut text);
                        length.map(|length| text[..length].to_vec())
                    },
                )
                .unwrap()
        }
        TokenKeyMaterial::Public(spki) => {
            let token = CoseSign1::from_tagged_slice(token).unwrap();
            let verify = VerifyingKey::from_spki(&spki.0).unwrap();
            assert_eq!(number(token.protected.header.alg.as_ref()), key.alg);
            assert_eq!(token.unprotected.key_id, key.kid.0);
            token
                .verify_signature(&[], |signature, data| verify.verify(&[data], signature))
                .unwrap();
            token.payload.clone().unwrap()
        }
    };
    let claims: Value = ciborium::from_reader(&payload[..]).unwrap();
    claims.into_map().unwrap()
}

fn number(alg: Option<&coset::Algorithm>) -> i64 {
    use coset::iana::EnumI64;
    match alg {
        Some(RegisteredLabelWithPrivate::Assigned(alg)) => alg.to_i64(),
        other => panic!("{other:?}"),
    }
}

/// The entry of a map with this integer key.
pub(super) fn entry(map: &[(Value, Value)], key: i64) -> Option<&Value> {
    let key = Value::from(key);
    map.iter()
        .find(|(each, _)| *each == key)
        .map(|(_, value)| value)
}

/// The COSE_Key in `cnf`.
pub(super) fn cose_key(claims: &[(Value, Value)]) -> coset::CoseKey {
    use coset::AsCborValue;
    let cnf = entry(claims, 8).unwrap().as_map().unwrap();
    assert_eq!(cnf.len(), 1);
    coset::CoseKey::from_cbor_value(entry(cnf, 1).unwrap().clone()).unwrap()
}

/// A parameter of a COSE_Key.
pub(super) fn parameter(key: &coset::CoseKey, label: i64) -> Option<&Value> {
    let label = coset::Label::Int(label);
    key.params
        .iter()
        .find(|(each, _)| *each == label)
        .map(|(_, value)| value)
}
