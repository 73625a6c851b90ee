//! How much work others may cause: verifications of tokens, and answers to strangers.

use core::time::Duration;

use ace_coap::Instant;
use ace_crypto::hmac_sha256;

/// `burst` at once, then one per `interval`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    /// In milliseconds.
    interval: u64,
    burst: u16,
}

/// When all that was taken will have been paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Paid(u64);

impl Rate {
    pub(crate) const fn new(burst: u16, interval: Duration) -> Self {
        Self {
            interval: millis(interval),
            burst,
        }
    }

    /// Takes one, or says how long to wait.
    pub(crate) fn take(self, paid: &mut Paid, now: Instant) -> Result<(), Duration> {
        let next = paid.0.max(now.0).saturating_add(self.interval);
        let burst = self.interval.saturating_mul(u64::from(self.burst));
        let latest = now.0.saturating_add(burst);
        if next > latest {
            return Err(Instant(next).saturating_sub(Instant(latest)));
        }
        paid.0 = next;
        Ok(())
    }

    /// Gives one back.
    const fn refund(self, paid: &mut Paid) {
        paid.0 = paid.0.saturating_sub(self.interval);
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
#[derive(Debug, Default)]
pub(crate) struct Gate {
    common: Paid,
    /// From when the class may come again, in units of [`UNIT`] milliseconds.
    classes: [u32; SOURCES as usize],
}

/// How often a [`Gate`] opens: to all together, and `pause` is the time between two of one class.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) common: Rate,
    pub(crate) pause: Duration,
}

/// So that 32 bits last for eight years.
const UNIT: u64 = 64;

/// Who asks, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller<'a> {
    pub(crate) now: Instant,
    pub(crate) secret: &'a [u8],
    pub(crate) source: u64,
}

impl Gate {
    /// `proven` says that the source showed its address; `pressure` that few slots are free.
    pub(crate) fn admit(
        &mut self,
        pace: Pace,
        caller: Caller<'_>,
        proven: bool,
        pressure: bool,
    ) -> Admission {
        let now = caller.now;
        if !pressure && pace.common.take(&mut self.common, now).is_ok() {
            return Admission::Admitted;
        }
        if !proven {
            return Admission::Challenge;
        }
        let Some(next) = self.classes.get_mut(caller.class(pace.pause)) else {
            return Admission::Busy(pace.pause);
        };
        let opens = Instant(u64::from(*next).saturating_mul(UNIT));
        if opens > now {
            return Admission::Busy(opens.saturating_sub(now));
        }
        *next = units(now + pace.pause);
        Admission::Admitted
    }

    /// The source has proven possession of a key: its uploads cost it nothing.
    pub(crate) fn refund(&mut self, pace: Pace, caller: Caller<'_>) {
        pace.common.refund(&mut self.common);
        if let Some(next) = self.classes.get_mut(caller.class(pace.pause)) {
            *next = 0;
        }
    }
}

impl Caller<'_> {
    /// The class of the source, drawn anew every `pause`.
    fn class(&self, pause: Duration) -> usize {
        let epoch = (self.now.0 / millis(pause).max(1)).to_be_bytes();
        let digest = hmac_sha256(self.secret, &[b"class", &epoch, &self.source.to_be_bytes()]);
        usize::from(digest.first().copied().unwrap_or(0)) % SOURCES as usize
    }
}

fn units(at: Instant) -> u32 {
    u32::try_from(at.0 / UNIT).unwrap_or(u32::MAX)
}

const fn millis(duration: Duration) -> u64 {
    let seconds = duration.as_secs().saturating_mul(1000);
    seconds.saturating_add(duration.subsec_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn caller(now: Instant, source: u64) -> Caller<'static> {
        Caller {
            now,
            secret: b"k",
            source,
        }
    }

    const fn pace(burst: u16, pause: u32) -> Pace {
        Pace {
            common: Rate::new(burst, SECOND),
            pause: Duration::from_secs(pause as u64),
        }
    }

    #[test]
    fn a_burst_then_one_per_interval() {
        let rate = Rate::new(3, SECOND);
        let mut paid = Paid::default();
        let start = Instant(5_000);
        for _ in 0..3 {
            rate.take(&mut paid, start).unwrap();
        }
        assert_eq!(rate.take(&mut paid, start), Err(SECOND));
        assert_eq!(rate.take(&mut paid, start + SECOND / 2), Err(SECOND / 2));
        rate.take(&mut paid, start + SECOND).unwrap();
        rate.take(&mut paid, start + SECOND).unwrap_err();
        rate.refund(&mut paid);
        rate.take(&mut paid, start + SECOND).unwrap();
        // A long pause earns no more than the burst.
        let later = start + 100 * SECOND;
        let taken = (0..10).filter(|_| rate.take(&mut paid, later).is_ok());
        assert_eq!(taken.count(), 3);
    }

    #[test]
    fn rfc9200_5_10_1_2_one_source_cannot_use_up_the_allowance_of_others() {
        let mut gate = Gate::default();
        let mut admit =
            |source, proven| gate.admit(pace(2, 16), caller(Instant(0), source), proven, false);
        let flood = 1_000;
        assert_eq!(admit(flood, false), Admission::Admitted);
        assert_eq!(admit(flood, false), Admission::Admitted);
        assert_eq!(admit(flood, false), Admission::Challenge);
        assert_eq!(admit(flood, true), Admission::Admitted);
        assert_eq!(admit(flood, true), Admission::Busy(16 * SECOND));
        // Sources of other classes are let in at once, each once.
        let others = (0..64).filter(|n| admit(*n, true) == Admission::Admitted);
        assert_eq!(others.count(), SOURCES as usize - 1);
    }

    #[test]
    fn rfc9200_5_10_1_2_classes_change_with_time() {
        let of = |second: u64, source| caller(Instant(second * 1000), source).class(SECOND);
        let apart = (0..100).filter(|second| of(*second, 7) != of(*second, 8));
        let moved = apart.count();
        assert!((70..100).contains(&moved), "{moved}");
    }

    #[test]
    fn possession_of_a_key_gives_the_allowance_back() {
        let mut gate = Gate::default();
        let (pace, client) = (pace(1, 4), caller(Instant(0), 7));
        for _ in 0..20 {
            let admitted = gate.admit(pace, client, true, false);
            assert_eq!(admitted, Admission::Admitted);
            gate.refund(pace, client);
        }
        assert_eq!(gate.admit(pace, client, true, true), Admission::Admitted);
        assert_ne!(gate.admit(pace, client, true, true), Admission::Admitted);
    }
}
