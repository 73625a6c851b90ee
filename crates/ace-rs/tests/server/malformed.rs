//! Malformed uploads: cut short, changed, doubled, of wrong types (RFC 9200, 5.10.1; RFC 9203, 4.2).

use ace_rs::Refusal;
use ace_token::TokenError;
use ace_wire::coap::Code;

use crate::authz_info::{generous, refuse};
use crate::bench::{Bench, Exchange, WALL, claims, encrypt, issue};

fn refuse_cbor(cbor: &[u8]) -> (Code, Refusal) {
    let mut bench = Bench::new();
    refuse(&mut bench, &Exchange::new(1).payload(&encrypt(cbor)))
}

#[test]
fn rfc9200_5_10_1_every_truncated_payload_is_refused() {
    let mut bench = Bench::with(generous());
    let payload = Exchange::new(1).payload(&issue(&claims(1)));
    for end in 0..payload.len() {
        let refused = refuse(&mut bench, &payload[..end]);
        assert_eq!(refused, (Code::BAD_REQUEST, Refusal::Payload), "{end}");
    }
    let trailing = [&payload[..], &[0]].concat();
    assert_eq!(
        refuse(&mut bench, &trailing),
        (Code::BAD_REQUEST, Refusal::Payload)
    );
    assert_eq!(bench.upload(3, &payload).unwrap().code, Code::CREATED);
}

#[test]
fn rfc9200_5_10_1_every_truncated_token_is_refused() {
    let mut bench = Bench::with(generous());
    let token = issue(&claims(1));
    for end in 0..token.len() {
        let (code, refusal) = refuse(&mut bench, &Exchange::new(1).payload(&token[..end]));
        assert_eq!(code, Code::BAD_REQUEST, "{end}");
        assert!(
            matches!(refusal, Refusal::Token(TokenError::Malformed(_))),
            "{refusal:?}"
        );
    }
    let trailing = [&token[..], &[0]].concat();
    assert_eq!(
        refuse(&mut bench, &Exchange::new(1).payload(&trailing)).0,
        Code::BAD_REQUEST
    );
}

#[test]
fn rfc9200_5_10_1_1_every_changed_byte_of_a_token_is_refused() {
    let mut bench = Bench::with(generous());
    let token = issue(&claims(1));
    for at in 0..token.len() {
        for flip in [1, 0x80] {
            let mut changed = token.clone();
            changed[at] ^= flip;
            let (code, _) = refuse(&mut bench, &Exchange::new(1).payload(&changed));
            assert!(
                [Code::BAD_REQUEST, Code::UNAUTHORIZED].contains(&code),
                "{at}"
            );
        }
    }
    // The last byte is the tag's.
    let mut changed = token.clone();
    *changed.last_mut().unwrap() ^= 1;
    assert_eq!(
        refuse(&mut bench, &Exchange::new(1).payload(&changed)),
        (Code::UNAUTHORIZED, Refusal::Token(TokenError::Verification))
    );
}

#[test]
fn rfc9203_4_1_payload_with_wrong_types_duplicates_or_indefinite_lengths_is_refused() {
    let token = [&[0x58, 4][..], b"\xd0\x83\x40\xa0"].concat();
    let entry = |key: &[u8], value: &[u8]| [key, value].concat();
    let good = [
        entry(&[1], &token),
        entry(&[0x18, 40], b"\x48nonce-1!"),
        entry(&[0x18, 43], b"\x41\x01"),
    ];
    let mut payloads = vec![
        b"".to_vec(),
        b"\xa0".to_vec(),
        token.clone(),
        b"\x83\x01\x02\x03".to_vec(),
        b"\xf6".to_vec(),
        [&[0xbf][..], &good.concat(), &[0xff]].concat(),
        // An indefinite-length byte string.
        [&[0xa1, 1, 0x5f][..], &token, &[0xff]].concat(),
        // Without a token.
        [&[0xa2][..], &good[1], &good[2]].concat(),
    ];
    for at in 0..3 {
        // Each entry twice, also with a key written longer.
        payloads.push([&[0xa4][..], &good.concat(), &good[at]].concat());
        for wrong in [
            &b"\x01"[..],
            b"\x20",
            b"\x63abc",
            b"\xf6",
            b"\xf5",
            b"\x80",
            b"\xa0",
        ] {
            let mut entries = good.clone();
            let key = if at == 0 { 1 } else { 2 };
            entries[at] = entry(&good[at][..key], wrong);
            payloads.push([&[0xa3][..], &entries.concat()].concat());
        }
    }
    payloads.push([&[0xa4][..], &good.concat(), &[0x18, 1], &token].concat());
    for payload in payloads {
        let refused = refuse(&mut Bench::new(), &payload);
        assert_eq!(
            refused,
            (Code::BAD_REQUEST, Refusal::Payload),
            "{}",
            hex::encode(payload)
        );
    }
    // Nothing is wrong with the frame but that the token is none.
    let whole = [&[0xa3][..], &good.concat()].concat();
    assert!(matches!(
        refuse(&mut Bench::new(), &whole).1,
        Refusal::Token(_)
    ));
}

