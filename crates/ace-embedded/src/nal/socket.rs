//! Sockets of either family of traits.

use core::net::SocketAddr;

use embedded_nal_async::UnconnectedUdp;

/// A UDP socket that is not connected.
///
/// For sockets of `embedded-nal-async` see [`NalSocket`], for those of `edge-nal` `EdgeSocket` (feature `edge-nal`).
#[expect(async_fn_in_trait, reason = "executors on devices run on one core")]
pub trait Socket {
    /// What can go wrong.
    type Error: core::fmt::Debug;

    /// Sends a datagram.
    ///
    /// # Errors
    /// The socket's.
    async fn send(&mut self, peer: SocketAddr, datagram: &[u8]) -> Result<(), Self::Error>;

    /// Receives a datagram; its whole length, and where it came from. Given up in the middle, it loses none.
    ///
    /// # Errors
    /// The socket's.
    async fn receive(&mut self, buffer: &mut [u8]) -> Result<(usize, SocketAddr), Self::Error>;
}

/// A socket of `embedded-nal-async` that is bound to one address.
#[derive(Debug, Clone, Copy)]
pub struct NalSocket<U> {
    /// The socket.
    pub socket: U,
    /// What it is bound to.
    pub local: SocketAddr,
}

impl<U: UnconnectedUdp> Socket for NalSocket<U> {
    type Error = U::Error;

    async fn send(&mut self, peer: SocketAddr, datagram: &[u8]) -> Result<(), U::Error> {
        self.socket.send(self.local, peer, datagram).await
    }

    async fn receive(&mut self, buffer: &mut [u8]) -> Result<(usize, SocketAddr), U::Error> {
        let (length, _, peer) = self.socket.receive_into(buffer).await?;
        Ok((length, peer))
    }
}

/// A socket of `edge-nal`.
#[cfg(feature = "edge-nal")]
#[derive(Debug, Clone, Copy)]
pub struct EdgeSocket<U>(pub U);

#[cfg(feature = "edge-nal")]
impl<U: edge_nal::UdpReceive + edge_nal::UdpSend> Socket for EdgeSocket<U> {
    type Error = U::Error;

    async fn send(&mut self, peer: SocketAddr, datagram: &[u8]) -> Result<(), U::Error> {
        self.0.send(peer, datagram).await
    }

    async fn receive(&mut self, buffer: &mut [u8]) -> Result<(usize, SocketAddr), U::Error> {
        self.0.receive(buffer).await
    }
}
