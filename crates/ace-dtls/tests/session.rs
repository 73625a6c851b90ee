//! What happens once the handshake is done: data, alerts, the end; and the timers before it.
#![cfg(all(feature = "es256", feature = "eddsa"))]

mod common;

use std::time::Duration;

use ace_crypto::Signature;
use ace_dtls::{
    Alert, CipherSuite, CloseReason, Config, Connection, ConnectionId, Error, Event, Instant,
    MAX_IDENTITY, MaxFragmentLength, Peer, Session, connection_id,
};
use ace_testkit::SeededRandom;
use common::{
    config,
    pair::{Pair, To, message, plain, records},
    pair_of_keys,
};

fn psk() -> Config {
    config(CipherSuite::PskAes128Ccm8)
}

fn connected(config: &Config) -> Pair {
    Pair::connected(config, pair_of_keys(Signature::Es256, Signature::Es256))
}

#[test]
fn data_goes_both_ways_and_says_from_whom() {
    for &suite in CipherSuite::ALL {
        let mut pair = connected(&config(suite));
        let by_key = suite.name().contains("ECDSA");
        let peer = if by_key { Peer::Key(0) } else { Peer::Psk(0) };
        assert_eq!(pair.client.session().peer(), peer);
        assert_eq!(pair.server().session().peer(), peer);
        for from in [To::Client, To::Server] {
            let to = if from == To::Client {
                To::Server
            } else {
                To::Client
            };
            let first = pair.seal(from, b"one");
            let second = pair.seal(from, &[2; 1_000]);
            assert_eq!(first.len(), 3 + pair.client.session().overhead());
            // RFC 6347, 4.1.1: both in one datagram
            let both = [first, second].concat();
            assert_eq!(pair.give(to, &both), [b"one".to_vec(), vec![2; 1_000]]);
        }
    }
}

#[test]
fn rfc6347_4_1_2_6_replayed_records_are_dropped() {
    let mut pair = connected(&psk());
    let sent: Vec<_> = (0..80u8).map(|n| pair.seal(To::Client, &[n])).collect();
    assert_eq!(pair.give(To::Server, &sent[70]), [[70]]);
    for n in (7..70).rev() {
        assert_eq!(pair.give(To::Server, &sent[n]), [[n as u8]]);
    }
    // Older than the window.
    assert!(pair.give(To::Server, &sent[6]).is_empty());
    for record in &sent[7..=70] {
        assert!(pair.give(To::Server, record).is_empty());
    }
    assert_eq!(pair.server().session().dropped().replayed, 65);
    assert_eq!(pair.give(To::Server, &sent[79]), [[79]]);
}

#[test]
fn rfc6347_4_1_2_7_records_that_do_not_verify_are_dropped_and_counted() {
    for suite in [CipherSuite::PskAes128Ccm8, CipherSuite::PskAes128Ccm] {
        let mut pair = connected(&config(suite));
        let good = pair.seal(To::Client, b"data");
        let mut unverified = 0;
        for place in 0..good.len() {
            let mut bad = good.clone();
            bad[place] ^= 0x40;
            assert!(pair.give(To::Server, &bad).is_empty());
            // Kind, number, explicit nonce, ciphertext, tag.
            unverified += u32::from(matches!(place, 0 | 5..=10 | 13..));
        }
        for cut in 0..good.len() {
            assert!(pair.give(To::Server, &good[..cut]).is_empty());
        }
        assert_eq!(pair.server().session().dropped().unverified, unverified);
        assert!(pair.take(To::Server).is_empty());
        assert_eq!(pair.give(To::Server, &good), [b"data"]);
    }
}

