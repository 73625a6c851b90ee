mod dtls;

use super::*;
use tempfile::TempDir;

struct Site1 {
    _folder: TempDir,
    registry: Registry,
}

async fn site() -> Site1 {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path().join("store.sqlite"))
        .await
        .unwrap();
    let site = Site {
        issuer: "coap://as".into(),
        uri: "coap://as/token".into(),
        coaps_uri: Some("coaps://as/token".into()),
    };
    Site1 {
        _folder: folder,
        registry: Registry::new(store, site),
    }
}

fn scopes(grants: Vec<GrantSummary>) -> Vec<String> {
    grants.into_iter().map(|grant| grant.scope).collect()
}

#[tokio::test]
async fn bundles_have_the_documented_json() {
    let site = site().await;
    let client = site
        .registry
        .add_client("alice", &ClientOptions::default())
        .await
        .unwrap();
    let value = serde_json::to_value(&client).unwrap();
    let oscore = &value["as"]["oscore"];
    assert_eq!(value["name"], "alice");
    assert_eq!(value["as"]["uri"], "coap://as/token");
    assert_eq!(oscore["master_secret"].as_str().unwrap().len(), 32);
    assert_eq!(oscore["master_salt"].as_str().unwrap().len(), 16);
    assert_eq!(oscore["sender_id"], "0000");
    assert_eq!(oscore["recipient_id"], "61");
    assert_eq!(oscore["id_context"], serde_json::Value::Null);
    assert_eq!(
        (&oscore["alg"], &oscore["hkdf"]),
        (&10.into(), &(-10).into())
    );
    assert_eq!(keys(&value), ["as", "name"]);
    assert_eq!(keys(&value["as"]), ["oscore", "uri"]);
    let members = [
        "alg",
        "hkdf",
        "id_context",
        "master_salt",
        "master_secret",
        "recipient_id",
        "sender_id",
    ];
    assert_eq!(keys(oscore), members);

    let options = RsOptions {
        token_alg: 31,
        ..RsOptions::default()
    };
    let rs = site
        .registry
        .add_rs("thermo", "tempSensor", &options)
        .await
        .unwrap();
    let value = serde_json::to_value(&rs).unwrap();
    assert_eq!(
        keys(&value),
        ["as", "audience", "issuer", "name", "token_keys"]
    );
    // What it speaks is said only where it is more.
    assert_eq!(
        (&value["audience"], &value["issuer"]),
        (&"tempSensor".into(), &"coap://as".into())
    );
    assert_eq!(value["as"]["oscore"]["sender_id"], "0001");
    let key = &value["token_keys"][0];
    assert_eq!(keys(key), ["alg", "k", "kid"]);
    assert_eq!((&key["kid"], &key["alg"]), (&"00".into(), &31.into()));
    assert_eq!(key["k"].as_str().unwrap().len(), 64);

    // What is written is read back, and shown again from the store.
    let text = serde_json::to_string(&client).unwrap();
    assert_eq!(ClientBundle::parse(&text).unwrap(), client);
    assert_eq!(site.registry.client_bundle("alice").await.unwrap(), client);
    let text = serde_json::to_string(&rs).unwrap();
    assert_eq!(RsBundle::parse(&text).unwrap(), rs);
    assert_eq!(site.registry.rs_bundle("thermo").await.unwrap(), rs);
}

fn keys(value: &serde_json::Value) -> Vec<&str> {
    let mut keys: Vec<_> = value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    keys
}

#[tokio::test]
async fn a_bundle_with_a_slip_is_refused_with_what_and_where() {
    let site = site().await;
    let client = site
        .registry
        .add_client("alice", &ClientOptions::default())
        .await
        .unwrap();
    let secret = hex::encode(
        client
            .authorization_server
            .oscore
            .as_ref()
            .unwrap()
            .master_secret
            .as_bytes(),
    );
    let text = serde_json::to_string_pretty(&client).unwrap();
    let message = |text: &str| ClientBundle::parse(text).unwrap_err().to_string();

    let unknown = message(&text.replace("\"uri\"", "\"url\""));
    assert!(
        unknown.contains("unknown field `url`") && unknown.contains("line 4"),
        "{unknown}"
    );
    let odd = message(&text.replace(&secret, &secret[1..]));
    assert!(
        odd.contains("expected bytes in hexadecimal") && !odd.contains(&secret[1..]),
        "{odd}"
    );
    let missing = message("{\"name\": \"alice\"}");
    assert!(
        missing.contains("missing field `as`") && missing.contains("`ace client add NAME`"),
        "{missing}"
    );
    let wrong = RsBundle::parse(&text).unwrap_err().to_string();
    assert!(
        wrong.starts_with("not a resource server bundle: missing field `audience`"),
        "{wrong}"
    );
}

