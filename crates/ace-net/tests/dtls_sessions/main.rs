//! Many sessions behind one socket, on a clock that jumps: floods, forgeries, moves, and who gives way.

mod harness;

use std::time::Duration;

use ace_coap::Instant;
use ace_dtls::{CloseReason, Instant as DtlsInstant};
use ace_net::dtls::{Credential, Ended, SessionEvent, SessionId, SessionLimits};
use ace_testkit::SeededRandom;

use harness::{CONFIG, Client, Server, WITHOUT_CID, at, connected, stranger};

#[test]
fn rfc6347_4_2_1_hellos_without_cookie_leave_nothing_behind() {
    let mut server = Server::new(SessionLimits::default());
    let mut live = connected(&mut server, "192.0.2.1:1", "live", &CONFIG);
    let id = live.ping(&mut server);
    let remembered = server.sessions.remembered();
    let hello = Client::new(at("192.0.2.9:9"), "x", &CONFIG)
        .sent()
        .remove(0);
    for number in 0..100_000 {
        let from = stranger(number);
        let answers = server.give(from, &hello);
        let [(to, answer)] = &answers[..] else {
            panic!("{answers:?}")
        };
        assert_eq!(*to, from);
        assert!(answer.len() <= hello.len());
        if number % 10_000 == 0 {
            assert_eq!(live.ping(&mut server), id);
        }
    }
    assert_eq!(server.sessions.remembered(), remembered);
    assert_eq!(
        (server.sessions.half_open(), server.sessions.established()),
        (0, 1)
    );
    assert_eq!(live.ping(&mut server), id);
}

#[test]
fn a_flood_of_handshakes_with_cookies_never_ends_a_session() {
    let limits = SessionLimits {
        half_open: 50,
        sessions: 2,
        ..SessionLimits::default()
    };
    let mut server = Server::new(limits);
    let mut live = connected(&mut server, "192.0.2.1:1", "live", &CONFIG);
    let mut plain = connected(&mut server, "192.0.2.2:1", "plain", &WITHOUT_CID);
    for number in 0..2_000 {
        Client::new(stranger(number), "flood", &CONFIG).begin(&mut server);
        assert_eq!(server.sessions.half_open(), 50.min(number as usize + 1));
    }
    assert!(server.sessions.remembered() <= 2 * (50 + 2));
    live.ping(&mut server);
    plain.ping(&mut server);
    assert_eq!(server.ended(), []);
    // Whoever completes its handshake is served, in the midst of the flood.
    let mut late = connected(&mut server, "192.0.2.3:1", "late", &CONFIG);
    late.ping(&mut server);
    // And the flood goes by itself.
    server.wait(limits.handshake);
    assert_eq!(server.sessions.half_open(), 0);
    assert_eq!(server.sessions.established(), 2);
}

#[test]
fn one_source_cannot_push_out_the_handshakes_of_others() {
    for (flood, others) in [
        ("198.51.100.1:", "198.51.100.2:1"),
        ("[2001:db8::1]:", "[2001:db8:0:1::1]:1"),
    ] {
        let mut server = Server::new(SessionLimits {
            half_open: 20,
            half_open_per_source: 4,
            ..SessionLimits::default()
        });
        let mut other = Client::new(at(others), "other", &CONFIG);
        other.begin(&mut server);
        for port in 1..500 {
            Client::new(at(&format!("{flood}{port}")), "flood", &CONFIG).begin(&mut server);
        }
        assert_eq!(server.sessions.half_open(), 5);
        other.talk(&mut server);
        other.ping(&mut server);
    }
}

#[test]
fn rfc9146_6_a_session_moves_with_the_newest_verified_record_only() {
    let mut server = Server::new(SessionLimits::default());
    let mut client = connected(&mut server, "192.0.2.1:1", "mover", &CONFIG);
    let id = client.ping(&mut server);
    let old = client.protect(b"old");
    client.address = at("203.0.113.5:7");
    assert_eq!(client.ping(&mut server), id);
    assert_eq!(server.sessions.address(id), Some(at("203.0.113.5:7")));

    // A replay and an older record from elsewhere: the one is dropped, the other read, neither moves the session.
    let newest = client.protect(b"newest");
    server.give(at("203.0.113.5:7"), &newest);
    assert_eq!(server.data.pop(), Some((id, b"newest".to_vec())));
    server.give(at("198.51.100.66:6"), &newest);
    assert_eq!(server.data.pop(), None);
    server.give(at("198.51.100.66:6"), &old);
    assert_eq!(server.data.pop(), Some((id, b"old".to_vec())));
    // A forgery with the right Connection ID.
    let mut forged = client.protect(b"forged");
    *forged.last_mut().expect("long") ^= 1;
    server.give(at("198.51.100.66:6"), &forged);
    assert_eq!(server.data.pop(), None);
    assert_eq!(server.sessions.address(id), Some(at("203.0.113.5:7")));
    assert_eq!(client.ping(&mut server), id);
}

