//! Many sessions behind one address, without a socket and without a clock.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    net::SocketAddr,
};

use ace_coap::Instant;
use ace_crypto::CryptoRng;
use ace_dtls::{Config, Credentials, Error, Incoming, Listener, client_hello_random};

use super::{
    entry::{Call, Entry, HELD, Link, Place, Slot},
    event::{Ended, SessionEvent},
    limits::SessionLimits,
    peer::{CID_LEN, DtlsPeer, Recorder, SessionId},
    tables::{HalfOpen, Open},
};

/// Datagrams and events that wait to be fetched; more are dropped, datagrams the newest, events the oldest.
const QUEUE: usize = 4096;
/// application_data among the content types (RFC 5246, 6.2.1).
const APPLICATION_DATA: u8 = 23;

/// The server's side of all sessions on one socket.
///
/// After each call that takes the time the caller fetches what is to be sent and what happened, and sets its timer to
/// [`poll_timeout`](Self::poll_timeout). Work per datagram does not grow with the number of sessions, but for timers
/// and the order of eviction, with its logarithm.
#[derive(Debug)]
pub struct Sessions {
    pub(super) config: Config,
    pub(super) limits: SessionLimits,
    pub(super) listener: Listener,
    pub(super) slots: Vec<Slot>,
    pub(super) free: Vec<u32>,
    pub(super) places: HashMap<SocketAddr, Place>,
    pub(super) half_open: HalfOpen,
    pub(super) open: Open,
    pub(super) waiting: BTreeSet<u32>,
    pub(super) counter: u64,
    pub(super) outgoing: VecDeque<(SocketAddr, Vec<u8>)>,
    pub(super) events: VecDeque<SessionEvent>,
}

