//! DTLS sessions: who may open one, what comes in them, and their end (RFC 9202, 3.2.2, 3.3.2, 3.4 and 5).

use ace_coap::{CryptoRng, Incoming, Instant, Transmit};
use ace_crypto::Secret;
use ace_dtls::{
    Alert, CloseReason, Credentials, Decision, Error, Peer as Proven, Psk, ServerEvent, SessionId,
};
use ace_oscore::storage::Storage;
use ace_wire::coap::Message;

use crate::error::Refusal;
use crate::event::{EventKind, Events, Outcome};
use crate::front::{Arrival, Origin, Sent};
use crate::inside::{Channel, Exchange};
use crate::link::{Link, Slot, Way};
use crate::peer::{Peer, PeerBytes};
use crate::possession::named_by;
use crate::resource::Resources;
use crate::server::ResourceServer;
use crate::store::{Stop, Store};
use crate::token::{Entry, Security, TokenId};

/// The sessions, and the next datagram to be sent.
pub(crate) struct Sessions<
    P,
    const SESSIONS: usize,
    const HANDSHAKES: usize,
    const HANDSHAKE: usize,
    const MTU: usize,
> {
    server: ace_dtls::Server<P, SESSIONS, HANDSHAKES, HANDSHAKE>,
    out: [u8; MTU],
}

impl<
    P: Copy + Eq,
    const SESSIONS: usize,
    const HANDSHAKES: usize,
    const HANDSHAKE: usize,
    const MTU: usize,
