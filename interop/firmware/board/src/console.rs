//! Lines for whoever watches. Numbers are written without `core::fmt`, which would be the largest part of a small image.

use core::cell::Cell;

use crate::{place::Lone, semihosting::File};

static CONSOLE: Lone<Cell<Option<File>>> = Lone::new(Cell::new(None));

/// Writes the pieces, and ends the line.
pub fn line(pieces: &[&str]) {
    let Some(mut console) = CONSOLE.get().take().or_else(File::console) else { return };
    for piece in pieces {
        let _ = console.write(piece.as_bytes());
    }
    let _ = console.write(b"\n");
    CONSOLE.get().set(Some(console));
}

/// A number in decimal digits.
#[derive(Debug, Clone, Copy)]
pub struct Number {
    digits: [u8; 20],
    first: usize,
}

impl Number {
    /// Of any size.
    pub fn new(mut value: u64) -> Self {
        let (mut digits, mut first) = ([b'0'; 20], 19);
        for at in (0..20).rev() {
            digits[at] = b'0' + (value % 10) as u8;
            value /= 10;
            if digits[at] != b'0' {
                first = at;
            }
        }
        Self { digits, first }
    }

    /// Its digits.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.digits[self.first..]).unwrap_or("?")
    }
}

/// Writes a line in `core::fmt`'s words, at the price of its size.
pub fn debug(value: &dyn core::fmt::Debug) {
    struct Words(File);
    impl core::fmt::Write for Words {
        fn write_str(&mut self, text: &str) -> core::fmt::Result {
            self.0.write(text.as_bytes()).then_some(()).ok_or(core::fmt::Error)
        }
    }
    if let Some(console) = File::console() {
        // Without a console there is nobody to tell.
        let _ = core::fmt::Write::write_fmt(&mut Words(console), format_args!("{value:?}\n"));
    }
}
