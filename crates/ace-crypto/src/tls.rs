//! What the cipher suites of DTLS 1.2 need beside COSE: AES-CCM with a 12-byte nonce (RFC 6655, section 3) and the PRF
//! (RFC 5246, section 5).

use hmac::{
    Hmac, Mac as _,
    digest::{FixedOutput, Output},
};
use zeroize::Zeroize;

use crate::{
    CryptoError,
    ccm::Ccm,
    hash::{copy, keyed},
};

/// An AEAD of the TLS cipher suites: AES-CCM with a 128-bit key and a 12-byte nonce.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TlsAead {
    /// AEAD_AES_128_CCM_8 of the suites named `…_AES_128_CCM_8`; tag 8 bytes.
    Aes128Ccm8,
    /// AEAD_AES_128_CCM of the suites named `…_AES_128_CCM`; tag 16 bytes.
    Aes128Ccm,
}

impl TlsAead {
    /// Length of the key, in bytes.
    pub const KEY_LEN: usize = 16;
    /// Length of the nonce, in bytes: 4 of the write IV, 8 of the record.
    pub const NONCE_LEN: usize = 12;
    /// Longest tag of any AEAD here, in bytes.
    pub const MAX_TAG_LEN: usize = 16;

    /// Length of the tag in bytes: 8 or 16.
    #[must_use]
    pub const fn tag_len(self) -> usize {
        match self {
            Self::Aes128Ccm8 => 8,
            Self::Aes128Ccm => 16,
        }
    }

    /// Encrypts the first `plaintext_len` bytes of `buffer` in place and puts the tag behind them.
    ///
    /// Returns the length of ciphertext and tag together. Bytes of `buffer` behind them are left alone. The nonce must
    /// never have been used with this key before.
    ///
    /// # Errors
    /// [`KeyLength`](CryptoError::KeyLength), [`NonceLength`](CryptoError::NonceLength),
    /// [`BufferTooSmall`](CryptoError::BufferTooSmall), or [`TooLong`](CryptoError::TooLong) for a text of 16 MiB or more.
    /// `buffer` is unchanged then.
    pub fn seal(
        self,
        key: &[u8],
        nonce: &[u8],
        aad: &[u8],
        buffer: &mut [u8],
        plaintext_len: usize,
    ) -> Result<usize, CryptoError> {
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
        let result = self.ccm().open(key, nonce, aad, buffer);
        if result.is_err() {
            buffer.zeroize();
        }
        result
    }

    const fn ccm(self) -> Ccm {
        Ccm {
            key_len: Self::KEY_LEN,
            nonce_len: Self::NONCE_LEN,
            tag_len: self.tag_len(),
        }
    }
}

/// The PRF of TLS 1.2 with SHA-256: fills `out` from `secret`, `label` and the concatenated `seed`.
///
/// ```
/// let mut verify_data = [0; 12];
/// let (master_secret, hash) = ([1; 48], ace_crypto::sha256(&[b"handshake"]));
/// ace_crypto::tls12_prf_sha256(&master_secret, b"client finished", &[&hash], &mut verify_data);
/// ```
// RFC 5246, 5
pub fn tls12_prf_sha256(secret: &[u8], label: &[u8], seed: &[&[u8]], out: &mut [u8]) {
    let keyed = keyed::<sha2::Sha256>(secret);
    let mut chain = Output::<Hmac<sha2::Sha256>>::default();
    let mut block = Output::<Hmac<sha2::Sha256>>::default();
    let seeded = |mut mac: Hmac<sha2::Sha256>, into: &mut Output<Hmac<sha2::Sha256>>| {
        mac.update(label);
        for part in seed {
            mac.update(part);
        }
        mac.finalize_into(into);
    };

    seeded(keyed.clone(), &mut chain);
    for chunk in out.chunks_mut(block.len()) {
        let mut mac = keyed.clone();
        mac.update(&chain);
        seeded(mac, &mut block);
        copy(&block, chunk);

        let mut mac = keyed.clone();
        mac.update(&chain);
        mac.finalize_into(&mut chain);
    }
    chain.as_mut_slice().zeroize();
    block.as_mut_slice().zeroize();
}
