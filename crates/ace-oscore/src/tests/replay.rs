//! Sequence numbers, replay, and what survives a reboot (RFC 8613, 7, B.1).

use super::*;
use crate::{
    MAX_SEQUENCE, WINDOW,
    storage::{self, Key, Storage, StorageError},
};
use ace_wire::coap::option;

#[test]
fn rfc8613_7_4_replayed_request_is_refused() {
    let (mut client, mut server) = pair();
    let (message, _) = get(&mut client);
    receive(&mut server, &message).unwrap().request();
    let before = state(&server);
    let error = receive(&mut server, &message).unwrap_err();
    assert_eq!(error, OscoreError::Replay);
    assert_eq!(error.outer_code(), Some(Code::UNAUTHORIZED));
    assert_eq!(error.diagnostic(), Some("Replay detected"));
    assert_eq!(state(&server), before);
}

#[test]
fn rfc8613_7_4_out_of_order_within_the_window_is_accepted_once() {
    let (mut client, mut server) = pair();
    let messages: Vec<_> = (0..=u64::from(WINDOW))
        .map(|_| get(&mut client).0)
        .collect();
    receive(&mut server, &messages[WINDOW as usize]).unwrap();
    // One left of the window
    assert_eq!(
        receive(&mut server, &messages[0]).unwrap_err(),
        OscoreError::Replay
    );
    for message in messages[1..WINDOW as usize].iter().rev() {
        receive(&mut server, message).unwrap().request();
        assert_eq!(
            receive(&mut server, message).unwrap_err(),
            OscoreError::Replay
        );
    }
}

#[test]
fn rfc8613_7_4_a_forged_number_does_not_move_the_window() {
    let (mut client, mut server) = pair();
    let (message, _) = get(&mut client);
    let parsed = Message::parse(&message).unwrap();
    let option = OscoreOption::of(&parsed).unwrap();
    let far = OscoreOption {
        partial_iv: crate::PartialIv::new(MAX_SEQUENCE),
        ..option
    };
    let before = state(&server);
    let mut out = [0xee; 100];
    let result = server.unprotect_request(&far, &parsed, &mut Rng(1), &mut out);
    assert_eq!(result.unwrap_err(), OscoreError::Decryption);
    assert_eq!(state(&server), before);
    receive(&mut server, &message).unwrap().request();
}

#[test]
fn rfc8613_8_3_response_to_a_request_that_left_the_window_takes_a_partial_iv() {
    let (mut client, mut server) = pair();
    let (message, mut binding) = get(&mut client);
    let (_, mut served) = receive(&mut server, &message).unwrap().request();
    for _ in 0..WINDOW {
        let (message, _) = get(&mut client);
        receive(&mut server, &message).unwrap().request();
    }
    let response = content(&mut server, &mut served);
    assert_eq!(partial_iv(&response), Some(0));
    accept(&client, &mut binding, &response).unwrap();
}

#[test]
fn rfc8613_7_2_1_the_last_number_and_nothing_after_it() {
    let (mut client, mut server) = pair();
    let (answered, _) = get(&mut server);
    let (_, mut served) = receive(&mut client, &answered).unwrap().request();
    client.resume(MAX_SEQUENCE);
    client.freshness = Freshness::Synchronised;
    client.window.accept(0);
    client.reserve_up_to(u64::MAX);
    assert_eq!(client.reserved(), SEQUENCE_LIMIT);

    let (last, mut binding) = get(&mut client);
    assert_eq!(partial_iv(&last), Some(MAX_SEQUENCE));
    let (_, mut last_served) = receive(&mut server, &last).unwrap().request();
    let response = content(&mut server, &mut last_served);

    let request = datagram(Code::GET, &[], &[]);
    assert_eq!(
        protect(&mut client, &request).unwrap_err(),
        OscoreError::SequenceExhausted
    );
    // Not even a response under the request's nonce
    let response_datagram = datagram(Code::CONTENT, &[], &[]);
    assert_eq!(
        respond(&mut client, &mut served, &response_datagram),
        Err(OscoreError::SequenceExhausted)
    );
    client.reserve_up_to(u64::MAX);
    assert_eq!(client.next_sequence(), SEQUENCE_LIMIT);
    assert!(!client.needs_reservation(u64::MAX));
    assert_eq!(
        protect(&mut client, &request).unwrap_err(),
        OscoreError::SequenceExhausted
    );
    // What is still due to come is received.
    accept(&client, &mut binding, &response).unwrap();
}

