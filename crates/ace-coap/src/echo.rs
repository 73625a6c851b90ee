//! Echo: freshness and reachability of a peer without state (RFC 9175, 2), and the limit on what an unverified peer
//! is sent.
//!
//! ```
//! use std::time::Duration;
//! use ace_coap::{Instant, echo::EchoVerifier};
//!
//! let verifier = EchoVerifier::new([7; 32]);
//! let value = verifier.challenge(Instant(5_000), b"192.0.2.1:4711");
//! let fresh = Duration::from_secs(10);
//! assert!(verifier.verify(Instant(9_000), b"192.0.2.1:4711", &value, fresh).is_ok());
//! assert!(verifier.verify(Instant(9_000), b"192.0.2.9:4711", &value, fresh).is_err());
//! assert!(verifier.verify(Instant(16_000), b"192.0.2.1:4711", &value, fresh).is_err());
//! ```

use core::{fmt, time::Duration};

use ace_crypto::{Secret, ct_eq, hmac_sha256};
use ace_wire::coap::{Code, option};

use crate::{Instant, OutMessage};

/// Length of an Echo value made here: four bytes of time and eight of MAC (RFC 9175, appendix A, item 2).
pub const ECHO_LEN: usize = 12;

/// An unverified peer is sent at most three times what it sent (RFC 9175, 2.4, item 3).
pub const AMPLIFICATION_FACTOR: usize = 3;

/// Makes and checks Echo values that need no memory: a time and a MAC over it and the peer's address.
///
/// The clock must be monotonic. After a restart the key must be a new one, since the clock begins anew (RFC 9175,
/// 5 and appendix A).
pub struct EchoVerifier {
    key: Secret<32>,
}

/// Why an Echo value proves nothing.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EchoError {
    /// Not as long as the values made here.
    Length,
    /// Not made here, or for another peer.
    Forged,
    /// Older than allowed, or from the future.
    Stale,
}

impl fmt::Display for EchoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "Echo value of another length",
            Self::Forged => "Echo value not made here or for another peer",
            Self::Stale => "Echo value too old",
        })
    }
}

impl core::error::Error for EchoError {}

impl EchoVerifier {
    /// A verifier with a fresh random key that nobody else knows.
    #[must_use]
    pub const fn new(key: [u8; 32]) -> Self {
        Self {
            key: Secret::full(key),
        }
    }

    /// The Echo value for a peer, whose bytes are its claimed address and, if there is one, its security context.
    #[must_use]
    pub fn challenge(&self, now: Instant, peer: &[u8]) -> [u8; ECHO_LEN] {
        let time = (now.seconds() as u32).to_be_bytes();
        let mac = hmac_sha256(self.key.as_bytes(), &[&time, peer]);
        let mut value = [0; ECHO_LEN];
        for (to, from) in value.iter_mut().zip(time.iter().chain(&mac)) {
            *to = *from;
        }
        value
    }

    /// Whether the peer had this value from here no longer than `max_age` ago. Ages are rounded up to a second.
    ///
    /// # Errors
    /// [`EchoError`].
    pub fn verify(
        &self,
        now: Instant,
        peer: &[u8],
        value: &[u8],
        max_age: Duration,
    ) -> Result<(), EchoError> {
        let Some((time, _)) = value
            .split_first_chunk::<4>()
            .filter(|_| value.len() == ECHO_LEN)
        else {
            return Err(EchoError::Length);
        };
        let made = Instant(u64::from(u32::from_be_bytes(*time)) * 1000);
        if !ct_eq(&self.challenge(made, peer), value) {
            return Err(EchoError::Forged);
        }
        // RFC 9175, 2.3
        if made > now || now.saturating_sub(made) > max_age {
            return Err(EchoError::Stale);
        }
        Ok(())
    }
}

impl fmt::Debug for EchoVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EchoVerifier(..)")
    }
}

/// Whether a response of this many bytes of UDP payload may go to an unverified peer that sent this many.
#[must_use]
pub const fn amplification_ok(request_len: usize, response_len: usize) -> bool {
    response_len <= request_len.saturating_mul(AMPLIFICATION_FACTOR)
}

/// What may be sent to an unverified peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowance {
    /// The response as it is.
    Full,
    /// 4.01 with an Echo option instead.
    Challenge,
    /// 4.01 without payload and options instead.
    Bare,
    /// Nothing.
    Silence,
}

