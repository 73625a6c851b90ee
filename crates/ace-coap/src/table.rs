//! The caller's slots as a table with constant-time work per datagram.
//!
//! All structures live inside the slots, as indices, so that their memory is the caller's and is bounded by it:
//!
//! - two chained hash tables, by (peer, Message ID) and by (peer, token). Slot `i` holds the head of bucket `i`.
//!   The hash is keyed, so that nobody outside can aim at one bucket;
//! - one binary heap of all used slots by their next timer. It is a permutation of the indices: behind the heap
//!   stand the free slots;
//! - one list of the slots that may be evicted, oldest first;
//! - two queues, of slots with something to send and of slots with something to tell.
//!
//! Lookup and eviction take constant time, timers the logarithm of the slots in use.

use core::hash::{Hash, Hasher};

use ace_wire::coap::Token;

use crate::{
    Instant,
    slot::{Links, NONE, Outcome, Outgoing, Slot, Space, State},
};

pub(crate) struct Table<P, S, const MTU: usize> {
    slots: S,
    key: [u64; 2],
    /// How many random numbers were drawn.
    drawn: u64,
    used: u32,
    /// Requests that wait for the application.
    waiting: u32,
    oldest: u32,
    youngest: u32,
    queues: [(u32, u32); 2],
    peer: core::marker::PhantomData<P>,
}

const BY_ID: usize = 0;
const BY_TOKEN: usize = 1;
const TRANSMISSIONS: usize = 0;
const EVENTS: usize = 1;

