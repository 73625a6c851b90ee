//! Confirmed tokens and their keys in records that survive a reset.
//!
//! A token is written when its client has proven the key, before that is answered; so nobody without a key can make the
//! server write. With it stand the keys, and the number up to which sender sequence numbers are reserved: one record, so
//! that keys and numbers never come from different contexts. After the reset the server sends from that number on, and
//! challenges the first request of each client by Echo, because its replay window is lost (RFC 8613, B.1). Sessions of DTLS
//! do not survive; the next handshake finds the token by its key.

use core::time::Duration;

use ace_coap::Instant;
use ace_crypto::{Secret, hmac_sha256};
use ace_oscore::storage::{Key, Storage};
use ace_token::TokenKey;
use ace_wire::cbor::{self, Kind, Reader, Writer};

use crate::config::Config;
use crate::event::{EventKind, Events};
use crate::freshness::Term;
use crate::front::Origin;
use crate::kept::Kept;
use crate::peer::Peer;
use crate::rate::{Paid, Rate};
use crate::scope::Rights;
use crate::store::Store;
use crate::token::{Entry, Grant, KeyDigest, Proof, Security, TokenHash, TokenId};

/// Longest record, in bytes.
const RECORD: usize = 640;
const VERSION: u64 = 1;
const FIELDS: usize = 14;
/// Sender sequence numbers reserved in one write.
#[cfg(feature = "oscore")]
const BLOCK: u64 = 64;
/// Tokens written in a row; then one in 30 s. A flash that is erased 10,000 times lasts.
const WRITES: Rate = Rate::new(16, Duration::from_secs(30));

/// What is known of the records.
#[derive(Debug, Default)]
pub(crate) struct Records {
    /// Slots of the table that have one, or may have.
    slots: u64,
    /// Whether those of the life before were read.
    is_read: bool,
    writes: Paid,
    /// Whether a record that should be gone may stand.
    failed: bool,
}

/// What records depend on of the configuration: what numbers in them mean, and under whose keys their tokens were taken.
fn fingerprint(config: &Config<'_>) -> [u8; 8] {
    let mut digest = [0; 32];
    for trusted in config.token_keys {
        let algorithm = trusted.key.algorithm().to_be_bytes();
        let issuer = trusted.issuer.as_bytes();
        let (label, kid): (&[u8], _) = match trusted.kid {
            Some(kid) => (b"named key", kid),
            None => (b"key", &[][..]),
        };
        match &trusted.key {
            TokenKey::Aead(_, secret) | TokenKey::Mac(_, secret) => {
                mix(&mut digest, [label, issuer, kid, &algorithm, secret, &[]]);
            }
            #[cfg(feature = "_ecc")]
            TokenKey::Verify(key) => {
                let (x, y) = coordinates(key);
                mix(&mut digest, [label, issuer, kid, &algorithm, &x, &y]);
            }
        }
    }
    #[cfg(all(feature = "dtls", feature = "_ecc"))]
    if let Some(key) = config.own_key {
        let public = key.verifying_key();
        let algorithm = public.algorithm().cose().to_be_bytes();
        let (x, y) = coordinates(&public);
        mix(&mut digest, [b"own key", &algorithm, &x, &y, &[], &[]]);
    }
    #[cfg(feature = "dtls")]
    if let Some(key) = config.key_derivation_key {
        mix(&mut digest, [b"derivation", key, &[], &[], &[], &[]]);
    }
    for scope in config.scopes {
        let (name, path) = (scope.name.as_bytes(), scope.path.as_bytes());
        let methods = scope.methods.0.to_be_bytes();
        mix(&mut digest, [b"scope", name, path, &methods, &[], &[]]);
    }
    for audience in config.audiences {
        let audience = audience.as_bytes();
        mix(&mut digest, [b"audience", audience, &[], &[], &[], &[]]);
    }
    digest.first_chunk().copied().unwrap_or_default()
}

/// Takes fields into the digest, their lengths before them, so that none can end where another does.
fn mix(digest: &mut [u8; 32], fields: [&[u8]; 6]) {
    let [a, b, c, d, e, f] = fields;
    let lengths = fields.map(|field| (field.len() as u32).to_be_bytes());
    *digest = hmac_sha256(digest, &[lengths.as_flattened(), a, b, c, d, e, f]);
}

#[cfg(feature = "_ecc")]
fn coordinates(key: &ace_crypto::VerifyingKey) -> ([u8; 32], [u8; 32]) {
    (key.x(), key.y().unwrap_or([0; 32]))
}

impl<P, S, const TOKENS: usize, const UNCONFIRMED: usize, const SCOPE: usize>
    Store<'_, P, S, TOKENS, UNCONFIRMED, SCOPE>
