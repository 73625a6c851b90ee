//! Sequence numbers reserved in storage ahead of use (RFC 8613, B.1.1).
//!
//! One record per context holds the number below which everything may have been used. It is written before the first of
//! a block of numbers is used; after a reboot the context goes on from it. What was reserved and not used is lost: a
//! larger block means fewer writes and larger gaps, of which 2^40 numbers have room for many.
//!
//! ```
//! use ace_oscore::{Parameters, SecurityContext, storage::{self, Key, Storage}};
//! # use ace_crypto::{Aead, Hkdf};
//!
//! #[derive(Default)]
//! struct Flash(Option<[u8; 8]>);
//! impl Storage for Flash {
//!     type Error = core::convert::Infallible;
//!     fn load(&mut self, _: Key, out: &mut [u8]) -> Result<Option<usize>, Self::Error> {
//!         Ok(self.0.map(|record| {
//!             out[..8].copy_from_slice(&record);
//!             8
//!         }))
//!     }
//!     fn save(&mut self, _: Key, value: &[u8]) -> Result<(), Self::Error> {
//!         self.0 = value.try_into().ok();
//!         Ok(())
//!     }
//! }
//!
//! # let parameters = Parameters {
//! #     master_secret: &[1; 16], master_salt: &[], sender_id: &[0], recipient_id: &[1], id_context: None,
//! #     aead: Aead::AesCcm16_64_128, hkdf: Hkdf::Sha256,
//! # };
//! let (mut flash, key, block) = (Flash::default(), Key(7), 64);
//! let mut context = SecurityContext::derive(&parameters).unwrap();
//! storage::restore(&mut context, &mut flash, key, block).unwrap();
//! assert_eq!((context.next_sequence(), context.reserved()), (0, 64));
//! // … and while it runs:
//! if context.needs_reservation(16) {
//!     storage::reserve(&mut context, &mut flash, key, block).unwrap();
//! }
//!
//! // after a reboot
//! let mut context = SecurityContext::derive(&parameters).unwrap();
//! storage::restore(&mut context, &mut flash, key, block).unwrap();
//! assert_eq!((context.next_sequence(), context.reserved()), (64, 128));
//! assert!(!context.is_synchronised());
//! ```

use crate::{SEQUENCE_LIMIT, SecurityContext};

/// Small records that survive a reboot.
pub trait Storage {
    /// What can go wrong.
    type Error: core::fmt::Debug;

    /// Copies the record to the start of `out` and returns its length; `None` if it was never saved.
    ///
    /// # Errors
    /// The medium's; also when the record is longer than `out`.
    fn load(&mut self, key: Key, out: &mut [u8]) -> Result<Option<usize>, Self::Error>;

    /// Saves the record. Returns only once it is durable. After a crash in between, [`load`](Self::load) gives the old
    /// record or the new one, whole.
    ///
    /// # Errors
    /// The medium's. Old or new record may stand then.
    fn save(&mut self, key: Key, value: &[u8]) -> Result<(), Self::Error>;
}

/// Names a record. The caller gives each context one of its own, and a new one when the keys change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub u32);

/// Why nothing was reserved.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorageError<E> {
    /// The storage failed.
    Storage(E),
    /// The record is not eight bytes, or says more than [`SEQUENCE_LIMIT`]. The context must not be used: derive
    /// another one.
    Corrupt,
    /// All numbers are reserved (RFC 8613, 7.2.1).
    Exhausted,
}

/// Reserves `block` more numbers (at least one): first in storage, then in the context.
///
/// # Errors
/// Nothing more is granted then; what was granted before can still be used.
pub fn reserve<S: Storage>(
    context: &mut SecurityContext,
    storage: &mut S,
    key: Key,
    block: u64,
) -> Result<(), StorageError<S::Error>> {
    if context.reserved() >= SEQUENCE_LIMIT {
        return Err(StorageError::Exhausted);
    }
    let limit = context
        .reserved()
        .saturating_add(block.max(1))
        .min(SEQUENCE_LIMIT);
    storage
        .save(key, &limit.to_be_bytes())
        .map_err(StorageError::Storage)?;
    context.reserve_up_to(limit);
    Ok(())
}

/// Brings a context, derived at boot, back to where it may go on, and reserves the first `block` numbers.
///
/// With nothing stored the context is new: numbers from 0, an empty replay window. Otherwise it goes on from the stored
/// number, and the first request is challenged ([`SecurityContext::resume`]). Also a server that never sends a number of
/// its own calls this before the first request: without the record it would take a reboot for its beginning, and a
/// replay for new.
///
/// # Errors
/// The context must not be used then.
pub fn restore<S: Storage>(
    context: &mut SecurityContext,
    storage: &mut S,
    key: Key,
    block: u64,
) -> Result<(), StorageError<S::Error>> {
    let mut record = [0; 8];
    match storage
        .load(key, &mut record)
        .map_err(StorageError::Storage)?
    {
        None => {}
        Some(8) => {
            let stored = u64::from_be_bytes(record);
            if stored > SEQUENCE_LIMIT {
                return Err(StorageError::Corrupt);
            }
            context.resume(stored);
        }
        Some(_) => return Err(StorageError::Corrupt),
    }
    reserve(context, storage, key, block)
}