/// Claims {aud, exp, scope, cnf: {4: osc}} in CBOR with any `cnf`.
fn with_cnf(cnf: &[u8]) -> Vec<u8> {
    let exp = (WALL as u32 + 3600).to_be_bytes();
    [
        &b"\xa4\x03\x66thermo\x04\x1a"[..],
        &exp,
        b"\x09\x64read\x08",
        cnf,
    ]
    .concat()
}

const OSC: &[u8] =
    b"\xa2\x00\x41\x01\x02\x50\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01";

#[test]
fn rfc8747_3_1_malformed_cnf_is_refused() {
    let ms = &OSC[5..];
    let one = [&[0xa1, 4][..], OSC].concat();
    let whole = with_cnf(&one);
    let payload = Exchange::new(1).payload(&encrypt(&whole));
    assert_eq!(
        Bench::new().upload(3, &payload).unwrap().code,
        Code::CREATED
    );
    let wrong: Vec<Vec<u8>> = vec![
        // The member twice, plain and with a longer key; two members.
        [&[0xa2, 4][..], OSC, &[4], OSC].concat(),
        [&[0xa2, 4][..], OSC, &[0x18, 4], OSC].concat(),
        [&[0xa2, 4][..], OSC, &[3, 0x41, 1]].concat(),
        // `id` and `ms` twice.
        [&[0xa1, 4, 0xa3][..], &OSC[1..], &[0, 0x41, 2]].concat(),
        [&[0xa1, 4, 0xa3][..], &OSC[1..], &[2], ms].concat(),
        // Indefinite lengths: the map, osc, a string in it.
        [&[0xbf, 4][..], OSC, &[0xff]].concat(),
        [&[0xa1, 4, 0xbf][..], &OSC[1..], &[0xff]].concat(),
        [&[0xa1, 4, 0xa2, 0, 0x5f, 0x41, 1, 0xff, 2][..], ms].concat(),
        // Wrong types.
        [&[0xa1, 4, 0xa2, 0, 1, 2][..], ms].concat(),
        [&[0xa1, 4, 0xa2, 0, 0x61, b'x', 2][..], ms].concat(),
        [&[0xa1, 4, 0xa3][..], &OSC[1..], &[1, 0x20]].concat(),
        [&[0xa1, 4, 0xa3][..], &OSC[1..], &[3, 0x41, 5]].concat(),
        [&[0xa1, 4, 0xa3][..], &OSC[1..], &[5, 0xf6]].concat(),
        b"\xa1\x04\x80".to_vec(),
        b"\xa1\x04\xf6".to_vec(),
        b"\x80".to_vec(),
        b"\xf6".to_vec(),
        b"\xa0".to_vec(),
    ];
    for cnf in wrong {
        let (code, refusal) = refuse_cbor(&with_cnf(&cnf));
        let token_error = matches!(refusal, Refusal::Token(TokenError::Malformed(_)));
        assert!(
            code == Code::BAD_REQUEST && token_error,
            "{} {refusal:?}",
            hex::encode(cnf)
        );
    }
    // Well-formed, and still not for use: a parameter nobody knows, no `ms`, no `id`.
    let unusable: [Vec<u8>; 4] = [
        [&[0xa1, 4, 0xa3][..], &OSC[1..], &[7, 1]].concat(),
        [&[0xa1, 4, 0xa3][..], &OSC[1..], &[0x61, b'x', 1]].concat(),
        b"\xa1\x04\xa1\x00\x41\x01".to_vec(),
        [&[0xa1, 4, 0xa1, 2][..], ms].concat(),
    ];
    for cnf in unusable {
        let refused = refuse_cbor(&with_cnf(&cnf));
        assert_eq!(refused, (Code::BAD_REQUEST, Refusal::InputMaterial));
    }
}

