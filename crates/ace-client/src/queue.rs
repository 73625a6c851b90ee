//! Events that wait for `poll_event`. Payloads stay where they are, in the work buffer.

use ace_wire::ace::{AsRequestCreationHints, ErrorCode, ErrorResponse};
use ace_wire::coap::Code;

use crate::{Event, Phase, Reason, Refusal, Step};

/// An event without its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Queued {
    Phase(Phase),
    Response(Answer),
    Notification(Answer),
    RefusedByAs(ErrorCode),
    RefusedByRs {
        step: Step,
        code: Code,
        protected: bool,
    },
    NotGranted {
        code: Code,
    },
    UntrustedAs,
    Failed {
        step: Step,
        reason: Reason,
    },
    ObservationLost {
        step: Step,
        reason: Reason,
    },
    RenewalFailed {
        step: Step,
        reason: Reason,
    },
}

/// A response whose body is the content of the work buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    pub code: Code,
    pub content_format: Option<u16>,
    pub protected: bool,
}

impl Queued {
    /// Whether the event ends the application's request.
    pub(crate) const fn is_outcome(&self) -> bool {
        !matches!(
            self,
            Self::Phase(_)
                | Self::Notification(_)
                | Self::ObservationLost { .. }
                | Self::RenewalFailed { .. }
        )
    }

    /// What went wrong, for those who see no refusal but a failure: background work.
    pub(crate) const fn reason(&self) -> Option<Reason> {
        Some(match *self {
            Self::RefusedByAs(error) => Reason::RefusedByAs(error),
            Self::RefusedByRs { code, .. } => Reason::RefusedByRs(code),
            Self::NotGranted { .. } => Reason::NotGranted,
            Self::UntrustedAs => Reason::UntrustedAs,
            Self::Failed { reason, .. } => reason,
            _ => return None,
        })
    }

    /// Whether its payload lies in the work buffer.
    pub(crate) const fn has_payload(&self) -> bool {
        matches!(
            self,
            Self::Response(_) | Self::Notification(_) | Self::RefusedByAs(_) | Self::UntrustedAs
        )
    }

    /// The event with its payload.
    pub(crate) fn event<'w>(&self, work: &'w [u8]) -> Event<'w> {
        match *self {
            Self::Phase(phase) => Event::Phase(phase),
            Self::Response(Answer {
                code,
                content_format,
                protected,
            }) => Event::Response {
                code,
                content_format,
                payload: work,
                protected,
            },
            Self::Notification(Answer {
                code,
                content_format,
                protected,
            }) => Event::Notification {
                code,
                content_format,
                payload: work,
                protected,
            },
            Self::RefusedByAs(error) => {
                let description = ErrorResponse::parse(work)
                    .ok()
                    .and_then(|answer| answer.error_description);
                Event::Refused {
                    by: Refusal::As { error, description },
                }
            }
            Self::UntrustedAs => {
                let hints = AsRequestCreationHints::parse(work).unwrap_or_default();
                Event::Refused {
                    by: Refusal::UntrustedAs {
                        uri: hints.r#as.unwrap_or(""),
                    },
                }
            }
            Self::RefusedByRs {
                step,
                code,
                protected,
            } => Event::Refused {
                by: Refusal::Rs {
                    step,
                    code,
                    protected,
                },
            },
            Self::NotGranted { code } => Event::Refused {
                by: Refusal::NotGranted { code },
            },
            Self::Failed { step, reason } => Event::Failed { step, reason },
            Self::ObservationLost { step, reason } => Event::ObservationLost { step, reason },
            Self::RenewalFailed { step, reason } => Event::RenewalFailed { step, reason },
        }
    }
}

/// How many events wait; beyond it the oldest change of phase is forgotten.
const EVENTS: usize = 6;

#[derive(Debug, Default)]
pub(crate) struct Queue {
    events: heapless::Vec<Queued, EVENTS>,
}

impl Queue {
    pub(crate) fn push(&mut self, event: Queued) {
        if self.events.is_full() {
            // At most four of the others are there at once: an outcome, a notification, and the
            // ends of an observation and of a renewal.
            let phase = self
                .events
                .iter()
                .position(|event| matches!(event, Queued::Phase(_)));
            self.events.remove(phase.unwrap_or(0));
        }
        let _never_full = self.events.push(event);
    }

    pub(crate) fn pop(&mut self) -> Option<Queued> {
        (!self.events.is_empty()).then(|| self.events.remove(0))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Whether the end of a request waits.
    pub(crate) fn holds_outcome(&self) -> bool {
        self.events.iter().any(Queued::is_outcome)
    }

    /// Whether an event needs the work buffer as it is.
    pub(crate) fn holds_payload(&self) -> bool {
        self.events.iter().any(Queued::has_payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_phases_are_forgotten() {
        let mut queue = Queue::default();
        let end = Queued::Failed {
            step: Step::Token,
            reason: Reason::TimedOut,
        };
        queue.push(end);
        for _ in 0..20 {
            queue.push(Queued::Phase(Phase::Token));
        }
        queue.push(Queued::Phase(Phase::Idle));
        assert!(queue.holds_outcome() && !queue.holds_payload());
        assert_eq!(queue.pop(), Some(end));
        let mut last = None;
        while let Some(event) = queue.pop() {
            last = Some(event);
        }
        assert_eq!(last, Some(Queued::Phase(Phase::Idle)));
        assert!(queue.is_empty());
    }
}
