//! dimpl: pre-shared keys with AES-128-CCM-8, one connection.

use std::{
    io::{BufRead as _, ErrorKind},
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc,
        mpsc::{TryRecvError, channel},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, bail, ensure};
use dimpl::{Config, Dtls, Output, PskResolver};

use crate::{Keys, Peer, print};

struct One {
    identity: Vec<u8>,
    key: Vec<u8>,
}

impl PskResolver for One {
    fn resolve(&self, identity: &[u8]) -> Option<Vec<u8>> {
        (identity == self.identity).then(|| self.key.clone())
    }
}

pub fn run(peer: &Peer) -> Result<()> {
    let Keys::Psk { identity, key } = &peer.keys else {
        bail!("dimpl knows neither certificates with AES-CCM nor raw public keys");
    };
    ensure!(peer.suite == 0xc0a8, "dimpl has TLS_PSK_WITH_AES_128_CCM_8 alone");
    let identity = identity.clone().into_bytes();
    let one = Arc::new(One {
        identity: identity.clone(),
        key: key.clone(),
    });
    let builder = Config::builder();
    let config = if peer.server {
        builder.with_psk_server(None, one)
    } else {
        builder.with_psk_client(identity, one)
    };
    let mut dtls = Dtls::new_12_psk(Arc::new(config.build()?), Instant::now());
    let listen = if peer.server { peer.port } else { 0 };
    let socket = UdpSocket::bind(("127.0.0.1", listen))?;
    socket.set_read_timeout(Some(Duration::from_millis(20)))?;
    let mut other: Option<SocketAddr> = None;
    if !peer.server {
        dtls.set_active(true);
        other = Some(([127, 0, 0, 1], peer.port).into());
    }
    eprintln!("listening");

    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line + "\n").is_err() {
                break;
            }
        }
    });
    let mut due = Instant::now();
    let mut connected = false;
    let mut buffer = vec![0; 4096];
    loop {
        let mut echoes = Vec::new();
        if due <= Instant::now() {
            dtls.handle_timeout(Instant::now())?;
        }
        let mut out = vec![0; 4096];
        loop {
            match dtls.poll_output(&mut out) {
                Output::Packet(packet) => {
                    if let Some(other) = other {
                        socket.send_to(packet, other)?;
                    }
                }
                Output::Timeout(at) => {
                    due = at;
                    break;
                }
                Output::Connected => {
                    connected = true;
                    eprintln!("connected");
                }
                Output::ApplicationData(data) => {
                    print(data)?;
                    echoes.push(data.to_vec());
                }
                Output::CloseNotify => return Ok(()),
                _ => {}
            }
        }
        for echo in echoes.iter().filter(|_| peer.server) {
            dtls.send_application_data(echo)?;
        }
        match socket.recv_from(&mut buffer) {
            Ok((length, from)) => {
                other = Some(from);
                dtls.handle_packet(&buffer[..length])?;
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
            Err(error) => return Err(error.into()),
        }
        if connected && !peer.server {
            match lines.try_recv() {
                Ok(line) => {
                    dtls.send_application_data(line.as_bytes())?;
                }
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => {
                    dtls.close()?;
                    while let Output::Packet(packet) = dtls.poll_output(&mut out) {
                        if let Some(other) = other {
                            socket.send_to(packet, other)?;
                        }
                    }
                    return Ok(());
                }
            }
        }
    }
}
