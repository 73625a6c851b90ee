//! The record layer (RFC 6347, 4.1) with AES-CCM (RFC 6655) and Connection IDs (RFC 9146, 4 and 5).

use core::ops::Range;

use ace_crypto::{Secret, TlsAead};

use crate::{
    Dropped, Error, Role,
    bytes::{Reader, Writer},
    config::ConnectionId,
    window::ReplayWindow,
};

/// Content types.
pub(crate) const CHANGE_CIPHER_SPEC: u8 = 20;
pub(crate) const ALERT: u8 = 21;
pub(crate) const HANDSHAKE: u8 = 22;
pub(crate) const APPLICATION_DATA: u8 = 23;
const TLS12_CID: u8 = 25;

/// DTLS 1.2 and, for what comes before the version is agreed on, DTLS 1.0.
pub(crate) const DTLS_1_2: u16 = 0xfefd;
pub(crate) const DTLS_1_0: u16 = 0xfeff;

pub(crate) const MAX_SEQUENCE: u64 = (1 << 48) - 1;

/// Header of a record without Connection ID.
pub(crate) const HEADER_LEN: usize = 13;
const EXPLICIT_NONCE_LEN: usize = 8;
const IV_LEN: usize = 4;
/// Client and server keys, then client and server IVs (RFC 5246, 6.3).
pub(crate) const KEY_BLOCK_LEN: usize = 2 * (TlsAead::KEY_LEN + IV_LEN);
/// Longest plaintext of a record (RFC 5246, 6.2.1).
pub(crate) const MAX_PLAINTEXT: u16 = 1 << 14;

/// What stands in front of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: u8,
    pub(crate) version: u16,
    pub(crate) epoch: u16,
    pub(crate) sequence: u64,
    /// Where the body lies behind the start of the record.
    pub(crate) body: Range<usize>,
}

impl Header {
    /// The record at the start of `bytes`, with a Connection ID of `cid_len` bytes if its type says so.
    pub(crate) fn parse(bytes: &[u8], cid_len: usize) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes);
        let kind = reader.u8()?;
        let version = reader.u16()?;
        let epoch = reader.u16()?;
        let sequence = reader.u48()?;
        let cid_len = if kind == TLS12_CID { cid_len } else { 0 };
        reader.take(cid_len)?;
        let len = reader.vec16()?.len();
        let start = HEADER_LEN + cid_len;
        Ok(Self {
            kind,
            version,
            epoch,
            sequence,
            body: start..start + len,
        })
    }
}

/// The Connection ID that a datagram begins with, if its first record carries one; `len` is the length of all those this side gives out.
///
/// Nothing is verified: the caller looks up a connection by it.
#[must_use]
pub fn connection_id(datagram: &[u8], len: usize) -> Option<&[u8]> {
    // RFC 9146, 4: behind type, version, epoch and sequence number
    (datagram.first() == Some(&TLS12_CID) && len > 0)
        .then(|| datagram.get(HEADER_LEN - 2..)?.get(..len))
        .flatten()
}

/// A record that may be read.
pub(crate) struct Opened {
    pub(crate) kind: u8,
    /// Of epoch 1: its tag has verified.
    pub(crate) protected: bool,
    /// Where the plaintext lies in the record.
    pub(crate) plaintext: Range<usize>,
    /// Verified, and newer than all before.
    pub(crate) newest: bool,
}

/// Both directions of the record layer.
pub(crate) struct Records {
    role: Role,
    aead: TlsAead,
    key_block: Secret<KEY_BLOCK_LEN>,
    /// The next sequence numbers to write, in epoch 0 and epoch 1.
    pub(crate) write: [u64; 2],
    window: ReplayWindow,
    /// Our ChangeCipherSpec has been sent: alerts go out protected.
    pub(crate) writes_protected: bool,
    /// Epoch 1 is read, and epoch 0 no more.
    pub(crate) reads_protected: bool,
    /// What the peer puts into its records, and we into ours.
    pub(crate) own_cid: ConnectionId,
    pub(crate) peer_cid: ConnectionId,
    /// Longest plaintext that the peer takes, and that we take.
    pub(crate) peer_limit: u16,
    pub(crate) own_limit: u16,
    pub(crate) dropped: Dropped,
}

