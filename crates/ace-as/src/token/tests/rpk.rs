//! Tokens for `coap_dtls` with raw public keys (RFC 9202, 3.2.1 and 4), and requests with keys that are not the client's.

use ace_crypto::{Signature, SigningKey};
use ace_wire::{cbor::Label, cose::KeyOps};

use super::*;
use crate::registry::{Curve, DeviceKey, DtlsBundle, Hex};

fn options(token_alg: i64, curve: Curve) -> RsOptions {
    RsOptions {
        token_alg,
        profiles: vec![RsProfile::CoapDtlsRpk],
        key: DeviceKey::Generate(curve),
        ..RsOptions::default()
    }
}

/// The key pair in a bundle.
fn pair(bundle: &crate::AsAccess) -> (SigningKey, VerifyingKey) {
    match bundle.dtls.as_ref().unwrap() {
        DtlsBundle::Rpk {
            private_key: Some(private),
            public_key,
            ..
        } => {
            let public = VerifyingKey::from_spki(&public_key.0).unwrap();
            let private = SigningKey::from_bytes(public.algorithm(), private.as_bytes()).unwrap();
            assert_eq!(private.verifying_key(), public);
            (private, public)
        }
        other => panic!("{other:?}"),
    }
}

/// A site where Rosa has a key on this curve.
async fn site(rs: &RsOptions, curve: Curve) -> (Fixture, VerifyingKey) {
    let fixture = fixture_with(rs).await;
    let rosa = rosa(&fixture, "rosa", curve).await;
    (fixture, rosa)
}

async fn rosa(fixture: &Fixture, name: &str, curve: Curve) -> VerifyingKey {
    let profile = ClientProfile::CoapDtlsRpk(DeviceKey::Generate(curve));
    let bundle = fixture.client(name, profile).await;
    pair(&bundle.authorization_server).1
}

/// A request with this key.
struct Asked {
    x: [u8; 32],
    y: Option<[u8; 32]>,
}

impl Asked {
    fn of(key: &VerifyingKey) -> Self {
        Self {
            x: key.x(),
            y: key.y(),
        }
    }

    fn key(&self) -> CoseKey<'_> {
        public_cose_key(&self.x, self.y.as_ref())
    }
}

