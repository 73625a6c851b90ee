//! Sessions with pre-shared keys (RFC 9202, 3.3, 3.4, 4 and 5).

use ace_crypto::Signature;
use ace_dtls::CloseReason;
use ace_rs::{EventKind, Key, MethodSet, Outcome, Refusal, Revoke, TokenHash};
use ace_token::issue::{Claims, Cnf, CoseKey, Scope};
use ace_wire::ace::{AsRequestCreationHints, AuthzInfoRequest};
use ace_wire::coap::{Code, option};

use crate::bench::{Bench, Owned, WALL, aif, claims, encrypt, issue, upload};
use crate::dtls_client::*;
use crate::dtls_update::update;

pub fn posted(bench: &mut Bench, peer: u16, token: &[u8]) -> Code {
    bench.ask_proven(peer, &cwt(token)).expect("an answer").code
}

fn handshake_refusals(bench: &mut Bench) -> Vec<Refusal> {
    let events = bench.events().into_iter();
    events
        .filter_map(|event| match event.kind {
            EventKind::HandshakeRefused(refusal) => Some(refusal),
            _ => None,
        })
        .collect()
}

#[test]
fn rfc9202_3_3_2_a_posted_token_is_named_by_the_kid_of_its_key() {
    let mut bench = bench();
    let answer = bench.ask(3, &cwt(&issue(&psk_claims(1)))).unwrap();
    assert_eq!((answer.code, answer.payload.len()), (Code::CREATED, 0));
    let token = bench.server.tokens().next().unwrap();
    assert_eq!(token.key, Key::Psk { kid: &kid_of(1) });
    assert!(!token.confirmed);
    let mut door = Door::by_kid(3, 1);
    assert!(door.open(&mut bench));
    assert!(bench.server.tokens().next().unwrap().confirmed);
    assert_eq!(door.get(&mut bench, "/temp").code, Code::CONTENT);
    assert_eq!(door.get(&mut bench, "/led").code, Code::FORBIDDEN);
    let kinds: Vec<_> = bench.events().into_iter().map(|event| event.kind).collect();
    let expected = [
        EventKind::TokenAccepted,
        EventKind::SessionOpened,
        EventKind::TokenConfirmed,
    ];
    assert_eq!(kinds[..3], expected);
}

#[test]
fn rfc9200_5_10_1_a_map_with_the_token_alone_is_taken_too() {
    let mut bench = bench();
    let mut payload = [0; 512];
    let request = AuthzInfoRequest {
        access_token: &issue(&psk_claims(1)),
        nonce1: None,
        client_recipient_id: None,
    };
    let length = request.encode(&mut payload).unwrap();
    let answer = bench.ask(3, &upload(&payload[..length])).unwrap();
    assert_eq!((answer.code, answer.payload.len()), (Code::CREATED, 0));
    assert!(Door::by_kid(3, 1).open(&mut bench));
}

#[test]
fn rfc9202_3_3_2_the_whole_token_is_the_identity() {
    let mut bench = bench();
    let token = issue(&psk_claims(1));
    let mut door = Door::by_token(3, &token, 1);
    assert!(door.open(&mut bench), "{:?}", door.closed);
    assert_eq!(door.get(&mut bench, "/temp").code, Code::CONTENT);
    // The same token again: the same key, and the rights that go with it, in a new session.
    let mut again = Door::by_token(4, &token, 1);
    assert!(again.open(&mut bench));
    assert_eq!(bench.server.tokens().count(), 1);
    assert_eq!(bench.server.sessions(), 1);
    assert_eq!(again.get(&mut bench, "/temp").code, Code::CONTENT);
    // And by name.
    assert!(Door::by_kid(5, 1).open(&mut bench));
}

