//! The server before a connection: cookies, and no state for anyone who has not returned one (RFC 6347, 4.2.1).

use core::time::Duration;

use ace_crypto::{CryptoRng, Secret, ct_eq, hmac_sha256};

use crate::{
    Error, Instant,
    bytes::{Reader, Writer},
    hello::{ClientHelloStart, RANDOM_LEN},
    messages::{self, HEADER_LEN},
    record::{DTLS_1_0, HANDSHAKE, Header},
};

const COOKIE_LEN: usize = 16;
const SECRET_LEN: usize = 32;
/// A HelloVerifyRequest in its record: shorter than any ClientHello, which begins with 35 bytes more than this has behind its headers.
const ANSWER_LEN: usize = crate::record::HEADER_LEN + HEADER_LEN + 2 + 1 + COOKIE_LEN;

/// Answers the hellos of strangers, without remembering any. One for all addresses of a server.
#[derive(Debug)]
pub struct Listener {
    current: Secret<SECRET_LEN>,
    previous: Secret<SECRET_LEN>,
    rotated: Instant,
    /// In milliseconds.
    period: u64,
}

/// A client that has returned its cookie: make a [`Connection::server`](crate::Connection::server) of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accept {
    pub(crate) message_seq: u16,
    pub(crate) sequence: u64,
}

/// What to do with the datagram of a stranger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incoming {
    /// Send this many bytes of `out` back; fewer than came.
    Reply(usize),
    /// The client is reachable at its address: make a connection and give it the same datagram.
    Accept(Accept),
    /// Not the beginning of a ClientHello: drop it.
    Drop(Error),
}

impl Listener {
    /// How long a cookie is good by default: one to two minutes.
    pub const DEFAULT_PERIOD: Duration = Duration::from_secs(60);

    /// With fresh secrets, which are replaced each `period`; a cookie is good for one to two periods.
    pub fn new(period: Duration, now: Instant, rng: &mut dyn CryptoRng) -> Self {
        Self {
            current: fresh(rng),
            previous: fresh(rng),
            rotated: now,
            period: period.as_millis() as u64,
        }
    }

    /// Takes a datagram that belongs to no connection, or a new hello from the address of one.
    ///
    /// `peer` is the address it came from, as any bytes that are the same for each datagram from there. `out` needs 44 bytes.
    /// The cookie is bound to the address and to version, random and session id of the hello, and stands in the hello's first
    /// fragment, so that a hello may come in pieces.
    pub fn handle(
        &mut self,
        now: Instant,
        peer: &[u8],
        datagram: &[u8],
        rng: &mut dyn CryptoRng,
        out: &mut [u8],
    ) -> Incoming {
        self.rotate(now, rng);
        match self.answer(peer, datagram, out) {
            Ok(incoming) => incoming,
            Err(error) => Incoming::Drop(error),
        }
    }

    fn answer(&self, peer: &[u8], datagram: &[u8], out: &mut [u8]) -> Result<Incoming, Error> {
        let header = Header::parse(datagram, 0)?;
        let major = header.version.to_be_bytes()[0];
        if header.kind != HANDSHAKE || header.epoch != 0 || major != DTLS_1_0.to_be_bytes()[0] {
            return Err(Error::UnexpectedMessage);
        }
        let body = datagram.get(header.body).ok_or(Error::Decode)?;
        let (message_seq, hello) = first_fragment(body)?;
        let mac = |secret: &Secret<SECRET_LEN>| cookie(secret, peer, &hello);
        let expected = mac(&self.current);
        // RFC 6347, 4.2.1: an invalid cookie counts as none
        let returned = !hello.cookie.is_empty()
            && (ct_eq(hello.cookie, &expected) || ct_eq(hello.cookie, &mac(&self.previous)));
        if returned {
            return Ok(Incoming::Accept(Accept {
                message_seq,
                sequence: header.sequence,
            }));
        }
        write_hello_verify_request(&expected, message_seq, header.sequence, out)
            .map(Incoming::Reply)
    }

    fn rotate(&mut self, now: Instant, rng: &mut dyn CryptoRng) {
        let age = now.0.saturating_sub(self.rotated.0);
        if age < self.period {
            return;
        }
        let next = fresh(rng);
        self.previous = core::mem::replace(&mut self.current, next);
        if age >= self.period.saturating_mul(2) {
            self.previous = fresh(rng);
        }
        self.rotated = now;
    }
}

fn fresh(rng: &mut dyn CryptoRng) -> Secret<SECRET_LEN> {
    let mut secret = Secret::full([0; SECRET_LEN]);
    rng.fill_bytes(secret.as_mut_bytes());
    secret
}

/// message_seq and the start of a ClientHello, from the first of its fragments.
fn first_fragment(body: &[u8]) -> Result<(u16, ClientHelloStart<'_>), Error> {
    let fragment = messages::Fragment::read(&mut Reader::new(body))?;
    if fragment.kind != messages::CLIENT_HELLO || fragment.offset != 0 {
        return Err(Error::UnexpectedMessage);
    }
    let hello = ClientHelloStart::read(&mut Reader::new(fragment.bytes))?;
    Ok((fragment.seq, hello))
}

fn cookie(
    secret: &Secret<SECRET_LEN>,
    peer: &[u8],
    hello: &ClientHelloStart<'_>,
) -> [u8; COOKIE_LEN] {
    let peer_len = (peer.len() as u64).to_be_bytes();
    let mac = hmac_sha256(
        secret.as_bytes(),
        &[
            &peer_len,
            peer,
            &hello.version.to_be_bytes(),
            hello.random,
            hello.session_id,
        ],
    );
    let mut cookie = [0; COOKIE_LEN];
    for (to, from) in cookie.iter_mut().zip(mac) {
        *to = from;
    }
    cookie
}

fn write_hello_verify_request(
    cookie: &[u8; COOKIE_LEN],
    message_seq: u16,
    sequence: u64,
    out: &mut [u8],
) -> Result<usize, Error> {
    let mut w = Writer::new(out);
    w.u8(HANDSHAKE);
    // RFC 6347, 4.2.1: version 1.0 whatever will be agreed on, and the number of the ClientHello's record
    w.u16(DTLS_1_0);
    w.u16(0);
    w.u48(sequence);
    w.vec(2, |w| {
        let length = 2 + 1 + COOKIE_LEN;
        w.u8(messages::HELLO_VERIFY_REQUEST);
        w.u24(length);
        w.u16(message_seq);
        w.u24(0);
        w.u24(length);
        w.u16(DTLS_1_0);
        w.vec(1, |w| w.put(cookie));
    });
    debug_assert_eq!(w.len(), ANSWER_LEN);
    w.finish()
}

/// Whether a datagram may be the beginning of a new handshake: for a server that has a connection with the address it came from,
/// to ask the [`Listener`] too (RFC 6347, 4.2.8).
#[must_use]
pub fn is_client_hello(datagram: &[u8]) -> bool {
    client_hello_random(datagram).is_some()
}

/// The random of the ClientHello that a datagram begins with, if it does. A repeated hello has the same one, a new one another.
#[must_use]
pub fn client_hello_random(datagram: &[u8]) -> Option<&[u8; RANDOM_LEN]> {
    let header = Header::parse(datagram, 0).ok()?;
    if header.kind != HANDSHAKE || header.epoch != 0 {
        return None;
    }
    let (_, hello) = first_fragment(datagram.get(header.body)?).ok()?;
    Some(hello.random)
}
