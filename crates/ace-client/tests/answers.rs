//! Answers that must not be used: of the authorization server, and to an upload.

mod common;

use ace_client::{Config, Phase, Reason, Request, Step};
use ace_wire::ace::{AccessInformation, AuthzInfoResponse, Confirmation};
use ace_wire::coap::content_format::ACE_CBOR;
use common::{CLIENT, RS, Reply, Seen, World, config, hints, sent, temperature};

/// Bends the Access Information of the authorization server.
fn bent(config: Config<'static, u16>, bend: fn(&mut AccessInformation<'_>)) -> World {
    let mut world = World::configured(config);
    world.a.bend = Some(Box::new(move |_, reply| {
        let mut answer = AccessInformation::parse(&reply.payload).unwrap();
        bend(&mut answer);
        let mut out = [0; 1024];
        let length = answer.encode(&mut out).unwrap();
        Reply::with(reply.code, ACE_CBOR, &out[..length])
    }));
    world
}

#[test]
fn rfc9200_5_10_4_token_without_expires_in_is_not_used() {
    let mut world = bent(config(), |answer| answer.expires_in = None);
    let failed = Seen::Failed(Step::Token, Reason::UnknownLifetime);
    assert_eq!(world.request(Request::get("/temp")), failed);
    assert_eq!(world.rs.uploads, 0);
    let lifetime = Some(core::time::Duration::from_secs(300));
    let mut world = bent(
        Config {
            default_lifetime: lifetime,
            ..config()
        },
        |answer| {
            answer.expires_in = None;
        },
    );
    assert_eq!(world.request(Request::get("/temp")), temperature());
}

#[test]
fn rfc9203_3_2_unusable_access_information_is_not_used() {
    type Bend = fn(&mut AccessInformation<'_>);
    let cases: [(Bend, Reason); 6] = [
        (|answer| answer.ace_profile = Some(1), Reason::Confirmation),
        (|answer| answer.token_type = Some(1), Reason::TokenType(1)),
        (|answer| answer.cnf = None, Reason::Confirmation),
        (
            |answer| answer.cnf = Some(Confirmation::Kid(b"1")),
            Reason::Confirmation,
        ),
        (|answer| answer.expires_in = Some(0), Reason::Expired),
        (
            |answer| {
                if let Some(Confirmation::Osc(material)) = &mut answer.cnf {
                    material.version = Some(2);
                }
            },
            Reason::InputMaterial,
        ),
    ];
    for (bend, reason) in cases {
        let mut world = bent(config(), bend);
        assert_eq!(
            world.request(Request::get("/temp")),
            Seen::Failed(Step::Token, reason)
        );
        assert_eq!(world.rs.uploads, 0);
    }
}

#[test]
fn rfc9200_5_8_2_every_truncation_of_the_token_response_is_refused() {
    let mut world = World::new();
    world.request(Request::get("/temp"));
    let mut whole = 0;
    for cut in 0.. {
        let mut world = World::new();
        let length = std::rc::Rc::new(std::cell::Cell::new(0));
        let seen = length.clone();
        world.a.bend = Some(Box::new(move |_, mut reply| {
            seen.set(reply.payload.len());
            reply.payload.truncate(cut);
            reply
        }));
        let end = world.request(Request::get("/temp"));
        whole = length.get();
        if cut >= whole {
            assert_eq!(end, temperature());
            break;
        }
        assert_eq!(end, Seen::Failed(Step::Token, Reason::Malformed), "{cut}");
    }
    assert!(whole > 100);
}

#[test]
fn rfc9200_5_3_every_truncation_of_hints_is_refused() {
    let whole = hints("thermo", Some(&[1; 8]));
    for cut in 1..whole.payload.len() {
        let mut world = World::new();
        world.rs.hints.payload = whole.payload[..cut].to_vec();
        let failed = Seen::Failed(Step::Hints, Reason::Malformed);
        assert_eq!(world.request(Request::get("/temp")), failed, "{cut}");
        // Tried as often as configured, since anybody could have sent them.
        assert_eq!(sent(&world, CLIENT, RS).len(), 4);
    }
}

/// Lets the answer to an upload be bent.
fn upload_bent(bend: impl Fn(AuthzInfoResponse<'_>) -> Vec<u8> + 'static) -> World {
    let mut world = World::new();
    world.rs.bend_upload = Some(Box::new(move |reply| {
        let payload = bend(AuthzInfoResponse::parse(&reply.payload).unwrap());
        Reply::with(reply.code, ACE_CBOR, payload)
    }));
    world
}

#[test]
fn rfc9203_4_3_answer_without_nonce2_or_id2_derives_nothing() {
    // {42: nonce2} and {44: id2}
    for (payload, key) in [
        (vec![0xa1, 0x18, 42, 0x41, 1], "id2"),
        (vec![0xa1, 0x18, 44, 0x41, 1], "nonce2"),
    ] {
        let mut world = upload_bent(move |_| payload.clone());
        let failed = Seen::Failed(Step::Upload, Reason::Malformed);
        assert_eq!(
            world.request(Request::get("/temp")),
            failed,
            "without {key}"
        );
        assert_eq!(
            world.phases(),
            [Phase::Hints, Phase::Token, Phase::Upload, Phase::Idle]
        );
    }
}

#[test]
fn rfc9203_4_3_every_truncation_of_the_answer_to_an_upload_is_refused() {
    for cut in 0..16 {
        let mut world = upload_bent(move |answer| {
            let mut out = [0; 64];
            let length = answer.encode(&mut out).unwrap();
            assert_eq!(length, 16);
            out[..cut].to_vec()
        });
        let failed = Seen::Failed(Step::Upload, Reason::Malformed);
        assert_eq!(world.request(Request::get("/temp")), failed, "{cut}");
    }
}

#[test]
fn rfc9203_4_3_id2_equal_to_id1_derives_nothing() {
    let mut world = World::new();
    let id1 = std::rc::Rc::new(std::cell::RefCell::new(vec![]));
    let seen = id1.clone();
    // The identifier that the client chose, off the wire.
    world.rs.bend_upload = Some(Box::new(move |reply| {
        let own = AuthzInfoResponse::parse(&reply.payload).unwrap();
        let answer = AuthzInfoResponse {
            server_recipient_id: &seen.borrow(),
            ..own
        };
        let mut out = [0; 64];
        let length = answer.encode(&mut out).unwrap();
        Reply::with(reply.code, ACE_CBOR, &out[..length])
    }));
    world.client.request(0, RS, Request::get("/temp")).unwrap();
    loop {
        assert!(world.step());
        // {1: token, 40: nonce1, 43: id1}: the identifier is the last byte.
        if let Some(upload) = sent(&world, CLIENT, RS).get(1..).and_then(<[_]>::last) {
            id1.replace(vec![*upload.last().unwrap()]);
        }
        if let Some(end) = world.client.take_end() {
            assert_eq!(end, Seen::Failed(Step::Upload, Reason::SameIdentifier));
            break;
        }
    }
    // Each attempt with another nonce (RFC 9203, 4.1).
    let uploads = sent(&world, CLIENT, RS).split_off(1);
    assert_eq!(uploads.len(), 4);
    assert!(
        uploads
            .windows(2)
            .all(|w| w[0][w[0].len() - 14..] != w[1][w[1].len() - 14..])
    );
}
