//! AS Request Creation Hints (RFC 9200, 5.3), and what strangers are sent at most.

use core::time::Duration;

use ace_rs::{Config, EventKind, Freshness, MethodSet, Outcome, ScopeHint};
use ace_wire::ace::{AsRequestCreationHints, Scope};
use ace_wire::aif::Aif;
use ace_wire::coap::{Code, Token, option};

use crate::bench::{Bench, Owned, claims, config};

/// The hints in an answer that carries them.
fn parse(answer: &Owned) -> AsRequestCreationHints<'_> {
    assert_eq!(
        (answer.code, answer.uint(option::CONTENT_FORMAT)),
        (Code::UNAUTHORIZED, Some(19))
    );
    AsRequestCreationHints::parse(&answer.payload).unwrap()
}

#[test]
fn rfc9200_5_3_unprotected_request_gets_401_with_hints_for_what_was_asked() {
    let mut bench = Bench::new();
    for (code, path) in [
        (Code::GET, "/temp"),
        (Code::PUT, "/led"),
        (Code::DELETE, "/temp"),
    ] {
        let answer = bench.ask_proven(9, &Owned::new(code, path)).unwrap();
        let hints = parse(&answer);
        assert_eq!(hints.r#as, Some("coap://as.example/token"));
        assert_eq!(hints.audience, Some("thermo"));
        assert_eq!((hints.kid, hints.cnonce), (None, None));
        let Some(Scope::Bytes(scope)) = hints.scope else {
            panic!()
        };
        let entries: Vec<_> = Aif::parse(scope).unwrap().iter().collect();
        assert_eq!(entries, [(path, MethodSet::of(code))]);
    }
    assert!(bench.server.resources().seen.is_empty());
}

#[test]
fn rfc9200_5_3_configured_scope_or_none() {
    for hint in [ScopeHint::None, ScopeHint::Fixed(Scope::Text("read"))] {
        let mut bench = Bench::with(Config {
            scope_hint: hint,
            as_uri: "",
            ..config()
        });
        let answer = bench
            .ask_proven(9, &Owned::new(Code::GET, "/temp"))
            .unwrap();
        let hints = parse(&answer);
        assert_eq!(hints.r#as, None);
        let expected = match hint {
            ScopeHint::Fixed(scope) => Some(scope),
            _ => None,
        };
        assert_eq!(hints.scope, expected);
    }
}

#[test]
fn rfc9175_2_4_strangers_are_challenged_before_they_get_more_than_three_times_what_they_sent() {
    // Too long for a stranger even in answer to a request with Echo.
    let as_uri = "coap://authorization-server.building-7.example.com/some/path/to/token";
    let mut bench = Bench::with(Config { as_uri, ..config() });
    let request = Owned::new(Code::GET, "/temp");
    let challenge = bench.ask(9, &request).unwrap();
    assert_eq!(
        (challenge.code, challenge.payload.len()),
        (Code::UNAUTHORIZED, 0)
    );
    let echo = challenge.option(option::ECHO).unwrap().to_vec();
    assert!(challenge.uint(option::CONTENT_FORMAT).is_none());
    // A value of another address, a changed one, an old one prove nothing.
    let with_echo = request.clone().with(option::ECHO, echo.as_slice());
    let mut changed = echo.clone();
    changed[11] ^= 1;
    for (peer, request) in [
        (8, with_echo.clone()),
        (9, request.clone().with(option::ECHO, changed.as_slice())),
        (9, request.clone().with(option::ECHO, &echo[..11])),
    ] {
        let answer = bench.ask(peer, &request).unwrap();
        assert!(answer.option(option::ECHO).is_some(), "{answer:?}");
    }
    parse(&bench.ask(9, &with_echo).unwrap());
    bench.advance(61_000);
    assert!(
        bench
            .ask(9, &with_echo)
            .unwrap()
            .option(option::ECHO)
            .is_some()
    );
    let events = bench.events();
    let challenged = |kind: &EventKind| {
        matches!(
            kind,
            EventKind::Request {
                outcome: Outcome::Challenged,
                ..
            }
        )
    };
    assert_eq!(
        events
            .iter()
            .filter(|event| challenged(&event.kind))
            .count(),
        5
    );
}

#[test]
fn rfc9175_2_4_no_answer_in_the_clear_exceeds_three_times_the_request() {
    // Bench::ask checks the bound; here the smallest requests there are.
    let mut bench = Bench::new();
    for path in [
        "/",
        "/temp",
        "/hello",
        "/.well-known/core",
        "/authz-info",
        "/x",
    ] {
        for token in [&[][..], &[1], &[1, 2, 3, 4, 5, 6, 7, 8]] {
            for kind in 0..2 {
                for code in [Code::GET, Code::POST, Code::PUT, Code::DELETE] {
                    let mut request = Owned::new(code, path);
                    request.token = Token::new(token).unwrap();
                    let request = if kind == 0 { request } else { request.non() };
                    let answer = bench.ask(9, &request).unwrap();
                    assert!(!answer.code.is_success() || path == "/hello", "{request:?}");
                }
            }
        }
    }
}

#[test]
fn a_request_long_enough_gets_its_hints_at_once() {
    let mut bench = Bench::new();
    let request = Owned::new(Code::GET, "/temp").with(2050, &[0; 40][..]);
    parse(&bench.ask(9, &request).unwrap());
}

#[test]
fn rfc9200_5_10_2_unknown_context_gets_401_with_hints_without_scope() {
    let mut bench = Bench::new();
    let mut client = bench.confirmed(3, &claims(1), 1);
    let mut bench = Bench::boot(config(), bench.flash.clone(), 50);
    let answer = client
        .ask_outer(&mut bench, &Owned::new(Code::GET, "/temp"))
        .unwrap();
    let hints = parse(&answer);
    assert_eq!(
        (hints.r#as, hints.scope),
        (Some("coap://as.example/token"), None)
    );
    let event = bench.events().pop().unwrap();
    let unknown = Outcome::UnknownContext;
    assert!(matches!(event.kind, EventKind::Request { outcome, .. } if outcome == unknown));
}

#[test]
fn rfc9200_5_3_1_cnonce_is_given_while_the_clock_is_unknown() {
    let freshness = Freshness::Cnonce(Duration::from_secs(300));
    let mut bench = Bench::with(Config {
        freshness,
        ..config()
    });
    let request = Owned::new(Code::GET, "/temp");
    assert_eq!(parse(&bench.ask_proven(9, &request).unwrap()).cnonce, None);
    bench.wall = None;
    let answer = bench.ask_proven(9, &request).unwrap();
    assert_eq!(parse(&answer).cnonce.unwrap().len(), 12);
}

#[test]
fn hints_are_limited_in_rate_and_no_source_takes_those_of_others() {
    let mut bench = Bench::new();
    let request = Owned::new(Code::GET, "/temp");
    let echo_of = |bench: &mut Bench, peer| {
        let challenge = bench.ask(peer, &request).unwrap();
        request
            .clone()
            .with(option::ECHO, challenge.option(option::ECHO).unwrap())
    };
    let flood = echo_of(&mut bench, 9);
    let answers: Vec<_> = (0..100).map(|_| bench.ask(9, &flood).unwrap()).collect();
    let with_hints = answers
        .iter()
        .filter(|answer| !answer.payload.is_empty())
        .count();
    // The burst, less the challenge, and one of the source's own.
    assert_eq!(with_hints, 16);
    assert!(
        answers
            .iter()
            .all(|answer| answer.code == Code::UNAUTHORIZED)
    );
    // Spoofed addresses use up no more than the common rate.
    for peer in 100..1000 {
        bench.ask(peer, &request);
    }
    let others = (20..84).filter(|peer| {
        let request = echo_of(&mut bench, *peer);
        !bench.ask(*peer, &request).unwrap().payload.is_empty()
    });
    // One of each class but the flooded one.
    assert_eq!(others.count(), 7);
    bench.advance(1000);
    assert!(!bench.ask(9, &flood).unwrap().payload.is_empty());
}
