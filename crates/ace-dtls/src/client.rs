//! The client's side of the handshake (RFC 6347, 4.2.4, figure 1).

#[cfg(feature = "_ecc")]
use ace_crypto::EphemeralKey;

use crate::{
    CipherSuite, Error, Instant, Peer, Role, Session,
    bytes::Reader,
    config::ConnectionId,
    connection::{Context, Handshake, Progress, Step},
    credentials::{MAX_IDENTITY, OwnPsk},
    hello::{self, Offer, ServerHello},
    keys,
    messages::{self, HEADER_LEN, Span},
    record::DTLS_1_2,
    suite::Exchange,
};
#[cfg(feature = "_ecc")]
use crate::{
    bytes::Writer,
    keys::Premaster,
    signing::{self, Share},
};

/// How often a server may ask for a cookie before it is not believed any more.
const MAX_HELLO_VERIFIES: u8 = 3;

impl Handshake {
    /// The ClientHello is the only message in the buffer and the whole flight.
    pub(crate) fn write_client_hello(&mut self, cookie: &[u8], now: Instant) -> Result<(), Error> {
        self.messages.clear();
        let offer = Offer {
            config: &self.config,
            random: &self.random,
            cookie,
            offers: self.offers,
        };
        if !offer.is_possible() {
            return Err(Error::NoCredentials);
        }
        let seq = self.next_send;
        self.messages
            .write(messages::CLIENT_HELLO, seq, &|w| offer.write(w))?;
        self.next_send = seq.saturating_add(1);
        self.start_flight(0, now);
        Ok(())
    }

    pub(crate) fn client_message(
        &mut self,
        session: &mut Session,
        context: &mut Context<'_>,
    ) -> Result<Progress, Error> {
        let (kind, body) = self.messages.incoming().ok_or(Error::Decode)?;
        match (self.step, kind) {
            (Step::ServerHello, messages::HELLO_VERIFY_REQUEST) => {
                self.hello_verify_request(context)
            }
            (Step::ServerHello, messages::SERVER_HELLO) => self.server_hello(session),
            #[cfg(feature = "_ecc")]
            (Step::ServerCertificate, messages::CERTIFICATE) => {
                self.server_certificate(session, context)
            }
            (Step::ServerKeyExchange, messages::SERVER_KEY_EXCHANGE) => self.server_key_exchange(),
            #[cfg(feature = "_ecc")]
            (Step::CertificateRequest, messages::CERTIFICATE_REQUEST) => self.certificate_request(),
            (step, messages::SERVER_HELLO_DONE) if self.may_be_done(step) => {
                // RFC 5246, 7.4.5
                if !body.is_empty() {
                    return Err(Error::Decode);
                }
                self.take();
                self.answer(session, context)
            }
            (Step::Finished, messages::FINISHED) => {
                self.check_finished(Role::Server)?;
                session.peer = self.peer;
                session.establish();
                Ok(Progress::Taken)
            }
            _ => Err(Error::UnexpectedMessage),
        }
    }

    /// Whether ServerHelloDone may come now.
    fn may_be_done(&self, step: Step) -> bool {
        match step {
            Step::ServerHelloDone => true,
            #[cfg(feature = "_ecc")]
            Step::CertificateRequest => true,
            // RFC 4279, 2: no ServerKeyExchange without a hint
            Step::ServerKeyExchange => self.suite.map(CipherSuite::exchange) == Some(Exchange::Psk),
            _ => false,
        }
    }

    /// RFC 6347, 4.2.1: the same ClientHello again, with the cookie.
    // Apart, so that its copy of the cookie is not on the stack of the others.
    #[inline(never)]
    fn hello_verify_request(&mut self, context: &mut Context<'_>) -> Result<Progress, Error> {
        let (_, body) = self.messages.incoming().ok_or(Error::Decode)?;
        let cookie = hello::parse_hello_verify_request(body)?;
        let mut copy = [0; u8::MAX as usize];
        let copy = copy.get_mut(..cookie.len()).ok_or(Error::Decode)?;
        copy.copy_from_slice(cookie);
        self.hello_verifies += 1;
        if self.hello_verifies > MAX_HELLO_VERIFIES {
            return Err(Error::UnexpectedMessage);
        }
        self.take();
        self.write_client_hello(copy, context.now)?;
        Ok(Progress::Taken)
    }

