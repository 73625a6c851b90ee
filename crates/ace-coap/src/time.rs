//! Time as the engine sees it, and the transmission parameters of RFC 7252, 4.8.

use core::{
    ops::{Add, AddAssign},
    time::Duration,
};

/// A moment on the caller's monotonic clock, in milliseconds since any fixed start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(pub u64);

impl Instant {
    /// Later than any moment: a timer that never fires.
    pub(crate) const NEVER: Self = Self(u64::MAX);

    /// Time since `earlier`; zero if `earlier` is later.
    #[must_use]
    pub const fn saturating_sub(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Saturates, since a clock near its end is not an error of the caller's.
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

/// Whole milliseconds, saturating.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
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

    /// ACK_TIMEOUT * ACK_RANDOM_FACTOR: the longest first timeout.
    #[must_use]
    pub const fn longest_first_timeout(&self) -> Duration {
        let percent = if self.ack_random_percent < 100 {
            100
        } else {
            self.ack_random_percent
        };
        Duration::from_millis(
            (self.ack_timeout.as_millis() as u64).saturating_mul(percent as u64) / 100,
        )
    }

    /// MAX_TRANSMIT_SPAN (RFC 7252, 4.8.2); 45 s by default.
    #[must_use]
    pub const fn max_transmit_span(&self) -> Duration {
        self.longest_first_timeout()
            .saturating_mul(power_of_two(self.max_retransmit).saturating_sub(1))
    }

    /// MAX_TRANSMIT_WAIT (RFC 7252, 4.8.2); 93 s by default.
    #[must_use]
    pub const fn max_transmit_wait(&self) -> Duration {
        self.longest_first_timeout()
            .saturating_mul(power_of_two(self.max_retransmit.saturating_add(1)).saturating_sub(1))
    }

    /// EXCHANGE_LIFETIME (RFC 7252, 4.8.2), with PROCESSING_DELAY = ACK_TIMEOUT; 247 s by default.
    #[must_use]
    pub const fn exchange_lifetime(&self) -> Duration {
        self.max_transmit_span()
            .saturating_add(self.max_latency.saturating_mul(2))
            .saturating_add(self.ack_timeout)
    }

    /// NON_LIFETIME (RFC 7252, 4.8.2); 145 s by default.
    #[must_use]
    pub const fn non_lifetime(&self) -> Duration {
        self.max_transmit_span().saturating_add(self.max_latency)
    }

    /// How long the endpoint waits for the application before it sends the empty ACK: half of ACK_TIMEOUT,
    /// so that it arrives before the client's first retransmission (RFC 7252, 4.8.2, PROCESSING_DELAY).
    #[must_use]
    pub const fn acknowledge_within(&self) -> Duration {
        Duration::from_millis(self.ack_timeout.as_millis() as u64 / 2)
    }
}

const fn power_of_two(exponent: u8) -> u32 {
    if exponent < 32 {
        1 << exponent
    } else {
        u32::MAX
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
