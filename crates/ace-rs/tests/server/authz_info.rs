//! POST /authz-info in the clear (RFC 9200, 5.10.1; RFC 9203, 4.1 and 4.2).

use ace_rs::{Config, EventKind, MethodSet, Refusal};
use ace_token::issue::{Claims, Cnf, OscoreInputMaterial, Scope};
use ace_token::{ClaimError, TokenError};
use ace_wire::ace::{AuthzInfoRequest, AuthzInfoResponse};
use ace_wire::coap::{Code, option};

use crate::bench::{Bench, Exchange, Owned, WALL, aif, claims, config, issue, material, upload};

/// No limit on the rate of uploads, so that each test meets the rule it is about.
pub fn generous() -> Config<'static> {
    let mut config = config();
    config.limits.upload_burst = u16::MAX;
    config.limits.grace = core::time::Duration::ZERO;
    config
}

/// The answer to a payload that must be refused, and why; nothing may change.
pub fn refuse(bench: &mut Bench, payload: &[u8]) -> (Code, Refusal) {
    let before = bench.state();
    bench.events();
    let answer = bench.upload(3, payload).expect("an answer");
    assert_eq!(bench.state(), before);
    assert!(
        answer.payload.is_empty() && !answer.code.is_success(),
        "{answer:?}"
    );
    let refusals = bench.refusals();
    assert_eq!(refusals.len(), 1, "{answer:?}");
    assert_eq!(refusals[0].code(), answer.code);
    (answer.code, refusals[0])
}

fn refuse_claims(claims: &Claims) -> (Code, Refusal) {
    let mut bench = Bench::new();
    refuse(&mut bench, &Exchange::new(1).payload(&issue(claims)))
}

fn accept(claims: &Claims) {
    let answer = Bench::new()
        .upload(3, &Exchange::new(1).payload(&issue(claims)))
        .unwrap();
    assert_eq!(answer.code, Code::CREATED);
}

#[test]
fn rfc9203_4_2_created_with_nonce2_and_server_recipientid() {
    let mut bench = Bench::new();
    let answer = bench
        .upload(3, &Exchange::new(1).payload(&issue(&claims(1))))
        .unwrap();
    assert_eq!(
        (answer.code, answer.uint(option::CONTENT_FORMAT)),
        (Code::CREATED, Some(19))
    );
    let first = AuthzInfoResponse::parse(&answer.payload).unwrap();
    let request = upload(&Exchange::new(1).payload(&issue(&claims(1))));
    let answer = bench.ask_proven(3, &request).unwrap();
    let second = AuthzInfoResponse::parse(&answer.payload).unwrap();
    assert_eq!(
        (first.nonce2.len(), first.server_recipient_id.len()),
        (8, 1)
    );
    // Neither is used twice.
    assert_ne!(first.nonce2, second.nonce2);
    assert_ne!(first.server_recipient_id, second.server_recipient_id);
}

#[test]
fn rfc9200_5_10_1_2_no_other_method_than_post() {
    let payload = Exchange::new(1).payload(&issue(&claims(1)));
    for code in [
        Code::GET,
        Code::PUT,
        Code::DELETE,
        Code::FETCH,
        Code::PATCH,
        Code(9),
    ] {
        let mut bench = Bench::new();
        let answer = bench
            .ask(
                3,
                &Owned {
                    code,
                    ..upload(&payload)
                },
            )
            .unwrap();
        assert_eq!(answer.code, Code::METHOD_NOT_ALLOWED);
        assert_eq!(bench.server.tokens().count(), 0);
    }
}

#[test]
fn rfc9203_4_1_other_content_formats_are_refused() {
    let token = issue(&claims(1));
    for payload in [Exchange::new(1).payload(&token), token] {
        for format in [None, Some(0u16), Some(42), Some(60), Some(19 << 8)] {
            let mut bench = Bench::new();
            let mut request = Owned::new(Code::POST, "/authz-info").body(&payload);
            if let Some(format) = format {
                request = request.with(option::CONTENT_FORMAT, format);
            }
            let answer = bench.ask(3, &request).unwrap();
            assert_eq!(answer.code, Code::UNSUPPORTED_CONTENT_FORMAT);
            assert_eq!(bench.refusals(), [Refusal::ContentFormat]);
        }
    }
}

