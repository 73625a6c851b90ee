use ace_crypto::sha256;
use ace_wire::coap::{Message, option};

/// Names the block-wise operation a request belongs to, with 16 bytes.
///
/// Two requests have the same key if they come from the same endpoint under the same security context, have the same
/// code, and the same options but for those that tell blocks apart (RFC 9175, 3.3). Different Request-Tags and
/// different Content-Formats therefore never meet in one body (RFC 7959, 2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OperationKey([u8; 16]);

impl OperationKey {
    /// The key of `message`, which came under `context`: the peer's address, or the security context's identifiers,
    /// and perhaps a secret that keeps outsiders from aiming at one set of slots.
    #[must_use]
    pub fn new(context: &[&[u8]], message: &Message<'_>) -> Self {
        let mut hash = sha256(&[&[message.code.0]]);
        for part in context {
            hash = sha256(&[&hash, part]);
        }
        // Parts of the context are not mistaken for options.
        hash = sha256(&[&hash, &[0; 2], b"options"]);
        for o in message.options.iter().filter(|o| is_part_of_key(o.number)) {
            hash = sha256(&[&hash, &o.number.to_be_bytes(), o.value]);
        }
        let mut key = [0; 16];
        for (to, from) in key.iter_mut().zip(hash) {
            *to = from;
        }
        Self(key)
    }

    /// The first four bytes as a number.
    pub(super) fn number(&self) -> u32 {
        self.0
            .first_chunk()
            .map_or(0, |bytes| u32::from_be_bytes(*bytes))
    }
}

/// RFC 9175, 3.3: every option but the block options and elective ones that are no part of the cache key. Observe is
/// not part of it either (RFC 7641, 2) and stands in the first request alone; so does If-None-Match (RFC 7959, 2.10).
const fn is_part_of_key(number: u16) -> bool {
    !matches!(
        number,
        option::BLOCK1 | option::BLOCK2 | option::OBSERVE | option::IF_NONE_MATCH
    ) && (option::is_critical(number) || !option::is_no_cache_key(number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Code, OutMessage, Token, Type};
    use std::vec::Vec;

    fn key(code: Code, context: &[&[u8]], options: &[(u16, &[u8])]) -> OperationKey {
        let mut out = OutMessage::new(code);
        for (number, value) in options {
            out.options.push(*number, *value).unwrap();
        }
        let mut buffer = [0; 256];
        let len = out
            .encode(&mut buffer, Type::Confirmable, 1, Token::EMPTY)
            .unwrap();
        OperationKey::new(context, &Message::parse(&buffer[..len]).unwrap())
    }

    #[test]
    fn rfc9175_3_3_options_that_tell_operations_apart() {
        let path: (u16, &[u8]) = (option::URI_PATH, b"token");
        let base = key(Code::POST, &[b"peer"], &[path]);
        let others: Vec<OperationKey> = [
            (option::REQUEST_TAG, &b""[..]),
            (option::REQUEST_TAG, b"1"),
            (option::REQUEST_TAG, b"2"),
            (option::CONTENT_FORMAT, b"\x13"),
            (option::URI_PATH, b"x"),
            (option::URI_QUERY, b"x"),
            (option::IF_MATCH, b"x"),
            (option::OSCORE, b"x"),
        ]
        .iter()
        .map(|o| key(Code::POST, &[b"peer"], &[path, *o]))
        .collect();
        for (i, a) in others.iter().enumerate() {
            assert_ne!(*a, base);
            assert!(others[i + 1..].iter().all(|b| a != b));
        }
        for number in [
            option::BLOCK1,
            option::BLOCK2,
            option::SIZE1,
            option::SIZE2,
            option::ECHO,
            option::OBSERVE,
            option::IF_NONE_MATCH,
        ] {
            assert_eq!(
                key(Code::POST, &[b"peer"], &[path, (number, b"")]),
                base,
                "{number}"
            );
        }
    }

    #[test]
    fn rfc9175_3_3_peer_and_method_tell_operations_apart() {
        let path: (u16, &[u8]) = (option::URI_PATH, b"token");
        let base = key(Code::POST, &[b"peer"], &[path]);
        assert_ne!(key(Code::PUT, &[b"peer"], &[path]), base);
        assert_ne!(key(Code::POST, &[b"reep"], &[path]), base);
        assert_ne!(key(Code::POST, &[b"pe", b"er"], &[path]), base);
        assert_ne!(key(Code::POST, &[b"peer", b""], &[path]), base);
        assert_ne!(key(Code::POST, &[b"peer", b"\0\x0btoken"], &[]), base);
    }
}