#[test]
fn rfc9202_3_3_1_a_derived_key_needs_no_secret_in_the_token() {
    // HKDF by hand: the key is what the authorization server computes from the token (RFC 9202, 3.3.1).
    let derived = |token: &[u8]| {
        let mut info = vec![0x83, 0x78, 28];
        info.extend_from_slice(b"ACE-CoAP-DTLS-key-derivation");
        info.extend_from_slice(&[16, 0x58, u8::try_from(token.len()).unwrap()]);
        info.extend_from_slice(token);
        let extracted = ace_crypto::hmac_sha256(&[0; 32], &[&DERIVATION_KEY]);
        ace_crypto::hmac_sha256(&extracted, &[&info, &[1]])[..16].to_vec()
    };
    let of = |name| Claims {
        cnf: Some(Cnf::CoseKey(CoseKey::Derived { kid: kid_of(name) })),
        ..claims(name)
    };
    for (whole, signed) in [(false, true), (true, false), (true, true)] {
        let mut bench = bench();
        let token = if signed {
            sign(&of(1), Signature::Es256)
        } else {
            issue(&of(1))
        };
        let identity = if whole {
            token.clone()
        } else {
            assert_eq!(posted(&mut bench, 3, &token), Code::CREATED);
            named(&kid_of(1))
        };
        let key = derived(&token);
        let mut door = Door::new(3, Own::Psk { identity, key });
        assert!(door.open(&mut bench), "{whole} {signed} {:?}", door.closed);
        assert_eq!(door.get(&mut bench, "/temp").code, Code::CONTENT);
    }
    // Without the key of derivation there is none.
    let mut config = config();
    config.key_derivation_key = None;
    let mut bench = Bench::with(config);
    assert_eq!(posted(&mut bench, 3, &issue(&of(1))), Code::UNAUTHORIZED);
    assert_eq!(bench.refusals(), [Refusal::UnknownKey]);
}

#[test]
fn rfc9202_3_3_1_a_symmetric_key_comes_in_an_encrypted_token_only() {
    use coset::{CborSerializable, TaggedCborSerializable};
    let mut bench = bench();
    // The claims of a good token, signed instead.
    let mut plain = vec![0; 512];
    let token = issue(&psk_claims(1));
    let opened = ace_token::open(&token, config().token_keys, &mut plain).unwrap();
    assert!(opened.protection.encrypted);
    let inner = coset::CoseEncrypt0::from_tagged_slice(&token).unwrap();
    let claims = inner
        .decrypt_ciphertext(
            &[],
            || "no ciphertext",
            |text, aad| {
                let mut text = text.to_vec();
                let aead = ace_crypto::Aead::AesCcm16_64_128;
                let length = aead
                    .open(&crate::bench::AS_KEY, &inner.unprotected.iv, aad, &mut text)
                    .unwrap();
                Ok::<_, &str>(text[..length].to_vec())
            },
        )
        .unwrap();
    let key = as_key(Signature::Es256);
    let signed = coset::CoseSign1Builder::new()
        .protected(
            coset::HeaderBuilder::new()
                .algorithm(coset::iana::Algorithm::ES256)
                .build(),
        )
        .unprotected(coset::HeaderBuilder::new().key_id(b"es".to_vec()).build())
        .payload(claims.clone())
        .create_signature(&[], |bytes| key.sign(&[bytes]).unwrap().to_vec())
        .build();
    let bare = signed.clone().to_vec().unwrap();
    let tagged = signed.to_tagged_vec().unwrap();
    for token in [&bare, &tagged] {
        assert_eq!(posted(&mut bench, 3, token), Code::BAD_REQUEST);
        assert_eq!(
            bench.refusals(),
            [Refusal::Token(ace_token::TokenError::SecretInClear)]
        );
        let mut door = Door::by_token(3, token, 1);
        assert_eq!(door.refused(&mut bench), ILLEGAL_PARAMETER);
    }
    assert_eq!(bench.server.tokens().count(), 0);
    // Signed, then encrypted, it is none.
    assert_eq!(posted(&mut bench, 3, &encrypt(&tagged)), Code::CREATED);
}

#[test]
fn rfc9202_3_3_2_an_identity_without_a_valid_token_is_an_illegal_parameter() {
    let expired = Claims {
        exp: Some(WALL - 1),
        ..psk_claims(1)
    };
    let other_audience = Claims {
        aud: vec!["lamp".into()],
        ..psk_claims(1)
    };
    let oscore = claims(1);
    let public = rpk_claims(1, &client_key(Signature::Es256, 1));
    let update = update(1, 1, "read");
    let cases = [
        (named(&kid_of(9)), Refusal::UnknownKey),
        (named(&[]), Refusal::UnknownKey),
        (
            issue(&expired),
            Refusal::Claim(ace_token::ClaimError::Expired),
        ),
        (
            issue(&other_audience),
            Refusal::Claim(ace_token::ClaimError::Audience),
        ),
        (issue(&oscore), Refusal::Confirmation),
        (issue(&public), Refusal::Confirmation),
        (issue(&update), Refusal::UnknownKey),
    ];
    for (identity, refusal) in cases {
        let mut bench = bench();
        let own = Own::Psk {
            identity,
            key: key_of(1).to_vec(),
        };
        let mut door = Door::new(3, own);
        assert_eq!(door.refused(&mut bench), ILLEGAL_PARAMETER, "{refusal:?}");
        assert_eq!(handshake_refusals(&mut bench), [refusal]);
    }
}

