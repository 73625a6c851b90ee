use super::*;

fn listen() -> SocketAddr {
    "127.0.0.1:5683".parse().expect("an address")
}

fn message(text: &str) -> String {
    Config::parse(text, Path::new("ace.toml"))
        .expect_err("refused")
        .to_string()
}

fn init(listen: &str, uri: Option<&str>) -> Result<String, Failure> {
    text_for(&Addresses {
        listen: listen.parse().expect("an address"),
        uri,
        listen_coaps: None,
        uri_coaps: None,
    })
}

fn text() -> String {
    init("127.0.0.1:5683", None).expect("valid")
}

#[test]
fn what_init_writes_is_read_back() {
    let config = Config::parse(&text(), Path::new("ace.toml")).expect("valid");
    assert_eq!(config.listen, listen());
    assert_eq!(config.uri, "coap://127.0.0.1:5683/token");
    assert_eq!(config.issuer, "coap://127.0.0.1:5683");
    assert_eq!(config.token_lifetime, 3600);
    let coaps = "127.0.0.1:5684".parse().expect("an address");
    assert_eq!(config.listen_coaps, Some(coaps));
    let uri_coaps = config.uri_coaps.expect("written");
    assert_eq!(uri_coaps, "coaps://127.0.0.1:5684/token");

    let text = init("[::]:5683", Some("coap://as.example\"/token")).expect("valid");
    let config = Config::parse(&text, Path::new("ace.toml")).expect("valid");
    assert_eq!(config.uri, "coap://as.example\"/token");
    assert_eq!(config.issuer, "coap://as.example\"");
    let uri_coaps = config.uri_coaps.expect("written");
    assert_eq!(uri_coaps, "coaps://as.example\"/token");
}

#[test]
fn dtls_is_one_port_further_unless_one_says_otherwise() {
    for (listen, uri, expected) in [
        ("127.0.0.1:700", None, "coaps://127.0.0.1:701/token"),
        ("[::1]:700", None, "coaps://[::1]:701/token"),
        ("[::]:1", Some("coap://h/token"), "coaps://h/token"),
        ("[::]:1", Some("coap://h:7/token"), "coaps://h:8/token"),
        (
            "[::]:1",
            Some("coap://[fe80::1]/token"),
            "coaps://[fe80::1]/token",
        ),
    ] {
        let text = init(listen, uri).expect("valid");
        let config = Config::parse(&text, Path::new("ace.toml")).expect("valid");
        assert_eq!(config.uri_coaps.as_deref(), Some(expected));
    }
    let message = init("127.0.0.1:65535", None).expect_err("refused");
    assert!(
        message.to_string().contains("add --listen-coaps"),
        "{message}"
    );
    let given = |listen_coaps: &str, uri_coaps| Addresses {
        listen: listen(),
        uri: None,
        listen_coaps: Some(listen_coaps.parse().expect("an address")),
        uri_coaps,
    };
    let text = text_for(&given("127.0.0.1:9", None)).expect("valid");
    assert!(
        text.contains("uri_coaps = \"coaps://127.0.0.1:9/token\""),
        "{text}"
    );
    let text = text_for(&given("0.0.0.0:9", Some("coaps://h/token"))).expect("valid");
    assert!(text.contains("listen_coaps = \"0.0.0.0:9\""), "{text}");
    assert!(text.contains("uri_coaps = \"coaps://h/token\""), "{text}");
    let message = text_for(&given("0.0.0.0:9", Some("coap://h/token"))).expect_err("refused");
    let begins = "--uri-coaps coap://h/token must be coaps://";
    assert!(message.to_string().starts_with(begins), "{message}");
}

#[test]
fn a_site_without_dtls_is_one_too_and_half_of_it_is_not() {
    let text = text();
    let without: String = text
        .lines()
        .filter(|line| !line.contains("_coaps = "))
        .flat_map(|line| [line, "\n"])
        .collect();
    let config = Config::parse(&without, Path::new("ace.toml")).expect("valid");
    assert_eq!((config.listen_coaps, config.uri_coaps), (None, None));
    for (line, begins) in [
        (
            "listen_coaps",
            "line 13 of ace.toml: uri_coaps needs listen_coaps",
        ),
        (
            "uri_coaps",
            "line 10 of ace.toml: listen_coaps needs uri_coaps",
        ),
    ] {
        let half = text.replace(&format!("\n{line} = "), "\n# ");
        let said = message(&half);
        assert!(said.starts_with(begins), "{said}");
    }
}

