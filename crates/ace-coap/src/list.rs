//! The caller's slots as a plain list, for a device with a handful of them: the same as the table of feature `index`, in a quarter of
//! its code and without its indices in each slot. Work per datagram grows with the number of slots.

use core::hash::Hash;

use ace_wire::coap::Token;

use crate::{
    Instant,
    slot::{Outcome, Outgoing, Slot, Space, State},
};

pub(crate) struct Table<P, S, const MTU: usize> {
    slots: S,
    /// Becomes another number with each draw.
    random: u64,
    key: u64,
    /// How many slots became evictable so far, to tell the oldest.
    evictable: u32,
    peer: core::marker::PhantomData<P>,
}

impl<P, S, const MTU: usize> Table<P, S, MTU>
where
    P: Copy + Eq + Hash,
    S: AsRef<[Slot<P, MTU>]> + AsMut<[Slot<P, MTU>]>,
{
    pub(crate) fn new(mut slots: S, [random, key]: [u64; 2]) -> Self {
        for slot in slots.as_mut() {
            slot.clear();
        }
        Self {
            slots,
            random,
            key,
            evictable: 0,
            peer: core::marker::PhantomData,
        }
    }

    pub(crate) fn capacity(&self) -> u32 {
        self.slots.as_ref().len() as u32
    }

    pub(crate) fn used(&self) -> u32 {
        self.number_of(|slot| slot.state != State::Free)
    }

    pub(crate) fn waiting(&self) -> u32 {
        self.number_of(|slot| slot.state.is_waiting())
    }

    fn number_of(&self, of: impl Fn(&Slot<P, MTU>) -> bool) -> u32 {
        let mut number = 0;
        for slot in self.slots.as_ref() {
            number += u32::from(of(slot));
        }
        number
    }

    fn position(&self, of: impl Fn(&Slot<P, MTU>) -> bool) -> Option<u32> {
        for (index, slot) in (0..).zip(self.slots.as_ref()) {
            if of(slot) {
                return Some(index);
            }
        }
        None
    }

    pub(crate) fn get(&self, index: u32) -> Option<&Slot<P, MTU>> {
        self.slots.as_ref().get(index as usize)
    }

    /// State, peer, identifiers and timer of a used slot are changed by the methods below alone.
    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut Slot<P, MTU>> {
        self.slots.as_mut().get_mut(index as usize)
    }

    // Slots.

    /// A slot for a new message, known by its Message ID and not yet by its token. Evicts the oldest that may go if
    /// none is free; `None` if none may.
    pub(crate) fn allocate(
        &mut self,
        peer: P,
        space: Space,
        id: u16,
        token: Token,
        state: State,
    ) -> Option<u32> {
        let index = match self.position(|slot| slot.state == State::Free) {
            Some(index) => index,
            None => {
                let oldest = self.oldest()?;
                self.release(oldest)?;
                oldest
            }
        };
        let slot = self.get_mut(index)?;
        slot.peer = Some(peer);
        slot.space = space;
        slot.id = id;
        slot.token = token;
        self.set_state(index, state);
        Some(index)
    }

    fn oldest(&self) -> Option<u32> {
        let mut oldest: Option<(u32, u32)> = None;
        for (index, slot) in (0..).zip(self.slots.as_ref()) {
            // Counted back from now, so that the number may wrap.
            let age = self.evictable.wrapping_sub(slot.order);
            if slot.state.is_evictable() && oldest.is_none_or(|(_, oldest)| age > oldest) {
                oldest = Some((index, age));
            }
        }
        oldest.map(|(index, _)| index)
    }

    /// Frees a slot and wipes it.
    pub(crate) fn release(&mut self, index: u32) -> Option<()> {
        let slot = self.get_mut(index)?;
        if slot.state == State::Free {
            return None;
        }
        slot.clear();
        slot.generation = slot.generation.wrapping_add(1);
        Some(())
    }

    pub(crate) fn set_state(&mut self, index: u32, state: State) {
        let order = self.evictable;
        let Some(slot) = self.get_mut(index) else {
            return;
        };
        let newly = state.is_evictable() && !slot.state.is_evictable();
        slot.state = state;
        if newly {
            slot.order = order;
            self.evictable = order.wrapping_add(1);
        }
    }

    // Lookup.

    /// The slot of a message by its Message ID, whose sender `space` tells; `matches` decides among equal ones.
    pub(crate) fn by_id(
        &self,
        space: Space,
        peer: P,
        id: u16,
        matches: impl Fn(&Slot<P, MTU>) -> bool,
    ) -> Option<u32> {
        self.position(|slot| {
            slot.space == space && slot.id == id && slot.peer == Some(peer) && matches(slot)
        })
    }

    /// The slot of a request or notification by its token.
    pub(crate) fn by_token(
        &self,
        peer: P,
        token: Token,
        matches: impl Fn(&Slot<P, MTU>) -> bool,
    ) -> Option<u32> {
        self.position(|slot| {
            slot.by_token && slot.token == token && slot.peer == Some(peer) && matches(slot)
        })
    }

    /// Makes the slot known by its token too.
    pub(crate) fn know_token(&mut self, index: u32) {
        if let Some(slot) = self.get_mut(index) {
            slot.by_token = true;
        }
    }

    pub(crate) fn change_id(&mut self, index: u32, id: u16) {
        if let Some(slot) = self.get_mut(index) {
            slot.id = id;
        }
    }

    /// The next random number: SplitMix64 from a random start, under a key. It spreads retransmissions and protects nothing.
    pub(crate) fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random ^ self.key;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    // Timers.

    /// The used slot whose timer fires first.
    pub(crate) fn first_due(&self) -> Option<(u32, Instant)> {
        let mut first: Option<(u32, Instant)> = None;
        for (index, slot) in (0..).zip(self.slots.as_ref()) {
            if slot.state != State::Free && first.is_none_or(|(_, due)| slot.due < due) {
                first = Some((index, slot.due));
            }
        }
        first
    }

    pub(crate) fn set_due(&mut self, index: u32, due: Instant) {
        if let Some(slot) = self.get_mut(index) {
            slot.due = due;
        }
    }

    // Queues.

    /// Asks for a transmission. A stored message that still waits to leave is not replaced by an empty ACK.
    pub(crate) fn ask_to_send(&mut self, index: u32, what: Outgoing) {
        if let Some(slot) = self.get_mut(index)
            && slot.send != Outgoing::Stored
        {
            slot.send = what;
        }
    }

    pub(crate) fn next_to_send(&mut self) -> Option<(u32, Outgoing)> {
        let index = self.position(|slot| slot.send != Outgoing::Nothing)?;
        let slot = self.get_mut(index)?;
        Some((index, core::mem::replace(&mut slot.send, Outgoing::Nothing)))
    }

    pub(crate) fn tell(&mut self, index: u32, outcome: Outcome) {
        if let Some(slot) = self.get_mut(index) {
            slot.event = Some(outcome);
        }
    }

    pub(crate) fn next_to_tell(&mut self) -> Option<(u32, Outcome)> {
        let index = self.position(|slot| slot.event.is_some())?;
        Some((index, self.get_mut(index)?.event.take()?))
    }
}

#[cfg(test)]
impl<P, S, const MTU: usize> Table<P, S, MTU>
where
    P: Copy + Eq + Hash,
    S: AsRef<[Slot<P, MTU>]> + AsMut<[Slot<P, MTU>]>,
{
    /// Asserts that a free slot holds nothing.
    pub(crate) fn check(&self) {
        for slot in self.slots.as_ref() {
            assert_eq!(slot.state == State::Free, slot.peer.is_none());
            assert!(slot.state != State::Free || (!slot.by_token && slot.length == 0));
        }
    }
}
