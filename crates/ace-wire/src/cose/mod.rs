//! COSE (RFC 9052, RFC 9053) as ACE uses it: COSE_Key, and the single-recipient structures
//! COSE_Encrypt0, COSE_Mac0 and COSE_Sign1 with the bytes their cryptography runs over.
//!
//! Nothing here computes: the caller takes `protected`, `alg`, `kid` and the content, builds the
//! additional data with [`enc_structure`], [`mac_structure`] or [`sig_structure`] and hands both to
//! its cryptography.

mod algorithm;
mod header;
mod key;
mod message;
mod structure;
#[cfg(test)]
mod tests;

pub use algorithm::{algorithm_name, algorithm_number};
pub use header::Header;
pub use key::{CoseKey, KeyOps, KeyType, Y, curve};
pub use message::{Encrypt0, Mac0, Message, Sign1};
pub use structure::{enc_structure, mac_structure, sig_structure};

use crate::cbor::Label;

/// An algorithm: number or name of the IANA registry "COSE Algorithms".
pub type AlgId<'a> = Label<'a>;

/// CBOR tag of COSE_Encrypt0 (RFC 9052, Table 1).
pub const TAG_ENCRYPT0: u64 = 16;
/// CBOR tag of COSE_Mac0.
pub const TAG_MAC0: u64 = 17;
/// CBOR tag of COSE_Sign1.
pub const TAG_SIGN1: u64 = 18;
/// CBOR tag of COSE_Encrypt, which this crate does not read.
pub const TAG_ENCRYPT: u64 = 96;
/// CBOR tag of a CWT, in front of the COSE tag (RFC 8392, 6).
pub const TAG_CWT: u64 = 61;

/// Header parameter labels (RFC 9052, Table 3).
pub mod header_label {
    /// `alg`.
    pub const ALG: i64 = 1;
    /// `crit`.
    pub const CRIT: i64 = 2;
    /// `content type`.
    pub const CONTENT_TYPE: i64 = 3;
    /// `kid`.
    pub const KID: i64 = 4;
    /// `IV`.
    pub const IV: i64 = 5;
    /// `Partial IV`.
    pub const PARTIAL_IV: i64 = 6;
}

/// COSE_Key labels (RFC 9052, Table 4; RFC 9053, 7).
pub mod key_label {
    /// `kty`.
    pub const KTY: i64 = 1;
    /// `kid`.
    pub const KID: i64 = 2;
    /// `alg`.
    pub const ALG: i64 = 3;
    /// `key_ops`.
    pub const KEY_OPS: i64 = 4;
    /// `Base IV`.
    pub const BASE_IV: i64 = 5;
    /// `crv` of OKP and EC2 keys.
    pub const CRV: i64 = -1;
    /// `k` of symmetric keys.
    pub const K: i64 = -1;
    /// `x` of OKP and EC2 keys.
    pub const X: i64 = -2;
    /// `y` of EC2 keys.
    pub const Y: i64 = -3;
    /// `d` of OKP and EC2 keys: the private key.
    pub const D: i64 = -4;
}
