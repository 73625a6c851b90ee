//! Records that survive a reset: the wear-levelling log of `ace-embedded` in the board's flash.

use core::cell::RefCell;

use ace_embedded::FlashStorage;
use ace_oscore::storage::{Key, Storage};
use board::{
    Place,
    flash::{CAPACITY, Flash},
    give_up,
};

type Log = FlashStorage<Flash>;

static LOG: Place<Result<Log, <Log as Storage>::Error>> = Place::new();

static SHARED: Place<RefCell<&'static mut Log>> = Place::new();

/// The log, in static memory of its own, so that it is not counted for an engine; client and server share it.
#[derive(Debug, Clone, Copy)]
pub struct Records(&'static RefCell<&'static mut Log>);

impl Records {
    /// Opens the log in the whole of the flash.
    ///
    /// # Panics
    /// The second time.
    pub fn open(flash: Flash) -> Self {
        match LOG.fill(|| FlashStorage::open(flash, 0..CAPACITY as u32)) {
            Ok(log) => Self(SHARED.fill(|| RefCell::new(log))),
            Err(_) => give_up("the flash cannot be used"),
        }
    }
}

impl Storage for Records {
    type Error = <Log as Storage>::Error;

    #[inline(never)]
    fn load(&mut self, key: Key, out: &mut [u8]) -> Result<Option<usize>, Self::Error> {
        self.0.borrow_mut().load(key, out)
    }

    #[inline(never)]
    fn save(&mut self, key: Key, value: &[u8]) -> Result<(), Self::Error> {
        self.0.borrow_mut().save(key, value)
    }
}
