//! Time as the engine sees it, and the transmission parameters of RFC 7252, 4.8.

use core::{
    ops::{Add, AddAssign},
    time::Duration,
};

/// A moment on the caller's monotonic clock, in milliseconds since any fixed start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(pub u64);

impl Instant {
    /// Whole seconds since the start of the clock.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        duration(self.0).as_secs()
    }

    /// As many milliseconds later, saturating.
    #[must_use]
    pub const fn after_millis(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Later than any moment: a timer that never fires.
    pub(crate) const NEVER: Self = Self(u64::MAX);

    /// Time since `earlier`; zero if `earlier` is later.
    #[must_use]
    #[inline(never)]
    pub const fn saturating_sub(self, earlier: Self) -> Duration {
        duration(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Saturates, since a clock near its end is not an error of the caller's.
    #[inline(never)]
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

/// Whole milliseconds, saturating. Without a division of 64 or 128 bits, each a function of 1 KB on a 32-bit device.
#[inline(never)]
pub(crate) const fn millis(duration: Duration) -> u64 {
    duration
        .as_secs()
        .saturating_mul(1000)
        .saturating_add(duration.subsec_millis() as u64)
}

/// As [`Duration::from_millis`], and without a division of 64 bits.
#[inline(never)]
const fn duration(mut millis: u64) -> Duration {
    let mut seconds = 0;
    while millis >> 32 != 0 {
        // 2^32 = 4,294,967 * 1000 + 296
        let high = millis >> 32;
        seconds += high * 4_294_967;
        millis = high * 296 + (millis & 0xffff_ffff);
    }
    let millis = millis as u32;
    Duration::new(seconds + (millis / 1000) as u64, millis % 1000 * 1_000_000)
}

/// Transmission parameters (RFC 7252, 4.8), with the RFC's values as default.
///
/// A shorter `ack_timeout` than the default is only safe where congestion is controlled by other means
/// (RFC 7252, 4.8.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transmission {
    /// ACK_TIMEOUT; 2 s. The empty ACK of a slow request leaves after half of it.
    pub ack_timeout: Duration,
    /// ACK_RANDOM_FACTOR in percent; 150. Values below 100 count as 100.
    pub ack_random_percent: u16,
    /// MAX_RETRANSMIT; 4.
    pub max_retransmit: u8,
    /// MAX_LATENCY; 100 s.
    pub max_latency: Duration,
    /// How long a request waits for its response after the empty ACK, or after it left as NON; 93 s,
    /// the default MAX_TRANSMIT_WAIT (left to the endpoint by RFC 7252, 4.7).
    pub response_timeout: Duration,
    /// The longest random delay before the answer to a multicast request, DEFAULT_LEISURE; 5 s.
    pub leisure: Duration,
}

impl Transmission {
    /// The defaults of RFC 7252, 4.8.
    pub const DEFAULT: Self = Self {
        ack_timeout: Duration::from_secs(2),
        ack_random_percent: 150,
        max_retransmit: 4,
        max_latency: Duration::from_secs(100),
        response_timeout: Duration::from_secs(93),
        leisure: Duration::from_secs(5),
    };

    /// ACK_TIMEOUT * ACK_RANDOM_FACTOR: the longest first timeout. An ACK_TIMEOUT above 49 days counts as that.
    #[must_use]
    pub const fn longest_first_timeout(&self) -> Duration {
        duration(self.longest_first_millis())
    }

    #[inline(never)]
    pub(crate) const fn longest_first_millis(&self) -> u64 {
        let percent = if self.ack_random_percent < 100 {
            100
        } else {
            self.ack_random_percent as u64
        };
        let timeout = millis(self.ack_timeout);
        let timeout = if timeout >> 32 == 0 {
            timeout as u32
        } else {
            u32::MAX
        };
        // In two parts, so that what is divided by 100 has 32 bits.
        (timeout / 100) as u64 * percent + ((timeout % 100) * percent as u32 / 100) as u64
    }

    /// MAX_TRANSMIT_SPAN (RFC 7252, 4.8.2); 45 s by default.
    #[must_use]
    pub const fn max_transmit_span(&self) -> Duration {
        duration(self.span_millis(self.max_retransmit))
    }

    /// MAX_TRANSMIT_WAIT (RFC 7252, 4.8.2); 93 s by default.
    #[must_use]
    pub const fn max_transmit_wait(&self) -> Duration {
        duration(self.span_millis(self.max_retransmit.saturating_add(1)))
    }

    /// The longest that so many timeouts take together, each twice the one before.
    pub(crate) const fn span_millis(&self, timeouts: u8) -> u64 {
        let doubled = if timeouts < 32 {
            1u64 << timeouts
        } else {
            1 << 32
        };
        self.longest_first_millis().saturating_mul(doubled - 1)
    }

    /// EXCHANGE_LIFETIME (RFC 7252, 4.8.2), with PROCESSING_DELAY = ACK_TIMEOUT; 247 s by default.
    #[must_use]
    pub const fn exchange_lifetime(&self) -> Duration {
        duration(self.lifetime_millis(true))
    }

    /// NON_LIFETIME (RFC 7252, 4.8.2); 145 s by default.
    #[must_use]
    pub const fn non_lifetime(&self) -> Duration {
        duration(self.lifetime_millis(false))
    }

    /// EXCHANGE_LIFETIME of a confirmable message, NON_LIFETIME of another.
    #[inline(never)]
    pub(crate) const fn lifetime_millis(&self, confirmable: bool) -> u64 {
        let latency = millis(self.max_latency);
        let non = self
            .span_millis(self.max_retransmit)
            .saturating_add(latency);
        if confirmable {
            non.saturating_add(latency)
                .saturating_add(millis(self.ack_timeout))
        } else {
            non
        }
    }

    /// How long the endpoint waits for the application before it sends the empty ACK: half of ACK_TIMEOUT,
    /// so that it arrives before the client's first retransmission (RFC 7252, 4.8.2, PROCESSING_DELAY).
    #[must_use]
    pub const fn acknowledge_within(&self) -> Duration {
        duration(millis(self.ack_timeout) / 2)
    }
}

impl Default for Transmission {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc7252_4_8_2_derived_values() {
        let t = Transmission::DEFAULT;
        assert_eq!(t.max_transmit_span(), Duration::from_secs(45));
        assert_eq!(t.max_transmit_wait(), Duration::from_secs(93));
        assert_eq!(t.exchange_lifetime(), Duration::from_secs(247));
        assert_eq!(t.non_lifetime(), Duration::from_secs(145));
        assert_eq!(t.longest_first_timeout(), Duration::from_secs(3));
    }

    #[test]
    fn milliseconds_and_back() {
        let edges = (0..64).flat_map(|n| [(1u64 << n) - 1, 1 << n, (1 << n) + 1]);
        for millis in edges.chain([u64::MAX, 999, 1000, 1001, 4_294_967_296_000]) {
            assert_eq!(duration(millis), Duration::from_millis(millis), "{millis}");
            assert_eq!(super::millis(duration(millis)), millis);
        }
        assert_eq!(super::millis(Duration::MAX), u64::MAX);
    }

    #[test]
    fn the_longest_first_timeout_is_exact() {
        for timeout in [0, 1, 99, 100, 101, 2000, 123_456_789, u64::from(u32::MAX)] {
            for percent in [100, 101, 150, 199, u16::MAX] {
                let t = Transmission {
                    ack_timeout: Duration::from_millis(timeout),
                    ack_random_percent: percent,
                    ..Transmission::DEFAULT
                };
                let expected = timeout * u64::from(percent) / 100;
                assert_eq!(t.longest_first_timeout(), Duration::from_millis(expected));
            }
        }
    }

    #[test]
    fn extreme_parameters_saturate() {
        let t = Transmission {
            ack_timeout: Duration::from_secs(u64::MAX / 2000),
            ack_random_percent: 0,
            max_retransmit: 255,
            ..Transmission::DEFAULT
        };
        assert!(t.exchange_lifetime() >= t.max_transmit_span());
        assert_eq!(Instant(u64::MAX) + t.exchange_lifetime(), Instant::NEVER);
    }
}
