//! One run through the exchange of RFC 9200, section 4, towards one resource server. The crate's
//! first page has the picture.

use ace_coap::{Instant, RequestId};
use ace_oscore::RequestBinding;
use ace_wire::coap::Code;
use zeroize::Zeroize;

use crate::Step;
use crate::grant::NONCE;
use crate::hints::Hints;
use crate::table::Which;
use crate::transfer::Transfer;

/// What a flow is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goal {
    /// The application's request.
    Request,
    /// The present state of the observed resource, and its registration if that is gone.
    Refresh,
    /// Another token before the one held ends.
    Renewal,
}

/// The message exchange a flow is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Unprotected request to the resource.
    Hints,
    /// Token request.
    Token,
    /// Upload to `/authz-info`, unprotected.
    Upload,
    /// Token request for more rights with the same key.
    Ask,
    /// Upload of those rights, protected.
    Amend,
    /// Protected request to the resource.
    Access,
}

impl Stage {
    pub(crate) const fn step(self) -> Step {
        match self {
            Self::Hints => Step::Hints,
            Self::Token => Step::Token,
            Self::Upload => Step::Upload,
            Self::Ask | Self::Amend => Step::Update,
            Self::Access => Step::Access,
        }
    }
}

/// A message sent, and how its answer must be protected.
pub(crate) struct InFlight {
    pub id: RequestId,
    pub protection: Protection,
}

pub(crate) enum Protection {
    /// Not at all.
    Plain,
    /// Under the context with the authorization server.
    As(RequestBinding),
    /// Under a context of the flow's record.
    Rs {
        record: usize,
        which: Which,
        binding: RequestBinding,
    },
}

/// Longest Echo value (RFC 9175, 2.2.1).
pub(crate) const MAX_ECHO: usize = 40;
/// How often one attempt answers a request for freshness. One is the rule; the value may expire.
pub(crate) const ECHOES: u8 = 3;
/// How often one flow uploads one token. The second time is for a first answer that was forged.
pub(crate) const UPLOADS: u8 = 2;
/// How many tokens one flow asks for. The second is for a client-nonce learnt from a refusal.
pub(crate) const TOKENS: u8 = 2;

pub(crate) struct Flow<P> {
    pub goal: Goal,
    pub rs: P,
    pub record: Option<usize>,
    pub stage: Stage,
    /// Attempts left in this stage, the present one not counted.
    pub attempts: u8,
    pub exchange: Option<InFlight>,
    /// When the next attempt starts, if none is under way.
    pub retry_at: Option<Instant>,
    pub transfer: Transfer,
    pub echo: heapless::Vec<u8, MAX_ECHO>,
    pub echoes: u8,
    /// When the present attempt started: tokens count their lifetime from here.
    pub since: Instant,
    pub hints: Hints,
    pub nonce1: [u8; NONCE],
    pub id1: u8,
    pub uploads: u8,
    pub tokens: u8,
    /// Whether the resource server was asked for hints.
    pub probed: bool,
    /// How the resource server denied the request, once it has.
    pub denied: Option<Code>,
    /// End of the token that is uploaded in [`Stage::Amend`].
    pub amendment: Instant,
    /// Whether the scope of the token got in this flow was asked to cover the request.
    pub was_asked: bool,
    /// How an upload was refused.
    pub refused: Option<Code>,
    /// Whether an observation began in this flow.
    pub registered: bool,
}

impl<P> Flow<P> {
    pub(crate) fn new(goal: Goal, rs: P, stage: Stage, now: Instant) -> Self {
        Self {
            goal,
            rs,
            record: None,
            stage,
            attempts: 0,
            exchange: None,
            retry_at: None,
            transfer: Transfer::new(0, 0, 0),
            echo: heapless::Vec::new(),
            echoes: 0,
            since: now,
            hints: Hints::default(),
            nonce1: [0; NONCE],
            id1: 0,
            uploads: 0,
            tokens: 0,
            probed: false,
            denied: None,
            amendment: now,
            was_asked: false,
            refused: None,
            registered: false,
        }
    }
}

/// The body being sent or received; wiped on drop.
pub(crate) struct Work<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Work<N> {
    pub(crate) const fn new() -> Self {
        Self {
            bytes: [0; N],
            len: 0,
        }
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }

    /// All of it, to be written; `set_len` afterwards.
    pub(crate) fn buffer(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    pub(crate) fn set_len(&mut self, len: usize) {
        self.len = len.min(N);
    }

    /// Takes a copy; false if it does not fit.
    pub(crate) fn copy_from(&mut self, bytes: &[u8]) -> bool {
        self.wipe();
        let Some(place) = self.bytes.get_mut(..bytes.len()) else {
            return false;
        };
        place.copy_from_slice(bytes);
        self.len = bytes.len();
        true
    }

    pub(crate) fn wipe(&mut self) {
        self.bytes.zeroize();
        self.len = 0;
    }
}

impl<const N: usize> Drop for Work<N> {
    fn drop(&mut self) {
        self.wipe();
    }
}
