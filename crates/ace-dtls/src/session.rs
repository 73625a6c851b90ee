//! A connection as far as it goes on after the handshake: data, alerts, the end.

use crate::{
    Alert, CipherSuite, CloseReason, Dropped, Error, Event, Peer, Role, messages,
    record::{self, ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, HANDSHAKE, Header, Records},
};

const WARNING: u8 = 1;
const FATAL: u8 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Handshake,
    Established,
    Closed,
}

/// Takes a record of the handshake: content type, whether it was protected, and its plaintext.
type OnHandshake<'h> = dyn FnMut(&mut Session, u8, bool, &[u8]) + 'h;

/// The server's last flight, which is repeated when the client repeats its own (RFC 6347, 4.2.4).
#[derive(Debug, Clone, Copy)]
pub(crate) struct LastFlight {
    pub(crate) message_seq: u16,
    pub(crate) verify_data: [u8; messages::VERIFY_DATA_LEN],
    pub(crate) due: bool,
}

/// An established connection without the memory of the handshake; [`Connection`](crate::Connection) has one inside and becomes
/// one by [`into_session`](crate::Connection::into_session).
#[derive(Debug)]
pub struct Session {
    pub(crate) role: Role,
    pub(crate) records: Records,
    pub(crate) phase: Phase,
    pub(crate) peer: Peer,
    pub(crate) suite: Option<CipherSuite>,
    pub(crate) last_flight: Option<LastFlight>,
    /// Level and description of the alert to be sent.
    alert: Option<(u8, Alert)>,
    /// The alert with which the application refuses the peer.
    pub(crate) refusal: Option<Alert>,
    /// Events not yet told: connected, closed.
    connected: bool,
    closed: Option<CloseReason>,
}

impl Session {
    pub(crate) const fn new(role: Role, first_sequence: u64) -> Self {
        Self {
            role,
            records: Records::new(role, first_sequence),
            phase: Phase::Handshake,
            peer: Peer::Anonymous,
            suite: None,
            last_flight: None,
            alert: None,
            refusal: None,
            connected: false,
            closed: None,
        }
    }

    /// One that never was.
    pub(crate) const fn over() -> Self {
        let mut session = Self::new(Role::Client, 0);
        session.phase = Phase::Closed;
        session
    }

    /// Which side this is.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Who the other side proved to be; [`Peer::Anonymous`] until the handshake is done.
    #[must_use]
    pub fn peer(&self) -> Peer {
        match self.phase {
            Phase::Handshake => Peer::Anonymous,
            _ => self.peer,
        }
    }

    /// The suite agreed on.
    #[must_use]
    pub const fn suite(&self) -> Option<CipherSuite> {
        self.suite
    }

    /// Whether data may be sent.
    #[must_use]
    pub fn is_established(&self) -> bool {
        self.phase == Phase::Established
    }

    /// Whether the connection is over. There may be an alert still to be transmitted.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// The Connection ID that the peer puts into its records, empty if it puts none.
    #[must_use]
    pub fn connection_id(&self) -> &[u8] {
        self.records.own_cid.as_bytes()
    }

    /// Records dropped so far.
    #[must_use]
    pub const fn dropped(&self) -> Dropped {
        self.records.dropped
    }

    /// The longest data that [`send`](Self::send) takes, in bytes: what the peer said it takes, at most 16,384.
    #[must_use]
    pub fn max_data(&self) -> usize {
        let cid = usize::from(!self.records.peer_cid.as_bytes().is_empty());
        usize::from(self.records.peer_limit).saturating_sub(cid)
    }

    /// Bytes that a record adds to its data.
    #[must_use]
    pub fn overhead(&self) -> usize {
        self.records.overhead(true)
    }

