//! In place of `dtls` where it is not built in: types without values, and nothing to do.

use core::convert::Infallible;
use core::hash::Hash;
use core::marker::PhantomData;

use ace_coap::{Instant, Transmit};
use ace_oscore::storage::Storage;
use ace_wire::ace::{AccessInformation, Confirmation};

use crate::client::{Caller, Client};
use crate::flow::Link;
use crate::{ClientError, Config, Reason};

pub(crate) const fn is_record(_: &[u8]) -> bool {
    false
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum SessionId {}

pub(crate) struct Channel<P> {
    pub id: SessionId,
    pub peer: P,
    pub used: Instant,
}

impl<P> Channel<P> {
    pub(crate) const fn overhead(&self) -> usize {
        match self.id {}
    }
}

pub(crate) struct Authority<P>(Infallible, PhantomData<P>);

impl<P> Authority<P> {
    pub(crate) const fn of(_: &Config<'_, P>) -> Result<Option<Self>, ClientError> {
        Ok(None)
    }

    pub(crate) const fn channel(&mut self, _: Instant) -> Option<&mut Channel<P>> {
        match self.0 {}
    }
}

pub(crate) struct Handshake<const N: usize>(Infallible);

pub(crate) struct Wire<P, const MTU: usize>(PhantomData<P>);

impl<P, const MTU: usize> Wire<P, MTU> {
    pub(crate) const fn new() -> Self {
        Self(PhantomData)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Material<'a>(Infallible, PhantomData<&'a ()>);

impl<'a> Material<'a> {
    pub(crate) const fn stored(_: u64, _: &'a [u8], _: &'a [u8]) -> Option<Self> {
        None
    }

    pub(crate) const fn version(&self) -> u64 {
        match self.0 {}
    }

    pub(crate) const fn kid(&self) -> &'a [u8] {
        match self.0 {}
    }

    pub(crate) const fn key(&self) -> &'a [u8] {
        match self.0 {}
    }

    pub(crate) const fn is_held(&self, _: Own<'_>) -> bool {
        match self.0 {}
    }

    pub(crate) const fn check(
        _: &AccessInformation<'a>,
        _: bool,
        _: Option<Material<'_>>,
        _: Own<'_>,
        _: &'a mut Room,
    ) -> Result<Option<Self>, Reason> {
        Err(Reason::Confirmation)
    }
}

pub(crate) type Own<'c> = PhantomData<&'c ()>;

impl<'c, P> Config<'c, P> {
    pub(crate) const fn own(&self) -> Own<'c> {
        PhantomData
    }
}

pub(crate) struct Room;

impl Room {
    pub(crate) const fn new() -> Self {
        Self
    }
}

pub(crate) const fn confirmation<'a>(_: Own<'_>, _: &'a mut Room) -> Option<Confirmation<'a>> {
    None
}

impl<
    P: Copy + Eq + Hash,
    S: Storage,
    const TOKENS: usize,
    const GRANT: usize,
    const BODY: usize,
    const SLOTS: usize,
    const MTU: usize,
    const HANDSHAKE: usize,
> Client<'_, P, S, TOKENS, GRANT, BODY, SLOTS, MTU, HANDSHAKE>
{
    pub(crate) const fn receive_record(&mut self, _: &mut Caller<'_>, _: P, _: &mut [u8]) {}

    pub(crate) fn next_datagram(&mut self, now: Instant) -> Option<Transmit<'_, P>> {
        let Transmit { peer, datagram } = self.endpoint.poll_transmit(now)?;
        let Link { peer, .. } = peer;
        Some(Transmit { peer, datagram })
    }

    pub(crate) const fn handshake_due(&self) -> Option<Instant> {
        None
    }

    pub(crate) const fn handshake_timeout(&mut self, _: &mut Caller<'_>) {}

    pub(crate) const fn needs_session(&mut self, _: Instant) -> bool {
        false
    }

    pub(crate) const fn connect(&mut self, _: &mut Caller<'_>) {}

    pub(crate) const fn carries_token(&self) -> bool {
        false
    }

    pub(crate) const fn close_session(&mut self, id: SessionId) {
        match id {}
    }
}
