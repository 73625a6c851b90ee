//! How deep the stack has been: the start-up code paints all of it, what was used is painted over.

use core::ptr;

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
