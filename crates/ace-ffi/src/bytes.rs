use core::ffi::c_char;

use crate::ace_status::{self, ACE_ERR_ARGUMENT, ACE_ERR_NULL};

/// Bytes of the caller's, or lent to the caller. Empty if the length is zero, whatever `data` is.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ace_bytes {
    /// The first.
    pub data: *const u8,
    /// How many.
    pub length: usize,
}

impl ace_bytes {
    pub(crate) const EMPTY: Self = Self {
        data: core::ptr::null(),
        length: 0,
    };

    pub(crate) fn lend(bytes: &[u8]) -> Self {
        Self {
            data: bytes.as_ptr(),
            length: bytes.len(),
        }
    }

    /// # Safety
    /// `data` is null or valid for reads of `length` bytes for `'a`.
    pub(crate) unsafe fn get<'a>(self) -> Result<&'a [u8], ace_status> {
        match (self.data.is_null(), self.length) {
            (_, 0) => Ok(&[]),
            (true, _) => Err(ACE_ERR_NULL),
            // SAFETY: not null, and the caller's word.
            (false, _) => Ok(unsafe { core::slice::from_raw_parts(self.data, self.length) }),
        }
    }

    /// As [`get`](Self::get); `None` if there are none.
    ///
    /// # Safety
    /// As for `get`.
    pub(crate) unsafe fn some<'a>(self) -> Result<Option<&'a [u8]>, ace_status> {
        // SAFETY: the caller's word.
        let bytes = unsafe { self.get()? };
        Ok((!bytes.is_empty()).then_some(bytes))
    }
}

/// Text that C gave as pointer to a terminated string; `None` for null.
///
/// # Safety
/// `text` is null or a terminated string that is valid for `'a`.
pub(crate) unsafe fn text<'a>(text: *const c_char) -> Result<Option<&'a str>, ace_status> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: not null, and the caller's word.
    let text = unsafe { core::ffi::CStr::from_ptr(text) };
    text.to_str().map(Some).map_err(|_| ACE_ERR_ARGUMENT)
}

/// Stores a result where C wants it.
///
/// # Safety
/// `out` is null or valid for writes.
pub(crate) unsafe fn store<T>(out: *mut T, value: T) -> Result<(), ace_status> {
    if out.is_null() {
        return Err(ACE_ERR_NULL);
    }
    // SAFETY: not null, and the caller's word.
    unsafe { out.write(value) };
    Ok(())
}
