//! Requests that are refused, and how.

use super::*;

#[tokio::test]
async fn rfc9200_5_8_4_3_a_null_profile_is_answered_and_a_value_refused() {
    let fixture = fixture().await;
    let answer = fixture
        .ask(&TokenRequest {
            ace_profile: ProfileRequest::Null,
            ..thermo()
        })
        .await;
    assert_eq!(information(&answer).ace_profile, Some(2));
    let answer = fixture
        .ask(&TokenRequest {
            ace_profile: ProfileRequest::Value(2),
            ..thermo()
        })
        .await;
    assert_eq!(error(&answer), ErrorCode::InvalidRequest);
}

#[tokio::test]
async fn rfc6749_5_2_what_is_not_granted_is_invalid_scope() {
    let fixture = fixture().await;
    let foreign = aif_of(&[("/temp", MethodSet::PUT)]);
    for scope in [
        Scope::Bytes(&foreign),
        Scope::Bytes(&[0x81]),
        Scope::Bytes(&[]),
        Scope::Text("read"),
        Scope::Text(""),
    ] {
        let answer = fixture
            .ask(&TokenRequest {
                scope: Some(scope),
                ..thermo()
            })
            .await;
        assert_eq!(error(&answer), ErrorCode::InvalidScope, "{scope:?}");
    }
    assert_eq!(fixture.count("token").await, 0);
}

#[tokio::test]
async fn rfc9200_5_8_1_audience_may_be_left_out_only_if_there_is_one() {
    let fixture = fixture().await;
    let none = TokenRequest::default();
    let answer = fixture.ask(&none).await;
    fixture.open(information(&answer).access_token, |opened| {
        assert!(opened.claims.aud.unwrap().contains("tempSensor"));
    });
    fixture
        .registry
        .add_rs("lock", "lock", &RsOptions::default())
        .await
        .unwrap();
    information(&fixture.ask(&none).await);
    fixture
        .registry
        .grant("alice", "lock", "GET /")
        .await
        .unwrap();
    assert_eq!(error(&fixture.ask(&none).await), ErrorCode::InvalidRequest);
    fixture
        .registry
        .add_client("bob", &ClientOptions::default())
        .await
        .unwrap();
    assert_eq!(
        error(&fixture.ask_as("bob", &none).await),
        ErrorCode::InvalidRequest
    );
}

#[tokio::test]
async fn an_unknown_audience_cannot_be_told_from_one_without_grant() {
    let fixture = fixture().await;
    fixture
        .registry
        .add_rs("lock", "lock", &RsOptions::default())
        .await
        .unwrap();
    let unknown = fixture
        .ask(&TokenRequest {
            audience: Some("nothing"),
            ..thermo()
        })
        .await;
    assert_eq!(error(&unknown), ErrorCode::InvalidRequest);
    let not_granted = fixture
        .ask(&TokenRequest {
            audience: Some("lock"),
            ..thermo()
        })
        .await;
    assert_eq!(unknown, not_granted);
    fixture
        .registry
        .revoke("alice", "thermo", "GET /temp")
        .await
        .unwrap();
    fixture
        .registry
        .revoke("alice", "thermo", "GET,PUT /led")
        .await
        .unwrap();
    assert_eq!(fixture.ask(&thermo()).await, unknown);
}

#[tokio::test]
async fn rfc6749_5_2_the_client_is_the_one_that_authenticated() {
    let fixture = fixture().await;
    information(
        &fixture
            .ask(&TokenRequest {
                client_id: Some("alice"),
                ..thermo()
            })
            .await,
    );
    let answer = fixture
        .ask(&TokenRequest {
            client_id: Some("bob"),
            ..thermo()
        })
        .await;
    assert_eq!(error(&answer), ErrorCode::InvalidClient);
    let answer = fixture
        .ask(&TokenRequest {
            client_secret: Some(b"guess"),
            ..thermo()
        })
        .await;
    assert_eq!(error(&answer), ErrorCode::InvalidRequest);
    let answer = fixture.ask_as("thermo", &thermo()).await;
    assert_eq!(error(&answer), ErrorCode::UnauthorizedClient);
    let answer = fixture
        .endpoint
        .answer(None, NOW, Some(ACE_CBOR), &[0xa0])
        .await;
    assert_eq!(error(&answer), ErrorCode::InvalidClient);
}

