//! webrtc-dtls: pre-shared keys and X.509 certificates.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, stdin},
    net::UdpSocket,
};
use webrtc_dtls::{
    cipher_suite::CipherSuiteId,
    config::{ClientAuthType, Config, ExtendedMasterSecretType},
    conn::DTLSConn,
    crypto::Certificate,
    listener::listen,
};
use webrtc_util::conn::{Conn, Listener as _};

use crate::{Keys, Peer, print};

#[tokio::main]
pub async fn run(peer: Peer) -> Result<()> {
    let suite = match peer.suite {
        0xc0a4 => CipherSuiteId::Tls_Psk_With_Aes_128_Ccm,
        0xc0a8 => CipherSuiteId::Tls_Psk_With_Aes_128_Ccm_8,
        0xc0ac => CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_128_Ccm,
        0xc0ae => CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_128_Ccm_8,
        other => anyhow::bail!("webrtc-dtls has no suite {other:04x}"),
    };
    let mut config = Config {
        cipher_suites: vec![suite],
        extended_master_secret: ExtendedMasterSecretType::Require,
        ..Config::default()
    };
    match peer.keys {
        Keys::Psk { identity, key } => {
            config.psk = Some(Arc::new(move |_| Ok(key.clone())));
            // The identity of a client, the hint of a server.
            config.psk_identity_hint = Some(identity.into_bytes());
        }
        Keys::X509 {
            key_and_chain,
            anchor,
            name,
        } => {
            config.certificates = vec![Certificate::from_pem(&key_and_chain)?];
            let mut anchors = rustls::RootCertStore::empty();
            anchors.add(anchor.into())?;
            config.roots_cas = anchors.clone();
            config.client_cas = anchors;
            config.client_auth = ClientAuthType::RequireAndVerifyClientCert;
            config.server_name = name;
        }
    }
    if peer.server {
        let listener = listen(("127.0.0.1", peer.port), config).await?;
        eprintln!("listening");
        let (connection, _) = listener.accept().await.context("accept")?;
        eprintln!("connected");
        let mut buffer = vec![0; 4096];
        loop {
            let length = connection.recv(&mut buffer).await?;
            print(&buffer[..length])?;
            connection.send(&buffer[..length]).await?;
        }
    }
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    socket.connect(("127.0.0.1", peer.port)).await?;
    let connection = DTLSConn::new(Arc::new(socket), config, true, None).await?;
    eprintln!("connected");
    let mut lines = BufReader::new(stdin()).lines();
    let mut buffer = vec![0; 4096];
    loop {
        tokio::select! {
            line = lines.next_line() => match line? {
                Some(line) => drop(connection.send(format!("{line}\n").as_bytes()).await?),
                None => return Ok(connection.close().await?),
            },
            length = connection.recv(&mut buffer) => print(&buffer[..length?])?,
        }
    }
}
