//! A UDP socket with a CoAP endpoint behind it, driven by the caller's thread.

use std::{
    io::ErrorKind,
    net::{SocketAddr, UdpSocket},
    time::{Duration, Instant as Clock},
};

use ace_coap::{Endpoint, Event, Incoming, Instant, Slot, Transmission};
use anyhow::{Context as _, Result};

use crate::rng;

/// Messages that one endpoint holds.
const SLOTS: usize = 64;
/// The longest datagram taken.
const DATAGRAM: usize = 2048;

pub type Engine = Endpoint<SocketAddr, Vec<Slot<SocketAddr, DATAGRAM>>, DATAGRAM>;

pub struct Udp {
    pub engine: Engine,
    socket: UdpSocket,
    start: Clock,
}

/// What one turn of the loop brought.
pub enum Turn {
    Datagram(SocketAddr, Vec<u8>),
    Event(Event<SocketAddr>),
    Nothing,
}

impl Udp {
    pub fn bind(address: SocketAddr) -> Result<Self> {
        let socket = UdpSocket::bind(address).with_context(|| format!("listening on {address}"))?;
        let slots = vec![Slot::new(); SLOTS];
        Ok(Self {
            engine: Endpoint::new(slots, Transmission::DEFAULT, &mut rng()),
            socket,
            start: Clock::now(),
        })
    }

    pub fn now(&self) -> Instant {
        Instant(self.start.elapsed().as_millis() as u64)
    }

    /// Sends what is to be sent and waits at most `longest` for something to happen.
    pub fn turn(&mut self, longest: Duration) -> Result<Turn> {
        self.engine.handle_timeout(self.now());
        self.flush();
        if let Some(event) = self.engine.poll_event() {
            return Ok(Turn::Event(event));
        }
        let due = self.engine.poll_timeout();
        let wait = due.map_or(longest, |due| longest.min(due.saturating_sub(self.now())));
        self.socket
            .set_read_timeout(Some(wait.max(Duration::from_millis(1))))?;
        let mut datagram = vec![0; DATAGRAM];
        match self.socket.recv_from(&mut datagram) {
            Ok((length, peer)) => {
                datagram.truncate(length);
                Ok(Turn::Datagram(peer, datagram))
            }
            // A port that nobody listens on any more shows as an error of the next receive.
            Err(error) if is_passing(error.kind()) => Ok(Turn::Nothing),
            Err(error) => Err(error.into()),
        }
    }

    pub fn handle<'d>(&mut self, peer: SocketAddr, datagram: &'d [u8]) -> Incoming<'d> {
        let now = self.now();
        self.engine.handle(now, peer, datagram)
    }

    fn flush(&mut self) {
        while let Some(transmit) = self
            .engine
            .poll_transmit(Instant(self.start.elapsed().as_millis() as u64))
        {
            // What the network loses, retransmission brings again.
            let _ = self.socket.send_to(transmit.datagram, transmit.peer);
        }
    }
}

fn is_passing(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::WouldBlock
            | ErrorKind::TimedOut
            | ErrorKind::ConnectionRefused
            | ErrorKind::Interrupted
    )
}