#[test]
fn rfc6347_4_1_2_7_forged_alerts_never_end_an_established_session() {
    let mut pair = connected(&psk());
    for level in [1, 2] {
        for description in 0..=255 {
            for to in [To::Client, To::Server] {
                pair.give(to, &plain(21, 40, &[level, description]));
                let mut protected = plain(21, 40, &[7; 18]);
                protected[4] = 1;
                pair.give(to, &protected);
                pair.give(to, &plain(22, 41, &message(0, 0, &[])));
                pair.give(to, &plain(22, 41, &message(1, 0, &[0; 40])));
                pair.give(to, &plain(20, 42, &[1]));
                pair.give(to, &plain(23, 43, b"forged"));
            }
        }
    }
    assert!(pair.both_established());
    assert!(pair.take(To::Client).is_empty() && pair.take(To::Server).is_empty());
    let data = pair.seal(To::Client, b"data");
    assert_eq!(pair.give(To::Server, &data), [b"data"]);
}

#[test]
fn rfc5246_7_2_a_fatal_alert_ends_a_handshake() {
    let mut pair = Pair::new(&psk(), pair_of_keys(Signature::Es256, Signature::Es256));
    pair.take(To::Client);
    pair.give(To::Client, &plain(21, 0, &[1, 90]));
    pair.give(To::Client, &plain(21, 0, &[2]));
    assert_eq!(pair.client_closed(), None);
    pair.give(To::Client, &plain(21, 0, &[2, 40]));
    let reason = CloseReason::Alert(Alert::HANDSHAKE_FAILURE);
    assert_eq!(pair.client_closed(), Some(reason));
    assert!(pair.take(To::Client).is_empty());
    assert_eq!(pair.client.poll_timeout(), None);
}

#[test]
fn rfc5246_7_2_1_close_notify_is_answered_and_ends_both() {
    for from in [To::Client, To::Server] {
        let mut pair = connected(&psk());
        match from {
            To::Client => pair.client.close(),
            To::Server => pair.server().close(),
        }
        assert_eq!(
            pair.client.send(b"x", &mut [0; 64]).is_err(),
            from == To::Client
        );
        pair.run();
        let reasons = (pair.client_closed().unwrap(), pair.server_closed().unwrap());
        let expected = match from {
            To::Client => (CloseReason::Local, CloseReason::Peer),
            To::Server => (CloseReason::Peer, CloseReason::Local),
        };
        assert_eq!(reasons, expected);
        assert_eq!(
            pair.client.send(b"x", &mut [0; 64]),
            Err(Error::NotConnected)
        );
        assert!(pair.client.session().is_closed());
        let mut datagram = plain(23, 9, b"late");
        datagram[4] = 1;
        assert!(pair.give(To::Client, &datagram).is_empty());
    }
}

#[test]
fn rfc6347_4_2_4_lost_last_flight_is_sent_again_by_the_session_too() {
    for as_session in [false, true] {
        let keys = pair_of_keys(Signature::Es256, Signature::Es256);
        let mut pair = Pair::new(&psk(), keys);
        // Number 5 is the server's ChangeCipherSpec and Finished.
        pair.run_with(|number, _, datagram| {
            if number == 5 {
                datagram.clear();
            }
        });
        assert!(!pair.both_established());
        let due = pair.client.poll_timeout().unwrap();
        assert_eq!(due, Instant(1_000));
        pair.client.handle_timeout(due);
        let again = pair.take(To::Client);
        let answer = if as_session {
            let mut session = pair.server.take().unwrap().into_session().unwrap();
            let mut out = [0; 200];
            assert_eq!(session.poll_transmit(&mut out), None);
            for mut datagram in again {
                assert_eq!(session.handle(&mut datagram).data.count(), 0);
            }
            let len = session.poll_transmit(&mut out).unwrap();
            assert_eq!(session.poll_transmit(&mut out), None);
            assert!(session.is_established());
            out[..len].to_vec()
        } else {
            for datagram in again {
                pair.give(To::Server, &datagram);
            }
            pair.take(To::Server).remove(0)
        };
        pair.give(To::Client, &answer);
        assert!(pair.client.session().is_established());
        assert_eq!(pair.client_events, [Event::Connected]);
    }
}

