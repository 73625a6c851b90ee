//! How much a server remembers, and for how long.

use std::time::Duration;

/// Bounds of [`Sessions`](crate::dtls::Sessions). Numbers of 0 count as 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimits {
    /// Handshakes under way, all together; about 3 KiB each. The oldest gives way to a new one.
    pub half_open: usize,
    /// Handshakes under way from one source: an IPv4 address, a /64 of IPv6. The oldest from there gives way.
    pub half_open_per_source: usize,
    /// How long a handshake may take, whatever the timers of DTLS say.
    pub handshake: Duration,
    /// Established sessions, all together; about 1 KiB each. The least recently used gives way to one that has
    /// completed its handshake, never to one that has not.
    pub sessions: usize,
    /// Established sessions of one peer: of one PSK identity or public key; of one source if it has neither. The least
    /// recently used of them gives way.
    pub sessions_per_peer: usize,
    /// A session whose peer sends nothing for so long is closed.
    pub idle: Duration,
}

impl Default for SessionLimits {
    /// 1,024 handshakes of at most a minute, 32 per source; 16,384 sessions, 8 per peer, idle for at most a day.
    fn default() -> Self {
        Self {
            half_open: 1024,
            half_open_per_source: 32,
            handshake: Duration::from_secs(60),
            sessions: 16_384,
            sessions_per_peer: 8,
            idle: Duration::from_secs(86_400),
        }
    }
}