    fn server_hello(&mut self, session: &mut Session) -> Result<Progress, Error> {
        let (_, body) = self.messages.incoming().ok_or(Error::Decode)?;
        let hello = ServerHello::parse(body)?;
        let offer = Offer {
            config: &self.config,
            random: &self.random,
            cookie: &[],
            offers: self.offers,
        };
        if hello.version != DTLS_1_2 {
            return Err(Error::ProtocolVersion);
        }
        let suite = CipherSuite::from_number(hello.suite)
            .filter(|suite| offer.has(*suite))
            .ok_or(Error::SuiteNotOffered)?;
        let answer = hello.extensions;
        answer.check(offer.kinds())?;
        // RFC 7627, 5.2
        if self.config.require_extended_master_secret && !answer.extended_master_secret {
            return Err(Error::NoExtendedMasterSecret);
        }
        let records = &mut session.records;
        match (answer.record_size_limit, answer.max_fragment_length) {
            // RFC 8449, 5
            (Some(_), Some(_)) => return Err(Error::ExtensionValue),
            (Some(limit), None) => {
                records.peer_limit = limit;
                records.own_limit = self.config.own_record_size().unwrap_or(records.own_limit);
            }
            // RFC 6066, 4
            (None, Some(length)) => {
                if self.config.max_fragment_length != Some(length) {
                    return Err(Error::ExtensionValue);
                }
                records.peer_limit = length.bytes();
                records.own_limit = length.bytes();
            }
            (None, None) => {}
        }
        // RFC 9146, 3
        if let (Some(theirs), Some(ours)) = (answer.connection_id, self.config.connection_id) {
            records.peer_cid = ConnectionId::new(theirs).ok_or(Error::ConnectionIdTooLong)?;
            records.own_cid = ours;
        }
        self.step = match suite.exchange() {
            Exchange::Psk => Step::ServerKeyExchange,
            #[cfg(feature = "_ecc")]
            Exchange::EcdhePsk => Step::ServerKeyExchange,
            #[cfg(feature = "_ecc")]
            Exchange::EcdheEcdsa => {
                let ours = self.offers.certificates;
                // RFC 7250, 4.2: without the answer it is X.509, and a raw client key not wanted
                if !ours.is_in(answer.server_certificate_types) {
                    return Err(Error::CertificateType);
                }
                self.client_certificate = ours.is_in(answer.client_certificate_types);
                if !self.client_certificate && answer.client_certificate_types.is_some() {
                    return Err(Error::CertificateType);
                }
                self.certificate_type = ours;
                Step::ServerCertificate
            }
        };
        self.suite = Some(suite);
        self.extended_master_secret = answer.extended_master_secret;
        self.take();
        Ok(Progress::Taken)
    }

    #[cfg(feature = "_ecc")]
    fn server_certificate(
        &mut self,
        session: &mut Session,
        context: &mut Context<'_>,
    ) -> Result<Progress, Error> {
        let progress = self.take_certificate(session, context)?;
        if progress == Progress::Taken {
            self.step = Step::ServerKeyExchange;
        }
        Ok(progress)
    }

    fn server_key_exchange(&mut self) -> Result<Progress, Error> {
        let (_, body) = self.messages.incoming().ok_or(Error::Decode)?;
        let mut reader = Reader::new(body);
        let start = self.messages.len() + HEADER_LEN;
        let exchange = self.suite.ok_or(Error::Decode)?.exchange();
        self.step = match exchange {
            // RFC 4279, 2
            Exchange::Psk => {
                let hint = reader.vec16()?.len();
                reader.finish()?;
                self.hint = Span::new(start + 2, hint);
                Step::ServerHelloDone
            }
            // RFC 5489, 2
            #[cfg(feature = "_ecc")]
            Exchange::EcdhePsk => {
                let hint = reader.vec16()?.len();
                let share = Share::read(&mut reader, self.config.groups)?;
                reader.finish()?;
                let (group, len) = (share.group, share.params.len());
                let behind = start + 2 + hint;
                self.hint = Span::new(start + 2, hint);
                self.group = Some(group);
                self.share = Span::new(behind + 4, len - 4);
                Step::ServerHelloDone
            }
            // RFC 8422, 5.4: signed over the randoms and the parameters
            #[cfg(feature = "_ecc")]
            Exchange::EcdheEcdsa => {
                let share = Share::read(&mut reader, self.config.groups)?;
                let key = self.peer_key()?;
                let randoms = self.randoms()?;
                signing::verify(
                    &key,
                    &[randoms.client, randoms.server, share.params],
                    reader,
                )?;
                let (group, len) = (share.group, share.params.len());
                self.group = Some(group);
                self.share = Span::new(start + 4, len - 4);
                Step::CertificateRequest
            }
        };
        self.take();
        Ok(Progress::Taken)
    }

    #[cfg(feature = "_ecc")]
    fn certificate_request(&mut self) -> Result<Progress, Error> {
        let (_, body) = self.messages.incoming().ok_or(Error::Decode)?;
        let types = usize::from(Reader::new(body).u8()?);
        let algorithms = signing::parse_certificate_request(body)?.len();
        let body = self.take();
        self.request = Some(body.skip(1 + types + 2).first(algorithms));
        self.step = Step::ServerHelloDone;
        Ok(Progress::Taken)
    }

