//! Who is at the other end of a session.

use std::{fmt, net::IpAddr, sync::Arc};

use ace_crypto::{CryptoRng, SigningKey, VerifyingKey};
use ace_dtls::{Credentials, Decision, OwnPsk, Psk};

/// Bytes of the Connection IDs given out.
pub(crate) const CID_LEN: usize = 8;

/// Names a session; never used again for another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

impl SessionId {
    /// The Connection ID of the session: finding a session by it is reading it.
    pub(crate) fn cid(self) -> [u8; CID_LEN] {
        let mut cid = [0; CID_LEN];
        let (index, generation) = cid.split_at_mut(4);
        index.copy_from_slice(&self.index.to_be_bytes());
        generation.copy_from_slice(&self.generation.to_be_bytes());
        cid
    }

    pub(crate) fn from_cid(cid: &[u8]) -> Option<Self> {
        let (index, generation) = cid.split_first_chunk()?;
        Some(Self {
            index: u32::from_be_bytes(*index),
            generation: u32::from_be_bytes(generation.try_into().ok()?),
        })
    }
}

/// With what a peer has authenticated itself.
#[derive(Clone, PartialEq, Eq, Default)]
pub enum Credential {
    /// With nothing: only if the configuration asks for no client key.
    #[default]
    Anonymous,
    /// It holds the pre-shared key of this identity.
    Psk(Arc<[u8]>),
    /// It holds the private key to this raw public key.
    Key(VerifyingKey),
}

/// As it stands in a log: bytes in hexadecimal, long ones cut. Identities and public keys are sent in the clear.
impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, bytes) = match self {
            Self::Anonymous => return f.write_str("anonymous"),
            Self::Psk(identity) => ("psk ", identity.to_vec()),
            Self::Key(key) => ("key ", key.x().to_vec()),
        };
        f.write_str(name)?;
        for byte in bytes.iter().take(32) {
            write!(f, "{byte:02x}")?;
        }
        f.write_str(if bytes.len() > 32 { "..." } else { "" })
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The authenticated peer of an established session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DtlsPeer {
    /// The session.
    pub session: SessionId,
    /// With what the peer has authenticated itself.
    pub credential: Credential,
    /// The number that the application's [`Credentials`] gave to it; 0 for an anonymous one.
    pub number: u64,
}

impl DtlsPeer {
    /// What sessions of one peer have in common; anonymous ones the source.
    pub(crate) fn owner(&self, source: IpAddr) -> Vec<u8> {
        match &self.credential {
            Credential::Anonymous => format!("a{source}").into_bytes(),
            Credential::Psk(identity) => [b"p", &identity[..]].concat(),
            Credential::Key(key) => [&b"k"[..], &key.x(), &key.y().unwrap_or_default()].concat(),
        }
    }
}

/// What one subscriber commonly holds: an IPv4 address, a /64 of IPv6.
pub(crate) fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
    }
}

/// The application's credentials, remembering which of the peer's was accepted.
pub(crate) struct Recorder<'c> {
    pub(crate) inner: &'c mut dyn Credentials,
    pub(crate) claimed: &'c mut Credential,
}

impl Credentials for Recorder<'_> {
    fn find_psk(&mut self, identity: &[u8]) -> Decision<Psk> {
        let decision = self.inner.find_psk(identity);
        // A refused one is remembered too, for the log.
        *self.claimed = Credential::Psk(identity.into());
        decision
    }

    fn own_psk(&self, hint: &[u8]) -> Option<OwnPsk<'_>> {
        self.inner.own_psk(hint)
    }

    fn signing_key(&self) -> Option<&SigningKey> {
        self.inner.signing_key()
    }

    fn accept_key(&mut self, key: &VerifyingKey) -> Decision<u64> {
        let decision = self.inner.accept_key(key);
        *self.claimed = Credential::Key(*key);
        decision
    }
}

/// A generation to begin with that says nothing about how many there were.
pub(crate) fn first_generation(rng: &mut dyn CryptoRng) -> u32 {
    rng.next_u32()
}
