//! Keys that do not fit and bundles that are broken, in DTLS: what the person is told, and what the log says.

mod support;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use support::{Server, Site, fails, free_pair, ok, text};

const PSK: &[&str] = &["--profile", "coap_dtls-psk"];
const RPK: &[&str] = &["--profile", "coap_dtls-rpk"];

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).expect("read");
    serde_json::from_str(&text).expect("JSON")
}

/// A changed copy of a bundle.
fn changed(site: &Site, bundle: &Path, change: impl FnOnce(&mut Value)) -> PathBuf {
    let mut value = read(bundle);
    change(&mut value);
    let path = site.file("changed.json");
    std::fs::write(&path, value.to_string()).expect("written");
    let _ = std::fs::remove_file(site.file("changed.json.state"));
    path
}

/// A site with a device `thermo` and a client `alice`, who may `GET /temp`.
struct World {
    site: Site,
    server: Server,
    thermo: PathBuf,
    alice: PathBuf,
    listen: SocketAddr,
}

impl World {
    fn new(profile: &[&str]) -> Self {
        Self::with(profile, &[])
    }

    fn with(profile: &[&str], rs_add: &[&str]) -> Self {
        let site = Site::new();
        let thermo = site.add("rs", "thermo", &[profile, rs_add].concat());
        let alice = site.add("client", "alice", profile);
        site.ok(&["grant", "alice", "thermo", "GET /temp"]);
        Self {
            server: site.serve(),
            site,
            thermo,
            alice,
            listen: free_pair().0,
        }
    }

    fn device(&self, bundle: &Path) -> Server {
        let listen = self.listen.to_string();
        Server::start(&["rs", "serve", text(bundle), "--listen", &listen])
    }

    fn request(&self, code: i32, bundle: &Path) -> String {
        let uri = format!("coap://{}/temp", self.listen);
        let words = [
            "request",
            "GET",
            &uri,
            "--as",
            text(bundle),
            "--timeout",
            "20",
        ];
        fails(code, &words)
    }

    fn works(&self) {
        let uri = format!("coap://{}/temp", self.listen);
        let words = ["request", "GET", &uri, "--as", text(&self.alice)];
        assert_eq!(ok(&words), "22.5 C\n");
    }
}

fn says(sentence: &str, parts: &[&str]) {
    for part in parts {
        assert!(sentence.contains(part), "no {part:?} in: {sentence}");
    }
}

#[test]
fn rfc4279_2_a_wrong_key_and_an_unknown_identity_at_the_authorization_server() {
    let world = World::new(PSK);
    let _device = world.device(&world.thermo);
    let other = "00112233445566778899aabbccddeeff";
    let wrong = changed(&world.site, &world.alice, |bundle| {
        bundle["as"]["dtls"]["psk"] = other.into();
    });
    let identity = read(&world.alice)["as"]["dtls"]["psk_identity"].clone();
    let identity = identity.as_str().expect("text");
    let sentence = world.request(1, &wrong);
    says(
        &sentence,
        &[
            "the authorization server at 127.0.0.1",
            "has another key than the bundle of alice says",
            "`ace client show alice`",
        ],
    );
    let why = [
        "handshake failed",
        "peer=127.0.0.1:",
        "peer has another key",
    ];
    let lines = world.server.lines_with(&why);
    says(&lines[0], &[identity]);
    assert!(!lines[0].contains(other), "{lines:?}");

    let unknown = changed(&world.site, &world.alice, |bundle| {
        bundle["as"]["dtls"]["psk_identity"] = "6e6f626f6479".into();
    });
    let sentence = world.request(1, &unknown);
    says(
        &sentence,
        &["does not know the key of alice", "`ace client add`"],
    );
    let why = [
        "handshake failed",
        "peer=127.0.0.1:",
        "unknown PSK identity",
    ];
    let lines = world.server.lines_with(&why);
    says(&lines[0], &["6e6f626f6479"]);
    world.works();
}

