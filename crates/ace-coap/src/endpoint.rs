//! The endpoint: what the application asks of it, as client and as server.

use core::{fmt, hash::Hash};

use ace_crypto::CryptoRng;
use ace_wire::coap::{Code, Token, Type};
use heapless::Deque;

use crate::{
    Error, Exchange, Instant, OutMessage, Reliability, RequestId, Transmission,
    slot::{Outgoing, Role, Slot, Space, State},
    table::Table,
    time::millis,
};

/// How many short answers without a slot (Resets, empty ACKs, 5.03) wait for `poll_transmit`; more are dropped. A caller
/// drains them after each datagram, and a datagram leads to one.
const CONTROLS: usize = if cfg!(feature = "index") { 8 } else { 2 };

/// A CoAP endpoint, client and server, over datagrams that the caller carries (RFC 7252, 4 and 5.2; RFC 7641).
///
/// `P` is the peer's address, or whatever identifies the other endpoint (RFC 7252, 4.1); `S` the slots, an array, a
/// `Vec` or a mutable slice; `MTU` the longest message it sends, in bytes (received ones are read where they lie).
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
    pub(crate) next_id: u16,
    pub(crate) scratch: [u8; 16],
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
            scratch: [0; 16],
        }
    }

    /// The transmission parameters.
    pub const fn transmission(&self) -> &Transmission {
        &self.transmission
    }

    /// How many slots are in use: exchanges under way and answers kept for duplicates.
    pub fn slots_in_use(&self) -> usize {
        self.table.used() as usize
    }

    /// How many requests wait for the application's answer.
    pub fn exchanges_waiting(&self) -> usize {
        self.table.waiting() as usize
    }

    // Client.

    /// Sends a request. It ends with its response, which [`handle`](Self::handle) hands out, with an
    /// [`Event`](crate::Event), or with [`cancel`](Self::cancel). With Observe 0 it stays after a response that carries
    /// Observe (RFC 7641, 3).
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
        let expires = since.after_millis(self.lifetime(confirmable));
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
    /// transmission (RFC 7641, 4.5.2). An [`Event::ObserverGone`](crate::Event::ObserverGone) tells when the observer is to be removed.
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

    /// Forgets all that was exchanged with a peer that is gone for good, such as a secure session that is over. Looks at
    /// every slot; tells no event.
    pub fn forget(&mut self, peer: P) {
        for index in 0..self.table.capacity() {
            if self
                .table
                .get(index)
                .is_some_and(|slot| slot.peer == Some(peer))
            {
                self.table.release(index);
            }
        }
        self.controls.retain(|control| control.peer != peer);
    }

    fn waiting_slot(&self, exchange: Exchange) -> Result<&Slot<P, MTU>, Error> {
        self.table
            .get(exchange.index)
            .filter(|slot| slot.generation == exchange.generation && slot.state.is_waiting())
            .ok_or(Error::Gone)
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
