//! The authorization server of one thread: real engine, real store in a temporary folder.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use ace_as::{
    Answer, AuthorizationServer, ClientBundle, ClientOptions, Config, Limits, OscoreBundle,
    Registry, RsBundle, RsOptions, Store,
};
use ace_coap::{Instant, Message};
use ace_crypto::{Aead, Hkdf};
use ace_oscore::{
    Parameters,
    storage::{Key, Storage},
};
use tokio::runtime::{Builder, Runtime};

/// Milliseconds from the end of a seed to the next.
pub const NIGHT: u64 = 3_600_000;
/// Seconds a token lives.
const TOKEN_LIFETIME: u64 = 3_600;
/// Seconds since 1970 when the clock of the network stands at zero.
const EPOCH: u64 = 1_700_000_000;

/// The wall clock at `now`, in seconds.
pub const fn wall(now: u64) -> u64 {
    EPOCH + now / 1_000
}

/// An authorization server with one client and one resource server.
pub struct Site {
    runtime: Runtime,
    server: AuthorizationServer,
    pub alice: ClientBundle,
    pub thermo: RsBundle,
    _folder: tempfile::TempDir,
}

impl Site {
    /// With a resource server that has a clock, or whose tokens count their time on the device (`exi`).
    pub fn new(has_clock: bool) -> Self {
        let options = RsOptions {
            clockless: !has_clock,
            ..RsOptions::default()
        };
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let folder = tempfile::tempdir().expect("a folder");
        let site = ace_as::Site {
            issuer: "coap://as.example".into(),
            uri: "coap://as.example/token".into(),
            coaps_uri: None,
        };
        let (server, alice, thermo) = runtime.block_on(async {
            let store = Store::create(folder.path().join("store.sqlite"))
                .await
                .expect("a store");
            let registry = Registry::new(store.clone(), site.clone());
            let thermo = registry
                .add_rs("thermo", "thermo", &options)
                .await
                .expect("an RS");
            let alice = registry
                .add_client("alice", &ClientOptions::default())
                .await
                .expect("a client");
            for scope in ["GET /temp", "GET,PUT /led", "POST /log"] {
                registry
                    .grant("alice", "thermo", scope)
                    .await
                    .expect("a grant");
            }
            let limits = Limits {
                contexts: 16,
                bodies: 4,
            };
            let config = Config {
                site,
                token_lifetime: TOKEN_LIFETIME,
                limits,
            };
            let server = AuthorizationServer::new(store, config)
                .await
                .expect("a server");
            (server, alice, thermo)
        });
        Self {
            runtime,
            server,
            alice,
            thermo,
            _folder: folder,
        }
    }

    /// What the server answers to a datagram of node `from`.
    pub fn answer(
        &self,
        now: u64,
        from: u16,
        message: &Message<'_>,
        length: usize,
    ) -> Option<Answer> {
        let address = SocketAddr::from(([192, 0, 2, 1], from));
        self.runtime.block_on(
            self.server
                .handle(Instant(now), wall(now), address, message, length),
        )
    }
}

/// The context that a bundle describes, from the device's side.
pub fn parameters(bundle: &OscoreBundle) -> Parameters<'_> {
    Parameters {
        master_secret: bundle.master_secret.as_bytes(),
        master_salt: bundle.master_salt.as_bytes(),
        sender_id: &bundle.sender_id.0,
        recipient_id: &bundle.recipient_id.0,
        id_context: None,
        aead: Aead::from_cose(bundle.alg).expect("built in"),
        hkdf: Hkdf::from_cose(bundle.hkdf).expect("built in"),
    }
}

/// Storage that outlives its device.
#[derive(Clone, Default)]
pub struct Memory(Arc<Mutex<BTreeMap<u32, Vec<u8>>>>);

impl Memory {
    /// Leaves the client nothing but the sequence numbers of its context with the authorization server.
    pub fn forget_tokens(&self) {
        self.0.lock().expect("whole").retain(|key, _| *key == 0);
    }
}

impl Storage for Memory {
    type Error = Infallible;

    fn load(&mut self, key: Key, out: &mut [u8]) -> Result<Option<usize>, Infallible> {
        let records = self.0.lock().expect("whole");
        let Some(record) = records.get(&key.0) else {
            return Ok(None);
        };
        out[..record.len()].copy_from_slice(record);
        Ok(Some(record.len()))
    }

    fn save(&mut self, key: Key, value: &[u8]) -> Result<(), Infallible> {
        self.0.lock().expect("whole").insert(key.0, value.to_vec());
        Ok(())
    }
}
