//! What only a view from within can show.

use std::{vec, vec::Vec};

use ace_crypto::Secret;
use ace_testkit::SeededRandom;

use crate::{
    Alert, CipherSuite, CloseReason, Config, Connection, Credentials, Decision, Error, Event,
    Incoming, Instant, Listener, OwnPsk, Psk,
    connection::Step,
    record::{HANDSHAKE, MAX_SEQUENCE},
};

const CONFIG: Config = Config {
    suites: &[CipherSuite::PskAes128Ccm8],
    ..Config::DEFAULT
};

struct Known;

impl Credentials for Known {
    fn find_psk(&mut self, _identity: &[u8]) -> Decision<Psk> {
        Decision::Accept(Psk {
            key: Secret::new(&[1; 16]).unwrap(),
            peer: 3,
        })
    }

    fn own_psk(&self, _hint: &[u8]) -> Option<OwnPsk<'_>> {
        Some(OwnPsk {
            identity: b"me",
            key: &[1; 16],
        })
    }
}

const NOW: Instant = Instant(0);

fn drain(connection: &mut Connection) -> Vec<Vec<u8>> {
    let mut out = [0; 1_500];
    let mut all = Vec::new();
    while let Some(len) = connection.poll_transmit(&mut out) {
        all.push(out[..len].to_vec());
    }
    all
}

/// Carries all that either has to send.
fn exchange(client: &mut Connection, server: &mut Connection, rng: &mut SeededRandom) {
    loop {
        let (from_client, from_server) = (drain(client), drain(server));
        if from_client.is_empty() && from_server.is_empty() {
            return;
        }
        for mut datagram in from_client {
            server.handle(NOW, &mut datagram, &mut Known, rng);
        }
        for mut datagram in from_server {
            client.handle(NOW, &mut datagram, &mut Known, rng);
        }
    }
}

fn connected() -> (Connection, Connection, SeededRandom) {
    let mut rng = SeededRandom::new(8);
    let mut listener = Listener::new(Listener::DEFAULT_PERIOD, NOW, &mut rng);
    let mut client = Connection::client(&CONFIG, NOW, &Known, &mut rng).unwrap();
    let mut out = [0; 64];
    let first = drain(&mut client);
    let Incoming::Reply(len) = listener.handle(NOW, b"", &first[0], &mut rng, &mut out) else {
        panic!("no cookie");
    };
    client.handle(NOW, &mut out[..len], &mut Known, &mut rng);
    let mut second = drain(&mut client);
    let Incoming::Accept(accept) = listener.handle(NOW, b"", &second[0], &mut rng, &mut []) else {
        panic!("cookie refused");
    };
    let mut server = Connection::server(&CONFIG, accept, NOW);
    server.handle(NOW, &mut second[0], &mut Known, &mut rng);
    exchange(&mut client, &mut server, &mut rng);
    assert_eq!(client.poll_event(), Some(Event::Connected));
    assert_eq!(server.poll_event(), Some(Event::Connected));
    (client, server, rng)
}

#[test]
fn rfc5746_5_renegotiation_is_refused_with_a_warning() {
    let (mut client, mut server, mut rng) = connected();
    let mut out = [0; 100];
    let mut ask = |from: &mut Connection, to: &mut Connection, kind: u8| {
        let message = [kind, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0];
        let records = &mut from.session_mut().records;
        let len = records
            .seal(HANDSHAKE, true, &[&message], &mut out)
            .unwrap();
        to.handle(NOW, &mut out[..len], &mut Known, &mut rng);
        let answers = drain(to);
        for mut answer in answers.clone() {
            from.handle(NOW, &mut answer, &mut Known, &mut rng);
        }
        answers.len()
    };
    // ClientHello, HelloRequest; Finished once more for the server alone; anything else
    assert_eq!(ask(&mut client, &mut server, 1), 1);
    assert_eq!(ask(&mut server, &mut client, 0), 1);
    assert_eq!(ask(&mut client, &mut server, 20), 1);
    assert_eq!(ask(&mut server, &mut client, 20), 0);
    assert_eq!(ask(&mut client, &mut server, 16), 0);
    assert!(client.session().is_established() && server.session().is_established());
    let warning = Alert::NO_RENEGOTIATION.name();
    assert_eq!(warning, Some("no_renegotiation"));
}

