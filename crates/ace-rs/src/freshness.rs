//! How long a token lasts on a device that may not know the time (RFC 9200, 5.3.1 and 5.10.3).

use core::time::Duration;

use ace_coap::Instant;
use ace_crypto::{ct_eq, hmac_sha256};
use ace_oscore::storage::{Key, Storage};
use ace_wire::cwt::{ClaimsSet, NumericDate};

use crate::Refusal;
use crate::config::{Config, Freshness};

/// Under which key of the [`Storage`] the highest `exi` number lives: eight bytes, big-endian.
pub const SEQUENCE_KEY: Key = Key(0x6578_6900);

/// Length of a `cnonce` in bytes.
pub(crate) const CNONCE: usize = 12;

/// A client-nonce that needs no table: the second it was made in, and a MAC over it.
// RFC 9200, 5.3.1
#[inline(never)]
pub(crate) fn cnonce(now: Instant, secret: &[u8]) -> [u8; CNONCE] {
    let made = u32::try_from(now.seconds())
        .unwrap_or(u32::MAX)
        .to_be_bytes();
    let mac = hmac_sha256(secret, &[b"cnonce", &made]);
    let mut nonce = [0; CNONCE];
    nonce
        .iter_mut()
        .zip(made.iter().chain(&mac))
        .for_each(|(to, from)| *to = *from);
    nonce
}

/// When this nonce was made, if this server made it no longer ago than `lifetime`.
fn made(nonce: &[u8], now: Instant, lifetime: Duration, secret: &[u8]) -> Option<Instant> {
    let (seconds, _) = nonce.split_first_chunk::<4>()?;
    let made = Instant(u64::from(u32::from_be_bytes(*seconds)).saturating_mul(1000));
    (ct_eq(nonce, &cnonce(made, secret)) && made <= now && now.saturating_sub(made) <= lifetime)
        .then_some(made)
}

/// A number that may be missing, in eight bytes: the largest one stands for none, and is never one that matters (a time
/// without end, a sequence number after which there is none).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sparse(u64);

impl Sparse {
    pub(crate) const fn get(self) -> Option<u64> {
        match self.0 {
            u64::MAX => None,
            number => Some(number),
        }
    }
}

impl From<Option<u64>> for Sparse {
    fn from(number: Option<u64>) -> Self {
        Self(number.unwrap_or(u64::MAX))
    }
}

/// When the rights of a token end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Term {
    /// By the monotonic clock.
    pub(crate) end: Instant,
    /// By the wall clock, if it comes to be known, or is corrected.
    pub(crate) exp: Sparse,
    /// The number of a token with `exi`.
    pub(crate) number: Sparse,
}

impl Term {
    /// The term of a token first seen at `now`.
    pub(crate) fn of(
        claims: &ClaimsSet<'_>,
        now: Instant,
        wall: Option<u64>,
        config: &Config<'_>,
        secret: &[u8],
    ) -> Result<Self, Refusal> {
        let seconds = |date: Option<NumericDate>| date.map(NumericDate::seconds);
        let iat = seconds(claims.iat);
        let lifetime = config
            .limits
            .default_lifetime
            .map(|lifetime| lifetime.as_secs());
        let by_default = || Some(iat?.saturating_add(lifetime?));
        let exp = seconds(claims.exp).or_else(by_default);
        let after = |start: Instant, seconds: u64| start + Duration::from_secs(seconds);

        // What the wall clock says, or the nonce in its place.
        let by_date = match (wall, config.freshness) {
            (Some(wall), _) => exp.map(|exp| after(now, exp.saturating_sub(wall))),
            (None, Freshness::Clock) => None,
            // RFC 9200, 5.3.1
            (None, Freshness::Cnonce(lifetime)) => {
                let nonce = claims.cnonce.ok_or(Refusal::Cnonce)?;
                let made = made(nonce, now, lifetime, secret).ok_or(Refusal::Cnonce)?;
                // The token was issued after the nonce was made, so that it ends no earlier.
                exp.zip(iat)
                    .map(|(exp, iat)| after(made, exp.saturating_sub(iat)))
            }
        };
        // RFC 9200, 5.10.3
        let by_count = claims.exi.map(|exi| after(now, exi));
        let number = claims
            .exi
            .map(|_| number(claims.cti, config.identifier))
            .transpose()?;

        let end = match (by_date, by_count) {
            (Some(date), Some(count)) => date.min(count),
            (Some(end), None) | (None, Some(end)) => end,
            (None, None) if exp.is_some() => return Err(Refusal::ClockUnknown),
            (None, None) => return Err(Refusal::NoExpiration),
        };
        if end <= now {
            return Err(Refusal::Expired);
        }
        Ok(Self {
            end,
            exp: exp.into(),
            number: number.into(),
        })
    }

