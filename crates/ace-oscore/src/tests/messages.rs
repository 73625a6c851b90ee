//! What goes where, and what is refused (RFC 8613, 3, 4 and 8).

use super::*;
use crate::class::{Class, class};
use ace_wire::coap::option;

pub(super) fn outer(datagram: &[u8]) -> (Code, Vec<(u16, Vec<u8>)>) {
    let message = Message::parse(datagram).unwrap();
    (message.code, options_of(&message))
}

fn outer_numbers(datagram: &[u8]) -> Vec<u16> {
    outer(datagram).1.into_iter().map(|o| o.0).collect()
}

pub(super) fn owned(options: OptionsOf<'_>) -> Vec<(u16, Vec<u8>)> {
    options.iter().map(|o| (o.0, o.1.to_vec())).collect()
}

#[test]
fn rfc8613_3_2_round_trip_for_every_algorithm() {
    let aeads = [1, 2, 3, 10, 11, 12, 13, 24, 30, 31, 32, 33];
    for (aead, hkdf) in aeads.iter().flat_map(|a| [(*a, -10), (*a, -11)]) {
        let aead = Aead::from_cose(aead).unwrap();
        let (mut client, mut server) = pair_of(Parameters {
            aead,
            hkdf: Hkdf::from_cose(hkdf).unwrap(),
            id_context: Some(ID_CONTEXT),
            ..CLIENT
        });
        let original = datagram(Code::PUT, &[(11, b"led"), (12, &[])], b"on");
        let (message, mut binding) = protect(&mut client, &original).unwrap();
        let (plain, mut server_binding) = receive(&mut server, &message).unwrap().request();
        assert_eq!(plain, Plain::of(&Message::parse(&original).unwrap()));
        let response = content(&mut server, &mut server_binding);
        let plain = accept(&client, &mut binding, &response).unwrap();
        assert_eq!(
            (plain.code, &plain.payload[..]),
            (Code::CONTENT, &b"22.5 C"[..])
        );
        // Inner code, tag, payload marker, and the option: header, flags, Partial IV, length and ID Context, kid
        let overhead = 1 + aead.tag_len() + 1 + 1 + 1 + 1 + (1 + 3) + 1;
        assert_eq!(message.len(), original.len() + overhead);
    }
}

#[test]
fn rfc8613_3_3_id_lengths() {
    for (aead, longest) in [
        (Aead::AesCcm16_64_128, 7),
        (Aead::A128Gcm, 6),
        (Aead::AesCcm64_64_128, 1),
    ] {
        let id = [9; 8];
        for (sender_id, recipient_id) in [(&id[..], &[1][..]), (&[1], &id)] {
            let with = |len: usize| {
                SecurityContext::derive(&Parameters {
                    sender_id: &sender_id[..sender_id.len().min(len)],
                    recipient_id: &recipient_id[..recipient_id.len().min(len)],
                    aead,
                    ..CLIENT
                })
                .err()
            };
            assert_eq!(with(longest), None, "{aead:?}");
            assert_eq!(with(longest + 1), Some(OscoreError::IdTooLong), "{aead:?}");
        }
    }
    let same = SecurityContext::derive(&Parameters {
        sender_id: &[],
        recipient_id: &[],
        ..CLIENT
    });
    assert_eq!(same.err(), Some(OscoreError::SameIds));
    let long = SecurityContext::derive(&Parameters {
        id_context: Some(&[0; 25]),
        ..CLIENT
    });
    assert_eq!(long.err(), Some(OscoreError::IdContextTooLong));
}

#[test]
fn rfc8613_3_2_1_every_input_changes_the_keys() {
    let key = |p: Parameters<'_>| derive(p).sender_key.as_bytes().to_vec();
    let mut keys = vec![
        key(CLIENT),
        key(mirrored(CLIENT)),
        key(Parameters {
            id_context: Some(&[]),
            ..CLIENT
        }),
        key(Parameters {
            id_context: Some(&[0]),
            ..CLIENT
        }),
        key(Parameters {
            master_salt: &[],
            ..CLIENT
        }),
        key(Parameters {
            hkdf: Hkdf::Sha512,
            ..CLIENT
        }),
        key(Parameters {
            aead: Aead::AesCcm16_128_128,
            ..CLIENT
        }),
        key(Parameters {
            master_secret: &[0; 16],
            ..CLIENT
        }),
    ];
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 8);
}

