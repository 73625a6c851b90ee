use std::collections::BTreeMap;

use ace_coap::{Endpoint, Incoming, Instant, OutMessage, Reliability, Slot, Token, Transmission};
use ace_crypto::{Aead, CryptoRng, Hkdf};
use ace_oscore::{
    OscoreOption, Parameters, RequestBinding, SEQUENCE_LIMIT, SecurityContext, Unprotected,
};
use ace_testkit::{Node, SeededRandom};
use ace_token::{TokenKey, TrustedKey, open};
use ace_wire::ace::{
    AsRequestCreationHints, AuthzInfoRequest, AuthzInfoResponse, Confirmation, Scope,
};
use ace_wire::aif::{Aif, Permission};
use ace_wire::cbor::Writer;
use ace_wire::coap::content_format::{ACE_CBOR, TEXT_PLAIN};
use ace_wire::coap::{Code, Message, option};

use super::serve::{Blocks, Reply, encode, path};
use super::{AS_URI, EPOCH, TOKEN_KEY};

/// A request that reached a handler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    pub code: Code,
    pub path: String,
    pub payload: Vec<u8>,
    pub protected: bool,
}

struct Association {
    material: Vec<u8>,
    context: SecurityContext,
    scope: Vec<u8>,
    ends: u64,
    confirmed: bool,
}

struct Observer {
    peer: u16,
    token: Token,
    association: Option<(usize, RequestBinding)>,
}

type BendUpload = Box<dyn FnMut(Reply) -> Reply>;
type BendDatagram = Box<dyn FnMut(u64, Vec<u8>) -> Option<Vec<u8>>>;

pub struct ResourceServer {
    endpoint: Endpoint<u16, Vec<Slot<u16>>>,
    rng: SeededRandom,
    blocks: Blocks,
    audience: String,
    associations: Vec<Association>,
    observers: Vec<Observer>,
    observe: u32,
    pub hits: Vec<Hit>,
    pub uploads: usize,
    pub values: BTreeMap<String, Vec<u8>>,
    /// Paths open to all.
    pub public: Vec<String>,
    pub hints: Reply,
    /// Client-nonce that tokens must carry.
    pub cnonce: Option<Vec<u8>>,
    /// Echo value that unprotected requests must carry.
    pub echo: Option<Vec<u8>>,
    /// Denies with this code whatever the token says.
    pub denies: Option<Code>,
    /// Hints that go with a denial, under protection.
    pub denial: Option<Reply>,
    /// Whether observers are registered.
    pub observable: bool,
    pub bend_upload: Option<BendUpload>,
    /// Last word on every datagram sent.
    pub bend: Option<BendDatagram>,
    pub silent: bool,
    /// No answer to unknown contexts.
    pub shy: bool,
}

pub fn hints(audience: &str, cnonce: Option<&[u8]>) -> Reply {
    let scope = super::aif(&[("/temp", ace_wire::aif::MethodSet::GET)]);
    hints_of(AsRequestCreationHints {
        r#as: Some(AS_URI),
        audience: Some(audience),
        scope: Some(Scope::Bytes(&scope)),
        cnonce,
        kid: None,
    })
}

pub fn hints_of(hints: AsRequestCreationHints<'_>) -> Reply {
    let mut out = [0; 512];
    let length = hints.encode(&mut out).unwrap();
    Reply::with(Code::UNAUTHORIZED, ACE_CBOR, &out[..length])
}

impl ResourceServer {
    pub fn new(seed: u64, audience: &str) -> Self {
        let mut rng = SeededRandom::new(seed ^ 0x55);
        let slots = (0..16).map(|_| Slot::new()).collect();
        let values = [("/temp", "21.5"), ("/led", "0"), ("/log", "")];
        Self {
            endpoint: Endpoint::new(slots, Transmission::DEFAULT, &mut rng),
            rng,
            blocks: Blocks::new(6),
            audience: audience.into(),
            associations: vec![],
            observers: vec![],
            observe: 0,
            hits: vec![],
            uploads: 0,
            values: values
                .map(|(path, value)| (path.into(), value.into()))
                .into(),
            public: vec![],
            hints: hints(audience, None),
            cnonce: None,
            echo: None,
            denies: None,
            denial: None,
            observable: true,
            bend_upload: None,
            bend: None,
            silent: false,
            shy: false,
        }
    }

    pub fn set_blocks(&mut self, szx: u8) {
        self.blocks = Blocks::new(szx);
    }

