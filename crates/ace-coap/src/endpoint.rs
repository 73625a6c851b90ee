//! The endpoint: requests and responses of the application, transmissions, timers and events.

use core::{fmt, hash::Hash};

use ace_crypto::CryptoRng;
use ace_wire::coap::{Code, Token, Type, Writer, option};
use heapless::Deque;

use crate::{
    Error, Event, Exchange, Instant, OutMessage, Reliability, RequestId, Transmission, Transmit,
    slot::{Outcome, Outgoing, Role, Slot, Space, State},
    table::Table,
    time::millis,
};

/// How many short answers without a slot (Resets, empty ACKs, 5.03) wait for `poll_transmit`; more are dropped.
const CONTROLS: usize = 8;

/// A CoAP endpoint, client and server, over datagrams that the caller carries (RFC 7252, 4 and 5.2; RFC 7641).
///
/// `P` is the peer's address, or whatever identifies the other endpoint (RFC 7252, 4.1); `S` the slots, an array, a
/// `Vec` or a mutable slice; `MTU` the longest message in bytes, received or sent.
///
/// After every call to [`handle`](Self::handle) or [`handle_timeout`](Self::handle_timeout), and after everything
/// that sends, the caller drains [`poll_transmit`](Self::poll_transmit) and [`poll_event`](Self::poll_event), and
/// sets its timer to [`poll_timeout`](Self::poll_timeout).
///
/// The number of simultaneous requests to one peer (NSTART, RFC 7252, 4.7) is the caller's to limit.
pub struct Endpoint<P, S, const MTU: usize = 1152> {
    pub(crate) table: Table<P, S, MTU>,
    pub(crate) transmission: Transmission,
    pub(crate) controls: Deque<Control<P>, CONTROLS>,
    next_id: u16,
    drawn: u64,
    scratch: [u8; 16],
}

/// A short message that is not kept.
pub(crate) struct Control<P> {
    pub(crate) peer: P,
    pub(crate) kind: Type,
    pub(crate) code: Code,
    pub(crate) id: u16,
    pub(crate) token: Token,
}

