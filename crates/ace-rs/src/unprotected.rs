//! Requests in the clear: `/authz-info`, public resources, and everything else refused with hints
//! (RFC 9200, 5.2 and 5.10.2).

use core::time::Duration;

use ace_coap::block::{OperationKey, Received};
use ace_coap::{CryptoRng, OutMessage};
use ace_crypto::Secret;
use ace_oscore::storage::Storage;
use ace_wire::ace::AuthzInfoRequest;
#[cfg(feature = "oscore")]
use ace_wire::ace::AuthzInfoResponse;
use ace_wire::coap::{Code, Message, Options, content_format, option};

use crate::error::Refusal;
use crate::event::{EventKind, Outcome};
use crate::front::{Arrival, Sent};
use crate::hints::{MAX_HINTS, Subject, hints};
use crate::link::Slot;
#[cfg(feature = "oscore")]
use crate::material::NONCE2;
use crate::peer::{Peer, PeerBytes};
use crate::rate::{Admission, Caller, Pace, Rate};
use crate::resource::{Access, Request, Resource, Resources, Response};
use crate::server::{AUTHZ_INFO, ResourceServer, WELL_KNOWN_CORE};
use crate::store::{Denied, Posted, Stop, Upload};
use crate::well_known;

/// Critical options understood in a request; Observe, Echo and others are elective.
pub(crate) const KNOWN: [u16; 7] = [
    option::URI_HOST,
    option::URI_PORT,
    option::URI_PATH,
    option::URI_QUERY,
    option::ACCEPT,
    option::BLOCK1,
    option::BLOCK2,
];

/// Between two hints to one class of sources, when the common rate is used up.
const HINTS_PAUSE: Duration = Duration::from_secs(1);

/// What a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    WellKnownCore,
    /// Index in the list, and the resource.
    Resource(usize, Resource),
}

impl Target {
    pub(crate) fn of(options: Options<'_>, resources: &impl Resources) -> Option<Self> {
        if options.path_is(WELL_KNOWN_CORE) {
            return Some(Self::WellKnownCore);
        }
        let mut list = resources.list().iter().enumerate();
        let (index, resource) = list.find(|(_, resource)| options.path_is(resource.path))?;
        Some(Self::Resource(index, *resource))
    }

    pub(crate) fn is_public(&self) -> bool {
        match self {
            Self::WellKnownCore => true,
            Self::Resource(_, resource) => resource.access == Access::Public,
        }
    }

    pub(crate) fn has_method(&self, method: Code) -> bool {
        match self {
            Self::WellKnownCore => method == Code::GET,
            Self::Resource(_, resource) => resource.methods.contains(method),
        }
    }

    /// Runs the handler.
    #[inline(never)]
    pub(crate) fn serve(
        &self,
        resources: &mut impl Resources,
        request: &Message<'_>,
        body: &[u8],
        who: Option<crate::Who<'_>>,
        response: &mut Response<'_>,
    ) -> Code {
        let Self::Resource(_, resource) = self else {
            if !accepts(request, content_format::LINK_FORMAT) {
                return Code::NOT_ACCEPTABLE;
            }
            return well_known::list(resources.list(), response);
        };
        let format = |number| {
            let value = request.options.uint(number).ok().flatten();
            value.and_then(|format| u16::try_from(format).ok())
        };
        let request = Request {
            method: request.code,
            path: resource.path,
            options: request.options,
            content_format: format(option::CONTENT_FORMAT),
            accept: format(option::ACCEPT),
            payload: body,
            who,
        };
        resources.handle(&request, response)
    }
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
    pub(crate) fn unprotected(
        &mut self,
        at: &Arrival<P>,
        message: &Message<'_>,
        rng: &mut dyn CryptoRng,
    ) {
        if message.options.unrecognized_critical(&KNOWN).is_some() {
            self.front.bad_option(at);
            let sent = Sent::Answer(Code::BAD_OPTION);
            return self.report(at, None, message, sent, Outcome::BadOption);
        }
        if message.options.path_is(AUTHZ_INFO) {
            return self.upload(at, message, rng);
        }
        match Target::of(message.options, &self.resources) {
            Some(target) if target.is_public() => self.public(at, message, target),
            Some(_) => self.unauthorized(at, message, true, Outcome::Unauthorized),
            None => {
                self.front.code(at, Code::NOT_FOUND);
                let sent = Sent::Answer(Code::NOT_FOUND);
                self.report(at, None, message, sent, Outcome::NoSuchResource);
            }
        }
    }

