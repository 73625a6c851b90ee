//! From the stage of a flow to the message that leaves.

use core::hash::Hash;

use ace_coap::{OutMessage, Reliability};
use ace_oscore::storage::Storage;
use ace_wire::ace::{AccessInformation, Confirmation, ProfileRequest, Scope, TokenRequest};
use ace_wire::aif::MethodSet;
use ace_wire::cbor::Writer as CborWriter;
use ace_wire::coap::content_format::{ACE_CBOR, CWT};
use ace_wire::coap::{Block, Code, Message, OptionList, Token, Type, Uri, Writer, option};
use zeroize::Zeroizing;

use crate::client::{Caller, Client};
use crate::dtls::{self, Room, SessionId};
use crate::flow::{Authority, Flow, Goal, InFlight, Link, Protection, Stage};
use crate::grant::{GrantView, Keying};
use crate::observe::Observed;
use crate::request::Stored;
use crate::table::Which;
use crate::transfer::{MAX_OPTIONS, TAGS, Transfer};
use crate::{Direction, Phase, Reason, Request, scope};

/// Longest scope asked for, in bytes.
pub const MAX_SCOPE: usize = 256;

/// Length of the tokens that the endpoint draws, in bytes.
const TOKEN_LENGTH: usize = 8;

/// What a message has besides path, query and the block's payload, at most: header and token (12),
/// OSCORE option (40) and tag (16) or a DTLS record (29, with the longest Connection ID 50), code and payload markers (3), content formats (6), Observe (4),
/// blocks and Size1 (13), Request-Tag (5), a short Echo (11).
const OVERHEAD: usize = 110;

impl<
    P: Copy + Eq + Hash,
    S: Storage,
    const TOKENS: usize,
    const GRANT: usize,
    const BODY: usize,
    const SLOTS: usize,
    const MTU: usize,
    const HANDSHAKE: usize,
