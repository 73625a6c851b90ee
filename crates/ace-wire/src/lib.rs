#![no_std]
#![forbid(unsafe_code)]
//! placeholder
#[cfg(test)]
extern crate std;
pub mod coap;
