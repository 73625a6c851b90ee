//! Who we are and whom we believe: asked of the application during the handshake.

use ace_crypto::Secret;
#[cfg(feature = "_ecc")]
use ace_crypto::{SigningKey, VerifyingKey};

use crate::Alert;

/// Longest pre-shared key, in bytes.
pub const MAX_PSK: usize = 64;

/// Longest PSK identity, in bytes: room for a whole access token (RFC 9202, 3.3.2).
pub const MAX_IDENTITY: usize = 512;

/// What the application says to a credential of the peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision<T> {
    /// Go on.
    Accept(T),
    /// End the handshake: `unknown_psk_identity` for an identity (RFC 4279, 2), `certificate_unknown` for a key.
    Refuse,
    /// End the handshake with this alert, as RFC 9202, 3.3.2, asks for `illegal_parameter`.
    RefuseWith(Alert),
    /// Not known yet: the handshake waits, within its timeout, for `Connection::resume`, which asks again.
    Pending,
}

/// A pre-shared key, and the number that [`Peer::Psk`] will carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Psk {
    /// The key.
    pub key: Secret<MAX_PSK>,
    /// Any number by which the application knows the peer.
    pub peer: u64,
}

/// A client's own pre-shared key, borrowed from the application.
#[derive(Clone, Copy)]
pub struct OwnPsk<'a> {
    /// Sent in the clear; up to [`MAX_IDENTITY`] bytes of any value.
    pub identity: &'a [u8],
    /// Up to [`MAX_PSK`] bytes.
    pub key: &'a [u8],
}

impl core::fmt::Debug for OwnPsk<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("OwnPsk")
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// With whom a connection is, as the handshake proved it.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Nobody has been authenticated (yet).
    Anonymous,
    /// Holds a pre-shared key; with the number of [`Psk`] on the server, 0 on the client.
    Psk(u64),
    /// Holds the private key; with the number from [`Credentials::accept_key`].
    Key(u64),
}

/// The application's keys. Each method has a default that refuses.
pub trait Credentials {
    /// Server: the key for the identity that a client sent, which are any bytes up to [`MAX_IDENTITY`].
    ///
    /// The client has proved nothing yet.
    fn find_psk(&mut self, identity: &[u8]) -> Decision<Psk> {
        let _ = identity;
        Decision::Refuse
    }

    /// Client: identity and key for a server that sent this hint (mostly empty).
    fn own_psk(&self, hint: &[u8]) -> Option<OwnPsk<'_>> {
        let _ = hint;
        None
    }

    /// Both: the private key to the raw public key that is ours.
    #[cfg(feature = "_ecc")]
    fn signing_key(&self) -> Option<&SigningKey> {
        None
    }

    /// Both: whether the connection may be with the holder of this key; the number goes to [`Peer::Key`].
    ///
    /// The peer has not proved yet that it holds the private key.
    #[cfg(feature = "_ecc")]
    fn accept_key(&mut self, key: &VerifyingKey) -> Decision<u64> {
        let _ = key;
        Decision::Refuse
    }

    /// Both: our X.509 certificates and what those of peers are held against. If there are any, suites with keys use these alone, and no raw
    /// public keys.
    #[cfg(feature = "x509")]
    fn x509(&self) -> Option<&crate::X509> {
        None
    }

    /// Both: whether the connection may be with the holder of this chain, the peer's certificate first, which has been verified; the number goes to
    /// [`Peer::Key`].
    ///
    /// The peer has not proved yet that it holds the private key.
    #[cfg(feature = "x509")]
    fn accept_chain(
        &mut self,
        chain: &[rustls_pki_types::CertificateDer<'_>],
        key: &VerifyingKey,
    ) -> Decision<u64> {
        let _ = (chain, key);
        Decision::Refuse
    }
}

/// The credentials of a client with one pre-shared key.
impl Credentials for OwnPsk<'_> {
    fn own_psk(&self, _hint: &[u8]) -> Option<OwnPsk<'_>> {
        Some(*self)
    }
}
