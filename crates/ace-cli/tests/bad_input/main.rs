//! Bad input: exit code 2 and one sentence on standard error that names the file, line or key and what to do.

mod device;
mod site;
#[path = "../support/mod.rs"]
mod support;
mod words;

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
