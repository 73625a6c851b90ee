use core::hash::Hash;
use core::time::Duration;

use ace_coap::{
    CryptoRng, Endpoint, Event as CoapEvent, Incoming, Instant, OutMessage, Slot, Transmit,
};
#[cfg(feature = "oscore")]
use ace_oscore::OscoreError;
use ace_oscore::storage::{Key, Storage};
use ace_wire::coap::{Code, Scheme, Uri};
use zeroize::Zeroizing;

use crate::dtls::{self, Wire};
use crate::flow::{Authority, Flow, Goal, Link, Stage, Work};
use crate::grant::{Grant, Keying};
use crate::observe::Observed;
use crate::oscore::Context;
use crate::queue::{Queue, Queued};
use crate::request::Stored;
use crate::table::{Record, Table};
use crate::{Config, Event, Phase, Reason, Request, RequestError};

/// The client of RFC 9200 and RFC 9203, without IO: see the crate's first page.
///
/// - `P`: address of a peer.
/// - `S`: what survives a reboot.
/// - `TOKENS`: tokens held at once, one per resource server and audience.
/// - `GRANT`: bytes for one token with its key, audience and scope.
/// - `BODY`: bytes for a request (path, query, audience, scope and payload together), and as many
///   for the body being sent or received. At least 96 more than the longest token.
/// - `SLOTS`: CoAP messages remembered; at least 3 with an observation, 2 without.
/// - `MTU`: longest CoAP message, at least 256; inside DTLS, longest record.
/// - `HANDSHAKE`: bytes for the messages of one DTLS handshake; without DTLS they take no memory.
pub struct Client<
    'c,
    P,
    S,
    const TOKENS: usize = 2,
    const GRANT: usize = 640,
    const BODY: usize = 1024,
    const SLOTS: usize = 3,
    const MTU: usize = 1152,
    const HANDSHAKE: usize = 1024,
> {
    pub(crate) config: Config<'c, P>,
    pub(crate) storage: S,
    pub(crate) endpoint: Endpoint<Link<P>, [Slot<Link<P>, MTU>; SLOTS], MTU>,
    pub(crate) wire: Wire<P, MTU>,
    pub(crate) authority: Authority<P>,
    pub(crate) table: Table<P, TOKENS, GRANT>,
    /// Whether the storage has a record for the slot of the table.
    pub(crate) saved: [bool; TOKENS],
    pub(crate) request: Stored<BODY>,
    /// A request taken while background work was under way.
    pub(crate) waiting: Option<P>,
    pub(crate) observed: Option<Observed<P>>,
    pub(crate) work: Work<BODY, HANDSHAKE>,
    pub(crate) flow: Option<Flow<P>>,
    pub(crate) queue: Queue,
    /// The record whose token is to be renewed once nothing else is under way.
    pub(crate) renewal: Option<usize>,
    pub(crate) phase: Phase,
    /// The next Request-Tag.
    pub(crate) next_tag: u16,
}

/// What every step may need from the caller.
pub(crate) struct Caller<'r> {
    pub now: Instant,
    pub wall: Option<u64>,
    pub rng: &'r mut dyn CryptoRng,
}

/// Why there is no client.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientError {
    /// `as_uri` is no CoAP URI.
    AsUri,
    /// The scheme of `as_uri` does not go with `as_security`: `coap` with OSCORE, `coaps` with DTLS.
    AsScheme,
    /// `as_security` holds parameters that make no OSCORE context.
    #[cfg(feature = "oscore")]
    AsContext(OscoreError),
    /// `as_security` holds a pre-shared key or an identity too long for DTLS, or empty ones.
    #[cfg(feature = "dtls")]
    AsCredential,
    /// The storage does not work, or its record of sequence numbers is corrupt: without it an OSCORE
    /// context with the authorization server must not be used (RFC 8613, B.1.1).
    Storage,
    /// `authz_info` is no absolute path.
    AuthzInfo,
}

impl core::fmt::Display for ClientError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::AsUri => f.write_str("the URI of the authorization server is no CoAP URI"),
            Self::AsScheme => f.write_str(
                "the URI of the authorization server must be coap: with OSCORE and coaps: with DTLS",
            ),
            #[cfg(feature = "dtls")]
            Self::AsCredential => {
                f.write_str("key or identity towards the authorization server is empty or too long")
            }
            #[cfg(feature = "oscore")]
            Self::AsContext(error) => write!(f, "context with the authorization server: {error}"),
            Self::Storage => f.write_str("the storage of sequence numbers does not work"),
            Self::AuthzInfo => f.write_str("the path of authz-info is not absolute"),
        }
    }
}

impl core::error::Error for ClientError {}

