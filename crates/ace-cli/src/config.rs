//! `ace.toml`: what an operator may set, and what is said when a line is wrong.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

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

    /// What `ace init` writes.
    pub fn text(listen: SocketAddr) -> String {
        format!(
            r#"# The authorization server of this site. `ace serve --validate --site DIR` checks this file.

# Where the server listens (UDP).
listen = "{listen}"

# The token endpoint, as clients and resource servers reach it. Goes into every bundle.
uri = "coap://{listen}/token"

# The issuer named in every token. Resource servers accept no other.
issuer = "coap://{listen}"

# Seconds a token lives (1 to {max}).
token_lifetime = {lifetime}

# The store, relative to this folder.
store = "store.sqlite"
"#,
            max = Self::MAX_TOKEN_LIFETIME,
            lifetime = one_hour(),
        )
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
            let place = match error.span() {
                // A span at the very start is toml's way to speak of the file as a whole.
                Some(span) if span.end > 0 && span.start < text.len() => {
                    let line = text.get(..span.start).unwrap_or(text).matches('\n').count() + 1;
                    format!("line {line} of {}", path.display())
                }
                _ => path.display().to_string(),
            };
            let message = error.message().trim().replace('\n', "; ");
            Failure::setup(format!("{place}: {message}; correct it and try again"))
        })?;
        let wrong = |key: &str, why: &str| {
            let line = text
                .lines()
                .position(|line| line.trim_start().starts_with(key));
            let line = line.map_or(String::new(), |at| format!("line {} of ", at + 1));
            Err(Failure::setup(format!(
                "{line}{}: {key} {why}",
                path.display()
            )))
        };
        if !(1..=Self::MAX_TOKEN_LIFETIME).contains(&config.token_lifetime) {
            return wrong(
                "token_lifetime",
                &format!("must be 1 to {} seconds", Self::MAX_TOKEN_LIFETIME),
            );
        }
        if ace_wire::coap::Uri::parse(&config.uri).is_err() {
            return wrong(
                "uri",
                "must be a coap:// URI such as \"coap://127.0.0.1:5683/token\"",
            );
        }
        if config.issuer.is_empty() || config.issuer.len() > 255 {
            return wrong("issuer", "must have 1 to 255 characters");
        }
        Ok(config)
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

    #[test]
    fn what_init_writes_is_read_back() {
        let config = Config::parse(&Config::text(listen()), Path::new("ace.toml")).expect("valid");
        assert_eq!(config.listen, listen());
        assert_eq!(config.uri, "coap://127.0.0.1:5683/token");
        assert_eq!(config.token_lifetime, 3600);
    }

    #[test]
    fn a_wrong_line_is_named_with_file_line_and_key() {
        let text = Config::text(listen());
        let unknown = message(&format!("{text}\nlisen = 1\n"));
        let line = text.lines().count() + 2;
        assert!(
            unknown.starts_with(&format!("line {line} of ace.toml: unknown field `lisen`")),
            "{unknown}"
        );
        let lifetime = message(&text.replace("token_lifetime = 3600", "token_lifetime = 0"));
        assert!(
            lifetime.starts_with("line 13 of ace.toml: token_lifetime must be 1 to"),
            "{lifetime}"
        );
        let uri = message(&text.replace("coap://127.0.0.1:5683/token", "http://x/token"));
        assert!(uri.contains("ace.toml: uri must be a coap:// URI"), "{uri}");
        let syntax = message("listen = ");
        assert!(syntax.starts_with("line 1 of ace.toml: "), "{syntax}");
        let missing = message("");
        assert!(missing.contains("listen"), "{missing}");
    }
}
