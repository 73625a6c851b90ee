//! Sessions of the client: how they begin, what goes through them, how they end.

use core::hash::Hash;

use ace_coap::{Instant, Transmit};
use ace_dtls::{Alert, CipherSuite, CloseReason, ConnectionId, Error, Event, MAX_IDENTITY};
use ace_oscore::storage::Storage;

use super::material::Credentials;
use super::{Authority as Sessions, Channel, IDLE, Room, SessionId};
use crate::client::{Caller, Client};
use crate::config::DtlsCredential;
use crate::flow::{Authority, Flow, Goal, Link, Protection, Stage, UPLOADS};
use crate::grant::{GrantView, Keying};
use crate::table::{Association, Keys, Table};
use crate::{ClientError, Config, Reason};

/// RFC 9202, 3.2.2 and 3.3.2 ask for those with the short tag; the order is the server's to choose.
const SUITES: &[CipherSuite] = &[
    CipherSuite::PskAes128Ccm8,
    CipherSuite::PskAes128Ccm,
    #[cfg(feature = "_rpk")]
    CipherSuite::EcdheEcdsaAes128Ccm8,
    #[cfg(feature = "_rpk")]
    CipherSuite::EcdheEcdsaAes128Ccm,
];

impl<P> Channel<P> {
    /// Bytes that a record adds to a message.
    pub(crate) fn overhead(&self) -> usize {
        self.session.overhead()
    }
}

impl<P> Sessions<P> {
    /// None yet, if the authorization server is spoken to over DTLS.
    pub(crate) fn of(config: &Config<'_, P>) -> Result<Option<Self>, ClientError> {
        let Some(credential) = config.as_security.dtls() else {
            return Ok(None);
        };
        match credential {
            DtlsCredential::Psk { identity, key } => {
                let fits = |bytes: &[u8], most| !bytes.is_empty() && bytes.len() <= most;
                if !fits(identity, MAX_IDENTITY) || !fits(key, ace_dtls::MAX_PSK) {
                    return Err(ClientError::AsCredential);
                }
            }
            #[cfg(feature = "_rpk")]
            DtlsCredential::Rpk { .. } => {}
        }
        Ok(Some(Self::new()))
    }

    /// The session, if there is one that is likely to be known to the other side too.
    pub(crate) fn channel(&mut self, now: Instant) -> Option<&mut Channel<P>> {
        let fresh = |channel: &&mut Channel<P>| now.saturating_sub(channel.used) < IDLE;
        self.0.as_mut().filter(fresh)
    }
}

/// The credentials for the handshake that the flow waits for, and where the peer is.
fn credentials<'a, P: Copy>(
    config: &'a Config<'_, P>,
    flow: &Flow<P>,
    grant: Option<GrantView<'a>>,
    uploaded: bool,
    room: &'a mut Room,
) -> Option<(Credentials<'a>, P)> {
    if flow.stage != Stage::Connect {
        return Some((Credentials::of_authority(config, room)?, config.as_peer));
    }
    let grant = grant?;
    let Keying::Dtls(material) = grant.keying else {
        return None;
    };
    let token = (flow.carried && !uploaded).then_some(grant.token);
    let credentials = Credentials::of_token(material, token, config.own(), room)?;
    Some((credentials, (config.coaps)(flow.rs)))
}

/// The flow's grant, and whether the resource server has it.
fn grant_of<'t, P: Copy + Eq, const TOKENS: usize, const GRANT: usize>(
    table: &'t Table<P, TOKENS, GRANT>,
    flow: &Flow<P>,
) -> (Option<GrantView<'t>>, bool) {
    let record = flow
        .record
        .and_then(|index| table.slots.get(index)?.as_ref());
    (
        record.and_then(|record| record.grant.view()),
        record.is_some_and(|record| record.uploaded),
    )
}

const fn dtls(now: Instant) -> ace_dtls::Instant {
    ace_dtls::Instant(now.0)
}

impl<
    P: Copy + Eq + Hash,
    S: Storage,
    const TOKENS: usize,
    const GRANT: usize,
    const BODY: usize,
    const SLOTS: usize,
    const MTU: usize,
    const HANDSHAKE: usize,
