//! The cookie exchange (RFC 6347, 4.2.1), and what a stranger can make a server do.
#![cfg(all(feature = "es256", feature = "eddsa"))]

mod common;

use std::time::Duration;

use ace_crypto::Signature;
use ace_dtls::{
    CipherSuite, Config, Connection, Error, Incoming, Instant, Listener, is_client_hello,
};
use ace_testkit::SeededRandom;
use common::{
    config,
    pair::{Pair, To, fragment, message, plain, records, whole_message},
    pair_of_keys,
};

const PERIOD: Duration = Listener::DEFAULT_PERIOD;

fn pair() -> Pair {
    pair_with(&config(CipherSuite::PskAes128Ccm8))
}

fn pair_with(config: &Config) -> Pair {
    Pair::new(config, pair_of_keys(Signature::Es256, Signature::Es256))
}

/// The ClientHello with its cookie for "peer", made by a listener with this seed at time 0.
fn hello_with_cookie(rng: &mut SeededRandom, listener: &mut Listener) -> Vec<u8> {
    let mut pair = pair();
    let first = pair.take(To::Client).remove(0);
    let mut out = [0; 64];
    let Incoming::Reply(len) = listener.handle(Instant(0), b"peer", &first, rng, &mut out) else {
        panic!("no answer");
    };
    pair.give(To::Client, &out[..len]);
    pair.take(To::Client).remove(0)
}

#[test]
fn rfc6347_4_2_1_100_000_hellos_leave_no_state_and_get_less_than_they_sent() {
    let mut pair = pair();
    pair.run();
    assert!(pair.both_established());
    let mut rng = SeededRandom::new(1);
    let mut stranger = Pair::new(
        &config(CipherSuite::PskAes128Ccm8),
        pair_of_keys(Signature::Es256, Signature::Es256),
    );
    let mut hello = stranger.take(To::Client).remove(0);
    let mut out = [0; 64];
    let size = size_of_val(&pair.listener);
    for n in 0..100_000u32 {
        hello[27..31].copy_from_slice(&n.to_be_bytes());
        let answer = pair
            .listener
            .handle(Instant(5), &n.to_be_bytes(), &hello, &mut rng, &mut out);
        assert!(matches!(answer, Incoming::Reply(len) if len < hello.len()));
    }
    // There is nothing behind the listener's own bytes, and the session lives.
    assert!(size <= 128, "{size}");
    let data = pair.seal(To::Client, b"still here");
    assert_eq!(pair.give(To::Server, &data), [b"still here"]);
}

#[test]
fn rfc6347_4_2_1_shortest_hello_is_longer_than_its_answer() {
    let mut rng = SeededRandom::new(1);
    let mut listener = Listener::new(PERIOD, Instant(0), &mut rng);
    let mut body = vec![0xfe, 0xfd];
    body.extend([0; 32 + 1 + 1]);
    let datagram = plain(
        22,
        3,
        &fragment(1, 0, &[&body[..], &[0; 50]].concat(), 0..36),
    );
    let mut out = [0; 64];
    let Incoming::Reply(len) = listener.handle(Instant(0), b"x", &datagram, &mut rng, &mut out)
    else {
        panic!("no answer");
    };
    assert!(len < datagram.len(), "{len} for {}", datagram.len());
    // RFC 6347, 4.2.1: the number of the hello's record, DTLS 1.0
    assert_eq!(out[..11], [22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 3]);
    assert_eq!(out[13], 3);
    for cut in 0..datagram.len() {
        let answer = listener.handle(Instant(0), b"x", &datagram[..cut], &mut rng, &mut out);
        assert!(matches!(answer, Incoming::Drop(_)), "{cut}");
    }
}