#[test]
fn without_connection_id_a_session_stays_at_its_address() {
    let mut server = Server::new(SessionLimits::default());
    let mut client = connected(&mut server, "192.0.2.1:1", "fixed", &WITHOUT_CID);
    let id = client.ping(&mut server);
    let datagram = client.protect(b"moved");
    assert_eq!(server.give(at("203.0.113.5:7"), &datagram), []);
    assert!(server.data.is_empty());
    assert_eq!(client.ping(&mut server), id);
}

#[test]
fn garbage_and_forgeries_change_nothing() {
    let mut server = Server::new(SessionLimits::default());
    let mut plain = connected(&mut server, "192.0.2.1:1", "plain", &WITHOUT_CID);
    let mut with_cid = connected(&mut server, "192.0.2.2:1", "with cid", &CONFIG);
    let ids = (plain.ping(&mut server), with_cid.ping(&mut server));
    let remembered = server.sessions.remembered();
    let mut rng = SeededRandom::new(5);
    for client in [&mut plain, &mut with_cid] {
        let genuine = client.protect(b"genuine");
        let mut forgeries = Vec::new();
        for at in 0..genuine.len() {
            let mut changed = genuine.clone();
            changed[at] ^= 0x40;
            forgeries.extend([changed, genuine[..at].to_vec()]);
        }
        for alert in [[1, 0], [2, 0], [2, 40], [2, 80]] {
            for epoch in [0, 1] {
                let header = [21, 254, 253, 0, epoch, 0, 0, 0, 0, 0, 200, 0, 2];
                forgeries.push([&header[..], &alert].concat());
            }
        }
        for _ in 0..1_000 {
            let length = 1 + rng.below(100);
            let mut garbage: Vec<u8> = (0..length).map(|_| rng.below(256) as u8).collect();
            if rng.below(2) == 0 {
                garbage[0] = 20 + garbage[0] % 6;
            }
            forgeries.push(garbage);
        }
        for forgery in forgeries {
            for from in [client.address, at("198.51.100.66:6")] {
                assert_eq!(server.give(from, &forgery), [], "{forgery:02x?}");
            }
        }
        // What was forged upon is still taken.
        server.give(client.address, &genuine);
        assert_eq!(server.data.pop().expect("delivered").1, b"genuine");
    }
    assert!(server.data.is_empty());
    assert_eq!(server.sessions.remembered(), remembered);
    assert_eq!(ids, (plain.ping(&mut server), with_cid.ping(&mut server)));
    assert_eq!(server.ended(), []);
}

#[test]
fn the_least_recently_used_session_gives_way() {
    let mut server = Server::new(SessionLimits {
        sessions: 3,
        ..SessionLimits::default()
    });
    let mut clients: Vec<Client> = (1..=3)
        .map(|n| {
            connected(
                &mut server,
                &format!("192.0.2.{n}:1"),
                &format!("{n}"),
                &CONFIG,
            )
        })
        .collect();
    let ids: Vec<SessionId> = clients.iter_mut().map(|c| c.ping(&mut server)).collect();
    // Forged records under its Connection ID do not make a session look used.
    let mut forged = clients[1].protect(b"forged");
    *forged.last_mut().expect("long") ^= 1;
    clients[0].ping(&mut server);
    server.give(at("192.0.2.2:1"), &forged);

    let mut fourth = Client::new(at("192.0.2.4:1"), "4", &CONFIG);
    fourth.begin(&mut server);
    assert_eq!(server.ended(), []);
    let mut told = false;
    for datagram in fourth.sent() {
        for (to, answer) in server.give(fourth.address, &datagram) {
            match to == fourth.address {
                true => drop(fourth.take(&answer)),
                false => {
                    assert_eq!(to, clients[1].address);
                    clients[1].take(&answer);
                    told = true;
                }
            }
        }
    }
    assert!(told && clients[1].connection.session().is_closed());
    assert_eq!(server.ended(), [(ids[1], Ended::Evicted)]);
    assert_eq!(server.sessions.established(), 3);
    fourth.ping(&mut server);

    // Idle ones go in the same order.
    server.now += Duration::from_secs(1000);
    clients[2].ping(&mut server);
    let due = server.sessions.poll_timeout().expect("a timer");
    assert_eq!(due, Instant(86_400_000));
    server.wait(due.saturating_sub(server.now));
    assert_eq!(server.ended()[1], (ids[0], Ended::Idle));
    assert_eq!(server.sessions.established(), 1);
    clients[2].ping(&mut server);
}

