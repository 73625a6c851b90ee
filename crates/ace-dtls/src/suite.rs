//! Cipher suites.

use ace_crypto::TlsAead;

/// A cipher suite of the TLS registry. All use SHA-256 for the PRF.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum CipherSuite {
    /// `TLS_PSK_WITH_AES_128_CCM` (RFC 6655).
    PskAes128Ccm = 0xc0a4,
    /// `TLS_PSK_WITH_AES_128_CCM_8` (RFC 6655); the one that RFC 7925 and RFC 9202 demand for PSK.
    PskAes128Ccm8 = 0xc0a8,
    /// `TLS_ECDHE_ECDSA_WITH_AES_128_CCM` (RFC 7251).
    #[cfg(feature = "_ecc")]
    EcdheEcdsaAes128Ccm = 0xc0ac,
    /// `TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8` (RFC 7251); the one that RFC 7925 and RFC 9202 demand for raw public keys.
    #[cfg(feature = "_ecc")]
    EcdheEcdsaAes128Ccm8 = 0xc0ae,
    /// `TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256` (RFC 8442).
    #[cfg(feature = "_ecc")]
    EcdhePskAes128Ccm8 = 0xd003,
    /// `TLS_ECDHE_PSK_WITH_AES_128_CCM_SHA256` (RFC 8442).
    #[cfg(feature = "_ecc")]
    EcdhePskAes128Ccm = 0xd005,
}

/// How a suite agrees on the premaster secret, and who is authenticated by what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exchange {
    /// RFC 4279, 2
    Psk,
    /// RFC 5489, 2
    #[cfg(feature = "_ecc")]
    EcdhePsk,
    /// RFC 8422, 2.1, with raw public keys (RFC 7250)
    #[cfg(feature = "_ecc")]
    EcdheEcdsa,
}

impl CipherSuite {
    /// Every suite that is built in; forward secrecy first, then the short tag.
    pub const ALL: &'static [Self] = &[
        #[cfg(feature = "_ecc")]
        Self::EcdheEcdsaAes128Ccm8,
        #[cfg(feature = "_ecc")]
        Self::EcdheEcdsaAes128Ccm,
        #[cfg(feature = "_ecc")]
        Self::EcdhePskAes128Ccm8,
        #[cfg(feature = "_ecc")]
        Self::EcdhePskAes128Ccm,
        Self::PskAes128Ccm8,
        Self::PskAes128Ccm,
    ];

    /// The suite with this number, if it is built in.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|suite| suite.number() == number)
    }

    /// The number in the registry.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The name in the registry.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PskAes128Ccm => "TLS_PSK_WITH_AES_128_CCM",
            Self::PskAes128Ccm8 => "TLS_PSK_WITH_AES_128_CCM_8",
            #[cfg(feature = "_ecc")]
            Self::EcdheEcdsaAes128Ccm => "TLS_ECDHE_ECDSA_WITH_AES_128_CCM",
            #[cfg(feature = "_ecc")]
            Self::EcdheEcdsaAes128Ccm8 => "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8",
            #[cfg(feature = "_ecc")]
            Self::EcdhePskAes128Ccm8 => "TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256",
            #[cfg(feature = "_ecc")]
            Self::EcdhePskAes128Ccm => "TLS_ECDHE_PSK_WITH_AES_128_CCM_SHA256",
        }
    }

    pub(crate) const fn aead(self) -> TlsAead {
        match self {
            Self::PskAes128Ccm => TlsAead::Aes128Ccm,
            Self::PskAes128Ccm8 => TlsAead::Aes128Ccm8,
            #[cfg(feature = "_ecc")]
            Self::EcdheEcdsaAes128Ccm | Self::EcdhePskAes128Ccm => TlsAead::Aes128Ccm,
            #[cfg(feature = "_ecc")]
            Self::EcdheEcdsaAes128Ccm8 | Self::EcdhePskAes128Ccm8 => TlsAead::Aes128Ccm8,
        }
    }

    pub(crate) const fn exchange(self) -> Exchange {
        match self {
            Self::PskAes128Ccm | Self::PskAes128Ccm8 => Exchange::Psk,
            #[cfg(feature = "_ecc")]
            Self::EcdheEcdsaAes128Ccm | Self::EcdheEcdsaAes128Ccm8 => Exchange::EcdheEcdsa,
            #[cfg(feature = "_ecc")]
            Self::EcdhePskAes128Ccm8 | Self::EcdhePskAes128Ccm => Exchange::EcdhePsk,
        }
    }
}
