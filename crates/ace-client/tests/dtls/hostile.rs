//! Peers and strangers that mean no good.

use ace_client::{Reason, Request, Step};
use ace_crypto::Signature;
use ace_testkit::Node;
use ace_wire::coap::{Code, Message, Token, Type, Writer};

use crate::common::{Reply, Seen};
use crate::world::{AS, CLIENT, RS, RS_COAPS, World, key, psk_config, public, temperature};

const WRONG: Seen = Seen::Failed(Step::Handshake, Reason::WrongKey);

#[test]
fn rfc9202_3_3_2_wrong_psk_at_the_resource_server_is_told() {
    let mut world = World::psk();
    world.rs().host.keys.wrong = true;
    assert_eq!(world.request(Request::get("/temp")), WRONG);
    assert!(world.rs().hits.is_empty());
    // The token came in this flow: another one would be of no help, a second upload might.
    assert_eq!((world.a.asked.len(), world.rs().uploads.len()), (1, 2));
    // The next request finds a token that is not fresh, and tries another.
    assert_eq!(world.request(Request::get("/temp")), WRONG);
    assert_eq!(world.a.asked.len(), 2);
    world.rs().host.keys.wrong = false;
    assert_eq!(world.request(Request::get("/temp")), temperature());
}

#[test]
fn rfc9202_3_2_2_wrong_key_of_the_resource_server_is_told() {
    for other in [Signature::Es256, Signature::EdDsa] {
        let mut world = World::rpk(Signature::Es256);
        world.rs().host.keys.own = Some(key(other, 99));
        assert_eq!(world.request(Request::get("/temp")), WRONG);
        assert!(world.rs().hits.is_empty());
        assert_eq!(world.a.asked.len(), 1);
        // A resource server may have got another key: the next token names it.
        world.a.rs_key = Some(key(other, 99).verifying_key());
        assert_eq!(world.request(Request::get("/temp")), temperature());
        assert_eq!(world.a.asked.len(), 2);
    }
}

#[test]
fn rfc9202_6_wrong_keys_with_the_authorization_server_are_told() {
    let mut world = World::psk();
    world.a.host.keys.psk = vec![1; 16];
    let end = world.request(Request::get("/temp"));
    assert_eq!(end, Seen::Failed(Step::Token, Reason::WrongKey));
    let mut world = World::rpk(Signature::Es256);
    world.a.host.keys.own = Some(key(Signature::Es256, 77));
    let end = world.request(Request::get("/temp"));
    assert_eq!(end, Seen::Failed(Step::Token, Reason::WrongKey));
    // It does not know the client.
    let mut world = World::rpk(Signature::Es256);
    world.a.host.keys.client = Some(public(key(Signature::Es256, 78)));
    let end = world.request(Request::get("/temp"));
    assert!(
        matches!(end, Seen::Failed(Step::Token, Reason::Dtls(_))),
        "{end:?}"
    );
    assert!(world.a.asked.is_empty());
}

/// Plaintext answers to whatever the client may have asked, from the address of the session and from the other.
fn plaintext(world: &mut World, code: Code, payload: &[u8]) {
    let mut kinds = vec![];
    for id in 0..=u16::MAX {
        kinds.push((Type::Acknowledgement, id));
    }
    for (kind, id) in kinds {
        let mut out = [0; 64];
        let mut writer = Writer::new(&mut out, kind, code, id, Token::EMPTY).unwrap();
        writer.payload(payload).unwrap();
        let length = writer.finish();
        for from in [RS_COAPS, AS] {
            Node::handle(&mut world.client, world.network.now, from, &out[..length]);
        }
    }
}

#[test]
fn rfc7252_9_1_1_plaintext_never_answers_an_exchange_in_a_session() {
    let mut world = World::psk();
    world.request(Request::get("/temp"));
    world.rs().silent = true;
    let now = world.network.now;
    world
        .client
        .request(now, RS, Request::get("/temp"))
        .unwrap();
    world.step();
    for code in [Code::CONTENT, Code::UNAUTHORIZED, Code::BAD_REQUEST] {
        plaintext(&mut world, code, b"99");
    }
    for (kind, code) in [
        (Type::Reset, Code::EMPTY),
        (Type::Acknowledgement, Code::EMPTY),
    ] {
        for id in 0..=u16::MAX {
            let mut out = [0; 16];
            let writer = Writer::new(&mut out, kind, code, id, Token::EMPTY).unwrap();
            let length = writer.finish();
            Node::handle(
                &mut world.client,
                world.network.now,
                RS_COAPS,
                &out[..length],
            );
        }
    }
    assert_eq!(world.client.take_end(), None);
    world.rs().silent = false;
    assert_eq!(world.finish(), temperature());
    assert_eq!(world.rs().host.handshakes, 1);
}

#[test]
fn answers_in_the_clear_with_the_right_token_do_not_count_either() {
    // The client's datagrams are read at the moment they are sealed: who knew the token could still not answer.
    let mut world = World::psk();
    world.request(Request::get("/temp"));
    world.rs().silent = true;
    let now = world.network.now;
    world
        .client
        .request(now, RS, Request::get("/temp"))
        .unwrap();
    for byte in 0..=u8::MAX {
        let mut out = [0; 64];
        let token = Token::new(&[byte; 8]).unwrap();
        let writer = Writer::new(&mut out, Type::NonConfirmable, Code::CONTENT, 1, token).unwrap();
        let length = writer.finish();
        assert!(Message::parse(&out[..length]).is_ok());
        Node::handle(&mut world.client, now, RS_COAPS, &out[..length]);
    }
    assert_eq!(world.client.take_end(), None);
}

