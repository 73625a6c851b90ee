//! An authorization server that grants everything.

use std::hash::Hash;

use ace_coap::{Endpoint, Incoming, Instant, OutMessage, Slot, Transmission};
use ace_crypto::{Aead, Hkdf};
use ace_oscore::{OscoreOption, Parameters, SEQUENCE_LIMIT, SecurityContext, Unprotected};
use ace_testkit::{Node, SeededRandom};
use ace_token::issue::{
    Claims, Cnf, Issuer, IssuingKey, OscoreInputMaterial as Material, Scope as OwnedScope,
};
use ace_wire::ace::{AccessInformation, Confirmation, OscoreInputMaterial, Scope, TokenRequest};
use ace_wire::aif::{Aif, MethodSet};
use ace_wire::coap::{Code, Message, Token, Type, content_format::ACE_CBOR, option};

/// The wall clock when the network's clock stands at 0.
pub const EPOCH: u64 = 1_700_000_000;
/// Key of all tokens.
pub const TOKEN_KEY: [u8; 16] = [0x4b; 16];
/// Lifetime of tokens in seconds.
pub const LIFETIME: u64 = 3_600;

/// The context of client and authorization server, from the client's side.
pub const CONTEXT: Parameters<'static> = Parameters {
    master_secret: &[0x11; 16],
    master_salt: &[],
    sender_id: b"c1",
    recipient_id: b"as",
    id_context: None,
    aead: Aead::AesCcm16_64_128,
    hkdf: Hkdf::Sha256,
};

pub struct AuthorizationServer<P = u16> {
    endpoint: Endpoint<P, Vec<Slot<P>>>,
    context: SecurityContext,
    rng: SeededRandom,
    /// Tokens issued so far.
    pub issued: u64,
    /// Whether tokens end by `exi` instead of `exp`.
    pub counts: bool,
}

impl<P: Copy + Eq + Hash> AuthorizationServer<P> {
    pub fn new(seed: u64) -> Self {
        let mut rng = SeededRandom::new(seed);
        let mut context = SecurityContext::derive(&Parameters {
            sender_id: CONTEXT.recipient_id,
            recipient_id: CONTEXT.sender_id,
            ..CONTEXT
        })
        .unwrap();
        context.reserve_up_to(SEQUENCE_LIMIT);
        let slots = (0..16).map(|_| Slot::new()).collect();
        let endpoint = Endpoint::new(slots, Transmission::DEFAULT, &mut rng);
        Self {
            endpoint,
            context,
            rng,
            issued: 0,
            counts: false,
        }
    }

    fn grant(&mut self, now: u64, body: &[u8], out: &mut [u8]) -> usize {
        let request = TokenRequest::parse(body).unwrap();
        let mut scope = [0; 32];
        let length = Aif::encode([("/temp", MethodSet::GET)].iter().copied(), &mut scope).unwrap();
        let scope = &scope[..length];
        self.issued += 1;
        let number = self.issued.to_be_bytes();
        let mut ms = [0x5a; 16];
        ms[..8].copy_from_slice(&number);
        let claims = Claims {
            aud: vec![request.audience.unwrap().into()],
            exp: (!self.counts).then_some(EPOCH + now / 1000 + LIFETIME),
            exi: self.counts.then_some(LIFETIME),
            cti: Some([b"thermo", &number[..]].concat()),
            sub: Some("c1".into()),
            scope: Some(OwnedScope::Bytes(scope.to_vec())),
            cnf: Some(Cnf::Osc(Material {
                id: number.to_vec(),
                version: None,
                ms: ms.to_vec().into(),
                hkdf: None,
                alg: None,
                salt: None,
                context_id: None,
            })),
            ..Claims::default()
        };
        let issuer = Issuer {
            kid: None,
            key: IssuingKey::Aead(Aead::AesCcm16_64_128, &TOKEN_KEY),
        };
        let token = issuer.issue(&claims, &mut self.rng).unwrap();
        let material = OscoreInputMaterial {
            id: Some(&number),
            ms: Some(&ms),
            ..Default::default()
        };
        let answer = AccessInformation {
            access_token: &token,
            expires_in: Some(LIFETIME),
            cnf: Some(Confirmation::Osc(material)),
            scope: Some(Scope::Bytes(scope)),
            ace_profile: Some(2),
            ..Default::default()
        };
        answer.encode(out).unwrap()
    }

    /// Answers a token request.
    pub fn take(&mut self, now: u64, from: P, datagram: &[u8]) {
        let Incoming::Request { exchange, message } =
            self.endpoint.handle(Instant(now), from, datagram)
        else {
            return;
        };
        let option = OscoreOption::of(&message).unwrap();
        let (mut plain, mut sealed, mut body, mut clear) =
            ([0; 1024], [0; 1024], [0; 1024], [0; 1024]);
        let unprotected =
            self.context
                .unprotect_request(&option, &message, &mut self.rng, &mut plain);
        let Ok(Unprotected::Request {
            message: inner,
            mut binding,
        }) = unprotected
        else {
            let answer = OutMessage::new(Code::UNAUTHORIZED);
            return self
                .endpoint
                .respond(Instant(now), exchange, &answer)
                .unwrap();
        };
        let payload = inner.payload.to_vec();
        let length = self.grant(now, &payload, &mut body);
        let mut answer = OutMessage::new(Code::CREATED).with_payload(&body[..length]);
        answer
            .options
            .push(option::CONTENT_FORMAT, ACE_CBOR)
            .unwrap();
        let length = answer
            .encode(&mut clear, Type::Acknowledgement, 0, Token::EMPTY)
            .unwrap();
        let answer = Message::parse(&clear[..length]).unwrap();
        let length = self
            .context
            .protect_response(&mut binding, &answer, &mut sealed)
            .unwrap();
        let sealed = Message::parse(&sealed[..length]).unwrap();
        let answer = OutMessage::from_message(&sealed).unwrap();
        self.endpoint
            .respond(Instant(now), exchange, &answer)
            .unwrap();
    }

    /// The next answer.
    pub fn give(&mut self, now: u64) -> Option<(P, Vec<u8>)> {
        let transmit = self.endpoint.poll_transmit(Instant(now))?;
        Some((transmit.peer, transmit.datagram.to_vec()))
    }
}

impl Node for AuthorizationServer {
    fn handle(&mut self, now: u64, from: u16, datagram: &[u8]) {
        self.take(now, from, datagram);
    }

    fn poll_transmit(&mut self, now: u64) -> Option<(u16, Vec<u8>)> {
        self.give(now)
    }

    fn poll_timeout(&self) -> Option<u64> {
        self.endpoint.poll_timeout().map(|due| due.0)
    }

    fn handle_timeout(&mut self, now: u64) {
        self.endpoint.handle_timeout(Instant(now));
    }
}
