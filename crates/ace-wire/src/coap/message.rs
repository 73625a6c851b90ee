use core::fmt;

use super::{Block, CoapError, Code, option};

/// Message type (RFC 7252, 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// CON, 0.
    Confirmable,
    /// NON, 1.
    NonConfirmable,
    /// ACK, 2.
    Acknowledgement,
    /// RST, 3.
    Reset,
}

impl Type {
    pub(super) const fn bits(self) -> u8 {
        match self {
            Self::Confirmable => 0,
            Self::NonConfirmable => 1,
            Self::Acknowledgement => 2,
            Self::Reset => 3,
        }
    }

    const fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::Confirmable,
            1 => Self::NonConfirmable,
            2 => Self::Acknowledgement,
            _ => Self::Reset,
        }
    }
}

/// A token of 0 to 8 bytes (RFC 7252, 5.3.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Token {
    bytes: [u8; 8],
    len: u8,
}

impl Token {
    /// The empty token.
    pub const EMPTY: Self = Self {
        bytes: [0; 8],
        len: 0,
    };

    /// # Errors
    /// [`CoapError::TokenLength`] above 8 bytes.
    pub fn new(value: &[u8]) -> Result<Self, CoapError> {
        let mut bytes = [0; 8];
        bytes
            .get_mut(..value.len())
            .ok_or(CoapError::TokenLength)?
            .copy_from_slice(value);
        Ok(Self {
            bytes,
            len: value.len() as u8,
        })
    }

    /// The token's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&[])
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        self.as_bytes()
            .iter()
            .try_for_each(|b| write!(f, "{b:02x}"))
    }
}

/// A CoAP message as it lies in a datagram (RFC 7252, 3), checked whole.
///
/// The parts may also come from elsewhere: OSCORE puts decrypted code, options and payload beside
/// the outer type, Message ID and token.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// CON, NON, ACK or RST.
    pub kind: Type,
    /// Method or response code.
    pub code: Code,
    /// Message ID.
    pub id: u16,
    /// Token.
    pub token: Token,
    /// Options in ascending order.
    pub options: Options<'a>,
    /// Payload; empty if there is none.
    pub payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads one datagram.
    ///
    /// # Errors
    /// The rule of RFC 7252, 3 or 4.1, that the bytes break. [`CoapError::Version`] asks for
    /// silence; the others for a Reset to a Confirmable message (RFC 7252, 4.2).
    pub fn parse(datagram: &'a [u8]) -> Result<Self, CoapError> {
        let (&[first, code, id_high, id_low], rest) = datagram
            .split_first_chunk::<4>()
            .ok_or(CoapError::Truncated)?;
        if first >> 6 != 1 {
            return Err(CoapError::Version);
        }
        let code = Code(code);
        let token_len = usize::from(first & 0x0f);
        if token_len > 8 {
            return Err(CoapError::TokenLength);
        }
        if code == Code::EMPTY && (token_len != 0 || !rest.is_empty()) {
            return Err(CoapError::EmptyNotEmpty);
        }
        // RFC 7252, 3: classes 1, 6 and 7 are reserved; 7.xx is for reliable transports (RFC 8323).
        if matches!(code.class(), 1 | 3 | 6 | 7) {
            return Err(CoapError::CodeClass);
        }
        let (token, rest) = rest
            .split_at_checked(token_len)
            .ok_or(CoapError::Truncated)?;
        let (options, payload) = Options::parse_with_payload(rest)?;
        Ok(Self {
            kind: Type::from_bits(first >> 4),
            code,
            id: u16::from_be_bytes([id_high, id_low]),
            token: Token::new(token)?,
            options,
            payload,
        })
    }

    /// Type and Message ID of bytes that are not a whole message, for a Reset (RFC 7252, 4.2).
    ///
    /// `None` when there are fewer than four bytes or the version is not 1.
    pub fn header(datagram: &[u8]) -> Option<(Type, u16)> {
        let (&[first, _, high, low], _) = datagram.split_first_chunk::<4>()?;
        (first >> 6 == 1).then(|| (Type::from_bits(first >> 4), u16::from_be_bytes([high, low])))
    }

    /// Reads what OSCORE protects: code, options, and payload after its marker (RFC 8613, 5.3).
    ///
    /// # Errors
    /// As [`Message::parse`] for options and payload.
    pub fn parse_plaintext(
        plaintext: &'a [u8],
        kind: Type,
        id: u16,
        token: Token,
    ) -> Result<Self, CoapError> {
        let (&code, rest) = plaintext.split_first().ok_or(CoapError::Truncated)?;
        let (options, payload) = Options::parse_with_payload(rest)?;
        Ok(Self {
            kind,
            code: Code(code),
            id,
            token,
            options,
            payload,
        })
    }
}

/// One option of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptionView<'a> {
    /// Option number.
    pub number: u16,
    /// Raw value.
    pub value: &'a [u8],
}

impl OptionView<'_> {
    /// The value as an unsigned integer of 0 to 4 bytes (RFC 7252, 3.2); leading zeros are taken.
    ///
    /// # Errors
    /// [`CoapError::OptionValue`] above four bytes.
    pub fn uint(&self) -> Result<u32, CoapError> {
        if self.value.len() > 4 {
            return Err(CoapError::OptionValue);
        }
        Ok(self.value.iter().fold(0, |v, b| v << 8 | u32::from(*b)))
    }
}

/// Encoded options, known to be well-formed.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Options<'a> {
    bytes: &'a [u8],
}

impl<'a> Options<'a> {
    /// No options.
    pub const EMPTY: Self = Self { bytes: &[] };