#[tokio::test]
async fn bundles_do_not_show_their_secrets_in_debug_output() {
    let site = site().await;
    let client = site
        .registry
        .add_client("alice", &ClientOptions::default())
        .await
        .unwrap();
    let rs = site
        .registry
        .add_rs("thermo", "thermo", &RsOptions::default())
        .await
        .unwrap();
    let shown = format!("{client:?} {rs:?}");
    assert!(shown.contains("SecretHex(..)"));
    for secret in [
        &client
            .authorization_server
            .oscore
            .as_ref()
            .unwrap()
            .master_secret,
        &client
            .authorization_server
            .oscore
            .as_ref()
            .unwrap()
            .master_salt,
        &rs.authorization_server
            .oscore
            .as_ref()
            .unwrap()
            .master_secret,
        rs.token_keys[0].secret().unwrap(),
    ] {
        assert!(!shown.contains(&hex::encode(secret.as_bytes())));
        assert!(!shown.contains(&format!("{:?}", secret.as_bytes())));
    }
}

#[tokio::test]
async fn errors_name_the_next_step() {
    let site = site().await;
    let registry = &site.registry;
    registry
        .add_client("alice", &ClientOptions::default())
        .await
        .unwrap();
    registry
        .add_rs("thermo", "t", &RsOptions::default())
        .await
        .unwrap();
    let add_rs = async |name: &str, audience: &str, token_alg| {
        let options = RsOptions {
            token_alg,
            ..RsOptions::default()
        };
        registry
            .add_rs(name, audience, &options)
            .await
            .unwrap_err()
            .to_string()
    };
    for (message, expected) in [
        (
            registry
                .grant("bob", "thermo", "GET /temp")
                .await
                .unwrap_err()
                .to_string(),
            "add it with `ace client add bob`",
        ),
        (
            registry
                .grant("alice", "lock", "GET /temp")
                .await
                .unwrap_err()
                .to_string(),
            "add it with `ace rs add lock`",
        ),
        (
            registry
                .grant("alice", "thermo", "GIT /temp")
                .await
                .unwrap_err()
                .to_string(),
            "unknown method in `GIT`",
        ),
        (
            registry
                .revoke("alice", "thermo", "GET /temp")
                .await
                .unwrap_err()
                .to_string(),
            "see `ace grant alice thermo`",
        ),
        (
            registry
                .add_client("alice", &ClientOptions::default())
                .await
                .unwrap_err()
                .to_string(),
            "`ace client remove alice`",
        ),
        (
            registry
                .add_client("a b", &ClientOptions::default())
                .await
                .unwrap_err()
                .to_string(),
            "use 1 to 64 letters",
        ),
        (
            registry
                .add_client("-x", &ClientOptions::default())
                .await
                .unwrap_err()
                .to_string(),
            "use 1 to 64 letters",
        ),
        (
            registry.remove_client("bob").await.unwrap_err().to_string(),
            "no client `bob`",
        ),
        (
            registry.remove_rs("bob").await.unwrap_err().to_string(),
            "no resource server `bob`",
        ),
        (
            registry.client_bundle("bob").await.unwrap_err().to_string(),
            "no client `bob`",
        ),
        (
            registry.rs_bundle("bob").await.unwrap_err().to_string(),
            "no resource server `bob`",
        ),
        (
            registry.grants("bob", None).await.unwrap_err().to_string(),
            "no client `bob`",
        ),
        (add_rs("thermo", "u", 10).await, "`ace rs remove thermo`"),
        (
            add_rs("lock", "t", 10).await,
            "belongs to the resource server `thermo`",
        ),
        (add_rs("lock", "a b", 10).await, "cannot be an audience"),
        (
            add_rs("lock", &"a".repeat(33), 10).await,
            "use 1 to 32 bytes",
        ),
        (add_rs("lock", "l", 11).await, "use 10, 30 or 31"),
        (
            add_rs("lock", "l", 5).await,
            "algorithm 5 cannot protect tokens",
        ),
    ] {
        assert!(message.contains(expected), "{message} / {expected}");
    }
    // None of it left anything behind.
    assert_eq!(registry.clients().await.unwrap().len(), 1);
    assert_eq!(registry.resource_servers().await.unwrap().len(), 1);
    assert_eq!(registry.grants("alice", None).await.unwrap(), []);
}

