//! A connection from its first flight on: what client and server have in common.

use core::{ops::Range, time::Duration};

use ace_crypto::{CryptoRng, Secret};
#[cfg(feature = "_ecc")]
use ace_crypto::{EphemeralKey, KeyAgreement};

use crate::{
    Accept, CipherSuite, CloseReason, Config, Credentials, Error, Event, Instant, Peer, Received,
    Role, Session,
    bytes::Reader,
    flight::{Flight, Timer},
    hello::RANDOM_LEN,
    keys::{self, MASTER_LEN, Master, Premaster, Randoms},
    messages::{self, Fragment, HEADER_LEN, Messages},
    record::{CHANGE_CIPHER_SPEC, HANDSHAKE},
    session::Phase,
};

/// Bytes of handshake buffer that are enough for any handshake with this crate and with the peers tested, identities of
/// [`MAX_IDENTITY`](crate::MAX_IDENTITY) bytes included.
pub const DEFAULT_BUFFER: usize = 1536;

/// A connection of either role. `N` is the size of the handshake buffer in bytes: all messages of the handshake have to fit.
///
/// After each call, poll for events and for what is to be transmitted, and ask for
/// the next timeout.
#[derive(Debug)]
pub struct Connection<const N: usize = DEFAULT_BUFFER> {
    session: Session,
    handshake: Handshake<N>,
}

/// What is due next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    // client
    ServerHello,
    #[cfg(feature = "_ecc")]
    ServerCertificate,
    ServerKeyExchange,
    #[cfg(feature = "_ecc")]
    CertificateRequest,
    ServerHelloDone,
    // server
    ClientHello,
    #[cfg(feature = "_ecc")]
    ClientCertificate,
    ClientKeyExchange,
    #[cfg(feature = "_ecc")]
    CertificateVerify,
    // both
    ChangeCipherSpec,
    Finished,
    Over,
}

/// What a handler has done with the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    Taken,
    /// The application has not decided: the message stays where it is.
    Waiting,
}

/// What the application gives to every call.
pub(crate) struct Context<'c> {
    pub(crate) now: Instant,
    pub(crate) credentials: &'c mut dyn Credentials,
    pub(crate) rng: &'c mut dyn CryptoRng,
}

/// The memory of a handshake.
pub(crate) struct Handshake<const N: usize> {
    pub(crate) config: Config,
    pub(crate) step: Step,
    pub(crate) messages: Messages<N>,
    pub(crate) next_receive: u16,
    pub(crate) next_send: u16,
    pub(crate) flight: Flight,
    pub(crate) timer: Timer,
    pub(crate) suite: Option<CipherSuite>,
    pub(crate) extended_master_secret: bool,
    pub(crate) master: Master,
    pub(crate) peer: Peer,
    /// Client: our random, and how many HelloVerifyRequests there were.
    pub(crate) random: [u8; RANDOM_LEN],
    pub(crate) hello_verifies: u8,
    /// Client: where the server's hint lies in the buffer.
    pub(crate) hint: Range<usize>,
    /// The server's group.
    #[cfg(feature = "_ecc")]
    pub(crate) group: Option<KeyAgreement>,
    /// Client: where the server's share lies; server: its own key.
    #[cfg(feature = "_ecc")]
    pub(crate) share: Range<usize>,
    #[cfg(feature = "_ecc")]
    pub(crate) ephemeral: Option<EphemeralKey>,
    /// Where the peer's SubjectPublicKeyInfo lies.
    #[cfg(feature = "_ecc")]
    pub(crate) spki: Range<usize>,
    /// Client: where the signature algorithms of the CertificateRequest lie, and whether there was one.
    #[cfg(feature = "_ecc")]
    pub(crate) request: Option<Range<usize>>,
    /// Raw public keys from the client were agreed on (RFC 7250, 4.2).
    #[cfg(feature = "_ecc")]
    pub(crate) raw_client_key: bool,
    /// The application was asked and has not decided.
    waiting: bool,
    /// Records that should have been the peer's Finished did not verify.
    doubted: bool,
}

impl<const N: usize> Connection<N> {
    /// A client; its ClientHello is there to be transmitted.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`] if not even the ClientHello fits `N`; [`Error::NoCommonSuite`] without suites.
    pub fn client(config: &Config, now: Instant, rng: &mut dyn CryptoRng) -> Result<Self, Error> {
        if config.suites.is_empty() {
            return Err(Error::NoCommonSuite);
        }
        let mut connection = Self {
            session: Session::new(Role::Client, 0),
            handshake: Handshake::new(*config, Step::ServerHello, 0, now),
        };
        rng.fill_bytes(&mut connection.handshake.random);
        connection.handshake.write_client_hello(&[], now)?;
        Ok(connection)
    }

