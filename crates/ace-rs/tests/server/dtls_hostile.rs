//! Whatever comes before, instead of and beside good handshakes (RFC 9202, 7).

use ace_crypto::Signature;
use ace_dtls::{CipherSuite, Config as Dtls};
use ace_rs::{EventKind, Refusal};
use ace_testkit::SeededRandom;
use ace_token::issue::Claims;
use ace_wire::coap::Code;

use crate::bench::{Bench, Owned, issue};
use crate::dtls_client::*;

fn with_identity(peer: u16, identity: &[u8]) -> Door {
    let own = Own::Psk {
        identity: identity.to_vec(),
        key: key_of(1).to_vec(),
    };
    let psk = Dtls {
        suites: &[CipherSuite::PskAes128Ccm8],
        ..Dtls::DEFAULT
    };
    Door::with(peer, own, &psk)
}

/// A session that is served whatever else happens.
fn live(bench: &mut Bench) -> Door {
    bench.session(1, &psk_claims(7), 7)
}

fn assert_served(bench: &mut Bench, door: &mut Door) {
    assert_eq!(door.get(bench, "/temp").code, Code::CONTENT);
}

#[test]
fn rfc9202_3_3_2_identities_cut_at_every_byte() {
    let token = issue(&psk_claims(1));
    for whole in [named(&kid_of(1)), token.clone()] {
        let mut bench = bench();
        let mut door = live(&mut bench);
        assert_eq!(bench.ask(2, &cwt(&token)).unwrap().code, Code::CREATED);
        let before = bench.state();
        for end in 0..whole.len() {
            let mut cut = with_identity(2, &whole[..end]);
            assert_eq!(cut.refused(&mut bench), ILLEGAL_PARAMETER, "{end}");
        }
        assert_eq!(bench.state(), before);
        assert!(with_identity(2, &whole).open(&mut bench));
        assert_served(&mut bench, &mut door);
    }
}

#[test]
fn rfc9202_3_3_2_identities_of_any_bytes() {
    let mut bench = bench();
    let mut door = live(&mut bench);
    let token = issue(&psk_claims(1));
    let mut rng = SeededRandom::new(5);
    let before = bench.state();
    for round in 0..400u32 {
        let mut identity = match round % 4 {
            0 => token.clone(),
            1 => named(&kid_of(7)),
            _ => vec![0; rng.below(512) as usize],
        };
        match round % 4 {
            2 | 3 => identity
                .iter_mut()
                .for_each(|byte| *byte = rng.below(256) as u8),
            _ => {
                let at = rng.below(identity.len() as u64) as usize;
                identity[at] ^= 1 << rng.below(8);
            }
        }
        if round % 4 == 3 {
            identity.splice(0..0, [0xa1, 0x08, 0xa1, 0x01]);
            identity.truncate(512);
        }
        let mut other = with_identity(2, &identity);
        assert!(!other.open(&mut bench), "{identity:02x?}");
    }
    assert_eq!(bench.state(), before);
    assert_served(&mut bench, &mut door);
}

#[test]
fn rfc9202_7_handshakes_with_bad_tokens_are_admitted_as_uploads_are() {
    // The rates of the default configuration.
    let mut settings = config();
    settings.limits = ace_rs::Limits::default();
    let mut bench = Bench::with(settings);
    let mut door = live(&mut bench);
    let mut opened = 0;
    for peer in 100..200u16 {
        let forged = {
            let mut token = issue(&psk_claims(peer as u8));
            *token.last_mut().unwrap() ^= 1;
            token
        };
        let mut other = with_identity(peer, &forged);
        match other.refused(&mut bench) {
            ILLEGAL_PARAMETER => opened += 1,
            INTERNAL_ERROR => {}
            alert => panic!("{alert}"),
        }
        assert_served(&mut bench, &mut door);
    }
    // A burst of eight, and one of each of eight classes of sources.
    assert!(opened <= 16, "{opened}");
}

#[test]
fn rfc9202_7_tokens_that_come_in_handshakes_do_not_push_out_those_in_force() {
    let mut settings = config();
    settings.limits = ace_rs::Limits {
        upload_burst: u16::MAX,
        ..ace_rs::Limits::default()
    };
    let mut bench = Bench::with(settings);
    let mut door = live(&mut bench);
    // Valid tokens, all seen on the wire; the attacker has none of the keys.
    for name in 20..60u8 {
        let own = Own::Psk {
            identity: issue(&psk_claims(name)),
            key: vec![1; 16],
        };
        assert!(!Door::new(name.into(), own).open(&mut bench));
        assert!(bench.server.tokens().count() <= 5);
        assert_served(&mut bench, &mut door);
        bench.advance(6_000);
    }
    // And one whose token waited less than the grace time.
    let token = issue(&psk_claims(8));
    let mut fresh = Door::by_token(2, &token, 8);
    assert!(fresh.open(&mut bench), "{:?}", fresh.closed);
    assert_served(&mut bench, &mut fresh);
    assert_served(&mut bench, &mut door);
}

