use std::{vec, vec::Vec};

use super::*;

fn sample() -> ([u8; 128], usize) {
    let mut buffer = [0; 128];
    let mut options = OptionList::<8>::new();
    options.push(option::REQUEST_TAG, &[9]).unwrap();
    options
        .push(option::URI_PATH, b"authz-info-long-segment")
        .unwrap();
    options.push(option::URI_PATH, b"b").unwrap();
    options
        .push(option::CONTENT_FORMAT, content_format::ACE_CBOR)
        .unwrap();
    options.push(option::ECHO, &[1; 12]).unwrap();
    let token = Token::new(&[1, 2, 3]).unwrap();
    let mut writer =
        Writer::new(&mut buffer, Type::NonConfirmable, Code::POST, 0x1234, token).unwrap();
    writer.options(&options).unwrap();
    writer.payload(b"payload").unwrap();
    let length = writer.finish();
    (buffer, length)
}

#[test]
fn rfc7252_3_round_trip() {
    let (buffer, length) = sample();
    let message = Message::parse(&buffer[..length]).unwrap();
    assert_eq!(message.kind, Type::NonConfirmable);
    assert_eq!((message.code, message.id), (Code::POST, 0x1234));
    assert_eq!(message.token.as_bytes(), [1, 2, 3]);
    let numbers: Vec<u16> = message.options.iter().map(|o| o.number).collect();
    assert_eq!(numbers, [11, 11, 12, 252, 292]);
    assert_eq!(message.options.uint(option::CONTENT_FORMAT), Ok(Some(19)));
    assert!(message.options.path_is("/authz-info-long-segment/b"));
    assert!(!message.options.path_is("/authz-info-long-segment"));
    assert!(!message.options.path_is("/authz-info-long-segment/b/c"));
    assert_eq!(message.payload, b"payload");
}

#[test]
fn rfc7252_3_every_truncation_is_refused_or_is_another_whole_message() {
    let (buffer, length) = sample();
    let whole = Message::parse(&buffer[..length]).unwrap();
    for cut in 0..length {
        match Message::parse(&buffer[..cut]) {
            Err(_) => {}
            // A cut between options, or inside the payload, cannot be seen in a datagram.
            Ok(m) => assert!(
                m.options != whole.options || m.payload.len() < whole.payload.len(),
                "{cut}"
            ),
        }
    }
}

#[test]
fn rfc7252_3_and_4_1_format_errors() {
    for (bytes, error) in [
        (&[0x40, 1, 0][..], CoapError::Truncated),
        (&[0x80, 1, 0, 0], CoapError::Version),
        (
            &[0x49, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            CoapError::TokenLength,
        ),
        (&[0x42, 1, 0, 0, 0], CoapError::Truncated),
        (&[0x40, 0, 0, 0, 0xff], CoapError::EmptyNotEmpty),
        (&[0x41, 0, 0, 0, 1], CoapError::EmptyNotEmpty),
        (&[0x40, 0x21, 0, 0], CoapError::CodeClass),
        (&[0x40, 0xe1, 0, 0], CoapError::CodeClass),
        (&[0x40, 1, 0, 0, 0xff], CoapError::EmptyPayload),
        (&[0x40, 1, 0, 0, 0xf0], CoapError::ReservedNibble),
        (&[0x40, 1, 0, 0, 0x0f], CoapError::ReservedNibble),
        (&[0x40, 1, 0, 0, 0xd0], CoapError::Truncated),
        (&[0x40, 1, 0, 0, 0xe0, 0xff, 0xff], CoapError::OptionNumber),
        (
            &[0x40, 1, 0, 0, 0xe0, 0xfe, 0xf2, 0xd0, 0x00],
            CoapError::OptionNumber,
        ),
        (&[0x40, 1, 0, 0, 0x02, 1], CoapError::Truncated),
    ] {
        assert_eq!(Message::parse(bytes).err(), Some(error), "{bytes:02x?}");
    }
}

#[test]
fn rfc7252_3_1_extended_lengths() {
    for len in [0, 12, 13, 268, 269, 1000] {
        let value = vec![7; len];
        let mut buffer = vec![0; 1100];
        let mut writer =
            Writer::new(&mut buffer, Type::Confirmable, Code::GET, 0, Token::EMPTY).unwrap();
        writer.option(2000, &value).unwrap();
        assert_eq!(writer.option(1999, &[]), Err(CoapError::OptionOrder));
        let end = writer.finish();
        let message = Message::parse(&buffer[..end]).unwrap();
        assert_eq!(message.options.find(2000), Some(&value[..]));
    }
}

#[test]
fn rfc7252_3_2_integers_are_shortest() {
    for (value, len) in [
        (0u32, 0),
        (1, 1),
        (255, 1),
        (256, 2),
        (65_536, 3),
        (u32::MAX, 4),
    ] {
        assert_eq!(
            OptionValue::Uint(value).bytes(&mut [0; 4]).len(),
            len,
            "{value}"
        );
    }
}

#[test]
fn rfc7252_5_4_critical_options() {
    let check = |number, value: &'static [u8], twice: bool| {
        let mut buffer = [0; 64];
        let mut writer =
            Writer::new(&mut buffer, Type::Confirmable, Code::GET, 0, Token::EMPTY).unwrap();
        writer.option(number, value).unwrap();
        if twice {
            writer.option(number, value).unwrap();
        }
        let end = writer.finish();
        let known = [
            option::URI_PATH,
            option::URI_HOST,
            option::ACCEPT,
            option::CONTENT_FORMAT,
        ];
        Message::parse(&buffer[..end])
            .unwrap()
            .options
            .unrecognized_critical(&known)
    };
    assert_eq!(check(option::URI_PATH, b"x", true), None);
    assert_eq!(check(option::ACCEPT, &[60], true), Some(option::ACCEPT));
    assert_eq!(
        check(option::ACCEPT, &[0, 0, 60], false),
        Some(option::ACCEPT)
    );
    assert_eq!(check(option::URI_HOST, b"", false), Some(option::URI_HOST));
    assert_eq!(check(65001, b"", false), Some(65001));
    assert_eq!(check(65000, b"", false), None);
    assert_eq!(check(option::CONTENT_FORMAT, &[0; 3], true), None);
}

