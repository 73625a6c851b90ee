//! Sending, receiving and waiting, shared by every driver of an engine.

use std::{io, net::SocketAddr};

use ace_coap::Instant;
use tokio::net::UdpSocket;
use tracing::debug;

use crate::host::Clock;

/// Longest datagram that is read whole; longer ones are cut and then refused by the parser or the tag.
pub(crate) const MAX_DATAGRAM: usize = 2048;

/// Opens a UDP socket.
///
/// # Errors
/// Those of the system: the port is in use, the address is not of this machine.
pub async fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    UdpSocket::bind(address).await
}

/// Any port, in the family of `peer`.
pub(crate) fn any_like(peer: SocketAddr) -> SocketAddr {
    match peer {
        SocketAddr::V4(_) => SocketAddr::from(([0; 4], 0)),
        SocketAddr::V6(_) => SocketAddr::from(([0; 16], 0)),
    }
}

/// Receives one datagram. What a peer's machine reports (port unreachable) ends nothing.
pub(crate) async fn receive<'b>(
    socket: &UdpSocket,
    buffer: &'b mut [u8],
) -> io::Result<(&'b [u8], SocketAddr)> {
    loop {
        match socket.recv_from(buffer).await {
            Ok((length, peer)) => return Ok((buffer.get(..length).unwrap_or(&[]), peer)),
            Err(error) if is_the_peers(&error) => debug!(%error, "reported by the network"),
            Err(error) => return Err(error),
        }
    }
}

/// [`receive`] for datagrams that are decrypted where they lie.
pub(crate) async fn receive_mut<'b>(
    socket: &UdpSocket,
    buffer: &'b mut [u8],
) -> io::Result<(&'b mut [u8], SocketAddr)> {
    let (datagram, peer) = receive(socket, buffer).await?;
    let length = datagram.len();
    Ok((buffer.get_mut(..length).unwrap_or(&mut []), peer))
}

/// Sends one datagram; a failure counts as loss.
pub(crate) async fn send(socket: &UdpSocket, peer: SocketAddr, datagram: &[u8]) {
    if let Err(error) = socket.send_to(datagram, peer).await {
        debug!(%peer, %error, "datagram not sent");
    }
}

/// Waits for the engines' time `at`, for ever if there is none.
pub(crate) async fn sleep_until(clock: &Clock, at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(clock.deadline(at)).await,
        None => std::future::pending().await,
    }
}

fn is_the_peers(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable};
    matches!(
        error.kind(),
        ConnectionRefused | ConnectionReset | HostUnreachable | NetworkUnreachable
    )
}
