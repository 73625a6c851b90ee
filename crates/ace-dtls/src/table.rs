//! A server with all its handshakes and sessions, in memory of a fixed size.
//!
//! A datagram with a Connection ID belongs to the session of that ID. One without belongs to the address: hellos go to the [`Listener`]
//! unless they repeat the one a handshake began with, other messages in the clear to the handshake, and protected records to the
//! session or, if it is not the session's and may be a Finished, to the handshake.

use core::time::Duration;

use ace_crypto::CryptoRng;

use crate::{
    Accept, CloseReason, Config, Connection, ConnectionId, Credentials, Data, Error, Event,
    Incoming, Instant, Listener, Peer, Session, client_hello_random,
    record::{self, APPLICATION_DATA},
};

/// Names a handshake and then its session; not used again before four thousand million others were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(u32);

impl SessionId {
    /// The Connection ID of the session, and its length.
    const fn connection_id(self) -> [u8; CID_LEN] {
        self.0.to_be_bytes()
    }
}

const CID_LEN: usize = 4;

/// What happened on a [`Server`]. `P` is an address.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerEvent<P> {
    /// A handshake is done.
    Connected {
        /// The session.
        id: SessionId,
        /// Where it is.
        address: P,
        /// Who the other side proved to be.
        peer: Peer,
    },
    /// A session is over.
    Closed {
        /// The session that was.
        id: SessionId,
        /// Where it was.
        address: P,
        /// With whom.
        peer: Peer,
        /// Why.
        reason: CloseReason,
    },
    /// Records that should have ended a handshake do not verify, see [`Event::Doubted`].
    Doubted {
        /// Where they came from.
        address: P,
        /// Whom the client claims to be.
        claimed: Peer,
    },
    /// A handshake ended; there never was a session.
    Failed {
        /// Where it came from.
        address: P,
        /// Whom the client claimed to be, without proof; [`Peer::Anonymous`] if it did not come so far.
        claimed: Peer,
        /// Why.
        reason: CloseReason,
    },
}

/// An established session.
#[derive(Debug)]
struct Open<P> {
    id: SessionId,
    address: P,
    /// When something of the peer's verified last.
    used: Instant,
    hello: u32,
    session: Session,
}

/// A handshake, or the place for one.
#[derive(Debug)]
struct HalfOpen<P, const N: usize> {
    /// `None`: the place is free.
    client: Option<Client<P>>,
    connection: Connection<N>,
}

#[derive(Debug, Clone, Copy)]
struct Client<P> {
    id: SessionId,
    address: P,
    begun: Instant,
    /// Of its ClientHello, which tells a repeated one from a new one.
    hello: u32,
}

/// A datagram to be sent that belongs to no handshake and no session any more.
#[derive(Debug)]
struct Parting<P> {
    to: P,
    len: u8,
    bytes: [u8; PARTING_LEN],
}

/// Room for an alert with the longest Connection ID and tag, and for a HelloVerifyRequest.
const PARTING_LEN: usize = 64;

/// A DTLS server: up to `SESSIONS` sessions, and `HANDSHAKES` handshakes with a buffer of `HANDSHAKE` bytes each (see [`Connection`]).
///
/// `P` is the address of a peer as the application writes it. After each call, poll for events and for what is to be transmitted until
/// there is nothing, and ask for the next timeout: what was not fetched may be lost with the next call.
///
/// - Nobody has state here who has not returned a cookie, and a repeated hello finds the handshake it began.
/// - A new handshake from the address of a session leaves the session alone until it is done. Then the old one is over, unless it has a
///   Connection ID and another peer.
/// - Two sessions with one peer (one number of [`Peer::Psk`] or [`Peer::Key`]) are one too many: the older is closed.
/// - When there is no room for another session, the one that has been idle longest is closed. One whose peer has sent nothing has been idle
///   since it began.
/// - When there is no room for another handshake, the oldest one gives way if it is older than [`GRACE`](Self::GRACE); else the new one is
///   dropped, and its hello may come again. One from the same address always gives way to a new one.
///
/// With a [`Config::connection_id`], whatever it is, each session gets one of its own of four bytes. A session follows its peer to another
/// address when a record with the Connection ID verifies there that is newer than all before (RFC 9146, 6); whether the peer can be reached
/// there is for the application to find out before it sends much.
#[derive(Debug)]
pub struct Server<P, const SESSIONS: usize, const HANDSHAKES: usize, const HANDSHAKE: usize> {
    config: Config,
    listener: Listener,
    next: u32,
    sessions: [Option<Open<P>>; SESSIONS],
    handshakes: [HalfOpen<P, HANDSHAKE>; HANDSHAKES],
    /// The events of sessions whose place is needed: no call ends more than two such.
    ended: [Option<ServerEvent<P>>; 2],
    parting: Option<Parting<P>>,
}

