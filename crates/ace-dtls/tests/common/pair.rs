//! A client and a server wired together without a network: each datagram can be looked at and changed on its way.

use std::collections::VecDeque;

use ace_dtls::{CloseReason, Config, Connection, Error, Event, Incoming, Instant, Listener};
use ace_testkit::SeededRandom;

use super::{Keys, closed};

pub struct Pair<const N: usize = 1536> {
    pub now: u64,
    pub client: Connection<N>,
    pub server: Option<Connection<N>>,
    pub server_config: Config,
    pub listener: Listener,
    pub client_keys: Keys,
    pub server_keys: Keys,
    pub rng: SeededRandom,
    pub client_events: Vec<Event>,
    pub server_events: Vec<Event>,
    replies: VecDeque<Vec<u8>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    Client,
    Server,
}

impl Pair {
    pub fn new(config: &Config, keys: (Keys, Keys)) -> Self {
        Self::with(config, config, keys)
    }

    pub fn with(client: &Config, server: &Config, keys: (Keys, Keys)) -> Self {
        Self::sized(client, server, keys)
    }

    pub fn connected(config: &Config, keys: (Keys, Keys)) -> Self {
        let mut pair = Self::new(config, keys);
        pair.run();
        assert!(pair.both_established());
        pair
    }
}

impl<const N: usize> Pair<N> {
    pub fn sized(client: &Config, server: &Config, keys: (Keys, Keys)) -> Self {
        let mut rng = SeededRandom::new(4);
        Self {
            now: 0,
            client: Connection::client(client, Instant(0), &keys.0, &mut rng).unwrap(),
            server: None,
            server_config: *server,
            listener: Listener::new(Listener::DEFAULT_PERIOD, Instant(0), &mut rng),
            client_keys: keys.0,
            server_keys: keys.1,
            rng,
            client_events: Vec::new(),
            server_events: Vec::new(),
            replies: VecDeque::new(),
        }
    }

    pub fn server(&mut self) -> &mut Connection<N> {
        self.server.as_mut().expect("a server connection")
    }

    /// Gives a datagram to one side; returns the data in it.
    pub fn give(&mut self, to: To, datagram: &[u8]) -> Vec<Vec<u8>> {
        let now = Instant(self.now);
        let mut bytes = datagram.to_vec();
        let received = match to {
            To::Client => self
                .client
                .handle(now, &mut bytes, &mut self.client_keys, &mut self.rng),
            To::Server => {
                if self.server.is_none() {
                    let mut out = [0; 64];
                    let incoming =
                        self.listener
                            .handle(now, b"peer", datagram, &mut self.rng, &mut out);
                    match incoming {
                        Incoming::Reply(len) => self.replies.push_back(out[..len].to_vec()),
                        Incoming::Accept(accept) => {
                            self.server =
                                Some(Connection::server(&self.server_config, accept, now));
                        }
                        Incoming::Drop(_) => {}
                    }
                }
                let Some(server) = &mut self.server else {
                    return Vec::new();
                };
                server.handle(now, &mut bytes, &mut self.server_keys, &mut self.rng)
            }
        };
        let data = received.data.map(<[u8]>::to_vec).collect();
        self.collect();
        data
    }

    pub fn collect(&mut self) {
        while let Some(event) = self.client.poll_event() {
            self.client_events.push(event);
        }
        while let Some(event) = self.server.as_mut().and_then(Connection::poll_event) {
            self.server_events.push(event);
        }
    }

    /// What one side has to send.
    pub fn take(&mut self, from: To) -> Vec<Vec<u8>> {
        let mut sent = Vec::new();
        let connection = match from {
            To::Client => Some(&mut self.client),
            To::Server => {
                sent.extend(self.replies.drain(..));
                self.server.as_mut()
            }
        };
        if let Some(connection) = connection {
            let mut out = vec![0; 2_000];
            while let Some(len) = connection.poll_transmit(&mut out) {
                sent.push(out[..len].to_vec());
            }
        }
        self.collect();
        sent
    }

    /// Carries datagrams to and fro until there are none; `tamper` gets the number of each, and may change it.
    pub fn run_with(&mut self, mut tamper: impl FnMut(usize, To, &mut Vec<u8>)) {
        let mut number = 0;
        for _ in 0..20 {
            let mut moved = false;
            for (from, to) in [(To::Client, To::Server), (To::Server, To::Client)] {
                for mut datagram in self.take(from) {
                    tamper(number, to, &mut datagram);
                    number += 1;
                    moved = true;
                    self.give(to, &datagram);
                }
            }
            if !moved {
                return;
            }
        }
    }

    pub fn run(&mut self) {
        self.run_with(|_, _, _| {});
    }

    pub fn both_established(&self) -> bool {
        self.client.session().is_established()
            && self
                .server
                .as_ref()
                .is_some_and(|server| server.session().is_established())
    }

    pub fn client_closed(&self) -> Option<CloseReason> {
        closed(&self.client_events)
    }

    pub fn server_closed(&self) -> Option<CloseReason> {
        closed(&self.server_events)
    }

    pub fn server_error(&self) -> Option<Error> {
        match self.server_closed() {
            Some(CloseReason::Failed(error)) => Some(error),
            _ => None,
        }
    }

    pub fn client_error(&self) -> Option<Error> {
        match self.client_closed() {
            Some(CloseReason::Failed(error)) => Some(error),
            _ => None,
        }
    }

    pub fn seal(&mut self, from: To, data: &[u8]) -> Vec<u8> {
        let mut out = vec![0; 20_000];
        let len = match from {
            To::Client => self.client.send(data, &mut out),
            To::Server => self.server().send(data, &mut out),
        };
        out.truncate(len.unwrap());
        out
    }
}

/// The records of a datagram without Connection IDs.
pub fn records(datagram: &[u8]) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    let mut rest = datagram;
    while rest.len() >= 13 {
        let len = 13 + usize::from(u16::from_be_bytes([rest[11], rest[12]]));
        records.push(rest[..len].to_vec());
        rest = &rest[len..];
    }
    records
}

/// A record of epoch 0.
pub fn plain(kind: u8, sequence: u64, body: &[u8]) -> Vec<u8> {
    let mut record = vec![kind, 0xfe, 0xfd, 0, 0];
    record.extend(&sequence.to_be_bytes()[2..]);
    record.extend((body.len() as u16).to_be_bytes());
    record.extend(body);
    record
}

/// A handshake message in one piece.
pub fn message(kind: u8, seq: u16, body: &[u8]) -> Vec<u8> {
    fragment(kind, seq, body, 0..body.len())
}

pub fn fragment(kind: u8, seq: u16, body: &[u8], range: std::ops::Range<usize>) -> Vec<u8> {
    let mut message = vec![kind];
    message.extend(&(body.len() as u32).to_be_bytes()[1..]);
    message.extend(seq.to_be_bytes());
    message.extend(&(range.start as u32).to_be_bytes()[1..]);
    message.extend(&(range.len() as u32).to_be_bytes()[1..]);
    message.extend(&body[range]);
    message
}

/// Type, message_seq and body of the message in a record of epoch 0, if it is one whole.
pub fn whole_message(record: &[u8]) -> Option<(u8, u16, Vec<u8>)> {
    let handshake = record[0] == 22 && record[3..5] == [0, 0];
    handshake.then(|| {
        let seq = u16::from_be_bytes([record[17], record[18]]);
        (record[13], seq, record[25..].to_vec())
    })
}
