//! Handshakes whose messages are cut, changed, out of order or made up.
#![cfg(all(feature = "es256", feature = "eddsa"))]

mod common;

use ace_crypto::Signature;
use ace_dtls::{Alert, CipherSuite, CloseReason, Config, Error, Event};
use common::{
    Keys, config,
    pair::{Pair, To, message, plain, records, whole_message},
    pair_of_keys,
};

const SUITES: [CipherSuite; 3] = [
    CipherSuite::PskAes128Ccm8,
    CipherSuite::EcdhePskAes128Ccm8,
    CipherSuite::EcdheEcdsaAes128Ccm8,
];

fn keys() -> (Keys, Keys) {
    pair_of_keys(Signature::Es256, Signature::EdDsa)
}

/// Every datagram of a handshake.
fn script(config: &Config) -> Vec<(To, Vec<u8>)> {
    let mut script = Vec::new();
    let mut pair = Pair::new(config, keys());
    pair.run_with(|_, to, datagram| script.push((to, datagram.clone())));
    assert!(pair.both_established());
    script
}

#[test]
fn rfc6347_4_1_2_7_every_datagram_cut_at_every_byte_is_dropped() {
    for suite in SUITES {
        let config = config(suite);
        for (number, (_, datagram)) in script(&config).iter().enumerate() {
            let single = records(datagram).len() == 1;
            for cut in 0..datagram.len() {
                let mut pair = Pair::new(&config, keys());
                pair.run_with(|at, _, datagram| {
                    if at == number {
                        datagram.truncate(cut);
                    }
                });
                assert!(!pair.both_established());
                if single {
                    assert_eq!(pair.client_closed(), None, "{number} at {cut}");
                    assert_eq!(pair.server_closed(), None, "{number} at {cut}");
                }
            }
        }
    }
}

#[test]
fn rfc5246_7_2_2_every_message_cut_at_every_byte_with_lengths_to_match_is_a_decode_error() {
    for suite in SUITES {
        let config = config(suite);
        for (number, (to, datagram)) in script(&config).iter().enumerate() {
            for (place, record) in records(datagram).iter().enumerate() {
                let Some((kind, seq, body)) = whole_message(record) else {
                    continue;
                };
                for cut in 0..body.len() {
                    let mut pair = Pair::new(&config, keys());
                    pair.run_with(|at, _, datagram| {
                        if at == number {
                            let mut all = records(datagram);
                            all[place] = plain(22, 7, &message(kind, seq, &body[..cut]));
                            *datagram = all.concat();
                        }
                    });
                    // The first hello is not part of the handshake (RFC 6347, 4.2.1).
                    assert!(!pair.both_established() || number == 0);
                    let reason = match to {
                        To::Client => pair.client_closed(),
                        To::Server => pair.server_closed(),
                    };
                    // A ClientHello cut before its cookie never gets through, one cut at its extensions has none.
                    let hello = [
                        None,
                        Some(CloseReason::Failed(Error::Decode)),
                        Some(CloseReason::Failed(Error::NoExtendedMasterSecret)),
                    ];
                    if number == 0
                        || (*to == To::Server && kind == 1)
                        || (*to == To::Client && kind == 2)
                    {
                        assert!(hello.contains(&reason), "{kind} at {cut}: {reason:?}");
                    } else {
                        assert_eq!(
                            reason,
                            Some(CloseReason::Failed(Error::Decode)),
                            "{} message {kind} at {cut}",
                            suite.name()
                        );
                    }
                }
            }
        }
    }
}

