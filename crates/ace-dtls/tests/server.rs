//! The table of sessions: who gets a place in it, who gives one up, and to whom a datagram belongs.

use std::time::Duration;

use ace_crypto::Secret;
use ace_dtls::{
    Alert, CipherSuite, CloseReason, Config, Connection, ConnectionId, Credentials, Decision,
    Error, Event, Instant, OwnPsk, Peer, Psk, Server, ServerEvent, SessionId,
};
use ace_testkit::{Conditions, Network, Node, SeededRandom};

type Table = Server<u16, 4, 2, 512>;

const CONFIG: Config = Config {
    suites: &[CipherSuite::PskAes128Ccm8],
    ..Config::DEFAULT
};
const WITH_CID: Config = Config {
    connection_id: Some(ConnectionId::EMPTY),
    ..CONFIG
};

/// Knows the identities of one byte; its number is the peer's. `0xee` waits once, `0xff` is refused.
#[derive(Default)]
struct Door {
    asked: usize,
}

impl Credentials for Door {
    fn find_psk(&mut self, identity: &[u8]) -> Decision<Psk> {
        self.asked += 1;
        match *identity {
            [0xff] => Decision::RefuseWith(Alert::ILLEGAL_PARAMETER),
            [0xee] if self.asked == 1 => Decision::Pending,
            [peer] => Decision::Accept(Psk {
                key: Secret::new(&[7; 16]).unwrap(),
                peer: peer.into(),
            }),
            _ => Decision::Refuse,
        }
    }
}

struct Client {
    address: u16,
    identity: Vec<u8>,
    key: [u8; 16],
    connection: Connection<512>,
    rng: SeededRandom,
    events: Vec<Event>,
    received: Vec<Vec<u8>>,
}

impl Client {
    fn new(address: u16, identity: &[u8], seed: u64) -> Self {
        Self::with(&CONFIG, address, identity, seed)
    }

    fn with(config: &Config, address: u16, identity: &[u8], seed: u64) -> Self {
        let mut rng = SeededRandom::new(seed);
        let psk = OwnPsk {
            identity,
            key: &[7; 16],
        };
        Self {
            address,
            connection: Connection::client(config, Instant(0), &psk, &mut rng).unwrap(),
            identity: identity.to_vec(),
            key: [7; 16],
            rng,
            events: Vec::new(),
            received: Vec::new(),
        }
    }

    fn sent(&mut self) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        let mut out = [0; 1_400];
        while let Some(len) = self.connection.poll_transmit(&mut out) {
            all.push(out[..len].to_vec());
        }
        all
    }

    fn take(&mut self, now: u64, datagram: &[u8]) {
        let mut datagram = datagram.to_vec();
        let mut psk = OwnPsk {
            identity: &self.identity,
            key: &self.key,
        };
        let received = self
            .connection
            .handle(Instant(now), &mut datagram, &mut psk, &mut self.rng);
        self.received.extend(received.data.map(<[u8]>::to_vec));
        while let Some(event) = self.connection.poll_event() {
            self.events.push(event);
        }
    }

    fn seal(&mut self, data: &[u8]) -> Vec<u8> {
        let mut out = vec![0; 1_400];
        let len = self.connection.send(data, &mut out).unwrap();
        out.truncate(len);
        out
    }

    fn is_connected(&self) -> bool {
        self.connection.session().is_established()
    }
}

struct World {
    now: u64,
    server: Table,
    door: Door,
    rng: SeededRandom,
    events: Vec<ServerEvent<u16>>,
    data: Vec<(SessionId, Vec<u8>)>,
    /// What the server has sent to nobody that listens.
    lost: Vec<(u16, Vec<u8>)>,
}

impl World {
    fn new(config: Config) -> Self {
        let mut rng = SeededRandom::new(3);
        Self {
            now: 0,
            server: Server::new(config, Instant(0), &mut rng),
            door: Door::default(),
            rng,
            events: Vec::new(),
            data: Vec::new(),
            lost: Vec::new(),
        }
    }

