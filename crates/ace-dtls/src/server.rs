//! The server's side of the handshake (RFC 6347, 4.2.4, figure 1).

#[cfg(feature = "_ecc")]
use ace_crypto::{EphemeralKey, KeyAgreement};

use crate::{
    CipherSuite, Config, Credentials, Decision, Error, Peer, Psk, Role, Session,
    bytes::{Reader, numbers},
    config::ConnectionId,
    connection::{Context, Handshake, Progress, Step},
    credentials::MAX_IDENTITY,
    hello::{Answer, ClientHello, RANDOM_LEN},
    keys, messages,
    record::DTLS_1_2,
    session::LastFlight,
    suite::Exchange,
};
#[cfg(feature = "_ecc")]
use crate::{bytes::Writer, certificate::CertificateType, keys::Premaster, signing};

/// What the hello leads to.
struct Choice {
    answer: Answer,
    peer_cid: ConnectionId,
    /// What the client takes, and what it may send to us.
    peer_limit: Option<u16>,
    own_limit: Option<u16>,
    #[cfg(feature = "_ecc")]
    group: Option<KeyAgreement>,
    /// The client may send a Certificate.
    #[cfg(feature = "_ecc")]
    client_certificate: bool,
}

impl Handshake {
    pub(crate) fn server_message(
        &mut self,
        session: &mut Session,
        context: &mut Context<'_>,
    ) -> Result<Progress, Error> {
        let (kind, _) = self.messages.incoming().ok_or(Error::Decode)?;
        match (self.step, kind) {
            (Step::ClientHello, messages::CLIENT_HELLO) => self.client_hello(session, context),
            #[cfg(feature = "_ecc")]
            (Step::ClientCertificate, messages::CERTIFICATE) => {
                self.client_certificate(session, context)
            }
            (Step::ClientKeyExchange, messages::CLIENT_KEY_EXCHANGE) => {
                self.client_key_exchange(session, context)
            }
            #[cfg(feature = "_ecc")]
            (Step::CertificateVerify, messages::CERTIFICATE_VERIFY) => self.certificate_verify(),
            (Step::Finished, messages::FINISHED) => {
                self.check_finished(Role::Client)?;
                let hash = self.messages.hash();
                session.last_flight = Some(LastFlight {
                    message_seq: self.next_send,
                    verify_data: keys::verify_data(&self.master, Role::Server, &hash),
                    due: true,
                });
                session.peer = self.peer;
                session.establish();
                Ok(Progress::Taken)
            }
            _ => Err(Error::UnexpectedMessage),
        }
    }

    /// Takes the hello and sends the flight from ServerHello to ServerHelloDone.
    fn client_hello(
        &mut self,
        session: &mut Session,
        context: &mut Context<'_>,
    ) -> Result<Progress, Error> {
        let (_, body) = self.messages.incoming().ok_or(Error::Decode)?;
        let hello = ClientHello::parse(body)?;
        let choice = choose(&hello, &self.config, context.credentials)?;
        let answer = choice.answer;
        let records = &mut session.records;
        records.peer_limit = choice.peer_limit.unwrap_or(records.peer_limit);
        records.own_limit = choice.own_limit.unwrap_or(records.own_limit);
        if let Some(own) = answer.connection_id {
            records.own_cid = own;
            records.peer_cid = choice.peer_cid;
        }
        self.take();
        self.suite = Some(answer.suite);
        self.extended_master_secret = answer.extended_master_secret;

        let start = self.messages.len();
        let mut random = [0; RANDOM_LEN];
        context.rng.fill_bytes(&mut random);
        self.write(messages::SERVER_HELLO, &|w| answer.write(&random, w))?;
        self.step = match answer.suite.exchange() {
            Exchange::Psk => Step::ClientKeyExchange,
            #[cfg(feature = "_ecc")]
            Exchange::EcdhePsk => {
                self.write_share(choice.group, context)?;
                Step::ClientKeyExchange
            }
            #[cfg(feature = "_ecc")]
            Exchange::EcdheEcdsa => {
                let key = context
                    .credentials
                    .signing_key()
                    .ok_or(Error::NoCredentials)?;
                self.certificate_type = CertificateType::of(context.credentials);
                self.write_certificate(Some(key), context.credentials)?;
                self.write_share(choice.group, context)?;
                if choice.client_certificate {
                    self.write(
                        messages::CERTIFICATE_REQUEST,
                        &signing::write_certificate_request,
                    )?;
                    Step::ClientCertificate
                } else {
                    Step::ClientKeyExchange
                }
            }
        };
        self.write(messages::SERVER_HELLO_DONE, &|_| ())?;
        self.start_flight(start, context.now);
        Ok(Progress::Taken)
    }

