//! Handles in memory of their own, as C programs hold them.
#![allow(dead_code, reason = "each test program uses what it needs")]

use std::{ffi::CString, ptr};

use ace_ffi::*;

/// Memory that is aligned as `ACE_ALIGN` asks.
#[repr(C, align(8))]
pub struct Memory<const N: usize>(pub [u8; N]);

impl<const N: usize> Memory<N> {
    /// Filled with what was there before.
    pub fn new() -> Box<Self> {
        Box::new(Self([0xa5; N]))
    }
}

pub fn bytes(of: &[u8]) -> ace_bytes {
    ace_bytes {
        data: of.as_ptr(),
        length: of.len(),
    }
}

pub const NO_BYTES: ace_bytes = ace_bytes {
    data: ptr::null(),
    length: 0,
};

/// All zero, as `{0}` makes it in C.
pub fn zeroed<T: Copy>() -> T {
    // SAFETY: the structures of the configuration are numbers and pointers, for which zero is a value.
    unsafe { std::mem::zeroed() }
}

/// Text that lives as long as the program, as constants in C do.
pub fn text(of: &str) -> *const std::ffi::c_char {
    Box::leak(CString::new(of).unwrap().into_boxed_c_str()).as_ptr()
}

/// Bytes that live as long as the program.
pub fn kept(of: &[u8]) -> ace_bytes {
    bytes(Box::leak(of.to_vec().into_boxed_slice()))
}

pub fn get(path: &str) -> ace_request {
    request(ACE_GET, path, b"")
}

pub fn request(method: u8, path: &str, payload: &[u8]) -> ace_request {
    ace_request {
        method,
        path: text(path),
        payload: kept(payload),
        content_format: ACE_NO_FORMAT,
        accept: ACE_NO_FORMAT,
        ..zeroed()
    }
}

/// A client's configuration that works, for OSCORE.
pub fn client_config() -> ace_client_config {
    ace_client_config {
        as_uri: text("coap://192.0.2.1/token"),
        as_security: ACE_SECURITY_OSCORE,
        master_secret: kept(&[1; 16]),
        sender_id: kept(b"c1"),
        recipient_id: kept(b"a"),
        ..zeroed()
    }
}

/// A resource server's configuration that works, with `/temp` and `/led`.
pub fn rs_config() -> ace_rs_config {
    let value = || Box::leak(Box::new([0u8; 32])).as_mut_ptr();
    let temp = ace_resource {
        path: text("/temp"),
        methods: ACE_METHOD_GET,
        is_observable: 1,
        value: value(),
        size: 32,
        content_format: 0,
        ..zeroed()
    };
    let led = ace_resource {
        path: text("/led"),
        methods: ACE_METHOD_GET | ACE_METHOD_PUT,
        is_observable: 0,
        value: value(),
        ..temp
    };
    let resources = Box::leak(Box::new([temp, led]));
    ace_rs_config {
        audience: text("thermo"),
        issuer: text("coap://as"),
        as_uri: text("coap://192.0.2.1/token"),
        token_kid: kept(b"k1"),
        token_key: kept(&[7; 16]),
        resources: resources.as_ptr(),
        resource_count: resources.len(),
        ..zeroed()
    }
}
