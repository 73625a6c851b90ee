use zeroize::Zeroize;

/// Up to `N` bytes in place, and the small CBOR heads that OSCORE needs.
#[derive(Clone, Copy)]
pub(crate) struct Bytes<const N: usize> {
    bytes: [u8; N],
    len: u8,
}

impl<const N: usize> Bytes<N> {
    pub(crate) const EMPTY: Self = Self {
        bytes: [0; N],
        len: 0,
    };

    /// `None` if there are more than `N`.
    pub(crate) fn new(value: &[u8]) -> Option<Self> {
        let mut bytes = Self::EMPTY;
        bytes.push(value)?;
        Some(bytes)
    }

    pub(crate) fn push(&mut self, value: &[u8]) -> Option<()> {
        push(&mut self.bytes, &mut self.len, value)
    }

    /// A CBOR head in its shortest form (RFC 8949, 3); `value` up to 65,535.
    pub(crate) fn push_head(&mut self, major: u8, value: usize) -> Option<()> {
        push_head(&mut self.bytes, &mut self.len, major, value)
    }

    pub(crate) fn push_byte_string(&mut self, value: &[u8]) -> Option<()> {
        self.push_head(BYTE_STRING, value.len())?;
        self.push(value)
    }

    /// Changes the first byte.
    pub(crate) fn set_first(&mut self, byte: u8) {
        if let Some(first) = self.bytes.first_mut() {
            *first = byte;
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&[])
    }
}

// One instance for all lengths.
#[inline(never)]
fn push(bytes: &mut [u8], len: &mut u8, value: &[u8]) -> Option<()> {
    let start = usize::from(*len);
    let end = start.checked_add(value.len())?;
    let new_len = u8::try_from(end).ok()?;
    bytes.get_mut(start..end)?.copy_from_slice(value);
    *len = new_len;
    Some(())
}

#[inline(never)]
fn push_head(bytes: &mut [u8], len: &mut u8, major: u8, value: usize) -> Option<()> {
    let [high, low] = u16::try_from(value).ok()?.to_be_bytes();
    match value {
        0..=23 => push(bytes, len, &[major << 5 | low]),
        24..=255 => push(bytes, len, &[major << 5 | 24, low]),
        _ => push(bytes, len, &[major << 5 | 25, high, low]),
    }
}

impl<const N: usize> Zeroize for Bytes<N> {
    fn zeroize(&mut self) {
        self.bytes.zeroize();
        self.len.zeroize();
    }
}

/// CBOR major type 0.
pub(crate) const UNSIGNED: u8 = 0;
/// CBOR major type 2.
pub(crate) const BYTE_STRING: u8 = 2;
/// CBOR major type 3.
pub(crate) const TEXT_STRING: u8 = 3;
/// CBOR major type 4.
pub(crate) const ARRAY: u8 = 4;

/// The content of `value` if it is one definite CBOR byte string and nothing else.
pub(crate) fn unwrap_byte_string(value: &[u8]) -> Option<&[u8]> {
    let (&first, rest) = value.split_first()?;
    let (len, rest) = match first {
        0x40..=0x57 => (first & 0x1f, rest),
        0x58 => rest.split_first().map(|(len, rest)| (*len, rest))?,
        _ => return None,
    };
    (rest.len() == usize::from(len)).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc8949_3_byte_string_heads() {
        for len in [0, 1, 23, 24, 40, 255] {
            let content = std::vec![7; len];
            let mut wrapped = Bytes::<255>::EMPTY;
            if wrapped.push_byte_string(&content).is_none() {
                assert_eq!(len, 255);
                continue;
            }
            assert_eq!(unwrap_byte_string(wrapped.as_bytes()), Some(&content[..]));
            let mut longer = wrapped.as_bytes().to_vec();
            assert_eq!(unwrap_byte_string(&longer[..longer.len() - 1]), None);
            longer.push(0);
            assert_eq!(unwrap_byte_string(&longer), None);
        }
        let mut head = Bytes::<3>::EMPTY;
        head.push_head(BYTE_STRING, 256).unwrap();
        assert_eq!(head.as_bytes(), [0x59, 1, 0]);
        assert_eq!(head.push_head(BYTE_STRING, 0), None);
        // Indefinite length, text, and nothing
        for other in [&[0x5f, 0x41, 0x00, 0xff][..], &[0x60], &[0x58], &[]] {
            assert_eq!(unwrap_byte_string(other), None);
        }
    }
}