impl Sessions {
    /// Without any session. If `config` has a Connection ID, every session gets one of its own of eight bytes from a
    /// client that offers it; its value does not matter.
    pub fn new(
        config: Config,
        limits: SessionLimits,
        now: Instant,
        rng: &mut dyn CryptoRng,
    ) -> Self {
        Self {
            config,
            limits,
            listener: Listener::new(Listener::DEFAULT_PERIOD, dtls(now), rng),
            slots: Vec::new(),
            free: Vec::new(),
            places: HashMap::new(),
            half_open: HalfOpen::default(),
            open: Open::default(),
            waiting: BTreeSet::new(),
            counter: 0,
            outgoing: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Takes a datagram; `deliver` gets the data in it, piece by piece, and the session it came by.
    pub fn handle(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &mut [u8],
        credentials: &mut dyn Credentials,
        rng: &mut dyn CryptoRng,
        deliver: &mut dyn FnMut(&DtlsPeer, &[u8]),
    ) {
        let mut call = Call {
            now,
            from,
            credentials,
            rng,
            deliver,
        };
        // RFC 9146, 6: found by the Connection ID, wherever it comes from
        if let Some(cid) = ace_dtls::connection_id(datagram, CID_LEN) {
            let id = SessionId::from_cid(cid).filter(|id| self.entry(*id).is_some());
            if let Some(id) = id {
                self.give(id.index, true, datagram, &mut call);
            }
            return;
        }
        let place = self.places.get(&from).copied().unwrap_or_default();
        if let Some(random) = client_hello_random(datagram).copied() {
            return self.client_hello(place, random, datagram, &mut call);
        }
        let protected = datagram.get(3..5).is_some_and(|epoch| epoch != [0, 0]);
        match (place.open, place.half_open) {
            // A handshake has no data: a repeated record of the session would only cast doubt on it.
            (Some(open), Some(_)) if protected && datagram.first() == Some(&APPLICATION_DATA) => {
                self.give(open, false, datagram, &mut call);
            }
            // RFC 6347, 4.2.8: the old session goes on until the new handshake is complete
            (Some(open), Some(half_open)) if protected => {
                let mut copy = datagram.to_vec();
                if !self.give(open, false, &mut copy, &mut call) {
                    self.give(half_open, false, datagram, &mut call);
                }
            }
            (Some(index), None) | (_, Some(index)) => {
                self.give(index, false, datagram, &mut call);
            }
            (None, None) => {}
        }
    }

    fn client_hello(
        &mut self,
        place: Place,
        random: [u8; 32],
        datagram: &mut [u8],
        call: &mut Call<'_>,
    ) {
        let same = [place.half_open, place.open]
            .into_iter()
            .flatten()
            .find(|index| self.at(*index).is_some_and(|entry| entry.random == random));
        if let Some(index) = same {
            self.give(index, false, datagram, call);
            return;
        }
        let mut out = [0; 64];
        let address = bytes_of(call.from);
        let now = dtls(call.now);
        match self
            .listener
            .handle(now, &address, datagram, call.rng, &mut out)
        {
            Incoming::Reply(length) => {
                self.queue(call.from, out.get(..length).unwrap_or(&[]));
            }
            Incoming::Accept(accept) => {
                let index = self.admit(call, random, accept);
                self.give(index, false, datagram, call);
            }
            Incoming::Drop(_) => {}
        }
    }

    /// Gives a datagram to the engine of a session; true if it dropped nothing of it.
    fn give(
        &mut self,
        index: u32,
        with_cid: bool,
        datagram: &mut [u8],
        call: &mut Call<'_>,
    ) -> bool {
        let now = call.now;
        let Some(entry) = self.at_mut(index) else {
            return false;
        };
        let before = entry.session().dropped();
        let received = match &mut entry.link {
            Link::HalfOpen {
                connection, held, ..
            } => {
                // Seen by the engine now, it would count as a repetition then.
                if connection.is_waiting() {
                    if held.len() < HELD {
                        held.push(datagram.to_vec());
                    }
                    return false;
                }
                let mut recorder = Recorder {
                    inner: &mut *call.credentials,
                    claimed: &mut entry.claimed,
                };
                let copy = datagram.to_vec();
                let received = connection.handle(dtls(now), datagram, &mut recorder, call.rng);
                if connection.is_waiting() {
                    held.push(copy);
                }
                received
            }
            Link::Open { session, .. } => session.handle(datagram),
        };
        let clean = entry.session().dropped() == before;
        // RFC 9146, 6: verified, and newer than all before
        if received.newest && with_cid {
            entry.address = call.from;
        }
        self.settle(now, index);
        if received.newest {
            self.touch(now, index);
        }
        if let Some(Link::Open { peer, .. }) = self.at(index).map(|entry| &entry.link) {
            for data in received.data {
                (call.deliver)(peer, data);
            }
        }
        clean
    }

    /// Asks again for what the application had not decided ([`ace_dtls::Decision::Pending`]).
    pub fn resume(
        &mut self,
        now: Instant,
        credentials: &mut dyn Credentials,
        rng: &mut dyn CryptoRng,
    ) {
        for index in self.waiting.clone() {
            let Some(Entry {
                claimed,
                address,
                link: Link::HalfOpen {
                    connection, held, ..
                },
                ..
            }) = self.at_mut(index)
            else {
                continue;
            };
            let mut recorder = Recorder {
                inner: &mut *credentials,
                claimed,
            };
            connection.resume(dtls(now), &mut recorder, rng);
            if connection.is_waiting() {
                continue;
            }
            let (from, held) = (*address, std::mem::take(held));
            self.settle(now, index);
            let mut call = Call {
                now,
                from,
                credentials: &mut *credentials,
                rng: &mut *rng,
                // A client sends no data before it has heard that the handshake is done.
                deliver: &mut |_, _| {},
            };
            for mut datagram in held {
                self.give(index, false, &mut datagram, &mut call);
            }
        }
    }

    /// Whether a handshake waits for [`resume`](Self::resume).
    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Sends data in one record.
    ///
    /// # Errors
    /// [`Error::NotConnected`] if the session is over; otherwise as [`Session::send`](ace_dtls::Session::send).
    pub fn send(&mut self, now: Instant, id: SessionId, data: &[u8]) -> Result<(), Error> {
        let Some(Entry {
            address,
            link: Link::Open { session, .. },
            ..
        }) = self.entry_mut(id)
        else {
            return Err(Error::NotConnected);
        };
        let mut out = vec![0; data.len() + session.overhead()];
        let sent = session.send(data, &mut out);
        let address = *address;
        let length = sent.inspect_err(|_| self.settle(now, id.index))?;
        self.queue(address, out.get(..length).unwrap_or(&[]));
        Ok(())
    }

    /// Ends a session; `close_notify` is sent. Without effect on one that is over.
    pub fn close(&mut self, now: Instant, id: SessionId) {
        if let Some(Entry {
            link: Link::Open { session, .. },
            ..
        }) = self.entry_mut(id)
        {
            session.close();
            self.settle(now, id.index);
        }
    }

    /// Ends the sessions of the peer with this number.
    pub fn close_peer(&mut self, now: Instant, number: u64) {
        for index in 0..self.slots.len() as u32 {
            let id = self.id(index);
            if self.peer(id).is_some_and(|peer| peer.number == number) {
                self.close(now, id);
            }
        }
    }

    /// Ends all sessions; `close_notify` is sent in each as far as [`poll_transmit`](Self::poll_transmit) has room.
    pub fn close_all(&mut self, now: Instant) {
        for index in 0..self.slots.len() as u32 {
            self.close(now, self.id(index));
        }
    }

    /// The next datagram to be sent, and where to.
    pub fn poll_transmit(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        self.outgoing.pop_front()
    }

    /// What happened, until `None`.
    pub fn poll_event(&mut self) -> Option<SessionEvent> {
        self.events.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let idle = self.open.next(self.limits.idle);
        let timers = self.half_open.next().into_iter().chain(idle);
        timers.map(|(at, _)| at).min()
    }

    /// Repeats flights, and ends what has taken too long or is idle.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((_, index)) = self.half_open.next().filter(|(at, _)| *at <= now) {
            let Some(Entry {
                link:
                    Link::HalfOpen {
                        connection,
                        expires,
                        ..
                    },
                ..
            }) = self.at_mut(index)
            else {
                break;
            };
            if *expires <= now {
                self.remove(index, Ended::Expired);
            } else {
                connection.handle_timeout(dtls(now));
                self.settle(now, index);
            }
        }
        let idle = self.limits.idle;
        while let Some((_, index)) = self.open.next(idle).filter(|(at, _)| *at <= now) {
            self.dismiss(index, Ended::Idle);
        }
    }

