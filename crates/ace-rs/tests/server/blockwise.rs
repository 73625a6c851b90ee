//! Block-wise transfers, inside and outside of OSCORE (RFC 7959; RFC 8613, 4.1.3.4).

use ace_coap::Block;
use ace_rs::Refusal;
use ace_token::issue::{Claims, Cnf, Scope};
use ace_wire::coap::{Code, option};

use crate::bench::{Bench, Client, Exchange, Owned, claims, issue, upload};

fn big_client(bench: &mut Bench) -> Client {
    bench.confirmed(
        3,
        &Claims {
            scope: Some(Scope::Text("big switch".into())),
            ..claims(1)
        },
        1,
    )
}

/// Sends `request` in blocks of 16 << `szx` bytes; the answer to the last one.
fn in_blocks(request: &Owned, szx: u8, mut send: impl FnMut(&Owned) -> Owned) -> Owned {
    let size = 16 << szx;
    let chunks: Vec<_> = request.payload.chunks(size).collect();
    let mut last = None;
    for (number, chunk) in (0u32..).zip(&chunks) {
        let block = Block {
            number,
            more: number as usize + 1 < chunks.len(),
            szx,
        };
        let piece = request
            .clone()
            .with(option::BLOCK1, block.value())
            .body(chunk);
        let answer = send(&piece);
        if block.more {
            assert_eq!(answer.code, Code::CONTINUE, "{number} {answer:?}");
            assert_eq!(answer.block(option::BLOCK1), Some(block));
        }
        last = Some(answer);
    }
    last.unwrap()
}

#[test]
fn rfc7959_2_5_a_token_in_blocks_of_16_bytes() {
    let mut bench = Bench::new();
    let exchange = Exchange::new(1);
    let request = upload(&exchange.payload(&issue(&claims(1))));
    let answer = in_blocks(&request, 0, |piece| bench.ask(3, piece).unwrap());
    assert!(answer.block(option::BLOCK1).is_some());
    let mut client = exchange.client(3, &answer);
    assert_eq!(client.get(&mut bench, "/temp").code, Code::CONTENT);
}

#[test]
fn rfc7959_2_5_blocks_of_two_clients_do_not_mix() {
    let mut bench = Bench::new();
    let requests: Vec<_> = [1, 2]
        .map(|name| upload(&Exchange::new(name).payload(&issue(&claims(name)))))
        .to_vec();
    let mut answers = vec![None, None];
    let longest = requests
        .iter()
        .map(|request| request.payload.len())
        .max()
        .unwrap();
    for number in 0..longest.div_ceil(32) as u32 {
        for (peer, request) in requests.iter().enumerate() {
            let mut chunks = request.payload.chunks(32).skip(number as usize);
            let Some(chunk) = chunks.next() else { continue };
            let block = Block {
                number,
                more: chunks.next().is_some(),
                szx: 1,
            };
            let piece = request
                .clone()
                .with(option::BLOCK1, block.value())
                .body(chunk);
            answers[peer] = bench.ask_proven(peer as u16, &piece);
        }
    }
    for (name, answer) in (1..).zip(answers) {
        let mut client = Exchange::new(name).client(u16::from(name) - 1, &answer.unwrap());
        assert_eq!(client.get(&mut bench, "/temp").code, Code::CONTENT);
    }
}

