//! Requests whose sender is proven, by OSCORE or by a DTLS session: the decision, the handler and the way back (RFC 9200,
//! 5.10.2; RFC 9203, 4.4; RFC 9202, 3.4).

#[cfg(feature = "oscore")]
use ace_coap::Block;
use ace_coap::OutMessage;
use ace_coap::block::{OperationKey, Received};
use ace_crypto::Secret;
#[cfg(feature = "dtls")]
use ace_dtls::SessionId;
use ace_oscore::storage::Storage;
#[cfg(feature = "oscore")]
use ace_oscore::{OscoreError, RequestBinding};
use ace_wire::aif::Permission;
use ace_wire::coap::{Code, Message, Token, Type, option};

use crate::error::Refusal;
use crate::event::{EventKind, Outcome};
use crate::front::{Arrival, Sent};
use crate::hints::{MAX_HINTS, Subject, hints};
use crate::link::{Link, Slot};
use crate::observers::Observer;
use crate::peer::Peer;
use crate::resource::{Resources, Response};
use crate::server::{AUTHZ_INFO, ResourceServer};
#[cfg(feature = "oscore")]
use crate::store::Upload;
use crate::store::{Denied, Store};
#[cfg(feature = "oscore")]
use crate::token::Entry;
use crate::token::TokenId;
use crate::unprotected::{KNOWN, Target, denial, upload_in, with_format};

/// What protects a request, and its answers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Channel {
    #[cfg(feature = "oscore")]
    Oscore(RequestBinding),
    #[cfg(feature = "dtls")]
    Session(SessionId),
}

/// A request that verified, and what its answer needs.
pub(crate) struct Exchange<'m, P> {
    pub(crate) at: Arrival<P>,
    pub(crate) id: TokenId,
    pub(crate) message: &'m Message<'m>,
    pub(crate) channel: Channel,
    /// As it came.
    #[cfg(feature = "oscore")]
    pub(crate) outer: &'m Message<'m>,
    /// Goes with the answer to a request that came in outer blocks.
    #[cfg(feature = "oscore")]
    pub(crate) block1: Option<Block>,
}