#[test]
fn rfc6347_4_2_4_1_timer_doubles_and_ends() {
    let mut pair = Pair::new(&psk(), pair_of_keys(Signature::Es256, Signature::Es256));
    let first = pair.take(To::Client);
    let mut at = Vec::new();
    while let Some(due) = pair.client.poll_timeout() {
        pair.client.handle_timeout(Instant(due.0 - 1));
        assert!(pair.take(To::Client).is_empty());
        pair.client.handle_timeout(due);
        at.push(due.0);
        pair.now = due.0;
        let again = pair.take(To::Client);
        assert!(again.is_empty() || again[0][13..] == first[0][13..]);
    }
    assert_eq!(at, [1_000, 3_000, 7_000, 15_000, 31_000, 63_000, 123_000]);
    assert_eq!(pair.client_closed(), Some(CloseReason::TimedOut));

    let slow = Config {
        initial_timeout: Duration::from_secs(9),
        retransmissions: 0,
        ..psk()
    };
    let pair = Pair::new(&slow, pair_of_keys(Signature::Es256, Signature::Es256));
    assert_eq!(pair.client.poll_timeout(), Some(Instant(9_000)));
}

#[test]
fn rfc6347_4_2_4_repeated_flight_is_answered_but_not_as_often_as_anyone_likes() {
    let mut pair = Pair::new(&psk(), pair_of_keys(Signature::Es256, Signature::Es256));
    let mut second = Vec::new();
    pair.run_with(|number, _, datagram| match number {
        2 => second = datagram.clone(),
        3 => datagram.clear(),
        _ => {}
    });
    for _ in 0..100 {
        pair.give(To::Server, &second);
        assert!(pair.take(To::Server).is_empty());
    }
    pair.now += 500;
    pair.give(To::Server, &second);
    assert_eq!(pair.take(To::Server).len(), 1);
    pair.give(To::Server, &second);
    assert!(pair.take(To::Server).is_empty());
}

#[test]
fn rfc6066_4_max_fragment_length() {
    let keys = || pair_of_keys(Signature::Es256, Signature::Es256);
    let asks = Config {
        max_fragment_length: Some(MaxFragmentLength::Bytes512),
        ..Config::DEFAULT
    };
    let mut pair = Pair::with(&asks, &Config::DEFAULT, keys());
    pair.run_with(|number, _, datagram| {
        let long = records(datagram).iter().any(|r| r.len() > 13 + 512);
        assert!(!long || number < 3);
    });
    assert!(pair.both_established());
    for from in [To::Client, To::Server] {
        let mut out = [0; 700];
        let connection = match from {
            To::Client => &mut pair.client,
            To::Server => pair.server.as_mut().unwrap(),
        };
        assert_eq!(connection.session().max_data(), 512);
        assert_eq!(
            connection.send(&[0; 513], &mut out),
            Err(Error::DataTooLong)
        );
        assert!(connection.send(&[0; 512], &mut out).is_ok());
    }
}

#[test]
fn rfc8449_4_record_size_limit_holds_for_each_direction_by_itself() {
    let keys = || pair_of_keys(Signature::Es256, Signature::EdDsa);
    let limit = |limit, fragment| Config {
        record_size_limit: Some(limit),
        max_fragment_length: fragment,
        ..Config::DEFAULT
    };
    // RFC 8449, 5: the other extension counts no more then
    let client = limit(64, Some(MaxFragmentLength::Bytes1024));
    let mut pair = Pair::with(&client, &limit(300, None), keys());
    pair.run();
    assert!(pair.both_established());
    assert_eq!(pair.client.session().max_data(), 300);
    assert_eq!(pair.server().session().max_data(), 64);
    let data = pair.seal(To::Client, &[1; 300]);
    assert_eq!(pair.give(To::Server, &data), [[1; 300]]);
    assert_eq!(
        pair.server().send(&[0; 65], &mut [0; 200]),
        Err(Error::DataTooLong)
    );

    // A server that does not know it.
    let mut pair = Pair::with(&limit(64, None), &Config::DEFAULT, keys());
    pair.run();
    assert_eq!(pair.client.session().max_data(), 16_384);
    assert_eq!(pair.server().session().max_data(), 16_384);
}

