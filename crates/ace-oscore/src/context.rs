use ace_crypto::{Aead, CryptoRng, Hkdf, Secret, ct_eq};
use zeroize::Zeroize;

use crate::{
    MAX_ID, MAX_ID_CONTEXT, MAX_SEQUENCE, OscoreError, OscoreOption, SEQUENCE_LIMIT,
    bytes::{Bytes, unwrap_byte_string},
    cose::{self, IdContextParts, Nonce, Output},
    option::PartialIv,
    window::ReplayWindow,
};

/// The input parameters of a security context (RFC 8613, 3.2).
///
/// Both endpoints use the same, with Sender and Recipient ID exchanged. No two contexts of one Master Secret and Master
/// Salt may share ID Context and Sender ID (RFC 8613, 3.3).
#[derive(Clone, Copy)]
pub struct Parameters<'a> {
    /// Master Secret.
    pub master_secret: &'a [u8],
    /// Master Salt; empty by default.
    pub master_salt: &'a [u8],
    /// This endpoint's ID: at most the AEAD's nonce length less 6 bytes.
    pub sender_id: &'a [u8],
    /// The other endpoint's ID, likewise.
    pub recipient_id: &'a [u8],
    /// ID Context, at most [`MAX_ID_CONTEXT`] bytes. `None` and the empty string give different keys.
    pub id_context: Option<&'a [u8]>,
    /// AEAD algorithm; AES-CCM-16-64-128 by default.
    pub aead: Aead,
    /// HKDF algorithm; SHA-256 by default.
    pub hkdf: Hkdf,
}

impl core::fmt::Debug for Parameters<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Parameters")
            .field("sender_id", &self.sender_id)
            .field("recipient_id", &self.recipient_id)
            .field("id_context", &self.id_context)
            .field("aead", &self.aead)
            .field("hkdf", &self.hkdf)
            .finish_non_exhaustive()
    }
}

/// A security context: Common, Sender and Recipient Context (RFC 8613, 3.1).
///
/// Serves as client and as server. 200 bytes on 64-bit machines, 184 on 32-bit ones; keys are wiped on drop. There is
/// no copy of a context: two of them would use the same nonces.
///
/// A context fresh from [`derive`](Self::derive) has no sequence number to send with: see
/// [`reserve_up_to`](Self::reserve_up_to).
pub struct SecurityContext {
    pub(crate) sender_key: Secret<{ Aead::MAX_KEY_LEN }>,
    pub(crate) recipient_key: Secret<{ Aead::MAX_KEY_LEN }>,
    pub(crate) common_iv: Nonce,
    pub(crate) sender_id: Bytes<MAX_ID>,
    pub(crate) recipient_id: Bytes<MAX_ID>,
    id_context: Option<Bytes<MAX_ID_CONTEXT>>,
    pub(crate) aead: Aead,
    next_sequence: u64,
    reserved: u64,
    pub(crate) window: ReplayWindow,
    pub(crate) freshness: Freshness,
}

/// What the server knows of earlier requests (RFC 8613, B.1.2).
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(crate) enum Freshness {
    /// The replay window is true.
    Synchronised,
    /// Requests may have been received that the window does not know. Nothing was answered yet.
    Lost,
    /// The same, and whoever sends back this Echo value has written the request after the loss.
    Challenged([u8; ECHO_LEN]),
}

/// Length of the Echo value in [`Unprotected::Challenge`](crate::Unprotected::Challenge), in bytes.
pub const ECHO_LEN: usize = 8;

impl SecurityContext {
    /// Derives keys and Common IV (RFC 8613, 3.2). Sequence number 0, empty replay window, no number reserved.
    ///
    /// For parameters that have never been used, or whose state [`storage::restore`](crate::storage::restore) or
    /// [`resume`](Self::resume) brings back before the first message. Costs three HKDF.
    ///
    /// # Errors
    /// [`OscoreError::IdTooLong`], [`OscoreError::SameIds`], [`OscoreError::IdContextTooLong`].
    pub fn derive(parameters: &Parameters<'_>) -> Result<Self, OscoreError> {
        let id_context = parameters.id_context.map(|context| [context, &[]]);
        if parameters
            .id_context
            .is_some_and(|context| context.len() > MAX_ID_CONTEXT)
        {
            return Err(OscoreError::IdContextTooLong);
        }
        Self::derive_with(parameters, id_context)
    }