#[test]
fn rfc9200_5_10_1_1_unknown_kid_and_other_keys_are_refused() {
    use ace_crypto::Aead;
    use ace_token::issue::{Issuer, IssuingKey};
    let mut rng = ace_testkit::SeededRandom::new(1);
    let key = IssuingKey::Aead(Aead::AesCcm16_64_128, &crate::bench::AS_KEY);
    let stranger = IssuingKey::Aead(Aead::AesCcm16_64_128, &[8; 16]);
    let other = IssuingKey::Aead(Aead::AesCcm16_128_128, &crate::bench::AS_KEY);
    for (kid, key, refusal) in [
        (Some(&b"rs2"[..]), key, TokenError::UnknownKey),
        (None, key, TokenError::UnknownKey),
        (Some(b"rs1"), other, TokenError::UnknownKey),
        (Some(b"rs1"), stranger, TokenError::Verification),
    ] {
        let token = Issuer { kid, key }.issue(&claims(1), &mut rng).unwrap();
        let refused = refuse(&mut Bench::new(), &Exchange::new(1).payload(&token));
        assert_eq!(refused, (Code::UNAUTHORIZED, Refusal::Token(refusal)));
    }
}

#[test]
fn rfc9203_4_2_missing_or_overlong_nonce1_and_id1_are_refused() {
    let token = issue(&claims(1));
    let id = &[1u8, 2][..];
    let nonce = &[5u8; 8][..];
    for (nonce1, client_recipient_id) in [
        (None, Some(id)),
        (Some(nonce), None),
        (None, None),
        (Some(&[5; 65][..]), Some(id)),
        (Some(nonce), Some(&[1; 8][..])),
    ] {
        let mut out = [0; 512];
        let request = AuthzInfoRequest {
            access_token: &token,
            nonce1,
            client_recipient_id,
        };
        let length = request.encode(&mut out).unwrap();
        let refused = refuse(&mut Bench::new(), &out[..length]);
        assert_eq!(refused, (Code::BAD_REQUEST, Refusal::Exchange));
    }
    // The longest and the shortest there are.
    for (nonce1, id1) in [(vec![5; 64], vec![1; 7]), (vec![], vec![])] {
        let exchange = Exchange {
            nonce1,
            id1,
            ..Exchange::new(1)
        };
        let answer = Bench::new().upload(3, &exchange.payload(&token)).unwrap();
        assert_eq!(answer.code, Code::CREATED);
    }
}

#[test]
fn rfc9200_5_10_1_1_claims_and_their_codes() {
    use Code as C;
    let good = claims(1);
    let cases: [(Claims, C, Refusal); 11] = [
        (
            Claims {
                iss: Some("coap://other".into()),
                ..good.clone()
            },
            C::UNAUTHORIZED,
            Refusal::Claim(ClaimError::Issuer),
        ),
        (
            Claims {
                exp: Some(WALL),
                ..good.clone()
            },
            C::UNAUTHORIZED,
            Refusal::Claim(ClaimError::Expired),
        ),
        (
            Claims {
                nbf: Some(WALL + 1),
                ..good.clone()
            },
            C::UNAUTHORIZED,
            Refusal::Claim(ClaimError::NotYetValid),
        ),
        (
            Claims {
                exp: None,
                ..good.clone()
            },
            C::BAD_REQUEST,
            Refusal::NoExpiration,
        ),
        (
            Claims {
                aud: vec!["other".into()],
                ..good.clone()
            },
            C::FORBIDDEN,
            Refusal::Claim(ClaimError::Audience),
        ),
        (
            Claims {
                aud: vec![],
                ..good.clone()
            },
            C::FORBIDDEN,
            Refusal::Claim(ClaimError::MissingAudience),
        ),
        (
            Claims {
                scope: Some(Scope::Text("read write".into())),
                ..good.clone()
            },
            C::BAD_REQUEST,
            Refusal::Scope,
        ),
        (
            Claims {
                scope: Some(Scope::Bytes(vec![0x80, 0])),
                ..good.clone()
            },
            C::BAD_REQUEST,
            Refusal::Scope,
        ),
        (
            Claims {
                scope: None,
                ..good.clone()
            },
            C::BAD_REQUEST,
            Refusal::Claim(ClaimError::MissingScope),
        ),
        (
            Claims {
                ace_profile: Some(1),
                ..good.clone()
            },
            C::BAD_REQUEST,
            Refusal::Profile,
        ),
        (
            Claims {
                cnf: None,
                ..good.clone()
            },
            C::BAD_REQUEST,
            Refusal::Confirmation,
        ),
    ];
    for (claims, code, refusal) in cases {
        assert_eq!(refuse_claims(&claims), (code, refusal));
    }
    for claims in [
        Claims {
            iss: None,
            ..good.clone()
        },
        Claims {
            nbf: Some(WALL),
            ..good.clone()
        },
        Claims {
            exp: Some(WALL + 1),
            ..good.clone()
        },
        Claims {
            aud: vec!["x".into(), "all".into()],
            ..good.clone()
        },
        Claims {
            ace_profile: Some(2),
            ..good.clone()
        },
        Claims {
            scope: Some(aif(&[("/nowhere", MethodSet::GET)])),
            ..good.clone()
        },
        Claims {
            sub: Some("alice".into()),
            cti: None,
            iat: None,
            ..good
        },
    ] {
        accept(&claims);
    }
}