#[test]
fn a_peer_with_many_sessions_gives_way_to_itself() {
    let mut server = Server::new(SessionLimits {
        sessions_per_peer: 2,
        ..SessionLimits::default()
    });
    let mut other = connected(&mut server, "192.0.2.1:1", "other", &CONFIG);
    for port in 1..10 {
        connected(&mut server, &format!("192.0.2.2:{port}"), "greedy", &CONFIG);
    }
    assert_eq!(server.sessions.established(), 3);
    assert_eq!(server.ended().len(), 7);
    other.ping(&mut server);
}

#[test]
fn rfc5246_7_2_1_close_notify_frees_a_session() {
    let mut server = Server::new(SessionLimits::default());
    let mut client = connected(&mut server, "192.0.2.1:1", "client", &WITHOUT_CID);
    let id = client.ping(&mut server);
    client.connection.close();
    client.talk(&mut server);
    assert_eq!(server.ended(), [(id, Ended::Closed(CloseReason::Peer))]);
    assert_eq!(server.sessions.established(), 0);
    assert_eq!(server.sessions.poll_timeout(), None);
    assert_eq!(server.sessions.peer(id), None);
    assert!(server.sessions.send(server.now, id, b"late").is_err());
    // Its place is taken by another session, not its name.
    let mut next = connected(&mut server, "192.0.2.1:2", "client", &CONFIG);
    assert_ne!(next.ping(&mut server), id);
    assert_eq!(server.sessions.remembered(), 2);
    // And from this side.
    let id = next.ping(&mut server);
    server.sessions.close(server.now, id);
    for (_, datagram) in server.drain() {
        next.take(&datagram);
    }
    assert!(next.connection.session().is_closed());
    assert_eq!(server.sessions.established(), 0);
}

#[test]
fn rfc6347_4_2_8_the_old_session_lives_until_the_new_handshake_is_complete() {
    let mut server = Server::new(SessionLimits::default());
    let mut old = connected(&mut server, "192.0.2.1:1", "old", &WITHOUT_CID);
    let id = old.ping(&mut server);
    let mut new = Client::new(old.address, "new one", &WITHOUT_CID);
    new.begin(&mut server);
    assert_eq!(server.sessions.half_open(), 1);
    assert_eq!(old.ping(&mut server), id);
    new.talk(&mut server);
    assert_ne!(new.ping(&mut server), id);
    assert_eq!(server.ended(), [(id, Ended::Superseded)]);
    assert_eq!(server.sessions.established(), 1);
}

#[test]
fn rfc6347_4_2_8_repeated_data_of_the_old_session_casts_no_doubt_on_the_new_handshake() {
    let mut server = Server::new(SessionLimits::default());
    let mut old = connected(&mut server, "192.0.2.1:1", "old", &WITHOUT_CID);
    let id = old.ping(&mut server);
    let mut new = Client::new(old.address, "new one", &WITHOUT_CID);
    new.begin(&mut server);
    let last = new.sent().concat();
    // Of 53 bytes in its record.
    let (before, finished) = last.split_at(last.len() - 53);
    assert_eq!(server.give(old.address, before), []);
    let data = old.protect(b"twice");
    for _ in 0..2 {
        assert_eq!(server.give(old.address, &data), []);
    }
    assert_eq!(server.data.pop(), Some((id, b"twice".to_vec())));
    assert!(server.data.is_empty());
    for (_, answer) in server.give(old.address, finished) {
        new.take(&answer);
    }
    assert_ne!(new.ping(&mut server), id);
}

#[test]
fn a_repeated_hello_belongs_to_the_handshake_under_way() {
    let mut server = Server::new(SessionLimits::default());
    let mut client = Client::new(at("192.0.2.1:1"), "client", &CONFIG);
    let first = client.sent().remove(0);
    for (_, answer) in server.give(client.address, &first) {
        client.take(&answer);
    }
    let second = client.sent().remove(0);
    let flight = server.give(client.address, &second);
    assert!(!flight.is_empty());
    server.give(client.address, &second);
    server.give(client.address, &first);
    assert_eq!(server.sessions.half_open(), 1);
    assert_eq!(server.events, []);
    for (_, answer) in flight {
        client.take(&answer);
    }
    client.talk(&mut server);
    let id = client.ping(&mut server);
    server.give(client.address, &second);
    assert_eq!(server.sessions.half_open(), 0);
    assert_eq!(client.ping(&mut server), id);
}

