//! The single-recipient examples of the COSE working group: what this crate reads of them, and the
//! structures it builds to authenticate, against the files' own intermediate values.

use ace_wire::Error;
use ace_wire::cose::{Message, enc_structure, mac_structure, sig_structure};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn examples() -> Vec<(String, Value)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/cose-wg-examples");
    let entries = |folder: &Path| -> Vec<PathBuf> {
        let mut paths: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        paths.sort();
        paths
    };
    let mut found = Vec::new();
    for folder in entries(&root).iter().filter(|path| path.is_dir()) {
        for file in entries(folder) {
            let name = file.strip_prefix(&root).unwrap().display().to_string();
            let example = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
            found.push((name, example));
        }
    }
    assert_eq!(found.len(), 53);
    found
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

/// The bytes to authenticate, whole, and the content, read by this crate.
fn read(message: &Message<'_>, external_aad: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut out = [0u8; 256];
    match message {
        Message::Encrypt0(m) => {
            let length = enc_structure(m.protected, external_aad, &mut out).unwrap();
            (out[..length].to_vec(), m.ciphertext.to_vec())
        }
        Message::Mac0(m) => {
            let length =
                mac_structure(m.protected, external_aad, m.payload.len(), &mut out).unwrap();
            ([&out[..length], m.payload].concat(), m.payload.to_vec())
        }
        Message::Sign1(m) => {
            let length =
                sig_structure(m.protected, external_aad, m.payload.len(), &mut out).unwrap();
            ([&out[..length], m.payload].concat(), m.payload.to_vec())
        }
    }
}

#[test]
fn rfc9052_structures_of_the_working_groups_examples() {
    let mut matching = 0;
    for (name, example) in examples() {
        let input = &example["input"];
        let output = bytes(&example["output"]["cbor"]);
        let parsed = Message::parse(&output);
        let (kind, body) = ["encrypted", "mac0", "sign0"]
            .into_iter()
            .find_map(|kind| input.get(kind).map(|body| (kind, body)))
            .unwrap();
        if !input["failures"]["ChangeCBORTag"].is_null() {
            assert_eq!(parsed, Err(Error::WrongTag), "{name}");
            continue;
        }
        if body["protected"]["alg"].is_null() {
            // RFC 9052, 3.1: alg is authenticated where it can be. RFC 8152 had the same rule; the
            // examples leave it out to test libraries without an opinion.
            assert_eq!(parsed, Err(Error::AlgorithmNotProtected), "{name}");
            continue;
        }
        let message = parsed.unwrap_or_else(|error| panic!("{name}: {error}"));
        let expected_kind = match message {
            Message::Encrypt0(_) => "encrypted",
            Message::Mac0(_) => "mac0",
            Message::Sign1(_) => "sign0",
        };
        assert_eq!(kind, expected_kind, "{name}");
        let external = body.get("external").map(bytes).unwrap_or_default();
        let (to_authenticate, content) = read(&message, &external);
        // The failing examples are altered after their intermediate values were computed.
        if !input["failures"].is_null() {
            continue;
        }
        if let (false, Some(plaintext)) = (kind == "encrypted", input["plaintext"].as_str()) {
            assert_eq!(plaintext.as_bytes(), content, "{name}");
        }
        let intermediates = &example["intermediates"];
        let theirs = ["AAD_hex", "ToMac_hex", "ToBeSign_hex"]
            .into_iter()
            .find_map(|field| intermediates.get(field).map(bytes))
            .unwrap();
        assert_eq!(to_authenticate, theirs, "{name}");
        matching += 1;
        for length in 0..output.len() {
            assert!(
                Message::parse(&output[..length]).is_err(),
                "{name} cut to {length} bytes"
            );
        }
    }
    assert_eq!(matching, 27);
}

/// RFC 8392, appendix A: every token there, tagged and untagged, is read; the claims of those that
/// are not encrypted as well.
#[test]
fn rfc8392_a_tokens() {
    let figures = include_str!("vectors/rfc8392-appendix-a.json");
    let figures: Value = serde_json::from_str(figures).unwrap();
    let figures = figures["figures"].as_array().unwrap();
    for (index, (alg, kid)) in [
        (4, (-7, Some("AsymmetricECDSA256"))),
        (5, (4, Some("Symmetric256"))),
        (6, (10, Some("Symmetric128"))),
        (7, (10, Some("Symmetric128"))),
        (8, (4, Some("Symmetric256"))),
    ] {
        let token = bytes(&figures[index]["hex"]);
        let message = Message::parse(&token).unwrap();
        let header = message.header();
        assert_eq!(
            header.alg.and_then(ace_wire::cose::algorithm_number),
            Some(alg)
        );
        assert_eq!(header.kid.map(|kid| std::str::from_utf8(kid).unwrap()), kid);
        match message {
            Message::Encrypt0(m) => assert_eq!(m.header.iv.map(<[u8]>::len), Some(13)),
            Message::Mac0(ace_wire::cose::Mac0 { payload, .. })
            | Message::Sign1(ace_wire::cose::Sign1 { payload, .. }) => {
                let claims = ace_wire::cwt::ClaimsSet::parse(payload).unwrap();
                assert_eq!(claims.iat.unwrap().seconds(), 1_443_944_944);
            }
        }
        // Without its tags the shape tells the same.
        let untagged = if token[0] == 0xd8 {
            &token[3..]
        } else {
            &token[1..]
        };
        assert_eq!(Message::parse(untagged).as_ref(), Ok(&message));
    }
    for index in [1, 2, 3] {
        let key = bytes(&figures[index]["hex"]);
        let key = ace_wire::cose::CoseKey::parse(&key).unwrap();
        assert!(key.kid.is_some() && key.alg.is_some());
        assert_eq!(key.d.is_some(), index == 3);
        assert_eq!(
            key.k.map(<[u8]>::len),
            [None, Some(16), Some(32), None][index]
        );
    }
}
