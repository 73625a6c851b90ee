//! The replay window (RFC 8613, 3.2.2 and 7.4), and which requests' nonces have been used for a response.

use crate::{OscoreError, WINDOW};

/// Sliding window over the [`WINDOW`] newest sequence numbers.
///
/// Bit 0 of both masks is the newest number received, `next - 1`.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(crate) struct ReplayWindow {
    /// One above the newest number received; 0 if none was.
    next: u64,
    seen: u64,
    /// Requests whose nonce protects a response already.
    answered: u64,
}

impl ReplayWindow {
    pub(crate) const EMPTY: Self = Self {
        next: 0,
        seen: 0,
        answered: 0,
    };

    /// A window in which `number` is the lower limit and received (RFC 8613, B.1.2).
    pub(crate) const fn from_limit(number: u64) -> Self {
        Self {
            next: number.saturating_add(1),
            seen: u64::MAX,
            answered: u64::MAX << 1,
        }
    }

    /// Whether the number is new. Changes nothing: that comes once the tag has verified.
    pub(crate) fn check(&self, number: u64) -> Result<(), OscoreError> {
        if number >= self.next || self.bit(number).is_some_and(|bit| self.seen & bit == 0) {
            Ok(())
        } else {
            Err(OscoreError::Replay)
        }
    }

    /// Records a number that passed [`check`](Self::check).
    pub(crate) fn accept(&mut self, number: u64) {
        let ahead = number.saturating_add(1).saturating_sub(self.next);
        if ahead > 0 {
            let shift = u32::try_from(ahead).unwrap_or(u32::MAX);
            self.seen = self.seen.checked_shl(shift).unwrap_or(0);
            self.answered = self.answered.checked_shl(shift).unwrap_or(0);
            self.next = self.next.saturating_add(ahead);
        }
        if let Some(bit) = self.bit(number) {
            self.seen |= bit;
        }
    }

    /// Whether the nonce of this request may protect a response: once, and only if the request was received here and
    /// is still in the window.
    pub(crate) fn claim_nonce(&mut self, number: u64) -> bool {
        match self.bit(number) {
            Some(bit) if self.seen & bit != 0 && self.answered & bit == 0 => {
                self.answered |= bit;
                true
            }
            _ => false,
        }
    }

    /// The bit of a number in the window.
    fn bit(&self, number: u64) -> Option<u64> {
        let age = self.next.checked_sub(1)?.checked_sub(number)?;
        (age < u64::from(WINDOW)).then(|| 1 << age)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn receive(window: &mut ReplayWindow, number: u64) -> bool {
        let new = window.check(number).is_ok();
        if new {
            window.accept(number);
        }
        new
    }

    #[test]
    fn rfc8613_7_4_window_edges() {
        let mut window = ReplayWindow::EMPTY;
        assert!(receive(&mut window, 100));
        assert!(!receive(&mut window, 100));
        assert!(receive(&mut window, 100 - u64::from(WINDOW) + 1));
        assert!(!receive(&mut window, 100 - u64::from(WINDOW) + 1));
        assert!(!receive(&mut window, 100 - u64::from(WINDOW)));
        assert!(!receive(&mut window, 0));
        assert!(receive(&mut window, 99));
        assert!(receive(&mut window, 101));
        assert!(!receive(&mut window, 99));
        assert!(receive(&mut window, crate::MAX_SEQUENCE));
        assert!(!receive(&mut window, crate::MAX_SEQUENCE));
        assert!(!receive(&mut window, 101));
    }

    #[test]
    fn rfc8613_3_2_2_first_number_may_be_any_and_zero_counts() {
        let mut window = ReplayWindow::EMPTY;
        assert!(receive(&mut window, 0));
        assert!(!receive(&mut window, 0));
        assert!(receive(&mut window, 1));
        const { assert!(WINDOW >= 32) };
    }

    #[test]
    fn rfc8613_b_1_2_nothing_below_the_limit() {
        let mut window = ReplayWindow::from_limit(40);
        for number in 0..=40 {
            assert!(!receive(&mut window, number), "{number}");
            assert_eq!(window.claim_nonce(number), number == 40, "{number}");
        }
        assert!(receive(&mut window, 42));
        assert!(receive(&mut window, 41));
        assert!(!receive(&mut window, 40));
    }

    #[test]
    fn rfc8613_8_3_a_nonce_is_claimed_once_and_only_for_a_received_request() {
        let mut window = ReplayWindow::EMPTY;
        assert!(!window.claim_nonce(0));
        assert!(receive(&mut window, 5));
        assert!(!window.claim_nonce(4));
        assert!(!window.claim_nonce(6));
        assert!(window.claim_nonce(5));
        assert!(!window.claim_nonce(5));
        assert!(receive(&mut window, 6));
        assert!(!window.claim_nonce(5));
        assert!(receive(&mut window, 6 + u64::from(WINDOW)));
        assert!(!window.claim_nonce(6), "left the window");
    }

    proptest::proptest! {
        /// Against a set of all numbers ever received.
        #[test]
        fn rfc8613_7_4_accepts_each_number_once(numbers in proptest::collection::vec(0u64..300, 0..400)) {
            let mut window = ReplayWindow::EMPTY;
            let mut received = BTreeSet::new();
            let mut claimed = BTreeSet::new();
            for number in numbers {
                let newest = received.last().copied().unwrap_or(0);
                let expected = !received.contains(&number) && number + u64::from(WINDOW) > newest;
                proptest::prop_assert_eq!(receive(&mut window, number), expected);
                if expected {
                    received.insert(number);
                }
                if number % 3 == 0 && window.claim_nonce(number) {
                    proptest::prop_assert!(received.contains(&number));
                    proptest::prop_assert!(claimed.insert(number));
                }
            }
        }
    }
}
