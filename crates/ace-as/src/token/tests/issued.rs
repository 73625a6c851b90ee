//! Tokens that are issued, and what they say.

use super::*;

#[tokio::test]
async fn rfc9203_3_2_answer_and_token_carry_the_same_input_material() {
    let fixture = fixture().await;
    let answer = fixture.ask(&thermo()).await;
    let information = information(&answer);
    let given = material(&information);
    assert_eq!(given.id, Some(&[0][..]));
    assert_eq!(given.ms.unwrap().len(), 16);
    assert_eq!(given.salt.unwrap().len(), 8);
    // The defaults are left out; there is no ID Context.
    assert_eq!(
        (given.alg, given.hkdf, given.version, given.context_id),
        (None, None, None, None)
    );
    assert_eq!(information.expires_in, Some(LIFETIME));
    // RFC 9200, 5.8.2: not asked for.
    assert_eq!(
        (information.ace_profile, information.token_type),
        (None, None)
    );

    fixture.open(information.access_token, |opened| {
        let claims = &opened.claims;
        assert_eq!(opened.kid, Some(&fixture.thermo.token_keys[0].kid.0[..]));
        assert!(opened.protection.encrypted);
        assert_eq!(claims.iss, Some("coap://as"));
        assert!(claims.aud.unwrap().contains("tempSensor"));
        assert_eq!(claims.exp, Some(NumericDate::from_seconds(NOW + LIFETIME)));
        assert_eq!(claims.iat, Some(NumericDate::from_seconds(NOW)));
        assert_eq!(claims.cti, Some(&b"tempSensor\0\0\0\0\0\0\0\0"[..]));
        assert_eq!(claims.cnf, Some(Confirmation::Osc(given)));
        assert_eq!(
            (claims.exi, claims.cnonce, claims.ace_profile),
            (None, None, None)
        );
        let Some(Scope::Bytes(scope)) = claims.scope else {
            panic!("{:?}", claims.scope)
        };
        assert_eq!(
            Aif::parse(scope).unwrap().to_string(),
            "GET,PUT /led; GET /temp"
        );
        assert_eq!(information.scope, claims.scope);
    });
}

#[tokio::test]
async fn every_answered_token_is_stored_with_its_hash_and_material() {
    let fixture = fixture().await;
    let answer = fixture.ask(&thermo()).await;
    let information = information(&answer);
    let mut transaction = fixture.store.snapshot().await.unwrap();
    let (hash, iat, exp, scope): (Vec<u8>, i64, i64, Vec<u8>) =
        sqlx::query_as("SELECT hash, iat, exp, scope FROM token")
            .fetch_one(&mut *transaction)
            .await
            .unwrap();
    assert_eq!(hash, sha256(&[information.access_token]));
    assert_eq!((iat, exp), (NOW as i64, (NOW + LIFETIME) as i64));
    let Some(Scope::Bytes(granted)) = information.scope else {
        panic!()
    };
    assert_eq!(
        ace_wire::cbor::Reader::new(&scope).bytes().unwrap(),
        granted
    );
    let (id, ms, salt): (Vec<u8>, Vec<u8>, Vec<u8>) =
        sqlx::query_as("SELECT kid, k, salt FROM pop_key")
            .fetch_one(&mut *transaction)
            .await
            .unwrap();
    let given = material(&information);
    assert_eq!(
        (Some(&id[..]), Some(&ms[..]), Some(&salt[..])),
        (given.id, given.ms, given.salt)
    );
}

#[tokio::test]
async fn rfc9203_3_2_every_token_has_new_input_material() {
    let fixture = fixture().await;
    fixture
        .registry
        .add_client("bob", &ClientOptions::default())
        .await
        .unwrap();
    fixture
        .registry
        .grant("bob", "thermo", "GET /temp")
        .await
        .unwrap();
    let mut seen = std::collections::HashSet::new();
    for name in ["alice", "bob", "alice"] {
        let answer = fixture.ask_as(name, &thermo()).await;
        let information = information(&answer);
        let material = material(&information);
        for bytes in [
            material.id.unwrap(),
            material.ms.unwrap(),
            material.salt.unwrap(),
        ] {
            assert!(seen.insert(bytes.to_vec()));
        }
    }
}

#[tokio::test]
async fn a_nonce_and_a_cti_never_come_twice_for_one_audience() {
    let fixture = fixture().await;
    let mut seen = std::collections::HashSet::new();
    // A second process and one after a crash draw from the same counter.
    for _ in 0..3 {
        let store = Store::open(fixture.store.path()).await.unwrap();
        let endpoint = TokenEndpoint::new(store.clone(), "coap://as".into(), LIFETIME, [9; 5]);
        let principal = fixture.principal("alice").await;
        for _ in 0..3 {
            let answer = endpoint
                .answer(Some(&principal), NOW, Some(ACE_CBOR), &[0xa0])
                .await;
            let information = information(&answer);
            let token = ace_wire::cose::Encrypt0::parse(information.access_token).unwrap();
            assert!(seen.insert(token.header.iv.unwrap().to_vec()));
            let cti = fixture.open(information.access_token, |opened| {
                opened.claims.cti.unwrap().to_vec()
            });
            assert!(seen.insert(cti));
        }
        std::mem::forget(store);
    }
}