#[test]
fn rfc7959_2_9_missing_and_surplus_blocks_of_a_token() {
    let mut bench = Bench::new();
    let request = upload(&Exchange::new(1).payload(&issue(&claims(1))));
    let piece = |number, more, payload: &[u8]| {
        let block = Block {
            number,
            more,
            szx: 0,
        };
        request
            .clone()
            .with(option::BLOCK1, block.value())
            .body(payload)
    };
    let mut send = |piece: Owned| bench.ask_proven(3, &piece).unwrap();
    assert_eq!(
        send(piece(1, true, &[0; 16])).code,
        Code::REQUEST_ENTITY_INCOMPLETE
    );
    assert_eq!(send(piece(0, true, &[0; 16])).code, Code::CONTINUE);
    assert_eq!(
        send(piece(2, true, &[0; 16])).code,
        Code::REQUEST_ENTITY_INCOMPLETE
    );
    assert_eq!(send(piece(1, true, &[0; 15])).code, Code::BAD_REQUEST);
    let announced = piece(0, true, &[0; 16]).with(option::SIZE1, 5000u32);
    let refused = send(announced);
    assert_eq!(
        (refused.code, refused.uint(option::SIZE1)),
        (Code::REQUEST_ENTITY_TOO_LARGE, Some(1024))
    );
    assert_eq!(bench.server.tokens().count(), 0);
    // Whole, and no token.
    let answer = in_blocks(&upload(&[0xa0; 40]), 0, |piece| {
        bench.ask_proven(3, piece).unwrap()
    });
    assert_eq!(answer.code, Code::BAD_REQUEST);
    assert_eq!(bench.refusals(), [Refusal::Payload]);
}

#[test]
fn rfc8613_4_1_3_4_1_inner_block1_and_block2() {
    let mut bench = Bench::new();
    let mut client = big_client(&mut bench);
    let body: Vec<u8> = (0..200).collect();
    let request = Owned::new(Code::POST, "/big").body(&body);
    let answer = in_blocks(&request, 1, |piece| client.ask(&mut bench, piece));
    assert_eq!((answer.code, answer.payload), (Code::CREATED, body));
    assert_eq!(bench.server.resources().seen.len(), 1);

    let mut got = Vec::<u8>::new();
    for number in 0.. {
        let block = Block {
            number,
            more: false,
            szx: 2,
        };
        let request = Owned::new(Code::GET, "/big").with(option::BLOCK2, block.value());
        let answer = client.ask(&mut bench, &request);
        assert_eq!(answer.code, Code::CONTENT);
        got.extend(&answer.payload);
        if !answer.block(option::BLOCK2).unwrap().more {
            break;
        }
    }
    assert_eq!(got.len(), 600);
    // The handler ran once for all blocks.
    assert_eq!(bench.server.resources().seen.len(), 2);
}

#[test]
fn rfc9203_4_2_an_update_in_blocks() {
    let mut bench = Bench::new();
    let mut client = big_client(&mut bench);
    for scope in ["read", "switch"] {
        let update = Claims {
            cnf: Some(Cnf::Kid(vec![0xa0, 1])),
            scope: Some(Scope::Text(scope.into())),
            ..claims(1)
        };
        let request = upload(&Exchange::new(1).payload(&issue(&update)));
        let answer = in_blocks(&request, 1, |piece| client.ask(&mut bench, piece));
        assert_eq!(answer.code, Code::CREATED);
        assert!(answer.block(option::BLOCK1).is_some() && answer.payload.is_empty());
    }
    assert_eq!(client.get(&mut bench, "/led").code, Code::CONTENT);
    assert_eq!(client.get(&mut bench, "/temp").code, Code::FORBIDDEN);
}

#[test]
fn rfc9200_5_10_2_each_block_is_decided_by_itself() {
    let mut bench = Bench::new();
    let mut client = big_client(&mut bench);
    let block = |number, more| Block {
        number,
        more,
        szx: 0,
    };
    let piece = |number, more| {
        Owned::new(Code::POST, "/big")
            .with(option::BLOCK1, block(number, more).value())
            .body(&[0; 16])
    };
    assert_eq!(client.ask(&mut bench, &piece(0, true)).code, Code::CONTINUE);
    // Without the right, no byte of a body is kept.
    let forbidden = Owned::new(Code::POST, "/temp")
        .with(option::BLOCK1, block(0, true).value())
        .body(&[0; 16]);
    assert_eq!(client.ask(&mut bench, &forbidden).code, Code::FORBIDDEN);
    assert_eq!(client.ask(&mut bench, &piece(1, false)).code, Code::CREATED);
}

