//! A security context put into a record, and taken out after a reset (RFC 8613, B.1).

use ace_crypto::{Aead, Secret};

use crate::{MAX_ID, MAX_ID_CONTEXT, SEQUENCE_LIMIT, SecurityContext, bytes::Bytes, cose::Nonce};

/// Longest form of [`SecurityContext::keep`], in bytes.
pub const MAX_KEPT: usize =
    1 + 8 + 6 + 2 * Aead::MAX_KEY_LEN + Aead::MAX_NONCE_LEN + 2 * MAX_ID + MAX_ID_CONTEXT;

impl SecurityContext {
    /// Writes keys, identifiers and the number below which sequence numbers are reserved; the length, or `None` if there
    /// are fewer than [`MAX_KEPT`] bytes and it does not fit. It holds the keys.
    ///
    /// For whoever derives a context from what is gone after a reset. Store it durably before the first number is used,
    /// and again, before [`reserve_up_to`](Self::reserve_up_to), with what is reserved then: `reserved`, no less than
    /// [`reserved`](Self::reserved).
    #[must_use]
    pub fn keep(&self, reserved: u64, out: &mut [u8]) -> Option<usize> {
        let mut writer = Parts(out, 0);
        writer.push(&[u8::try_from(self.aead.cose()).ok()?])?;
        writer.push(&reserved.max(self.reserved()).to_be_bytes())?;
        for part in [
            self.sender_key.as_bytes(),
            self.recipient_key.as_bytes(),
            self.common_iv.as_bytes(),
            self.sender_id(),
            self.recipient_id(),
        ] {
            writer.part(part)?;
        }
        if let Some(id_context) = self.id_context() {
            writer.part(id_context)?;
        }
        Some(writer.1)
    }

    /// The context that [`keep`](Self::keep) wrote, resumed: it sends from the number reserved then, and challenges the
    /// first request, since the replay window is lost (RFC 8613, B.1.1 and B.1.2). More numbers have to be reserved
    /// before it sends one of its own. `None` if it is not what was written.
    #[must_use]
    pub fn from_kept(kept: &[u8]) -> Option<Self> {
        let (&[aead], kept) = kept.split_first_chunk()?;
        let aead = Aead::from_cose(i64::from(aead))?;
        let (reserved, mut kept) = kept.split_first_chunk()?;
        let reserved = u64::from_be_bytes(*reserved);
        let mut part = || {
            let (length, rest) = kept.split_first()?;
            let (part, rest) = rest.split_at_checked(usize::from(*length))?;
            kept = rest;
            Some(part)
        };
        let (sender_key, recipient_key, common_iv) = (part()?, part()?, part()?);
        let (sender_id, recipient_id, id_context) = (part()?, part()?, part());
        let key = |key: &[u8]| (key.len() == aead.key_len()).then(|| Secret::new(key))?;
        let longest_id = aead.nonce_len().saturating_sub(6);
        if !kept.is_empty()
            || common_iv.len() != aead.nonce_len()
            || sender_id.len().max(recipient_id.len()) > longest_id
            || sender_id == recipient_id
            || reserved > SEQUENCE_LIMIT
        {
            return None;
        }
        let id_context = match id_context {
            None => None,
            Some(id_context) => Some(Bytes::new(id_context)?),
        };
        let mut context = Self::of_keys(
            [key(sender_key)?, key(recipient_key)?],
            Nonce::new(common_iv)?,
            [Bytes::new(sender_id)?, Bytes::new(recipient_id)?],
            id_context,
            aead,
        );
        context.resume(reserved);
        Some(context)
    }
}

/// Where to write, and how much is written.
struct Parts<'o>(&'o mut [u8], usize);

impl Parts<'_> {
    fn push(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.1.checked_add(bytes.len())?;
        self.0.get_mut(self.1..end)?.copy_from_slice(bytes);
        self.1 = end;
        Some(())
    }

    fn part(&mut self, bytes: &[u8]) -> Option<()> {
        self.push(&[u8::try_from(bytes.len()).ok()?])?;
        self.push(bytes)
    }
}