    /// 4.01 with hints (RFC 9200, 5.2 and 5.3); `readable`: path and method are those asked for.
    #[inline(never)]
    pub(crate) fn unauthorized(
        &mut self,
        at: &Arrival<P>,
        message: &Message<'_>,
        readable: bool,
        outcome: Outcome,
    ) {
        let secret = self.store.secret.as_bytes();
        let caller = Caller {
            now: at.now,
            secret,
            source: at.peer.source(),
        };
        let limits = &self.store.config.limits;
        let pace = Pace {
            common: Rate::new(limits.hints_burst, limits.hints_interval),
            pause: HINTS_PAUSE,
        };
        let sent = match self.hints.admit(pace, caller, at.proven, false) {
            Admission::Challenge => self.front.challenge(at),
            Admission::Busy(_) => {
                self.front.code(at, Code::UNAUTHORIZED);
                Sent::Answer(Code::UNAUTHORIZED)
            }
            Admission::Admitted => {
                let request = readable.then_some((message.options, message.code));
                let subject = Subject {
                    request,
                    key_id: None,
                };
                let mut room = [0; MAX_HINTS];
                let config = self.store.config;
                let payload = hints(config, at.now, at.wall, secret, subject, &mut room);
                self.front
                    .answer(at, &with_format(Code::UNAUTHORIZED, payload))
            }
        };
        self.report(at, None, message, sent, outcome);
    }

    #[inline(never)]
    fn public(&mut self, at: &Arrival<P>, message: &Message<'_>, target: Target) {
        if !target.has_method(message.code) {
            self.front.code(at, Code::METHOD_NOT_ALLOWED);
            let sent = Sent::Answer(Code::METHOD_NOT_ALLOWED);
            return self.report(at, None, message, sent, Outcome::NoSuchResource);
        }
        // A stranger's bytes are kept, and a handler that may change something runs, only for one
        // who has shown his address.
        let safe = matches!(message.code, Code::GET | Code::FETCH);
        if !at.proven && (!safe || message.options.contains(option::BLOCK1)) {
            let sent = self.front.challenge(at);
            return self.report(at, None, message, sent, Outcome::Challenged);
        }
        let peer = PeerBytes::of(at.peer);
        let secret = self.store.secret.as_bytes();
        let key = OperationKey::new(&[secret, b"public", peer.as_bytes()], message);
        if let Some(next) = self.answers.follow_up(at.now, &key, message) {
            let sent = self.front.answer(at, &next);
            return self.report(at, None, message, sent, Outcome::Block);
        }
        let mut bodies = self.bodies.of_strangers();
        let (body, block1) = match bodies.receive(at.now, &key, message) {
            Received::Whole { body, block1 } => (body, block1),
            other => {
                let sent = self.front.answer(at, &other.reply());
                return self.report(at, None, message, sent, Outcome::Block);
            }
        };
        let mut room = [0; BODY];
        let mut response = Response::new(&mut room);
        let code = target.serve(&mut self.resources, message, body, None, &mut response);
        let whole = response.message(code);
        let sent = match self.answers.respond(at.now, &key, message, block1, &whole) {
            Ok(out) => self.front.answer(at, &out),
            Err(_) => {
                self.front.code(at, Code::INTERNAL_SERVER_ERROR);
                Sent::Answer(Code::INTERNAL_SERVER_ERROR)
            }
        };
        bodies.release(&key);
        self.report(at, None, message, sent, Outcome::Handled);
    }

