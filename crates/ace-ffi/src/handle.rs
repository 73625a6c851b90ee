//! An engine in memory of the caller, with a mark that tells a live handle from other memory.

use core::mem::{MaybeUninit, align_of, size_of};
use core::ptr;

use crate::ace_status::{self, ACE_ERR_HANDLE, ACE_ERR_MEMORY, ACE_ERR_NULL};

/// What lies in the caller's memory.
#[repr(C, align(8))]
pub(crate) struct Handle<T: Engine> {
    /// First, and the last to be written.
    mark: u64,
    /// What the engine borrows.
    base: MaybeUninit<T::Base>,
    engine: MaybeUninit<T>,
}

/// An engine that can be put into a handle.
pub(crate) trait Engine: Sized {
    /// Tells handles of different engines apart, and both from memory that is none.
    const MARK: u64;
    /// What the engine borrows for its whole life, and lies beside it.
    type Base: 'static;
}

impl<T: Engine> Handle<T> {
    pub(crate) const SIZE: usize = size_of::<Self>();

    /// Builds an engine on its base in `memory`, where `build` puts it. On an error no handle is there.
    ///
    /// # Safety
    /// `memory` is null or valid for writes of `size` bytes, and nobody else uses it from now on.
    pub(crate) unsafe fn init(
        memory: *mut u8,
        size: usize,
        base: T::Base,
        build: impl FnOnce(&'static T::Base, &mut MaybeUninit<T>) -> Result<(), ace_status>,
    ) -> Result<*mut Self, ace_status> {
        if memory.is_null() {
            return Err(ACE_ERR_NULL);
        }
        let handle = memory.cast::<Self>();
        if size < Self::SIZE || memory.align_offset(align_of::<Self>()) != 0 {
            return Err(ACE_ERR_MEMORY);
        }
        // SAFETY: large enough and aligned, as just checked, and the caller's word that it is writable. The base stays where
        // it is, and is only read, until `deinit` has dropped the engine; references to it never cover the engine.
        unsafe {
            // What may have been here before is no handle from now on.
            ptr::addr_of_mut!((*handle).mark).write(0);
            let slot = ptr::addr_of_mut!((*handle).base).cast::<T::Base>();
            slot.write(base);
            if let Err(status) = build(&*slot, &mut *ptr::addr_of_mut!((*handle).engine)) {
                ptr::drop_in_place(slot);
                return Err(status);
            }
            ptr::addr_of_mut!((*handle).mark).write(T::MARK);
        }
        Ok(handle)
    }

    /// The engine of a live handle.
    ///
    /// # Safety
    /// `handle` is null, or readable memory in which nothing but [`init`](Self::init) and
    /// [`deinit`](Self::deinit) has written since `init`, and no other call on it is running.
    pub(crate) unsafe fn engine<'h>(handle: *mut T) -> Result<&'h mut T, ace_status> {
        let handle = handle.cast::<Self>();
        if handle.is_null() {
            return Err(ACE_ERR_NULL);
        }
        if handle.cast::<u8>().align_offset(align_of::<Self>()) != 0 {
            return Err(ACE_ERR_HANDLE);
        }
        // SAFETY: aligned, not null, and with the mark there is an engine behind it. The reference does not cover the
        // base, which the engine itself borrows.
        unsafe {
            if ptr::addr_of!((*handle).mark).read() != T::MARK {
                return Err(ACE_ERR_HANDLE);
            }
            Ok(&mut *ptr::addr_of_mut!((*handle).engine).cast::<T>())
        }
    }

    /// Ends a live handle and wipes its memory.
    ///
    /// # Safety
    /// As for [`engine`](Self::engine); nothing that the engine lent is used after it.
    pub(crate) unsafe fn deinit(handle: *mut T) -> Result<(), ace_status> {
        // SAFETY: the caller's word.
        let engine: *mut T = unsafe { Self::engine(handle)? };
        let handle = handle.cast::<Self>();
        // SAFETY: the engine is live, dropped once because the mark goes, and the base it borrowed goes after it. All bytes
        // are the handle's.
        unsafe {
            ptr::addr_of_mut!((*handle).mark).write(0);
            ptr::drop_in_place(engine);
            ptr::drop_in_place(ptr::addr_of_mut!((*handle).base).cast::<T::Base>());
            let bytes = handle.cast::<u8>();
            for at in 0..Self::SIZE {
                ptr::write_volatile(bytes.add(at), 0);
            }
        }
        Ok(())
    }
}
