//! A resource server on tokio sockets.

use std::{future::Future, io};

use ace_dtls::CloseReason;
use ace_oscore::storage::Storage;
use ace_rs::{Config, Error, Event, EventKind, Outcome, ResourceServer, Resources, Slot};
use tokio::net::UdpSocket;
use tracing::{debug, info, warn};

use crate::{
    host::{Clock, randomness, wall_clock},
    remote::Remote,
    udp,
};

/// The engine with room for a host: 64 tokens, 32 waiting for their first request, 64 observations, bodies of up to
/// 4 KiB, 64 DTLS sessions and 16 handshakes, whose messages may take 1.5 KiB.
pub type HostResourceServer<'c, R, S> = ResourceServer<
    'c,
    Remote,
    R,
    S,
    Vec<Slot<Remote>>,
    64,
    32,
    64,
    256,
    8,
    4096,
    1152,
    64,
    16,
    1536,
>;

/// Exchanges and kept answers at a time.
const SLOTS: usize = 1024;

/// Makes the engine.
///
/// # Errors
/// What is wrong with the configuration, the resources or the storage.
pub fn resource_server<'c, R: Resources, S: Storage>(
    config: &'c Config<'c>,
    resources: R,
    storage: S,
) -> Result<Box<HostResourceServer<'c, R, S>>, Error> {
    let slots = std::iter::repeat_with(Slot::new).take(SLOTS).collect();
    ResourceServer::new(config, resources, storage, slots, &mut randomness()).map(Box::new)
}

/// Serves on all of `sockets` until `shutdown` is ready: CoAP and DTLS are told apart by their first byte, so that each
/// takes both, and answers leave by the socket that the request came by. With `trusted_clock` the system's time decides
/// about `exp`; without it the server acts as a device that does not know the time.
///
/// # Errors
/// Those of the socket that do not concern a single peer.
pub async fn serve_resources<R: Resources, S: Storage>(
    sockets: &[UdpSocket],
    server: &mut HostResourceServer<'_, R, S>,
    trusted_clock: bool,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let clock = Clock::start();
    let wall = || if trusted_clock { wall_clock() } else { None };
    let mut rng = randomness();
    let mut buffer = vec![0; udp::MAX_DATAGRAM];
    let mut next = 0;
    tokio::pin!(shutdown);
    loop {
        while let Some(transmit) = server.poll_transmit(clock.now()) {
            let Remote { address, socket } = transmit.peer;
            if let Some(socket) = sockets.get(socket) {
                udp::send(socket, address, transmit.datagram).await;
            }
        }
        while let Some(event) = server.poll_event() {
            log(&event);
        }
        tokio::select! {
            () = &mut shutdown => return Ok(()),
            received = udp::receive_any(sockets, &mut next, &mut buffer) => {
                let (datagram, peer) = received?;
                server.handle(clock.now(), wall(), peer, datagram, &mut rng);
            }
            () = udp::sleep_until(&clock, server.poll_timeout()) => {
                server.handle_timeout(clock.now(), wall());
            }
        }
    }
}

/// One line for each decision. Nothing in an event is secret.
fn log(event: &Event<Remote>) {
    let peer = event.peer.map(tracing::field::display);
    match &event.kind {
        EventKind::Request {
            method,
            path,
            answer,
            outcome,
        } => match outcome {
            Outcome::Handled => info!(peer, %method, %path, %answer, "request answered"),
            Outcome::Block | Outcome::Challenged => {
                debug!(peer, %method, %path, %answer, why = ?outcome, "request under way");
            }
            _ => info!(peer, %method, %path, %answer, why = ?outcome, "request refused"),
        },
        EventKind::Dropped(outcome) => debug!(peer, why = ?outcome, "message dropped"),
        EventKind::TokenAccepted => info!(peer, "token accepted, its key not yet proven"),
        EventKind::TokenConfirmed => info!(peer, "token in force: the client has its key"),
        EventKind::TokenUpdated => info!(peer, "token replaced, the key kept"),
        EventKind::TokenRefused(reason) => warn!(peer, %reason, "token refused"),
        EventKind::TokenExpired => info!(peer, "token expired"),
        EventKind::TokenReplaced => info!(peer, "token ended: its client has another"),
        EventKind::TokenRevoked => info!(peer, "token revoked"),
        EventKind::SessionOpened => info!(peer, "session established"),
        EventKind::SessionEnded(why) => info!(peer, %why, "session over"),
        EventKind::HandshakeRefused(reason) => warn!(peer, %reason, "handshake refused"),
        EventKind::HandshakeDoubted => {
            let why = ace_dtls::Error::WrongKey;
            warn!(peer, token = event.token.map(tracing::field::display), %why, "handshake failed");
        }
        // Anyone can cause the one by the thousand; the other was told when it was doubted.
        EventKind::HandshakeFailed(
            why @ (CloseReason::TimedOut | CloseReason::Failed(ace_dtls::Error::WrongKey)),
        ) => {
            debug!(peer, %why, "handshake given up");
        }
        EventKind::HandshakeFailed(why) => warn!(peer, %why, "handshake failed"),
        kind => info!(peer, ?kind, "token"),
    }
}
