//! One run through the exchange of RFC 9200, section 4, towards one resource server. The crate's
//! first page has the picture.

use ace_coap::{Instant, RequestId};
use ace_wire::coap::Code;
use zeroize::Zeroize;

use crate::Step;
use crate::dtls::{self, Handshake, SessionId};
use crate::hints::Hints;
use crate::oscore::{self, Binding, Context};
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
    /// DTLS handshake with the resource server.
    Connect,
    /// Token request for more rights with the same key.
    Ask,
    /// Upload of those rights, protected.
    Amend,
    /// Protected request to the resource.
    Access,
}

impl Stage {
    /// Whether the stage's message is for the resource server and protected.
    pub(crate) const fn is_with_rs(self) -> bool {
        matches!(self, Self::Amend | Self::Access)
    }

    pub(crate) const fn step(self) -> Step {
        match self {
            Self::Hints => Step::Hints,
            Self::Token => Step::Token,
            Self::Upload => Step::Upload,
            Self::Connect => Step::Handshake,
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
    As(Binding),
    /// Under a context of the flow's record.
    Rs {
        record: usize,
        which: Which,
        binding: Binding,
    },
    /// In a session: of the authorization server or of the flow's record.
    Session(SessionId),
}

/// The other end of an exchange. A message in a session has nothing to do with one in another session or in the clear
/// (RFC 7252, 9.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Link<P> {
    pub peer: P,
    pub session: Option<SessionId>,
}

impl<P> Link<P> {
    /// Without a session.
    pub(crate) const fn clear(peer: P) -> Self {
        Self {
            peer,
            session: None,
        }
    }
}

/// What protects the exchanges with the authorization server.
pub(crate) enum Authority<P> {
    Oscore(Context),
    Dtls(dtls::Authority<P>),
}

/// Longest Echo value (RFC 9175, 2.2.1).
pub(crate) const MAX_ECHO: usize = 40;
/// How often one attempt answers a request for freshness. One is the rule; the value may expire.
pub(crate) const ECHOES: u8 = 3;
/// How often one flow uploads one token. The second time is for a first answer that was forged.
pub(crate) const UPLOADS: u8 = 2;
/// After how many handshakes in one flow a session that gives no answer is not tried again.
pub(crate) const HANDSHAKES: u8 = 2;
/// How many tokens one flow asks for. The second is for a client-nonce learnt from a refusal.
pub(crate) const TOKENS: u8 = 2;

/// What a flow does once the call that it is in has come back: a message is not made on the stack of the one that it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Next {
    #[default]
    Nothing,
    /// The stage's exchange from its beginning.
    Attempt,
    /// The next message of the exchange.
    Message,
}

pub(crate) struct Flow<P> {
    pub goal: Goal,
    pub rs: P,
    pub record: Option<usize>,
    pub stage: Stage,
    /// Attempts left in this stage, the present one not counted.
    pub attempts: u8,
    pub exchange: Option<InFlight>,
    pub next: Next,
    /// When the next attempt starts, if none is under way.
    pub retry_at: Option<Instant>,
    pub transfer: Transfer,
    pub echo: heapless::Vec<u8, MAX_ECHO>,
    pub echoes: u8,
    /// When the present attempt started: tokens count their lifetime from here.
    pub since: Instant,
    pub hints: Hints,
    pub upload: oscore::Upload,
    pub uploads: u8,
    pub handshakes: u8,
    /// Whether the token of coap_dtls was sent inside a handshake.
    pub carried: bool,
    /// Whether the work buffer holds the token of an amendment and nothing else.
    pub is_bare: bool,
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
    /// Whether the stage's message may bring the application's answer: not the unprotected request that
    /// follows a refused upload, which is for hints alone.
    pub(crate) const fn is_for_target(&self) -> bool {
        match self.stage {
            Stage::Hints => self.refused.is_none(),
            stage => matches!(stage, Stage::Access),
        }
    }

    pub(crate) fn new(goal: Goal, rs: P, stage: Stage, now: Instant) -> Self {
        Self {
            goal,
            rs,
            record: None,
            stage,
            attempts: 0,
            exchange: None,
            next: Next::Nothing,
            retry_at: None,
            transfer: Transfer::new(0, 0, 0),
            echo: heapless::Vec::new(),
            echoes: 0,
            since: now,
            hints: Hints::default(),
            upload: oscore::Upload::default(),
            uploads: 0,
            handshakes: 0,
            carried: false,
            is_bare: false,
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

/// The body being sent or received, or the handshake before it can be; wiped on drop.
pub(crate) struct Work<const N: usize, const HANDSHAKE: usize> {
    content: Content<N, HANDSHAKE>,
    len: usize,
}

#[allow(clippy::large_enum_variant, reason = "there is one, and no heap")]
enum Content<const N: usize, const HANDSHAKE: usize> {
    Body([u8; N]),
    Handshake(Handshake<HANDSHAKE>),
}

impl<const N: usize, const HANDSHAKE: usize> Work<N, HANDSHAKE> {
    pub(crate) const fn new() -> Self {
        Self {
            content: Content::Body([0; N]),
            len: 0,
        }
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        match &self.content {
            Content::Body(bytes) => bytes.get(..self.len).unwrap_or(&[]),
            Content::Handshake(_) => &[],
        }
    }

    /// All of it, to be written; `set_len` afterwards.
    pub(crate) fn buffer(&mut self) -> &mut [u8] {
        match &mut self.content {
            Content::Body(bytes) => bytes,
            Content::Handshake(_) => &mut [],
        }
    }

    pub(crate) fn set_len(&mut self, len: usize) {
        self.len = len.min(N);
    }

    /// Takes a copy; false if it does not fit.
    pub(crate) fn copy_from(&mut self, bytes: &[u8]) -> bool {
        self.wipe();
        let Some(place) = self.buffer().get_mut(..bytes.len()) else {
            return false;
        };
        place.copy_from_slice(bytes);
        self.len = bytes.len();
        true
    }

    /// Empties it; a handshake under way is given up.
    pub(crate) fn wipe(&mut self) {
        match &mut self.content {
            Content::Body(bytes) => bytes.zeroize(),
            Content::Handshake(_) => self.content = Content::Body([0; N]),
        }
        self.len = 0;
    }
}

#[cfg(feature = "dtls")]
impl<const N: usize, const HANDSHAKE: usize> Work<N, HANDSHAKE> {
    pub(crate) const fn handshake(&self) -> Option<&Handshake<HANDSHAKE>> {
        match &self.content {
            Content::Handshake(handshake) => Some(handshake),
            Content::Body(_) => None,
        }
    }

    pub(crate) const fn handshake_mut(&mut self) -> Option<&mut Handshake<HANDSHAKE>> {
        match &mut self.content {
            Content::Handshake(handshake) => Some(handshake),
            Content::Body(_) => None,
        }
    }

    /// A place for a handshake, in which none has begun.
    pub(crate) fn make_handshake(&mut self) -> Option<&mut Handshake<HANDSHAKE>> {
        self.wipe();
        self.content = Content::Handshake(Handshake::unused());
        self.handshake_mut()
    }
}

impl<const N: usize, const HANDSHAKE: usize> Drop for Work<N, HANDSHAKE> {
    fn drop(&mut self) {
        self.wipe();
    }
}
