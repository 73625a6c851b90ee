/// What a function says. Zero: done; positive: done, and there is nothing; negative: refused, and nothing changed.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ace_status {
    /// Done.
    ACE_OK = 0,
    /// There is nothing to send, to tell, or to save.
    ACE_NOTHING = 1,
    /// A pointer that must not be null is null, or a length is given without its bytes.
    ACE_ERR_NULL = -1,
    /// The memory for the handle is too small or not aligned: see ACE_CLIENT_SIZE, ACE_RS_SIZE and ACE_ALIGN.
    ACE_ERR_MEMORY = -2,
    /// This is no handle, or one that was ended.
    ACE_ERR_HANDLE = -3,
    /// The configuration cannot work: a URI, an identifier, an algorithm or a list that is not as it must be.
    ACE_ERR_CONFIG = -4,
    /// A key has another length or form than its algorithm wants.
    ACE_ERR_KEY = -5,
    /// The library was built without this profile or algorithm.
    ACE_ERR_UNSUPPORTED = -6,
    /// The saved state is damaged or of another version. To begin anew with the same keys would use a nonce twice:
    /// give the device new keys.
    ACE_ERR_STATE = -7,
    /// The records do not fit the state.
    ACE_ERR_STATE_FULL = -8,
    /// The state must be saved first: see ace_client_unsaved and ace_rs_unsaved.
    ACE_ERR_UNSAVED = -9,
    /// Another request is under way, or its end was not polled.
    ACE_ERR_BUSY = -10,
    /// An argument is not as the function's description says.
    ACE_ERR_ARGUMENT = -11,
    /// More bytes than there is room for.
    ACE_ERR_TOO_LONG = -12,
}

/// One sentence about a status, in English; static, and never null.
#[unsafe(no_mangle)]
pub extern "C" fn ace_status_text(status: i32) -> *const core::ffi::c_char {
    let text = match status {
        0 => c"done",
        1 => c"there is nothing",
        -1 => c"a pointer is null",
        -2 => c"the memory for the handle is too small or not aligned",
        -3 => c"not a handle, or one that was ended",
        -4 => c"the configuration cannot work",
        -5 => c"a key is not as its algorithm wants it",
        -6 => c"built without this profile or algorithm",
        -7 => c"the saved state is damaged: give the device new keys",
        -8 => c"the records do not fit the state",
        -9 => c"the state must be saved first",
        -10 => c"another request is under way",
        -11 => c"an argument is not as it must be",
        -12 => c"more bytes than there is room for",
        _ => c"unknown status",
    };
    text.as_ptr()
}