/// What a datagram is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Session(usize),
    Handshake(usize),
    /// The listener has to be asked about this hello.
    Stranger(u32),
    Nobody,
}

impl<P: Copy + Eq, const SESSIONS: usize, const HANDSHAKES: usize, const HANDSHAKE: usize>
    Server<P, SESSIONS, HANDSHAKES, HANDSHAKE>
{
    /// How long a handshake is safe from others.
    pub const GRACE: Duration = Duration::from_secs(5);

    /// Without any session.
    pub fn new(config: Config, now: Instant, rng: &mut dyn CryptoRng) -> Self {
        Self {
            config,
            listener: Listener::new(Listener::DEFAULT_PERIOD, now, rng),
            next: rng.next_u32(),
            sessions: [const { None }; SESSIONS],
            handshakes: [const {
                HalfOpen {
                    client: None,
                    connection: Connection::unused(),
                }
            }; HANDSHAKES],
            ended: [const { None }; 2],
            parting: None,
        }
    }

    /// Takes a datagram, decrypts it in place and gives out the data in it with the session it came by.
    ///
    /// `peer` is the address it came from, and `address` the same in bytes, for the cookie.
    pub fn handle<'d>(
        &mut self,
        now: Instant,
        peer: P,
        address: &[u8],
        datagram: &'d mut [u8],
        credentials: &mut dyn Credentials,
        rng: &mut dyn CryptoRng,
    ) -> Option<(SessionId, Data<'d>)> {
        let mut target = self.find(peer, datagram);
        if let Target::Stranger(hello) = target {
            let accept = self.ask(now, peer, address, datagram, rng)?;
            let client = Client {
                id: self.fresh_id(),
                address: peer,
                begun: now,
                hello,
            };
            target = Target::Handshake(self.admit(now, client, accept)?);
        }
        let (id, received) = match target {
            Target::Session(index) => {
                let open = self.sessions.get_mut(index)?.as_mut()?;
                let with_cid = record::connection_id(datagram, CID_LEN).is_some();
                let received = open.session.handle(datagram);
                if received.newest {
                    open.used = now;
                    // RFC 9146, 6: verified, and newer than all before
                    if with_cid {
                        open.address = peer;
                    }
                }
                (open.id, received)
            }
            Target::Handshake(index) => {
                let half = self.handshakes.get_mut(index)?;
                let id = half.client?.id;
                let received = half.connection.handle(now, datagram, credentials, rng);
                self.promote(index, now);
                (id, received)
            }
            Target::Stranger(_) | Target::Nobody => return None,
        };
        let data = received.data;
        data.clone().next().map(|_| (id, data))
    }

    /// Asks the application again for what it had not decided ([`Decision::Pending`](crate::Decision::Pending)).
    pub fn resume(
        &mut self,
        now: Instant,
        credentials: &mut dyn Credentials,
        rng: &mut dyn CryptoRng,
    ) {
        for index in 0..HANDSHAKES {
            if let Some(half) = self.handshakes.get_mut(index) {
                half.connection.resume(now, credentials, rng);
            }
            self.promote(index, now);
        }
    }

    /// Whether a handshake waits for [`resume`](Self::resume).
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.handshakes
            .iter()
            .any(|half| half.client.is_some() && half.connection.is_waiting())
    }

    /// Protects data for the peer of a session and writes the datagram to the start of `out`; returns where to send it, and its length.
    ///
    /// # Errors
    /// [`Error::NotConnected`] if the session is over; otherwise as [`Session::send`].
    pub fn send(
        &mut self,
        id: SessionId,
        plaintext: &[u8],
        out: &mut [u8],
    ) -> Result<(P, usize), Error> {
        let open = self.open_mut(id).ok_or(Error::NotConnected)?;
        let length = open.session.send(plaintext, out)?;
        Ok((open.address, length))
    }

    /// The established session of this name.
    #[must_use]
    pub fn session(&self, id: SessionId) -> Option<&Session> {
        self.open(id).map(|open| &open.session)
    }

    /// With whom an established session is.
    #[must_use]
    pub fn peer(&self, id: SessionId) -> Option<Peer> {
        self.open(id).map(|open| open.session.peer())
    }

    /// Where an established session sends to.
    #[must_use]
    pub fn address(&self, id: SessionId) -> Option<P> {
        self.open(id).map(|open| open.address)
    }

    /// The established sessions.
    pub fn sessions(&self) -> impl Iterator<Item = SessionId> {
        let open = self.sessions.iter().flatten();
        open.filter(|open| open.session.is_established())
            .map(|open| open.id)
    }

    /// Ends a session; `close_notify` is transmitted next, and the event comes too. Without effect on one that is over.
    pub fn close(&mut self, id: SessionId) {
        if let Some(open) = self.open_mut(id) {
            open.session.close();
        }
    }

    /// Writes the next datagram to be sent to the start of `out`; returns where to send it, and its length.
    ///
    /// `out` should have room for [`Config::mtu`] bytes.
    pub fn poll_transmit(&mut self, out: &mut [u8]) -> Option<(P, usize)> {
        if let Some(parting) = self.parting.take() {
            let bytes = parting.bytes.get(..parting.len.into())?;
            if let Some(out) = out.get_mut(..bytes.len()) {
                out.copy_from_slice(bytes);
                return Some((parting.to, bytes.len()));
            }
        }
        for open in self.sessions.iter_mut().flatten() {
            if let Some(length) = open.session.poll_transmit(out) {
                return Some((open.address, length));
            }
        }
        for half in &mut self.handshakes {
            let Some(client) = half.client else { continue };
            if let Some(length) = half.connection.poll_transmit(out) {
                return Some((client.address, length));
            }
        }
        self.sweep();
        None
    }

    /// What happened, until `None`.
    pub fn poll_event(&mut self) -> Option<ServerEvent<P>> {
        let ended = self.ended.iter_mut().find_map(Option::take);
        if ended.is_some() {
            return ended;
        }
        for open in self.sessions.iter_mut().flatten() {
            if let Some(event) = open.session.poll_event() {
                let (id, address) = (open.id, open.address);
                let peer = open.session.peer();
                return Some(match event {
                    Event::Closed(reason) => ServerEvent::Closed {
                        id,
                        address,
                        peer,
                        reason,
                    },
                    _ => ServerEvent::Connected { id, address, peer },
                });
            }
        }
        for half in &mut self.handshakes {
            let Some(Client { address, .. }) = half.client else {
                continue;
            };
            let claimed = half.connection.claimed();
            match half.connection.poll_event() {
                Some(Event::Doubted) => return Some(ServerEvent::Doubted { address, claimed }),
                Some(Event::Closed(reason)) => {
                    return Some(ServerEvent::Failed {
                        address,
                        claimed,
                        reason,
                    });
                }
                _ => {}
            }
        }
        self.sweep();
        None
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called. Sessions have no timers.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let under_way = self.handshakes.iter().filter(|half| half.client.is_some());
        under_way
            .filter_map(|half| half.connection.poll_timeout())
            .min()
    }

    /// Repeats flights, and ends handshakes that have taken too long.
    pub fn handle_timeout(&mut self, now: Instant) {
        for half in &mut self.handshakes {
            if half.client.is_some() {
                half.connection.handle_timeout(now);
            }
        }
    }

    fn open(&self, id: SessionId) -> Option<&Open<P>> {
        let mut open = self.sessions.iter().flatten();
        open.find(|open| open.id == id && open.session.is_established())
    }

    fn open_mut(&mut self, id: SessionId) -> Option<&mut Open<P>> {
        let mut open = self.sessions.iter_mut().flatten();
        open.find(|open| open.id == id && open.session.is_established())
    }

    /// The session that `found` says yes to.
    fn session_where(&self, found: impl Fn(&Open<P>) -> bool) -> Option<usize> {
        let mut sessions = self.sessions.iter();
        sessions.position(|open| open.as_ref().is_some_and(&found))
    }

    /// The handshake that `found` says yes to.
    fn handshake_where(&self, found: impl Fn(&Client<P>) -> bool) -> Option<usize> {
        let mut handshakes = self.handshakes.iter();
        handshakes.position(|half| half.client.as_ref().is_some_and(&found))
    }

    fn find(&self, peer: P, datagram: &[u8]) -> Target {
        // RFC 9146, 6: found by the Connection ID, wherever it comes from
        if let Some(cid) = record::connection_id(datagram, CID_LEN) {
            let open = self.session_where(|open| open.session.connection_id() == cid);
            let half_open = || self.handshake_where(|client| client.id.connection_id() == cid);
            return match open {
                Some(index) => Target::Session(index),
                None => half_open().map_or(Target::Nobody, Target::Handshake),
            };
        }
        let half_open = self.handshake_where(|client| client.address == peer);
        if let Some(hello) = client_hello_random(datagram).map(fingerprint) {
            let same = self.handshake_where(|c| c.address == peer && c.hello == hello);
            // A late copy of the hello that a session began with.
            let late = self.session_where(|open| open.address == peer && open.hello == hello);
            return match (same, late) {
                (Some(index), _) => Target::Handshake(index),
                (None, Some(_)) => Target::Nobody,
                (None, None) => Target::Stranger(hello),
            };
        }
        let open = self
            .session_where(|open| open.address == peer && open.session.connection_id().is_empty());
        let protected = datagram.get(3..5).is_some_and(|epoch| epoch != [0, 0]);
        // RFC 6347, 4.2.8: the old session goes on until the new handshake is done
        let of_session = match (open, half_open) {
            (Some(index), Some(_)) => {
                let claims = || {
                    let open = self.sessions.get(index).and_then(Option::as_ref);
                    open.is_some_and(|open| open.session.claims(datagram))
                };
                protected && (datagram.first() == Some(&APPLICATION_DATA) || claims())
            }
            (open, _) => open.is_some(),
        };
        match (open, half_open) {
            (Some(index), _) if of_session => Target::Session(index),
            (_, Some(index)) => Target::Handshake(index),
            _ => Target::Nobody,
        }
    }

    /// Has the listener answer a hello; gives the accepted one back.
    fn ask(
        &mut self,
        now: Instant,
        peer: P,
        address: &[u8],
        datagram: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Option<Accept> {
        let mut bytes = [0; PARTING_LEN];
        match self
            .listener
            .handle(now, address, datagram, rng, &mut bytes)
        {
            Incoming::Accept(accept) => Some(accept),
            Incoming::Reply(len) => {
                self.part(peer, len, bytes);
                None
            }
            Incoming::Drop(_) => None,
        }
    }

    fn part(&mut self, to: P, len: usize, bytes: [u8; PARTING_LEN]) {
        let len = u8::try_from(len).unwrap_or(0);
        self.parting = Some(Parting { to, len, bytes });
    }

    /// Begins a handshake if there is a place for it.
    fn admit(&mut self, now: Instant, client: Client<P>, accept: Accept) -> Option<usize> {
        let index = self
            .handshake_where(|other| other.address == client.address)
            .or_else(|| {
                self.handshakes
                    .iter()
                    .position(|half| half.client.is_none())
            })
            .or_else(|| {
                let places = self.handshakes.iter().enumerate();
                let begun = |half: &HalfOpen<P, HANDSHAKE>| half.client.map(|c| c.begun);
                places
                    .min_by_key(|(_, half)| begun(half))
                    .filter(|(_, half)| {
                        half.connection.session().is_closed()
                            || begun(half).is_some_and(|at| at + Self::GRACE <= now)
                    })
                    .map(|(index, _)| index)
            })?;
        let half = self.handshakes.get_mut(index)?;
        if let Some(old) = half.client.replace(client) {
            let reason = match half.connection.poll_event() {
                Some(Event::Closed(reason)) => reason,
                _ if old.address == client.address => CloseReason::Superseded,
                _ => CloseReason::Evicted,
            };
            let event = ServerEvent::Failed {
                address: old.address,
                claimed: half.connection.claimed(),
                reason,
            };
            remember(&mut self.ended, event);
        }
        let mut config = self.config;
        if config.connection_id.is_some() {
            config.connection_id = ConnectionId::new(&client.id.connection_id());
        }
        half.connection.begin_server(&config, accept, now);
        Some(index)
    }

    fn fresh_id(&mut self) -> SessionId {
        loop {
            let id = SessionId(self.next);
            self.next = self.next.wrapping_add(1);
            let taken = self.session_where(|open| open.id == id).is_some()
                || self.handshake_where(|client| client.id == id).is_some();
            if !taken {
                return id;
            }
        }
    }

    /// Makes a session of a handshake that is done, for which another session may have to go.
    fn promote(&mut self, index: usize, now: Instant) {
        let Some(half) = self.handshakes.get_mut(index) else {
            return;
        };
        let Some(session) = half.connection.take_session() else {
            return;
        };
        let Some(Client {
            id, address, hello, ..
        }) = half.client.take()
        else {
            return;
        };
        let peer = session.peer();
        // RFC 6347, 4.2.8: one without a Connection ID cannot be told from the new one any more
        let replaced = self.session_where(|open| {
            open.address == address && open.session.connection_id().is_empty()
        });
        if let Some(old) = replaced {
            self.dismiss(old, CloseReason::Superseded);
        }
        if peer != Peer::Anonymous
            && let Some(old) = self.session_where(|open| open.session.peer() == peer)
        {
            self.dismiss(old, CloseReason::Superseded);
        }
        let free = self.sessions.iter().position(Option::is_none);
        let place = free.or_else(|| {
            let places = self.sessions.iter().enumerate();
            let used = |open: &Option<Open<P>>| {
                open.as_ref()
                    .map(|open| (open.session.is_established(), open.used))
            };
            places
                .min_by_key(|(_, open)| used(open))
                .map(|(index, _)| index)
        });
        let Some(place) = place else { return };
        self.dismiss(place, CloseReason::Evicted);
        if let Some(place) = self.sessions.get_mut(place) {
            *place = Some(Open {
                id,
                address,
                used: now,
                hello,
                session,
            });
        }
    }

    /// Ends a session whose place is needed; its peer is told if that can still be.
    fn dismiss(&mut self, index: usize, reason: CloseReason) {
        let Some(mut open) = self.sessions.get_mut(index).and_then(Option::take) else {
            return;
        };
        let (id, address, peer) = (open.id, open.address, open.session.peer());
        let reason = if open.session.is_established() {
            open.session.close();
            Some(reason)
        } else {
            // It was over before, and that was not told.
            match open.session.poll_event() {
                Some(Event::Closed(reason)) => Some(reason),
                _ => None,
            }
        };
        if let Some(reason) = reason {
            let event = ServerEvent::Closed {
                id,
                address,
                peer,
                reason,
            };
            remember(&mut self.ended, event);
        }
        let mut bytes = [0; PARTING_LEN];
        if let Some(len) = open.session.poll_transmit(&mut bytes) {
            self.part(address, len, bytes);
        }
    }

    /// Frees the places of what is over and has nothing left to tell.
    fn sweep(&mut self) {
        for open in &mut self.sessions {
            if open.as_ref().is_some_and(|open| open.session.is_spent()) {
                *open = None;
            }
        }
        for half in &mut self.handshakes {
            if half.connection.session().is_spent() {
                half.client = None;
            }
        }
    }
}

/// The end of a ClientHello's random: its beginning is the time with some.
fn fingerprint(random: &[u8; 32]) -> u32 {
    let [.., a, b, c, d] = *random;
    u32::from_be_bytes([a, b, c, d])
}

/// Keeps an event, if need be in the place of the oldest.
fn remember<P: Copy>(ended: &mut [Option<ServerEvent<P>>; 2], event: ServerEvent<P>) {
    let [first, second] = ended;
    if first.is_none() || second.is_some() {
        *first = second.take();
    }
    *(if first.is_none() { first } else { second }) = Some(event);
}