#[test]
fn rfc9146_5_records_with_connection_id() {
    let with = |cid: &[u8]| Config {
        connection_id: ConnectionId::new(cid),
        ..psk()
    };
    let keys = || pair_of_keys(Signature::Es256, Signature::Es256);
    let mut pair = Pair::with(&with(b""), &with(b"sid"), keys());
    pair.run();
    assert!(pair.both_established());
    let first = pair.seal(To::Client, b"one");
    assert_eq!(connection_id(&first, 3), Some(&b"sid"[..]));
    assert_eq!(connection_id(&first, 0), None);
    assert_eq!(first[0], 25);
    assert_eq!(first.len(), 13 + 3 + 8 + 3 + 1 + 8);
    let back = pair.seal(To::Server, b"back");
    assert_eq!((back[0], connection_id(&back, 3)), (23, None));
    assert_eq!(pair.give(To::Client, &back), [b"back"]);

    // RFC 9146, 6: whether it is the newest
    let second = pair.seal(To::Client, b"two");
    let newest = |pair: &mut Pair, datagram: &[u8]| {
        let (now, mut copy) = (Instant(pair.now), datagram.to_vec());
        let server = pair.server.as_mut().unwrap();
        let received = server.handle(now, &mut copy, &mut pair.server_keys, &mut pair.rng);
        (received.newest, received.data.count())
    };
    assert_eq!(newest(&mut pair, &second), (true, 1));
    assert_eq!(newest(&mut pair, &first), (false, 1));
    assert_eq!(newest(&mut pair, &second), (false, 0));

    // RFC 9146, 3 and 4: another's, none where one is due, none agreed on
    let good = pair.seal(To::Client, b"three");
    for place in 0..good.len() {
        let mut bad = good.clone();
        bad[place] ^= 1;
        assert_eq!(newest(&mut pair, &bad), (false, 0), "{place}");
    }
    let mut bare = good.clone();
    bare.drain(11..14);
    bare[0] = 23;
    assert_eq!(newest(&mut pair, &bare), (false, 0));
    assert!(pair.give(To::Client, &good).is_empty());
    assert_eq!(newest(&mut pair, &good), (true, 1));

    // One side alone.
    for (ours, theirs) in [(with(b"c"), psk()), (psk(), with(b"s"))] {
        let mut pair = Pair::with(&ours, &theirs, keys());
        pair.run();
        assert!(pair.both_established());
        assert_eq!(pair.seal(To::Client, b"x")[0], 23);
        assert_eq!(pair.seal(To::Server, b"x")[0], 23);
    }
}

#[test]
fn rfc9202_3_3_2_an_identity_as_long_as_a_token() {
    for suite in [CipherSuite::PskAes128Ccm8, CipherSuite::EcdhePskAes128Ccm] {
        for (len, fits) in [(0, true), (MAX_IDENTITY, true), (MAX_IDENTITY + 1, false)] {
            let (mut ours, mut theirs) = pair_of_keys(Signature::Es256, Signature::Es256);
            ours.psks[0].0 = (0..len).map(|n| n as u8).collect();
            theirs.psks.insert(0, (vec![1], vec![2]));
            theirs.psks[1].0 = ours.psks[0].0.clone();
            let mut pair = Pair::new(&config(suite), (ours, theirs));
            pair.run();
            assert_eq!(pair.both_established(), fits, "{len}");
            if fits {
                assert_eq!(pair.server().session().peer(), Peer::Psk(1));
            } else {
                assert_eq!(pair.client_error(), Some(Error::IdentityTooLong));
            }
        }
    }
}

#[test]
fn credentials_that_are_missing_empty_or_too_long() {
    let suite = psk();
    for (key, error) in [(vec![], true), (vec![1; 64], false), (vec![1; 65], true)] {
        let (mut ours, mut theirs) = pair_of_keys(Signature::Es256, Signature::Es256);
        ours.psks[0].1 = key.clone();
        theirs.psks[0].1 = key;
        let mut pair = Pair::new(&suite, (ours, theirs));
        pair.run();
        assert_eq!(pair.client_error().is_some(), error);
        assert_eq!(pair.both_established(), !error);
    }
    let (mut ours, theirs) = pair_of_keys(Signature::Es256, Signature::Es256);
    ours.psks.clear();
    let mut rng = SeededRandom::new(1);
    let none = Connection::<512>::client(&suite, Instant(0), &ours, &mut rng);
    assert!(matches!(none, Err(Error::NoCredentials)));
    // Lost between the hello and the answer.
    let (with, _) = pair_of_keys(Signature::Es256, Signature::Es256);
    let mut pair = Pair::new(&suite, (with, theirs));
    pair.client_keys = ours;
    pair.run();
    assert_eq!(pair.client_error(), Some(Error::NoCredentials));
    assert_eq!(
        pair.server_closed(),
        Some(CloseReason::Alert(Alert::INTERNAL_ERROR))
    );
}