#[test]
fn rfc9202_3_3_2_who_has_another_key_gets_no_session_and_confirms_nothing() {
    let mut bench = bench();
    assert_eq!(posted(&mut bench, 3, &issue(&psk_claims(1))), Code::CREATED);
    let own = Own::Psk {
        identity: named(&kid_of(1)),
        key: key_of(2).to_vec(),
    };
    let mut thief = Door::new(4, own);
    assert!(!thief.open(&mut bench));
    assert!(!bench.server.tokens().next().unwrap().confirmed);
    assert_eq!(bench.server.sessions(), 0);
    // The owner is not kept from it.
    let mut door = Door::by_kid(3, 1);
    assert!(door.open(&mut bench));
    assert_eq!(door.get(&mut bench, "/temp").code, Code::CONTENT);
}

#[test]
fn rfc9202_3_4_each_request_is_decided_by_the_token_of_its_session() {
    let mut bench = bench();
    let of = |name, scope: &str| Claims {
        scope: Some(Scope::Text(scope.into())),
        ..psk_claims(name)
    };
    let mut reader = bench.session(3, &of(1, "read"), 1);
    let mut switch = bench.session(4, &of(2, "switch"), 2);
    for _ in 0..3 {
        assert_eq!(reader.get(&mut bench, "/temp").code, Code::CONTENT);
        assert_eq!(reader.get(&mut bench, "/led").code, Code::FORBIDDEN);
        assert_eq!(switch.get(&mut bench, "/led").code, Code::CONTENT);
        assert_eq!(switch.get(&mut bench, "/temp").code, Code::FORBIDDEN);
    }
    // RFC 9200, 5.10.2
    let put = Owned::new(Code::PUT, "/temp").body(b"1");
    let refused = reader.ask(&mut bench, &put).unwrap();
    assert_eq!(refused.code, Code::METHOD_NOT_ALLOWED);
    // RFC 9202, 3.4: hints come with a refusal, and the session lives on.
    let hints = AsRequestCreationHints::parse(&refused.payload).unwrap();
    assert_eq!(hints.kid, Some(&kid_of(1)[..]));
    assert_eq!(hints.audience, Some("thermo"));
    assert_eq!(reader.get(&mut bench, "/temp").code, Code::CONTENT);
    let who: Vec<_> = bench.server.resources().seen.iter().map(|s| s.1).collect();
    assert!(who.iter().all(|path| ["/temp", "/led"].contains(path)));
}

#[test]
fn rfc9202_3_4_records_of_one_session_are_nothing_in_another() {
    let mut bench = bench();
    let mut one = bench.session(3, &psk_claims(1), 1);
    let mut two = bench.session(4, &psk_claims(2), 2);
    let seen = |bench: &Bench| bench.server.resources().seen.len();
    let before = seen(&bench);
    let request = Owned::new(Code::GET, "/temp");
    // From the other's address, and replayed.
    let sealed = one.seal(&request);
    assert_eq!(bench.exchange(4, &sealed), []);
    assert_eq!(seen(&bench), before);
    assert_eq!(bench.exchange(3, &sealed).len(), 1);
    assert_eq!(bench.exchange(3, &sealed), []);
    assert_eq!(seen(&bench), before + 1);
    assert_eq!(two.get(&mut bench, "/temp").code, Code::CONTENT);
}

#[test]
fn rfc9202_3_4_a_request_in_the_clear_from_the_address_of_a_session_has_none_of_its_rights() {
    let mut bench = bench();
    let mut door = bench.session(3, &psk_claims(1), 1);
    let seen = bench.server.resources().seen.len();
    let plain = Owned::new(Code::GET, "/temp");
    assert_eq!(bench.ask(3, &plain).unwrap().code, Code::UNAUTHORIZED);
    // An answer in the session never answers a message in the clear with the same ID and token.
    let secure = door.get(&mut bench, "/temp");
    let mut plain = plain;
    (plain.id, plain.token) = (secure.id, secure.token);
    let sent = bench.raw(3, &plain.encode());
    assert_eq!(sent[0].1.code, Code::UNAUTHORIZED);
    assert_eq!(bench.server.resources().seen.len(), seen + 1);
}

