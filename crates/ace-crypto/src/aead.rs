//! Authenticated encryption by COSE number, in place (RFC 9053, section 4).

use aes::{Aes128, Aes256};
use ccm::{
    Ccm,
    aead::{AeadCore, AeadInOut, Key, KeyInit, Nonce, Tag, array::typenum::Unsigned},
    consts::{U7, U8, U13, U16},
};
use zeroize::Zeroize;

use crate::CryptoError;

/// An AEAD of the COSE algorithm registry.
///
/// The names follow the registry: AES-CCM-16-64-128 has a 16-bit length field (so a 13-byte nonce), a 64-bit tag and a
/// 128-bit key.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i8)]
pub enum Aead {
    /// AES-GCM with a 128-bit key; nonce 12 bytes, tag 16.
    #[cfg(feature = "gcm")]
    A128Gcm = 1,
    /// AES-GCM with a 192-bit key; nonce 12 bytes, tag 16.
    #[cfg(feature = "gcm")]
    A192Gcm = 2,
    /// AES-GCM with a 256-bit key; nonce 12 bytes, tag 16.
    #[cfg(feature = "gcm")]
    A256Gcm = 3,
    /// AES-CCM with a 128-bit key; nonce 13 bytes, tag 8. The default of OSCORE.
    AesCcm16_64_128 = 10,
    /// AES-CCM with a 256-bit key; nonce 13 bytes, tag 8.
    AesCcm16_64_256 = 11,
    /// AES-CCM with a 128-bit key; nonce 7 bytes, tag 8.
    AesCcm64_64_128 = 12,
    /// AES-CCM with a 256-bit key; nonce 7 bytes, tag 8.
    AesCcm64_64_256 = 13,
    /// ChaCha20/Poly1305; key 32 bytes, nonce 12, tag 16.
    #[cfg(feature = "chacha20poly1305")]
    ChaCha20Poly1305 = 24,
    /// AES-CCM with a 128-bit key; nonce 13 bytes, tag 16.
    AesCcm16_128_128 = 30,
    /// AES-CCM with a 256-bit key; nonce 13 bytes, tag 16.
    AesCcm16_128_256 = 31,
    /// AES-CCM with a 128-bit key; nonce 7 bytes, tag 16.
    AesCcm64_128_128 = 32,
    /// AES-CCM with a 256-bit key; nonce 7 bytes, tag 16.
    AesCcm64_128_256 = 33,
}

impl Aead {
    /// Longest key of any AEAD here, in bytes.
    pub const MAX_KEY_LEN: usize = 32;
    /// Longest nonce of any AEAD here, in bytes.
    pub const MAX_NONCE_LEN: usize = 13;
    /// Longest tag of any AEAD here, in bytes.
    pub const MAX_TAG_LEN: usize = 16;

    /// The AEAD with this COSE number, if it is built in.
    #[must_use]
    pub const fn from_cose(number: i64) -> Option<Self> {
        Some(match number {
            #[cfg(feature = "gcm")]
            1 => Self::A128Gcm,
            #[cfg(feature = "gcm")]
            2 => Self::A192Gcm,
            #[cfg(feature = "gcm")]
            3 => Self::A256Gcm,
            10 => Self::AesCcm16_64_128,
            11 => Self::AesCcm16_64_256,
            12 => Self::AesCcm64_64_128,
            13 => Self::AesCcm64_64_256,
            #[cfg(feature = "chacha20poly1305")]
            24 => Self::ChaCha20Poly1305,
            30 => Self::AesCcm16_128_128,
            31 => Self::AesCcm16_128_256,
            32 => Self::AesCcm64_128_128,
            33 => Self::AesCcm64_128_256,
            _ => return None,
        })
    }

    /// The COSE algorithm number.
    #[must_use]
    pub const fn cose(self) -> i64 {
        self as i8 as i64
    }

    /// Length of the key in bytes: 16, 24 or 32.
    #[must_use]
    pub const fn key_len(self) -> usize {
        match self {
            #[cfg(feature = "gcm")]
            Self::A128Gcm => 16,
            #[cfg(feature = "gcm")]
            Self::A192Gcm => 24,
            #[cfg(feature = "gcm")]
            Self::A256Gcm => 32,
            #[cfg(feature = "chacha20poly1305")]
            Self::ChaCha20Poly1305 => 32,
            Self::AesCcm16_64_128
            | Self::AesCcm64_64_128
            | Self::AesCcm16_128_128
            | Self::AesCcm64_128_128 => 16,
            Self::AesCcm16_64_256
            | Self::AesCcm64_64_256
            | Self::AesCcm16_128_256
            | Self::AesCcm64_128_256 => 32,
        }
    }

