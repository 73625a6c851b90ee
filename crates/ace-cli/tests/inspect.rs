//! `ace token inspect`: what it tells of encrypted, MACed and signed tokens, in words and in JSON.

mod support;

use std::{fs, path::PathBuf, process::Stdio};

use ace_crypto::{Aead, Mac, Signature, SigningKey};
use ace_token::issue::{Claims, Cnf, Issuer, IssuingKey, OscoreInputMaterial, Scope};
use ace_wire::{
    aif::{Aif, MethodSet},
    cose::CoseKey,
};
use base64::{
    Engine as _,
    engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};
use support::{ace, fails, ok, text};

const ISSUER: &str = "coap://as.example.com";
const KEY: [u8; 16] = [0x11; 16];
const MAC_KEY: [u8; 32] = [0x22; 32];
const SECRET: [u8; 16] = [0xd7; 16];
/// 2040-01-01T00:00Z.
const END: u64 = 2_208_988_800;

/// A folder with the bundle of `thermo`, which holds the keys of these tests.
struct World {
    folder: tempfile::TempDir,
    bundle: PathBuf,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let bundle = folder.path().join("thermo.json");
        let world = Self { folder, bundle };
        world.write_bundle("thermo", &[(b"\x01", 10, &KEY), (b"\x02", 5, &MAC_KEY)]);
        world
    }

    fn write_bundle(&self, audience: &str, keys: &[(&[u8], i64, &[u8])]) {
        let keys: Vec<_> = keys
            .iter()
            .map(|(kid, alg, k)| json!({"kid": hex::encode(kid), "alg": alg, "k": hex::encode(k)}))
            .collect();
        let bundle = json!({
            "name": "thermo",
            "audience": audience,
            "issuer": ISSUER,
            "as": {"uri": "coap://as.example.com/token", "oscore": {
                "master_secret": "00".repeat(16), "master_salt": "", "sender_id": "00", "recipient_id": "01",
                "id_context": null, "alg": 10, "hkdf": -10,
            }},
            "token_keys": keys,
        });
        fs::write(&self.bundle, bundle.to_string()).expect("written");
    }

    fn with_key(&self, token: &[u8]) -> String {
        ok(&[
            "token",
            "inspect",
            &hex::encode(token),
            "--key",
            text(&self.bundle),
        ])
    }

    fn json(&self, token: &[u8], with_key: bool) -> Value {
        let token = hex::encode(token);
        let mut words = vec!["token", "inspect", &token, "--json"];
        if with_key {
            words.extend(["--key", text(&self.bundle)]);
        }
        serde_json::from_str(&ok(&words)).expect("JSON")
    }
}

fn claims() -> Claims {
    let mut scope = [0; 64];
    let entries = [
        ("/temp", MethodSet::GET),
        ("/led", MethodSet::GET | MethodSet::PUT),
    ];
    let length = Aif::encode(entries.into_iter(), &mut scope).expect("fits");
    Claims {
        iss: Some(ISSUER.into()),
        sub: Some("alice".into()),
        aud: vec!["thermo".into()],
        exp: Some(END),
        iat: Some(1_700_000_000),
        cti: Some(vec![0xca, 0xfe]),
        scope: Some(Scope::Bytes(scope[..length].to_vec())),
        cnf: Some(Cnf::Osc(OscoreInputMaterial {
            id: vec![0x0a],
            version: None,
            ms: SECRET.to_vec().into(),
            hkdf: None,
            alg: None,
            salt: Some(vec![0x5a; 8]),
            context_id: None,
        })),
        ace_profile: Some(2),
        ..Claims::default()
    }
}

/// Claims that may be read by anyone.
fn open_claims() -> Claims {
    Claims {
        cnf: Some(Cnf::Kid(vec![0x0b])),
        ..claims()
    }
}

fn issue(kid: &[u8], key: IssuingKey<'_>, claims: &Claims) -> Vec<u8> {
    let issuer = Issuer {
        kid: Some(kid),
        key,
    };
    issuer
        .issue(claims, &mut ace_net::randomness())
        .expect("issued")
}

fn encrypted(claims: &Claims) -> Vec<u8> {
    issue(
        b"\x01",
        IssuingKey::Aead(Aead::AesCcm16_64_128, &KEY),
        claims,
    )
}

