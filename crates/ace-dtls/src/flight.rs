//! Sending the messages of a flight, as often as needed (RFC 6347, 4.2.3 and 4.2.4).

use core::time::Duration;

use crate::{
    Error, Instant,
    messages::{self, HEADER_LEN, Messages},
    record::{CHANGE_CIPHER_SPEC, HANDSHAKE, Records},
};

/// A fragment that does not fill the datagram it begins in is not made shorter than this.
const SHORTEST_FRAGMENT: usize = 64;

/// Which messages of the buffer are the last flight, and how far it has been sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flight {
    start: u16,
    end: u16,
    /// The message to be sent next, and how much of its body has been sent.
    message: u16,
    offset: u16,
    /// The ChangeCipherSpec before Finished has been sent.
    changed: bool,
    /// message_seq of the last message of the flight that this one answers.
    answered: Option<u16>,
}

impl Flight {
    pub(crate) const NONE: Self = Self {
        start: 0,
        end: 0,
        message: 0,
        offset: 0,
        changed: false,
        answered: None,
    };

    pub(crate) const fn new(start: usize, end: usize, answered: Option<u16>) -> Self {
        // The buffer has no more bytes than that.
        let (start, end) = (start as u16, end as u16);
        Self {
            start,
            end,
            message: start,
            offset: 0,
            changed: false,
            answered,
        }
    }

    /// From the beginning.
    pub(crate) const fn rewind(&mut self) {
        self.message = self.start;
        self.offset = 0;
        self.changed = false;
    }

    /// Whether a repeated message with this number asks for this flight again.
    pub(crate) fn answers(&self, seq: u16) -> bool {
        self.answered == Some(seq)
    }

    /// Fills a datagram with what has not been sent; `None` when all has been.
    pub(crate) fn write(
        &mut self,
        messages: &Messages,
        records: &mut Records,
        out: &mut [u8],
    ) -> Result<Option<usize>, Error> {
        let mut written = 0;
        while self.message < self.end {
            let Some(len) = self.write_record(messages, records, out, written)? else {
                break;
            };
            written += len;
        }
        Ok((written > 0).then_some(written))
    }

    /// One record, or `None` if it shall go into the next datagram.
    fn write_record(
        &mut self,
        messages: &Messages,
        records: &mut Records,
        out: &mut [u8],
        written: usize,
    ) -> Result<Option<usize>, Error> {
        let (kind, seq, body) = messages
            .message_at(self.message.into())
            .ok_or(Error::BufferTooSmall)?;
        let datagram = out.len();
        let out = out.get_mut(written..).unwrap_or(&mut []);
        // RFC 5246, 7.1: all before Finished is in the clear, Finished is not
        let protected = kind == messages::FINISHED;
        if protected && !self.changed {
            if out.len() < records.overhead(false) + 1 {
                return if written > 0 {
                    Ok(None)
                } else {
                    Err(Error::BufferTooSmall)
                };
            }
            let len = records.seal(CHANGE_CIPHER_SPEC, false, &[&[1]], out)?;
            records.writes_protected = true;
            self.changed = true;
            return Ok(Some(len));
        }

        let overhead = records.overhead(protected) + HEADER_LEN;
        let longest = usize::from(records.peer_limit).saturating_sub(HEADER_LEN + 1);
        let rest = body.get(self.offset.into()..).unwrap_or(&[]);
        let room = out.len().saturating_sub(overhead).min(longest);
        let fresh = datagram.saturating_sub(overhead).min(longest);
        if written > 0
            && (out.len() < overhead
                || rest.len() > room
                    && (rest.len() <= fresh || room < SHORTEST_FRAGMENT.min(fresh)))
        {
            return Ok(None);
        }
        if out.len() < overhead || (room == 0 && !rest.is_empty()) {
            return Err(Error::BufferTooSmall);
        }
        let part = rest.get(..rest.len().min(room)).unwrap_or(&[]);
        let mut header = [0; HEADER_LEN];
        let offset = usize::from(self.offset);
        let range = offset..offset + part.len();
        messages::header(kind, seq, body.len(), range.clone(), &mut header)?;
        let len = records.seal(HANDSHAKE, protected, &[&header, part], out)?;
        if range.end == body.len() {
            self.message += (HEADER_LEN + body.len()) as u16;
            self.offset = 0;
        } else {
            self.offset = range.end as u16;
        }
        Ok(Some(len))
    }
}

/// The retransmission timer (RFC 6347, 4.2.4.1).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timer {
    pub(crate) due: Option<Instant>,
    /// In milliseconds.
    interval: u32,
    left: u8,
    repetitions: u8,
    /// When the flight was last sent because the peer repeated its own.
    repeated: Instant,
    /// In milliseconds.
    spacing: u32,
}

impl Timer {
    pub(crate) const STOPPED: Self = Self {
        due: None,
        interval: 0,
        left: 0,
        repetitions: 0,
        repeated: Instant(0),
        spacing: 0,
    };

    /// For a server whose ClientHello is still to be put together: as long as all repetitions of a flight take, then the end.
    pub(crate) const fn new(first: Duration, retransmissions: u8, now: Instant) -> Self {
        let first = millis(first);
        let mut total = first;
        let mut interval = first;
        let mut left = retransmissions;
        while left > 0 {
            interval = doubled(interval);
            total = total.saturating_add(interval);
            left -= 1;
        }
        Self {
            due: Some(Instant(now.0.saturating_add(total as u64))),
            interval: first,
            left: 0,
            repetitions: 0,
            repeated: now,
            spacing: first,
        }
    }

    pub(crate) fn start(&mut self, first: Duration, retransmissions: u8, now: Instant) {
        let first = millis(first);
        self.due = Some(after(now, first));
        self.interval = first;
        self.left = retransmissions;
        self.repetitions = 0;
        self.repeated = now;
        self.spacing = first / 2;
    }

    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    /// Waits twice as long; false if it has waited often enough.
    pub(crate) fn back_off(&mut self, now: Instant) -> bool {
        let Some(left) = self.left.checked_sub(1) else {
            return false;
        };
        self.left = left;
        self.repetitions = self.repetitions.saturating_add(1);
        self.interval = doubled(self.interval);
        self.due = Some(after(now, self.interval));
        self.repeated = now;
        true
    }

    pub(crate) const fn has_repeated_twice(&self) -> bool {
        self.repetitions >= 2
    }

    /// Whether a repetition by the peer may be answered with our flight: not more often than twice in the first timeout, since
    /// anyone may have sent it.
    pub(crate) fn may_repeat(&mut self, now: Instant) -> bool {
        let may = now.0.saturating_sub(self.repeated.0) >= self.spacing.into();
        if may {
            self.repeated = now;
        }
        may
    }
}

const fn doubled(interval: u32) -> u32 {
    let twice = interval.saturating_mul(2);
    if twice > LONGEST_TIMEOUT {
        LONGEST_TIMEOUT
    } else {
        twice
    }
}

const fn millis(duration: Duration) -> u32 {
    let millis = duration.as_millis();
    if millis > u32::MAX as u128 {
        u32::MAX
    } else {
        millis as u32
    }
}

fn after(now: Instant, millis: u32) -> Instant {
    Instant(now.0.saturating_add(millis.into()))
}

/// In milliseconds (RFC 6347, 4.2.4.1).
const LONGEST_TIMEOUT: u32 = 60_000;
