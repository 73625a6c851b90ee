//! What the images share: the fields they are provisioned with, records in flash, and how an exchange is measured.
#![no_std]

pub mod echo;
pub mod field;
pub mod meter;
pub mod records;
#[cfg(feature = "server")]
pub mod things;