    fn give(&mut self, from: u16, datagram: &[u8]) {
        let mut datagram = datagram.to_vec();
        let (now, address) = (Instant(self.now), from.to_be_bytes());
        let (door, rng) = (&mut self.door, &mut self.rng);
        if let Some((id, data)) = self
            .server
            .handle(now, from, &address, &mut datagram, door, rng)
        {
            for data in data {
                self.data.push((id, data.to_vec()));
            }
        }
        self.collect();
    }

    fn collect(&mut self) {
        while let Some(event) = self.server.poll_event() {
            self.events.push(event);
        }
    }

    fn sent(&mut self) -> Vec<(u16, Vec<u8>)> {
        let mut out = [0; 1_400];
        let mut sent = Vec::new();
        while let Some((to, len)) = self.server.poll_transmit(&mut out) {
            sent.push((to, out[..len].to_vec()));
        }
        sent
    }

    /// Carries datagrams to and fro until there are none.
    fn run(&mut self, clients: &mut [&mut Client]) {
        loop {
            let mut moved = false;
            for client in &mut *clients {
                for datagram in client.sent() {
                    moved = true;
                    self.give(client.address, &datagram);
                }
            }
            for (to, datagram) in self.sent() {
                match clients.iter_mut().find(|client| client.address == to) {
                    Some(client) => {
                        moved = true;
                        client.take(self.now, &datagram);
                    }
                    None => self.lost.push((to, datagram)),
                }
            }
            if !moved {
                return;
            }
        }
    }

    fn connect(&mut self, client: &mut Client) -> SessionId {
        self.run(&mut [client]);
        assert!(client.is_connected(), "{:?}", self.events);
        let connected = self.events.iter().rev().find_map(|event| match event {
            ServerEvent::Connected { id, address, .. } if *address == client.address => Some(*id),
            _ => None,
        });
        connected.unwrap()
    }

    /// Whether the server takes data of this client for that of this session, and answers it.
    fn serves(&mut self, client: &mut Client, id: SessionId) -> bool {
        let before = self.data.len();
        let datagram = client.seal(b"ask");
        self.give(client.address, &datagram);
        let got = self.data.get(before) == Some(&(id, b"ask".to_vec()));
        let mut out = [0; 100];
        let Ok((to, len)) = self.server.send(id, b"answer", &mut out) else {
            return false;
        };
        client.take(self.now, &out[..len]);
        got && to == client.address && client.received.pop() == Some(b"answer".to_vec())
    }

    fn closed(&self, session: SessionId) -> Option<CloseReason> {
        self.events.iter().find_map(|event| match event {
            ServerEvent::Closed { id, reason, .. } if *id == session => Some(*reason),
            _ => None,
        })
    }

    fn fail_reason(&self, from: u16) -> Option<CloseReason> {
        self.events.iter().find_map(|event| match event {
            ServerEvent::Failed {
                address, reason, ..
            } if *address == from => Some(*reason),
            _ => None,
        })
    }

    /// A client that has its cookie, and whose hello the server has taken; the server's flight is lost.
    fn half_open(&mut self, address: u16, seed: u64) -> Client {
        let mut client = Client::new(address, &[9], seed);
        for _ in 0..2 {
            for datagram in client.sent() {
                self.give(address, &datagram);
            }
            let sent = self.sent();
            if let [(_, verify)] = &sent[..]
                && verify[13] == 3
            {
                client.take(self.now, verify);
            }
        }
        client
    }
}

#[test]
fn data_goes_both_ways_under_the_name_of_the_session() {
    for config in [CONFIG, WITH_CID] {
        let mut world = World::new(config);
        let mut clients: Vec<Client> = (1..=4)
            .map(|n| Client::with(&config, n, &[n as u8], n.into()))
            .collect();
        let ids: Vec<SessionId> = clients.iter_mut().map(|c| world.connect(c)).collect();
        for (client, &id) in clients.iter_mut().zip(&ids) {
            assert!(world.serves(client, id));
            assert_eq!(
                world.server.peer(id),
                Some(Peer::Psk(client.address.into()))
            );
            assert_eq!(world.server.address(id), Some(client.address));
        }
        assert_eq!(world.server.sessions().collect::<Vec<_>>(), ids);
        assert_eq!(world.server.poll_timeout(), None);

        // Closed by either side.
        world.server.close(ids[0]);
        assert!(world.server.send(ids[0], b"x", &mut [0; 99]).is_err());
        world.run(&mut [&mut clients[0]]);
        world.collect();
        assert_eq!(world.closed(ids[0]), Some(CloseReason::Local));
        assert_eq!(clients[0].events[1], Event::Closed(CloseReason::Peer));
        clients[1].connection.close();
        world.run(&mut [&mut clients[1]]);
        assert_eq!(world.closed(ids[1]), Some(CloseReason::Peer));
        assert_eq!(world.server.sessions().count(), 2);
        assert_eq!(world.server.peer(ids[1]), None);
        assert!(world.serves(&mut clients[2], ids[2]));
    }
}

