//! Observations (RFC 8613, 4.1.3.5, 7.4.1, 8.3.1, 8.4.2).

use super::*;
use ace_wire::coap::option;

fn register(client: &mut SecurityContext, observe: &[u8]) -> (Vec<u8>, RequestBinding) {
    let original = datagram(Code::GET, &[(option::OBSERVE, observe), (11, b"temp")], &[]);
    protect(client, &original).unwrap()
}

fn notify(server: &mut SecurityContext, binding: &mut RequestBinding, value: u8) -> Vec<u8> {
    let original = datagram(Code::CONTENT, &[(option::OBSERVE, &[value])], &[value]);
    respond(server, binding, &original).unwrap()
}

/// Client, its binding, server, its binding.
fn observed() -> (
    SecurityContext,
    RequestBinding,
    SecurityContext,
    RequestBinding,
) {
    let (mut client, mut server) = pair();
    let (message, binding) = register(&mut client, &[]);
    let (plain, served) = receive(&mut server, &message).unwrap().request();
    assert_eq!(plain.options[0], (option::OBSERVE, vec![]));
    assert!(binding.is_registration() && served.is_registration());
    (client, binding, server, served)
}

#[test]
fn rfc8613_4_1_3_5_1_observe_stands_inside_and_outside() {
    let (mut client, mut server) = pair();
    for (value, registration) in [(&[][..], true), (&[1], false)] {
        let (message, binding) = register(&mut client, value);
        let parsed = Message::parse(&message).unwrap();
        assert_eq!(parsed.options.find(option::OBSERVE), Some(value));
        assert_eq!(binding.is_registration(), registration);
        let (plain, served) = receive(&mut server, &message).unwrap().request();
        assert_eq!(plain.options[0], (option::OBSERVE, value.to_vec()));
        assert_eq!(served.is_registration(), registration);
    }
}

#[test]
fn rfc8613_8_3_1_only_the_first_notification_goes_without_partial_iv() {
    let (client, mut binding, mut server, mut served) = observed();
    for value in 0..5u8 {
        // A copy of the binding does not get the request's nonce again.
        let mut copy = served;
        let from = if value % 2 == 0 {
            &mut served
        } else {
            &mut copy
        };
        let message = notify(&mut server, from, value);
        let expected = value.checked_sub(1).map(u64::from);
        assert_eq!(partial_iv(&message), expected);

        let parsed = Message::parse(&message).unwrap();
        assert_eq!(parsed.code, Code::CONTENT);
        assert_eq!(parsed.options.find(option::OBSERVE), Some(&[value][..]));
        let plain = accept(&client, &mut binding, &message).unwrap();
        // RFC 8613, 4.1.3.5.2: empty inside
        assert_eq!(plain.options, [(option::OBSERVE, vec![])]);
        assert_eq!(plain.payload, [value]);
        assert_eq!(binding.notification_number(), expected);
        assert!(!binding.is_closed());
    }
}

#[test]
fn rfc8613_7_4_1_replayed_and_older_notifications_are_refused() {
    let (client, mut binding, mut server, mut served) = observed();
    let messages: Vec<_> = (0..6)
        .map(|n| notify(&mut server, &mut served, n))
        .collect();
    accept(&client, &mut binding, &messages[0]).unwrap();
    assert_eq!(
        accept(&client, &mut binding, &messages[0]),
        Err(OscoreError::RepeatedResponse)
    );
    accept(&client, &mut binding, &messages[3]).unwrap();
    assert_eq!(binding.notification_number(), Some(2));
    for old in [1, 2, 3] {
        assert_eq!(
            accept(&client, &mut binding, &messages[old]),
            Err(OscoreError::StaleNotification)
        );
    }
    accept(&client, &mut binding, &messages[5]).unwrap();
    assert_eq!(binding.notification_number(), Some(4));
}

#[test]
fn rfc8613_7_4_1_notification_without_partial_iv_is_the_oldest() {
    let (client, mut binding, mut server, mut served) = observed();
    let first = notify(&mut server, &mut served, 0);
    let second = notify(&mut server, &mut served, 1);
    accept(&client, &mut binding, &second).unwrap();
    assert_eq!(
        accept(&client, &mut binding, &first),
        Err(OscoreError::StaleNotification)
    );
}

#[test]
fn rfc8613_8_4_2_a_forged_notification_does_not_end_the_observation() {
    let (client, mut binding, mut server, mut served) = observed();
    let first = notify(&mut server, &mut served, 0);
    let mut forged = first.clone();
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(
        accept(&client, &mut binding, &forged),
        Err(OscoreError::Decryption)
    );
    let mut second = notify(&mut server, &mut served, 1);
    accept(&client, &mut binding, &first).unwrap();
    *second.last_mut().unwrap() ^= 1;
    assert_eq!(
        accept(&client, &mut binding, &second),
        Err(OscoreError::Decryption)
    );
    assert_eq!(binding.notification_number(), None);
    *second.last_mut().unwrap() ^= 1;
    accept(&client, &mut binding, &second).unwrap();
}

#[test]
fn rfc8613_4_1_3_5_response_without_observe_ends_the_observation() {
    let (client, mut binding, mut server, mut served) = observed();
    let first = notify(&mut server, &mut served, 0);
    accept(&client, &mut binding, &first).unwrap();
    let gone = datagram(Code::NOT_FOUND, &[], &[]);
    let gone = respond(&mut server, &mut served, &gone).unwrap();
    // A Partial IV in every response to a registration but the first
    assert_eq!(partial_iv(&gone), Some(0));
    assert_eq!(Message::parse(&gone).unwrap().code, Code::CHANGED);
    let late = notify(&mut server, &mut served, 1);
    accept(&client, &mut binding, &gone).unwrap();
    assert!(binding.is_closed());
    assert_eq!(
        accept(&client, &mut binding, &late),
        Err(OscoreError::RepeatedResponse)
    );
}

#[test]
fn rfc8613_4_1_3_5_2_observe_in_a_response_to_a_plain_request_is_refused() {
    let (mut client, mut server) = pair();
    for observe in [None, Some(&[1][..])] {
        let (message, mut binding) = match observe {
            None => get(&mut client),
            Some(value) => register(&mut client, value),
        };
        let (_, mut served) = receive(&mut server, &message).unwrap().request();
        let original = datagram(Code::CONTENT, &[(option::OBSERVE, &[1])], &[]);
        assert_eq!(
            respond(&mut server, &mut served, &original),
            Err(OscoreError::UnexpectedObserve)
        );
        // A server that does it all the same
        served.kind = crate::binding::Kind::Registration;
        let message = respond(&mut server, &mut served, &original).unwrap();
        assert_eq!(
            accept(&client, &mut binding, &message),
            Err(OscoreError::UnexpectedObserve)
        );
        assert!(!binding.is_closed());
    }
}

#[test]
fn rfc8613_4_1_3_5_1_each_registration_has_its_own_partial_iv() {
    let (mut client, _) = pair();
    let (first, _) = register(&mut client, &[]);
    let (second, _) = register(&mut client, &[]);
    assert_eq!(
        (partial_iv(&first), partial_iv(&second)),
        (Some(0), Some(1))
    );
    assert_ne!(first, second);
}
