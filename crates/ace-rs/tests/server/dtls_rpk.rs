//! Sessions with raw public keys (RFC 9202, 3.2).

use ace_crypto::{Signature, SigningKey};
use ace_dtls::CloseReason;
use ace_rs::{EventKind, Key, Refusal, Revoke};
use ace_token::issue::{Claims, Cnf, Scope};
use ace_wire::coap::Code;

use crate::bench::{Bench, WALL, issue};
use crate::dtls_client::*;

fn posted(bench: &mut Bench, token: &[u8]) -> Code {
    bench.ask_proven(3, &cwt(token)).expect("an answer").code
}

fn with_key(name: u8, key: &SigningKey) -> (Bench, Door) {
    let mut bench = bench();
    let token = sign(&rpk_claims(name, key), Signature::Es256);
    assert_eq!(posted(&mut bench, &token), Code::CREATED);
    let mut door = Door::by_key(3, key.clone());
    assert!(door.open(&mut bench), "{:?}", door.closed);
    (bench, door)
}

#[test]
fn rfc9202_3_2_2_the_key_of_the_handshake_is_that_of_the_token() {
    for (curve, protection) in [
        (Signature::Es256, Some(Signature::Es256)),
        (Signature::Es256, Some(Signature::EdDsa)),
        (Signature::EdDsa, Some(Signature::Es256)),
        (Signature::Es256, None),
    ] {
        let mut bench = bench();
        let key = client_key(curve, 1);
        let claims = rpk_claims(1, &key);
        let token = match protection {
            Some(algorithm) => sign(&claims, algorithm),
            None => issue(&claims),
        };
        assert_eq!(posted(&mut bench, &token), Code::CREATED);
        let kid = ace_crypto::key_id(&key.verifying_key());
        let view = bench.server.tokens().next().unwrap();
        assert_eq!(view.key, Key::RawPublicKey { kid: &kid });
        let mut door = Door::by_key(3, key);
        assert!(door.open(&mut bench), "{curve:?} {:?}", door.closed);
        assert_eq!(door.get(&mut bench, "/temp").code, Code::CONTENT);
        assert_eq!(door.get(&mut bench, "/led").code, Code::FORBIDDEN);
    }
}

#[test]
fn rfc9202_3_2_a_server_with_a_key_on_ed25519() {
    let mut config = config();
    let own = SigningKey::generate(Signature::EdDsa, &mut ace_testkit::SeededRandom::new(77));
    config.own_key = Some(Box::leak(Box::new(own)));
    let mut bench = Bench::with(config);
    let key = client_key(Signature::EdDsa, 1);
    let token = sign(&rpk_claims(1, &key), Signature::EdDsa);
    assert_eq!(posted(&mut bench, &token), Code::CREATED);
    // The client pins another key than this server's.
    let mut door = Door::by_key(3, key);
    assert!(!door.open(&mut bench));
    let pinned = matches!(door.closed, Some(CloseReason::Failed(_)));
    assert!(pinned, "{:?}", door.closed);
}

#[test]
fn rfc9202_3_2_2_a_key_without_token_has_no_access() {
    let mut bench = bench();
    let known = client_key(Signature::Es256, 1);
    let token = sign(&rpk_claims(1, &known), Signature::Es256);
    for (key, allowed) in [(client_key(Signature::Es256, 2), false), (known, true)] {
        if allowed {
            assert_eq!(posted(&mut bench, &token), Code::CREATED);
            assert!(Door::by_key(3, key).open(&mut bench));
        } else {
            assert_eq!(Door::by_key(3, key).refused(&mut bench), ACCESS_DENIED);
            let refused = EventKind::HandshakeRefused(Refusal::UnknownKey);
            assert!(bench.events().iter().any(|event| event.kind == refused));
        }
    }
}