    /// Loses all tokens and contexts.
    pub fn forget(&mut self) {
        self.associations.clear();
        self.observers.clear();
    }

    /// How many contexts have been confirmed and not been replaced.
    pub fn confirmed(&self) -> usize {
        self.associations
            .iter()
            .filter(|association| association.confirmed)
            .count()
    }

    /// Changes a value and notifies whoever observes it.
    pub fn set(&mut self, now: u64, path: &str, value: &[u8]) {
        self.values.insert(path.into(), value.into());
        self.observe += 1;
        let observe = self.observe.to_be_bytes();
        let reply =
            Reply::with(Code::CONTENT, TEXT_PLAIN, value).option(option::OBSERVE, &observe[1..]);
        self.notify(now, &reply);
    }

    /// Sends a notification with its first block to all observers.
    pub fn notify(&mut self, now: u64, reply: &Reply) {
        let mut whole = reply.clone();
        if whole.payload.len() > 1024 {
            whole.payload.truncate(1024);
            whole = whole.option(option::BLOCK2, [0x0e]);
        }
        let plain = encode(&whole.message());
        let plain = Message::parse(&plain).unwrap();
        for observer in &mut self.observers {
            let mut sealed = [0; 2048];
            let out = match &mut observer.association {
                None => OutMessage::from_message(&plain).unwrap(),
                Some((index, binding)) => {
                    let context = &mut self.associations[*index].context;
                    let length = context
                        .protect_response(binding, &plain, &mut sealed)
                        .unwrap();
                    OutMessage::from_message(&Message::parse(&sealed[..length]).unwrap()).unwrap()
                }
            };
            let (peer, token) = (observer.peer, observer.token);
            self.endpoint
                .notify(Instant(now), peer, token, Reliability::Confirmable, &out)
                .unwrap();
        }
    }

    fn take(&mut self, now: u64, exchange: ace_coap::Exchange, message: &Message<'_>, from: u16) {
        let answer = match OscoreOption::of(message) {
            Err(_) => Some(self.take_plain(now, message, from)),
            Ok(option) => self.take_protected(now, &option, message, from),
        };
        if let Some(answer) = answer {
            let answer = Message::parse(&answer).unwrap();
            let answer = OutMessage::from_message(&answer).unwrap();
            self.endpoint
                .respond(Instant(now), exchange, &answer)
                .unwrap();
        }
    }

    fn take_plain(&mut self, now: u64, message: &Message<'_>, from: u16) -> Vec<u8> {
        if let Some(echo) = &self.echo
            && message.options.find(option::ECHO) != Some(echo)
        {
            return encode(
                &Reply::new(Code::UNAUTHORIZED)
                    .option(option::ECHO, echo.clone())
                    .message(),
            );
        }
        let path = path(message);
        let mut blocks = core::mem::replace(&mut self.blocks, Blocks::new(6));
        let answer = blocks.serve(now, b"plain", message, |body| {
            if path == "/authz-info" && message.code == Code::POST {
                let reply = self.upload(now, body);
                return match &mut self.bend_upload {
                    Some(bend) => bend(reply),
                    None => reply,
                };
            }
            if self.public.contains(&path) {
                return self.resource(message, &path, body, None, from);
            }
            self.hints.clone()
        });
        self.blocks = blocks;
        answer
    }

