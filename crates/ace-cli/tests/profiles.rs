//! Every profile through the program, on real sockets: registration, servers, requests.

mod support;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;
use support::{Server, Site, fails, free_pair, ok, run, text};

/// A site and its sample device, both running.
struct World {
    site: Site,
    coap: SocketAddr,
    coaps: SocketAddr,
    server: Server,
    device: Server,
    thermo: PathBuf,
}

impl World {
    fn new(rs_add: &[&str]) -> Self {
        let site = Site::new();
        let thermo = site.add("rs", "thermo", rs_add);
        let (coap, coaps) = free_pair();
        let listen = coap.to_string();
        let device = Server::start(&["rs", "serve", text(&thermo), "--listen", &listen, "-v"]);
        Self {
            server: Server::start(&["serve", "--site", site.path(), "-v"]),
            site,
            coap,
            coaps,
            device,
            thermo,
        }
    }

    /// A client that may `GET /temp`.
    fn client(&self, name: &str, profile: &[&str]) -> PathBuf {
        let bundle = self.site.add("client", name, profile);
        self.grant(name, "GET /temp");
        bundle
    }

    fn grant(&self, name: &str, scope: &str) {
        self.site.ok(&["grant", name, "thermo", scope]);
    }

    fn uri(&self, path: &str) -> String {
        format!("coap://{}{path}", self.coap)
    }
}

fn get(uri: &str, bundle: &Path, more: &[&str]) -> String {
    ok(&[&["request", "GET", uri, "--as", text(bundle)], more].concat())
}

fn json(bundle: &Path) -> Value {
    let bundle = std::fs::read_to_string(bundle).expect("read");
    serde_json::from_str(&bundle).expect("JSON")
}

const PSK: &[&str] = &["--profile", "coap_dtls-psk"];
const RPK: &[&str] = &["--profile", "coap_dtls-rpk"];

/// What works in every profile of DTLS.
fn the_session_of_the_readme(rs_add: &[&str], profile: &[&str], more: &[&str]) {
    let world = World::new(rs_add);
    let alice = world.client("alice", profile);
    let (temp, led) = (world.uri("/temp"), world.uri("/led"));
    let access = &json(&alice)["as"];
    assert!(access["oscore"].is_null(), "no OSCORE: {access}");
    let uri = access["uri"].as_str().expect("text");
    assert_eq!(uri, format!("coaps://{}/token", world.site.listen_coaps));

    assert_eq!(get(&temp, &alice, more), "22.5 C\n");
    // Another run: the token is there, and a new session.
    assert_eq!(get(&temp, &alice, more), "22.5 C\n");
    let over_dtls = format!("coaps://{}/temp", world.coaps);
    assert_eq!(get(&over_dtls, &alice, more), "22.5 C\n");
    let shown = get(&temp, &alice, &[more, &["--json"]].concat());
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    assert_eq!(shown["protected"], true);

    let put = ["request", "PUT", &led, "1", "--as", text(&alice)];
    let put = [&put, more].concat();
    let sentence = fails(1, &put);
    assert!(sentence.contains("PUT /led refused"), "{sentence}");
    assert!(sentence.contains("4.03 Forbidden"), "{sentence}");
    world.grant("alice", "PUT /led");
    // The right is asked for and the token replaced within the session.
    assert_eq!(ok(&put), "2.04 Changed\n");
    world.device.lines_with(&["token replaced, the key kept"]);
    assert_eq!(get(&temp, &alice, more), "22.5 C\n");
}

#[test]
fn rfc9202_3_3_pre_shared_keys() {
    the_session_of_the_readme(PSK, PSK, &[]);
}

#[test]
fn rfc9202_3_3_2_a_whole_token_in_the_handshake() {
    the_session_of_the_readme(PSK, PSK, &["--token-in-handshake"]);
}

#[test]
fn rfc9202_3_3_1_derived_keys() {
    the_session_of_the_readme(&[PSK, &["--derive-keys"]].concat(), PSK, &[]);
}

#[test]
fn rfc9202_3_3_1_derived_keys_and_signed_tokens() {
    for algorithm in ["-7", "-8"] {
        let derived = [PSK, &["--derive-keys", "--token-alg", algorithm]].concat();
        the_session_of_the_readme(&derived, PSK, &[]);
    }
}

#[test]
fn rfc9202_3_2_raw_public_keys_on_p256() {
    the_session_of_the_readme(RPK, RPK, &[]);
}

#[test]
fn rfc9202_3_2_raw_public_keys_on_ed25519() {
    let ed25519 = [RPK, &["--curve", "Ed25519"]].concat();
    the_session_of_the_readme(&ed25519, &ed25519, &[]);
    // Of different curves.
    the_session_of_the_readme(RPK, &ed25519, &[]);
}

#[test]
fn rfc9202_3_2_signed_tokens() {
    for algorithm in ["-7", "-8"] {
        let signed = [RPK, &["--token-alg", algorithm]].concat();
        the_session_of_the_readme(&signed, RPK, &[]);
    }
}

