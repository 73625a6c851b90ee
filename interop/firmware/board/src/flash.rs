//! NOR flash on a file, as the board's own flash behaves: 1 KiB pages erased to ones, words of four bytes programmed by
//! clearing bits. Whoever ends the emulator in the middle of a write or an erasure leaves the page half done.

use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash, check_erase, check_read, check_write,
};

use crate::semihosting::{File, Mode};

/// Bytes of a page.
pub const PAGE: usize = 1024;
/// Bytes of a word.
pub const WORD: usize = 4;
/// Bytes of the whole.
pub const CAPACITY: usize = 16 * PAGE;

const NAME: &core::ffi::CStr = c"flash";

/// The part of the flash that is for data; the file `flash`, which outlives the emulator.
#[derive(Debug)]
pub struct Flash(File);

impl Flash {
    /// Opens the file, or makes it, all ones.
    pub(crate) fn open() -> Option<Self> {
        if let Some(file) = File::open(NAME, Mode::Update)
            && file.length() == Some(CAPACITY)
        {
            return Some(Self(file));
        }
        let mut file = File::open(NAME, Mode::CreateUpdate)?;
        (0..CAPACITY / WORD).all(|_| file.write(&[0xff; WORD])).then_some(Self(file))
    }

    fn put(&mut self, offset: usize, word: [u8; WORD]) -> Result<(), Broken> {
        (self.0.seek(offset) && self.0.write(&word)).then_some(()).ok_or(Broken::Host)
    }
}

/// Why the flash did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// Not as the flash is divided, or beyond its end.
    Bounds(NorFlashErrorKind),
    /// The host did not read or write.
    Host,
}

impl NorFlashError for Broken {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            Self::Bounds(kind) => *kind,
            Self::Host => NorFlashErrorKind::Other,
        }
    }
}

impl From<NorFlashErrorKind> for Broken {
    fn from(kind: NorFlashErrorKind) -> Self {
        Self::Bounds(kind)
    }
}

impl ErrorType for Flash {
    type Error = Broken;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Broken> {
        check_read(self, offset, bytes.len())?;
        let whole = self.0.seek(offset as usize) && self.0.read(bytes) == bytes.len();
        whole.then_some(()).ok_or(Broken::Host)
    }

    fn capacity(&self) -> usize {
        CAPACITY
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = PAGE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Broken> {
        check_erase(self, from, to)?;
        (from as usize..to as usize).step_by(WORD).try_for_each(|offset| self.put(offset, [0xff; WORD]))
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Broken> {
        check_write(self, offset, bytes.len())?;
        for (index, chunk) in bytes.chunks_exact(WORD).enumerate() {
            let at = offset as usize + index * WORD;
            let mut word = [0; WORD];
            self.read(at as u32, &mut word)?;
            // Bits are cleared, never set.
            word.iter_mut().zip(chunk).for_each(|(old, new)| *old &= new);
            self.put(at, word)?;
        }
        Ok(())
    }
}
