//! From a response to the next message of the flow.

use core::hash::Hash;
use core::time::Duration;

use ace_coap::{Instant, RequestId};
use ace_oscore::storage::Storage;
use ace_wire::coap::content_format::ACE_CBOR;
use ace_wire::coap::{Code, Message, option};
use zeroize::Zeroizing;

use crate::client::{Caller, Client};
use crate::flow::{Authority, ECHOES, Goal, HANDSHAKES, Next, Protection, Stage, UPLOADS};
use crate::observe::Observed;
use crate::queue::{Answer, Queued};
use crate::table::Which;
use crate::transfer::Progress;
use crate::{Direction, Phase, Reason};

/// Pause before the second attempt after an error; doubled before each further one.
const PAUSE: Duration = Duration::from_secs(1);
/// Longest Max-Age of a 5.03 or 4.29 that is waited for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

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
    /// Takes a response.
    pub(crate) fn receive(
        &mut self,
        caller: &mut Caller<'_>,
        id: RequestId,
        message: &Message<'_>,
    ) {
        let observation = self
            .observed
            .as_ref()
            .and_then(|observed| observed.exchange.as_ref());
        if observation.is_some_and(|exchange| exchange.id == id) {
            return self.notified(caller, message);
        }
        let exchange = self.flow.as_ref().and_then(|flow| flow.exchange.as_ref());
        if exchange.is_some_and(|exchange| exchange.id == id) {
            self.answered(caller, id, message);
        }
    }

    #[inline(never)]
    fn answered(&mut self, caller: &mut Caller<'_>, id: RequestId, message: &Message<'_>) {
        let is_protected = message.options.contains(option::OSCORE);
        let mut plain = Zeroizing::new([0; MTU]);
        let Self {
            flow: Some(flow),
            table,
            authority,
            endpoint,
            ..
        } = self
        else {
            return;
        };
        let Some(exchange) = &mut flow.exchange else {
            return;
        };
        let in_session = matches!(exchange.protection, Protection::Session(_));
        let (inner, confirmed) = match &mut exchange.protection {
            Protection::Plain => ((!is_protected).then_some(*message), None),
            // The endpoint gives an exchange what came in its own session alone. RFC 9202, 3.3.2: nothing is believed of a key
            // whose token has ended.
            Protection::Session(_) => {
                let record = flow.record.filter(|_| flow.stage.is_with_rs());
                let mut is_good = true;
                if let Some(record) = record.and_then(|index| table.get(index)) {
                    is_good = record
                        .current
                        .as_ref()
                        .is_some_and(|current| current.deadline > caller.now);
                    record.suspect &= !is_good;
                }
                ((is_good && !is_protected).then_some(*message), None)
            }
            _ if !is_protected => return self.unprotected(caller, message),
            Protection::As(binding) => match authority {
                Authority::Oscore(context) => {
                    (context.unprotect(binding, message, &mut plain[..]), None)
                }
                Authority::Dtls(_) => (None, None),
            },
            Protection::Rs {
                record,
                which,
                binding,
            } => {
                // RFC 9200, 5.10.4: nothing is believed of a key whose token has ended.
                let context = table
                    .get(*record)
                    .and_then(|record| record.context(*which))
                    .filter(|(_, deadline)| *deadline > caller.now);
                let inner = context
                    .and_then(|(context, _)| context.unprotect(binding, message, &mut plain[..]));
                let confirmed = inner.is_some().then_some((*record, *which));
                if confirmed.is_some() {
                    *which = Which::Current;
                }
                (inner, confirmed)
            }
        };
        let Some(inner) = inner else {
            // RFC 8613, 8.4: not from the peer; the peer's may still come.
            let _gone = endpoint.resume(id);
            return;
        };
        let phase = Phase::from(flow.stage.step());
        let direction = Direction::Received;
        let is_protected = is_protected || in_session;
        self.config
            .watch
            .show(phase, direction, is_protected, &inner);
        let rs = flow.rs;
        if let Some((record, which)) = confirmed {
            self.confirm(caller, record, which, rs);
        }
        self.register(caller, &inner);
        self.verified(caller, &inner, is_protected);
    }

    /// Keeps the exchange of a registration that was accepted (RFC 7641, 3.1).
    fn register(&mut self, caller: &Caller<'_>, inner: &Message<'_>) {
        let Self {
            flow: Some(flow),
            request,
            observed,
            endpoint,
            ..
        } = self
        else {
            return;
        };
        let exchange = flow.exchange.take();
        let wanted = match flow.goal {
            Goal::Request => request.view().observe,
            Goal::Refresh => true,
            Goal::Renewal => false,
        };
        let accepted = inner.code.is_success() && inner.options.contains(option::OBSERVE);
        if !(wanted && flow.is_for_target() && accepted && flow.transfer.is_at_start()) {
            return;
        }
        let record = flow.record.filter(|_| flow.stage == Stage::Access);
        if flow.goal == Goal::Request {
            if let Some(old) = observed.take().and_then(|observed| observed.exchange) {
                endpoint.cancel(old.id);
            }
            let mut new = Observed::new(flow.rs, caller.now);
            // Checked when the request was taken.
            let _fits = new.stored.store(&request.view());
            *observed = Some(new);
            flow.registered = true;
        }
        if let Some(observed) = observed {
            observed.exchange = exchange;
            observed.record = record;
            observed.refresh_at = None;
            observed.refreshed = caller.now;
        }
    }

    /// Takes a response in the protection that was due.
    #[inline(never)]
    fn verified(&mut self, caller: &mut Caller<'_>, inner: &Message<'_>, protected: bool) {
        let sending = match &self.flow {
            Some(flow) if matches!(flow.stage, Stage::Hints | Stage::Access) => {
                self.target().map_or(0, |target| target.payload.len())
            }
            _ => self.work.as_slice().len(),
        };
        let target = self.target().map_or(Code::GET, |target| target.code);
        let Self {
            flow: Some(flow),
            work,
            ..
        } = self
        else {
            return;
        };
        // RFC 9175, 2.3: asked for freshness, the same request again with the Echo value; inside of
        // the protection if it came inside (RFC 8613, B.1.2).
        let echo = inner
            .options
            .find(option::ECHO)
            .filter(|_| inner.code == Code::UNAUTHORIZED);
        if let Some(echo) = echo.filter(|_| protected || !has_advice(inner)) {
            flow.echo.clear();
            let fits = flow.echo.extend_from_slice(echo).is_ok();
            if !fits || flow.echoes >= ECHOES {
                return self.fail(caller, Reason::EchoLoop);
            }
            flow.echoes += 1;
            flow.next = Next::Message;
            return;
        }
        flow.echo.clear();
        let (method, sending) = match flow.stage {
            Stage::Hints => (Code::GET, 0),
            Stage::Access => (target, sending),
            _ => (Code::POST, sending),
        };
        match flow
            .transfer
            .on_response(method, sending, inner, work.buffer())
        {
            Err(reason) => self.fail(caller, reason),
            Ok(Progress::Again) => flow.next = Next::Message,
            Ok(Progress::Complete { length }) => {
                work.set_len(length);
                let format = inner.options.uint(option::CONTENT_FORMAT).ok().flatten();
                let answer = Answer {
                    code: inner.code,
                    content_format: format.and_then(|format| u16::try_from(format).ok()),
                    protected,
                };
                let is_busy = matches!(
                    answer.code,
                    Code::SERVICE_UNAVAILABLE | Code::TOO_MANY_REQUESTS
                );
                if is_busy && self.may_wait() {
                    return self.wait(caller, Reason::UnexpectedCode(answer.code), inner);
                }
                self.complete(caller, answer);
            }
        }
    }

    /// Whether a peer that is busy is asked again: the exchanges of this crate, not the
    /// application's own.
    fn may_wait(&self) -> bool {
        let stage = self.flow.as_ref().map(|flow| (flow.stage, flow.attempts));
        matches!(
            stage,
            Some((Stage::Hints | Stage::Token | Stage::Upload, 1..))
        )
    }

    /// Takes a response without the protection that was due: it may be anybody's. It loses no key.
    fn unprotected(&mut self, caller: &mut Caller<'_>, message: &Message<'_>) {
        let Some(flow) = &self.flow else { return };
        let phase = Phase::from(flow.stage.step());
        let direction = Direction::Received;
        self.config.watch.show(phase, direction, false, message);
        let code = message.code;
        let of_rs = matches!(flow.stage, Stage::Access | Stage::Amend);
        if of_rs && matches!(code, Code::UNAUTHORIZED | Code::BAD_REQUEST) {
            if code == Code::UNAUTHORIZED && has_advice(message) {
                self.keep_hints(message.payload);
            }
            return self.recover(caller, Some(code));
        }
        self.wait(caller, Reason::Unprotected(code), message);
    }

    /// The resource server does not know the context, or so someone says: the token is uploaded
    /// again, for a context beside the one held (RFC 9203, 4.1); if that does not help, another
    /// token is asked for.
    pub(crate) fn recover(&mut self, caller: &mut Caller<'_>, code: Option<Code>) {
        let repeatable = self.target().is_none_or(|target| target.is_idempotent());
        let Self {
            flow: Some(flow),
            table,
            config,
            ..
        } = self
        else {
            return;
        };
        let protection = flow.exchange.take().map(|exchange| exchange.protection);
        let (which, session) = match protection {
            Some(Protection::Rs { which, .. }) => (which, None),
            Some(Protection::Session(id)) => (Which::Current, Some(id)),
            _ => (Which::Current, None),
        };
        let Some(record) = flow.record.and_then(|index| table.get(index)) else {
            return;
        };
        match (which, &mut record.current) {
            // Never proven: perhaps made from a forged answer to the upload.
            (Which::Next, _) => record.next = None,
            (Which::Current, Some(current)) if code.is_some() => {
                // RFC 9203, 6: a number of 4.01 ends the context.
                current.unauthorized = current.unauthorized.saturating_add(1);
                if current.unauthorized >= config.unauthorized_limit {
                    record.current = None;
                }
            }
            _ => {}
        }
        if flow.stage == Stage::Access && !repeatable {
            // It may have been carried out, and the error forged.
            record.suspect = true;
            return self.fail(caller, Reason::UnknownOutcome);
        }
        flow.denied = None;
        let has_token = !record.left(caller.now).is_zero();
        let may_connect = record.uploaded && flow.handshakes < HANDSHAKES;
        let may_upload = !record.uploaded && flow.uploads < UPLOADS;
        if let Some(id) = session {
            // Perhaps the resource server has lost it.
            self.close_session(id);
        }
        let Some(flow) = &self.flow else { return };
        if session.is_some() && !may_connect && !may_upload {
            // Sessions come about and no answer: another token is of no help.
            return self.fail(caller, Reason::TimedOut);
        }
        if has_token && may_connect {
            self.enter(Stage::Connect);
        } else if has_token && may_upload {
            self.enter(Stage::Upload);
        } else if flow.tokens == 0 {
            self.enter(Stage::Token);
        } else {
            let step = flow.stage.step();
            self.finish(match code {
                Some(code) => Queued::RefusedByRs {
                    step,
                    code,
                    protected: false,
                },
                None => Queued::Failed {
                    step,
                    reason: Reason::TimedOut,
                },
            });
        }
    }

    /// Keeps advice that came with a refusal.
    fn keep_hints(&mut self, payload: &[u8]) {
        if let Some(flow) = &mut self.flow {
            flow.probed |= flow.hints.advise(self.config.as_uri, payload);
        }
    }

    /// No answer to the message under way.
    pub(crate) fn no_answer(&mut self, caller: &mut Caller<'_>, reason: Reason) {
        let Some(flow) = &self.flow else { return };
        let protection = flow.exchange.as_ref().map(|exchange| &exchange.protection);
        let is_with_rs = flow.stage.is_with_rs();
        let unproven = match protection {
            Some(Protection::Rs { which, .. }) => *which == Which::Next,
            // What is known of a session is that it was there.
            Some(Protection::Session(_)) if is_with_rs => true,
            Some(Protection::Session(id)) => {
                let id = *id;
                self.close_session(id);
                false
            }
            _ => false,
        };
        if unproven && reason == Reason::TimedOut {
            // Resource servers may be silent towards keys they do not know.
            return self.recover(caller, None);
        }
        self.retry(caller, reason, None);
    }

    /// Tries the stage again after a pause that grows, or that the peer asks for.
    fn wait(&mut self, caller: &mut Caller<'_>, reason: Reason, message: &Message<'_>) {
        let mut pause = self.pause();
        let is_busy = matches!(
            message.code,
            Code::SERVICE_UNAVAILABLE | Code::TOO_MANY_REQUESTS
        );
        if is_busy && let Ok(Some(seconds)) = message.options.uint(option::MAX_AGE) {
            // RFC 7252, 5.9.3.4; RFC 8516, 3
            pause = pause.max(Duration::from_secs(u64::from(seconds)));
        }
        self.retry(caller, reason, Some(pause.min(LONGEST_PAUSE)));
    }

    /// How long to wait before the next attempt.
    pub(crate) fn pause(&self) -> Duration {
        let attempts = self.flow.as_ref().map_or(0, |flow| flow.attempts);
        let before = self
            .config
            .attempts
            .max(1)
            .saturating_sub(attempts.saturating_add(1));
        PAUSE.saturating_mul(1 << before.min(5))
    }

    /// Tries the stage again, now or after a pause, if attempts are left and it may be repeated.
    pub(crate) fn retry(
        &mut self,
        caller: &mut Caller<'_>,
        reason: Reason,
        pause: Option<Duration>,
    ) {
        let repeatable = self.target().is_none_or(|target| target.is_idempotent());
        let Some(flow) = &mut self.flow else { return };
        flow.exchange = None;
        if flow.stage == Stage::Access && !repeatable {
            return self.fail(caller, Reason::UnknownOutcome);
        }
        let Some(left) = flow.attempts.checked_sub(1) else {
            return self.fail(caller, reason);
        };
        flow.attempts = left;
        match pause {
            Some(pause) => flow.retry_at = Some(caller.now + pause),
            None => self.attempt(),
        }
    }

    /// Enters a stage.
    pub(crate) fn enter(&mut self, stage: Stage) {
        // RFC 9202, 3.3.2: the token may go inside the handshake.
        let carries = stage == Stage::Upload && self.carries_token();
        let stage = if carries { Stage::Connect } else { stage };
        let Some(flow) = &mut self.flow else { return };
        flow.carried |= carries;
        flow.is_bare = false;
        flow.stage = stage;
        flow.attempts = self.config.attempts.max(1) - 1;
        match stage {
            Stage::Hints => flow.probed = true,
            Stage::Token => flow.tokens = flow.tokens.saturating_add(1),
            Stage::Upload => flow.uploads = flow.uploads.saturating_add(1),
            Stage::Connect => flow.handshakes = flow.handshakes.saturating_add(1),
            _ => {}
        }
        self.show(Phase::from(stage.step()));
        self.attempt();
    }

    /// Has the stage's exchange started from its beginning.
    pub(crate) const fn attempt(&mut self) {
        if let Some(flow) = &mut self.flow {
            flow.next = Next::Attempt;
        }
    }

    /// Does what the flow is to do next.
    pub(crate) fn drive(&mut self, caller: &mut Caller<'_>) {
        while let Some(flow) = &mut self.flow {
            match core::mem::take(&mut flow.next) {
                Next::Nothing => return,
                Next::Attempt => self.start(caller),
                Next::Message => self.go_on(caller),
            }
        }
    }

    fn start(&mut self, caller: &mut Caller<'_>) {
        let Some(flow) = &mut self.flow else { return };
        flow.retry_at = None;
        flow.echo.clear();
        flow.echoes = 0;
        flow.since = caller.now;
        if self.needs_session(caller.now) {
            return self.connect(caller);
        }
        match self.prepare(caller) {
            Ok(length) => {
                self.start_transfer(length);
                self.go_on(caller);
            }
            Err(reason) => self.fail(caller, reason),
        }
    }

    /// Sends the next message of the exchange.
    fn go_on(&mut self, caller: &mut Caller<'_>) {
        match self.send(caller) {
            Ok(()) => {}
            // RFC 9200, 5.10.2: the keys have ended since; the flow goes on where it can.
            Err(Reason::Expired) if self.may_start_again() => {
                let now = caller.now;
                let flow = self.flow.as_ref().and_then(|flow| flow.record);
                let stage = flow
                    .and_then(|index| self.table.get(index))
                    .map_or(Stage::Token, |record| record.entry(now));
                self.enter(stage);
            }
            Err(reason) => self.fail(caller, reason),
        }
    }

    fn may_start_again(&self) -> bool {
        self.flow
            .as_ref()
            .is_some_and(|flow| flow.tokens == 0 && flow.uploads < UPLOADS)
    }

    /// Ends the flow with a failure.
    pub(crate) fn fail(&mut self, caller: &Caller<'_>, reason: Reason) {
        let Some(flow) = &self.flow else { return };
        let step = flow.stage.step();
        if flow.stage == Stage::Access
            && reason == Reason::TimedOut
            && let Some(record) = flow.record.and_then(|index| self.table.get(index))
        {
            // A resource server that lost the context may be silent about it.
            record.suspect = record
                .deadline
                .is_some_and(|deadline| deadline > caller.now);
        }
        self.finish(Queued::Failed { step, reason });
    }

    /// Ends the flow and tells who wants to know.
    pub(crate) fn finish(&mut self, outcome: Queued) {
        let Some(flow) = &self.flow else { return };
        let (goal, step, registered) = (flow.goal, flow.stage.step(), flow.registered);
        self.leave();
        if !outcome.has_payload() || goal == Goal::Renewal {
            // It may hold a key.
            self.work.wipe();
        }
        let reason = outcome.reason();
        match goal {
            Goal::Request => {
                self.request.wipe();
                if registered && reason.is_some() {
                    self.drop_observation();
                }
                self.queue.push(outcome);
            }
            Goal::Renewal => {
                if let Some(reason) = reason {
                    self.queue.push(Queued::RenewalFailed { step, reason });
                }
            }
            Goal::Refresh => {
                if let Queued::Response(answer) = outcome {
                    self.queue.push(Queued::Notification(answer));
                }
                let is_gone = self.observed.as_ref().is_none_or(|o| o.exchange.is_none());
                let reason = reason.or(is_gone.then_some(Reason::NotObservable));
                if let Some(reason) = reason {
                    self.drop_observation();
                    self.queue.push(Queued::ObservationLost { step, reason });
                }
            }
        }
        self.rest();
    }

    /// Drops the flow, its exchange, and the handshake it waits for.
    pub(crate) fn leave(&mut self) {
        if let Some(exchange) = self.flow.take().and_then(|flow| flow.exchange) {
            self.endpoint.cancel(exchange.id);
        }
    }

    /// Notes that a token near its end is to be renewed.
    pub(crate) fn mark_for_renewal(&mut self, index: usize, now: Instant) {
        let record = self.table.slots.get(index).and_then(Option::as_ref);
        let due = record.and_then(|record| record.renewal_due(self.config.renew_before));
        if due.is_some_and(|due| due <= now) {
            self.renewal = Some(index);
        }
    }
}

/// Whether a response has the payload of hints.
pub(crate) fn has_advice(message: &Message<'_>) -> bool {
    let format = message.options.uint(option::CONTENT_FORMAT);
    format == Ok(Some(u32::from(ACE_CBOR))) && !message.payload.is_empty()
}