fn observed(bench: &mut Bench, door: &mut Door) -> Owned {
    let request = Owned::new(Code::GET, "/temp").with(option::OBSERVE, 0u32);
    let answer = door.ask(bench, &request).unwrap();
    assert!(answer.option(option::OBSERVE).is_some());
    answer
}

/// The observation gets a 4.01, then the session ends by close_notify.
fn assert_ended(bench: &mut Bench, door: &mut Door, observation: &Owned) {
    door.pump(bench);
    let last = door.came.pop().expect("a last message");
    assert_eq!(
        (last.code, last.token),
        (Code::UNAUTHORIZED, observation.token)
    );
    assert_eq!(door.closed, Some(CloseReason::Peer));
    assert_eq!(
        (bench.server.sessions(), bench.server.observations()),
        (0, 0)
    );
    let ended = |kind: &EventKind| matches!(kind, EventKind::SessionEnded(_));
    let events = bench.events();
    assert_eq!(events.iter().filter(|e| ended(&e.kind)).count(), 1);
}

#[test]
fn rfc9202_5_the_end_of_the_token_is_told_to_observers_and_ends_the_session() {
    let mut bench = bench();
    let mut door = bench.session(3, &psk_claims(1), 1);
    let observation = observed(&mut bench, &mut door);
    bench.advance(3_599_000);
    door.pump(&mut bench);
    assert_eq!(door.closed, None);
    bench.advance(1_000);
    assert_ended(&mut bench, &mut door, &observation);
    assert_eq!(bench.server.tokens().count(), 0);
    // Nothing is retransmitted into a session that is gone.
    assert_eq!(bench.sent(), []);
    bench.advance(200_000);
    assert_eq!(bench.sent(), []);
    assert_eq!(Door::by_kid(3, 1).refused(&mut bench), ILLEGAL_PARAMETER);
}

#[test]
fn rfc9202_5_a_revoked_token_ends_its_session_and_no_other() {
    let mut bench = bench();
    let mut door = bench.session(3, &psk_claims(1), 1);
    let observation = observed(&mut bench, &mut door);
    let hash = TokenHash::of(&issue(&psk_claims(1)), &mut [0; 512]).unwrap();
    assert_eq!(bench.server.revoke(bench.now, Revoke::Hash(hash)), 1);
    assert_ended(&mut bench, &mut door, &observation);
    let mut one = bench.session(3, &psk_claims(1), 1);
    let mut two = bench.session(4, &psk_claims(2), 2);
    assert_eq!(bench.server.revoke(bench.now, Revoke::Cti(&[1])), 1);
    one.pump(&mut bench);
    assert_eq!(one.closed, Some(CloseReason::Peer));
    assert_eq!(two.get(&mut bench, "/temp").code, Code::CONTENT);
}

#[test]
fn rfc9202_3_4_a_request_that_comes_before_the_end_is_told_is_answered_401_with_hints() {
    let mut bench = bench();
    let mut door = bench.session(3, &psk_claims(1), 1);
    // The caller has not fetched the close_notify yet.
    bench.server.revoke(bench.now, Revoke::Cti(&[1]));
    let answer = door
        .ask(&mut bench, &Owned::new(Code::GET, "/temp"))
        .unwrap();
    assert_eq!(answer.code, Code::UNAUTHORIZED);
    AsRequestCreationHints::parse(&answer.payload).unwrap();
    assert_eq!(door.closed, Some(CloseReason::Peer));
    let no_token = |kind: &EventKind| matches!(kind, EventKind::Request { outcome, .. } if *outcome == Outcome::NoToken);
    assert!(bench.events().iter().any(|event| no_token(&event.kind)));
}

#[test]
fn rfc9200_5_10_1_a_token_of_the_same_client_supersedes_at_its_first_use() {
    let mut bench = bench();
    let of = |name| Claims {
        sub: Some("alice".into()),
        ..psk_claims(name)
    };
    let mut old = bench.session(3, &of(1), 1);
    let observation = observed(&mut bench, &mut old);
    assert_eq!(posted(&mut bench, 3, &issue(&of(2))), Code::CREATED);
    // Posting alone ends nothing.
    assert_eq!(old.get(&mut bench, "/temp").code, Code::CONTENT);
    let mut new = Door::by_kid(4, 2);
    assert!(new.open(&mut bench));
    old.pump(&mut bench);
    let last = old.came.pop().unwrap();
    assert_eq!(
        (last.code, last.token),
        (Code::UNAUTHORIZED, observation.token)
    );
    assert_eq!(old.closed, Some(CloseReason::Peer));
    assert_eq!(new.get(&mut bench, "/temp").code, Code::CONTENT);
    assert_eq!(bench.server.tokens().count(), 1);
}