fn maced(claims: &Claims) -> Vec<u8> {
    issue(b"\x02", IssuingKey::Mac(Mac::HmacSha256, &MAC_KEY), claims)
}

fn assert_says(shown: &str, parts: &[&str]) {
    for part in parts {
        assert!(shown.contains(part), "no {part:?} in:\n{shown}");
    }
    assert!(
        !shown.contains(&hex::encode(SECRET)),
        "the key is shown:\n{shown}"
    );
}

#[test]
fn an_encrypted_token_is_closed_without_its_key_and_open_with_it() {
    let world = World::new();
    let token = encrypted(&claims());
    let hex = hex::encode(&token);
    let length = format!("COSE_Encrypt0, {} bytes", token.len());

    let closed = ok(&["token", "inspect", &hex]);
    assert_says(
        &closed,
        &[
            &length,
            "algorithm   AES-CCM-16-64-128 (10)",
            "key id      h'01'",
            "nonce       h'",
            "claims      encrypted; --key with the resource server's bundle",
            "In CBOR diagnostic notation",
            "/ alg / 1: 10",
        ],
    );
    for hidden in ["thermo", "alice", "/temp", "2040"] {
        assert!(!closed.contains(hidden), "{hidden} in:\n{closed}");
    }

    let open = world.with_key(&token);
    assert_says(
        &open,
        &[
            &length,
            "claims      opened with the key, and valid now",
            "issuer      coap://as.example.com",
            "subject     alice",
            "audience    thermo",
            "issued      2023-11-14T22:13:20Z, ",
            " ago",
            "expires     2040-01-01T00:00:00Z, in 1",
            "scope       GET /temp; GET,PUT /led",
            "pop key     OSCORE input material h'0a' (its secret is not shown)",
            "token id    h'cafe'",
            "profile     coap_oscore",
            "Inside it",
            "/ aud / 3: \"thermo\"",
            "/ ms / 2: (secret, 16 bytes)",
        ],
    );
}

#[test]
fn json_of_an_encrypted_token() {
    let world = World::new();
    let token = encrypted(&claims());
    let closed = world.json(&token, false);
    assert_eq!(closed["structure"], "COSE_Encrypt0");
    assert_eq!(closed["bytes"], token.len());
    assert_eq!((&closed["alg"], &closed["kid"]), (&json!(10), &json!("01")));
    assert_eq!(closed["iv"].as_str().expect("text").len(), 26);
    assert_eq!(
        (&closed["verified"], &closed["refused"]),
        (&json!(false), &Value::Null)
    );
    assert_eq!(closed.get("claims"), None);

    let open = world.json(&token, true);
    assert_eq!(
        (&open["verified"], &open["refused"]),
        (&json!(true), &Value::Null)
    );
    let expected = json!({
        "iss": ISSUER,
        "sub": "alice",
        "aud": ["thermo"],
        "exp": END,
        "nbf": null,
        "iat": 1_700_000_000,
        "exi": null,
        "cti": "cafe",
        "cnonce": null,
        "ace_profile": 2,
        "scope": "GET /temp; GET,PUT /led",
        "cnf": "OSCORE input material h'0a' (its secret is not shown)",
    });
    assert_eq!(open["claims"], expected);
    assert_says(&open.to_string(), &[]);
}

#[test]
fn what_the_resource_server_would_refuse_is_named() {
    let world = World::new();
    for (claims, why, code) in [
        (
            Claims {
                exp: Some(1_600_000_000),
                ..claims()
            },
            "the token has expired",
            "4.01",
        ),
        (
            Claims {
                nbf: Some(END),
                ..claims()
            },
            "the token is not valid yet",
            "4.01",
        ),
        (
            Claims {
                aud: vec!["lock".into()],
                ..claims()
            },
            "the token is for another audience",
            "4.03",
        ),
        (
            Claims {
                iss: Some("coap://other".into()),
                ..claims()
            },
            "issuer is not the one",
            "4.01",
        ),
        (
            Claims {
                scope: None,
                ..claims()
            },
            "the token names no scope",
            "4.00",
        ),
    ] {
        let token = encrypted(&claims);
        let shown = world.with_key(&token);
        assert_says(
            &shown,
            &[
                "opened with the key, but refused",
                why,
                &format!("the resource server answers {code}"),
            ],
        );
        let json = world.json(&token, true);
        assert_eq!(json["verified"], true);
        assert!(
            json["refused"].as_str().expect("text").contains(why),
            "{json}"
        );
    }
    let expired = world.with_key(&encrypted(&Claims {
        exp: Some(1_600_000_000),
        ..claims()
    }));
    assert_says(&expired, &["expires     2020-09-13T12:26:40Z, ", " ago"]);
    let counted = Claims {
        exi: Some(90),
        exp: None,
        cnonce: Some(vec![7; 8]),
        ..claims()
    };
    assert_says(
        &world.with_key(&encrypted(&counted)),
        &[
            "lifetime    90 s from when the resource server first sees it (exi)",
            "nonce of RS h'0707070707070707'",
        ],
    );
}

