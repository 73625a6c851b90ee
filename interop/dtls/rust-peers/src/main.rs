//! Other Rust implementations of DTLS 1.2 as programs that pass lines of text.
//!
//! ```text
//! rust-dtls-peers webrtc|dimpl serve|connect PORT SUITE psk IDENTITY KEY
//! rust-dtls-peers webrtc serve|connect PORT SUITE x509 KEY_AND_CHAIN.pem ANCHOR.der NAME
//! ```
//!
//! SUITE is a number in hexadecimal. `serve` prints what comes and sends it back; `connect` sends each line of standard input and prints
//! what comes, until standard input ends, and closes the connection then.

mod dimpl_peer;
mod webrtc_peer;

use std::{env, fs, io::Write as _, process::ExitCode};

use anyhow::{Context as _, Result, bail};

pub struct Peer {
    pub server: bool,
    pub port: u16,
    pub suite: u16,
    pub keys: Keys,
}

pub enum Keys {
    Psk {
        identity: String,
        key: Vec<u8>,
    },
    X509 {
        key_and_chain: String,
        anchor: Vec<u8>,
        name: String,
    },
}

impl Peer {
    fn of(arguments: &[String]) -> Result<Self> {
        let [role, port, suite, kind, rest @ ..] = arguments else {
            bail!("serve|connect PORT SUITE psk|x509 …");
        };
        let keys = match (kind.as_str(), rest) {
            ("psk", [identity, key]) => Keys::Psk {
                identity: identity.clone(),
                key: hex::decode(key)?,
            },
            ("x509", [key_and_chain, anchor, name]) => Keys::X509 {
                key_and_chain: fs::read_to_string(key_and_chain)?,
                anchor: fs::read(anchor)?,
                name: name.clone(),
            },
            _ => bail!("psk IDENTITY KEY, or x509 KEY_AND_CHAIN.pem ANCHOR.der NAME"),
        };
        Ok(Self {
            server: role == "serve",
            port: port.parse()?,
            suite: u16::from_str_radix(suite, 16)?,
            keys,
        })
    }
}

pub fn print(bytes: &[u8]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes)?;
    out.flush().context("standard output")
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let result = match arguments.split_first() {
        Some((peer, rest)) => Peer::of(rest).and_then(|settings| match peer.as_str() {
            "webrtc" => webrtc_peer::run(settings),
            "dimpl" => dimpl_peer::run(&settings),
            other => bail!("webrtc or dimpl, not {other}"),
        }),
        None => Err(anyhow::anyhow!("webrtc or dimpl")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rust-dtls-peers: {error:#}");
            ExitCode::FAILURE
        }
    }
}
