mod hostile;
mod issued;
mod oracle;
mod psk;
mod refused;
mod rpk;

use ace_crypto::Aead;
use ace_token::{Opened, TrustedKey, Validation};
use ace_wire::{
    ace::{ErrorCode, ErrorResponse, Scope},
    aif::{Aif, MethodSet},
    cwt::NumericDate,
};

use super::*;
use crate::{
    Registry,
    registry::{
        ClientBundle, ClientOptions, ClientProfile, RsBundle, RsOptions, Site, TokenKeyBundle,
        TokenKeyMaterial,
    },
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
        coaps_uri: Some("coaps://as/token".into()),
    };
    let registry = Registry::new(store.clone(), site);
    registry
        .add_client("alice", &ClientOptions::default())
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
    /// Another client, which may GET /temp at thermo.
    async fn client(&self, name: &str, profile: ClientProfile) -> ClientBundle {
        let options = ClientOptions { profile };
        let bundle = self.registry.add_client(name, &options).await.unwrap();
        self.registry
            .grant(name, "thermo", "GET /temp")
            .await
            .unwrap();
        bundle
    }

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
            key: match &key.key {
                TokenKeyMaterial::Secret(k) => {
                    ace_token::TokenKey::Aead(Aead::from_cose(key.alg).unwrap(), k.as_bytes())
                }
                TokenKeyMaterial::Public(spki) => {
                    ace_token::TokenKey::Verify(VerifyingKey::from_spki(&spki.0).unwrap())
                }
            },
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
