use super::{CoapError, OptionValue};

/// The value of a Block1 or Block2 option (RFC 7959, 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Block number, 0 to 2^20 - 1.
    pub number: u32,
    /// Whether more blocks follow.
    pub more: bool,
    /// Size exponent, 0 to 6: blocks of `16 << szx` bytes.
    pub szx: u8,
}

impl Block {
    /// The largest block number.
    pub const MAX_NUMBER: u32 = (1 << 20) - 1;

    /// Reads an option value of 0 to 3 bytes.
    ///
    /// # Errors
    /// [`CoapError::OptionValue`] for longer values and for the reserved size exponent 7.
    pub fn parse(value: &[u8]) -> Result<Self, CoapError> {
        if value.len() > 3 {
            return Err(CoapError::OptionValue);
        }
        let v = value.iter().fold(0u32, |v, b| v << 8 | u32::from(*b));
        let szx = (v & 7) as u8;
        // RFC 7959, 2.2: 7 is reserved and must be refused.
        if szx == 7 {
            return Err(CoapError::OptionValue);
        }
        Ok(Self {
            number: v >> 4,
            more: v & 8 != 0,
            szx,
        })
    }

    /// Block size in bytes, 16 to 1024.
    pub const fn size(self) -> usize {
        16 << self.szx
    }

    /// Byte offset of this block in the body.
    pub const fn offset(self) -> usize {
        (self.number as usize) << (self.szx + 4)
    }

    /// The largest exponent whose blocks are no longer than `size` bytes; 0 below 32.
    pub const fn szx_for(size: usize) -> u8 {
        let mut szx = 0;
        while szx < 6 && (32 << szx) <= size {
            szx += 1;
        }
        szx
    }

    /// The option value.
    pub const fn value(self) -> OptionValue<'static> {
        OptionValue::Uint(self.number << 4 | (self.more as u32) << 3 | self.szx as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc7959_2_2_values() {
        assert_eq!(
            Block::parse(&[]).unwrap(),
            Block {
                number: 0,
                more: false,
                szx: 0
            }
        );
        let block = Block::parse(&[0x0e]).unwrap();
        assert_eq!((block.number, block.more, block.size()), (0, true, 1024));
        let block = Block::parse(&[0xff, 0xff, 0xf6]).unwrap();
        assert_eq!(block.number, Block::MAX_NUMBER);
        assert_eq!(Block::parse(&[7]), Err(CoapError::OptionValue));
        assert_eq!(Block::parse(&[0, 0, 0, 1]), Err(CoapError::OptionValue));
    }

    #[test]
    fn exponent_for_a_size() {
        for (size, szx) in [
            (0, 0),
            (16, 0),
            (31, 0),
            (32, 1),
            (63, 1),
            (64, 2),
            (1023, 5),
            (1024, 6),
            (9000, 6),
        ] {
            assert_eq!(Block::szx_for(size), szx, "{size}");
        }
    }
}
