//! From reset to `main`: vectors, stack, variables, faults.

use core::{arch::global_asm, panic::PanicInfo};

use crate::{clock, console, exit};

/// Exit code of an image that panicked or faulted.
pub const BROKEN: u8 = 101;

unsafe extern "C" {
    static _stack_top: u32;
    fn reset();
}

#[repr(C)]
union Vector {
    stack: *const u32,
    handler: unsafe extern "C" fn(),
    none: usize,
}

// SAFETY: constant words, never written.
unsafe impl Sync for Vector {}

/// Initial stack and exceptions; interrupts of the board's peripherals are only waited for, never taken.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".vectors")]
static VECTORS: [Vector; 16] = [
    Vector { stack: &raw const _stack_top },
    Vector { handler: reset },
    Vector { handler: fault },
    Vector { handler: fault },
    Vector { handler: fault },
    Vector { handler: fault },
    Vector { handler: fault },
    Vector { none: 0 },
    Vector { none: 0 },
    Vector { none: 0 },
    Vector { none: 0 },
    Vector { handler: fault },
    Vector { handler: fault },
    Vector { none: 0 },
    Vector { handler: fault },
    Vector { handler: clock::tick },
];

// Paints the stack, copies .data, clears .bss, and goes to `main`.
global_asm!(
    ".section .text.reset, \"ax\"",
    ".global reset",
    ".type reset, %function",
    ".thumb_func",
    "reset:",
    "ldr r0, =_stack_bottom",
    "ldr r1, =_stack_top",
    "ldr r2, =0xdeadbeef",
    "0: cmp r0, r1",
    "bhs 1f",
    "str r2, [r0], #4",
    "b 0b",
    "1: ldr r0, =_data_start",
    "ldr r1, =_data_end",
    "ldr r2, =_data_load",
    "2: cmp r0, r1",
    "bhs 3f",
    "ldr r3, [r2], #4",
    "str r3, [r0], #4",
    "b 2b",
    "3: ldr r0, =_bss_start",
    "ldr r1, =_bss_end",
    "movs r2, #0",
    "4: cmp r0, r1",
    "bhs 5f",
    "str r2, [r0], #4",
    "b 4b",
    "5: bl main",
    "b .",
    ".ltorg",
    ".size reset, . - reset",
);

/// Every exception that nobody expects; a stack that left the memory ends here or in a lock-up of the processor.
unsafe extern "C" fn fault() {
    console::line(&["fault"]);
    exit(BROKEN)
}

/// Says where only with the feature `words`: else no panic needs its place and its text, and the linker leaves them out.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    if cfg!(feature = "words") {
        let (file, line) = info.location().map_or(("?", 0), |at| (at.file(), at.line()));
        console::line(&["panic at ", file, ":", console::Number::new(line.into()).as_str()]);
    } else {
        console::line(&["panic"]);
    }
    exit(BROKEN)
}

/// Makes a function the program: `board::entry!(run);` with `fn run() -> !`.
#[macro_export]
macro_rules! entry {
    ($run:path) => {
        /// Where the start-up code goes.
        #[unsafe(no_mangle)]
        pub extern "C" fn main() -> ! {
            $run()
        }
    };
}
