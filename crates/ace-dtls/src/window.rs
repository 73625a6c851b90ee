//! The replay window (RFC 6347, 4.1.2.6).

/// How many numbers back the window looks.
const WIDTH: u64 = 64;

/// Sliding window over the newest record sequence numbers of epoch 1. Bit 0 is the newest, `next - 1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ReplayWindow {
    /// One above the newest number received; 0 if none was.
    pub(crate) next: u64,
    pub(crate) seen: u64,
}

impl ReplayWindow {
    /// Whether the number is new. Changes nothing: that comes once the tag has verified.
    pub(crate) const fn is_new(&self, number: u64) -> bool {
        if number >= self.next {
            return true;
        }
        let age = self.next - 1 - number;
        age < WIDTH && self.seen & (1 << age) == 0
    }

    /// Records a number that was new; true if it is newer than all before.
    pub(crate) fn accept(&mut self, number: u64) -> bool {
        if number >= self.next {
            let ahead = number - self.next + 1;
            let shift = u32::try_from(ahead).unwrap_or(u32::MAX);
            self.seen = self.seen.checked_shl(shift).unwrap_or(0) | 1;
            self.next = number + 1;
            return true;
        }
        let age = self.next - 1 - number;
        if age < WIDTH {
            self.seen |= 1 << age;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    proptest::proptest! {
        /// Against a set of all numbers ever received.
        #[test]
        fn rfc6347_4_1_2_6_accepts_each_number_once(numbers in proptest::collection::vec(0u64..300, 0..400)) {
            let mut window = ReplayWindow::default();
            let mut received = BTreeSet::new();
            for number in numbers {
                let newest = received.last().copied().unwrap_or(0);
                let expected = !received.contains(&number) && number + WIDTH > newest;
                proptest::prop_assert_eq!(window.is_new(number), expected);
                if expected {
                    let newer = received.last().is_none_or(|&last| number > last);
                    proptest::prop_assert_eq!(window.accept(number), newer);
                    received.insert(number);
                }
            }
        }
    }

    #[test]
    fn rfc6347_4_1_2_6_edges() {
        let mut window = ReplayWindow::default();
        assert!(window.is_new(0));
        assert!(window.accept(100));
        assert!(!window.is_new(100));
        assert!(window.is_new(100 - WIDTH + 1));
        assert!(!window.is_new(100 - WIDTH));
        let last = crate::record::MAX_SEQUENCE;
        assert!(window.accept(last));
        assert!(!window.is_new(last) && !window.is_new(101) && window.is_new(last - 1));
    }
}
