//! A CoAP client inside of one DTLS session.

use std::{collections::VecDeque, io, net::SocketAddr};

use ace_coap::{
    Block, Endpoint, Error as CoapFailure, Event, Incoming, OutMessage, Reliability, RequestId,
    Slot, Transmission,
    block::{BlockError, Progress, Transfer},
};
use ace_dtls::{CloseReason, Config, Connection, Credentials, Error, Session};
use ace_wire::coap::{CoapError, Message, option};
use tokio::net::UdpSocket;

use super::sessions::dtls;
use crate::{
    host::{Clock, randomness},
    udp,
};

/// Exchanges at a time: the request, what is kept for duplicates, and observations.
const SLOTS: usize = 16;

/// Longest body of a response.
const MAX_BODY: usize = 64 * 1024;

/// Longest message that the endpoint sends.
const MAX_MESSAGE: usize = 1152;

/// Bytes of a message that are not payload.
const OVERHEAD: usize = 128;

/// Notifications that wait to be fetched, of all observations; the oldest goes first.
const QUEUE: usize = 64;

/// A session with one server, asking one thing after the other. Bodies go block by block where they have to, both ways
/// (RFC 7959).
#[derive(Debug)]
pub struct CoapsClient {
    socket: UdpSocket,
    clock: Clock,
    session: Session,
    endpoint: Endpoint<(), Vec<Slot<()>>>,
    /// Messages of observations that came while something else was waited for.
    notifications: VecDeque<(RequestId, Vec<u8>)>,
    next_tag: u16,
}

/// A response, with its whole body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Its last message.
    last: Vec<u8>,
    body: Vec<u8>,
}

impl Reply {
    /// The message, borrowed: header and options of its last block, and the whole body as payload.
    ///
    /// # Errors
    /// None: it was parsed before.
    pub fn message(&self) -> Result<Message<'_>, CoapError> {
        let message = Message::parse(&self.last)?;
        Ok(Message {
            payload: &self.body,
            ..message
        })
    }
}