#[test]
fn rfc6347_4_2_1_a_cookie_is_good_for_its_address_hello_and_time_alone() {
    let mut rng = SeededRandom::new(1);
    let mut listener = Listener::new(PERIOD, Instant(0), &mut rng);
    let hello = hello_with_cookie(&mut rng, &mut listener);
    let mut out = [0; 64];
    let mut ask = |listener: &mut Listener, at: u64, peer: &[u8], hello: &[u8]| {
        matches!(
            listener.handle(Instant(at), peer, hello, &mut rng, &mut out),
            Incoming::Accept(_)
        )
    };
    assert!(ask(&mut listener, 0, b"peer", &hello));
    assert!(!ask(&mut listener, 0, b"peeR", &hello));
    assert!(!ask(&mut listener, 0, b"peer2", &hello));
    for place in 25..25 + 2 + 32 {
        let mut other = hello.clone();
        other[place] ^= 1;
        assert!(!ask(&mut listener, 0, b"peer", &other), "{place}");
    }
    for place in 61..77 {
        let mut other = hello.clone();
        other[place] ^= 1;
        assert!(!ask(&mut listener, 0, b"peer", &other), "{place}");
    }
    // One to two periods.
    assert!(ask(&mut listener, 59_999, b"peer", &hello));
    assert!(ask(&mut listener, 60_000, b"peer", &hello));
    assert!(ask(&mut listener, 119_999, b"peer", &hello));
    assert!(!ask(&mut listener, 120_000, b"peer", &hello));
    // A pause longer than both.
    let mut rng = SeededRandom::new(2);
    let mut late = Listener::new(PERIOD, Instant(0), &mut rng);
    let hello = hello_with_cookie(&mut rng, &mut late);
    assert!(!ask(&mut late, 120_000, b"peer", &hello));
}

#[test]
fn only_hellos_of_epoch_0_are_answered() {
    let mut rng = SeededRandom::new(1);
    let mut listener = Listener::new(PERIOD, Instant(0), &mut rng);
    let mut other = pair();
    let good = other.take(To::Client).remove(0);
    assert!(is_client_hello(&good));
    for (place, value) in [(0, 21), (0, 25), (1, 3), (4, 1), (13, 2), (13, 16), (21, 1)] {
        let mut bad = good.clone();
        bad[place] = value;
        let answer = listener.handle(Instant(0), b"x", &bad, &mut rng, &mut [0; 64]);
        assert!(matches!(answer, Incoming::Drop(_)), "{place} {answer:?}");
    }
    let answer = listener.handle(Instant(0), b"x", &good, &mut rng, &mut [0; 43]);
    assert_eq!(answer, Incoming::Drop(Error::BufferTooSmall));
}

#[test]
fn rfc6347_4_2_2_client_renews_a_cookie_that_is_too_old_but_not_for_ever() {
    let mut pair = pair();
    let mut asked = 0;
    loop {
        let hello = pair.take(To::Client).remove(0);
        assert_eq!(whole_message(&hello).unwrap().1, asked);
        pair.now += 200_000;
        pair.give(To::Server, &hello);
        assert!(pair.server.is_none());
        for reply in pair.take(To::Server) {
            pair.give(To::Client, &reply);
        }
        asked += 1;
        if let Some(error) = pair.client_error() {
            assert_eq!((error, asked), (Error::UnexpectedMessage, 4));
            return;
        }
    }
}

#[test]
fn rfc6347_4_2_3_hello_in_pieces_of_one_byte_in_any_order() {
    for mtu in [128, 160] {
        let config = Config {
            mtu,
            ..Config::DEFAULT
        };
        let mut pair = pair_with(&config);
        pair.run();
        assert!(pair.both_established(), "mtu {mtu}");
    }

    let mut pair = pair();
    let first = pair.take(To::Client).remove(0);
    pair.give(To::Server, &first);
    let reply = pair.take(To::Server).remove(0);
    pair.give(To::Client, &reply);
    let (kind, seq, body) = whole_message(&pair.take(To::Client)[0]).unwrap();
    // The first piece carries the cookie, then the rest from behind.
    pair.give(
        To::Server,
        &plain(22, 1, &fragment(kind, seq, &body, 0..60)),
    );
    for at in (60..body.len()).rev() {
        assert!(pair.take(To::Server).is_empty());
        pair.give(
            To::Server,
            &plain(22, 2, &fragment(kind, seq, &body, at..at + 1)),
        );
    }
    pair.run_with(|number, to, datagram| {
        if number == 0 {
            // RFC 6347, 4.2.1: the number of the first record is that of the hello
            assert_eq!(to, To::Client);
            assert_eq!(datagram[5..11], [0, 0, 0, 0, 0, 1]);
            assert_eq!(whole_message(&records(datagram)[0]).unwrap().1, 1);
        }
    });
    assert!(pair.both_established());
}

