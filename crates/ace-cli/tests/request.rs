//! `ace request`: what it prints, how it fails, and what it keeps.

mod support;

use std::{fs, path::PathBuf, time::Duration};

use serde_json::Value;
use support::{Server, Site, fails, free_address, ok, run, text};

/// A site whose AS and sample device run, and a client.
struct World {
    site: Site,
    alice: PathBuf,
    rs: String,
    _as: Server,
    _rs: Server,
}

impl World {
    fn new(grants: &[&str]) -> Self {
        Self::with(&[], &[], grants)
    }

    fn with(rs_add: &[&str], rs_serve: &[&str], grants: &[&str]) -> Self {
        let site = Site::new();
        let thermo = site.add("rs", "thermo", rs_add);
        let alice = site.add("client", "alice", &[]);
        for grant in grants {
            site.ok(&["grant", "alice", "thermo", grant]);
        }
        let rs = free_address().to_string();
        let serve = ["rs", "serve", text(&thermo), "--listen", &rs];
        let (_as, _rs) = (site.serve(), Server::start(&[&serve, rs_serve].concat()));
        Self {
            site,
            alice,
            rs,
            _as,
            _rs,
        }
    }

    fn uri(&self, path: &str) -> String {
        format!("coap://{}{path}", self.rs)
    }

    fn request(&self, method: &str, path: &str, more: &[&str]) -> Vec<String> {
        let uri = self.uri(path);
        let words = [
            &["request", method, &uri],
            more,
            &["--as", text(&self.alice)],
        ]
        .concat();
        words.into_iter().map(String::from).collect()
    }