/// Each byte a little more, a little less, and at its maximum: that includes each length.
#[test]
fn rfc5246_7_4_9_no_change_of_any_byte_lets_a_handshake_succeed() {
    for suite in SUITES {
        let config = config(suite);
        // The first hello and its answer are not part of the handshake (RFC 6347, 4.2.1).
        for (number, (_, datagram)) in script(&config).iter().enumerate().skip(2) {
            let mut start = 0;
            for record in records(datagram) {
                for place in 0..record.len() {
                    // The version (before it is agreed on) and number of a record in the clear are not protected.
                    let free = record[4] == 0 && matches!(place, 1 | 2 | 5..=10)
                        // Without its cookie the hello is answered with a new one.
                        || number == 2 && (25..25 + 2 + 32 + 1 + 17).contains(&place);
                    for change in [1, 0xff, 0x80, !record[place]] {
                        if change == 0 || (record[0] == 22 && change == 0x80 && place > 60) {
                            continue;
                        }
                        let mut pair = Pair::new(&config, keys());
                        pair.run_with(|at, _, datagram| {
                            if at == number {
                                let byte = &mut datagram[start + place];
                                *byte = byte.wrapping_add(change);
                            }
                        });
                        assert!(
                            !pair.both_established() || free,
                            "{}: datagram {number}, byte {place} of {record:02x?} plus {change}",
                            suite.name()
                        );
                    }
                }
                start += record.len();
            }
        }
    }
}

#[test]
fn rfc5246_7_4_every_message_in_every_state_is_an_alert_or_silence() {
    for suite in SUITES {
        let config = config(suite);
        let mut steps = Vec::new();
        for (to, datagram) in script(&config) {
            steps.extend(records(&datagram).into_iter().map(|record| (to, record)));
        }
        let mut bodies: Vec<(u8, Vec<u8>)> = steps
            .iter()
            .filter_map(|(_, record)| whole_message(record))
            .map(|(kind, _, body)| (kind, body))
            .collect();
        bodies.extend((0..=30).chain([255]).map(|kind| (kind, Vec::new())));
        bodies.push((20, vec![0; 12]));

        for done in 0..=steps.len() {
            for (kind, body) in &bodies {
                for to in [To::Client, To::Server] {
                    let mut pair = Pair::new(&config, keys());
                    // The same seed gives the same messages.
                    for (to, record) in &steps[..done] {
                        pair.take(To::Client);
                        pair.take(To::Server);
                        pair.give(*to, record);
                    }
                    pair.take(To::Client);
                    pair.take(To::Server);
                    let before = (
                        pair.client.session().is_established(),
                        pair.server.as_ref().map(|s| s.session().is_established()),
                    );
                    let events = (pair.client_events.len(), pair.server_events.len());
                    for seq in 0..9 {
                        pair.give(to, &plain(22, 900, &message(*kind, seq, body)));
                    }
                    pair.give(to, &plain(20, 901, &[1]));
                    pair.give(to, &plain(22, 902, &message(20, 5, &[0; 12])));
                    let after = (
                        pair.client.session().is_established(),
                        pair.server.as_ref().map(|s| s.session().is_established()),
                    );
                    assert!(after.0 <= before.0 && after.1 <= before.1.or(Some(false)));
                    if before.0 && to == To::Client || before.1 == Some(true) && to == To::Server {
                        assert_eq!(after, before);
                        assert_eq!(events, (pair.client_events.len(), pair.server_events.len()));
                    }
                    // Whoever gave up says so.
                    let (closed, sent) = match to {
                        To::Client => (pair.client_error(), pair.take(To::Client)),
                        To::Server => (pair.server_error(), pair.take(To::Server)),
                    };
                    if let Some(error) = closed {
                        let alert = [21, 2, error.alert().0];
                        let found = sent
                            .iter()
                            .any(|d| d[0] == alert[0] && (d[4] == 1 || d[13..] == alert[1..]));
                        assert!(found, "{error:?} {sent:02x?}");
                    }
                }
            }
        }
    }
}