impl Records {
    pub(crate) const fn new(role: Role, first_sequence: u64) -> Self {
        Self {
            role,
            aead: TlsAead::Aes128Ccm8,
            key_block: Secret::full([0; KEY_BLOCK_LEN]),
            write: [first_sequence, 0],
            window: ReplayWindow { next: 0, seen: 0 },
            writes_protected: false,
            reads_protected: false,
            own_cid: ConnectionId::EMPTY,
            peer_cid: ConnectionId::EMPTY,
            peer_limit: MAX_PLAINTEXT,
            own_limit: MAX_PLAINTEXT,
            dropped: Dropped {
                invalid: 0,
                unverified: 0,
                replayed: 0,
            },
        }
    }

    pub(crate) fn set_keys(&mut self, aead: TlsAead, key_block: Secret<KEY_BLOCK_LEN>) {
        self.aead = aead;
        self.key_block = key_block;
    }

    /// Wipes the keys; nothing can be read or written in epoch 1 then that anyone else could not.
    pub(crate) fn forget_keys(&mut self) {
        self.key_block = Secret::full([0; KEY_BLOCK_LEN]);
        self.reads_protected = false;
    }

    #[cfg(test)]
    pub(crate) fn has_no_keys(&self) -> bool {
        self.key_block.as_bytes() == [0; KEY_BLOCK_LEN]
    }

    /// Key and IV of what `writer` writes (RFC 5246, 6.3).
    fn keys(&self, writer: Role) -> Option<(&[u8], &[u8])> {
        let (keys, ivs) = self
            .key_block
            .as_bytes()
            .split_at_checked(2 * TlsAead::KEY_LEN)?;
        let (client_key, server_key) = keys.split_at_checked(TlsAead::KEY_LEN)?;
        let (client_iv, server_iv) = ivs.split_at_checked(IV_LEN)?;
        Some(match writer {
            Role::Client => (client_key, client_iv),
            Role::Server => (server_key, server_iv),
        })
    }

    /// Bytes that a record adds to its plaintext.
    pub(crate) fn overhead(&self, protected: bool) -> usize {
        if !protected {
            return HEADER_LEN;
        }
        let cid = self.peer_cid.as_bytes().len();
        let real_type = usize::from(cid > 0);
        HEADER_LEN + cid + EXPLICIT_NONCE_LEN + real_type + self.aead.tag_len()
    }

    /// Writes a record to the start of `out` and returns its length.
    ///
    /// A call that succeeds, and only such a one, uses up a sequence number.
    pub(crate) fn seal(
        &mut self,
        kind: u8,
        protected: bool,
        plaintext: &[&[u8]],
        out: &mut [u8],
    ) -> Result<usize, Error> {
        let len: usize = plaintext.iter().map(|part| part.len()).sum();
        let real_type = usize::from(protected && !self.peer_cid.as_bytes().is_empty());
        let [plain_next, protected_next] = &mut self.write;
        let next = if protected {
            protected_next
        } else {
            plain_next
        };
        let sequence = *next;
        // RFC 6347, 4.1: never wraps, nothing is sent twice under one number
        if sequence > MAX_SEQUENCE {
            return Err(Error::SequenceExhausted);
        }
        // RFC 8449, 4; with a Connection ID the real type counts too (RFC 9146, 4)
        if len + real_type > self.peer_limit.into() {
            return Err(Error::DataTooLong);
        }
        let written = if protected {
            let keys = self.keys(self.role).ok_or(Error::Crypto)?;
            seal_protected(
                self.aead,
                keys,
                self.peer_cid.as_bytes(),
                kind,
                sequence,
                plaintext,
                out,
            )?
        } else {
            let mut writer = Writer::new(out);
            header(&mut writer, kind, 0, sequence, &[], len);
            for part in plaintext {
                writer.put(part);
            }
            writer.finish()?
        };
        let [plain_next, protected_next] = &mut self.write;
        *(if protected {
            protected_next
        } else {
            plain_next
        }) = sequence + 1;
        Ok(written)
    }