#[test]
fn buffers_that_are_too_small_lose_nothing() {
    let mut pair = connected(&psk());
    let mut out = [0; 64];
    for len in 0..4 + 13 + 8 + 8 {
        let sent = pair.client.send(b"data", &mut out[..len]);
        assert_eq!(sent, Err(Error::BufferTooSmall), "{len}");
    }
    let len = pair.client.send(b"data", &mut out).unwrap();
    assert_eq!(pair.give(To::Server, &out[..len]), [b"data"]);
    // RFC 6347, 4.1: not one sequence number was used up in vain; Finished had the first
    assert_eq!(out[3..11], [0, 1, 0, 0, 0, 0, 0, 1]);
}

/// Bytes of state: what the crate's first page says, and that the buffer's size counts once.
#[test]
fn memory() {
    const {
        assert!(size_of::<Session>() <= 192);
        assert!(size_of::<Connection>() <= 536 + 1536);
        assert!(size_of::<Connection<1024>>() == size_of::<Connection>() - 512);
        assert!(size_of::<ace_dtls::Listener>() <= 104);
    }
}

#[test]
fn rfc6347_4_1_1_1_datagrams_get_shorter_when_nothing_comes_back() {
    let (mut ours, mut theirs) = pair_of_keys(Signature::Es256, Signature::Es256);
    ours.psks[0].0 = vec![6; MAX_IDENTITY];
    theirs.psks[0].0 = vec![6; MAX_IDENTITY];
    let mut pair = Pair::new(&psk(), (ours, theirs));
    let mut timeouts = 0;
    while !pair.both_established() {
        pair.run_with(|_, _, datagram| {
            if datagram.len() > 400 {
                datagram.clear();
            }
        });
        if pair.both_established() {
            break;
        }
        pair.now = pair.client.poll_timeout().unwrap().0;
        pair.client.handle_timeout(Instant(pair.now));
        timeouts += 1;
    }
    assert_eq!(timeouts, 3);
}

#[test]
fn connected_and_closed_by_one_datagram_are_both_told() {
    let mut pair = Pair::new(&psk(), pair_of_keys(Signature::Es256, Signature::Es256));
    let mut held = Vec::new();
    pair.run_with(|number, _, datagram| {
        if number == 5 {
            held = std::mem::take(datagram);
        }
    });
    held.extend(pair.seal(To::Server, b"bye"));
    pair.server().close();
    held.extend(pair.take(To::Server).concat());
    assert_eq!(pair.give(To::Client, &held), [b"bye"]);
    let closed = Event::Closed(CloseReason::Peer);
    assert_eq!(pair.client_events, [Event::Connected, closed]);
}

/// One byte at a time costs what the bytes cost: no fragment is compared with those before it.
#[test]
fn fragments_of_one_byte_cost_linear_time() {
    let mut pair = Pair::new(&psk(), pair_of_keys(Signature::Es256, Signature::Es256));
    pair.run_with(|number, _, datagram| {
        if number == 3 {
            datagram.clear();
        }
    });
    let body = [9; 500];
    let mut fragment = common::pair::fragment(16, 2, &body, 0..1);
    let start = std::time::Instant::now();
    for n in 0..100_000u32 {
        fragment[6..9].copy_from_slice(&(n % 499).to_be_bytes()[1..]);
        pair.give(To::Server, &plain(22, 3, &fragment));
    }
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(pair.server_closed(), None);
}