#[test]
fn rfc9202_3_3_2_a_new_handshake_of_the_same_client_takes_the_place_of_its_session() {
    let mut bench = bench();
    let mut old = bench.session(3, &psk_claims(1), 1);
    observed(&mut bench, &mut old);
    let mut new = Door::by_kid(3, 1);
    assert!(new.open(&mut bench));
    assert_eq!(
        (bench.server.sessions(), bench.server.observations()),
        (1, 0)
    );
    assert_eq!(new.get(&mut bench, "/temp").code, Code::CONTENT);
}

#[test]
fn rfc9202_7_1_the_token_outlives_a_session_that_its_client_closes() {
    let mut bench = bench();
    let mut door = bench.session(3, &psk_claims(1), 1);
    observed(&mut bench, &mut door);
    door.connection.close();
    door.pump(&mut bench);
    assert_eq!(
        (bench.server.sessions(), bench.server.observations()),
        (0, 0)
    );
    assert_eq!(bench.server.tokens().count(), 1);
    assert!(Door::by_kid(3, 1).open(&mut bench));
}

#[test]
fn rfc9202_7_a_token_that_is_never_used_goes() {
    let mut bench = bench();
    assert_eq!(posted(&mut bench, 3, &issue(&psk_claims(1))), Code::CREATED);
    bench.advance(120_000);
    assert_eq!(bench.server.tokens().count(), 0);
}

#[test]
fn rfc7641_notifications_come_in_the_session() {
    let mut bench = bench();
    let mut door = bench.session(3, &psk_claims(1), 1);
    let observation = observed(&mut bench, &mut door);
    bench.server.resources_mut().temp = 31;
    assert_eq!(bench.server.notify(bench.now, bench.wall, "/temp"), Ok(1));
    door.pump(&mut bench);
    let notification = door.came.pop().unwrap();
    assert_eq!(notification.payload, b"31");
    assert_eq!(notification.token, observation.token);
    door.acknowledge(&mut bench, &notification);
    // An update that does not cover it any more ends the observation, not the session.
    let token = issue(&update(1, 1, "switch"));
    assert_eq!(
        door.ask(&mut bench, &cwt(&token)).unwrap().code,
        Code::CREATED
    );
    door.pump(&mut bench);
    assert_eq!(door.came.pop().unwrap().code, Code::UNAUTHORIZED);
    assert_eq!(bench.server.observations(), 0);
    assert_eq!(door.get(&mut bench, "/led").code, Code::CONTENT);
}

#[test]
fn rfc7959_blocks_go_both_ways_in_the_session() {
    let mut bench = bench();
    let all = Claims {
        scope: Some(aif(&[("/big", MethodSet(1 | 1 << 1))])),
        ..psk_claims(1)
    };
    let mut door = bench.session(3, &all, 1);
    let mut got = Vec::new();
    for number in 0..3u32 {
        let request = Owned::new(Code::GET, "/big").with(option::BLOCK2, number << 4 | 4);
        let answer = door.ask(&mut bench, &request).unwrap();
        assert_eq!(answer.code, Code::CONTENT);
        got.extend(answer.payload);
    }
    assert_eq!(got.len(), 600);
    for number in 0..2u32 {
        let more = u32::from(number == 0) << 3;
        let request = Owned::new(Code::POST, "/big")
            .with(option::BLOCK1, number << 4 | more | 1)
            .body(&[number as u8; 32]);
        let answer = door.ask(&mut bench, &request).unwrap();
        let expected = [Code::CONTINUE, Code::CREATED][number as usize];
        assert_eq!(answer.code, expected);
    }
    // A token in blocks, too.
    let token = issue(&update(1, 1, "read"));
    for (number, block) in token.chunks(64).enumerate() {
        let more = u32::from((number + 1) * 64 < token.len()) << 3;
        let request = cwt(block).with(option::BLOCK1, (number as u32) << 4 | more | 2);
        let answer = door.ask(&mut bench, &request).unwrap();
        let expected = if more > 0 {
            Code::CONTINUE
        } else {
            Code::CREATED
        };
        assert_eq!(answer.code, expected);
    }
    assert_eq!(door.get(&mut bench, "/temp").code, Code::CONTENT);
}

