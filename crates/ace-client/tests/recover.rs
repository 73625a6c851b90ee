//! What is lost, forged, replayed and repeated once a token is held.

mod common;

use std::cell::Cell;
use std::rc::Rc;

use ace_client::{Config, Phase, Reason, Request, Step};
use ace_wire::ace::{AsRequestCreationHints, AuthzInfoResponse, Scope};
use ace_wire::aif::MethodSet;
use ace_wire::coap::content_format::ACE_CBOR;
use ace_wire::coap::{Code, Message, option};
use common::{CLIENT, RS, Reply, Seen, World, aif, config, forge, hints, hints_of};
use common::{is_protected, sent, temperature};

use Phase::{Access, Hints, Idle, Token, Upload};

/// A world whose client holds a confirmed context.
fn settled(config: Config<'static, u16>) -> World {
    let mut world = World::configured(config);
    let rights = [
        ("/temp", MethodSet::GET),
        ("/log", MethodSet::POST),
        ("/led", MethodSet::PUT),
    ];
    world.rs.hints = hints_of(AsRequestCreationHints {
        audience: Some("thermo"),
        scope: Some(Scope::Bytes(&aif(&rights))),
        ..Default::default()
    });
    assert_eq!(world.request(Request::get("/temp")), temperature());
    world.phases();
    world
}

/// Answers every protected request with this from now on.
fn forge_answers(world: &mut World, reply: Reply) -> Rc<Cell<bool>> {
    let on = Rc::new(Cell::new(true));
    let attacking = on.clone();
    world.rs.bend = Some(Box::new(move |_, datagram| {
        Some(if attacking.get() && is_protected(&datagram) {
            forge(&datagram, &reply)
        } else {
            datagram
        })
    }));
    on
}

#[test]
fn rfc9203_4_1_token_is_uploaded_again_when_the_rs_forgot_it() {
    let mut world = settled(config());
    world.rs.forget();
    assert_eq!(world.request(Request::get("/temp")), temperature());
    assert_eq!(world.phases(), [Access, Upload, Access, Idle]);
    assert_eq!(
        (world.a.asked.len(), world.rs.uploads, world.rs.confirmed()),
        (1, 2, 1)
    );
    assert_eq!(world.request(Request::get("/temp")), temperature());
    assert_eq!(world.phases(), [Access, Idle]);
}

#[test]
fn rfc9203_4_1_another_token_is_asked_for_when_the_upload_is_refused() {
    let mut world = settled(config());
    world.rs.forget();
    world.rs.cnonce = Some(vec![5]);
    world.rs.hints = hints("thermo", Some(&[5]));
    assert_eq!(world.request(Request::get("/temp")), temperature());
    // The hints came with the first 4.01.
    assert_eq!(
        world.phases(),
        [Access, Upload, Token, Upload, Access, Idle]
    );
    assert_eq!(world.a.asked[1].cnonce, Some(vec![5]));
    // What was held is asked for again.
    assert_eq!(world.a.asked[1].scope, world.a.asked[0].scope);
}

#[test]
fn rfc9203_6_forged_4_01_loses_no_key() {
    let mut world = settled(config());
    let attack = forge_answers(&mut world, Reply::new(Code::UNAUTHORIZED));
    // The attacker also swallows the uploads.
    world.rs.bend_upload = Some(Box::new(|_| Reply::new(Code::INTERNAL_SERVER_ERROR)));
    let failed = Seen::Failed(
        Step::Upload,
        Reason::UnexpectedCode(Code::INTERNAL_SERVER_ERROR),
    );
    assert_eq!(world.request(Request::get("/temp")), failed);
    assert_eq!(world.phases(), [Access, Upload, Idle]);
    // The old context is there still, on both sides.
    attack.set(false);
    assert_eq!(world.request(Request::get("/temp")), temperature());
    assert_eq!(world.phases(), [Access, Idle]);
    assert_eq!((world.a.asked.len(), world.rs.confirmed()), (1, 1));
}