#[test]
fn rfc6347_4_1_sequence_numbers_never_wrap() {
    let (mut client, mut server, mut rng) = connected();
    let mut out = [0; 100];
    client.session_mut().records.write[1] = MAX_SEQUENCE - 1;
    let len = client.send(b"last", &mut out).unwrap();
    let received = server.handle(NOW, &mut out[..len], &mut Known, &mut rng);
    assert_eq!(received.data.collect::<Vec<_>>(), [b"last"]);
    assert_eq!(client.send(b"x", &mut out), Err(Error::SequenceExhausted));
    assert_eq!(client.send(b"x", &mut out), Err(Error::NotConnected));
    // The last number closes the connection.
    exchange(&mut client, &mut server, &mut rng);
    let failed = CloseReason::Failed(Error::SequenceExhausted);
    assert_eq!(client.poll_event(), Some(Event::Closed(failed)));
    assert_eq!(server.poll_event(), Some(Event::Closed(CloseReason::Peer)));
    let records = &mut client.session_mut().records;
    assert_eq!(records.write[1], MAX_SEQUENCE + 1);
    let sealed = records.seal(HANDSHAKE, true, &[], &mut out);
    assert_eq!(sealed, Err(Error::SequenceExhausted));
}

#[test]
fn rfc6347_4_1_epoch_0_never_wraps_either() {
    let mut rng = SeededRandom::new(8);
    let mut client: Connection = Connection::client(&CONFIG, NOW, &Known, &mut rng).unwrap();
    client.session_mut().records.write[0] = MAX_SEQUENCE;
    assert_eq!(drain(&mut client).len(), 1);
    client.handle_timeout(client.poll_timeout().unwrap());
    assert!(drain(&mut client).is_empty());
    let failed = CloseReason::Failed(Error::SequenceExhausted);
    assert_eq!(client.poll_event(), Some(Event::Closed(failed)));
}

#[test]
fn secrets_of_the_handshake_are_wiped_when_it_is_over_and_keys_at_the_end() {
    let (mut client, mut server, mut rng) = connected();
    for connection in [&mut client, &mut server] {
        let handshake = connection.handshake();
        assert_eq!(handshake.step, Step::Over);
        assert_eq!(handshake.master.as_bytes(), [0; 48]);
        assert_eq!(handshake.messages.len(), 0);
        assert!(!connection.session().records.has_no_keys());
    }
    client.close();
    exchange(&mut client, &mut server, &mut rng);
    assert!(client.session().records.has_no_keys());
    assert!(server.session().records.has_no_keys());
    let shown = std::format!("{client:?}");
    assert!(
        shown.contains("Session") && !shown.contains("key"),
        "{shown}"
    );
}

/// RFC 9146, 4: padding behind the real type, and none but padding.
#[test]
fn rfc9146_4_padding_is_taken_off_and_a_record_of_padding_is_dropped() {
    let cid = crate::ConnectionId::new(b"cid").unwrap();
    let (mut client, mut server, mut rng) = connected();
    client.session_mut().records.peer_cid = cid;
    server.session_mut().records.own_cid = cid;
    let mut out = [0; 100];
    for (kind, plaintext, expected) in [
        (23, &b"data"[..], vec![b"data".to_vec()]),
        // The type byte we add is the last byte of the padding.
        (0, b"data\x17\0\0\0", vec![b"data".to_vec()]),
        (0, b"\0\0\0", vec![]),
        (0, b"", vec![]),
        (23, b"", vec![]),
        (77, b"data", vec![]),
    ] {
        let records = &mut client.session_mut().records;
        let len = records.seal(kind, true, &[plaintext], &mut out).unwrap();
        let received = server.handle(NOW, &mut out[..len], &mut Known, &mut rng);
        let data: Vec<Vec<u8>> = received.data.map(<[u8]>::to_vec).collect();
        assert_eq!(data, expected);
    }
    assert_eq!(server.session().dropped().unverified, 0);
}