    /// ServerKeyExchange with an ephemeral key: signed by ours, or behind an empty hint (RFC 8422, 5.4; RFC 5489, 2).
    #[cfg(feature = "_ecc")]
    fn write_share(
        &mut self,
        group: Option<KeyAgreement>,
        context: &mut Context<'_>,
    ) -> Result<(), Error> {
        let group = group.ok_or(Error::NoCommonSuite)?;
        let key = EphemeralKey::generate(group, context.rng);
        let mut params = [0; 4 + KeyAgreement::MAX_PUBLIC_KEY_LEN];
        let mut writer = Writer::new(&mut params);
        signing::write_share(group, key.public_key().as_bytes(), &mut writer);
        let len = writer.finish()?;
        let params = params.get(..len).unwrap_or(&[]);

        if self.suite.map(CipherSuite::exchange) == Some(Exchange::EcdhePsk) {
            self.write(messages::SERVER_KEY_EXCHANGE, &|w| {
                w.u16(0);
                w.put(params);
            })?;
        } else {
            let own = context
                .credentials
                .signing_key()
                .ok_or(Error::NoCredentials)?;
            let mut signed = [0; signing::MAX_SIGNED_LEN];
            let mut writer = Writer::new(&mut signed);
            let randoms = self.randoms()?;
            signing::sign(own, &[randoms.client, randoms.server, params], &mut writer)?;
            let len = writer.finish()?;
            self.write(messages::SERVER_KEY_EXCHANGE, &|w| {
                w.put(params);
                w.put(signed.get(..len).unwrap_or(&[]));
            })?;
        }
        self.ephemeral = Some(key);
        Ok(())
    }

    #[cfg(feature = "_ecc")]
    fn client_certificate(
        &mut self,
        session: &mut Session,
        context: &mut Context<'_>,
    ) -> Result<Progress, Error> {
        let (_, body) = self.messages.incoming().ok_or(Error::Decode)?;
        // RFC 5246, 7.4.6: an empty list
        if body == [0; 3] {
            if self.config.require_client_key {
                return Err(Error::NoPeerKey);
            }
            self.take();
        } else if self.take_certificate(session, context)? == Progress::Waiting {
            return Ok(Progress::Waiting);
        }
        self.step = Step::ClientKeyExchange;
        Ok(Progress::Taken)
    }

    fn client_key_exchange(
        &mut self,
        session: &mut Session,
        context: &mut Context<'_>,
    ) -> Result<Progress, Error> {
        let (_, body) = self.messages.incoming().ok_or(Error::Decode)?;
        let mut reader = Reader::new(body);
        let exchange = self.suite.ok_or(Error::Decode)?.exchange();
        let premaster = match exchange {
            Exchange::Psk => {
                let identity = reader.vec16()?;
                reader.finish()?;
                let Some(psk) = find_psk(identity, session, context)? else {
                    return Ok(Progress::Waiting);
                };
                self.peer = Peer::Psk(psk.peer);
                keys::psk_premaster(psk.key.as_bytes())?
            }
            #[cfg(feature = "_ecc")]
            Exchange::EcdhePsk => {
                let identity = reader.vec16()?;
                let public = reader.vec8()?;
                reader.finish()?;
                let Some(psk) = find_psk(identity, session, context)? else {
                    return Ok(Progress::Waiting);
                };
                self.peer = Peer::Psk(psk.peer);
                let key = self.ephemeral.take().ok_or(Error::KeyShare)?;
                let shared = key.agree(public).map_err(|_| Error::KeyShare)?;
                keys::mixed_premaster(shared.as_bytes(), psk.key.as_bytes())?
            }
            #[cfg(feature = "_ecc")]
            Exchange::EcdheEcdsa => {
                let public = reader.vec8()?;
                reader.finish()?;
                let key = self.ephemeral.take().ok_or(Error::KeyShare)?;
                // RFC 8422, 5.10 and 5.11
                let shared = key.agree(public).map_err(|_| Error::KeyShare)?;
                Premaster::new(shared.as_bytes()).ok_or(Error::Crypto)?
            }
        };
        self.take();
        self.derive(session, &premaster)?;
        self.step = Step::ChangeCipherSpec;
        #[cfg(feature = "_ecc")]
        if !self.spki.is_empty() {
            self.step = Step::CertificateVerify;
        }
        Ok(Progress::Taken)
    }

    /// RFC 5246, 7.4.8: over all messages before it.
    #[cfg(feature = "_ecc")]
    fn certificate_verify(&mut self) -> Result<Progress, Error> {
        let (_, body) = self.messages.incoming().ok_or(Error::Decode)?;
        let key = self.peer_key()?;
        signing::verify(&key, &[self.messages.all()], Reader::new(body))?;
        self.take();
        self.step = Step::ChangeCipherSpec;
        Ok(Progress::Taken)
    }
}

/// The key for an identity; `None` if the application does not know yet.
fn find_psk(
    identity: &[u8],
    session: &mut Session,
    context: &mut Context<'_>,
) -> Result<Option<Psk>, Error> {
    if identity.len() > MAX_IDENTITY {
        return Err(Error::IdentityTooLong);
    }
    match context.credentials.find_psk(identity) {
        Decision::Accept(psk) => Ok(Some(psk)),
        // RFC 4279, 2
        Decision::Refuse => Err(Error::UnknownIdentity),
        Decision::RefuseWith(alert) => {
            session.refusal = Some(alert);
            Err(Error::UnknownIdentity)
        }
        Decision::Pending => Ok(None),
    }
}