#[test]
fn rfc6347_4_2_1_100_000_hellos_leave_nothing_behind() {
    let mut world = World::new(CONFIG);
    let mut live = Client::new(1, &[1], 1);
    let id = world.connect(&mut live);
    let mut hello = Client::new(0, &[2], 2).sent().remove(0);
    let mut out = [0; 1_400];
    for n in 0..100_000u32 {
        hello[27..31].copy_from_slice(&n.to_be_bytes());
        let (mut datagram, from) = (hello.clone(), n as u16);
        let taken = world.server.handle(
            Instant(5),
            from,
            &n.to_be_bytes(),
            &mut datagram,
            &mut world.door,
            &mut world.rng,
        );
        assert!(taken.is_none());
        let (to, len) = world.server.poll_transmit(&mut out).unwrap();
        assert!(to == from && len < hello.len());
        assert!(world.server.poll_transmit(&mut out).is_none());
        assert!(world.server.poll_event().is_none());
    }
    // All memory is in the table itself; no handshake has begun.
    assert_eq!(world.server.poll_timeout(), None);
    assert_eq!(world.door.asked, 1);
    assert!(world.serves(&mut live, id));
}

#[test]
fn thousands_of_handshakes_that_never_finish_harm_neither_sessions_nor_patient_clients() {
    let mut world = World::new(CONFIG);
    let mut live = Client::new(1, &[1], 1);
    let id = world.connect(&mut live);
    let mut late = None;
    for n in 0..5_000u16 {
        // A hundred a second, each with a cookie of its own.
        world.now += 10;
        world.half_open(1_000 + n, n.into());
        if let Some(due) = world.server.poll_timeout()
            && due <= Instant(world.now)
        {
            world.server.handle_timeout(Instant(world.now));
            world.sent();
        }
        assert!(world.serves(&mut live, id));
        // One that wants in, with the patience of its retransmissions.
        let client = late.get_or_insert_with(|| Client::new(2, &[2], 2));
        if client.connection.poll_timeout() <= Some(Instant(world.now)) {
            client.connection.handle_timeout(Instant(world.now));
        }
        world.run(&mut [client]);
    }
    let late = late.unwrap();
    assert!(late.is_connected(), "{:?}", late.events);
    assert_eq!(world.server.sessions().count(), 2);
    let evicted = |e: &&ServerEvent<u16>| {
        matches!(
            e,
            ServerEvent::Failed {
                reason: CloseReason::Evicted,
                ..
            }
        )
    };
    // No more than two in each time of grace.
    let evictions = world.events.iter().filter(evicted).count();
    assert!((1..=22).contains(&evictions), "{evictions}");
}

#[test]
fn oldest_handshake_gives_way_after_its_grace_and_not_before() {
    let mut world = World::new(CONFIG);
    world.half_open(10, 10);
    world.now = 1_000;
    world.half_open(11, 11);
    world.now = Table::GRACE.as_millis() as u64 - 1;
    let mut third = world.half_open(12, 12);
    assert_eq!(world.events, []);
    world.now += 1_000;
    third.connection.handle_timeout(Instant(world.now));
    world.run(&mut [&mut third]);
    assert_eq!(world.fail_reason(10), Some(CloseReason::Evicted));
    assert!(third.is_connected());
    // The second is still there, and the place of the third is free again.
    world.half_open(13, 13);
    assert_eq!(world.fail_reason(11), None);

    // From one address there is one handshake, whatever its age.
    world.half_open(13, 14);
    assert_eq!(world.fail_reason(13), Some(CloseReason::Superseded));
    assert_eq!(world.fail_reason(11), None);
}

