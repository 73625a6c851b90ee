//! A client on a tokio socket.

use std::{io, net::SocketAddr};

use ace_client::{
    Client, ClientError, Config, Event, Phase, Reason, Refusal, Request, RequestError, Step,
};
use ace_oscore::storage::Storage;
use ace_wire::{ace::ErrorCode, coap::Code};
use tokio::net::UdpSocket;

use crate::{
    host::{Clock, randomness, wall_clock},
    udp,
};

/// The engine with room for a host: 16 tokens of up to 1 KiB, bodies of up to 8 KiB.
pub type HostClient<'c, S> = Client<'c, SocketAddr, S, 16, 1536, 8192, 8>;

/// A client that asks one thing after the other.
#[derive(Debug)]
pub struct Requester<'c, S> {
    socket: UdpSocket,
    clock: Clock,
    engine: Box<HostClient<'c, S>>,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The resource answered.
    Response {
        /// Response code.
        code: Code,
        /// Content-Format, if given.
        content_format: Option<u16>,
        /// The whole body.
        payload: Vec<u8>,
        /// Whether OSCORE protected it; `false` only for resources open to all.
        protected: bool,
    },
    /// Somebody refused.
    Refused(RefusedBy),
    /// A step did not come to an end.
    Failed {
        /// Where.
        step: Step,
        /// Why.
        reason: Reason,
    },
}

/// Who refused; [`Refusal`], owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefusedBy {
    /// The authorization server.
    As {
        /// Its error.
        error: ErrorCode,
        /// Its sentence.
        description: Option<String>,
    },
    /// The resource server.
    Rs {
        /// What it refused.
        step: Step,
        /// Its response code.
        code: Code,
        /// Whether the response was protected.
        protected: bool,
    },
    /// The authorization server granted less than the request needs.
    NotGranted {
        /// How the resource server denied the request.
        code: Code,
    },
    /// The resource server names an authorization server that is not the trusted one.
    UntrustedAs {
        /// The URI it named.
        uri: String,
    },
}

/// What goes on during a request, for those who watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen<'a> {
    /// Another phase began.
    Phase(Phase),
    /// A datagram left.
    Sent(SocketAddr, &'a [u8]),
    /// A datagram came.
    Received(SocketAddr, &'a [u8]),
}

/// Why there is no outcome.
#[derive(Debug, thiserror::Error)]
pub enum RequesterError {
    /// The engine cannot be made.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The request cannot be sent.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The socket failed.
    #[error("the socket failed: {0}")]
    Socket(#[from] io::Error),
}

impl<'c, S: Storage> Requester<'c, S> {
    /// A client on a port of its own.
    ///
    /// # Errors
    /// Configuration or storage that cannot work; no socket.
    pub async fn new(config: Config<'c, SocketAddr>, storage: S) -> Result<Self, RequesterError> {
        let any = udp::any_like(config.as_peer);
        let engine = Box::new(Client::new(config, storage, &mut randomness())?);
        Ok(Self {
            socket: udp::bind(any).await?,
            clock: Clock::start(),
            engine,
        })
    }

    /// Makes one request and waits for how it ends; `watch` sees what happens on the way.
    ///
    /// # Errors
    /// A request that cannot be made, a socket that failed.
    pub async fn request(
        &mut self,
        rs: SocketAddr,
        request: Request<'_>,
        watch: &mut (dyn FnMut(Seen<'_>) + Send),
    ) -> Result<Outcome, RequesterError> {
        let mut rng = randomness();
        self.engine
            .request(self.clock.now(), wall_clock(), rs, request, &mut rng)?;
        let mut buffer = vec![0; udp::MAX_DATAGRAM];
        loop {
            let mut ended = None;
            while let Some(event) = self.engine.poll_event() {
                match event {
                    Event::Phase(phase) => watch(Seen::Phase(phase)),
                    event => ended = ended.or(outcome(event)),
                }
            }
            while let Some(transmit) = self.engine.poll_transmit(self.clock.now()) {
                watch(Seen::Sent(transmit.peer, transmit.datagram));
                udp::send(&self.socket, transmit.peer, transmit.datagram).await;
            }
            if let Some(outcome) = ended {
                return Ok(outcome);
            }
            tokio::select! {
                received = udp::receive_mut(&self.socket, &mut buffer) => {
                    let (datagram, peer) = received?;
                    watch(Seen::Received(peer, datagram));
                    self.engine.handle(self.clock.now(), wall_clock(), peer, datagram, &mut rng);
                }
                () = udp::sleep_until(&self.clock, self.engine.poll_timeout()) => {
                    self.engine.handle_timeout(self.clock.now(), wall_clock(), &mut rng);
                }
            }
        }
    }

    /// The first datagram of a request, made and not sent; the request is given up. For demonstrations and tests.
    ///
    /// # Errors
    /// A request that cannot be made.
    pub fn draft(
        &mut self,
        rs: SocketAddr,
        request: Request<'_>,
    ) -> Result<Option<Vec<u8>>, RequestError> {
        let now = self.clock.now();
        self.engine
            .request(now, wall_clock(), rs, request, &mut randomness())?;
        let datagram = self
            .engine
            .poll_transmit(now)
            .map(|transmit| transmit.datagram.to_vec());
        self.engine.cancel();
        while self.engine.poll_event().is_some() {}
        Ok(datagram)
    }

    /// The socket, for tests that send what a client would not.
    pub const fn socket(&self) -> &UdpSocket {
        &self.socket
    }
}

/// The end of a request in an event; `None` for events that are none.
fn outcome(event: Event<'_>) -> Option<Outcome> {
    Some(match event {
        Event::Response {
            code,
            content_format,
            payload,
            protected,
        } => Outcome::Response {
            code,
            content_format,
            payload: payload.to_vec(),
            protected,
        },
        Event::Refused { by } => Outcome::Refused(match by {
            Refusal::As { error, description } => RefusedBy::As {
                error,
                description: description.map(String::from),
            },
            Refusal::Rs {
                step,
                code,
                protected,
            } => RefusedBy::Rs {
                step,
                code,
                protected,
            },
            Refusal::NotGranted { code } => RefusedBy::NotGranted { code },
            Refusal::UntrustedAs { uri } => RefusedBy::UntrustedAs { uri: uri.into() },
        }),
        Event::Failed { step, reason } => Outcome::Failed { step, reason },
        _ => return None,
    })
}
