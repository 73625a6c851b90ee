//! Bad input: exit code 2 and one sentence on standard error that names the file, line or key and what to do.

mod support;

use std::{
    fs,
    net::UdpSocket,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use ace_net::FileStorage;
use ace_oscore::storage::{Key, Storage};
use support::{Site, ace, fails, one_sentence, text};

/// Every part must be in the sentence.
fn assert_says(sentence: &str, parts: &[&str]) {
    for part in parts {
        assert!(sentence.contains(part), "no {part:?} in: {sentence}");
    }
}

/// A site with thermo and alice and their bundles.
struct World {
    site: Site,
    thermo: PathBuf,
    alice: PathBuf,
}

impl World {
    fn new() -> Self {
        let site = Site::new();
        let (thermo, alice) = (
            site.add("rs", "thermo", &[]),
            site.add("client", "alice", &[]),
        );
        Self {
            site,
            thermo,
            alice,
        }
    }

    /// `ace request` with a bundle; nothing answers at the address.
    fn request(&self, code: i32, bundle: &Path, more: &[&str]) -> String {
        let command = [
            "request",
            "GET",
            "coap://127.0.0.1:9/temp",
            "--timeout",
            "1",
            "--as",
            text(bundle),
        ];
        fails(code, &[&command, more].concat())
    }

    fn rs_serve(&self, bundle: &Path) -> String {
        fails(2, &["rs", "serve", text(bundle), "--listen", "127.0.0.1:0"])
    }

    /// A copy of a bundle with some text replaced.
    fn altered(&self, bundle: &Path, from: &str, to: &str) -> PathBuf {
        let original = fs::read_to_string(bundle).expect("read");
        assert!(original.contains(from), "no {from} in the bundle");
        let path = self.site.file("altered.json");
        fs::write(&path, original.replacen(from, to, 1)).expect("written");
        path
    }
}

#[test]
fn a_site_that_is_not_there_or_is_there_already() {
    let folder = tempfile::tempdir().expect("a folder");
    let nowhere = folder.path().join("nowhere");
    let nowhere = text(&nowhere);
    for verb in [
        &["serve"][..],
        &["serve", "--validate"],
        &["client", "list"],
        &["rs", "add", "thermo"],
        &["grant", "alice", "thermo", "GET /temp"],
    ] {
        let sentence = fails(2, &[verb, &["--site", nowhere]].concat());
        assert_says(
            &sentence,
            &[nowhere, "ace.toml is not there", "ace init", "--site"],
        );
    }
    let output = ace()
        .args(["client", "list"])
        .env("ACE_SITE", nowhere)
        .output()
        .expect("runs");
    assert_says(
        &one_sentence(2, &output, "client list"),
        &[nowhere, "ace init"],
    );

    let site = Site::new();
    let toml = site.file("ace.toml");
    assert_says(
        &fails(2, &["init", site.path()]),
        &[text(&toml), "already", "--site", "another folder"],
    );
    assert_says(
        &fails(2, &["init", text(&toml)]),
        &["cannot make", text(&toml), "choose another"],
    );
    let below = toml.join("site");
    assert_says(
        &fails(2, &["init", text(&below)]),
        &["cannot make", text(&below), "choose another"],
    );
    assert_says(
        &fails(2, &["init", "/proc/site"]),
        &["cannot make /proc/site", "check"],
    );
    let unreachable = ["init", nowhere, "--listen", "0.0.0.0:5683"];
    assert_says(&fails(2, &unreachable), &["0.0.0.0:5683", "--uri coap://"]);
    let wrong = ["init", nowhere, "--uri", "http://as.example/token"];
    assert_says(
        &fails(2, &wrong),
        &["--uri http://as.example/token", "must be coap://"],
    );
    assert!(
        !Path::new(nowhere).exists(),
        "a refused init made its folder"
    );
}

#[test]
fn a_wrong_line_of_ace_toml() {
    let site = Site::new();
    let original = fs::read_to_string(site.file("ace.toml")).expect("read");
    let listen = format!("listen = \"{}\"", site.listen);
    for (from, to, parts) in [
        (
            listen.as_str(),
            "listen = \"here\"",
            &["line 4 of ", "invalid socket address"][..],
        ),
        (
            &listen,
            "lisen = 1",
            &["line 4 of ", "unknown field `lisen`", "`listen`"],
        ),
        (&listen, "", &["missing field `listen`"]),
        (&listen, "listen = ", &["line 4 of "]),
        (
            "token_lifetime = 3600",
            "token_lifetime = 0",
            &["line 13 of ", "token_lifetime must be 1 to 2592000"],
        ),
        (
            "token_lifetime = 3600",
            "token_lifetime = 2592001",
            &["line 13 of ", "token_lifetime must be"],
        ),
        (
            "token_lifetime = 3600",
            "token_lifetime = -5",
            &["line 13 of ", "invalid value", "-5"],
        ),
        (
            "token_lifetime = 3600",
            "token_lifetime = \"1h\"",
            &["line 13 of ", "invalid type", "1h"],
        ),
        (
            "uri = \"coap://",
            "uri = \"http://",
            &["line 7 of ", "uri must be coap://"],
        ),
        (
            "uri = \"coap://",
            "uri = \"coaps://",
            &["line 7 of ", "uri must be coap://"],
        ),
        (
            "issuer = \"coap",
            "issuer = \"\" # coap",
            &["line 10 of ", "issuer must have"],
        ),
        (
            "store = \"store.sqlite\"",
            "store = \"\"",
            &["line 16 of ", "store must name a file"],
        ),
        (
            "store = \"store.sqlite\"",
            "store = \"store",
            &["line 16 of "],
        ),
        (
            "store = \"store.sqlite\"",
            "more = 1",
            &["line 16 of ", "unknown field `more`"],
        ),
        (
            "store = \"store.sqlite\"",
            "listen = \"127.0.0.1:1\"",
            &["line 16 of ", "duplicate key"],
        ),
    ] {
        site.edit("ace.toml", from, to);
        for verb in [
            &["serve", "--validate"][..],
            &["serve"],
            &["client", "list"],
        ] {
            let sentence = site.fails(2, verb);
            assert_says(&sentence, parts);
            assert_says(&sentence, &[text(&site.file("ace.toml"))]);
        }
        fs::write(site.file("ace.toml"), &original).expect("put back");
    }
    fs::write(site.file("ace.toml"), b"\xff\xfe").expect("written");
    assert_says(
        &site.fails(2, &["serve"]),
        &["cannot read", "ace.toml", "expected text"],
    );
    fs::remove_file(site.file("ace.toml")).expect("removed");
    fs::create_dir(site.file("ace.toml")).expect("made");
    assert_says(
        &site.fails(2, &["serve"]),
        &["cannot read", "ace.toml", "not a folder"],
    );
}

#[test]
fn an_address_that_cannot_be_listened_on() {
    let world = World::new();
    let held = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let taken = held.local_addr().expect("an address").to_string();
    let sentence = world.site.fails(2, &["serve", "--listen", &taken]);
    assert_says(&sentence, &[&taken, "in use", "--listen", "ace.toml"]);
    let bundle = text(&world.thermo);
    let sentence = fails(2, &["rs", "serve", bundle, "--listen", &taken]);
    assert_says(&sentence, &[&taken, "in use", "--listen"]);
    let listen = world.site.listen.to_string();
    world.site.edit(
        "ace.toml",
        &format!("listen = \"{listen}\""),
        &format!("listen = \"{taken}\""),
    );
    assert_says(
        &world.site.fails(2, &["serve"]),
        &[&taken, "in use", "`listen` in ace.toml"],
    );

    // TEST-NET-1 belongs to nobody.
    let foreign = "192.0.2.1:5683";
    let sentence = world.site.fails(2, &["serve", "--listen", foreign]);
    assert_says(
        &sentence,
        &[foreign, "not an address of this machine", "--listen"],
    );
    let sentence = fails(2, &["rs", "serve", bundle, "--listen", foreign]);
    assert_says(
        &sentence,
        &[foreign, "not an address of this machine", "--listen"],
    );
    let sentence = fails(2, &["rs", "serve", bundle, "--listen", "5700"]);
    assert_says(
        &sentence,
        &["'5700'", "--listen", "see `ace rs serve --help`"],
    );
}

#[test]
fn a_store_that_cannot_be_used() {
    let world = World::new();
    let site = &world.site;
    let verbs = [
        &["serve"][..],
        &["serve", "--validate"],
        &["client", "list"],
        &["client", "add", "bob"],
        &["grant", "alice", "thermo", "GET /temp"],
    ];
    let refused = |parts: &[&str]| {
        for verb in verbs {
            assert_says(&site.fails(2, verb), parts);
        }
    };
    let path = site.file("store.sqlite");
    let (name, original) = (text(&path), fs::read(&path).expect("read"));
    let put = |bytes: &[u8]| fs::write(&path, bytes).expect("written");

    for mode in [0o640, 0o604, 0o666] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
        refused(&[
            name,
            "others may read it",
            &format!("mode {mode:04o}"),
            &format!("`chmod 600 {name}`"),
        ]);
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("set");

    put(&original[..5000]);
    refused(&[name, "damaged", "backup"]);
    put(&[0x5a; 5000]);
    refused(&[name, "damaged", "backup"]);
    put(b"");
    refused(&[name, "empty", "backup"]);
    put(&original);
    assert!(
        site.ok(&["client", "list"]).contains("alice"),
        "the store is whole again"
    );

    // Not writable for anybody, root included.
    fs::create_dir(site.file("folder")).expect("made");
    for (store, parts) in [
        ("folder", &["cannot be written", "not a file"][..]),
        ("nowhere/store.sqlite", &["is not there", "ace init"]),
        ("ace.toml/store.sqlite", &["store.sqlite", "check"]),
        ("/proc/self/mem", &["/proc/self/mem"]),
        ("/dev/full", &["/dev/full", "cannot be written", "check"]),
    ] {
        site.edit("ace.toml", "\"store.sqlite\"", &format!("{store:?}"));
        refused(parts);
        site.edit("ace.toml", &format!("{store:?}"), "\"store.sqlite\"");
    }
}

#[test]
fn a_second_server_on_one_store_and_a_second_user_of_one_state() {
    let world = World::new();
    let server = world.site.serve();
    let sentence = world.site.fails(2, &["serve", "--listen", "127.0.0.1:0"]);
    assert_says(
        &sentence,
        &[
            "another server runs",
            text(&world.site.file("store.sqlite")),
            "stop it",
        ],
    );
    // What does not serve may run beside it.
    world.site.ok(&["serve", "--validate"]);
    world.site.ok(&["client", "list"]);
    drop(server);

    let state = world.site.file("thermo.json.state");
    let device = support::Server::start(&[
        "rs",
        "serve",
        text(&world.thermo),
        "--listen",
        "127.0.0.1:0",
    ]);
    assert_says(
        &world.rs_serve(&world.thermo),
        &[text(&state), "in use by another ace", "wait"],
    );
    drop(device);

    let state = world.site.file("alice.json.state");
    let held = FileStorage::open(&state).expect("opens");
    assert_says(
        &world.request(2, &world.alice, &[]),
        &[text(&state), "in use by another ace", "wait"],
    );
    drop(held);
}

#[test]
fn a_state_that_cannot_be_used() {
    let world = World::new();
    let (alice, thermo) = (
        world.site.file("alice.json.state"),
        world.site.file("thermo.json.state"),
    );
    let mut short = FileStorage::open(&world.site.file("short")).expect("opens");
    short.save(Key(0), b"short").expect("saved");
    drop(short);
    let short = fs::read(world.site.file("short")).expect("read");
    for bytes in [
        &b"garbage"[..],
        b"",
        b"acestat2",
        &short[..short.len() - 1],
        &short,
    ] {
        fs::write(&alice, bytes).expect("written");
        assert_says(
            &world.request(2, &world.alice, &[]),
            &[text(&alice), "damaged", "delete it"],
        );
    }
    fs::remove_file(&alice).expect("removed");
    fs::write(&thermo, "garbage").expect("written");
    assert_says(
        &world.rs_serve(&world.thermo),
        &[text(&thermo), "damaged", "delete it", "ace rs add"],
    );
    fs::remove_file(&thermo).expect("removed");
    for state in ["/proc/state", "/nowhere/state", world.site.path()] {
        assert_says(
            &world.request(2, &world.alice, &["--state", state]),
            &["cannot open", state],
        );
    }
}

#[test]
fn a_bundle_that_is_none() {
    let world = World::new();
    let original = fs::read_to_string(&world.alice).expect("read");
    let damaged = world.site.file("damaged.json");
    for (bytes, part) in [
        (&original.as_bytes()[..100], "line"),
        (b"", "line 1"),
        (b"[]", "line 1"),
        (b"not JSON", "line 1"),
    ] {
        fs::write(&damaged, bytes).expect("written");
        let sentence = world.request(2, &damaged, &[]);
        assert_says(
            &sentence,
            &[
                text(&damaged),
                "is not a client bundle",
                part,
                "ace client add",
            ],
        );
        let sentence = world.rs_serve(&damaged);
        assert_says(
            &sentence,
            &[
                text(&damaged),
                "is not a resource server bundle",
                part,
                "ace rs add",
            ],
        );
    }
    fs::write(&damaged, b"\xff").expect("written");
    assert_says(
        &world.request(2, &damaged, &[]),
        &["cannot read", text(&damaged), "expected text"],
    );
    let missing = world.site.file("missing.json");
    assert_says(
        &world.request(2, &missing, &[]),
        &["cannot read", text(&missing), "check the path"],
    );
    assert_says(
        &world.rs_serve(&missing),
        &["cannot read", text(&missing), "check the path"],
    );

    // Each other's.
    let sentence = world.request(2, &world.thermo, &[]);
    assert_says(
        &sentence,
        &[
            text(&world.thermo),
            "is the bundle of a resource server",
            "ace client add",
        ],
    );
    let sentence = world.rs_serve(&world.alice);
    assert_says(
        &sentence,
        &[
            text(&world.alice),
            "is the bundle of a client",
            "ace rs add",
        ],
    );
    for (from, to, parts) in [
        (
            "\"name\"",
            "\"nme\"",
            &["unknown field `nme`", "line 2"][..],
        ),
        (
            "\"alg\": 10",
            "\"alg\": 10, \"more\": 1",
            &["unknown field `more`", "line 11"],
        ),
        (
            "\"alg\": 10",
            "\"alg\": \"ten\"",
            &["invalid type", "line 11"],
        ),
        ("\"alg\": 10,", "", &["missing field `alg`"]),
        ("\"alg\": 10", "\"alg\": 99", &["alice", "alg 99"]),
        ("\"hkdf\": -10", "\"hkdf\": -99", &["alice", "hkdf -99"]),
        (
            "\"master_salt\": \"",
            "\"master_salt\": \"zz",
            &["hexadecimal", "line 7"],
        ),
        (
            "\"sender_id\": \"",
            "\"sender_id\": \"616161616161616161",
            &["id too long"],
        ),
        (
            "\"uri\": \"coap",
            "\"uri\": \"http",
            &["altered.json", "the uri of `as`", "coap://"],
        ),
        (
            "\"uri\": \"coap",
            "\"uri\": \"coaps",
            &["altered.json", "the uri of `as`", "coap://"],
        ),
    ] {
        let altered = world.altered(&world.alice, from, to);
        let sentence = world.request(2, &altered, &[]);
        assert_says(&sentence, parts);
        assert!(
            sentence.contains("ace client add") || sentence.contains("coap://"),
            "{sentence}"
        );
    }
    for (from, to, parts) in [
        (
            "\"audience\"",
            "\"audence\"",
            &["unknown field `audence`", "line 3"][..],
        ),
        ("\"kid\"", "\"kit\"", &["unknown field `kit`"]),
        (
            "\"k\": \"",
            "\"k\": \"00",
            &["thermo", "token_keys", "key `k`"],
        ),
        (
            "\"kid\": \"00\",\n      \"alg\": 10",
            "\"kid\": \"00\",\n      \"alg\": 99",
            &["token_keys", "alg 99"],
        ),
    ] {
        let sentence = world.rs_serve(&world.altered(&world.thermo, from, to));
        assert_says(&sentence, parts);
        assert_says(&sentence, &["ace rs add"]);
    }
}

#[test]
fn no_message_shows_what_may_be_a_key() {
    let world = World::new();
    let original = fs::read_to_string(&world.alice).expect("read");
    let bundle: serde_json::Value = serde_json::from_str(&original).expect("JSON");
    let secret = bundle["as"]["oscore"]["master_secret"]
        .as_str()
        .expect("text");
    let slips = [
        ("x", "hexadecimal"),
        (" ", "hexadecimal"),
        ("0", "hexadecimal"),
    ];
    for (slip, part) in slips {
        let altered = world.altered(&world.alice, secret, &format!("{secret}{slip}"));
        let sentence = world.request(2, &altered, &[]);
        assert_says(&sentence, &["line 6", part]);
        assert!(!sentence.contains(secret), "{sentence}");
    }
    let empty = world.altered(&world.alice, secret, "");
    assert_says(
        &world.request(2, &empty, &[]),
        &["alice", "master_secret is empty", "ace client add"],
    );
}

#[test]
fn names_methods_and_scopes_that_are_none() {
    let world = World::new();
    let site = &world.site;
    for (words, parts) in [
        (
            &["grant", "nobody", "thermo", "GET /temp"][..],
            &["no client `nobody`", "ace client add nobody"][..],
        ),
        (
            &["grant", "alice", "nothing", "GET /temp"],
            &["no resource server `nothing`", "ace rs add nothing"],
        ),
        (&["grant", "nobody"], &["no client `nobody`"]),
        (
            &["grant", "alice", "thermo", "GIT /temp"],
            &["unknown method in `GIT`", "use GET, POST"],
        ),
        (
            &["grant", "alice", "thermo", "GET temp"],
            &["`temp` is not a path", "'GET /temp'"],
        ),
        (
            &["grant", "alice", "thermo", "/temp"],
            &["unknown method in `/temp`", "'GET,PUT /led'"],
        ),
        (
            &["grant", "alice", "thermo", ""],
            &["cannot be a scope", "'GET /temp'"],
        ),
        (
            &["grant", "alice", "thermo", "GET /led", "--remove"],
            &["no grant for `GET /led`", "ace grant alice thermo"],
        ),
        (
            &["client", "add", "alice"],
            &["a client `alice` already", "ace client remove alice"],
        ),
        (
            &["client", "add", "a b"],
            &["`a b` cannot be a name", "letters, digits"],
        ),
        (
            &["client", "show", "nobody"],
            &["no client `nobody`", "ace client list"],
        ),
        (
            &["client", "remove", "nobody"],
            &["no client `nobody`", "ace client list"],
        ),
        (
            &["rs", "add", "thermo"],
            &["a resource server `thermo` already", "ace rs remove thermo"],
        ),
        (
            &["rs", "add", "other", "--audience", "thermo"],
            &["audience `thermo` belongs to", "--audience"],
        ),
        (
            &["rs", "add", "other", "--token-alg", "5"],
            &["algorithm 5", "use 10, 30 or 31"],
        ),
        (
            &["rs", "add", "other", "--audience", "a b"],
            &["`a b` cannot be an audience", "without spaces"],
        ),
        (
            &["rs", "show", "nothing"],
            &["no resource server `nothing`", "ace rs list"],
        ),
        (
            &["rs", "remove", "nothing"],
            &["no resource server `nothing`", "ace rs list"],
        ),
    ] {
        assert_says(&site.fails(2, words), parts);
    }
    // Nothing came of it.
    assert_eq!(site.ok(&["grant", "alice", "--json"]), "[]\n");
    assert_eq!(site.ok(&["rs", "list"]).lines().count(), 2);
}

#[test]
fn methods_and_uris_that_cannot_be_asked() {
    let world = World::new();
    let bundle = text(&world.alice);
    let ask = |method, uri| {
        fails(
            2,
            &["request", method, uri, "--as", bundle, "--timeout", "2"],
        )
    };
    assert_says(
        &ask("GIT", "coap://127.0.0.1/temp"),
        &["\"GIT\"", "no CoAP method", "use GET, POST"],
    );
    for uri in [
        "/temp",
        "127.0.0.1:5700/temp",
        "http://127.0.0.1/temp",
        "coap:///temp",
        "coap://127.0.0.1:0/temp",
        "coap://127.0.0.1:65536/temp",
        "coap://127.0.0.1:x/temp",
        "coap://127.0.0.1/a%20b",
        "coap://127.0.0.1/a b",
        "coap://127.0.0.1/a#b",
        "coap://[::1/temp",
        "",
    ] {
        let sentence = ask("GET", uri);
        assert_says(
            &sentence,
            &[
                &format!("{uri:?}"),
                "no CoAP URI",
                "coap://127.0.0.1:5700/temp",
            ],
        );
    }
    let sentence = ask("GET", "coaps://127.0.0.1/temp");
    assert_says(
        &sentence,
        &["coaps://127.0.0.1/temp", "DTLS", "write coap://"],
    );
    let sentence = ask("GET", "coap://no-such-host.invalid/temp");
    assert_says(
        &sentence,
        &[
            "no address for the host no-such-host.invalid",
            "check the name",
        ],
    );
    let sentence = ask("GET", "coap://[::1]/temp");
    assert_says(&sentence, &["::1 and 127.0.0.1", "both by IPv4"]);
    let long = format!("coap://127.0.0.1/{}", "a/".repeat(100));
    assert_says(
        &ask("GET", &long),
        &["GET /a/a/", "longer than", "make path"],
    );
    let payload = "x".repeat(10_000);
    let command = [
        "request",
        "PUT",
        "coap://127.0.0.1/led",
        &payload,
        "--as",
        bundle,
    ];
    assert_says(
        &fails(2, &command),
        &[
            "PUT /led",
            "longer than",
            "make path, query or payload shorter",
        ],
    );
}

#[test]
fn a_token_that_is_none() {
    let site = Site::new();
    let inspect = |token: &str| fails(2, &["token", "inspect", token]);
    for garbage in ["zz!!", "not/a/file.cwt", "nofile.cwt"] {
        assert_says(
            &inspect(garbage),
            &[
                garbage,
                "no file, and neither hex nor base64url",
                "check the path",
            ],
        );
    }
    for (token, why) in [
        ("d083", "cut short"),
        ("", "cut short"),
        ("d08343a1010aa2044100054d", "cut short"),
        ("a0", ""),
        ("d08343a1010aa040ff", ""),
    ] {
        assert_says(
            &inspect(token),
            &["is no token in COSE_Encrypt0", why, "expected hex"],
        );
    }
    let path = site.file("token");
    for (bytes, parts) in [
        (
            &b"{\"a\": 1}"[..],
            &["holds neither hex nor base64url", "check that it is one"][..],
        ),
        (b"\xd0\x83\x43\xa1", &["is no token in COSE_Encrypt0"]),
        (
            &[b'0'; 70_000],
            &["is longer than any token", "check that it is one"],
        ),
    ] {
        fs::write(&path, bytes).expect("written");
        assert_says(&inspect(text(&path)), parts);
    }
    let zeros = fs::File::open("/dev/zero").expect("opens");
    let output = ace()
        .args(["token", "inspect", "-"])
        .stdin(zeros)
        .output()
        .expect("runs");
    assert_says(
        &one_sentence(2, &output, "token inspect -"),
        &["standard input", "longer than any token"],
    );
}

#[test]
fn a_command_line_that_is_none() {
    for (words, parts) in [
        (
            &["grnt"][..],
            &["unrecognized subcommand 'grnt'", "'grant'", "`ace --help`"][..],
        ),
        (
            &["request", "GET"],
            &["<URI>", "--as <BUNDLE>", "`ace request --help`"],
        ),
        (
            &["demo", "--colour"],
            &["'--colour'", "'--color'", "`ace demo --help`"],
        ),
        (&["--color", "x", "demo"], &["'x'", "auto, always, never"]),
        (&["init"], &["<SITE>", "`ace init --help`"]),
        (
            &[
                "request",
                "GET",
                "coap://h/x",
                "--as",
                "b",
                "--timeout",
                "0",
            ],
            &["'0'", "--timeout"],
        ),
        (
            &["grant", "alice", "thermo", "--remove"],
            &["<SCOPE>", "`ace grant --help`"],
        ),
        (
            &["completions", "tcsh"],
            &["'tcsh'", "bash", "`ace completions --help`"],
        ),
    ] {
        assert_says(&fails(2, words), parts);
    }
    let output = ace()
        .arg("demo")
        .env("ACE_LOG", "a=b=c")
        .output()
        .expect("runs");
    assert_says(
        &one_sentence(2, &output, "demo"),
        &["ACE_LOG=a=b=c", "use error, warn"],
    );
}

#[test]
fn standard_output_that_takes_nothing() {
    let site = Site::new();
    let full = || {
        Stdio::from(
            fs::OpenOptions::new()
                .write(true)
                .open("/dev/full")
                .expect("opens"),
        )
    };
    let output = ace()
        .args(["client", "add", "carol", "--site", site.path()])
        .stdout(full())
        .output();
    let sentence = one_sentence(2, &output.expect("runs"), "client add");
    assert_says(
        &sentence,
        &[
            "cannot write to standard output",
            "make room",
            "`ace client show carol`",
        ],
    );
    assert_says(
        &site.ok(&["client", "show", "carol"]),
        &["\"name\": \"carol\""],
    );

    // A reader that has enough is no reason to complain.
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = ace()
        .args(["completions", "bash"])
        .stdout(writer)
        .output()
        .expect("runs");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn nobody_answers() {
    let world = World::new();
    let rs = support::free_address();
    let uri = format!("coap://{rs}/temp");
    let request = [
        "request",
        "GET",
        &uri,
        "--as",
        text(&world.alice),
        "--timeout",
        "1",
    ];
    let began = Instant::now();
    let sentence = fails(1, &request);
    assert_says(
        &sentence,
        &[
            "no answer from the resource server",
            &rs.to_string(),
            "`ace rs serve BUNDLE`",
            "--timeout",
        ],
    );

    let listen = rs.to_string();
    let _device =
        support::Server::start(&["rs", "serve", text(&world.thermo), "--listen", &listen]);
    let server = world.site.listen.to_string();
    let sentence = fails(1, &request);
    assert_says(
        &sentence,
        &[
            "no answer from the authorization server",
            &server,
            "`ace serve --site DIR`",
        ],
    );
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "it took {:?}",
        began.elapsed()
    );

    let output = ace().args(request).arg("--json").output().expect("runs");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(json["ok"], false);
    assert_eq!(json["failed_at"], "token");
    assert_eq!(json["error"], "no answer");

    // Without --timeout it is ten seconds for all.
    let help = support::ok(&["help", "request"]);
    assert!(
        help.contains("--timeout <SECONDS>") && help.contains("[default: 10]"),
        "{help}"
    );
}
