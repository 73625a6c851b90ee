//! Bodies of requests while their blocks come (RFC 7959, 2.5).

use ace_coap::Instant;
use ace_coap::block::{Assembly, BlockReceiver};

/// `N` places: one half, at least one, is for whoever has shown his address, the other for clients with tokens. Where there
/// is but one they share it.
pub(crate) struct Bodies<const N: usize, const MAX: usize> {
    places: [Assembly<MAX>; N],
    szx: u8,
}

impl<const N: usize, const MAX: usize> Bodies<N, MAX> {
    pub(crate) const fn new(szx: u8) -> Self {
        Self {
            places: [const { Assembly::new() }; N],
            szx,
        }
    }

    pub(crate) fn of_strangers(&mut self) -> BlockReceiver<&mut [Assembly<MAX>], MAX> {
        let half = self.places.get_mut(..N.div_ceil(2)).unwrap_or(&mut []);
        BlockReceiver::new(half, self.szx)
    }

    pub(crate) fn of_clients(&mut self) -> BlockReceiver<&mut [Assembly<MAX>], MAX> {
        let start = if N == 1 { 0 } else { N.div_ceil(2) };
        let half = self.places.get_mut(start..).unwrap_or(&mut []);
        BlockReceiver::new(half, self.szx)
    }

    pub(crate) fn expire(&mut self, now: Instant) {
        BlockReceiver::new(self.places.as_mut_slice(), self.szx).expire(now);
    }
}
