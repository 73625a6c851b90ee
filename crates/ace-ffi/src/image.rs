//! What survives a reset, as one block of bytes that the firmware keeps: the engines write their records into it, and
//! nothing leaves the device until the firmware says that it is safe.
//!
//! ```text
//! "ACE1" | generation u32 | used u16 | crc32 u32 | records: key u32, length u16, bytes
//! ```
//! Numbers are big-endian; the CRC is over generation, `used` and the records, and finds accidents, not attacks.

use ace_oscore::storage::{Key, Storage};
use zeroize::Zeroize;

const MAGIC: [u8; 4] = *b"ACE1";
const HEAD: usize = 14;
const RECORD_HEAD: usize = 6;

/// Records in `N` bytes.
pub(crate) struct Image<const N: usize> {
    bytes: [u8; N],
    /// There are changes that the firmware has not yet saved.
    unsaved: bool,
    /// The generation that the firmware was given last.
    given: Option<u32>,
}

/// Why a record was not stored or found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ImageError {
    /// There is no room for the record.
    Full,
    /// The caller's room is too small for it.
    TooLong,
}

impl<const N: usize> Image<N> {
    pub(crate) fn new() -> Self {
        const { assert!(N > HEAD && N <= u16::MAX as usize) };
        let mut image = Self {
            bytes: [0; N],
            unsaved: false,
            given: None,
        };
        image.seal(0, 0);
        image
    }

    /// Takes what was saved before; `None` if that is no image or a damaged one.
    pub(crate) fn restore(saved: &[u8]) -> Option<Self> {
        let used = check(saved)?.used;
        let mut image = Self::new();
        image
            .bytes
            .get_mut(..HEAD + used)?
            .copy_from_slice(saved.get(..HEAD + used)?);
        Some(image)
    }

    /// What is to be saved, if anything changed since [`saved`](Self::saved).
    pub(crate) fn unsaved(&mut self) -> Option<&[u8]> {
        self.given = Some(self.generation());
        self.unsaved
            .then(|| self.bytes.get(..HEAD + self.used()).unwrap_or(&self.bytes))
    }

    pub(crate) fn is_unsaved(&self) -> bool {
        self.unsaved
    }

    /// What was given last is saved. What changed since then is not.
    pub(crate) fn saved(&mut self) {
        self.unsaved &= self.given != Some(self.generation());
    }

    fn used(&self) -> usize {
        used_of(&self.bytes).min(N - HEAD)
    }

    fn generation(&self) -> u32 {
        generation_of(&self.bytes)
    }

    /// Where the record is: offset of its head, and its length.
    fn find(&self, key: Key) -> Option<(usize, usize)> {
        let mut at = HEAD;
        let end = HEAD + self.used();
        while at < end {
            let (name, length) = record_head(self.bytes.get(at..end)?)?;
            if name == key.0 {
                return Some((at, length));
            }
            at += RECORD_HEAD + length;
        }
        None
    }

    fn seal(&mut self, generation: u32, used: usize) {
        let used_bytes = u16::try_from(used).unwrap_or(u16::MAX).to_be_bytes();
        let head = [&MAGIC[..], &generation.to_be_bytes(), &used_bytes];
        self.bytes
            .iter_mut()
            .zip(head.into_iter().flatten())
            .for_each(|(to, from)| *to = *from);
        let crc = crc_of(&self.bytes, used).to_be_bytes();
        self.bytes
            .iter_mut()
            .skip(10)
            .zip(crc)
            .for_each(|(to, from)| *to = from);
    }
}

impl<const N: usize> Storage for Image<N> {
    type Error = ImageError;

    fn load(&mut self, key: Key, out: &mut [u8]) -> Result<Option<usize>, ImageError> {
        let Some((at, length)) = self.find(key) else {
            return Ok(None);
        };
        let record = self.bytes.get(at + RECORD_HEAD..at + RECORD_HEAD + length);
        let (Some(record), Some(room)) = (record, out.get_mut(..length)) else {
            return Err(ImageError::TooLong);
        };
        room.copy_from_slice(record);
        Ok(Some(length))
    }