#[test]
fn rfc8613_8_2_1_outer_block1_is_put_together_first() {
    let mut bench = Bench::new();
    let mut client = big_client(&mut bench);
    let body: Vec<u8> = (0..100).collect();
    let (sealed, mut binding) = client.protect(&Owned::new(Code::PUT, "/led").body(&body));
    let answer = in_blocks(&sealed, 1, |piece| bench.ask(3, piece).unwrap());
    assert!(answer.block(option::BLOCK1).is_some());
    assert_eq!(client.open(&mut binding, &answer).code, Code::CHANGED);
    assert_eq!(bench.server.resources().led, body);
    // From an address where the client was never seen: only after Echo.
    let (sealed, mut binding) = client.protect(&Owned::new(Code::PUT, "/led").body(&body));
    let block = Block {
        number: 0,
        more: true,
        szx: 1,
    };
    let first = sealed
        .clone()
        .with(option::BLOCK1, block.value())
        .body(&sealed.payload[..32]);
    assert!(bench.ask(8, &first).unwrap().option(option::ECHO).is_some());
    let echo = bench
        .ask(8, &first)
        .unwrap()
        .option(option::ECHO)
        .unwrap()
        .to_vec();
    let sealed = sealed.with(option::ECHO, echo.as_slice());
    let answer = in_blocks(&sealed, 1, |piece| bench.ask(8, piece).unwrap());
    assert_eq!(client.open(&mut binding, &answer).code, Code::CHANGED);
}

#[test]
fn rfc8613_4_1_3_4_2_outer_block2_is_cut_after_protection() {
    let mut bench = Bench::new();
    bench.server.resources_mut().led = vec![7; 90];
    let mut client = big_client(&mut bench);
    let (sealed, mut binding) = client.protect(&Owned::new(Code::GET, "/led"));
    let mut whole: Option<Owned> = None;
    for number in 0.. {
        let block = Block {
            number,
            more: false,
            szx: 1,
        };
        let answer = bench
            .ask(3, &sealed.clone().with(option::BLOCK2, block.value()))
            .unwrap();
        let more = answer.block(option::BLOCK2).unwrap().more;
        match &mut whole {
            None => whole = Some(answer),
            Some(whole) => whole.payload.extend(&answer.payload),
        }
        if !more {
            break;
        }
    }
    let mut whole = whole.unwrap();
    whole
        .options
        .retain(|(number, _)| ![option::BLOCK2, option::ETAG].contains(number));
    let inner = client.open(&mut binding, &whole);
    assert_eq!((inner.code, inner.payload), (Code::CONTENT, vec![7; 90]));
    assert_eq!(bench.server.resources().seen.len(), 1);
}

#[test]
fn rfc7959_2_4_public_answers_go_in_blocks_as_small_as_asked() {
    let mut bench = Bench::new();
    let mut body = Vec::<u8>::new();
    for number in 0.. {
        let block = Block {
            number,
            more: false,
            szx: 0,
        };
        let request =
            Owned::new(Code::GET, "/.well-known/core").with(option::BLOCK2, block.value());
        // Small enough to go to a stranger.
        let answer = bench.ask(9, &request).unwrap();
        assert_eq!(answer.code, Code::CONTENT);
        body.extend(&answer.payload);
        if !answer.block(option::BLOCK2).unwrap().more {
            break;
        }
    }
    assert!(body.starts_with(b"</authz-info>"));
    let put = Owned::new(Code::PUT, "/hello").body(&[1; 100]);
    let first = put.clone().with(
        option::BLOCK1,
        Block {
            number: 0,
            more: true,
            szx: 1,
        }
        .value(),
    );
    assert!(
        bench
            .ask(9, &first.body(&[1; 32]))
            .unwrap()
            .option(option::ECHO)
            .is_some()
    );
}
