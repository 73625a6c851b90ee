//! What the images share: the fields they are provisioned with, records in flash, and how an exchange is measured.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "client")]
pub mod asking;
pub mod echo;
pub mod field;
#[cfg(any(feature = "client", feature = "es256"))]
pub mod keys;
pub mod meter;
pub mod records;
#[cfg(feature = "server")]
pub mod serving;
#[cfg(feature = "server")]
pub mod things;
