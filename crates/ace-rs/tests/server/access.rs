//! Requests and decisions (RFC 9200, 5.10.2; RFC 9203, 4.3 and 4.4; RFC 8613, 8.2).

use ace_rs::{EventKind, MethodSet, Outcome};
use ace_token::issue::{Claims, Scope};
use ace_wire::ace::{AsRequestCreationHints, Scope as Hint};
use ace_wire::aif::Aif;
use ace_wire::coap::{Code, option};

use crate::bench::{Bench, Client, Owned, aif, claims, issue};

fn with_scope(scope: Scope) -> (Bench, Client) {
    let mut bench = Bench::new();
    let client = bench.confirmed(
        3,
        &Claims {
            scope: Some(scope),
            ..claims(1)
        },
        1,
    );
    (bench, client)
}

#[test]
fn rfc9203_4_3_first_request_confirms_and_is_served() {
    let mut bench = Bench::new();
    bench.server.resources_mut().temp = 22;
    let mut client = bench.join(7, &issue(&claims(1)), 1);
    assert_eq!(
        bench
            .server
            .tokens()
            .filter(|token| token.confirmed)
            .count(),
        0
    );
    let answer = client.get(&mut bench, "/temp");
    assert_eq!(
        (answer.code, answer.payload.as_slice()),
        (Code::CONTENT, &b"22"[..])
    );
    assert_eq!(answer.uint(option::CONTENT_FORMAT), Some(0));
    assert_eq!(
        bench
            .server
            .tokens()
            .filter(|token| token.confirmed)
            .count(),
        1
    );
    let kinds: Vec<_> = bench.events().into_iter().map(|event| event.kind).collect();
    assert_eq!(
        kinds[..2],
        [EventKind::TokenAccepted, EventKind::TokenConfirmed]
    );
    let handled = Outcome::Handled;
    assert!(matches!(kinds[2], EventKind::Request { outcome, .. } if outcome == handled));
}

#[test]
fn rfc9200_5_10_2_resource_not_covered_is_403_method_not_covered_405() {
    for scope in [
        Scope::Text("read".into()),
        aif(&[("/temp", MethodSet::GET)]),
    ] {
        let (mut bench, mut client) = with_scope(scope);
        for (code, path, answer) in [
            (Code::GET, "/temp", Code::CONTENT),
            (Code::GET, "/led", Code::FORBIDDEN),
            (Code::PUT, "/led", Code::FORBIDDEN),
            (Code::GET, "/nothing", Code::FORBIDDEN),
            (Code::GET, "/", Code::FORBIDDEN),
            (Code::GET, "/temp/1", Code::FORBIDDEN),
            (Code::PUT, "/temp", Code::METHOD_NOT_ALLOWED),
            (Code::FETCH, "/temp", Code::METHOD_NOT_ALLOWED),
            (Code(31), "/temp", Code::METHOD_NOT_ALLOWED),
        ] {
            let got = client.ask(&mut bench, &Owned::new(code, path));
            assert_eq!(got.code, answer, "{code} {path}");
        }
        // Only what was allowed came through.
        assert_eq!(bench.server.resources().seen.len(), 1);
    }
}

#[test]
fn a_token_cannot_make_resources_or_methods_that_are_not_there() {
    let (mut bench, mut client) = with_scope(Scope::Text("odd".into()));
    assert_eq!(client.get(&mut bench, "/nothing").code, Code::NOT_FOUND);
    let delete = client.ask(&mut bench, &Owned::new(Code::DELETE, "/temp"));
    assert_eq!(
        (delete.code, delete.payload.len()),
        (Code::METHOD_NOT_ALLOWED, 0)
    );
    assert!(bench.server.resources().seen.is_empty());
}

