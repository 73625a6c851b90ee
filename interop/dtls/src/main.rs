//! A plain DTLS 1.2 client and server made of this stack's engine, for foreign peers that know no ACE.
//!
//! ```text
//! dtls-peer serve --listen ADDRESS:PORT KEYS [OPTIONS] [--coap]
//! dtls-peer connect --to ADDRESS:PORT KEYS [OPTIONS] [--get PATH]
//! ```
//!
//! KEYS is `--identity TEXT --psk HEX`, or `--own es256:HEX --chain FILE.der[,FILE.der] --anchor FILE.der --name NAME` with X.509 certificates, or `--own es256:HEX|eddsa:HEX --peer-key HEX` with our private key and the only
//! SubjectPublicKeyInfo accepted from the peer. OPTIONS: `--suite c0a8` (this one only), `--group 23`, `--cid HEX` (empty: be
//! ready to send the peer's), `--mtu SIZE`, `--fragment 512` (max_fragment_length), `--record-size-limit SIZE`.
//!
//! `serve` answers each datagram with `ace heard ` and the same again, or a CoAP GET with `hello from ace`. `connect` sends each
//! line of standard input and prints what comes, until standard input ends; with `--get` it prints the payload of one CoAP answer.
//! What the engine says goes to standard error.

mod arguments;
mod coap;
mod connect;
mod keys;
mod serve;

use std::{
    io::ErrorKind,
    net::UdpSocket,
    process::ExitCode,
    time::{Duration, Instant as Clock},
};

use ace_crypto::KeyAgreement;
use ace_dtls::{CipherSuite, Config, ConnectionId, Instant, MaxFragmentLength};
use anyhow::{Context as _, Result, bail};

use crate::{arguments::Arguments, keys::Keys};

/// With room for the chains of both sides.
type Connection = ace_dtls::Connection<8192>;

/// The longest datagram taken or sent.
const DATAGRAM: usize = 20_000;
/// How long to wait for a datagram before other things are looked at.
const TURN: Duration = Duration::from_millis(20);

fn main() -> ExitCode {
    let mut arguments = Arguments::of_process();
    let result = match arguments.word().as_deref() {
        Some("serve") => serve::run(&mut arguments),
        Some("connect") => connect::run(&mut arguments),
        other => Err(anyhow::anyhow!("serve or connect, not {other:?}")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dtls-peer: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The randomness of the operating system.
fn rng() -> impl ace_crypto::CryptoRng {
    getrandom::rand_core::UnwrapErr(getrandom::SysRng)
}

/// The engine's settings, and what is needed to drive it over a socket.
struct Udp {
    config: Config,
    socket: UdpSocket,
    start: Clock,
}

impl Udp {
    fn new(arguments: &mut Arguments, keys: &Keys, address: &str) -> Result<Self> {
        let socket = UdpSocket::bind(address).with_context(|| format!("a socket at {address}"))?;
        socket.set_read_timeout(Some(TURN))?;
        Ok(Self {
            config: settings(arguments, keys.has_psk())?,
            socket,
            start: Clock::now(),
        })
    }

    fn now(&self) -> Instant {
        Instant(self.start.elapsed().as_millis() as u64)
    }

    /// The next datagram, if one comes soon.
    fn receive(&self, buffer: &mut [u8]) -> Result<Option<(usize, std::net::SocketAddr)>> {
        match self.socket.recv_from(buffer) {
            Ok(received) => Ok(Some(received)),
            // A port that nobody listens on any more shows as an error of the next receive.
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock
                | ErrorKind::TimedOut
                | ErrorKind::ConnectionRefused
                | ErrorKind::Interrupted => Ok(None),
                _ => Err(error.into()),
            },
        }
    }

    /// Sends what the engine has to send.
    fn flush(&self, connection: &mut Connection, peer: std::net::SocketAddr) {
        let mut out = vec![0; DATAGRAM];
        while let Some(len) = connection.poll_transmit(&mut out) {
            self.send(&out[..len], peer);
        }
    }

    fn send(&self, datagram: &[u8], peer: std::net::SocketAddr) {
        // What the network loses, retransmission brings again.
        let _ = self.socket.send_to(datagram, peer);
    }
}

/// The suites that a pre-shared key, or else a raw public key, is good for.
fn suites(psk: bool) -> &'static [CipherSuite] {
    if psk {
        &[
            CipherSuite::EcdhePskAes128Ccm8,
            CipherSuite::EcdhePskAes128Ccm,
            CipherSuite::PskAes128Ccm8,
            CipherSuite::PskAes128Ccm,
        ]
    } else {
        &[
            CipherSuite::EcdheEcdsaAes128Ccm8,
            CipherSuite::EcdheEcdsaAes128Ccm,
        ]
    }
}

fn settings(arguments: &mut Arguments, psk: bool) -> Result<Config> {
    let mut config = Config {
        suites: suites(psk),
        ..Config::DEFAULT
    };
    if let Some(suite) = arguments.option("--suite")? {
        let suite = CipherSuite::from_number(u16::from_str_radix(&suite, 16)?);
        config.suites = vec![suite.context("a suite that is not built in")?].leak();
    }
    if let Some(group) = arguments.number("--group")? {
        let group = KeyAgreement::from_named_group(group.try_into()?);
        config.groups = vec![group.context("a group that is not built in")?].leak();
    }
    if let Some(cid) = arguments.option("--cid")? {
        let cid = ConnectionId::new(&hex::decode(cid)?);
        config.connection_id = Some(cid.context("a Connection ID that is too long")?);
    }
    if let Some(mtu) = arguments.number("--mtu")? {
        config.mtu = mtu.try_into()?;
    }
    config.max_fragment_length = match arguments.number("--fragment")? {
        None => None,
        Some(512) => Some(MaxFragmentLength::Bytes512),
        Some(1024) => Some(MaxFragmentLength::Bytes1024),
        Some(other) => bail!("fragments of {other} bytes"),
    };
    if let Some(limit) = arguments.number("--record-size-limit")? {
        config.record_size_limit = Some(limit.try_into()?);
    }
    Ok(config)
}

/// Says with whom a connection is, and how.
fn report(connection: &Connection) {
    let session = connection.session();
    eprintln!(
        "connected {} {:?} sends {} bytes of Connection ID",
        session.suite().map_or("?", CipherSuite::name),
        session.peer(),
        session.connection_id().len(),
    );
}
