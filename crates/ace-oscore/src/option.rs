//! The value of the OSCORE option: the compressed headers of a COSE object (RFC 8613, 6.1).

use ace_wire::coap::{Message, option};

use crate::{MAX_SEQUENCE, OscoreError};

/// A Partial IV: a sequence number of at most five bytes (RFC 8613, 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PartialIv(u64);

impl PartialIv {
    /// `None` above [`MAX_SEQUENCE`].
    #[must_use]
    pub const fn new(number: u64) -> Option<Self> {
        if number > MAX_SEQUENCE {
            return None;
        }
        Some(Self(number))
    }

    /// Reads one to five bytes.
    ///
    /// # Errors
    /// [`OscoreError::Malformed`] for none, for more, and for a leading zero in front of other bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, OscoreError> {
        match bytes {
            [] | [0, _, ..] => Err(OscoreError::Malformed),
            _ if bytes.len() > 5 => Err(OscoreError::Malformed),
            _ => Ok(Self(bytes.iter().fold(0, |n, b| n << 8 | u64::from(*b)))),
        }
    }

    /// The sequence number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The five bytes that go into the nonce (RFC 8613, 5.2).
    pub(crate) const fn padded(self) -> [u8; 5] {
        let [_, _, _, a, b, c, d, e] = self.0.to_be_bytes();
        [a, b, c, d, e]
    }

    /// The encoded form: without leading zeros, but zero itself is one byte (RFC 8613, 5).
    pub(crate) fn with_bytes<T>(self, f: impl FnOnce(&[u8]) -> T) -> T {
        let bytes = self.0.to_be_bytes();
        let start = (self.0.leading_zeros() / 8).min(7) as usize;
        f(bytes.get(start..).unwrap_or(&[]))
    }
}

/// The OSCORE option of a message (RFC 8613, 6.1).
///
/// ```
/// use ace_oscore::OscoreOption;
///
/// let option = OscoreOption::parse(&[0x09, 0x14, 0x25])?;
/// assert_eq!(option.partial_iv.map(|piv| piv.number()), Some(0x14));
/// assert_eq!(option.kid, Some(&[0x25][..]));
/// assert_eq!(option.kid_context, None);
/// # Ok::<(), ace_oscore::OscoreError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OscoreOption<'a> {
    /// Partial IV; in every request, and in responses with a nonce of their own.
    pub partial_iv: Option<PartialIv>,
    /// ID Context of the sender, at most 255 bytes.
    pub kid_context: Option<&'a [u8]>,
    /// Sender ID of the sender; in every request.
    pub kid: Option<&'a [u8]>,
}

const KID_CONTEXT: u8 = 0x10;
const KID: u8 = 0x08;
const RESERVED: u8 = 0xe0;

impl<'a> OscoreOption<'a> {
    /// Finds and reads the option of a message.
    ///
    /// # Errors
    /// [`OscoreError::NotOscore`] without the option; [`OscoreError::Malformed`] if it is repeated or broken, or the
    /// message has no payload (RFC 8613, 2).
    pub fn of(message: &Message<'a>) -> Result<Self, OscoreError> {
        let mut values = message
            .options
            .iter()
            .filter(|o| o.number == option::OSCORE);
        let value = values.next().ok_or(OscoreError::NotOscore)?.value;
        // RFC 8613, 2: not repeatable, and never without payload.
        if values.next().is_some() || message.payload.is_empty() {
            return Err(OscoreError::Malformed);
        }
        Self::parse(value)
    }

    /// Reads an option value.
    ///
    /// # Errors
    /// [`OscoreError::Malformed`] for reserved bits, a reserved or padded Partial IV, missing or surplus bytes.
    pub fn parse(value: &'a [u8]) -> Result<Self, OscoreError> {
        let Some((&flags, rest)) = value.split_first() else {
            return Ok(Self::default());
        };
        // RFC 8613, 6.1: reserved bits. RFC 8613, 2: no flag set means no value at all.
        if flags & RESERVED != 0 || flags == 0 {
            return Err(OscoreError::Malformed);
        }
        let (partial_iv, rest) = match usize::from(flags & 7) {
            0 => (None, rest),
            n => {
                let (bytes, rest) = rest.split_at_checked(n).ok_or(OscoreError::Malformed)?;
                (Some(PartialIv::parse(bytes)?), rest)
            }
        };
        let (kid_context, rest) = if flags & KID_CONTEXT == 0 {
            (None, rest)
        } else {
            let (&len, rest) = rest.split_first().ok_or(OscoreError::Malformed)?;
            let (context, rest) = rest
                .split_at_checked(usize::from(len))
                .ok_or(OscoreError::Malformed)?;
            (Some(context), rest)
        };
        let kid = (flags & KID != 0).then_some(rest);
        if kid.is_none() && !rest.is_empty() {
            return Err(OscoreError::Malformed);
        }
        Ok(Self {
            partial_iv,
            kid_context,
            kid,
        })
    }

