mod migration;

use std::os::unix::fs::PermissionsExt;

use super::{Issuance, PeerRecord, PopKey, Store, StoreError};
use crate::registry::{ClientOptions, Registry, RsOptions, RsProfile, Site};
use ace_crypto::Secret;
use tempfile::TempDir;

const FILE_NAME: &str = "store.sqlite";

struct Fixture {
    folder: TempDir,
    store: Store,
}

impl Fixture {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::create(folder.path().join(FILE_NAME)).await.unwrap();
        Self { folder, store }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join(FILE_NAME)
    }

    fn registry(&self) -> Registry {
        Registry::new(
            self.store.clone(),
            Site {
                issuer: "as".into(),
                uri: "coap://as/token".into(),
                coaps_uri: Some("coaps://as/token".into()),
            },
        )
    }

    async fn with_alice_and_thermo() -> Self {
        let fixture = Self::new().await;
        let registry = fixture.registry();
        registry
            .add_client("alice", &ClientOptions::default())
            .await
            .unwrap();
        registry
            .add_rs("thermo", "thermo", &RsOptions::default())
            .await
            .unwrap();
        registry
            .grant("alice", "thermo", "GET /temp")
            .await
            .unwrap();
        fixture
    }
}

fn issuance(cti: u8, material: u8, exp: u64) -> Issuance {
    Issuance {
        cti: vec![cti],
        hash: [cti; 32],
        client: 0,
        rs: 0,
        scope: vec![0x60],
        iat: 1,
        exp,
        kid: vec![material],
        pop_key: Some(PopKey::Oscore {
            ms: Secret::full([7; 16]),
            salt: [8; 8],
        }),
    }
}

