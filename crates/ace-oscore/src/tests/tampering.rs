//! Nothing forged is accepted, and nothing forged changes anything (RFC 8613, 7.4, 8.2, 8.4).

use super::*;
use ace_wire::coap::option;
use proptest::prelude::*;

/// A context pair with everything in the option, a request and its answer.
struct Exchange {
    client: SecurityContext,
    server: SecurityContext,
    request: Vec<u8>,
    binding: RequestBinding,
    response: Vec<u8>,
}

fn exchange(aead: Aead) -> Exchange {
    let (mut client, mut server) = pair_of(Parameters {
        id_context: Some(ID_CONTEXT),
        aead,
        ..CLIENT
    });
    client.resume(0x1234);
    client.reserve_up_to(SEQUENCE_LIMIT);
    let original = datagram(Code::PUT, &[(3, b"host"), (11, b"led"), (16, &[9])], b"on");
    let (request, binding) = protect(&mut client, &original).unwrap();
    // A replay window with a past
    let (older, _) = get(&mut client);
    receive(&mut server, &older).unwrap().request();
    let mut twin = pair_of(Parameters {
        id_context: Some(ID_CONTEXT),
        aead,
        ..CLIENT
    })
    .1;
    let (_, mut served) = receive(&mut twin, &request).unwrap().request();
    assert!(twin.window.claim_nonce(binding.partial_iv()));
    let response = content(&mut twin, &mut served);
    assert!(partial_iv(&response).is_some());
    Exchange {
        client,
        server,
        request,
        binding,
        response,
    }
}

/// Positions in a datagram that OSCORE protects: the value of its option, and the payload.
fn protected_bytes(datagram: &[u8]) -> Vec<usize> {
    let message = Message::parse(datagram).unwrap();
    let start = |part: &[u8]| part.as_ptr() as usize - datagram.as_ptr() as usize;
    let value = message.options.find(option::OSCORE).unwrap();
    let payload = start(message.payload);
    (start(value)..start(value) + value.len())
        .chain(payload..datagram.len())
        .collect()
}

#[test]
fn rfc8613_8_2_every_flipped_bit_of_a_request_is_refused() {
    for aead in [Aead::AesCcm16_64_128, Aead::A128Gcm, Aead::ChaCha20Poly1305] {
        let mut e = exchange(aead);
        let before = state(&e.server);
        for at in protected_bytes(&e.request) {
            for bit in 0..8 {
                let mut forged = e.request.clone();
                forged[at] ^= 1 << bit;
                let error = receive(&mut e.server, &forged).unwrap_err();
                assert!(error.outer_code().is_some(), "{at}.{bit}: {error:?}");
                assert_eq!(state(&e.server), before, "{at}.{bit}");
            }
        }
        receive(&mut e.server, &e.request).unwrap().request();
    }
}

#[test]
fn rfc8613_8_4_every_flipped_bit_of_a_response_is_refused() {
    for aead in [Aead::AesCcm16_64_128, Aead::A128Gcm, Aead::ChaCha20Poly1305] {
        let mut e = exchange(aead);
        let before = state(&e.client);
        for at in protected_bytes(&e.response) {
            for bit in 0..8 {
                let mut forged = e.response.clone();
                forged[at] ^= 1 << bit;
                accept(&e.client, &mut e.binding, &forged).unwrap_err();
                assert!(!e.binding.is_closed(), "{at}.{bit}");
            }
        }
        assert_eq!(state(&e.client), before);
        accept(&e.client, &mut e.binding, &e.response).unwrap();
    }
}

#[test]
fn every_truncation_is_refused() {
    let mut e = exchange(Aead::AesCcm16_64_128);
    let before = state(&e.server);
    for end in 0..e.request.len() {
        receive(&mut e.server, &e.request[..end]).unwrap_err();
        assert_eq!(state(&e.server), before, "{end}");
    }
    for end in 0..e.response.len() {
        accept(&e.client, &mut e.binding, &e.response[..end]).unwrap_err();
        assert!(!e.binding.is_closed(), "{end}");
    }
    let mut longer = e.request.clone();
    longer.push(0);
    assert_eq!(
        receive(&mut e.server, &longer).unwrap_err(),
        OscoreError::Decryption
    );
    receive(&mut e.server, &e.request).unwrap().request();
    accept(&e.client, &mut e.binding, &e.response).unwrap();
}

