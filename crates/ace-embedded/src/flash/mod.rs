//! Records in NOR flash.

mod pages;
mod record;

use core::fmt;
use core::ops::Range;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use ace_oscore::storage::{Key, Storage};
use embedded_storage::nor_flash::NorFlash;
use sequential_storage::Error;
use sequential_storage::cache::{Cache, Uncached};
use sequential_storage::map::{MapConfig, MapStorage};
use zeroize::{Zeroize, Zeroizing};

use pages::{PageError, Pages, Unusable};
use record::{Item, OVERHEAD, SHORT, Versioned};

/// The engines' [`Storage`] in NOR flash.
///
/// `BUFFER`: bytes of working memory. A record may be as long as [`FlashStorage::LONGEST`] says. For the client it holds
/// grants: its `GRANT` and 48 bytes more are enough.
///
/// See the [crate's first page](crate) for what is promised.
pub struct FlashStorage<F: NorFlash, const BUFFER: usize = 704> {
    log: Log<F>,
    buffer: Zeroizing<[u8; BUFFER]>,
}

type Log<F> = MapStorage<Item, Pages<F>, Cache<Uncached, Uncached, Uncached, Item>>;

/// Why a record is not read or not saved. `E` is the flash driver's error.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlashError<E> {
    /// The driver says so.
    Flash(E),
    /// The range is not two or more whole pages of the flash, or the flash has words of more than 32 bytes.
    Layout,
    /// The range is neither blank nor written by this crate: erase it first if it is meant for this.
    Foreign,
    /// Flash was changed in more bits than can be explained. The record asked for, or what was newest of it, is lost.
    Corrupt,
    /// What was written or erased does not read back: the flash is at its end. Records can still be read.
    Worn,
    /// All pages are full of records that are still in force. Nothing was lost.
    Full,
    /// The value is longer than [`FlashStorage::LONGEST`] or than a page.
    TooLong,
    /// The record is longer than the room given for it.
    NoRoom,
}

impl<E: fmt::Debug> fmt::Display for FlashError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flash(error) => write!(f, "the flash driver reports {error:?}"),
            Self::Layout => f.write_str("not two or more whole pages of the flash"),
            Self::Foreign => f.write_str("the flash holds something else"),
            Self::Corrupt => f.write_str("a record in flash is corrupt"),
            Self::Worn => f.write_str("the flash is worn out"),
            Self::Full => f.write_str("the flash is full"),
            Self::TooLong => f.write_str("the record is too long for the flash storage"),
            Self::NoRoom => f.write_str("the record is longer than the room given for it"),
        }
    }
}

impl<E: fmt::Debug> core::error::Error for FlashError<E> {}

impl<E> From<PageError<E>> for FlashError<E> {
    fn from(error: PageError<E>) -> Self {
        match error {
            PageError::Flash(error) => Self::Flash(error),
            PageError::Worn => Self::Worn,
        }
    }
}

impl<E> From<Unusable> for FlashError<E> {
    fn from(unusable: Unusable) -> Self {
        match unusable {
            Unusable::Layout => Self::Layout,
            Unusable::Foreign => Self::Foreign,
            Unusable::Corrupt => Self::Corrupt,
        }
    }
}

impl<E> From<Error<PageError<E>>> for FlashError<E> {
    fn from(error: Error<PageError<E>>) -> Self {
        match error {
            Error::Storage { value, .. } => value.into(),
            Error::FullStorage => Self::Full,
            Error::ItemTooBig | Error::BufferTooSmall(_) | Error::BufferTooBig => Self::TooLong,
            // Also what the log's own checks find, and whatever it may come to report.
            _ => Self::Corrupt,
        }
    }
}

impl<F: NorFlash, const BUFFER: usize> FlashStorage<F, BUFFER> {
    /// Longest value of a record, in bytes.
    pub const LONGEST: usize = {
        let word = if F::WRITE_SIZE > F::READ_SIZE {
            F::WRITE_SIZE
        } else {
            F::READ_SIZE
        };
        // The log reads and writes whole words.
        let whole = BUFFER - BUFFER % if word == 0 { 1 } else { word };
        whole.saturating_sub(OVERHEAD)
    };

    /// Opens the log in `range` of the flash, in bytes: two or more whole pages, and nobody else's. A blank range is made
    /// ready; an operation that a reset interrupted is finished.
    ///
    /// # Errors
    /// [`FlashError::Layout`], [`FlashError::Foreign`], [`FlashError::Corrupt`], and the driver's.
    pub fn open(flash: F, range: Range<u32>) -> Result<Self, FlashError<F::Error>> {
        const {
            assert!(
                BUFFER >= 128,
                "BUFFER is too small for the log's own records"
            )
        }
        let pages = Pages::open(flash, range)??;
        let config = MapConfig::try_new(pages.inside()).map_err(|_| FlashError::Layout)?;
        Ok(Self {
            log: MapStorage::new(pages, config, Cache::new_uncached()),
            buffer: Zeroizing::new([0; BUFFER]),
        })
    }

    /// Whether a page resists erasure, so that nothing more can be saved. What was saved can be read.
    pub fn is_read_only(&mut self) -> bool {
        self.log.flash().is_stuck()
    }