#[test]
fn a_lost_flight_is_repeated_and_silence_ends_a_handshake() {
    let limits = SessionLimits {
        handshake: Duration::from_secs(10),
        ..SessionLimits::default()
    };
    let mut server = Server::new(limits);
    let mut client = Client::new(at("192.0.2.1:1"), "client", &CONFIG);
    let mut silent = Client::new(at("192.0.2.2:1"), "silent", &CONFIG);
    client.begin(&mut server);
    silent.begin(&mut server);
    let again = server.wait(Duration::from_secs(1));
    assert_eq!(again.len(), 2);
    client.talk(&mut server);
    client.ping(&mut server);
    let mut waits = 0;
    while server.sessions.half_open() > 0 {
        let due = server.sessions.poll_timeout().expect("a timer");
        server.wait(due.saturating_sub(server.now));
        waits += 1;
    }
    assert_eq!((server.now, waits), (Instant(10_000), 3));
    let failed = SessionEvent::Failed {
        address: silent.address,
        claimed: Credential::Anonymous,
        reason: Ended::Expired,
    };
    assert_eq!(server.events.last(), Some(&failed));
    client.ping(&mut server);
}

#[test]
fn rfc4279_2_an_unknown_identity_is_told_and_named() {
    let mut server = Server::new(SessionLimits::default());
    let mut client = Client::new(at("192.0.2.1:1"), "unknown", &CONFIG);
    client.talk(&mut server);
    assert_eq!(
        client.connection.poll_event(),
        Some(ace_dtls::Event::Closed(CloseReason::Alert(
            ace_dtls::Alert::UNKNOWN_PSK_IDENTITY
        )))
    );
    let failed = SessionEvent::Failed {
        address: client.address,
        claimed: Credential::Psk(b"unknown"[..].into()),
        reason: Ended::Closed(CloseReason::Failed(ace_dtls::Error::UnknownIdentity)),
    };
    assert_eq!(server.events, [failed]);
    assert_eq!(server.sessions.half_open(), 0);
}

#[test]
fn rfc4279_2_a_wrong_key_is_told_and_named() {
    let mut server = Server::new(SessionLimits::default());
    let mut client = Client::new(at("192.0.2.1:1"), "client", &CONFIG);
    client.key = vec![8; 16];
    client.talk(&mut server);
    assert_eq!(
        client.connection.poll_event(),
        Some(ace_dtls::Event::Closed(CloseReason::Alert(
            ace_dtls::Alert::DECRYPT_ERROR
        )))
    );
    // At once, though the handshake goes on: whoever forged a Finished ends nobody's.
    let doubted = SessionEvent::Doubted {
        address: client.address,
        claimed: Credential::Psk(b"client"[..].into()),
    };
    assert_eq!(server.events, [doubted]);
    server.wait(SessionLimits::default().handshake);
    assert_eq!(server.sessions.half_open(), 0);
    assert!(
        matches!(
            &server.events[1..],
            [SessionEvent::Failed {
                claimed: Credential::Psk(identity),
                ..
            }] if **identity == *b"client"
        ),
        "{:?}",
        server.events
    );
}

#[test]
fn a_decision_that_takes_time_holds_up_nobody_else() {
    let mut server = Server::new(SessionLimits::default());
    let mut live = connected(&mut server, "192.0.2.1:1", "live", &CONFIG);
    server.keys.ready = false;
    let mut client = Client::new(at("192.0.2.2:1"), "client", &CONFIG);
    client.talk(&mut server);
    assert!(server.sessions.is_waiting());
    live.ping(&mut server);
    server
        .sessions
        .resume(server.now, &mut server.keys, &mut server.rng);
    assert!(server.sessions.is_waiting());
    server.keys.ready = true;
    server
        .sessions
        .resume(server.now, &mut server.keys, &mut server.rng);
    assert!(!server.sessions.is_waiting());
    // What came while it waited was dropped, and is repeated.
    client.connection.handle_timeout(DtlsInstant(1_000));
    client.talk(&mut server);
    let id = client.ping(&mut server);
    let peer = server.sessions.peer(id).expect("established");
    assert_eq!(peer.credential, Credential::Psk(b"client"[..].into()));
    assert_eq!(peer.number, 7);
}

#[test]
fn a_finished_and_a_good_bye_in_one_datagram_leave_nothing() {
    let mut server = Server::new(SessionLimits::default());
    let mut client = Client::new(at("192.0.2.1:1"), "client", &CONFIG);
    client.begin(&mut server);
    let mut datagram = client.sent().concat();
    client.connection.close();
    datagram.extend(client.sent().concat());
    server.give(client.address, &datagram);
    assert_eq!(
        (server.sessions.half_open(), server.sessions.established()),
        (0, 0)
    );
    assert_eq!(server.sessions.poll_timeout(), None);
    assert!(
        matches!(
            &server.events[..],
            [SessionEvent::Failed {
                reason: Ended::Closed(CloseReason::Peer),
                ..
            }]
        ),
        "{:?}",
        server.events
    );
}
