//! What a datagram does to the endpoint.

use core::hash::Hash;

use ace_wire::coap::{CoapError, Code, Message, Type, option};

use crate::{
    Dropped, Endpoint, Exchange, Incoming, Instant, RequestId, observe,
    slot::{Outcome, Outgoing, Role, Slot, Space, State},
};

impl<P, S, const MTU: usize> Endpoint<P, S, MTU>
where
    P: Copy + Eq + Hash,
    S: AsRef<[Slot<P, MTU>]> + AsMut<[Slot<P, MTU>]>,
{
    /// Takes a datagram that was sent to this endpoint's own address.
    ///
    /// A request handed out waits for [`respond`](Self::respond), [`ignore`](Self::ignore) or
    /// [`reject`](Self::reject); it is handed out once, whatever is repeated.
    pub fn handle<'d>(&mut self, now: Instant, peer: P, datagram: &'d [u8]) -> Incoming<'d> {
        let message = match Message::parse(datagram) {
            Ok(message) => message,
            Err(error) => return self.malformed(peer, datagram, error),
        };
        match (message.kind, message.code) {
            (Type::Reset, Code::EMPTY) => self.take_reset(now, peer, &message),
            (Type::Acknowledgement, Code::EMPTY) => self.take_acknowledgement(now, peer, &message),
            (Type::Acknowledgement, code) if code.is_response() => {
                self.take_piggybacked(now, peer, message)
            }
            // RFC 7252, 4.2: neither is answered.
            (Type::Reset | Type::Acknowledgement, _) => Incoming::Nothing(Dropped::Unexpected),
            (Type::Confirmable, Code::EMPTY) => {
                // RFC 7252, 4.3: "ping".
                self.control(peer, Type::Reset, message.id);
                Incoming::Nothing(Dropped::Ping)
            }
            (Type::NonConfirmable, Code::EMPTY) => Incoming::Nothing(Dropped::Unexpected),
            (_, code) if code.is_request() => self.take_request(now, peer, message, false),
            _ => self.take_response(now, peer, message),
        }
    }

    /// Takes a datagram that was sent to a multicast address. Only a NON request with a safe method (GET, FETCH) is
    /// handed out; everything else is left without any answer (RFC 7252, 8).
    pub fn handle_multicast<'d>(
        &mut self,
        now: Instant,
        peer: P,
        datagram: &'d [u8],
    ) -> Incoming<'d> {
        match Message::parse(datagram) {
            Ok(message)
                if message.kind == Type::NonConfirmable
                    && matches!(message.code, Code::GET | Code::FETCH) =>
            {
                self.take_request(now, peer, message, true)
            }
            _ => Incoming::Nothing(Dropped::Multicast),
        }
    }

    fn malformed<'d>(&mut self, peer: P, datagram: &[u8], error: CoapError) -> Incoming<'d> {
        // RFC 7252, 4.2 and 4.3: a malformed CON is rejected with a Reset, everything else in silence.
        if let Some((Type::Confirmable, id)) = Message::header(datagram) {
            self.control(peer, Type::Reset, id);
        }
        Incoming::Nothing(Dropped::Malformed(error))
    }

    fn take_reset<'d>(&mut self, now: Instant, peer: P, message: &Message<'_>) -> Incoming<'d> {
        // RFC 7252, 4.4: matched by Message ID and address.
        let Some(index) = self.sent(peer, message.id) else {
            return Incoming::Nothing(Dropped::Unexpected);
        };
        let Some(slot) = self.table.get(index) else {
            return Incoming::Nothing(Dropped::Unexpected);
        };
        match (slot.state, slot.role) {
            (State::Unacknowledged | State::Awaiting, Role::Request) => {
                self.end(now, index, Outcome::Reset);
            }
            // RFC 7641, 4.5
            (State::Unacknowledged | State::Notified, Role::Notification) => {
                self.end(now, index, Outcome::ObserverGone);
            }
            (State::Unacknowledged, Role::Response) if slot.observe => {
                self.end(now, index, Outcome::ObserverGone);
            }
            (State::Unacknowledged, Role::Response) => self.finish(now, index),
            _ => return Incoming::Nothing(Dropped::Unexpected),
        }
        Incoming::Nothing(Dropped::Reset)
    }

    fn take_acknowledgement<'d>(
        &mut self,
        now: Instant,
        peer: P,
        message: &Message<'_>,
    ) -> Incoming<'d> {
        let index = self.sent(peer, message.id);
        match index.filter(|i| {
            self.table
                .get(*i)
                .is_some_and(|slot| slot.state == State::Unacknowledged)
        }) {
            Some(index) => {
                self.acknowledged(now, index);
                Incoming::Nothing(Dropped::Acknowledgement)
            }
            None => Incoming::Nothing(Dropped::Unexpected),
        }
    }

    fn sent(&self, peer: P, id: u16) -> Option<u32> {
        self.table.by_id(Space::Sent, peer, id, |_| true)
    }

    /// RFC 7252, 5.3.2: Message ID, token and address match.
    fn take_piggybacked<'d>(
        &mut self,
        now: Instant,
        peer: P,
        message: Message<'d>,
    ) -> Incoming<'d> {
        let Some(index) = self.sent(peer, message.id) else {
            return Incoming::Nothing(Dropped::Unexpected);
        };
        let Some(slot) = self.table.get(index) else {
            return Incoming::Nothing(Dropped::Unexpected);
        };
        if slot.role != Role::Request {
            // RFC 7252, 5.2.2: what an ACK to a separate response carries is ignored.
            return self.take_acknowledgement(now, peer, &message);
        }
        if slot.token != message.token || !slot.confirmable {
            return Incoming::Nothing(Dropped::Unexpected);
        }
        match slot.state {
            State::Over | State::Observing => Incoming::Nothing(Dropped::Duplicate),
            _ => self.deliver(now, index, message),
        }
    }

    /// A separate response or a notification: token and address match (RFC 7252, 5.3.2).
    fn take_response<'d>(&mut self, now: Instant, peer: P, message: Message<'d>) -> Incoming<'d> {
        let confirmable = message.kind == Type::Confirmable;
        let found = self
            .table
            .by_token(peer, message.token, |slot| slot.role == Role::Request);
        let Some(index) = found else {
            // RFC 7252, 4.2 and 5.3.2; RFC 7641, 3.5: an unexpected CON is rejected, an unexpected NON ignored.
            if confirmable {
                self.control(peer, Type::Reset, message.id);
            }
            return Incoming::Nothing(Dropped::Unexpected);
        };
        if confirmable {
            self.control(peer, Type::Acknowledgement, message.id);
        }
        match self.table.get(index).map(|slot| slot.state) {
            // RFC 7252, 4.5: duplicates are acknowledged and not processed.
            Some(State::Over) | None => Incoming::Nothing(Dropped::Duplicate),
            _ => self.deliver(now, index, message),
        }
    }

    /// Hands a response to its request, which it ends unless an observation begins or goes on.
    fn deliver<'d>(&mut self, now: Instant, index: u32, message: Message<'d>) -> Incoming<'d> {
        let Some(slot) = self.table.get_mut(index) else {
            return Incoming::Nothing(Dropped::Unexpected);
        };
        let request = RequestId {
            index,
            generation: slot.generation,
        };
        let number = match message.options.uint(option::OBSERVE) {
            // RFC 7641, 3.1 and 3.2: an error ends the observation, as does a response without Observe.
            Ok(number) if slot.observe && message.code.is_success() => number,
            _ => None,
        };
        // RFC 8613, 4.1.3.5.2: protected notifications are ordered by their Partial IV, above.
        let ordered_above = message.options.contains(option::OSCORE);
        if let Some(number) = number
            && !ordered_above
        {
            if !observe::is_fresher(slot.freshest, number, now) {
                return Incoming::Nothing(Dropped::Stale);
            }
            slot.freshest = Some((number, now));
        }
        slot.before = Some((slot.state, slot.due));
        slot.send = Outgoing::Nothing;
        if number.is_some() {
            self.table.set_state(index, State::Observing);
            self.table.set_due(index, Instant::NEVER);
        } else {
            self.finish(now, index);
        }
        Incoming::Response { request, message }
    }

    fn take_request<'d>(
        &mut self,
        now: Instant,
        peer: P,
        message: Message<'d>,
        multicast: bool,
    ) -> Incoming<'d> {
        let confirmable = message.kind == Type::Confirmable;
        // RFC 7252, 4.5: known by Message ID and address. The token counts too: a peer that lost its state and starts
        // again with the same Message IDs, or someone who guesses one, does not get an old answer to a new request.
        let known = self.table.by_id(Space::Received, peer, message.id, |slot| {
            slot.token == message.token
        });
        if let Some(index) = known {
            match self.table.get(index).map(|slot| slot.state) {
                Some(State::Answered) => self.table.ask_to_send(index, Outgoing::Stored),
                // RFC 7252, 5.2.2
                Some(State::Promised | State::Separate) if confirmable => {
                    self.table.ask_to_send(index, Outgoing::EmptyAck);
                }
                // Not acknowledged yet, or NON: nothing.
                _ => {}
            }
            return Incoming::Nothing(Dropped::Duplicate);
        }
        // A quarter of the slots stays free for what this endpoint sends.
        let capacity = self.table.capacity();
        let room = self.table.waiting() < capacity - capacity / 4;
        let token = message.token;
        let allocated = room
            .then(|| {
                self.table
                    .allocate(peer, Space::Received, message.id, token, State::Received)
            })
            .flatten();
        let Some(index) = allocated else {
            // RFC 7252, 5.9.3.4: overloaded, for now.
            if confirmable {
                let (kind, code) = (Type::Acknowledgement, Code::SERVICE_UNAVAILABLE);
                self.control_with(peer, kind, code, message.id, token);
            }
            return Incoming::Nothing(Dropped::Full);
        };
        let due = if confirmable {
            now + self.transmission.acknowledge_within()
        } else {
            now.after_millis(self.lifetime(false))
        };
        self.table.set_due(index, due);
        let Some(slot) = self.table.get_mut(index) else {
            return Incoming::Nothing(Dropped::Full);
        };
        slot.since = now;
        slot.confirmable = confirmable;
        slot.multicast = multicast;
        Incoming::Request {
            exchange: Exchange {
                index,
                generation: slot.generation,
            },
            message,
        }
    }
}