    /// Opens a record in place. `None` for one that is to be dropped, and is counted.
    pub(crate) fn open(&mut self, header: &Header, record: &mut [u8]) -> Option<Opened> {
        match header.epoch {
            0 if !self.reads_protected => self.open_plain(header),
            1 if self.reads_protected => self.open_protected(header, record),
            _ => drop_as(&mut self.dropped.invalid),
        }
    }

    fn open_plain(&mut self, header: &Header) -> Option<Opened> {
        // RFC 6347, 4.2.1: the version is not agreed on yet
        let known = matches!(header.version, DTLS_1_2 | DTLS_1_0)
            && matches!(header.kind, CHANGE_CIPHER_SPEC | ALERT | HANDSHAKE);
        if !known || header.body.len() > MAX_PLAINTEXT.into() {
            return drop_as(&mut self.dropped.invalid);
        }
        Some(Opened {
            kind: header.kind,
            protected: false,
            plaintext: header.body.clone(),
            newest: false,
        })
    }

    fn open_protected(&mut self, header: &Header, record: &mut [u8]) -> Option<Opened> {
        let cid = self.own_cid.as_bytes();
        // RFC 9146, 3: with the Connection ID agreed on, and with none if none is
        let with_cid = header.kind == TLS12_CID;
        if header.version != DTLS_1_2 || with_cid == cid.is_empty() {
            return drop_as(&mut self.dropped.invalid);
        }
        if with_cid
            && record
                .get(HEADER_LEN - 2..)
                .and_then(|r| r.get(..cid.len()))
                != Some(cid)
        {
            return drop_as(&mut self.dropped.invalid);
        }
        // RFC 6347, 4.1.2.6: looked at before, recorded after the tag has verified
        if !self.window.is_new(header.sequence) {
            return drop_as(&mut self.dropped.replayed);
        }
        let Some(len) = self.decrypt(header, record) else {
            return drop_as(&mut self.dropped.unverified);
        };
        let newest = self.window.accept(header.sequence);
        let start = header.body.start + EXPLICIT_NONCE_LEN;
        let mut plaintext = start..start + len;
        // RFC 8449, 4: longer than what we agreed to take
        if len > usize::from(self.own_limit) + usize::from(with_cid) {
            return drop_as(&mut self.dropped.invalid);
        }
        let mut kind = header.kind;
        if with_cid {
            // RFC 9146, 4: content, type, any number of zeros
            let inner = record.get(plaintext.clone()).unwrap_or(&[]);
            let at = inner.iter().rposition(|&byte| byte != 0);
            let Some((at, &real)) = at.and_then(|at| Some((at, inner.get(at)?))) else {
                return drop_as(&mut self.dropped.invalid);
            };
            kind = real;
            plaintext.end = plaintext.start + at;
        }
        Some(Opened {
            kind,
            protected: true,
            plaintext,
            newest,
        })
    }

    /// Whether the record that `datagram` begins with verifies and is new. It is decrypted or wiped.
    pub(crate) fn verifies(&self, datagram: &mut [u8]) -> bool {
        let Ok(header) = Header::parse(datagram, 0) else {
            return false;
        };
        header.epoch == 1
            && header.version == DTLS_1_2
            && header.kind != TLS12_CID
            && self.reads_protected
            && self.window.is_new(header.sequence)
            && self.decrypt(&header, datagram).is_some()
    }

    fn decrypt(&self, header: &Header, record: &mut [u8]) -> Option<usize> {
        let (key, iv) = self.keys(self.role.other())?;
        let body = record.get_mut(header.body.clone())?;
        let (explicit, ciphertext) = body.split_at_mut_checked(EXPLICIT_NONCE_LEN)?;
        let len = ciphertext.len().checked_sub(self.aead.tag_len())?;
        let nonce = nonce(iv, explicit)?;
        let mut room = [0; AAD_LEN];
        let aad = aad(
            header.kind,
            header.sequence,
            if header.kind == TLS12_CID {
                self.own_cid.as_bytes()
            } else {
                &[]
            },
            len,
            &mut room,
        );
        self.aead.open(key, &nonce, aad, ciphertext).ok()
    }
}