#[test]
fn secrets_are_not_printed() {
    let printed = std::format!("{:?} {:?}", CLIENT, pair().0);
    let secret = pair().0.sender_key.as_bytes().to_vec();
    for bytes in [CLIENT.master_secret, CLIENT.master_salt, &secret] {
        assert!(!printed.contains(&std::format!("{bytes:?}")), "{printed}");
    }
    assert!(printed.contains("sender_id"));
}

/// Every option that has a place in a request, of every class.
const REQUEST: OptionsOf<'static> = &[
    (option::IF_MATCH, b"e"),
    (option::URI_HOST, b"example.org"),
    (option::IF_NONE_MATCH, b""),
    (option::URI_PORT, &[0x16, 0x33]),
    (option::URI_PATH, b"a"),
    (option::URI_PATH, b"b"),
    (option::CONTENT_FORMAT, &[60]),
    (option::URI_QUERY, b"q=1"),
    (option::HOP_LIMIT, &[16]),
    (option::ACCEPT, &[60]),
    (option::Q_BLOCK1, &[0]),
    (option::EDHOC, b""),
    (option::BLOCK2, &[6]),
    (option::BLOCK1, &[14]),
    (option::SIZE2, &[0]),
    (option::Q_BLOCK2, &[0]),
    (option::PROXY_SCHEME, b"coap"),
    (option::SIZE1, &[4, 0]),
    (option::ECHO, b"echo"),
    (option::NO_RESPONSE, &[26]),
    (option::REQUEST_TAG, b"tag"),
    (65000, b"unknown"),
];

#[test]
fn rfc8613_4_1_options_stand_where_their_class_says() {
    let (mut client, mut server) = pair();
    let original = datagram(Code::PUT, REQUEST, b"payload");
    let (message, _) = protect(&mut client, &original).unwrap();
    let mut expected: Vec<u16> = REQUEST
        .iter()
        .map(|o| o.0)
        .filter(|n| class(*n) == Class::U)
        .collect();
    expected.insert(2, option::OSCORE);
    assert_eq!(outer_numbers(&message), expected);
    for word in [&b"q=1"[..], b"unknown", b"payload", b"echo", b"tag"] {
        assert!(!message.windows(word.len()).any(|w| w == word));
    }
    let (plain, _) = receive(&mut server, &message).unwrap().request();
    assert_eq!(plain.options, owned(REQUEST));
    assert_eq!(plain.payload, b"payload");
}

#[test]
fn rfc8613_4_1_response_options_are_inner() {
    let (mut client, mut server) = pair();
    let (message, mut binding) = get(&mut client);
    let (_, mut server_binding) = receive(&mut server, &message).unwrap().request();
    let options: OptionsOf<'_> = &[
        (option::ETAG, b"e"),
        (option::LOCATION_PATH, b"l"),
        (option::CONTENT_FORMAT, &[60]),
        (option::MAX_AGE, &[5]),
        (option::LOCATION_QUERY, b"q"),
        (option::BLOCK2, &[14]),
        (option::SIZE2, &[4, 0]),
        (option::ECHO, b"echo"),
    ];
    let original = datagram(Code::CONTENT, options, b"x");
    let response = respond(&mut server, &mut server_binding, &original).unwrap();
    assert_eq!(outer(&response), (Code::CHANGED, vec![(9, vec![])]));
    let plain = accept(&client, &mut binding, &response).unwrap();
    assert_eq!(plain, Plain::of(&Message::parse(&original).unwrap()));
}