#[test]
fn every_datagram_repeated_at_every_later_moment_changes_nothing() {
    for suite in SUITES {
        let config = config(suite);
        let script = script(&config);
        for (number, (to, datagram)) in script.iter().enumerate() {
            for later in number + 1..=script.len() {
                let mut pair = Pair::new(&config, keys());
                let mut repeated = false;
                for (at, (to_next, next)) in script.iter().enumerate() {
                    if at == later {
                        pair.give(*to, datagram);
                        repeated = true;
                    }
                    pair.take(To::Client);
                    pair.take(To::Server);
                    pair.give(*to_next, next);
                }
                if !repeated {
                    pair.give(*to, datagram);
                }
                assert!(pair.both_established(), "{number} repeated before {later}");
            }
        }
    }
}

#[test]
fn rfc4279_2_unknown_identity_and_wrong_key() {
    for suite in [
        CipherSuite::PskAes128Ccm8,
        CipherSuite::PskAes128Ccm,
        CipherSuite::EcdhePskAes128Ccm8,
    ] {
        let (ours, mut theirs) = keys();
        theirs.psks[0].0.push(0);
        let mut pair = Pair::new(&config(suite), (ours, theirs));
        pair.run();
        assert_eq!(pair.server_error(), Some(Error::UnknownIdentity));
        let alert = CloseReason::Alert(Alert::UNKNOWN_PSK_IDENTITY);
        assert_eq!(pair.client_closed(), Some(alert));

        let (ours, mut theirs) = keys();
        theirs.psks[0].1[3] ^= 1;
        let mut pair = Pair::new(&config(suite), (ours, theirs));
        pair.run();
        let alert = CloseReason::Alert(Alert::DECRYPT_ERROR);
        assert_eq!(pair.client_closed(), Some(alert));
        // The server waits a little, since anyone may have sent that record, and knows the reason then.
        assert_eq!(pair.server_closed(), None);
        assert_eq!(pair.server_events, [Event::Doubted]);
        let mut timeouts = 0;
        while let Some(due) = pair.server().poll_timeout() {
            pair.server().handle_timeout(due);
            timeouts += 1;
        }
        pair.collect();
        assert_eq!(timeouts, 7);
        assert_eq!(pair.server_error(), Some(Error::WrongKey));
        assert_eq!(pair.server().session().dropped().unverified, 1);
    }
}

#[test]
fn a_forged_first_protected_record_does_not_end_the_handshake() {
    let mut pair = Pair::new(&config(CipherSuite::PskAes128Ccm8), keys());
    pair.run_with(|number, to, datagram| {
        if number == 4 {
            assert_eq!(to, To::Server);
            let mut all = records(datagram);
            let finished = all.pop().unwrap();
            let mut forged = finished.clone();
            forged[30] ^= 1;
            all.extend([forged, finished]);
            *datagram = all.concat();
        }
    });
    assert!(pair.both_established());
}

#[test]
fn rfc7250_4_2_the_application_refuses_a_key() {
    let config = config(CipherSuite::EcdheEcdsaAes128Ccm8);
    let (ours, mut theirs) = keys();
    theirs.accepted.clear();
    let mut pair = Pair::new(&config, (ours, theirs));
    pair.run();
    assert_eq!(pair.server_error(), Some(Error::PeerKeyRefused));
    let alert = CloseReason::Alert(Alert::CERTIFICATE_UNKNOWN);
    assert_eq!(pair.client_closed(), Some(alert));

    let (mut ours, theirs) = keys();
    ours.accepted.clear();
    let mut pair = Pair::new(&config, (ours, theirs));
    pair.run();
    assert_eq!(pair.client_error(), Some(Error::PeerKeyRefused));
    assert_eq!(pair.server_closed(), Some(alert));
}

#[test]
fn rfc5246_7_4_6_a_client_without_a_key() {
    let strict = config(CipherSuite::EcdheEcdsaAes128Ccm8);
    let (mut ours, theirs) = keys();
    (ours.own, ours.psks) = (None, Vec::new());
    let mut pair = Pair::new(&strict, (ours, theirs));
    pair.run();
    assert_eq!(pair.server_error(), Some(Error::NoPeerKey));

    let lax = Config {
        require_client_key: false,
        ..strict
    };
    let (mut ours, theirs) = keys();
    (ours.own, ours.psks) = (None, Vec::new());
    let mut pair = Pair::new(&lax, (ours, theirs));
    pair.run();
    assert!(pair.both_established());
    let peer = pair.server().session().peer();
    assert_eq!(peer, ace_dtls::Peer::Anonymous);
}

