//! The tokens held and the OSCORE contexts made from them.

use core::time::Duration;

use ace_coap::Instant;

use crate::dtls::Channel;
use crate::flow::Stage;
use crate::grant::{Grant, GrantView, Keying};
use crate::oscore::Context;

/// What protects the exchanges with a resource server.
pub(crate) enum Keys<P> {
    Oscore(Context),
    Dtls(Channel<P>),
}

/// An OSCORE context or a DTLS session with a resource server.
pub(crate) struct Association<K> {
    pub keys: K,
    /// RFC 9200, 5.10.4: the keys are good as long as the token they came with.
    pub deadline: Instant,
    /// Whether it was made from the grant that the record holds now.
    pub of_grant: bool,
    /// Unprotected 4.01 since the last verified response (RFC 9203, 6).
    pub unauthorized: u8,
    /// Whether the peer has been given all of the grant's scope under this context.
    pub has_scope: bool,
}

/// A token for one resource server.
pub(crate) struct Record<P, const N: usize> {
    /// `None` after a reboot, until a response of the peer verifies.
    pub peer: Option<P>,
    pub grant: Grant<N>,
    /// `None` after a reboot, until the wall clock tells.
    pub deadline: Option<Instant>,
    /// The context under which a response has verified, or the session.
    pub current: Option<Association<Keys<P>>>,
    /// A context made since, not yet proven by a response: it takes the place of `current` then,
    /// and not before (anybody can answer an upload). A session is proven by its handshake.
    pub next: Option<Association<Context>>,
    /// coap_dtls: the token is at the resource server, or so someone says.
    pub uploaded: bool,
    /// No renewal in the background before this.
    pub renew_after: Instant,
    /// Someone says that the context is gone: the next request begins with an upload.
    pub suspect: bool,
    /// Whether the scope of the grant is wider than the token's own: rights were added to a context
    /// by another token, which only that context holds.
    pub widened: bool,
}

/// Which of a record's contexts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    Current,
    Next,
}

impl<P, const N: usize> Record<P, N> {
    pub(crate) const fn new(grant: Grant<N>) -> Self {
        Self {
            peer: None,
            grant,
            deadline: None,
            current: None,
            next: None,
            uploaded: false,
            renew_after: Instant(0),
            suspect: false,
            widened: false,
        }
    }

    /// Where a request to this record's peer starts.
    pub(crate) fn entry(&mut self, now: Instant) -> Stage {
        let has_token = !self.left(now).is_zero();
        match self.usable(now) {
            Some(_) if !(self.suspect && has_token) => Stage::Access,
            _ if has_token && self.uploaded => Stage::Connect,
            _ if has_token => Stage::Upload,
            _ => Stage::Token,
        }
    }

    /// When this record's token is to be renewed; `None` for never.
    pub(crate) fn renewal_due(&self, before: Duration) -> Option<Instant> {
        if before.is_zero() {
            return None;
        }
        let current = self.current.as_ref().map(|a| a.deadline);
        let held = current.max(self.next.as_ref().map(|a| a.deadline));
        let before = u64::try_from(before.as_millis()).unwrap_or(u64::MAX);
        let due = Instant(held.or(self.deadline)?.0.saturating_sub(before));
        Some(due.max(self.renew_after))
    }

    /// A context, if there is one, with its end.
    pub(crate) fn context(&mut self, which: Which) -> Option<(&mut Context, Instant)> {
        match which {
            Which::Current => {
                let current = self.current.as_mut()?;
                match &mut current.keys {
                    Keys::Oscore(context) => Some((context, current.deadline)),
                    Keys::Dtls(_) => None,
                }
            }
            Which::Next => self
                .next
                .as_mut()
                .map(|next| (&mut next.keys, next.deadline)),
        }
    }

    /// The session, if there is one.
    pub(crate) fn channel(&mut self) -> Option<&mut Channel<P>> {
        match &mut self.current.as_mut()?.keys {
            Keys::Dtls(channel) => Some(channel),
            Keys::Oscore(_) => None,
        }
    }

    /// A message verified under a context.
    pub(crate) fn verified(&mut self, which: Which) {
        if let (Which::Current, Some(current)) = (which, &mut self.current) {
            current.unauthorized = 0;
        }
    }

    /// Whether the token is one of coap_dtls.
    pub(crate) fn is_dtls(&self) -> bool {
        let view = self.grant.view();
        view.is_some_and(|grant| matches!(grant.keying, Keying::Dtls(_)))
    }