    fn take_protected(
        &mut self,
        now: u64,
        option: &OscoreOption<'_>,
        message: &Message<'_>,
        from: u16,
    ) -> Option<Vec<u8>> {
        let (mut plain, mut sealed) = ([0; 2048], [0; 2048]);
        let mut error = Code::UNAUTHORIZED;
        let mut found = None;
        for (index, association) in self.associations.iter_mut().enumerate() {
            if !association.context.matches(option) || association.ends <= EPOCH + now / 1000 {
                continue;
            }
            match association
                .context
                .unprotect_request(option, message, &mut self.rng, &mut plain)
            {
                Ok(Unprotected::Request { message, binding }) => {
                    let mut bytes = [0; 2048];
                    let mut out = OutMessage::from_message(&message).unwrap();
                    out.token = None;
                    let length = out
                        .encode(&mut bytes, message.kind, message.id, message.token)
                        .unwrap();
                    found = Some((index, binding, bytes[..length].to_vec()));
                    break;
                }
                Ok(Unprotected::Challenge { .. }) => panic!("contexts in RAM are never lost"),
                Err(refused) => error = refused.outer_code().unwrap(),
            }
        }
        let Some((index, mut binding, inner)) = found else {
            if self.shy {
                return None;
            }
            return Some(match error {
                Code::UNAUTHORIZED => encode(&self.hints.message()),
                other => encode(&OutMessage::new(other)),
            });
        };
        let inner = Message::parse(&inner).unwrap();
        self.associations[index].confirmed = true;
        let material = self.associations[index].material.clone();
        // RFC 9203, 6: proven, so the one before it goes.
        let mut keep = 0..;
        let mut index = index;
        let replaced: Vec<bool> = self
            .associations
            .iter()
            .map(|a| keep.next() != Some(index) && a.material == material && a.confirmed)
            .collect();
        for place in (0..replaced.len()).rev().filter(|place| replaced[*place]) {
            self.associations.remove(place);
            self.observers.clear();
            index -= usize::from(place < index);
        }
        let path = path(&inner);
        let mut blocks = core::mem::replace(&mut self.blocks, Blocks::new(6));
        let key = self.associations[index].context.recipient_id().to_vec();
        let answer = blocks.serve(now, &key, &inner, |body| {
            if path == "/authz-info" {
                return self.update(now, index, body);
            }
            self.resource(&inner, &path, body, Some((index, binding)), from)
        });
        self.blocks = blocks;
        let answer = Message::parse(&answer).unwrap();
        let context = &mut self.associations[index].context;
        let length = context
            .protect_response(&mut binding, &answer, &mut sealed)
            .unwrap();
        if let Some(observer) = self.observers.last_mut()
            && let Some((_, kept)) = &mut observer.association
            && kept.partial_iv() == binding.partial_iv()
        {
            *kept = binding;
        }
        Some(sealed[..length].to_vec())
    }