#[test]
fn rfc8613_4_2_outer_codes() {
    let (mut client, mut server) = pair();
    for code in [1, 2, 3, 4, 5, 6, 7, 31] {
        for (observe, outer_code) in [
            (None, Code::POST),
            (Some(&[][..]), Code::FETCH),
            (Some(&[1][..]), Code::FETCH),
        ] {
            let options: Vec<_> = observe
                .map(|value| (option::OBSERVE, value))
                .into_iter()
                .collect();
            let original = datagram(Code(code), &options, &[]);
            let (message, _) = protect(&mut client, &original).unwrap();
            assert_eq!(outer(&message).0, outer_code);
            let (plain, _) = receive(&mut server, &message).unwrap().request();
            assert_eq!(plain.code, Code(code));
        }
    }
}

/// Rebuilds a protected message with other outer options and another outer code.
fn rebuilt(message: &[u8], code: Code, extra: OptionsOf<'_>) -> Vec<u8> {
    let parsed = Message::parse(message).unwrap();
    let mut options = options_of(&parsed);
    options.extend(owned(extra));
    options.sort_by_key(|o| o.0);
    let options: Vec<_> = options.iter().map(|o| (o.0, &o.1[..])).collect();
    datagram(code, &options, parsed.payload)
}

#[test]
fn rfc8613_8_2_outer_code_and_class_e_options_are_discarded() {
    let (mut client, mut server) = pair();
    let (message, mut binding) = get(&mut client);
    let message = rebuilt(
        &message,
        Code::DELETE,
        &[
            (option::IF_MATCH, b"x"),
            (option::URI_HOST, b"proxied"),
            (option::OBSERVE, &[]),
            (option::URI_PATH, b"other"),
            (option::MAX_AGE, &[0]),
            (option::HOP_LIMIT, &[3]),
            (option::BLOCK1, &[14]),
            (option::ECHO, b"outer"),
            (option::NO_RESPONSE, &[26]),
            (65000, b"elective"),
        ],
    );
    let (plain, mut server_binding) = receive(&mut server, &message).unwrap().request();
    assert_eq!(plain.code, Code::GET);
    assert_eq!(
        plain.options,
        owned(&[
            (option::URI_HOST, b"proxied"),
            (option::URI_PATH, b"temp"),
            (option::HOP_LIMIT, &[3])
        ])
    );
    assert!(!server_binding.is_registration());

    // RFC 8613, 8.4, step 1
    let response = content(&mut server, &mut server_binding);
    let response = rebuilt(
        &response,
        Code::NOT_FOUND,
        &[
            (option::ETAG, b"x"),
            (option::MAX_AGE, &[0]),
            (option::OBSERVE, &[1]),
        ],
    );
    let plain = accept(&client, &mut binding, &response).unwrap();
    assert_eq!((plain.code, plain.options), (Code::CONTENT, vec![]));
}

#[test]
fn rfc7252_5_4_1_unknown_critical_outer_option_is_refused() {
    let (mut client, mut server) = pair();
    let (message, mut binding) = get(&mut client);
    let (_, mut server_binding) = receive(&mut server, &message).unwrap().request();
    let response = content(&mut server, &mut server_binding);
    let (message, _) = get(&mut client);
    let before = state(&server);
    let critical: OptionsOf<'_> = &[(65001, b"")];
    let error = receive(&mut server, &rebuilt(&message, Code::POST, critical)).unwrap_err();
    assert_eq!(error, OscoreError::UnknownCriticalOption);
    assert_eq!(error.outer_code(), Some(Code::BAD_OPTION));
    assert_eq!(state(&server), before);
    assert_eq!(
        accept(
            &client,
            &mut binding,
            &rebuilt(&response, Code::CHANGED, critical)
        ),
        Err(OscoreError::UnknownCriticalOption)
    );
    receive(&mut server, &message).unwrap().request();
    accept(&client, &mut binding, &response).unwrap();
}

