//! Requests under OSCORE: from the outer message to the handler and back (RFC 8613, 8.2 and 8.3;
//! RFC 9200, 5.10.2).

use ace_coap::block::{OperationKey, Received};
use ace_coap::{Block, CryptoRng, OutMessage};
use ace_crypto::Secret;
use ace_oscore::storage::Storage;
use ace_oscore::{OscoreError, OscoreOption, RequestBinding, Unprotected};
use ace_wire::ace::AuthzInfoRequest;
use ace_wire::aif::Permission;
use ace_wire::coap::{Code, Message, Token, Type, option};

use crate::error::Refusal;
use crate::event::{EventKind, Outcome};
use crate::front::{Arrival, Sent};
use crate::hints::{MAX_HINTS, Subject, hints};
use crate::link::{Link, Slot};
use crate::observers::Observer;
use crate::peer::{Peer, PeerBytes};
use crate::resource::{Resources, Response};
use crate::server::{AUTHZ_INFO, ResourceServer};
use crate::store::Store;
use crate::token::TokenId;
use crate::unprotected::{KNOWN, Target, denial, is_ace_cbor, with_format};

/// A request that verified, and what its answer needs.
struct Exchange<'m, P> {
    at: Arrival<P>,
    id: TokenId,
    binding: RequestBinding,
    /// As it came.
    outer: &'m Message<'m>,
    /// Goes with the answer to a request that came in outer blocks.
    block1: Option<Block>,
}

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
            .is_some_and(|entry| entry.is_confirmed() && entry.peer == at.peer);
        let at = Arrival {
            proven: at.proven || known_here,
            ..*at
        };
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
        let (length, block1) = match self.outer.receive(at.now, &key, message) {
            Received::Whole { body, block1 } => {
                let Some(room) = whole.get_mut(..body.len()) else {
                    self.outer.release(&key);
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
        self.outer.release(&key);
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

    fn outer_key(&self, at: &Arrival<P>, message: &Message<'_>) -> OperationKey {
        let peer = PeerBytes::of(at.peer);
        let secret = self.store.secret.as_bytes();
        OperationKey::new(&[secret, b"outer", peer.as_bytes()], message)
    }

    fn malformed(&mut self, at: &Arrival<P>) {
        self.front.bad_option(at);
        let kind = EventKind::Dropped(Outcome::MalformedOscore);
        self.events.push(Some(at.peer), None, kind);
    }

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
        let known_here = entry.is_confirmed() && entry.peer == at.peer;
        let mut clear = Secret::<MTU>::full([0; MTU]);
        match entry
            .context
            .unprotect_request(&option, message, rng, clear.as_mut_bytes())
        {
            Ok(Unprotected::Request {
                message: inner,
                binding,
            }) => {
                let exchange = Exchange {
                    at: *at,
                    id,
                    binding,
                    outer: message,
                    block1,
                };
                self.inside(exchange, &inner);
            }
            Err(OscoreError::Malformed) => self.malformed(at),
            Err(OscoreError::UnknownCriticalOption) => {
                self.front.bad_option(at);
                let kind = EventKind::Dropped(Outcome::BadOption);
                self.events.push(Some(at.peer), Some(id), kind);
            }
            Err(error) => self.not_verified(at, id, known_here, error),
            // No context outlives its replay window.
            Ok(Unprotected::Challenge { .. }) => self.front.ignore(at),
        }
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

    fn inside(&mut self, mut exchange: Exchange<'_, P>, message: &Message<'_>) {
        let id = exchange.id;
        if let Err(denied) = self.store.confirm(&exchange.at, id, &mut self.events) {
            self.reply(&mut exchange, &denial(denied));
            return self.decided(&exchange, message, denied.refusal.code(), Outcome::NoRoom);
        }
        // RFC 9203, 6: observations end with their context.
        let table = &self.store.table;
        self.observers
            .remove(|observer| table.get(observer.token).is_none());
        if message.options.unrecognized_critical(&KNOWN).is_some() {
            let code = Code::BAD_OPTION;
            self.reply(&mut exchange, &OutMessage::new(code));
            return self.decided(&exchange, message, code, Outcome::BadOption);
        }
        if message.options.path_is(AUTHZ_INFO) {
            return self.update(exchange, message);
        }
        let target = Target::of(message.options, &self.resources);
        let public = target.is_some_and(|target| target.is_public());
        let permission = if public {
            Permission::Allowed
        } else {
            self.store.permit(id, message.options, message.code)
        };
        // RFC 9200, 5.10.2
        match (permission, target) {
            (Permission::NoSuchObject, _) => {
                self.deny(
                    exchange,
                    message,
                    Code::FORBIDDEN,
                    Outcome::ResourceNotCovered,
                );
            }
            (Permission::MethodNotAllowed, _) => {
                let code = Code::METHOD_NOT_ALLOWED;
                self.deny(exchange, message, code, Outcome::MethodNotCovered);
            }
            (Permission::Allowed, None) => {
                self.reply(&mut exchange, &OutMessage::new(Code::NOT_FOUND));
                self.decided(&exchange, message, Code::NOT_FOUND, Outcome::NoSuchResource);
            }
            (Permission::Allowed, Some(target)) if !target.has_method(message.code) => {
                let code = Code::METHOD_NOT_ALLOWED;
                self.reply(&mut exchange, &OutMessage::new(code));
                self.decided(&exchange, message, code, Outcome::NoSuchResource);
            }
            (Permission::Allowed, Some(target)) => self.serve(exchange, message, target),
        }
    }

    /// A refusal with hints for a token that would do (RFC 9200, 5.2), for the key in use.
    fn deny(
        &mut self,
        mut exchange: Exchange<'_, P>,
        message: &Message<'_>,
        code: Code,
        outcome: Outcome,
    ) {
        let at = exchange.at;
        let entry = self.store.table.get(exchange.id);
        let subject = Subject {
            request: Some((message.options, message.code)),
            material: entry.map(|entry| entry.material.as_slice()),
        };
        let mut room = [0; MAX_HINTS];
        let secret = self.store.secret.as_bytes();
        let payload = hints(
            self.store.config,
            at.now,
            at.wall,
            secret,
            subject,
            &mut room,
        );
        self.reply(&mut exchange, &with_format(code, payload));
        self.decided(&exchange, message, code, outcome);
    }

    fn serve(&mut self, mut exchange: Exchange<'_, P>, message: &Message<'_>, target: Target) {
        let now = exchange.at.now;
        let id = exchange.id;
        let mut sealed = [0; MTU];
        let key = self.inner_key(id, message);
        if let Some(next) = self.answers.follow_up(now, &key, message) {
            let length = seal(
                &mut self.store,
                id,
                &mut exchange.binding,
                &next,
                &mut sealed,
            );
            let code = next.code;
            self.send(&exchange, length, &sealed);
            return self.decided(&exchange, message, code, Outcome::Block);
        }
        let (body, block1) = match self.inner.receive(now, &key, message) {
            Received::Whole { body, block1 } => (body, block1),
            other => {
                let out = other.reply();
                self.reply(&mut exchange, &out);
                return self.decided(&exchange, message, out.code, Outcome::Block);
            }
        };
        let mut room = Secret::<BODY>::full([0; BODY]);
        let mut response = Response::new(room.as_mut_bytes());
        let who = self.store.who(id);
        let code = target.serve(&mut self.resources, message, body, who, &mut response);
        let mut whole = response.message(code);
        let code = whole.code;
        if let Some(number) = self.observe(&exchange, message, target, code) {
            // An option more than a handler can set: there is room.
            let _ = whole.options.push(option::OBSERVE, number);
        }
        let out = self.answers.respond(now, &key, message, block1, &whole);
        let out = out.unwrap_or(OutMessage::new(Code::INTERNAL_SERVER_ERROR));
        let length = seal(
            &mut self.store,
            id,
            &mut exchange.binding,
            &out,
            &mut sealed,
        );
        self.inner.release(&key);
        self.send(&exchange, length, &sealed);
        self.decided(&exchange, message, code, Outcome::Handled);
    }

    pub(crate) fn inner_key(&self, id: TokenId, message: &Message<'_>) -> OperationKey {
        let secret = self.store.secret.as_bytes();
        OperationKey::new(&[secret, b"inner", &id.0.to_be_bytes()], message)
    }

    /// Registers or ends an observation (RFC 7641, 4.1); the Observe value if there is one now.
    fn observe(
        &mut self,
        exchange: &Exchange<'_, P>,
        message: &Message<'_>,
        target: Target,
        code: Code,
    ) -> Option<u32> {
        let Target::Resource(index, resource) = target else {
            return None;
        };
        let wanted = message.options.uint(option::OBSERVE).ok()??;
        let handle = message.token;
        if wanted == 1 {
            self.observers
                .remove(|o| o.token == exchange.id && o.resource == index && o.handle == handle);
        }
        let observable = resource.observable
            && message.code == Code::GET
            && !message.options.contains(option::URI_QUERY);
        if wanted != 0 || !observable || !code.is_success() {
            return None;
        }
        let accept = message.options.uint(option::ACCEPT).ok().flatten();
        let observer = Observer {
            token: exchange.id,
            resource: index,
            link: Link::clear(exchange.at.peer),
            handle,
            binding: exchange.binding,
            accept: accept.and_then(|format| u16::try_from(format).ok()),
        };
        self.observers
            .add(observer)
            .then(|| self.observers.next_number())
    }

    /// POST `/authz-info` under OSCORE: other rights for the same context (RFC 9203, 4.2).
    fn update(&mut self, mut exchange: Exchange<'_, P>, message: &Message<'_>) {
        let refusal = if message.code != Code::POST {
            Some(Refusal::Method)
        } else if !is_ace_cbor(message) {
            Some(Refusal::ContentFormat)
        } else {
            None
        };
        if let Some(refusal) = refusal {
            return self.refuse_update(&mut exchange, refusal.into());
        }
        let key = self.inner_key(exchange.id, message);
        let (body, block1) = match self.inner.receive(exchange.at.now, &key, message) {
            Received::Whole { body, block1 } => (body, block1),
            other => {
                let out = other.reply();
                return self.reply(&mut exchange, &out);
            }
        };
        let mut clear = Secret::<BODY>::full([0; BODY]);
        let updated = match AuthzInfoRequest::parse(body) {
            Ok(request) => {
                let (at, id) = (&exchange.at, exchange.id);
                self.store
                    .update(at, id, &request, clear.as_mut_bytes(), &mut self.events)
            }
            Err(_) => Err(Refusal::Payload.into()),
        };
        self.inner.release(&key);
        if let Err(denied) = updated {
            return self.refuse_update(&mut exchange, denied);
        }
        let mut out = OutMessage::new(Code::CREATED);
        if let Some(block1) = block1 {
            // The only option: there is room.
            let _ = out.options.push(option::BLOCK1, block1.value());
        }
        self.reply(&mut exchange, &out);
        self.end_uncovered_observations(exchange.at.now, exchange.id);
    }

    fn refuse_update(&mut self, exchange: &mut Exchange<'_, P>, denied: crate::store::Denied) {
        let kind = EventKind::TokenRefused(denied.refusal);
        self.events
            .push(Some(exchange.at.peer), Some(exchange.id), kind);
        self.reply(exchange, &denial(denied));
    }

    fn decided(
        &mut self,
        exchange: &Exchange<'_, P>,
        message: &Message<'_>,
        code: Code,
        outcome: Outcome,
    ) {
        let sent = Sent::Answer(code);
        self.report(&exchange.at, Some(exchange.id), message, sent, outcome);
    }

    fn reply(&mut self, exchange: &mut Exchange<'_, P>, out: &OutMessage<'_>) {
        let mut sealed = [0; MTU];
        let length = seal(
            &mut self.store,
            exchange.id,
            &mut exchange.binding,
            out,
            &mut sealed,
        );
        self.send(exchange, length, &sealed);
    }

    /// Sends a protected response, in outer blocks if the request asks for them.
    fn send(
        &mut self,
        exchange: &Exchange<'_, P>,
        length: Result<usize, OscoreError>,
        sealed: &[u8; MTU],
    ) {
        let at = &exchange.at;
        let sealed = match length {
            Ok(length) => sealed.get(..length).unwrap_or(&[]),
            Err(error) => {
                // RFC 9203, 6
                if error == OscoreError::SequenceExhausted {
                    self.store.end(exchange.id, false);
                }
                return self.front.ignore(at);
            }
        };
        let message = Message::parse(sealed).ok();
        let Some(mut out) = message.and_then(|sealed| OutMessage::from_message(&sealed).ok())
        else {
            return self.front.ignore(at);
        };
        let key = self.outer_key(at, exchange.outer);
        if exchange.outer.options.contains(option::BLOCK2) {
            let (outer, block1) = (exchange.outer, exchange.block1);
            out = match self.answers.respond(at.now, &key, outer, block1, &out) {
                Ok(out) => out,
                Err(_) => return self.front.ignore(at),
            };
        } else if let Some(block1) = exchange.block1
            && out.options.push(option::BLOCK1, block1.value()).is_err()
        {
            return self.front.ignore(at);
        }
        if self
            .front
            .endpoint
            .respond(at.now, at.exchange, &out)
            .is_err()
        {
            self.front.ignore(at);
        }
    }
}

/// Protects `out` under the context of a token into `sealed`; what does not fit becomes 5.00.
pub(crate) fn seal<
    P: Peer,
    S: Storage,
    const TOKENS: usize,
    const UNCONFIRMED: usize,
    const SCOPE: usize,
    const MTU: usize,
>(
    store: &mut Store<'_, P, S, TOKENS, UNCONFIRMED, SCOPE>,
    id: TokenId,
    binding: &mut RequestBinding,
    out: &OutMessage<'_>,
    sealed: &mut [u8; MTU],
) -> Result<usize, OscoreError> {
    let entry = store
        .table
        .get_mut(id)
        .ok_or(OscoreError::ContextNotFound)?;
    let mut protect = |out: &OutMessage<'_>| {
        let mut clear = Secret::<MTU>::full([0; MTU]);
        let clear = clear.as_mut_bytes();
        // Type, Message ID and token are the endpoint's to fill in.
        let length = out
            .encode(clear, Type::Acknowledgement, 0, Token::EMPTY)
            .map_err(|_| OscoreError::BufferTooSmall)?;
        let message = clear
            .get(..length)
            .and_then(|clear| Message::parse(clear).ok());
        let message = message.ok_or(OscoreError::BufferTooSmall)?;
        entry.context.protect_response(binding, &message, sealed)
    };
    match protect(out) {
        Err(OscoreError::BufferTooSmall | OscoreError::TooLong) => {
            protect(&OutMessage::new(Code::INTERNAL_SERVER_ERROR))
        }
        result => result,
    }
}