where
    P: Peer,
    S: Storage,
{
    /// What keys are compared under: the same in every life, if tokens outlive one.
    pub(crate) fn digest_key(&self) -> &[u8] {
        match self.config.persist {
            Some(_) => &[],
            None => self.secret.as_bytes(),
        }
    }

    /// How many sequence numbers a new context may use before it is written.
    #[cfg(feature = "oscore")]
    pub(crate) const fn first_numbers(&self) -> u64 {
        match self.config.persist {
            Some(_) => BLOCK,
            // RFC 8613, B.1.1: nothing outlives a reboot, so that nothing needs to be stored.
            None => ace_oscore::SEQUENCE_LIMIT,
        }
    }

    fn record(&self, index: usize) -> Option<Key> {
        let base = self.config.persist?;
        (index < 64).then(|| Key(base.wrapping_add(index as u32)))
    }

    /// Whether a token with this term can outlive a reset.
    // RFC 9200, 5.10.3: how long one with exi ran, nobody knows afterwards.
    fn can_outlive(term: &Term, wall: Option<u64>) -> bool {
        term.exp.get().is_some() && term.number.get().is_none() && wall.is_some()
    }

    /// Writes a token that is confirmed now or has other rights now, or sees to it that none is written.
    pub(crate) fn keep(&mut self, at: &Origin<P>, id: TokenId, events: &mut Events<P>) {
        if self.config.persist.is_none() {
            return;
        }
        if !self.records.is_read {
            // The clock came too late for them: what they say must not come back over what is said now.
            self.forget_all();
        }
        let Some(index) = self.table.position(id) else {
            return;
        };
        let outlives = |entry: &Entry<P, SCOPE>| Self::can_outlive(&entry.grant.term, at.wall);
        // Beyond the rate nobody is turned away: the token lasts as long as this life. Taking a record away is always
        // allowed, since there are no more than were written.
        let written = self.table.get(id).is_some_and(outlives)
            && WRITES.take(&mut self.records.writes, at.now).is_ok()
            && self.write(index, 0);
        if written {
            return;
        }
        let gone = self.forget(index);
        #[cfg(feature = "oscore")]
        if gone && let Some(context) = self.table.get_mut(id).and_then(Entry::context_mut) {
            // Its keys end with this life.
            context.reserve_up_to(ace_oscore::SEQUENCE_LIMIT);
        }
        if !gone || self.table.get(id).is_some_and(outlives) {
            events.push(Some(at.peer), Some(id), EventKind::TokenNotKept);
        }
    }

    /// Writes the entry, with sequence numbers reserved below `reserved` or what is reserved already.
    fn write(&mut self, index: usize, reserved: u64) -> bool {
        let (Some(key), Some(entry)) = (self.record(index), self.table.at(index)) else {
            return false;
        };
        // Its numbers were given to this life: after a reset none would be left.
        #[cfg(feature = "oscore")]
        if entry
            .context()
            .is_some_and(|context| context.reserved() >= ace_oscore::SEQUENCE_LIMIT)
        {
            return false;
        }
        let mut record = Secret::<RECORD>::full([0; RECORD]);
        let print = fingerprint(self.config);
        let Ok(length) = encode(entry, reserved, &print, record.as_mut_bytes()) else {
            return false;
        };
        self.records.slots |= 1 << index;
        let record = record.as_bytes().get(..length).unwrap_or(&[]);
        self.storage.save(key, record).is_ok()
    }

    /// Takes the record of this slot away; whether none is left.
    pub(crate) fn forget(&mut self, index: usize) -> bool {
        if index >= 64 || self.records.slots >> index & 1 == 0 {
            return true;
        }
        let gone = self
            .record(index)
            .is_some_and(|key| self.storage.save(key, &[]).is_ok());
        if gone {
            self.records.slots &= !(1 << index);
        }
        self.records.failed |= !gone;
        gone
    }

    fn forget_all(&mut self) {
        self.records.is_read = true;
        for index in 0..Self::SLOTS {
            let held = self
                .record(index)
                .map(|key| self.storage.load(key, &mut []));
            if !matches!(held, None | Some(Ok(None | Some(0)))) {
                self.records.slots |= 1 << index;
                self.forget(index);
            }
        }
    }

    const SLOTS: usize = if TOKENS + UNCONFIRMED < 64 {
        TOKENS + UNCONFIRMED
    } else {
        64
    };

    /// Before a message under a context: reserves more of its sequence numbers, first in the record.
    // RFC 8613, B.1.1
    #[cfg(feature = "oscore")]
    pub(crate) fn reserve(&mut self, id: TokenId) {
        let context = self.table.get(id).and_then(Entry::context);
        // One for the message, one for the error that is sent if it does not fit.
        let Some(reserved) = context
            .filter(|context| context.needs_reservation(2))
            .map(|context| context.reserved())
        else {
            return;
        };
        let limit = reserved
            .saturating_add(BLOCK)
            .min(ace_oscore::SEQUENCE_LIMIT);
        let Some(index) = self.table.position(id) else {
            return;
        };
        // One that is not confirmed has no record, and its numbers end with this life.
        let is_confirmed = self.table.get(id).is_some_and(Entry::is_confirmed);
        if (!is_confirmed || self.write(index, limit))
            && let Some(context) = self.table.get_mut(id).and_then(Entry::context_mut)
        {
            context.reserve_up_to(limit);
        }
    }

    /// Brings back the tokens of the life before, once the clock tells which of them are still good.
    pub(crate) fn restore(&mut self, now: Instant, wall: Option<u64>, events: &mut Events<P>) {
        if self.config.persist.is_none() {
            return;
        }
        if core::mem::take(&mut self.records.failed) {
            events.push(None, None, EventKind::TokenNotKept);
        }
        let Some(wall) = wall.filter(|_| !self.records.is_read && self.table.is_empty()) else {
            return;
        };
        self.records.is_read = true;
        // Handshakes of this life may still name tokens that are gone: none that comes back has the name of one.
        let base = self.last_token;
        let print = fingerprint(self.config);
        let mut record = Secret::<RECORD>::full([0; RECORD]);
        for index in 0..Self::SLOTS {
            let Some(key) = self.record(index) else {
                continue;
            };
            let length = match self.storage.load(key, record.as_mut_bytes()) {
                Ok(None | Some(0)) => continue,
                Ok(Some(length)) => length,
                Err(_) => 0,
            };
            self.records.slots |= 1 << index;
            let entry = record
                .as_bytes()
                .get(..length)
                .and_then(|bytes| decode(bytes, &print).ok());
            let Some((mut entry, exp)) = entry.filter(|(_, exp)| *exp > wall) else {
                self.forget(index);
                continue;
            };
            entry.grant.term.end = now + Duration::from_secs(exp.saturating_sub(wall));
            entry.grant.id = TokenId(base.wrapping_add(entry.grant.id.0));
            self.last_token = self.last_token.max(entry.grant.id.0);
            self.table.put(index, entry);
        }
        // A cut between a new token and the end of the one before it left both.
        let by_subject = self.config.limits.one_token_per_subject;
        while let Some(old) = self.table.first(&|old| {
            self.table.iter().any(|new| {
                let subject = old.grant.claims.subject();
                new.grant.id > old.grant.id
                    && new.same_client(old.issuer, old.key, subject, by_subject)
            })
        }) {
            self.end(old, false);
        }
        while self.table.confirmed() > TOKENS
            && let Some(oldest) = self.table.iter().map(|entry| entry.grant.id).min()
        {
            self.end(oldest, false);
        }
        for entry in self.table.iter() {
            events.push(None, Some(entry.grant.id), EventKind::TokenRestored);
        }
    }

    /// Takes away what a revocation before [`restore`](Self::restore) is about.
    pub(crate) fn revoke_kept(&mut self, which: crate::Revoke<'_>) {
        if self.config.persist.is_none() || self.records.is_read {
            return;
        }
        let print = fingerprint(self.config);
        let mut record = Secret::<RECORD>::full([0; RECORD]);
        for index in 0..Self::SLOTS {
            let Some(key) = self.record(index) else {
                continue;
            };
            let length = self.storage.load(key, record.as_mut_bytes());
            let Ok(Some(length)) = length else { continue };
            let entry = record
                .as_bytes()
                .get(..length)
                .and_then(|bytes| decode::<P, SCOPE>(bytes, &print).ok());
            let is_meant = entry.is_some_and(|(entry, _)| entry.grant.is_meant(which));
            if is_meant {
                self.records.slots |= 1 << index;
                self.forget(index);
            }
        }
    }
}

