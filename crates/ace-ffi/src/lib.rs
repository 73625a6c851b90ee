//! The C API of the ACE client and resource server: a static library, libace, and its header, `include/ace.h`.
//!
//! **What it does.** The engines of `ace-client` and `ace-rs` for firmware in C, as they are: without sockets, clock, heap and
//! threads. The firmware carries datagrams, tells the time, keeps one block of bytes over resets, and asks what happened.
//!
//! **What it does not.** No callbacks: nothing of the firmware runs inside of a call. No sockets and no flash driver. A resource
//! server in C serves values: the firmware sets what GET answers, and is told what was written; a server that must decide within
//! a request is written in Rust on `ace-rs`.
//!
//! **Use.** Memory for a handle is the caller's, `ACE_CLIENT_SIZE` or `ACE_RS_SIZE` bytes aligned to `ACE_ALIGN`. After each call that changes
//! something: save the state if `ace_client_unsaved` gives one, send what `ace_client_poll_transmit` gives, look at
//! `ace_client_poll_event`, set the timer to `ace_client_poll_timeout`. Until a state is saved, nothing is given to send:
//! a reset can then never lead to a nonce that was used before.
//!
//! ```c
//! static _Alignas(ACE_ALIGN) uint8_t memory[ACE_CLIENT_SIZE];
//! ace_client *client;
//! ace_client_config config = {.as_address = as, .as_uri = "coaps://as.example/token", .as_security = ACE_SECURITY_PSK,
//!                             .psk_identity = identity, .psk = key};
//! if (ace_client_init(memory, sizeof memory, &config, seed, saved_state, &client) != ACE_OK) halt();
//! ace_request request = {.method = ACE_GET, .path = "/temp", .content_format = ACE_NO_FORMAT, .accept = ACE_NO_FORMAT};
//! ace_client_request(client, now(), wall(), &thermometer, &request);
//! ```
//!
//! **Building.** `cargo rustc -p ace-ffi --release --crate-type staticlib --target thumbv7m-none-eabi --features panic-halt` makes
//! `target/thumbv7m-none-eabi/release/libace_ffi.a`, which firmware links as libace; `interop/firmware/build.py` has the settings that make it
//! small. The header is made by cbindgen from this crate; a test keeps it current (`ACE_HEADER=write cargo test -p ace-ffi` writes it).
//!
//! **Misuse.** A null pointer, a short buffer, memory that holds no handle, a call in the wrong state: an `ace_status` below zero, and
//! nothing has changed. Pointers that are wrong without being null cannot be told.
//!
//! **Threads.** One call at a time on a handle; different handles at the same time. Nothing here is static but constants.
//!
//! **Randomness.** From HMAC_DRBG, seeded by the caller at every start with fresh entropy: with the same seed twice, keys and
//! nonces repeat, and nothing is safe.
//!
//! **Memory.** `ACE_CLIENT_SIZE` and `ACE_RS_SIZE`. Making a handle takes about 30 KiB of stack once on a Cortex-M3 (measured, `interop/firmware/run
//! --only c-`), since the engine is built there before it is put in its place.
//!
//! **Features.** `oscore`, `dtls`, `rpk` (all on by default): the profiles; `ed25519`; `panic-halt`.
//!
//! **Panics.** None.
#![cfg_attr(not(test), no_std)]
#![deny(missing_docs)]
#![deny(clippy::undocumented_unsafe_blocks)]
#![allow(non_camel_case_types, reason = "names as they are in C")]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::todo,
        clippy::unreachable
    )
)]

mod address;
mod bytes;
mod client;
mod drbg;
mod event;
mod handle;
mod image;
mod keys;
mod rs;
mod status;

pub use address::{ACE_HOST_SIZE, ace_address};
pub use bytes::ace_bytes;
pub use client::*;
pub use event::{ace_client_event, ace_client_event_kind, ace_client_phase, ace_client_reason};
pub use keys::{ACE_ED25519, ACE_P256};
pub use rs::*;
pub use status::{ace_status, ace_status_text};

use ace_status::{ACE_ERR_NULL, ACE_ERR_STATE, ACE_NOTHING, ACE_OK};

/// What memory for a handle is aligned to, in bytes.
pub const ACE_ALIGN: usize = 8;
/// Bytes of a seed.
pub const ACE_SEED_SIZE: usize = 32;

/// Chooses between two places where states were saved: the newer of those that are whole.
///
/// A state is saved in the first place, then in the second, and only then is ace_client_saved or ace_rs_saved called: a loss of
/// power leaves one place whole, and so does damage to the other. `*newest` points into `first` or `second`. ACE_NOTHING if there
/// is none yet: both places are blank (no bytes, or only 0x00 or 0xff), or one is and the other was not finished, for then
/// nothing was sent. ACE_ERR_STATE if there was something and none is whole; ACE_ERR_NULL.
///
/// # Safety
/// Pointers are null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ace_state_newest(
    first: ace_bytes,
    second: ace_bytes,
    newest: *mut ace_bytes,
) -> ace_status {
    or_nothing(|| {
        // SAFETY: the caller's word.
        let (first, second) = unsafe { (first.get()?, second.get()?) };
        if newest.is_null() {
            return Err(ACE_ERR_NULL);
        }
        let all = |place: &[u8], value: u8| place.iter().all(|byte| *byte == value);
        let is_blank = |place: &[u8]| all(place, 0) || all(place, 0xff);
        // A place that does not exist says nothing about the other.
        let is_unwritten = |place: &[u8]| !place.is_empty() && is_blank(place);
        match image::newest(first, second) {
            // SAFETY: not null, and the caller's word.
            Some(state) => unsafe { bytes::store(newest, ace_bytes::lend(state)) }.map(Some),
            None if is_blank(first) && is_blank(second) => Ok(None),
            None if is_unwritten(second) => Ok(None),
            None => Err(ACE_ERR_STATE),
        }
    })
}

/// The status of a call that does something.
fn done(call: impl FnOnce() -> Result<(), ace_status>) -> ace_status {
    call().err().unwrap_or(ACE_OK)
}

/// The status of a call that gives something, or has nothing to give.
fn or_nothing(call: impl FnOnce() -> Result<Option<()>, ace_status>) -> ace_status {
    match call() {
        Ok(Some(())) => ACE_OK,
        Ok(None) => ACE_NOTHING,
        Err(status) => status,
    }
}

/// Zero is a clock that is not known.
fn known(wall: u64) -> Option<u64> {
    (wall != 0).then_some(wall)
}

#[cfg(all(feature = "panic-halt", not(test)))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
