//! What a message is exchanged over.

use core::fmt;

#[cfg(feature = "dtls")]
use ace_dtls::SessionId;

/// An address in the clear, or a secure session: messages of the one never answer those of the other, even if they come
/// from one address.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Link<P>(pub(crate) Way<P>);

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Way<P> {
    Clear(P),
    #[cfg(feature = "dtls")]
    Session(SessionId),
}

impl<P> Link<P> {
    pub(crate) const fn clear(peer: P) -> Self {
        Self(Way::Clear(peer))
    }

    #[cfg(feature = "dtls")]
    pub(crate) const fn session(id: SessionId) -> Self {
        Self(Way::Session(id))
    }
}

impl<P: fmt::Debug> fmt::Debug for Link<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Way::Clear(peer) => peer.fmt(f),
            #[cfg(feature = "dtls")]
            Way::Session(id) => id.fmt(f),
        }
    }
}

/// Room for one message of the endpoint, of up to `MTU` bytes, and its state.
pub type Slot<P, const MTU: usize = 1152> = ace_coap::Slot<Link<P>, MTU>;