#[test]
fn a_hello_that_never_ends_is_given_up_in_time() {
    let mut pair = pair();
    let first = pair.take(To::Client).remove(0);
    pair.give(To::Server, &first);
    let reply = pair.take(To::Server).remove(0);
    pair.give(To::Client, &reply);
    let (kind, seq, body) = whole_message(&pair.take(To::Client)[0]).unwrap();
    pair.give(
        To::Server,
        &plain(22, 1, &fragment(kind, seq, &body, 0..60)),
    );
    let due = pair.server().poll_timeout().unwrap();
    assert_eq!(due, Instant(123_000));
    pair.server().handle_timeout(due);
    pair.collect();
    let reason = ace_dtls::CloseReason::TimedOut;
    assert_eq!(pair.server_closed(), Some(reason));
}

/// A server that has accepted a client with a hello of our making.
struct Hello<'a> {
    version: u16,
    suites: &'a [u16],
    compression: &'a [u8],
    extensions: &'a [(u16, &'a [u8])],
}

impl Hello<'_> {
    const GOOD: Hello<'static> = Hello {
        version: 0xfefd,
        suites: &[0xc0a8, 0x00ff],
        compression: &[0],
        extensions: &[(23, &[])],
    };

    fn body(&self, cookie: &[u8]) -> Vec<u8> {
        let mut body = self.version.to_be_bytes().to_vec();
        body.extend([5; 32]);
        body.push(0);
        body.push(cookie.len() as u8);
        body.extend(cookie);
        body.extend((2 * self.suites.len() as u16).to_be_bytes());
        body.extend(self.suites.iter().flat_map(|suite| suite.to_be_bytes()));
        body.push(self.compression.len() as u8);
        body.extend(self.compression);
        let mut extensions = Vec::new();
        for (kind, data) in self.extensions {
            extensions.extend(kind.to_be_bytes());
            extensions.extend((data.len() as u16).to_be_bytes());
            extensions.extend(*data);
        }
        body.extend((extensions.len() as u16).to_be_bytes());
        body.extend(extensions);
        body
    }

    /// What becomes of it: the server's ServerHello, or why it refused.
    fn meet(&self, config: &Config) -> Result<Vec<u8>, Error> {
        let mut pair = pair_with(config);
        pair.give(To::Server, &plain(22, 0, &message(1, 0, &self.body(&[]))));
        let reply = pair.take(To::Server).remove(0);
        let cookie = &reply[28..];
        pair.give(
            To::Server,
            &plain(22, 1, &message(1, 1, &self.body(cookie))),
        );
        let sent = pair.take(To::Server);
        match pair.server_error() {
            Some(error) => {
                assert_eq!(sent, [plain(21, 1, &[2, error.alert().0])]);
                Err(error)
            }
            None => {
                let (kind, _, body) = whole_message(&records(&sent[0])[0]).unwrap();
                assert_eq!(kind, 2);
                Ok(body)
            }
        }
    }
}