#[test]
fn rfc8613_2_malformed_messages_are_refused() {
    let (mut client, mut server) = pair();
    let (message, _) = get(&mut client);
    let parsed = Message::parse(&message).unwrap();
    let value = parsed.options.find(option::OSCORE).unwrap();

    let no_payload = datagram(Code::POST, &[(option::OSCORE, value)], &[]);
    let twice = datagram(
        Code::POST,
        &[(option::OSCORE, value), (option::OSCORE, value)],
        parsed.payload,
    );
    // RFC 8613, 5: kid and Partial IV in every request
    let no_kid = datagram(
        Code::POST,
        &[(option::OSCORE, &[0x01, 0x00])],
        parsed.payload,
    );
    let no_piv = datagram(
        Code::POST,
        &[(option::OSCORE, &[0x08, 0x01])],
        parsed.payload,
    );
    let empty = datagram(Code::POST, &[(option::OSCORE, &[])], parsed.payload);
    let before = state(&server);
    for bad in [no_payload, twice, no_kid, no_piv, empty] {
        let error = receive(&mut server, &bad).unwrap_err();
        assert_eq!(error, OscoreError::Malformed);
        assert_eq!(error.outer_code(), Some(Code::BAD_OPTION));
        assert_eq!(error.diagnostic(), Some("Failed to decode COSE"));
    }
    let plain = datagram(Code::POST, &[], b"x");
    assert_eq!(
        receive(&mut server, &plain).unwrap_err(),
        OscoreError::NotOscore
    );
    assert_eq!(state(&server), before);
}

#[test]
fn rfc8613_8_2_kid_and_kid_context_find_the_context() {
    let with_context = Parameters {
        id_context: Some(ID_CONTEXT),
        ..CLIENT
    };
    let (mut client, mut server) = pair_of(with_context);
    let (_, mut other) = pair_of(Parameters {
        sender_id: &[7],
        ..with_context
    });
    let (_, mut elsewhere) = pair_of(Parameters {
        id_context: Some(&[1]),
        ..CLIENT
    });
    let (_, mut nowhere) = pair();
    let (message, _) = get(&mut client);
    for context in [&mut other, &mut elsewhere, &mut nowhere] {
        let error = receive(context, &message).unwrap_err();
        assert_eq!(error, OscoreError::ContextNotFound);
        assert_eq!(error.outer_code(), Some(Code::UNAUTHORIZED));
        assert_eq!(error.diagnostic(), Some("Security context not found"));
    }
    receive(&mut server, &message).unwrap().request();

    // RFC 8613, 5.1: the ID Context may be left out.
    let original = datagram(Code::GET, &[], &[]);
    let mut out = [0; 64];
    let (len, _) = client
        .protect_request(&Message::parse(&original).unwrap(), false, &mut out)
        .unwrap();
    receive(&mut server, &out[..len]).unwrap().request();
}

#[test]
fn rfc8613_8_2_another_key_fails_to_decrypt() {
    let (mut client, _) = pair();
    let (_, mut server) = pair_of(Parameters {
        master_secret: &[1; 16],
        ..CLIENT
    });
    let before = state(&server);
    let error = receive(&mut server, &get(&mut client).0).unwrap_err();
    assert_eq!(error, OscoreError::Decryption);
    assert_eq!(error.outer_code(), Some(Code::BAD_REQUEST));
    assert_eq!(error.diagnostic(), Some("Decryption failed"));
    assert_eq!(state(&server), before);
}

#[test]
fn rfc8613_4_1_3_7_nested_oscore_is_refused() {
    let (mut client, mut server) = pair();
    let (message, _) = get(&mut client);
    let before = state(&client);
    assert_eq!(
        protect(&mut client, &message).unwrap_err(),
        OscoreError::NestedOscore
    );
    assert_eq!(state(&client), before);
    let (_, mut binding) = receive(&mut server, &message).unwrap().request();
    let nested = datagram(Code::CONTENT, &[(option::OSCORE, &[])], b"x");
    assert_eq!(
        respond(&mut server, &mut binding, &nested),
        Err(OscoreError::NestedOscore)
    );
}

