//! Who observes what (RFC 7641).

use ace_coap::Token;

use crate::inside::Channel;
use crate::link::Link;
use crate::token::TokenId;

/// One observation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Observer<P> {
    /// Under whose token.
    pub(crate) token: TokenId,
    /// Index in [`Resources::list`](crate::Resources::list).
    pub(crate) resource: usize,
    /// Where notifications go.
    pub(crate) link: Link<P>,
    /// The CoAP token of the registration.
    pub(crate) handle: Token,
    pub(crate) channel: Channel,
    pub(crate) accept: Option<u16>,
}

#[derive(Debug)]
pub(crate) struct Observers<P, const N: usize> {
    slots: [Option<Observer<P>>; N],
    /// Observe value of the last notification, 24 bits.
    number: u32,
}

impl<P: Copy + Eq, const N: usize> Observers<P, N> {
    pub(crate) const fn new() -> Self {
        Self {
            slots: [const { None }; N],
            number: 0,
        }
    }

    /// Adds an observation, in place of an earlier one of the same token, resource and format
    /// (RFC 7641, 3.3.1). `false` if all slots are taken.
    pub(crate) fn add(&mut self, observer: Observer<P>) -> bool {
        let same = |other: &Observer<P>| {
            other.token == observer.token
                && other.resource == observer.resource
                && other.accept == observer.accept
        };
        let slot = match self
            .slots
            .iter()
            .position(|slot| slot.as_ref().is_some_and(same))
        {
            Some(index) => self.slots.get_mut(index),
            None => self.slots.iter_mut().find(|slot| slot.is_none()),
        };
        match slot {
            Some(slot) => {
                *slot = Some(observer);
                true
            }
            None => false,
        }
    }

    /// Removes what `condition` holds for.
    pub(crate) fn remove(&mut self, condition: impl Fn(&Observer<P>) -> bool) {
        for slot in &mut self.slots {
            if slot.as_ref().is_some_and(&condition) {
                *slot = None;
            }
        }
    }

    pub(crate) fn get(&self, index: usize) -> Option<Observer<P>> {
        self.slots.get(index).copied().flatten()
    }

    /// Keeps the state of a channel after a notification.
    pub(crate) fn set_channel(&mut self, index: usize, channel: Channel) {
        if let Some(Some(observer)) = self.slots.get_mut(index) {
            observer.channel = channel;
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.iter().flatten().count()
    }

    /// The next Observe value (RFC 7641, 4.4).
    pub(crate) fn next_number(&mut self) -> u32 {
        self.number = self.number.wrapping_add(1) & 0x00ff_ffff;
        self.number
    }
}