    fn ok(&self, method: &str, path: &str, more: &[&str]) -> String {
        let words = self.request(method, path, more);
        ok(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn fails(&self, method: &str, path: &str, more: &[&str]) -> String {
        let words = self.request(method, path, more);
        fails(1, &words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// With `-v`: what is said on standard error.
    fn told(&self, method: &str, path: &str) -> String {
        let words = self.request(method, path, &["-v"]);
        let output = run(&words.iter().map(String::as_str).collect::<Vec<_>>());
        String::from_utf8(output.stderr).expect("text")
    }
}

#[test]
fn what_comes_back_is_printed_and_what_is_refused_is_explained() {
    let world = World::new(&["GET /temp", "GET,PUT /led"]);
    assert_eq!(world.ok("GET", "/temp", &[]), "22.5 C\n");
    assert_eq!(world.ok("get", "/led", &[]), "0\n");
    assert_eq!(world.ok("PUT", "/led", &["1"]), "2.04 Changed\n");
    assert_eq!(world.ok("GET", "/led", &[]), "1\n");
    // The name of this machine, whichever address it stands for first.
    let port = world.rs.rsplit(':').next().expect("a port");
    let by_name = format!("coap://localhost:{port}/temp");
    assert_eq!(
        ok(&["request", "GET", &by_name, "--as", text(&world.alice)]),
        "22.5 C\n"
    );
    assert!(
        world
            .ok("GET", "/.well-known/core", &[])
            .contains("</temp>;rt=\"temperature\"")
    );

    let sentence = world.fails("PUT", "/led", &["2"]);
    assert_eq!(
        sentence,
        "ace: PUT /led: the resource server answers 4.00 Bad Request: \"send 0 or 1\""
    );
    let sentence = world.fails("GET", "/nothing", &[]);
    assert_eq!(
        sentence,
        "ace: GET /nothing: the resource server answers 4.04 Not Found"
    );
    let sentence = world.fails("DELETE", "/led", &[]);
    assert!(sentence.contains("DELETE /led"), "{sentence}");

    // Somebody without any grant.
    let bob = world.site.add("client", "bob", &[]);
    let sentence = fails(
        1,
        &["request", "GET", &world.uri("/temp"), "--as", text(&bob)],
    );
    assert!(
        sentence.contains("refused by the authorization server: invalid_request"),
        "{sentence}"
    );
    assert!(
        sentence.contains("`ace grant bob thermo 'GET /temp' --site DIR`"),
        "{sentence}"
    );
}

#[test]
fn json_says_how_it_ended() {
    let world = World::new(&["GET /temp"]);
    let json = |text: &[u8]| -> Value { serde_json::from_slice(text).expect("JSON") };
    let expected = serde_json::json!({
        "ok": true, "code": "2.05", "content_format": 0, "payload": "22.5 C", "payload_hex": "32322e352043",
        "protected": true,
    });
    assert_eq!(
        json(world.ok("GET", "/temp", &["--json"]).as_bytes()),
        expected
    );
    let refused = world.request("PUT", "/led", &["1", "--json"]);
    let refused = run(&refused.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(refused.status.code(), Some(1));
    let expected = serde_json::json!({"ok": false, "refused_by": "as", "code": "4.03", "error": "not granted"});
    assert_eq!(json(&refused.stdout), expected);
    assert!(String::from_utf8_lossy(&refused.stderr).starts_with("ace: PUT /led refused"));
}

#[test]
fn v_shows_phases_before_their_messages_and_messages_in_order() {
    let world = World::new(&["GET /temp"]);
    let told = world.told("GET", "/temp");
    let mut rest = told.as_str();
    for part in [
        "(1) hints: ",
        "  --> RS  CON GET /temp, ",
        "  <-- RS  ACK 4.01 Unauthorized",
        "/ audience / 5: \"thermo\"",
        "(2) token: ",
        "  --> AS  CON POST, OSCORE kid h'",
        "          inside: POST /token, Content-Format 19",
        "  <-- AS  ACK 2.04 Changed, OSCORE",
        "          inside: 2.01 Created, Content-Format 19",
        "/ ms / 2: (secret, 16 bytes)",
        "look inside: ace token inspect d08343a1",
        "(3) upload: ",
        "  --> RS  CON POST /authz-info, Content-Format 19",
        "/ nonce1 / 40: h'",
        "  <-- RS  ACK 2.01 Created",
        "/ nonce2 / 42: h'",
        "(4) access: ",
        "  --> RS  CON POST, OSCORE kid h'",
        "          inside: GET /temp",
        "  <-- RS  ACK 2.04 Changed, OSCORE",
        "          inside: 2.05 Content, Content-Format 0",
        "          \"22.5 C\"",
    ] {
        let at = rest
            .find(part)
            .unwrap_or_else(|| panic!("no {part:?} in its place:\n{told}"));
        rest = &rest[at + part.len()..];
    }
    // A refusal under protection says what would be needed, by the names of hints.
    let told = world.told("PUT", "/led");
    assert!(told.contains("inside: 4.03 Forbidden"), "{told}");
    assert!(
        told.contains("/ AS / 1: \"coap://") && told.contains("[\"/led\", 4 / PUT /]"),
        "{told}"
    );
}

#[test]
fn what_is_sent_again_is_said_to_be_the_same() {
    let site = Site::new();
    let alice = site.add("client", "alice", &[]);
    let uri = format!("coap://{}/temp", free_address());
    let output = run(&[
        "request",
        "GET",
        &uri,
        "--as",
        text(&alice),
        "-v",
        "--timeout",
        "4",
    ]);
    let told = String::from_utf8(output.stderr).expect("text");
    // RFC 7252, 4.8: after 2 to 3 s.
    assert!(
        told.contains("  --> RS  the same once more, after 2")
            || told.contains("once more, after 3"),
        "{told}"
    );
    assert!(told.ends_with("or wait longer with --timeout\n"), "{told}");
}

/// The sequence number of the token request, as `-v` shows it.
fn number_to_as(told: &str) -> u64 {
    let (_, rest) = told
        .split_once("--> AS  CON POST, OSCORE kid ")
        .expect("a token request");
    let (_, rest) = rest.split_once(" number ").expect("a number");
    rest.split(',')
        .next()
        .expect("a number")
        .parse()
        .expect("a number")
}

#[test]
fn a_lost_state_is_no_reason_to_stop_and_no_number_is_used_again() {
    let world = World::new(&["GET /temp"]);
    let state = world.site.file("alice.json.state");
    let mut last = 0;
    for _ in 0..3 {
        // Each run uses a number or more; a kept state goes on from there.
        for _ in 0..5 {
            world.ok("GET", "/temp", &[]);
        }
        fs::remove_file(&state).expect("lost");
        std::thread::sleep(Duration::from_millis(300));
        let told = world.told("GET", "/temp");
        let number = number_to_as(&told);
        assert!(number > last + 5, "{number} after {last}:\n{told}");
        assert!(told.contains("\"22.5 C\""), "{told}");
        last = number;
    }
    assert!(last > 5_000_000_000, "not by the clock: {last}");
}

#[test]
fn a_kept_state_brings_the_token_back() {
    let world = World::new(&["GET /temp"]);
    assert!(world.told("GET", "/temp").contains(") token: "));
    let again = world.told("GET", "/temp");
    assert!(
        !again.contains(") token: ") && again.contains(") upload: "),
        "{again}"
    );
    // A state of its own knows nothing of it, and begins above the numbers used so far.
    std::thread::sleep(Duration::from_millis(200));
    let other = world.site.file("other.state");
    assert_eq!(
        world.ok("GET", "/temp", &["--state", text(&other)]),
        "22.5 C\n"
    );
}

#[test]
fn a_device_without_a_clock_is_served_too() {
    for (add, serve) in [
        (&["--clockless"][..], &["--no-clock"][..]),
        (&["--clockless"], &[]),
        (&[], &["--no-clock"]),
    ] {
        let world = World::with(add, serve, &["GET /temp"]);
        assert_eq!(
            world.ok("GET", "/temp", &[]),
            "22.5 C\n",
            "{add:?} {serve:?}"
        );
        assert_eq!(
            world.ok("GET", "/temp", &[]),
            "22.5 C\n",
            "{add:?} {serve:?}, again"
        );
    }
}

#[test]
fn devices_and_clients_of_another_site() {
    let (here, there) = (World::new(&["GET /temp"]), World::new(&["GET /temp"]));
    // The device sends its clients to its own authorization server.
    let sentence = fails(
        1,
        &[
            "request",
            "GET",
            &there.uri("/temp"),
            "--as",
            text(&here.alice),
        ],
    );
    assert!(
        sentence.contains("the resource server sends clients to \"coap://"),
        "{sentence}"
    );
    assert!(sentence.contains("nothing was sent there"), "{sentence}");
    assert!(
        sentence.contains(&there.site.listen.to_string())
            && sentence.contains(&here.site.listen.to_string())
    );

    // Removed, a client is told what may be the matter.
    here.site.ok(&["client", "remove", "alice"]);
    let sentence = here.fails("GET", "/temp", &["--timeout", "1"]);
    assert!(
        sentence.contains("does not know the key of alice"),
        "{sentence}"
    );
    assert!(sentence.contains("`ace client add`"), "{sentence}");
}

#[test]
fn a_device_with_keys_that_are_not_those_of_the_site_any_more() {
    let site = Site::new();
    let old = site.add("rs", "thermo", &[]);
    let alice = site.add("client", "alice", &[]);
    let stale = site.file("stale.json");
    fs::copy(&old, &stale).expect("copied");
    site.ok(&["rs", "remove", "thermo"]);
    site.add("rs", "thermo", &[]);
    site.ok(&["grant", "alice", "thermo", "GET /temp"]);
    let rs = free_address().to_string();
    let _servers = (
        site.serve(),
        Server::start(&["rs", "serve", text(&stale), "--listen", &rs]),
    );
    let uri = format!("coap://{rs}/temp");
    let sentence = fails(1, &["request", "GET", &uri, "--as", text(&alice)]);
    assert!(
        sentence.contains("the resource server does not take the token: 4.01"),
        "{sentence}"
    );
    assert!(sentence.contains("`ace rs show`"), "{sentence}");
}
