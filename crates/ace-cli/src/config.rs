//! `ace.toml`: what an operator may set, and what is said when a line is wrong.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use ace_wire::coap::{Scheme, Uri};
use serde::Deserialize;

use crate::failure::Failure;

/// The file's name in the site folder.
pub const FILE: &str = "ace.toml";

/// Everything `ace.toml` may say. Keys that are not listed here are refused.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the AS listens.
    pub listen: SocketAddr,
    /// The token endpoint as clients and resource servers must name it.
    pub uri: String,
    /// Where the AS listens for DTLS; nowhere without.
    pub listen_coaps: Option<SocketAddr>,
    /// The token endpoint over DTLS.
    pub uri_coaps: Option<String>,
    /// The `iss` of every token.
    pub issuer: String,
    /// How long a token lives, in seconds.
    #[serde(default = "one_hour")]
    pub token_lifetime: u64,
    /// The store, relative to the site folder.
    #[serde(default = "store")]
    pub store: PathBuf,
}

fn one_hour() -> u64 {
    3600
}

fn store() -> PathBuf {
    "store.sqlite".into()
}

impl Config {
    /// The longest lifetime of a token: 30 days, in seconds.
    pub const MAX_TOKEN_LIFETIME: u64 = 30 * 24 * 3600;

    /// What bundles say about the server.
    pub fn names(&self) -> ace_as::Site {
        ace_as::Site {
            issuer: self.issuer.clone(),
            uri: self.uri.clone(),
            coaps_uri: self.uri_coaps.clone(),
        }
    }

    /// Reads `ace.toml` of a site folder.
    pub fn read(site: &Path) -> Result<Self, Failure> {
        let path = site.join(FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Failure::setup(format!(
                    "{} is not there; make a site with `ace init {}` or name one with --site",
                    path.display(),
                    site.display()
                )));
            }
            Err(error) => return Err(Failure::file("read", &path, &error)),
        };
        Self::parse(&text, &path)
    }

    /// Reads the text of the file; `path` is for messages.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Failure> {
        let config: Self = toml::from_str(text).map_err(|error| {
            let message = error.message().trim().replace('\n', "; ");
            let span = error
                .span()
                .filter(|_| !message.starts_with("missing field"));
            let line = span.map_or(String::new(), |span| {
                // At the end of the file the line that is not finished is the last with anything on it.
                let before = text.get(..span.start).unwrap_or(text);
                let before = if span.start == text.len() {
                    before.trim_end()
                } else {
                    before
                };
                format!("line {} of ", before.matches('\n').count() + 1)
            });
            let advice = "correct it, or see what `ace init` writes";
            Failure::setup(format!("{line}{}: {message}; {advice}", path.display()))
        })?;
        let wrong = |key: &str, why: &str| {
            let is_it = |line: &str| {
                let rest = line.trim_start().strip_prefix(key);
                rest.is_some_and(|rest| rest.trim_start().starts_with('='))
            };
            let line = text.lines().position(is_it);
            let line = line.map_or(String::new(), |at| format!("line {} of ", at + 1));
            Err(Failure::setup(format!(
                "{line}{}: {key} {why}",
                path.display()
            )))
        };
        if !(1..=Self::MAX_TOKEN_LIFETIME).contains(&config.token_lifetime) {
            let why = format!("must be 1 to {} seconds", Self::MAX_TOKEN_LIFETIME);
            return wrong("token_lifetime", &why);
        }
        if let Err(why) = check_uri(&config.uri, Scheme::Coap) {
            return wrong("uri", why);
        }
        match (&config.uri_coaps, config.listen_coaps) {
            (Some(uri), Some(_)) => {
                if let Err(why) = check_uri(uri, Scheme::Coaps) {
                    return wrong("uri_coaps", why);
                }
            }
            (None, None) => {}
            (Some(_), None) => {
                return wrong(
                    "uri_coaps",
                    "needs listen_coaps, where the server listens for DTLS",
                );
            }
            (None, Some(_)) => {
                return wrong(
                    "listen_coaps",
                    "needs uri_coaps, where clients reach it over DTLS",
                );
            }
        }
        if config.issuer.is_empty() || config.issuer.len() > 255 {
            return wrong("issuer", "must have 1 to 255 characters");
        }
        if config.store.as_os_str().is_empty() {
            return wrong("store", "must name a file, such as \"store.sqlite\"");
        }
        Ok(config)
    }
}

/// What `ace init` is told.
#[derive(Debug, Clone, Copy)]
pub struct Addresses<'a> {
    pub listen: SocketAddr,
    pub uri: Option<&'a str>,
    pub listen_coaps: Option<SocketAddr>,
    pub uri_coaps: Option<&'a str>,
}