#[test]
fn rfc9200_5_2_refusals_under_protection_carry_hints_for_the_key_in_use() {
    let (mut bench, mut client) = with_scope(Scope::Text("read".into()));
    for (code, path) in [(Code::PUT, "/led"), (Code::DELETE, "/temp")] {
        let answer = client.ask(&mut bench, &Owned::new(code, path));
        assert_eq!(answer.uint(option::CONTENT_FORMAT), Some(19));
        let hints = AsRequestCreationHints::parse(&answer.payload).unwrap();
        assert_eq!(hints.r#as, Some("coap://as.example/token"));
        assert_eq!(hints.audience, Some("thermo"));
        assert_eq!(hints.kid, Some(&[0xa0, 1][..]));
        assert_eq!(hints.cnonce, None);
        let Some(Hint::Bytes(scope)) = hints.scope else {
            panic!()
        };
        let entries: Vec<_> = Aif::parse(scope).unwrap().iter().collect();
        assert_eq!(entries, [(path, MethodSet::of(code))]);
    }
}

#[test]
fn handlers_that_fail_are_answered_500() {
    let (mut bench, mut client) = with_scope(Scope::Text("odd".into()));
    let answer = client.get(&mut bench, "/fails");
    assert_eq!(
        (answer.code, answer.payload.len()),
        (Code::INTERNAL_SERVER_ERROR, 0)
    );
}

#[test]
fn rfc7252_5_10_options_of_the_answer() {
    let (mut bench, mut client) = with_scope(Scope::Text("big".into()));
    let answer = client.ask(&mut bench, &Owned::new(Code::POST, "/big").body(b"x"));
    assert_eq!(answer.code, Code::CREATED);
    let location: Vec<_> = answer
        .options
        .iter()
        .filter(|(number, _)| *number == option::LOCATION_PATH)
        .collect();
    assert_eq!(location[0].1, b"big");
    assert_eq!(location[1].1, b"7");
}

#[test]
fn public_resources_need_no_token_but_a_known_address_to_change_anything() {
    let mut bench = Bench::new();
    let answer = bench.ask(9, &Owned::new(Code::GET, "/hello")).unwrap();
    assert_eq!(
        (answer.code, answer.payload.as_slice()),
        (Code::CONTENT, &b"hi"[..])
    );
    let put = Owned::new(Code::PUT, "/hello").body(b"x");
    let challenge = bench.ask(9, &put).unwrap();
    assert_eq!(challenge.code, Code::UNAUTHORIZED);
    assert!(challenge.option(option::ECHO).is_some());
    assert_eq!(bench.server.resources().seen.len(), 1);
    assert_eq!(bench.ask_proven(9, &put).unwrap().code, Code::CHANGED);
    assert_eq!(
        bench
            .ask(9, &Owned::new(Code::DELETE, "/hello"))
            .unwrap()
            .code,
        Code::METHOD_NOT_ALLOWED
    );
    // Under protection as well, whatever the token says.
    let mut client = bench.confirmed(3, &claims(1), 1);
    assert_eq!(client.get(&mut bench, "/hello").code, Code::CONTENT);
    assert_eq!(client.ask(&mut bench, &put).code, Code::CHANGED);
}

#[test]
fn rfc6690_4_well_known_core_lists_the_resources() {
    let mut bench = Bench::new();
    let answer = bench
        .ask_proven(9, &Owned::new(Code::GET, "/.well-known/core"))
        .unwrap();
    assert_eq!(
        (answer.code, answer.uint(option::CONTENT_FORMAT)),
        (Code::CONTENT, Some(40))
    );
    assert_eq!(
        core::str::from_utf8(&answer.payload).unwrap(),
        r#"</authz-info>;rt="ace.ai";ct="19 61",</temp>;rt="temperature";obs,</led>,</big>,</hello>,</fails>,</bulk>;obs"#
    );
    let put = bench
        .ask(9, &Owned::new(Code::PUT, "/.well-known/core"))
        .unwrap();
    assert_eq!(put.code, Code::METHOD_NOT_ALLOWED);
}

#[test]
fn unprotected_requests_for_what_is_not_there_are_answered_404() {
    let mut bench = Bench::new();
    for path in ["/nothing", "/", "/temp/x", "/well-known"] {
        assert_eq!(
            bench.ask(9, &Owned::new(Code::GET, path)).unwrap().code,
            Code::NOT_FOUND
        );
    }
}

#[test]
fn rfc7252_5_7_2_no_proxy() {
    let mut bench = Bench::new();
    let mut client = bench.confirmed(3, &claims(1), 1);
    for (number, value) in [
        (option::PROXY_URI, "coap://a/temp"),
        (option::PROXY_SCHEME, "coap"),
    ] {
        let request = Owned::new(Code::GET, "/hello").with(number, value);
        assert_eq!(
            bench.ask(9, &request).unwrap().code,
            Code::PROXYING_NOT_SUPPORTED
        );
        let (sealed, _) = client.protect(&Owned::new(Code::GET, "/temp"));
        let answer = bench.ask(3, &sealed.with(number, value)).unwrap();
        assert_eq!(answer.code, Code::PROXYING_NOT_SUPPORTED);
    }
    assert!(bench.server.resources().seen.is_empty());
}

#[test]
fn rfc7252_5_4_1_unknown_critical_options() {
    let mut bench = Bench::new();
    let mut client = bench.confirmed(3, &claims(1), 1);
    for number in [
        option::IF_MATCH,
        option::IF_NONE_MATCH,
        option::Q_BLOCK1,
        2049,
    ] {
        for path in ["/hello", "/temp", "/authz-info"] {
            let request = Owned::new(Code::GET, path).with(number, &b""[..]);
            assert_eq!(
                bench.ask(9, &request).unwrap().code,
                Code::BAD_OPTION,
                "{number}"
            );
            assert_eq!(bench.ask(9, &request.non()), None);
        }
        // Inside: refused under protection.
        let request = Owned::new(Code::GET, "/temp").with(number, &b""[..]);
        assert_eq!(client.ask(&mut bench, &request).code, Code::BAD_OPTION);
    }
    // Outside of the protection: in the clear to a CON, silence to a NON.
    let (sealed, _) = client.protect(&Owned::new(Code::GET, "/temp"));
    assert_eq!(
        bench
            .ask(3, &sealed.clone().with(2049, &b""[..]))
            .unwrap()
            .code,
        Code::BAD_OPTION
    );
    assert_eq!(
        bench.ask(3, &sealed.clone().with(2049, &b""[..]).non()),
        None
    );
    // Class E options outside are discarded, not refused.
    let answer = bench
        .ask(3, &sealed.with(option::IF_MATCH, &b""[..]))
        .unwrap();
    assert_eq!(answer.option(option::OSCORE), Some(&b""[..]));
    // An elective option nobody knows is passed over.
    let request = Owned::new(Code::GET, "/hello").with(2050, &b"x"[..]);
    assert_eq!(bench.ask(9, &request).unwrap().code, Code::CONTENT);
}

#[test]
fn rfc8613_7_4_replay_is_told_to_the_client_and_to_nobody_else() {
    let mut bench = Bench::new();
    let mut client = bench.confirmed(3, &claims(1), 1);
    let (sealed, _) = client.protect(&Owned::new(Code::GET, "/temp"));
    assert!(
        bench
            .ask(3, &sealed)
            .unwrap()
            .option(option::OSCORE)
            .is_some()
    );
    let replay = bench.ask(3, &sealed).unwrap();
    assert_eq!(
        (replay.code, replay.option(option::OSCORE)),
        (Code::UNAUTHORIZED, None)
    );
    assert_eq!(replay.payload, b"Replay detected");
    assert_eq!(replay.uint(option::MAX_AGE), Some(0));
    for kind in [sealed.clone(), sealed.clone().non()] {
        assert_eq!(bench.ask(4, &kind), None);
        // Nor any acknowledgement later.
        bench.advance(10_000);
        assert_eq!(bench.drain(), []);
    }
    assert_eq!(bench.server.resources().seen.len(), 1);
    assert_eq!(client.get(&mut bench, "/temp").code, Code::CONTENT);
}

#[test]
fn rfc8613_8_2_forgery_changes_nothing_and_is_met_with_silence() {
    let mut bench = Bench::new();
    let mut client = bench.confirmed(3, &claims(1), 1);
    bench.join(3, &issue(&claims(1)), 1);
    let before = bench.state();
    let (sealed, mut binding) = client.protect(&Owned::new(Code::GET, "/temp"));
    for at in 0..sealed.payload.len() {
        let mut forged = sealed.clone();
        forged.payload[at] ^= 0x40;
        assert_eq!(bench.ask(4, &forged), None);
        let told = bench.ask(3, &forged).unwrap();
        assert_eq!(
            (told.code, told.payload.as_slice()),
            (Code::BAD_REQUEST, &b"Decryption failed"[..])
        );
    }
    assert_eq!(bench.state(), before);
    assert!(bench.server.resources().seen.is_empty());
    // The genuine one still counts as new.
    let answer = bench.ask(3, &sealed).unwrap();
    assert_eq!(client.open(&mut binding, &answer).code, Code::CONTENT);
}

#[test]
fn a_client_that_moves_takes_the_knowledge_of_its_address_along() {
    let mut bench = Bench::new();
    let mut client = bench.confirmed(3, &claims(1), 1);
    let (first, _) = client.protect(&Owned::new(Code::GET, "/temp"));
    bench.ask(3, &first).unwrap();
    client.peer = 5;
    assert_eq!(client.get(&mut bench, "/temp").code, Code::CONTENT);
    assert_eq!(bench.ask(3, &first), None);
    assert_eq!(bench.ask(5, &first).unwrap().code, Code::UNAUTHORIZED);
}

#[test]
fn rfc8613_8_2_malformed_oscore_is_402_to_a_con_and_silence_to_a_non() {
    let mut bench = Bench::new();
    let mut client = bench.confirmed(3, &claims(1), 1);
    let (sealed, _) = client.protect(&Owned::new(Code::GET, "/temp"));
    let before = bench.state();
    for value in ["", "00", "20", "08", "0f", "01", "e9", "0a0005"] {
        let mut request = sealed.clone();
        request
            .options
            .retain(|(number, _)| *number != option::OSCORE);
        let request = request.with(option::OSCORE, hex::decode(value).unwrap().as_slice());
        assert_eq!(
            bench.ask(3, &request).unwrap().code,
            Code::BAD_OPTION,
            "{value}"
        );
        assert_eq!(bench.ask(3, &request.non()), None);
    }
    let empty = Owned {
        payload: vec![],
        ..sealed.clone()
    };
    assert_eq!(bench.ask(3, &empty).unwrap().code, Code::BAD_OPTION);
    let twice = sealed
        .clone()
        .with(option::OSCORE, sealed.option(option::OSCORE).unwrap());
    assert_eq!(bench.ask(3, &twice).unwrap().code, Code::BAD_OPTION);
    assert_eq!(bench.state(), before);
}

#[test]
fn rfc8613_8_2_kid_context_that_is_not_the_contexts_is_unknown() {
    let mut bench = Bench::new();
    let mut client = bench.confirmed(3, &claims(1), 1);
    let (sealed, _) = client.protect(&Owned::new(Code::GET, "/temp"));
    let value = sealed.option(option::OSCORE).unwrap();
    let piv = usize::from(value[0] & 7);
    let with_context = [
        &[value[0] | 0x10],
        &value[1..=piv],
        &[1, 0xee],
        &value[1 + piv..],
    ]
    .concat();
    let mut request = sealed.clone();
    request
        .options
        .retain(|(number, _)| *number != option::OSCORE);
    let answer = bench
        .ask(3, &request.with(option::OSCORE, with_context.as_slice()))
        .unwrap();
    assert_eq!(answer.code, Code::UNAUTHORIZED);
    assert!(
        bench
            .ask(3, &sealed)
            .unwrap()
            .option(option::OSCORE)
            .is_some()
    );
}

#[test]
fn rfc7252_4_5_a_duplicate_gets_the_same_answer_and_no_handler_runs_twice() {
    let mut bench = Bench::new();
    let mut client = bench.confirmed(
        3,
        &Claims {
            scope: Some(Scope::Text("switch".into())),
            ..claims(1)
        },
        1,
    );
    let (sealed, _) = client.protect(&Owned::new(Code::PUT, "/led").body(b"1"));
    let datagram = sealed.encode();
    let first = bench.raw(3, &datagram);
    assert_eq!(bench.raw(3, &datagram), first);
    assert_eq!(bench.server.resources().seen.len(), 1);
}

#[test]
fn rfc7252_5_10_4_an_answer_in_another_format_is_not_acceptable() {
    let mut bench = Bench::new();
    let core = Owned::new(Code::GET, "/.well-known/core");
    for (format, code) in [(40u16, Code::CONTENT), (60, Code::NOT_ACCEPTABLE)] {
        let answer = bench
            .ask_proven(9, &core.clone().with(option::ACCEPT, format))
            .unwrap();
        assert_eq!(answer.code, code);
    }
    let payload = crate::bench::Exchange::new(1).payload(&issue(&claims(1)));
    for (format, code) in [(60u16, Code::NOT_ACCEPTABLE), (19, Code::CREATED)] {
        let request = crate::bench::upload(&payload).with(option::ACCEPT, format);
        assert_eq!(bench.ask(9, &request).unwrap().code, code);
        assert_eq!(
            bench.server.tokens().count(),
            usize::from(code == Code::CREATED)
        );
    }
}
