//! From nothing to a protected answer, and all that can stop it.

mod common;

use ace_client::{Config, Phase, Reason, Request, RequestError, Step};
use ace_wire::ace::{AsRequestCreationHints, ErrorCode, Scope};
use ace_wire::aif::MethodSet;
use ace_wire::coap::content_format::TEXT_PLAIN;
use ace_wire::coap::{Code, Message, option};
use common::{AS, CLIENT, RS, Reply, Seen, World, aif, config, hints, hints_of, sent, temperature};

#[test]
fn rfc9200_4_hints_token_upload_access() {
    let mut world = World::new();
    assert_eq!(world.request(Request::get("/temp")), temperature());
    use Phase::{Access, Hints, Idle, Token, Upload};
    assert_eq!(world.phases(), [Hints, Token, Upload, Access, Idle]);
    let asked = &world.a.asked[0];
    assert_eq!(asked.audience.as_deref(), Some("thermo"));
    assert_eq!(asked.scope, Some(aif(&[("/temp", MethodSet::GET)])));
    assert!(asked.wants_profile);
    // What is held is used again.
    assert_eq!(world.request(Request::get("/temp")), temperature());
    assert_eq!(world.phases(), [Access, Idle]);
    assert_eq!((world.a.asked.len(), world.rs.uploads), (1, 1));
}

#[test]
fn rfc9200_5_8_1_audience_and_scope_of_the_application_skip_the_hints() {
    let mut world = World::new();
    let scope = aif(&[("/temp", MethodSet::GET), ("/led", MethodSet::GET)]);
    let request = Request {
        audience: Some("thermo"),
        scope: Some(Scope::Bytes(&scope)),
        ..Request::get("/temp")
    };
    assert_eq!(world.request(request), temperature());
    assert_eq!(world.phases()[0], Phase::Token);
    assert_eq!(world.a.asked[0].scope.as_ref(), Some(&scope));
}

#[test]
fn rfc9200_5_2_the_unprotected_request_is_a_get_and_tells_nothing() {
    let mut world = World::new();
    world.rs.hints = hints_of(AsRequestCreationHints {
        audience: Some("thermo"),
        scope: Some(Scope::Bytes(&aif(&[("/led", MethodSet::PUT)]))),
        ..Default::default()
    });
    let request = Request {
        payload: b"secret",
        content_format: Some(0),
        ..Request::new(Code::PUT, "/led")
    };
    assert_eq!(
        world.request(request),
        Seen::Response(Code::CHANGED, vec![], true)
    );
    assert_eq!(world.rs.hits.len(), 1);
    assert_eq!(world.rs.hits[0].payload, b"secret");
    let to_rs = sent(&world, CLIENT, RS);
    let probe = Message::parse(&to_rs[0]).unwrap();
    assert_eq!((probe.code, probe.payload), (Code::GET, &[][..]));
    assert!(!probe.options.contains(option::CONTENT_FORMAT));
    assert!(
        to_rs
            .iter()
            .all(|datagram| !datagram.windows(6).any(|w| w == b"secret"))
    );
}

#[test]
fn rfc9200_5_2_a_resource_open_to_all_answers_a_get_unprotected() {
    let mut world = World::new();
    world.rs.public.push("/temp".into());
    let open = Seen::Response(Code::CONTENT, b"21.5".to_vec(), false);
    assert_eq!(world.request(Request::get("/temp")), open);
    assert_eq!(world.phases(), [Phase::Hints, Phase::Idle]);
    // What else can be done there is not tried without protection.
    let put = Request {
        payload: b"30",
        ..Request::new(Code::PUT, "/temp")
    };
    assert_eq!(
        world.request(put),
        Seen::Failed(Step::Hints, Reason::NoHints(Code::CONTENT))
    );
    assert!(world.rs.hits.iter().all(|hit| hit.code == Code::GET));
}

#[test]
fn rfc9200_5_3_untrusted_as_is_refused() {
    let mut world = World::new();
    let uri = "coap://as.example.org/token";
    world.rs.hints = hints_of(AsRequestCreationHints {
        r#as: Some(uri),
        ..Default::default()
    });
    assert_eq!(
        world.request(Request::get("/temp")),
        Seen::UntrustedAs(uri.into())
    );
    assert_eq!(world.phases(), [Phase::Hints, Phase::Idle]);
    assert!(sent(&world, CLIENT, AS).is_empty());
    // The scheme may be another one.
    world.rs.hints = hints_of(AsRequestCreationHints {
        r#as: Some("coaps://as.example.com/token"),
        audience: Some("thermo"),
        scope: Some(Scope::Bytes(&aif(&[("/temp", MethodSet::GET)]))),
        ..Default::default()
    });
    assert_eq!(world.request(Request::get("/temp")), temperature());
}