#[test]
fn rfc8613_8_4_kid_of_another_in_a_response_is_refused() {
    let mut e = exchange(Aead::AesCcm16_64_128);
    let message = Message::parse(&e.response).unwrap();
    let own = OscoreOption::of(&message).unwrap();
    for (kid, kid_context, good) in [
        (Some(&[1][..]), None, false),
        (Some(&[]), None, false),
        (None, Some(&[1][..]), false),
        (None, Some(ID_CONTEXT), true),
        (Some(&[2]), None, true),
    ] {
        let mut value = [0; 20];
        let option = OscoreOption {
            kid,
            kid_context,
            ..own
        };
        let len = option.encode(&mut value).unwrap();
        let response = datagram(Code::CHANGED, &[(9, &value[..len])], message.payload);
        let mut binding = e.binding;
        let result = accept(&e.client, &mut binding, &response);
        assert_eq!(result.is_ok(), good, "{kid:?} {kid_context:?} {result:?}");
    }
    accept(&e.client, &mut e.binding, &e.response).unwrap();
}

proptest! {
    #[test]
    fn random_datagrams_never_panic_and_change_nothing(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let mut e = exchange(Aead::AesCcm16_64_128);
        let before = state(&e.server);
        prop_assert!(receive(&mut e.server, &bytes).is_err());
        prop_assert!(accept(&e.client, &mut e.binding, &bytes).is_err());
        prop_assert_eq!(state(&e.server), before);
    }

    /// A well-formed message around random option values and ciphertext.
    #[test]
    fn random_options_and_ciphertexts_never_panic_and_change_nothing(
        value in prop::collection::vec(any::<u8>(), 0..20),
        payload in prop::collection::vec(any::<u8>(), 0..40),
        extra in 0u16..300,
        matching: bool,
    ) {
        let mut e = exchange(Aead::AesCcm16_64_128);
        let before = state(&e.server);
        let value = if matching { &[0x09, value.first().copied().unwrap_or(1), 1][..] } else { &value };
        let request = datagram(Code::POST, &[(9, value), (extra, b"v")], &payload);
        let response = datagram(Code::CHANGED, &[(9, value), (extra, b"v")], &payload);
        prop_assert!(receive(&mut e.server, &request).is_err());
        prop_assert!(accept(&e.client, &mut e.binding, &response).is_err());
        prop_assert_eq!(state(&e.server), before);
    }

    /// Whatever a message says, it comes back as it was.
    #[test]
    fn any_message_survives_the_round_trip(
        code in 1u8..32,
        options in prop::collection::vec((0u16..400, prop::collection::vec(any::<u8>(), 0..30)), 0..12),
        payload in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let options: Vec<_> = options
            .iter()
            .filter(|o| o.0 != option::OSCORE && o.0 != option::PROXY_URI)
            .map(|o| (o.0, &o.1[..]))
            .collect();
        let original = datagram(Code(code), &options, &payload);
        let (mut client, mut server) = pair();
        let (request, _) = protect(&mut client, &original).unwrap();
        let (plain, _) = receive(&mut server, &request).unwrap().request();
        prop_assert_eq!(plain, Plain::of(&Message::parse(&original).unwrap()));
    }

    /// Plaintexts of every form, under a tag that verifies.
    #[test]
    fn random_plaintexts_never_panic(plaintext in prop::collection::vec(any::<u8>(), 0..60), outer: bool) {
        let (mut client, mut server) = pair();
        let mut message = super::messages::protect_raw(&mut client, &plaintext);
        if outer {
            let parsed = Message::parse(&message).unwrap();
            let value = parsed.options.find(option::OSCORE).unwrap();
            message = datagram(Code::POST, &[(3, b"host"), (9, value), (16, &[1]), (39, b"coap")], parsed.payload);
        }
        let _ = receive(&mut server, &message);
        prop_assert_eq!(receive(&mut server, &message).unwrap_err(), OscoreError::Replay);
    }
}