#[test]
fn rfc9202_3_2_2_signed_tokens_are_checked() {
    let key = client_key(Signature::Es256, 1);
    let good = rpk_claims(1, &key);
    let token = sign(&good, Signature::Es256);
    for byte in 0..token.len() {
        let mut bench = bench();
        let mut forged = token.clone();
        forged[byte] ^= 1;
        let code = posted(&mut bench, &forged);
        // The kid in the unprotected header is not covered; another one is not known.
        assert_ne!(code, Code::CREATED, "{byte}");
        assert_eq!(bench.server.tokens().count(), 0);
    }
    for claims in [
        Claims {
            exp: Some(WALL),
            ..good.clone()
        },
        Claims {
            aud: vec!["lamp".into()],
            ..good.clone()
        },
        Claims {
            iss: Some("coap://other.example".into()),
            ..good
        },
    ] {
        let mut bench = bench();
        let token = sign(&claims, Signature::Es256);
        assert_ne!(posted(&mut bench, &token), Code::CREATED);
    }
}

#[test]
fn rfc9202_3_2_2_without_a_key_of_its_own_a_server_takes_no_public_keys() {
    let mut config = config();
    config.own_key = None;
    let mut bench = Bench::with(config);
    let key = client_key(Signature::Es256, 1);
    let token = sign(&rpk_claims(1, &key), Signature::Es256);
    assert_eq!(posted(&mut bench, &token), Code::BAD_REQUEST);
    assert_eq!(bench.refusals(), [Refusal::Confirmation]);
    assert!(!Door::by_key(3, key).open(&mut bench));
}

#[test]
fn rfc9202_4_rights_of_a_public_key_are_replaced_by_its_kid_or_the_key_itself() {
    let key = client_key(Signature::Es256, 1);
    let (mut bench, mut door) = with_key(1, &key);
    let kid = ace_crypto::key_id(&key.verifying_key()).to_vec();
    for (cnf, later, scope) in [
        (Some(Cnf::Kid(kid)), 1, "switch"),
        (rpk_cnf(&key), 2, "read"),
    ] {
        let claims = Claims {
            cnf,
            iat: Some(WALL - 10 + later),
            scope: Some(Scope::Text(scope.into())),
            ..rpk_claims(1, &key)
        };
        let token = sign(&claims, Signature::EdDsa);
        let answer = door.ask(&mut bench, &cwt(&token)).unwrap();
        assert_eq!(answer.code, Code::CREATED);
        let mine = if scope == "switch" { "/led" } else { "/temp" };
        assert_eq!(door.get(&mut bench, mine).code, Code::CONTENT);
    }
    assert_eq!(bench.server.sessions(), 1);
    assert_eq!(bench.server.tokens().count(), 1);
}

#[test]
fn rfc9202_5_sessions_with_public_keys_end_with_their_tokens() {
    let key = client_key(Signature::Es256, 1);
    let (mut bench, mut door) = with_key(1, &key);
    bench.server.revoke(bench.now, Revoke::Cti(&[1]));
    door.pump(&mut bench);
    assert_eq!(door.closed, Some(CloseReason::Peer));
    assert_eq!(Door::by_key(3, key).refused(&mut bench), ACCESS_DENIED);
}

#[test]
fn key_confusion_is_not_possible() {
    let mut bench = bench();
    let key = client_key(Signature::Es256, 1);
    let public = sign(&rpk_claims(1, &key), Signature::Es256);
    assert_eq!(posted(&mut bench, &public), Code::CREATED);
    let symmetric = issue(&psk_claims(2));
    assert_eq!(posted(&mut bench, &symmetric), Code::CREATED);
    // The name, the token and the bytes of a public key where a symmetric one is asked for.
    let kid = ace_crypto::key_id(&key.verifying_key());
    let x = key.verifying_key().x();
    for identity in [named(&kid), public] {
        for psk in [&x[..], &x[..16], &kid] {
            let own = Own::Psk {
                identity: identity.clone(),
                key: psk.to_vec(),
            };
            assert_eq!(Door::new(4, own).refused(&mut bench), ILLEGAL_PARAMETER);
        }
    }
    // The bytes of a symmetric key as a private one.
    let stolen = [key_of(2), key_of(2)].concat();
    let stolen = SigningKey::from_bytes(Signature::Es256, &stolen).unwrap();
    assert_eq!(Door::by_key(4, stolen).refused(&mut bench), ACCESS_DENIED);
    assert!(bench.server.tokens().all(|token| !token.confirmed));
    assert!(Door::by_key(3, key).open(&mut bench));
    assert!(Door::by_kid(4, 2).open(&mut bench));
}