#[test]
fn rfc9200_5_3_4_01_without_hints_leads_to_the_trusted_as() {
    let mut world = World::new();
    world.rs.hints = Reply {
        payload: b"no".to_vec(),
        ..Reply::new(Code::UNAUTHORIZED)
    };
    world.a.grants = Some(aif(&[("/temp", MethodSet::GET)]));
    assert_eq!(world.request(Request::get("/temp")), temperature());
    assert_eq!(
        (&world.a.asked[0].audience, &world.a.asked[0].scope),
        (&None, &None)
    );
}

#[test]
fn rfc9200_5_3_1_cnonce_is_copied_into_the_token_request() {
    let mut world = World::new();
    world.rs.hints = hints("thermo", Some(&[1, 2, 3]));
    world.rs.cnonce = Some(vec![1, 2, 3]);
    assert_eq!(world.request(Request::get("/temp")), temperature());
    assert_eq!(world.a.asked[0].cnonce, Some(vec![1, 2, 3]));
}

#[test]
fn rfc9200_5_3_1_cnonce_is_fetched_when_the_upload_is_refused_for_lack_of_it() {
    let mut world = World::new();
    world.rs.hints = hints("thermo", Some(&[1, 2, 3]));
    world.rs.cnonce = Some(vec![1, 2, 3]);
    let scope = aif(&[("/temp", MethodSet::GET)]);
    let request = Request {
        audience: Some("thermo"),
        scope: Some(Scope::Bytes(&scope)),
        ..Request::get("/temp")
    };
    assert_eq!(world.request(request), temperature());
    use Phase::{Access, Hints, Idle, Token, Upload};
    assert_eq!(
        world.phases(),
        [Token, Upload, Hints, Token, Upload, Access, Idle]
    );
    // The refusal itself may carry it.
    let mut world = World::new();
    world.rs.cnonce = Some(vec![4]);
    world.rs.bend_upload = Some(Box::new(|reply| match reply.code {
        Code::UNAUTHORIZED => hints("thermo", Some(&[4])),
        _ => reply,
    }));
    assert_eq!(world.request(request), temperature());
    assert_eq!(world.phases(), [Token, Upload, Token, Upload, Access, Idle]);
}

#[test]
fn rfc9200_5_10_1_1_refused_upload_of_a_fresh_token_is_reported() {
    let mut world = World::new();
    world.rs.cnonce = Some(vec![9]);
    let refused = Seen::RefusedByRs(Step::Upload, Code::UNAUTHORIZED, false);
    assert_eq!(world.request(Request::get("/temp")), refused);
    assert_eq!(world.a.asked.len(), 1);
    let scope = aif(&[("/temp", MethodSet::GET)]);
    let request = Request {
        audience: Some("another"),
        scope: Some(Scope::Bytes(&scope)),
        ..Request::get("/temp")
    };
    world.rs.cnonce = None;
    assert_eq!(world.request(request), refused);
}

#[test]
fn rfc9200_5_8_3_error_of_the_as_is_reported_with_its_description() {
    let mut world = World::new();
    world.a.error = Some((ErrorCode::InvalidScope, "nothing granted"));
    let refused = Seen::RefusedByAs(ErrorCode::InvalidScope, "nothing granted".into());
    assert_eq!(world.request(Request::get("/temp")), refused);
    assert_eq!(world.phases(), [Phase::Hints, Phase::Token, Phase::Idle]);
    assert_eq!(world.a.asked.len(), 1);
    world.a.error = None;
    assert_eq!(world.request(Request::get("/temp")), temperature());
}

#[test]
fn rfc9200_5_8_3_error_without_meaning_is_reported_by_its_code() {
    for (reply, reason) in [
        (
            Reply::new(Code::NOT_FOUND),
            Reason::UnexpectedCode(Code::NOT_FOUND),
        ),
        (
            Reply::with(Code::BAD_REQUEST, TEXT_PLAIN, "no"),
            Reason::UnexpectedCode(Code::BAD_REQUEST),
        ),
    ] {
        let mut world = World::new();
        world.a.bend = Some(Box::new(move |_, _| reply.clone()));
        assert_eq!(
            world.request(Request::get("/temp")),
            Seen::Failed(Step::Token, reason)
        );
    }
}