/// What `ace init` writes.
pub fn text_for(given: &Addresses<'_>) -> Result<String, Failure> {
    let listen = given.listen;
    let uri = match given.uri {
        Some(uri) => uri.to_owned(),
        None if !is_reachable(listen) => {
            return Err(Failure::setup(format!(
                "{listen} does not tell clients where the server is; add --uri coap://HOST:PORT/token"
            )));
        }
        None => format!("coap://{listen}{TOKEN_PATH}"),
    };
    check_uri(&uri, Scheme::Coap).map_err(|why| Failure::setup(format!("--uri {uri} {why}")))?;
    let listen_coaps = match given.listen_coaps {
        Some(address) => address,
        None => next_port(listen).ok_or_else(|| {
            Failure::setup(format!(
                "there is no port after {listen} for DTLS; add --listen-coaps ADDRESS:PORT"
            ))
        })?,
    };
    let uri_coaps = match given.uri_coaps {
        Some(uri) => uri.to_owned(),
        None if given.listen_coaps.is_some_and(is_reachable) => {
            format!("coaps://{listen_coaps}{TOKEN_PATH}")
        }
        None => over_dtls(&uri).ok_or_else(|| {
            Failure::setup(format!(
                "there is no port after that of {uri} for DTLS; add --uri-coaps coaps://HOST:PORT/token"
            ))
        })?,
    };
    check_uri(&uri_coaps, Scheme::Coaps)
        .map_err(|why| Failure::setup(format!("--uri-coaps {uri_coaps} {why}")))?;
    let issuer = uri.strip_suffix(TOKEN_PATH).unwrap_or(&uri);
    // A URI has no control characters, so that Rust's escapes are TOML's.
    Ok(format!(
        r#"# The authorization server of this site. `ace serve --validate --site DIR` checks this file.

# Where the server listens (UDP).
listen = "{listen}"

# The token endpoint, as clients and resource servers reach it. Goes into every bundle.
uri = {uri:?}

# Where the server listens for DTLS (UDP). Without this line and the next one there is OSCORE alone.
listen_coaps = "{listen_coaps}"

# The token endpoint over DTLS. Goes into the bundles of those who have coap_dtls.
uri_coaps = {uri_coaps:?}

# The issuer named in every token. Resource servers accept no other.
issuer = {issuer:?}

# Seconds a token lives (1 to {max}).
token_lifetime = {lifetime}

# The store, relative to this folder.
store = "store.sqlite"
"#,
        max = Config::MAX_TOKEN_LIFETIME,
        lifetime = one_hour(),
    ))
}

/// Where the server has its token endpoint.
const TOKEN_PATH: &str = "/token";

/// Whether clients can be told to go there.
fn is_reachable(address: SocketAddr) -> bool {
    !address.ip().is_unspecified() && address.port() != 0
}

/// Where DTLS is spoken beside CoAP, unless one says otherwise: one port further, as 5684 is after 5683 (RFC 7252, 12.8).
pub fn next_port(address: SocketAddr) -> Option<SocketAddr> {
    let port = address.port().checked_add(1)?;
    Some(SocketAddr::new(address.ip(), port))
}

/// The same token endpoint over DTLS.
fn over_dtls(uri: &str) -> Option<String> {
    let parsed = Uri::parse(uri).ok()?;
    let host = match parsed.host.contains(':') {
        true => format!("[{}]", parsed.host),
        false => parsed.host.to_owned(),
    };
    Some(match parsed.port.checked_add(1)? {
        5684 if !uri.ends_with(":5683/token") => format!("coaps://{host}{TOKEN_PATH}"),
        port => format!("coaps://{host}:{port}{TOKEN_PATH}"),
    })
}

fn check_uri(uri: &str, scheme: Scheme) -> Result<(), &'static str> {
    let is_served =
        |uri: &Uri<'_>| uri.scheme == scheme && uri.path == TOKEN_PATH && uri.query.is_none();
    match (Uri::parse(uri).is_ok_and(|uri| is_served(&uri)), scheme) {
        (true, _) => Ok(()),
        (false, Scheme::Coap) => {
            Err("must be coap://HOST[:PORT]/token, such as \"coap://127.0.0.1:5683/token\"")
        }
        (false, Scheme::Coaps) => {
            Err("must be coaps://HOST[:PORT]/token, such as \"coaps://127.0.0.1:5684/token\"")
        }
    }
}

#[cfg(test)]
mod tests {
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
        let message =
            init("127.0.0.1:5683", Some("coaps://as.example/token")).expect_err("refused");
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
}
