//! What the debugger's side does for the board: console, files, wall clock, exit (Arm's semihosting, version 2).

use core::arch::asm;

const SYS_OPEN: usize = 0x01;
const SYS_WRITE: usize = 0x05;
const SYS_READ: usize = 0x06;
const SYS_SEEK: usize = 0x0a;
const SYS_FLEN: usize = 0x0c;
const SYS_TIME: usize = 0x11;
const SYS_EXIT_EXTENDED: usize = 0x20;

const ADP_STOPPED_APPLICATION_EXIT: usize = 0x20026;

/// # Safety
/// `block` points to what the operation takes, with lengths that hold.
unsafe fn call(operation: usize, block: *const usize) -> usize {
    let result;
    // SAFETY: the breakpoint is answered by the emulator, which reads and writes what the block names, and gives the
    // result in r0.
    unsafe {
        asm!("bkpt #0xab", inlateout("r0") operation => result, in("r1") block, options(nostack));
    }
    result
}

/// Ends the emulator with this exit code.
pub fn exit(code: u8) -> ! {
    let block = [ADP_STOPPED_APPLICATION_EXIT, usize::from(code)];
    loop {
        // SAFETY: the block has the two words the operation takes.
        unsafe { call(SYS_EXIT_EXTENDED, block.as_ptr()) };
    }
}

/// Seconds since 1970, by the host's clock: the board's battery-backed clock.
pub fn wall_clock() -> u64 {
    // SAFETY: the operation takes no block.
    unsafe { call(SYS_TIME, core::ptr::null()) as u64 }
}

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Existing, for reading.
    Read = 1,
    /// Existing, for reading and writing.
    Update = 3,
    /// New or cut to nothing, for writing.
    Create = 5,
    /// New or cut to nothing, for reading and writing.
    CreateUpdate = 7,
}

/// A file in the folder the emulator was started in.
#[derive(Debug)]
pub struct File(usize);

impl File {
    /// Opens a file; `name` ends with a NUL. `None` if the host does not let it.
    pub fn open(name: &'static core::ffi::CStr, mode: Mode) -> Option<Self> {
        let block = [name.as_ptr() as usize, mode as usize, name.count_bytes()];
        // SAFETY: address and length of the name, and a mode.
        let handle = unsafe { call(SYS_OPEN, block.as_ptr()) };
        (handle != usize::MAX).then_some(Self(handle))
    }

    /// The console, for writing.
    pub(crate) fn console() -> Option<Self> {
        Self::open(c":tt", Mode::Create)
    }

    /// Length in bytes.
    pub fn length(&self) -> Option<usize> {
        let block = [self.0];
        // SAFETY: the block holds a handle that is open.
        let length = unsafe { call(SYS_FLEN, block.as_ptr()) };
        (length != usize::MAX).then_some(length)
    }

    /// Goes on at this offset.
    #[must_use]
    pub fn seek(&mut self, offset: usize) -> bool {
        let block = [self.0, offset];
        // SAFETY: the block holds a handle that is open, and an offset.
        unsafe { call(SYS_SEEK, block.as_ptr()) == 0 }
    }

    /// Reads up to the length of `out`; how much it was.
    pub fn read(&mut self, out: &mut [u8]) -> usize {
        let block = [self.0, out.as_mut_ptr() as usize, out.len()];
        // SAFETY: a handle that is open, and address and length of memory that is ours to write.
        let missing = unsafe { call(SYS_READ, block.as_ptr()) };
        out.len().saturating_sub(missing)
    }

    /// Writes all of it, or fails.
    #[must_use]
    pub fn write(&mut self, bytes: &[u8]) -> bool {
        let block = [self.0, bytes.as_ptr() as usize, bytes.len()];
        // SAFETY: a handle that is open, and address and length of memory that may be read.
        unsafe { call(SYS_WRITE, block.as_ptr()) == 0 }
    }
}
