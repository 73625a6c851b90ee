//! Which options OSCORE encrypts and which it leaves to proxies (RFC 8613, 4.1).

use ace_wire::coap::option;

/// How OSCORE protects an option. No option is of Class I (RFC 8613, 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Encrypted and integrity protected: only inside of the ciphertext. An outer one is discarded.
    E,
    /// Unprotected: only outside, for proxies.
    U,
    /// May stand inside, outside or both, the two independent of each other. This crate writes it inside
    /// (Observe also outside) and discards an outer one.
    EU,
}

/// The class of an option number: every one of the IANA registry "CoAP Option Numbers" that OSCORE treats apart.
///
/// RFC 8613, 4.1: whatever is not named anywhere is of Class E. Those are here If-Match, ETag, If-None-Match,
/// Location-Path, Uri-Path, Content-Format, Uri-Query, Accept and Location-Query, the vendors' numbers of the registry
/// (2049, 2053, 2055, …) and all numbers to come.
#[must_use]
pub const fn class(number: u16) -> Class {
    match number {
        // RFC 8613, 4.1.3.2, 4.1.3.3, 4.1.3.7
        option::URI_HOST
        | option::URI_PORT
        | option::OSCORE
        | option::PROXY_URI
        | option::PROXY_SCHEME => Class::U,
        // RFC 8768 names no class; proxies insert and decrement it, so only U serves (as libcoap has it).
        option::HOP_LIMIT => Class::U,
        // RFC 9668, 3.1
        option::EDHOC => Class::U,
        // RFC 8613, 4.1.3.1, 4.1.3.4, 4.1.3.5, 4.1.3.6
        option::MAX_AGE
        | option::BLOCK1
        | option::BLOCK2
        | option::SIZE1
        | option::SIZE2
        | option::OBSERVE
        | option::NO_RESPONSE => Class::EU,
        // RFC 9175, 2.2.1 and 3.2.1
        option::ECHO | option::REQUEST_TAG => Class::EU,
        // RFC 9177, 4.1
        option::Q_BLOCK1 | option::Q_BLOCK2 => Class::EU,
        _ => Class::E,
    }
}

/// Whether protecting a message writes the option inside.
pub(crate) const fn is_inner(number: u16) -> bool {
    !matches!(class(number), Class::U)
}

/// Whether protecting a message writes the option outside.
pub(crate) const fn is_outer(number: u16) -> bool {
    // RFC 8613, 4.1.3.5: Observe stands in both places.
    matches!(class(number), Class::U) || number == option::OBSERVE
}

/// Whether an outer option of a received message lives on in the decrypted one (RFC 8613, 8.2 and 8.4, step 1).
pub(crate) const fn survives(number: u16) -> bool {
    matches!(class(number), Class::U) && number != option::OSCORE
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Figure 5 of RFC 8613, Figure 1 and 3 of RFC 9175, Table 2 of RFC 9177, 3.1 of RFC 9668.
    #[test]
    fn rfc8613_4_1_every_registered_option_has_its_class() {
        let e = [1, 4, 5, 8, 11, 12, 15, 17, 20];
        let u = [3, 7, 9, 16, 21, 35, 39];
        let both = [6, 14, 19, 23, 27, 28, 31, 60, 252, 258, 292];
        for (numbers, expected) in [
            (&e[..], Class::E),
            (&u[..], Class::U),
            (&both[..], Class::EU),
        ] {
            for &number in numbers {
                assert_eq!(class(number), expected, "{number}");
            }
        }
        let named = (0..=u16::MAX).filter(|n| option::name(*n).is_some());
        for number in named {
            assert!(
                e.contains(&number) || u.contains(&number) || both.contains(&number),
                "{number} is named, and not in this test"
            );
        }
    }

    #[test]
    fn rfc8613_4_1_unknown_options_are_class_e() {
        for number in [0, 2, 128, 2049, 2053, 2055, 65000, 65535] {
            assert_eq!(class(number), Class::E, "{number}");
        }
    }
}
