//! Servers with room for one block-wise transfer, and for none.

use ace_coap::Instant;
use ace_rs::{ResourceServer, Slot};
use ace_testkit::SeededRandom;
use ace_wire::coap::{Code, option};

use crate::bench::{App, Flash, Owned, WALL, issue};
use crate::dtls_client::{config, cwt, psk_claims};

type Small<const TRANSFERS: usize> = ResourceServer<
    'static,
    u16,
    App,
    Flash,
    [Slot<u16, 256>; 3],
    4,
    2,
    1,
    64,
    TRANSFERS,
    256,
    256,
    2,
    1,
    512,
>;

struct Device<const TRANSFERS: usize> {
    server: Small<TRANSFERS>,
    rng: SeededRandom,
    next: u16,
}

impl<const TRANSFERS: usize> Device<TRANSFERS> {
    fn new() -> Self {
        let mut rng = SeededRandom::new(1);
        let config = Box::leak(Box::new(config()));
        let slots = [const { Slot::new() }; 3];
        let server = Small::new(config, App::default(), Flash::default(), slots, &mut rng);
        Self {
            server: server.unwrap(),
            rng,
            next: 0,
        }
    }

    fn ask(&mut self, peer: u16, request: &Owned) -> Owned {
        let mut request = request.clone();
        self.next += 1;
        request.id = self.next;
        let now = Instant(1_000_000);
        let mut datagram = request.encode();
        self.server
            .handle(now, Some(WALL), peer, &mut datagram, &mut self.rng);
        let transmit = self.server.poll_transmit(now).expect("an answer");
        assert!(transmit.datagram.len() <= 256);
        Owned::parse(transmit.datagram)
    }

    fn proven(&mut self, peer: u16, request: &Owned) -> Owned {
        let answer = self.ask(peer, request);
        match answer.option(option::ECHO) {
            Some(echo) => self.ask(peer, &request.clone().with(option::ECHO, echo)),
            None => answer,
        }
    }

    fn in_blocks(&mut self, peer: u16, token: &[u8]) -> Code {
        for (number, block) in token.chunks(64).enumerate() {
            let more = (number + 1) * 64 < token.len();
            let value = (number as u32) << 4 | u32::from(more) << 3 | 2;
            let answer = self.proven(peer, &cwt(block).with(option::BLOCK1, value));
            if !more || answer.code != Code::CONTINUE {
                return answer.code;
            }
        }
        unreachable!()
    }

    /// A token that fits a datagram, and a long answer in blocks.
    fn works(&mut self) {
        let answer = self.proven(3, &cwt(&issue(&psk_claims(1))));
        assert_eq!(answer.code, Code::CREATED);
        let mut list = Vec::new();
        for number in 0..10u32 {
            let request =
                Owned::new(Code::GET, "/.well-known/core").with(option::BLOCK2, number << 4 | 1);
            let answer = self.proven(4, &request);
            assert_eq!(answer.code, Code::CONTENT, "{number}");
            list.extend_from_slice(&answer.payload);
            if !answer.block(option::BLOCK2).unwrap().more {
                break;
            }
        }
        assert!(list.starts_with(b"</authz-info>") && list.ends_with(b"</bulk>;obs"));
    }
}

#[test]
fn a_server_without_transfers_takes_tokens_in_a_datagram_and_answers_in_blocks() {
    let mut device = Device::<0>::new();
    device.works();
    let refused = device.in_blocks(5, &issue(&psk_claims(2)));
    assert_eq!(refused.class(), 4, "{refused}");
    assert_eq!(device.server.tokens().count(), 1);
}

#[test]
fn a_server_with_one_transfer_takes_tokens_in_blocks() {
    let mut device = Device::<1>::new();
    device.works();
    assert_eq!(device.in_blocks(5, &issue(&psk_claims(2))), Code::CREATED);
    // A longer body than there is room for.
    assert_eq!(
        device.in_blocks(6, &[0; 320]),
        Code::REQUEST_ENTITY_TOO_LARGE
    );
    assert_eq!(device.server.tokens().count(), 2);
}
