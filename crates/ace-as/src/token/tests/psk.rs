//! Tokens for `coap_dtls` with pre-shared keys (RFC 9202, 3.3.1 and 4).

use super::*;

fn options(profiles: &[RsProfile]) -> RsOptions {
    RsOptions {
        profiles: profiles.to_vec(),
        ..RsOptions::default()
    }
}

/// Petra speaks `coap_dtls-psk`, as thermo does.
async fn site(rs: &RsOptions) -> Fixture {
    let fixture = fixture_with(rs).await;
    fixture.client("petra", ClientProfile::CoapDtlsPsk).await;
    fixture
}

/// kid and k of the key in an answer.
fn key<'a>(information: &AccessInformation<'a>) -> (&'a [u8], &'a [u8]) {
    match information.cnf {
        Some(Confirmation::CoseKey(key)) => {
            assert_eq!(key.kty, KeyType::Symmetric);
            (key.kid.unwrap(), key.k.unwrap())
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn rfc9202_3_3_1_answer_and_encrypted_token_carry_the_same_key() {
    for token_alg in [10, 30, 31, 1, 2, 3] {
        let fixture = site(&RsOptions {
            token_alg,
            ..options(&[RsProfile::CoapDtlsPsk])
        })
        .await;
        let answer = fixture.ask_as("petra", &thermo()).await;
        let information = information(&answer);
        let (kid, k) = key(&information);
        assert_eq!(k.len(), 16);
        assert_eq!(
            (information.rs_cnf, information.ace_profile),
            (None, None),
            "no public key, and not asked for"
        );
        assert_eq!(information.expires_in, Some(LIFETIME));
        fixture.open(information.access_token, |opened| {
            assert!(opened.protection.encrypted);
            assert_eq!(opened.claims.cnf, information.cnf);
        });
        let claims = oracle::claims(information.access_token, &fixture.thermo.token_keys[0]);
        let cnf = oracle::cose_key(&claims);
        assert_eq!(
            cnf.kty,
            coset::KeyType::Assigned(coset::iana::KeyType::Symmetric)
        );
        assert_eq!(cnf.key_id, kid);
        assert_eq!(
            oracle::parameter(&cnf, -1),
            Some(&ciborium::Value::Bytes(k.to_vec()))
        );
        // Nobody else can read it.
        let token = information.access_token;
        assert!(!token.windows(k.len()).any(|window| window == k));
    }
}

#[tokio::test]
async fn rfc9202_3_3_1_every_token_has_its_own_key_and_every_kid_is_another() {
    let fixture = site(&options(&[RsProfile::CoapOscore, RsProfile::CoapDtlsPsk])).await;
    fixture
        .registry
        .grant("alice", "thermo", "GET /temp")
        .await
        .unwrap();
    fixture.client("paul", ClientProfile::CoapDtlsPsk).await;
    let mut seen = std::collections::HashSet::new();
    for name in ["petra", "alice", "paul", "petra"] {
        let answer = fixture.ask_as(name, &thermo()).await;
        let information = information(&answer);
        let parts = match information.cnf {
            Some(Confirmation::Osc(material)) => (material.id.unwrap(), material.ms.unwrap()),
            _ => key(&information),
        };
        assert!(seen.insert(parts.0.to_vec()) && seen.insert(parts.1.to_vec()));
    }
}

#[tokio::test]
async fn rfc9202_3_3_1_a_derived_key_stands_in_the_answer_alone() {
    for token_alg in [10, -7, -8] {
        let fixture = site(&RsOptions {
            token_alg,
            derive_keys: true,
            ..options(&[RsProfile::CoapDtlsPsk])
        })
        .await;
        let derivation_key = fixture.thermo.key_derivation_key.as_ref().unwrap();
        assert_eq!(derivation_key.as_bytes().len(), 32);
        let mut seen = std::collections::HashSet::new();
        for _ in 0..3 {
            let answer = fixture.ask_as("petra", &thermo()).await;
            let information = information(&answer);
            let (kid, k) = key(&information);
            let derived = derive_psk(derivation_key.as_bytes(), information.access_token).unwrap();
            assert_eq!(k, derived.as_bytes());
            assert!(seen.insert(kid.to_vec()) && seen.insert(k.to_vec()));
            fixture.open(information.access_token, |opened| {
                assert_eq!(opened.protection.encrypted, token_alg > 0);
                let Some(Confirmation::CoseKey(cnf)) = opened.claims.cnf else {
                    panic!("{:?}", opened.claims.cnf)
                };
                assert_eq!(
                    (cnf.kty, cnf.kid, cnf.k),
                    (KeyType::Symmetric, Some(kid), None)
                );
                // RECOMMENDED for variation across the tokens of one client.
                assert!(opened.claims.iat.is_some() && opened.claims.exp.is_some());
            });
            let claims = oracle::claims(information.access_token, &fixture.thermo.token_keys[0]);
            let cnf = oracle::cose_key(&claims);
            assert_eq!((&cnf.key_id[..], cnf.params.len()), (kid, 0));
        }
    }
}

#[tokio::test]
async fn rfc9202_3_3_1_the_key_derivation_key_is_of_one_resource_server_alone() {
    let derive = RsOptions {
        derive_keys: true,
        ..options(&[RsProfile::CoapDtlsPsk])
    };
    let fixture = site(&derive).await;
    let lock = fixture.registry.add_rs("lock", "lock", &derive).await;
    let lock = lock.unwrap().key_derivation_key.unwrap();
    assert_ne!(fixture.thermo.key_derivation_key, Some(lock));
}

#[tokio::test]
async fn rfc9202_4_rights_are_updated_for_the_key_in_use() {
    for (token_alg, derive_keys) in [(10, false), (10, true), (-7, true)] {
        let fixture = site(&RsOptions {
            token_alg,
            derive_keys,
            ..options(&[RsProfile::CoapDtlsPsk])
        })
        .await;
        fixture
            .registry
            .grant("petra", "thermo", "PUT /led")
            .await
            .unwrap();
        let first = fixture.ask_as("petra", &thermo()).await;
        let kid = key(&information(&first)).0.to_vec();
        let led = aif_of(&[("/led", MethodSet::PUT)]);
        let update = TokenRequest {
            req_cnf: Some(Confirmation::Kid(&kid)),
            scope: Some(Scope::Bytes(&led)),
            ..thermo()
        };
        // RFC 9202, 3.3.1: both are identifiers for a symmetric key.
        let named = TokenRequest {
            req_cnf: Some(Confirmation::CoseKey(CoseKey {
                kid: Some(&kid),
                ..CoseKey::new(KeyType::Symmetric)
            })),
            ..update
        };
        for request in [update, named] {
            let answer = fixture.ask_as("petra", &request).await;
            let information = information(&answer);
            assert_eq!((information.cnf, information.rs_cnf), (None, None));
            fixture.open(information.access_token, |opened| {
                assert_eq!(opened.claims.cnf, Some(Confirmation::Kid(&kid)));
                assert_eq!(opened.claims.scope, Some(Scope::Bytes(&led)));
            });
        }
        assert_eq!(
            (fixture.count("token").await, fixture.count("pop_key").await),
            (3, 1)
        );
    }
}

#[tokio::test]
async fn rfc9202_4_an_update_names_a_key_issued_to_this_client_for_this_audience() {
    let fixture = site(&options(&[RsProfile::CoapDtlsPsk])).await;
    fixture.client("paul", ClientProfile::CoapDtlsPsk).await;
    let registry = &fixture.registry;
    let lock = options(&[RsProfile::CoapDtlsPsk]);
    registry.add_rs("lock", "lock", &lock).await.unwrap();
    registry.grant("petra", "lock", "GET /").await.unwrap();
    let first = fixture.ask_as("petra", &thermo()).await;
    let kid = key(&information(&first)).0.to_vec();
    let update = TokenRequest {
        req_cnf: Some(Confirmation::Kid(&kid)),
        ..thermo()
    };
    let elsewhere = TokenRequest {
        audience: Some("lock"),
        ..update
    };
    let never = TokenRequest {
        req_cnf: Some(Confirmation::Kid(b"never")),
        ..thermo()
    };
    let empty = TokenRequest {
        req_cnf: Some(Confirmation::Kid(b"")),
        ..thermo()
    };
    for (name, request) in [
        ("paul", update),
        ("petra", elsewhere),
        ("petra", never),
        ("petra", empty),
    ] {
        let answer = fixture.ask_as(name, &request).await;
        assert_eq!(error(&answer), ErrorCode::UnsupportedPopKey, "{name}");
    }
    // As long as a token bound to it lives.
    let mut payload = [0; 64];
    let length = update.encode(&mut payload).unwrap();
    let petra = fixture.principal("petra").await;
    for (now, lives) in [(NOW + LIFETIME - 1, true), (NOW + 2 * LIFETIME, false)] {
        let answer = fixture
            .endpoint
            .answer(Some(&petra), now, Some(ACE_CBOR), &payload[..length]);
        assert_eq!(answer.await.code == Code::CREATED, lives, "{now}");
    }
}

#[tokio::test]
async fn rfc9203_3_1_and_rfc9202_4_a_key_of_one_profile_is_none_of_another() {
    let fixture = site(&options(&[RsProfile::CoapOscore, RsProfile::CoapDtlsPsk])).await;
    let grant = fixture.registry.grant("alice", "thermo", "GET /temp");
    grant.await.unwrap();
    let psk = fixture.ask_as("petra", &thermo()).await;
    let oscore = fixture.ask_as("alice", &thermo()).await;
    let update = |kid| TokenRequest {
        req_cnf: Some(Confirmation::Kid(kid)),
        ..thermo()
    };
    let (psk, oscore) = (
        key(&information(&psk)).0.to_vec(),
        material(&information(&oscore)).id.unwrap().to_vec(),
    );
    let answer = fixture.ask_as("alice", &update(&psk)).await;
    assert_eq!(error(&answer), ErrorCode::InvalidRequest);
    let answer = fixture.ask_as("petra", &update(&oscore)).await;
    assert_eq!(error(&answer), ErrorCode::UnsupportedPopKey);
}

#[tokio::test]
async fn rfc9201_3_1_symmetric_keys_are_made_by_the_as() {
    let fixture = site(&options(&[RsProfile::CoapDtlsPsk])).await;
    for (kid, k) in [
        (None, Some(&[1; 16][..])),
        (Some(&b"x"[..]), Some(&[1; 16])),
        (Some(b"x"), None),
    ] {
        let symmetric = CoseKey {
            kid,
            k,
            ..CoseKey::new(KeyType::Symmetric)
        };
        let request = TokenRequest {
            req_cnf: Some(Confirmation::CoseKey(symmetric)),
            ..thermo()
        };
        let answer = fixture.ask_as("petra", &request);
        assert_eq!(error(&answer.await), ErrorCode::UnsupportedPopKey);
    }
}

#[tokio::test]
async fn rfc9200_5_8_2_the_profile_is_named_when_asked_for_or_in_doubt() {
    let (oscore, psk) = (RsProfile::CoapOscore, RsProfile::CoapDtlsPsk);
    let null = TokenRequest {
        ace_profile: ProfileRequest::Null,
        ..thermo()
    };
    for (profiles, name, request, named) in [
        (&[psk][..], "petra", thermo(), None),
        (&[psk], "petra", null, Some(1)),
        (&[oscore, psk], "petra", thermo(), Some(1)),
        (&[oscore, psk], "alice", thermo(), Some(2)),
        (&[oscore], "alice", thermo(), None),
        (&[oscore], "alice", null, Some(2)),
    ] {
        let fixture = site(&options(profiles)).await;
        let grant = fixture.registry.grant("alice", "thermo", "GET /temp");
        grant.await.unwrap();
        let answer = fixture.ask_as(name, &request).await;
        assert_eq!(
            information(&answer).ace_profile,
            named,
            "{name} {profiles:?}"
        );
    }
}

#[tokio::test]
async fn rfc9200_5_8_3_clients_and_servers_of_different_profiles_do_not_meet() {
    for (profile, name) in [
        (RsProfile::CoapDtlsPsk, "alice"),
        (RsProfile::CoapDtlsRpk, "alice"),
        (RsProfile::CoapDtlsRpk, "petra"),
        (RsProfile::CoapOscore, "petra"),
    ] {
        let fixture = site(&options(&[profile])).await;
        let grant = fixture.registry.grant("alice", "thermo", "GET /temp");
        grant.await.unwrap();
        let answer = fixture.ask_as(name, &thermo()).await;
        assert_eq!(
            error(&answer),
            ErrorCode::IncompatibleAceProfiles,
            "{name} {profile:?}"
        );
    }
}

#[tokio::test]
async fn what_is_answered_is_stored_with_its_key() {
    let fixture = site(&options(&[RsProfile::CoapDtlsPsk])).await;
    let answer = fixture.ask_as("petra", &thermo()).await;
    let information = information(&answer);
    let mut transaction = fixture.store.snapshot().await.unwrap();
    let row: (Vec<u8>, Vec<u8>, Option<Vec<u8>>, i64) = sqlx::query_as(
        "SELECT pop_key.kid, k, salt, profile FROM pop_key
         JOIN token ON token.client = pop_key.client AND token.rs = pop_key.rs AND token.kid = pop_key.kid",
    )
    .fetch_one(&mut *transaction)
    .await
    .unwrap();
    let (kid, k) = key(&information);
    assert_eq!(row, (kid.to_vec(), k.to_vec(), None, 1));
    assert!(
        fixture
            .store
            .has_token(information.access_token)
            .await
            .unwrap()
    );
}
