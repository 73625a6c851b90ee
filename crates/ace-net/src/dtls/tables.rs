//! In which order handshakes and sessions give way.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
    time::Duration,
};

use ace_coap::Instant;

/// Handshakes under way, by age, by source and by timer. Each operation takes logarithmic time.
#[derive(Debug, Default)]
pub(crate) struct HalfOpen {
    by_age: BTreeSet<(u64, u32)>,
    by_source: BTreeMap<IpAddr, BTreeSet<(u64, u32)>>,
    timers: BTreeSet<(Instant, u32)>,
}

impl HalfOpen {
    pub(crate) fn len(&self) -> usize {
        self.by_age.len()
    }

    pub(crate) fn len_of(&self, source: IpAddr) -> usize {
        self.by_source.get(&source).map_or(0, BTreeSet::len)
    }

    pub(crate) fn oldest(&self) -> Option<u32> {
        self.by_age.first().map(|(_, index)| *index)
    }

    pub(crate) fn oldest_of(&self, source: IpAddr) -> Option<u32> {
        let (_, index) = self.by_source.get(&source)?.first()?;
        Some(*index)
    }

    pub(crate) fn insert(&mut self, index: u32, age: u64, source: IpAddr, due: Instant) {
        self.by_age.insert((age, index));
        self.by_source
            .entry(source)
            .or_default()
            .insert((age, index));
        self.timers.insert((due, index));
    }

    pub(crate) fn remove(&mut self, index: u32, age: u64, source: IpAddr, due: Instant) {
        self.by_age.remove(&(age, index));
        self.timers.remove(&(due, index));
        if let Some(of_source) = self.by_source.get_mut(&source) {
            of_source.remove(&(age, index));
            if of_source.is_empty() {
                self.by_source.remove(&source);
            }
        }
    }

    pub(crate) fn set_timer(&mut self, index: u32, before: Instant, due: Instant) {
        self.timers.remove(&(before, index));
        self.timers.insert((due, index));
    }

    pub(crate) fn next(&self) -> Option<(Instant, u32)> {
        self.timers.first().copied()
    }
}

/// When a session was last used: the time, and a number that no other use has.
pub(crate) type Used = (Instant, u64);

/// Established sessions, by last use and by peer.
#[derive(Debug, Default)]
pub(crate) struct Open {
    by_use: BTreeSet<(Used, u32)>,
    by_owner: HashMap<Vec<u8>, Vec<(Used, u32)>>,
}

impl Open {
    pub(crate) fn len(&self) -> usize {
        self.by_use.len()
    }

    pub(crate) fn len_of(&self, owner: &[u8]) -> usize {
        self.by_owner.get(owner).map_or(0, Vec::len)
    }

    pub(crate) fn least_used(&self) -> Option<u32> {
        self.by_use.first().map(|(_, index)| *index)
    }

    /// Takes time in proportion to the number of the peer's sessions, which is bounded.
    pub(crate) fn least_used_of(&self, owner: &[u8]) -> Option<u32> {
        let of_owner = self.by_owner.get(owner)?;
        of_owner.iter().min().map(|(_, index)| *index)
    }

    pub(crate) fn insert(&mut self, index: u32, used: Used, owner: &[u8]) {
        self.by_use.insert((used, index));
        self.by_owner
            .entry(owner.to_vec())
            .or_default()
            .push((used, index));
    }

    pub(crate) fn remove(&mut self, index: u32, used: Used, owner: &[u8]) {
        self.by_use.remove(&(used, index));
        if let Some(of_owner) = self.by_owner.get_mut(owner) {
            of_owner.retain(|(_, other)| *other != index);
            if of_owner.is_empty() {
                self.by_owner.remove(owner);
            }
        }
    }

    pub(crate) fn touch(&mut self, index: u32, before: Used, used: Used, owner: &[u8]) {
        self.by_use.remove(&(before, index));
        self.by_use.insert((used, index));
        let of_owner = self.by_owner.get_mut(owner).into_iter().flatten();
        for (last, other) in of_owner {
            if *other == index {
                *last = used;
            }
        }
    }

    /// When the least used session has been idle for `idle`.
    pub(crate) fn next(&self, idle: Duration) -> Option<(Instant, u32)> {
        let ((at, _), index) = self.by_use.first()?;
        Some((*at + idle, *index))
    }
}
