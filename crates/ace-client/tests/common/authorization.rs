use ace_coap::{Endpoint, Incoming, Instant, OutMessage, Slot, Transmission};
use ace_crypto::Aead;
use ace_oscore::{OscoreOption, Parameters, SEQUENCE_LIMIT, SecurityContext, Unprotected};
use ace_testkit::{Node, SeededRandom};
use ace_token::issue::{
    Claims, Cnf, Issuer, IssuingKey, OscoreInputMaterial as Material, Scope as OwnedScope,
};
use ace_wire::ace::{
    AccessInformation, Confirmation, ErrorCode, ErrorResponse, OscoreInputMaterial, ProfileRequest,
    Scope, TokenRequest,
};
use ace_wire::coap::content_format::ACE_CBOR;
use ace_wire::coap::{Code, Message};

use super::serve::{Blocks, Reply, path};
use super::{EPOCH, TOKEN_KEY, as_context};

/// A token request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenAsked {
    pub audience: Option<String>,
    pub scope: Option<Vec<u8>>,
    pub kid: Option<Vec<u8>>,
    pub cnonce: Option<Vec<u8>>,
    pub wants_profile: bool,
}

type Bend = Box<dyn FnMut(&TokenAsked, Reply) -> Reply>;

/// Grants what is asked, or less.
pub struct AuthorizationServer {
    endpoint: Endpoint<u16, Vec<Slot<u16>>>,
    context: SecurityContext,
    rng: SeededRandom,
    blocks: Blocks,
    pub asked: Vec<TokenAsked>,
    /// Lifetime of tokens in seconds.
    pub lifetime: u64,
    /// What is granted at most; `None`: all that is asked.
    pub grants: Option<Vec<u8>>,
    pub error: Option<(ErrorCode, &'static str)>,
    /// Padding that makes tokens long.
    pub padding: usize,
    /// Last word on each answer, before it is protected.
    pub bend: Option<Bend>,
    pub silent: bool,
    /// Whether keys of earlier tokens are still known.
    pub knows_keys: bool,
    materials: u8,
    /// How often the handler ran.
    pub handled: usize,
}

fn own_context() -> SecurityContext {
    let client = as_context();
    let parameters = Parameters {
        sender_id: client.recipient_id,
        recipient_id: client.sender_id,
        ..client
    };
    let mut context = SecurityContext::derive(&parameters).unwrap();
    context.reserve_up_to(SEQUENCE_LIMIT);
    context
}

impl AuthorizationServer {
    pub fn new(seed: u64) -> Self {
        let mut rng = SeededRandom::new(seed ^ 0xa5);
        let slots = (0..16).map(|_| Slot::new()).collect();
        Self {
            endpoint: Endpoint::new(slots, Transmission::DEFAULT, &mut rng),
            context: own_context(),
            rng,
            blocks: Blocks::new(6),
            asked: vec![],
            lifetime: 3600,
            grants: None,
            error: None,
            padding: 0,
            bend: None,
            silent: false,
            knows_keys: true,
            materials: 0,
            handled: 0,
        }
    }

    /// Smaller blocks from now on.
    pub fn set_blocks(&mut self, szx: u8) {
        self.blocks = Blocks::new(szx);
    }

    /// Loses the replay window, as in a restart (RFC 8613, B.1.2).
    pub fn restart(&mut self) {
        let used = self.context.next_sequence();
        self.context = own_context();
        self.context.resume(used);
        self.context.reserve_up_to(SEQUENCE_LIMIT);
    }

    fn take(&mut self, now: u64, exchange: ace_coap::Exchange, message: &Message<'_>) {
        let Ok(option) = OscoreOption::of(message) else {
            let answer = OutMessage::new(Code::UNAUTHORIZED);
            return self
                .endpoint
                .respond(Instant(now), exchange, &answer)
                .unwrap();
        };
        let (mut plain, mut sealed) = ([0; 2048], [0; 2048]);
        let length =
            match self
                .context
                .unprotect_request(&option, message, &mut self.rng, &mut plain)
            {
                Err(error) => {
                    let answer = OutMessage::new(error.outer_code().unwrap());
                    return self
                        .endpoint
                        .respond(Instant(now), exchange, &answer)
                        .unwrap();
                }
                Ok(Unprotected::Challenge { mut binding, echo }) => self
                    .context
                    .protect_challenge(
                        &mut binding,
                        &echo,
                        message.kind,
                        0,
                        message.token,
                        &mut sealed,
                    )
                    .unwrap(),
                Ok(Unprotected::Request {
                    message,
                    mut binding,
                }) => {
                    assert_eq!(
                        (message.code, path(&message).as_str()),
                        (Code::POST, "/token")
                    );
                    let mut blocks = core::mem::replace(&mut self.blocks, Blocks::new(6));
                    let answer =
                        blocks.serve(now, b"c1", &message, |body| self.handle_body(now, body));
                    self.blocks = blocks;
                    let answer = Message::parse(&answer).unwrap();
                    self.context
                        .protect_response(&mut binding, &answer, &mut sealed)
                        .unwrap()
                }
            };
        let sealed = Message::parse(&sealed[..length]).unwrap();
        let answer = OutMessage::from_message(&sealed).unwrap();
        self.endpoint
            .respond(Instant(now), exchange, &answer)
            .unwrap();
    }