#[test]
fn rfc9175_2_3_echo_outside_of_oscore_is_answered() {
    let mut world = World::new();
    world.rs.echo = Some(vec![7; 12]);
    assert_eq!(world.request(Request::get("/temp")), temperature());
    use Phase::{Access, Hints, Idle, Token, Upload};
    assert_eq!(world.phases(), [Hints, Token, Upload, Access, Idle]);
    assert_eq!(world.rs.uploads, 1);
}

#[test]
fn rfc9175_2_3_endless_echo_challenges_are_given_up() {
    let mut world = World::new();
    let mut count = 0u8;
    world.rs.bend = Some(Box::new(move |_, datagram| {
        count += 1;
        let echo = Reply::new(Code::UNAUTHORIZED).option(option::ECHO, [count; 8]);
        Some(common::forge(&datagram, &echo))
    }));
    let failed = Seen::Failed(Step::Hints, Reason::EchoLoop);
    assert_eq!(world.request(Request::get("/temp")), failed);
    assert_eq!(sent(&world, CLIENT, RS).len(), 4);
}

#[test]
fn rfc8613_b_1_2_restarted_as_asks_for_freshness_inside_of_oscore() {
    let mut world = World::new();
    world.a.restart();
    assert_eq!(world.request(Request::get("/temp")), temperature());
    assert_eq!(world.a.handled, 1);
    assert_eq!(sent(&world, CLIENT, AS).len(), 2);
}

#[test]
fn rfc8613_8_4_forged_answer_of_the_as_is_passed_over() {
    // An answer with OSCORE option that does not verify, before the real one.
    let mut world = World::new();
    world.client.request(0, RS, Request::get("/temp")).unwrap();
    let mut forged = false;
    let end = loop {
        assert!(world.step());
        let request = sent(&world, CLIENT, AS);
        if let (Some(request), false) = (request.first(), forged) {
            forged = true;
            let message = Message::parse(request).unwrap();
            let mut out = [0; 64];
            let mut reply = Reply::new(Code::CHANGED).option(option::OSCORE, []);
            reply.payload = vec![0x55; 20];
            let length = reply
                .message()
                .encode(
                    &mut out,
                    ace_wire::coap::Type::Acknowledgement,
                    message.id,
                    message.token,
                )
                .unwrap();
            world.network.send(AS, CLIENT, out[..length].to_vec());
        }
        if let Some(end) = world.client.take_end() {
            break end;
        }
    };
    assert_eq!(end, temperature());
    assert_eq!(world.a.handled, 1);
}

#[test]
fn rfc8613_8_4_unprotected_error_of_the_as_is_tried_again_and_reported() {
    let mut world = World::with(
        1,
        Default::default(),
        Config {
            as_security: ace_client::AsSecurity::Oscore(ace_oscore::Parameters {
                master_secret: &[0; 16],
                ..common::as_context()
            }),
            ..config()
        },
    );
    let end = world.request(Request::get("/temp"));
    assert_eq!(
        end,
        Seen::Failed(Step::Token, Reason::Unprotected(Code::BAD_REQUEST))
    );
    assert_eq!(sent(&world, CLIENT, AS).len(), 4);
}

#[test]
fn rfc7252_4_8_silent_peers_are_given_up() {
    let mut world = World::new();
    world.rs.silent = true;
    let end = world.request(Request::get("/temp"));
    assert_eq!(end, Seen::Failed(Step::Hints, Reason::TimedOut));
    world.rs.silent = false;
    world.a.silent = true;
    let end = world.request(Request::get("/temp"));
    assert_eq!(end, Seen::Failed(Step::Token, Reason::TimedOut));
}

#[test]
fn rfc7252_5_9_3_4_busy_peer_is_asked_again_after_max_age() {
    let mut world = World::new();
    let mut busy = 2;
    world.rs.bend = Some(Box::new(move |_, datagram| {
        busy -= i32::from(busy > 0);
        let reply = Reply::new(Code::SERVICE_UNAVAILABLE).option(option::MAX_AGE, [10]);
        Some(if busy > 0 {
            common::forge(&datagram, &reply)
        } else {
            datagram
        })
    }));
    assert_eq!(world.request(Request::get("/temp")), temperature());
    assert!(
        (10_000..11_000).contains(&world.network.now),
        "{}",
        world.network.now
    );
}