    /// The flash, after use.
    pub fn into_flash(self) -> F {
        self.log.destroy().0.into_flash()
    }

    fn fetch(&mut self, item: Item) -> Result<Option<Versioned<'_>>, FlashError<F::Error>> {
        let found = now(self
            .log
            .fetch_item::<Versioned<'_>>(&mut self.buffer[..], &item));
        Ok(found?)
    }

    fn witness(&mut self, key: Key) -> Result<Option<Witness>, FlashError<F::Error>> {
        let witness = self.fetch(Item::Witness(key))?;
        Ok(witness.map(|Versioned { version, value }| Witness {
            version,
            copy: value.and_then(Short::of),
        }))
    }

    fn store(
        &mut self,
        item: Item,
        version: u32,
        value: Option<&[u8]>,
    ) -> Result<(), FlashError<F::Error>> {
        let value = Versioned { version, value };
        let stored = now(self.log.store_item(&mut self.buffer[..], &item, &value));
        Ok(stored?)
    }

    /// Writes an item; at another place if the first one is worn.
    fn put(
        &mut self,
        item: Item,
        version: u32,
        value: Option<&[u8]>,
    ) -> Result<(), FlashError<F::Error>> {
        match self.store(item, version, value) {
            Err(FlashError::Worn) if !self.is_read_only() => self.store(item, version, value),
            result => result,
        }
    }

    fn read(&mut self, key: Key, out: &mut [u8]) -> Result<Option<usize>, FlashError<F::Error>> {
        let witness = self.witness(key)?;
        let witnessed = witness.map(|witness| witness.version);
        if let Some(Versioned {
            version,
            value: Some(value),
        }) = self.fetch(Item::Value(key))?
            && Some(version) >= witnessed
        {
            let length = place(value, out)?;
            if Some(version) > witnessed {
                // A cut came in between: from now on this value is the one that stands. If it cannot be said now, the next
                // load will try again.
                let value = out.get(..length).filter(|value| value.len() <= SHORT);
                let _ = self.put(Item::Witness(key), version, value);
            }
            return Ok(Some(length));
        }
        match witness {
            None => Ok(None),
            Some(Witness { copy: None, .. }) => Err(FlashError::Corrupt),
            Some(Witness {
                version,
                copy: Some(copy),
            }) => {
                let _ = self.put(Item::Value(key), version, Some(copy.as_bytes()));
                place(copy.as_bytes(), out).map(Some)
            }
        }
    }

    fn write(&mut self, key: Key, value: &[u8]) -> Result<(), FlashError<F::Error>> {
        if value.len() > Self::LONGEST {
            return Err(FlashError::TooLong);
        }
        let witnessed = self.witness(key)?.map(|witness| witness.version);
        let newest = self.fetch(Item::Value(key))?;
        let version = newest.map(|newest| newest.version);
        if version == witnessed && newest.is_some_and(|newest| newest.value == Some(value)) {
            return Ok(());
        }
        let version = version
            .max(witnessed)
            .map_or(0, |version| version.wrapping_add(1));
        self.put(Item::Value(key), version, Some(value))?;
        let copy = Some(value).filter(|value| value.len() <= SHORT);
        self.put(Item::Witness(key), version, copy)
    }
}

impl<F: NorFlash, const BUFFER: usize> Storage for FlashStorage<F, BUFFER> {
    type Error = FlashError<F::Error>;

    fn load(&mut self, key: Key, out: &mut [u8]) -> Result<Option<usize>, Self::Error> {
        let loaded = self.read(key, out);
        self.buffer.zeroize();
        loaded
    }

    fn save(&mut self, key: Key, value: &[u8]) -> Result<(), Self::Error> {
        let saved = self.write(key, value);
        self.buffer.zeroize();
        saved
    }
}

impl<F: NorFlash, const BUFFER: usize> fmt::Debug for FlashStorage<F, BUFFER> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlashStorage").finish_non_exhaustive()
    }
}

/// What is known of a record beside its value.
#[derive(Clone, Copy)]
struct Witness {
    version: u32,
    /// The value, if it is short.
    copy: Option<Short>,
}

/// A short value.
#[derive(Clone, Copy)]
struct Short {
    bytes: [u8; SHORT],
    length: usize,
}

impl Short {
    fn of(value: &[u8]) -> Option<Self> {
        let mut bytes = [0; SHORT];
        bytes.get_mut(..value.len())?.copy_from_slice(value);
        Some(Self {
            bytes,
            length: value.len(),
        })
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&[])
    }
}

fn place<E>(value: &[u8], out: &mut [u8]) -> Result<usize, FlashError<E>> {
    let room = out.get_mut(..value.len()).ok_or(FlashError::NoRoom)?;
    room.copy_from_slice(value);
    Ok(value.len())
}

/// Runs a future over a flash that never waits.
fn now<T, E>(future: impl Future<Output = Result<T, Error<E>>>) -> Result<T, Error<E>> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        // Nothing in it waits: the flash is a blocking one.
        Poll::Pending => Err(Error::BufferTooBig),
    }
}