> Client<'_, P, S, TOKENS, GRANT, BODY, SLOTS, MTU, HANDSHAKE>
{
    /// The request to the resource that the flow is for; a renewal has none.
    pub(crate) fn target(&self) -> Option<Request<'_>> {
        target(
            self.flow.as_ref()?.goal,
            &self.request,
            self.observed.as_ref(),
        )
    }

    /// Builds the body of the stage's message; returns its length.
    pub(crate) fn prepare(&mut self, caller: &mut Caller<'_>) -> Result<usize, Reason> {
        let Some(flow) = self.flow.as_ref() else {
            return Err(Reason::Unsendable);
        };
        match flow.stage {
            Stage::Hints | Stage::Connect => Ok(0),
            Stage::Access => Ok(self.target().map_or(0, |target| target.payload.len())),
            Stage::Token | Stage::Ask => self.prepare_token_request(),
            Stage::Upload => self.prepare_upload(caller),
            Stage::Amend => self.prepare_amendment(),
        }
    }

    /// RFC 9200, 5.8.1; RFC 9203, 3.1
    #[inline(never)]
    fn prepare_token_request(&mut self) -> Result<usize, Reason> {
        let mut scope = [0; MAX_SCOPE];
        let scope = self.scope_to_ask(&mut scope)?;
        let Self {
            flow: Some(flow),
            table,
            work,
            request,
            observed,
            config,
            ..
        } = self
        else {
            return Err(Reason::Unsendable);
        };
        let held = flow.record.and_then(|index| table.view(index));
        let mut room = Room::new();
        let req_cnf = match flow.stage {
            // RFC 9202, 4; RFC 9203, 3.1
            Stage::Ask => held.map(|held| Confirmation::Kid(held.keying.id())),
            _ => dtls::confirmation(config.own(), &mut room),
        };
        let token_request = TokenRequest {
            audience: audience(flow, held, target(flow.goal, request, observed.as_ref())),
            scope,
            req_cnf,
            // RFC 9200, 5.8.4.3: the AS is to name the profile.
            ace_profile: ProfileRequest::Null,
            // RFC 9200, 5.3.1: what the resource server gave is passed on.
            cnonce: flow.hints.cnonce(),
            ..TokenRequest::default()
        };
        work.wipe();
        let length = token_request
            .encode(work.buffer())
            .map_err(|_| Reason::TooLong)?;
        work.set_len(length);
        Ok(length)
    }

    /// The scope of a token request; `None` leaves it to the authorization server.
    pub(crate) fn scope_to_ask<'o>(
        &self,
        out: &'o mut [u8; MAX_SCOPE],
    ) -> Result<Option<Scope<'o>>, Reason> {
        let Some(flow) = &self.flow else {
            return Ok(None);
        };
        let held = flow.record.and_then(|index| self.table.view(index));
        let held = held.and_then(|grant| grant.scope);
        let target = self.target();
        let given = target.and_then(|target| target.scope);
        // A new token takes the place of the old one: what was held is asked for again. What the
        // resource server suggests stands back behind what the application says.
        let base = held.or(flow.hints.scope().filter(|_| given.is_none()));
        let mut needed = [0; MAX_SCOPE];
        let wanted = match (target, base) {
            (Some(_), Some(Scope::Bytes(_))) => Some(self.scope_needed(&mut needed)?),
            (Some(_), _) if flow.denied.is_some() => Some(self.scope_needed(&mut needed)?),
            _ => given,
        };
        let Some(wanted) = wanted else {
            return base
                .map(|base| scope::copy(base, out).ok_or(Reason::TooLong))
                .transpose();
        };
        // Of two kinds, or together too long: what the request needs.
        let fits = scope::union(base, wanted, &mut out[..]).is_some();
        let asked = if fits {
            scope::union(base, wanted, out)
        } else {
            scope::copy(wanted, out)
        };
        asked.map(Some).ok_or(Reason::TooLong)
    }

    /// The scope without which the request is denied.
    pub(crate) fn scope_needed<'o>(&self, out: &'o mut [u8]) -> Result<Scope<'o>, Reason> {
        let target = self.target().ok_or(Reason::Unsendable)?;
        match target.scope {
            Some(scope) => scope::copy(scope, out).ok_or(Reason::TooLong),
            None => scope::of_request(target.path, target.query, MethodSet::of(target.code), out),
        }
    }

    /// RFC 9202, 3.2.2 and 3.3.2; RFC 9203, 4.1
    #[inline(never)]
    fn prepare_upload(&mut self, caller: &mut Caller<'_>) -> Result<usize, Reason> {
        let Self {
            flow: Some(flow),
            table,
            authority,
            work,
            ..
        } = self
        else {
            return Err(Reason::Unsendable);
        };
        let grant = flow.record.and_then(|index| table.view(index));
        let grant = grant.ok_or(Reason::Unsendable)?;
        let length = match grant.keying {
            // RFC 9200, 5.10.1: the token as it is.
            Keying::Dtls(_) => {
                let fits = work.copy_from(grant.token);
                return fits.then_some(grant.token.len()).ok_or(Reason::TooLong);
            }
            Keying::Oscore(_) => {
                let in_use = |id: u8| {
                    let of_authority = match &*authority {
                        Authority::Oscore(context) => context.uses(id),
                        Authority::Dtls(_) => false,
                    };
                    of_authority || table.uses_recipient_id(id)
                };
                flow.upload.draw(caller.rng, in_use)?;
                work.wipe();
                flow.upload.encode(grant.token, work.buffer())?
            }
        };
        work.set_len(length);
        Ok(length)
    }

    /// RFC 9202, 4; RFC 9203, 4.1: an update of rights is the token alone. It is made where the token
    /// response lies, which is longer.
    fn prepare_amendment(&mut self) -> Result<usize, Reason> {
        let record = self.flow.as_ref().and_then(|flow| flow.record);
        let is_dtls = record
            .and_then(|index| self.table.get(index))
            .is_some_and(|record| record.is_dtls());
        let is_bare = self.flow.as_ref().is_some_and(|flow| flow.is_bare);
        if is_bare {
            return Ok(self.work.as_slice().len());
        }
        let answer = AccessInformation::parse(self.work.as_slice());
        let token = answer.map_err(|_| Reason::Unsendable)?.access_token;
        let length = token.len();
        let start = token.as_ptr() as usize - self.work.as_slice().as_ptr() as usize;
        let buffer = self.work.buffer();
        let mut head = [0; 8];
        let mut writer = CborWriter::new(&mut head);
        if !is_dtls {
            let written = writer
                .map(1)
                .and_then(|()| writer.int(ace_wire::ace::parameter::ACCESS_TOKEN))
                .and_then(|()| writer.bytes_head(length));
            written.map_err(|_| Reason::Unsendable)?;
        }
        let head_length = writer.finish();
        if start < head_length || start + length > buffer.len() {
            return Err(Reason::Unsendable);
        }
        buffer.copy_within(start..start + length, head_length);
        for (to, from) in buffer.iter_mut().zip(head.iter().take(head_length)) {
            *to = *from;
        }
        self.work.set_len(head_length + length);
        if let Some(flow) = &mut self.flow {
            flow.is_bare = is_dtls;
        }
        Ok(head_length + length)
    }

    /// Starts the transfer of the stage's body.
    pub(crate) fn start_transfer(&mut self, length: usize) {
        let target = self
            .target()
            .map_or(0, |t| t.path.len() + t.query.map_or(0, str::len));
        let room = MTU.saturating_sub(OVERHEAD + target);
        let szx = Block::szx_for(self.config.block_size.min(room));
        let tag = self.next_tag;
        self.next_tag = tag.wrapping_add(TAGS);
        if let Some(flow) = &mut self.flow {
            flow.transfer = Transfer::new(length, szx, tag);
        }
    }

    /// Sends the message the transfer is at.
    #[inline(never)]
    pub(crate) fn send(&mut self, caller: &mut Caller<'_>) -> Result<(), Reason> {
        if let Some(exchange) = self.flow.as_mut().and_then(|flow| flow.exchange.take()) {
            self.endpoint.cancel(exchange.id);
        }
        let Self {
            flow: Some(flow),
            request,
            observed,
            table,
            work,
            endpoint,
            config,
            authority,
            storage,
            ..
        } = self
        else {
            return Err(Reason::Unsendable);
        };
        let target = target(flow.goal, request, observed.as_ref());
        // The context or the session, and whether its keys are still good (RFC 9200, 5.10.2).
        let mut cover = Cover::None;
        let (mut link, mut is_dtls) = (Link::clear(flow.rs), false);
        let mut channel = None;
        match (flow.stage, flow.record) {
            (Stage::Token | Stage::Ask, _) => {
                link.peer = config.as_peer;
                match authority {
                    Authority::Oscore(_) => cover = Cover::Authority,
                    Authority::Dtls(authority) => {
                        channel = Some(authority.channel(caller.now).ok_or(Reason::Expired)?);
                    }
                }
            }
            (Stage::Amend | Stage::Access, Some(index)) => {
                let record = table.get(index).ok_or(Reason::Unsendable)?;
                let which = record.usable(caller.now).ok_or(Reason::Expired)?;
                cover = Cover::Record(index, which);
                is_dtls = record.is_dtls();
                channel = record.channel().filter(|_| which == Which::Current);
            }
            (Stage::Upload, Some(index)) => {
                is_dtls = table.get(index).is_some_and(|record| record.is_dtls());
            }
            (Stage::Hints, _) => {}
            _ => return Err(Reason::Unsendable),
        }
        let mut overhead = 0;
        if let Some(channel) = channel {
            channel.used = caller.now;
            link = Link {
                peer: channel.peer,
                session: Some(channel.id),
            };
            overhead = channel.overhead();
            cover = Cover::Session(channel.id);
        }
        let mut options = OptionList::<MAX_OPTIONS>::new();
        let mut payload: &[u8] = work.as_slice();
        let code = match flow.stage {
            Stage::Token | Stage::Ask => {
                let uri = Uri::parse(config.as_uri).map_err(|_| Reason::Unsendable)?;
                options
                    .push_path(uri.path)
                    .map_err(|_| Reason::Unsendable)?;
                uri.query_parameters()
                    .try_for_each(|argument| options.push(option::URI_QUERY, argument))
                    .map_err(|_| Reason::Unsendable)?;
                options
                    .push(option::CONTENT_FORMAT, ACE_CBOR)
                    .map_err(|_| Reason::Unsendable)?;
                Code::POST
            }
            Stage::Upload | Stage::Amend => {
                options
                    .push_path(config.authz_info)
                    .map_err(|_| Reason::Unsendable)?;
                // RFC 9200, 5.10.1; RFC 9203, 4.1
                let format = if is_dtls { CWT } else { ACE_CBOR };
                options
                    .push(option::CONTENT_FORMAT, format)
                    .map_err(|_| Reason::Unsendable)?;
                Code::POST
            }
            Stage::Hints | Stage::Connect | Stage::Access => {
                let target = target.as_ref().ok_or(Reason::Unsendable)?;
                let is_probe = flow.stage == Stage::Hints;
                // An unprotected request must not do or tell anything: GET, and no payload.
                let (code, body) = if is_probe {
                    (Code::GET, &[][..])
                } else {
                    (target.code, target.payload)
                };
                payload = body;
                let registered = flow.goal == Goal::Refresh
                    && observed.as_ref().is_some_and(|o| o.exchange.is_some())
                    && !matches!(cover, Cover::Record(_, Which::Next));
                let observe = target.observe
                    && flow.is_for_target()
                    && flow.transfer.is_at_start()
                    && !registered;
                push_target(target, code == target.code, observe, &mut options)
                    .map_err(|_| Reason::Unsendable)?;
                code
            }
        };
        let payload = flow.transfer.fill(payload, &mut options)?;
        if !flow.echo.is_empty() {
            options
                .push(option::ECHO, &flow.echo[..])
                .map_err(|_| Reason::Unsendable)?;
        }
        let mut plain = Zeroizing::new([0; MTU]);
        let length = write(&mut plain[..], code, &options, payload)?;
        if length + TOKEN_LENGTH + overhead > MTU {
            return Err(Reason::TooLong);
        }
        let plain = Message::parse(plain.get(..length).unwrap_or(&[]));
        let plain = plain.map_err(|_| Reason::Unsendable)?;
        let is_protected = !matches!(cover, Cover::None);
        let phase = Phase::from(flow.stage.step());
        config
            .watch
            .show(phase, Direction::Sent, is_protected, &plain);
        let mut sealed = [0; MTU];
        let protected = match cover {
            Cover::None => Err(Protection::Plain),
            Cover::Session(id) => Err(Protection::Session(id)),
            Cover::Authority => {
                let Authority::Oscore(context) = authority else {
                    return Err(Reason::Unsendable);
                };
                context.reserve(config, storage)?;
                let (length, binding) = context.protect(&plain, &mut sealed)?;
                Ok((length, Protection::As(binding)))
            }
            Cover::Record(record, which) => {
                let context = table.get(record).and_then(|r| r.context(which));
                let (context, _) = context.ok_or(Reason::Unsendable)?;
                let (length, binding) = context.protect(&plain, &mut sealed)?;
                let protection = Protection::Rs {
                    record,
                    which,
                    binding,
                };
                Ok((length, protection))
            }
        };
        let (message, protection) = match protected {
            Err(protection) => (plain, protection),
            Ok((length, protection)) => {
                let message = Message::parse(sealed.get(..length).unwrap_or(&[]));
                (message.map_err(|_| Reason::Unsendable)?, protection)
            }
        };
        let out = OutMessage::from_message(&message).map_err(|_| Reason::Unsendable)?;
        let id = endpoint
            .request(caller.now, link, Reliability::Confirmable, &out, caller.rng)
            .map_err(|_| Reason::Unsendable)?;
        flow.exchange = Some(InFlight { id, protection });
        Ok(())
    }
}

