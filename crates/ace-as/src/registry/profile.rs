//! How clients and resource servers are protected: the profiles of ACE, `coap_dtls` in its two modes.

use std::{fmt, str::FromStr};

use ace_crypto::{Signature, VerifyingKey};
use ace_wire::ace::Profile;
use serde::{Deserialize, Serialize};

/// A profile that a resource server speaks with its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RsProfile {
    /// `coap_oscore` (RFC 9203).
    #[serde(rename = "coap_oscore")]
    CoapOscore,
    /// `coap_dtls` with pre-shared keys (RFC 9202, 3.3).
    #[serde(rename = "coap_dtls-psk")]
    CoapDtlsPsk,
    /// `coap_dtls` with raw public keys (RFC 9202, 3.2).
    #[serde(rename = "coap_dtls-rpk")]
    CoapDtlsRpk,
}

impl RsProfile {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::CoapOscore, Self::CoapDtlsPsk, Self::CoapDtlsRpk];

    /// The profiles an operator means by `name`: one of [`name`](Self::name), or `coap_dtls` for both of its modes;
    /// none if there is no such profile.
    #[must_use]
    pub fn named(name: &str) -> &'static [Self] {
        match name {
            "coap_oscore" => &[Self::CoapOscore],
            "coap_dtls-psk" => &[Self::CoapDtlsPsk],
            "coap_dtls-rpk" => &[Self::CoapDtlsRpk],
            "coap_dtls" => &[Self::CoapDtlsPsk, Self::CoapDtlsRpk],
            _ => &[],
        }
    }

    /// Its name in bundles and commands.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CoapOscore => "coap_oscore",
            Self::CoapDtlsPsk => "coap_dtls-psk",
            Self::CoapDtlsRpk => "coap_dtls-rpk",
        }
    }

    /// The `ace_profile` it is.
    #[must_use]
    pub const fn ace_profile(self) -> Profile {
        match self {
            Self::CoapOscore => Profile::CoapOscore,
            Self::CoapDtlsPsk | Self::CoapDtlsRpk => Profile::CoapDtls,
        }
    }

    /// Its number in the store.
    pub(crate) const fn bit(self) -> u64 {
        match self {
            Self::CoapDtlsPsk => 1,
            Self::CoapDtlsRpk => 2,
            Self::CoapOscore => 4,
        }
    }

    pub(crate) fn from_bit(bit: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.bit() == bit)
    }
}

/// What a client speaks, with the authorization server and with resource servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientProfile {
    /// `coap_oscore`, and OSCORE with the authorization server.
    #[default]
    CoapOscore,
    /// `coap_dtls` with pre-shared keys, and DTLS with the authorization server under one.
    CoapDtlsPsk,
    /// `coap_dtls` with this key, towards everyone; and with pre-shared keys where a resource server has no public key.
    CoapDtlsRpk(DeviceKey),
}

impl ClientProfile {
    /// What it can speak with a resource server.
    pub(crate) const fn profiles(&self) -> &'static [RsProfile] {
        match self {
            Self::CoapOscore => &[RsProfile::CoapOscore],
            Self::CoapDtlsPsk => &[RsProfile::CoapDtlsPsk],
            Self::CoapDtlsRpk(_) => &[RsProfile::CoapDtlsPsk, RsProfile::CoapDtlsRpk],
        }
    }
}

/// Where the raw public key of a device comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKey {
    /// Made here, with its private key in the bundle.
    Generate(Curve),
    /// Made on the device, which alone has the private key.
    Public(VerifyingKey),
}

impl Default for DeviceKey {
    /// A new one on P-256.
    fn default() -> Self {
        Self::Generate(Curve::P256)
    }
}

/// The curve of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Curve {
    /// P-256, for ES256.
    #[default]
    P256,
    /// Ed25519, for EdDSA.
    Ed25519,
}

impl Curve {
    pub(crate) const fn algorithm(self) -> Signature {
        match self {
            Self::P256 => Signature::Es256,
            Self::Ed25519 => Signature::EdDsa,
        }
    }
}

impl fmt::Display for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::P256 => "P-256",
            Self::Ed25519 => "Ed25519",
        })
    }
}

/// As the registry of COSE names it.
impl FromStr for Curve {
    type Err = UnknownCurve;

    fn from_str(name: &str) -> Result<Self, UnknownCurve> {
        match name {
            "P-256" => Ok(Self::P256),
            "Ed25519" => Ok(Self::Ed25519),
            _ => Err(UnknownCurve),
        }
    }
}

/// Not a curve that keys can be on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a curve; use P-256 or Ed25519")]
pub struct UnknownCurve;

/// The sum of their numbers in the store.
pub(crate) fn bits(profiles: &[RsProfile]) -> u64 {
    profiles
        .iter()
        .fold(0, |bits, profile| bits | profile.bit())
}

/// The profiles in such a sum.
pub(crate) fn profiles(bits: u64) -> Vec<RsProfile> {
    let all = RsProfile::ALL.into_iter();
    all.filter(|profile| bits & profile.bit() != 0).collect()
}