#[test]
fn rfc9200_5_10_1_1_malformed_claims_are_refused() {
    let cnf = [&[0xa1, 4][..], OSC].concat();
    let good = with_cnf(&cnf);
    let mut wrong: Vec<Vec<u8>> = (0..good.len()).map(|end| good[..end].to_vec()).collect();
    wrong.push([&good[..], &[0]].concat());
    wrong.push([&[0xbf][..], &good[1..], &[0xff]].concat());
    wrong.push([&[0xa5][..], &good[1..], b"\x03\x66thermo"].concat());
    wrong.push([&[0xa5][..], &good[1..], b"\x18\x03\x66thermo"].concat());
    wrong.push(b"\x80".to_vec());
    // exp: NaN, infinite, negative, text.
    let exp = &good[9..15];
    for date in [
        &b"\xf9\x7e\x00"[..],
        b"\xf9\x7c\x00",
        b"\x20",
        b"\x61\x31",
        b"\xf6",
        b"\xf9\xbc\x00",
    ] {
        let at = good
            .windows(exp.len())
            .position(|window| window == exp)
            .unwrap();
        wrong.push([&good[..at + 1], date, &good[at + exp.len()..]].concat());
    }
    // iss, sub, nbf, iat, cti, profile, cnonce, exi with a type that is not theirs.
    for (key, value) in [
        (&[1u8][..], &[0x41u8, 1][..]),
        (&[2], &[1]),
        (&[3 + 2], &[0x41, 1]),
        (&[6], &[0x61, b'1']),
        (&[7], &[0x61, b'1']),
        (&[0x18, 38], &[0x41, 1]),
        (&[0x18, 39], &[0x61, b'1']),
        (&[0x18, 40], &[0x20]),
    ] {
        wrong.push([&[0xa5][..], &good[1..], key, value].concat());
    }
    for claims in wrong {
        let (code, refusal) = refuse_cbor(&claims);
        let token_error = matches!(refusal, Refusal::Token(TokenError::Malformed(_)));
        assert!(
            code == Code::BAD_REQUEST && token_error,
            "{} {refusal:?}",
            hex::encode(claims)
        );
    }
}

proptest::proptest! {
    #[test]
    fn any_payload_is_answered_and_changes_nothing(payload in proptest::collection::vec(0u8.., 1..200)) {
        let mut bench = Bench::new();
        let before = bench.state();
        let answer = bench.upload(3, &payload).unwrap();
        proptest::prop_assert!(!answer.code.is_success());
        proptest::prop_assert_eq!(bench.state(), before);
    }

    #[test]
    fn any_datagram_is_survived(
        head in proptest::collection::vec(0u8.., 0..6),
        rest in proptest::collection::vec(0u8.., 0..80),
    ) {
        let mut bench = Bench::new();
        let mut client = bench.confirmed(7, &claims(1), 1);
        let before = bench.state();
        for peer in [7, 8] {
            bench.raw(peer, &[&head[..], &rest].concat());
            bench.raw(peer, &[&[0x40, 0x02, 1, 2], &rest[..]].concat());
            // An OSCORE option in front.
            bench.raw(peer, &[&[0x40, 0x02, 1, 3, 0x93, 0x09], &rest[..]].concat());
        }
        proptest::prop_assert_eq!(bench.state(), before);
        proptest::prop_assert_eq!(client.get(&mut bench, "/temp").code, Code::CONTENT);
    }
}