    /// Length of the nonce in bytes: 7, 12 or 13.
    #[must_use]
    pub const fn nonce_len(self) -> usize {
        match self {
            #[cfg(feature = "gcm")]
            Self::A128Gcm | Self::A192Gcm | Self::A256Gcm => 12,
            #[cfg(feature = "chacha20poly1305")]
            Self::ChaCha20Poly1305 => 12,
            Self::AesCcm16_64_128
            | Self::AesCcm16_64_256
            | Self::AesCcm16_128_128
            | Self::AesCcm16_128_256 => 13,
            Self::AesCcm64_64_128
            | Self::AesCcm64_64_256
            | Self::AesCcm64_128_128
            | Self::AesCcm64_128_256 => 7,
        }
    }

    /// Length of the tag in bytes: 8 or 16.
    #[must_use]
    pub const fn tag_len(self) -> usize {
        match self {
            Self::AesCcm16_64_128
            | Self::AesCcm16_64_256
            | Self::AesCcm64_64_128
            | Self::AesCcm64_64_256 => 8,
            _ => 16,
        }
    }

    /// The name in the COSE algorithm registry.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            #[cfg(feature = "gcm")]
            Self::A128Gcm => "A128GCM",
            #[cfg(feature = "gcm")]
            Self::A192Gcm => "A192GCM",
            #[cfg(feature = "gcm")]
            Self::A256Gcm => "A256GCM",
            Self::AesCcm16_64_128 => "AES-CCM-16-64-128",
            Self::AesCcm16_64_256 => "AES-CCM-16-64-256",
            Self::AesCcm64_64_128 => "AES-CCM-64-64-128",
            Self::AesCcm64_64_256 => "AES-CCM-64-64-256",
            #[cfg(feature = "chacha20poly1305")]
            Self::ChaCha20Poly1305 => "ChaCha20/Poly1305",
            Self::AesCcm16_128_128 => "AES-CCM-16-128-128",
            Self::AesCcm16_128_256 => "AES-CCM-16-128-256",
            Self::AesCcm64_128_128 => "AES-CCM-64-128-128",
            Self::AesCcm64_128_256 => "AES-CCM-64-128-256",
        }
    }

    /// Encrypts the first `plaintext_len` bytes of `buffer` in place and puts the tag behind them.
    ///
    /// Returns the length of ciphertext and tag together. Bytes of `buffer` behind them are left alone. The nonce must
    /// never have been used with this key before.
    ///
    /// # Errors
    /// [`KeyLength`](CryptoError::KeyLength), [`NonceLength`](CryptoError::NonceLength),
    /// [`BufferTooSmall`](CryptoError::BufferTooSmall), or [`TooLong`](CryptoError::TooLong) for a text that the
    /// algorithm's length field cannot carry (65,535 bytes with a 13-byte nonce). `buffer` is unchanged then.
    pub fn seal(
        self,
        key: &[u8],
        nonce: &[u8],
        aad: &[u8],
        buffer: &mut [u8],
        plaintext_len: usize,
    ) -> Result<usize, CryptoError> {
        self.run(Seal(plaintext_len), key, nonce, aad, buffer)
    }

    /// Decrypts `buffer` (ciphertext, then tag) in place and returns the length of the plaintext at its start.
    ///
    /// The tag is compared in constant time before anything of the plaintext is released. The bytes of the tag behind
    /// the plaintext are left as they came.
    ///
    /// # Errors
    /// [`KeyLength`](CryptoError::KeyLength), [`NonceLength`](CryptoError::NonceLength) or
    /// [`Verification`](CryptoError::Verification), the last also for a buffer shorter than a tag. The whole of `buffer`
    /// is zero then.
    pub fn open(
        self,
        key: &[u8],
        nonce: &[u8],
        aad: &[u8],
        buffer: &mut [u8],
    ) -> Result<usize, CryptoError> {
        let result = self.run(Open, key, nonce, aad, buffer);
        if result.is_err() {
            buffer.zeroize();
        }
        result
    }

    fn run(
        self,
        job: impl Job,
        key: &[u8],
        nonce: &[u8],
        aad: &[u8],
        buffer: &mut [u8],
    ) -> Result<usize, CryptoError> {
        match self {
            #[cfg(feature = "gcm")]
            Self::A128Gcm => job.run::<aes_gcm::Aes128Gcm>(key, nonce, aad, buffer),
            #[cfg(feature = "gcm")]
            Self::A192Gcm => job.run::<Aes192Gcm>(key, nonce, aad, buffer),
            #[cfg(feature = "gcm")]
            Self::A256Gcm => job.run::<aes_gcm::Aes256Gcm>(key, nonce, aad, buffer),
            Self::AesCcm16_64_128 => job.run::<Ccm<Aes128, U8, U13>>(key, nonce, aad, buffer),
            Self::AesCcm16_64_256 => job.run::<Ccm<Aes256, U8, U13>>(key, nonce, aad, buffer),
            Self::AesCcm64_64_128 => job.run::<Ccm<Aes128, U8, U7>>(key, nonce, aad, buffer),
            Self::AesCcm64_64_256 => job.run::<Ccm<Aes256, U8, U7>>(key, nonce, aad, buffer),
            #[cfg(feature = "chacha20poly1305")]
            Self::ChaCha20Poly1305 => {
                job.run::<chacha20poly1305::ChaCha20Poly1305>(key, nonce, aad, buffer)
            }
            Self::AesCcm16_128_128 => job.run::<Ccm<Aes128, U16, U13>>(key, nonce, aad, buffer),
            Self::AesCcm16_128_256 => job.run::<Ccm<Aes256, U16, U13>>(key, nonce, aad, buffer),
            Self::AesCcm64_128_128 => job.run::<Ccm<Aes128, U16, U7>>(key, nonce, aad, buffer),
            Self::AesCcm64_128_256 => job.run::<Ccm<Aes256, U16, U7>>(key, nonce, aad, buffer),
        }
    }
}