impl core::fmt::Debug for Records {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Records")
            .field("aead", &self.aead)
            .field("write", &self.write)
            .field("own_cid", &self.own_cid)
            .field("peer_cid", &self.peer_cid)
            .field("dropped", &self.dropped)
            .finish_non_exhaustive()
    }
}

const fn drop_as(counter: &mut u32) -> Option<Opened> {
    *counter = counter.saturating_add(1);
    None
}

fn header(
    writer: &mut Writer<'_>,
    kind: u8,
    epoch: u16,
    sequence: u64,
    cid: &[u8],
    body_len: usize,
) {
    writer.u8(kind);
    writer.u16(DTLS_1_2);
    writer.u16(epoch);
    writer.u48(sequence);
    writer.put(cid);
    // No record has more than 2^14 bytes of plaintext.
    writer.u16(body_len as u16);
}

fn seal_protected(
    aead: TlsAead,
    (key, iv): (&[u8], &[u8]),
    cid: &[u8],
    kind: u8,
    sequence: u64,
    plaintext: &[&[u8]],
    out: &mut [u8],
) -> Result<usize, Error> {
    let real_type: &[u8] = if cid.is_empty() { &[] } else { &[kind] };
    let len: usize = plaintext.iter().map(|part| part.len()).sum();
    let outer = if cid.is_empty() { kind } else { TLS12_CID };
    let inner_len = len + real_type.len();
    let body_len = EXPLICIT_NONCE_LEN + inner_len + aead.tag_len();

    let mut writer = Writer::new(out);
    header(&mut writer, outer, 1, sequence, cid, body_len);
    // RFC 6655, 3: the explicit part may be epoch and sequence number, which never repeat under one key
    writer.u16(1);
    writer.u48(sequence);
    let start = writer.len();
    for part in plaintext {
        writer.put(part);
    }
    writer.put(real_type);

    let explicit = out
        .get(start - EXPLICIT_NONCE_LEN..start)
        .ok_or(Error::BufferTooSmall)?;
    let nonce = nonce(iv, explicit).ok_or(Error::Crypto)?;
    let mut room = [0; AAD_LEN];
    let aad_bytes = aad(outer, sequence, cid, inner_len, &mut room);
    let end = start + inner_len + aead.tag_len();
    let body = out.get_mut(start..end).ok_or(Error::BufferTooSmall)?;
    aead.seal(key, &nonce, aad_bytes, body, inner_len)
        .map_err(|_| Error::Crypto)?;
    Ok(end)
}

/// RFC 6655, 3
fn nonce(iv: &[u8], explicit: &[u8]) -> Option<[u8; TlsAead::NONCE_LEN]> {
    let mut nonce = [0; TlsAead::NONCE_LEN];
    let (salt, rest) = nonce.split_at_mut_checked(iv.len())?;
    salt.copy_from_slice(iv);
    rest.get_mut(..explicit.len())?.copy_from_slice(explicit);
    Some(nonce)
}

const AAD_LEN: usize = 8 + 1 + 1 + 1 + 2 + 8 + crate::config::MAX_CID + 2;

/// The additional data of epoch 1 (RFC 5246, 6.2.3.3; with a Connection ID RFC 9146, 5.3).
fn aad<'b>(
    kind: u8,
    sequence: u64,
    cid: &[u8],
    len: usize,
    room: &'b mut [u8; AAD_LEN],
) -> &'b [u8] {
    let mut writer = Writer::new(room);
    if cid.is_empty() {
        writer.u16(1);
        writer.u48(sequence);
        writer.u8(kind);
        writer.u16(DTLS_1_2);
    } else {
        writer.put(&[0xff; 8]);
        writer.u8(TLS12_CID);
        writer.u8(cid.len() as u8);
        writer.u8(TLS12_CID);
        writer.u16(DTLS_1_2);
        writer.u16(1);
        writer.u48(sequence);
        writer.put(cid);
    }
    writer.u16(len as u16);
    let written = writer.len();
    room.get(..written).unwrap_or(&[])
}