#[test]
fn a_key_that_does_not_open_it() {
    let world = World::new();
    let bundle = text(&world.bundle);
    let inspect = |token: &[u8]| {
        fails(
            1,
            &["token", "inspect", &hex::encode(token), "--key", bundle],
        )
    };
    let advice = "leave --key out";
    let other = issue(
        b"\x01",
        IssuingKey::Aead(Aead::AesCcm16_64_128, &[0x33; 16]),
        &claims(),
    );
    assert_says(
        &inspect(&other),
        &["does not open this token", "does not verify", advice],
    );
    let unknown = issue(
        b"\x09",
        IssuingKey::Aead(Aead::AesCcm16_64_128, &KEY),
        &claims(),
    );
    assert_says(
        &inspect(&unknown),
        &[
            "does not open this token",
            "no key for the token's kid",
            advice,
        ],
    );
    let signing = SigningKey::generate(Signature::Es256, &mut ace_net::randomness());
    let signed = issue(b"\x03", IssuingKey::Sign(&signing), &open_claims());
    assert_says(&inspect(&signed), &["no key for the token's kid", advice]);
    let mut changed = encrypted(&claims());
    *changed.last_mut().expect("a byte") ^= 1;
    assert_says(&inspect(&changed), &["does not verify", advice]);

    let site = support::Site::new();
    let client = site.add("client", "alice", &[]);
    let token = hex::encode(encrypted(&claims()));
    let sentence = fails(2, &["token", "inspect", &token, "--key", text(&client)]);
    assert_says(&sentence, &["is the bundle of a client", "ace rs add"]);
}

#[test]
fn maced_and_signed_tokens_are_readable_and_say_that_nothing_verified_them() {
    let world = World::new();
    let mut random = ace_net::randomness();
    let (es256, eddsa) = (
        SigningKey::generate(Signature::Es256, &mut random),
        SigningKey::generate(Signature::EdDsa, &mut random),
    );
    for (token, structure, algorithm) in [
        (maced(&open_claims()), "COSE_Mac0", "(5)"),
        (
            issue(b"\x03", IssuingKey::Sign(&es256), &open_claims()),
            "COSE_Sign1",
            "ES256 (-7)",
        ),
        (
            issue(b"\x03", IssuingKey::Sign(&eddsa), &open_claims()),
            "COSE_Sign1",
            "EdDSA (-8)",
        ),
    ] {
        let shown = ok(&["token", "inspect", &hex::encode(&token)]);
        assert_says(
            &shown,
            &[
                structure,
                algorithm,
                "claims      readable by anyone; NOT verified, since no --key was given",
                "audience    thermo",
                "pop key     the key already known as h'0b'",
                "/ aud / 3: \"thermo\"",
            ],
        );
        let json = world.json(&token, false);
        assert_eq!(json["structure"], structure);
        assert_eq!(json["verified"], false);
        assert_eq!(json["claims"]["aud"], json!(["thermo"]));
    }
    let token = maced(&open_claims());
    assert_says(
        &world.with_key(&token),
        &["COSE_Mac0", "opened with the key, and valid now"],
    );
    assert_eq!(world.json(&token, true)["verified"], true);
}