impl<
    'c,
    P: Copy + Eq + Hash,
    S: Storage,
    const TOKENS: usize,
    const GRANT: usize,
    const BODY: usize,
    const SLOTS: usize,
    const MTU: usize,
    const HANDSHAKE: usize,
> Client<'c, P, S, TOKENS, GRANT, BODY, SLOTS, MTU, HANDSHAKE>
{
    /// A client that goes on from what its storage holds.
    ///
    /// With OSCORE towards the authorization server it saves one record: the sequence numbers it may use now.
    ///
    /// # Errors
    /// Configuration that cannot work, and a storage that does not.
    pub fn new(
        config: Config<'c, P>,
        mut storage: S,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, ClientError> {
        const {
            assert!(TOKENS > 0 && TOKENS < 64, "between 1 and 63 tokens");
            assert!(GRANT >= 128, "GRANT is too small for any token");
            assert!(
                BODY >= 256 && BODY <= u16::MAX as usize,
                "BODY is out of range"
            );
            assert!(SLOTS >= 2, "a request, and room to remember the last");
            assert!(MTU >= 256, "MTU is too small for hints and tokens");
        }
        let uri = Uri::parse(config.as_uri).map_err(|_| ClientError::AsUri)?;
        if !config.authz_info.starts_with('/') {
            return Err(ClientError::AuthzInfo);
        }
        let context = Context::with_authority(&config, &mut storage)?.map(Authority::Oscore);
        let (authority, scheme) = match context {
            Some(context) => (context, Scheme::Coap),
            None => match dtls::Authority::of(&config)? {
                Some(authority) => (Authority::Dtls(authority), Scheme::Coaps),
                None => return Err(ClientError::AsScheme),
            },
        };
        if uri.scheme != scheme {
            return Err(ClientError::AsScheme);
        }
        let slots = core::array::from_fn(|_| Slot::new());
        let mut client = Self {
            endpoint: Endpoint::new(slots, config.transmission, rng),
            config,
            storage,
            wire: Wire::new(),
            authority,
            table: Table::new(),
            saved: [false; TOKENS],
            request: Stored::new(),
            waiting: None,
            observed: None,
            work: Work::new(),
            flow: None,
            queue: Queue::default(),
            renewal: None,
            phase: Phase::Idle,
            next_tag: rng.next_u32() as u16,
        };
        client.restore();
        Ok(client)
    }

    /// Takes a request of the application to the resource server at `rs`.
    ///
    /// `wall` is the time in seconds since the epoch where it is known: tokens from before a reboot
    /// are used only then.
    ///
    /// # Errors
    /// [`RequestError::Busy`] until the request before has ended and its end was polled; otherwise
    /// what is wrong with the request.
    pub fn request(
        &mut self,
        now: Instant,
        wall: Option<u64>,
        rs: P,
        request: Request<'_>,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), RequestError> {
        let is_busy = |flow: &Flow<P>| flow.goal == Goal::Request;
        if self.waiting.is_some()
            || self.flow.as_ref().is_some_and(is_busy)
            || self.queue.holds_payload()
            || self.queue.holds_outcome()
        {
            return Err(RequestError::Busy);
        }
        if request.observe && !Observed::<P>::fits(&request) {
            return Err(RequestError::TooLong);
        }
        self.request.store(&request)?;
        if self.flow.is_some() {
            self.waiting = Some(rs);
        } else {
            let caller = &mut Caller { now, wall, rng };
            self.begin(caller, Goal::Request, rs);
            self.drive(caller);
        }
        Ok(())
    }

    /// Gives up the request under way, or taken and not yet begun; no event tells its end. What the
    /// resource server does with it is not known.
    pub fn cancel(&mut self) {
        self.waiting = None;
        if self
            .flow
            .as_ref()
            .is_some_and(|flow| flow.goal == Goal::Request)
        {
            self.leave();
            self.work.wipe();
            self.rest();
        }
    }

    /// Ends the observation; the next notification is answered with a Reset (RFC 7641, 3.6).
    pub fn cancel_observation(&mut self) {
        if self
            .flow
            .as_ref()
            .is_some_and(|flow| flow.goal == Goal::Refresh)
        {
            self.leave();
            self.work.wipe();
        }
        self.drop_observation();
        self.rest();
    }

    /// What the client is doing.
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// The storage, for the caller's own records.
    pub const fn storage_mut(&mut self) -> &mut S {
        &mut self.storage
    }

    /// Takes a datagram; what is protected is opened in place.
    pub fn handle(
        &mut self,
        now: Instant,
        wall: Option<u64>,
        peer: P,
        datagram: &mut [u8],
        rng: &mut dyn CryptoRng,
    ) {
        let caller = &mut Caller { now, wall, rng };
        if dtls::is_record(datagram) {
            self.receive_record(caller, peer, datagram);
        } else {
            self.receive_message(caller, Link::clear(peer), datagram);
        }
        self.settle(caller);
    }

    /// Takes a CoAP message that came by `link`.
    pub(crate) fn receive_message(
        &mut self,
        caller: &mut Caller<'_>,
        link: Link<P>,
        message: &[u8],
    ) {
        match self.endpoint.handle(caller.now, link, message) {
            Incoming::Request { exchange, .. } => {
                // A client has no resources.
                let answer = OutMessage::new(Code::NOT_FOUND);
                let _gone = self.endpoint.respond(caller.now, exchange, &answer);
            }
            Incoming::Response { request, message } => {
                self.receive(caller, request, &message);
            }
            Incoming::Nothing(_) => {}
        }
    }

    /// The next datagram to send, until `None`.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Transmit<'_, P>> {
        self.next_datagram(now)
    }

    /// The next event, until `None`. Its payload is good until the next call.
    pub fn poll_event(&mut self) -> Option<Event<'_>> {
        let queued = self.queue.pop()?;
        Some(queued.event(self.work.as_slice()))
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called; look again after every call.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let own = match &self.flow {
            Some(flow) => flow.retry_at,
            None if self.waiting.is_some() => self.may_begin().then_some(Instant(0)),
            None if self.queue.is_empty() => self.next_job().map(|(due, ..)| due),
            None => None,
        };
        [own, self.endpoint.poll_timeout(), self.handshake_due()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Does what is due: retransmissions, timeouts, new attempts, renewal.
    pub fn handle_timeout(&mut self, now: Instant, wall: Option<u64>, rng: &mut dyn CryptoRng) {
        self.endpoint.handle_timeout(now);
        let caller = &mut Caller { now, wall, rng };
        self.handshake_timeout(caller);
        self.settle(caller);
        if self
            .flow
            .as_ref()
            .and_then(|flow| flow.retry_at)
            .is_some_and(|due| due <= now)
        {
            self.attempt();
            self.drive(caller);
        }
        if self.flow.is_none()
            && self.queue.is_empty()
            && let Some((due, goal, rs)) = self.next_job()
            && due <= now
        {
            self.start_job(caller, goal, rs);
            self.drive(caller);
        }
    }

    /// Takes what the endpoint has to tell, and goes on to what waits.
    fn settle(&mut self, caller: &mut Caller<'_>) {
        self.drive(caller);
        while let Some(event) = self.endpoint.poll_event() {
            let (id, reason) = match event {
                CoapEvent::TimedOut(id) => (id, Reason::TimedOut),
                CoapEvent::Reset(id) => (id, Reason::Reset),
                _ => continue,
            };
            let exchange = self.flow.as_ref().and_then(|flow| flow.exchange.as_ref());
            if exchange.is_some_and(|exchange| exchange.id == id) {
                self.no_answer(caller, reason);
                self.drive(caller);
            }
        }
        if self.may_begin()
            && let Some(rs) = self.waiting.take()
        {
            self.begin(caller, Goal::Request, rs);
            self.drive(caller);
        }
    }

    /// Whether a request that waits can begin: nothing is under way, and what was told last has been
    /// polled.
    fn may_begin(&self) -> bool {
        self.flow.is_none() && !self.queue.holds_payload()
    }

    /// Starts a flow at the stage where the table says it can.
    pub(crate) fn begin(&mut self, caller: &mut Caller<'_>, goal: Goal, rs: P) {
        let audience = match goal {
            Goal::Refresh => self
                .observed
                .as_ref()
                .and_then(|o| o.stored.view().audience),
            _ => self.request.view().audience,
        };
        let record = self.table.find(caller.now, caller.wall, rs, audience);
        let stage = match record.and_then(|index| self.table.get(index)) {
            None if audience.is_some() => Stage::Token,
            None => Stage::Hints,
            Some(record) => record.entry(caller.now),
        };
        let mut flow = Flow::new(goal, rs, stage, caller.now);
        flow.record = record;
        self.flow = Some(flow);
        self.enter(stage);
    }

    /// Brings back the tokens stored.
    fn restore(&mut self) {
        let mut bytes = Zeroizing::new([0; GRANT]);
        for (index, slot) in self.table.slots.iter_mut().enumerate() {
            let key = token_key(self.config.storage_key, index);
            let length = self
                .storage
                .load(key, &mut bytes[..])
                .ok()
                .flatten()
                .unwrap_or(0);
            // Only what names an audience can be found again: addresses are not stored.
            let grant = bytes.get(..length).and_then(Grant::restore);
            // And a token is of use only with its key, which for raw public keys is not stored with it.
            let own = self.config.own();
            let named = |grant: &Grant<GRANT>| {
                let is_held = |keying: Keying<'_>| match keying {
                    Keying::Oscore(_) => true,
                    Keying::Dtls(material) => material.is_held(own),
                };
                let view = grant.view();
                view.is_some_and(|g| g.audience.is_some() && is_held(g.keying))
            };
            *slot = grant.filter(named).map(Record::new);
            if let Some(saved) = self.saved.get_mut(index) {
                *saved = length > 0;
            }
        }
    }

    /// Stores the token at `index`, or takes the stored one away if this one cannot be used after a
    /// reboot: without audience it is not found, without its end in wall-clock time not used.
    ///
    /// A storage that fails costs a token request after the reboot, and nothing else.
    pub(crate) fn save(&mut self, index: usize) {
        let key = token_key(self.config.storage_key, index);
        let record = self.table.slots.get(index).and_then(Option::as_ref);
        let useful = record.filter(|record| {
            record
                .grant
                .view()
                .is_some_and(|g| g.audience.is_some() && g.ends.is_some())
        });
        let Some(saved) = self.saved.get_mut(index) else {
            return;
        };
        if let Some(record) = useful {
            *saved = self.storage.save(key, record.grant.as_bytes()).is_ok() || *saved;
        } else if *saved {
            *saved = self.storage.save(key, &[]).is_err();
        }
    }

    /// Shows a phase, once.
    pub(crate) fn show(&mut self, phase: Phase) {
        if self.phase != phase {
            self.phase = phase;
            self.queue.push(Queued::Phase(phase));
        }
    }

    /// The phase between flows.
    pub(crate) fn rest(&mut self) {
        if self.flow.is_none() {
            let phase = if self.observed.is_some() {
                Phase::Observing
            } else {
                Phase::Idle
            };
            self.show(phase);
        }
    }

    /// Background work: when it is due, what for, and towards whom.
    fn next_job(&self) -> Option<(Instant, Goal, P)> {
        let refresh = self
            .observed
            .as_ref()
            .and_then(|observed| Some((observed.refresh_at?, Goal::Refresh, observed.rs)));
        let requested = self.renewal;
        let observed = self.observed.as_ref().and_then(|observed| observed.record);
        let renewals = [requested, observed]
            .into_iter()
            .flatten()
            .filter_map(|index| {
                let record = self.table.slots.get(index)?.as_ref()?;
                let due = record.renewal_due(self.config.renew_before)?;
                Some((due, Goal::Renewal, record.peer?))
            });
        refresh
            .into_iter()
            .chain(renewals)
            .min_by_key(|(due, ..)| *due)
    }

    fn start_job(&mut self, caller: &mut Caller<'_>, goal: Goal, rs: P) {
        if goal == Goal::Refresh {
            if let Some(observed) = &mut self.observed {
                observed.refresh_at = None;
            }
            return self.begin(caller, goal, rs);
        }
        let own = self.renewal.take();
        let observed = self.observed.as_ref().and_then(|observed| observed.record);
        let due = |index: &usize| {
            let record = self.table.slots.get(*index).and_then(Option::as_ref);
            record
                .and_then(|record| record.renewal_due(self.config.renew_before))
                .is_some_and(|due| due <= caller.now)
        };
        let Some(index) = own.into_iter().chain(observed).find(due) else {
            return;
        };
        let Some(record) = self.table.get(index) else {
            return;
        };
        // A token renewed before and not yet taken by the resource server is uploaded first.
        let fresh = !record
            .current
            .as_ref()
            .is_some_and(|current| current.of_grant);
        let lasts = record.left(caller.now) > self.config.renew_before;
        let stage = if fresh && lasts {
            Stage::Upload
        } else {
            Stage::Token
        };
        let wait = (record.left(caller.now) / 2).max(RENEWAL_PAUSE);
        record.renew_after = caller.now + wait;
        let mut flow = Flow::new(goal, rs, stage, caller.now);
        flow.record = Some(index);
        self.flow = Some(flow);
        self.enter(stage);
    }
}

/// Shortest time between two attempts to renew one token.
const RENEWAL_PAUSE: Duration = Duration::from_secs(10);

/// Where the token in a slot of the table is stored.
const fn token_key(base: u32, index: usize) -> Key {
    Key(base.wrapping_add(1).wrapping_add(index as u32))
}

impl<
    P,
    S,
    const TOKENS: usize,
    const GRANT: usize,
    const BODY: usize,
    const SLOTS: usize,
    const MTU: usize,
    const HANDSHAKE: usize,
> core::fmt::Debug for Client<'_, P, S, TOKENS, GRANT, BODY, SLOTS, MTU, HANDSHAKE>
{
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Client")
            .field("phase", &self.phase)
            .finish_non_exhaustive()
    }
}