#[tokio::test]
async fn grants_add_up_and_are_taken_back() {
    let site = site().await;
    let registry = &site.registry;
    registry
        .add_client("alice", &ClientOptions::default())
        .await
        .unwrap();
    registry
        .add_rs("thermo", "thermo", &RsOptions::default())
        .await
        .unwrap();
    registry
        .add_rs("lock", "lock", &RsOptions::default())
        .await
        .unwrap();
    let grant = async |scope| scopes(registry.grant("alice", "thermo", scope).await.unwrap());
    let revoke = async |scope| scopes(registry.revoke("alice", "thermo", scope).await.unwrap());
    assert_eq!(grant("GET /temp").await, ["GET /temp"]);
    assert_eq!(grant("GET,PUT /led").await, ["GET,PUT /led", "GET /temp"]);
    assert_eq!(grant("POST /led").await, ["GET,POST,PUT /led", "GET /temp"]);
    assert_eq!(revoke("GET,PUT /led").await, ["POST /led", "GET /temp"]);
    let error = registry
        .revoke("alice", "thermo", "PUT /led")
        .await
        .unwrap_err();
    assert!(matches!(error, RegistryError::NotGranted { .. }));
    assert_eq!(revoke("POST,PUT /led").await, ["GET /temp"]);

    let error = registry
        .grant("alice", "thermo", "read")
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("`alice` has methods and paths at `thermo`"),
        "{error}"
    );
    assert_eq!(
        scopes(registry.grant("alice", "lock", "open close").await.unwrap()),
        ["close", "open"]
    );
    assert_eq!(
        scopes(registry.grant("alice", "lock", "open").await.unwrap()),
        ["close", "open"]
    );
    assert_eq!(
        scopes(registry.revoke("alice", "lock", "open").await.unwrap()),
        ["close"]
    );
    let error = registry
        .revoke("alice", "lock", "close open")
        .await
        .unwrap_err();
    assert!(matches!(error, RegistryError::NotGranted { .. }));
    assert_eq!(
        scopes(registry.grants("alice", None).await.unwrap()),
        ["close", "GET /temp"]
    );
    assert_eq!(registry.clients().await.unwrap()[0].grants, 2);
    assert_eq!(
        registry.clients().await.unwrap()[0].profiles,
        ["coap_oscore"]
    );
}

#[tokio::test]
async fn rfc8613_3_3_ids_are_not_given_again_after_removal() {
    let site = site().await;
    let registry = &site.registry;
    let mut seen = std::collections::HashSet::new();
    for _ in 0..3 {
        let client = registry
            .add_client("alice", &ClientOptions::default())
            .await
            .unwrap();
        let rs = registry
            .add_rs("thermo", "thermo", &RsOptions::default())
            .await
            .unwrap();
        registry
            .grant("alice", "thermo", "GET /temp")
            .await
            .unwrap();
        for id in [
            &client
                .authorization_server
                .oscore
                .as_ref()
                .unwrap()
                .sender_id,
            &rs.authorization_server.oscore.as_ref().unwrap().sender_id,
        ] {
            assert!(seen.insert(id.0.clone()));
            assert_ne!(id.0, AS_SENDER_ID);
        }
        registry.remove_client("alice").await.unwrap();
        registry.remove_rs("thermo").await.unwrap();
    }
    assert_eq!(registry.clients().await.unwrap(), []);
    assert_eq!(registry.resource_servers().await.unwrap(), []);
}

#[test]
fn short_numbers_are_unambiguous_and_no_shorter_than_asked() {
    assert_eq!(short(0, 1), [0]);
    assert_eq!(short(0, 2), [0, 0]);
    assert_eq!(short(255, 1), [255]);
    assert_eq!(short(256, 1), [1, 0]);
    assert_eq!(short(0xffff, 2), [0xff, 0xff]);
    assert_eq!(short(0x1_0000, 2), [1, 0, 0]);
    assert_eq!(short(i64::MAX, 2).len(), 8);
}
