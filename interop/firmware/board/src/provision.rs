//! What the board was given when it was registered: fields of a tag byte, a length byte and a value, in the file
//! `provision`.

use core::net::SocketAddrV4;

use crate::{
    place::Taken,
    semihosting::{File, Mode},
};

/// Bytes of all fields together.
pub const MAX_PROVISION: usize = 768;

static FIELDS: Taken<[u8; MAX_PROVISION]> = Taken::new([0; MAX_PROVISION]);

/// The fields.
#[derive(Debug, Clone, Copy)]
pub struct Provision(&'static [u8]);

impl Provision {
    /// Reads the file.
    pub(crate) fn read() -> Option<Self> {
        let bytes = FIELDS.take();
        let length = File::open(c"provision", Mode::Read)?.read(bytes);
        bytes.get(..length).map(Self)
    }

    /// All fields with this tag, in their order.
    pub fn all(self, tag: u8) -> impl Iterator<Item = &'static [u8]> {
        let mut rest = self.0;
        core::iter::from_fn(move || {
            loop {
                let [found, length, after @ ..] = rest else { return None };
                let (value, after) = after.split_at_checked(usize::from(*length))?;
                rest = after;
                if *found == tag {
                    return Some(value);
                }
            }
        })
    }

    /// The first field with this tag; empty if there is none.
    pub fn bytes(self, tag: u8) -> &'static [u8] {
        self.all(tag).next().unwrap_or(&[])
    }

    /// Text; empty if there is none.
    pub fn text(self, tag: u8) -> &'static str {
        core::str::from_utf8(self.bytes(tag)).unwrap_or("")
    }

    /// A number in two's complement, up to eight bytes, the highest first.
    pub fn number(self, tag: u8) -> Option<i64> {
        let (first, rest) = self.bytes(tag).split_first()?;
        Some(rest.iter().fold(i64::from(*first as i8), |number, byte| number << 8 | i64::from(*byte)))
    }

    /// An IPv4 address and a port.
    pub fn address(self, tag: u8) -> Option<SocketAddrV4> {
        let [a, b, c, d, high, low] = self.bytes(tag).try_into().ok()?;
        Some(SocketAddrV4::new([a, b, c, d].into(), u16::from_be_bytes([high, low])))
    }
}
