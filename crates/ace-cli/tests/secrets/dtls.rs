//! A session over DTLS: pre-shared keys, derived keys and raw public keys.

use std::{fs, path::Path};

use ace_as::{ClientBundle, DtlsBundle, RsBundle, TokenKeyMaterial};
use ace_crypto::{Aead, VerifyingKey};
use ace_token::{TokenKey, TrustedKey, derive_psk};
use ace_wire::ace::Confirmation;

use crate::{Session, Talk, support, text};

/// Returns the session with the keys it made, by name.
pub fn play(talk: Talk) -> (Session, Vec<(String, Vec<u8>)>) {
    let mut s = Session::new(talk);
    let site = s.file("site");
    let site = text(&site);
    let listen = support::free_pair().0.to_string();
    s.run(&["init", site, "--listen", &listen], None);
    let bundle = |s: &Session, name: &str| s.file(&format!("{name}.json"));
    let [psk, rpk] = [
        ["--profile", "coap_dtls-psk"],
        ["--profile", "coap_dtls-rpk"],
    ];
    let derive = ["--derive-keys", "--token-alg", "-8"];
    let devices: [(&str, &[&str]); 3] = [
        ("door", &["--profile", "coap_dtls"]),
        ("gate", &[&psk[..], &derive].concat()),
        ("lock", &[&rpk[..], &["--token-alg", "-7"]].concat()),
    ];
    let clients: [(&str, &[&str]); 3] = [
        ("paula", &psk),
        ("rita", &rpk),
        ("edda", &[&rpk[..], &["--curve", "Ed25519"]].concat()),
    ];
    let mut add = |kind: &str, name: &str, more: &[&str]| {
        let path = bundle(&s, name);
        let words = [&[kind, "add", name], more, &["--site", site]].concat();
        s.run(&words, Some(&path));
        path
    };
    let [door, gate, lock] = devices.map(|(name, more)| add("rs", name, more));
    let [paula, rita, edda] = clients.map(|(name, more)| add("client", name, more));
    let may = [
        ("paula", "door"),
        ("paula", "gate"),
        ("rita", "door"),
        ("edda", "door"),
        ("rita", "lock"),
    ];
    for (client, device) in may {
        s.run(
            &["grant", client, device, "GET /temp", "--site", site],
            None,
        );
    }

    let server = s.serve(&["serve", "--site", site], "as.log");
    let at = [(); 3].map(|()| support::free_pair().0.to_string());
    let [at_door, at_gate, at_lock] = &at;
    let running = [
        (&door, at_door, "door.log"),
        (&gate, at_gate, "gate.log"),
        (&lock, at_lock, "lock.log"),
    ]
    .map(|(bundle, at, log)| s.serve(&["rs", "serve", text(bundle), "--listen", at], log));
    let mut tokens: Vec<(&Path, Vec<u8>)> = Vec::new();
    let temp = |at: &str| format!("coap://{at}/temp");
    for (client, at, device) in [
        (&paula, at_door, &door),
        (&paula, at_gate, &gate),
        (&rita, at_door, &door),
        (&edda, at_door, &door),
        (&rita, at_lock, &lock),
    ] {
        let got = s.ask(&["request", "GET", &temp(at)], client);
        assert!(!got.is_empty(), "{client:?} got no token");
        tokens.extend(got.into_iter().map(|token| (device.as_path(), token)));
        s.ask(&["request", "GET", &temp(at), "--json"], client);
    }
    // Another token, inside of a handshake.
    fs::remove_file(s.file("paula.json.state")).expect("removed");
    let words = ["request", "GET", &temp(at_door), "--token-in-handshake"];
    let got = s.ask(&words, &paula);
    tokens.extend(got.into_iter().map(|token| (door.as_path(), token)));
    // More rights.
    let led = format!("coap://{at_door}/led");
    for client in [(&paula, "paula"), (&rita, "rita")] {
        s.ask(&["request", "PUT", &led, "1"], client.0);
        s.run(
            &["grant", client.1, "door", "PUT /led", "--site", site],
            None,
        );
        s.ask(&["request", "PUT", &led, "1"], client.0);
    }
    // Keys that do not fit.
    let other = fs::read_to_string(&paula).expect("read");
    let stranger = s.file("stranger.json");
    let (before, after) = other.split_once("\"psk\": \"").expect("a key");
    let slip = format!("{before}\"psk\": \"{}{}", "0123", &after[4..]);
    fs::write(&stranger, slip).expect("written");
    s.ask(
        &["request", "GET", &temp(at_door), "--timeout", "2"],
        &stranger,
    );
    s.run(&["client", "remove", "edda", "--site", site], None);
    fs::remove_file(s.file("edda.json.state")).expect("removed");
    s.ask(&["request", "GET", &temp(at_door), "--timeout", "2"], &edda);
    for (device, token) in &tokens {
        s.inspect(token, device);
    }
    drop((server, running));
    for log in ["as.log", "door.log", "gate.log", "lock.log"] {
        s.keep(log);
    }

    let read = |path: &Path| fs::read_to_string(path).expect("read");
    let mut secrets = Vec::new();
    let mut add = |name: &str, secret: &[u8]| secrets.push((name.to_owned(), secret.to_vec()));
    let parties = [&paula, &rita, &edda].map(|path| {
        let bundle = ClientBundle::parse(&read(path)).expect("a bundle");
        (bundle.name, bundle.authorization_server)
    });
    let devices = [&door, &gate, &lock].map(|path| {
        let bundle = RsBundle::parse(&read(path)).expect("a bundle");
        (path, bundle)
    });
    let of_devices = devices
        .iter()
        .map(|(_, device)| (&device.name, &device.authorization_server));
    let of_clients = parties.iter().map(|(name, access)| (name, access));
    for (name, access) in of_clients.chain(of_devices) {
        match access.dtls.as_ref().expect("DTLS") {
            DtlsBundle::Psk { psk, .. } => add(&format!("psk of {name}"), psk.as_bytes()),
            DtlsBundle::Rpk { private_key, .. } => {
                let key = private_key.as_ref().expect("a private key");
                add(&format!("private key of {name}"), key.as_bytes());
            }
        }
    }
    let (mut carried, mut derived) = (0, 0);
    for (_, device) in &devices {
        if let Some(k) = device.token_keys[0].secret() {
            add(&format!("token key of {}", device.name), k.as_bytes());
        }
        if let Some(key) = &device.key_derivation_key {
            add("key derivation key", key.as_bytes());
        }
    }
    for (path, token) in &tokens {
        let (_, device) = devices
            .iter()
            .find(|(at, _)| at.as_path() == *path)
            .expect("known");
        let key = &device.token_keys[0];
        let trusted = [TrustedKey {
            kid: Some(&key.kid.0),
            issuer: &device.issuer,
            key: match &key.key {
                TokenKeyMaterial::Secret(k) => TokenKey::Aead(Aead::AesCcm16_64_128, k.as_bytes()),
                TokenKeyMaterial::Public(key) => {
                    TokenKey::Verify(VerifyingKey::from_spki(&key.0).expect("a key"))
                }
            },
        }];
        let mut plain = [0; 1024];
        let opened = ace_token::open(token, &trusted, &mut plain).expect("opens");
        if let Some(Confirmation::CoseKey(key)) = opened.claims.cnf
            && let Some(k) = key.k
        {
            carried += 1;
            add("proof-of-possession key", k);
        }
        if let Some(key) = &device.key_derivation_key {
            derived += 1;
            let key = derive_psk(key.as_bytes(), token).expect("derived");
            add("derived key", key.as_bytes());
        }
    }
    assert!(
        carried >= 2 && derived >= 1,
        "{carried} carried, {derived} derived"
    );
    (s, secrets)
}
