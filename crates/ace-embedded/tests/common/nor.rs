//! A NOR flash as data sheets describe it: writes clear bits of whole words, once between two erasures; erasures set all
//! bits of a page. Power may fail in any of them, and leaves what the data sheets do not exclude.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use ace_testkit::SeededRandom;
use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash, check_erase, check_read,
    check_write,
};
use rand_core::Rng as _;

/// What the driver reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NorError {
    /// There is no power.
    Dead,
    Misused(NorFlashErrorKind),
}

impl NorFlashError for NorError {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            Self::Dead => NorFlashErrorKind::Other,
            Self::Misused(kind) => *kind,
        }
    }
}

/// The cells, which outlive a driver.
#[derive(Debug, Clone)]
pub struct Cells {
    pub bytes: Vec<u8>,
    /// Words written since the last erasure, torn ones included.
    written: Vec<bool>,
    /// Erasures of each page.
    pub erasures: Vec<u32>,
    /// Words written and pages erased so far: the moments at which power can fail.
    pub operations: u64,
    pub reads: u64,
    /// The operation that is torn.
    pub cut_at: Option<u64>,
    dead: bool,
    tears: SeededRandom,
    /// Bits that stay 0 or 1 for ever, by address: those to clear, those to set.
    pub stuck: BTreeMap<usize, (u8, u8)>,
}

/// The driver. `WORD`: bytes written at once; `PAGE`: bytes erased at once.
#[derive(Debug, Clone)]
pub struct Nor<const WORD: usize, const PAGE: usize>(pub Rc<RefCell<Cells>>);

impl<const WORD: usize, const PAGE: usize> Nor<WORD, PAGE> {
    pub fn blank(pages: usize) -> Self {
        Self(Rc::new(RefCell::new(Cells {
            bytes: vec![0xff; pages * PAGE],
            written: vec![false; pages * PAGE / WORD],
            erasures: vec![0; pages],
            operations: 0,
            reads: 0,
            cut_at: None,
            dead: false,
            tears: SeededRandom::new(0),
            stuck: BTreeMap::new(),
        })))
    }

    /// Another flash with the same content, powered.
    pub fn copy(&self) -> Self {
        let nor = Self(Rc::new(RefCell::new(self.0.borrow().clone())));
        nor.power_up();
        nor
    }

    /// Lets power fail in the operation after `more` others; what is torn how follows from `seed`.
    pub fn cut_after(&self, more: u64, seed: u64) {
        let mut cells = self.0.borrow_mut();
        cells.cut_at = Some(cells.operations + more);
        cells.tears = SeededRandom::new(seed);
    }

    pub fn power_up(&self) {
        let mut cells = self.0.borrow_mut();
        cells.dead = false;
        cells.cut_at = None;
    }

    pub fn is_dead(&self) -> bool {
        self.0.borrow().dead
    }

    pub fn operations(&self) -> u64 {
        self.0.borrow().operations
    }
}

impl Cells {
    /// Counts an operation; whether power fails in it.
    fn fails(&mut self) -> Result<bool, NorError> {
        if self.dead {
            return Err(NorError::Dead);
        }
        self.dead = self.cut_at == Some(self.operations);
        self.operations += 1;
        Ok(self.dead)
    }

    fn settle(&mut self) {
        for (at, (low, high)) in &self.stuck {
            self.bytes[*at] = self.bytes[*at] & !low | high;
        }
    }

    /// What is left of an erasure that power failed in.
    fn tear_page(&mut self, page: std::ops::Range<usize>) {
        let length = page.len();
        let way = self.tears.next_u32() % 10;
        let point = self.tears.next_u32() as usize % length;
        let odds = [1u32, 4, 16, 28, 31][self.tears.next_u32() as usize % 5];
        for (index, at) in page.enumerate() {
            let old = self.bytes[at];
            let mut random = 0u8;
            for bit in 0..8 {
                random |= u8::from(self.tears.next_u32() % 32 < odds) << bit;
            }
            self.bytes[at] = match way {
                // It had not begun, or was done.
                0 => old,
                1 => 0xff,
                // In the order of addresses, or against it.
                2 if index < point => 0xff,
                3 if index >= point => 0xff,
                // All cells at once.
                4 | 5 => old | random,
                // A page is cleared before it is set.
                6 => 0,
                7 if index < point => 0,
                8 => random,
                9 if index < point => 0xff,
                9 => random & old,
                _ => old,
            };
        }
    }
}

impl<const WORD: usize, const PAGE: usize> ErrorType for Nor<WORD, PAGE> {
    type Error = NorError;
}

impl<const WORD: usize, const PAGE: usize> ReadNorFlash for Nor<WORD, PAGE> {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorError> {
        check_read(self, offset, bytes.len()).map_err(NorError::Misused)?;
        let mut cells = self.0.borrow_mut();
        if cells.dead {
            return Err(NorError::Dead);
        }
        cells.reads += bytes.len() as u64;
        bytes.copy_from_slice(&cells.bytes[offset as usize..][..bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.0.borrow().bytes.len()
    }
}

impl<const WORD: usize, const PAGE: usize> NorFlash for Nor<WORD, PAGE> {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = PAGE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorError> {
        check_erase(self, from, to).map_err(NorError::Misused)?;
        let mut cells = self.0.borrow_mut();
        for page in from as usize / PAGE..to as usize / PAGE {
            let range = page * PAGE..(page + 1) * PAGE;
            let torn = cells.fails()?;
            if torn {
                cells.tear_page(range.clone());
            } else {
                cells.bytes[range.clone()].fill(0xff);
                cells.erasures[page] += 1;
            }
            // After a torn erasure nothing may be written before a whole one: every word counts as written.
            cells.written[range.start / WORD..range.end / WORD].fill(torn);
            cells.settle();
            if torn {
                return Err(NorError::Dead);
            }
        }
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorError> {
        check_write(self, offset, bytes.len()).map_err(NorError::Misused)?;
        let mut cells = self.0.borrow_mut();
        for (index, word) in bytes.chunks(WORD).enumerate() {
            let at = offset as usize + index * WORD;
            // Parts with error correction take zeros in a written word, and nothing else.
            let is_zero = word.iter().all(|byte| *byte == 0);
            assert!(
                !cells.written[at / WORD] || is_zero,
                "word {at} is written twice"
            );
            let torn = cells.fails()?;
            for (cell, byte) in word.iter().enumerate() {
                let spared = if torn {
                    cells.tears.next_u32() as u8
                } else {
                    0
                };
                cells.bytes[at + cell] &= byte | spared;
            }
            // A word that was hardly touched is as good as blank.
            cells.written[at / WORD] |=
                !torn || cells.bytes[at..at + WORD].iter().any(|byte| *byte != 0xff);
            cells.settle();
            if torn {
                return Err(NorError::Dead);
            }
        }
        Ok(())
    }
}