impl<P, S, const MTU: usize> Table<P, S, MTU>
where
    P: Copy + Eq + Hash,
    S: AsRef<[Slot<P, MTU>]> + AsMut<[Slot<P, MTU>]>,
{
    pub(crate) fn new(mut slots: S, key: [u64; 2]) -> Self {
        for (index, slot) in (0..NONE).zip(slots.as_mut()) {
            slot.clear();
            slot.links = Links {
                heap: index,
                place: index,
                ..Links::NONE
            };
        }
        Self {
            slots,
            key,
            drawn: 0,
            used: 0,
            waiting: 0,
            oldest: NONE,
            youngest: NONE,
            queues: [(NONE, NONE); 2],
            peer: core::marker::PhantomData,
        }
    }

    pub(crate) fn capacity(&self) -> u32 {
        u32::try_from(self.slots.as_ref().len()).unwrap_or(NONE)
    }

    pub(crate) const fn used(&self) -> u32 {
        self.used
    }

    pub(crate) const fn waiting(&self) -> u32 {
        self.waiting
    }

    pub(crate) fn get(&self, index: u32) -> Option<&Slot<P, MTU>> {
        self.slots.as_ref().get(index as usize)
    }

    /// State, peer, identifiers and timer of a used slot are changed by the methods below alone.
    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut Slot<P, MTU>> {
        self.slots.as_mut().get_mut(index as usize)
    }

    fn links(&mut self, index: u32) -> Option<&mut Links> {
        self.get_mut(index).map(|slot| &mut slot.links)
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
        if self.used == self.capacity() {
            self.release(self.oldest)?;
        }
        let index = self.get(self.used)?.links.heap;
        self.used += 1;
        let slot = self.get_mut(index)?;
        slot.peer = Some(peer);
        slot.space = space;
        slot.id = id;
        slot.token = token;
        self.chain(BY_ID, index);
        self.set_state(index, state);
        Some(index)
    }

    /// Frees a slot and wipes it.
    pub(crate) fn release(&mut self, index: u32) -> Option<()> {
        if self.get(index)?.state == State::Free {
            return None;
        }
        self.unchain(BY_ID, index);
        self.forget_token(index);
        self.set_state(index, State::Free);
        let place = self.get(index)?.links.place;
        self.used -= 1;
        let last = self.used;
        self.swap(place, last);
        if place != last {
            self.sift(place);
        }
        let slot = self.get_mut(index)?;
        slot.clear();
        slot.generation = slot.generation.wrapping_add(1);
        Some(())
    }

    pub(crate) fn set_state(&mut self, index: u32, state: State) {
        let Some(slot) = self.get_mut(index) else {
            return;
        };
        let before = core::mem::replace(&mut slot.state, state);
        self.waiting -= u32::from(before.is_waiting());
        self.waiting += u32::from(state.is_waiting());
        match (before.is_evictable(), state.is_evictable()) {
            (false, true) => self.append_evictable(index),
            (true, false) => self.remove_evictable(index),
            _ => Some(()),
        };
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
        let bucket = self.bucket_of_id(space, peer, id)?;
        self.find(BY_ID, bucket, |slot| {
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
        let bucket = self.bucket_of_token(peer, token)?;
        self.find(BY_TOKEN, bucket, |slot| {
            slot.token == token && slot.peer == Some(peer) && matches(slot)
        })
    }

    fn find(
        &self,
        which: usize,
        bucket: u32,
        matches: impl Fn(&Slot<P, MTU>) -> bool,
    ) -> Option<u32> {
        let mut index = *self.get(bucket)?.links.head.get(which)?;
        loop {
            let slot = self.get(index)?;
            if matches(slot) {
                return Some(index);
            }
            index = *slot.links.chain.get(which)?;
        }
    }

    /// Makes the slot known by its token too.
    pub(crate) fn know_token(&mut self, index: u32) {
        if let Some(slot) = self.get_mut(index)
            && !slot.by_token
        {
            slot.by_token = true;
            self.chain(BY_TOKEN, index);
        }
    }

    fn forget_token(&mut self, index: u32) {
        if self.get(index).is_some_and(|slot| slot.by_token) {
            self.unchain(BY_TOKEN, index);
            if let Some(slot) = self.get_mut(index) {
                slot.by_token = false;
            }
        }
    }

    pub(crate) fn change_id(&mut self, index: u32, id: u16) {
        self.unchain(BY_ID, index);
        if let Some(slot) = self.get_mut(index) {
            slot.id = id;
        }
        self.chain(BY_ID, index);
    }

    fn bucket_of_id(&self, space: Space, peer: P, id: u16) -> Option<u32> {
        self.bucket(&(space == Space::Sent, peer, id))
    }

    fn bucket_of_token(&self, peer: P, token: Token) -> Option<u32> {
        self.bucket(&(peer, token))
    }

    fn bucket(&self, what: &impl Hash) -> Option<u32> {
        (self.hash(what) as u32).checked_rem(self.capacity())
    }

    /// A keyed hash, SipHash-2-4.
    #[expect(
        deprecated,
        reason = "the only keyed hash in core; what replaces it needs std"
    )]
    fn hash(&self, what: &impl Hash) -> u64 {
        let [k0, k1] = self.key;
        let mut hasher = core::hash::SipHasher::new_with_keys(k0, k1);
        what.hash(&mut hasher);
        hasher.finish()
    }

    /// The next random number, which no outsider can tell.
    pub(crate) fn draw(&mut self) -> u64 {
        self.drawn = self.drawn.wrapping_add(1);
        self.hash(&self.drawn)
    }

    fn bucket_of(&self, which: usize, index: u32) -> Option<u32> {
        let slot = self.get(index)?;
        match which {
            BY_ID => self.bucket_of_id(slot.space, slot.peer?, slot.id),
            _ => self.bucket_of_token(slot.peer?, slot.token),
        }
    }

    fn chain(&mut self, which: usize, index: u32) -> Option<()> {
        let bucket = self.bucket_of(which, index)?;
        let head = self.links(bucket)?.head.get_mut(which)?;
        let next = core::mem::replace(head, index);
        *self.links(index)?.chain.get_mut(which)? = next;
        Some(())
    }

    fn unchain(&mut self, which: usize, index: u32) -> Option<()> {
        let bucket = self.bucket_of(which, index)?;
        let next = *self.get(index)?.links.chain.get(which)?;
        let head = self.links(bucket)?.head.get_mut(which)?;
        if *head == index {
            *head = next;
            return Some(());
        }
        let mut at = *head;
        loop {
            let link = self.links(at)?.chain.get_mut(which)?;
            if *link == index {
                *link = next;
                return Some(());
            }
            at = *link;
        }
    }

    // Timers.

    /// The used slot whose timer fires first.
    pub(crate) fn first_due(&self) -> Option<(u32, Instant)> {
        if self.used == 0 {
            return None;
        }
        let index = self.get(0)?.links.heap;
        Some((index, self.get(index)?.due))
    }

    pub(crate) fn set_due(&mut self, index: u32, due: Instant) {
        let Some(slot) = self.get_mut(index) else {
            return;
        };
        slot.due = due;
        let place = slot.links.place;
        self.sift(place);
    }

    fn due_at(&self, place: u32) -> Option<Instant> {
        let index = self.get(place)?.links.heap;
        Some(self.get(index)?.due)
    }

    fn swap(&mut self, a: u32, b: u32) -> Option<()> {
        let at_a = self.get(a)?.links.heap;
        let at_b = self.get(b)?.links.heap;
        self.links(a)?.heap = at_b;
        self.links(b)?.heap = at_a;
        self.links(at_a)?.place = b;
        self.links(at_b)?.place = a;
        Some(())
    }

    /// Moves what stands at `place` up or down to where it belongs.
    fn sift(&mut self, mut place: u32) -> Option<()> {
        while place > 0 {
            let parent = (place - 1) / 2;
            if self.due_at(parent)? <= self.due_at(place)? {
                break;
            }
            self.swap(place, parent);
            place = parent;
        }
        loop {
            let left = place.checked_mul(2)?.checked_add(1)?;
            let mut least = place;
            for child in [left, left.checked_add(1)?] {
                if child < self.used && self.due_at(child)? < self.due_at(least)? {
                    least = child;
                }
            }
            if least == place {
                return Some(());
            }
            self.swap(place, least);
            place = least;
        }
    }

    // Eviction.

    fn append_evictable(&mut self, index: u32) -> Option<()> {
        let older = core::mem::replace(&mut self.youngest, index);
        let links = self.links(index)?;
        links.older = older;
        links.younger = NONE;
        match self.links(older) {
            Some(links) => links.younger = index,
            None => self.oldest = index,
        }
        Some(())
    }

    fn remove_evictable(&mut self, index: u32) -> Option<()> {
        let links = self.links(index)?;
        let (older, younger) = (links.older, links.younger);
        match self.links(older) {
            Some(links) => links.younger = younger,
            None => self.oldest = younger,
        }
        match self.links(younger) {
            Some(links) => links.older = older,
            None => self.youngest = older,
        }
        Some(())
    }

    // Queues.

    /// Asks for a transmission. A stored message that still waits to leave is not replaced by an empty ACK.
    pub(crate) fn ask_to_send(&mut self, index: u32, what: Outgoing) {
        if let Some(slot) = self.get_mut(index)
            && slot.send != Outgoing::Stored
        {
            slot.send = what;
            self.enqueue(TRANSMISSIONS, index);
        }
    }

    pub(crate) fn next_to_send(&mut self) -> Option<(u32, Outgoing)> {
        loop {
            let index = self.dequeue(TRANSMISSIONS)?;
            let slot = self.get_mut(index)?;
            match core::mem::replace(&mut slot.send, Outgoing::Nothing) {
                Outgoing::Nothing => {}
                what => return Some((index, what)),
            }
        }
    }

    pub(crate) fn tell(&mut self, index: u32, outcome: Outcome) {
        if let Some(slot) = self.get_mut(index) {
            slot.event = Some(outcome);
            self.enqueue(EVENTS, index);
        }
    }

    pub(crate) fn next_to_tell(&mut self) -> Option<(u32, Outcome)> {
        loop {
            let index = self.dequeue(EVENTS)?;
            if let Some(outcome) = self.get_mut(index)?.event.take() {
                return Some((index, outcome));
            }
        }
    }

    /// A slot freed meanwhile stays in the queue and is passed over, or keeps the place for its next use.
    fn enqueue(&mut self, which: usize, index: u32) -> Option<()> {
        let links = self.links(index)?;
        if core::mem::replace(links.queued.get_mut(which)?, true) {
            return Some(());
        }
        *links.queue.get_mut(which)? = NONE;
        let (_, tail) = *self.queues.get(which)?;
        match self.links(tail) {
            Some(links) => *links.queue.get_mut(which)? = index,
            None => self.queues.get_mut(which)?.0 = index,
        }
        self.queues.get_mut(which)?.1 = index;
        Some(())
    }

    fn dequeue(&mut self, which: usize) -> Option<u32> {
        let (head, _) = *self.queues.get(which)?;
        let links = self.links(head)?;
        *links.queued.get_mut(which)? = false;
        let next = *links.queue.get(which)?;
        let queue = self.queues.get_mut(which)?;
        queue.0 = next;
        if next == NONE {
            queue.1 = NONE;
        }
        Some(head)
    }
}