#[cfg(feature = "gcm")]
type Aes192Gcm = aes_gcm::AesGcm<aes::Aes192, ccm::consts::U12>;

/// Sealing or opening, for whichever cipher the number stands for.
pub(crate) trait Job {
    fn run<C: KeyInit + AeadInOut>(
        self,
        key: &[u8],
        nonce: &[u8],
        aad: &[u8],
        buffer: &mut [u8],
    ) -> Result<usize, CryptoError>;
}

pub(crate) struct Seal(pub(crate) usize);

impl Job for Seal {
    fn run<C: KeyInit + AeadInOut>(
        self,
        key: &[u8],
        nonce: &[u8],
        aad: &[u8],
        buffer: &mut [u8],
    ) -> Result<usize, CryptoError> {
        let Self(len) = self;
        let nonce = <&Nonce<C>>::try_from(nonce).map_err(|_| CryptoError::NonceLength)?;
        let total = len
            .checked_add(<C as AeadCore>::TagSize::USIZE)
            .ok_or(CryptoError::BufferTooSmall)?;
        let (text, place) = buffer
            .get_mut(..total)
            .and_then(|room| room.split_at_mut_checked(len))
            .ok_or(CryptoError::BufferTooSmall)?;
        let tag = cipher::<C>(key)?
            .encrypt_inout_detached(nonce, aad, text.into())
            .map_err(|_| CryptoError::TooLong)?;
        place.copy_from_slice(&tag);
        Ok(total)
    }
}

pub(crate) struct Open;

impl Job for Open {
    fn run<C: KeyInit + AeadInOut>(
        self,
        key: &[u8],
        nonce: &[u8],
        aad: &[u8],
        buffer: &mut [u8],
    ) -> Result<usize, CryptoError> {
        let nonce = <&Nonce<C>>::try_from(nonce).map_err(|_| CryptoError::NonceLength)?;
        let (text, tag) = buffer
            .len()
            .checked_sub(<C as AeadCore>::TagSize::USIZE)
            .and_then(|len| buffer.split_at_mut_checked(len))
            .ok_or(CryptoError::Verification)?;
        let tag = <&Tag<C>>::try_from(&*tag).map_err(|_| CryptoError::Verification)?;
        let len = text.len();
        cipher::<C>(key)?
            .decrypt_inout_detached(nonce, aad, text.into(), tag)
            .map_err(|_| CryptoError::Verification)?;
        Ok(len)
    }
}

fn cipher<C: KeyInit>(key: &[u8]) -> Result<C, CryptoError> {
    let key = <&Key<C>>::try_from(key).map_err(|_| CryptoError::KeyLength)?;
    Ok(C::new(key))
}
