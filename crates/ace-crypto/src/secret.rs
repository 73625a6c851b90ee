//! Secret bytes: wiped on drop, compared in constant time, never printed.

use zeroize::Zeroize;

/// Up to `MAX` secret bytes, held in place.
///
/// Wiped on drop; `==` takes the same time wherever two secrets of one length differ; `Debug` prints `Secret(..)`.
///
/// ```
/// use ace_crypto::Secret;
/// let key = Secret::<32>::new(&[1; 16]).unwrap();
/// assert_eq!(key.as_bytes(), [1; 16]);
/// assert_eq!(format!("{key:?}"), "Secret(..)");
/// assert!(Secret::<32>::new(&[1; 33]).is_none());
/// ```
#[derive(Clone)]
pub struct Secret<const MAX: usize> {
    bytes: [u8; MAX],
    len: usize,
}

impl<const MAX: usize> Secret<MAX> {
    /// Copies `bytes`; `None` if there are more than `MAX`.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let mut secret = Self::zeroed(bytes.len())?;
        secret.as_mut_bytes().copy_from_slice(bytes);
        Some(secret)
    }

    /// `len` zero bytes, to be filled through [`as_mut_bytes`](Self::as_mut_bytes); `None` if `len` is above `MAX`.
    #[must_use]
    pub const fn zeroed(len: usize) -> Option<Self> {
        if len > MAX {
            return None;
        }
        Some(Self {
            bytes: [0; MAX],
            len,
        })
    }

    /// All `MAX` bytes.
    #[must_use]
    pub const fn full(bytes: [u8; MAX]) -> Self {
        Self { bytes, len: MAX }
    }

    /// The secret itself.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }

    /// The secret itself, to be written.
    #[must_use]
    pub fn as_mut_bytes(&mut self) -> &mut [u8] {
        self.bytes.get_mut(..self.len).unwrap_or(&mut [])
    }

    /// Length in bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<const MAX: usize> Drop for Secret<MAX> {
    fn drop(&mut self) {
        self.bytes.zeroize();
        self.len.zeroize();
    }
}

impl<const MAX: usize> zeroize::ZeroizeOnDrop for Secret<MAX> {}

impl<const MAX: usize> PartialEq for Secret<MAX> {
    fn eq(&self, other: &Self) -> bool {
        crate::ct_eq(self.as_bytes(), other.as_bytes())
    }
}

impl<const MAX: usize> Eq for Secret<MAX> {}

impl<const MAX: usize> core::fmt::Debug for Secret<MAX> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Secret(..)")
    }
}