/// The request to the resource.
fn target<'a, P, const BODY: usize>(
    goal: Goal,
    request: &'a Stored<BODY>,
    observed: Option<&'a Observed<P>>,
) -> Option<Request<'a>> {
    match goal {
        Goal::Request => Some(request.view()),
        Goal::Refresh => observed.map(|observed| observed.stored.view()),
        Goal::Renewal => None,
    }
}

/// The audience of a token request: that of the token held, else the application's, else the hint.
pub(crate) fn audience<'a, P>(
    flow: &'a Flow<P>,
    held: Option<GrantView<'a>>,
    target: Option<Request<'a>>,
) -> Option<&'a str> {
    held.and_then(|held| held.audience)
        .or(target.and_then(|target| target.audience))
        .or(flow.hints.audience())
}

/// Adds what the application's request says, `whole` or without what belongs to its method.
fn push_target<'a>(
    target: &Request<'a>,
    whole: bool,
    observe: bool,
    options: &mut OptionList<'a, MAX_OPTIONS>,
) -> Result<(), ace_wire::coap::CoapError> {
    options.push_path(target.path)?;
    for argument in target.query.into_iter().flat_map(|query| query.split('&')) {
        options.push(option::URI_QUERY, argument)?;
    }
    if observe {
        options.push(option::OBSERVE, 0u32)?;
    }
    if !whole {
        return Ok(());
    }
    if let Some(format) = target.content_format {
        options.push(option::CONTENT_FORMAT, format)?;
    }
    if let Some(format) = target.accept {
        options.push(option::ACCEPT, format)?;
    }
    Ok(())
}

fn write(
    buffer: &mut [u8],
    code: Code,
    options: &OptionList<'_, MAX_OPTIONS>,
    payload: &[u8],
) -> Result<usize, Reason> {
    let mut write = || {
        let mut writer = Writer::new(buffer, Type::Confirmable, code, 0, Token::EMPTY)?;
        writer.options(options)?;
        writer.payload(payload)?;
        Ok(writer.finish())
    };
    write().map_err(|_: ace_wire::coap::CoapError| Reason::Unsendable)
}

/// What protects a message.
#[derive(Clone, Copy)]
enum Cover {
    None,
    /// OSCORE, as with the authorization server.
    Authority,
    /// OSCORE under a context of a record.
    Record(usize, Which),
    Session(SessionId),
}
