//! What the answer of each stage means, and which stage comes next.

use core::hash::Hash;

use ace_oscore::storage::Storage;
use ace_wire::ace::{AsRequestCreationHints, ErrorCode, ErrorResponse, Scope};
use ace_wire::coap::Code;
use ace_wire::coap::content_format::ACE_CBOR;

use crate::client::{Caller, Client};
use crate::dtls::Room;
use crate::flow::{Goal, Stage, TOKENS as TOKEN_REQUESTS};
use crate::grant::{Grant, GrantView, Keying};
use crate::hints::is_trusted;
use crate::queue::{Answer, Queued};
use crate::send::{MAX_SCOPE, audience};
use crate::table::{Association, Record};
use crate::{OnDenied, Reason, Step, scope, token};

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
    /// Takes the whole answer of the stage; its body is in the work buffer.
    pub(crate) fn complete(&mut self, caller: &mut Caller<'_>, answer: Answer) {
        let Some(flow) = &self.flow else { return };
        match flow.stage {
            Stage::Hints => self.hinted(caller, answer),
            Stage::Token | Stage::Ask if answer.code == Code::CREATED => {
                self.granted(caller, answer);
            }
            Stage::Token | Stage::Ask => self.not_granted(caller, answer),
            Stage::Upload if answer.code == Code::CREATED => self.uploaded(caller, answer),
            Stage::Upload => self.upload_refused(caller, answer),
            Stage::Amend => self.amended(answer),
            Stage::Connect => {}
            Stage::Access => self.accessed(caller, answer),
        }
    }

    /// The answer to the unprotected request (RFC 9200, 5.2 and 5.3).
    #[inline(never)]
    fn hinted(&mut self, caller: &mut Caller<'_>, answer: Answer) {
        let is_get = self.target().is_some_and(|target| target.code == Code::GET);
        let refused = self.flow.as_ref().and_then(|flow| flow.refused);
        if answer.code != Code::UNAUTHORIZED {
            if let Some(code) = refused {
                // No advice, and never the answer to a request that has a token: anybody can have sent it.
                return self.not_uploaded(code);
            }
            // A resource that is open to all. What another method would do there was not asked, and
            // is not asked without protection.
            return if is_get {
                self.finish(Queued::Response(answer))
            } else {
                self.fail(caller, Reason::NoHints(answer.code))
            };
        }
        // Without the format it is no advice, but a diagnostic text or nothing (RFC 7252, 5.5.2).
        if answer.content_format == Some(ACE_CBOR) && !self.work.as_slice().is_empty() {
            let Self {
                work,
                config,
                flow: Some(flow),
                ..
            } = self
            else {
                return;
            };
            let Ok(hints) = AsRequestCreationHints::parse(work.as_slice()) else {
                return self.retry(caller, Reason::Malformed, None);
            };
            // RFC 9200, 5.3 and 6.4: no token is asked for anywhere else.
            if hints
                .r#as
                .is_some_and(|named| !is_trusted(config.as_uri, named))
            {
                return self.finish(Queued::UntrustedAs);
            }
            if flow.hints.keep(&hints).is_none() {
                return self.fail(caller, Reason::TooLong);
            }
        }
        let Self {
            flow: Some(flow),
            table,
            ..
        } = self
        else {
            return;
        };
        if let Some(code) = refused
            && flow.hints.cnonce().is_none()
            && flow.tokens > 0
        {
            // The token was refused, and nothing new was learnt.
            return self.not_uploaded(code);
        }
        let mut stage = Stage::Token;
        if flow.record.is_none()
            && let Some(audience) = flow.hints.audience()
        {
            // A token from before a reboot is known by its audience.
            flow.record = table.find(caller.now, caller.wall, flow.rs, Some(audience));
            if let Some(record) = flow.record.and_then(|index| table.get(index))
                && !record.left(caller.now).is_zero()
            {
                stage = Stage::Upload;
            }
        }
        self.enter(stage);
    }

    /// 2.01 from the authorization server (RFC 9200, 5.8.2; RFC 9203, 3.2).
    #[inline(never)]
    fn granted(&mut self, caller: &mut Caller<'_>, answer: Answer) {
        let mut asked = [0; MAX_SCOPE];
        let asked = match self.scope_to_ask(&mut asked) {
            Ok(asked) => asked,
            Err(reason) => return self.fail(caller, reason),
        };
        let target = self.target();
        let Self {
            flow: Some(flow),
            table,
            work,
            config,
            ..
        } = &*self
        else {
            return;
        };
        let held = flow.record.and_then(|index| table.view(index));
        let audience = audience(flow, held, target);
        let is_update = flow.stage == Stage::Ask;
        let mut room = Room::new();
        let granted = token::granted(
            answer.content_format,
            work.as_slice(),
            is_update,
            held.map(|held| held.keying),
            config.own(),
            &mut room,
            config.default_lifetime,
        );
        let granted = match granted {
            Ok(granted) => granted,
            Err(reason) => return self.fail(caller, reason),
        };
        // RFC 9202, 4: the same key, so the session stays.
        let keeps_key = granted.keying.is_some() && granted.keying == held.map(|held| held.keying);
        // RFC 6749, 5.1: left out when it is what was asked for.
        let scope = granted.scope.or(asked);
        let covers = |scope| self.suffices(scope);
        let was_asked = asked.is_some_and(covers);
        if let Some(code) = flow.denied
            && !scope.is_some_and(covers)
        {
            return self.finish(Queued::NotGranted { code });
        }
        // From when it was asked for: its end is not later at the resource server.
        let deadline = flow.since + granted.lifetime;
        let (grant, is_new) = match (granted.keying, held) {
            (Some(keying), _) => {
                let left = deadline.saturating_sub(caller.now).as_secs();
                let ends = caller.wall.map(|wall| wall.saturating_add(left));
                let token = granted.token;
                (
                    Grant::new(&GrantView {
                        audience,
                        token,
                        keying,
                        scope,
                        ends,
                    }),
                    true,
                )
            }
            // The token of an update is of use to nobody but the context it is uploaded under; what
            // is kept is the one that brings the key.
            (None, Some(held)) => (Grant::new(&GrantView { scope, ..held }), false),
            (None, None) => (None, true),
        };
        let Some(grant) = grant else {
            return self.fail(caller, Reason::TooLong);
        };
        if is_new {
            self.hold(grant, deadline);
            if let Some(flow) = &mut self.flow {
                flow.was_asked = was_asked;
            }
            let now = caller.now;
            let record = self.flow.as_ref().and_then(|flow| flow.record);
            let record = record.and_then(|index| self.table.get(index));
            let in_session = keeps_key
                && record.is_some_and(|record| {
                    record.usable(now).is_some() && record.channel().is_some()
                });
            if in_session && let Some(flow) = &mut self.flow {
                flow.amendment = deadline;
                return self.enter(Stage::Amend);
            }
            self.enter(Stage::Upload);
        } else {
            let Self {
                flow: Some(flow),
                table,
                ..
            } = self
            else {
                return;
            };
            if let Some(record) = flow.record.and_then(|index| table.get(index)) {
                record.grant = grant;
                record.widened = true;
                if let Some(current) = &mut record.current {
                    current.has_scope = false;
                }
            }
            flow.amendment = deadline;
            self.enter(Stage::Amend);
        }
    }

    /// Whether a scope holds what the request needs.
    #[inline(never)]
    fn suffices(&self, scope: Scope<'_>) -> bool {
        let mut needed = [0; MAX_SCOPE];
        let needed = self.scope_needed(&mut needed);
        needed.is_ok_and(|needed| scope::covers(scope, needed))
    }

    /// Puts a grant in its place in the table, and stores it.
    #[inline(never)]
    fn hold(&mut self, grant: Grant<GRANT>, deadline: ace_coap::Instant) {
        let spared = self.observed.as_ref().and_then(|observed| observed.record);
        let Self {
            flow: Some(flow),
            table,
            ..
        } = self
        else {
            return;
        };
        let index = flow.record.unwrap_or_else(|| table.place(spared));
        match table.slots.get_mut(index) {
            Some(Some(record)) if flow.record.is_some() => {
                record.grant = grant;
                record.deadline = Some(deadline);
                record.widened = false;
                record.next = None;
                record.uploaded = false;
                if let Some(current) = &mut record.current {
                    current.of_grant = false;
                    current.has_scope = false;
                }
            }
            Some(slot) => {
                let peer = Some(flow.rs);
                *slot = Some(Record {
                    peer,
                    deadline: Some(deadline),
                    ..Record::new(grant)
                });
                flow.record = Some(index);
                if spared == Some(index) {
                    self.drop_observation();
                }
                if self.renewal == Some(index) {
                    self.renewal = None;
                }
            }
            None => return,
        }
        self.save(index);
        if let Some(flow) = &mut self.flow {
            // Uploads are counted by token.
            flow.uploads = 0;
            flow.handshakes = 0;
            flow.carried = false;
        }
    }

    /// An error of the authorization server (RFC 9200, 5.8.3).
    fn not_granted(&mut self, caller: &mut Caller<'_>, answer: Answer) {
        let Some(flow) = &self.flow else { return };
        let error = token::check_format(answer.content_format)
            .ok()
            .and_then(|()| ErrorResponse::parse(self.work.as_slice()).ok())
            .map(|response| response.error);
        match error {
            // RFC 9203, 3.1: the key is not known (any more). Another one may be had.
            // RFC 9202, 4 has an error of its own for it.
            Some(ErrorCode::InvalidRequest | ErrorCode::UnsupportedPopKey)
                if flow.stage == Stage::Ask && flow.tokens == 0 =>
            {
                self.enter(Stage::Token);
            }
            Some(error) => self.finish(Queued::RefusedByAs(error)),
            None => self.fail(caller, Reason::UnexpectedCode(answer.code)),
        }
    }

    /// 2.01 to an upload (RFC 9202, 3.2.2; RFC 9203, 4.2 and 4.3). Anybody can have sent it.
    #[inline(never)]
    fn uploaded(&mut self, caller: &mut Caller<'_>, answer: Answer) {
        let Self {
            flow: Some(flow),
            table,
            work,
            ..
        } = self
        else {
            return;
        };
        let Some(index) = flow.record else { return };
        let derived = match table.view(index).map(|grant| grant.keying) {
            None => return,
            Some(Keying::Dtls(_)) => {
                if let Some(record) = table.get(index) {
                    record.uploaded = true;
                }
                // The handshake proves it.
                return self.enter(Stage::Connect);
            }
            Some(Keying::Oscore(material)) => {
                flow.upload
                    .derive(&material, answer.content_format, work.as_slice())
            }
        };
        let keys = match derived {
            Ok(keys) => keys,
            // RFC 9203, 4.3: no context; the exchange may start again.
            Err(reason) => return self.retry(caller, reason, None),
        };
        let Some(record) = table.get(index) else {
            return;
        };
        let Some(deadline) = record.deadline else {
            return;
        };
        let (of_grant, unauthorized, has_scope) = (true, 0, !record.widened);
        record.next = Some(Association {
            keys,
            deadline,
            of_grant,
            unauthorized,
            has_scope,
        });
        if flow.goal != Goal::Renewal {
            return self.enter(Stage::Access);
        }
        self.leave();
        self.work.wipe();
        if let Some(observed) = self.observed.as_mut().filter(|o| o.record == Some(index)) {
            // The observation moves to the new context, and proves it.
            observed.refresh(caller.now);
        }
        self.rest();
    }

    /// An upload was not taken (RFC 9200, 5.10.1.1), or someone says so.
    #[inline(never)]
    fn upload_refused(&mut self, caller: &mut Caller<'_>, answer: Answer) {
        let code = answer.code;
        if code.class() != 4 {
            return self.retry(caller, Reason::UnexpectedCode(code), None);
        }
        let Self {
            flow: Some(flow),
            work,
            config,
            ..
        } = self
        else {
            return;
        };
        let advised = code == Code::UNAUTHORIZED
            && answer.content_format == Some(ACE_CBOR)
            && flow.hints.advise(config.as_uri, work.as_slice());
        flow.refused = Some(code);
        let learnt = advised && flow.hints.cnonce().is_some();
        let may_probe = code == Code::UNAUTHORIZED
            && !flow.probed
            && flow.goal != Goal::Renewal
            && flow.tokens < TOKEN_REQUESTS;
        if may_probe && !advised {
            // RFC 9200, 5.3.1: perhaps the resource server has no clock and wants its nonce.
            self.enter(Stage::Hints);
        } else if flow.tokens == 0 || learnt && flow.tokens < TOKEN_REQUESTS {
            self.enter(Stage::Token);
        } else {
            self.not_uploaded(code);
        }
    }

    /// Ends the flow: an upload was refused, and nothing is left to try.
    fn not_uploaded(&mut self, code: Code) {
        let step = Step::Upload;
        self.finish(Queued::RefusedByRs {
            step,
            code,
            protected: false,
        });
    }

    /// The answer to an update of rights (RFC 9203, 4.2).
    fn amended(&mut self, answer: Answer) {
        let Self {
            flow: Some(flow),
            table,
            ..
        } = self
        else {
            return;
        };
        if !answer.code.is_success() {
            let (step, code) = (Step::Update, answer.code);
            return self.finish(Queued::RefusedByRs {
                step,
                code,
                protected: true,
            });
        }
        let is_renewal = flow.goal == Goal::Renewal;
        if let Some(record) = flow.record.and_then(|index| table.get(index)) {
            record.uploaded |= record.is_dtls();
            if let Some(current) = &mut record.current {
                // RFC 9202, 4; RFC 9203, 4.2: the new token takes the place of the old one, with its end.
                current.deadline = flow.amendment;
                current.has_scope = true;
                // Where it brought the key again: see `granted`.
                current.of_grant |= record.deadline == Some(flow.amendment);
            }
        }
        if !is_renewal {
            return self.enter(Stage::Access);
        }
        self.leave();
        self.work.wipe();
        self.rest();
    }

    /// The protected answer to the application's request (RFC 9200, 5.10.2).
    fn accessed(&mut self, caller: &mut Caller<'_>, answer: Answer) {
        let (step, code, protected) = (Step::Access, answer.code, true);
        let is_refusal = matches!(
            code,
            Code::UNAUTHORIZED | Code::FORBIDDEN | Code::METHOD_NOT_ALLOWED
        );
        let Self {
            flow: Some(flow),
            work,
            config,
            ..
        } = self
        else {
            return;
        };
        if is_refusal && answer.content_format == Some(ACE_CBOR) {
            // RFC 9200, 5.2 and 5.3.1: hints may come with it, and the nonce of the token to ask for.
            flow.hints.advise(config.as_uri, work.as_slice());
        }
        let tokens = flow.tokens;
        let Some(index) = flow.record else { return };
        match code {
            Code::FORBIDDEN | Code::METHOD_NOT_ALLOWED => self.denied(code),
            // The key is good, the token is not: revoked, or ended there first.
            Code::UNAUTHORIZED if tokens == 0 => self.enter(Stage::Token),
            Code::UNAUTHORIZED => self.finish(Queued::RefusedByRs {
                step,
                code,
                protected,
            }),
            _ => {
                self.mark_for_renewal(index, caller.now);
                self.finish(Queued::Response(answer));
            }
        }
    }

    /// 4.03 or 4.05 under protection: the right is missing (RFC 9200, 5.10.2).
    #[inline(never)]
    fn denied(&mut self, code: Code) {
        let refused = Queued::RefusedByRs {
            step: Step::Access,
            code,
            protected: true,
        };
        let Some(flow) = &self.flow else { return };
        let Some(index) = flow.record else { return };
        let was_asked = flow.was_asked;
        let may_ask = flow.denied.is_none() && self.config.on_denied == OnDenied::Update;
        let (mut needed, mut both) = ([0; MAX_SCOPE], [0; MAX_SCOPE]);
        let needed = self.scope_needed(&mut needed).ok();
        let Some(current) = self
            .table
            .get(index)
            .and_then(|record| record.current.as_ref())
        else {
            return self.finish(refused);
        };
        let (is_known, of_grant) = (current.has_scope, current.of_grant);
        let held = self.table.view(index).and_then(|grant| grant.scope);
        let Some(needed) = needed else {
            return self.finish(refused);
        };
        let is_held = held.is_some_and(|held| scope::covers(held, needed));
        if was_asked && may_ask && !is_held {
            // The authorization server was asked just now, and granted less.
            return self.finish(Queued::NotGranted { code });
        }
        // Useless where the token has the right and the resource server denies it all the same, or
        // where what is needed cannot be put beside what is held.
        let is_useless = is_held && is_known;
        if !may_ask || is_useless || scope::union(held, needed, &mut both).is_none() {
            return self.finish(refused);
        }
        if let Some(flow) = &mut self.flow {
            flow.denied = Some(code);
        }
        self.enter(match (of_grant, is_held) {
            (true, _) => Stage::Ask,
            // The token that has the right never got there.
            (false, true) => Stage::Upload,
            (false, false) => Stage::Token,
        });
    }
}