#[test]
fn rfc9203_6_forged_4_01_with_answered_upload_moves_to_the_new_context() {
    let mut world = settled(config());
    let first = Cell::new(true);
    world.rs.bend = Some(Box::new(move |_, datagram| {
        let forged = is_protected(&datagram) && first.replace(false);
        Some(if forged {
            forge(&datagram, &Reply::new(Code::UNAUTHORIZED))
        } else {
            datagram
        })
    }));
    assert_eq!(world.request(Request::get("/temp")), temperature());
    assert_eq!(world.phases(), [Access, Upload, Access, Idle]);
    assert_eq!(world.rs.confirmed(), 1);
}

#[test]
fn rfc9203_6_a_number_of_4_01_ends_the_context() {
    let mut world = settled(Config {
        unauthorized_limit: 2,
        ..config()
    });
    let attack = forge_answers(&mut world, Reply::new(Code::UNAUTHORIZED));
    world.rs.bend_upload = Some(Box::new(|_| Reply::new(Code::INTERNAL_SERVER_ERROR)));
    for _ in 0..2 {
        world.request(Request::get("/temp"));
        assert_eq!(world.phases(), [Access, Upload, Idle]);
    }
    attack.set(false);
    world.rs.bend_upload = None;
    assert_eq!(world.request(Request::get("/temp")), temperature());
    assert_eq!(world.phases(), [Upload, Access, Idle]);
    assert_eq!(world.a.asked.len(), 1);
}

#[test]
fn rfc9203_6_a_verified_answer_starts_the_count_of_4_01_again() {
    let mut world = settled(Config {
        unauthorized_limit: 2,
        ..config()
    });
    let attack = forge_answers(&mut world, Reply::new(Code::UNAUTHORIZED));
    world.rs.bend_upload = Some(Box::new(|_| Reply::new(Code::INTERNAL_SERVER_ERROR)));
    for _ in 0..5 {
        attack.set(true);
        world.request(Request::get("/temp"));
        assert_eq!(world.phases(), [Access, Upload, Idle]);
        attack.set(false);
        assert_eq!(world.request(Request::get("/temp")), temperature());
        assert_eq!(world.phases(), [Access, Idle]);
    }
}

/// An answer to an upload with another nonce.
fn other_nonce(reply: Reply) -> Reply {
    if reply.code != Code::CREATED {
        return reply;
    }
    let answer = AuthzInfoResponse::parse(&reply.payload).unwrap();
    let mut out = [0; 64];
    let length = AuthzInfoResponse {
        nonce2: &[0x66; 8],
        ..answer
    }
    .encode(&mut out)
    .unwrap();
    Reply::with(Code::CREATED, ACE_CBOR, &out[..length])
}

#[test]
fn rfc9203_4_2_forged_answer_to_an_upload_costs_another_upload() {
    for shy in [false, true] {
        let mut world = World::new();
        world.rs.shy = shy;
        let mut first = true;
        world.rs.bend_upload = Some(Box::new(move |reply| {
            if core::mem::replace(&mut first, false) {
                other_nonce(reply)
            } else {
                reply
            }
        }));
        assert_eq!(world.request(Request::get("/temp")), temperature());
        assert_eq!(
            world.phases(),
            [Hints, Token, Upload, Access, Upload, Access, Idle]
        );
        assert_eq!((world.a.asked.len(), world.rs.confirmed()), (1, 1));
    }
}

#[test]
fn rfc9203_6_endless_forgery_is_bounded_and_loses_no_key() {
    let mut world = settled(config());
    let attack = forge_answers(&mut world, Reply::new(Code::UNAUTHORIZED));
    world.rs.bend_upload = Some(Box::new(other_nonce));
    // Keys that do not match: the resource server says 4.00.
    let refused = Seen::RefusedByRs(Step::Access, Code::BAD_REQUEST, false);
    assert_eq!(world.request(Request::get("/temp")), refused);
    let one = [Access, Upload, Access, Upload, Access];
    let other = [Token, Upload, Access, Upload, Access, Idle];
    assert_eq!(world.phases(), [&one[..], &other[..]].concat());
    assert_eq!(world.a.asked.len(), 2);
    attack.set(false);
    assert_eq!(world.request(Request::get("/temp")), temperature());
    assert_eq!(world.phases(), [Access, Idle]);
    assert_eq!(world.a.asked.len(), 2);
}