    /// Who is at the other end of an established session.
    pub fn peer(&self, id: SessionId) -> Option<&DtlsPeer> {
        match &self.entry(id)?.link {
            Link::Open { peer, .. } => Some(peer),
            Link::HalfOpen { .. } => None,
        }
    }

    /// Where an established session sends to.
    pub fn address(&self, id: SessionId) -> Option<SocketAddr> {
        self.peer(id)?;
        Some(self.entry(id)?.address)
    }

    /// How many sessions are established.
    pub fn established(&self) -> usize {
        self.open.len()
    }

    /// How many handshakes are under way.
    pub fn half_open(&self) -> usize {
        self.half_open.len()
    }

    /// How many addresses and slots there are memory for: what a flood could drive up.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.places.len() + self.slots.len()
    }

    pub(super) fn id(&self, index: u32) -> SessionId {
        let slot = self.slots.get(index as usize);
        SessionId {
            index,
            generation: slot.map_or(0, |slot| slot.generation),
        }
    }

    pub(super) fn at(&self, index: u32) -> Option<&Entry> {
        self.slots.get(index as usize)?.entry.as_ref()
    }

    pub(super) fn at_mut(&mut self, index: u32) -> Option<&mut Entry> {
        self.slots.get_mut(index as usize)?.entry.as_mut()
    }

    fn entry(&self, id: SessionId) -> Option<&Entry> {
        self.at(id.index).filter(|_| self.id(id.index) == id)
    }

    fn entry_mut(&mut self, id: SessionId) -> Option<&mut Entry> {
        if self.id(id.index) != id {
            return None;
        }
        self.at_mut(id.index)
    }

    pub(super) fn count(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    pub(super) fn queue(&mut self, to: SocketAddr, datagram: &[u8]) {
        if self.outgoing.len() < QUEUE {
            self.outgoing.push_back((to, datagram.to_vec()));
        }
    }

    pub(super) fn happened(&mut self, event: SessionEvent) {
        if self.events.len() >= QUEUE {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }
}

pub(crate) fn dtls(now: Instant) -> ace_dtls::Instant {
    ace_dtls::Instant(now.0)
}

/// An address as the cookie binds it.
fn bytes_of(address: SocketAddr) -> Vec<u8> {
    let mut bytes = match address.ip().to_canonical() {
        std::net::IpAddr::V4(ip) => ip.octets().to_vec(),
        std::net::IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    bytes.extend(address.port().to_be_bytes());
    bytes
}
