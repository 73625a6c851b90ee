//! Outer options put among the inner ones, in place (RFC 8613, 8.2, step 7).

use ace_wire::coap::OptionView;

use crate::bytes::Bytes;

/// Bytes an option takes at most, wherever in a list it stands.
pub(crate) fn encoded_len(option: &OptionView<'_>) -> usize {
    header(option.number, option.value.len())
        .map_or(usize::MAX, |h| h.as_bytes().len())
        .saturating_add(option.value.len())
}

/// Writes `outer` and the encoded options at `buffer[inner..]`, both in ascending order, to the start of `buffer` and
/// returns the length.
///
/// `inner` is at least the sum of [`encoded_len`] of the outer options, so the writing never catches up with the
/// reading: a delta in the merged list is no longer than in the list it comes from. `None` only if that does not hold.
pub(crate) fn merge<'a>(
    outer: impl Iterator<Item = OptionView<'a>>,
    buffer: &mut [u8],
    inner: usize,
) -> Option<usize> {
    let mut outer = outer.peekable();
    let mut target = Target {
        written: 0,
        last_number: 0,
    };
    let mut read = inner;
    let mut number = 0u16;
    while read < buffer.len() {
        let (delta, value_len, header_len) = read_header(buffer.get(read..)?)?;
        number = number.checked_add(delta)?;
        while let Some(o) = outer.next_if(|o| o.number < number) {
            target.push(o, buffer.get_mut(..read)?)?;
        }
        let start = read.checked_add(header_len)?;
        let end = start.checked_add(value_len)?;
        buffer.get(start..end)?;
        target.header(number, value_len, buffer.get_mut(..start)?)?;
        buffer.copy_within(start..end, target.written);
        target.written = target.written.checked_add(value_len)?;
        read = end;
    }
    for o in outer {
        target.push(o, buffer)?;
    }
    Some(target.written)
}

struct Target {
    written: usize,
    last_number: u16,
}

impl Target {
    fn push(&mut self, option: OptionView<'_>, room: &mut [u8]) -> Option<()> {
        self.header(option.number, option.value.len(), room)?;
        self.bytes(option.value, room)
    }

    fn header(&mut self, number: u16, value_len: usize, room: &mut [u8]) -> Option<()> {
        let header = header(number.checked_sub(self.last_number)?, value_len)?;
        self.last_number = number;
        self.bytes(header.as_bytes(), room)
    }

    fn bytes(&mut self, bytes: &[u8], room: &mut [u8]) -> Option<()> {
        let end = self.written.checked_add(bytes.len())?;
        room.get_mut(self.written..end)?.copy_from_slice(bytes);
        self.written = end;
        Some(())
    }
}

/// What stands in front of a value (RFC 7252, 3.1).
fn header(delta: u16, value_len: usize) -> Option<Bytes<5>> {
    let mut header = Bytes::new(&[0])?;
    let high = part(usize::from(delta), &mut header)?;
    let low = part(value_len, &mut header)?;
    header.set_first(high << 4 | low);
    Some(header)
}

/// The nibble of a delta or length; what extends it is pushed.
fn part(value: usize, header: &mut Bytes<5>) -> Option<u8> {
    Some(match u16::try_from(value).ok()? {
        short @ 0..=12 => short as u8,
        medium @ 13..=268 => {
            header.push(&[(medium - 13) as u8])?;
            13
        }
        long => {
            header.push(&(long - 269).to_be_bytes())?;
            14
        }
    })
}

/// Delta, length of the value, and length of the header itself.
fn read_header(bytes: &[u8]) -> Option<(u16, usize, usize)> {
    let mut rest = bytes;
    let first = next_byte(&mut rest)?;
    let delta = read_part(first >> 4, &mut rest)?;
    let value_len = read_part(first & 0x0f, &mut rest)?;
    Some((
        u16::try_from(delta).ok()?,
        value_len,
        bytes.len().checked_sub(rest.len())?,
    ))
}

fn read_part(nibble: u8, rest: &mut &[u8]) -> Option<usize> {
    Some(match nibble {
        13 => usize::from(next_byte(rest)?) + 13,
        14 => usize::from(u16::from_be_bytes([next_byte(rest)?, next_byte(rest)?])) + 269,
        15 => return None,
        short => usize::from(short),
    })
}

fn next_byte(rest: &mut &[u8]) -> Option<u8> {
    let (&byte, behind) = rest.split_first()?;
    *rest = behind;
    Some(byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ace_wire::coap::{Code, OptionList, Options, Writer};
    use std::vec::Vec;

    fn encoded(options: &[(u16, Vec<u8>)]) -> Vec<u8> {
        let mut list = OptionList::<32>::new();
        for (number, value) in options {
            list.push(*number, value.as_slice()).unwrap();
        }
        let mut out = std::vec![0; 8000];
        let mut writer = Writer::plaintext(&mut out, Code::GET).unwrap();
        writer.options(&list).unwrap();
        let len = writer.finish();
        out[1..len].to_vec()
    }

    fn options(bytes: &[u8]) -> Options<'_> {
        Options::parse_with_payload(bytes).unwrap().0
    }

    fn list() -> impl proptest::strategy::Strategy<Value = Vec<(u16, Vec<u8>)>> {
        use proptest::{collection::vec, prelude::*};
        let number = prop_oneof![0u16..40, 0u16..600, any::<u16>()];
        let value = prop_oneof![vec(any::<u8>(), 0..20), vec(any::<u8>(), 250..300)];
        vec((number, value), 0..12)
    }

    proptest::proptest! {
        /// Against a list that is sorted and encoded at once.
        #[test]
        fn rfc8613_8_2_merged_as_if_written_together(inner in list(), outer in list()) {
            let (inner_bytes, outer_bytes) = (encoded(&inner), encoded(&outer));
            let room: usize = options(&outer_bytes).iter().map(|o| encoded_len(&o)).sum();
            let mut buffer = std::vec![0xee; room];
            buffer.extend(&inner_bytes);
            let len = merge(options(&outer_bytes).iter(), &mut buffer, room).unwrap();

            let mut together: Vec<_> = inner.into_iter().map(|o| (o.0, 0, o.1)).collect();
            together.extend(outer.into_iter().map(|o| (o.0, 1, o.1)));
            together.sort_by_key(|o| (o.0, o.1));
            let together: Vec<_> = together.into_iter().map(|o| (o.0, o.2)).collect();
            let got: Vec<_> = options(&buffer[..len]).iter().map(|o| (o.number, o.value.to_vec())).collect();
            proptest::prop_assert_eq!(got, together);
        }
    }
}