#[test]
fn buffers_too_small_are_refused_at_every_length() {
    let (_, length) = sample();
    for size in 0..length {
        let mut buffer = vec![0; size];
        let result = Writer::new(
            &mut buffer,
            Type::NonConfirmable,
            Code::POST,
            1,
            Token::new(&[1, 2, 3]).unwrap(),
        )
        .and_then(|mut writer| {
            writer.option(option::URI_PATH, b"authz-info-long-segment")?;
            writer.option(option::URI_PATH, b"b")?;
            writer.option(option::CONTENT_FORMAT, &[19])?;
            writer.option(option::ECHO, &[1; 12])?;
            writer.option(option::REQUEST_TAG, &[9])?;
            writer.payload(b"payload")
        });
        assert_eq!(result, Err(CoapError::BufferTooSmall), "{size}");
    }
}

#[test]
fn lists_are_bounded_and_stable() {
    let mut list = OptionList::<3>::new();
    list.push(11, "b").unwrap();
    list.push(3, "h").unwrap();
    list.push(11, "a").unwrap();
    assert_eq!(list.push(1, "x"), Err(CoapError::TooManyOptions));
    let order: Vec<_> = list.iter().collect();
    assert_eq!(
        order,
        [
            (3, OptionValue::Bytes(b"h")),
            (11, OptionValue::Bytes(b"b")),
            (11, OptionValue::Bytes(b"a"))
        ]
    );
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(0u8.., 0..200)) {
        if let Ok(message) = Message::parse(&bytes) {
            // What parses is written back to the same message.
            let mut buffer = vec![0; bytes.len() + 64];
            let mut writer = Writer::new(&mut buffer, message.kind, message.code, message.id, message.token).unwrap();
            for o in message.options {
                writer.option(o.number, o.value).unwrap();
            }
            writer.payload(message.payload).unwrap();
            let end = writer.finish();
            let again = Message::parse(&buffer[..end]).unwrap();
            proptest::prop_assert!(again.options.iter().eq(message.options.iter()));
            proptest::prop_assert_eq!(again.payload, message.payload);
        }
        let _ = Options::parse_with_payload(&bytes);
    }

    #[test]
    fn coap_lite_reads_what_we_write(path in "[a-z]{1,20}", payload in proptest::collection::vec(0u8.., 1..100)) {
        let mut buffer = [0; 256];
        let mut writer = Writer::new(&mut buffer, Type::Confirmable, Code::PUT, 9, Token::new(&[4]).unwrap()).unwrap();
        writer.option(option::URI_PATH, path.as_bytes()).unwrap();
        writer.payload(&payload).unwrap();
        let end = writer.finish();
        let packet = coap_lite::Packet::from_bytes(&buffer[..end]).unwrap();
        proptest::prop_assert_eq!(&packet.payload, &payload);
        proptest::prop_assert_eq!(packet.get_first_option(coap_lite::CoapOption::UriPath).unwrap(), path.as_bytes());
    }
}
