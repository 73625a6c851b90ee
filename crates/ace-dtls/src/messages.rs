//! The handshake buffer: the messages of a handshake as they are hashed, one behind the other.
//!
//! A received message is put together at the end, wherever its fragments begin and end; behind it lies one bit for each of its
//! bytes, so that every fragment costs what its length is. Messages to be sent are appended, and sent from here as often as needed.

use core::ops::Range;

use zeroize::Zeroize;

use crate::{
    Error,
    bytes::{Reader, Writer},
};

/// Handshake types (RFC 5246, 7.4; RFC 6347, 4.3.2).
pub(crate) const HELLO_REQUEST: u8 = 0;
pub(crate) const CLIENT_HELLO: u8 = 1;
pub(crate) const SERVER_HELLO: u8 = 2;
pub(crate) const HELLO_VERIFY_REQUEST: u8 = 3;
#[cfg(feature = "_ecc")]
pub(crate) const CERTIFICATE: u8 = 11;
pub(crate) const SERVER_KEY_EXCHANGE: u8 = 12;
#[cfg(feature = "_ecc")]
pub(crate) const CERTIFICATE_REQUEST: u8 = 13;
pub(crate) const SERVER_HELLO_DONE: u8 = 14;
#[cfg(feature = "_ecc")]
pub(crate) const CERTIFICATE_VERIFY: u8 = 15;
pub(crate) const CLIENT_KEY_EXCHANGE: u8 = 16;
pub(crate) const FINISHED: u8 = 20;

/// Type, length, message_seq, fragment_offset, fragment_length.
pub(crate) const HEADER_LEN: usize = 12;
pub(crate) const VERIFY_DATA_LEN: usize = 12;

/// Writes a fragment's header.
pub(crate) fn header(
    kind: u8,
    seq: u16,
    length: usize,
    fragment: Range<usize>,
    out: &mut [u8],
) -> Result<(), Error> {
    let mut writer = Writer::new(out);
    writer.u8(kind);
    writer.u24(length);
    writer.u16(seq);
    writer.u24(fragment.start);
    writer.u24(fragment.len());
    writer.finish().map(drop)
}

/// A piece of a handshake message as it stands in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fragment<'a> {
    pub(crate) kind: u8,
    /// Of the whole message.
    pub(crate) length: usize,
    pub(crate) seq: u16,
    pub(crate) offset: usize,
    pub(crate) bytes: &'a [u8],
}

impl<'a> Fragment<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let kind = reader.u8()?;
        let length = reader.u24()?;
        let seq = reader.u16()?;
        let offset = reader.u24()?;
        let len = reader.u24()?;
        let bytes = reader.take(len)?;
        // RFC 6347, 4.2.2: within the message
        if offset + len > length {
            return Err(Error::Decode);
        }
        Ok(Self {
            kind,
            length,
            seq,
            offset,
            bytes,
        })
    }
}

/// Where something lies in the buffer, which uses no more than 65,535 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    start: u16,
    end: u16,
}

impl Span {
    pub(crate) const EMPTY: Self = Self { start: 0, end: 0 };

    /// The `len` bytes behind the first `start`.
    pub(crate) fn new(start: usize, len: usize) -> Self {
        let end = u16::try_from(start + len).unwrap_or(0);
        let start = u16::try_from(start).unwrap_or(0);
        Self { start, end }
    }

    /// Without the first `count` bytes.
    #[cfg(feature = "_ecc")]
    pub(crate) fn skip(self, count: usize) -> Self {
        let start = usize::from(self.start) + count;
        Self::new(start, usize::from(self.end).saturating_sub(start))
    }

    /// The first `count` bytes.
    #[cfg(feature = "_ecc")]
    pub(crate) fn first(self, count: usize) -> Self {
        Self::new(self.start.into(), count)
    }

    #[cfg(feature = "_ecc")]
    pub(crate) const fn is_empty(self) -> bool {
        self.start >= self.end
    }
}

/// A message being put together behind those that are complete.
#[derive(Debug, Clone, Copy)]
struct Partial {
    kind: u8,
    length: u16,
    missing: u16,
}

/// `B` is an array where it is owned, and bytes of any number in all code, so that there is one copy of it.
pub(crate) struct Messages<B: ?Sized = [u8]> {
    /// How many bytes are taken up by complete messages.
    len: usize,
    partial: Option<Partial>,
    bytes: B,
}