    fn claims<T>(
        &self,
        token: &[u8],
        use_it: impl FnOnce(&ace_wire::cwt::ClaimsSet<'_>) -> T,
    ) -> Option<T> {
        let trusted = [TrustedKey {
            kid: None,
            issuer: "as",
            key: TokenKey::Aead(Aead::AesCcm16_64_128, &TOKEN_KEY),
        }];
        let mut buffer = [0; 4096];
        let opened = open(token, &trusted[..], &mut buffer).ok()?;
        let claims = &opened.claims;
        let fresh = self.cnonce.is_none() || claims.cnonce == self.cnonce.as_deref();
        let own = claims.aud.is_some_and(|aud| aud.contains(&self.audience));
        (fresh && own).then(|| use_it(claims))
    }

    fn upload(&mut self, now: u64, body: &[u8]) -> Reply {
        let Ok(AuthzInfoRequest {
            access_token,
            nonce1: Some(nonce1),
            client_recipient_id: Some(id1),
        }) = AuthzInfoRequest::parse(body)
        else {
            return Reply::new(Code::BAD_REQUEST);
        };
        let (mut nonce2, mut id2) = ([0; 8], [0]);
        let rng: &mut dyn CryptoRng = &mut self.rng;
        rng.fill_bytes(&mut nonce2);
        while id2 == *id1
            || self
                .associations
                .iter()
                .any(|a| a.context.recipient_id() == id2)
        {
            rng.fill_bytes(&mut id2);
        }
        let made = self.claims(access_token, |claims| {
            let Some(Confirmation::Osc(osc)) = claims.cnf else {
                return None;
            };
            let mut salt = [0; 128];
            let mut writer = Writer::new(&mut salt);
            writer.bytes(osc.salt.unwrap_or(&[])).unwrap();
            writer.bytes(nonce1).unwrap();
            writer.bytes(&nonce2).unwrap();
            let length = writer.finish();
            let mut context = SecurityContext::derive(&Parameters {
                master_secret: osc.ms.unwrap(),
                master_salt: &salt[..length],
                sender_id: id1,
                recipient_id: &id2,
                id_context: osc.context_id,
                aead: Aead::AesCcm16_64_128,
                hkdf: Hkdf::Sha256,
            })
            .unwrap();
            context.reserve_up_to(SEQUENCE_LIMIT);
            let Some(Scope::Bytes(scope)) = claims.scope else {
                return None;
            };
            Aif::parse(scope).ok()?;
            Some(Association {
                material: osc.id.unwrap().to_vec(),
                context,
                scope: scope.to_vec(),
                ends: claims.exp.unwrap().seconds(),
                confirmed: false,
            })
        });
        let Some(Some(association)) = made else {
            return Reply::new(Code::UNAUTHORIZED);
        };
        if association.ends <= EPOCH + now / 1000 {
            return Reply::new(Code::UNAUTHORIZED);
        }
        self.uploads += 1;
        self.associations.push(association);
        let answer = AuthzInfoResponse {
            nonce2: &nonce2,
            server_recipient_id: &id2,
        };
        let mut out = [0; 64];
        let length = answer.encode(&mut out).unwrap();
        Reply::with(Code::CREATED, ACE_CBOR, &out[..length])
    }

    fn update(&mut self, _now: u64, index: usize, body: &[u8]) -> Reply {
        let request = AuthzInfoRequest::parse(body).unwrap();
        assert_eq!((request.nonce1, request.client_recipient_id), (None, None));
        let material = self.associations[index].material.clone();
        let updated = self.claims(request.access_token, |claims| {
            match (claims.cnf, claims.scope) {
                (Some(Confirmation::Kid(kid)), Some(Scope::Bytes(scope))) if kid == material => {
                    Some((scope.to_vec(), claims.exp.unwrap().seconds()))
                }
                _ => None,
            }
        });
        let Some(Some((scope, ends))) = updated else {
            return Reply::new(Code::UNAUTHORIZED);
        };
        self.associations[index].scope = scope;
        self.associations[index].ends = ends;
        Reply::new(Code::CREATED)
    }

    fn denial(&self, code: Code) -> Reply {
        let hints = self.denial.clone().unwrap_or(Reply::new(code));
        Reply { code, ..hints }
    }

    fn resource(
        &mut self,
        message: &Message<'_>,
        path: &str,
        body: &[u8],
        association: Option<(usize, RequestBinding)>,
        from: u16,
    ) -> Reply {
        if let Some((index, _)) = association {
            let aif = self.associations[index].scope.clone();
            if let Some(code) = self.denies {
                return Reply::new(code);
            }
            match Aif::parse(&aif).unwrap().permits(path, None, message.code) {
                Permission::Allowed => {}
                Permission::MethodNotAllowed => return self.denial(Code::METHOD_NOT_ALLOWED),
                Permission::NoSuchObject => return self.denial(Code::FORBIDDEN),
            }
        }
        let protected = association.is_some();
        let payload = body.to_vec();
        self.hits.push(Hit {
            code: message.code,
            path: path.into(),
            payload,
            protected,
        });
        let Some(value) = self.values.get_mut(path) else {
            return Reply::new(Code::NOT_FOUND);
        };
        match message.code {
            Code::GET => {
                let reply = Reply::with(Code::CONTENT, TEXT_PLAIN, value.clone());
                if message.options.uint(option::OBSERVE) != Ok(Some(0)) || !self.observable {
                    return reply;
                }
                self.observers.clear();
                self.observers.push(Observer {
                    peer: from,
                    token: message.token,
                    association,
                });
                self.observe += 1;
                reply.option(option::OBSERVE, &self.observe.to_be_bytes()[1..])
            }
            Code::PUT => {
                *value = body.to_vec();
                Reply::new(Code::CHANGED)
            }
            Code::POST => {
                value.extend_from_slice(body);
                Reply::with(Code::CHANGED, TEXT_PLAIN, value.clone())
            }
            _ => Reply::new(Code::METHOD_NOT_ALLOWED),
        }
    }
}

impl Node for ResourceServer {
    fn handle(&mut self, now: u64, from: u16, datagram: &[u8]) {
        if self.silent {
            return;
        }
        if let Incoming::Request { exchange, message } =
            self.endpoint.handle(Instant(now), from, datagram)
        {
            self.take(now, exchange, &message, from);
        }
        while self.endpoint.poll_event().is_some() {}
    }

    fn poll_transmit(&mut self, now: u64) -> Option<(u16, Vec<u8>)> {
        loop {
            let transmit = self.endpoint.poll_transmit(Instant(now))?;
            let (peer, datagram) = (transmit.peer, transmit.datagram.to_vec());
            match &mut self.bend {
                None => return Some((peer, datagram)),
                Some(bend) => {
                    if let Some(datagram) = bend(now, datagram) {
                        return Some((peer, datagram));
                    }
                }
            }
        }
    }

    fn poll_timeout(&self) -> Option<u64> {
        self.endpoint.poll_timeout().map(|due| due.0)
    }

    fn handle_timeout(&mut self, now: u64) {
        self.endpoint.handle_timeout(Instant(now));
        while self.endpoint.poll_event().is_some() {}
    }
}