#[test]
fn rfc8613_b_1_1_nothing_is_sent_above_the_reservation() {
    let mut context = SecurityContext::derive(&CLIENT).unwrap();
    let request = datagram(Code::GET, &[], &[]);
    assert_eq!(
        protect(&mut context, &request).unwrap_err(),
        OscoreError::NotReserved
    );
    assert!(context.needs_reservation(1));
    context.reserve_up_to(2);
    context.reserve_up_to(1);
    assert_eq!((context.next_sequence(), context.reserved()), (0, 2));
    assert!(!context.needs_reservation(2) && context.needs_reservation(3));
    protect(&mut context, &request).unwrap();
    protect(&mut context, &request).unwrap();
    assert_eq!(
        protect(&mut context, &request).unwrap_err(),
        OscoreError::NotReserved
    );
    assert_eq!(context.next_sequence(), 2);
}

#[test]
fn rfc8613_8_3_a_response_under_the_requests_nonce_needs_no_reservation() {
    let mut client = derive(CLIENT);
    let mut server = SecurityContext::derive(&mirrored(CLIENT)).unwrap();
    let (message, mut binding) = get(&mut client);
    let (_, mut served) = receive(&mut server, &message).unwrap().request();
    let response = content(&mut server, &mut served);
    accept(&client, &mut binding, &response).unwrap();
    let again = datagram(Code::CONTENT, &[], &[]);
    assert_eq!(
        respond(&mut server, &mut served, &again),
        Err(OscoreError::NotReserved)
    );
}

#[test]
fn rfc8613_b_1_2_first_request_after_a_reboot_is_challenged() {
    let (mut client, mut server) = pair();
    let (before_reboot, mut old_binding) = get(&mut client);
    let (_, mut old_served) = receive(&mut server, &before_reboot).unwrap().request();
    let never_seen = get(&mut client).0;

    let mut server2 = SecurityContext::derive(&mirrored(CLIENT)).unwrap();
    server2.resume(64);
    server2.reserve_up_to(128);
    server = server2;
    assert!(!server.is_synchronised());

    // A replay, a late request and a new one all get the same challenge, each under a Partial IV of its own.
    let (now, mut binding) = get(&mut client);
    let mut echoes = vec![];
    for (message, piv) in [
        (&before_reboot, 64),
        (&never_seen, 65),
        (&before_reboot, 66),
        (&now, 67),
    ] {
        let window = server.window;
        let (mut served, echo) = receive(&mut server, message).unwrap().challenge();
        assert_eq!(server.window, window);
        assert!(!server.is_synchronised());
        let mut out = [0; 64];
        let len = server
            .protect_challenge(
                &mut served,
                &echo,
                Type::Confirmable,
                0x1234,
                Token::new(&[0xca, 0xfe]).unwrap(),
                &mut out,
            )
            .unwrap();
        assert_eq!(partial_iv(&out[..len]), Some(piv));
        echoes.push((out[..len].to_vec(), echo));
    }
    assert!(echoes.iter().all(|e| e.1 == echoes[0].1));
    // The request's nonce is not to be had for a request from before the reboot either.
    let response = content(&mut server, &mut old_served);
    assert_eq!(partial_iv(&response), Some(68));
    accept(&client, &mut old_binding, &response).unwrap();

    // RFC 8613, B.1.2: 4.01, only the Echo option, no payload
    let (challenge, echo) = echoes.pop().unwrap();
    let plain = accept(&client, &mut binding, &challenge).unwrap();
    assert_eq!(plain.code, Code::UNAUTHORIZED);
    assert_eq!(plain.options, [(option::ECHO, echo.to_vec())]);
    assert!(plain.payload.is_empty());

    // A wrong Echo value is no answer, nor is the right one outside.
    let wrong = datagram(Code::GET, &[(option::ECHO, &[0; 8])], &[]);
    let wrong = protect(&mut client, &wrong).unwrap().0;
    receive(&mut server, &wrong).unwrap().challenge();
    let short = datagram(Code::GET, &[(option::ECHO, &echo[..7])], &[]);
    let short = protect(&mut client, &short).unwrap().0;
    receive(&mut server, &short).unwrap().challenge();

    let earlier = get(&mut client).0;
    let answer = datagram(Code::GET, &[(option::ECHO, &echo), (11, b"temp")], &[]);
    let (answer, mut binding) = protect(&mut client, &answer).unwrap();
    let later = get(&mut client).0;
    let (plain, mut served) = receive(&mut server, &answer).unwrap().request();
    assert_eq!(plain.code, Code::GET);
    assert!(server.is_synchronised());

    // Its Partial IV is the lower limit.
    for old in [&before_reboot, &never_seen, &now, &earlier, &answer] {
        assert_eq!(receive(&mut server, old).unwrap_err(), OscoreError::Replay);
    }
    receive(&mut server, &later).unwrap().request();
    let response = content(&mut server, &mut served);
    assert_eq!(partial_iv(&response), None);
    accept(&client, &mut binding, &response).unwrap();
}