#[test]
fn an_address_that_nobody_reaches_is_not_written() {
    for address in ["0.0.0.0:5683", "[::]:5683", "127.0.0.1:0"] {
        let message = init(address, None).expect_err("refused");
        assert!(
            message.to_string().contains("add --uri coap://"),
            "{message}"
        );
    }
    let message = init("127.0.0.1:5683", Some("coaps://as.example/token")).expect_err("refused");
    assert!(
        message
            .to_string()
            .starts_with("--uri coaps://as.example/token must be coap://"),
        "{message}"
    );
}

#[test]
fn a_wrong_line_is_named_with_file_line_and_key() {
    let text = text();
    let unknown = message(&format!("{text}\nlisen = 1\n"));
    let line = text.lines().count() + 2;
    let expected = format!("line {line} of ace.toml: unknown field `lisen`");
    assert!(unknown.starts_with(&expected), "{unknown}");
    for (from, to, begins) in [
        (
            "token_lifetime = 3600",
            "token_lifetime = 0",
            "line 19 of ace.toml: token_lifetime must be 1 to",
        ),
        (
            "token_lifetime = 3600",
            "token_lifetime = -1",
            "line 19 of ace.toml: invalid value",
        ),
        (
            "token_lifetime = 3600",
            "token_lifetime = \"1h\"",
            "line 19 of ace.toml: invalid type: string \"1h\"",
        ),
        (
            "coap://127.0.0.1:5683/token",
            "http://x/token",
            "line 7 of ace.toml: uri must be coap://",
        ),
        (
            "coap://127.0.0.1:5683/token",
            "coap://x/other",
            "line 7 of ace.toml: uri must be coap://",
        ),
        (
            "coaps://127.0.0.1:5684/token",
            "coap://127.0.0.1:5684/token",
            "line 13 of ace.toml: uri_coaps must be coaps://",
        ),
        (
            "listen_coaps = \"127.0.0.1:5684\"",
            "listen_coaps = \"here\"",
            "line 10 of ace.toml: invalid socket address",
        ),
        (
            "issuer = \"coap://127.0.0.1:5683\"",
            "issuer = \"\"",
            "line 16 of ace.toml: issuer must have",
        ),
        (
            "listen = \"127.0.0.1:5683\"",
            "listen = \"here\"",
            "line 4 of ace.toml: invalid socket address",
        ),
        (
            "store = \"store.sqlite\"",
            "store = \"\"",
            "line 22 of ace.toml: store must name a file",
        ),
        (
            "store = \"store.sqlite\"",
            "store = \"store.sqlite",
            "line 22 of ace.toml: ",
        ),
        (
            "store = \"store.sqlite\"",
            "listen = \"127.0.0.1:1\"",
            "line 22 of ace.toml: duplicate key",
        ),
    ] {
        assert!(text.contains(from), "{from}");
        let said = message(&text.replace(from, to));
        assert!(said.starts_with(begins), "{said}");
        assert!(!said.contains('\n'), "{said}");
    }
    let syntax = message("listen = ");
    assert!(syntax.starts_with("line 1 of ace.toml: "), "{syntax}");
    assert!(
        message("").starts_with("ace.toml: missing field `listen`"),
        "{}",
        message("")
    );
}

#[test]
fn a_section_left_out_is_as_what_init_writes_and_what_is_wrong_in_one_is_named() {
    let text = text();
    let config = Config::parse(&text, Path::new("ace.toml")).expect("valid");
    let above = &text[..=text.find("\n[").expect("a section")];
    assert_eq!(
        config,
        Config::parse(above, Path::new("ace.toml")).expect("valid")
    );
    assert_eq!(config.admin, Admin::default());
    let head = above.lines().count() + 1;
    for (section, line, says) in [
        (
            "listen = \"192.0.2.1:1\"",
            1,
            "[admin] listen must be of this machine alone",
        ),
        (
            "\nprivate_key = \"x\"",
            2,
            "[admin] private_key needs certificate",
        ),
        (
            "certificate = \"x\"",
            1,
            "[admin] certificate needs private_key",
        ),
        ("listn = 1", 1, "unknown field `listn`"),
    ] {
        let said = message(&format!("{above}[admin]\n{section}\n"));
        let begins = format!("line {} of ace.toml: {says}", head + line);
        assert!(said.starts_with(&begins), "{said}");
    }
    let section = "[admin]\nlisten = \"0.0.0.0:8443\"\ncertificate = \"x\"\nprivate_key = \"y\"\n";
    let config = Config::parse(&format!("{above}{section}"), Path::new("ace.toml"));
    assert!(config.expect("valid").admin.listen.is_some());
}
