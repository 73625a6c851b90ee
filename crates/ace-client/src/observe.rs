//! One observed resource (RFC 7641) and its notifications.

use core::hash::Hash;
use core::time::Duration;

use ace_coap::Instant;
use ace_oscore::storage::Storage;
use ace_wire::coap::{Code, Message, option};
use zeroize::Zeroizing;

use crate::client::{Caller, Client};
use crate::flow::{InFlight, Protection};
use crate::queue::{Answer, Queued};
use crate::request::Stored;
use crate::table::Which;
use crate::{Direction, Phase, Request};

/// Longest observed request: path, query, audience and scope together, in bytes.
pub const MAX_OBSERVED: usize = 128;

/// Shortest time between two requests for an observed resource that nobody asked for.
const REFRESH_PAUSE: Duration = Duration::from_secs(2);

/// An observation.
pub(crate) struct Observed<P> {
    pub rs: P,
    pub stored: Stored<MAX_OBSERVED>,
    /// `None` while the registration is gone: its context was replaced.
    pub exchange: Option<InFlight>,
    pub record: Option<usize>,
    /// When the resource is to be asked again.
    pub refresh_at: Option<Instant>,
    /// When it was asked last.
    pub refreshed: Instant,
}

impl<P> Observed<P> {
    pub(crate) fn new(rs: P, now: Instant) -> Self {
        let (stored, exchange, record) = (Stored::new(), None, None);
        Self {
            rs,
            stored,
            exchange,
            record,
            refresh_at: None,
            refreshed: now,
        }
    }

    pub(crate) fn fits(request: &Request<'_>) -> bool {
        request.payload.is_empty() && request.len() <= MAX_OBSERVED
    }

    /// Asks for a refresh, not too soon after the last.
    pub(crate) fn refresh(&mut self, now: Instant) {
        self.refresh_at
            .get_or_insert((self.refreshed + REFRESH_PAUSE).max(now));
    }
}

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
    /// Takes a message for the observation's request.
    #[inline(never)]
    pub(crate) fn notified(&mut self, caller: &mut Caller<'_>, message: &Message<'_>) {
        let mut plain = Zeroizing::new([0; MTU]);
        let Self {
            observed: Some(observed),
            table,
            endpoint,
            ..
        } = self
        else {
            return;
        };
        let Some(exchange) = &mut observed.exchange else {
            return;
        };
        let id = exchange.id;
        let inner = match &mut exchange.protection {
            Protection::Rs {
                record,
                which,
                binding,
            } => {
                let record = table.get(*record);
                record.and_then(|record| {
                    let (context, deadline) = record.context(*which)?;
                    let inner = context
                        .unprotect(binding, message, &mut plain[..])
                        .filter(|_| deadline > caller.now)?;
                    record.verified(*which);
                    Some(inner)
                })
            }
            Protection::Session(_) => {
                let record = observed.record.and_then(|index| table.get(index));
                let current = record.and_then(|record| record.current.as_ref());
                let is_good = current.is_some_and(|current| current.deadline > caller.now);
                is_good.then_some(*message)
            }
            _ => Some(*message),
        };
        let protected = !matches!(exchange.protection, Protection::Plain);
        let Some(inner) = inner else {
            // Whoever sent it, the observation stays. A resource server that ended it with its
            // token says so without protection (RFC 9203, 4.3): worth a look.
            let _gone = endpoint.resume(id);
            if matches!(message.code, Code::BAD_REQUEST | Code::UNAUTHORIZED) {
                observed.refresh(caller.now);
            }
            return;
        };
        self.config
            .watch
            .show(Phase::Observing, Direction::Received, protected, &inner);
        let goes_on = inner.code.is_success() && inner.options.contains(option::OBSERVE);
        if !goes_on && protected && inner.code == Code::UNAUTHORIZED {
            // RFC 9200, 5.10.3: the token ended; another one goes on with it.
            observed.exchange = None;
            return observed.refresh(caller.now);
        }
        let is_part = matches!(inner.options.block(option::BLOCK2), Ok(Some(b)) if b.more);
        let is_busy = self.flow.is_some() || self.queue.holds_payload();
        if goes_on && (is_part || is_busy) {
            // RFC 7959, 2.6: the rest is fetched; RFC 7641, 1.3: only the last state counts.
            return observed.refresh(caller.now);
        }
        if is_busy || !self.work.copy_from(inner.payload) {
            // Ended, and nobody could be told: asking again tells.
            observed.exchange = observed.exchange.take().filter(|_| goes_on);
            return observed.refresh(caller.now);
        }
        let content_format = inner.options.uint(option::CONTENT_FORMAT).ok().flatten();
        let content_format = content_format.and_then(|format| u16::try_from(format).ok());
        self.queue.push(Queued::Notification(Answer {
            code: inner.code,
            content_format,
            protected,
        }));
        if !goes_on {
            self.observed = None;
            self.rest();
        }
    }

    /// Forgets the observation.
    pub(crate) fn drop_observation(&mut self) {
        if let Some(observed) = self.observed.take()
            && let Some(exchange) = observed.exchange
        {
            self.endpoint.cancel(exchange.id);
        }
    }

    /// A response verified under a context: the record is the peer's from now on. Where the context
    /// is a new one, an observation under the old one is gone (RFC 9203, 6) and is registered anew.
    pub(crate) fn confirm(&mut self, caller: &Caller<'_>, index: usize, which: Which, peer: P) {
        let Some(record) = self.table.get(index) else {
            return;
        };
        record.confirm(which, peer);
        if which == Which::Current {
            return;
        }
        if let Some(observed) = self.observed.as_mut().filter(|o| o.record == Some(index))
            && let Some(exchange) = observed.exchange.take()
        {
            self.endpoint.cancel(exchange.id);
            observed.refresh(caller.now);
        }
    }
}