impl<const N: usize> Messages<[u8; N]> {
    pub(crate) const fn new() -> Self {
        Self {
            len: 0,
            partial: None,
            bytes: [0; N],
        }
    }
}

impl Messages {
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// All complete messages, for hash and signature (RFC 5246, 7.4.8 and 7.4.9; RFC 6347, 4.2.6).
    pub(crate) fn all(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }

    pub(crate) fn hash(&self) -> [u8; 32] {
        ace_crypto::sha256(&[self.all()])
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.zeroize();
        self.len = 0;
        self.partial = None;
    }

    /// Takes a fragment of the message that is due; true when the message is complete.
    ///
    /// A fragment that contradicts those before it is refused with [`Error::Decode`] and changes nothing.
    pub(crate) fn add(&mut self, fragment: &Fragment<'_>) -> Result<bool, Error> {
        let partial = match self.partial {
            Some(partial) => partial,
            None => self.begin(fragment)?,
        };
        // RFC 6347, 4.2.3: all fragments have the same type and length
        if partial.kind != fragment.kind || usize::from(partial.length) != fragment.length {
            return Err(Error::Decode);
        }
        let (body, received) = self
            .bytes
            .get_mut(self.len + HEADER_LEN..)
            .and_then(|room| room.split_at_mut_checked(fragment.length))
            .ok_or(Error::MessageTooLong)?;
        let mut missing = partial.missing;
        // RFC 6347, 4.2.3: fragments may overlap
        for (at, byte) in (fragment.offset..).zip(fragment.bytes) {
            let (Some(bits), Some(place)) = (received.get_mut(at / 8), body.get_mut(at)) else {
                return Err(Error::Decode);
            };
            let bit = 1 << (at % 8);
            if *bits & bit == 0 {
                *bits |= bit;
                *place = *byte;
                missing -= 1;
            }
        }
        self.partial = Some(Partial { missing, ..partial });
        Ok(missing == 0)
    }

    fn begin(&mut self, fragment: &Fragment<'_>) -> Result<Partial, Error> {
        let length = fragment.length;
        let start = self.len + HEADER_LEN;
        // `length` has 24 bits, so nothing overflows.
        let end = u16::try_from(start + length).map_err(|_| Error::MessageTooLong)?;
        let bits = self
            .bytes
            .get_mut(start + length..start + length + length.div_ceil(8))
            .ok_or(Error::MessageTooLong)?;
        bits.fill(0);
        let room = self
            .bytes
            .get_mut(self.len..start)
            .ok_or(Error::MessageTooLong)?;
        // RFC 6347, 4.2.6: hashed as if it had come in one piece
        header(fragment.kind, fragment.seq, length, 0..length, room)?;
        let partial = Partial {
            kind: fragment.kind,
            length: end - start as u16,
            missing: end - start as u16,
        };
        self.partial = Some(partial);
        Ok(partial)
    }

    /// Type and body of the received message once it is complete.
    pub(crate) fn incoming(&self) -> Option<(u8, &[u8])> {
        let partial = self.partial.filter(|partial| partial.missing == 0)?;
        let body = self.bytes.get(self.len + HEADER_LEN..)?;
        Some((partial.kind, body.get(..partial.length.into())?))
    }

    /// Counts the received message among the complete ones; returns where its body lies.
    pub(crate) fn accept(&mut self) -> Span {
        let length = self
            .partial
            .take()
            .map_or(0, |partial| partial.length.into());
        let start = self.len + HEADER_LEN;
        self.len = start + length;
        Span::new(start, length)
    }

    /// Bytes of complete messages.
    pub(crate) fn get(&self, span: Span) -> &[u8] {
        self.bytes
            .get(span.start.into()..span.end.into())
            .unwrap_or(&[])
    }

    /// Appends a message to be sent.
    pub(crate) fn write(
        &mut self,
        kind: u8,
        seq: u16,
        body: &dyn Fn(&mut Writer<'_>),
    ) -> Result<(), Error> {
        self.partial = None;
        let (room, body_room) = self
            .bytes
            .get_mut(self.len..)
            .and_then(|room| room.split_at_mut_checked(HEADER_LEN))
            .ok_or(Error::BufferTooSmall)?;
        let mut writer = Writer::new(body_room);
        body(&mut writer);
        let length = writer.finish()?;
        if self.len + HEADER_LEN + length > u16::MAX.into() {
            return Err(Error::BufferTooSmall);
        }
        header(kind, seq, length, 0..length, room)?;
        self.len += HEADER_LEN + length;
        Ok(())
    }

    /// Type, message_seq and body of the message that begins at this offset.
    pub(crate) fn message_at(&self, at: usize) -> Option<(u8, u16, &[u8])> {
        let mut reader = Reader::new(self.all().get(at..)?);
        let fragment = Fragment::read(&mut reader).ok()?;
        Some((fragment.kind, fragment.seq, fragment.bytes))
    }
}

impl core::fmt::Debug for Messages {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Messages")
            .field("len", &self.len)
            .field("partial", &self.partial)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn fragment(bytes: &[u8], offset: usize, length: usize) -> Fragment<'_> {
        Fragment {
            kind: 11,
            length,
            seq: 3,
            offset,
            bytes,
        }
    }