/// Picks suite, group and extensions (RFC 5246, 7.4.1.3 and 7.4.1.4).
fn choose(
    hello: &ClientHello<'_>,
    config: &Config,
    credentials: &dyn Credentials,
) -> Result<Choice, Error> {
    // RFC 6347, 4.1: newer versions have smaller numbers
    if hello.version > DTLS_1_2 {
        return Err(Error::ProtocolVersion);
    }
    let offer = &hello.extensions;
    // RFC 7627, 5.3
    if config.require_extended_master_secret && !offer.extended_master_secret {
        return Err(Error::NoExtendedMasterSecret);
    }
    let mut refusal = Error::NoCommonSuite;
    let mut chosen = None;
    for &suite in config.suites {
        if numbers(hello.suites).all(|number| number != suite.number()) {
            continue;
        }
        match fits(suite, hello, config, credentials) {
            Ok(group) => {
                chosen = Some((suite, group));
                break;
            }
            Err(error) => refusal = error,
        }
    }
    let Some((suite, group)) = chosen else {
        return Err(refusal);
    };
    let _ = group;
    let exchange = suite.exchange();
    let ecdhe = exchange != Exchange::Psk;
    #[cfg(feature = "_ecc")]
    let certificates =
        Some(CertificateType::of(credentials)).filter(|_| exchange == Exchange::EcdheEcdsa);
    #[cfg(feature = "_ecc")]
    let client_certificate =
        certificates.is_some_and(|kind| kind.is_in(offer.client_certificate_types));
    // RFC 8449, 5: max_fragment_length counts only without record_size_limit
    let ours = config.own_record_size();
    let sizes = ours.zip(offer.record_size_limit);
    let fragment = offer.max_fragment_length.filter(|_| sizes.is_none());
    let fragment_bytes = fragment.map(|length| length.bytes());
    // RFC 9146, 3; without an answer none is used in either direction
    let peer_cid = offer.connection_id.and_then(ConnectionId::new);
    Ok(Choice {
        answer: Answer {
            suite,
            extended_master_secret: offer.extended_master_secret,
            renegotiation_info: offer.renegotiation_info,
            point_formats: ecdhe && offer.point_formats,
            // RFC 7250, 4.2: only to those who asked
            #[cfg(feature = "_ecc")]
            client_certificate_type: certificates
                .filter(|_| client_certificate && offer.client_certificate_types.is_some()),
            #[cfg(feature = "_ecc")]
            server_certificate_type: certificates
                .filter(|_| offer.server_certificate_types.is_some()),
            record_size_limit: sizes.map(|(ours, _)| ours),
            max_fragment_length: fragment,
            connection_id: peer_cid.and(config.connection_id),
        },
        peer_cid: peer_cid.unwrap_or_default(),
        peer_limit: sizes.map(|(_, theirs)| theirs).or(fragment_bytes),
        own_limit: sizes.map(|(ours, _)| ours).or(fragment_bytes),
        #[cfg(feature = "_ecc")]
        group,
        #[cfg(feature = "_ecc")]
        client_certificate,
    })
}

#[cfg(feature = "_ecc")]
type Group = Option<KeyAgreement>;
#[cfg(not(feature = "_ecc"))]
type Group = Option<core::convert::Infallible>;

#[cfg(not(feature = "_ecc"))]
fn fits(
    _: CipherSuite,
    _: &ClientHello<'_>,
    _: &Config,
    _: &dyn Credentials,
) -> Result<Group, Error> {
    Ok(None)
}

/// Whether all that a suite needs is in common with the client; and the group.
#[cfg(feature = "_ecc")]
fn fits(
    suite: CipherSuite,
    hello: &ClientHello<'_>,
    config: &Config,
    credentials: &dyn Credentials,
) -> Result<Group, Error> {
    let offer = &hello.extensions;
    let exchange = suite.exchange();
    if exchange == Exchange::Psk {
        return Ok(None);
    }
    // RFC 8422, 4: a client that lists none leaves the choice to us
    let group = config.groups.iter().copied().find(|group| {
        offer
            .groups
            .is_none_or(|list| numbers(list).any(|number| number == group.named_group()))
    });
    let group = group.ok_or(Error::NoCommonSuite)?;
    if exchange == Exchange::EcdheEcdsa {
        let key = credentials.signing_key().ok_or(Error::NoCommonSuite)?;
        let algorithm = key.algorithm();
        // RFC 5246, 7.4.1.4.1: without the extension it would be SHA-1
        let signs = offer
            .signature_algorithms
            .is_some_and(|list| signing::offers(list, algorithm));
        let curve = offer
            .groups
            .is_none_or(|groups| signing::curve_fits(groups, algorithm));
        if !signs || !curve {
            return Err(Error::NoCommonSuite);
        }
        // RFC 7250, 4.2
        let kind = CertificateType::of(credentials);
        let client = kind.is_in(offer.client_certificate_types);
        if !kind.is_in(offer.server_certificate_types) || (config.require_client_key && !client) {
            return Err(Error::CertificateType);
        }
        if !kind.has_own(credentials) {
            return Err(Error::NoCommonSuite);
        }
    }
    Ok(Some(group))
}
