//! Floods (RFC 9200, 5.10.1.2): what they cannot do.

use ace_coap::Block;
use ace_token::issue::Claims;
use ace_wire::coap::{Code, option};

use crate::bench::{Bench, Exchange, Owned, claims, issue, upload};

/// A token of its own, valid, with a key of its own.
fn valid(number: u16) -> (Vec<u8>, Exchange) {
    let name = (number % 200) as u8;
    let mut osc = crate::bench::material(name);
    osc.id = number.to_be_bytes().to_vec();
    osc.ms = [&number.to_be_bytes()[..], &[1; 14]].concat().into();
    let cnf = Some(ace_token::issue::Cnf::Osc(osc.clone()));
    let token = issue(&Claims {
        cnf,
        ..claims(name)
    });
    (
        token,
        Exchange {
            material: osc,
            ..Exchange::new(name)
        },
    )
}

/// An upload with a fresh Echo of `peer`, as an attacker with a real address keeps in stock.
fn proven(bench: &mut Bench, peer: u16, request: &Owned) -> Owned {
    let probe = Owned::new(Code::PUT, "/hello").body(&[0; 30]);
    let challenge = bench.ask(peer, &probe).unwrap();
    request
        .clone()
        .with(option::ECHO, challenge.option(option::ECHO).unwrap())
}

/// After ten seconds of `flood`, ten times a second, tries once a second to post a token and to use
/// it, while the flood goes on and on between the two steps. How many seconds it took.
fn join_under(bench: &mut Bench, peer: u16, mut flood: impl FnMut(&mut Bench)) -> u64 {
    let (token, exchange) = valid(9999);
    let request = upload(&exchange.payload(&token));
    for _ in 0..100 {
        flood(bench);
        bench.advance(100);
    }
    for second in 0..1000 {
        // The attacker comes first at every instant.
        flood(bench);
        if let Some(answer) = bench.ask_proven(peer, &request)
            && answer.code == Code::CREATED
        {
            let mut client = exchange.client(peer, &answer);
            // Half a grace period for the client's first request.
            for _ in 0..20 {
                flood(bench);
                bench.advance(100);
            }
            let answer = client
                .ask_outer(bench, &Owned::new(Code::GET, "/temp"))
                .unwrap();
            assert!(
                answer.option(option::OSCORE).is_some(),
                "pushed out within its grace"
            );
            assert_eq!(client.get(bench, "/temp").code, Code::CONTENT);
            return second;
        }
        for _ in 0..10 {
            flood(bench);
            bench.advance(100);
        }
    }
    panic!("starved");
}

fn confirmed_are_left(bench: &Bench, count: usize) {
    assert_eq!(
        bench
            .server
            .tokens()
            .filter(|token| token.confirmed)
            .count(),
        count
    );
    assert!(bench.server.tokens().count() <= 8);
}

#[test]
fn a_replayed_token_from_spoofed_addresses_ends_nothing_and_starves_nobody() {
    let mut bench = Bench::new();
    let mut victim = bench.confirmed(1, &claims(1), 1);
    let token = issue(&claims(1));
    let mut peer = 1000u16;
    let mut flood = |bench: &mut Bench| {
        for _ in 0..20 {
            peer = 1000 + (peer + 1) % 60_000;
            let exchange = Exchange {
                nonce1: peer.to_be_bytes().to_vec(),
                ..Exchange::new(1)
            };
            bench.ask(peer, &upload(&exchange.payload(&token)));
        }
    };
    for _ in 0..100 {
        flood(&mut bench);
        bench.advance(100);
        assert_eq!(victim.get(&mut bench, "/temp").code, Code::CONTENT);
    }
    assert_eq!(join_under(&mut bench, 7, &mut flood), 0);
    confirmed_are_left(&bench, 2);
    assert_eq!(victim.get(&mut bench, "/temp").code, Code::CONTENT);
    // The victim itself may post the flooded token again.
    let exchange = Exchange::new(1);
    let answer = bench
        .ask_proven(1, &upload(&exchange.payload(&token)))
        .unwrap();
    let mut again = exchange.client(1, &answer);
    flood(&mut bench);
    assert_eq!(again.get(&mut bench, "/temp").code, Code::CONTENT);
}

#[test]
fn many_valid_tokens_from_one_real_address_starve_nobody_for_long() {
    let mut waits = Vec::new();
    for seed in 0..16 {
        let config = crate::bench::config();
        let mut bench = Bench::boot(config, crate::bench::Flash::default(), seed);
        let mut victim = bench.confirmed(1, &claims(1), 1);
        let mut number = 0;
        let waited = join_under(&mut bench, 7, |bench| {
            for _ in 0..3 {
                number += 1;
                let (token, exchange) = valid(number % 500);
                let request = upload(&exchange.payload(&token));
                let request = proven(bench, 6, &request);
                bench.ask(6, &request);
            }
        });
        assert_eq!(victim.get(&mut bench, "/temp").code, Code::CONTENT);
        confirmed_are_left(&bench, 2);
        waits.push(waited);
    }
    waits.sort_unstable();
    // One in eight shares the class of the flood, and waits for its allowance or another class.
    let at_once = waits.iter().filter(|wait| **wait <= 12).count();
    assert!(at_once >= 16 * 3 / 4, "{waits:?}");
    assert!(*waits.last().unwrap() <= 4 * 16, "{waits:?}");
}

