//! The tokens of the server and which of them gives way to which.
//!
//! Entries stay where they were put: secrets are not moved about, and are wiped where they lie.

use core::time::Duration;

use ace_coap::Instant;
#[cfg(feature = "oscore")]
use ace_oscore::OscoreOption;

use crate::Refusal;
use crate::token::{Entry, KeyDigest, Proof, TokenId};

/// Room for `TOKENS` confirmed and `UNCONFIRMED` unconfirmed tokens.
#[derive(Debug)]
pub(crate) struct Table<P, const TOKENS: usize, const UNCONFIRMED: usize, const SCOPE: usize> {
    some: [Option<Entry<P, SCOPE>>; TOKENS],
    others: [Option<Entry<P, SCOPE>>; UNCONFIRMED],
    /// The Recipient ID tried next.
    #[cfg(feature = "oscore")]
    next_id: u16,
}

impl<P, const TOKENS: usize, const UNCONFIRMED: usize, const SCOPE: usize>
    Table<P, TOKENS, UNCONFIRMED, SCOPE>
{
    /// Recipient IDs count up from `first_id`, so that one is not soon used again: a request under
    /// a context of yesterday finds none, and is told so.
    #[cfg_attr(
        not(feature = "oscore"),
        expect(unused_variables, reason = "no Recipient IDs")
    )]
    pub(crate) fn new(first_id: u16) -> Self {
        Self {
            some: [const { None }; TOKENS],
            others: [const { None }; UNCONFIRMED],
            #[cfg(feature = "oscore")]
            next_id: first_id,
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry<P, SCOPE>> {
        self.some.iter().chain(&self.others).flatten()
    }

    fn slots(&mut self) -> impl Iterator<Item = &mut Option<Entry<P, SCOPE>>> {
        self.some.iter_mut().chain(&mut self.others)
    }

    #[inline(never)]
    pub(crate) fn get(&self, id: TokenId) -> Option<&Entry<P, SCOPE>> {
        self.iter().find(|entry| entry.grant.id == id)
    }

    #[inline(never)]
    pub(crate) fn get_mut(&mut self, id: TokenId) -> Option<&mut Entry<P, SCOPE>> {
        self.slots().flatten().find(|entry| entry.grant.id == id)
    }

    /// The place of an entry, which it keeps.
    #[cfg(feature = "persist")]
    pub(crate) fn position(&self, id: TokenId) -> Option<usize> {
        let mut slots = self.some.iter().chain(&self.others);
        slots.position(|slot| slot.as_ref().is_some_and(|entry| entry.grant.id == id))
    }

    #[cfg(feature = "persist")]
    pub(crate) fn at(&self, index: usize) -> Option<&Entry<P, SCOPE>> {
        self.some.iter().chain(&self.others).nth(index)?.as_ref()
    }

    #[cfg(feature = "persist")]
    pub(crate) fn put(&mut self, index: usize, entry: Entry<P, SCOPE>) {
        if let Some(slot) = self.slots().nth(index) {
            *slot = Some(entry);
        }
    }

    #[cfg(feature = "persist")]
    pub(crate) fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// The token whose context a request with this option is for.
    #[cfg(feature = "oscore")]
    pub(crate) fn find(&self, option: &OscoreOption<'_>) -> Option<TokenId> {
        self.iter()
            .find(|entry| {
                entry
                    .context()
                    .is_some_and(|context| context.matches(option))
            })
            .map(|entry| entry.grant.id)
    }

    /// Wipes an entry.
    #[inline(never)]
    pub(crate) fn remove(&mut self, id: TokenId) {
        for slot in self.slots() {
            if slot.as_ref().is_some_and(|entry| entry.grant.id == id) {
                *slot = None;
            }
        }
    }

    #[inline(never)]
    pub(crate) fn confirmed(&self) -> usize {
        self.iter().filter(|entry| entry.is_confirmed()).count()
    }

    /// The unconfirmed tokens, and when they were posted.
    fn waiting(&self) -> impl Iterator<Item = (Instant, TokenId)> {
        self.iter().filter_map(|entry| match entry.proof {
            Proof::Awaited(since) => Some((since, entry.grant.id)),
            Proof::Given => None,
        })
    }

    /// How many tokens were posted less than `grace` ago and are not confirmed.
    pub(crate) fn in_grace(&self, now: Instant, grace: Duration) -> usize {
        self.waiting()
            .filter(|(since, _)| now < *since + grace)
            .count()
    }

    /// How long until one more token can be posted, if there is no room now: the oldest gives way
    /// once its grace is over. A confirmed token never does.
    pub(crate) fn wait_for_room(&self, now: Instant, grace: Duration) -> Option<Duration> {
        let (oldest, _) = self.waiting().min()?;
        let ends = oldest + grace;
        (self.waiting().count() >= UNCONFIRMED && now < ends).then(|| ends.saturating_sub(now))
    }

    /// Whether a token of this client can be confirmed: it takes the place of another of the same
    /// client, or there is room.
    pub(crate) fn has_room(
        &self,
        issuer: u8,
        key: KeyDigest,
        subject: Option<&str>,
        by_subject: bool,
    ) -> bool {
        self.confirmed() < TOKENS
            || self.iter().any(|entry| {
                entry.is_confirmed() && entry.same_client(issuer, key, subject, by_subject)
            })
    }

    /// The token that makes room for one more unconfirmed one, after [`wait_for_room`](Self::wait_for_room).
    pub(crate) fn gives_way(&self) -> Option<TokenId> {
        let (_, oldest) = self.waiting().min()?;
        (self.waiting().count() >= UNCONFIRMED).then_some(oldest)
    }

    /// A Recipient ID that no live context has, and that is not `other`: one byte, two where more
    /// than 64 contexts can live at once.
    // RFC 9203, 4.2
    #[cfg(feature = "oscore")]
    pub(crate) fn free_id(&mut self, other: &[u8]) -> Option<heapless::Vec<u8, 2>> {
        let wide = TOKENS.saturating_add(UNCONFIRMED) > 64;
        for _ in 0..=u16::MAX {
            let [high, low] = self.next_id.to_be_bytes();
            self.next_id = self.next_id.wrapping_add(1);
            let mut id = heapless::Vec::<u8, 2>::new();
            if wide {
                id.push(high).ok()?;
            }
            id.push(low).ok()?;
            let taken = self.iter().any(|entry| {
                entry
                    .context()
                    .is_some_and(|context| context.recipient_id() == id)
            });
            if !taken && id != other {
                return Some(id);
            }
        }
        None
    }

    /// Puts an entry into a free slot, after one that [`gives_way`](Self::gives_way) is gone.
    pub(crate) fn insert(&mut self, entry: Entry<P, SCOPE>) -> Result<(), Refusal> {
        let slot = self
            .slots()
            .find(|slot| slot.is_none())
            .ok_or(Refusal::TableFull)?;
        *slot = Some(entry);
        Ok(())
    }

    /// The first token for which `condition` holds.
    #[inline(never)]
    pub(crate) fn first(&self, condition: &dyn Fn(&Entry<P, SCOPE>) -> bool) -> Option<TokenId> {
        self.iter()
            .find(|entry| condition(entry))
            .map(|entry| entry.grant.id)
    }

    /// When the next token ends or stops waiting.
    pub(crate) fn next_end(&self, waiting: Duration) -> Option<Instant> {
        self.iter()
            .map(|entry| match entry.proof {
                Proof::Awaited(since) => entry.grant.term.end.min(since + waiting),
                Proof::Given => entry.grant.term.end,
            })
            .min()
    }
}
