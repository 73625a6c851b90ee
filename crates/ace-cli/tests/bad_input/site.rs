//! The site folder, its store, and where the server listens.

use crate::*;

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
    let listen = format!("listen = \"{}\"\n", site.listen);
    for (from, to, parts) in [
        (
            listen.as_str(),
            "listen = \"here\"\n",
            &["line 4 of ", "invalid socket address"][..],
        ),
        (
            &listen,
            "lisen = 1\n",
            &["line 4 of ", "unknown field `lisen`", "`listen`"],
        ),
        (&listen, "", &["missing field `listen`"]),
        (&listen, "listen = \n", &["line 4 of "]),
        (
            "token_lifetime = 3600",
            "token_lifetime = 0",
            &["line 19 of ", "token_lifetime must be 1 to 2592000"],
        ),
        (
            "token_lifetime = 3600",
            "token_lifetime = 2592001",
            &["line 19 of ", "token_lifetime must be"],
        ),
        (
            "token_lifetime = 3600",
            "token_lifetime = -5",
            &["line 19 of ", "invalid value", "-5"],
        ),
        (
            "token_lifetime = 3600",
            "token_lifetime = \"1h\"",
            &["line 19 of ", "invalid type", "1h"],
        ),
        (
            "\nuri = \"coap://",
            "\nuri = \"http://",
            &["line 7 of ", "uri must be coap://"],
        ),
        (
            "\nuri = \"coap://",
            "\nuri = \"coaps://",
            &["line 7 of ", "uri must be coap://"],
        ),
        (
            "uri_coaps = \"coaps://",
            "uri_coaps = \"coap://",
            &["line 13 of ", "uri_coaps must be coaps://"],
        ),
        (
            "listen_coaps = ",
            "# ",
            &["line 13 of ", "uri_coaps needs listen_coaps"],
        ),
        (
            "uri_coaps = ",
            "# ",
            &["line 10 of ", "listen_coaps needs uri_coaps"],
        ),
        (
            "issuer = \"coap",
            "issuer = \"\" # coap",
            &["line 16 of ", "issuer must have"],
        ),
        (
            "store = \"store.sqlite\"",
            "store = \"\"",
            &["line 22 of ", "store must name a file"],
        ),
        (
            "store = \"store.sqlite\"",
            "store = \"store",
            &["line 22 of "],
        ),
        (
            "store = \"store.sqlite\"",
            "more = 1",
            &["line 22 of ", "unknown field `more`"],
        ),
        (
            "store = \"store.sqlite\"",
            "listen = \"127.0.0.1:1\"",
            &["line 22 of ", "duplicate key"],
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