fn encode<P, const SCOPE: usize>(
    entry: &Entry<P, SCOPE>,
    reserved: u64,
    print: &[u8; 8],
    out: &mut [u8],
) -> Result<usize, cbor::Error> {
    #[cfg(not(feature = "oscore"))]
    let _ = reserved;
    let grant = &entry.grant;
    let mut writer = Writer::new(out);
    writer.array(FIELDS)?;
    writer.uint(VERSION)?;
    writer.bytes(print)?;
    writer.uint(grant.id.0.into())?;
    writer.bytes(&grant.hash.0)?;
    let number = |writer: &mut Writer<'_>, number: Option<u64>| match number {
        None => writer.null(),
        Some(number) => writer.uint(number),
    };
    number(&mut writer, grant.term.exp.get())?;
    #[cfg(feature = "dtls")]
    number(&mut writer, grant.issued.get())?;
    #[cfg(not(feature = "dtls"))]
    writer.null()?;
    match grant.claims.rights() {
        Rights::Named(entries) => writer.uint(entries)?,
        Rights::Aif(bytes) => writer.bytes(bytes)?,
    }
    match grant.claims.subject() {
        None => writer.null()?,
        Some(subject) => writer.text(subject)?,
    }
    match grant.claims.cti() {
        None => writer.null()?,
        Some(cti) => writer.bytes(cti)?,
    }
    writer.bytes(grant.claims.key_id())?;
    writer.uint(entry.issuer.into())?;
    writer.bytes(entry.key.as_bytes())?;
    match &entry.security {
        #[cfg(feature = "oscore")]
        Security::Oscore(context) => {
            let mut kept = Secret::<{ ace_oscore::MAX_KEPT }>::full([0; ace_oscore::MAX_KEPT]);
            let length = context.keep(reserved, kept.as_mut_bytes());
            let kept = length.and_then(|length| kept.as_bytes().get(..length));
            writer.uint(0)?;
            writer.bytes(kept.ok_or(cbor::Error::MissingParameter)?)?;
        }
        #[cfg(feature = "dtls")]
        Security::Psk(key) => {
            writer.uint(1)?;
            writer.bytes(key.as_bytes())?;
        }
        #[cfg(all(feature = "dtls", feature = "_ecc"))]
        Security::RawPublicKey => {
            writer.uint(2)?;
            writer.bytes(&[])?;
        }
    }
    Ok(writer.finish())
}