    /// A server for a client whose cookie the [`Listener`](crate::Listener) has accepted. Give it the same datagram next.
    #[must_use]
    pub const fn server(config: &Config, accept: Accept, now: Instant) -> Self {
        Self {
            session: Session::new(Role::Server, accept.sequence),
            handshake: Handshake::new(*config, Step::ClientHello, accept.message_seq, now),
        }
    }

    /// Takes a datagram from the peer, decrypts it in place and gives out the data in it.
    ///
    /// What does not verify, was received before or is not due is dropped and counted, and changes nothing else.
    pub fn handle<'d>(
        &mut self,
        now: Instant,
        datagram: &'d mut [u8],
        credentials: &mut dyn Credentials,
        rng: &mut dyn CryptoRng,
    ) -> Received<'d> {
        let Self { session, handshake } = self;
        if handshake.step == Step::Over {
            return session.handle(datagram);
        }
        let mut context = Context {
            now,
            credentials,
            rng,
        };
        let unverified = session.dropped().unverified;
        let received = session.receive(datagram, &mut |session, kind, protected, payload| {
            handshake.handle_record(session, kind, protected, payload, &mut context);
        });
        // RFC 4279, 2: decrypt_error for a wrong key; the handshake goes on, since anyone may have sent that record
        if handshake.step == Step::Finished
            && session.phase == Phase::Handshake
            && session.dropped().unverified != unverified
            && !handshake.doubted
        {
            handshake.doubted = true;
            handshake.timer.hurry();
            session.complain(Error::WrongKey);
        }
        self.tidy();
        received
    }

    /// Asks the application again after [`Decision::Pending`](crate::Decision::Pending).
    pub fn resume(
        &mut self,
        now: Instant,
        credentials: &mut dyn Credentials,
        rng: &mut dyn CryptoRng,
    ) {
        let mut context = Context {
            now,
            credentials,
            rng,
        };
        if self.handshake.waiting && !self.session.is_closed() {
            self.handshake.advance(&mut self.session, &mut context);
            self.tidy();
        }
    }

    /// Whether the application has to decide, and then call [`resume`](Self::resume).
    #[must_use]
    pub const fn is_waiting(&self) -> bool {
        self.handshake.waiting
    }

    /// Writes the next datagram to be sent to the start of `out` and returns its length.
    ///
    /// `out` should have room for [`Config::mtu`] bytes; less makes more and smaller datagrams, less than 128 none.
    pub fn poll_transmit(&mut self, out: &mut [u8]) -> Option<usize> {
        if self.handshake.step != Step::Over {
            match self.handshake.poll_flight(&mut self.session, out) {
                Ok(Some(len)) => return Some(len),
                Ok(None) => {}
                Err(error) => {
                    self.session.fail(error);
                    self.tidy();
                }
            }
        }
        self.session.poll_transmit(out)
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called; never once the handshake is over.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.handshake.timer.due
    }

    /// Repeats the last flight, or gives up (RFC 6347, 4.2.4).
    pub fn handle_timeout(&mut self, now: Instant) {
        let handshake = &mut self.handshake;
        if !handshake.timer.is_due(now) {
            return;
        }
        if handshake.timer.back_off(now) {
            // RFC 6347, 4.1.1.1: perhaps the datagrams are too long for the path
            if handshake.timer.has_repeated_twice() {
                let mtu = &mut handshake.config.mtu;
                *mtu = (*mtu / 2).max(SMALLEST_BACKED_OFF_MTU).min(*mtu);
            }
            handshake.flight.rewind();
        } else if handshake.doubted {
            self.session.end(CloseReason::Failed(Error::WrongKey));
        } else {
            self.session.end(CloseReason::TimedOut);
        }
        self.tidy();
    }

    /// What happened, until `None`.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.session.poll_event()
    }

    /// Protects `data` and writes the datagram to the start of `out`; see [`Session::send`].
    ///
    /// # Errors
    /// As there.
    pub fn send(&mut self, data: &[u8], out: &mut [u8]) -> Result<usize, Error> {
        self.session.send(data, out)
    }

    /// Ends the connection; an alert is transmitted next.
    pub fn close(&mut self) {
        self.session.close();
        self.tidy();
    }

    /// What is known of the connection.
    #[must_use]
    pub const fn session(&self) -> &Session {
        &self.session
    }

    /// Gives up the memory of the handshake once it is over.
    ///
    /// # Errors
    /// The connection as it was, if it is not established.
    #[expect(
        clippy::result_large_err,
        reason = "the connection goes back to its owner"
    )]
    pub fn into_session(self) -> Result<Session, Self> {
        if self.session.is_established() {
            Ok(self.session)
        } else {
            Err(self)
        }
    }

    /// Wipes what belongs to the handshake once there is none.
    fn tidy(&mut self) {
        if self.session.is_closed() || self.session.is_established() {
            self.handshake.finish();
        }
    }

    #[cfg(test)]
    pub(crate) const fn session_mut(&mut self) -> &mut Session {
        &mut self.session
    }

    #[cfg(test)]
    pub(crate) const fn handshake(&self) -> &Handshake<N> {
        &self.handshake
    }
}