    /// Takes a datagram, decrypts it in place and gives out the data in it.
    ///
    /// What does not verify, was received before or is not due is dropped and counted, and changes nothing else.
    pub fn handle<'d>(&mut self, datagram: &'d mut [u8]) -> Received<'d> {
        self.receive(datagram, &mut Self::handle_late_handshake)
    }

    /// Protects `data` and writes the datagram to the start of `out`; returns its length.
    ///
    /// # Errors
    /// [`Error::NotConnected`], [`Error::DataTooLong`] (see [`max_data`](Self::max_data)), [`Error::BufferTooSmall`];
    /// [`Error::SequenceExhausted`] closes the connection.
    pub fn send(&mut self, data: &[u8], out: &mut [u8]) -> Result<usize, Error> {
        if self.phase != Phase::Established {
            return Err(Error::NotConnected);
        }
        // RFC 6347, 4.1: the last number is kept for the alert
        let [_, next] = self.records.write;
        if next >= record::MAX_SEQUENCE {
            self.fail(Error::SequenceExhausted);
            return Err(Error::SequenceExhausted);
        }
        self.records.seal(APPLICATION_DATA, true, &[data], out)
    }

    /// Ends the connection; `close_notify` is transmitted next (RFC 5246, 7.2.1).
    pub fn close(&mut self) {
        if self.phase != Phase::Closed {
            self.alert = Some((WARNING, Alert::CLOSE_NOTIFY));
            self.end(CloseReason::Local);
        }
    }

    /// Whether the first record of a datagram verifies as one of the peer's that has not been received before. Changes nothing, and looks at
    /// short datagrams only: at those with alerts or with a Finished.
    pub(crate) fn claims(&self, datagram: &[u8]) -> bool {
        let mut copy = [0; Self::LONGEST_CLAIM];
        let Some(copy) = copy.get_mut(..datagram.len()) else {
            return false;
        };
        copy.copy_from_slice(datagram);
        self.records.verifies(copy)
    }

    /// A Finished in one record with the longest Connection ID and tag has 81 bytes.
    const LONGEST_CLAIM: usize = 128;

    /// Whether it is over and nothing of it is left to be told or to be sent.
    pub(crate) fn is_spent(&self) -> bool {
        self.phase == Phase::Closed && self.alert.is_none() && self.closed.is_none()
    }

    /// Writes the next datagram to be sent to the start of `out` and returns its length. 64 bytes are enough for this.
    pub fn poll_transmit(&mut self, out: &mut [u8]) -> Option<usize> {
        if let Some(last) = self.last_flight.filter(|last| last.due) {
            if let Some(flight) = &mut self.last_flight {
                flight.due = false;
            }
            if let Ok(len) = self.write_last_flight(&last, out) {
                return Some(len);
            }
        }
        let (level, alert) = self.alert.take()?;
        let protected = self.records.writes_protected;
        let sent = self
            .records
            .seal(ALERT, protected, &[&[level, alert.0]], out);
        if self.phase == Phase::Closed {
            self.forget();
        }
        sent.ok()
    }

    /// What happened, until `None`.
    pub fn poll_event(&mut self) -> Option<Event> {
        if core::mem::take(&mut self.connected) {
            return Some(Event::Connected);
        }
        self.closed.take().map(Event::Closed)
    }

    fn write_last_flight(&mut self, last: &LastFlight, out: &mut [u8]) -> Result<usize, Error> {
        let first = self.records.seal(CHANGE_CIPHER_SPEC, false, &[&[1]], out)?;
        self.records.writes_protected = true;
        let mut header = [0; messages::HEADER_LEN];
        messages::header(
            messages::FINISHED,
            last.message_seq,
            messages::VERIFY_DATA_LEN,
            0..messages::VERIFY_DATA_LEN,
            &mut header,
        )?;
        let rest = out.get_mut(first..).ok_or(Error::BufferTooSmall)?;
        let second = self
            .records
            .seal(HANDSHAKE, true, &[&header, &last.verify_data], rest)?;
        Ok(first + second)
    }

    pub(crate) fn establish(&mut self) {
        self.phase = Phase::Established;
        // A complaint about records that were not the peer's.
        self.alert = None;
        self.connected = true;
    }

    /// Ends the connection because of an error, with the alert that belongs to it.
    pub(crate) fn fail(&mut self, error: Error) {
        if self.phase == Phase::Closed {
            return;
        }
        let alert = self.refusal.unwrap_or(error.alert());
        let level = if alert == Alert::CLOSE_NOTIFY {
            WARNING
        } else {
            FATAL
        };
        self.alert = Some((level, alert));
        self.end(CloseReason::Failed(error));
    }

    /// Tells the peer once that its records do not verify, without an end: whoever forged one would else have ended the handshake.
    pub(crate) fn complain(&mut self, error: Error) {
        self.alert = Some((FATAL, error.alert()));
    }

    pub(crate) fn end(&mut self, reason: CloseReason) {
        self.phase = Phase::Closed;
        self.last_flight = None;
        self.closed = Some(reason);
        if self.alert.is_none() {
            self.forget();
        }
    }

    fn forget(&mut self) {
        self.records.forget_keys();
    }

    /// Goes through the records of a datagram; what belongs to the handshake goes to `handshake`.
    pub(crate) fn receive<'d>(
        &mut self,
        datagram: &'d mut [u8],
        handshake: &mut OnHandshake<'_>,
    ) -> Received<'d> {
        let mut at = 0;
        let mut pieces = Pieces::default();
        let mut newest = false;
        // RFC 6347, 4.1.1: several records in a datagram
        while self.phase != Phase::Closed && at < datagram.len() {
            let rest = datagram.get_mut(at..).unwrap_or(&mut []);
            let cid_len = self.records.own_cid.as_bytes().len();
            let Ok(header) = Header::parse(rest, cid_len) else {
                self.records.dropped.invalid = self.records.dropped.invalid.saturating_add(1);
                break;
            };
            let end = header.body.end;
            let record = rest.get_mut(..end).unwrap_or(&mut []);
            if let Some(opened) = self.records.open(&header, record) {
                newest |= opened.newest;
                let plaintext = record.get(opened.plaintext.clone()).unwrap_or(&[]);
                match opened.kind {
                    CHANGE_CIPHER_SPEC | HANDSHAKE => {
                        handshake(self, opened.kind, opened.protected, plaintext);
                    }
                    ALERT => self.handle_alert(plaintext),
                    APPLICATION_DATA if self.phase == Phase::Established => {
                        let range = at + opened.plaintext.start..at + opened.plaintext.end;
                        pieces.add(datagram, range);
                    }
                    _ => {
                        self.records.dropped.invalid =
                            self.records.dropped.invalid.saturating_add(1);
                    }
                }
            }
            at += end;
        }
        Received {
            data: Data {
                datagram,
                at: pieces.first,
            },
            newest,
        }
    }

    /// An alert that may be believed: protected, or in the clear before there are keys to protect it.
    fn handle_alert(&mut self, alert: &[u8]) {
        match *alert {
            // RFC 5246, 7.2.1: answered with the same, whatever its level
            [_, 0] => {
                self.alert = Some((WARNING, Alert::CLOSE_NOTIFY));
                self.end(CloseReason::Peer);
            }
            // RFC 5246, 7.2.2: no answer
            [FATAL, description] => {
                self.alert = None;
                self.end(CloseReason::Alert(Alert(description)));
            }
            [WARNING, _] => {}
            _ => self.records.dropped.invalid = self.records.dropped.invalid.saturating_add(1),
        }
    }

    /// Handshake messages of an established peer: repetitions, or the wish to renegotiate.
    pub(crate) fn handle_late_handshake(&mut self, kind: u8, protected: bool, payload: &[u8]) {
        match (kind, protected, payload.first()) {
            // RFC 6347, 4.2.4: our last flight was lost
            (HANDSHAKE, true, Some(&messages::FINISHED)) => {
                if let Some(last) = &mut self.last_flight {
                    last.due = true;
                }
            }
            // RFC 5746, 5; RFC 5246, 7.2.2
            (HANDSHAKE, true, Some(&(messages::HELLO_REQUEST | messages::CLIENT_HELLO)))
                if self.alert.is_none() =>
            {
                self.alert = Some((WARNING, Alert::NO_RENEGOTIATION));
            }
            _ => {}
        }
    }
}

