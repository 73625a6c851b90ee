//! What driving a client and a resource server has in common.

use core::net::SocketAddr;

use ace_client::{Client, Request, RequestError};
use ace_coap::{CryptoRng, Instant};
use ace_oscore::storage::Storage;
use ace_rs::{ResourceServer, Resources, Slot};

/// An engine whose peers are UDP addresses.
pub trait Engine {
    /// Takes a datagram.
    fn handle(
        &mut self,
        now: Instant,
        wall: Option<u64>,
        peer: SocketAddr,
        datagram: &mut [u8],
        rng: &mut dyn CryptoRng,
    );

    /// The next datagram to send, until `None`.
    fn poll_transmit(&mut self, now: Instant) -> Option<(SocketAddr, &[u8])>;

    /// When [`handle_timeout`](Self::handle_timeout) is to be called.
    fn poll_timeout(&self) -> Option<Instant>;

    /// Does what is due.
    fn handle_timeout(&mut self, now: Instant, wall: Option<u64>, rng: &mut dyn CryptoRng);
}

/// A [`Client`] of any size.
pub trait ClientEngine: Engine {
    /// See [`Client::request`].
    ///
    /// # Errors
    /// The client's.
    fn request(
        &mut self,
        now: Instant,
        wall: Option<u64>,
        rs: SocketAddr,
        request: Request<'_>,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), RequestError>;

    /// See [`Client::poll_event`].
    fn poll_event(&mut self) -> Option<ace_client::Event<'_>>;
}

/// A [`ResourceServer`] of any size.
pub trait ServerEngine: Engine {
    /// See [`ResourceServer::poll_event`].
    fn poll_event(&mut self) -> Option<ace_rs::Event<SocketAddr>>;
}

impl<
    S: Storage,
    const TOKENS: usize,
    const GRANT: usize,
    const BODY: usize,
    const SLOTS: usize,
    const MTU: usize,
> Engine for Client<'_, SocketAddr, S, TOKENS, GRANT, BODY, SLOTS, MTU>
{
    fn handle(
        &mut self,
        now: Instant,
        wall: Option<u64>,
        peer: SocketAddr,
        datagram: &mut [u8],
        rng: &mut dyn CryptoRng,
    ) {
        Client::handle(self, now, wall, peer, datagram, rng);
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<(SocketAddr, &[u8])> {
        let transmit = Client::poll_transmit(self, now)?;
        Some((transmit.peer, transmit.datagram))
    }

    fn poll_timeout(&self) -> Option<Instant> {
        Client::poll_timeout(self)
    }

    fn handle_timeout(&mut self, now: Instant, wall: Option<u64>, rng: &mut dyn CryptoRng) {
        Client::handle_timeout(self, now, wall, rng);
    }
}

impl<
    S: Storage,
    const TOKENS: usize,
    const GRANT: usize,
    const BODY: usize,
    const SLOTS: usize,
    const MTU: usize,
> ClientEngine for Client<'_, SocketAddr, S, TOKENS, GRANT, BODY, SLOTS, MTU>
{
    fn request(
        &mut self,
        now: Instant,
        wall: Option<u64>,
        rs: SocketAddr,
        request: Request<'_>,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), RequestError> {
        Client::request(self, now, wall, rs, request, rng)
    }

    fn poll_event(&mut self) -> Option<ace_client::Event<'_>> {
        Client::poll_event(self)
    }
}

/// Writes down the parameters of [`ResourceServer`] once.
macro_rules! server {
    ($trait:ty { $($body:tt)* }) => {
        impl<
            R: Resources,
            S: Storage,
            E: AsRef<[Slot<SocketAddr, MTU>]> + AsMut<[Slot<SocketAddr, MTU>]>,
            const TOKENS: usize,
            const UNCONFIRMED: usize,
            const OBSERVERS: usize,
            const SCOPE: usize,
            const TRANSFERS: usize,
            const BODY: usize,
            const MTU: usize,
            const SESSIONS: usize,
            const HANDSHAKES: usize,
            const HANDSHAKE: usize,
        > $trait
            for ResourceServer<
                '_,
                SocketAddr,
                R,
                S,
                E,
                TOKENS,
                UNCONFIRMED,
                OBSERVERS,
                SCOPE,
                TRANSFERS,
                BODY,
                MTU,
                SESSIONS,
                HANDSHAKES,
                HANDSHAKE,
            >
        {
            $($body)*
        }
    };
}

server!(Engine {
    fn handle(
        &mut self,
        now: Instant,
        wall: Option<u64>,
        peer: SocketAddr,
        datagram: &mut [u8],
        rng: &mut dyn CryptoRng,
    ) {
        ResourceServer::handle(self, now, wall, peer, datagram, rng);
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<(SocketAddr, &[u8])> {
        let transmit = ResourceServer::poll_transmit(self, now)?;
        Some((transmit.peer, transmit.datagram))
    }

    fn poll_timeout(&self) -> Option<Instant> {
        ResourceServer::poll_timeout(self)
    }

    fn handle_timeout(&mut self, now: Instant, wall: Option<u64>, _: &mut dyn CryptoRng) {
        ResourceServer::handle_timeout(self, now, wall);
    }
});

server!(ServerEngine {
    fn poll_event(&mut self) -> Option<ace_rs::Event<SocketAddr>> {
        ResourceServer::poll_event(self)
    }
});
