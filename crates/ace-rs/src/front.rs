//! Answers in the clear: never more to a stranger than three times what came (RFC 9175, 2.4).

use core::time::Duration;

use ace_coap::echo::{Allowance, EchoVerifier, allowance, challenge_message};
use ace_coap::{CryptoRng, Endpoint, Exchange, Instant, OutMessage, Reliability};
use ace_wire::coap::{Code, Message, Type, option};

use crate::config::Config;
use crate::link::{Link, Slot};
use crate::peer::{Peer, PeerBytes};

/// When and where something came from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin<P> {
    pub(crate) now: Instant,
    pub(crate) wall: Option<u64>,
    pub(crate) peer: P,
    /// The peer has shown that it receives at its address.
    pub(crate) proven: bool,
}

/// A request and where it came from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival<P> {
    pub(crate) origin: Origin<P>,
    pub(crate) exchange: Exchange,
    /// Of the datagram, in bytes.
    pub(crate) length: usize,
    pub(crate) token_length: usize,
    pub(crate) confirmable: bool,
}

impl<P> core::ops::Deref for Arrival<P> {
    type Target = Origin<P>;

    fn deref(&self) -> &Origin<P> {
        &self.origin
    }
}

impl<P> Arrival<P> {
    pub(crate) fn new(
        origin: Origin<P>,
        exchange: Exchange,
        length: usize,
        message: &Message<'_>,
    ) -> Self {
        Self {
            origin,
            exchange,
            length,
            token_length: message.token.as_bytes().len(),
            confirmable: message.kind == Type::Confirmable,
        }
    }
}

/// What was sent in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    Answer(Code),
    /// 4.01 with Echo in its place, or with nothing where even that would be too much.
    Challenge,
}

/// The endpoint and the proof of addresses.
#[derive(Debug)]
pub(crate) struct Front<P, E, const MTU: usize> {
    pub(crate) endpoint: Endpoint<Link<P>, E, MTU>,
    echo: EchoVerifier,
    echo_lifetime: Duration,
}

impl<P, E, const MTU: usize> Front<P, E, MTU>
where
    P: Peer,
    E: AsRef<[Slot<P, MTU>]> + AsMut<[Slot<P, MTU>]>,
{
    pub(crate) fn new(config: &Config<'_>, slots: E, rng: &mut dyn CryptoRng) -> Self {
        let mut key = [0; 32];
        rng.fill_bytes(&mut key);
        Self {
            endpoint: Endpoint::new(slots, config.transmission, rng),
            echo: EchoVerifier::new(key),
            echo_lifetime: config.limits.echo_lifetime,
        }
    }

    pub(crate) fn arrival(
        &self,
        now: Instant,
        wall: Option<u64>,
        peer: P,
        exchange: Exchange,
        length: usize,
        message: &Message<'_>,
    ) -> Arrival<P> {
        let proven = message.options.find(option::ECHO).is_some_and(|value| {
            let peer = PeerBytes::of(peer);
            self.echo
                .verify(now, peer.as_bytes(), value, self.echo_lifetime)
                .is_ok()
        });
        let origin = Origin {
            now,
            wall,
            peer,
            proven,
        };
        Arrival::new(origin, exchange, length, message)
    }

    /// Answers in the clear, or lets the peer show its address first.
    pub(crate) fn answer(&mut self, at: &Arrival<P>, response: &OutMessage<'_>) -> Sent {
        let allowed = if at.proven {
            Allowance::Full
        } else {
            allowance(at.length, at.token_length, response)
        };
        match allowed {
            Allowance::Full => {
                self.send(at, response);
                Sent::Answer(response.code)
            }
            Allowance::Challenge => self.challenge(at),
            Allowance::Bare => {
                self.send(at, &OutMessage::new(response.code));
                Sent::Challenge
            }
            Allowance::Silence => {
                self.ignore(at);
                Sent::Challenge
            }
        }
    }

    /// Asks the peer to show that it receives at its address (RFC 9175, 2.3).
    #[inline(never)]
    pub(crate) fn challenge(&mut self, at: &Arrival<P>) -> Sent {
        let value = self
            .echo
            .challenge(at.now, PeerBytes::of(at.peer).as_bytes());
        let challenge = challenge_message(&value);
        match allowance(at.length, at.token_length, &challenge) {
            Allowance::Full | Allowance::Challenge => self.send(at, &challenge),
            Allowance::Bare => self.send(at, &OutMessage::new(Code::UNAUTHORIZED)),
            Allowance::Silence => self.ignore(at),
        }
        Sent::Challenge
    }

    /// A code alone: never longer than the request.
    #[inline(never)]
    pub(crate) fn code(&mut self, at: &Arrival<P>, code: Code) {
        self.send(at, &OutMessage::new(code));
    }

    /// RFC 7252, 5.7.2: refuses a request for a proxy; the code if it is one.
    pub(crate) fn no_proxy(&mut self, at: &Arrival<P>, message: &Message<'_>) -> Option<Code> {
        let for_a_proxy = message.options.contains(option::PROXY_URI)
            || message.options.contains(option::PROXY_SCHEME);
        for_a_proxy.then(|| {
            self.code(at, Code::PROXYING_NOT_SUPPORTED);
            Code::PROXYING_NOT_SUPPORTED
        })
    }

    /// No answer, and no trace of the request.
    #[inline(never)]
    pub(crate) fn ignore(&mut self, at: &Arrival<P>) {
        // Gone already means ignored.
        let _ = self.endpoint.ignore(at.exchange);
    }

    /// RFC 7252, 5.4.1: an option that is not understood is told to a CON alone.
    pub(crate) fn bad_option(&mut self, at: &Arrival<P>) {
        if at.confirmable {
            self.code(at, Code::BAD_OPTION);
        } else {
            self.ignore(at);
        }
    }

    #[inline(never)]
    fn send(&mut self, at: &Arrival<P>, response: &OutMessage<'_>) {
        // RFC 9175, 2.4: nothing in the clear is retransmitted.
        let separate = Reliability::NonConfirmable;
        if self
            .endpoint
            .respond_as(at.now, at.exchange, separate, response)
            .is_err()
        {
            self.ignore(at);
        }
    }
}
