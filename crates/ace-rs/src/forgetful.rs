//! In place of [`persist`](crate) where it is not built in: no token outlives a reset.

use ace_coap::Instant;
use ace_oscore::storage::Storage;

use crate::event::Events;
use crate::front::Origin;
use crate::peer::Peer;
use crate::store::Store;
use crate::token::TokenId;

impl<P, S, const TOKENS: usize, const UNCONFIRMED: usize, const SCOPE: usize>
    Store<'_, P, S, TOKENS, UNCONFIRMED, SCOPE>
where
    P: Peer,
    S: Storage,
{
    pub(crate) fn digest_key(&self) -> &[u8] {
        self.secret.as_bytes()
    }

    /// RFC 8613, B.1.1: nothing outlives a reboot, so that nothing needs to be stored.
    #[cfg(feature = "oscore")]
    pub(crate) const fn first_numbers(&self) -> u64 {
        ace_oscore::SEQUENCE_LIMIT
    }

    pub(crate) const fn keep(&mut self, _: &Origin<P>, _: TokenId, _: &mut Events<P>) {}

    pub(crate) const fn restore(&mut self, _: Instant, _: Option<u64>, _: &mut Events<P>) {}
}