#[test]
fn rfc8613_b_1_2_a_late_challenge_still_has_a_partial_iv_of_its_own() {
    let (mut client, mut server) = pair();
    server.resume(64);
    server.reserve_up_to(SEQUENCE_LIMIT);
    let (first, _) = get(&mut client);
    let (_, echo) = receive(&mut server, &first).unwrap().challenge();
    let answer = datagram(Code::GET, &[(option::ECHO, &echo)], &[]);
    let answer = protect(&mut client, &answer).unwrap().0;
    let (later, mut binding) = get(&mut client);
    let (mut challenged, _) = receive(&mut server, &later).unwrap().challenge();
    receive(&mut server, &answer).unwrap().request();
    // The challenged request comes again, now to be served, before the challenge has gone out.
    let (_, mut served) = receive(&mut server, &later).unwrap().request();
    let challenge = datagram(Code::UNAUTHORIZED, &[(option::ECHO, &echo)], &[]);
    let challenge = respond(&mut server, &mut challenged, &challenge).unwrap();
    assert_eq!(partial_iv(&challenge), Some(64));
    let response = content(&mut server, &mut served);
    assert_eq!(partial_iv(&response), None);
    accept(&client, &mut binding, &response).unwrap();
}

#[test]
fn rfc8613_b_1_2_a_forged_request_does_not_start_a_challenge() {
    let (mut client, mut server) = pair();
    server.resume(64);
    let (mut message, _) = get(&mut client);
    *message.last_mut().unwrap() ^= 1;
    let before = state(&server);
    assert_eq!(
        receive(&mut server, &message).unwrap_err(),
        OscoreError::Decryption
    );
    assert_eq!(state(&server), before);
}

#[test]
fn rfc8613_b_1_2_the_echo_of_another_boot_is_no_answer() {
    let (mut client, mut server) = pair();
    server.resume(64);
    server.challenge(&mut Rng(1));
    let Freshness::Challenged(old) = server.freshness else {
        panic!("no challenge")
    };
    let answer = datagram(Code::GET, &[(option::ECHO, &old)], &[]);
    let answer = protect(&mut client, &answer).unwrap().0;
    server.resume(128);
    // Not before a challenge has gone out, and not after.
    let (_, echo) = receive(&mut server, &answer).unwrap().challenge();
    assert_ne!(echo, old);
    receive(&mut server, &answer).unwrap().challenge();
}

/// Records that may be lost or torn off at any save.
#[derive(Default)]
struct Flash {
    record: Option<Vec<u8>>,
    fails: bool,
    saves: usize,
}

#[derive(Debug, PartialEq)]
struct Failed;

impl Storage for Flash {
    type Error = Failed;

    fn load(&mut self, _: Key, out: &mut [u8]) -> Result<Option<usize>, Failed> {
        let Some(record) = &self.record else {
            return Ok(None);
        };
        out.get_mut(..record.len())
            .ok_or(Failed)?
            .copy_from_slice(record);
        Ok(Some(record.len()))
    }