#[test]
fn hexadecimal_base64url_file_and_standard_input() {
    let world = World::new();
    let token = encrypted(&claims());
    let hex = hex::encode(&token);
    let expected = ok(&["token", "inspect", &hex]);
    let wrapped: Vec<_> = hex
        .as_bytes()
        .chunks(40)
        .map(String::from_utf8_lossy)
        .collect();
    let wrapped = wrapped.join("\n  ") + "\n";
    let texts = [
        hex.to_uppercase(),
        format!("0x{hex}"),
        format!("h'{hex}'"),
        wrapped,
        URL_SAFE_NO_PAD.encode(&token),
        URL_SAFE.encode(&token),
    ];
    let path = world.folder.path().join("token.cwt");
    let contents = texts.iter().map(|text| text.clone().into_bytes());
    for bytes in contents.chain([token.clone()]) {
        fs::write(&path, &bytes).expect("written");
        assert_eq!(ok(&["token", "inspect", text(&path)]), expected);
        let file = fs::File::open(&path).expect("opens");
        let output = ace()
            .args(["token", "inspect", "-"])
            .stdin(Stdio::from(file))
            .output();
        assert_eq!(
            String::from_utf8(output.expect("runs").stdout).expect("text"),
            expected
        );
    }
    for text in &texts {
        assert_eq!(ok(&["token", "inspect", text]), expected);
    }
}

#[test]
fn rfc8392_appendix_a() {
    let world = World::new();
    let vectors: Value = serde_json::from_str(include_str!(
        "../../ace-token/tests/vectors/rfc8392-appendix-a.json"
    ))
    .expect("JSON");
    let figure = |number: u32| {
        let begins = format!("Figure {number}:");
        let figures = vectors["figures"].as_array().expect("an array");
        let mut found = figures
            .iter()
            .filter(|f| f["caption"].as_str().expect("text").starts_with(&begins));
        hex::decode(
            found.next().expect("the figure")["hex"]
                .as_str()
                .expect("text"),
        )
        .expect("hexadecimal")
    };
    let (aes, mac) = (figure(4), figure(6));
    let (aes, mac) = (
        CoseKey::parse(&aes).expect("a key"),
        CoseKey::parse(&mac).expect("a key"),
    );
    // A.2.2 gives its key the number of AES-CCM; the token of A.4 is made with HMAC 256/64.
    let key = |key: &CoseKey<'_>| {
        (
            key.kid.expect("a kid").to_vec(),
            key.k.expect("a key").to_vec(),
        )
    };
    let ((aes_kid, aes), (mac_kid, mac)) = (key(&aes), key(&mac));
    world.write_bundle(
        "coap://light.example.com",
        &[(&aes_kid, 10, &aes), (&mac_kid, 4, &mac)],
    );

    let claims = [
        "issuer      coap://as.example.com",
        "subject     erikw",
        "audience    coap://light.example.com",
        "issued      2015-10-04T07:49:04Z, ",
        "not before  2015-10-04T07:49:04Z, ",
        "expires     2015-10-05T17:09:04Z, ",
        " years ",
        "token id    h'0b71'",
    ];
    // A.3: signed. A.4: MACed, with CWT tag. A.5: encrypted. A.6: signed, then encrypted.
    let (signed, maced, encrypted, nested) = (figure(10), figure(12), figure(14), figure(16));
    let shown = ok(&["token", "inspect", &hex::encode(&signed)]);
    assert_says(&shown, &["COSE_Sign1", "ES256 (-7)", "NOT verified"]);
    assert_says(&shown, &claims);
    for (token, structure) in [(maced, "COSE_Mac0"), (encrypted, "COSE_Encrypt0")] {
        let shown = world.with_key(&token);
        // These tokens ended in 2015.
        assert_says(
            &shown,
            &[
                structure,
                "opened with the key, but refused",
                "the token has expired",
            ],
        );
        assert_says(&shown, &claims);
        let json = world.json(&token, true);
        assert_eq!(
            (&json["verified"], &json["claims"]["exp"]),
            (&json!(true), &json!(1_444_064_944))
        );
    }
    let closed = ok(&["token", "inspect", &hex::encode(&nested)]);
    assert_says(&closed, &["COSE_Encrypt0", "encrypted; --key"]);
    // The bundle has the key of the outer layer alone.
    let refused = fails(
        1,
        &[
            "token",
            "inspect",
            &hex::encode(&nested),
            "--key",
            text(&world.bundle),
        ],
    );
    assert_says(&refused, &["no key for the token's kid"]);
    // A.7: a date with a fraction.
    let shown = world.with_key(&figure(18));
    assert_says(&shown, &["COSE_Mac0", "issued      2015-10-04T07:49:04Z"]);
}