#[test]
fn rfc9200_5_10_1_1_errors_in_the_order_of_the_list() {
    let all_wrong = Claims {
        iss: Some("coap://other".into()),
        exp: Some(WALL - 1),
        aud: vec!["other".into()],
        scope: Some(Scope::Text("none".into())),
        cnf: None,
        ..claims(1)
    };
    type Mend = fn(&mut Claims);
    let steps: [(Mend, Refusal); 5] = [
        (|_| {}, Refusal::Claim(ClaimError::Issuer)),
        (
            |claims| claims.iss = None,
            Refusal::Claim(ClaimError::Expired),
        ),
        (
            |claims| claims.exp = Some(WALL + 1),
            Refusal::Claim(ClaimError::Audience),
        ),
        (|claims| claims.aud = vec!["thermo".into()], Refusal::Scope),
        (
            |claims| claims.scope = claims_scope(),
            Refusal::Confirmation,
        ),
    ];
    let mut claims = all_wrong;
    for (mend, refusal) in steps {
        mend(&mut claims);
        assert_eq!(refuse_claims(&claims).1, refusal);
    }
    // A token that needs the clock, while there is none, is told so before its audience.
    let mut bench = Bench::new();
    bench.wall = None;
    let claims = Claims {
        aud: vec!["other".into()],
        ..crate::bench::claims(1)
    };
    let refused = refuse(&mut bench, &Exchange::new(1).payload(&issue(&claims)));
    assert_eq!(refused, (Code::UNAUTHORIZED, Refusal::ClockUnknown));
}

fn claims_scope() -> Option<Scope> {
    claims(1).scope
}

#[test]
fn rfc9203_4_2_input_material_that_is_incomplete_or_not_recognized_is_refused() {
    let wrong = |change: fn(&mut OscoreInputMaterial)| {
        let mut osc = material(1);
        change(&mut osc);
        let refused = refuse_claims(&Claims {
            cnf: Some(Cnf::Osc(osc)),
            ..claims(1)
        });
        assert_eq!(refused, (Code::BAD_REQUEST, Refusal::InputMaterial));
    };
    wrong(|osc| osc.version = Some(2));
    wrong(|osc| osc.version = Some(0));
    wrong(|osc| osc.alg = Some(5));
    wrong(|osc| osc.alg = Some(-7));
    wrong(|osc| osc.hkdf = Some(10));
    wrong(|osc| osc.hkdf = Some(-12));
    wrong(|osc| osc.ms = Vec::new().into());
    wrong(|osc| osc.salt = Some(vec![0; 65]));
    wrong(|osc| osc.context_id = Some(vec![0; 25]));
    let kid = Some(Cnf::Kid(vec![0xa0, 1]));
    let refused = refuse_claims(&Claims {
        cnf: kid,
        ..claims(1)
    });
    assert_eq!(refused, (Code::BAD_REQUEST, Refusal::Confirmation));
    let long = OscoreInputMaterial {
        id: vec![1; 160],
        ..material(1)
    };
    let refused = refuse_claims(&Claims {
        cnf: Some(Cnf::Osc(long)),
        ..claims(1)
    });
    assert_eq!(refused, (Code::BAD_REQUEST, Refusal::NoRoomForClaim));
}

