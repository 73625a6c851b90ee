//! How entries come, become sessions, and go.

use ace_coap::Instant;
use ace_dtls::{Accept, Connection, ConnectionId, Event, Peer};

use super::{
    entry::{Call, Entry, Link, Slot},
    event::{Ended, SessionEvent},
    peer::{Credential, DtlsPeer, first_generation, source},
    sessions::{Sessions, dtls},
};

/// The longest datagram of a handshake; a longer [`Config::mtu`](ace_dtls::Config::mtu) counts as this.
const MAX_MTU: usize = 2048;

impl Sessions {
    /// Makes room for a handshake, among handshakes only.
    pub(super) fn admit(&mut self, call: &mut Call<'_>, random: [u8; 32], accept: Accept) -> u32 {
        let (now, from) = (call.now, call.from);
        if let Some(index) = self.places.get(&from).and_then(|place| place.half_open) {
            self.remove(index, Ended::Superseded);
        }
        let source = source(from.ip());
        while self.half_open.len_of(source) >= self.limits.half_open_per_source.max(1)
            && let Some(index) = self.half_open.oldest_of(source)
        {
            self.remove(index, Ended::Evicted);
        }
        while self.half_open.len() >= self.limits.half_open.max(1)
            && let Some(index) = self.half_open.oldest()
        {
            self.remove(index, Ended::Evicted);
        }
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                generation: first_generation(call.rng),
                entry: None,
            });
            (self.slots.len() - 1) as u32
        });
        let mut config = self.config;
        if config.connection_id.is_some() {
            config.connection_id = ConnectionId::new(&self.id(index).cid());
        }
        let expires = now + self.limits.handshake;
        let age = self.count();
        let entry = Entry {
            home: from,
            address: from,
            random,
            claimed: Credential::Anonymous,
            link: Link::HalfOpen {
                connection: Box::new(Connection::server(&config, accept, dtls(now))),
                age,
                expires,
                due: expires,
                held: Vec::new(),
            },
        };
        self.half_open.insert(index, age, source, expires);
        self.places.entry(from).or_default().half_open = Some(index);
        if let Some(slot) = self.slots.get_mut(index as usize) {
            slot.entry = Some(entry);
        }
        index
    }

    /// Sends what an engine has to send, and takes over what it has become.
    pub(super) fn settle(&mut self, now: Instant, index: u32) {
        let mtu = usize::from(self.config.mtu).clamp(128, MAX_MTU);
        let mut out = [0; MAX_MTU];
        let (mut closed, mut doubted) = (None, None);
        while let Some(entry) = self.at_mut(index) {
            let room = out.get_mut(..mtu).unwrap_or(&mut []);
            let length = match &mut entry.link {
                Link::HalfOpen { connection, .. } => connection.poll_transmit(room),
                Link::Open { session, .. } => session.poll_transmit(room),
            };
            while let Some(event) = match &mut entry.link {
                Link::HalfOpen { connection, .. } => connection.poll_event(),
                Link::Open { session, .. } => session.poll_event(),
            } {
                match event {
                    Event::Closed(reason) => closed = Some(reason),
                    Event::Doubted => doubted = Some((entry.address, entry.claimed.clone())),
                    _ => {}
                }
            }
            let address = entry.address;
            let Some(length) = length else { break };
            self.queue(address, out.get(..length).unwrap_or(&[]));
        }
        if let Some((address, claimed)) = doubted {
            self.happened(SessionEvent::Doubted { address, claimed });
        }
        if let Some(reason) = closed {
            return self.remove(index, Ended::Closed(reason));
        }
        let Some(entry) = self.at_mut(index) else {
            return;
        };
        let Link::HalfOpen {
            connection,
            expires,
            due,
            ..
        } = &mut entry.link
        else {
            return;
        };
        if connection.session().is_established() {
            return self.promote(now, index);
        }
        let before = *due;
        let next = connection
            .poll_timeout()
            .map_or(*expires, |at| Instant(at.0).min(*expires));
        *due = next;
        let waiting = connection.is_waiting();
        self.half_open.set_timer(index, before, next);
        if waiting {
            self.waiting.insert(index);
        } else {
            self.waiting.remove(&index);
        }
    }

    /// A handshake is complete: it becomes a session, for which another may have to go.
    pub(super) fn promote(&mut self, now: Instant, index: u32) {
        let Some(mut entry) = self.take(index) else {
            return;
        };
        let Link::HalfOpen { connection, .. } = entry.link else {
            return;
        };
        let Ok(session) = connection.into_session() else {
            return;
        };
        let (credential, number) = match session.peer() {
            Peer::Psk(number) | Peer::Key(number) => (entry.claimed, number),
            _ => (Credential::Anonymous, 0),
        };
        let peer = DtlsPeer {
            session: self.id(index),
            credential,
            number,
        };
        let owner = peer.owner(source(entry.home.ip()));
        // RFC 6347, 4.2.8: one without Connection ID cannot be told from this one any more
        let place = self.places.get(&entry.home).and_then(|place| place.open);
        let old = place.filter(|old| {
            self.at(*old)
                .is_some_and(|old| old.session().connection_id().is_empty())
        });
        if let Some(old) = old {
            self.remove(old, Ended::Superseded);
        }
        while self.open.len_of(&owner) >= self.limits.sessions_per_peer.max(1)
            && let Some(index) = self.open.least_used_of(&owner)
        {
            self.dismiss(index, Ended::Evicted);
        }
        while self.open.len() >= self.limits.sessions.max(1)
            && let Some(index) = self.open.least_used()
        {
            self.dismiss(index, Ended::Evicted);
        }
        let used = (now, self.count());
        self.open.insert(index, used, &owner);
        self.places.entry(entry.home).or_default().open = Some(index);
        self.happened(SessionEvent::Connected {
            peer: peer.clone(),
            address: entry.address,
        });
        entry.claimed = Credential::Anonymous;
        entry.link = Link::Open {
            session: Box::new(session),
            used,
            owner,
            peer: Box::new(peer),
        };
        if let Some(slot) = self.slots.get_mut(index as usize) {
            slot.entry = Some(entry);
        }
    }

    pub(super) fn touch(&mut self, now: Instant, index: u32) {
        let next = (now, self.count());
        let slot = self.slots.get_mut(index as usize);
        let entry = slot.and_then(|slot| slot.entry.as_mut());
        if let Some(Link::Open { used, owner, .. }) = entry.map(|entry| &mut entry.link) {
            self.open.touch(index, *used, next, owner);
            *used = next;
        }
    }

    /// Ends a session that has done nothing wrong: its peer is told.
    pub(super) fn dismiss(&mut self, index: u32, reason: Ended) {
        if let Some(Entry {
            address,
            link: Link::Open { session, .. },
            ..
        }) = self.at_mut(index)
        {
            session.close();
            let mut out = [0; 64];
            let length = session.poll_transmit(&mut out);
            let address = *address;
            if let Some(datagram) = length.and_then(|length| out.get(..length)) {
                self.queue(address, datagram);
            }
        }
        self.remove(index, reason);
    }

    pub(super) fn remove(&mut self, index: u32, reason: Ended) {
        let Some(entry) = self.take(index) else {
            return;
        };
        let address = entry.address;
        if let Some(slot) = self.slots.get_mut(index as usize) {
            slot.generation = slot.generation.wrapping_add(1);
        }
        self.free.push(index);
        self.happened(match entry.link {
            Link::HalfOpen { .. } => SessionEvent::Failed {
                address,
                claimed: entry.claimed,
                reason,
            },
            Link::Open { peer, .. } => SessionEvent::Closed {
                peer: *peer,
                address,
                reason,
            },
        });
    }

    /// Takes an entry out of its slot and out of all tables.
    pub(super) fn take(&mut self, index: u32) -> Option<Entry> {
        let entry = self.slots.get_mut(index as usize)?.entry.take()?;
        match &entry.link {
            Link::HalfOpen { age, due, .. } => {
                let source = source(entry.home.ip());
                self.half_open.remove(index, *age, source, *due);
                self.waiting.remove(&index);
            }
            Link::Open { used, owner, .. } => self.open.remove(index, *used, owner),
        }
        if let Some(place) = self.places.get_mut(&entry.home) {
            place.open = place.open.filter(|other| *other != index);
            place.half_open = place.half_open.filter(|other| *other != index);
            if place.open.is_none() && place.half_open.is_none() {
                self.places.remove(&entry.home);
            }
        }
        Some(entry)
    }
}