#[test]
fn full_table_gives_up_the_session_idle_longest() {
    let mut world = World::new(CONFIG);
    let mut clients: Vec<Client> = (1..=4)
        .map(|n| Client::new(n, &[n as u8], n.into()))
        .collect();
    let mut ids = Vec::new();
    for client in &mut clients {
        world.now += 1_000;
        ids.push(world.connect(client));
    }
    // The second has never sent anything; what does not verify does not count.
    for n in [0, 2, 3] {
        world.now += 1_000;
        assert!(world.serves(&mut clients[n], ids[n]));
    }
    world.now += 1_000;
    let mut forged = clients[1].seal(b"forged");
    forged[30] ^= 1;
    world.give(2, &forged);

    let mut fifth = Client::new(5, &[5], 5);
    let old = &mut clients[1];
    world.run(&mut [&mut fifth, old]);
    assert!(fifth.is_connected());
    assert_eq!(world.closed(ids[1]), Some(CloseReason::Evicted));
    // Its peer was told.
    assert_eq!(old.events[1], Event::Closed(CloseReason::Peer));
    for n in [0, 2, 3] {
        assert!(world.serves(&mut clients[n], ids[n]));
    }
    // Its name is nobody's now.
    assert!(world.server.send(ids[1], b"x", &mut [0; 99]).is_err());
    assert_eq!(world.server.peer(ids[1]), None);

    // A handshake that is not done pushes nobody out.
    world.half_open(6, 6);
    assert_eq!(world.server.sessions().count(), 4);
}

#[test]
fn newer_session_of_the_same_peer_replaces_the_older_one() {
    for config in [CONFIG, WITH_CID] {
        let mut world = World::new(config);
        let mut old = Client::with(&config, 1, &[1], 1);
        let first = world.connect(&mut old);
        let mut other = Client::with(&config, 3, &[3], 3);
        let third = world.connect(&mut other);
        let mut new = Client::with(&config, 2, &[1], 2);
        world.run(&mut [&mut new, &mut old]);
        let second = world.server.sessions().find(|id| *id != third).unwrap();
        assert_ne!(first, second);
        assert_eq!(world.closed(first), Some(CloseReason::Superseded));
        assert_eq!(old.events[1], Event::Closed(CloseReason::Peer));
        assert!(world.serves(&mut new, second) && world.serves(&mut other, third));
    }
}

/// The client has restarted at its address, and records of its former session are still on their way.
#[test]
fn rfc6347_4_2_8_protected_records_of_old_session_and_new_handshake_interleaved() {
    for old_peer in [1, 2] {
        let mut world = World::new(CONFIG);
        let mut old = Client::new(7, &[old_peer], 1);
        let first = world.connect(&mut old);
        assert!(world.serves(&mut old, first));

        let mut new = world.half_open(7, 2);
        new.identity = vec![2];
        assert_eq!(world.events.len(), 1);
        // The server's flight once more, since it was lost.
        world.now += 1_000;
        world.server.handle_timeout(Instant(world.now));
        for (_, datagram) in world.sent() {
            new.take(world.now, &datagram);
        }
        let last = new.sent().concat();
        let finished = last.len() - 53;
        assert_eq!(last[finished..finished + 5], [22, 0xfe, 0xfd, 0, 1]);

        // All but Finished; then data, a repeated record, an alert that is forged, and a Finished of the old session; each time it is served.
        world.give(7, &last[..finished]);
        assert!(world.serves(&mut old, first));
        let data = old.seal(b"twice");
        world.give(7, &data);
        world.give(7, &data);
        assert_eq!(world.data.iter().filter(|(_, d)| d == b"twice").count(), 1);
        let mut unknown = old.seal(&[0; 2]);
        unknown[20] ^= 1;
        world.give(7, &unknown);
        // No complaint about any of these reaches the new client.
        assert!(world.sent().is_empty());
        assert!(world.serves(&mut old, first));
        assert_eq!(world.closed(first), None);

        world.give(7, &last[finished..]);
        for (_, datagram) in world.sent() {
            new.take(world.now, &datagram);
        }
        assert!(new.is_connected());
        assert_eq!(world.closed(first), Some(CloseReason::Superseded));
        let second = world.server.sessions().next().unwrap();
        assert!(world.serves(&mut new, second));
        // What is left of the old one is nobody's any more, and disturbs nobody.
        let late = old.seal(b"late");
        world.give(7, &late);
        assert!(world.data.iter().all(|(_, data)| data != b"late"));
        assert!(world.serves(&mut new, second));
    }
}