#[test]
fn a_device_with_all_profiles_and_a_client_of_each() {
    let world = World::new(&["--profile", "coap_oscore", "--profile", "coap_dtls"]);
    let bundle = json(&world.thermo);
    let profiles = serde_json::json!(["coap_oscore", "coap_dtls-psk", "coap_dtls-rpk"]);
    assert_eq!(bundle["profiles"], profiles);
    let temp = world.uri("/temp");
    let clients = [
        world.client("oscar", &[]),
        world.client("paula", PSK),
        world.client("rita", RPK),
    ];
    for _ in 0..2 {
        for client in &clients {
            assert_eq!(get(&temp, client, &[]), "22.5 C\n", "{client:?}");
        }
    }
    // A URI over DTLS is nothing for OSCORE.
    let over_dtls = format!("coaps://{}/temp", world.coaps);
    let sentence = fails(
        2,
        &["request", "GET", &over_dtls, "--as", text(&clients[0])],
    );
    assert!(
        sentence.contains("the bundle of oscar is for OSCORE"),
        "{sentence}"
    );
    assert!(sentence.contains("write coap://"), "{sentence}");
    let list = world.site.ok(&["rs", "list"]);
    assert!(
        list.contains("coap_oscore, coap_dtls-psk, coap_dtls-rpk"),
        "{list}"
    );
}

#[test]
fn a_device_with_coap_and_dtls_on_one_port() {
    let site = Site::new();
    let thermo = site.add("rs", "thermo", PSK);
    let bob = site.add("client", "bob", PSK);
    site.ok(&["grant", "bob", "thermo", "GET /temp"]);
    let (listen, _) = free_pair();
    let listen = listen.to_string();
    let _server = site.serve();
    let rs = ["rs", "serve", text(&thermo), "--listen", &listen];
    let _device = Server::start(&[&rs[..], &["--listen-coaps", &listen]].concat());
    for scheme in ["coap", "coaps"] {
        let uri = format!("{scheme}://{listen}/temp");
        assert_eq!(get(&uri, &bob, &["--one-port"]), "22.5 C\n");
    }
}

#[test]
fn a_public_key_of_the_device_itself() {
    // The key pair of another bundle stands for one that a device has made.
    let world = World::new(RPK);
    let donor = Site::new();
    let made = json(&donor.add("client", "made", RPK));
    let dtls = &made["as"]["dtls"];
    let public = donor.file("public.hex");
    std::fs::write(&public, dtls["public_key"].as_str().expect("text")).expect("written");
    let alice = world.client("alice", &[RPK, &["--public-key", text(&public)]].concat());
    let mut bundle = json(&alice);
    assert!(bundle["as"]["dtls"]["private_key"].is_null());
    assert_eq!(bundle["as"]["dtls"]["public_key"], dtls["public_key"]);
    let temp = world.uri("/temp");
    let sentence = fails(2, &["request", "GET", &temp, "--as", text(&alice)]);
    assert!(sentence.contains("has no private_key"), "{sentence}");
    bundle["as"]["dtls"]["private_key"] = dtls["private_key"].clone();
    std::fs::write(&alice, bundle.to_string()).expect("written");
    assert_eq!(get(&temp, &alice, &[]), "22.5 C\n");
    // One key, one device.
    let again = [
        "client",
        "add",
        "eve",
        "--profile",
        "coap_dtls-rpk",
        "--public-key",
    ];
    let sentence = world
        .site
        .fails(2, &[&again[..], &[text(&public)]].concat());
    assert!(sentence.contains("is registered already"), "{sentence}");
}

#[test]
fn a_removed_client_is_refused_by_the_authorization_server() {
    for profile in [PSK, RPK] {
        let world = World::new(profile);
        let temp = world.uri("/temp");
        let bob = world.client("bob", profile);
        assert_eq!(get(&temp, &bob, &[]), "22.5 C\n");
        world.site.ok(&["client", "remove", "bob"]);
        // The token lives on until it expires; the device decides offline.
        assert_eq!(get(&temp, &bob, &[]), "22.5 C\n");
        // At once by the answer to its request, later by the handshake.
        for pause in [Duration::ZERO, Duration::from_millis(2200)] {
            std::thread::sleep(pause);
            std::fs::remove_file(format!("{}.state", text(&bob))).expect("forgotten");
            let sentence = fails(1, &["request", "GET", &temp, "--as", text(&bob)]);
            assert!(
                sentence.contains("does not know the key of bob"),
                "{sentence}"
            );
            assert!(sentence.contains("`ace client add`"), "{sentence}");
        }
        world
            .server
            .lines_with(&["handshake failed", "peer=127.0.0.1:"]);
    }
}

#[test]
fn what_a_token_is_protected_by_shows_in_inspect() {
    let world = World::new(&[RPK, &["--token-alg", "-7"]].concat());
    let alice = world.client("alice", RPK);
    let output = run(&[
        "request",
        "GET",
        &world.uri("/temp"),
        "--as",
        text(&alice),
        "-v",
    ]);
    let told = String::from_utf8(output.stderr).expect("text");
    let token = told
        .lines()
        .find_map(|line| line.split_once("ace token inspect "));
    let (_, token) = token.unwrap_or_else(|| panic!("no token in {told}"));
    let open = ok(&["token", "inspect", token]);
    assert!(open.starts_with("COSE_Sign1, "), "{open}");
    assert!(open.contains("ES256 (-7)"), "{open}");
    assert!(open.contains("NOT verified"), "{open}");
    assert!(open.contains("COSE_Key"), "{open}");
    let checked = ok(&["token", "inspect", token, "--key", text(&world.thermo)]);
    assert!(
        checked.contains("opened with the key, and valid now"),
        "{checked}"
    );
    // Of another authorization server.
    let other = Site::new();
    let stranger = other.add("rs", "thermo", &[RPK, &["--token-alg", "-7"]].concat());
    let sentence = fails(1, &["token", "inspect", token, "--key", text(&stranger)]);
    assert!(
        sentence.contains("the bundle does not open this token"),
        "{sentence}"
    );
}
