//! A CoAP client inside of one DTLS session.

use std::{io, net::SocketAddr};

use ace_coap::{
    Endpoint, Error as CoapFailure, Event, Incoming, OutMessage, Reliability, RequestId, Slot,
    Transmission,
};
use ace_dtls::{CloseReason, Config, Connection, Credentials, Error, Session};
use ace_wire::coap::{CoapError, Message};
use tokio::net::UdpSocket;

use super::sessions::dtls;
use crate::{
    host::{Clock, randomness},
    udp,
};

/// Exchanges at a time: the request, and what is kept for duplicates.
const SLOTS: usize = 8;

/// A session with one server, asking one thing after the other.
#[derive(Debug)]
pub struct CoapsClient {
    socket: UdpSocket,
    clock: Clock,
    session: Session,
    endpoint: Endpoint<(), Vec<Slot<()>>>,
}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply(Vec<u8>);

impl Reply {
    /// The message, borrowed.
    ///
    /// # Errors
    /// None: it was parsed before.
    pub fn message(&self) -> Result<Message<'_>, CoapError> {
        Message::parse(&self.0)
    }
}

/// Why there is no session, or no response.
#[derive(Debug, thiserror::Error)]
pub enum CoapsError {
    /// The socket failed.
    #[error("the socket failed: {0}")]
    Socket(#[from] io::Error),
    /// DTLS cannot be begun, or a message cannot be sent in it.
    #[error("DTLS: {0}")]
    Dtls(#[from] Error),
    /// The handshake failed, or the session is over.
    #[error("DTLS: {0}")]
    Closed(CloseReason),
    /// The request cannot be sent.
    #[error("CoAP: {0:?}")]
    Coap(CoapFailure),
    /// The server rejected the request with a Reset.
    #[error("the server rejected the request")]
    Reset,
    /// No response came.
    #[error("no answer from the server")]
    TimedOut,
}

impl CoapsClient {
    /// Makes a session from a port of its own, within the timers of `config`.
    ///
    /// `credentials` that answer [`Pending`](ace_dtls::Decision::Pending) are not asked again: a client knows its keys.
    ///
    /// # Errors
    /// The socket's; the handshake's.
    pub async fn connect(
        server: SocketAddr,
        config: &Config,
        credentials: &mut (dyn Credentials + Send),
    ) -> Result<Self, CoapsError> {
        let any = match server {
            SocketAddr::V4(_) => SocketAddr::from(([0; 4], 0)),
            SocketAddr::V6(_) => SocketAddr::from(([0; 16], 0)),
        };
        let socket = udp::bind(any).await?;
        socket.connect(server).await?;
        let clock = Clock::start();
        let session = shake_hands(&socket, &clock, config, credentials).await?;
        let slots = std::iter::repeat_with(Slot::new).take(SLOTS).collect();
        let endpoint = Endpoint::new(slots, Transmission::default(), &mut randomness());
        Ok(Self {
            socket,
            clock,
            session,
            endpoint,
        })
    }

    /// Makes one confirmable request and waits for its response.
    ///
    /// A call that is given up, by dropping it, leaves a session that goes on.
    ///
    /// # Errors
    /// A request that cannot be sent, a session that ended, silence.
    pub async fn request(&mut self, request: &OutMessage<'_>) -> Result<Reply, CoapsError> {
        let id = self
            .endpoint
            .request(
                self.clock.now(),
                (),
                Reliability::Confirmable,
                request,
                &mut randomness(),
            )
            .map_err(CoapsError::Coap)?;
        let reply = self.wait_for(id).await;
        self.endpoint.cancel(id);
        reply
    }

    async fn wait_for(&mut self, id: RequestId) -> Result<Reply, CoapsError> {
        let mut buffer = vec![0; udp::MAX_DATAGRAM];
        let mut reply = None;
        loop {
            self.flush().await?;
            // What the response needs to be acknowledged has left.
            if let Some(reply) = reply {
                return Ok(reply);
            }
            while let Some(event) = self.endpoint.poll_event() {
                match event {
                    Event::TimedOut(which) if which == id => return Err(CoapsError::TimedOut),
                    Event::Reset(which) if which == id => return Err(CoapsError::Reset),
                    _ => {}
                }
            }
            while let Some(event) = self.session.poll_event() {
                if let ace_dtls::Event::Closed(reason) = event {
                    return Err(CoapsError::Closed(reason));
                }
            }
            tokio::select! {
                received = udp::receive_mut(&self.socket, &mut buffer) => {
                    let (datagram, _) = received?;
                    let now = self.clock.now();
                    for data in self.session.handle(datagram).data {
                        if let Incoming::Response { request, .. } = self.endpoint.handle(now, (), data)
                            && request == id
                        {
                            reply = Some(Reply(data.to_vec()));
                        }
                    }
                }
                () = udp::sleep_until(&self.clock, self.endpoint.poll_timeout()) => {
                    self.endpoint.handle_timeout(self.clock.now());
                }
            }
        }
    }

    async fn flush(&mut self) -> Result<(), CoapsError> {
        let mut out = vec![0; udp::MAX_DATAGRAM];
        while let Some(transmit) = self.endpoint.poll_transmit(self.clock.now()) {
            let length = self.session.send(transmit.datagram, &mut out)?;
            transmit_to(&self.socket, &out, length).await;
        }
        self.flush_session(&mut out).await;
        Ok(())
    }

    async fn flush_session(&mut self, out: &mut [u8]) {
        while let Some(length) = self.session.poll_transmit(out) {
            transmit_to(&self.socket, out, length).await;
        }
    }

    /// The session, to ask who the server is and what was agreed on.
    pub const fn session(&self) -> &Session {
        &self.session
    }

    /// Ends the session with `close_notify`.
    pub async fn close(mut self) {
        self.session.close();
        self.flush_session(&mut [0; 64]).await;
    }

    /// Goes on from another port, as after a change of the network. Only a session with a Connection ID survives it.
    ///
    /// # Errors
    /// The socket's.
    pub async fn rebind(&mut self) -> io::Result<()> {
        let server = self.socket.peer_addr()?;
        let mut own = self.socket.local_addr()?;
        own.set_port(0);
        let socket = udp::bind(own).await?;
        socket.connect(server).await?;
        self.socket = socket;
        Ok(())
    }
}

async fn shake_hands(
    socket: &UdpSocket,
    clock: &Clock,
    config: &Config,
    credentials: &mut (dyn Credentials + Send),
) -> Result<Session, CoapsError> {
    let mut rng = randomness();
    let mut connection: Box<Connection> =
        Box::new(Connection::client(config, dtls(clock.now()), &mut rng)?);
    let mut buffer = vec![0; udp::MAX_DATAGRAM];
    let mut out = vec![0; usize::from(config.mtu).clamp(128, udp::MAX_DATAGRAM)];
    loop {
        while let Some(length) = connection.poll_transmit(&mut out) {
            transmit_to(socket, &out, length).await;
        }
        while let Some(event) = connection.poll_event() {
            if let ace_dtls::Event::Closed(reason) = event {
                return Err(CoapsError::Closed(reason));
            }
        }
        if connection.session().is_established() {
            return connection
                .into_session()
                .map_err(|_| CoapsError::Dtls(Error::NotConnected));
        }
        let timeout = connection.poll_timeout().map(|at| ace_coap::Instant(at.0));
        tokio::select! {
            received = udp::receive_mut(socket, &mut buffer) => {
                let (datagram, _) = received?;
                connection.handle(dtls(clock.now()), datagram, credentials, &mut rng);
            }
            () = udp::sleep_until(clock, timeout) => connection.handle_timeout(dtls(clock.now())),
        }
    }
}

async fn transmit_to(socket: &UdpSocket, out: &[u8], length: usize) {
    if let Err(error) = socket.send(out.get(..length).unwrap_or(&[])).await {
        tracing::debug!(%error, "datagram not sent");
    }
}