    pub(crate) fn is_over(&self, now: Instant, wall: Option<u64>) -> bool {
        self.end <= now
            || wall
                .zip(self.exp.get())
                .is_some_and(|(wall, exp)| exp <= wall)
    }
}

/// The number in `cti`: identifier of this server, then 1 to 8 bytes, big-endian.
#[inline(never)]
pub(crate) fn number(cti: Option<&[u8]>, identifier: &[u8]) -> Result<u64, Refusal> {
    let number = cti
        .and_then(|cti| cti.strip_prefix(identifier))
        .unwrap_or(&[]);
    if number.is_empty() || number.len() > 8 {
        return Err(Refusal::SequenceNumber);
    }
    let number = number
        .iter()
        .fold(0, |value, byte| value << 8 | u64::from(*byte));
    Sparse(number).get().ok_or(Refusal::SequenceNumber)
}

/// Numbers of tokens with `exi` (RFC 9200, 5.10.3).
///
/// The RFC asks to store the highest number that expired. Stored here is the highest number taken:
/// after a reboot nobody knows how much was left of a token, so it counts as expired. That costs
/// one write per token and none when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Numbers {
    /// The highest number that ended; it and all below count as expired.
    ended: Option<u64>,
    /// The highest number taken, stored.
    taken: Option<u64>,
}

impl Numbers {
    /// What an earlier life of the device left; `None` if that is unreadable.
    pub(crate) fn load<S: Storage>(storage: &mut S) -> Option<Self> {
        let mut bytes = [0; 8];
        let taken = match storage.load(SEQUENCE_KEY, &mut bytes).ok()? {
            None => None,
            Some(8) => Some(u64::from_be_bytes(bytes)),
            Some(_) => return None,
        };
        Some(Self {
            ended: taken,
            taken,
        })
    }

    pub(crate) fn check(&self, number: Option<u64>) -> Result<(), Refusal> {
        match (number, self.ended) {
            (Some(number), Some(ended)) if number <= ended => Err(Refusal::Expired),
            _ => Ok(()),
        }
    }

    /// A token is about to be taken: nothing is answered before this is stored.
    #[inline(never)]
    pub(crate) fn take<S: Storage>(
        &mut self,
        number: Option<u64>,
        storage: &mut S,
    ) -> Result<(), Refusal> {
        if let Some(number) = number
            && self.taken.is_none_or(|taken| taken < number)
        {
            storage
                .save(SEQUENCE_KEY, &number.to_be_bytes())
                .map_err(|_| Refusal::Storage)?;
            self.taken = Some(number);
        }
        Ok(())
    }