#[tokio::test]
async fn rfc9200_5_8_4_1_client_credentials_alone_are_a_grant_here() {
    let fixture = fixture().await;
    // grant_type 2, said although it is the default.
    let said = hex::decode("a1182102").unwrap();
    information(&fixture.post("alice", &said).await);
    for grant_type in [
        GrantType::Password,
        GrantType::AuthorizationCode,
        GrantType::RefreshToken,
        GrantType::Other(9),
    ] {
        let answer = fixture
            .ask(&TokenRequest {
                grant_type,
                ..thermo()
            })
            .await;
        assert_eq!(error(&answer), ErrorCode::UnsupportedGrantType);
    }
}

#[tokio::test]
async fn rfc9203_3_1_an_update_needs_material_issued_to_this_client_for_this_audience() {
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
    fixture
        .registry
        .add_rs("lock", "lock", &RsOptions::default())
        .await
        .unwrap();
    fixture
        .registry
        .grant("alice", "lock", "GET /")
        .await
        .unwrap();
    let first = fixture.ask(&thermo()).await;
    let id = material(&information(&first)).id.unwrap().to_vec();
    let update = TokenRequest {
        req_cnf: Some(Confirmation::Kid(&id)),
        ..thermo()
    };

    let never = TokenRequest {
        req_cnf: Some(Confirmation::Kid(b"never")),
        ..thermo()
    };
    assert_eq!(error(&fixture.ask(&never).await), ErrorCode::InvalidRequest);
    assert_eq!(
        error(&fixture.ask_as("bob", &update).await),
        ErrorCode::InvalidRequest
    );
    let elsewhere = TokenRequest {
        audience: Some("lock"),
        ..update
    };
    assert_eq!(
        error(&fixture.ask(&elsewhere).await),
        ErrorCode::InvalidRequest
    );

    // Once every token bound to it has expired, the resource server has forgotten it too.
    let mut payload = [0; 64];
    let length = update.encode(&mut payload).unwrap();
    let alice = fixture.principal("alice").await;
    let later = fixture
        .endpoint
        .answer(
            Some(&alice),
            NOW + LIFETIME,
            Some(ACE_CBOR),
            &payload[..length],
        )
        .await;
    assert_eq!(error(&later), ErrorCode::InvalidRequest);
    information(&fixture.ask(&update).await);
}

#[tokio::test]
async fn rfc9200_5_8_3_keys_the_profile_cannot_use_are_unsupported() {
    let fixture = fixture().await;
    let public = CoseKey {
        crv: Some(1),
        x: Some(&[1; 32]),
        y: Some(ace_wire::cose::Y::Bytes(&[2; 32])),
        ..CoseKey::new(KeyType::Ec2)
    };
    let symmetric = CoseKey {
        k: Some(&[1; 16]),
        ..CoseKey::new(KeyType::Symmetric)
    };
    for key in [
        Confirmation::CoseKey(public),
        Confirmation::CoseKey(symmetric),
    ] {
        let answer = fixture
            .ask(&TokenRequest {
                req_cnf: Some(key),
                ..thermo()
            })
            .await;
        assert_eq!(error(&answer), ErrorCode::UnsupportedPopKey);
    }
}

#[tokio::test]
async fn rfc9200_5_8_3_without_a_common_profile_there_is_no_token() {
    let fixture = fixture().await;
    fixture
        .registry
        .add_client(
            "dora",
            &ClientOptions {
                profile: ClientProfile::CoapDtlsPsk,
            },
        )
        .await
        .unwrap();
    fixture
        .registry
        .grant("dora", "thermo", "GET /temp")
        .await
        .unwrap();
    assert_eq!(
        error(&fixture.ask_as("dora", &thermo()).await),
        ErrorCode::IncompatibleAceProfiles
    );
}

