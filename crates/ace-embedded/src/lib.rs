//! What the ACE engines need on a board: records that survive a reset, and sockets.
//!
//! **What it does.** [`FlashStorage`] is the [`Storage`](ace_oscore::storage::Storage) of `ace-client` and `ace-rs` in NOR
//! flash: tokens with their keys, OSCORE sequence numbers, numbers of tokens with `exi`. It takes any driver that
//! implements `embedded-storage`, and writes to a wear-levelling log (`sequential-storage`). [`Board`] drives the engines on
//! asynchronous UDP sockets of `embedded-nal-async` or `edge-nal`, as under Embassy; without an executor, the engines are as
//! easily called from a loop.
//!
//! **What it does not.** No encryption: records hold keys, and the flash must be as safe as the device. No partitions:
//! the caller names a range that nobody else uses. No NAND flash.
//!
//! ```
//! use ace_embedded::FlashStorage;
//! use ace_oscore::storage::{Key, Storage};
//! use embedded_storage::nor_flash::NorFlash;
//!
//! /// The last 16 KiB of 256 KiB are the engine's.
//! fn storage<F: NorFlash>(flash: F) -> impl Storage {
//!     FlashStorage::<F>::open(flash, 0x3_c000..0x4_0000).unwrap()
//! }
//! # use embedded_storage::nor_flash::{ErrorType, ReadNorFlash};
//! # struct Ram(Vec<u8>);
//! # impl ErrorType for Ram { type Error = core::convert::Infallible; }
//! # impl ReadNorFlash for Ram {
//! #     const READ_SIZE: usize = 1;
//! #     fn read(&mut self, at: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
//! #         bytes.copy_from_slice(&self.0[at as usize..][..bytes.len()]);
//! #         Ok(())
//! #     }
//! #     fn capacity(&self) -> usize { self.0.len() }
//! # }
//! # impl NorFlash for Ram {
//! #     const WRITE_SIZE: usize = 4;
//! #     const ERASE_SIZE: usize = 1024;
//! #     fn erase(&mut self, from: u32, to: u32) -> Result<(), Self::Error> {
//! #         self.0[from as usize..to as usize].fill(0xff);
//! #         Ok(())
//! #     }
//! #     fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), Self::Error> {
//! #         self.0[at as usize..].iter_mut().zip(bytes).for_each(|(cell, byte)| *cell &= byte);
//! #         Ok(())
//! #     }
//! # }
//!
//! let mut storage = storage(Ram(vec![0xff; 0x4_0000]));
//! storage.save(Key(7), b"kept").unwrap();
//! let mut record = [0; 8];
//! assert_eq!(storage.load(Key(7), &mut record).unwrap(), Some(4));
//! ```
//!
//! # What is promised
//!
//! - **A power cut** in any operation, a word written in part and a page erased in part included: every record is
//!   afterwards what was saved last, or what was being saved; never an older value, never a mixture. It holds for cuts
//!   during the recovery as well.
//! - **A flipped bit** brings back no older value: records of up to 16 bytes survive it (sequence numbers are 8), longer ones
//!   are reported as [`FlashError::Corrupt`]. More damage than that is found by a checksum of 32 bits.
//! - **A worn page**: all that is written or erased is read back. A write that fails is tried once more elsewhere; then, or
//!   when a page does not erase, it is [`FlashError::Worn`], and what was saved can still be read.
//! - **A full flash** is [`FlashError::Full`], and nothing is lost. Each attempt costs an erasure of every page: do not
//!   repeat it in a loop. Beside the records in force there must be one free page.
//!
//! The engines go on without what they can do without: a client that cannot save its token asks for another after the
//! reset. They refuse what they cannot: a sequence number that is not saved is not used (RFC 8613, B.1.1), a token whose
//! number is not saved is not taken (RFC 9200, 5.10.3).
//!
//! # Size and wear
//!
//! A record of *n* bytes takes 18 + *n* bytes and, for its witness, 17 more, or 18 + *n* for up to 16 bytes; each rounded up
//! to words. The frame of a page takes 3 words, and marks of the log 2. A reservation of 64 sequence numbers is 56 bytes, so
//! that 4 pages of 4 KiB and 10,000 erasures last for about 180 million protected messages. A range of 2 pages works; 3
//! or more wear less.
//!
//! # Features
//!
//! All by default:
//!
//! - `flash`: [`FlashStorage`].
//! - `nal`: [`Board`], on a [`Socket`]: [`NalSocket`] or one of your own. The timer is any `embedded_hal_async::delay::DelayNs`.
//! - `edge-nal`: [`EdgeSocket`], with `nal`. Its traits link `embassy-time`.
//! - `oscore`, `dtls`: the profiles of the engines that `nal` drives; one at least. More of them is switched on in `ace-client`
//!   and `ace-rs`.
//!
//! **Memory.** No heap: the buffer of [`FlashStorage`], 704 bytes by default, and about 40 more; the receive buffer of
//! [`Board`], 1,152 bytes by default.
//!
//! **Panics.** None.
//!
//! **Caveats.** Erasing the range brings sequence numbers back to 0: give the device new keys with it. A page whose frame
//! was destroyed in more bits than a fault explains counts as one whose erasure was interrupted.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::todo,
        clippy::unreachable
    )
)]

#[cfg(feature = "flash")]
mod flash;
#[cfg(feature = "nal")]
mod nal;

#[cfg(feature = "flash")]
pub use flash::{FlashError, FlashStorage};
#[cfg(feature = "edge-nal")]
pub use nal::EdgeSocket;
#[cfg(feature = "nal")]
pub use nal::{Board, ClientEngine, Clock, Engine, NalSocket, ServerEngine, Socket};
