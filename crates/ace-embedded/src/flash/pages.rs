//! Pages of a NOR flash whose erasure, once begun, is always finished.
//!
//! An erasure that a power cut interrupts leaves anything: bits of before, bits that are set, in any order. The log above
//! cannot tell such a page from a page of records. So each page is framed, and the log sees what lies inside:
//!
//! ```text
//! | clean | ... what the log writes ... | dirty | clean |
//! ```
//!
//! `clean` is written once the page reads blank after its erasure, `dirty` before the next one begins. A page with `dirty`
//! or without a whole `clean` on either side was to be erased, and is erased again before anything in it is believed.

use core::ops::Range;

use embedded_storage::nor_flash::{NorFlash, NorFlashError, NorFlashErrorKind};
use embedded_storage_async::nor_flash as log;

/// Written on both sides of an erased page, repeated to the length of a word. As many ones as zeros.
const CLEAN: [u8; 4] = [0x5a, 0xc3, 0x69, 0x96];
/// Longest word of a flash, in bytes; the log's limit.
const MAX_WORD: usize = 32;
/// Bits of a word of the frame that may have flipped for each four bytes of it.
const TOLERANCE: u32 = 2;
/// The log's header of a record, in bytes.
const HEADER: usize = 8;
/// What is read at once to see whether a page is blank.
const CHUNK: usize = 64;

/// Why an access to a page failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PageError<E> {
    /// The flash says so.
    Flash(E),
    /// What was written or erased does not read back.
    Worn,
}

impl<E: NorFlashError> NorFlashError for PageError<E> {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            Self::Flash(error) => error.kind(),
            Self::Worn => NorFlashErrorKind::Other,
        }
    }
}

/// What is found where pages should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// Not whole pages, fewer than two, or words of an unknown kind.
    Layout,
    /// Neither blank nor ours.
    Foreign,
    /// More than one power cut explains.
    Corrupt,
}

/// The pages, seen by the log as pages shorter by the frame.
#[derive(Debug)]
pub(crate) struct Pages<F> {
    flash: F,
    start: u32,
    count: u32,
    /// The page whose erasure has begun and is not finished. It reads as blank.
    unfinished: Option<u32>,
}

impl<F: NorFlash> Pages<F> {
    /// Length of a word of the frame.
    const WORD: u32 = {
        let longest = if F::WRITE_SIZE > F::READ_SIZE {
            F::WRITE_SIZE
        } else {
            F::READ_SIZE
        };
        if longest > CLEAN.len() {
            longest as u32
        } else {
            CLEAN.len() as u32
        }
    };
    /// Length of a page.
    const WHOLE: u32 = F::ERASE_SIZE as u32;
    /// Length of a page as the log sees it.
    const INSIDE: u32 = Self::WHOLE.saturating_sub(3 * Self::WORD);

    const FITS: bool = F::WRITE_SIZE > 0
        && F::READ_SIZE > 0
        && Self::WORD as usize <= MAX_WORD
        && (Self::WORD as usize).is_multiple_of(F::WRITE_SIZE)
        && (Self::WORD as usize).is_multiple_of(F::READ_SIZE)
        && CHUNK.is_multiple_of(Self::WORD as usize)
        && Self::WHOLE.is_multiple_of(Self::WORD)
        && Self::INSIDE > 3 * Self::WORD + HEADER as u32;

    /// Finds the pages in `range`; erases those whose erasure was interrupted and, on a blank flash, frames all of them.
    pub(crate) fn open(
        flash: F,
        range: Range<u32>,
    ) -> Result<Result<Self, Unusable>, PageError<F::Error>> {
        let whole =
            range.start.is_multiple_of(Self::WHOLE) && range.end.is_multiple_of(Self::WHOLE);
        let count = range.end.saturating_sub(range.start) / Self::WHOLE.max(1);
        if !Self::FITS || !whole || count < 2 || range.end as usize > flash.capacity() {
            return Ok(Err(Unusable::Layout));
        }
        let start = range.start;
        let mut pages = Self {
            flash,
            start,
            count,
            unfinished: None,
        };
        Ok(pages.recover()?.map(|()| pages))
    }