    /// A token that was in force has ended, by time or by another one in its place.
    pub(crate) fn end(&mut self, number: Option<u64>) {
        self.ended = self.ended.max(number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"secret";
    const MINUTE: Duration = Duration::from_secs(60);
    const NOW: Instant = Instant(1_000_000);

    fn date(seconds: u64) -> Option<NumericDate> {
        Some(NumericDate::from_seconds(seconds))
    }

    fn term(
        claims: &ClaimsSet<'_>,
        wall: Option<u64>,
        freshness: Freshness,
    ) -> Result<Term, Refusal> {
        let mut config = Config::new(&["rs1"], "", &[]);
        config.freshness = freshness;
        Term::of(claims, NOW, wall, &config, SECRET)
    }

    #[test]
    fn rfc9200_5_3_1_cnonce_is_fresh_for_its_lifetime_only() {
        let nonce = cnonce(NOW, SECRET);
        assert_eq!(made(&nonce, NOW, MINUTE, SECRET), Some(NOW));
        assert_eq!(made(&nonce, NOW + MINUTE, MINUTE, SECRET), Some(NOW));
        assert_eq!(made(&nonce, Instant(NOW.0 + 60_001), MINUTE, SECRET), None);
        assert_eq!(made(&nonce, Instant(NOW.0 - 1), MINUTE, SECRET), None);
        assert_eq!(made(&nonce, NOW, MINUTE, b"another"), None);
        for byte in 0..CNONCE {
            let mut forged = nonce;
            forged[byte] ^= 1;
            assert_eq!(made(&forged, NOW, MINUTE, SECRET), None, "{byte}");
            assert_eq!(made(&nonce[..byte], NOW, MINUTE, SECRET), None, "{byte}");
        }
        assert_eq!(
            made(&[&nonce[..], &[0]].concat(), NOW, MINUTE, SECRET),
            None
        );
    }

    #[test]
    fn rfc9200_5_10_3_exp_with_a_clock() {
        let claims = ClaimsSet {
            exp: date(5_060),
            ..Default::default()
        };
        let term = term(&claims, Some(5_000), Freshness::Clock).unwrap();
        assert_eq!(term.end, NOW + MINUTE);
        assert!(!term.is_over(Instant(NOW.0 + 59_999), Some(5_059)));
        assert!(term.is_over(NOW + MINUTE, None));
        // A clock that is set forward later.
        assert!(term.is_over(NOW, Some(5_060)));
    }

    #[test]
    fn rfc9200_5_10_3_exp_without_a_clock_is_refused() {
        let claims = ClaimsSet {
            exp: date(u64::MAX),
            iat: date(1),
            ..Default::default()
        };
        assert_eq!(
            term(&claims, None, Freshness::Clock),
            Err(Refusal::ClockUnknown)
        );
        assert!(term(&claims, Some(2), Freshness::Clock).is_ok());
        let endless = ClaimsSet {
            iat: date(1),
            ..Default::default()
        };
        assert_eq!(
            term(&endless, Some(2), Freshness::Clock),
            Err(Refusal::NoExpiration)
        );
    }

    #[test]
    fn rfc9200_5_10_4_default_lifetime_counts_from_iat() {
        let mut config = Config::new(&["rs1"], "", &[]);
        config.limits.default_lifetime = Some(MINUTE);
        let claims = ClaimsSet {
            iat: date(5_000),
            ..Default::default()
        };
        let at = |wall| Term::of(&claims, NOW, Some(wall), &config, SECRET);
        assert_eq!(at(5_010).unwrap().end, NOW + Duration::from_secs(50));
        assert_eq!(at(5_060), Err(Refusal::Expired));
        let undated = Term::of(&ClaimsSet::default(), NOW, Some(1), &config, SECRET);
        assert_eq!(undated, Err(Refusal::NoExpiration));
    }

    #[test]
    fn rfc9200_5_3_1_without_a_clock_a_fresh_cnonce_is_required() {
        let mode = Freshness::Cnonce(5 * MINUTE);
        let nonce = cnonce(Instant(NOW.0 - 30_000), SECRET);
        let claims = ClaimsSet {
            exp: date(5_060),
            iat: date(5_000),
            ..Default::default()
        };
        assert_eq!(term(&claims, None, mode), Err(Refusal::Cnonce));
        let stale = cnonce(Instant(NOW.0 - 301_000), SECRET);
        let claims = ClaimsSet {
            cnonce: Some(&stale),
            ..claims
        };
        assert_eq!(term(&claims, None, mode), Err(Refusal::Cnonce));
        let claims = ClaimsSet {
            cnonce: Some(&nonce),
            ..claims
        };
        // A minute since the nonce was made, half of which is gone.
        assert_eq!(term(&claims, None, mode).unwrap().end, NOW + MINUTE / 2);
        // With a clock, the clock decides.
        assert_eq!(
            term(&claims, Some(5_050), mode).unwrap().end,
            NOW + MINUTE / 6
        );
        let claims = ClaimsSet {
            exp: date(5_020),
            ..claims
        };
        assert_eq!(term(&claims, None, mode), Err(Refusal::Expired));
        let claims = ClaimsSet {
            iat: None,
            ..claims
        };
        assert_eq!(term(&claims, None, mode), Err(Refusal::ClockUnknown));
        let claims = ClaimsSet {
            exp: None,
            ..claims
        };
        assert_eq!(term(&claims, None, mode), Err(Refusal::NoExpiration));
    }

    #[test]
    fn rfc9200_5_10_3_exi_counts_from_the_first_sight_and_needs_a_number() {
        for freshness in [Freshness::Clock, Freshness::Cnonce(MINUTE)] {
            let nonce = cnonce(NOW, SECRET);
            let claims = ClaimsSet {
                exi: Some(60),
                cti: Some(b"rs1\x01\x02"),
                cnonce: Some(&nonce),
                ..Default::default()
            };
            let term = term(&claims, None, freshness).unwrap();
            assert_eq!((term.end, term.number.get()), (NOW + MINUTE, Some(0x102)));
        }
        for cti in [
            None,
            Some(&b"rs1"[..]),
            Some(b"rs2\x01"),
            Some(b"rs1\0\0\0\0\0\0\0\0\x01"),
            Some(b"rs1\xff\xff\xff\xff\xff\xff\xff\xff"),
        ] {
            let claims = ClaimsSet {
                exi: Some(60),
                cti,
                ..Default::default()
            };
            let refused = term(&claims, None, Freshness::Clock);
            assert_eq!(refused, Err(Refusal::SequenceNumber), "{cti:?}");
        }
        let ended = ClaimsSet {
            exi: Some(0),
            cti: Some(b"rs1\x01"),
            ..Default::default()
        };
        assert_eq!(term(&ended, None, Freshness::Clock), Err(Refusal::Expired));
    }

    #[test]
    fn rfc9200_5_10_3_the_earlier_end_holds() {
        let cti = Some(&b"rs1\x01"[..]);
        let claims = ClaimsSet {
            exi: Some(60),
            exp: date(5_010),
            cti,
            ..Default::default()
        };
        let term = term(&claims, Some(5_000), Freshness::Clock).unwrap();
        assert_eq!(term.end, NOW + MINUTE / 6);
        let huge = ClaimsSet {
            exi: Some(u64::MAX),
            cti,
            ..Default::default()
        };
        assert_eq!(
            super::Term::of(&huge, NOW, None, &Config::new(&["rs1"], "", &[]), SECRET)
                .unwrap()
                .end,
            Instant(u64::MAX)
        );
    }

    #[derive(Default)]
    struct Memory(Option<[u8; 8]>, bool);

    impl Storage for Memory {
        type Error = ();

        fn load(&mut self, key: Key, out: &mut [u8]) -> Result<Option<usize>, ()> {
            assert_eq!(key.0, SEQUENCE_KEY.0);
            Ok(self.0.map(|bytes| {
                out[..8].copy_from_slice(&bytes);
                8
            }))
        }

        fn save(&mut self, _: Key, value: &[u8]) -> Result<(), ()> {
            if self.1 {
                return Err(());
            }
            self.0 = Some(value.try_into().unwrap());
            Ok(())
        }
    }

    #[test]
    fn rfc9200_5_10_3_numbers_at_or_below_the_highest_that_ended_are_expired() {
        let mut storage = Memory::default();
        let mut numbers = Numbers::load(&mut storage).unwrap();
        for number in [5, 7] {
            numbers.check(Some(number)).unwrap();
            numbers.take(Some(number), &mut storage).unwrap();
        }
        numbers.end(Some(5));
        assert_eq!(numbers.check(Some(4)), Err(Refusal::Expired));
        assert_eq!(numbers.check(Some(5)), Err(Refusal::Expired));
        // Still running: may be posted again.
        numbers.check(Some(7)).unwrap();
        numbers.check(None).unwrap();
        // After a reboot nobody knows how long it ran.
        let numbers = Numbers::load(&mut storage).unwrap();
        assert_eq!(numbers.check(Some(7)), Err(Refusal::Expired));
        numbers.check(Some(8)).unwrap();
    }

    #[test]
    fn rfc9200_5_10_3_a_number_that_cannot_be_stored_refuses_the_token() {
        let mut storage = Memory(None, true);
        let mut numbers = Numbers::load(&mut storage).unwrap();
        assert_eq!(numbers.take(Some(1), &mut storage), Err(Refusal::Storage));
        storage.1 = false;
        numbers.take(Some(1), &mut storage).unwrap();
        assert_eq!(storage.0, Some(1u64.to_be_bytes()));
    }
}
