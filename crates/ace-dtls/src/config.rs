//! What a connection is told once.

use core::time::Duration;

#[cfg(feature = "_ecc")]
use ace_crypto::KeyAgreement;

use crate::CipherSuite;

/// Longest Connection ID, in bytes: ours, and the peer's that we can send.
pub const MAX_CID: usize = 20;

/// A Connection ID of up to [`MAX_CID`] bytes (RFC 9146, 3).
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct ConnectionId {
    bytes: [u8; MAX_CID],
    len: u8,
}

impl ConnectionId {
    /// None: records carry no Connection ID in this direction.
    pub const EMPTY: Self = Self {
        bytes: [0; MAX_CID],
        len: 0,
    };

    /// Copies `cid`; `None` if it is longer than [`MAX_CID`].
    #[must_use]
    pub fn new(cid: &[u8]) -> Option<Self> {
        let mut id = Self::EMPTY;
        id.bytes.get_mut(..cid.len())?.copy_from_slice(cid);
        id.len = u8::try_from(cid.len()).ok()?;
        Some(id)
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len.into()).unwrap_or(&[])
    }
}

impl core::fmt::Debug for ConnectionId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("ConnectionId(")?;
        for byte in self.as_bytes() {
            write!(f, "{byte:02x}")?;
        }
        f.write_str(")")
    }
}

/// What `max_fragment_length` may ask for (RFC 6066, 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum MaxFragmentLength {
    /// 512 bytes of plaintext in a record.
    Bytes512 = 1,
    /// 1,024 bytes.
    Bytes1024 = 2,
    /// 2,048 bytes.
    Bytes2048 = 3,
    /// 4,096 bytes.
    Bytes4096 = 4,
}

impl MaxFragmentLength {
    pub(crate) const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Bytes512,
            2 => Self::Bytes1024,
            3 => Self::Bytes2048,
            4 => Self::Bytes4096,
            _ => return None,
        })
    }

    pub(crate) const fn bytes(self) -> u16 {
        256 << self as u8
    }
}

/// Settings of one connection, for either role. [`Config::DEFAULT`] is PSK and raw public keys as RFC 9202 asks, without
/// Connection ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// The suites to offer or to accept, best first; the server's order decides.
    pub suites: &'static [CipherSuite],
    /// The groups for ECDHE, best first; the server's order decides.
    #[cfg(feature = "_ecc")]
    pub groups: &'static [KeyAgreement],
    /// Whether a peer without extended master secret is refused (RFC 7627, 5). True unless an old peer must be served.
    pub require_extended_master_secret: bool,
    /// Server with raw public keys: whether a client that sends no key is refused.
    #[cfg(feature = "_ecc")]
    pub require_client_key: bool,
    /// The Connection ID that the peer shall send to us. `Some` of an empty one: we are only ready to send the peer's.
    /// `None`: no Connection IDs at all (RFC 9146, 3).
    pub connection_id: Option<ConnectionId>,
    /// The longest plaintext of a record that the peer may send to us, 64 to 16,384 bytes (RFC 8449); `None`: not negotiated.
    pub record_size_limit: Option<u16>,
    /// Client: what to ask of the server; it holds for both directions (RFC 6066, 4).
    pub max_fragment_length: Option<MaxFragmentLength>,
    /// The longest datagram of the handshake that we send, in bytes. Values below 128 count as 128.
    pub mtu: u16,
    /// The first timeout of a flight; doubled with each (RFC 6347, 4.2.4.1). RFC 7925, 11, advises 9 s on constrained networks.
    pub initial_timeout: Duration,
    /// How often a flight is repeated before the connection is given up.
    pub retransmissions: u8,
}

impl Config {
    /// All suites that are built in, extended master secret and client key required, datagrams of 1,232 bytes, 1 s and six repetitions.
    pub const DEFAULT: Self = Self {
        suites: CipherSuite::ALL,
        #[cfg(feature = "_ecc")]
        groups: &[
            #[cfg(feature = "es256")]
            KeyAgreement::Secp256r1,
            #[cfg(feature = "eddsa")]
            KeyAgreement::X25519,
        ],
        require_extended_master_secret: true,
        #[cfg(feature = "_ecc")]
        require_client_key: true,
        connection_id: None,
        record_size_limit: None,
        max_fragment_length: None,
        mtu: 1232,
        initial_timeout: Duration::from_secs(1),
        retransmissions: 6,
    };
}

impl Config {
    /// [`record_size_limit`](Self::record_size_limit) within what RFC 8449, 4, allows.
    pub(crate) fn own_record_size(&self) -> Option<u16> {
        self.record_size_limit
            .map(|limit| limit.clamp(64, crate::record::MAX_PLAINTEXT))
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::DEFAULT
    }
}