#[cfg(test)]
impl<P, S, const MTU: usize> Table<P, S, MTU>
where
    P: Copy + Eq + Hash,
    S: AsRef<[Slot<P, MTU>]> + AsMut<[Slot<P, MTU>]>,
{
    /// Asserts that every structure is whole.
    pub(crate) fn check(&self) {
        let slots = self.slots.as_ref();
        let n = slots.len();
        let used = self.used as usize;
        let is_used = |i: usize| slots[i].state != State::Free;
        // Heap: a permutation, used ones in front, parents not after children.
        for (place, slot) in slots.iter().enumerate() {
            let index = slot.links.heap as usize;
            assert_eq!(slots[index].links.place as usize, place);
            assert_eq!(is_used(index), place < used);
            if place > 0 && place < used {
                let parent = slots[(place - 1) / 2].links.heap as usize;
                assert!(slots[parent].due <= slots[index].due);
            }
        }
        // Chains: each used slot once, in its bucket.
        for which in [BY_ID, BY_TOKEN] {
            let mut found = 0;
            for bucket in 0..n {
                let mut index = slots[bucket].links.head[which];
                while index != NONE {
                    found += 1;
                    assert!(found <= n, "cycle");
                    assert_eq!(self.bucket_of(which, index), Some(bucket as u32));
                    index = slots[index as usize].links.chain[which];
                }
            }
            let expected = slots
                .iter()
                .filter(|s| s.state != State::Free && (which == BY_ID || s.by_token));
            assert_eq!(found, expected.count());
        }
        // Eviction: the evictable ones, both ways.
        let mut index = self.oldest;
        let mut before = NONE;
        let mut evictable = 0;
        while index != NONE {
            let slot = &slots[index as usize];
            assert!(slot.state.is_evictable());
            assert_eq!(slot.links.older, before);
            before = index;
            index = slot.links.younger;
            evictable += 1;
            assert!(evictable <= n, "cycle");
        }
        assert_eq!(before, self.youngest);
        let expected = slots.iter().filter(|s| s.state.is_evictable());
        assert_eq!(evictable, expected.count());
        let waiting = slots.iter().filter(|s| s.state.is_waiting()).count();
        assert_eq!(self.waiting as usize, waiting);
        // Queues: who wants to send or tell is in them, once.
        for which in [TRANSMISSIONS, EVENTS] {
            let (mut index, tail) = self.queues[which];
            let mut last = NONE;
            let mut queued = 0;
            while index != NONE {
                assert!(slots[index as usize].links.queued[which]);
                last = index;
                index = slots[index as usize].links.queue[which];
                queued += 1;
                assert!(queued <= n, "cycle");
            }
            assert_eq!(last, tail);
            let flagged = slots.iter().filter(|s| s.links.queued[which]).count();
            assert_eq!(queued, flagged);
        }
        for slot in slots {
            assert!(slot.send == Outgoing::Nothing || slot.links.queued[TRANSMISSIONS]);
            assert!(slot.event.is_none() || slot.links.queued[EVENTS]);
        }
    }
}
