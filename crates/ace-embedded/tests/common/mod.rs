#![allow(dead_code, reason = "each test binary uses its own part")]
pub mod authorization;
pub mod nor;