    #[test]
    fn rfc6347_4_2_3_any_order_and_overlap() {
        let body: Vec<u8> = (0..200).map(|n| n as u8).collect();
        for size in [1, 2, 7, 8, 9, 64, 199, 200] {
            let messages: &mut Messages = &mut Messages::<[u8; 300]>::new();
            let mut starts: Vec<usize> = (0..200).step_by(size).collect();
            starts.reverse();
            let turn = 3 % starts.len();
            starts.rotate_left(turn);
            let mut covered = [false; 200];
            let mut complete = false;
            for at in starts {
                // One byte more than needed, where there is one.
                let end = (at + size + 1).min(200);
                complete = messages.add(&fragment(&body[at..end], at, 200)).unwrap();
                covered[at..end].fill(true);
                assert_eq!(complete, covered == [true; 200]);
            }
            assert!(complete, "{size}");
            assert_eq!(messages.incoming().unwrap(), (11, &body[..]));
            let range = messages.accept();
            assert_eq!(messages.get(range), body);
            assert_eq!(
                messages.all()[..12],
                [11, 0, 0, 200, 0, 3, 0, 0, 0, 0, 0, 200]
            );
            assert_eq!(messages.message_at(0).unwrap(), (11, 3, &body[..]));
        }
    }

    #[test]
    fn rfc6347_4_2_3_contradicting_fragments_change_nothing() {
        let messages: &mut Messages = &mut Messages::<[u8; 64]>::new();
        assert!(!messages.add(&fragment(&[1, 2], 0, 4)).unwrap());
        assert_eq!(messages.add(&fragment(&[9], 2, 5)), Err(Error::Decode));
        let other = Fragment {
            kind: 12,
            ..fragment(&[9, 9], 2, 4)
        };
        assert_eq!(messages.add(&other), Err(Error::Decode));
        // The first to come stays.
        assert!(messages.add(&fragment(&[9, 9, 3, 4], 0, 4)).unwrap());
        assert_eq!(messages.incoming().unwrap().1, [1, 2, 3, 4]);
    }

    #[test]
    fn message_longer_than_the_buffer_is_refused_at_once() {
        let messages: &mut Messages = &mut Messages::<[u8; 64]>::new();
        // 46 + 6 bytes of bits fill the 52 behind the header.
        assert_eq!(
            messages.add(&fragment(&[1], 0, 47)),
            Err(Error::MessageTooLong)
        );
        assert_eq!(
            messages.add(&fragment(&[1], 0, 0xff_ffff)),
            Err(Error::MessageTooLong)
        );
        assert!(!messages.add(&fragment(&[1], 0, 46)).unwrap());
        assert!(messages.add(&fragment(&[1; 46], 0, 46)).unwrap());
    }

    #[test]
    fn rfc6347_4_2_2_fragment_beyond_its_message_is_refused() {
        let good = [1, 0, 0, 3, 0, 0, 0, 0, 1, 0, 0, 2, 7, 7];
        assert!(Fragment::read(&mut Reader::new(&good)).is_ok());
        for cut in 0..good.len() {
            assert_eq!(
                Fragment::read(&mut Reader::new(&good[..cut])),
                Err(Error::Decode)
            );
        }
        for (at, value) in [(3, 2), (8, 2), (11, 3), (6, 0xff), (9, 0xff)] {
            let mut bad = good;
            bad[at] = value;
            assert_eq!(Fragment::read(&mut Reader::new(&bad)), Err(Error::Decode));
        }
    }

    #[test]
    fn empty_message_is_complete_with_its_first_fragment() {
        let messages: &mut Messages = &mut Messages::<[u8; 12]>::new();
        assert!(messages.add(&fragment(&[], 0, 0)).unwrap());
        assert_eq!(messages.incoming().unwrap().1, []);
    }
}