    fn save(&mut self, key: Key, value: &[u8]) -> Result<(), ImageError> {
        let old = self.find(key);
        let freed = old.map_or(0, |(_, length)| RECORD_HEAD + length);
        let end = HEAD + self.used();
        let grown = end - freed + RECORD_HEAD + value.len();
        if grown > N || value.len() > usize::from(u16::MAX) {
            return Err(ImageError::Full);
        }
        if let Some((at, _)) = old {
            self.bytes.copy_within(at + freed..end, at);
        }
        let head = [
            &key.0.to_be_bytes()[..],
            &(value.len() as u16).to_be_bytes(),
        ];
        let record = head.into_iter().chain([value]).flatten();
        self.bytes
            .iter_mut()
            .skip(end - freed)
            .zip(record)
            .for_each(|(to, from)| *to = *from);
        // What a shorter record left behind may be a key.
        if let Some(rest) = self.bytes.get_mut(grown..) {
            rest.zeroize();
        }
        self.seal(self.generation().wrapping_add(1), grown - HEAD);
        self.unsaved = true;
        Ok(())
    }
}

impl<const N: usize> Drop for Image<N> {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

/// A whole and undamaged image.
pub(crate) struct Checked {
    used: usize,
    generation: u32,
}

fn check(bytes: &[u8]) -> Option<Checked> {
    if bytes.get(..4)? != MAGIC {
        return None;
    }
    let used = used_of(bytes);
    let records = bytes.get(HEAD..)?.get(..used)?;
    let crc = bytes.get(10..HEAD)?;
    if crc != crc_of(bytes, used).to_be_bytes() {
        return None;
    }
    let mut rest = records;
    while !rest.is_empty() {
        let (_, length) = record_head(rest)?;
        rest = rest.get(RECORD_HEAD + length..)?;
    }
    Some(Checked {
        used,
        generation: generation_of(bytes),
    })
}

/// Which of two saved images to go on from: the newer of those that are whole.
pub(crate) fn newest<'a>(a: &'a [u8], b: &'a [u8]) -> Option<&'a [u8]> {
    match (check(a), check(b)) {
        (None, None) => None,
        (Some(_), None) => Some(a),
        (None, Some(_)) => Some(b),
        // The counter may wrap.
        (Some(first), Some(second)) => {
            let ahead = first.generation.wrapping_sub(second.generation) as i32;
            Some(if ahead >= 0 { a } else { b })
        }
    }
}

fn used_of(bytes: &[u8]) -> usize {
    bytes
        .get(8..10)
        .and_then(|b| b.try_into().ok())
        .map_or(0, |b| usize::from(u16::from_be_bytes(b)))
}

fn generation_of(bytes: &[u8]) -> u32 {
    bytes
        .get(4..8)
        .and_then(|b| b.try_into().ok())
        .map_or(0, u32::from_be_bytes)
}

fn record_head(bytes: &[u8]) -> Option<(u32, usize)> {
    let (key, rest) = bytes.split_first_chunk::<4>()?;
    let (length, _) = rest.split_first_chunk::<2>()?;
    Some((
        u32::from_be_bytes(*key),
        usize::from(u16::from_be_bytes(*length)),
    ))
}

/// CRC-32 (ISO-HDLC), bit by bit: an image is small and seldom written.
fn crc_of(bytes: &[u8], used: usize) -> u32 {
    let head = bytes.iter().skip(4).take(6);
    let records = bytes.iter().skip(HEAD).take(used);
    let crc = head.chain(records).fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    });
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn loaded<const N: usize>(image: &mut Image<N>, key: u32) -> Option<Vec<u8>> {
        let mut out = [0; 256];
        let length = image.load(Key(key), &mut out).unwrap()?;
        Some(out[..length].to_vec())
    }

    #[test]
    fn records_come_back_and_the_image_is_unsaved_until_told() {
        let mut image = Image::<256>::new();
        assert_eq!(image.unsaved(), None);
        image.save(Key(7), b"seven").unwrap();
        image.saved();
        assert!(image.is_unsaved(), "it was not given out");
        image.save(Key(8), b"").unwrap();
        assert!(image.unsaved().is_some());
        image.save(Key(7), b"sieben").unwrap();
        image.saved();
        assert!(image.is_unsaved(), "it changed while it was saved");
        let bytes = image.unsaved().unwrap().to_vec();
        image.saved();
        assert!(!image.is_unsaved());
        let mut again = Image::<256>::restore(&bytes).unwrap();
        assert_eq!(loaded(&mut again, 7).unwrap(), b"sieben");
        assert_eq!(loaded(&mut again, 8).unwrap(), b"");
        assert_eq!(loaded(&mut again, 9), None);
        assert_eq!(again.load(Key(7), &mut [0; 5]), Err(ImageError::TooLong));
    }

    #[test]
    fn a_full_image_refuses_and_keeps_what_it_has() {
        let mut image = Image::<64>::new();
        image.save(Key(1), &[1; 20]).unwrap();
        assert!(image.unsaved().is_some());
        image.saved();
        assert_eq!(image.save(Key(2), &[2; 20]), Err(ImageError::Full));
        assert_eq!(image.save(Key(1), &[3; 60]), Err(ImageError::Full));
        assert!(!image.is_unsaved());
        assert_eq!(loaded(&mut image, 1).unwrap(), [1; 20]);
        image.save(Key(1), &[4; 44]).unwrap();
        assert_eq!(loaded(&mut image, 1).unwrap(), [4; 44]);
    }

    #[test]
    fn a_damaged_or_cut_image_is_none() {
        let mut image = Image::<128>::new();
        image.save(Key(1), b"abc").unwrap();
        image.save(Key(2), &[9; 30]).unwrap();
        let bytes = image.unsaved().unwrap().to_vec();
        for length in 0..bytes.len() {
            assert!(
                Image::<128>::restore(&bytes[..length]).is_none(),
                "{length}"
            );
        }
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                assert!(Image::<128>::restore(&damaged).is_none(), "{at} {bit}");
            }
        }
        assert!(Image::<32>::restore(&bytes).is_none(), "more than fits");
    }

    #[test]
    fn the_newer_of_two_whole_images_is_taken() {
        let mut image = Image::<128>::new();
        image.save(Key(1), b"old").unwrap();
        let old = image.unsaved().unwrap().to_vec();
        image.save(Key(1), b"new").unwrap();
        let new = image.unsaved().unwrap().to_vec();
        assert_eq!(newest(&old, &new), Some(&new[..]));
        assert_eq!(newest(&new, &old), Some(&new[..]));
        assert_eq!(newest(&new[..9], &old), Some(&old[..]));
        assert_eq!(newest(&[], &[0xff; 64]), None);
    }

    #[test]
    fn behaves_as_a_map_for_many_sequences() {
        use ace_crypto::TryRng;
        let mut rng = ace_testkit::SeededRandom::new(3);
        let mut image = Image::<512>::new();
        let mut model = BTreeMap::<u32, Vec<u8>>::new();
        for _ in 0..5_000 {
            let key = rng.try_next_u32().unwrap() % 6;
            let value = vec![
                rng.try_next_u32().unwrap() as u8;
                (rng.try_next_u32().unwrap() % 90) as usize
            ];
            let rest: usize = model
                .iter()
                .filter(|(k, _)| **k != key)
                .map(|(_, v)| v.len() + 6)
                .sum();
            let fits = 14 + rest + 6 + value.len() <= 512;
            assert_eq!(image.save(Key(key), &value).is_ok(), fits);
            if fits {
                model.insert(key, value);
            }
            for key in 0..6 {
                assert_eq!(loaded(&mut image, key), model.get(&key).cloned());
            }
        }
    }
}