fn mode(path: &std::path::Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn the_file_and_its_companions_are_for_the_owner_alone() {
    let fixture = Fixture::with_alice_and_thermo().await;
    let path = fixture.path();
    assert_eq!(mode(&path), 0o600);
    for suffix in ["-wal", "-shm"] {
        let companion = path.with_file_name(format!("{}{suffix}", FILE_NAME));
        assert_eq!(mode(&companion), 0o600, "{suffix}");
    }
}

#[tokio::test]
async fn a_store_others_may_read_is_refused() {
    let fixture = Fixture::new().await;
    let path = fixture.path();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let error = Store::open(&path).await.unwrap_err();
    assert!(matches!(error, StoreError::Permissions { mode: 0o640, .. }));
    assert!(
        error.to_string().contains("(mode 0640); run `chmod 600 "),
        "{error}"
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_path_is_said() {
    let fixture = Fixture::new().await;
    let folder = fixture.folder.path();
    let message = |result: Result<Store, StoreError>| result.unwrap_err().to_string();

    let missing = message(Store::open(folder.join("none")).await);
    assert!(
        missing.contains("is not there; make a site with `ace init DIR`"),
        "{missing}"
    );
    let exists = message(Store::create(fixture.path()).await);
    assert!(exists.contains("is there already"), "{exists}");
    let no_folder = message(Store::create(folder.join("no/such/folder")).await);
    assert!(
        no_folder.contains("cannot be written (No such file"),
        "{no_folder}"
    );
    let not_a_file = message(Store::open(folder).await);
    assert!(
        not_a_file.contains("cannot be written (not a file)"),
        "{not_a_file}"
    );

    let other = folder.join("other");
    std::fs::write(
        &other,
        b"this is no database, however long it may be: ".repeat(100),
    )
    .unwrap();
    std::fs::set_permissions(&other, std::fs::Permissions::from_mode(0o600)).unwrap();
    let other = message(Store::open(&other).await);
    assert!(
        other.contains("is not a store of ace or is damaged (file is not a database)"),
        "{other}"
    );
}

#[tokio::test]
async fn a_store_that_cannot_be_written_is_named_with_what_to_do() {
    let fixture = Fixture::new().await;
    // What SQLite makes of a file that it may only read.
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(fixture.path())
        .read_only(true);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    let error = super::migrate::migrate(&fixture.path(), &pool)
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::NotWritable { .. }));
    let expected = format!(
        "the store {} cannot be written (attempt to write a readonly database); check owner, mode and free space",
        fixture.path().display()
    );
    assert!(error.to_string().starts_with(&expected), "{error}");
}

#[tokio::test]
async fn a_newer_schema_a_foreign_database_and_an_empty_file_are_refused() {
    let fixture = Fixture::new().await;
    let path = fixture.path();
    let run = async |sql: &'static str| {
        sqlx::query(sql)
            .execute(&fixture.store.inner.write)
            .await
            .unwrap();
        Store::open(&path).await.unwrap_err()
    };
    let newer = run("UPDATE meta SET value = '7'").await;
    assert!(matches!(
        newer,
        StoreError::Schema {
            found: 7,
            known: 2,
            ..
        }
    ));
    let foreign = run("DROP TABLE meta").await;
    assert!(matches!(foreign, StoreError::NotAStore { .. }));
    std::fs::OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(&path)
        .unwrap();
    let empty = Store::open(&path).await.unwrap_err();
    assert!(matches!(empty, StoreError::NotAStore { reason, .. } if reason == "the file is empty"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_requests_share_one_commit() {
    let fixture = Fixture::with_alice_and_thermo().await;
    let before = fixture.store.transactions();
    // The writer cannot begin while the registry changes, so that requests queue up behind it.
    let change = fixture.store.begin().await.unwrap();
    let tasks: Vec<_> = (0..200u8)
        .map(|n| {
            let store = fixture.store.clone();
            tokio::spawn(async move { store.issue(issuance(n, n, 100)).await.unwrap() })
        })
        .collect();
    // The first batch has left the queue.
    while super::writer::QUEUE - fixture.store.inner.jobs.capacity() < 200 - super::writer::BATCH {
        tokio::task::yield_now().await;
    }
    drop(change);
    for task in tasks {
        assert!(task.await.unwrap());
    }
    let taken = fixture.store.transactions() - before;
    assert!(
        (4..=6).contains(&taken),
        "{taken} transactions for 200 tokens"
    );
    let stored: i64 = sqlx::query_scalar("SELECT count(*) FROM token")
        .fetch_one(&fixture.store.inner.read)
        .await
        .unwrap();
    assert_eq!(stored, 200);
}

#[tokio::test]
async fn nothing_is_stored_for_a_client_or_resource_server_that_is_gone() {
    let fixture = Fixture::with_alice_and_thermo().await;
    assert!(fixture.store.issue(issuance(1, 1, 100)).await.unwrap());
    fixture.registry().remove_client("alice").await.unwrap();
    assert!(!fixture.store.issue(issuance(2, 2, 100)).await.unwrap());
    let rows: i64 =
        sqlx::query_scalar("SELECT (SELECT count(*) FROM token) + (SELECT count(*) FROM pop_key)")
            .fetch_one(&fixture.store.inner.read)
            .await
            .unwrap();
    assert_eq!(rows, 2);
}

#[tokio::test]
async fn numbers_go_on_above_the_reserved_block_after_a_crash() {
    let fixture = Fixture::with_alice_and_thermo().await;
    let mut seen = std::collections::HashSet::new();
    let mut highest = 0;
    let mut store = fixture.store.clone();
    for round in 0..3 {
        for _ in 0..=super::counter::BLOCK {
            let number = store.number("rs/thermo").await.unwrap();
            assert!(seen.insert(number), "{number} handed out twice");
            assert!(number >= highest);
            highest = number;
        }
        let reserved = store.reserve_sequence(0, 32).await.unwrap().unwrap();
        assert_eq!(reserved, 32 * (round + 1));
        // Opened again beside the running one, which is never closed: what a killed process leaves.
        std::mem::forget(std::mem::replace(
            &mut store,
            Store::open(fixture.path()).await.unwrap(),
        ));
        let PeerRecord { id, .. } = store.peer_by_kid(&[0, 0]).await.unwrap().unwrap();
        assert_eq!(id, 0);
        assert_eq!(
            store.peer_by_kid(&[0, 0]).await.unwrap().unwrap().reserved,
            reserved
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_never_hand_out_the_same_number() {
    let fixture = Fixture::new().await;
    let other = Store::open(fixture.path()).await.unwrap();
    let draw = |store: Store| {
        tokio::spawn(async move {
            let mut numbers = Vec::new();
            for _ in 0..200 {
                numbers.push(store.number("input_material").await.unwrap());
            }
            numbers
        })
    };
    let (one, two) = (draw(fixture.store.clone()), draw(other));
    let mut numbers = one.await.unwrap();
    numbers.extend(two.await.unwrap());
    let count = numbers.len();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), count);
}

#[tokio::test]
async fn rfc9203_3_1_input_material_lives_as_long_as_a_token_bound_to_it() {
    let fixture = Fixture::with_alice_and_thermo().await;
    let store = &fixture.store;
    store.issue(issuance(1, 9, 100)).await.unwrap();
    store
        .issue(Issuance {
            pop_key: None,
            ..issuance(2, 9, 200)
        })
        .await
        .unwrap();
    store.issue(issuance(3, 10, 100)).await.unwrap();
    let lives = async |client, rs, now| store.pop_key_lives(&[9], client, rs, now).await.unwrap();
    assert_eq!(lives(0, 0, 199).await, Some(RsProfile::CoapOscore));
    assert_eq!(lives(0, 0, 200).await, None);
    assert_eq!(lives(1, 0, 50).await, None);
    assert_eq!(lives(0, 1, 50).await, None);

    let materials = async || -> Vec<Vec<u8>> {
        sqlx::query_scalar("SELECT kid FROM pop_key ORDER BY kid")
            .fetch_all(&store.inner.read)
            .await
            .unwrap()
    };
    assert_eq!(store.expire(100).await.unwrap(), 2);
    assert_eq!(materials().await, [[9]]);
    assert_eq!(store.expire(200).await.unwrap(), 1);
    assert!(materials().await.is_empty());
}

#[tokio::test]
async fn a_token_for_material_that_is_gone_is_not_stored() {
    let fixture = Fixture::with_alice_and_thermo().await;
    let update = Issuance {
        pop_key: None,
        ..issuance(1, 9, 100)
    };
    assert!(!fixture.store.issue(update).await.unwrap());
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let fixture = Fixture::new().await;
    let store = fixture.store.clone();
    fixture.store.close().await;
    assert!(store.number("rs/thermo").await.is_err());
    assert!(store.begin().await.is_err());
}