#[test]
fn rfc6347_4_2_8_close_of_the_old_session_is_its_own_while_a_handshake_waits() {
    let mut world = World::new(CONFIG);
    let mut old = Client::new(7, &[1], 1);
    let first = world.connect(&mut old);
    world.half_open(7, 2);
    old.connection.close();
    let alert = old.sent().remove(0);
    let mut forged = alert.clone();
    forged[25] ^= 1;
    world.give(7, &forged);
    assert_eq!(world.closed(first), None);
    world.give(7, &alert);
    assert_eq!(world.closed(first), Some(CloseReason::Peer));
    assert!(world.server.poll_timeout().is_some());
}

#[test]
fn late_copies_of_a_hello_begin_nothing() {
    let mut world = World::new(CONFIG);
    let mut client = Client::new(1, &[1], 1);
    let first = client.sent().remove(0);
    world.give(1, &first);
    let verify = world.sent().remove(0).1;
    client.take(0, &verify);
    let second = client.sent().remove(0);
    world.give(1, &second);
    let flight = world.sent();
    for _ in 0..10 {
        world.give(1, &first);
        world.give(1, &second);
    }
    assert!(world.sent().is_empty());
    for (_, datagram) in flight {
        client.take(0, &datagram);
    }
    let id = world.connect(&mut client);
    world.give(1, &first);
    world.give(1, &second);
    assert!(world.sent().is_empty());
    assert_eq!(world.server.poll_timeout(), None);
    assert!(world.serves(&mut client, id));
}

#[test]
fn rfc9146_6_a_session_follows_its_peer_when_a_newer_record_verifies() {
    let mut world = World::new(WITH_CID);
    let mut client = Client::with(&WITH_CID, 1, &[1], 1);
    let id = world.connect(&mut client);
    let late = client.seal(b"late");
    let mut forged = client.seal(b"forged");
    *forged.last_mut().unwrap() ^= 1;
    world.give(66, &forged);
    assert_eq!(world.server.address(id), Some(1));
    client.address = 2;
    assert!(world.serves(&mut client, id));
    assert_eq!(world.server.address(id), Some(2));
    // Older than the newest: taken, but nobody moves; received before: not even that.
    world.give(1, &late);
    assert_eq!(world.data.last(), Some(&(id, b"late".to_vec())));
    assert_eq!(world.server.address(id), Some(2));
    let data = client.seal(b"data");
    world.give(2, &data);
    world.give(66, &data);
    assert_eq!(world.server.address(id), Some(2));
    // Two sessions behind one address, told apart by their Connection IDs.
    let mut other = Client::with(&WITH_CID, 2, &[2], 2);
    let second = world.connect(&mut other);
    assert!(world.serves(&mut client, id) && world.serves(&mut other, second));
    // An ID of nobody.
    let mut stray = client.seal(b"stray");
    stray[11] ^= 0x80;
    world.give(2, &stray);
    assert!(world.sent().is_empty());
}

#[test]
fn rfc9202_3_3_2_an_identity_may_be_refused_with_illegal_parameter() {
    let mut world = World::new(CONFIG);
    let mut client = Client::new(1, &[0xff], 1);
    world.run(&mut [&mut client]);
    let alert = Alert::ILLEGAL_PARAMETER;
    assert_eq!(client.events, [Event::Closed(CloseReason::Alert(alert))]);
    let refused = CloseReason::Failed(Error::UnknownIdentity);
    assert_eq!(world.fail_reason(1), Some(refused));
    // RFC 4279, 2, for one that is nobody's
    let mut client = Client::new(2, b"nobody", 2);
    world.run(&mut [&mut client]);
    let alert = Alert::UNKNOWN_PSK_IDENTITY;
    assert_eq!(client.events, [Event::Closed(CloseReason::Alert(alert))]);
    let unknown = CloseReason::Failed(Error::UnknownIdentity);
    assert_eq!(world.fail_reason(2), Some(unknown));
    // Their places are free.
    assert_eq!(world.server.poll_timeout(), None);
}