#[test]
fn rfc7250_wrong_keys_at_the_authorization_server() {
    let world = World::new(RPK);
    let _device = world.device(&world.thermo);
    let elsewhere = Site::new();
    let eve = read(&elsewhere.add("client", "eve", RPK))["as"]["dtls"].clone();
    // The client's is another.
    let stranger = changed(&world.site, &world.alice, |bundle| {
        for field in ["private_key", "public_key"] {
            bundle["as"]["dtls"][field] = eve[field].clone();
        }
    });
    let sentence = world.request(1, &stranger);
    says(
        &sentence,
        &["does not know the key of alice", "`ace client add`"],
    );
    let why = [
        "handshake failed",
        "peer=127.0.0.1:",
        "key is not accepted",
        "key ",
    ];
    world.server.lines_with(&why);
    // The server's is another.
    let misled = changed(&world.site, &world.alice, |bundle| {
        bundle["as"]["dtls"]["peer_public_key"] = eve["peer_public_key"].clone();
    });
    let sentence = world.request(1, &misled);
    says(
        &sentence,
        &[
            "has another key than the bundle of alice says",
            "the right one",
        ],
    );
    world.server.lines_with(&["handshake failed", "peer sent"]);
    world.works();
}

#[test]
fn rfc9202_3_2_1_a_device_with_another_key_than_the_authorization_server_says() {
    let world = World::new(RPK);
    let elsewhere = Site::new();
    let eve = read(&elsewhere.add("rs", "thermo", RPK))["as"]["dtls"].clone();
    let impostor = changed(&world.site, &world.thermo, |bundle| {
        for field in ["private_key", "public_key"] {
            bundle["as"]["dtls"][field] = eve[field].clone();
        }
    });
    let device = world.device(&impostor);
    let sentence = world.request(1, &world.alice);
    says(
        &sentence,
        &[
            "the resource server at 127.0.0.1",
            "has another key than the authorization server says",
            "`ace rs show`",
        ],
    );
    device.lines_with(&["handshake failed", "peer=127.0.0.1:"]);
    drop(device);
    let _device = world.device(&world.thermo);
    world.works();
}

#[test]
fn rfc9202_3_3_1_a_device_that_derives_other_keys() {
    let world = World::with(PSK, &["--derive-keys"]);
    let impostor = changed(&world.site, &world.thermo, |bundle| {
        bundle["key_derivation_key"] = "00".repeat(32).into();
    });
    let device = world.device(&impostor);
    let sentence = world.request(1, &world.alice);
    says(
        &sentence,
        &[
            "has another key than the authorization server says",
            "`ace rs show`",
        ],
    );
    device.lines_with(&[
        "handshake failed",
        "peer=127.0.0.1:",
        "peer has another key",
    ]);
    drop(device);
    let _device = world.device(&world.thermo);
    world.works();
}

