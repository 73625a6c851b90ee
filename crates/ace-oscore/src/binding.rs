use crate::{MAX_ID, bytes::Bytes, option::PartialIv};

/// What ties the responses of an exchange to its request (RFC 8613, 7.1): `kid` and Partial IV of the request, and how
/// far its responses have got.
///
/// Kept beside the token until the last response: for an observation, as long as it lives. The client's side keeps here
/// which responses it has accepted, so a client works on one binding, not on copies of it. A copy on the server's side
/// does no harm: the security context itself knows which requests' nonces have been used. 32 bytes.
#[derive(Clone, Copy)]
pub struct RequestBinding {
    pub(crate) kid: Bytes<MAX_ID>,
    pub(crate) partial_iv: PartialIv,
    pub(crate) kind: Kind,
    /// Client: a response under the request's nonce has been accepted.
    pub(crate) nonce_used: bool,
    /// Client: the response that ends the exchange has been accepted.
    pub(crate) closed: bool,
    /// Client: one above the Notification Number (RFC 8613, 4.1.3.5.2); 0 while there is none.
    pub(crate) next_notification: u64,
}

/// What the request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One response.
    Plain,
    /// An observation.
    Registration,
    /// One response, under a Partial IV of its own (RFC 8613, B.1.2).
    Challenged,
}

impl RequestBinding {
    pub(crate) const fn new(kid: Bytes<MAX_ID>, partial_iv: PartialIv, kind: Kind) -> Self {
        Self {
            kid,
            partial_iv,
            kind,
            nonce_used: false,
            closed: false,
            next_notification: 0,
        }
    }

    /// Sender ID of the client, as in the request.
    #[must_use]
    pub fn kid(&self) -> &[u8] {
        self.kid.as_bytes()
    }

    /// Partial IV of the request.
    #[must_use]
    pub const fn partial_iv(&self) -> u64 {
        self.partial_iv.number()
    }

    /// Whether the request registers an observation (Observe 0 inside).
    #[must_use]
    pub const fn is_registration(&self) -> bool {
        matches!(self.kind, Kind::Registration)
    }

    /// Client: the largest Partial IV of the notifications accepted (RFC 8613, 4.1.3.5.2); `None` before the first that
    /// has one. Its three low bytes serve as a value for Observe.
    #[must_use]
    pub const fn notification_number(&self) -> Option<u64> {
        self.next_notification.checked_sub(1)
    }

    /// Client: whether the last response has come. Further ones are refused.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.closed
    }
}

const _: () = assert!(size_of::<RequestBinding>() == 32);

impl core::fmt::Debug for RequestBinding {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("RequestBinding")
            .field("kid", &self.kid())
            .field("partial_iv", &self.partial_iv())
            .field("kind", &self.kind)
            .field("notification_number", &self.notification_number())
            .field("closed", &self.closed)
            .finish()
    }
}