#[test]
fn rfc6347_4_1_2_7_forged_cut_and_replayed_records_change_nothing() {
    for mut world in [World::psk(), World::rpk(Signature::EdDsa)] {
        world.request(Request::get("/temp"));
        let now = world.network.now;
        let heard: Vec<_> = world
            .network
            .capture
            .iter()
            .map(|c| (c.from, c.datagram.clone()))
            .collect();
        for (from, datagram) in &heard {
            for end in 0..datagram.len() {
                Node::handle(&mut world.client, now, *from, &datagram[..end]);
            }
            Node::handle(&mut world.client, now, *from, datagram);
            let mut bent = datagram.clone();
            for index in 0..bent.len() {
                bent[index] ^= 1;
                for from in [AS, RS, RS_COAPS] {
                    Node::handle(&mut world.client, now, from, &bent);
                }
                bent[index] ^= 1;
            }
        }
        assert_eq!(world.request(Request::get("/temp")), temperature());
        assert_eq!(
            (world.rs().host.handshakes, world.a.host.handshakes),
            (1, 1)
        );
    }
}

#[test]
fn rfc6347_4_1_2_7_alerts_in_the_clear_end_no_session() {
    let mut world = World::psk();
    world.request(Request::get("/temp"));
    for level in [1, 2] {
        for description in 0..=u8::MAX {
            let alert = [
                21,
                0xfe,
                0xfd,
                0,
                0,
                0,
                0,
                0,
                0,
                1,
                0,
                0,
                2,
                level,
                description,
            ];
            for from in [AS, RS_COAPS] {
                Node::handle(&mut world.client, world.network.now, from, &alert);
            }
        }
    }
    assert_eq!(world.request(Request::get("/temp")), temperature());
    world.request(Request::new(Code::PUT, "/led"));
    assert_eq!(
        (world.rs().host.handshakes, world.a.host.handshakes),
        (1, 1)
    );
}

#[test]
fn alert_in_the_clear_costs_a_handshake_and_no_more() {
    let mut world = World::psk();
    let now = world.network.now;
    world
        .client
        .request(now, RS, Request::get("/temp"))
        .unwrap();
    let alert = [21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 1, 0, 0, 2, 2, 40];
    let mut forged = 0;
    let end = loop {
        if let Some(end) = world.client.take_end() {
            break end;
        }
        assert!(world.step());
        let started = world
            .network
            .capture
            .last()
            .is_some_and(|c| c.from == CLIENT && c.to == RS_COAPS && c.datagram[0] == 22);
        if started && forged < 1 {
            forged += 1;
            Node::handle(&mut world.client, world.network.now, RS_COAPS, &alert);
        }
    };
    assert_eq!((end, forged), (temperature(), 1));
}

#[test]
fn rfc9200_5_10_1_forged_201_to_an_upload_is_found_out_by_the_handshake() {
    let mut world = World::psk();
    world.rs().refuses_uploads = Some(Code::CREATED);
    let end = world.request(Request::get("/temp"));
    assert!(
        matches!(end, Seen::Failed(Step::Handshake, Reason::Dtls(_))),
        "{end:?}"
    );
    world.rs().refuses_uploads = None;
    assert_eq!(world.request(Request::get("/temp")), temperature());
}

#[test]
fn rfc9200_5_10_2_answer_in_the_clear_never_ends_a_request_with_a_session() {
    for mut world in [World::psk(), World::rpk(Signature::EdDsa)] {
        world.request(Request::get("/temp"));
        // The session is gone, the token is refused, and somebody answers the question for hints.
        world.rs().host.restart();
        world.rs().host.keys.held.clear();
        world.rs().refuses_uploads = Some(Code::UNAUTHORIZED);
        world.rs().in_clear = Some(Reply::with(Code::CONTENT, 0, "99"));
        let refused = Seen::RefusedByRs(Step::Upload, Code::UNAUTHORIZED, false);
        assert_eq!(world.request(Request::get("/temp")), refused);
        world.rs().refuses_uploads = None;
        assert_eq!(world.request(Request::get("/temp")), temperature());
    }
}

#[test]
fn resource_server_that_never_answers_a_handshake_is_a_timeout() {
    let mut config = psk_config();
    config.attempts = 2;
    config.coaps = |peer| peer + 500;
    let mut world = World::with(1, Default::default(), config, None);
    let end = world.request(Request::get("/temp"));
    assert_eq!(end, Seen::Failed(Step::Handshake, Reason::TimedOut));
}

#[test]
fn random_datagrams_change_nothing() {
    let mut world = World::psk();
    world.request(Request::get("/temp"));
    let mut rng = ace_testkit::SeededRandom::new(5);
    for round in 0..20_000u32 {
        let rng: &mut dyn ace_crypto::CryptoRng = &mut rng;
        let mut datagram = vec![0; (round % 90) as usize];
        rng.fill_bytes(&mut datagram);
        if let [kind, major, minor, epoch, next, ..] = &mut datagram[..] {
            (*kind, *major, *minor, *epoch, *next) = (20 + *kind % 6, 0xfe, 0xfd, 0, *next % 2);
        }
        Node::handle(&mut world.client, world.network.now, RS_COAPS, &datagram);
    }
    assert_eq!(world.request(Request::get("/temp")), temperature());
    assert_eq!(world.rs().host.handshakes, 1);
}