#[test]
fn rfc9200_5_10_2_unprotected_answers_to_protected_requests_are_not_believed() {
    for code in [
        Code::CONTENT,
        Code::BAD_OPTION,
        Code::FORBIDDEN,
        Code::NOT_FOUND,
        Code::METHOD_NOT_ALLOWED,
        Code::INTERNAL_SERVER_ERROR,
        Code::SERVICE_UNAVAILABLE,
    ] {
        let mut world = settled(config());
        let reply = Reply {
            payload: b"99".to_vec(),
            ..Reply::new(code)
        };
        let attack = forge_answers(&mut world, reply);
        let failed = Seen::Failed(Step::Access, Reason::Unprotected(code));
        assert_eq!(world.request(Request::get("/temp")), failed);
        attack.set(false);
        assert_eq!(world.request(Request::get("/temp")), temperature());
        assert_eq!((world.a.asked.len(), world.rs.uploads), (1, 1));
    }
}

#[test]
fn rfc8613_7_4_replayed_answer_is_passed_over_and_the_true_one_taken() {
    let mut world = settled(config());
    world.rs.values.insert("/temp".into(), b"old".to_vec());
    let old: Rc<std::cell::RefCell<Vec<Vec<u8>>>> = Rc::default();
    let kept = old.clone();
    world.rs.bend = Some(Box::new(move |_, datagram| {
        let mut old = kept.borrow_mut();
        old.push(datagram.clone());
        if old.len() != 2 {
            return Some(datagram);
        }
        // The body of the first answer in the message of the second.
        let first = Message::parse(&old[0]).unwrap();
        let mut reply = Reply::new(first.code)
            .option(option::OSCORE, first.options.find(option::OSCORE).unwrap());
        reply.payload = first.payload.to_vec();
        Some(forge(&datagram, &reply))
    }));
    let answer = |text: &str| Seen::Response(Code::CONTENT, text.into(), true);
    assert_eq!(world.request(Request::get("/temp")), answer("old"));
    world.rs.values.insert("/temp".into(), b"new".to_vec());
    assert_eq!(world.request(Request::get("/temp")), answer("new"));
    assert_eq!(world.phases(), [Access, Idle, Access, Idle]);
    // Three answers for two requests: the second was retransmitted, not done again.
    assert_eq!((old.borrow().len(), world.rs.hits.len()), (3, 3));
}

#[test]
fn rfc8613_8_4_every_truncation_of_a_protected_answer_is_passed_over() {
    let mut world = settled(config());
    let length = sent(&world, RS, CLIENT).last().unwrap().len();
    for cut in 0..length {
        let first = Cell::new(true);
        world.rs.bend = Some(Box::new(move |_, mut datagram| {
            if first.replace(false) {
                datagram.truncate(cut);
            }
            Some(datagram)
        }));
        assert_eq!(world.request(Request::get("/temp")), temperature(), "{cut}");
    }
    assert_eq!((world.a.asked.len(), world.rs.uploads), (1, 1));
}

#[test]
fn rfc7252_5_1_request_whose_outcome_is_unknown_is_not_repeated() {
    let mut world = settled(config());
    let post = Request {
        payload: b"x",
        ..Request::new(Code::POST, "/log")
    };
    let unknown = Seen::Failed(Step::Access, Reason::UnknownOutcome);
    world.rs.bend = Some(Box::new(|_, _| None));
    assert_eq!(world.request(post), unknown);
    assert_eq!(world.rs.values["/log"], b"x");
    // An idempotent one is tried again.
    let start = world.network.now;
    world.rs.bend = Some(Box::new(move |now, datagram| {
        (now > start + 200_000).then_some(datagram)
    }));
    let put = Request {
        payload: b"1",
        ..Request::new(Code::PUT, "/led")
    };
    assert_eq!(
        world.request(put),
        Seen::Response(Code::CHANGED, vec![], true)
    );
}