#[test]
fn oscore_has_no_place_in_a_session() {
    let mut bench = bench();
    let mut oscore = bench.confirmed(5, &claims(5), 5);
    let mut door = bench.session(3, &psk_claims(1), 1);
    let (sealed, _) = oscore.protect(&Owned::new(Code::GET, "/temp"));
    assert_eq!(
        door.ask(&mut bench, &sealed).unwrap().code,
        Code::BAD_OPTION
    );
    // Both profiles side by side.
    assert_eq!(oscore.get(&mut bench, "/temp").code, Code::CONTENT);
    assert_eq!(door.get(&mut bench, "/temp").code, Code::CONTENT);
}

#[test]
fn rfc9200_5_10_tokens_of_one_profile_are_refused_in_the_other() {
    let mut bench = bench();
    // OSCORE input material alone in application/cwt.
    assert_eq!(posted(&mut bench, 3, &issue(&claims(1))), Code::BAD_REQUEST);
    assert_eq!(bench.refusals(), [Refusal::Confirmation]);
    // A symmetric key with what belongs to OSCORE.
    let payload = crate::bench::Exchange::new(1).payload(&issue(&psk_claims(1)));
    assert_eq!(bench.upload(3, &payload).unwrap().code, Code::BAD_REQUEST);
    assert_eq!(bench.refusals(), [Refusal::Confirmation]);
    // Claims that say another profile.
    let wrong = Claims {
        ace_profile: Some(2),
        ..psk_claims(1)
    };
    assert_eq!(posted(&mut bench, 3, &issue(&wrong)), Code::BAD_REQUEST);
    assert_eq!(bench.refusals(), [Refusal::Profile]);
    let right = Claims {
        ace_profile: Some(1),
        ..psk_claims(1)
    };
    assert_eq!(posted(&mut bench, 3, &issue(&right)), Code::CREATED);
}

#[test]
fn a_full_table_answers_in_the_session_with_503() {
    let mut bench = bench();
    for name in 1..=3u8 {
        bench.session(name.into(), &psk_claims(name), name);
    }
    for name in 4..=5u8 {
        assert_eq!(
            posted(&mut bench, name.into(), &issue(&psk_claims(name))),
            Code::CREATED
        );
    }
    let mut quick = Door::by_kid(4, 4);
    assert!(quick.open(&mut bench));
    let mut late = Door::by_kid(5, 5);
    assert!(late.open(&mut bench));
    let answer = late.get(&mut bench, "/temp");
    assert_eq!(answer.code, Code::SERVICE_UNAVAILABLE);
    assert_eq!(bench.server.revoke(bench.now, Revoke::Cti(&[2])), 1);
    assert_eq!(late.get(&mut bench, "/temp").code, Code::CONTENT);
}

#[test]
fn a_key_longer_than_there_is_room_for_is_refused() {
    let mut bench = bench();
    for (length, code) in [
        (1, Code::CREATED),
        (ace_rs::MAX_PSK, Code::CREATED),
        (ace_rs::MAX_PSK + 1, Code::BAD_REQUEST),
        (0, Code::BAD_REQUEST),
    ] {
        let claims = Claims {
            cnf: Some(Cnf::CoseKey(CoseKey::Symmetric {
                kid: Some(vec![length as u8; 8]),
                alg: None,
                k: vec![3; length].into(),
            })),
            ..claims(length as u8)
        };
        assert_eq!(posted(&mut bench, 3, &issue(&claims)), code, "{length}");
    }
}

#[test]
fn rfc9202_4_rights_that_shrink_in_a_handshake_end_observations() {
    let mut bench = bench();
    let mut door = bench.session(3, &psk_claims(1), 1);
    let observation = observed(&mut bench, &mut door);
    // The newer token comes as an identity, by whoever.
    let own = Own::Psk {
        identity: issue(&update(1, 1, "switch")),
        key: vec![1; 16],
    };
    assert!(!Door::new(9, own).open(&mut bench));
    bench.server.resources_mut().temp = 31;
    bench.server.notify(bench.now, bench.wall, "/temp").unwrap();
    door.pump(&mut bench);
    let last = door.came.pop().unwrap();
    assert_eq!(
        (last.code, last.token),
        (Code::UNAUTHORIZED, observation.token)
    );
    assert_eq!(bench.server.observations(), 0);
}