#[test]
fn rfc5246_7_4_1_2_what_a_hello_must_and_must_not_have() {
    let all = Config::DEFAULT;
    let good = Hello::GOOD;
    assert!(good.meet(&all).is_ok());
    fn with(extensions: &[(u16, &[u8])]) -> Result<Vec<u8>, Error> {
        Hello {
            extensions,
            ..Hello::GOOD
        }
        .meet(&Config::DEFAULT)
    }
    let refused = |hello: Hello<'_>| hello.meet(&all).unwrap_err();

    // RFC 6347, 4.2.1: DTLS 1.0 alone; a version newer than ours gets ours
    assert_eq!(
        refused(Hello {
            version: 0xfeff,
            ..good
        }),
        Error::ProtocolVersion
    );
    assert!(
        Hello {
            version: 0xfefc,
            ..Hello::GOOD
        }
        .meet(&all)
        .is_ok()
    );
    // RFC 5246, 7.4.1.2 and 7.4.1.3
    assert_eq!(
        refused(Hello {
            compression: &[1],
            ..Hello::GOOD
        }),
        Error::Compression
    );
    assert_eq!(
        refused(Hello {
            compression: &[],
            ..Hello::GOOD
        }),
        Error::Compression
    );
    assert_eq!(
        refused(Hello {
            suites: &[0xc02b, 0x1301],
            ..Hello::GOOD
        }),
        Error::NoCommonSuite
    );
    assert_eq!(
        refused(Hello {
            suites: &[],
            ..Hello::GOOD
        }),
        Error::Decode
    );
    // RFC 7627, 5.3
    assert_eq!(with(&[]), Err(Error::NoExtendedMasterSecret));
    let lax = Config {
        require_extended_master_secret: false,
        ..all
    };
    assert!(
        Hello {
            extensions: &[],
            ..Hello::GOOD
        }
        .meet(&lax)
        .is_ok()
    );
    // RFC 5246, 7.4.1.4
    assert_eq!(
        with(&[(23, &[]), (23, &[])]),
        Err(Error::DuplicateExtension)
    );
    assert_eq!(with(&[(23, &[0])]), Err(Error::Decode));
    // RFC 5746, 3.6
    assert_eq!(
        with(&[(23, &[]), (0xff01, &[1, 7])]),
        Err(Error::RenegotiationInfo)
    );
    // RFC 6066, 3 and 4: a server name means nothing here, and is not answered
    let named = with(&[(23, &[]), (0, &[0, 4, 0, 0, 1, b'a'])]).unwrap();
    assert_eq!(named.len(), good.meet(&all).unwrap().len());
    assert_eq!(with(&[(23, &[]), (1, &[5])]), Err(Error::ExtensionValue));
    // RFC 8449, 4
    assert_eq!(
        with(&[(23, &[]), (28, &[0, 63])]),
        Err(Error::ExtensionValue)
    );
    // RFC 8422, 5.1.2
    assert_eq!(
        with(&[(23, &[]), (11, &[1, 1])]),
        Err(Error::ExtensionValue)
    );
    // RFC 9146, 3: too long for us to send, so none are used
    let long = [&[21u8][..], &[1; 21]].concat();
    let cids = Config {
        connection_id: ace_dtls::ConnectionId::new(b"s"),
        ..all
    };
    let hello = Hello {
        extensions: &[(23, &[]), (54, &long)],
        ..Hello::GOOD
    };
    assert!(
        !hello
            .meet(&cids)
            .unwrap()
            .windows(2)
            .any(|pair| pair == [0, 54])
    );
    assert_eq!(with(&[(23, &[]), (54, &[2, 1])]), Err(Error::Decode));
}