#[test]
fn rfc7959_long_tokens_and_bodies_go_block_by_block() {
    let mut world = World::configured(Config {
        block_size: 64,
        ..config()
    });
    world.a.padding = 200;
    world.a.set_blocks(2);
    world.rs.set_blocks(2);
    let scope = aif(&[("/log", MethodSet::GET | MethodSet::PUT | MethodSet::POST)]);
    world.rs.hints = hints_of(AsRequestCreationHints {
        audience: Some("thermo"),
        scope: Some(Scope::Bytes(&scope)),
        ..Default::default()
    });
    let body: Vec<u8> = (0..700u32).map(|n| n as u8).collect();
    let put = Request {
        payload: &body,
        ..Request::new(Code::PUT, "/log")
    };
    assert_eq!(
        world.request(put),
        Seen::Response(Code::CHANGED, vec![], true)
    );
    let whole = Seen::Response(Code::CONTENT, body.clone(), true);
    assert_eq!(world.request(Request::get("/log")), whole);
    let post = Request {
        payload: &body[..300],
        ..Request::new(Code::POST, "/log")
    };
    let longer = [&body[..], &body[..300]].concat();
    assert_eq!(
        world.request(post),
        Seen::Response(Code::CHANGED, longer, true)
    );
    assert_eq!(
        (world.a.handled, world.rs.uploads, world.rs.hits.len()),
        (1, 1, 3)
    );
    let longest = world.network.capture.iter().map(|c| c.datagram.len()).max();
    assert!(longest < Some(150), "{longest:?}");
}

#[test]
fn rfc7959_2_9_3_smaller_blocks_and_limits_of_the_server_are_heeded() {
    let mut world = World::new();
    world.rs.set_blocks(1);
    world.rs.hints = hints_of(AsRequestCreationHints {
        audience: Some("thermo"),
        scope: Some(Scope::Bytes(&aif(&[("/log", MethodSet::PUT)]))),
        ..Default::default()
    });
    // The server's own pace, from 1,024 bytes down to 32.
    let put = Request {
        payload: &[7; 1000],
        ..Request::new(Code::PUT, "/log")
    };
    assert_eq!(
        world.request(put),
        Seen::Response(Code::CHANGED, vec![], true)
    );
    assert_eq!(world.rs.values["/log"], [7; 1000]);
}

#[test]
fn bodies_longer_than_the_buffer_fail_the_request_and_nothing_else() {
    let mut world = World::new();
    world.rs.values.insert("/temp".into(), vec![1; 1500]);
    let failed = Seen::Failed(Step::Access, Reason::TooLong);
    assert_eq!(world.request(Request::get("/temp")), failed);
    world.rs.values.insert("/temp".into(), b"21.5".to_vec());
    assert_eq!(world.request(Request::get("/temp")), temperature());
    assert_eq!(world.rs.uploads, 1);
}

#[test]
fn tokens_longer_than_the_buffer_fail_the_request() {
    let mut world = World::new();
    world.a.padding = 600;
    let failed = Seen::Failed(Step::Token, Reason::TooLong);
    assert_eq!(world.request(Request::get("/temp")), failed);
}

#[test]
fn one_request_at_a_time() {
    let mut world = World::new();
    let get = Request::get("/temp");
    world.client.request(0, RS, get).unwrap();
    assert_eq!(world.client.request(0, RS, get), Err(RequestError::Busy));
    assert_eq!(world.finish(), temperature());
    world.client.request(world.network.now, RS, get).unwrap();
    world.client.client.cancel();
    assert_eq!(world.client.client.phase(), Phase::Idle);
    world.rest(1000);
    assert_eq!(world.client.take_end(), None);
    assert_eq!(world.request(get), temperature());
}

#[test]
fn rfc9200_5_10_1_two_resource_servers_have_two_tokens() {
    let mut world = World::new();
    for _ in 0..2 {
        assert_eq!(world.request_to(RS, Request::get("/temp")), temperature());
        assert_eq!(
            world.request_to(common::RS2, Request::get("/temp")),
            temperature()
        );
    }
    assert_eq!(
        (world.rs.uploads, world.rs2.uploads, world.a.asked.len()),
        (1, 1, 2)
    );
    assert_eq!(world.a.asked[1].audience.as_deref(), Some("lamp"));
}

#[test]
fn a_client_has_no_resources() {
    let mut world = World::new();
    let mut out = [0; 64];
    let reply = Reply::new(Code::GET);
    let token = ace_wire::coap::Token::EMPTY;
    let length = reply
        .message()
        .encode(&mut out, ace_wire::coap::Type::Confirmable, 9, token)
        .unwrap();
    world.network.send(RS, CLIENT, out[..length].to_vec());
    world.rest(100);
    let answer = sent(&world, CLIENT, RS);
    assert_eq!(Message::parse(&answer[0]).unwrap().code, Code::NOT_FOUND);
}
