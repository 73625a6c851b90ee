//! What a message is exchanged over.

use core::fmt;

/// An address in the clear, or a secure session: messages of the one never answer those of the other, even if they come
/// from one address.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Link<P>(pub(crate) Way<P>);

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Way<P> {
    Clear(P),
}

impl<P> Link<P> {
    pub(crate) const fn clear(peer: P) -> Self {
        Self(Way::Clear(peer))
    }
}

impl<P: fmt::Debug> fmt::Debug for Link<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Way::Clear(peer) => peer.fmt(f),
        }
    }
}

/// Room for one message of the endpoint, of up to `MTU` bytes, and its state.
pub type Slot<P, const MTU: usize = 1152> = ace_coap::Slot<Link<P>, MTU>;