> Sessions<P, SESSIONS, HANDSHAKES, HANDSHAKE, MTU>
{
    pub(crate) fn new(config: &ace_dtls::Config, rng: &mut dyn CryptoRng) -> Self {
        let mut config = *config;
        config.mtu = config.mtu.min(u16::try_from(MTU).unwrap_or(u16::MAX));
        Self {
            server: ace_dtls::Server::new(config, ace_dtls::Instant(0), rng),
            out: [0; MTU],
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.server.poll_timeout().map(|at| Instant(at.0))
    }
}

/// Whether a datagram is of DTLS and not of CoAP, whose version is 1.
// RFC 6347, 4.1; RFC 9146, 4; RFC 7252, 3
pub(crate) fn is_record(datagram: &[u8]) -> bool {
    matches!(datagram.first(), Some(20..=25))
}

const fn dtls(now: Instant) -> ace_dtls::Instant {
    ace_dtls::Instant(now.0)
}

/// Under whose token a session is.
fn token_of(proven: Proven) -> Option<TokenId> {
    match proven {
        Proven::Psk(number) | Proven::Key(number) => u32::try_from(number).ok().map(TokenId),
        _ => None,
    }
}

impl<
    P,
    R,
    S,
    E,
    const TOKENS: usize,
    const UNCONFIRMED: usize,
    const OBSERVERS: usize,
    const SCOPE: usize,
    const TRANSFERS: usize,
    const BODY: usize,
    const MTU: usize,
    const SESSIONS: usize,
    const HANDSHAKES: usize,
    const HANDSHAKE: usize,
>
    ResourceServer<
        '_,
        P,
        R,
        S,
        E,
        TOKENS,
        UNCONFIRMED,
        OBSERVERS,
        SCOPE,
        TRANSFERS,
        BODY,
        MTU,
        SESSIONS,
        HANDSHAKES,
        HANDSHAKE,
    >
where
    P: Peer,
    R: Resources,
    S: Storage,
    E: AsRef<[Slot<P, MTU>]> + AsMut<[Slot<P, MTU>]>,
{
    /// Takes a datagram of DTLS.
    pub(crate) fn record(
        &mut self,
        now: Instant,
        wall: Option<u64>,
        peer: P,
        datagram: &mut [u8],
        rng: &mut dyn CryptoRng,
    ) {
        let origin = Origin {
            now,
            wall,
            peer,
            // A client says who it is only after it has returned its cookie.
            proven: true,
        };
        let mut keys = Keys::<P, S, TOKENS, UNCONFIRMED, SCOPE, BODY> {
            store: &mut self.store,
            events: &mut self.events,
            at: origin,
        };
        let address = PeerBytes::of(peer);
        let server = &mut self.sessions.server;
        let received = server.handle(
            dtls(now),
            peer,
            address.as_bytes(),
            datagram,
            &mut keys,
            rng,
        );
        self.session_events(now, wall);
        let Some((id, data)) = received else { return };
        for data in data {
            self.message(origin, id, data);
        }
    }

    fn message(&mut self, origin: Origin<P>, session: SessionId, data: &[u8]) {
        let server = &self.sessions.server;
        let Some(proven) = server.peer(session) else {
            return;
        };
        let peer = server.address(session).unwrap_or(origin.peer);
        let link = Link::session(session);
        let Incoming::Request { exchange, message } =
            self.front.endpoint.handle(origin.now, link, data)
        else {
            return;
        };
        let origin = Origin { peer, ..origin };
        let at = Arrival::new(origin, exchange, data.len(), &message);
        // A session with a peer of whom no token tells cannot be.
        let Some(id) = token_of(proven) else {
            return self.front.ignore(&at);
        };
        if self.is_for_a_proxy(&at, &message) {
            return;
        }
        self.inside(Exchange {
            at,
            id,
            message: &message,
            channel: Channel::Session(session),
            #[cfg(feature = "oscore")]
            outer: &message,
            #[cfg(feature = "oscore")]
            block1: None,
        });
    }

    /// What has become of handshakes and sessions.
    pub(crate) fn session_events(&mut self, now: Instant, wall: Option<u64>) {
        while let Some(event) = self.sessions.server.poll_event() {
            match event {
                ServerEvent::Connected { address, peer, .. } => {
                    let token = token_of(peer);
                    self.events
                        .push(Some(address), token, EventKind::SessionOpened);
                    let origin = Origin {
                        now,
                        wall,
                        peer: address,
                        proven: true,
                    };
                    // The client has proven possession of the key. While there is no room for its token, its requests
                    // are answered so.
                    if let Some(id) = token {
                        let _ = self.store.confirm(&origin, id, &mut self.events);
                        self.end_observations_without_token(now);
                    }
                }
                ServerEvent::Closed {
                    id,
                    address,
                    peer,
                    reason,
                } => {
                    let link = Link::session(id);
                    self.observers.remove(|observer| observer.link == link);
                    self.front.endpoint.forget(link);
                    let kind = EventKind::SessionEnded(reason);
                    self.events.push(Some(address), token_of(peer), kind);
                }
                // Told when the credentials were looked at.
                ServerEvent::Failed {
                    reason: CloseReason::Failed(Error::UnknownIdentity | Error::PeerKeyRefused),
                    ..
                } => {}
                ServerEvent::Failed {
                    address,
                    claimed,
                    reason,
                } => {
                    let kind = EventKind::HandshakeFailed(reason);
                    self.events.push(Some(address), token_of(claimed), kind);
                }
                ServerEvent::Doubted { address, claimed } => {
                    let kind = EventKind::HandshakeDoubted;
                    self.events.push(Some(address), token_of(claimed), kind);
                }
                _ => {}
            }
        }
    }

    /// The next datagram, of messages in the clear, of messages in sessions, or of DTLS itself.
    pub(crate) fn next_datagram(&mut self, now: Instant) -> Option<Transmit<'_, P>> {
        let (peer, length) = self.write_next(now)?;
        let datagram = self.sessions.out.get(..length)?;
        Some(Transmit { peer, datagram })
    }

    fn write_next(&mut self, now: Instant) -> Option<(P, usize)> {
        let Sessions { server, out } = &mut self.sessions;
        while let Some(transmit) = self.front.endpoint.poll_transmit(now) {
            match transmit.peer.0 {
                Way::Clear(peer) => {
                    let room = out.get_mut(..transmit.datagram.len())?;
                    room.copy_from_slice(transmit.datagram);
                    return Some((peer, transmit.datagram.len()));
                }
                // A message of a session that is gone is gone with it.
                Way::Session(id) => {
                    if let Ok(sent) = server.send(id, transmit.datagram, out) {
                        return Some(sent);
                    }
                }
            }
        }
        // RFC 9202, 5: what the session had to say is said; without its token it ends.
        while let Some(id) = self.session_without_token() {
            self.sessions.server.close(id);
        }
        let Sessions { server, out } = &mut self.sessions;
        let sent = server.poll_transmit(out);
        if sent.is_none() {
            self.session_events(now, None);
        }
        sent
    }

    fn session_without_token(&self) -> Option<SessionId> {
        let server = &self.sessions.server;
        server.sessions().find(|id| {
            let token = server.peer(*id).and_then(token_of);
            token.is_none_or(|token| self.store.table.get(token).is_none())
        })
    }

    pub(crate) fn session_timeout(&mut self, now: Instant, wall: Option<u64>) {
        self.sessions.server.handle_timeout(dtls(now));
        self.session_events(now, wall);
    }

    /// How many DTLS sessions there are.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.sessions.server.sessions().count()
    }

    /// RFC 7252, 5.7.2: whether a request is one for a proxy; then it is answered.
    fn is_for_a_proxy(&mut self, at: &Arrival<P>, message: &Message<'_>) -> bool {
        let sent = self.front.no_proxy(at, message);
        if let Some(code) = sent {
            self.report(at, None, message, Sent::Answer(code), Outcome::BadOption);
        }
        sent.is_some()
    }
}