impl<P, S, const MTU: usize> Endpoint<P, S, MTU>
where
    P: Copy + Eq + Hash,
    S: AsRef<[Slot<P, MTU>]> + AsMut<[Slot<P, MTU>]>,
{
    /// An endpoint over empty slots.
    ///
    /// Randomness is drawn once, for the first Message ID, the hash key and the back-off.
    pub fn new(slots: S, transmission: Transmission, rng: &mut dyn CryptoRng) -> Self {
        Self {
            table: Table::new(slots, [rng.next_u64(), rng.next_u64()]),
            transmission,
            controls: Deque::new(),
            // RFC 7252, 4.4: the first Message ID is random.
            next_id: rng.next_u32() as u16,
            drawn: 0,
            scratch: [0; 16],
        }
    }

    /// The transmission parameters.
    pub const fn transmission(&self) -> &Transmission {
        &self.transmission
    }

    /// How many slots are in use: exchanges under way and answers kept for duplicates.
    pub const fn slots_in_use(&self) -> usize {
        self.table.used() as usize
    }

    /// How many requests wait for the application's answer.
    pub const fn exchanges_waiting(&self) -> usize {
        self.table.waiting() as usize
    }

    // Client.

    /// Sends a request. It ends with its response, which [`handle`](Self::handle) hands out, with an [`Event`], or
    /// with [`cancel`](Self::cancel). With Observe 0 it stays after a response that carries Observe (RFC 7641, 3).
    ///
    /// A token brought by the caller takes the place of a request with the same token to the same peer.
    ///
    /// # Errors
    /// [`Error::Code`] if the code is no method, [`Error::TooLarge`] above `MTU`, [`Error::Full`] if every slot has
    /// an exchange under way.
    pub fn request(
        &mut self,
        now: Instant,
        peer: P,
        reliability: Reliability,
        request: &OutMessage<'_>,
        rng: &mut dyn CryptoRng,
    ) -> Result<RequestId, Error> {
        if !request.code.is_request() {
            return Err(Error::Code);
        }
        // RFC 7252, 5.3.1: a random token guards against spoofed responses.
        let token = request.token.unwrap_or_else(|| {
            let mut bytes = [0; 8];
            rng.fill_bytes(&mut bytes);
            Token::new(&bytes).unwrap_or_default()
        });
        if request.encoded_len(token.as_bytes().len()) > MTU {
            return Err(Error::TooLarge);
        }
        let replaced = self
            .table
            .by_token(peer, token, |slot| slot.role == Role::Request);
        let freshest = replaced.and_then(|index| self.table.get(index)?.freshest);
        if let Some(index) = replaced {
            self.table.release(index);
        }
        let index = self.send_new(now, peer, token, reliability, Role::Request, request)?;
        let slot = self.table.get_mut(index).ok_or(Error::Full)?;
        slot.observe = request.observes(Some(0));
        slot.freshest = freshest;
        Ok(RequestId {
            index,
            generation: slot.generation,
        })
    }

    /// Forgets a request or an observation: nothing more of it is sent or handed out, and a later CON response or
    /// notification is answered with a Reset (RFC 7641, 3.6). Without effect on one that is gone.
    pub fn cancel(&mut self, request: RequestId) {
        if self.client_slot(request).is_some() {
            self.table.release(request.index);
        }
    }

    /// Takes back that the last response came, because it failed verification above: the request goes on waiting and
    /// retransmitting as before.
    ///
    /// # Errors
    /// [`Error::Gone`] if the request is no longer known, or no response came.
    pub fn resume(&mut self, request: RequestId) -> Result<(), Error> {
        self.client_slot(request).ok_or(Error::Gone)?;
        let before = self
            .table
            .get_mut(request.index)
            .and_then(|slot| slot.before.take());
        let (state, due) = before.ok_or(Error::Gone)?;
        self.table.set_state(request.index, state);
        self.table.set_due(request.index, due);
        Ok(())
    }

    /// The token of a request, to renew or end an observation with (RFC 7641, 3.3.1 and 3.6).
    pub fn token(&self, request: RequestId) -> Option<Token> {
        self.client_slot(request).map(|slot| slot.token)
    }

    fn client_slot(&self, request: RequestId) -> Option<&Slot<P, MTU>> {
        self.table.get(request.index).filter(|slot| {
            slot.generation == request.generation
                && slot.state != State::Free
                && slot.space == Space::Sent
                && slot.role == Role::Request
        })
    }

    // Server.

    /// Answers a request: in the acknowledgement if that has not left yet, else in a CON of its own; a NON with a
    /// NON (RFC 7252, 5.2). The answer to a multicast request waits for a random time, and is not sent at all if it
    /// is an error (RFC 7252, 8.2).
    ///
    /// # Errors
    /// [`Error::Gone`] if the exchange was answered, ignored or given up; [`Error::Code`] if the code is no response
    /// code, [`Error::TooLarge`] above `MTU`: the exchange then still waits for an answer.
    pub fn respond(
        &mut self,
        now: Instant,
        exchange: Exchange,
        response: &OutMessage<'_>,
    ) -> Result<(), Error> {
        self.respond_as(now, exchange, Reliability::Confirmable, response)
    }

    /// [`respond`](Self::respond) that chooses how a separate response to a CON leaves. `NonConfirmable` is for what
    /// must never be retransmitted, such as an Echo challenge (RFC 9175, 2.4).
    ///
    /// # Errors
    /// As [`respond`](Self::respond).
    pub fn respond_as(
        &mut self,
        now: Instant,
        exchange: Exchange,
        separate: Reliability,
        response: &OutMessage<'_>,
    ) -> Result<(), Error> {
        let index = exchange.index;
        let slot = self.waiting_slot(exchange)?;
        let (peer, id, token, since) = (slot.peer, slot.id, slot.token, slot.since);
        let (state, confirmable, multicast) = (slot.state, slot.confirmable, slot.multicast);
        let peer = peer.ok_or(Error::Gone)?;
        if !response.code.is_response() {
            return Err(Error::Code);
        }
        if response.encoded_len(token.as_bytes().len()) > MTU {
            return Err(Error::TooLarge);
        }
        let expires = since + self.lifetime(confirmable);
        if multicast && !response.code.is_success() {
            // RFC 7252, 8.2: no implosion of errors.
            self.table.set_state(index, State::Silent);
        } else if multicast {
            let fresh = self.draw_id(peer);
            self.store(index, Type::NonConfirmable, fresh, response)?;
            let leisure = self.draw(millis(self.transmission.leisure));
            self.table.set_state(index, State::Leisure);
            self.table
                .set_due(index, Instant(now.0.saturating_add(leisure)));
            return Ok(());
        } else if !confirmable {
            // RFC 7252, 5.2.3: a NON is answered with a NON.
            let fresh = self.draw_id(peer);
            self.store(index, Type::NonConfirmable, fresh, response)?;
            self.table.set_state(index, State::Silent);
            self.table.ask_to_send(index, Outgoing::Stored);
        } else if state == State::Received {
            // RFC 7252, 5.2.1
            self.store(index, Type::Acknowledgement, id, response)?;
            self.table.set_state(index, State::Answered);
            self.table.ask_to_send(index, Outgoing::Stored);
        } else if separate == Reliability::NonConfirmable {
            let fresh = self.draw_id(peer);
            self.store(index, Type::NonConfirmable, fresh, response)?;
            self.table.set_state(index, State::Separate);
            self.table.ask_to_send(index, Outgoing::Stored);
        } else {
            // RFC 7252, 5.2.2: the record of the request stays, to repeat its empty ACK, unless its slot is the only
            // one left for the response.
            self.table.set_state(index, State::Separate);
            self.table.set_due(index, expires);
            let own = self.send_new(now, peer, token, separate, Role::Response, response)?;
            if let Some(slot) = self.table.get_mut(own) {
                slot.observe = response.observes(None);
            }
            return Ok(());
        }
        self.table.set_due(index, expires);
        Ok(())
    }

    /// Sends the empty ACK now, for an answer known to take long; without it the endpoint does so by itself after
    /// [`Transmission::acknowledge_within`] (RFC 7252, 5.2.2).
    ///
    /// # Errors
    /// [`Error::Gone`] if the exchange was answered, ignored or given up.
    pub fn defer(&mut self, exchange: Exchange) -> Result<(), Error> {
        let slot = self.waiting_slot(exchange)?;
        if slot.confirmable && slot.state == State::Received {
            self.promise(exchange.index);
        }
        Ok(())
    }

    /// Leaves a request without answer and without acknowledgement, and forgets it: if the same message comes again,
    /// it is handed out again. So a forgery leaves nothing behind that would stand in the way of the genuine message.
    ///
    /// # Errors
    /// [`Error::Gone`] if the exchange was answered, ignored or given up.
    pub fn ignore(&mut self, exchange: Exchange) -> Result<(), Error> {
        self.waiting_slot(exchange)?;
        self.table.release(exchange.index);
        Ok(())
    }

    /// Rejects a request with a Reset if it was CON and not yet acknowledged, else in silence (RFC 7252, 4.2 and
    /// 4.3), and forgets it as [`ignore`](Self::ignore) does.
    ///
    /// # Errors
    /// [`Error::Gone`] if the exchange was answered, ignored or given up.
    pub fn reject(&mut self, exchange: Exchange) -> Result<(), Error> {
        let slot = self.waiting_slot(exchange)?;
        let reset = (slot.confirmable && slot.state == State::Received)
            .then_some(slot.peer)
            .flatten()
            .map(|peer| (peer, slot.id));
        self.table.release(exchange.index);
        if let Some((peer, id)) = reset {
            self.control(peer, Type::Reset, id);
        }
        Ok(())
    }

    /// Notifies an observer (RFC 7641, 4.2): `peer` and `token` are those of its registration, `notification` carries
    /// Observe with a growing number unless it is an error.
    ///
    /// While a CON notification to the same observer is under way, the new one takes its place at the next
    /// transmission (RFC 7641, 4.5.2). An [`Event::ObserverGone`] tells when the observer is to be removed.
    ///
    /// # Errors
    /// [`Error::Code`] if the code is no response code, [`Error::TooLarge`] above `MTU`, [`Error::Full`] if every
    /// slot has an exchange under way.
    pub fn notify(
        &mut self,
        now: Instant,
        peer: P,
        token: Token,
        reliability: Reliability,
        notification: &OutMessage<'_>,
    ) -> Result<(), Error> {
        if !notification.code.is_response() {
            return Err(Error::Code);
        }
        if notification.encoded_len(token.as_bytes().len()) > MTU {
            return Err(Error::TooLarge);
        }
        let under_way = self.table.by_token(peer, token, |slot| {
            slot.state == State::Unacknowledged && slot.role == Role::Notification
        });
        let Some(index) = under_way else {
            let role = Role::Notification;
            self.send_new(now, peer, token, reliability, role, notification)?;
            return Ok(());
        };
        // The Message ID is changed when it leaves.
        self.store(index, Type::Confirmable, 0, notification)?;
        let slot = self.table.get_mut(index).ok_or(Error::Full)?;
        // One that has never left is simply replaced.
        let (unsent, first) = (slot.send == Outgoing::Stored, slot.attempt == 0);
        slot.superseding = !(unsent && first);
        slot.set_message_id(slot.id);
        if unsent && !first {
            self.renew_id(index);
        }
        Ok(())
    }

    fn waiting_slot(&self, exchange: Exchange) -> Result<&Slot<P, MTU>, Error> {
        self.table
            .get(exchange.index)
            .filter(|slot| slot.generation == exchange.generation && slot.state.is_waiting())
            .ok_or(Error::Gone)
    }

    // Transmissions, events, timers.

    /// The next datagram to send, until `None`.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Transmit<'_, P>> {
        let _ = now;
        if let Some(control) = self.controls.pop_front() {
            let length = write_control(&mut self.scratch, &control, &self.transmission)?;
            return Some(Transmit {
                peer: control.peer,
                datagram: self.scratch.get(..length)?,
            });
        }
        let (index, what) = self.table.next_to_send()?;
        let slot = self.table.get(index)?;
        let peer = slot.peer?;
        let datagram = match what {
            Outgoing::Stored => slot.buffer.get(..slot.length)?,
            _ => {
                let kind = Type::Acknowledgement;
                Writer::new(&mut self.scratch, kind, Code::EMPTY, slot.id, Token::EMPTY).ok()?;
                self.scratch.get(..4)?
            }
        };
        Some(Transmit { peer, datagram })
    }

    /// The next event, until `None`.
    pub fn poll_event(&mut self) -> Option<Event<P>> {
        loop {
            let (index, outcome) = self.table.next_to_tell()?;
            let slot = self.table.get(index)?;
            let request = RequestId {
                index,
                generation: slot.generation,
            };
            let event = match (outcome, slot.peer) {
                (Outcome::TimedOut, _) => Event::TimedOut(request),
                (Outcome::Reset, _) => Event::Reset(request),
                (Outcome::ObserverGone, Some(peer)) => Event::ObserverGone {
                    peer,
                    token: slot.token,
                },
                (Outcome::ObserverGone, None) => continue,
            };
            self.table.release(index);
            return Some(event);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called; `None` if nothing is under way.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.table
            .first_due()
            .map(|(_, due)| due)
            .filter(|due| *due != Instant::NEVER)
    }

    /// Does what is due: retransmissions, empty ACKs, timeouts, the end of stored answers. Work grows with what is
    /// due, not with the number of slots.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((index, due)) = self.table.first_due()
            && due <= now
            && due != Instant::NEVER
        {
            let Some(slot) = self.table.get(index) else {
                return;
            };
            match slot.state {
                State::Received if slot.confirmable => self.promise(index),
                State::Unacknowledged => self.retransmit(now, index),
                State::Awaiting => self.end(now, index, Outcome::TimedOut),
                State::Leisure => {
                    let expires = slot.since + self.lifetime(slot.confirmable);
                    self.table.set_state(index, State::Silent);
                    self.table.set_due(
                        index,
                        expires.max(now + core::time::Duration::from_millis(1)),
                    );
                    self.table.ask_to_send(index, Outgoing::Stored);
                }
                _ => {
                    self.table.release(index);
                }
            }
        }
    }

    /// RFC 7252, 5.2.2: the empty ACK, a promise that the request will be acted upon.
    fn promise(&mut self, index: u32) {
        let Some(slot) = self.table.get(index) else {
            return;
        };
        let expires = slot.since + self.lifetime(true);
        self.table.set_state(index, State::Promised);
        self.table.set_due(index, expires);
        self.table.ask_to_send(index, Outgoing::EmptyAck);
    }

    // RFC 7252, 4.2
    fn retransmit(&mut self, now: Instant, index: u32) {
        let span = self.transmission.max_transmit_span();
        let (max, minimum) = (
            self.transmission.max_retransmit,
            self.transmission.ack_timeout,
        );
        let Some(slot) = self.table.get_mut(index) else {
            return;
        };
        // A timer served late may leave no time for more: the last attempt then is the one before.
        if slot.attempt >= max || now > slot.since + span {
            let outcome = match slot.role {
                Role::Request => Outcome::TimedOut,
                Role::Notification => Outcome::ObserverGone,
                Role::Response if slot.observe => Outcome::ObserverGone,
                Role::Response => return self.finish(now, index),
            };
            return self.end(now, index, outcome);
        }
        slot.attempt += 1;
        slot.timeout = slot.timeout.saturating_mul(2);
        let due = Instant(slot.due.0.saturating_add(slot.timeout)).max(now + minimum);
        if slot.superseding {
            self.renew_id(index);
        }
        self.table.set_due(index, due);
        self.table.ask_to_send(index, Outgoing::Stored);
    }

    /// Gives a superseding notification its own Message ID (RFC 7641, 4.5.2).
    fn renew_id(&mut self, index: u32) {
        let Some(peer) = self.table.get(index).and_then(|slot| slot.peer) else {
            return;
        };
        let id = self.draw_id(peer);
        self.table.change_id(index, id);
        if let Some(slot) = self.table.get_mut(index) {
            slot.superseding = false;
            slot.set_message_id(id);
        }
    }

    /// A message of ours was acknowledged.
    pub(crate) fn acknowledged(&mut self, now: Instant, index: u32) {
        let Some(slot) = self.table.get(index) else {
            return;
        };
        match (slot.state, slot.role) {
            (State::Unacknowledged, Role::Request) => {
                self.table.set_state(index, State::Awaiting);
                self.table
                    .set_due(index, now + self.transmission.response_timeout);
            }
            (State::Unacknowledged, Role::Notification) if slot.superseding => {
                self.renew_id(index);
                self.start_timer(now, index);
                self.table.ask_to_send(index, Outgoing::Stored);
            }
            (State::Unacknowledged, _) => self.finish(now, index),
            _ => {}
        }
    }

    /// Ends what a slot was for, and keeps it for the event that tells, unless its room is needed.
    pub(crate) fn end(&mut self, now: Instant, index: u32, outcome: Outcome) {
        self.finish(now, index);
        self.table.set_due(index, Instant::NEVER);
        self.table.tell(index, outcome);
    }

    /// Ends what a slot was for. It stays known while duplicates may come, unless its room is needed.
    pub(crate) fn finish(&mut self, now: Instant, index: u32) {
        let lifetime = self.transmission.exchange_lifetime();
        if let Some(slot) = self.table.get_mut(index) {
            slot.send = Outgoing::Nothing;
            let expires = (slot.since + lifetime).max(now + core::time::Duration::from_millis(1));
            self.table.set_state(index, State::Over);
            self.table.set_due(index, expires);
        }
    }

    /// Stores a new message of ours in a slot of its own and sends it.
    fn send_new(
        &mut self,
        now: Instant,
        peer: P,
        token: Token,
        reliability: Reliability,
        role: Role,
        message: &OutMessage<'_>,
    ) -> Result<u32, Error> {
        let confirmable = reliability == Reliability::Confirmable;
        let (kind, state) = match (confirmable, role) {
            (true, _) => (Type::Confirmable, State::Unacknowledged),
            (false, Role::Request) => (Type::NonConfirmable, State::Awaiting),
            (false, _) => (Type::NonConfirmable, State::Notified),
        };
        let id = self.draw_id(peer);
        let index = self
            .table
            .allocate(peer, Space::Sent, id, token, state)
            .ok_or(Error::Full)?;
        if let Err(error) = self.store(index, kind, id, message) {
            self.table.release(index);
            return Err(error);
        }
        if let Some(slot) = self.table.get_mut(index) {
            slot.role = role;
            slot.since = now;
            slot.confirmable = confirmable;
        }
        match (confirmable, role) {
            (true, _) => self.start_timer(now, index),
            (false, Role::Request) => self
                .table
                .set_due(index, now + self.transmission.response_timeout),
            (false, _) => self.table.set_due(index, now + self.lifetime(false)),
        }
        if role != Role::Response {
            self.table.know_token(index);
        }
        self.table.ask_to_send(index, Outgoing::Stored);
        Ok(index)
    }

    /// RFC 7252, 4.2: the first timeout is random between ACK_TIMEOUT and ACK_TIMEOUT * ACK_RANDOM_FACTOR.
    fn start_timer(&mut self, now: Instant, index: u32) {
        let least = millis(self.transmission.ack_timeout);
        let most = millis(self.transmission.longest_first_timeout());
        let timeout = least.saturating_add(self.draw(most.saturating_sub(least)));
        if let Some(slot) = self.table.get_mut(index) {
            slot.since = now;
            slot.attempt = 0;
            slot.timeout = timeout;
        }
        self.table
            .set_due(index, Instant(now.0.saturating_add(timeout)));
    }

    fn store(
        &mut self,
        index: u32,
        kind: Type,
        id: u16,
        message: &OutMessage<'_>,
    ) -> Result<(), Error> {
        let slot = self.table.get_mut(index).ok_or(Error::Gone)?;
        let token = slot.token;
        let length = message.encode(&mut slot.buffer, kind, id, token)?;
        // What an earlier, longer message left behind.
        if let Some(rest) = slot.buffer.get_mut(length..slot.length) {
            rest.fill(0);
        }
        slot.length = length;
        Ok(())
    }

    /// How long a received message is remembered (RFC 7252, 4.8.2).
    pub(crate) const fn lifetime(&self, confirmable: bool) -> core::time::Duration {
        if confirmable {
            self.transmission.exchange_lifetime()
        } else {
            self.transmission.non_lifetime()
        }
    }

    /// RFC 7252, 4.4: one variable for all peers, that passes over identifiers still known for this one.
    fn draw_id(&mut self, peer: P) -> u16 {
        for _ in 0..=u16::MAX {
            let id = self.next_id;
            self.next_id = id.wrapping_add(1);
            if self.table.by_id(Space::Sent, peer, id, |_| true).is_none() {
                return id;
            }
        }
        self.next_id
    }

    /// A number from 0 to `most` that no outsider can tell.
    fn draw(&mut self, most: u64) -> u64 {
        self.drawn = self.drawn.wrapping_add(1);
        let random = self.table.hash(&self.drawn);
        most.checked_add(1)
            .and_then(|bound| random.checked_rem(bound))
            .unwrap_or(random)
    }

    /// Queues an empty message without a slot.
    pub(crate) fn control(&mut self, peer: P, kind: Type, id: u16) {
        self.control_with(peer, kind, Code::EMPTY, id, Token::EMPTY);
    }

    /// Queues a message without a slot. Above eight nothing is queued: the peer asks again.
    pub(crate) fn control_with(&mut self, peer: P, kind: Type, code: Code, id: u16, token: Token) {
        let _dropped = self.controls.push_back(Control {
            peer,
            kind,
            code,
            id,
            token,
        });
    }
}

fn write_control<P>(
    buffer: &mut [u8; 16],
    control: &Control<P>,
    transmission: &Transmission,
) -> Option<usize> {
    let mut writer = Writer::new(
        buffer,
        control.kind,
        control.code,
        control.id,
        control.token,
    )
    .ok()?;
    if control.code == Code::SERVICE_UNAVAILABLE {
        // RFC 7252, 5.9.3.4: Max-Age says when to try again.
        let seconds = transmission.ack_timeout.as_secs().clamp(1, 255) as u8;
        writer.option(option::MAX_AGE, &[seconds]).ok()?;
    }
    Some(writer.finish())
}

impl<P, const MTU: usize> Slot<P, MTU> {
    fn set_message_id(&mut self, id: u16) {
        let bytes = id.to_be_bytes();
        for (to, from) in self.buffer.iter_mut().skip(2).zip(bytes) {
            *to = from;
        }
    }
}

impl<P, S, const MTU: usize> fmt::Debug for Endpoint<P, S, MTU> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("transmission", &self.transmission)
            .field("next_id", &self.next_id)
            .finish_non_exhaustive()
    }
}