> Client<'_, P, S, TOKENS, GRANT, BODY, SLOTS, MTU, HANDSHAKE>
{
    /// Takes a datagram with records.
    #[inline(never)]
    pub(crate) fn receive_record(&mut self, caller: &mut Caller<'_>, peer: P, datagram: &mut [u8]) {
        let in_handshake = self.handshake_peer() == Some(peer);
        // A session has no use for what is in the clear: epoch 0 (RFC 6347, 4.1).
        let is_clear = in_handshake && datagram.get(3..5) == Some(&[0, 0]);
        let mut copied = None;
        if !is_clear && let Some(channel) = self.find_channel(|channel| channel.peer == peer) {
            let id = channel.id;
            if in_handshake {
                // Which of both the datagram is for, shows when one has opened it; then it is gone.
                let out = self.wire.out.get_mut(..datagram.len());
                if let Some(out) = out.filter(|_| self.wire.parting.is_none()) {
                    out.copy_from_slice(datagram);
                    copied = Some(datagram.len());
                }
            }
            let Some(channel) = self.find_channel(|channel| channel.id == id) else {
                return;
            };
            let received = channel.session.handle(datagram);
            let is_closed = channel.session.is_closed();
            let link = Link {
                peer,
                session: Some(id),
            };
            let is_its_own = received.newest || received.data.clone().next().is_some();
            for message in received.data {
                self.receive_message(caller, link, message);
            }
            if is_closed {
                self.close_session(id);
                self.session_lost(caller, id);
            }
            if is_its_own || copied.is_none() {
                return;
            }
        }
        if !in_handshake {
            return;
        }
        let Self {
            flow: Some(flow),
            table,
            work,
            config,
            wire,
            ..
        } = self
        else {
            return;
        };
        let mut room = Room::new();
        let (grant, uploaded) = grant_of(table, flow);
        let shown = credentials(config, flow, grant, uploaded, &mut room);
        let (Some(handshake), Some((mut shown, _))) = (work.handshake_mut(), shown) else {
            return;
        };
        let datagram = match copied {
            Some(length) => wire.out.get_mut(..length).unwrap_or(&mut []),
            None => datagram,
        };
        // The server speaks when it is spoken to: there is no data with its Finished.
        handshake.handle(dtls(caller.now), datagram, &mut shown, caller.rng);
        self.settle_handshake(caller);
    }

    /// What leaves next.
    pub(crate) fn next_datagram(&mut self, now: Instant) -> Option<Transmit<'_, P>> {
        let (peer, length) = self.seal_next(now)?;
        let datagram = self.wire.out.get(..length)?;
        Some(Transmit { peer, datagram })
    }

    fn seal_next(&mut self, now: Instant) -> Option<(P, usize)> {
        if let Some(parting) = self.wire.parting.take() {
            return Some(parting);
        }
        let of_handshake = self.handshake_peer();
        let Self {
            endpoint,
            table,
            authority,
            work,
            wire,
            ..
        } = self;
        let out = &mut wire.out;
        if let (Some(handshake), Some(peer)) = (work.handshake_mut(), of_handshake)
            && let Some(length) = handshake.poll_transmit(out)
        {
            return Some((peer, length));
        }
        for channel in channels(authority, table) {
            if let Some(length) = channel.session.poll_transmit(out) {
                return Some((channel.peer, length));
            }
        }
        while let Some(transmit) = endpoint.poll_transmit(now) {
            let Link { peer, session } = transmit.peer;
            let Some(id) = session else {
                let length = transmit.datagram.len();
                out.get_mut(..length)?.copy_from_slice(transmit.datagram);
                return Some((peer, length));
            };
            // A message of a session that is gone is gone with it.
            let channel = channels(authority, table).find(|channel| channel.id == id);
            let sealed = channel.and_then(|c| c.session.send(transmit.datagram, out).ok());
            if let Some(length) = sealed {
                return Some((peer, length));
            }
        }
        None
    }

    /// When the handshake has to be looked after.
    pub(crate) fn handshake_due(&self) -> Option<Instant> {
        let handshake = self.work.handshake()?;
        if handshake.session().is_closed() {
            return Some(Instant(0));
        }
        handshake.poll_timeout().map(|due| Instant(due.0))
    }

    pub(crate) fn handshake_timeout(&mut self, caller: &mut Caller<'_>) {
        if let Some(handshake) = self.work.handshake_mut() {
            handshake.handle_timeout(dtls(caller.now));
            self.settle_handshake(caller);
        }
    }

    /// Whether the stage's message waits for a session.
    pub(crate) fn needs_session(&mut self, now: Instant) -> bool {
        let stage = self.flow.as_ref().map(|flow| flow.stage);
        match (stage, &mut self.authority) {
            (Some(Stage::Connect), _) => true,
            (Some(Stage::Token | Stage::Ask), Authority::Dtls(authority)) => {
                authority.channel(now).is_none()
            }
            _ => false,
        }
    }

    /// Begins the handshake that the stage needs.
    #[inline(never)]
    pub(crate) fn connect(&mut self, caller: &mut Caller<'_>) {
        if self
            .flow
            .as_ref()
            .is_some_and(|flow| flow.stage != Stage::Connect)
            && let Authority::Dtls(Sessions(Some(old))) = &self.authority
        {
            self.close_session(old.id);
        }
        let config = ace_dtls::Config {
            suites: SUITES,
            // RFC 9146: none of our own, but the server may have one, for clients behind translated addresses.
            connection_id: Some(ConnectionId::EMPTY),
            mtu: u16::try_from(MTU).unwrap_or(u16::MAX),
            initial_timeout: self.config.transmission.ack_timeout,
            retransmissions: self.config.transmission.max_retransmit,
            ..ace_dtls::Config::DEFAULT
        };
        let Self {
            flow: Some(flow),
            table,
            work,
            config: own,
            ..
        } = self
        else {
            return;
        };
        let mut room = Room::new();
        let (grant, uploaded) = grant_of(table, flow);
        let shown = credentials(own, flow, grant, uploaded, &mut room);
        let (Some(handshake), Some((shown, _))) = (work.make_handshake(), shown) else {
            return self.fail(caller, Reason::Unsendable);
        };
        let begun = handshake.begin_client(&config, dtls(caller.now), &shown, caller.rng);
        if let Err(error) = begun {
            self.fail(caller, Reason::Dtls(CloseReason::Failed(error)));
        }
    }

    /// Whether the token goes to the resource server in the handshake: once for each.
    pub(crate) fn carries_token(&self) -> bool {
        let Some(flow) = &self.flow else { return false };
        let (grant, _) = grant_of(&self.table, flow);
        self.config.token_in_handshake
            && !flow.carried
            && flow.uploads == 0
            && grant.is_some_and(|grant| match grant.keying {
                Keying::Dtls(material) => material.is_psk() && grant.token.len() <= MAX_IDENTITY,
                Keying::Oscore(_) => false,
            })
    }

    /// Forgets a session; its last words leave next.
    pub(crate) fn close_session(&mut self, id: SessionId) {
        let Self {
            authority,
            table,
            wire,
            ..
        } = self;
        if let Some(channel) = channels(authority, table).find(|channel| channel.id == id) {
            channel.session.close();
            let length = channel.session.poll_transmit(&mut wire.out);
            wire.parting = length.map(|length| (channel.peer, length));
        }
        if let Authority::Dtls(authority) = &mut self.authority
            && authority.0.as_ref().is_some_and(|channel| channel.id == id)
        {
            authority.0 = None;
        }
        for record in self.table.slots.iter_mut().flatten() {
            if record.channel().is_some_and(|channel| channel.id == id) {
                record.current = None;
            }
        }
        let Some(observed) = &mut self.observed else {
            return;
        };
        let is_its_own = |protection: &Protection| matches!(protection, Protection::Session(other) if *other == id);
        if observed
            .exchange
            .as_ref()
            .is_some_and(|e| is_its_own(&e.protection))
            && let Some(exchange) = observed.exchange.take()
        {
            // RFC 7641, 3.6: the registration went with the session.
            self.endpoint.cancel(exchange.id);
            observed.refresh_at = Some(observed.refreshed);
        }
    }

    /// A session ended from the other side while its answer was waited for.
    fn session_lost(&mut self, caller: &mut Caller<'_>, id: SessionId) {
        let exchange = self.flow.as_ref().and_then(|flow| flow.exchange.as_ref());
        let waits = exchange
            .is_some_and(|e| matches!(e.protection, Protection::Session(other) if other == id));
        if !waits {
            return;
        }
        let is_with_rs = self
            .flow
            .as_ref()
            .is_some_and(|flow| flow.stage.is_with_rs());
        if let Some(exchange) = self.flow.as_mut().and_then(|flow| flow.exchange.take()) {
            self.endpoint.cancel(exchange.id);
        }
        if is_with_rs {
            self.recover(caller, None);
        } else {
            self.retry(caller, Reason::Dtls(CloseReason::Peer), None);
        }
    }

    /// Where the handshake under way leads.
    fn handshake_peer(&self) -> Option<P> {
        self.work.handshake()?;
        let flow = self.flow.as_ref()?;
        Some(match flow.stage {
            Stage::Connect => (self.config.coaps)(flow.rs),
            _ => self.config.as_peer,
        })
    }

    fn find_channel(&mut self, is: impl Fn(&Channel<P>) -> bool) -> Option<&mut Channel<P>> {
        channels(&mut self.authority, &mut self.table).find(|channel| is(channel))
    }

    /// Goes on after the handshake, if it is over.
    fn settle_handshake(&mut self, caller: &mut Caller<'_>) {
        let Some(handshake) = self.work.handshake_mut() else {
            return;
        };
        if let Some(session) = handshake.take_session() {
            let Some(peer) = self.handshake_peer() else {
                return;
            };
            self.work.wipe();
            let channel = Channel {
                id: self.wire.fresh_id(),
                peer,
                used: caller.now,
                session,
            };
            return self.connected(caller, channel);
        }
        if !handshake.session().is_closed() {
            return;
        }
        let mut reason = CloseReason::TimedOut;
        while let Some(event) = handshake.poll_event() {
            if let Event::Closed(why) = event {
                reason = why;
            }
        }
        let length = handshake.poll_transmit(&mut self.wire.out);
        let peer = self.handshake_peer();
        self.wire.parting = peer.zip(length);
        self.work.wipe();
        self.unconnected(caller, reason);
    }

    /// A session is there, and its peer has proven what it had to (RFC 9202, 3.2.2 and 3.3.2).
    #[inline(never)]
    fn connected(&mut self, caller: &mut Caller<'_>, channel: Channel<P>) {
        // One for each address, by which records are told apart.
        while let Some(old) = self.find_channel(|old| old.peer == channel.peer) {
            let old = old.id;
            self.close_session(old);
        }
        let Some(flow) = &mut self.flow else { return };
        if flow.stage != Stage::Connect {
            if let Authority::Dtls(authority) = &mut self.authority {
                authority.0 = Some(channel);
            }
            return self.attempt();
        }
        let (rs, goal) = (flow.rs, flow.goal);
        let Some(index) = flow.record else { return };
        let Some(record) = self.table.get(index) else {
            return;
        };
        let Some(deadline) = record.deadline else {
            return;
        };
        record.current = Some(Association {
            keys: Keys::Dtls(channel),
            deadline,
            of_grant: true,
            unauthorized: 0,
            has_scope: !record.widened,
        });
        record.peer = Some(rs);
        record.suspect = false;
        record.uploaded = true;
        if let Some(observed) = self.observed.as_mut().filter(|o| o.record == Some(index))
            && observed.exchange.is_none()
        {
            observed.refresh(caller.now);
        }
        if goal != Goal::Renewal {
            return self.enter(Stage::Access);
        }
        self.leave();
        self.rest();
    }

    /// No session: the token is uploaded again, then another one asked for, then it is a failure.
    fn unconnected(&mut self, caller: &mut Caller<'_>, reason: CloseReason) {
        let is_silent = reason == CloseReason::TimedOut;
        let wrong_key = reason == CloseReason::Failed(Error::PeerKeyRefused);
        let reason = match reason {
            CloseReason::TimedOut => Reason::TimedOut,
            CloseReason::Failed(Error::PeerKeyRefused | Error::Finished | Error::WrongKey)
            | CloseReason::Alert(Alert::DECRYPT_ERROR) => Reason::WrongKey,
            reason => Reason::Dtls(reason),
        };
        let Some(flow) = &mut self.flow else { return };
        if is_silent {
            return self.retry(caller, reason, None);
        }
        if flow.stage != Stage::Connect {
            let pause = self.pause();
            return self.retry(caller, reason, Some(pause));
        }
        let Some(record) = flow.record.and_then(|index| self.table.get(index)) else {
            return;
        };
        // Someone said it was there; or the resource server has forgotten it since.
        record.uploaded = false;
        let may_upload = flow.uploads < UPLOADS;
        if !wrong_key && may_upload && !record.left(caller.now).is_zero() {
            self.enter(Stage::Upload);
        } else if flow.tokens == 0 {
            self.enter(Stage::Token);
        } else {
            self.fail(caller, reason);
        }
    }
}

/// All sessions.
fn channels<'c, P: Copy + Eq, const TOKENS: usize, const GRANT: usize>(
    authority: &'c mut Authority<P>,
    table: &'c mut Table<P, TOKENS, GRANT>,
) -> impl Iterator<Item = &'c mut Channel<P>> {
    let own = match authority {
        Authority::Dtls(Sessions(channel)) => channel.as_mut(),
        Authority::Oscore(_) => None,
    };
    let records = table.slots.iter_mut().flatten();
    own.into_iter()
        .chain(records.filter_map(|record| record.channel()))
}
