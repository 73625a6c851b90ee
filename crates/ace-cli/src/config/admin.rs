//! `[admin]`: the admin API.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{Section, Wrong};

/// Where the admin API is, if it is anywhere.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admin {
    /// Where it listens (TCP); nowhere without.
    pub listen: Option<SocketAddr>,
    /// The certificate chain (PEM), relative to the site folder.
    pub certificate: Option<PathBuf>,
    /// Its private key (PEM), likewise.
    pub private_key: Option<PathBuf>,
}

impl Admin {
    #[allow(dead_code, reason = "the listener comes next")]
    /// Where the certificate and its key are, if there is TLS.
    pub fn files(&self, site: &Path) -> Option<(PathBuf, PathBuf)> {
        let (certificate, key) = self.certificate.as_ref().zip(self.private_key.as_ref())?;
        Some((site.join(certificate), site.join(key)))
    }
}

impl Section for Admin {
    const NAME: &'static str = "admin";

    const TEXT: &'static str = r#"[admin]
# Where the admin API (HTTP and JSON) listens; nowhere without. `ace admin add NAME --role own` makes its first credential.
# Any address but 127.0.0.1 and ::1 needs the two files below.
# listen = "127.0.0.1:8443"

# The certificate chain of the admin API and its private key, PEM, relative to this folder.
# certificate = "admin.crt"
# private_key = "admin.key"
"#;

    fn check(&self) -> Result<(), Wrong> {
        match (&self.certificate, &self.private_key) {
            (Some(_), None) => Err(Wrong::new("certificate", "needs private_key beside it")),
            (None, Some(_)) => Err(Wrong::new("private_key", "needs certificate beside it")),
            (None, None) if self.listen.is_some_and(|at| !at.ip().is_loopback()) => {
                let why = "must be of this machine alone, such as \"127.0.0.1:8443\", unless certificate and private_key are set";
                Err(Wrong::new("listen", why))
            }
            _ => Ok(()),
        }
    }
}
