//! What a device keeps of a token's claims, side by side in one room.

use crate::Refusal;
use crate::scope::Rights;

/// Binary scope, `sub` and `cti` of a token and the name of its key, which share `N` bytes; of a text scope eight bytes are
/// kept.
#[derive(Debug)]
pub(crate) struct Kept<const N: usize> {
    bytes: [u8; N],
    scope: u16,
    subject: u16,
    cti: u16,
    key_id: u16,
    named: bool,
}

/// Stands for a claim that is not there, in place of its length.
const NONE: u16 = u16::MAX;

impl<const N: usize> Kept<N> {
    pub(crate) fn of(
        rights: Rights<'_>,
        subject: Option<&str>,
        cti: Option<&[u8]>,
        key_id: &[u8],
    ) -> Result<Self, Refusal> {
        let mut kept = Self {
            bytes: [0; N],
            scope: 0,
            subject: NONE,
            cti: NONE,
            key_id: 0,
            named: matches!(rights, Rights::Named(_)),
        };
        let mut end = 0;
        kept.scope = match rights {
            Rights::Named(entries) => kept.push(&mut end, &entries.to_be_bytes())?,
            Rights::Aif(bytes) => kept.push(&mut end, bytes)?,
        };
        kept.key_id = kept.push(&mut end, key_id)?;
        if let Some(subject) = subject {
            kept.subject = kept.push(&mut end, subject.as_bytes())?;
        }
        if let Some(cti) = cti {
            kept.cti = kept.push(&mut end, cti)?;
        }
        Ok(kept)
    }

    fn push(&mut self, end: &mut usize, bytes: &[u8]) -> Result<u16, Refusal> {
        let room = self
            .bytes
            .get_mut(*end..)
            .and_then(|rest| rest.get_mut(..bytes.len()));
        let length = u16::try_from(bytes.len())
            .ok()
            .filter(|length| *length != NONE);
        let (room, length) = room.zip(length).ok_or(Refusal::NoRoomForClaim)?;
        room.copy_from_slice(bytes);
        *end += bytes.len();
        Ok(length)
    }

    fn piece(&self, start: usize, length: u16) -> Option<&[u8]> {
        let length = Some(length).filter(|length| *length != NONE)?;
        self.bytes.get(start..)?.get(..usize::from(length))
    }

    pub(crate) fn rights(&self) -> Rights<'_> {
        let scope = self.piece(0, self.scope).unwrap_or(&[]);
        match scope.first_chunk() {
            Some(entries) if self.named => Rights::Named(u64::from_be_bytes(*entries)),
            _ => Rights::Aif(scope),
        }
    }

    /// What the authorization server calls the key.
    pub(crate) fn key_id(&self) -> &[u8] {
        self.piece(usize::from(self.scope), self.key_id)
            .unwrap_or(&[])
    }

    /// Where `sub` begins.
    fn before_subject(&self) -> usize {
        usize::from(self.scope) + usize::from(self.key_id)
    }

    pub(crate) fn subject(&self) -> Option<&str> {
        core::str::from_utf8(self.piece(self.before_subject(), self.subject)?).ok()
    }

    pub(crate) fn cti(&self) -> Option<&[u8]> {
        let subject = if self.subject == NONE {
            0
        } else {
            self.subject
        };
        self.piece(self.before_subject() + usize::from(subject), self.cti)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_share_the_room_and_come_back_as_they_were() {
        let subjects = [None, Some(""), Some("alice")];
        let ctis: [Option<&[u8]>; 3] = [None, Some(b""), Some(&[0, 0xff, 7])];
        let scopes = [
            Rights::Named(1 << 63 | 5),
            Rights::Aif(b""),
            Rights::Aif(b"\x80abc"),
        ];
        for rights in scopes {
            for subject in subjects {
                for cti in ctis {
                    let kept = Kept::<18>::of(rights, subject, cti, b"id").unwrap();
                    assert_eq!(kept.rights(), rights);
                    assert_eq!(kept.key_id(), b"id");
                    assert_eq!((kept.subject(), kept.cti()), (subject, cti));
                }
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let of = |scope, subject, cti| {
            let kept = Kept::<17>::of(Rights::Aif(&[0; 32][..scope]), subject, cti, b"k");
            kept.map(|_| ())
        };
        assert_eq!(of(16, None, None), Ok(()));
        assert_eq!(of(8, Some("1234"), Some(b"5678")), Ok(()));
        for refused in [
            of(17, None, None),
            of(13, Some("1234"), None),
            of(8, Some("1234"), Some(b"56789")),
            of(0, None, Some(&[0; 17])),
        ] {
            assert_eq!(refused, Err(Refusal::NoRoomForClaim));
        }
    }
}