/// A resource that is being observed (RFC 7641). [`CoapsClient::cancel`] ends it.
#[derive(Debug)]
pub struct Observation<'r> {
    id: RequestId,
    request: OutMessage<'r>,
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
    #[error("CoAP: {0}")]
    Coap(#[from] CoapFailure),
    /// A body in blocks that do not fit together.
    #[error("CoAP: {0}")]
    Blocks(#[from] BlockError),
    /// The server rejected the request with a Reset.
    #[error("the server rejected the request")]
    Reset,
    /// No response came.
    #[error("no answer from the server")]
    TimedOut,
    /// The server answered, and does not take the observer: the answer.
    #[error("the resource is not observable")]
    NotObservable(Reply),
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
        let socket = udp::bind(udp::any_like(server)).await?;
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
            notifications: VecDeque::new(),
            next_tag: 0,
        })
    }

    /// Makes one confirmable request and waits for its response.
    ///
    /// A call that is given up, by dropping it, leaves a session that goes on.
    ///
    /// # Errors
    /// A request that cannot be sent, a session that ended, silence.
    pub async fn request(&mut self, request: &OutMessage<'_>) -> Result<Reply, CoapsError> {
        let (id, _, reply) = self.ask(request).await?;
        self.endpoint.cancel(id);
        Ok(reply)
    }

    /// Makes a GET or FETCH with Observe 0, which is added to `request`, and waits for its first response. The news are
    /// fetched with [`notification`](Self::notification).
    ///
    /// # Errors
    /// As [`request`](Self::request); [`CoapsError::NotObservable`] with the response that says so.
    pub async fn observe<'r>(
        &mut self,
        request: &OutMessage<'r>,
    ) -> Result<(Observation<'r>, Reply), CoapsError> {
        let mut request = *request;
        let observe = request.options.push(option::OBSERVE, 0u32);
        observe.map_err(|_| CoapFailure::TooLarge)?;
        let (id, is_observed, reply) = self.ask(&request).await?;
        if is_observed {
            return Ok((Observation { id, request }, reply));
        }
        self.endpoint.cancel(id);
        Err(CoapsError::NotObservable(reply))
    }

    /// The next news of an observation, with its whole body. An error code ends the observation.
    ///
    /// # Errors
    /// A session that ended; a later block that does not come.
    pub async fn notification(
        &mut self,
        observation: &Observation<'_>,
    ) -> Result<Reply, CoapsError> {
        let id = observation.id;
        let waiting = self.notifications.iter().position(|(of, _)| *of == id);
        let first = match waiting.and_then(|at| self.notifications.remove(at)) {
            Some((_, message)) => message,
            None => self.wait_for(id).await?,
        };
        let mut transfer = self.transfer(&observation.request)?;
        let mut buffer = vec![0; MAX_BODY];
        match transfer.on_response(&parsed(&first)?, &mut buffer)? {
            Progress::Again => self.fetch_rest(&mut transfer, buffer).await,
            Progress::Complete { length, .. } => Ok(reply(first, buffer, length)),
        }
    }

    /// Ends an observation: the server learns of it by the Reset of its next notification (RFC 7641, 3.6).
    pub fn cancel(&mut self, observation: &Observation<'_>) {
        self.endpoint.cancel(observation.id);
        self.notifications.retain(|(of, _)| *of != observation.id);
    }

    /// Sends the request, in blocks if it must be, and fetches the whole response. The exchange of the message that
    /// brought the response's beginning goes on: it may be an observation, if that message has Observe.
    async fn ask(
        &mut self,
        request: &OutMessage<'_>,
    ) -> Result<(RequestId, bool, Reply), CoapsError> {
        let mut transfer = self.transfer(request)?;
        let mut buffer = vec![0; MAX_BODY];
        loop {
            let id = self.send(&transfer)?;
            let message = self.wait_for(id).await;
            let message = message.inspect_err(|_| self.endpoint.cancel(id))?;
            let parsed = parsed(&message)?;
            let begins = parsed.options.contains(option::BLOCK2);
            let is_observed = parsed.options.contains(option::OBSERVE);
            match transfer.on_response(&parsed, &mut buffer)? {
                Progress::Again if begins => {
                    let reply = self.fetch_rest(&mut transfer, buffer).await;
                    let reply = reply.inspect_err(|_| self.endpoint.cancel(id))?;
                    return Ok((id, is_observed, reply));
                }
                Progress::Again => self.endpoint.cancel(id),
                Progress::Complete { length, .. } => {
                    return Ok((id, is_observed, reply(message, buffer, length)));
                }
            }
        }
    }

    async fn fetch_rest(
        &mut self,
        transfer: &mut Transfer<'_>,
        mut buffer: Vec<u8>,
    ) -> Result<Reply, CoapsError> {
        loop {
            let id = self.send(transfer)?;
            let message = self.wait_for(id).await;
            self.endpoint.cancel(id);
            let message = message?;
            let progress = transfer.on_response(&parsed(&message)?, &mut buffer)?;
            if let Progress::Complete { length, .. } = progress {
                return Ok(reply(message, buffer, length));
            }
        }
    }

    fn transfer<'r>(&mut self, request: &OutMessage<'r>) -> Result<Transfer<'r>, CoapsError> {
        let room = self.session.max_data().min(MAX_MESSAGE);
        let szx = Block::szx_for(room.saturating_sub(OVERHEAD));
        // RFC 9175, 3.5.1: no two bodies of a session under one tag.
        let tag = self.next_tag.to_be_bytes();
        self.next_tag = self.next_tag.wrapping_add(1);
        let transfer = Transfer::new(request, szx)?.with_request_tag(&tag)?;
        Ok(match szx {
            6 => transfer,
            _ => transfer.with_response_blocks(szx),
        })
    }

    fn send(&mut self, transfer: &Transfer<'_>) -> Result<RequestId, CoapsError> {
        let message = transfer.next_message()?;
        let now = self.clock.now();
        let reliability = Reliability::Confirmable;
        let id = self
            .endpoint
            .request(now, (), reliability, &message, &mut randomness())?;
        Ok(id)
    }

    async fn wait_for(&mut self, id: RequestId) -> Result<Vec<u8>, CoapsError> {
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
                        match self.endpoint.handle(now, (), data) {
                            Incoming::Response { request, .. } if request == id && reply.is_none() => {
                                reply = Some(data.to_vec());
                            }
                            Incoming::Response { request, .. } => {
                                if self.notifications.len() >= QUEUE {
                                    self.notifications.pop_front();
                                }
                                self.notifications.push_back((request, data.to_vec()));
                            }
                            _ => {}
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
    let mut connection: Box<Connection> = Box::new(Connection::client(
        config,
        dtls(clock.now()),
        credentials,
        &mut rng,
    )?);
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

/// What the endpoint has parsed before.
fn parsed(message: &[u8]) -> Result<Message<'_>, CoapsError> {
    Message::parse(message).map_err(|_| CoapsError::Blocks(BlockError::Unexpected))
}

fn reply(last: Vec<u8>, mut body: Vec<u8>, length: usize) -> Reply {
    body.truncate(length);
    Reply { last, body }
}

async fn transmit_to(socket: &UdpSocket, out: &[u8], length: usize) {
    if let Err(error) = socket.send(out.get(..length).unwrap_or(&[])).await {
        tracing::debug!(%error, "datagram not sent");
    }
}