#[test]
fn rfc9202_7_a_whole_token_sent_again_by_another_opens_nothing_and_costs_no_verification() {
    let mut settings = config();
    settings.limits = ace_rs::Limits::default();
    let mut bench = Bench::with(settings);
    let token = issue(&psk_claims(1));
    let mut door = Door::by_token(1, &token, 1);
    assert!(door.open(&mut bench));
    let before = bench.state();
    for peer in 100..140 {
        let own = Own::Psk {
            identity: token.clone(),
            key: vec![9; 16],
        };
        assert!(!Door::new(peer, own).open(&mut bench));
        bench.advance(100);
    }
    assert_eq!(bench.state(), before);
    assert_eq!(bench.server.sessions(), 1);
    assert_served(&mut bench, &mut door);
    let refused = |kind: &EventKind| matches!(kind, EventKind::HandshakeRefused(Refusal::Busy));
    assert!(!bench.events().iter().any(|event| refused(&event.kind)));
}

#[test]
fn rfc9202_7_a_flood_of_handshakes_leaves_sessions_alone() {
    let mut bench = bench();
    let mut door = live(&mut bench);
    // Hellos with valid cookies that go no further.
    let mut buffer = [0; 2048];
    for peer in 100..160u16 {
        let mut silent = with_identity(peer, b"x");
        for _ in 0..2 {
            while let Some(len) = silent.connection.poll_transmit(&mut buffer) {
                for (_, datagram) in bench.exchange(peer, &buffer[..len]) {
                    silent.take(&datagram);
                }
            }
        }
        assert_served(&mut bench, &mut door);
        bench.advance(500);
    }
    // A client that comes a little later gets in.
    bench.advance(6_000);
    assert_eq!(
        bench.ask(2, &cwt(&issue(&psk_claims(1)))).unwrap().code,
        Code::CREATED
    );
    assert!(Door::by_kid(2, 1).open(&mut bench));
    assert_served(&mut bench, &mut door);
}

#[test]
fn forged_records_and_hellos_from_the_address_of_a_session_change_nothing() {
    let mut bench = bench();
    let mut door = live(&mut bench);
    let sealed = door.seal(&Owned::new(Code::GET, "/temp"));
    for byte in 0..sealed.len() {
        let mut forged = sealed.clone();
        forged[byte] ^= 1;
        assert_eq!(bench.exchange(1, &forged), []);
        assert_eq!(bench.exchange(1, &sealed[..byte]), []);
    }
    // An alert and a hello in the clear.
    bench.exchange(1, &[21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40]);
    let mut stranger = with_identity(1, &named(&kid_of(9)));
    assert_eq!(stranger.refused(&mut bench), ILLEGAL_PARAMETER);
    assert_eq!(bench.server.sessions(), 1);
    assert_served(&mut bench, &mut door);
}

#[test]
fn every_datagram_of_one_byte_and_more() {
    let mut bench = bench();
    let mut door = live(&mut bench);
    let mut rng = SeededRandom::new(8);
    let before = bench.state();
    for first in 0..=255u8 {
        for length in [0, 1, 12, 13, 14, 60, 200] {
            let mut datagram: Vec<u8> = (0..length).map(|_| rng.below(256) as u8).collect();
            datagram.insert(0, first);
            bench.exchange(9, &datagram);
            if length > 12 {
                // Looks like a record of DTLS 1.2 of this session.
                datagram[1..5].copy_from_slice(&[0xfe, 0xfd, 0, 1]);
                let body = (datagram.len() - 13) as u16;
                datagram[11..13].copy_from_slice(&body.to_be_bytes());
                bench.exchange(1, &datagram);
            }
        }
    }
    assert_eq!(bench.state(), before);
    assert_served(&mut bench, &mut door);
}

#[test]
fn sessions_beyond_the_table_push_out_the_one_idle_longest() {
    let mut settings = config();
    settings.limits.one_token_per_subject = false;
    let mut bench = Bench::with(settings);
    let mut doors: Vec<_> = (1..=4u8)
        .map(|name| bench.session(name.into(), &psk_claims(name), name))
        .collect();
    bench.advance(1_000);
    for index in [0, 2, 3] {
        assert_served(&mut bench, &mut doors[index]);
    }
    // The token of the second ends; a fifth client comes.
    bench.server.revoke(bench.now, ace_rs::Revoke::Cti(&[2]));
    doors[1].pump(&mut bench);
    let mut fifth = bench.session(5, &psk_claims(5), 5);
    assert_served(&mut bench, &mut fifth);
    for index in [0, 2, 3] {
        assert_served(&mut bench, &mut doors[index]);
    }
}

#[test]
fn a_key_that_is_refused_leaves_room_for_others() {
    let mut bench = bench();
    for name in 0..20u8 {
        let key = client_key(Signature::Es256, name);
        let peer = u16::from(name) + 50;
        assert_eq!(Door::by_key(peer, key).refused(&mut bench), ACCESS_DENIED);
    }
    let claims: Claims = psk_claims(1);
    let mut door = bench.session(3, &claims, 1);
    assert_served(&mut bench, &mut door);
}