#[test]
fn rfc9203_4_1_post_is_not_repeated_after_an_unprotected_4_01() {
    let mut world = settled(config());
    let post = Request {
        payload: b"x",
        ..Request::new(Code::POST, "/log")
    };
    let unknown = Seen::Failed(Step::Access, Reason::UnknownOutcome);
    // Carried out, and the 4.01 is forged.
    let attack = forge_answers(&mut world, Reply::new(Code::UNAUTHORIZED));
    assert_eq!(world.request(post), unknown);
    attack.set(false);
    assert_eq!(world.rs.values["/log"], b"x");
    assert_eq!(world.phases(), [Access, Idle]);
    // The next one makes sure of the context first.
    assert_eq!(
        world.request(post),
        Seen::Response(Code::CHANGED, b"xx".to_vec(), true)
    );
    assert_eq!(world.phases(), [Upload, Access, Idle]);
    assert_eq!(
        world.request(post),
        Seen::Response(Code::CHANGED, b"xxx".to_vec(), true)
    );
    assert_eq!(world.phases(), [Access, Idle]);
}

#[test]
fn rfc8613_8_2_silence_about_a_lost_context_ends_with_an_upload() {
    let mut world = settled(config());
    world.rs.forget();
    world.rs.shy = true;
    let failed = Seen::Failed(Step::Access, Reason::TimedOut);
    assert_eq!(world.request(Request::get("/temp")), failed);
    world.phases();
    assert_eq!(world.request(Request::get("/temp")), temperature());
    assert_eq!(world.phases(), [Upload, Access, Idle]);
    assert_eq!(world.a.asked.len(), 1);
}

#[test]
fn rfc9200_5_10_2_protected_4_01_leads_to_another_token_once() {
    let mut world = settled(config());
    world.rs.denies = Some(Code::UNAUTHORIZED);
    let refused = Seen::RefusedByRs(Step::Access, Code::UNAUTHORIZED, true);
    assert_eq!(world.request(Request::get("/temp")), refused);
    assert_eq!(world.phases(), [Access, Token, Upload, Access, Idle]);
}

#[test]
fn rfc9200_5_3_hints_in_a_forged_4_01_that_name_another_as_are_not_followed() {
    let mut world = settled(config());
    let hints = hints_of(AsRequestCreationHints {
        r#as: Some("coap://evil.example/token"),
        cnonce: Some(&[6; 8]),
        ..Default::default()
    });
    forge_answers(&mut world, hints);
    world.rs.bend_upload = Some(Box::new(|_| Reply::new(Code::UNAUTHORIZED)));
    let refused = Seen::RefusedByRs(Step::Upload, Code::UNAUTHORIZED, false);
    assert_eq!(world.request(Request::get("/temp")), refused);
    assert!(world.a.asked.iter().all(|asked| asked.cnonce.is_none()));
}

#[test]
fn rfc9203_4_1_nonces_are_never_the_same_twice() {
    let mut world = settled(config());
    for _ in 0..20 {
        world.rs.forget();
        assert_eq!(world.request(Request::get("/temp")), temperature());
    }
    // {1: token, 40: nonce1, 43: id1}
    let mut nonces: Vec<Vec<u8>> = sent(&world, CLIENT, RS)
        .into_iter()
        .filter(|d| !is_protected(d) && Message::parse(d).unwrap().code == Code::POST)
        .map(|d| d[d.len() - 12..d.len() - 4].to_vec())
        .collect();
    assert_eq!(nonces.len(), 21);
    nonces.sort();
    nonces.dedup();
    assert_eq!(nonces.len(), 21);
}

