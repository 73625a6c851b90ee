//! The engines on UDP sockets, without an allocator.

mod engine;
mod socket;

use core::convert::Infallible;
use core::future::{pending, poll_fn};
use core::net::SocketAddr;
use core::ops::ControlFlow;
use core::pin::pin;
use core::task::Poll;

use ace_client::{Event, Request, RequestError};
use ace_coap::{CryptoRng, Instant};
use embedded_hal_async::delay::DelayNs;

pub use engine::{ClientEngine, Engine, ServerEngine};
#[cfg(feature = "edge-nal")]
pub use socket::EdgeSocket;
pub use socket::{NalSocket, Socket};

/// Longest wait at once, in milliseconds; a later timer takes several.
const LONGEST_WAIT: u64 = 3_600_000;

/// What time it is.
pub trait Clock {
    /// By a clock that only moves forward, in milliseconds since any fixed start.
    fn now(&self) -> Instant;

    /// Seconds since 1970-01-01T00:00Z by a clock that can be trusted, `None` while there is none.
    fn wall(&self) -> Option<u64>;
}

/// What an engine needs from the board: a socket, the time, a timer and randomness.
///
/// `D` is any [`DelayNs`], such as `embassy_time::Delay`; `R` the generator of the hardware. `N` is the longest datagram
/// received, in bytes: the engine's `MTU`.
///
/// ```
/// use ace_client::{Client, Event, Request};
/// use ace_embedded::{Board, Clock, Socket};
/// # use ace_coap::CryptoRng;
/// # use ace_oscore::storage::Storage;
/// # use core::{net::SocketAddr, ops::ControlFlow};
/// # use embedded_hal_async::delay::DelayNs;
///
/// /// The temperature, as the resource server at `thermometer` tells it.
/// async fn temperature<K: Socket, C: Clock, D: DelayNs, R: CryptoRng, S: Storage>(
///     board: &mut Board<K, C, D, R>,
///     client: &mut Client<'_, SocketAddr, S>,
///     thermometer: SocketAddr,
/// ) -> Result<Option<[u8; 4]>, K::Error> {
///     if board.request(client, thermometer, Request::get("/temp")).is_err() {
///         return Ok(None);
///     }
///     board
///         .run(client, |event| match event {
///             Event::Response { payload, .. } => ControlFlow::Break(payload.try_into().ok()),
///             Event::Refused { .. } | Event::Failed { .. } => ControlFlow::Break(None),
///             _ => ControlFlow::Continue(()),
///         })
///         .await
/// }
/// ```
#[derive(Debug)]
pub struct Board<K, C, D, R, const N: usize = 1152> {
    socket: K,
    clock: C,
    delay: D,
    rng: R,
    received: [u8; N],
}

impl<K: Socket, C: Clock, D: DelayNs, R: CryptoRng, const N: usize> Board<K, C, D, R, N> {
    /// Takes the parts.
    pub const fn new(socket: K, clock: C, delay: D, rng: R) -> Self {
        let received = [0; N];
        Self {
            socket,
            clock,
            delay,
            rng,
            received,
        }
    }

    /// Gives them back.
    pub fn into_parts(self) -> (K, C, D, R) {
        (self.socket, self.clock, self.delay, self.rng)
    }

    /// The clock, for calls to the engine that are not made here.
    pub const fn clock(&self) -> &C {
        &self.clock
    }

    /// The generator, for calls to the engine that are not made here.
    pub const fn rng(&mut self) -> &mut R {
        &mut self.rng
    }

    /// Hands a request to the client; [`run`](Self::run) carries it out.
    ///
    /// # Errors
    /// The client's.
    pub fn request<E: ClientEngine>(
        &mut self,
        client: &mut E,
        rs: SocketAddr,
        request: Request<'_>,
    ) -> Result<(), RequestError> {
        let (now, wall) = (self.clock.now(), self.clock.wall());
        client.request(now, wall, rs, request, &mut self.rng)
    }