    fn recover(&mut self) -> Result<Result<(), Unusable>, PageError<F::Error>> {
        let (mut whole, mut filled, mut begun, mut last) = (0, 0, 0, None);
        for page in 0..self.count {
            if self.is_whole(page)? {
                whole += 1;
            } else if !self.is_blank(page, Self::WORD..Self::WORD + Self::INSIDE)? {
                filled += 1;
                last = Some(page);
            } else if !self.is_blank(page, 0..Self::WHOLE)? {
                begun += 1;
            }
        }
        if whole + begun == 0 && filled > 0 {
            return Ok(Err(Unusable::Foreign));
        }
        if filled > 1 {
            return Ok(Err(Unusable::Corrupt));
        }
        if whole == 0 {
            // A blank flash needs no erasure. From the first frame on, it is known to be ours.
            for page in 0..self.count {
                if self.is_blank(page, 0..Self::WHOLE)? {
                    self.frame(page)?;
                }
            }
        }
        // One at a time, so that one alone is in pieces after the next cut. Records can be read also if it fails; the next
        // write will tell.
        for page in last.into_iter().chain(0..self.count) {
            if !self.is_whole(page)? {
                self.unfinished = Some(page);
                if self.settle().is_err() {
                    break;
                }
            }
        }
        Ok(Ok(()))
    }

    /// Whether nothing can be written because a page cannot be erased.
    pub(crate) const fn is_stuck(&self) -> bool {
        self.unfinished.is_some()
    }

    pub(crate) fn into_flash(self) -> F {
        self.flash
    }

    /// The range that the log is to use.
    pub(crate) const fn inside(&self) -> Range<u32> {
        0..self.count.saturating_mul(Self::INSIDE)
    }

    const fn address(&self, page: u32, offset: u32) -> u32 {
        self.start
            .saturating_add(page.saturating_mul(Self::WHOLE))
            .saturating_add(offset)
    }

    /// Bits in which a word of the frame differs from what it should be; `limit` of them mean nothing.
    fn differing(
        &mut self,
        page: u32,
        offset: u32,
        expected: &[u8],
    ) -> Result<u32, PageError<F::Error>> {
        let mut word = [0; MAX_WORD];
        let word = word.get_mut(..Self::WORD as usize).unwrap_or(&mut []);
        let address = self.address(page, offset);
        self.flash.read(address, word).map_err(PageError::Flash)?;
        let expected = expected.iter().cycle();
        Ok(word
            .iter()
            .zip(expected)
            .map(|(is, should)| (is ^ should).count_ones())
            .sum())
    }

    /// Whether the page is erased or filled, and not in between.
    fn is_whole(&mut self, page: u32) -> Result<bool, PageError<F::Error>> {
        let limit = TOLERANCE * Self::WORD / 4;
        let last = Self::WHOLE - Self::WORD;
        Ok(self.differing(page, 0, &CLEAN)? <= limit
            && self.differing(page, last, &CLEAN)? <= limit
            && self.differing(page, last - Self::WORD, &[0xff])? <= limit)
    }

    /// Whether these bytes of the page are blank.
    fn is_blank(&mut self, page: u32, range: Range<u32>) -> Result<bool, PageError<F::Error>> {
        let mut chunk = [0; CHUNK];
        let mut offset = range.start;
        while offset < range.end {
            let length = range.end.saturating_sub(offset).min(CHUNK as u32);
            let chunk = chunk.get_mut(..length as usize).unwrap_or(&mut []);
            let address = self.address(page, offset);
            self.flash.read(address, chunk).map_err(PageError::Flash)?;
            if chunk.iter().any(|byte| *byte != 0xff) {
                return Ok(false);
            }
            offset += length;
        }
        Ok(true)
    }

    /// Whether the page is erased, and nothing is written in it.
    fn is_empty(&mut self, page: u32) -> Result<bool, PageError<F::Error>> {
        Ok(self.is_whole(page)? && self.is_blank(page, Self::WORD..Self::WORD + Self::INSIDE)?)
    }

    /// Writes and reads back.
    fn program(&mut self, page: u32, offset: u32, bytes: &[u8]) -> Result<(), PageError<F::Error>> {
        let address = self.address(page, offset);
        self.flash.write(address, bytes).map_err(PageError::Flash)?;
        let mut chunk = [0; CHUNK];
        let mut at = address;
        for part in bytes.chunks(CHUNK) {
            let chunk = chunk.get_mut(..part.len()).unwrap_or(&mut []);
            self.flash.read(at, chunk).map_err(PageError::Flash)?;
            if chunk != part {
                return Err(PageError::Worn);
            }
            at = at.saturating_add(part.len() as u32);
        }
        Ok(())
    }