/// The most that may be sent to an unverified peer in answer to a datagram of `request_len` bytes whose token has
/// `token_len` bytes. What it allows must leave in the ACK or as NON, never as a retransmitted separate response
/// (RFC 9175, 2.4): see [`Endpoint::respond_as`](crate::Endpoint::respond_as).
#[must_use]
pub fn allowance(request_len: usize, token_len: usize, response: &OutMessage<'_>) -> Allowance {
    let bare = OutMessage::new(Code::UNAUTHORIZED).encoded_len(token_len);
    if amplification_ok(request_len, response.encoded_len(token_len)) {
        Allowance::Full
    } else if amplification_ok(
        request_len,
        challenge_message(&[0; ECHO_LEN]).encoded_len(token_len),
    ) {
        Allowance::Challenge
    } else if amplification_ok(request_len, bare) {
        Allowance::Bare
    } else {
        Allowance::Silence
    }
}

/// The response that asks a peer to repeat its request with this Echo value (RFC 9175, 2.3).
#[must_use]
pub fn challenge_message(value: &[u8; ECHO_LEN]) -> OutMessage<'_> {
    let mut out = OutMessage::new(Code::UNAUTHORIZED);
    let _fits = out.options.push(option::ECHO, value);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: &[u8] = b"[2001:db8::1]:5683";
    const AGE: Duration = Duration::from_secs(10);

    #[test]
    fn rfc9175_2_3_fresh_value_is_taken_until_its_age_is_up() {
        let verifier = EchoVerifier::new([1; 32]);
        let value = verifier.challenge(Instant(100_999), PEER);
        for now in [100_999, 101_000, 110_000] {
            assert_eq!(verifier.verify(Instant(now), PEER, &value, AGE), Ok(()));
        }
        for now in [110_001, 111_000, u64::MAX] {
            assert_eq!(
                verifier.verify(Instant(now), PEER, &value, AGE),
                Err(EchoError::Stale)
            );
        }
        assert_eq!(
            verifier.verify(Instant(99_999), PEER, &value, AGE),
            Err(EchoError::Stale)
        );
    }

    #[test]
    fn rfc9175_appendix_a_value_is_bound_to_key_peer_and_time() {
        let verifier = EchoVerifier::new([1; 32]);
        let now = Instant(100_000);
        let value = verifier.challenge(now, PEER);
        let forged = Err(EchoError::Forged);
        for at in 0..ECHO_LEN {
            for bit in 0..8 {
                let mut bad = value;
                bad[at] ^= 1 << bit;
                assert_eq!(verifier.verify(now, PEER, &bad, AGE), forged);
            }
        }
        assert_eq!(verifier.verify(now, b"another", &value, AGE), forged);
        assert_eq!(verifier.verify(now, b"", &value, AGE), forged);
        assert_eq!(
            EchoVerifier::new([2; 32]).verify(now, PEER, &value, AGE),
            forged
        );
        for len in 0..ECHO_LEN {
            assert_eq!(
                verifier.verify(now, PEER, &value[..len], AGE),
                Err(EchoError::Length)
            );
        }
        assert_eq!(
            verifier.verify(now, PEER, &[0; 13], AGE),
            Err(EchoError::Length)
        );
    }

    #[test]
    fn rfc9175_2_4_unverified_peer_gets_three_times_its_bytes_at_most() {
        assert!(amplification_ok(10, 30) && !amplification_ok(10, 31));
        let payload = [0; 512];
        for request_len in 0..600 {
            for token_len in 0..=8 {
                for len in [0, 1, 20, 60, 200, 512] {
                    let response = OutMessage::new(Code::CONTENT).with_payload(&payload[..len]);
                    let sent = match allowance(request_len, token_len, &response) {
                        Allowance::Full => response.encoded_len(token_len),
                        Allowance::Challenge => {
                            challenge_message(&[0; ECHO_LEN]).encoded_len(token_len)
                        }
                        Allowance::Bare => {
                            OutMessage::new(Code::UNAUTHORIZED).encoded_len(token_len)
                        }
                        Allowance::Silence => 0,
                    };
                    assert!(sent <= 3 * request_len);
                    // A real request is never met with silence.
                    assert!(sent > 0 || request_len < 4 + token_len);
                }
            }
        }
        // Steps of a GET with a token of four bytes: full, challenge, bare.
        let full = |len| OutMessage::new(Code::CONTENT).with_payload(&payload[..len]);
        assert_eq!(allowance(12, 4, &full(27)), Allowance::Full);
        assert_eq!(allowance(12, 4, &full(28)), Allowance::Challenge);
        assert_eq!(allowance(7, 4, &full(28)), Allowance::Bare);
        assert_eq!(allowance(2, 4, &full(28)), Allowance::Silence);
    }

    #[test]
    fn key_is_not_shown() {
        let shown = std::format!("{:?}", EchoVerifier::new([0xab; 32]));
        assert_eq!(shown, "EchoVerifier(..)");
    }
}