    /// The newest context that may be used, contexts past their end having been dropped.
    pub(crate) fn usable(&mut self, now: Instant) -> Option<Which> {
        // RFC 9202, 5; RFC 9203, 6: with the token's end, and with the last sequence number.
        let over = |a: &Association<Keys<P>>| match &a.keys {
            Keys::Oscore(context) => context.is_exhausted(),
            Keys::Dtls(_) => false,
        };
        if self
            .current
            .as_ref()
            .is_some_and(|a| a.deadline <= now || over(a))
        {
            self.current = None;
        }
        let over = |a: &Association<Context>| a.deadline <= now || a.keys.is_exhausted();
        if self.next.as_ref().is_some_and(over) {
            self.next = None;
        }
        match (&self.next, &self.current) {
            (Some(_), _) => Some(Which::Next),
            (None, Some(_)) => Some(Which::Current),
            (None, None) => None,
        }
    }

    /// A response verified: what came before this context is done with (RFC 9203, 6).
    pub(crate) fn confirm(&mut self, which: Which, peer: P) {
        if which == Which::Next {
            self.current = self.next.take().map(|next| Association {
                keys: Keys::Oscore(next.keys),
                deadline: next.deadline,
                of_grant: next.of_grant,
                unauthorized: next.unauthorized,
                has_scope: next.has_scope,
            });
        }
        self.peer = Some(peer);
        self.suspect = false;
        if let Some(current) = &mut self.current {
            current.unauthorized = 0;
        }
    }

    /// Time the token is still good for.
    pub(crate) fn left(&self, now: Instant) -> Duration {
        self.deadline
            .map_or(Duration::ZERO, |deadline| deadline.saturating_sub(now))
    }

    /// Sets the deadline of a record from before a reboot. RFC 9200, 5.10.4: without knowing the
    /// end it is not used.
    fn resolve(&mut self, now: Instant, wall: Option<u64>) {
        if self.deadline.is_none() {
            let ends = self.grant.view().and_then(|grant| grant.ends);
            if let (Some(ends), Some(wall)) = (ends, wall) {
                self.deadline = Some(now + Duration::from_secs(ends.saturating_sub(wall)));
            }
        }
    }
}

/// All records.
pub(crate) struct Table<P, const TOKENS: usize, const N: usize> {
    pub slots: [Option<Record<P, N>>; TOKENS],
}

impl<P: Copy + Eq, const TOKENS: usize, const N: usize> Table<P, TOKENS, N> {
    pub(crate) fn new() -> Self {
        Self {
            slots: core::array::from_fn(|_| None),
        }
    }

    pub(crate) fn get(&mut self, index: usize) -> Option<&mut Record<P, N>> {
        self.slots.get_mut(index)?.as_mut()
    }

    pub(crate) fn view(&self, index: usize) -> Option<GrantView<'_>> {
        self.slots.get(index)?.as_ref()?.grant.view()
    }

    /// The record to use towards a peer: the peer's own, for the audience if one is named; else one
    /// from before a reboot, which is known by its audience alone.
    pub(crate) fn find(
        &mut self,
        now: Instant,
        wall: Option<u64>,
        peer: P,
        audience: Option<&str>,
    ) -> Option<usize> {
        self.slots
            .iter_mut()
            .flatten()
            .for_each(|record| record.resolve(now, wall));
        let held = |of_peer: bool| {
            self.slots.iter().position(|slot| {
                let Some(record) = slot else { return false };
                let own = record.grant.view().and_then(|grant| grant.audience);
                if of_peer {
                    record.peer == Some(peer) && (audience.is_none() || own == audience)
                } else {
                    record.peer.is_none() && audience.is_some() && own == audience
                }
            })
        };
        held(true).or_else(|| held(false))
    }

    /// Where a new record goes: a free slot, else the one whose token ends first (one that is
    /// unusable since a reboot ends now; `spared` goes last). Ties go to the first.
    pub(crate) fn place(&self, spared: Option<usize>) -> usize {
        let key = |index: usize, slot: &Option<Record<P, N>>| match slot {
            None => (false, Instant::default()),
            Some(record) => (spared == Some(index), record.deadline.unwrap_or_default()),
        };
        let free = self.slots.iter().position(Option::is_none);
        let first = self
            .slots
            .iter()
            .enumerate()
            .min_by_key(|(i, slot)| key(*i, slot));
        free.or(first.map(|(index, _)| index)).unwrap_or(0)
    }

    /// Whether `id` is a recipient identifier in use.
    pub(crate) fn uses_recipient_id(&self, id: u8) -> bool {
        self.slots.iter().flatten().any(|record| {
            let current = record.current.as_ref().is_some_and(|a| match &a.keys {
                Keys::Oscore(context) => context.uses(id),
                Keys::Dtls(_) => false,
            });
            current || record.next.as_ref().is_some_and(|a| a.keys.uses(id))
        })
    }
}
