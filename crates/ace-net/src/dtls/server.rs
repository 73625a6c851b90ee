//! A CoAP server inside of DTLS sessions.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
};

use ace_as::Answer;
use ace_coap::{Endpoint, Exchange, Incoming, OutMessage, Slot, Transmission};
use ace_dtls::{CloseReason, Config, ConnectionId, Credentials, Error};
use ace_wire::coap::Code;
use tokio::{net::UdpSocket, sync::mpsc};
use tracing::{debug, info, warn};

use super::{
    DtlsPeer, Ended, SessionControl, SessionEvent, SessionId, SessionLimits, Sessions, control::End,
};
use crate::{
    Limits, Request, Service,
    host::{Clock, randomness},
    udp,
};

/// An answer on its way to its exchange.
struct Answered {
    session: SessionId,
    exchange: Exchange,
    answer: Option<Answer>,
    /// Whether the session ends with it.
    last: bool,
}

/// Settings of [`serve_coaps`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoapsConfig {
    /// Suites and timers. With a Connection ID, whatever it is, each session gets one of its own.
    pub dtls: Config,
    /// Bounds of handshakes and sessions.
    pub sessions: SessionLimits,
    /// Bounds of exchanges.
    pub exchanges: Limits,
}

impl Default for CoapsConfig {
    /// The defaults of each, with Connection IDs.
    fn default() -> Self {
        Self {
            dtls: Config {
                connection_id: Some(ConnectionId::EMPTY),
                ..Config::DEFAULT
            },
            sessions: SessionLimits::default(),
            exchanges: Limits::default(),
        }
    }
}

/// Serves CoAP in DTLS until `shutdown` is ready; sessions are closed then. The service finds the authenticated peer in
/// [`Request::session`], and its answers leave within the same session.
///
/// Credentials that answer [`Pending`](ace_dtls::Decision::Pending) are asked again when `control` is woken; it also ends
/// sessions that the service no longer wants.
///
/// # Errors
/// Those of the socket that do not concern a single peer.
pub async fn serve_coaps<S: Service, C: Credentials + Send>(
    socket: UdpSocket,
    service: Arc<S>,
    mut credentials: C,
    config: CoapsConfig,
    control: SessionControl,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let clock = Clock::start();
    let mut rng = randomness();
    let mut sessions = Sessions::new(config.dtls, config.sessions, clock.now(), &mut rng);
    let slots = config.exchanges.slots;
    let slots: Vec<Slot<SessionId>> = std::iter::repeat_with(Slot::new).take(slots).collect();
    // Bounded by the slots: each waiting exchange sends one answer.
    let (answers, mut answered) = mpsc::channel::<Answered>(slots.len().max(1));
    let mut endpoint = Endpoint::new(slots, Transmission::default(), &mut rng);
    let mut buffer = vec![0; udp::MAX_DATAGRAM];
    tokio::pin!(shutdown);
    loop {
        flush(&socket, &clock, &mut sessions, &mut endpoint).await;
        let timeout = [sessions.poll_timeout(), endpoint.poll_timeout()];
        let timeout = timeout.into_iter().flatten().min();
        tokio::select! {
            () = &mut shutdown => {
                sessions.close_all(clock.now());
                flush(&socket, &clock, &mut sessions, &mut endpoint).await;
                return Ok(());
            }
            received = udp::receive_mut(&socket, &mut buffer) => {
                let (datagram, from) = received?;
                let now = clock.now();
                let mut deliver = |peer: &DtlsPeer, data: &[u8]| {
                    match endpoint.handle(now, peer.session, data) {
                        Incoming::Request { exchange, .. } => {
                            let session = peer.session;
                            let request = Request::in_session(from, now, peer.clone(), data);
                            let hung_up = request.hung_up();
                            let (service, answers) = (Arc::clone(&service), answers.clone());
                            tokio::spawn(async move {
                                let answer = service.call(request).await;
                                let last = hung_up.load(Ordering::Relaxed);
                                // The server has stopped if nobody receives.
                                let _ = answers.send(Answered { session, exchange, answer, last }).await;
                            });
                        }
                        Incoming::Response { .. } => {}
                        Incoming::Nothing(reason) => debug!(%from, ?reason, "message dropped"),
                    }
                };
                sessions.handle(now, from, datagram, &mut credentials, &mut rng, &mut deliver);
            }
            () = control.woken() => {
                sessions.resume(clock.now(), &mut credentials, &mut rng);
                for end in control.take_ends() {
                    match end {
                        End::Session(session) => sessions.close(clock.now(), session),
                        End::Peer(number) => sessions.close_peer(clock.now(), number),
                    }
                }
            }
            Some(Answered { session, exchange, answer, last }) = answered.recv() => {
                let result = match answer.as_ref().map(Answer::as_message) {
                    None => endpoint.ignore(exchange),
                    Some(Ok(message)) => endpoint.respond(clock.now(), exchange, &message),
                    Some(Err(error)) => {
                        warn!(?error, "an answer that is no CoAP message");
                        endpoint.respond(clock.now(), exchange, &OutMessage::new(Code::INTERNAL_SERVER_ERROR))
                    }
                };
                if let Err(error) = result {
                    debug!(?error, "answer not sent");
                }
                if last {
                    flush(&socket, &clock, &mut sessions, &mut endpoint).await;
                    sessions.close(clock.now(), session);
                }
            }
            () = udp::sleep_until(&clock, timeout) => {
                sessions.handle_timeout(clock.now());
                endpoint.handle_timeout(clock.now());
            }
        }
    }
}

/// Sends and logs what there is.
async fn flush(
    socket: &UdpSocket,
    clock: &Clock,
    sessions: &mut Sessions,
    endpoint: &mut Endpoint<SessionId, Vec<Slot<SessionId>>>,
) {
    while let Some(transmit) = endpoint.poll_transmit(clock.now()) {
        match sessions.send(clock.now(), transmit.peer, transmit.datagram) {
            Ok(()) => {}
            Err(Error::NotConnected) => debug!("message for a session that is over"),
            Err(error) => warn!(%error, "message not sent"),
        }
    }
    // Observers are kept by the services that have them.
    while endpoint.poll_event().is_some() {}
    while let Some((to, datagram)) = sessions.poll_transmit() {
        udp::send(socket, to, &datagram).await;
    }
    while let Some(event) = sessions.poll_event() {
        log(&event);
    }
}

/// One line for each session that begins or ends, and for each handshake that fails. Nothing in it is secret.
fn log(event: &SessionEvent) {
    match event {
        SessionEvent::Connected { peer, address } => {
            info!(peer = %address, credential = %peer.credential, "session established");
        }
        SessionEvent::Doubted { address, claimed } => {
            info!(peer = %address, %claimed, why = %Error::WrongKey, "handshake failed");
        }
        SessionEvent::Failed {
            address,
            claimed,
            reason,
        } => log_failed(*address, claimed, *reason),
        SessionEvent::Closed {
            peer,
            address,
            reason,
        } => info!(peer = %address, credential = %peer.credential, why = %reason, "session over"),
    }
}

fn log_failed(peer: SocketAddr, claimed: &super::Credential, reason: Ended) {
    match reason {
        // Anyone can cause these by the thousand; a wrong key was told when it was doubted.
        Ended::Expired
        | Ended::Evicted
        | Ended::Superseded
        | Ended::Closed(CloseReason::TimedOut | CloseReason::Failed(Error::WrongKey)) => {
            debug!(%peer, %claimed, why = %reason, "handshake given up");
        }
        _ => info!(%peer, %claimed, why = %reason, "handshake failed"),
    }
}