/// Somebody on the path, who keeps from the resource server what the client sends, and refuses it: what
/// is protected and uploads with 4.01, requests in the clear with `reply`. Returns the request's end.
fn intercept(world: &mut World, reply: &Reply) -> Seen {
    world.rs.silent = true;
    let mut seen = sent(world, CLIENT, RS).len();
    let end = loop {
        if let Some(end) = world.client.take_end().or(world.client.notices.pop()) {
            break end;
        }
        assert!(world.step());
        let datagrams = sent(world, CLIENT, RS);
        for datagram in &datagrams[seen..] {
            let message = Message::parse(datagram).unwrap();
            let in_clear = message.code == Code::GET;
            assert!(!(in_clear && message.options.contains(option::OBSERVE)));
            let refusal = Reply::new(Code::UNAUTHORIZED);
            let forged = forge(datagram, if in_clear { reply } else { &refusal });
            world.network.send(RS, CLIENT, forged);
        }
        seen = datagrams.len();
    };
    world.rs.silent = false;
    end
}

/// Answers in the clear that are not to be believed.
fn forgeries() -> [Reply; 4] {
    let content = Reply::with(Code::CONTENT, 0, "99");
    [
        content.clone(),
        content.option(option::OBSERVE, [7]),
        Reply::new(Code::NOT_FOUND),
        Reply::new(Code::SERVICE_UNAVAILABLE),
    ]
}

const NOT_UPLOADED: Seen = Seen::RefusedByRs(Step::Upload, Code::UNAUTHORIZED, false);

#[test]
fn rfc9200_5_10_2_answer_in_the_clear_never_ends_a_request_with_an_audience() {
    let scope = aif(&[("/temp", MethodSet::GET)]);
    for (reply, observe) in forgeries().iter().flat_map(|r| [(r, false), (r, true)]) {
        let mut world = World::new();
        let request = Request {
            audience: Some("thermo"),
            scope: Some(Scope::Bytes(&scope)),
            observe,
            ..Request::get("/temp")
        };
        world.client.request(0, RS, request).unwrap();
        assert_eq!(intercept(&mut world, reply), NOT_UPLOADED);
        assert_eq!(world.phases(), [Token, Upload, Hints, Idle]);
        assert_eq!(world.request(request), temperature());
    }
}

#[test]
fn rfc9200_5_10_2_answer_in_the_clear_never_ends_a_request_with_a_context() {
    let put = Request {
        payload: b"1",
        ..Request::new(Code::PUT, "/led")
    };
    for (reply, request) in forgeries()
        .iter()
        .flat_map(|r| [(r, Request::get("/temp")), (r, put)])
    {
        let mut world = settled(config());
        let now = world.network.now;
        world.client.request(now, RS, request).unwrap();
        assert_eq!(intercept(&mut world, reply), NOT_UPLOADED);
        assert_eq!(world.phases(), [Access, Upload, Hints, Idle]);
        assert_eq!(world.request(Request::get("/temp")), temperature());
        assert_eq!(world.phases(), [Access, Idle]);
    }
}

#[test]
fn rfc7641_3_1_answer_in_the_clear_takes_no_protected_observation_away() {
    let observe = Request {
        observe: true,
        ..Request::get("/temp")
    };
    for reply in &forgeries() {
        let mut world = settled(config());
        assert_eq!(world.request(observe), temperature());
        let now = world.network.now;
        world.client.request(now, RS, observe).unwrap();
        assert_eq!(intercept(&mut world, reply), NOT_UPLOADED);
        world.rs.set(world.network.now, "/temp", b"22");
        world.rest(500);
        let news = Seen::Notification(Code::CONTENT, b"22".to_vec(), true);
        assert_eq!(world.client.notices, [news]);
        world.client.notices.clear();
        // Nor is it renewed by one, once it is gone.
        world.rs.forget();
        let current = Seen::Response(Code::CONTENT, b"22".to_vec(), true);
        assert_eq!(world.request(Request::get("/temp")), current);
        let lost = Seen::ObservationLost(Step::Hints, Reason::RefusedByRs(Code::UNAUTHORIZED));
        assert_eq!(intercept(&mut world, reply), lost);
        assert_eq!(world.client.client.phase(), Idle);
    }
}
