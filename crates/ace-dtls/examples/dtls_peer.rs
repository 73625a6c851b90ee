//! A client or server over a UDP socket, for trying the engine against other implementations.
//!
//! ```text
//! dtls_peer server 127.0.0.1:5684 psk IDENTITY KEY [option…]
//! dtls_peer client 127.0.0.1:5684 psk IDENTITY KEY [option…]
//! dtls_peer server 127.0.0.1:5684 rpk es256|eddsa PRIVATE_KEY [option…]
//! ```
//!
//! KEY and PRIVATE_KEY are hexadecimal. Options: `suite=c0a8` (offer this one only), `group=29`, `cid=HEX` (empty: only send the
//! peer's), `mfl=512`, `rsl=256`, `mtu=300`, `no-ems`, `anonymous` (the client needs no key). The client sends lines `ping 1` to `ping 3` and ends when
//! three datagrams came back; the server answers each datagram with itself and ends with its first connection. Any raw public key
//! of the peer is accepted and printed.

use std::{env, error::Error, net::UdpSocket, time::Duration};

use ace_crypto::{KeyAgreement, Secret, Signature, SigningKey, VerifyingKey};
use ace_dtls::{
    CipherSuite, Config, Connection, ConnectionId, Credentials, Decision, Event, Incoming, Instant,
    Listener, MaxFragmentLength, OwnPsk, Psk,
};

struct Keys {
    psk: Option<(Vec<u8>, Vec<u8>)>,
    own: Option<SigningKey>,
}

impl Credentials for Keys {
    fn find_psk(&mut self, identity: &[u8]) -> Decision<Psk> {
        match &self.psk {
            Some((expected, key)) if expected == identity => Decision::Accept(Psk {
                key: Secret::new(key).expect("a key of up to 64 bytes"),
                peer: 1,
            }),
            _ => Decision::Refuse,
        }
    }

    fn own_psk(&self, _hint: &[u8]) -> Option<OwnPsk<'_>> {
        let (identity, key) = self.psk.as_ref()?;
        Some(OwnPsk { identity, key })
    }

    fn signing_key(&self) -> Option<&SigningKey> {
        self.own.as_ref()
    }

    fn accept_key(&mut self, key: &VerifyingKey) -> Decision<u64> {
        let mut spki = [0; VerifyingKey::MAX_SPKI_LEN];
        let len = key.to_spki(&mut spki).expect("room for any key");
        println!("peer key {}", hex::encode(&spki[..len]));
        Decision::Accept(2)
    }
}

