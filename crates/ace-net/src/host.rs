//! What the engines ask of a host: time and randomness.

use std::time::{SystemTime, UNIX_EPOCH};

use ace_coap::Instant;
use ace_crypto::CryptoRng;
use getrandom::{SysRng, rand_core::UnwrapErr};

/// Monotonic time for the engines, from the moment it was made.
#[derive(Debug, Clone, Copy)]
pub struct Clock(tokio::time::Instant);

impl Clock {
    /// A clock that starts at zero.
    pub fn start() -> Self {
        Self(tokio::time::Instant::now())
    }

    /// Milliseconds since the start.
    pub fn now(&self) -> Instant {
        Instant(u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// When the engines' time `at` comes, for a timer.
    pub(crate) fn deadline(&self, at: Instant) -> tokio::time::Instant {
        // A day is far beyond any timer of the engines, and keeps the addition in range.
        let ahead = at.0.saturating_sub(self.now().0).min(86_400_000);
        tokio::time::Instant::now() + std::time::Duration::from_millis(ahead)
    }
}

/// Seconds since 1970, as tokens count them; `None` if the system's clock stands before that.
pub fn wall_clock() -> Option<u64> {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .map(|elapsed| elapsed.as_secs())
}

/// The operating system's random numbers.
///
/// # Panics
/// The generator panics if the system has no randomness to give: nothing may go on without.
pub fn randomness() -> impl CryptoRng + Send {
    UnwrapErr(SysRng)
}