    /// Writes the option value and returns its length.
    ///
    /// # Errors
    /// [`OscoreError::BufferTooSmall`], also for a `kid context` above 255 bytes.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, OscoreError> {
        let mut out = Cursor { out, at: 0 };
        let piv_len = self
            .partial_iv
            .map_or(0, |piv| piv.with_bytes(|bytes| bytes.len() as u8));
        let flags = piv_len
            | if self.kid_context.is_some() {
                KID_CONTEXT
            } else {
                0
            }
            | if self.kid.is_some() { KID } else { 0 };
        if flags == 0 {
            return Ok(0);
        }
        out.push(&[flags])?;
        if let Some(piv) = self.partial_iv {
            piv.with_bytes(|bytes| out.push(bytes))?;
        }
        if let Some(context) = self.kid_context {
            let len = u8::try_from(context.len()).map_err(|_| OscoreError::BufferTooSmall)?;
            out.push(&[len])?;
            out.push(context)?;
        }
        out.push(self.kid.unwrap_or(&[]))?;
        Ok(out.at)
    }
}

struct Cursor<'b> {
    out: &'b mut [u8],
    at: usize,
}

impl Cursor<'_> {
    fn push(&mut self, bytes: &[u8]) -> Result<(), OscoreError> {
        let end = self.at.saturating_add(bytes.len());
        self.out
            .get_mut(self.at..end)
            .ok_or(OscoreError::BufferTooSmall)?
            .copy_from_slice(bytes);
        self.at = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(option: &OscoreOption<'_>) -> std::vec::Vec<u8> {
        let mut out = [0; 300];
        let len = option.encode(&mut out).unwrap();
        out[..len].to_vec()
    }

    #[test]
    fn rfc8613_6_3_examples() {
        let option = |number, kid_context, kid| OscoreOption {
            partial_iv: PartialIv::new(number),
            kid_context,
            kid,
        };
        let absent = u64::MAX;
        for (value, option) in [
            ("090525", option(5, None, Some(&[0x25][..]))),
            ("0900", option(0, None, Some(&[]))),
            ("19050544616c656b", option(5, Some(b"Dalek"), Some(&[]))),
            ("", option(absent, None, None)),
            ("0107", option(7, None, None)),
        ] {
            assert_eq!(hex::encode(encoded(&option)), value);
            assert_eq!(
                OscoreOption::parse(&hex::decode(value).unwrap()),
                Ok(option)
            );
        }
    }

    #[test]
    fn rfc8613_6_1_reserved_bits_and_lengths_are_refused() {
        for bad in [
            "00",
            "20",
            "2901",
            "4901",
            "8901", // reserved bits, all-zero flags
            "06010203040506",
            "0e010203040506",
            "07010203040506ff", // n = 6, 7
            "09",
            "0a01",
            "0d01020304", // Partial IV cut short
            "18",
            "1801",
            "190502ff", // kid context cut short
            "0105ff",
            "10016101", // bytes left over without kid
            "0a0005",
            "0b000000",
            "0d0000000001", // leading zeros
        ] {
            assert_eq!(
                OscoreOption::parse(&hex::decode(bad).unwrap()),
                Err(OscoreError::Malformed),
                "{bad}"
            );
        }
    }

    #[test]
    fn rfc8613_6_1_every_truncation_is_refused_or_another_value() {
        let whole = hex::decode("1a010205ffeeddccbb0708").unwrap();
        let option = OscoreOption::parse(&whole).unwrap();
        for end in 1..whole.len() {
            match OscoreOption::parse(&whole[..end]) {
                // kid is whatever is left, so the last bytes can be cut.
                Ok(cut) => {
                    assert!(end >= 9, "{end}");
                    assert_ne!(cut.kid, option.kid);
                }
                Err(error) => assert_eq!(error, OscoreError::Malformed),
            }
        }
    }

    #[test]
    fn rfc8613_5_partial_iv_is_minimal() {
        for (number, bytes) in [
            (0, "00"),
            (1, "01"),
            (255, "ff"),
            (256, "0100"),
            (MAX_SEQUENCE, "ffffffffff"),
        ] {
            let piv = PartialIv::new(number).unwrap();
            assert_eq!(piv.with_bytes(|bytes| hex::encode(bytes)), bytes);
            assert_eq!(PartialIv::parse(&hex::decode(bytes).unwrap()), Ok(piv));
        }
        assert_eq!(PartialIv::new(MAX_SEQUENCE + 1), None);
        assert_eq!(PartialIv::parse(&[1; 6]), Err(OscoreError::Malformed));
        assert_eq!(PartialIv::parse(&[]), Err(OscoreError::Malformed));
    }

    proptest::proptest! {
        #[test]
        fn what_parses_encodes_to_the_same_bytes(value in proptest::collection::vec(0u8.., 0..40)) {
            if let Ok(option) = OscoreOption::parse(&value) {
                proptest::prop_assert_eq!(encoded(&option), value);
            }
        }
    }
}