fn settings(options: &[String]) -> Result<Config, Box<dyn Error>> {
    let mut config = Config::DEFAULT;
    for option in options {
        match option.split_once('=').unwrap_or((option, "")) {
            ("suite", number) => {
                let suite = CipherSuite::from_number(u16::from_str_radix(number, 16)?);
                config.suites = vec![suite.ok_or("unknown suite")?].leak();
            }
            ("group", number) => {
                let group = KeyAgreement::from_named_group(number.parse()?);
                config.groups = vec![group.ok_or("unknown group")?].leak();
            }
            ("cid", cid) => config.connection_id = ConnectionId::new(&hex::decode(cid)?),
            ("mfl", "512") => config.max_fragment_length = Some(MaxFragmentLength::Bytes512),
            ("mfl", "1024") => config.max_fragment_length = Some(MaxFragmentLength::Bytes1024),
            ("rsl", limit) => config.record_size_limit = Some(limit.parse()?),
            ("mtu", mtu) => config.mtu = mtu.parse()?,
            ("no-ems", _) => config.require_extended_master_secret = false,
            ("anonymous", _) => config.require_client_key = false,
            _ => return Err(format!("unknown option {option}").into()),
        }
    }
    Ok(config)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [role, address, mode, first, second, options @ ..] = &arguments[..] else {
        return Err("see the head of this file".into());
    };
    let second = hex::decode(second)?;
    let mut keys = match mode.as_str() {
        "psk" => Keys {
            psk: Some((first.clone().into_bytes(), second)),
            own: None,
        },
        _ => {
            let algorithm = if first == "es256" {
                Signature::Es256
            } else {
                Signature::EdDsa
            };
            Keys {
                psk: None,
                own: Some(SigningKey::from_bytes(algorithm, &second)?),
            }
        }
    };
    let mut config = settings(options)?;
    if options.iter().all(|option| !option.starts_with("suite=")) {
        config.suites = if keys.own.is_some() {
            &[
                CipherSuite::EcdheEcdsaAes128Ccm8,
                CipherSuite::EcdheEcdsaAes128Ccm,
            ]
        } else {
            &[
                CipherSuite::PskAes128Ccm8,
                CipherSuite::PskAes128Ccm,
                CipherSuite::EcdhePskAes128Ccm8,
                CipherSuite::EcdhePskAes128Ccm,
            ]
        };
    }
    let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
    let epoch = std::time::Instant::now();
    let now = || Instant(epoch.elapsed().as_millis() as u64);

    let socket = UdpSocket::bind(if role == "server" {
        address
    } else {
        "127.0.0.1:0"
    })?;
    let mut buffer = vec![0; 65_536];
    let mut out = vec![0; 20_000];
    let (mut connection, peer) = if role == "server" {
        let mut listener = Listener::new(Listener::DEFAULT_PERIOD, now(), &mut rng);
        loop {
            let (len, from) = socket.recv_from(&mut buffer)?;
            let name = from.to_string();
            match listener.handle(now(), name.as_bytes(), &buffer[..len], &mut rng, &mut out) {
                Incoming::Reply(len) => drop(socket.send_to(&out[..len], from)?),
                Incoming::Accept(accept) => {
                    let mut connection: Connection = Connection::server(&config, accept, now());
                    connection.handle(now(), &mut buffer[..len], &mut keys, &mut rng);
                    break (connection, from);
                }
                Incoming::Drop(reason) => println!("dropped: {reason}"),
            }
        }
    } else {
        (
            Connection::client(&config, now(), &keys, &mut rng)?,
            address.parse()?,
        )
    };

    let mut echoed = 0;
    loop {
        while let Some(len) = connection.poll_transmit(&mut out) {
            socket.send_to(&out[..len], peer)?;
        }
        while let Some(event) = connection.poll_event() {
            match event {
                Event::Connected => {
                    let session = connection.session();
                    let suite = session.suite().map_or("?", CipherSuite::name);
                    println!("connected {suite} {:?}", session.peer());
                    while let Some(len) = connection.poll_transmit(&mut out) {
                        socket.send_to(&out[..len], peer)?;
                    }
                    if role == "client" {
                        for n in 1..=3 {
                            let len =
                                connection.send(format!("ping {n}\n").as_bytes(), &mut out)?;
                            socket.send_to(&out[..len], peer)?;
                        }
                    }
                }
                Event::Closed(reason) => {
                    while let Some(len) = connection.poll_transmit(&mut out) {
                        socket.send_to(&out[..len], peer)?;
                    }
                    println!("closed: {reason}");
                    return Ok(());
                }
                _ => {}
            }
        }
        let wait = connection
            .poll_timeout()
            .map_or(Duration::from_secs(10), |due| due.saturating_sub(now()));
        socket.set_read_timeout(Some(wait.max(Duration::from_millis(1))))?;
        match socket.recv_from(&mut buffer) {
            Ok((len, from)) if from == peer => {
                let received = connection.handle(now(), &mut buffer[..len], &mut keys, &mut rng);
                for data in received.data {
                    println!("data {:?}", String::from_utf8_lossy(data));
                    echoed += 1;
                    if role == "server" {
                        let len = connection.send(data, &mut out)?;
                        socket.send_to(&out[..len], peer)?;
                    }
                }
                if role == "client" && echoed >= 3 {
                    connection.close();
                }
            }
            Ok(_) => {}
            Err(_) if connection.poll_timeout().is_none() => {
                println!("silence");
                connection.close();
            }
            Err(_) => connection.handle_timeout(now()),
        }
    }
}
