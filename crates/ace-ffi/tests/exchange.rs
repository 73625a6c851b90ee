//! Client and resource server in C's terms, with an authorization server, on UDP sockets.

mod common;

use std::{
    net::{SocketAddr, UdpSocket},
    ptr,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use ace_as::{
    AuthorizationServer, ClientOptions, ClientProfile, Config, DeviceKey, DtlsBundle, Limits,
    Registry, RsOptions, RsProfile, Site, Store, TokenKeyMaterial,
};
use ace_ffi::ace_status::*;
use ace_ffi::*;
use common::*;

/// A socket, and the handle's clock.
struct Port {
    socket: UdpSocket,
    started: Instant,
}

impl Port {
    fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(2)))
            .unwrap();
        Self {
            socket,
            started: Instant::now(),
        }
    }

    fn now(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    fn address(&self) -> ace_address {
        address(self.socket.local_addr().unwrap())
    }

    fn send(&self, to: ace_address, datagram: ace_bytes) {
        // SAFETY: lent by the call before.
        let datagram = unsafe { std::slice::from_raw_parts(datagram.data, datagram.length) };
        let host: [u8; 4] = to.host[..4].try_into().unwrap();
        self.socket
            .send_to(datagram, SocketAddr::from((host, to.port)))
            .unwrap();
    }
}

fn address(of: SocketAddr) -> ace_address {
    let mut address = ace_address {
        host_length: 4,
        port: of.port(),
        ..zeroed()
    };
    let SocketAddr::V4(of) = of else {
        panic!("IPv4")
    };
    address.host[..4].copy_from_slice(&of.ip().octets());
    address
}

fn wall() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

struct Client {
    handle: *mut ace_client,
    port: Port,
    _memory: Box<Memory<ACE_CLIENT_SIZE>>,
    state: Vec<u8>,
}

struct Rs {
    handle: *mut ace_rs,
    port: Port,
    _memory: Box<Memory<ACE_RS_SIZE>>,
    written: Vec<(usize, Vec<u8>)>,
}

/// What ended a request.
#[derive(Debug, PartialEq, Eq)]
struct End {
    kind: ace_client_event_kind,
    code: u8,
    payload: Vec<u8>,
}

impl Client {
    fn new(config: &ace_client_config, state: &[u8], seed: u8) -> Self {
        let mut memory = Memory::new();
        let mut handle = ptr::null_mut();
        let seed = [seed; ACE_SEED_SIZE];
        // SAFETY: valid pointers.
        let status = unsafe {
            ace_client_init(
                memory.0.as_mut_ptr(),
                ACE_CLIENT_SIZE,
                config,
                seed.as_ptr(),
                bytes(state),
                &mut handle,
            )
        };
        assert_eq!(status, ACE_OK);
        Self {
            handle,
            port: Port::new(),
            _memory: memory,
            state: state.to_vec(),
        }
    }

    /// One turn of a firmware's loop; the event that ends a request.
    fn turn(&mut self) -> Option<End> {
        let (now, wall) = (self.port.now(), wall());
        let (mut buffer, mut at) = ([0u8; 2048], 0);
        let (mut to, mut out, mut event) = (zeroed(), NO_BYTES, zeroed::<ace_client_event>());
        let mut end = None;
        // SAFETY: a live handle and valid pointers; what is lent is used before the next call.
        unsafe {
            if let Ok((length, from)) = self.port.socket.recv_from(&mut buffer) {
                let from = address(from);
                assert_eq!(
                    ace_client_handle(self.handle, now, wall, &from, buffer.as_mut_ptr(), length),
                    ACE_OK
                );
            }
            if ace_client_poll_timeout(self.handle, &mut at) == ACE_OK && at <= now {
                assert_eq!(ace_client_handle_timeout(self.handle, now, wall), ACE_OK);
            }
            if ace_client_unsaved(self.handle, &mut out) == ACE_OK {
                self.state = std::slice::from_raw_parts(out.data, out.length).to_vec();
                assert_eq!(ace_client_saved(self.handle), ACE_OK);
            }
            while ace_client_poll_transmit(self.handle, now, &mut to, &mut out) == ACE_OK {
                self.port.send(to, out);
            }
            while ace_client_poll_event(self.handle, &mut event) == ACE_OK {
                if event.kind != ace_client_event_kind::ACE_CLIENT_PHASE {
                    let payload = match event.payload.length {
                        0 => Vec::new(),
                        length => std::slice::from_raw_parts(event.payload.data, length).to_vec(),
                    };
                    end = Some(End {
                        kind: event.kind,
                        code: event.code,
                        payload,
                    });
                }
            }
        }
        end
    }