#[test]
fn rfc9203_4_2_what_does_not_fit_is_refused() {
    let long_scope = Claims {
        scope: Some(aif(&[(&format!("/{}", "x".repeat(200)), MethodSet::GET)])),
        ..claims(1)
    };
    assert_eq!(
        refuse_claims(&long_scope),
        (Code::BAD_REQUEST, Refusal::NoRoomForClaim)
    );
    let long_subject = Claims {
        sub: Some("x".repeat(160)),
        ..claims(1)
    };
    assert_eq!(
        refuse_claims(&long_subject),
        (Code::BAD_REQUEST, Refusal::NoRoomForClaim)
    );
    let long_cti = Claims {
        cti: Some(vec![0; 160]),
        ..claims(1)
    };
    assert_eq!(
        refuse_claims(&long_cti),
        (Code::BAD_REQUEST, Refusal::NoRoomForClaim)
    );
    accept(&Claims {
        sub: Some("x".repeat(80)),
        cti: Some(vec![0; 70]),
        ..claims(1)
    });
    let long_token = Claims {
        aud: vec!["thermo".into(), "x".repeat(800)],
        ..claims(1)
    };
    assert_eq!(
        refuse_claims(&long_token),
        (Code::REQUEST_ENTITY_TOO_LARGE, Refusal::TooLarge)
    );
    // Longer than any body.
    let mut bench = Bench::new();
    let answer = bench.upload(3, &[0; 1040]).unwrap();
    assert_eq!(answer.code, Code::REQUEST_ENTITY_TOO_LARGE);
}

#[test]
fn rfc9203_4_2_server_id_is_unique_and_differs_from_the_clients() {
    let mut bench = Bench::with(generous());
    // One context lives on while all identifiers of one byte are gone through, and more.
    bench.confirmed(3, &claims(2), 2);
    let token = issue(&claims(1));
    let exchange = Exchange {
        id1: vec![0x77],
        ..Exchange::new(1)
    };
    for _ in 0..600 {
        let answer = bench.upload(3, &exchange.payload(&token)).unwrap();
        let response = AuthzInfoResponse::parse(&answer.payload).unwrap();
        assert_ne!(response.server_recipient_id, [0x77]);
        let tokens = bench.server.tokens();
        let mut ids: Vec<_> = tokens
            .map(|token| match token.key {
                ace_rs::Key::Oscore { recipient_id } => recipient_id.to_vec(),
                other => panic!("{other:?}"),
            })
            .collect();
        let count = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), count);
    }
}

#[cfg(feature = "es256")]
#[test]
fn rfc8392_7_2_signed_then_encrypted_token_is_taken() {
    use ace_crypto::{Signature, SigningKey};
    use ace_rs::{TokenKey, TrustedKey};
    use ace_token::issue::{Issuer, IssuingKey};
    let mut rng = ace_testkit::SeededRandom::new(4);
    let signing = SigningKey::generate(Signature::Es256, &mut rng);
    let keys: &'static [TrustedKey<'static>] = Box::leak(Box::new([
        config().token_keys[0],
        TrustedKey {
            kid: Some(b"sig"),
            issuer: crate::bench::ISSUER,
            key: TokenKey::Verify(signing.verifying_key()),
        },
    ]));
    let mut bench = Bench::with(Config {
        token_keys: keys,
        ..config()
    });
    let inner = Issuer {
        kid: Some(b"sig"),
        key: IssuingKey::Sign(&signing),
    };
    let token = crate::bench::issuer()
        .issue_nested(&inner, &claims(1), &mut rng)
        .unwrap();
    let mut client = bench.join(3, &token, 1);
    assert_eq!(client.get(&mut bench, "/temp").code, Code::CONTENT);
}

#[test]
fn a_duplicate_datagram_takes_a_token_once() {
    let mut bench = Bench::new();
    let datagram = upload(&Exchange::new(1).payload(&issue(&claims(1)))).encode();
    let first = bench.raw(3, &datagram);
    let second = bench.raw(3, &datagram);
    assert_eq!(first, second);
    assert_eq!(bench.server.tokens().count(), 1);
    let accepted = bench.events();
    assert_eq!(accepted.len(), 1);
    assert_eq!(accepted[0].kind, EventKind::TokenAccepted);
}
