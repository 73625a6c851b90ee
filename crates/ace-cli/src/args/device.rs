//! What a device speaks, and where its key comes from.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// A client's profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ClientProfile {
    /// OSCORE (RFC 9203)
    #[value(name = "coap_oscore")]
    Oscore,
    /// DTLS with pre-shared keys (RFC 9202)
    #[value(name = "coap_dtls-psk")]
    DtlsPsk,
    /// DTLS with raw public keys (RFC 9202)
    #[value(name = "coap_dtls-rpk")]
    DtlsRpk,
}

/// A resource server's profiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RsProfile {
    /// OSCORE (RFC 9203)
    #[value(name = "coap_oscore")]
    Oscore,
    /// DTLS with pre-shared and with raw public keys (RFC 9202)
    #[value(name = "coap_dtls")]
    Dtls,
    /// DTLS with pre-shared keys
    #[value(name = "coap_dtls-psk")]
    DtlsPsk,
    /// DTLS with raw public keys
    #[value(name = "coap_dtls-rpk")]
    DtlsRpk,
}

/// Where a device's raw public key comes from.
#[derive(Debug, Args)]
pub struct Key {
    /// For coap_dtls-rpk: the curve of the key pair that is made for it; P-256 if not given
    #[arg(long, value_name = "CURVE")]
    pub curve: Option<Curve>,
    /// For coap_dtls-rpk: the device's own public key (SubjectPublicKeyInfo as PEM, DER or hex) instead of a new pair
    #[arg(long, value_name = "FILE", conflicts_with = "curve")]
    pub public_key: Option<PathBuf>,
}

/// A curve of raw public keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Curve {
    /// For ECDSA with SHA-256
    #[value(name = "P-256", alias = "p-256", alias = "p256", alias = "secp256r1")]
    P256,
    /// For EdDSA
    #[value(name = "Ed25519", alias = "ed25519")]
    Ed25519,
}