    fn ask(&mut self, rs: &mut Rs, request: &ace_request) -> End {
        let to = rs.port.address();
        // SAFETY: a live handle and valid pointers.
        assert_eq!(
            unsafe { ace_client_request(self.handle, self.port.now(), wall(), &to, request) },
            ACE_OK
        );
        let until = Instant::now() + Duration::from_secs(60);
        while Instant::now() < until {
            rs.turn();
            if let Some(end) = self.turn() {
                return end;
            }
        }
        panic!("no end");
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // SAFETY: a live handle.
        assert_eq!(unsafe { ace_client_deinit(self.handle) }, ACE_OK);
    }
}

impl Rs {
    fn new(config: &ace_rs_config) -> Self {
        let mut memory = Memory::new();
        let mut handle = ptr::null_mut();
        let seed = [77; ACE_SEED_SIZE];
        // SAFETY: valid pointers.
        let status = unsafe {
            ace_rs_init(
                memory.0.as_mut_ptr(),
                ACE_RS_SIZE,
                config,
                seed.as_ptr(),
                NO_BYTES,
                &mut handle,
            )
        };
        assert_eq!(status, ACE_OK);
        Self {
            handle,
            port: Port::new(),
            _memory: memory,
            written: Vec::new(),
        }
    }

    fn set(&mut self, resource: usize, value: &[u8]) -> ace_status {
        // SAFETY: a live handle and valid pointers.
        unsafe { ace_rs_set(self.handle, self.port.now(), wall(), resource, bytes(value)) }
    }

    fn turn(&mut self) {
        let (now, wall) = (self.port.now(), wall());
        let (mut buffer, mut at) = ([0u8; 2048], 0);
        let (mut to, mut out, mut event) = (zeroed(), NO_BYTES, zeroed::<ace_rs_event>());
        let mut written = Vec::new();
        // SAFETY: a live handle and valid pointers; what is lent is used before the next call.
        unsafe {
            if let Ok((length, from)) = self.port.socket.recv_from(&mut buffer) {
                let from = address(from);
                assert_eq!(
                    ace_rs_handle(self.handle, now, wall, &from, buffer.as_mut_ptr(), length),
                    ACE_OK
                );
            }
            if ace_rs_poll_timeout(self.handle, &mut at) == ACE_OK && at <= now {
                assert_eq!(ace_rs_handle_timeout(self.handle, now, wall), ACE_OK);
            }
            if ace_rs_unsaved(self.handle, &mut out) == ACE_OK {
                assert!(out.length <= ACE_RS_STATE_SIZE);
                assert_eq!(ace_rs_saved(self.handle), ACE_OK);
            }
            while ace_rs_poll_event(self.handle, &mut event) == ACE_OK {
                if event.kind == ace_rs_event_kind::ACE_RS_WRITTEN {
                    let payload =
                        std::slice::from_raw_parts(event.payload.data, event.payload.length)
                            .to_vec();
                    written.push((event.resource, payload));
                }
            }
        }
        for (resource, payload) in written {
            assert_eq!(self.set(resource, &payload), ACE_OK);
            self.written.push((resource, payload));
        }
        let now = self.port.now();
        // SAFETY: as above.
        while unsafe { ace_rs_poll_transmit(self.handle, now, &mut to, &mut out) } == ACE_OK {
            self.port.send(to, out);
        }
    }
}

impl Drop for Rs {
    fn drop(&mut self) {
        // SAFETY: a live handle.
        assert_eq!(unsafe { ace_rs_deinit(self.handle) }, ACE_OK);
    }
}

/// An authorization server on two ports that knows one client and one resource server, as both are told.
struct World {
    client: ace_client_config,
    rs: ace_rs_config,
    _runtime: tokio::runtime::Runtime,
    _folder: tempfile::TempDir,
}