/// Why an answer could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SealError {
    /// The context has no sequence numbers left (RFC 8613, 7.2.1).
    #[cfg(feature = "oscore")]
    Exhausted,
    /// There is no context any more, or no room.
    Other,
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
    pub(crate) fn inside(&mut self, mut exchange: Exchange<'_, P>) {
        let (id, message) = (exchange.id, exchange.message);
        #[cfg(feature = "dtls")]
        if self.store.table.get(id).is_none() {
            // RFC 9202, 3.4
            return self.deny(exchange, Code::UNAUTHORIZED, Outcome::NoToken);
        }
        if let Err(denied) = self.store.confirm(&exchange.at, id, &mut self.events) {
            self.reply(&mut exchange, &denial(denied));
            return self.decided(&exchange, denied.refusal.code(), Outcome::NoRoom);
        }
        self.end_observations_without_token(exchange.at.now);
        if message.options.unrecognized_critical(&KNOWN).is_some() {
            let code = Code::BAD_OPTION;
            self.reply(&mut exchange, &OutMessage::new(code));
            return self.decided(&exchange, code, Outcome::BadOption);
        }
        if message.options.path_is(AUTHZ_INFO) {
            return self.update(exchange);
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
                self.deny(exchange, Code::FORBIDDEN, Outcome::ResourceNotCovered);
            }
            (Permission::MethodNotAllowed, _) => {
                let code = Code::METHOD_NOT_ALLOWED;
                self.deny(exchange, code, Outcome::MethodNotCovered);
            }
            (Permission::Allowed, None) => {
                self.reply(&mut exchange, &OutMessage::new(Code::NOT_FOUND));
                self.decided(&exchange, Code::NOT_FOUND, Outcome::NoSuchResource);
            }
            (Permission::Allowed, Some(target)) if !target.has_method(message.code) => {
                let code = Code::METHOD_NOT_ALLOWED;
                self.reply(&mut exchange, &OutMessage::new(code));
                self.decided(&exchange, code, Outcome::NoSuchResource);
            }
            (Permission::Allowed, Some(target)) => self.serve(exchange, target),
        }
    }

    /// A refusal with hints for a token that would do (RFC 9200, 5.2), for the key in use.
    #[inline(never)]
    fn deny(&mut self, mut exchange: Exchange<'_, P>, code: Code, outcome: Outcome) {
        let (at, message) = (exchange.at, exchange.message);
        let entry = self.store.table.get(exchange.id);
        let subject = Subject {
            request: Some((message.options, message.code)),
            key_id: entry.map(|entry| entry.grant.claims.key_id()),
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
        self.decided(&exchange, code, outcome);
    }

    #[inline(never)]
    fn serve(&mut self, mut exchange: Exchange<'_, P>, target: Target) {
        let now = exchange.at.now;
        let (id, message) = (exchange.id, exchange.message);
        let mut sealed = [0; MTU];
        let key = self.inner_key(id, message);
        if let Some(next) = self.answers.follow_up(now, &key, message) {
            let length = seal(
                &mut self.store,
                id,
                &mut exchange.channel,
                &next,
                &mut sealed,
            );
            let code = next.code;
            self.send(&exchange, length, &sealed);
            return self.decided(&exchange, code, Outcome::Block);
        }
        let mut bodies = self.bodies.of_clients();
        let (body, block1) = match bodies.receive(now, &key, message) {
            Received::Whole { body, block1 } => (body, block1),
            other => {
                let out = other.reply();
                self.reply(&mut exchange, &out);
                return self.decided(&exchange, out.code, Outcome::Block);
            }
        };
        let mut room = Secret::<BODY>::full([0; BODY]);
        let mut response = Response::new(room.as_mut_bytes());
        let who = self.store.who(id);
        let code = target.serve(&mut self.resources, message, body, who, &mut response);
        let mut whole = response.message(code);
        let code = whole.code;
        if let Some(number) = self.observe(&exchange, target, code) {
            // An option more than a handler can set: there is room.
            let _ = whole.options.push(option::OBSERVE, number);
        }
        let out = self.answers.respond(now, &key, message, block1, &whole);
        let out = out.unwrap_or(OutMessage::new(Code::INTERNAL_SERVER_ERROR));
        let length = seal(
            &mut self.store,
            id,
            &mut exchange.channel,
            &out,
            &mut sealed,
        );
        self.bodies.of_clients().release(&key);
        self.send(&exchange, length, &sealed);
        self.decided(&exchange, code, Outcome::Handled);
    }

    pub(crate) fn inner_key(&self, id: TokenId, message: &Message<'_>) -> OperationKey {
        let secret = self.store.secret.as_bytes();
        OperationKey::new(&[secret, b"inner", &id.0.to_be_bytes()], message)
    }

    /// Registers or ends an observation (RFC 7641, 4.1); the Observe value if there is one now.
    fn observe(&mut self, exchange: &Exchange<'_, P>, target: Target, code: Code) -> Option<u32> {
        let message = exchange.message;
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
            link: exchange.link(),
            handle,
            channel: exchange.channel,
            accept: accept.and_then(|format| u16::try_from(format).ok()),
        };
        self.observers
            .add(observer)
            .then(|| self.observers.next_number())
    }

    /// POST `/authz-info` (RFC 9203, 4.2; RFC 9202, 4).
    #[inline(never)]
    fn update(&mut self, mut exchange: Exchange<'_, P>) {
        let message = exchange.message;
        if message.code != Code::POST {
            return self.refuse_update(&mut exchange, Refusal::Method.into());
        }
        let key = self.inner_key(exchange.id, message);
        let mut bodies = self.bodies.of_clients();
        let (body, block1) = match bodies.receive(exchange.at.now, &key, message) {
            Received::Whole { body, block1 } => (body, block1),
            other => {
                let out = other.reply();
                return self.reply(&mut exchange, &out);
            }
        };
        let mut clear = Secret::<BODY>::full([0; BODY]);
        let (at, id, clear) = (&exchange.at, exchange.id, clear.as_mut_bytes());
        let updated = upload_in(message, body).map_err(Denied::from);
        let updated = updated.and_then(|upload| match (exchange.channel, upload) {
            #[cfg(feature = "oscore")]
            (Channel::Oscore(_), Upload::AceCbor(request)) => {
                let token = request.access_token;
                let updated = self.store.update(at, id, token, clear, &mut self.events);
                updated.map(|()| id)
            }
            #[cfg(all(feature = "oscore", feature = "dtls"))]
            (Channel::Oscore(_), Upload::Cwt(_)) => Err(Refusal::ContentFormat.into()),
            #[cfg(feature = "dtls")]
            (Channel::Session(_), upload) => {
                let token = upload.token();
                self.store
                    .post_within(at, id, token, clear, &mut self.events)
            }
        });
        bodies.release(&key);
        let id = match updated {
            Ok(id) => id,
            Err(denied) => return self.refuse_update(&mut exchange, denied),
        };
        let mut out = OutMessage::new(Code::CREATED);
        if let Some(block1) = block1 {
            // The only option: there is room.
            let _ = out.options.push(option::BLOCK1, block1.value());
        }
        self.reply(&mut exchange, &out);
        self.end_uncovered_observations(exchange.at.now, id);
    }

    fn refuse_update(&mut self, exchange: &mut Exchange<'_, P>, denied: Denied) {
        let kind = EventKind::TokenRefused(denied.refusal);
        self.events
            .push(Some(exchange.at.peer), Some(exchange.id), kind);
        self.reply(exchange, &denial(denied));
    }

    fn decided(&mut self, exchange: &Exchange<'_, P>, code: Code, outcome: Outcome) {
        let (at, sent) = (&exchange.at, Sent::Answer(code));
        self.report(at, Some(exchange.id), exchange.message, sent, outcome);
    }

    #[inline(never)]
    fn reply(&mut self, exchange: &mut Exchange<'_, P>, out: &OutMessage<'_>) {
        let mut sealed = [0; MTU];
        let length = seal(
            &mut self.store,
            exchange.id,
            &mut exchange.channel,
            out,
            &mut sealed,
        );
        self.send(exchange, length, &sealed);
    }

    /// Sends an answer that is sealed, in outer blocks if the request asks for them.
    fn send(
        &mut self,
        exchange: &Exchange<'_, P>,
        length: Result<usize, SealError>,
        sealed: &[u8; MTU],
    ) {
        let at = &exchange.at;
        #[cfg(feature = "oscore")]
        if length == Err(SealError::Exhausted) {
            // RFC 9203, 6
            self.store.end(exchange.id, false);
        }
        let sent = opaque(length, sealed).is_some_and(|out| {
            let out = match exchange.channel {
                #[cfg(feature = "oscore")]
                Channel::Oscore(_) => {
                    let (outer, block1) = (exchange.outer, exchange.block1);
                    let mut out = out;
                    if outer.options.contains(option::BLOCK2) {
                        let key = self.outer_key(at, outer);
                        match self.answers.respond(at.now, &key, outer, block1, &out) {
                            Ok(block) => out = block,
                            Err(_) => return false,
                        }
                    } else if let Some(block1) = block1
                        && out.options.push(option::BLOCK1, block1.value()).is_err()
                    {
                        return false;
                    }
                    out
                }
                #[cfg(feature = "dtls")]
                Channel::Session(_) => out,
            };
            let endpoint = &mut self.front.endpoint;
            endpoint.respond(at.now, at.exchange, &out).is_ok()
        });
        if !sent {
            self.front.ignore(at);
        }
    }
}

