//! AES-CCM (RFC 3610) over the block cipher: one instance for every length of key, nonce and tag, in one pass over the text.
//!
//! Written out here, because an instance of the `ccm` crate for each of the lengths is 9 KB on a Cortex-M3; this is 1 KB beside AES.

use aes::{
    Aes128, Block,
    cipher::{
        BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser, KeyInit,
        consts::U16,
    },
};
use zeroize::Zeroize;

use crate::{CryptoError, ct_eq};

/// AES-CCM with these lengths, in bytes: key 16 (or 32 with `aes256`), nonce 7 to 13, tag 4 to 16 and even.
#[derive(Clone, Copy)]
pub(crate) struct Ccm {
    pub(crate) key_len: usize,
    pub(crate) nonce_len: usize,
    pub(crate) tag_len: usize,
}

impl Ccm {
    /// As [`Aead::seal`](crate::Aead::seal).
    pub(crate) fn seal(
        self,
        key: &[u8],
        nonce: &[u8],
        aad: &[u8],
        buffer: &mut [u8],
        len: usize,
    ) -> Result<usize, CryptoError> {
        let total = len.checked_add(self.tag_len);
        let (text, place) = total
            .and_then(|total| buffer.get_mut(..total)?.split_at_mut_checked(len))
            .ok_or(CryptoError::BufferTooSmall)?;
        let mut tag = self.run(Direction::Seal, key, nonce, aad, text)?;
        crate::hash::copy(&tag, place);
        tag.zeroize();
        Ok(len + self.tag_len)
    }

    /// As [`Aead::open`](crate::Aead::open), but a buffer that is refused may keep its text, readable or not.
    pub(crate) fn open(
        self,
        key: &[u8],
        nonce: &[u8],
        aad: &[u8],
        buffer: &mut [u8],
    ) -> Result<usize, CryptoError> {
        let (text, tag) = buffer
            .len()
            .checked_sub(self.tag_len)
            .and_then(|len| buffer.split_at_mut_checked(len))
            .ok_or(CryptoError::Verification)?;
        let mut expected = self
            .run(Direction::Open, key, nonce, aad, text)
            .map_err(|error| match error {
                CryptoError::TooLong => CryptoError::Verification,
                error => error,
            })?;
        let same = ct_eq(expected.get(..self.tag_len).unwrap_or_default(), tag);
        expected.zeroize();
        if same {
            Ok(text.len())
        } else {
            Err(CryptoError::Verification)
        }
    }

    /// Turns `text` into the other text and returns the tag, of which the first `tag_len` bytes count.
    fn run(
        self,
        direction: Direction,
        key: &[u8],
        nonce: &[u8],
        aad: &[u8],
        text: &mut [u8],
    ) -> Result<[u8; 16], CryptoError> {
        if nonce.len() != self.nonce_len {
            return Err(CryptoError::NonceLength);
        }
        // RFC 3610, 2.1: L bytes for the length of the text.
        let size = 15 - self.nonce_len;
        let too_long = text
            .len()
            .checked_shr(8 * size as u32)
            .is_some_and(|high| high != 0);
        let Some(aad_header) = aad_header(aad.len()).filter(|_| !too_long) else {
            return Err(CryptoError::TooLong);
        };
        // RFC 3610, 2.2: B_0. RFC 3610, 2.3: A_0.
        let mut mac = first_block(size - 1, nonce, text.len());
        let [flags, ..] = &mut mac.0;
        *flags |= ((self.tag_len - 2) << 2) as u8 | u8::from(!aad.is_empty()) << 6;
        let mut counter = first_block(size - 1, nonce, 0);
        let run = Run {
            direction,
            mac: &mut mac,
            counter: &mut counter,
            aad: [aad_header.0.get(..aad_header.1).unwrap_or_default(), aad],
            text,
        };
        encrypt_with(self.key_len, key, run)?;
        mac.zeroize();
        Ok(counter.0)
    }
}

/// Runs this with AES under the key, which is expanded for it and wiped afterwards.
fn encrypt_with(key_len: usize, key: &[u8], run: Run<'_>) -> Result<(), CryptoError> {
    #[cfg(feature = "aes256")]
    if key_len == 32 {
        let aes = aes::Aes256::new_from_slice(key).map_err(|_| CryptoError::KeyLength)?;
        aes.encrypt_with_backend(run);
        return Ok(());
    }
    let _ = key_len;
    let aes = Aes128::new_from_slice(key).map_err(|_| CryptoError::KeyLength)?;
    aes.encrypt_with_backend(run);
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Seal,
    Open,
}

/// A block of the form of B_0 and A_i: flags, nonce, and a number in what is left.
fn first_block(flags: usize, nonce: &[u8], number: usize) -> Block {
    let mut block = Block::default();
    let (start, rest) = block.split_at_mut(1);
    start.fill(flags as u8);
    for (place, byte) in rest.iter_mut().rev().zip(number.to_le_bytes()) {
        *place = byte;
    }
    // Last, since the number's highest bytes, which are zero, may reach into the nonce's place.
    crate::hash::copy(nonce, rest);
    block
}

/// Counts up the last two... eight bytes of A_i; the length of the text has kept it from reaching the nonce.
fn increment(counter: &mut Block) {
    for byte in counter.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            break;
        }
    }
}

/// What stands before the additional data, and its length; `None` for 4 GiB and more.
// RFC 3610, 2.2
fn aad_header(len: usize) -> Option<([u8; 6], usize)> {
    let [a, b, c, d] = u32::try_from(len).ok()?.to_be_bytes();
    Some(if len < 0xff00 {
        ([c, d, 0, 0, 0, 0], 2)
    } else {
        ([0xff, 0xfe, a, b, c, d], 6)
    })
}

/// The work inside of the block cipher. One block of the key stream and one of CBC-MAC at a time: neither waits for the other, so a
/// processor with AES instructions does both at once.
struct Run<'r> {
    direction: Direction,
    /// B_0; a secret afterwards.
    mac: &'r mut Block,
    /// A_0; the tag afterwards.
    counter: &'r mut Block,
    /// What is authenticated only, in two parts: length and bytes.
    aad: [&'r [u8]; 2],
    text: &'r mut [u8],
}

impl BlockSizeUser for Run<'_> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for Run<'_> {
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        let encrypt = |block: &mut Block| backend.encrypt_block(block.into());
        let Self {
            direction,
            mac,
            counter,
            aad,
            text,
        } = self;
        let [_, extra] = aad;
        encrypt(mac);
        if !extra.is_empty() {
            let mut places = mac.iter_mut();
            for byte in aad.into_iter().flatten() {
                if let Some(place) = places.next() {
                    *place ^= byte;
                }
                if places.len() == 0 {
                    encrypt(mac);
                    places = mac.iter_mut();
                }
            }
            if places.len() != 16 {
                encrypt(mac);
            }
        }

        let mut stream = *counter;
        encrypt(&mut stream);
        let mut first = stream;
        for chunk in text.chunks_mut(16) {
            increment(counter);
            stream = *counter;
            encrypt(&mut stream);
            if direction == Direction::Seal {
                xor(mac, chunk);
            }
            xor(chunk, &stream);
            if direction == Direction::Open {
                xor(mac, chunk);
            }
            encrypt(mac);
        }
        xor(&mut first, mac);
        *counter = first;
        stream.zeroize();
    }
}

fn xor(to: &mut [u8], from: &[u8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to ^= from;
    }
}