#[tokio::test]
async fn tokens_are_protected_by_each_registered_algorithm() {
    for token_alg in [10, 30, 31, 1, 2, 3] {
        let fixture = fixture_with(&RsOptions {
            token_alg,
            ..RsOptions::default()
        })
        .await;
        fixture
            .registry
            .grant("alice", "thermo", "GET /temp")
            .await
            .unwrap();
        let answer = fixture.ask(&thermo()).await;
        let token = information(&answer).access_token;
        let parsed = ace_wire::cose::Encrypt0::parse(token).unwrap();
        assert_eq!(
            ace_wire::cose::algorithm_number(parsed.header.alg.unwrap()),
            Some(token_alg)
        );
        fixture.open(token, |opened| assert!(opened.claims.cnf.is_some()));
    }
}

#[tokio::test]
async fn rfc9200_5_10_3_a_clockless_server_gets_exi_and_counted_ctis() {
    let fixture = fixture_with(&RsOptions {
        clockless: true,
        ..RsOptions::default()
    })
    .await;
    fixture
        .registry
        .grant("alice", "thermo", "GET /temp")
        .await
        .unwrap();
    let mut previous = None;
    for _ in 0..3 {
        let answer = fixture.ask(&thermo()).await;
        fixture.open(information(&answer).access_token, |opened| {
            assert_eq!(opened.claims.exi, Some(LIFETIME));
            let number = opened
                .claims
                .cti
                .unwrap()
                .strip_prefix(b"tempSensor")
                .unwrap();
            let number = u64::from_be_bytes(number.try_into().unwrap());
            assert!(previous.is_none_or(|previous| number > previous));
            previous = Some(number);
        });
    }
}

#[tokio::test]
async fn rfc9200_5_8_4_4_cnonce_is_copied_into_the_token() {
    let fixture = fixture().await;
    let answer = fixture
        .ask(&TokenRequest {
            cnonce: Some(&[1, 2, 3]),
            ..thermo()
        })
        .await;
    fixture.open(information(&answer).access_token, |opened| {
        assert_eq!(opened.claims.cnonce, Some(&[1, 2, 3][..]))
    });
    let long = [0; MAX_CNONCE + 1];
    let answer = fixture
        .ask(&TokenRequest {
            cnonce: Some(&long),
            ..thermo()
        })
        .await;
    assert_eq!(error(&answer), ErrorCode::InvalidRequest);
}

#[tokio::test]
async fn rfc6749_5_1_scope_is_returned_only_when_it_differs() {
    let fixture = fixture().await;
    let exact = aif_of(&[("/temp", MethodSet::GET)]);
    let answer = fixture
        .ask(&TokenRequest {
            scope: Some(Scope::Bytes(&exact)),
            ..thermo()
        })
        .await;
    let given = information(&answer);
    assert_eq!(given.scope, None);
    fixture.open(given.access_token, |opened| {
        assert_eq!(opened.claims.scope, Some(Scope::Bytes(&exact)))
    });

    let wide = aif_of(&[
        ("/temp", MethodSet::GET | MethodSet::POST),
        ("/door", MethodSet::PUT),
    ]);
    let answer = fixture
        .ask(&TokenRequest {
            scope: Some(Scope::Bytes(&wide)),
            ..thermo()
        })
        .await;
    let given = information(&answer);
    assert_eq!(given.scope, Some(Scope::Bytes(&exact)));
    fixture.open(given.access_token, |opened| {
        assert_eq!(opened.claims.scope, Some(Scope::Bytes(&exact)))
    });
}

#[tokio::test]
async fn text_scopes_are_granted_as_text() {
    let fixture = fixture().await;
    fixture
        .registry
        .add_rs("lock", "lock", &RsOptions::default())
        .await
        .unwrap();
    fixture
        .registry
        .grant("alice", "lock", "open close")
        .await
        .unwrap();
    let request = TokenRequest {
        audience: Some("lock"),
        scope: Some(Scope::Text("open admin")),
        ..thermo()
    };
    assert_eq!(
        information(&fixture.ask(&request).await).scope,
        Some(Scope::Text("open"))
    );
    let request = TokenRequest {
        scope: None,
        ..request
    };
    assert_eq!(
        information(&fixture.ask(&request).await).scope,
        Some(Scope::Text("close open"))
    );
}

#[tokio::test]
async fn rfc9203_3_1_rights_are_updated_under_the_same_input_material() {
    let fixture = fixture().await;
    let first = fixture.ask(&thermo()).await;
    let id = material(&information(&first)).id.unwrap().to_vec();
    let led = aif_of(&[("/led", MethodSet::PUT)]);
    let request = TokenRequest {
        req_cnf: Some(Confirmation::Kid(&id)),
        scope: Some(Scope::Bytes(&led)),
        ..thermo()
    };
    let answer = fixture.ask(&request).await;
    let update = information(&answer);
    // RFC 9203, 3.2: no cnf in the answer, the identifier in the token.
    assert_eq!(update.cnf, None);
    fixture.open(update.access_token, |opened| {
        assert_eq!(opened.claims.cnf, Some(Confirmation::Kid(&id)))
    });
    assert_eq!(
        (fixture.count("token").await, fixture.count("pop_key").await),
        (2, 1)
    );
}