/// How full the buffer is at most: what the crate's first page says.
#[cfg(all(feature = "es256", feature = "eddsa"))]
mod buffer {
    use ace_crypto::{Signature, SigningKey, VerifyingKey};

    use super::*;

    struct Both(SigningKey, usize);

    const IDENTITY: [u8; crate::MAX_IDENTITY] = [3; crate::MAX_IDENTITY];

    impl Credentials for Both {
        fn find_psk(&mut self, _identity: &[u8]) -> Decision<Psk> {
            Known.find_psk(&[])
        }
        fn own_psk(&self, _hint: &[u8]) -> Option<OwnPsk<'_>> {
            let identity = &IDENTITY[..self.1];
            Some(OwnPsk {
                identity,
                key: &[1; 16],
            })
        }
        fn signing_key(&self) -> Option<&SigningKey> {
            Some(&self.0)
        }
        fn accept_key(&mut self, _key: &VerifyingKey) -> Decision<u64> {
            Decision::Accept(0)
        }
    }

    /// Whether a handshake succeeds with so large a buffer.
    fn enough<const N: usize>(suite: CipherSuite, identity: usize) -> bool {
        let config = Config {
            suites: vec![suite].leak(),
            ..CONFIG
        };
        let mut rng = SeededRandom::new(8);
        let mut keys = Both(SigningKey::generate(Signature::Es256, &mut rng), identity);
        let mut listener = Listener::new(Listener::DEFAULT_PERIOD, NOW, &mut rng);
        let Ok(mut client) = Connection::<N>::client(&config, NOW, &keys, &mut rng) else {
            return false;
        };
        let mut server: Option<Connection<N>> = None;
        let mut out = [0; 1_500];
        for _ in 0..8 {
            while let Some(len) = client.poll_transmit(&mut out) {
                let mut reply = [0; 64];
                match &mut server {
                    Some(server) => drop(server.handle(NOW, &mut out[..len], &mut keys, &mut rng)),
                    None => match listener.handle(NOW, b"", &out[..len], &mut rng, &mut reply) {
                        Incoming::Accept(accept) => {
                            let mut new = Connection::server(&config, accept, NOW);
                            new.handle(NOW, &mut out[..len], &mut keys, &mut rng);
                            server = Some(new);
                        }
                        Incoming::Reply(len) => {
                            client.handle(NOW, &mut reply[..len], &mut keys, &mut rng);
                        }
                        Incoming::Drop(reason) => panic!("{reason}"),
                    },
                }
            }
            let Some(server) = &mut server else { continue };
            while let Some(len) = server.poll_transmit(&mut out) {
                client.handle(NOW, &mut out[..len], &mut keys, &mut rng);
            }
        }
        client.session().is_established() && server.is_some_and(|s| s.session().is_established())
    }

    #[test]
    fn sizes_of_the_handshake_buffer() {
        use CipherSuite::{EcdheEcdsaAes128Ccm8, EcdhePskAes128Ccm8, PskAes128Ccm8};
        assert!(enough::<256>(PskAes128Ccm8, 16));
        assert!(enough::<768>(PskAes128Ccm8, 512));
        assert!(enough::<416>(EcdhePskAes128Ccm8, 16));
        assert!(enough::<928>(EcdhePskAes128Ccm8, 512));
        assert!(enough::<832>(EcdheEcdsaAes128Ccm8, 0));
        // Too little ends the handshake, and nothing else.
        assert!(!enough::<220>(PskAes128Ccm8, 16));
        assert!(!enough::<760>(EcdheEcdsaAes128Ccm8, 0));
    }
}