#[test]
fn decisions_may_come_later() {
    let mut world = World::new(CONFIG);
    let mut client = Client::new(1, &[0xee], 1);
    world.run(&mut [&mut client]);
    assert!(world.server.is_waiting() && !client.is_connected());
    let now = Instant(world.now);
    world.server.resume(now, &mut world.door, &mut world.rng);
    assert!(!world.server.is_waiting());
    // Finished came too early and comes again.
    let due = client.connection.poll_timeout().unwrap();
    world.now = due.0;
    client.connection.handle_timeout(due);
    world.connect(&mut client);
}

#[test]
fn rfc4279_2_wrong_key_is_told_at_once_and_ends_when_the_timers_do() {
    let mut world = World::new(CONFIG);
    let mut client = Client::new(1, &[1], 1);
    client.key = [8; 16];
    world.run(&mut [&mut client]);
    let alert = Alert::DECRYPT_ERROR;
    assert_eq!(client.events, [Event::Closed(CloseReason::Alert(alert))]);
    let doubted = ServerEvent::Doubted {
        address: 1,
        claimed: Peer::Psk(1),
    };
    assert_eq!(world.events, [doubted]);
    while let Some(due) = world.server.poll_timeout() {
        world.server.handle_timeout(due);
        world.collect();
        world.sent();
    }
    let wrong = CloseReason::Failed(Error::WrongKey);
    assert_eq!(world.fail_reason(1), Some(wrong));
}

/// One record that anyone can make, then nothing for some of the timers: the right Finished still comes in time.
#[test]
fn a_forged_finished_does_not_shorten_a_handshake() {
    let mut world = World::new(CONFIG);
    let mut client = Client::new(1, &[1], 1);
    for _ in 0..2 {
        for datagram in client.sent() {
            world.give(1, &datagram);
        }
        for (_, datagram) in world.sent() {
            client.take(0, &datagram);
        }
    }
    let good = client.sent().concat();
    let finished = good.len() - 53;
    world.give(1, &good[..finished]);
    let mut forged = good[finished..].to_vec();
    forged[40] ^= 1;
    world.give(1, &forged);
    for _ in 0..6 {
        let due = world.server.poll_timeout().unwrap();
        world.now = due.0;
        world.server.handle_timeout(due);
        world.sent();
    }
    world.give(1, &good[finished..]);
    assert_eq!(world.server.sessions().count(), 1);
}

#[test]
fn silent_handshakes_end_with_their_timers() {
    let mut world = World::new(CONFIG);
    world.half_open(1, 1);
    let mut sent = 0;
    while let Some(due) = world.server.poll_timeout() {
        world.server.handle_timeout(Instant(due.0 - 1));
        assert!(world.sent().is_empty());
        world.now = due.0;
        world.server.handle_timeout(due);
        sent += world.sent().len();
        world.collect();
    }
    assert_eq!((sent, world.now), (6, 123_000));
    assert_eq!(world.fail_reason(1), Some(CloseReason::TimedOut));
    // Both places are there again.
    for n in 2..4 {
        let mut client = Client::new(n, &[n as u8], n.into());
        world.connect(&mut client);
    }
}

#[test]
fn no_prefix_and_no_change_of_a_datagram_harms_a_table_in_any_state() {
    let mut world = World::new(WITH_CID);
    let mut client = Client::with(&WITH_CID, 1, &[1], 1);
    let mut plain = Client::new(2, &[2], 2);
    let (id, other) = (world.connect(&mut client), world.connect(&mut plain));
    let mut third = world.half_open(3, 3);
    let mut all = vec![client.seal(b"one"), plain.seal(b"two")];
    all.extend(Client::new(4, &[4], 4).sent());
    third.connection.handle_timeout(Instant(1_000));
    all.extend(third.sent());
    for datagram in &all {
        for from in [1, 2, 3, 4] {
            for cut in 0..datagram.len() {
                world.give(from, &datagram[..cut]);
                let mut changed = datagram.clone();
                changed[cut] ^= 0x11;
                world.give(from, &changed);
                world.sent();
            }
        }
    }
    assert!(world.serves(&mut client, id) && world.serves(&mut plain, other));
    assert!(world.data.iter().all(|(_, data)| data == b"ask"));
}