/// The entry, without the end by the monotonic clock, and `exp`.
fn decode<P, const SCOPE: usize>(
    bytes: &[u8],
    print: &[u8; 8],
) -> Result<(Entry<P, SCOPE>, u64), cbor::Error> {
    const LONG: cbor::Error = cbor::Error::UnknownValue;
    let mut reader = Reader::new(bytes);
    let (mut id, mut hash, mut exp, mut issued, mut rights) = (None, None, None, None, None);
    let (mut subject, mut cti, mut key_id) = (None, None, None);
    let (mut issuer, mut key, mut kind, mut security) = (None, None, None, None);
    let count = reader.array(|index, item| {
        if matches!(index, 5 | 7 | 8) && item.kind()? == Kind::Null {
            return item.null();
        }
        match index {
            0 if item.uint()? != VERSION => return Err(LONG),
            0 => {}
            1 if item.bytes()? != print => return Err(LONG),
            1 => {}
            2 => id = Some(u32::try_from(item.uint()?).map_err(|_| LONG)?),
            3 => hash = Some(item.bytes()?.try_into().map_err(|_| LONG)?),
            4 => exp = Some(item.uint()?),
            5 => issued = Some(item.uint()?),
            6 if item.kind()? == Kind::Bytes => {
                rights = Some(Rights::Aif(item.bytes()?));
            }
            6 => rights = Some(Rights::Named(item.uint()?)),
            7 => subject = Some(item.text()?),
            8 => cti = Some(item.bytes()?),
            9 => key_id = Some(item.bytes()?),
            10 => issuer = Some(u8::try_from(item.uint()?).map_err(|_| LONG)?),
            11 => key = Some(KeyDigest::from_bytes(item.bytes()?).ok_or(LONG)?),
            12 => kind = Some(item.uint()?),
            _ => security = unkept(kind, item.bytes()?),
        }
        Ok(())
    })?;
    reader.finish()?;
    #[cfg(not(feature = "dtls"))]
    let _: Option<u64> = issued;
    let missing = cbor::Error::MissingParameter;
    if count != FIELDS as u64 {
        return Err(missing);
    }
    let exp = exp.ok_or(missing)?;
    let entry = Entry {
        grant: Grant {
            id: TokenId(id.ok_or(missing)?),
            hash: TokenHash(hash.ok_or(missing)?),
            term: Term {
                end: Instant::default(),
                exp: Some(exp).into(),
                number: None.into(),
            },
            #[cfg(feature = "dtls")]
            issued: issued.into(),
            claims: Kept::of(rights.ok_or(missing)?, subject, cti, key_id.ok_or(missing)?)
                .map_err(|_| LONG)?,
        },
        security: security.ok_or(missing)?,
        issuer: issuer.ok_or(missing)?,
        key: key.ok_or(missing)?,
        proof: Proof::Given,
        peer: None,
        updates: Paid::default(),
    };
    Ok((entry, exp))
}

fn unkept(kind: Option<u64>, bytes: &[u8]) -> Option<Security> {
    match kind? {
        #[cfg(feature = "oscore")]
        0 => ace_oscore::SecurityContext::from_kept(bytes).map(Security::Oscore),
        #[cfg(feature = "dtls")]
        1 => Secret::new(bytes).map(Security::Psk),
        #[cfg(all(feature = "dtls", feature = "_ecc"))]
        2 => Some(Security::RawPublicKey),
        _ => None,
    }
}
