//! Authenticated encryption by COSE number, in place (RFC 9053, section 4).

use zeroize::Zeroize;

use crate::{CryptoError, ccm::Ccm};

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
    #[cfg(feature = "aes256")]
    AesCcm16_64_256 = 11,
    /// AES-CCM with a 128-bit key; nonce 7 bytes, tag 8.
    AesCcm64_64_128 = 12,
    /// AES-CCM with a 256-bit key; nonce 7 bytes, tag 8.
    #[cfg(feature = "aes256")]
    AesCcm64_64_256 = 13,
    /// ChaCha20/Poly1305; key 32 bytes, nonce 12, tag 16.
    #[cfg(feature = "chacha20poly1305")]
    ChaCha20Poly1305 = 24,
    /// AES-CCM with a 128-bit key; nonce 13 bytes, tag 16.
    AesCcm16_128_128 = 30,
    /// AES-CCM with a 256-bit key; nonce 13 bytes, tag 16.
    #[cfg(feature = "aes256")]
    AesCcm16_128_256 = 31,
    /// AES-CCM with a 128-bit key; nonce 7 bytes, tag 16.
    AesCcm64_128_128 = 32,
    /// AES-CCM with a 256-bit key; nonce 7 bytes, tag 16.
    #[cfg(feature = "aes256")]
    AesCcm64_128_256 = 33,
}

impl Aead {
    /// Longest key of any AEAD that is built in, in bytes.
    pub const MAX_KEY_LEN: usize = if cfg!(any(
        feature = "gcm",
        feature = "aes256",
        feature = "chacha20poly1305"
    )) {
        32
    } else {
        16
    };
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
            #[cfg(feature = "aes256")]
            11 => Self::AesCcm16_64_256,
            12 => Self::AesCcm64_64_128,
            #[cfg(feature = "aes256")]
            13 => Self::AesCcm64_64_256,
            #[cfg(feature = "chacha20poly1305")]
            24 => Self::ChaCha20Poly1305,
            30 => Self::AesCcm16_128_128,
            #[cfg(feature = "aes256")]
            31 => Self::AesCcm16_128_256,
            32 => Self::AesCcm64_128_128,
            #[cfg(feature = "aes256")]
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
            #[cfg(feature = "aes256")]
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
            Self::AesCcm16_64_128 | Self::AesCcm16_128_128 => 13,
            Self::AesCcm64_64_128 | Self::AesCcm64_128_128 => 7,
            #[cfg(feature = "aes256")]
            Self::AesCcm16_64_256 | Self::AesCcm16_128_256 => 13,
            #[cfg(feature = "aes256")]
            Self::AesCcm64_64_256 | Self::AesCcm64_128_256 => 7,
        }
    }

    /// Length of the tag in bytes: 8 or 16.
    #[must_use]
    pub const fn tag_len(self) -> usize {
        match self {
            Self::AesCcm16_64_128 | Self::AesCcm64_64_128 => 8,
            #[cfg(feature = "aes256")]
            Self::AesCcm16_64_256 | Self::AesCcm64_64_256 => 8,
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
            #[cfg(feature = "aes256")]
            Self::AesCcm16_64_256 => "AES-CCM-16-64-256",
            Self::AesCcm64_64_128 => "AES-CCM-64-64-128",
            #[cfg(feature = "aes256")]
            Self::AesCcm64_64_256 => "AES-CCM-64-64-256",
            #[cfg(feature = "chacha20poly1305")]
            Self::ChaCha20Poly1305 => "ChaCha20/Poly1305",
            Self::AesCcm16_128_128 => "AES-CCM-16-128-128",
            #[cfg(feature = "aes256")]
            Self::AesCcm16_128_256 => "AES-CCM-16-128-256",
            Self::AesCcm64_128_128 => "AES-CCM-64-128-128",
            #[cfg(feature = "aes256")]
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
        #[cfg(any(feature = "gcm", feature = "chacha20poly1305"))]
        if let Some(result) = self.other(generic::Seal(plaintext_len), key, nonce, aad, buffer) {
            return result;
        }
        self.ccm().seal(key, nonce, aad, buffer, plaintext_len)
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
        let result = self.open_or_leave(key, nonce, aad, buffer);
        if result.is_err() {
            buffer.zeroize();
        }
        result
    }

    fn open_or_leave(
        self,
        key: &[u8],
        nonce: &[u8],
        aad: &[u8],
        buffer: &mut [u8],
    ) -> Result<usize, CryptoError> {
        #[cfg(any(feature = "gcm", feature = "chacha20poly1305"))]
        if let Some(result) = self.other(generic::Open, key, nonce, aad, buffer) {
            return result;
        }
        self.ccm().open(key, nonce, aad, buffer)
    }

    const fn ccm(self) -> Ccm {
        Ccm {
            key_len: self.key_len(),
            nonce_len: self.nonce_len(),
            tag_len: self.tag_len(),
        }
    }

    /// The AEADs that are not AES-CCM.
    #[cfg(any(feature = "gcm", feature = "chacha20poly1305"))]
    fn other(
        self,
        job: impl generic::Job,
        key: &[u8],
        nonce: &[u8],
        aad: &[u8],
        buffer: &mut [u8],
    ) -> Option<Result<usize, CryptoError>> {
        Some(match self {
            #[cfg(feature = "gcm")]
            Self::A128Gcm => job.run::<aes_gcm::Aes128Gcm>(key, nonce, aad, buffer),
            #[cfg(feature = "gcm")]
            Self::A192Gcm => job.run::<aes_gcm::AesGcm<aes::Aes192, aes_gcm::aead::consts::U12>>(
                key, nonce, aad, buffer,
            ),
            #[cfg(feature = "gcm")]
            Self::A256Gcm => job.run::<aes_gcm::Aes256Gcm>(key, nonce, aad, buffer),
            #[cfg(feature = "chacha20poly1305")]
            Self::ChaCha20Poly1305 => {
                job.run::<chacha20poly1305::ChaCha20Poly1305>(key, nonce, aad, buffer)
            }
            _ => return None,
        })
    }
}

/// Sealing and opening through the trait that the AEAD crates share.
#[cfg(any(feature = "gcm", feature = "chacha20poly1305"))]
mod generic {
    #[cfg(feature = "gcm")]
    use aes_gcm::aead;
    #[cfg(not(feature = "gcm"))]
    use chacha20poly1305::aead;

    use aead::{AeadCore, AeadInOut, Key, KeyInit, Nonce, Tag, array::typenum::Unsigned};

    use crate::CryptoError;

    /// Sealing or opening, for whichever cipher the number stands for.
    pub(super) trait Job {
        fn run<C: KeyInit + AeadInOut>(
            self,
            key: &[u8],
            nonce: &[u8],
            aad: &[u8],
            buffer: &mut [u8],
        ) -> Result<usize, CryptoError>;
    }

    pub(super) struct Seal(pub(super) usize);

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

    pub(super) struct Open;

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
}
