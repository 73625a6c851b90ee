//! Requests under OSCORE: from the outer message to the handler and back (RFC 8613, 8.2 and 8.3;
//! RFC 9200, 5.10.2).

use ace_coap::block::{OperationKey, Received};
use ace_coap::{Block, CryptoRng, OutMessage};
use ace_crypto::Secret;
use ace_oscore::storage::Storage;
#[cfg(feature = "persist")]
use ace_oscore::{ECHO_LEN, RequestBinding};
use ace_oscore::{OscoreError, OscoreOption, Unprotected};
use ace_wire::coap::{Code, Message, option};
#[cfg(feature = "persist")]
use ace_wire::coap::{Token, Type};

use crate::event::{EventKind, Outcome};
#[cfg(feature = "persist")]
use crate::front::Sent;
use crate::front::{Arrival, Origin};
use crate::inside::{Channel, Exchange};
use crate::link::Slot;
use crate::peer::{Peer, PeerBytes};
use crate::resource::Resources;
use crate::server::ResourceServer;
#[cfg(feature = "persist")]
use crate::token::Entry;
use crate::token::TokenId;

impl<
    P,
    R,
    S,
    E,
    const TOKENS: usize,
    const UNCONFIRMED: usize,
    const OBSERVERS: usize,
    const SCOPE: usize,
    const TRANSFERS: usize,
    const BODY: usize,
    const MTU: usize,
    const SESSIONS: usize,
    const HANDSHAKES: usize,
    const HANDSHAKE: usize,
>
    ResourceServer<
        '_,
        P,
        R,
        S,
        E,
        TOKENS,
        UNCONFIRMED,
        OBSERVERS,
        SCOPE,
        TRANSFERS,
        BODY,
        MTU,
        SESSIONS,
        HANDSHAKES,
        HANDSHAKE,
    >
