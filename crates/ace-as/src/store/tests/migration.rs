//! Stores that an older program made.

use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

use super::*;

/// A store as schema 1 had it: alice may GET /temp at thermo, has two live tokens of one input material, and has been spoken to.
const CONTENT: &str = "
INSERT INTO counter VALUES ('peer', 2), ('client', 1), ('rs', 1), ('token_key', 2), ('input_material', 64), ('rs/thermo', 64);
INSERT INTO peer VALUES (0, x'0000', x'61', x'000102030405060708090a0b0c0d0e0f', x'1011121314151617', NULL, 10, -10, 32);
INSERT INTO peer VALUES (1, x'0001', x'61', x'202122232425262728292a2b2c2d2e2f', x'3031323334353637', x'aa', 10, -10, 0);
INSERT INTO client VALUES (0, 'alice', 1, 4);
INSERT INTO rs VALUES (0, 'thermo', 'tempSensor', 0, 4, 1);
INSERT INTO token_key VALUES (x'00', 0, 10, x'404142434445464748494a4b4c4d4e4f', 1);
INSERT INTO token_key VALUES (x'01', 0, 31, x'505152535455565758595a5b5c5d5e5f505152535455565758595a5b5c5d5e5f', 0);
INSERT INTO grant_ VALUES (0, 0, 1, '/temp', 1);
INSERT INTO input_material VALUES (x'07', 0, 0, x'606162636465666768696a6b6c6d6e6f', x'7071727374757677', 5);
INSERT INTO token VALUES (x'0a', x'0b', 0, 0, x'41a0', 5, 100, x'07');
INSERT INTO token VALUES (x'0c', x'0d', 0, 0, x'41a0', 6, 200, x'07');
";

/// The file of such a store.
async fn store_1(folder: &std::path::Path) -> std::path::PathBuf {
    let path = folder.join(FILE_NAME);
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true)
        .foreign_keys(true);
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(options)
        .await
        .unwrap();
    sqlx::raw_sql(include_str!("../migration/schema_1.sql"))
        .execute(&pool)
        .await
        .unwrap();
    sqlx::raw_sql(CONTENT).execute(&pool).await.unwrap();
    pool.close().await;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// What the database says of its tables, in the order of names.
async fn tables(store: &Store) -> Vec<(String, Option<String>)> {
    sqlx::query_as(
        "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY name",
    )
    .fetch_all(&store.inner.read)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_store_of_schema_1_is_brought_up_to_date_with_all_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    let path = store_1(folder.path()).await;
    for _ in 0..2 {
        let store = Store::open(&path).await.unwrap();
        let site = Site {
            issuer: "as".into(),
            uri: "coap://as/token".into(),
            coaps_uri: Some("coaps://as/token".into()),
        };
        let registry = Registry::new(store.clone(), site);
        let alice = registry.client_bundle("alice").await.unwrap();
        let oscore = alice.authorization_server.oscore.unwrap();
        assert_eq!(
            oscore.master_secret.as_bytes(),
            (0x20..0x30).collect::<Vec<u8>>()
        );
        assert_eq!(oscore.sender_id.0, [0, 1]);
        assert_eq!(oscore.id_context.unwrap().0, [0xaa]);
        assert!(alice.authorization_server.dtls.is_none());
        let thermo = registry.rs_bundle("thermo").await.unwrap();
        assert_eq!(thermo.profiles, [RsProfile::CoapOscore]);
        let kids = thermo.token_keys.iter().map(|key| (key.kid.0[0], key.alg));
        assert_eq!(kids.collect::<Vec<_>>(), [(1, 31), (0, 10)]);
        let summary = &registry.resource_servers().await.unwrap()[0];
        assert_eq!((summary.token_alg, summary.clockless), (31, true));
        let grants = registry.grants("alice", None).await.unwrap();
        assert_eq!(grants[0].scope, "GET /temp");

        // Nonces go on above what was reserved.
        let peer = store.peer_by_kid(&[0, 0]).await.unwrap().unwrap();
        assert_eq!((peer.id, peer.reserved), (0, 32));
        assert!(store.number("rs/thermo").await.unwrap() >= 64);
        // Rights can be updated under the material of a live token.
        let lives = store.pop_key_lives(&[7], 0, 0, 150).await.unwrap();
        assert_eq!(lives, Some(RsProfile::CoapOscore));
        let rs = store.granted(0, None).await.unwrap();
        assert_eq!((rs.len(), &rs[0].kid[..]), (1, &[1][..]));
        store.close().await;
    }
    let store = Store::open(&path).await.unwrap();
    // The same tables as in a new store, and nothing left of the old ones.
    let new = Fixture::new().await;
    assert_eq!(tables(&store).await, tables(&new.store).await);
    let broken = sqlx::query("PRAGMA foreign_key_check")
        .fetch_all(&store.inner.read)
        .await
        .unwrap();
    assert!(broken.is_empty());
    // And it lives on as one.
    assert_eq!(store.expire(100).await.unwrap(), 1);
    assert_eq!(store.expire(200).await.unwrap(), 1);
    let next = Issuance {
        client: 0,
        ..issuance(9, 9, 300)
    };
    assert!(store.issue(next).await.unwrap());
}

#[tokio::test]
async fn a_store_is_not_changed_under_an_older_server() {
    let folder = tempfile::tempdir().unwrap();
    let path = store_1(folder.path()).await;
    let served = super::super::lock_for_server(&path, std::time::Duration::ZERO).await;
    let before = std::fs::read(&path).unwrap();
    let error = Store::open(&path).await.unwrap_err();
    assert!(matches!(error, StoreError::Served { .. }), "{error}");
    assert_eq!(std::fs::read(&path).unwrap().len(), before.len());
    drop(served);
    Store::open(&path).await.unwrap();
}

#[tokio::test]
async fn a_migration_that_fails_leaves_the_store_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = store_1(folder.path()).await;
    let run = async |sql: &'static str| {
        let options = SqliteConnectOptions::new().filename(&path);
        let pool = SqlitePoolOptions::new()
            .connect_with(options)
            .await
            .unwrap();
        sqlx::raw_sql(sql).execute(&pool).await.unwrap();
        pool.close().await;
    };
    // A table in the way, as when somebody has been at work by hand.
    run("CREATE TABLE pop_key (x BIGINT)").await;
    Store::open(&path).await.unwrap_err();
    run("SELECT count(*) FROM input_material; DROP TABLE pop_key").await;
    let store = Store::open(&path).await.unwrap();
    assert!(store.peer_by_kid(&[0, 0]).await.unwrap().is_some());
}