    /// Writes one word of the frame.
    fn program_word(
        &mut self,
        page: u32,
        offset: u32,
        pattern: &[u8],
    ) -> Result<(), PageError<F::Error>> {
        let mut word = [0; MAX_WORD];
        let word = word.get_mut(..Self::WORD as usize).unwrap_or(&mut []);
        word.iter_mut()
            .zip(pattern.iter().cycle())
            .for_each(|(to, from)| *to = *from);
        self.program(page, offset, word)
    }

    /// Says that a page is erased.
    fn frame(&mut self, page: u32) -> Result<(), PageError<F::Error>> {
        self.program_word(page, 0, &CLEAN)?;
        self.program_word(page, Self::WHOLE - Self::WORD, &CLEAN)
    }

    /// Finishes what is unfinished.
    fn settle(&mut self) -> Result<(), PageError<F::Error>> {
        let Some(page) = self.unfinished else {
            return Ok(());
        };
        // Also a page that reads blank: its cells may not hold what they say.
        let (from, to) = (self.address(page, 0), self.address(page, Self::WHOLE));
        self.flash.erase(from, to).map_err(PageError::Flash)?;
        if !self.is_blank(page, 0..Self::WHOLE)? {
            return Err(PageError::Worn);
        }
        self.frame(page)?;
        self.unfinished = None;
        Ok(())
    }

    fn erase_page(&mut self, page: u32) -> Result<(), PageError<F::Error>> {
        self.settle()?;
        if self.is_empty(page)? {
            return Ok(());
        }
        let dirty = Self::WHOLE - 2 * Self::WORD;
        self.program_word(page, dirty, &[0])?;
        self.unfinished = Some(page);
        self.settle()
    }

    /// Page and offset in it of an address of the log.
    fn place(address: u32) -> (u32, u32) {
        let inside = Self::INSIDE.max(1);
        (address / inside, address % inside)
    }
}

impl<F: NorFlash> log::ErrorType for Pages<F> {
    type Error = PageError<F::Error>;
}

impl<F: NorFlash> log::ReadNorFlash for Pages<F> {
    const READ_SIZE: usize = F::READ_SIZE;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        let (page, inner) = Self::place(offset);
        if self.unfinished == Some(page) {
            bytes.fill(0xff);
            return Ok(());
        }
        let address = self.address(page, Self::WORD.saturating_add(inner));
        self.flash.read(address, bytes).map_err(PageError::Flash)?;
        // Where a header should be and there is none, the log takes the rest of the page for free. With a flipped bit it
        // may look for headers in the middle of a record: then records follow, and this is not the end.
        let after = inner.saturating_add(bytes.len() as u32);
        let header = HEADER.next_multiple_of(Self::WRITE_OR_READ);
        let blank = bytes.len() == header && bytes.iter().all(|byte| *byte == 0xff);
        let last = Self::INSIDE.saturating_sub(Self::WRITE_OR_READ as u32);
        if blank
            && inner > 0
            && after <= last
            && !self.is_blank(page, Self::WORD + after..Self::WORD + last)?
        {
            bytes.fill(0);
        }
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.inside().end as usize
    }
}

impl<F: NorFlash> Pages<F> {
    /// What the log aligns to.
    const WRITE_OR_READ: usize = if F::WRITE_SIZE > F::READ_SIZE {
        F::WRITE_SIZE
    } else {
        F::READ_SIZE
    };
}

impl<F: NorFlash> log::NorFlash for Pages<F> {
    const WRITE_SIZE: usize = F::WRITE_SIZE;
    const ERASE_SIZE: usize = Self::INSIDE as usize;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), Self::Error> {
        for page in Self::place(from).0..Self::place(to).0 {
            self.erase_page(page)?;
        }
        Ok(())
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Self::Error> {
        self.settle()?;
        let (page, inner) = Self::place(offset);
        // The log begins a page with its first word, and takes for granted that the page is blank.
        if inner == 0 && !self.is_empty(page)? {
            self.erase_page(page)?;
        }
        self.program(page, Self::WORD.saturating_add(inner), bytes)
    }
}