    /// Derives under an ID Context of any length, that of `parameters` aside.
    pub(crate) fn derive_with(
        parameters: &Parameters<'_>,
        id_context: Option<IdContextParts<'_>>,
    ) -> Result<Self, OscoreError> {
        // RFC 8613, 3.3
        let longest_id = parameters.aead.nonce_len().saturating_sub(6);
        if parameters
            .sender_id
            .len()
            .max(parameters.recipient_id.len())
            > longest_id
        {
            return Err(OscoreError::IdTooLong);
        }
        if parameters.sender_id == parameters.recipient_id {
            return Err(OscoreError::SameIds);
        }
        let key = |id| cose::derive(parameters, id_context, Output::Key(id));
        let keys = [key(parameters.sender_id)?, key(parameters.recipient_id)?];
        let common_iv = cose::derive(parameters, id_context, Output::Iv)?;
        let id = |id| Bytes::new(id).ok_or(OscoreError::IdTooLong);
        let ids = [id(parameters.sender_id)?, id(parameters.recipient_id)?];
        let id_context = id_context.and_then(|[first, second]| {
            let mut context = Bytes::new(first)?;
            context.push(second)?;
            Some(context)
        });
        Ok(Self::of_keys(
            keys,
            common_iv,
            ids,
            id_context,
            parameters.aead,
        ))
    }

    /// From keys and identifiers, each the sender's first.
    pub(crate) fn of_keys(
        [sender_key, recipient_key]: [Secret<{ Aead::MAX_KEY_LEN }>; 2],
        common_iv: Nonce,
        [sender_id, recipient_id]: [Bytes<MAX_ID>; 2],
        id_context: Option<Bytes<MAX_ID_CONTEXT>>,
        aead: Aead,
    ) -> Self {
        Self {
            sender_key,
            recipient_key,
            common_iv,
            sender_id,
            recipient_id,
            id_context,
            aead,
            next_sequence: 0,
            reserved: 0,
            window: ReplayWindow::EMPTY,
            freshness: Freshness::Synchronised,
        }
    }

    /// This endpoint's ID: `kid` of the requests it sends.
    #[must_use]
    pub fn sender_id(&self) -> &[u8] {
        self.sender_id.as_bytes()
    }

    /// The other endpoint's ID: `kid` of the requests it receives.
    #[must_use]
    pub fn recipient_id(&self) -> &[u8] {
        self.recipient_id.as_bytes()
    }

    /// ID Context.
    #[must_use]
    pub fn id_context(&self) -> Option<&[u8]> {
        self.id_context.as_ref().map(Bytes::as_bytes)
    }

    pub(crate) const fn id_context_bytes(&self) -> Option<Bytes<MAX_ID_CONTEXT>> {
        self.id_context
    }

    /// AEAD algorithm.
    #[must_use]
    pub const fn aead(&self) -> Aead {
        self.aead
    }

    /// Whether a request with this option is for this context (RFC 8613, 8.2, step 2): `kid` is the Recipient ID, and
    /// `kid context`, if there, the ID Context, plain or wrapped in a CBOR byte string as in appendix B.2.
    ///
    /// Several contexts may match a request without `kid context`; which one it is, the tag tells.
    #[must_use]
    pub fn matches(&self, option: &OscoreOption<'_>) -> bool {
        option.kid == Some(self.recipient_id()) && self.matches_id_context(option)
    }

    pub(crate) fn matches_id_context(&self, option: &OscoreOption<'_>) -> bool {
        option.kid_context.is_none_or(|received| {
            self.id_context()
                .is_some_and(|own| own == received || Some(own) == unwrap_byte_string(received))
        })
    }

    /// The Sender Sequence Number: the Partial IV sent next.
    #[must_use]
    pub const fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// Numbers below this one may be used.
    #[must_use]
    pub const fn reserved(&self) -> u64 {
        self.reserved
    }

