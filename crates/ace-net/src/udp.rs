//! Sending, receiving and waiting, shared by every driver of an engine.

use std::{future::poll_fn, io, net::SocketAddr, task::Poll};

use ace_coap::Instant;
use tokio::{io::ReadBuf, net::UdpSocket};
use tracing::debug;

use crate::{host::Clock, remote::Remote};

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

/// [`receive_mut`] from several sockets; `next` is where to look first, so that a busy one does not silence the others.
pub(crate) async fn receive_any<'b>(
    sockets: &[UdpSocket],
    next: &mut usize,
    buffer: &'b mut [u8],
) -> io::Result<(&'b mut [u8], Remote)> {
    let (length, remote) = poll_fn(|context| {
        for step in 0..sockets.len() {
            let at = (*next + step) % sockets.len();
            let Some(socket) = sockets.get(at) else {
                continue;
            };
            loop {
                let mut room = ReadBuf::new(buffer);
                match socket.poll_recv_from(context, &mut room) {
                    Poll::Pending => break,
                    Poll::Ready(Ok(address)) => {
                        *next = at + 1;
                        let remote = Remote {
                            address,
                            socket: at,
                        };
                        return Poll::Ready(Ok((room.filled().len(), remote)));
                    }
                    Poll::Ready(Err(error)) if is_the_peers(&error) => {
                        debug!(%error, "reported by the network");
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                }
            }
        }
        Poll::Pending
    })
    .await?;
    Ok((buffer.get_mut(..length).unwrap_or(&mut []), remote))
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
