//! Order among notifications (RFC 7641, 3.4).

use crate::Instant;

/// Whether a notification with Observe `number`, arriving `now`, was sent after the freshest one so far.
///
/// `freshest` is the Observe value and the arrival of that one; anything is fresher than none. Values are compared in
/// their 24 lowest bits.
#[must_use]
pub fn is_fresher(freshest: Option<(u32, Instant)>, number: u32, now: Instant) -> bool {
    let Some((before, arrived)) = freshest else {
        return true;
    };
    let ahead = number.wrapping_sub(before) & 0x00ff_ffff;
    // RFC 7641, 3.4: ahead by less than half of the number space, or so late that the numbers say nothing.
    (1..1 << 23).contains(&ahead) || now.0.saturating_sub(arrived.0) > 128_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc7641_3_4_order() {
        let max = 0x00ff_ffff;
        for (before, number, fresher) in [
            (0, 0, false),
            (0, 1, true),
            (1, 0, false),
            (0, (1 << 23) - 1, true),
            (0, 1 << 23, false),
            (1 << 23, 0, false),
            ((1 << 23) + 1, 0, true),
            (max, 0, true),
            (0, max, false),
        ] {
            let freshest = Some((before, Instant(1000)));
            let soon = Instant(1000 + 128_000);
            assert_eq!(
                is_fresher(freshest, number, soon),
                fresher,
                "{before} {number}"
            );
            assert!(is_fresher(freshest, number, Instant(soon.0 + 1)));
        }
        assert!(is_fresher(None, 7, Instant(0)));
    }
}