    fn handle_body(&mut self, now: u64, body: &[u8]) -> Reply {
        self.handled += 1;
        let request = TokenRequest::parse(body).unwrap();
        let kid = match request.req_cnf {
            Some(Confirmation::Kid(kid)) => Some(kid.to_vec()),
            None => None,
            _ => panic!("req_cnf"),
        };
        let bytes = |scope: Scope<'_>| match scope {
            Scope::Text(text) => text.as_bytes().to_vec(),
            Scope::Bytes(bytes) => bytes.to_vec(),
        };
        let asked = TokenAsked {
            audience: request.audience.map(Into::into),
            scope: request.scope.map(bytes),
            kid,
            cnonce: request.cnonce.map(Into::into),
            wants_profile: request.ace_profile == ProfileRequest::Null,
        };
        self.asked.push(asked.clone());
        let mut reply = match self.error {
            Some((error, description)) => refuse(error, description),
            None if asked.kid.is_some() && !self.knows_keys => {
                refuse(ErrorCode::InvalidRequest, "unknown key")
            }
            None => self.grant(now, &asked),
        };
        if let Some(bend) = &mut self.bend {
            reply = bend(&asked, reply);
        }
        reply
    }

    fn grant(&mut self, now: u64, asked: &TokenAsked) -> Reply {
        let default = super::aif(&[("/temp", ace_wire::aif::MethodSet::GET)]);
        let granted = self
            .grants
            .clone()
            .or(asked.scope.clone())
            .unwrap_or(default);
        let id = [self.materials];
        let ms = [self.materials ^ 0x5a; 16];
        if asked.kid.is_none() {
            self.materials += 1;
        }
        let cnf = match &asked.kid {
            Some(kid) => Cnf::Kid(kid.clone()),
            None => Cnf::Osc(Material {
                id: id.to_vec(),
                version: None,
                ms: ms.to_vec().into(),
                hkdf: None,
                alg: None,
                salt: Some(vec![9; 8]),
                context_id: None,
            }),
        };
        let claims = Claims {
            iss: Some("x".repeat(self.padding)),
            aud: vec![asked.audience.clone().unwrap_or("thermo".into())],
            exp: Some(EPOCH + now / 1000 + self.lifetime),
            scope: Some(OwnedScope::Bytes(granted.clone())),
            cnf: Some(cnf),
            cnonce: asked.cnonce.clone(),
            ..Claims::default()
        };
        let issuer = Issuer {
            kid: None,
            key: IssuingKey::Aead(Aead::AesCcm16_64_128, &TOKEN_KEY),
        };
        let token = issuer.issue(&claims, &mut self.rng).unwrap();
        let material = OscoreInputMaterial {
            id: Some(&id),
            ms: Some(&ms),
            salt: Some(&[9; 8]),
            ..Default::default()
        };
        let answer = AccessInformation {
            access_token: &token,
            expires_in: Some(self.lifetime),
            cnf: asked.kid.is_none().then_some(Confirmation::Osc(material)),
            scope: (Some(&granted) != asked.scope.as_ref()).then_some(Scope::Bytes(&granted)),
            ace_profile: asked.wants_profile.then_some(2),
            ..Default::default()
        };
        let mut out = [0; 4096];
        let length = answer.encode(&mut out).unwrap();
        Reply::with(Code::CREATED, ACE_CBOR, &out[..length])
    }
}

pub fn refuse(error: ErrorCode, description: &str) -> Reply {
    let answer = ErrorResponse {
        error,
        error_description: Some(description),
        error_uri: None,
    };
    let mut out = [0; 256];
    let length = answer.encode(&mut out).unwrap();
    Reply::with(Code::BAD_REQUEST, ACE_CBOR, &out[..length])
}

impl Node for AuthorizationServer {
    fn handle(&mut self, now: u64, from: u16, datagram: &[u8]) {
        if self.silent {
            return;
        }
        if let Incoming::Request { exchange, message } =
            self.endpoint.handle(Instant(now), from, datagram)
        {
            self.take(now, exchange, &message);
        }
        while self.endpoint.poll_event().is_some() {}
    }

    fn poll_transmit(&mut self, now: u64) -> Option<(u16, Vec<u8>)> {
        self.endpoint
            .poll_transmit(Instant(now))
            .map(|t| (t.peer, t.datagram.to_vec()))
    }

    fn poll_timeout(&self) -> Option<u64> {
        self.endpoint.poll_timeout().map(|due| due.0)
    }

    fn handle_timeout(&mut self, now: u64) {
        self.endpoint.handle_timeout(Instant(now));
        while self.endpoint.poll_event().is_some() {}
    }
}