#[test]
fn rfc5246_7_4_8_a_client_that_shows_the_key_of_another() {
    let config = config(CipherSuite::EcdheEcdsaAes128Ccm8);
    let mut other = keys().0;
    let mut rng = ace_testkit::SeededRandom::new(1);
    let stranger = ace_crypto::SigningKey::generate(Signature::Es256, &mut rng);
    let honest = other.own.replace(stranger).unwrap();
    let mut spki = [0; 91];
    honest.verifying_key().to_spki(&mut spki).unwrap();
    let mut pair = Pair::new(&config, (other, keys().1));
    pair.run_with(|number, _, datagram| {
        if number == 4 {
            let mut all = records(datagram);
            let (kind, seq, mut body) = whole_message(&all[0]).unwrap();
            assert_eq!(kind, 11);
            body[3..].copy_from_slice(&spki);
            all[0] = plain(22, 2, &message(kind, seq, &body));
            *datagram = all.concat();
        }
    });
    assert_eq!(pair.server_error(), Some(Error::Signature));
}

/// RFC 8422, 5.11: an x25519 share that gives zeros whatever the other key; one of the wrong length; a point on no curve.
#[test]
fn rfc8422_5_11_shares_that_are_none() {
    use ace_crypto::KeyAgreement::{Secp256r1, X25519};
    let mut off_curve = [7; 65];
    off_curve[0] = 4;
    for (group, share) in [
        (X25519, &[0; 32][..]),
        (X25519, &[1; 31]),
        (X25519, &[1; 33]),
        (X25519, &[]),
        (Secp256r1, &off_curve),
        (Secp256r1, &[0]),
        (Secp256r1, &[2; 33]),
    ] {
        for suite in [
            CipherSuite::EcdhePskAes128Ccm8,
            CipherSuite::EcdheEcdsaAes128Ccm8,
        ] {
            let config = Config {
                groups: vec![group].leak(),
                ..config(suite)
            };
            let psk = suite == CipherSuite::EcdhePskAes128Ccm8;
            let ours = pair_of_keys(Signature::EdDsa, Signature::EdDsa);
            let mut pair = Pair::new(&config, ours);
            pair.run_with(|number, _, datagram| {
                if number == 4 {
                    let mut all = records(datagram);
                    let place = usize::from(!psk);
                    let (kind, seq, body) = whole_message(&all[place]).unwrap();
                    assert_eq!(kind, 16);
                    let own = group.public_key_len();
                    let mut body = body[..body.len() - own - 1].to_vec();
                    body.push(share.len() as u8);
                    body.extend(share);
                    all[place] = plain(22, 2, &message(kind, seq, &body));
                    *datagram = all.concat();
                }
            });
            assert_eq!(pair.server_error(), Some(Error::KeyShare), "{share:?}");
        }
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2_000))]

    #[test]
    fn random_datagrams_never_panic(
        datagrams in proptest::collection::vec(proptest::collection::vec(0u8.., 0..300), 1..4),
        suite in 0usize..3,
        steps in 0usize..6,
    ) {
        let config = config(SUITES[suite]);
        let mut pair = Pair::new(&config, keys());
        let mut number = 0;
        pair.run_with(|_, _, datagram| {
            number += 1;
            if number > steps {
                datagram.clear();
            }
        });
        let before = pair.both_established();
        for datagram in &datagrams {
            for to in [To::Client, To::Server] {
                pair.give(to, datagram);
                pair.give(to, &plain(22, 1, datagram));
                pair.give(to, &plain(22, 1, &message(datagram.first().copied().unwrap_or(1), 1, datagram)));
                pair.take(to);
            }
        }
        proptest::prop_assert_eq!(pair.both_established(), before);
    }
}