fn with(key: CoseKey<'_>) -> TokenRequest<'_> {
    TokenRequest {
        req_cnf: Some(Confirmation::CoseKey(key)),
        ..thermo()
    }
}

#[tokio::test]
async fn rfc9202_3_2_1_the_token_is_bound_to_the_clients_key_and_the_answer_names_the_servers() {
    for token_alg in [10, 31, 1, -7, -8] {
        for (client, server) in [
            (Curve::P256, Curve::P256),
            (Curve::Ed25519, Curve::Ed25519),
            (Curve::Ed25519, Curve::P256),
        ] {
            let (fixture, rosa) = site(&options(token_alg, server), client).await;
            let asked = Asked::of(&rosa);
            let answer = fixture.ask_as("rosa", &with(asked.key())).await;
            let information = information(&answer);
            // RFC 9201, 3.2: the client has its key.
            assert_eq!(information.cnf, None);
            let Some(Confirmation::CoseKey(rs_key)) = information.rs_cnf else {
                panic!("{:?}", information.rs_cnf)
            };
            let thermo = pair(&fixture.thermo.authorization_server).1;
            assert_eq!(rs_key, Asked::of(&thermo).key());
            let kid = ace_crypto::key_id(&rosa);
            fixture.open(information.access_token, |opened| {
                assert_eq!(opened.protection.signed, token_alg < 0);
                assert_eq!(opened.protection.encrypted, token_alg > 0);
                let expected = CoseKey {
                    kid: Some(&kid),
                    ..asked.key()
                };
                assert_eq!(opened.claims.cnf, Some(Confirmation::CoseKey(expected)));
            });
            let claims = oracle::claims(information.access_token, &fixture.thermo.token_keys[0]);
            let cnf = oracle::cose_key(&claims);
            assert_eq!(cnf.key_id, kid);
            let bytes = |bytes: [u8; 32]| ciborium::Value::Bytes(bytes.to_vec());
            assert_eq!(oracle::parameter(&cnf, -2), Some(&bytes(rosa.x())));
            assert_eq!(oracle::parameter(&cnf, -3), rosa.y().map(bytes).as_ref());
            assert_eq!(oracle::parameter(&cnf, -4), None);
        }
    }
}

#[tokio::test]
async fn rfc9202_3_2_1_a_client_may_name_its_registered_key() {
    let (fixture, rosa) = site(&options(-7, Curve::P256), Curve::P256).await;
    let kid = ace_crypto::key_id(&rosa);
    let request = TokenRequest {
        req_cnf: Some(Confirmation::Kid(&kid)),
        ..thermo()
    };
    let answer = fixture.ask_as("rosa", &request).await;
    let information = information(&answer);
    assert!(information.rs_cnf.is_some());
    fixture.open(information.access_token, |opened| {
        // RFC 9202, 3.2.2: the whole key, as the resource server may not know it.
        let Some(Confirmation::CoseKey(key)) = opened.claims.cnf else {
            panic!("{:?}", opened.claims.cnf)
        };
        assert_eq!((key.kid, key.x), (Some(&kid[..]), Some(&rosa.x()[..])));
    });
}

#[tokio::test]
async fn rfc9202_4_an_update_says_the_kid_it_was_asked_for() {
    let (fixture, rosa) = site(&options(10, Curve::P256), Curve::P256).await;
    let asked = Asked::of(&rosa);
    information(&fixture.ask_as("rosa", &with(asked.key())).await);
    let grant = fixture.registry.grant("rosa", "thermo", "PUT /led");
    grant.await.unwrap();
    let kid = ace_crypto::key_id(&rosa);
    let led = aif_of(&[("/led", MethodSet::PUT)]);
    let update = TokenRequest {
        req_cnf: Some(Confirmation::Kid(&kid)),
        scope: Some(Scope::Bytes(&led)),
        ..thermo()
    };
    let answer = fixture.ask_as("rosa", &update).await;
    fixture.open(information(&answer).access_token, |opened| {
        let Some(Confirmation::CoseKey(key)) = opened.claims.cnf else {
            panic!("{:?}", opened.claims.cnf)
        };
        assert_eq!(key.kid, Some(&kid[..]));
        assert_eq!(opened.claims.scope, Some(Scope::Bytes(&led)));
    });
    assert_eq!(
        (fixture.count("token").await, fixture.count("pop_key").await),
        (2, 1)
    );
}

#[tokio::test]
async fn rfc9202_3_2_1_nobody_gets_a_token_for_a_key_that_is_not_its_own() {
    let (fixture, rosa_key) = site(&options(10, Curve::P256), Curve::P256).await;
    let rita = rosa(&fixture, "rita", Curve::P256).await;
    let edda = rosa(&fixture, "edda", Curve::Ed25519).await;
    let server = pair(&fixture.thermo.authorization_server).1;
    let unknown = generate(Signature::Es256).verifying_key();
    let DtlsBundle::Rpk {
        peer_public_key: Hex(own),
        ..
    } = fixture.thermo.authorization_server.dtls.as_ref().unwrap()
    else {
        panic!()
    };
    let own = VerifyingKey::from_spki(own).unwrap();
    for foreign in [rita, edda, server, unknown, own] {
        let foreign_asked = Asked::of(&foreign);
        // Whatever it is called.
        let (rosa_kid, foreign_kid) = (ace_crypto::key_id(&rosa_key), ace_crypto::key_id(&foreign));
        for kid in [None, Some(&rosa_kid[..]), Some(&foreign_kid)] {
            let key = CoseKey {
                kid,
                ..foreign_asked.key()
            };
            let answer = fixture.ask_as("rosa", &with(key)).await;
            assert_eq!(error(&answer), ErrorCode::UnsupportedPopKey);
        }
        // Nor by name.
        let request = TokenRequest {
            req_cnf: Some(Confirmation::Kid(&foreign_kid)),
            ..thermo()
        };
        let answer = fixture.ask_as("rosa", &request).await;
        assert_eq!(error(&answer), ErrorCode::UnsupportedPopKey);
    }
    assert_eq!(fixture.count("token").await, 0);
}

#[tokio::test]
async fn a_key_called_as_anothers_stands_in_the_token_under_its_own_name() {
    let (fixture, rosa_key) = site(&options(10, Curve::P256), Curve::P256).await;
    let rita = rosa(&fixture, "rita", Curve::P256).await;
    let (asked, kid) = (Asked::of(&rosa_key), ace_crypto::key_id(&rita));
    let key = CoseKey {
        kid: Some(&kid),
        ..asked.key()
    };
    let answer = fixture.ask_as("rosa", &with(key)).await;
    fixture.open(information(&answer).access_token, |opened| {
        let Some(Confirmation::CoseKey(key)) = opened.claims.cnf else {
            panic!("{:?}", opened.claims.cnf)
        };
        assert_eq!(key.kid, Some(&ace_crypto::key_id(&rosa_key)[..]));
    });
    // And Rita's name is no key of Rosa's.
    let request = TokenRequest {
        req_cnf: Some(Confirmation::Kid(&kid)),
        ..thermo()
    };
    let answer = fixture.ask_as("rosa", &request).await;
    assert_eq!(error(&answer), ErrorCode::UnsupportedPopKey);
}

#[tokio::test]
async fn rfc9200_5_8_3_keys_that_are_none_are_refused() {
    let (fixture, rosa) = site(&options(10, Curve::P256), Curve::P256).await;
    let (x, y) = (rosa.x(), rosa.y().unwrap());
    let asked = Asked::of(&rosa);
    let off_curve = {
        let mut y = y;
        y[31] ^= 1;
        y
    };
    let odd = Y::Sign(y[31] & 1 == 1);
    let good = asked.key();
    let signs_only = KeyOps::parse(&[0x81, 1]).unwrap();
    for (what, key) in [
        (
            "off the curve",
            CoseKey {
                y: Some(Y::Bytes(&off_curve)),
                ..good
            },
        ),
        (
            "the other point of this x",
            CoseKey {
                y: Some(Y::Sign(y[31] & 1 == 0)),
                ..good
            },
        ),
        (
            "zero",
            CoseKey {
                x: Some(&[0; 32]),
                y: Some(Y::Bytes(&[0; 32])),
                ..good
            },
        ),
        (
            "short",
            CoseKey {
                x: Some(&x[..31]),
                ..good
            },
        ),
        (
            "long",
            CoseKey {
                y: Some(Y::Bytes(&[0; 33])),
                ..good
            },
        ),
        (
            "P-384",
            CoseKey {
                crv: Some(curve::P_384),
                ..good
            },
        ),
        (
            "a curve of another type",
            CoseKey {
                crv: Some(curve::ED25519),
                ..good
            },
        ),
        (
            "Ed25519",
            CoseKey {
                crv: Some(curve::ED25519),
                x: Some(&x),
                ..CoseKey::new(KeyType::Okp)
            },
        ),
        (
            "of small order",
            CoseKey {
                crv: Some(curve::ED25519),
                x: Some(&[0; 32]),
                ..CoseKey::new(KeyType::Okp)
            },
        ),
        (
            "X25519",
            CoseKey {
                crv: Some(curve::X25519),
                x: Some(&x),
                ..CoseKey::new(KeyType::Okp)
            },
        ),
        (
            "for EdDSA",
            CoseKey {
                alg: Some(Label::Int(-8)),
                ..good
            },
        ),
        (
            "for a private use",
            CoseKey {
                alg: Some(Label::Text("ES999")),
                ..good
            },
        ),
        (
            "for signing alone",
            CoseKey {
                key_ops: Some(signs_only),
                ..good
            },
        ),
        ("of unknown type", CoseKey::new(KeyType::Other(9))),
    ] {
        let answer = fixture.ask_as("rosa", &with(key)).await;
        assert_eq!(error(&answer), ErrorCode::UnsupportedPopKey, "{what}");
    }
    assert_eq!(fixture.count("token").await, 0);
    // The same key said in other words.
    let verify = KeyOps::parse(&[0x82, 1, 2]).unwrap();
    for key in [
        CoseKey {
            y: Some(odd),
            ..good
        },
        CoseKey {
            alg: Some(Label::Text("ES256")),
            ..good
        },
        CoseKey {
            alg: Some(Label::Int(-7)),
            ..good
        },
        CoseKey {
            key_ops: Some(verify),
            ..good
        },
    ] {
        information(&fixture.ask_as("rosa", &with(key)).await);
    }
}

#[tokio::test]
async fn rfc8747_3_2_a_private_key_is_not_taken() {
    let (fixture, rosa) = site(&options(10, Curve::P256), Curve::P256).await;
    let asked = Asked::of(&rosa);
    let key = CoseKey {
        d: Some(&[7; 32]),
        ..asked.key()
    };
    let answer = fixture.ask_as("rosa", &with(key)).await;
    assert_eq!(error(&answer), ErrorCode::InvalidRequest);
}

#[tokio::test]
async fn rfc9202_3_2_1_without_a_key_there_is_no_token_unless_the_server_has_pre_shared_ones() {
    let (fixture, _) = site(&options(10, Curve::P256), Curve::P256).await;
    let answer = fixture.ask_as("rosa", &thermo()).await;
    assert_eq!(error(&answer), ErrorCode::InvalidRequest);

    let both = RsOptions {
        profiles: RsProfile::named("coap_dtls").to_vec(),
        ..options(10, Curve::P256)
    };
    let (fixture, rosa) = site(&both, Curve::P256).await;
    let answer = fixture.ask_as("rosa", &thermo()).await;
    let psk = information(&answer);
    assert!(matches!(psk.cnf, Some(Confirmation::CoseKey(key)) if key.k.is_some()));
    assert_eq!(psk.rs_cnf, None);
    let asked = Asked::of(&rosa);
    let answer = fixture.ask_as("rosa", &with(asked.key())).await;
    let rpk = information(&answer);
    assert!(rpk.cnf.is_none() && rpk.rs_cnf.is_some());
}

#[tokio::test]
async fn rfc9201_3_2_rs_cnf_comes_with_asymmetric_keys_alone_and_cnf_with_symmetric_ones() {
    let all = RsOptions {
        profiles: RsProfile::ALL.to_vec(),
        ..options(10, Curve::P256)
    };
    let (fixture, rosa) = site(&all, Curve::P256).await;
    fixture.client("petra", ClientProfile::CoapDtlsPsk).await;
    let grant = fixture.registry.grant("alice", "thermo", "GET /temp");
    grant.await.unwrap();
    let asked = Asked::of(&rosa);
    for (name, request, asymmetric) in [
        ("alice", thermo(), false),
        ("petra", thermo(), false),
        ("rosa", thermo(), false),
        ("rosa", with(asked.key()), true),
    ] {
        let answer = fixture.ask_as(name, &request).await;
        let information = information(&answer);
        assert_eq!(information.rs_cnf.is_some(), asymmetric, "{name}");
        assert_eq!(information.cnf.is_some(), !asymmetric, "{name}");
    }
}

#[tokio::test]
async fn rfc9200_5_8_3_a_public_key_is_of_no_use_to_a_server_without_one() {
    let psk = RsOptions {
        profiles: vec![RsProfile::CoapDtlsPsk],
        ..RsOptions::default()
    };
    let (fixture, rosa) = site(&psk, Curve::P256).await;
    let asked = Asked::of(&rosa);
    let answer = fixture.ask_as("rosa", &with(asked.key())).await;
    assert_eq!(error(&answer), ErrorCode::UnsupportedPopKey);
    information(&fixture.ask_as("rosa", &thermo()).await);
}

#[tokio::test]
async fn a_client_without_a_key_gets_no_token_for_one() {
    let both = RsOptions {
        profiles: RsProfile::named("coap_dtls").to_vec(),
        ..options(10, Curve::P256)
    };
    let (fixture, rosa) = site(&both, Curve::P256).await;
    fixture.client("petra", ClientProfile::CoapDtlsPsk).await;
    let asked = Asked::of(&rosa);
    let answer = fixture.ask_as("petra", &with(asked.key())).await;
    assert_eq!(error(&answer), ErrorCode::UnsupportedPopKey);
}

#[tokio::test]
async fn a_key_made_on_the_device_is_served_without_its_private_half() {
    let key = generate(Signature::EdDsa);
    let fixture = fixture_with(&options(-8, Curve::Ed25519)).await;
    let profile = ClientProfile::CoapDtlsRpk(DeviceKey::Public(key.verifying_key()));
    let bundle = fixture.client("rosa", profile).await;
    assert!(matches!(
        &bundle.authorization_server.dtls,
        Some(DtlsBundle::Rpk { private_key: None, public_key, .. })
            if VerifyingKey::from_spki(&public_key.0) == Ok(key.verifying_key())
    ));
    let asked = Asked::of(&key.verifying_key());
    information(&fixture.ask_as("rosa", &with(asked.key())).await);
}

fn generate(algorithm: Signature) -> SigningKey {
    crate::store::generate(algorithm).unwrap()
}
