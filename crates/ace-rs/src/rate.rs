//! How much work others may cause: verifications of tokens, and answers to strangers.

use core::time::Duration;

use ace_coap::Instant;
use ace_crypto::hmac_sha256;

/// `burst` at once, then one per `interval`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    interval: u64,
    burst: u64,
    /// When all that was taken will have been paid for.
    paid: u64,
}

impl Rate {
    pub(crate) fn new(burst: u16, interval: Duration) -> Self {
        Self {
            interval: millis(interval),
            burst: u64::from(burst),
            paid: 0,
        }
    }

    /// Takes one, or says how long to wait.
    pub(crate) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let paid = self.paid.max(now.0).saturating_add(self.interval);
        let latest = now
            .0
            .saturating_add(self.interval.saturating_mul(self.burst));
        if paid > latest {
            return Err(Duration::from_millis(paid - latest));
        }
        self.paid = paid;
        Ok(())
    }

    /// Gives one back.
    pub(crate) fn refund(&mut self) {
        self.paid = self.paid.saturating_sub(self.interval);
    }
}

/// How many classes the sources of requests fall into.
pub(crate) const SOURCES: u32 = 8;

/// What is done with a request before its content is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Work on it.
    Admitted,
    /// Let the source show that it receives at its address.
    Challenge,
    /// Come back after this time.
    Busy(Duration),
}

/// Admits what strangers ask for (RFC 9200, 5.10.1.2).
///
/// Without pressure anyone is let in, at a common rate. Beyond it, and under pressure, a source
/// must have shown its address, and each of [`SOURCES`] classes of sources has an allowance of its
/// own, which the others cannot use up. Which class a source is in depends on a secret and changes
/// with time.
#[derive(Debug)]
pub(crate) struct Gate {
    common: Rate,
    /// From when the class may come again.
    classes: [Instant; SOURCES as usize],
    pause: Duration,
}

impl Gate {
    /// `pause` is the time between two uploads of one class.
    pub(crate) const fn new(common: Rate, pause: Duration) -> Self {
        Self {
            common,
            classes: [Instant(0); SOURCES as usize],
            pause,
        }
    }

    /// `proven` says that the source showed its address; `pressure` that few slots are free.
    pub(crate) fn admit(
        &mut self,
        now: Instant,
        secret: &[u8],
        source: &[u8],
        proven: bool,
        pressure: bool,
    ) -> Admission {
        if !pressure && self.common.take(now).is_ok() {
            return Admission::Admitted;
        }
        if !proven {
            return Admission::Challenge;
        }
        let pause = self.pause;
        let Some(next) = self.classes.get_mut(class(now, pause, secret, source)) else {
            return Admission::Busy(pause);
        };
        if *next > now {
            return Admission::Busy(next.saturating_sub(now));
        }
        *next = now + pause;
        Admission::Admitted
    }

    /// The source has proven possession of a key: its uploads cost it nothing.
    pub(crate) fn refund(&mut self, now: Instant, secret: &[u8], source: &[u8]) {
        self.common.refund();
        let pause = self.pause;
        if let Some(next) = self.classes.get_mut(class(now, pause, secret, source)) {
            *next = now;
        }
    }
}

/// The class of a source, drawn anew every `pause`.
fn class(now: Instant, pause: Duration, secret: &[u8], source: &[u8]) -> usize {
    let epoch = (now.0 / millis(pause).max(1)).to_be_bytes();
    let digest = hmac_sha256(secret, &[b"class", &epoch, source]);
    usize::from(digest.first().copied().unwrap_or(0)) % SOURCES as usize
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_burst_then_one_per_interval() {
        let mut rate = Rate::new(3, SECOND);
        let start = Instant(5_000);
        for _ in 0..3 {
            rate.take(start).unwrap();
        }
        assert_eq!(rate.take(start), Err(SECOND));
        assert_eq!(rate.take(start + SECOND / 2), Err(SECOND / 2));
        rate.take(start + SECOND).unwrap();
        rate.take(start + SECOND).unwrap_err();
        rate.refund();
        rate.take(start + SECOND).unwrap();
        // A long pause earns no more than the burst.
        let later = start + 100 * SECOND;
        assert_eq!((0..10).filter(|_| rate.take(later).is_ok()).count(), 3);
    }

    #[test]
    fn rfc9200_5_10_1_2_one_source_cannot_use_up_the_allowance_of_others() {
        let mut gate = Gate::new(Rate::new(2, SECOND), 16 * SECOND);
        let now = Instant(0);
        let mut admit = |source: &[u8], proven| gate.admit(now, b"k", source, proven, false);
        assert_eq!(admit(b"flood", false), Admission::Admitted);
        assert_eq!(admit(b"flood", false), Admission::Admitted);
        assert_eq!(admit(b"flood", false), Admission::Challenge);
        assert_eq!(admit(b"flood", true), Admission::Admitted);
        assert_eq!(admit(b"flood", true), Admission::Busy(16 * SECOND));
        // Sources of other classes are let in at once, each once.
        let others = (0..64u8).filter(|n| admit(&[*n], true) == Admission::Admitted);
        assert_eq!(others.count(), SOURCES as usize - 1);
    }

    #[test]
    fn rfc9200_5_10_1_2_classes_change_with_time() {
        let of = |second: u64, source| class(Instant(second * 1000), SECOND, b"k", source);
        let apart = (0..100).filter(|second| of(*second, b"flood") != of(*second, b"client"));
        let moved = apart.count();
        assert!((70..100).contains(&moved), "{moved}");
    }

    #[test]
    fn possession_of_a_key_gives_the_allowance_back() {
        let mut gate = Gate::new(Rate::new(1, SECOND), 4 * SECOND);
        let now = Instant(0);
        for _ in 0..20 {
            assert_eq!(
                gate.admit(now, b"k", b"client", true, false),
                Admission::Admitted
            );
            gate.refund(now, b"k", b"client");
        }
        assert_eq!(
            gate.admit(now, b"k", b"client", true, true),
            Admission::Admitted
        );
        assert_ne!(
            gate.admit(now, b"k", b"client", true, true),
            Admission::Admitted
        );
    }
}