impl<P: Copy> Exchange<'_, P> {
    const fn link(&self) -> Link<P> {
        match self.channel {
            #[cfg(feature = "oscore")]
            Channel::Oscore(_) => Link::clear(self.at.origin.peer),
            #[cfg(feature = "dtls")]
            Channel::Session(id) => Link::session(id),
        }
    }
}

/// The message that was sealed, as the endpoint sends it.
#[inline(never)]
pub(crate) fn opaque(length: Result<usize, SealError>, sealed: &[u8]) -> Option<OutMessage<'_>> {
    let message = Message::parse(sealed.get(..length.ok()?)?).ok()?;
    OutMessage::from_message(&message).ok()
}

/// Writes `out` to `sealed` as it is to be sent: protected under the context of a token, or as it is where a session will
/// protect it. What does not fit becomes 5.00.
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
    channel: &mut Channel,
    out: &OutMessage<'_>,
    sealed: &mut [u8; MTU],
) -> Result<usize, SealError> {
    // Type, Message ID and token are the endpoint's to fill in.
    let encode = |out: &OutMessage<'_>, room: &mut [u8]| {
        let length = out.encode(room, Type::Acknowledgement, 0, Token::EMPTY);
        length.map_err(|_| SealError::Other)
    };
    let failed = OutMessage::new(Code::INTERNAL_SERVER_ERROR);
    #[cfg(not(feature = "oscore"))]
    let _ = (store, id);
    match channel {
        #[cfg(feature = "oscore")]
        Channel::Oscore(binding) => {
            #[cfg(feature = "persist")]
            store.reserve(id);
            let context = store.table.get_mut(id).and_then(Entry::context_mut);
            let context = context.ok_or(SealError::Other)?;
            let mut protect = |out: &OutMessage<'_>| {
                let mut clear = Secret::<MTU>::full([0; MTU]);
                let clear = clear.as_mut_bytes();
                let length = encode(out, clear)?;
                let message = clear
                    .get(..length)
                    .and_then(|clear| Message::parse(clear).ok())
                    .ok_or(SealError::Other)?;
                let sealed = context.protect_response(binding, &message, sealed);
                sealed.map_err(|error| match error {
                    OscoreError::SequenceExhausted => SealError::Exhausted,
                    _ => SealError::Other,
                })
            };
            match protect(out) {
                Err(SealError::Other) => protect(&failed),
                result => result,
            }
        }
        #[cfg(feature = "dtls")]
        Channel::Session(_) => {
            // With room for the token and for what the session adds.
            let room = sealed
                .get_mut(..MTU.saturating_sub(RECORD))
                .unwrap_or(&mut []);
            encode(out, room).or_else(|_| encode(&failed, room))
        }
    }
}

/// A CoAP token, and what DTLS adds to a message: header, Connection ID, nonce, tag.
#[cfg(feature = "dtls")]
const RECORD: usize = 8 + 13 + ace_dtls::MAX_CID + 1 + 8 + 16;
