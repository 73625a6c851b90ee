//! A connection from its first flight on: what client and server have in common.

use ace_crypto::{CryptoRng, Secret};
#[cfg(feature = "_ecc")]
use ace_crypto::{EphemeralKey, KeyAgreement};

#[cfg(feature = "_ecc")]
use crate::certificate::CertificateType;
use crate::{
    Accept, CipherSuite, CloseReason, Config, Credentials, Error, Event, Instant, Peer, Received,
    Role, Session,
    bytes::Reader,
    flight::{Flight, Timer},
    hello::{Offers, RANDOM_LEN},
    keys::{self, MASTER_LEN, Master, Premaster, Randoms},
    messages::{self, Fragment, HEADER_LEN, Messages, Span},
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
///
/// [`client`](Self::client) and [`server`](Self::server) make one. A device keeps one in place instead, [`unused`](Self::unused) at first, and
/// begins each connection in it: nothing of that size is moved then.
#[derive(Debug)]
pub struct Connection<const N: usize = DEFAULT_BUFFER> {
    session: Session,
    handshake: Handshake<[u8; N]>,
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

/// Takes the message that is complete: as a client or as a server, so that a program that is one of them has no code of the other.
pub(crate) type OnMessage =
    fn(&mut Handshake, &mut Session, &mut Context<'_>) -> Result<Progress, Error>;

/// The memory of a handshake. There is one copy of its code, for a buffer of any size.
pub(crate) struct Handshake<B: ?Sized = [u8]> {
    pub(crate) config: Config,
    pub(crate) step: Step,
    on_message: OnMessage,
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
    /// Client: the exchanges there are credentials for.
    pub(crate) offers: Offers,
    /// Client: where the server's hint lies in the buffer.
    pub(crate) hint: Span,
    /// The server's group.
    #[cfg(feature = "_ecc")]
    pub(crate) group: Option<KeyAgreement>,
    /// Client: where the server's share lies; server: its own key.
    #[cfg(feature = "_ecc")]
    pub(crate) share: Span,
    #[cfg(feature = "_ecc")]
    pub(crate) ephemeral: Option<EphemeralKey>,
    /// Where the peer's SubjectPublicKeyInfo lies.
    #[cfg(feature = "_ecc")]
    pub(crate) spki: Span,
    /// Client: where the signature algorithms of the CertificateRequest lie, and whether there was one.
    #[cfg(feature = "_ecc")]
    pub(crate) request: Option<Span>,
    #[cfg(feature = "_ecc")]
    pub(crate) certificate_type: CertificateType,
    /// The client may send a Certificate of that type (RFC 7250, 4.2).
    #[cfg(feature = "_ecc")]
    pub(crate) client_certificate: bool,
    /// The application was asked and has not decided.
    waiting: bool,
    /// Records that should have been the peer's Finished did not verify; and the application is to be told.
    doubted: bool,
    tell_doubt: bool,
    pub(crate) messages: Messages<B>,
}

impl<const N: usize> Connection<N> {
    /// One that is over, to begin others in.
    #[must_use]
    pub const fn unused() -> Self {
        Self {
            session: Session::over(),
            handshake: Handshake::new(),
        }
    }

    /// A client; its ClientHello is there to be transmitted.
    ///
    /// It offers those of [`Config::suites`] that there are credentials for: with a PSK if [`own_psk`](Credentials::own_psk) gives one for an empty
    /// hint; with keys if there is a [`signing_key`](Credentials::signing_key), or no PSK.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`] if not even the ClientHello fits `N`; [`Error::NoCredentials`] if there are none for any of the suites.
    pub fn client(
        config: &Config,
        now: Instant,
        credentials: &dyn Credentials,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, Error> {
        let mut connection = Self::unused();
        connection.begin_client(config, now, credentials, rng)?;
        Ok(connection)
    }

    /// Begins as [`client`](Self::client) in the place of a connection that is over or given up.
    ///
    /// # Errors
    /// As there; the connection is over then.
    pub fn begin_client(
        &mut self,
        config: &Config,
        now: Instant,
        credentials: &dyn Credentials,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), Error> {
        let (session, handshake) = self.parts();
        handshake.begin_client(session, config, now, credentials, rng)
    }

    /// A server for a client whose cookie the [`Listener`](crate::Listener) has accepted. Give it the same datagram next.
    #[must_use]
    pub fn server(config: &Config, accept: Accept, now: Instant) -> Self {
        let mut connection = Self::unused();
        connection.begin_server(config, accept, now);
        connection
    }

    /// Begins as [`server`](Self::server) in the place of a connection that is over or given up.
    pub fn begin_server(&mut self, config: &Config, accept: Accept, now: Instant) {
        let (session, handshake) = self.parts();
        *session = Session::new(Role::Server, accept.sequence);
        let step = Step::ClientHello;
        handshake.begin(
            config,
            step,
            Handshake::server_message,
            accept.message_seq,
            now,
        );
    }

    /// Both parts, the second without the size of its buffer.
    fn parts(&mut self) -> (&mut Session, &mut Handshake) {
        (&mut self.session, &mut self.handshake)
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
        let (session, handshake) = self.parts();
        let mut context = Context {
            now,
            credentials,
            rng,
        };
        handshake.handle(session, datagram, &mut context)
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
        let (session, handshake) = self.parts();
        if handshake.waiting && !session.is_closed() {
            handshake.advance(session, &mut context);
            handshake.tidy(session);
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
        let (session, handshake) = self.parts();
        handshake.poll_transmit(session, out)
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called; never once the handshake is over.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.handshake.timer.due
    }

    /// Repeats the last flight, or gives up (RFC 6347, 4.2.4).
    pub fn handle_timeout(&mut self, now: Instant) {
        let (session, handshake) = self.parts();
        handshake.handle_timeout(session, now);
    }

    /// What happened, until `None`.
    pub fn poll_event(&mut self) -> Option<Event> {
        if core::mem::take(&mut self.handshake.tell_doubt) {
            return Some(Event::Doubted);
        }
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
        let (session, handshake) = self.parts();
        session.close();
        handshake.tidy(session);
    }

    /// What is known of the connection.
    #[must_use]
    pub const fn session(&self) -> &Session {
        &self.session
    }

    /// Whom the peer claims to be: what the application said to its identity or key. Nothing is proved before the handshake is done.
    #[must_use]
    pub const fn claimed(&self) -> Peer {
        self.handshake.peer
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

    /// The session, if it is established; the connection is over then, and another one may begin in its place.
    pub fn take_session(&mut self) -> Option<Session> {
        self.session
            .is_established()
            .then(|| core::mem::replace(&mut self.session, Session::over()))
    }

    #[cfg(test)]
    pub(crate) const fn session_mut(&mut self) -> &mut Session {
        &mut self.session
    }

    #[cfg(test)]
    pub(crate) fn handshake(&mut self) -> &Handshake {
        &self.handshake
    }
}

impl<const N: usize> Handshake<[u8; N]> {
    /// None under way.
    const fn new() -> Self {
        Self {
            timer: Timer::STOPPED,
            config: Config::DEFAULT,
            step: Step::Over,
            on_message: |_, _, _| Err(Error::UnexpectedMessage),
            next_receive: 0,
            next_send: 0,
            flight: Flight::NONE,
            suite: None,
            extended_master_secret: false,
            master: Secret::full([0; MASTER_LEN]),
            peer: Peer::Anonymous,
            random: [0; RANDOM_LEN],
            hello_verifies: 0,
            offers: Offers::NONE,
            hint: Span::EMPTY,
            #[cfg(feature = "_ecc")]
            group: None,
            #[cfg(feature = "_ecc")]
            share: Span::EMPTY,
            #[cfg(feature = "_ecc")]
            ephemeral: None,
            #[cfg(feature = "_ecc")]
            spki: Span::EMPTY,
            #[cfg(feature = "_ecc")]
            request: None,
            #[cfg(feature = "_ecc")]
            certificate_type: CertificateType::RawPublicKey,
            #[cfg(feature = "_ecc")]
            client_certificate: false,
            waiting: false,
            doubted: false,
            tell_doubt: false,
            messages: Messages::new(),
        }
    }
}

impl Handshake {
    fn begin_client(
        &mut self,
        session: &mut Session,
        config: &Config,
        now: Instant,
        credentials: &dyn Credentials,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), Error> {
        *session = Session::new(Role::Client, 0);
        self.begin(config, Step::ServerHello, Self::client_message, 0, now);
        self.offers = Offers::of(credentials);
        rng.fill_bytes(&mut self.random);
        let written = self.write_client_hello(&[], now);
        if written.is_err() {
            *session = Session::over();
            self.finish();
        }
        written
    }

    /// Begins anew, whatever was before.
    fn begin(
        &mut self,
        config: &Config,
        step: Step,
        on_message: OnMessage,
        message_seq: u16,
        now: Instant,
    ) {
        self.finish();
        self.config = *config;
        self.step = step;
        self.on_message = on_message;
        self.next_receive = message_seq;
        self.next_send = message_seq;
        self.timer = Timer::new(config.initial_timeout, config.retransmissions, now);
        self.suite = None;
        self.peer = Peer::Anonymous;
        self.hello_verifies = 0;
        self.hint = Span::EMPTY;
        #[cfg(feature = "_ecc")]
        {
            self.group = None;
            self.share = Span::EMPTY;
            self.spki = Span::EMPTY;
            self.request = None;
            self.client_certificate = false;
        }
        self.doubted = false;
        self.tell_doubt = false;
    }

    fn handle<'d>(
        &mut self,
        session: &mut Session,
        datagram: &'d mut [u8],
        context: &mut Context<'_>,
    ) -> Received<'d> {
        if self.step == Step::Over {
            return session.handle(datagram);
        }
        let unverified = session.dropped().unverified;
        let received = session.receive(datagram, &mut |session, kind, protected, payload| {
            self.handle_record(session, kind, protected, payload, context);
        });
        // RFC 4279, 2: decrypt_error for a wrong key; the handshake goes on, since anyone may have sent that record
        if self.step == Step::Finished
            && session.phase == Phase::Handshake
            && session.dropped().unverified != unverified
            && !self.doubted
        {
            self.doubted = true;
            self.tell_doubt = true;
            session.complain(Error::WrongKey);
        }
        self.tidy(session);
        received
    }

    fn poll_transmit(&mut self, session: &mut Session, out: &mut [u8]) -> Option<usize> {
        if self.step != Step::Over {
            match self.poll_flight(session, out) {
                Ok(Some(len)) => return Some(len),
                Ok(None) => {}
                Err(error) => {
                    session.fail(error);
                    self.tidy(session);
                }
            }
        }
        session.poll_transmit(out)
    }

    fn handle_timeout(&mut self, session: &mut Session, now: Instant) {
        if !self.timer.is_due(now) {
            return;
        }
        if self.timer.back_off(now) {
            // RFC 6347, 4.1.1.1: perhaps the datagrams are too long for the path
            if self.timer.has_repeated_twice() {
                let mtu = &mut self.config.mtu;
                *mtu = (*mtu / 2).max(SMALLEST_BACKED_OFF_MTU).min(*mtu);
            }
            self.flight.rewind();
        } else if self.doubted {
            session.end(CloseReason::Failed(Error::WrongKey));
        } else {
            session.end(CloseReason::TimedOut);
        }
        self.tidy(session);
    }

    /// Wipes what belongs to the handshake once there is none.
    fn tidy(&mut self, session: &Session) {
        if session.is_closed() || session.is_established() {
            self.finish();
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
        let progress = (self.on_message)(self, session, context);
        self.waiting = progress == Ok(Progress::Waiting);
        if let Err(error) = progress {
            session.fail(error);
        }
    }

    /// Counts the received message as handled; returns where its body lies.
    pub(crate) fn take(&mut self) -> Span {
        self.next_receive = self.next_receive.saturating_add(1);
        self.messages.accept()
    }

    /// Appends a message to be sent.
    pub(crate) fn write(
        &mut self,
        kind: u8,
        body: &dyn Fn(&mut crate::bytes::Writer<'_>),
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

impl<B: ?Sized> core::fmt::Debug for Handshake<B> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Handshake")
            .field("step", &self.step)
            .field("suite", &self.suite)
            .field("next_receive", &self.next_receive)
            .field("next_send", &self.next_send)
            .finish_non_exhaustive()
    }
}
