use ace_token::{Opened, TokenKey, TrustedKey, Validation};
use ace_wire::{
    ace::{ErrorCode, ErrorResponse, Scope},
    aif::{Aif, MethodSet},
    cose::{CoseKey, KeyType},
    cwt::NumericDate,
};
use proptest::prelude::*;

use super::*;
use crate::{
    Registry,
    registry::{RsBundle, RsOptions, Site},
};

const NOW: u64 = 1_700_000_000;
const LIFETIME: u64 = 3600;

struct Fixture {
    _folder: tempfile::TempDir,
    store: Store,
    registry: Registry,
    endpoint: TokenEndpoint,
    thermo: RsBundle,
}

/// Alice may GET /temp and GET and PUT /led at thermo.
async fn fixture() -> Fixture {
    let fixture = fixture_with(&RsOptions::default()).await;
    fixture
        .registry
        .grant("alice", "thermo", "GET /temp")
        .await
        .unwrap();
    fixture
        .registry
        .grant("alice", "thermo", "GET,PUT /led")
        .await
        .unwrap();
    fixture
}

async fn fixture_with(options: &RsOptions) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path().join("store.sqlite"))
        .await
        .unwrap();
    let site = Site {
        issuer: "coap://as".into(),
        uri: "coap://as/token".into(),
    };
    let registry = Registry::new(store.clone(), site);
    registry
        .add_client("alice", &[Profile::CoapOscore])
        .await
        .unwrap();
    let thermo = registry
        .add_rs("thermo", "tempSensor", options)
        .await
        .unwrap();
    let endpoint = TokenEndpoint::new(store.clone(), "coap://as".into(), LIFETIME, [9; 5]);
    Fixture {
        _folder: folder,
        store,
        registry,
        endpoint,
        thermo,
    }
}

impl Fixture {
    async fn principal(&self, name: &str) -> Principal {
        self.store.principal_named(name).await.unwrap().unwrap()
    }

    async fn ask(&self, request: &TokenRequest<'_>) -> TokenAnswer {
        self.ask_as("alice", request).await
    }

    async fn ask_as(&self, name: &str, request: &TokenRequest<'_>) -> TokenAnswer {
        let mut payload = [0; 1024];
        let length = request.encode(&mut payload).unwrap();
        self.post(name, &payload[..length]).await
    }

    async fn post(&self, name: &str, payload: &[u8]) -> TokenAnswer {
        let principal = self.principal(name).await;
        self.endpoint
            .answer(Some(&principal), NOW, Some(ACE_CBOR), payload)
            .await
    }

    /// Opens the token as thermo does and hands it to `check`.
    fn open<T>(&self, token: &[u8], check: impl FnOnce(&Opened<'_>) -> T) -> T {
        let key = &self.thermo.token_keys[0];
        let trusted = [TrustedKey {
            kid: Some(&key.kid.0),
            issuer: &self.thermo.issuer,
            key: TokenKey::Aead(Aead::from_cose(key.alg).unwrap(), key.k.as_bytes()),
        }];
        let mut buffer = [0; 2048];
        let opened = ace_token::open(token, &trusted[..], &mut buffer).unwrap();
        let validation = Validation {
            issuer: &self.thermo.issuer,
            audience: &["tempSensor"],
            now: Some(NOW),
            leeway: 0,
        };
        validation.validate(&opened.claims).unwrap();
        check(&opened)
    }

    async fn count(&self, table: &str) -> i64 {
        let query = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        let mut transaction = self.store.snapshot().await.unwrap();
        sqlx::query_scalar(query)
            .fetch_one(&mut *transaction)
            .await
            .unwrap()
    }
}

fn thermo<'a>() -> TokenRequest<'a> {
    TokenRequest {
        audience: Some("tempSensor"),
        ..TokenRequest::default()
    }
}

fn information(answer: &TokenAnswer) -> AccessInformation<'_> {
    assert_eq!(
        answer.code,
        Code::CREATED,
        "{:?}",
        ErrorResponse::parse(&answer.payload)
    );
    assert_eq!(answer.content_format, Some(ACE_CBOR));
    AccessInformation::parse(&answer.payload).unwrap()
}

