//! How deep the stack has been: the start-up code paints all of it, what was used is painted over.

use core::{arch::asm, ptr};

unsafe extern "C" {
    static _stack_bottom: u32;
    static _stack_top: u32;
}

/// What the start-up code writes into every word.
const PAINT: u32 = 0xdead_beef;

/// Bytes of the stack that were ever used, interrupts included.
pub fn peak() -> usize {
    let bottom = &raw const _stack_bottom;
    let top = &raw const _stack_top;
    let mut word = bottom;
    while word < top {
        // SAFETY: between the two ends of the stack, which is memory; nobody else writes while this runs, but for
        // interrupts, whose words lie beyond the first one that is not painted.
        if unsafe { ptr::read_volatile(word) } != PAINT {
            break;
        }
        word = word.wrapping_add(1);
    }
    top as usize - word as usize
}

/// Paints what is not in use now, so that [`peak`] tells of what comes.
#[inline(never)]
pub fn repaint() {
    let here: usize;
    // SAFETY: reads the stack pointer.
    unsafe { asm!("mov {}, sp", out(reg) here, options(nomem, nostack, preserves_flags)) };
    let mut word = (&raw const _stack_bottom).cast_mut();
    while (word as usize) < here {
        // SAFETY: memory below the stack pointer, which nobody uses; an interrupt that comes in between is over before
        // the next word.
        unsafe { ptr::write_volatile(word, PAINT) };
        word = word.wrapping_add(1);
    }
}
