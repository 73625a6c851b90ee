//! `ace.toml`: what an operator may set, and what is said when a line is wrong.

mod admin;
mod section;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use ace_wire::coap::{Scheme, Uri};
use serde::Deserialize;

use crate::failure::Failure;

pub use admin::Admin;
pub use section::{Section, Wrong};

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
    /// The admin API.
    #[serde(default)]
    pub admin: Admin,
}

/// What `ace init` writes of each section.
const SECTIONS: [&str; 1] = [Admin::TEXT];

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
        let refused = |section: Option<&str>, key: &str, why: &str| {
            let line = section::line_of(text, section, key);
            let line = line.map_or(String::new(), |line| format!("line {line} of "));
            let section = section.map_or(String::new(), |section| format!("[{section}] "));
            Failure::setup(format!("{line}{}: {section}{key} {why}", path.display()))
        };
        let wrong = |key: &str, why: &str| Err(refused(None, key, why));
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
        let in_section = |section, Wrong { key, why }: Wrong| refused(Some(section), key, &why);
        let admin = config.admin.check();
        admin.map_err(|wrong| in_section(Admin::NAME, wrong))?;
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

{sections}"#,
        sections = SECTIONS.join("\n"),
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
mod tests;
