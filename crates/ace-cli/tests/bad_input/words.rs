//! What is typed, and where the answer goes.

use crate::*;

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