impl World {
    fn new(client: ClientProfile, rs: RsProfile, token_alg: i64) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (client, rs) = runtime.block_on(async {
            let socket = ace_net::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
            let secure = ace_net::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
            let (plain_at, secure_at) =
                (socket.local_addr().unwrap(), secure.local_addr().unwrap());
            let site = Site {
                issuer: "coap://as.example".into(),
                uri: format!("coap://{plain_at}/token"),
                coaps_uri: Some(format!("coaps://{secure_at}/token")),
            };
            let store = Store::create(folder.path().join("store.sqlite"))
                .await
                .unwrap();
            let registry = Registry::new(store.clone(), site.clone());
            let options = RsOptions {
                profiles: vec![rs],
                token_alg,
                ..RsOptions::default()
            };
            let rs = registry.add_rs("thermo", "thermo", &options).await.unwrap();
            let alice = registry
                .add_client("alice", &ClientOptions { profile: client })
                .await
                .unwrap();
            registry
                .grant("alice", "thermo", "GET /temp")
                .await
                .unwrap();
            registry
                .grant("alice", "thermo", "GET,PUT /led")
                .await
                .unwrap();
            let config = Config {
                site,
                token_lifetime: 600,
                limits: Limits::default(),
            };
            let server = Arc::new(AuthorizationServer::new(store, config).await.unwrap());
            let credentials = server.credentials().await.unwrap();
            let control = ace_net::dtls::SessionControl::woken_by(credentials.notify());
            tokio::spawn(ace_net::serve(
                socket,
                server.clone(),
                ace_net::Limits::default(),
                std::future::pending(),
            ));
            tokio::spawn(ace_net::dtls::serve_coaps(
                secure,
                server,
                credentials,
                ace_net::dtls::CoapsConfig::default(),
                control,
                std::future::pending(),
            ));
            let access = &alice.authorization_server;
            let mut client = ace_client_config {
                as_uri: text(&access.uri),
                ..zeroed()
            };
            client.as_address = address(if access.oscore.is_some() {
                plain_at
            } else {
                secure_at
            });
            if let Some(oscore) = &access.oscore {
                client.master_secret = kept(oscore.master_secret.as_bytes());
                client.master_salt = kept(oscore.master_salt.as_bytes());
                client.sender_id = kept(&oscore.sender_id.0);
                client.recipient_id = kept(&oscore.recipient_id.0);
            }
            match &access.dtls {
                None => {}
                Some(DtlsBundle::Psk { psk_identity, psk }) => {
                    client.as_security = ACE_SECURITY_PSK;
                    client.psk_identity = kept(&psk_identity.0);
                    client.psk = kept(psk.as_bytes());
                }
                Some(DtlsBundle::Rpk {
                    private_key,
                    peer_public_key,
                    ..
                }) => {
                    client.as_security = ACE_SECURITY_RPK;
                    client.private_key = kept(private_key.as_ref().unwrap().as_bytes());
                    client.as_public_key = kept(&peer_public_key.0);
                }
            }
            let key = &rs.token_keys[0];
            let config = ace_rs_config {
                issuer: text(&rs.issuer),
                as_uri: text(&access.uri),
                token_kid: kept(&key.kid.0),
                token_alg: key.alg as i32,
                token_key: match &key.key {
                    TokenKeyMaterial::Secret(k) => kept(k.as_bytes()),
                    TokenKeyMaterial::Public(key) => kept(&key.0),
                },
                private_key: match &rs.authorization_server.dtls {
                    Some(DtlsBundle::Rpk { private_key, .. }) => {
                        kept(private_key.as_ref().unwrap().as_bytes())
                    }
                    _ => NO_BYTES,
                },
                ..rs_config()
            };
            (client, config)
        });
        Self {
            client,
            rs,
            _runtime: runtime,
            _folder: folder,
        }
    }
}

/// GET, PUT and GET again, a refusal, and a reset of the client.
fn whole_exchange(world: &World) {
    let mut rs = Rs::new(&world.rs);
    assert_eq!(rs.set(0, b"22.5"), ACE_OK);
    assert_eq!(rs.set(1, b"0"), ACE_OK);
    assert_eq!(rs.set(2, b"0"), ACE_ERR_ARGUMENT);
    assert_eq!(rs.set(0, &[b'9'; 33]), ACE_ERR_TOO_LONG);
    let response = |code, payload: &[u8]| End {
        kind: ace_client_event_kind::ACE_CLIENT_RESPONSE,
        code,
        payload: payload.to_vec(),
    };
    let mut client = Client::new(&world.client, &[], 1);
    assert_eq!(client.ask(&mut rs, &get("/temp")), response(0x45, b"22.5"));
    assert_eq!(
        client.ask(&mut rs, &request(ACE_PUT, "/led", b"on")),
        response(0x44, b"")
    );
    assert_eq!(rs.written, [(1, b"on".to_vec())]);
    assert_eq!(client.ask(&mut rs, &get("/led")), response(0x45, b"on"));
    let refused = client.ask(&mut rs, &request(ACE_PUT, "/temp", b"99"));
    assert_ne!(
        refused.kind,
        ace_client_event_kind::ACE_CLIENT_RESPONSE,
        "{refused:?}"
    );
    assert_eq!(rs.written.len(), 1);

    let state = client.state.clone();
    drop(client);
    let mut client = Client::new(&world.client, &state, 2);
    assert_eq!(client.ask(&mut rs, &get("/temp")), response(0x45, b"22.5"));
}

#[test]
fn coap_oscore() {
    whole_exchange(&World::new(
        ClientProfile::CoapOscore,
        RsProfile::CoapOscore,
        10,
    ));
}
#[test]
fn coap_dtls_with_pre_shared_keys() {
    whole_exchange(&World::new(
        ClientProfile::CoapDtlsPsk,
        RsProfile::CoapDtlsPsk,
        10,
    ));
}

#[test]
fn coap_dtls_with_raw_public_keys_and_signed_tokens() {
    let profile = ClientProfile::CoapDtlsRpk(DeviceKey::default());
    whole_exchange(&World::new(profile, RsProfile::CoapDtlsRpk, -7));
}