/// Protects bytes that this crate would not write as plaintext of a request.
pub(super) fn protect_raw(context: &mut SecurityContext, plaintext: &[u8]) -> Vec<u8> {
    let piv = context.claim_number().unwrap();
    let nonce = crate::cose::nonce(&context.common_iv, context.sender_id(), piv);
    let aad = crate::cose::aad(context.aead, context.sender_id(), piv).unwrap();
    let mut buffer = plaintext.to_vec();
    buffer.resize(plaintext.len() + 16, 0);
    let len = context
        .aead
        .seal(
            context.sender_key.as_bytes(),
            nonce.as_bytes(),
            aad.as_bytes(),
            &mut buffer,
            plaintext.len(),
        )
        .unwrap();
    let mut value = [0; 20];
    let option = OscoreOption {
        partial_iv: Some(piv),
        kid_context: None,
        kid: Some(context.sender_id()),
    };
    let value_len = option.encode(&mut value).unwrap();
    datagram(
        Code::POST,
        &[(option::OSCORE, &value[..value_len])],
        &buffer[..len],
    )
}

#[test]
fn rfc8613_8_2_verified_nonsense_is_refused_and_counts_as_received() {
    for (plaintext, error) in [
        (&[][..], OscoreError::InvalidPlaintext),
        (&[0x01, 0xff], OscoreError::InvalidPlaintext),
        (&[0x01, 0xb5, b'x'], OscoreError::InvalidPlaintext),
        (&[0x01, 0xf0], OscoreError::InvalidPlaintext),
        (&[0x01, 0x90], OscoreError::NestedOscore),
        (&[0x00], OscoreError::NotARequest),
        (&[0x45], OscoreError::NotARequest),
        (&[0xe2], OscoreError::NotARequest),
    ] {
        let (mut client, mut server) = pair();
        let message = protect_raw(&mut client, plaintext);
        let got = receive(&mut server, &message).unwrap_err();
        assert_eq!(got, error, "{plaintext:x?}");
        assert_eq!(got.outer_code(), Some(Code::BAD_REQUEST));
        assert_eq!(
            receive(&mut server, &message).unwrap_err(),
            OscoreError::Replay
        );
    }
}

#[test]
fn rfc8613_8_request_and_response_codes_are_told_apart() {
    let (mut client, mut server) = pair();
    let before = state(&client);
    for code in [Code::EMPTY, Code::CONTENT, Code::NOT_FOUND] {
        let options: OptionsOf<'_> = if code == Code::EMPTY {
            continue;
        } else {
            &[(12, &[])]
        };
        let error = protect(&mut client, &datagram(code, options, &[])).unwrap_err();
        assert_eq!(error, OscoreError::NotARequest);
    }
    assert_eq!(state(&client), before);
    let (message, mut binding) = get(&mut client);
    let (_, mut server_binding) = receive(&mut server, &message).unwrap().request();
    assert_eq!(
        respond(
            &mut server,
            &mut server_binding,
            &datagram(Code::GET, &[], &[])
        ),
        Err(OscoreError::NotAResponse)
    );
    // A request is no response, and the other way round, whatever the outer code says.
    let response = content(&mut server, &mut server_binding);
    assert_eq!(
        receive(&mut server, &rebuilt(&message, Code::CONTENT, &[])).unwrap_err(),
        OscoreError::NotARequest
    );
    assert_eq!(
        accept(&client, &mut binding, &rebuilt(&response, Code::POST, &[])),
        Err(OscoreError::NotAResponse)
    );
    assert_eq!(
        accept(
            &client,
            &mut binding,
            &rebuilt(&message, Code::CHANGED, &[])
        ),
        Err(OscoreError::ContextNotFound)
    );
    accept(&client, &mut binding, &response).unwrap();
}