    fn save(&mut self, _: Key, value: &[u8]) -> Result<(), Failed> {
        if self.fails {
            return Err(Failed);
        }
        self.saves += 1;
        self.record = Some(value.to_vec());
        Ok(())
    }
}

#[test]
fn rfc8613_b_1_1_a_failed_save_grants_nothing() {
    let mut flash = Flash {
        fails: true,
        ..Flash::default()
    };
    let mut context = SecurityContext::derive(&CLIENT).unwrap();
    let failed = Err(StorageError::Storage(Failed));
    assert_eq!(
        storage::restore(&mut context, &mut flash, Key(0), 10),
        failed
    );
    assert_eq!(context.reserved(), 0);
    flash.fails = false;
    storage::reserve(&mut context, &mut flash, Key(0), 10).unwrap();
    flash.fails = true;
    assert_eq!(
        storage::reserve(&mut context, &mut flash, Key(0), 10),
        failed
    );
    assert_eq!(context.reserved(), 10);
}

#[test]
fn rfc8613_b_1_1_a_record_that_cannot_be_is_refused() {
    for record in [
        vec![],
        vec![0; 7],
        (SEQUENCE_LIMIT + 1).to_be_bytes().to_vec(),
        vec![0xff; 8],
    ] {
        let mut flash = Flash {
            record: Some(record),
            ..Flash::default()
        };
        let mut context = SecurityContext::derive(&CLIENT).unwrap();
        assert_eq!(
            storage::restore(&mut context, &mut flash, Key(0), 10),
            Err(StorageError::Corrupt)
        );
        assert_eq!((context.reserved(), flash.saves), (0, 0));
    }
    let mut flash = Flash {
        record: Some(SEQUENCE_LIMIT.to_be_bytes().to_vec()),
        ..Flash::default()
    };
    let mut context = SecurityContext::derive(&CLIENT).unwrap();
    assert_eq!(
        storage::restore(&mut context, &mut flash, Key(0), 10),
        Err(StorageError::Exhausted)
    );
    assert_eq!(
        protect(&mut context, &datagram(Code::GET, &[], &[])).unwrap_err(),
        OscoreError::SequenceExhausted
    );
}

#[test]
fn rfc8613_b_1_1_a_server_that_only_listened_is_challenging_after_a_reboot() {
    let mut flash = Flash::default();
    let mut client = derive(CLIENT);
    let boot = |flash: &mut Flash| {
        let mut server = SecurityContext::derive(&mirrored(CLIENT)).unwrap();
        storage::restore(&mut server, flash, Key(0), 8).unwrap();
        server
    };
    let mut server = boot(&mut flash);
    let (message, _) = get(&mut client);
    receive(&mut server, &message).unwrap().request();
    let mut server = boot(&mut flash);
    receive(&mut server, &message).unwrap().challenge();
}

/// Reboots at random moments, saves that fail, reservations at random times: no number is sent twice.
#[test]
fn rfc8613_b_1_1_random_crashes_never_reuse_a_number() {
    for seed in 0..300 {
        let mut rng = Rng(seed);
        let mut flash = Flash::default();
        let mut context = SecurityContext::derive(&CLIENT).unwrap();
        let mut sent = std::collections::BTreeSet::new();
        let block = 1 + rng.below(20);
        let mut booted = storage::restore(&mut context, &mut flash, Key(3), block).is_ok();
        for _ in 0..200 {
            flash.fails = rng.percent(10);
            if rng.percent(5) {
                context = SecurityContext::derive(&CLIENT).unwrap();
                booted = storage::restore(&mut context, &mut flash, Key(3), block).is_ok();
                continue;
            }
            if !booted {
                booted = storage::restore(&mut context, &mut flash, Key(3), block).is_ok();
                continue;
            }
            if context.needs_reservation(rng.below(4)) {
                let _ = storage::reserve(&mut context, &mut flash, Key(3), block);
            }
            match protect(&mut context, &datagram(Code::GET, &[], &[])) {
                Ok((message, _)) => assert!(sent.insert(partial_iv(&message))),
                Err(error) => assert_eq!(error, OscoreError::NotReserved),
            }
        }
        assert!(sent.len() > 50, "{seed}: {}", sent.len());
    }
}