#[test]
fn a_client_bundle_that_is_broken_says_where() {
    let site = Site::new();
    let psk = site.add("client", "paula", PSK);
    let rpk = site.add("client", "rita", RPK);
    let other = site.add("client", "otto", RPK);
    let ed25519 = site.add("client", "edda", &[RPK, &["--curve", "Ed25519"]].concat());
    let uri = format!("coap://{}/temp", free_pair().0);
    let long = "61".repeat(513);
    let long_key = "00".repeat(65);
    type Change<'c> = (&'c Path, &'c str, Value, &'c [&'c str]);
    let other_public = read(&other)["as"]["dtls"]["public_key"].clone();
    let ed25519_public = read(&ed25519)["as"]["dtls"]["public_key"].clone();
    let changes: &[Change<'_>] = &[
        (&psk, "psk", json!("zz"), &["hexadecimal"]),
        (&psk, "psk", json!("012"), &["hexadecimal"]),
        (&psk, "psk", json!(""), &["psk must have 1 to 64 bytes"]),
        (
            &psk,
            "psk",
            json!(long_key),
            &["psk must have 1 to 64 bytes"],
        ),
        (&psk, "psk", Value::Null, &["`psk_identity` and `psk`"]),
        (
            &psk,
            "psk_identity",
            json!(""),
            &["psk_identity must have 1 to 512 bytes"],
        ),
        (
            &psk,
            "psk_identity",
            json!(long),
            &["psk_identity must have 1 to 512 bytes"],
        ),
        (
            &psk,
            "private_key",
            json!("00"),
            &["`psk_identity` and `psk`"],
        ),
        (&psk, "pskk", json!("00"), &["unknown field `pskk`"]),
        (
            &rpk,
            "private_key",
            json!("00"),
            &["private_key is not 32 bytes"],
        ),
        (
            &rpk,
            "private_key",
            json!("00".repeat(32)),
            &["private_key is not 32 bytes"],
        ),
        (
            &rpk,
            "private_key",
            json!("11".repeat(32)),
            &["do not belong together"],
        ),
        (
            &rpk,
            "private_key",
            Value::Null,
            &["has no private_key", "add \"private_key\""],
        ),
        (
            &rpk,
            "public_key",
            other_public,
            &["do not belong together"],
        ),
        (
            &rpk,
            "public_key",
            ed25519_public,
            &["do not belong together"],
        ),
        (
            &rpk,
            "public_key",
            json!("3059"),
            &["public_key is not", "P-256 or Ed25519"],
        ),
        (
            &rpk,
            "peer_public_key",
            json!("30"),
            &["peer_public_key is not", "P-256 or Ed25519"],
        ),
        (&rpk, "peer_public_key", Value::Null, &["`peer_public_key`"]),
    ];
    for (bundle, field, value, parts) in changes {
        let secret = value.as_str().unwrap_or("-").to_owned();
        let broken = changed(&site, bundle, |bundle| {
            bundle["as"]["dtls"][field] = value.clone();
            if value.is_null() {
                let fields = bundle["as"]["dtls"].as_object_mut().expect("an object");
                fields.remove(*field);
            }
        });
        let sentence = fails(2, &["request", "GET", &uri, "--as", text(&broken)]);
        says(&sentence, parts);
        says(&sentence, &["bundle"]);
        assert!(
            secret.len() < 8 || !sentence.contains(&secret),
            "{sentence}"
        );
    }
    for uri_of_as in ["coap://127.0.0.1:9/token", "http://x/token"] {
        let broken = changed(&site, &psk, |bundle| bundle["as"]["uri"] = uri_of_as.into());
        let sentence = fails(2, &["request", "GET", &uri, "--as", text(&broken)]);
        says(&sentence, &["changed.json: the uri of `as`", "coap"]);
    }
    let none = changed(&site, &psk, |bundle| {
        bundle["as"]
            .as_object_mut()
            .expect("an object")
            .remove("dtls");
    });
    let sentence = fails(2, &["request", "GET", &uri, "--as", text(&none)]);
    says(
        &sentence,
        &["missing field `oscore` or `dtls`", "ace client add"],
    );
}

#[test]
fn a_device_bundle_that_is_broken_says_where() {
    let site = Site::new();
    let signed = site.add("rs", "signed", &[RPK, &["--token-alg", "-7"]].concat());
    let shared = site.add("rs", "shared", PSK);
    let other = site.add("rs", "other", &[RPK, &["--token-alg", "-8"]].concat());
    let listen = free_pair().0.to_string();
    let eddsa = read(&other)["token_keys"][0]["public_key"].clone();
    let key = |field: &'static str, value: Value| {
        move |bundle: &mut Value| bundle["token_keys"][0][field] = value
    };
    type Change = Box<dyn FnOnce(&mut Value)>;
    let cases: Vec<(&Path, Change, &[&str])> = vec![
        (
            &signed,
            Box::new(key("public_key", eddsa)),
            &["token_keys: alg -7", "public_key"],
        ),
        (
            &signed,
            Box::new(key("public_key", json!("3059"))),
            &["token_keys: alg -7", "public_key"],
        ),
        (
            &signed,
            Box::new(key("k", json!("00"))),
            &["either `k` or `public_key`"],
        ),
        (
            &signed,
            Box::new(key("alg", json!(10))),
            &["token_keys: alg 10", "takes a key `k`"],
        ),
        (
            &signed,
            Box::new(key("alg", json!(99))),
            &["token_keys: alg 99", "is not an algorithm"],
        ),
        (
            &shared,
            Box::new(key("alg", json!(-7))),
            &["token_keys: alg -7", "takes a `public_key`"],
        ),
        (
            &shared,
            Box::new(|bundle| bundle["profiles"] = json!(["coap_tls"])),
            &["unknown variant `coap_tls`", "coap_dtls-psk"],
        ),
        (
            &shared,
            Box::new(|bundle| bundle["profiles"] = json!(["coap_dtls-rpk"])),
            &["coap_dtls-rpk needs public_key and private_key"],
        ),
        (
            &signed,
            Box::new(|bundle| bundle["as"]["dtls"]["private_key"] = json!("11".repeat(32))),
            &["do not belong together", "ace rs add"],
        ),
        (
            &shared,
            Box::new(|bundle| bundle["key_derivation_key"] = json!("0")),
            &["hexadecimal"],
        ),
    ];
    for (bundle, change, parts) in cases {
        let broken = changed(&site, bundle, change);
        let sentence = fails(2, &["rs", "serve", text(&broken), "--listen", &listen]);
        says(&sentence, parts);
        says(&sentence, &["bundle"]);
    }
}

