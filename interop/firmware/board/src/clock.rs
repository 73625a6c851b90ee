//! Time since start, and how much of it the processor was at work.
//!
//! SysTick counts cycles of the 50 MHz clock. Under `-icount shift=4` an instruction takes 16 ns of the board's time, so
//! that cycles at work tell instructions.

use core::{
    cell::Cell,
    ptr,
    sync::atomic::{AtomicU32, Ordering},
};

use crate::place::Lone;

const RCC: *mut u32 = 0x400f_e060 as *mut u32;
const SYST_CSR: *mut u32 = 0xe000_e010 as *mut u32;
const SYST_RVR: *mut u32 = 0xe000_e014 as *mut u32;
const SYST_CVR: *mut u32 = 0xe000_e018 as *mut u32;

/// Cycles in a second.
pub const HERTZ: u64 = 50_000_000;
/// Cycles from one interrupt to the next: 10 ms, the longest that a wait goes on beyond its end.
const TICK: u32 = 500_000;

static TICKS: AtomicU32 = AtomicU32::new(0);
static ASLEEP: Lone<Cell<u64>> = Lone::new(Cell::new(0));

/// Starts the clock at zero.
pub(crate) fn start() {
    // SAFETY: registers of the system control block and of SysTick, written once at start.
    unsafe {
        // USESYSDIV with a divisor of 4 on the PLL's 200 MHz.
        ptr::write_volatile(RCC, 0x01ce_1380 | 1 << 22);
        ptr::write_volatile(SYST_RVR, TICK - 1);
        ptr::write_volatile(SYST_CVR, 0);
        // Processor clock, interrupt, enable.
        ptr::write_volatile(SYST_CSR, 0b111);
    }
}

/// The SysTick exception.
pub(crate) unsafe extern "C" fn tick() {
    TICKS.fetch_add(1, Ordering::Relaxed);
}

/// Cycles since start.
pub fn cycles() -> u64 {
    loop {
        let before = TICKS.load(Ordering::Relaxed);
        // SAFETY: a register that can be read at any time.
        let left = unsafe { ptr::read_volatile(SYST_CVR) };
        if before == TICKS.load(Ordering::Relaxed) {
            return u64::from(before) * u64::from(TICK) + u64::from(TICK - 1 - left.min(TICK - 1));
        }
    }
}

/// Milliseconds since start.
pub fn now() -> u64 {
    cycles() / (HERTZ / 1000)
}

/// Cycles since start that the processor was at work and not asleep.
pub fn busy() -> u64 {
    cycles().saturating_sub(ASLEEP.get().get())
}

/// Takes the time from `since` until now for sleep.
pub(crate) fn slept(since: u64) {
    let asleep = ASLEEP.get();
    asleep.set(asleep.get() + cycles().saturating_sub(since));
}