#[tokio::test]
async fn rfc9200_5_8_3_what_is_no_token_request_is_invalid_request() {
    let fixture = fixture().await;
    let valid = hex::decode("a2 05 6a 74656d7053656e736f72 18 26 f6".replace(' ', "")).unwrap();
    information(&fixture.post("alice", &valid).await);
    let malformed = |payload: Vec<u8>| {
        let fixture = &fixture;
        async move {
            let answer = fixture.post("alice", &payload).await;
            assert_eq!(
                error(&answer),
                ErrorCode::InvalidRequest,
                "{}",
                hex::encode(&payload)
            );
        }
    };
    for length in 0..valid.len() {
        malformed(valid[..length].to_vec()).await;
    }
    for wrong in [
        // Trailing byte; the audience twice; an indefinite map; audience as bytes, as a number;
        // scope as a number; req_cnf with kid twice, with two members, empty; not a map; no CBOR.
        "a0 00",
        "a2 05 61 61 05 61 61",
        "bf ff",
        "a1 05 41 61",
        "a1 05 01",
        "a1 09 01",
        "a1 04 a2 03 41 01 03 41 01",
        "a1 04 a2 03 41 01 04 a0",
        "a1 04 a0",
        "80",
        "ff",
    ] {
        malformed(hex::decode(wrong.replace(' ', "")).unwrap()).await;
    }
    assert_eq!(fixture.count("token").await, 1);
}

#[tokio::test]
async fn rfc7252_5_10_3_another_content_format_is_4_15() {
    let fixture = fixture().await;
    let alice = fixture.principal("alice").await;
    for (format, code) in [
        (Some(ACE_CBOR), Code::CREATED),
        (None, Code::CREATED),
        (Some(60), Code::UNSUPPORTED_CONTENT_FORMAT),
        (Some(0), Code::UNSUPPORTED_CONTENT_FORMAT),
    ] {
        let answer = fixture
            .endpoint
            .answer(Some(&alice), NOW, format, &[0xa0])
            .await;
        assert_eq!(answer.code, code, "{format:?}");
    }
}

#[tokio::test]
async fn a_store_that_fails_answers_5_03_and_never_a_token() {
    let fixture = fixture().await;
    information(&fixture.ask(&thermo()).await);
    let alice = fixture.principal("alice").await;
    // What a full or failing disk does to the commit.
    let mut transaction = fixture.store.begin().await.unwrap();
    sqlx::query(
        "CREATE TRIGGER full BEFORE INSERT ON token BEGIN SELECT RAISE(FAIL, 'disk full'); END",
    )
    .execute(&mut *transaction)
    .await
    .unwrap();
    transaction.commit().await.unwrap();
    let answer = fixture
        .endpoint
        .answer(Some(&alice), NOW, Some(ACE_CBOR), &[0xa0])
        .await;
    assert_eq!(
        (answer.code, answer.content_format),
        (Code::SERVICE_UNAVAILABLE, None)
    );
    assert!(answer.payload.is_empty());
    assert_eq!(
        (fixture.count("token").await, fixture.count("pop_key").await),
        (1, 1)
    );
}

#[tokio::test]
async fn a_client_removed_while_its_token_is_made_gets_none() {
    let fixture = fixture().await;
    let alice = fixture.principal("alice").await;
    fixture.registry.remove_client("alice").await.unwrap();
    let answer = fixture
        .endpoint
        .answer(Some(&alice), NOW, Some(ACE_CBOR), &[0xa0])
        .await;
    assert_eq!(error(&answer), ErrorCode::InvalidRequest);
    assert_eq!(fixture.count("token").await, 0);
}
