use core::fmt;

use ace_coap::block::{BlockSender, Body};
use ace_coap::{Block, CryptoRng, Incoming, Instant, Transmit};
use ace_oscore::storage::Storage;
#[cfg(feature = "oscore")]
use ace_wire::coap::option;
use ace_wire::coap::{Code, Message};

use crate::bodies::Bodies;
use crate::config::{Config, MAX_SCOPES};
use crate::error::Error;
use crate::event::{Event, EventKind, EventPath, Events, Outcome};
use crate::front::{Arrival, Front, Sent};
#[cfg(not(feature = "dtls"))]
use crate::link::Way;
use crate::link::{Link, Slot};
use crate::observers::Observers;
use crate::peer::Peer;
use crate::rate::Gate;
use crate::resource::Resources;
#[cfg(feature = "dtls")]
use crate::session::{Sessions, is_record};
use crate::store::Store;
use crate::token::{Revoke, TokenId, TokenView};

/// Path of the authorization information endpoint (RFC 9200, 5.10.1).
pub const AUTHZ_INFO: &str = "/authz-info";
/// Path of the list of resources (RFC 6690, 4).
pub const WELL_KNOWN_CORE: &str = "/.well-known/core";

/// Bytes of a message that are not payload: header, options, OSCORE.
const OVERHEAD: usize = 128;

/// A resource server: CoAP endpoint, `/authz-info`, tokens, OSCORE contexts and the decision about
/// every request.
///
/// It does no IO and owns no clock. After each call to [`handle`](Self::handle),
/// [`handle_timeout`](Self::handle_timeout), [`notify`](Self::notify) or [`revoke`](Self::revoke),
/// the caller drains [`poll_transmit`](Self::poll_transmit) and [`poll_event`](Self::poll_event),
/// and sets its timer to [`poll_timeout`](Self::poll_timeout).
///
/// | parameter | what |
/// |---|---|
/// | `P` | what a peer is called: [`core::net::SocketAddr`], or an address of your link |
/// | `R` | the resources |
/// | `S` | storage for the one number that survives a reboot |
/// | `E` | slots of the CoAP endpoint: an array or a `Vec` of [`Slot`]; eight or more |
/// | `TOKENS` | tokens in force at once |
/// | `UNCONFIRMED` | posted tokens that wait for a first request, beside those in force; 2 or more |
/// | `OBSERVERS` | observations at once |
/// | `SCOPE` | room for the binary scope, `sub` and `cti` of a token and the name of its key together, in bytes |
/// | `TRANSFERS` | block-wise transfers at once: so many requests, half of them of strangers and half of clients, and so many answers; with 1, strangers and clients share it; with 0, requests have to fit a datagram, and so do answers to other methods than GET |
/// | `BODY` | longest body of a request or a response, in bytes; tokens up to three quarters of it |
/// | `MTU` | longest datagram sent, in bytes; 256 or more |
/// | `SESSIONS` | DTLS sessions at once |
/// | `HANDSHAKES` | DTLS handshakes under way at once |
/// | `HANDSHAKE` | buffer of a DTLS handshake, in bytes: all of its messages have to fit |
pub struct ResourceServer<
    'c,
    P,
    R,
    S,
    E,
    const TOKENS: usize = 4,
    const UNCONFIRMED: usize = 4,
    const OBSERVERS: usize = 4,
    const SCOPE: usize = 160,
    const TRANSFERS: usize = 4,
    const BODY: usize = 1024,
    const MTU: usize = 1152,
    const SESSIONS: usize = 4,
    const HANDSHAKES: usize = 2,
    const HANDSHAKE: usize = 1024,
> {
    pub(crate) front: Front<P, E, MTU>,
    pub(crate) store: Store<'c, P, S, TOKENS, UNCONFIRMED, SCOPE>,
    #[cfg(feature = "dtls")]
    pub(crate) sessions: Sessions<P, SESSIONS, HANDSHAKES, HANDSHAKE, MTU>,
    pub(crate) resources: R,
    pub(crate) observers: Observers<P, OBSERVERS>,
    pub(crate) hints: Gate,
    pub(crate) events: Events<P>,
    pub(crate) bodies: Bodies<TRANSFERS, BODY>,
    pub(crate) answers: BlockSender<[Body<BODY>; TRANSFERS], BODY>,
}