#[test]
fn several_real_addresses_leave_slots_to_others() {
    // Five attackers, each posting whenever it is let in.
    let mut waits = Vec::new();
    for seed in 0..12 {
        let config = crate::bench::config();
        let mut bench = Bench::boot(config, crate::bench::Flash::default(), seed);
        let mut number = 0;
        let waited = join_under(&mut bench, 7, |bench| {
            for attacker in 20..25 {
                number += 1;
                let (token, exchange) = valid(number % 500);
                let request = proven(bench, attacker, &upload(&exchange.payload(&token)));
                bench.ask(attacker, &request);
            }
        });
        waits.push(waited);
    }
    waits.sort_unstable();
    // Alone in a class with probability (7/8)^5, about one half: at most three graces of 4 s then.
    let soon = waits.iter().filter(|wait| **wait <= 12).count();
    assert!(soon >= 4, "{waits:?}");
    assert!(*waits.last().unwrap() <= 8 * 16, "{waits:?}");
}

#[test]
fn work_on_bad_tokens_is_limited() {
    let mut bench = Bench::new();
    let mut token = issue(&claims(1));
    *token.last_mut().unwrap() ^= 1;
    let request = upload(&Exchange::new(1).payload(&token));
    let (mut worked, mut challenged) = (0, 0);
    for peer in 1000..7000 {
        let answer = bench.ask(peer, &request).unwrap();
        assert_eq!(answer.code, Code::UNAUTHORIZED);
        if answer.option(option::ECHO).is_some() {
            challenged += 1;
        } else {
            worked += 1;
        }
        bench.advance(10);
    }
    // A minute: the burst and one a second.
    assert_eq!((worked, challenged), (8 + 59, 6000 - 8 - 59));
    // With a real address: one more per pause of its class, and the rest is told when to come back.
    let request = proven(&mut bench, 5, &request);
    let answers: Vec<_> = (0..50).map(|_| bench.ask(5, &request).unwrap()).collect();
    assert!(answers[0].code == Code::UNAUTHORIZED && answers[0].option(option::ECHO).is_none());
    let told = answers.last().unwrap();
    assert_eq!(
        (told.code, told.uint(option::MAX_AGE)),
        (Code::TOO_MANY_REQUESTS, Some(16))
    );
}

#[test]
fn one_client_after_the_other_is_never_limited() {
    let mut bench = Bench::new();
    for round in 0..100u16 {
        let (token, exchange) = valid(round % 3);
        let answer = bench.upload(9, &exchange.payload(&token)).unwrap();
        let mut client = exchange.client(9, &answer);
        assert_eq!(
            client.get(&mut bench, "/temp").code,
            Code::CONTENT,
            "{round}"
        );
    }
}

#[test]
fn first_blocks_from_spoofed_addresses_do_not_break_a_blockwise_upload() {
    let mut bench = Bench::new();
    let (token, exchange) = valid(1);
    let request = upload(&exchange.payload(&token));
    let size = request.payload.len();
    let mut answer = None;
    let mut peer = 1000u16;
    for number in 0..size.div_ceil(16) as u32 {
        let at = number as usize * 16;
        let block = Block {
            number,
            more: at + 16 < size,
            szx: 0,
        };
        let piece = request.payload[at..(at + 16).min(size)].to_vec();
        let piece = request
            .clone()
            .with(option::BLOCK1, block.value())
            .body(&piece);
        answer = bench.ask_proven(3, &piece);
        for _ in 0..20 {
            peer += 1;
            let block = Block {
                number: 0,
                more: true,
                szx: 0,
            };
            let first = upload(&[0xa3; 16]).with(option::BLOCK1, block.value());
            bench.ask(peer, &first);
            bench.advance(50);
        }
    }
    let mut client = exchange.client(3, &answer.unwrap());
    assert_eq!(client.get(&mut bench, "/temp").code, Code::CONTENT);
}

#[test]
fn a_posted_token_is_safe_for_its_grace() {
    let mut bench = Bench::new();
    let mut clients = Vec::new();
    let mut answer = None;
    for peer in 30..90 {
        let (token, exchange) = valid(peer);
        answer = bench.ask_proven(peer, &upload(&exchange.payload(&token)));
        let answer = answer.as_ref().unwrap();
        if answer.code == Code::CREATED {
            clients.push(exchange.client(peer, answer));
        }
    }
    // Sixty sources, four slots: the rest is told when one may be free.
    let answer = answer.unwrap();
    assert_eq!(
        (answer.code, answer.uint(option::MAX_AGE)),
        (Code::SERVICE_UNAVAILABLE, Some(4))
    );
    assert_eq!(clients.len(), 4);
    bench.advance(3_999);
    let (token, exchange) = valid(90);
    let last = upload(&exchange.payload(&token));
    assert_eq!(
        bench.ask_proven(90, &last).unwrap().code,
        Code::SERVICE_UNAVAILABLE
    );
    // Then the oldest gives way to the next, and only it.
    bench.advance(1);
    assert_eq!(bench.ask_proven(90, &last).unwrap().code, Code::CREATED);
    let mut clients = clients.into_iter();
    let get = Owned::new(Code::GET, "/temp");
    let first = clients.next().unwrap().ask_outer(&mut bench, &get).unwrap();
    assert_eq!(
        (first.code, first.option(option::OSCORE)),
        (Code::UNAUTHORIZED, None)
    );
    for mut client in clients {
        assert_eq!(client.get(&mut bench, "/temp").code, Code::CONTENT);
    }
}