    /// Grants the use of sequence numbers below `limit`, capped at [`SEQUENCE_LIMIT`]. Never takes a grant back.
    ///
    /// RFC 8613, B.1.1: where the keys outlive a reboot, first store `limit` durably, then call this; after the reboot
    /// go on from it with [`resume`](Self::resume). See [`storage`](crate::storage). Where the keys live in RAM only,
    /// grant [`SEQUENCE_LIMIT`] at once.
    pub fn reserve_up_to(&mut self, limit: u64) {
        self.reserved = self.reserved.max(limit.min(SEQUENCE_LIMIT));
    }

    /// Whether fewer than `margin` numbers are left and more could be reserved.
    #[must_use]
    pub const fn needs_reservation(&self, margin: u64) -> bool {
        self.reserved < SEQUENCE_LIMIT && self.reserved.saturating_sub(self.next_sequence) < margin
    }

    /// Goes on after a reboot, or on another node, from the number stored last (RFC 8613, B.1.1 and B.1.2).
    ///
    /// Sends from `stored_reserved` on, once more is reserved. The replay window is lost: the first request is answered
    /// with a challenge, [`Unprotected::Challenge`](crate::Unprotected::Challenge). Bindings and notification numbers
    /// from before are to be forgotten, and observations registered anew (RFC 8613, B.1.3).
    pub fn resume(&mut self, stored_reserved: u64) {
        self.next_sequence = self.next_sequence.max(stored_reserved);
        self.reserved = self.reserved.max(self.next_sequence.min(SEQUENCE_LIMIT));
        self.window = ReplayWindow::EMPTY;
        self.freshness = Freshness::Lost;
    }

    /// Whether the replay window is known to be true; `false` between [`resume`](Self::resume) and the first request
    /// that sends back the Echo value.
    #[must_use]
    pub fn is_synchronised(&self) -> bool {
        self.freshness == Freshness::Synchronised
    }

    /// RFC 8613, 7.2.1: past the last number nothing is sent any more, not even under a request's nonce.
    pub(crate) const fn check_not_exhausted(&self) -> Result<(), OscoreError> {
        if self.next_sequence > MAX_SEQUENCE {
            return Err(OscoreError::SequenceExhausted);
        }
        Ok(())
    }

    /// Takes the next sequence number. Whatever happens to it, it is not given out again (RFC 8613, 7.2).
    pub(crate) fn claim_number(&mut self) -> Result<PartialIv, OscoreError> {
        let number = PartialIv::new(self.next_sequence).ok_or(OscoreError::SequenceExhausted)?;
        if self.next_sequence >= self.reserved {
            return Err(OscoreError::NotReserved);
        }
        self.next_sequence = self.next_sequence.saturating_add(1);
        Ok(number)
    }

    /// The Echo value to challenge with: the same until a request brings it back (RFC 9175, 2.3, event-based).
    pub(crate) fn challenge(&mut self, rng: &mut dyn CryptoRng) -> [u8; ECHO_LEN] {
        if let Freshness::Challenged(echo) = self.freshness {
            return echo;
        }
        let mut echo = [0; ECHO_LEN];
        rng.fill_bytes(&mut echo);
        self.freshness = Freshness::Challenged(echo);
        echo
    }

    /// Whether this is the Echo value of the challenge.
    pub(crate) fn is_own_echo(&self, received: Option<&[u8]>) -> bool {
        match (self.freshness, received) {
            (Freshness::Challenged(echo), Some(received)) => ct_eq(&echo, received),
            _ => false,
        }
    }
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<SecurityContext>() == 136 + 2 * Aead::MAX_KEY_LEN);
#[cfg(target_pointer_width = "32")]
const _: () = assert!(size_of::<SecurityContext>() == 120 + 2 * Aead::MAX_KEY_LEN);

impl Drop for SecurityContext {
    fn drop(&mut self) {
        if let Freshness::Challenged(echo) = &mut self.freshness {
            echo.zeroize();
        }
    }
}

impl core::fmt::Debug for SecurityContext {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SecurityContext")
            .field("sender_id", &self.sender_id())
            .field("recipient_id", &self.recipient_id())
            .field("id_context", &self.id_context())
            .field("aead", &self.aead)
            .field("next_sequence", &self.next_sequence)
            .field("reserved", &self.reserved)
            .field("synchronised", &self.is_synchronised())
            .finish_non_exhaustive()
    }
}