    /// Drives the client until `on` breaks at one of its events: at the end of a request, or never, to follow an
    /// observation. What was sent by then has left the engine.
    ///
    /// # Errors
    /// Those of the socket when it receives. A datagram that is not sent counts as lost.
    pub async fn run<E: ClientEngine, T>(
        &mut self,
        client: &mut E,
        mut on: impl FnMut(Event<'_>) -> ControlFlow<T>,
    ) -> Result<T, K::Error> {
        loop {
            let mut end = None;
            while end.is_none()
                && let Some(event) = client.poll_event()
            {
                end = on(event).break_value();
            }
            self.flush(client).await;
            if let Some(end) = end {
                return Ok(end);
            }
            self.turn(client, pending::<Infallible>()).await?;
        }
    }

    /// Drives the resource server until `until` is ready: to notify observers, to revoke a token, to stop. Then call it
    /// again; nothing is lost in between but datagrams that the socket does not hold.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn serve<E: ServerEngine, T>(
        &mut self,
        server: &mut E,
        mut on: impl FnMut(ace_rs::Event<SocketAddr>),
        until: impl Future<Output = T>,
    ) -> Result<T, K::Error> {
        let mut until = pin!(until);
        loop {
            while let Some(event) = server.poll_event() {
                on(event);
            }
            self.flush(server).await;
            if let Some(end) = self.turn(server, until.as_mut()).await? {
                // What was handled before the end is answered.
                self.flush(server).await;
                return Ok(end);
            }
        }
    }

    async fn flush<E: Engine>(&mut self, engine: &mut E) {
        while let Some((peer, datagram)) = engine.poll_transmit(self.clock.now()) {
            let _ = self.socket.send(peer, datagram).await;
        }
    }

    /// Waits for a datagram, the engine's timer or `until`, and lets the engine handle it.
    async fn turn<E: Engine, T>(
        &mut self,
        engine: &mut E,
        until: impl Future<Output = T>,
    ) -> Result<Option<T>, K::Error> {
        let Self {
            socket,
            clock,
            delay,
            rng,
            received,
        } = self;
        let due = engine.poll_timeout();
        let first = {
            let timer = async {
                match due {
                    Some(due) => {
                        let left = due.0.saturating_sub(clock.now().0).min(LONGEST_WAIT);
                        delay
                            .delay_ms(u32::try_from(left).unwrap_or(u32::MAX))
                            .await;
                    }
                    None => pending().await,
                }
            };
            let receive = socket.receive(received);
            let (mut until, mut receive, mut timer) = (pin!(until), pin!(receive), pin!(timer));
            poll_fn(|context| {
                if let Poll::Ready(end) = until.as_mut().poll(context) {
                    return Poll::Ready(First::End(end));
                }
                if let Poll::Ready(datagram) = receive.as_mut().poll(context) {
                    return Poll::Ready(First::Datagram(datagram));
                }
                timer.as_mut().poll(context).map(|()| First::Timer)
            })
            .await
        };
        let (now, wall) = (clock.now(), clock.wall());
        match first {
            First::End(end) => return Ok(Some(end)),
            First::Timer if due.is_some_and(|due| due <= now) => {
                engine.handle_timeout(now, wall, rng)
            }
            First::Timer => {}
            First::Datagram(datagram) => {
                let (length, peer) = datagram?;
                // A longer one was cut, and is refused like any other that does not parse.
                if let Some(datagram) = received.get_mut(..length.min(N)) {
                    engine.handle(now, wall, peer, datagram, rng);
                }
                // A peer that never stops sending does not stop the clock.
                if due.is_some_and(|due| due <= now) {
                    engine.handle_timeout(now, wall, rng);
                }
            }
        }
        Ok(None)
    }
}

/// What came first.
enum First<T, E> {
    End(T),
    Datagram(Result<(usize, SocketAddr), E>),
    Timer,
}