#[test]
fn rfc7250_4_2_and_rfc8422_4_what_raw_public_keys_need() {
    fn meet(extensions: &[(u16, &[u8])]) -> Result<Vec<u8>, Error> {
        let suites = &[0xc0ae];
        Hello {
            suites,
            extensions,
            ..Hello::GOOD
        }
        .meet(&Config::DEFAULT)
    }
    let ems: (u16, &[u8]) = (23, &[]);
    let groups: (u16, &[u8]) = (10, &[0, 4, 0, 29, 0, 23]);
    let algorithms: (u16, &[u8]) = (13, &[0, 2, 4, 3]);
    let client: (u16, &[u8]) = (19, &[2, 0, 2]);
    let server: (u16, &[u8]) = (20, &[2, 0, 2]);
    let answer = meet(&[ems, groups, algorithms, client, server]).unwrap();
    assert!(answer.windows(5).any(|bytes| bytes == [0, 20, 0, 1, 2]));
    assert!(answer.windows(5).any(|bytes| bytes == [0, 19, 0, 1, 2]));
    // RFC 7250, 4.2
    assert_eq!(
        meet(&[ems, groups, algorithms]),
        Err(Error::CertificateType)
    );
    assert_eq!(
        meet(&[ems, groups, algorithms, server]),
        Err(Error::CertificateType)
    );
    assert_eq!(
        meet(&[ems, groups, algorithms, client, (20, &[1, 0])]),
        Err(Error::CertificateType)
    );
    assert_eq!(
        meet(&[ems, groups, algorithms, client, (20, &[0])]),
        Err(Error::Decode)
    );
    // RFC 5246, 7.4.1.4.1; RFC 8422, 4 and 5.1.1
    assert_eq!(
        meet(&[ems, groups, client, server]),
        Err(Error::NoCommonSuite)
    );
    assert_eq!(
        meet(&[ems, groups, (13, &[0, 2, 8, 7]), client, server]),
        Err(Error::NoCommonSuite)
    );
    assert_eq!(
        meet(&[ems, (10, &[0, 2, 0, 24]), algorithms, client, server]),
        Err(Error::NoCommonSuite)
    );
    assert_eq!(
        meet(&[ems, (10, &[0, 2, 0, 29]), algorithms, client, server]),
        Err(Error::NoCommonSuite)
    );
}

#[test]
fn rfc5746_3_6_answered_to_the_suite_and_to_the_extension_alone() {
    let has = |body: Vec<u8>| body.windows(5).any(|bytes| bytes == [0xff, 1, 0, 1, 0]);
    let all = Config::DEFAULT;
    assert!(has(Hello::GOOD.meet(&all).unwrap()));
    let suites = &[0xc0a8];
    assert!(!has(Hello {
        suites,
        ..Hello::GOOD
    }
    .meet(&all)
    .unwrap()));
    let extensions: &[(u16, &[u8])] = &[(0xff01, &[0]), (23, &[])];
    assert!(has(Hello {
        suites,
        extensions,
        ..Hello::GOOD
    }
    .meet(&all)
    .unwrap()));
}

#[test]
fn a_hello_longer_than_the_buffer_is_refused_at_once() {
    let big = vec![0; 1_600];
    let hello = Hello {
        extensions: &[(23, &[]), (21, &big)],
        ..Hello::GOOD
    };
    assert_eq!(hello.meet(&Config::DEFAULT), Err(Error::MessageTooLong));
    let mut rng = SeededRandom::new(0);
    let (keys, _) = pair_of_keys(Signature::Es256, Signature::Es256);
    let small = Connection::<64>::client(&Config::DEFAULT, Instant(0), &keys, &mut rng);
    assert!(matches!(small, Err(Error::BufferTooSmall)));
}

#[test]
fn rfc6347_4_2_8_a_new_hello_from_the_address_of_a_session_leaves_it_alone() {
    let mut old = pair();
    old.run();
    assert!(old.both_established());
    // The client has restarted: its hellos reach the old connection too, from the same address.
    let mut new = pair();
    new.listener = Listener::new(PERIOD, Instant(0), &mut SeededRandom::new(77));
    let first = new.take(To::Client).remove(0);
    assert!(is_client_hello(&first));
    old.give(To::Server, &first);
    new.give(To::Server, &first);
    for reply in new.take(To::Server) {
        new.give(To::Client, &reply);
    }
    let second = new.take(To::Client).remove(0);
    old.give(To::Server, &second);
    new.give(To::Server, &second);
    let data = old.seal(To::Client, b"old");
    assert_eq!(old.give(To::Server, &data), [b"old"]);
    assert!(old.take(To::Server).is_empty());
    new.run();
    assert!(new.both_established() && old.both_established());
}