/// The table in the simulated network: it sends back what it gets.
struct ServerNode {
    world: World,
    queue: Vec<(u16, Vec<u8>)>,
}

impl Node for ServerNode {
    fn handle(&mut self, now: u64, from: u16, datagram: &[u8]) {
        self.world.now = now;
        self.world.give(from, datagram);
        for (id, data) in std::mem::take(&mut self.world.data) {
            let mut out = [0; 200];
            if let Ok((to, len)) = self.world.server.send(id, &data, &mut out) {
                self.queue.push((to, out[..len].to_vec()));
            }
        }
    }

    fn poll_transmit(&mut self, _now: u64) -> Option<(u16, Vec<u8>)> {
        let mut out = [0; 1_400];
        match self.world.server.poll_transmit(&mut out) {
            Some((to, len)) => Some((to, out[..len].to_vec())),
            None => self.queue.pop(),
        }
    }

    fn poll_timeout(&self) -> Option<u64> {
        self.world.server.poll_timeout().map(|at| at.0)
    }

    fn handle_timeout(&mut self, now: u64) {
        self.world.server.handle_timeout(Instant(now));
        self.world.collect();
    }
}

struct ClientNode {
    client: Client,
    ask_at: Option<u64>,
}

impl Node for ClientNode {
    fn handle(&mut self, now: u64, _from: u16, datagram: &[u8]) {
        self.client.take(now, datagram);
        if self.client.is_connected() && self.ask_at.is_none() {
            self.ask_at = Some(now);
        }
    }

    fn poll_transmit(&mut self, now: u64) -> Option<(u16, Vec<u8>)> {
        let mut out = [0; 1_400];
        if let Some(len) = self.client.connection.poll_transmit(&mut out) {
            return Some((0, out[..len].to_vec()));
        }
        let due = self.ask_at.is_some_and(|at| at <= now) && self.client.received.is_empty();
        due.then(|| {
            self.ask_at = Some(now + 1_000);
            (0, self.client.seal(b"ask"))
        })
    }

    fn poll_timeout(&self) -> Option<u64> {
        let ask = self.ask_at.filter(|_| self.client.received.is_empty());
        let timer = self.client.connection.poll_timeout().map(|at| at.0);
        ask.into_iter().chain(timer).min()
    }

    fn handle_timeout(&mut self, now: u64) {
        self.client.connection.handle_timeout(Instant(now));
        while let Some(event) = self.client.connection.poll_event() {
            self.client.events.push(event);
        }
    }
}

#[test]
fn four_clients_at_once_over_a_lossy_network_with_two_places_for_handshakes() {
    let mut served = 0;
    for seed in 0..250 {
        let mut server = ServerNode {
            world: World::new(CONFIG),
            queue: Vec::new(),
        };
        let mut clients: Vec<ClientNode> = (1..=4)
            .map(|n| ClientNode {
                client: Client::new(n, &[n as u8], seed * 10 + u64::from(n)),
                ask_at: None,
            })
            .collect();
        let mut network = Network::new(seed, Conditions::harsh());
        let mut nodes: Vec<(u16, &mut dyn Node)> = vec![(0, &mut server)];
        for node in &mut clients {
            nodes.push((node.client.address, node));
        }
        network.run(&mut nodes, 600_000, 100_000);
        assert!(server.world.server.sessions().count() <= 4);
        assert_eq!(server.world.server.poll_timeout(), None, "seed {seed}");
        for node in &clients {
            match node.client.events[..] {
                [Event::Connected] => {
                    assert!(!node.client.received.is_empty(), "seed {seed}");
                    served += 1;
                }
                [Event::Closed(_)] => {}
                ref other => panic!("seed {seed}: {other:?}"),
            }
        }
    }
    assert!(served >= 900, "{served} of 1,000");
}

#[test]
fn a_grace_is_a_few_seconds() {
    assert_eq!(Table::GRACE, Duration::from_secs(5));
}
