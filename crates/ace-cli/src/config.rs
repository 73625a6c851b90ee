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
        if let Err(why) = check_uri(&config.uri) {
            return wrong("uri", why);
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

/// What `ace init` writes for a server that listens on `listen` and is reached at `uri`.
pub fn text_for(listen: SocketAddr, uri: Option<&str>) -> Result<String, Failure> {
    let uri = match uri {
        Some(uri) => uri.to_owned(),
        None if listen.ip().is_unspecified() || listen.port() == 0 => {
            return Err(Failure::setup(format!(
                "{listen} does not tell clients where the server is; add --uri coap://HOST:PORT/token"
            )));
        }
        None => format!("coap://{listen}{TOKEN_PATH}"),
    };
    check_uri(&uri).map_err(|why| Failure::setup(format!("--uri {uri} {why}")))?;
    let issuer = uri.strip_suffix(TOKEN_PATH).unwrap_or(&uri);
    // A URI has no control characters, so that Rust's escapes are TOML's.
    Ok(format!(
        r#"# The authorization server of this site. `ace serve --validate --site DIR` checks this file.

# Where the server listens (UDP).
listen = "{listen}"

# The token endpoint, as clients and resource servers reach it. Goes into every bundle.
uri = {uri:?}

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

fn check_uri(uri: &str) -> Result<(), &'static str> {
    let is_served =
        |uri: &Uri<'_>| uri.scheme == Scheme::Coap && uri.path == TOKEN_PATH && uri.query.is_none();
    if Uri::parse(uri).is_ok_and(|uri| is_served(&uri)) {
        Ok(())
    } else {
        Err("must be coap://HOST[:PORT]/token, such as \"coap://127.0.0.1:5683/token\"")
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

    fn text() -> String {
        text_for(listen(), None).expect("valid")
    }

    #[test]
    fn what_init_writes_is_read_back() {
        let config = Config::parse(&text(), Path::new("ace.toml")).expect("valid");
        assert_eq!(config.listen, listen());
        assert_eq!(config.uri, "coap://127.0.0.1:5683/token");
        assert_eq!(config.issuer, "coap://127.0.0.1:5683");
        assert_eq!(config.token_lifetime, 3600);

        let any: SocketAddr = "[::]:5683".parse().expect("an address");
        let text = text_for(any, Some("coap://as.example\"/token")).expect("valid");
        let config = Config::parse(&text, Path::new("ace.toml")).expect("valid");
        assert_eq!(config.uri, "coap://as.example\"/token");
        assert_eq!(config.issuer, "coap://as.example\"");
    }

    #[test]
    fn an_address_that_nobody_reaches_is_not_written() {
        for address in ["0.0.0.0:5683", "[::]:5683", "127.0.0.1:0"] {
            let message =
                text_for(address.parse().expect("an address"), None).expect_err("refused");
            assert!(
                message.to_string().contains("add --uri coap://"),
                "{message}"
            );
        }
        let message = text_for(listen(), Some("coaps://as.example/token")).expect_err("refused");
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
                "line 13 of ace.toml: token_lifetime must be 1 to",
            ),
            (
                "token_lifetime = 3600",
                "token_lifetime = -1",
                "line 13 of ace.toml: invalid value",
            ),
            (
                "token_lifetime = 3600",
                "token_lifetime = \"1h\"",
                "line 13 of ace.toml: invalid type: string \"1h\"",
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
                "issuer = \"coap://127.0.0.1:5683\"",
                "issuer = \"\"",
                "line 10 of ace.toml: issuer must have",
            ),
            (
                "listen = \"127.0.0.1:5683\"",
                "listen = \"here\"",
                "line 4 of ace.toml: invalid socket address",
            ),
            (
                "store = \"store.sqlite\"",
                "store = \"\"",
                "line 16 of ace.toml: store must name a file",
            ),
            (
                "store = \"store.sqlite\"",
                "store = \"store.sqlite",
                "line 16 of ace.toml: ",
            ),
            (
                "store = \"store.sqlite\"",
                "listen = \"127.0.0.1:1\"",
                "line 16 of ace.toml: duplicate key",
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