    /// Reads options up to the payload marker or the end, and the payload.
    ///
    /// # Errors
    /// The rule of RFC 7252, 3.1, that the bytes break.
    pub fn parse_with_payload(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), CoapError> {
        let mut rest = bytes;
        let mut number = 0;
        loop {
            match rest.split_first() {
                None => return Ok((Self { bytes }, &[])),
                Some((0xff, payload)) => {
                    // RFC 7252, 3: a marker followed by nothing is a format error.
                    if payload.is_empty() {
                        return Err(CoapError::EmptyPayload);
                    }
                    let options = bytes.get(..bytes.len() - rest.len()).unwrap_or(&[]);
                    return Ok((Self { bytes: options }, payload));
                }
                Some(_) => drop(next_option(&mut rest, &mut number)?),
            }
        }
    }

    /// The encoded form, without payload marker.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// All options in order.
    pub const fn iter(&self) -> OptionsIter<'a> {
        OptionsIter {
            rest: self.bytes,
            number: 0,
        }
    }

    /// The value of the first option with this number.
    pub fn find(&self, number: u16) -> Option<&'a [u8]> {
        self.iter().find(|o| o.number == number).map(|o| o.value)
    }

    /// Whether an option with this number is there.
    pub fn contains(&self, number: u16) -> bool {
        self.find(number).is_some()
    }

    /// The first option with this number as an unsigned integer.
    ///
    /// # Errors
    /// [`CoapError::OptionValue`] above four bytes.
    pub fn uint(&self, number: u16) -> Result<Option<u32>, CoapError> {
        self.find(number)
            .map(|value| OptionView { number, value }.uint())
            .transpose()
    }

    /// The Block1 or Block2 option, by number.
    ///
    /// # Errors
    /// [`CoapError::OptionValue`] for a value RFC 7959, 2.2, does not allow.
    pub fn block(&self, number: u16) -> Result<Option<Block>, CoapError> {
        self.find(number).map(Block::parse).transpose()
    }

    /// The first critical option that is not in `known`, is longer or shorter than its definition
    /// allows, or is repeated though not repeatable (RFC 7252, 5.4.1, 5.4.3, 5.4.5).
    pub fn unrecognized_critical(&self, known: &[u16]) -> Option<u16> {
        let mut previous = None;
        for o in self.iter() {
            let length_fits = option::length_range(o.number)
                .is_none_or(|(min, max)| (min..=max).contains(&o.value.len()));
            let surplus = previous == Some(o.number) && !option::is_repeatable(o.number);
            previous = Some(o.number);
            if option::is_critical(o.number)
                && (!known.contains(&o.number) || !length_fits || surplus)
            {
                return Some(o.number);
            }
        }
        None
    }

    /// Whether the Uri-Path options name `path`, given as `/a/b` (RFC 7252, 6.5; no percent-decoding).
    pub fn path_is(&self, path: &str) -> bool {
        let mut rest = match path {
            "/" => None,
            _ => Some(path.strip_prefix('/').unwrap_or(path).as_bytes()),
        };
        for o in self.iter() {
            if o.number != option::URI_PATH {
                continue;
            }
            match rest {
                Some(wanted) => {
                    let end = wanted.iter().position(|byte| *byte == b'/');
                    let (segment, behind) = wanted.split_at(end.unwrap_or(wanted.len()));
                    if segment != o.value {
                        return false;
                    }
                    rest = behind.split_first().map(|(_, behind)| behind);
                }
                // "/" and a single empty segment are the same resource.
                None if o.value.is_empty() && path == "/" => {}
                None => return false,
            }
        }
        rest.is_none()
    }
}

impl fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> IntoIterator for Options<'a> {
    type Item = OptionView<'a>;
    type IntoIter = OptionsIter<'a>;

    fn into_iter(self) -> OptionsIter<'a> {
        self.iter()
    }
}

/// Iterator over [`Options`].
#[derive(Debug, Clone)]
pub struct OptionsIter<'a> {
    rest: &'a [u8],
    number: u16,
}

impl<'a> Iterator for OptionsIter<'a> {
    type Item = OptionView<'a>;

    fn next(&mut self) -> Option<OptionView<'a>> {
        let value = next_option(&mut self.rest, &mut self.number).ok()?;
        Some(OptionView {
            number: self.number,
            value,
        })
    }
}

/// Takes the option at the head of `rest` and returns its value; `number` is that of the one before, and is moved on.
fn next_option<'a>(rest: &mut &'a [u8], number: &mut u16) -> Result<&'a [u8], CoapError> {
    let first = next_byte(rest)?;
    let delta = extended(first >> 4, rest)?;
    let len = extended(first & 0x0f, rest)?;
    *number = u32::from(*number)
        .checked_add(delta)
        .and_then(|n| u16::try_from(n).ok())
        .ok_or(CoapError::OptionNumber)?;
    let (value, behind) = rest
        .split_at_checked(len as usize)
        .ok_or(CoapError::Truncated)?;
    *rest = behind;
    Ok(value)
}

fn next_byte(rest: &mut &[u8]) -> Result<u8, CoapError> {
    let (&byte, behind) = rest.split_first().ok_or(CoapError::Truncated)?;
    *rest = behind;
    Ok(byte)
}

/// Resolves a delta or length nibble (RFC 7252, 3.1).
fn extended(nibble: u8, rest: &mut &[u8]) -> Result<u32, CoapError> {
    Ok(match nibble {
        13 => u32::from(next_byte(rest)?) + 13,
        14 => {
            let bytes = [next_byte(rest)?, next_byte(rest)?];
            u32::from(u16::from_be_bytes(bytes)) + 269
        }
        15 => return Err(CoapError::ReservedNibble),
        short => u32::from(short),
    })
}
