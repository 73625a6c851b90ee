//! What leaves the endpoint by itself: transmissions, retransmissions, timers and events (RFC 7252, 4.2).

use core::hash::Hash;

use ace_wire::coap::{Code, Token, Type, Writer, option};

use crate::{
    Endpoint, Error, Event, Instant, OutMessage, Reliability, RequestId, Transmission, Transmit,
    endpoint::Control,
    slot::{Outcome, Outgoing, Role, Slot, Space, State},
    time::millis,
};

impl<P, S, const MTU: usize> Endpoint<P, S, MTU>
where
    P: Copy + Eq + Hash,
    S: AsRef<[Slot<P, MTU>]> + AsMut<[Slot<P, MTU>]>,
{
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
                    let expires = slot.since.after_millis(self.lifetime(slot.confirmable));
                    self.table.set_state(index, State::Silent);
                    self.table.set_due(index, expires);
                    self.table.ask_to_send(index, Outgoing::Stored);
                }
                _ => {
                    self.table.release(index);
                }
            }
        }
    }

    /// RFC 7252, 5.2.2: the empty ACK, a promise that the request will be acted upon.
    pub(crate) fn promise(&mut self, index: u32) {
        let Some(slot) = self.table.get(index) else {
            return;
        };
        let expires = slot.since.after_millis(self.lifetime(true));
        self.table.set_state(index, State::Promised);
        self.table.set_due(index, expires);
        self.table.ask_to_send(index, Outgoing::EmptyAck);
    }

    // RFC 7252, 4.2
    fn retransmit(&mut self, now: Instant, index: u32) {
        let span = self
            .transmission
            .span_millis(self.transmission.max_retransmit);
        let (max, minimum) = (
            self.transmission.max_retransmit,
            self.transmission.ack_timeout,
        );
        let Some(slot) = self.table.get_mut(index) else {
            return;
        };
        // A timer served late may leave no time for more: the last attempt then is the one before.
        if slot.attempt >= max || now > slot.since.after_millis(span) {
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
        let due = slot
            .due
            .after_millis(slot.timeout.into())
            .max(now + minimum);
        if slot.superseding {
            self.renew_id(index);
        }
        self.table.set_due(index, due);
        self.table.ask_to_send(index, Outgoing::Stored);
    }

    /// Gives a superseding notification its own Message ID (RFC 7641, 4.5.2).
    pub(crate) fn renew_id(&mut self, index: u32) {
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
        if let Some(slot) = self.table.get_mut(index) {
            slot.send = Outgoing::Nothing;
            self.table.set_state(index, State::Over);
            self.table
                .set_due(index, now.after_millis(self.lifetime(true)));
        }
    }

    /// Stores a new message of ours in a slot of its own and sends it.
    pub(crate) fn send_new(
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
            (false, _) => self
                .table
                .set_due(index, now.after_millis(self.lifetime(false))),
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
        let most = self.transmission.longest_first_millis();
        let timeout = least.saturating_add(self.draw(most.saturating_sub(least)));
        if let Some(slot) = self.table.get_mut(index) {
            slot.since = now;
            slot.attempt = 0;
            slot.timeout = u32::try_from(timeout).unwrap_or(u32::MAX);
        }
        self.table.set_due(index, now.after_millis(timeout));
    }

    pub(crate) fn store(
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
    pub(crate) fn lifetime(&self, confirmable: bool) -> u64 {
        self.transmission.lifetime_millis(confirmable)
    }

    /// RFC 7252, 4.4: one variable for all peers, that passes over identifiers still known for this one.
    pub(crate) fn draw_id(&mut self, peer: P) -> u16 {
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
    pub(crate) fn draw(&mut self, most: u64) -> u64 {
        let random = self.table.draw();
        // A fraction of 32 bits, since a 64-bit division is 1 KB on a 32-bit device. Nothing waits longer than 49 days here.
        let bound = most.saturating_add(1).min(1 << 32);
        ((random >> 32) * bound) >> 32
    }

    /// Queues an empty message without a slot.
    pub(crate) fn control(&mut self, peer: P, kind: Type, id: u16) {
        self.control_with(peer, kind, Code::EMPTY, id, Token::EMPTY);
    }

    /// Queues a message without a slot. Above eight (two without `index`) nothing is queued: the peer asks again.
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
    pub(crate) fn set_message_id(&mut self, id: u16) {
        let bytes = id.to_be_bytes();
        for (to, from) in self.buffer.iter_mut().skip(2).zip(bytes) {
            *to = from;
        }
    }
}