where
    P: Peer,
    R: Resources,
    S: Storage,
    E: AsRef<[Slot<P, MTU>]> + AsMut<[Slot<P, MTU>]>,
{
    pub(crate) fn protected(
        &mut self,
        at: &Arrival<P>,
        message: &Message<'_>,
        rng: &mut dyn CryptoRng,
    ) {
        let option = match OscoreOption::of(message) {
            Ok(option) if option.kid.is_some() && option.partial_iv.is_some() => option,
            // RFC 8613, 8.2, step 2
            _ => return self.malformed(at),
        };
        let Some(id) = self.store.table.find(&option) else {
            return self.unauthorized(at, message, false, Outcome::UnknownContext);
        };
        let blockwise =
            message.options.contains(option::BLOCK1) || message.options.contains(option::BLOCK2);
        if blockwise {
            return self.outer_blocks(at, id, message, rng);
        }
        self.verify(at, id, message, None, rng);
    }

    /// RFC 8613, 8.2.1: outer blocks come before anything else.
    #[inline(never)]
    fn outer_blocks(
        &mut self,
        at: &Arrival<P>,
        id: TokenId,
        message: &Message<'_>,
        rng: &mut dyn CryptoRng,
    ) {
        let known_here = self
            .store
            .table
            .get(id)
            .is_some_and(|entry| entry.is_confirmed() && entry.peer == Some(at.peer));
        let origin = Origin {
            proven: at.proven || known_here,
            ..at.origin
        };
        let at = Arrival { origin, ..*at };
        if !at.proven {
            let sent = self.front.challenge(&at);
            return self.report(&at, Some(id), message, sent, Outcome::Challenged);
        }
        let key = self.outer_key(&at, message);
        if let Some(next) = self.answers.follow_up(at.now, &key, message) {
            self.front.answer(&at, &next);
            return;
        }
        // MAX_UNFRAGMENTED_SIZE of RFC 8613, 4.1.3.4.2, is that of a datagram.
        let mut whole = [0; MTU];
        let mut bodies = self.bodies.of_strangers();
        let (length, block1) = match bodies.receive(at.now, &key, message) {
            Received::Whole { body, block1 } => {
                let Some(room) = whole.get_mut(..body.len()) else {
                    bodies.release(&key);
                    return self.front.code(&at, Code::REQUEST_ENTITY_TOO_LARGE);
                };
                room.copy_from_slice(body);
                (body.len(), block1)
            }
            other => {
                self.front.answer(&at, &other.reply());
                return;
            }
        };
        bodies.release(&key);
        let payload = whole.get(..length).unwrap_or(&[]);
        self.verify(
            &at,
            id,
            &Message {
                payload,
                ..*message
            },
            block1,
            rng,
        );
    }

    pub(crate) fn outer_key(&self, at: &Arrival<P>, message: &Message<'_>) -> OperationKey {
        let peer = PeerBytes::of(at.peer);
        let secret = self.store.secret.as_bytes();
        OperationKey::new(&[secret, b"outer", peer.as_bytes()], message)
    }

    fn malformed(&mut self, at: &Arrival<P>) {
        self.front.bad_option(at);
        let kind = EventKind::Dropped(Outcome::MalformedOscore);
        self.events.push(Some(at.peer), None, kind);
    }

    #[inline(never)]
    fn verify(
        &mut self,
        at: &Arrival<P>,
        id: TokenId,
        message: &Message<'_>,
        block1: Option<Block>,
        rng: &mut dyn CryptoRng,
    ) {
        let Ok(option) = OscoreOption::of(message) else {
            return self.malformed(at);
        };
        let Some(entry) = self.store.table.get_mut(id) else {
            return;
        };
        let known_here = entry.is_confirmed() && entry.peer == Some(at.peer);
        let Some(context) = entry.context_mut() else {
            return;
        };
        let mut clear = Secret::<MTU>::full([0; MTU]);
        match context.unprotect_request(&option, message, rng, clear.as_mut_bytes()) {
            Ok(Unprotected::Request {
                message: inner,
                binding,
            }) => {
                let exchange = Exchange {
                    at: *at,
                    id,
                    message: &inner,
                    channel: Channel::Oscore(binding),
                    outer: message,
                    block1,
                };
                self.inside(exchange);
            }
            Err(OscoreError::Malformed) => self.malformed(at),
            Err(OscoreError::UnknownCriticalOption) => {
                self.front.bad_option(at);
                let kind = EventKind::Dropped(Outcome::BadOption);
                self.events.push(Some(at.peer), Some(id), kind);
            }
            Err(error) => self.not_verified(at, id, known_here, error),
            #[cfg(feature = "persist")]
            Ok(Unprotected::Challenge { binding, echo }) => {
                self.challenge(at, id, message, binding, &echo);
            }
            // No context outlives its replay window.
            #[cfg(not(feature = "persist"))]
            Ok(Unprotected::Challenge { .. }) => self.front.ignore(at),
        }
    }

    /// The first request after a reset: only who sends back the Echo has written it since then.
    // RFC 8613, B.1.2
    #[cfg(feature = "persist")]
    fn challenge(
        &mut self,
        at: &Arrival<P>,
        id: TokenId,
        message: &Message<'_>,
        mut binding: RequestBinding,
        echo: &[u8; ECHO_LEN],
    ) {
        self.store.reserve(id);
        let mut sealed = [0; MTU];
        // Type, Message ID and token are the endpoint's to fill in.
        let (kind, token) = (Type::Acknowledgement, Token::EMPTY);
        let context = self.store.table.get_mut(id).and_then(Entry::context_mut);
        let length = context.map(|context| {
            context.protect_challenge(&mut binding, echo, kind, 0, token, &mut sealed)
        });
        // Nothing can be said under it any more: the client learns that it needs another.
        if length == Some(Err(OscoreError::SequenceExhausted)) {
            self.store.end(id, false);
            return self.unauthorized(at, message, false, Outcome::UnknownContext);
        }
        let length = length.and_then(Result::ok);
        let sealed = length.and_then(|length| Message::parse(sealed.get(..length)?).ok());
        let Some(out) = sealed.and_then(|sealed| OutMessage::from_message(&sealed).ok()) else {
            return self.front.ignore(at);
        };
        self.front.answer(at, &out);
        self.report(at, Some(id), message, Sent::Challenge, Outcome::Challenged);
    }

    /// Replays and forgeries are answered where the client is known to be, and nowhere else.
    fn not_verified(&mut self, at: &Arrival<P>, id: TokenId, known_here: bool, error: OscoreError) {
        let outcome = match error {
            OscoreError::Replay => Outcome::Replay,
            OscoreError::BufferTooSmall => Outcome::NoRoom,
            _ => Outcome::Forgery,
        };
        self.events
            .push(Some(at.peer), Some(id), EventKind::Dropped(outcome));
        let Some(code) = error.outer_code().filter(|_| known_here) else {
            return self.front.ignore(at);
        };
        // RFC 8613, 8.2: not to be kept by caches.
        let mut out = OutMessage::new(code);
        if let Some(text) = error.diagnostic() {
            out = out.with_payload(text.as_bytes());
        }
        // The only option: there is room.
        let _ = out.options.push(option::MAX_AGE, 0u32);
        self.front.answer(at, &out);
    }
}