    /// Our second flight: Certificate, ClientKeyExchange, CertificateVerify, Finished.
    fn answer(
        &mut self,
        session: &mut Session,
        context: &mut Context<'_>,
    ) -> Result<Progress, Error> {
        let start = self.messages.len();
        #[cfg(feature = "_ecc")]
        let signs = self.write_own_certificate(context)?;
        let premaster = match self.suite.ok_or(Error::Decode)?.exchange() {
            Exchange::Psk => {
                let psk = self.own_psk(context)?;
                self.peer = Peer::Psk(0);
                self.write(messages::CLIENT_KEY_EXCHANGE, &|w| {
                    w.vec(2, |w| w.put(psk.identity))
                })?;
                keys::psk_premaster(psk.key)?
            }
            #[cfg(feature = "_ecc")]
            Exchange::EcdhePsk => {
                let (public, shared) = self.agree(context)?;
                let psk = self.own_psk(context)?;
                self.peer = Peer::Psk(0);
                self.write(messages::CLIENT_KEY_EXCHANGE, &|w| {
                    w.vec(2, |w| w.put(psk.identity));
                    w.vec(1, |w| w.put(public.as_bytes()))
                })?;
                keys::mixed_premaster(shared.as_bytes(), psk.key)?
            }
            #[cfg(feature = "_ecc")]
            Exchange::EcdheEcdsa => {
                let (public, shared) = self.agree(context)?;
                self.write(messages::CLIENT_KEY_EXCHANGE, &|w| {
                    w.vec(1, |w| w.put(public.as_bytes()))
                })?;
                Premaster::new(shared.as_bytes()).ok_or(Error::Crypto)?
            }
        };
        self.derive(session, &premaster)?;
        #[cfg(feature = "_ecc")]
        if signs {
            self.write_certificate_verify(context)?;
        }
        let verify_data = keys::verify_data(&self.master, Role::Client, &self.messages.hash());
        self.write(messages::FINISHED, &|w| w.put(&verify_data))?;
        self.start_flight(start, context.now);
        self.step = Step::ChangeCipherSpec;
        Ok(Progress::Taken)
    }

    fn own_psk<'c>(&self, context: &'c Context<'_>) -> Result<OwnPsk<'c>, Error> {
        let hint = self.messages.get(self.hint);
        let psk = context
            .credentials
            .own_psk(hint)
            .ok_or(Error::NoCredentials)?;
        if psk.identity.len() > MAX_IDENTITY {
            return Err(Error::IdentityTooLong);
        }
        Ok(psk)
    }

    /// Our public key and the secret agreed on with the server.
    #[cfg(feature = "_ecc")]
    fn agree(
        &self,
        context: &mut Context<'_>,
    ) -> Result<(ace_crypto::KeyShare, ace_crypto::Secret<32>), Error> {
        let key = EphemeralKey::generate(self.group.ok_or(Error::KeyShare)?, context.rng);
        let public = key.public_key();
        // RFC 8422, 5.10 and 5.11
        let shared = key
            .agree(self.messages.get(self.share))
            .map_err(|_| Error::KeyShare)?;
        Ok((public, shared))
    }

    /// Writes the Certificate if the server asked for one; true if there is a key in it.
    // RFC 5246, 7.4.6: an empty one if we have none that fits
    #[cfg(feature = "_ecc")]
    fn write_own_certificate(&mut self, context: &Context<'_>) -> Result<bool, Error> {
        let Some(request) = self.request else {
            return Ok(false);
        };
        let key = context.credentials.signing_key().filter(|key| {
            self.client_certificate
                && self.certificate_type.has_own(context.credentials)
                && signing::offers(self.messages.get(request), key.algorithm())
        });
        self.write_certificate(key, context.credentials)?;
        Ok(key.is_some())
    }

    /// RFC 5246, 7.4.8: over all messages so far.
    #[cfg(feature = "_ecc")]
    fn write_certificate_verify(&mut self, context: &Context<'_>) -> Result<(), Error> {
        let key = context
            .credentials
            .signing_key()
            .ok_or(Error::NoCredentials)?;
        let mut signed = [0; signing::MAX_SIGNED_LEN];
        let mut writer = Writer::new(&mut signed);
        signing::sign(key, &[self.messages.all()], &mut writer)?;
        let len = writer.finish()?;
        self.write(messages::CERTIFICATE_VERIFY, &|w| {
            w.put(signed.get(..len).unwrap_or(&[]))
        })
    }
}
