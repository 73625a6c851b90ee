//! What anybody on the way sees of DTLS: kinds of records, their numbers, the names of handshake messages in the clear.

/// Whether a datagram is DTLS and not CoAP, whose first byte is 64 or more (RFC 7252, 3).
pub fn is_dtls(datagram: &[u8]) -> bool {
    matches!(datagram.first(), Some(20..=25))
}

/// `DTLS ClientHello` or `DTLS data 1/3: 47 ciphertext`; `None` if it is no DTLS.
pub fn records_words(datagram: &[u8]) -> Option<String> {
    if !is_dtls(datagram) {
        return None;
    }
    let (mut rest, mut words) = (datagram, Vec::new());
    while !rest.is_empty() {
        let Some((record, tail)) = split(rest) else {
            words.push("a broken record".into());
            break;
        };
        words.extend(record_words(&record));
        rest = tail;
    }
    words.dedup();
    Some(format!("DTLS {}", words.join(", ")))
}

struct Record<'d> {
    kind: u8,
    epoch: u16,
    number: u64,
    body: &'d [u8],
}

/// One record (RFC 6347, 4.1); of those with a Connection ID, whose length nobody else knows, all that is left.
fn split(datagram: &[u8]) -> Option<(Record<'_>, &[u8])> {
    let (&kind, rest) = datagram.split_first()?;
    let (_version, rest) = rest.split_first_chunk::<2>()?;
    let (epoch, rest) = rest.split_first_chunk()?;
    let (number, rest) = rest.split_first_chunk::<6>()?;
    let [a, b, c, d, e, f] = *number;
    let (body, rest) = if kind == 25 {
        (rest, &[][..])
    } else {
        let (length, rest) = rest.split_first_chunk()?;
        rest.split_at_checked(u16::from_be_bytes(*length).into())?
    };
    let record = Record {
        kind,
        epoch: u16::from_be_bytes(*epoch),
        number: u64::from_be_bytes([0, 0, a, b, c, d, e, f]),
        body,
    };
    Some((record, rest))
}

fn record_words(record: &Record<'_>) -> Option<String> {
    let protected = record.epoch > 0;
    let (number, length) = (
        format!("{}/{}", record.epoch, record.number),
        record.body.len(),
    );
    Some(match (record.kind, protected) {
        (22, false) => message_name(record.body)?.into(),
        (20, _) => "ChangeCipherSpec".into(),
        (22, true) => "Finished".into(),
        (21, false) => match record.body {
            [_, description] => {
                let alert = ace_dtls::Alert(*description);
                format!("alert {alert}")
            }
            _ => "a broken alert".into(),
        },
        (21, true) => format!("alert {number}, encrypted"),
        (25, _) => format!("record {number} with Connection ID: {length} bytes"),
        _ => format!("data {number}: {length} ciphertext"),
    })
}

/// The name of a handshake message (RFC 5246, 7.4; RFC 6347, 4.3.2); of its later fragments none.
fn message_name(body: &[u8]) -> Option<&'static str> {
    let fragment_begins = body.get(6..9)? == [0; 3];
    if !fragment_begins {
        return None;
    }
    Some(match body.first()? {
        0 => "HelloRequest",
        1 => "ClientHello",
        2 => "ServerHello",
        3 => "HelloVerifyRequest",
        11 => "Certificate",
        12 => "ServerKeyExchange",
        13 => "CertificateRequest",
        14 => "ServerHelloDone",
        15 => "CertificateVerify",
        16 => "ClientKeyExchange",
        20 => "Finished",
        _ => "an unknown handshake message",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, epoch: u8, body: &[u8]) -> Vec<u8> {
        let length = u8::try_from(body.len()).expect("short");
        [
            &[kind, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, 7, 0, length],
            body,
        ]
        .concat()
    }

    #[test]
    fn records_are_named_and_nothing_breaks() {
        let hello = record(22, 0, &[1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 9]);
        let flight = [
            record(22, 0, &[16, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0]),
            record(20, 0, &[1]),
            record(22, 1, &[0; 24]),
        ]
        .concat();
        for (datagram, expected) in [
            (hello.clone(), "DTLS ClientHello"),
            (
                flight.clone(),
                "DTLS ClientKeyExchange, ChangeCipherSpec, Finished",
            ),
            (record(23, 1, &[0; 30]), "DTLS data 1/7: 30 ciphertext"),
            (record(21, 0, &[2, 115]), "DTLS alert unknown_psk_identity"),
            (record(21, 1, &[0; 10]), "DTLS alert 1/7, encrypted"),
            (vec![22, 0xfe], "DTLS a broken record"),
        ] {
            assert_eq!(records_words(&datagram).as_deref(), Some(expected));
        }
        assert_eq!(records_words(&[0x40, 1, 0, 0]), None);
        assert_eq!(records_words(&[]), None);
        for whole in [hello, flight] {
            for end in 1..whole.len() {
                assert!(records_words(&whole[..end]).is_some(), "{end}");
            }
        }
    }
}