#[test]
fn registrations_that_do_not_go_together_say_why() {
    let site = Site::new();
    let private = site.file("private.pem");
    std::fs::write(&private, "-----BEGIN PRIVATE KEY-----\nMC4=\n").expect("written");
    let rubbish = site.file("rubbish");
    std::fs::write(&rubbish, [0xff; 91]).expect("written");
    let cases: &[(&[&str], &[&str])] = &[
        (
            &["client", "add", "a", "--curve", "P-256"],
            &[
                "--curve and --public-key are for raw public keys",
                "coap_dtls-rpk",
            ],
        ),
        (
            &[
                "rs",
                "add",
                "a",
                "--profile",
                "coap_dtls-psk",
                "--curve",
                "P-256",
            ],
            &["--curve and --public-key are for raw public keys"],
        ),
        (
            &["client", "add", "a", "--profile", "coap_tls"],
            &[
                "coap_oscore, coap_dtls-psk, coap_dtls-rpk",
                "`ace client add --help`",
            ],
        ),
        (
            &[
                "client",
                "add",
                "a",
                "--profile",
                "coap_dtls-rpk",
                "--curve",
                "X25519",
            ],
            &["P-256, Ed25519"],
        ),
        (
            &[
                "client",
                "add",
                "a",
                "--profile",
                "coap_dtls-rpk",
                "--public-key",
                text(&private),
            ],
            &[
                "holds a private key, which stays with the device",
                "-pubout",
            ],
        ),
        (
            &[
                "client",
                "add",
                "a",
                "--profile",
                "coap_dtls-rpk",
                "--public-key",
                text(&rubbish),
            ],
            &["is no public key on P-256 or Ed25519"],
        ),
        (
            &[
                "client",
                "add",
                "a",
                "--profile",
                "coap_dtls-rpk",
                "--public-key",
                "/missing",
            ],
            &["cannot read /missing", "check the path"],
        ),
        (
            &["rs", "add", "a", "--token-alg", "-7"],
            &["coap_oscore", "-7"],
        ),
        (
            &[
                "rs",
                "add",
                "a",
                "--profile",
                "coap_dtls-psk",
                "--token-alg",
                "-8",
            ],
            &["coap_dtls-psk", "derive its keys"],
        ),
        (
            &[
                "rs",
                "add",
                "a",
                "--profile",
                "coap_dtls-rpk",
                "--derive-keys",
            ],
            &["only coap_dtls-psk derives keys"],
        ),
        (
            &["rs", "add", "a", "--token-alg", "-9"],
            &["algorithm -9 cannot protect tokens"],
        ),
    ];
    for (words, parts) in cases {
        says(&site.fails(2, words), parts);
    }
    assert_eq!(site.ok(&["client", "list"]), "NAME  GRANTS  PROFILES\n");

    // A site without DTLS.
    site.edit("ace.toml", "\nlisten_coaps = ", "\n# ");
    site.edit("ace.toml", "\nuri_coaps = ", "\n# ");
    let sentence = site.fails(2, &["client", "add", "a", "--profile", "coap_dtls-psk"]);
    says(
        &sentence,
        &[
            "does not serve DTLS",
            "`listen_coaps` and `uri_coaps` in ace.toml",
        ],
    );
    let sentence = site.fails(2, &["serve", "--listen-coaps", "127.0.0.1:0"]);
    says(&sentence, &["--listen-coaps needs uri_coaps in ace.toml"]);
}

#[test]
fn ports_of_dtls_that_are_taken_say_so() {
    let site = Site::new();
    let taken = std::net::UdpSocket::bind(site.listen_coaps).expect("free");
    let sentence = site.fails(2, &["serve"]);
    says(
        &sentence,
        &["is in use", "--listen-coaps or `listen_coaps` in ace.toml"],
    );
    drop(taken);
    let thermo = site.add("rs", "thermo", PSK);
    let (coap, coaps) = free_pair();
    let _taken = std::net::UdpSocket::bind(coaps).expect("free");
    let listen = coap.to_string();
    let sentence = fails(2, &["rs", "serve", text(&thermo), "--listen", &listen]);
    says(&sentence, &["is in use", "with --listen-coaps"]);
}