fn material<'a>(information: &AccessInformation<'a>) -> OscoreInputMaterial<'a> {
    match information.cnf {
        Some(Confirmation::Osc(material)) => material,
        other => panic!("{other:?}"),
    }
}

fn error(answer: &TokenAnswer) -> ErrorCode {
    assert_eq!(answer.content_format, Some(ACE_CBOR));
    let error = ErrorResponse::parse(&answer.payload).unwrap().error;
    let unauthorized = error == ErrorCode::InvalidClient;
    assert_eq!(
        answer.code,
        if unauthorized {
            Code::UNAUTHORIZED
        } else {
            Code::BAD_REQUEST
        }
    );
    error
}

fn aif_of(entries: &[(&'static str, MethodSet)]) -> Vec<u8> {
    let mut bytes = vec![0; 256];
    let length = Aif::encode(entries.iter().copied(), &mut bytes).unwrap();
    bytes.truncate(length);
    bytes
}

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
        sqlx::query_as("SELECT id, ms, salt FROM input_material")
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
        .add_client("bob", &[Profile::CoapOscore])
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
        .add_client("bob", &[Profile::CoapOscore])
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
        (
            fixture.count("token").await,
            fixture.count("input_material").await
        ),
        (2, 1)
    );
}

#[tokio::test]
async fn rfc9203_3_1_an_update_needs_material_issued_to_this_client_for_this_audience() {
    let fixture = fixture().await;
    fixture
        .registry
        .add_client("bob", &[Profile::CoapOscore])
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
        .add_client("dora", &[Profile::CoapDtls])
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
        (
            fixture.count("token").await,
            fixture.count("input_material").await
        ),
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

/// Random CBOR of some depth, so that parsing gets further than the first byte.
fn cbor() -> impl Strategy<Value = Vec<u8>> {
    let head = |major: u8, len: usize| {
        assert!(len < 24);
        major << 5 | len as u8
    };
    let leaf = prop_oneof![
        (0..24u8).prop_map(|n| vec![n]),
        any::<u8>().prop_map(|n| vec![0x18, n]),
        prop::collection::vec(any::<u8>(), 0..8).prop_map(move |bytes| [
            vec![head(2, bytes.len())],
            bytes
        ]
        .concat()),
        "[a-z /]{0,8}"
            .prop_map(move |text| [vec![head(3, text.len())], text.into_bytes()].concat()),
        Just(b"\x6atempSensor".to_vec()),
        Just(vec![0xf6]),
        prop::collection::vec(any::<u8>(), 1..4),
    ];
    leaf.prop_recursive(3, 24, 6, move |inner| {
        let keys = prop_oneof![
            Just(4u8),
            Just(5),
            Just(8),
            Just(9),
            Just(24),
            Just(25),
            Just(33),
            Just(38),
            Just(39),
            0..4u8
        ];
        let key = |key: u8| if key < 24 { vec![key] } else { vec![0x18, key] };
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(move |items| [
                vec![head(4, items.len())],
                items.concat()
            ]
            .concat()),
            prop::collection::vec((keys, inner), 0..6).prop_map(move |pairs| {
                let len = pairs.len();
                let pairs = pairs.into_iter().map(|(k, value)| [key(k), value].concat());
                [vec![head(5, len)], pairs.collect::<Vec<_>>().concat()].concat()
            }),
        ]
    })
}

#[test]
fn token_requests_never_panic_and_always_have_a_defined_answer() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let (fixture, alice) = runtime.block_on(async {
        let fixture = fixture().await;
        let alice = fixture.principal("alice").await;
        (fixture, alice)
    });
    proptest!(ProptestConfig::with_cases(512), |(payload in prop_oneof![cbor(), prop::collection::vec(any::<u8>(), 0..64)])| {
        let answer = runtime.block_on(fixture.endpoint.answer(Some(&alice), NOW, Some(ACE_CBOR), &payload));
        match answer.code {
            Code::CREATED => drop(AccessInformation::parse(&answer.payload).unwrap()),
            _ => drop(error(&answer)),
        }
    });
}