impl<const N: usize> Handshake<N> {
    const fn new(config: Config, step: Step, message_seq: u16, now: Instant) -> Self {
        Self {
            timer: Timer::new(config.initial_timeout, config.retransmissions, now),
            config,
            step,
            messages: Messages::new(),
            next_receive: message_seq,
            next_send: message_seq,
            flight: Flight::NONE,
            suite: None,
            extended_master_secret: false,
            master: Secret::full([0; MASTER_LEN]),
            peer: Peer::Anonymous,
            random: [0; RANDOM_LEN],
            hello_verifies: 0,
            hint: 0..0,
            #[cfg(feature = "_ecc")]
            group: None,
            #[cfg(feature = "_ecc")]
            share: 0..0,
            #[cfg(feature = "_ecc")]
            ephemeral: None,
            #[cfg(feature = "_ecc")]
            spki: 0..0,
            #[cfg(feature = "_ecc")]
            request: None,
            #[cfg(feature = "_ecc")]
            raw_client_key: false,
            waiting: false,
            doubted: false,
        }
    }

    fn handle_record(
        &mut self,
        session: &mut Session,
        kind: u8,
        protected: bool,
        payload: &[u8],
        context: &mut Context<'_>,
    ) {
        if self.step == Step::Over {
            return session.handle_late_handshake(kind, protected, payload);
        }
        let dropped = &mut session.records.dropped.invalid;
        match kind {
            // RFC 5246, 7.1: when all that precedes it has come; else it is out of order, and comes again
            CHANGE_CIPHER_SPEC if payload == [1] && self.step == Step::ChangeCipherSpec => {
                session.records.reads_protected = true;
                self.step = Step::Finished;
            }
            HANDSHAKE => {
                let mut reader = Reader::new(payload);
                while !reader.is_empty() && !session.is_closed() {
                    let Ok(fragment) = Fragment::read(&mut reader) else {
                        session.records.dropped.invalid =
                            session.records.dropped.invalid.saturating_add(1);
                        return;
                    };
                    self.handle_fragment(session, protected, &fragment, context);
                }
            }
            _ => *dropped = dropped.saturating_add(1),
        }
    }

    fn handle_fragment(
        &mut self,
        session: &mut Session,
        protected: bool,
        fragment: &Fragment<'_>,
        context: &mut Context<'_>,
    ) {
        // RFC 6347, 4.2.4: the peer repeats its flight, so ours was lost
        if fragment.seq < self.next_receive {
            if self.flight.answers(fragment.seq) && self.timer.may_repeat(context.now) {
                self.flight.rewind();
            }
            return;
        }
        let due = match self.step {
            Step::ChangeCipherSpec | Step::Over => false,
            Step::Finished => protected,
            _ => !protected,
        };
        let added = if due && !self.waiting && fragment.seq == self.next_receive {
            self.messages.add(fragment)
        } else {
            Err(Error::UnexpectedMessage)
        };
        match added {
            Ok(true) => self.advance(session, context),
            Ok(false) => {}
            Err(Error::MessageTooLong) => session.fail(Error::MessageTooLong),
            // RFC 6347, 4.2.2: what comes too early may be discarded
            Err(_) => {
                session.records.dropped.invalid = session.records.dropped.invalid.saturating_add(1);
            }
        }
    }