/// The keys of those who have tokens. `BODY` is the room for the claims of a token.
struct Keys<
    's,
    'c,
    P,
    S,
    const TOKENS: usize,
    const UNCONFIRMED: usize,
    const SCOPE: usize,
    const BODY: usize,
> {
    store: &'s mut Store<'c, P, S, TOKENS, UNCONFIRMED, SCOPE>,
    events: &'s mut Events<P>,
    at: Origin<P>,
}

impl<P, S, const TOKENS: usize, const UNCONFIRMED: usize, const SCOPE: usize, const BODY: usize>
    Keys<'_, '_, P, S, TOKENS, UNCONFIRMED, SCOPE, BODY>
where
    P: Peer,
    S: Storage,
{
    // RFC 9202, 3.3.2
    fn token_for(&mut self, identity: &[u8]) -> Result<TokenId, Refusal> {
        if let Some(kid) = named_by(identity) {
            let is_psk = |entry: &Entry<P, SCOPE>| matches!(entry.security, Security::Psk(_));
            let named = self.store.named(kid, is_psk);
            return named.ok_or(Refusal::UnknownKey);
        }
        let mut clear = Secret::<BODY>::full([0; BODY]);
        let clear = clear.as_mut_bytes();
        if let Some(id) = self.store.known(identity, clear)? {
            return Ok(id);
        }
        self.store
            .admit(&self.at, false)
            .map_err(|stop| match stop {
                Stop::Challenge => Refusal::Busy,
                Stop::Denied(denied) => denied.refusal,
            })?;
        let posted = self.store.post_cwt(&self.at, identity, clear, self.events);
        posted.map_err(|denied| denied.refusal)
    }

    fn refuse<T>(&mut self, refusal: Refusal, alert: Alert) -> Decision<T> {
        let kind = EventKind::HandshakeRefused(refusal);
        self.events.push(Some(self.at.peer), None, kind);
        Decision::RefuseWith(match refusal {
            // Not the fault of the token.
            Refusal::Busy | Refusal::TableFull | Refusal::Storage => Alert::INTERNAL_ERROR,
            _ => alert,
        })
    }
}

impl<P, S, const TOKENS: usize, const UNCONFIRMED: usize, const SCOPE: usize, const BODY: usize>
    Credentials for Keys<'_, '_, P, S, TOKENS, UNCONFIRMED, SCOPE, BODY>
where
    P: Peer,
    S: Storage,
{
    fn find_psk(&mut self, identity: &[u8]) -> Decision<Psk> {
        let found = self.token_for(identity).and_then(|id| {
            let entry = self.store.table.get(id).ok_or(Refusal::Expired)?;
            match &entry.security {
                Security::Psk(key) => {
                    let key = Secret::new(key.as_bytes()).ok_or(Refusal::UnknownKey)?;
                    let peer = u64::from(id.0);
                    Ok(Psk { key, peer })
                }
                // A key of another kind than the handshake's.
                #[cfg(any(feature = "oscore", feature = "_ecc"))]
                _ => Err(Refusal::Confirmation),
            }
        });
        match found {
            Ok(psk) => Decision::Accept(psk),
            Err(refusal) => self.refuse(refusal, Alert::ILLEGAL_PARAMETER),
        }
    }

    #[cfg(feature = "_ecc")]
    fn signing_key(&self) -> Option<&ace_crypto::SigningKey> {
        self.store.config.own_key
    }

    /// The key itself is in order; without a token it gives no access (RFC 5246, 7.2.2: access_denied).
    #[cfg(feature = "_ecc")]
    fn accept_key(&mut self, key: &ace_crypto::VerifyingKey) -> Decision<u64> {
        let digest = crate::possession::public_digest(key, self.store.digest_key());
        let found = self.store.table.first(&|entry| {
            matches!(entry.security, Security::RawPublicKey) && entry.key == digest
        });
        match found {
            Some(id) => Decision::Accept(u64::from(id.0)),
            None => self.refuse(Refusal::UnknownKey, Alert::ACCESS_DENIED),
        }
    }
}
