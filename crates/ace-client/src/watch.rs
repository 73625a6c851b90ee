//! Looking on: every message as its sender wrote it, for logs and demonstrations.

use core::fmt;

use ace_wire::coap::{Code, Message, Options};

use crate::Phase;

/// Which way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client.
    Sent,
    /// To the client.
    Received,
}

/// A message before it was protected, or after its protection was verified.
///
/// Holds what the peer holds: tokens, and in the answer to a token request the key itself. Who
/// shows it must leave the keys out.
#[derive(Debug, Clone, Copy)]
pub struct Watched<'m> {
    /// What the client was doing.
    pub phase: Phase,
    /// Which way it goes.
    pub direction: Direction,
    /// Whether it is inside OSCORE. What is not may be anybody's.
    pub protected: bool,
    /// Method or response code.
    pub code: Code,
    /// Options.
    pub options: Options<'m>,
    /// Payload: one block of a body that is longer.
    pub payload: &'m [u8],
}

/// Who looks on; nobody by default.
#[derive(Clone, Copy, Default)]
pub struct Watch<'c>(pub Option<&'c (dyn Fn(Watched<'_>) + Sync)>);

impl Watch<'_> {
    pub(crate) fn show(
        self,
        phase: Phase,
        direction: Direction,
        protected: bool,
        message: &Message<'_>,
    ) {
        if let Some(show) = self.0 {
            show(Watched {
                phase,
                direction,
                protected,
                code: message.code,
                options: message.options,
                payload: message.payload,
            });
        }
    }
}

impl fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "Watch(..)"
        } else {
            "Watch(nobody)"
        })
    }
}