    /// Handles the message that is complete.
    fn advance(&mut self, session: &mut Session, context: &mut Context<'_>) {
        let progress = match session.role() {
            Role::Client => self.client_message(session, context),
            Role::Server => self.server_message(session, context),
        };
        self.waiting = progress == Ok(Progress::Waiting);
        if let Err(error) = progress {
            session.fail(error);
        }
    }

    /// Counts the received message as handled; returns where its body lies.
    pub(crate) fn take(&mut self) -> Range<usize> {
        self.next_receive = self.next_receive.saturating_add(1);
        self.messages.accept()
    }

    /// Appends a message to be sent.
    pub(crate) fn write(
        &mut self,
        kind: u8,
        body: impl FnOnce(&mut crate::bytes::Writer<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.messages.write(kind, self.next_send, body)?;
        self.next_send = self.next_send.saturating_add(1);
        Ok(())
    }

    /// Has the messages from `start` on sent, now and whenever no answer comes.
    pub(crate) fn start_flight(&mut self, start: usize, now: Instant) {
        let answered = self.next_receive.checked_sub(1);
        self.flight = Flight::new(start, self.messages.len(), answered);
        self.timer.start(
            self.config.initial_timeout,
            self.config.retransmissions,
            now,
        );
    }

    fn poll_flight(
        &mut self,
        session: &mut Session,
        out: &mut [u8],
    ) -> Result<Option<usize>, Error> {
        let limit = out.len().min(self.config.mtu.max(128).into());
        let out = out.get_mut(..limit).ok_or(Error::BufferTooSmall)?;
        self.flight.write(&self.messages, &mut session.records, out)
    }

    /// The randoms, once both hellos are there.
    pub(crate) fn randoms(&self) -> Result<Randoms<'_>, Error> {
        let (_, _, client_hello) = self.messages.message_at(0).ok_or(Error::Decode)?;
        let second = HEADER_LEN + client_hello.len();
        let (_, _, server_hello) = self.messages.message_at(second).ok_or(Error::Decode)?;
        Ok(Randoms {
            client: random_in(client_hello)?,
            server: random_in(server_hello)?,
        })
    }

    /// Derives master secret and keys; all messages up to the ClientKeyExchange are there.
    pub(crate) fn derive(
        &mut self,
        session: &mut Session,
        premaster: &Premaster,
    ) -> Result<(), Error> {
        let suite = self.suite.ok_or(Error::NoCommonSuite)?;
        let hash = self.extended_master_secret.then(|| self.messages.hash());
        let randoms = self.randoms()?;
        let master = keys::master_secret(premaster, hash.as_ref(), randoms);
        let block = keys::key_block(&master, randoms);
        session.records.set_keys(suite.aead(), block);
        session.suite = Some(suite);
        self.master = master;
        Ok(())
    }

    /// Checks the peer's Finished (RFC 5246, 7.4.9) and counts it as handled.
    pub(crate) fn check_finished(&mut self, sender: Role) -> Result<(), Error> {
        let (_, body) = self.messages.incoming().ok_or(Error::Decode)?;
        if body.len() != messages::VERIFY_DATA_LEN {
            return Err(Error::Decode);
        }
        let expected = keys::verify_data(&self.master, sender, &self.messages.hash());
        if !ace_crypto::ct_eq(body, &expected) {
            return Err(Error::Finished);
        }
        self.take();
        Ok(())
    }

    /// Ends the handshake and wipes it.
    pub(crate) fn finish(&mut self) {
        if self.step == Step::Over {
            return;
        }
        self.step = Step::Over;
        self.timer.due = None;
        self.flight = Flight::NONE;
        self.waiting = false;
        self.messages.clear();
        self.master = Secret::full([0; MASTER_LEN]);
        #[cfg(feature = "_ecc")]
        {
            self.ephemeral = None;
        }
    }
}

/// Datagrams are not made shorter than this because of silence; a smaller [`Config::mtu`] stays as it is.
const SMALLEST_BACKED_OFF_MTU: u16 = 256;

fn random_in(hello: &[u8]) -> Result<&[u8; RANDOM_LEN], Error> {
    let mut reader = Reader::new(hello);
    reader.u16()?;
    reader.array()
}

impl<const N: usize> core::fmt::Debug for Handshake<N> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Handshake")
            .field("step", &self.step)
            .field("suite", &self.suite)
            .field("next_receive", &self.next_receive)
            .field("next_send", &self.next_send)
            .finish_non_exhaustive()
    }
}

/// RFC 6347, 4.2.4.1
pub(crate) const LONGEST_TIMEOUT: Duration = Duration::from_secs(60);