    /// POST `/authz-info` (RFC 9200, 5.10.1; RFC 9203, 4.1).
    #[inline(never)]
    fn upload(&mut self, at: &Arrival<P>, message: &Message<'_>, rng: &mut dyn CryptoRng) {
        // RFC 9200, 5.10.1.2
        if message.code != Code::POST {
            return self.refuse(at, Refusal::Method.into());
        }
        if let Err(refusal) = format_of(message) {
            return self.refuse(at, refusal.into());
        }
        if !accepts(message, content_format::ACE_CBOR) {
            return self.refuse(at, Refusal::NotAcceptable.into());
        }
        let block = message.options.block(option::BLOCK1).ok().flatten();
        let begins = block.is_some_and(|block| block.number == 0 && block.more);
        let goes_on = block.is_some_and(|block| block.number > 0);
        if begins && !self.admitted(at, true) {
            return;
        }
        let peer = PeerBytes::of(at.peer);
        let secret = self.store.secret.as_bytes();
        let key = OperationKey::new(&[secret, b"authz-info", peer.as_bytes()], message);
        let mut bodies = self.bodies.of_strangers();
        let (body, block1) = match bodies.receive(at.now, &key, message) {
            Received::Whole { body, block1 } => (body, block1),
            other => {
                self.front.answer(at, &other.reply());
                return;
            }
        };
        // The payload is copied out of the receiver, whose room is needed no more.
        let mut room = [0; BODY];
        let Some(payload) = room.get_mut(..body.len()) else {
            return self.refuse(at, Refusal::TooLarge.into());
        };
        payload.copy_from_slice(body);
        bodies.release(&key);
        let upload = match upload_in(message, payload) {
            Ok(upload) => upload,
            Err(refusal) => return self.refuse(at, refusal.into()),
        };
        if !begins && !goes_on && !self.admitted(at, false) {
            return;
        }
        let mut clear = Secret::<BODY>::full([0; BODY]);
        let clear = clear.as_mut_bytes();
        let posted = self.store.post(at, &upload, clear, rng, &mut self.events);
        #[cfg(feature = "oscore")]
        let mut encoded = [0; NONCE2 + 16];
        let payload: &[u8] = match posted {
            #[cfg(feature = "oscore")]
            Ok(Posted::Oscore { nonce2, server_id }) => {
                let response = AuthzInfoResponse {
                    nonce2: &nonce2,
                    server_recipient_id: &server_id,
                };
                let length = response.encode(&mut encoded).unwrap_or(0);
                encoded.get(..length).unwrap_or(&[])
            }
            #[cfg(feature = "dtls")]
            Ok(Posted::Dtls(id)) => {
                self.end_uncovered_observations(at.now, id);
                &[]
            }
            Err(denied) => return self.refuse(at, denied),
        };
        let mut out = with_format(Code::CREATED, payload);
        if let Some(block1) = block1 {
            // One option beside another: there is room.
            let _ = out.options.push(option::BLOCK1, block1.value());
        }
        self.front.answer(at, &out);
    }

    /// Whether the upload is worked on; if not, it is answered.
    fn admitted(&mut self, at: &Arrival<P>, blockwise: bool) -> bool {
        match self.store.admit(at, blockwise) {
            Ok(()) => return true,
            Err(Stop::Challenge) => {
                self.front.challenge(at);
            }
            Err(Stop::Denied(denied)) => self.refuse(at, denied),
        }
        false
    }

    fn refuse(&mut self, at: &Arrival<P>, denied: Denied) {
        self.events
            .push(Some(at.peer), None, EventKind::TokenRefused(denied.refusal));
        self.front.answer(at, &denial(denied));
    }
}

/// The answer to a refused token.
#[inline(never)]
pub(crate) fn denial(denied: Denied) -> OutMessage<'static> {
    let mut out = OutMessage::new(denied.refusal.code());
    if let Some(wait) = denied.retry_after {
        // RFC 7252, 5.9.3.4; RFC 8516, 3
        let seconds = wait.saturating_add(Duration::from_millis(999)).as_secs();
        let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
        // The only option: there is room.
        let _ = out.options.push(option::MAX_AGE, seconds);
    }
    out
}

/// A response in application/ace+cbor.
pub(crate) fn with_format(code: Code, payload: &[u8]) -> OutMessage<'_> {
    let mut out = OutMessage::new(code).with_payload(payload);
    if !payload.is_empty() {
        // The only option: there is room.
        let _ = out
            .options
            .push(option::CONTENT_FORMAT, content_format::ACE_CBOR);
    }
    out
}

// RFC 7252, 5.10.4
fn accepts(message: &Message<'_>, format: u16) -> bool {
    let accept = message.options.uint(option::ACCEPT).ok().flatten();
    accept.is_none_or(|accept| accept == u32::from(format))
}

/// How a token is posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    AceCbor,
    #[cfg(feature = "dtls")]
    Cwt,
}

// RFC 9203, 4.1; RFC 9200, 5.10.1
fn format_of(message: &Message<'_>) -> Result<Format, Refusal> {
    let format = message.options.uint(option::CONTENT_FORMAT).ok().flatten();
    match format.and_then(|format| u16::try_from(format).ok()) {
        Some(content_format::ACE_CBOR) => Ok(Format::AceCbor),
        #[cfg(feature = "dtls")]
        Some(content_format::CWT) => Ok(Format::Cwt),
        _ => Err(Refusal::ContentFormat),
    }
}

/// The token in the body of a POST to `/authz-info`.
pub(crate) fn upload_in<'m>(message: &Message<'_>, body: &'m [u8]) -> Result<Upload<'m>, Refusal> {
    match format_of(message)? {
        Format::AceCbor => AuthzInfoRequest::parse(body)
            .map(Upload::AceCbor)
            .map_err(|_| Refusal::Payload),
        #[cfg(feature = "dtls")]
        Format::Cwt => Ok(Upload::Cwt(body)),
    }
}