impl<
    'c,
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
        'c,
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
    /// A server without tokens. Reads the storage; draws the secrets of this life of the device.
    ///
    /// # Errors
    /// [`Error`]: what is wrong with the configuration, the resources or the storage.
    pub fn new(
        config: &'c Config<'c>,
        resources: R,
        storage: S,
        slots: E,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, Error> {
        check(config, &resources)?;
        if TOKENS == 0 || UNCONFIRMED == 0 || MTU <= OVERHEAD || slots.as_ref().is_empty() {
            return Err(Error::ZeroSize);
        }
        let limits = config.limits;
        let szx = Block::szx_for(limits.block_size.min(MTU - OVERHEAD));
        Ok(Self {
            front: Front::new(config, slots, rng),
            store: Store::new(config, storage, rng)?,
            #[cfg(feature = "dtls")]
            sessions: Sessions::new(&config.dtls, rng),
            resources,
            observers: Observers::new(),
            hints: Gate::default(),
            events: Events::new(),
            bodies: Bodies::new(szx),
            answers: BlockSender::new([const { Body::new() }; TRANSFERS], szx),
        })
    }

    /// Takes a datagram, which is decrypted where it lies.
    ///
    /// `wall` is the time in seconds since 1970-01-01T00:00Z by a clock that can be trusted, `None`
    /// while there is none.
    pub fn handle(
        &mut self,
        now: Instant,
        wall: Option<u64>,
        peer: P,
        datagram: &mut [u8],
        rng: &mut dyn CryptoRng,
    ) {
        self.expire(now, wall);
        #[cfg(feature = "dtls")]
        if is_record(datagram) {
            self.record(now, wall, peer, datagram, rng);
            return self.drop_observers();
        }
        let link = Link::clear(peer);
        if let Incoming::Request { exchange, message } =
            self.front.endpoint.handle(now, link, datagram)
        {
            let length = datagram.len();
            let at = self
                .front
                .arrival(now, wall, peer, exchange, length, &message);
            self.request(&at, &message, rng);
        }
        self.drop_observers();
    }

    fn request(&mut self, at: &Arrival<P>, message: &Message<'_>, rng: &mut dyn CryptoRng) {
        if let Some(code) = self.front.no_proxy(at, message) {
            return self.report(at, None, message, Sent::Answer(code), Outcome::BadOption);
        }
        #[cfg(feature = "oscore")]
        if message.options.contains(option::OSCORE) {
            return self.protected(at, message, rng);
        }
        self.unprotected(at, message, rng);
    }

    /// The next datagram to send, until `None`.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Transmit<'_, P>> {
        #[cfg(feature = "dtls")]
        {
            self.next_datagram(now)
        }
        #[cfg(not(feature = "dtls"))]
        {
            let transmit = self.front.endpoint.poll_transmit(now)?;
            let Way::Clear(peer) = transmit.peer.0;
            let datagram = transmit.datagram;
            Some(Transmit { peer, datagram })
        }
    }

    /// The next event, until `None`. The last [`MAX_EVENTS`](crate::MAX_EVENTS) are kept.
    pub fn poll_event(&mut self) -> Option<Event<P>> {
        self.events.pop()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called; `None` if nothing is to come.
    ///
    /// A wall clock that is set or corrected may end tokens earlier: call it then, too.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let due = [
            self.store.next_end(),
            self.front.endpoint.poll_timeout(),
            #[cfg(feature = "dtls")]
            self.sessions.poll_timeout(),
        ];
        due.into_iter().flatten().min()
    }

    /// Does what is due: retransmissions, and the end of tokens, whose observations get 4.01 before
    /// (RFC 9200, 5.10.3).
    pub fn handle_timeout(&mut self, now: Instant, wall: Option<u64>) {
        self.front.endpoint.handle_timeout(now);
        #[cfg(feature = "dtls")]
        self.session_timeout(now, wall);
        self.drop_observers();
        self.expire(now, wall);
        self.bodies.expire(now);
        self.answers.expire(now);
    }

    pub(crate) fn expire(&mut self, now: Instant, wall: Option<u64>) {
        self.store.restore(now, wall, &mut self.events);
        while let Some(id) = self.store.over(now, wall) {
            let Some(entry) = self.store.table.get(id) else {
                return;
            };
            let by_time = entry.grant.term.is_over(now, wall);
            if entry.is_confirmed() {
                self.end_observations(now, id);
                self.events.push(None, Some(id), EventKind::TokenExpired);
            }
            self.store.end(id, by_time);
        }
    }

    /// Forgets observers who are gone (RFC 7641, 4.5).
    fn drop_observers(&mut self) {
        while let Some(event) = self.front.endpoint.poll_event() {
            if let ace_coap::Event::ObserverGone { peer: link, token } = event {
                self.observers
                    .remove(|o| o.link == link && o.handle == token);
            }
        }
    }

    /// Ends tokens now, with their contexts and sessions; observations get 4.01 before. Returns how many there
    /// were.
    ///
    /// The same token can be posted again, unless it has `exi`: a caller that knows revoked tokens
    /// calls this again for each [`EventKind::TokenAccepted`].
    pub fn revoke(&mut self, now: Instant, which: Revoke<'_>) -> usize {
        let mut count = 0;
        #[cfg(feature = "persist")]
        self.store.revoke_kept(which);
        while let Some(id) = self.store.table.first(&|entry| entry.grant.is_meant(which)) {
            self.end_observations(now, id);
            self.store.end(id, true);
            self.events.push(None, Some(id), EventKind::TokenRevoked);
            count += 1;
        }
        count
    }

    /// The tokens in force and those that wait for a first request.
    pub fn tokens(&self) -> impl Iterator<Item = TokenView<'_, P>> {
        self.store.table.iter().map(crate::token::Entry::view)
    }

    /// How many observations there are.
    #[must_use]
    pub fn observations(&self) -> usize {
        self.observers.len()
    }

    /// The resources.
    pub const fn resources(&self) -> &R {
        &self.resources
    }

    /// The resources, to be changed. See [`notify`](Self::notify).
    pub const fn resources_mut(&mut self) -> &mut R {
        &mut self.resources
    }

    /// The storage, for the caller's own records.
    pub const fn storage_mut(&mut self) -> &mut S {
        &mut self.store.storage
    }

    #[inline(never)]
    pub(crate) fn report(
        &mut self,
        at: &Arrival<P>,
        token: Option<TokenId>,
        message: &Message<'_>,
        sent: Sent,
        outcome: Outcome,
    ) {
        let (answer, outcome) = match sent {
            Sent::Answer(code) => (code, outcome),
            Sent::Challenge => (Code::UNAUTHORIZED, Outcome::Challenged),
        };
        let path = EventPath::of(message.options);
        let kind = EventKind::Request {
            method: message.code,
            path,
            answer,
            outcome,
        };
        self.events.push(Some(at.peer), token, kind);
    }
}

fn check<R: Resources>(config: &Config<'_>, resources: &R) -> Result<(), Error> {
    if config.audiences.is_empty() {
        return Err(Error::NoAudience);
    }
    if config.token_keys.is_empty() {
        return Err(Error::NoTokenKey);
    }
    if config.scopes.len() > MAX_SCOPES {
        return Err(Error::TooManyScopes);
    }
    let list = resources.list();
    let twice = list.iter().enumerate().any(|(index, resource)| {
        [AUTHZ_INFO, WELL_KNOWN_CORE].contains(&resource.path)
            || list
                .iter()
                .take(index)
                .any(|earlier| earlier.path == resource.path)
    });
    if twice {
        Err(Error::DuplicateResource)
    } else {
        Ok(())
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
> fmt::Debug
    for ResourceServer<
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
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResourceServer")
            .field("config", self.store.config)
            .finish_non_exhaustive()
    }
}