#[test]
fn rfc8613_7_1_a_response_verifies_for_its_own_request_only() {
    let (mut client, mut server) = pair();
    let (first, mut first_binding) = get(&mut client);
    let (second, mut second_binding) = get(&mut client);
    let (_, mut server_binding) = receive(&mut server, &first).unwrap().request();
    receive(&mut server, &second).unwrap().request();
    let response = content(&mut server, &mut server_binding);
    assert_eq!(
        accept(&client, &mut second_binding, &response),
        Err(OscoreError::Decryption)
    );
    assert!(!second_binding.is_closed());
    accept(&client, &mut first_binding, &response).unwrap();
    // RFC 8613, 7.4: one response
    assert_eq!(
        accept(&client, &mut first_binding, &response),
        Err(OscoreError::RepeatedResponse)
    );
}

#[test]
fn rfc8613_3_1_one_context_serves_both_roles() {
    let (mut a, mut b) = pair();
    for _ in 0..5 {
        let (message, mut binding) = get(&mut a);
        let (_, mut served) = receive(&mut b, &message).unwrap().request();
        let (back, mut back_binding) = get(&mut b);
        let (_, mut back_served) = receive(&mut a, &back).unwrap().request();
        let response = content(&mut a, &mut back_served);
        accept(&b, &mut back_binding, &response).unwrap();
        let response = content(&mut b, &mut served);
        accept(&a, &mut binding, &response).unwrap();
    }
    // The binding of one's own request is none to respond to: its nonce is used.
    let (_, mut own) = get(&mut a);
    let response = datagram(Code::CONTENT, &[], &[]);
    assert_eq!(
        respond(&mut a, &mut own, &response),
        Err(OscoreError::ContextNotFound)
    );
    // Nor is the binding of the other's request one to verify a response with.
    let (message, mut binding) = get(&mut a);
    let (_, mut served) = receive(&mut b, &message).unwrap().request();
    let response = content(&mut b, &mut served);
    assert_eq!(
        accept(&b, &mut served, &response),
        Err(OscoreError::ContextNotFound)
    );
    accept(&a, &mut binding, &response).unwrap();
}

#[test]
fn buffers_that_are_too_small_are_refused_and_wiped() {
    let (mut client, mut server) = pair();
    let original = datagram(Code::POST, &[(3, b"host"), (11, b"temp")], b"payload");
    let original = Message::parse(&original).unwrap();
    let mut whole = [0; 100];
    let (len, _) = client
        .protect_request(&original, false, &mut whole)
        .unwrap();
    for room in 0..len {
        let mut out = vec![0xee; room];
        let result = client.protect_request(&original, false, &mut out);
        assert_eq!(result.unwrap_err(), OscoreError::BufferTooSmall, "{room}");
        assert!(out.iter().all(|b| *b == 0));
    }
    let message = Message::parse(&whole[..len]).unwrap();
    let option = OscoreOption::of(&message).unwrap();
    let before = state(&server);
    // The outer Uri-Host (1 + 4 bytes) and the ciphertext
    let enough = 5 + message.payload.len();
    for room in 0..enough {
        let mut out = vec![0xee; room];
        let result = server.unprotect_request(&option, &message, &mut Rng(1), &mut out);
        assert_eq!(result.unwrap_err(), OscoreError::BufferTooSmall, "{room}");
        assert!(out.iter().all(|b| *b == 0));
        assert_eq!(state(&server), before);
    }
    let mut out = vec![0xee; enough];
    server
        .unprotect_request(&option, &message, &mut Rng(1), &mut out)
        .unwrap();
}

#[test]
fn rfc9053_4_2_a_plaintext_too_long_for_the_aead_is_refused() {
    let (mut client, _) = pair();
    let mut bytes = vec![0x40, 0x02, 0, 0, 0xff];
    bytes.resize(70_000, 1);
    let message = Message::parse(&bytes).unwrap();
    let mut out = vec![0; 80_000];
    let result = client.protect_request(&message, false, &mut out);
    assert_eq!(result.unwrap_err(), OscoreError::TooLong);
    assert!(out.iter().all(|b| *b == 0));
}