/// The pieces of data in a datagram: each with the place of the next and its own length in front, where the record's header was.
#[derive(Default)]
struct Pieces {
    first: u16,
    last: u16,
}

impl Pieces {
    fn add(&mut self, datagram: &mut [u8], range: core::ops::Range<usize>) {
        let (Ok(start), Ok(len)) = (u16::try_from(range.start), u16::try_from(range.len())) else {
            return;
        };
        let link = usize::from(start).checked_sub(LINK);
        let Some(place) = link.and_then(|at| datagram.get_mut(at..at + LINK)) else {
            return;
        };
        if len == 0 {
            return;
        }
        let [a, b] = len.to_be_bytes();
        place.copy_from_slice(&[0, 0, a, b]);
        let before = usize::from(self.last).checked_sub(LINK);
        if let Some(next) = before.and_then(|at| datagram.get_mut(at..at + 2)) {
            next.copy_from_slice(&start.to_be_bytes());
        } else {
            self.first = start;
        }
        self.last = start;
    }
}

/// Bytes in front of a piece.
const LINK: usize = 4;

/// What a datagram brought.
#[derive(Debug, Clone)]
pub struct Received<'d> {
    /// The data of its records, decrypted; mostly one piece.
    pub data: Data<'d>,
    /// One of its records verified and is newer than all before: if it came from another address than usual and carried a
    /// Connection ID, the peer may have moved there (RFC 9146, 6; whether it can be reached there is for the caller to find out).
    pub newest: bool,
}

/// Iterates over the data of a datagram's records.
#[derive(Debug, Clone, Default)]
pub struct Data<'d> {
    datagram: &'d [u8],
    /// Where the next piece begins; 0: there is none.
    at: u16,
}

impl<'d> Iterator for Data<'d> {
    type Item = &'d [u8];

    fn next(&mut self) -> Option<&'d [u8]> {
        let link = usize::from(self.at).checked_sub(LINK)?;
        let mut reader = crate::bytes::Reader::new(self.datagram.get(link..)?);
        self.at = reader.u16().ok()?;
        reader.vec16().ok()
    }
}
