//! One who was given every key and reads the capture: each request opens under one key, and no nonce of a key is used
//! for two messages.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ace_client::{Direction, Phase, Watched};
use ace_coap::{Block, Code, Message, Token, option};
use ace_crypto::{Aead, Hkdf};
use ace_oscore::{OscoreOption, Parameters, SecurityContext};
use ace_rs::AUTHZ_INFO;
use ace_testkit::{Captured, Fate, SeededRandom};
use ace_wire::{
    ace::{AccessInformation, AuthzInfoRequest, AuthzInfoResponse, Confirmation},
    cbor::Writer,
};

use crate::nodes::{CLIENT, Ciphertext};

/// Input material and the token it came with.
struct Material {
    token: Vec<u8>,
    ms: Vec<u8>,
    salt: Vec<u8>,
}

/// The nonce of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Nonce {
    OfRequest(u64),
    Own(u64),
}

pub struct Eavesdropper {
    /// The server's side of every context of the client; the first is that of the authorization server, and is the same
    /// for all seeds. Their replay windows refuse a number that is used twice.
    contexts: Vec<SecurityContext>,
    /// Sequence numbers of the client, by context.
    numbers: BTreeSet<(usize, u64)>,
    /// Ciphertexts of the servers by context and nonce.
    answers: BTreeMap<(usize, Nonce), Ciphertext>,
    materials: Vec<Material>,
    /// Number of a material, nonce1 and the client's identifier of the last upload.
    upload: Option<(usize, Vec<u8>, Vec<u8>)>,
    sent: Vec<u8>,
    received: Vec<u8>,
    /// Since the seed began.
    pub heard: Heard,
}

/// What was heard during a seed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Heard {
    /// Messages of the client under OSCORE.
    pub requests: usize,
    /// Parts of token responses.
    pub token_blocks: usize,
    /// Parts of tokens posted in the clear.
    pub upload_blocks: usize,
    /// Parts of tokens posted under OSCORE.
    pub update_blocks: usize,
    /// Parts of bodies to and from resources.
    pub access_blocks: usize,
}

impl Eavesdropper {
    /// `shared` is the context with the authorization server from the client's side.
    pub fn new(shared: &Parameters<'_>) -> Self {
        let (sender_id, recipient_id) = (shared.recipient_id, shared.sender_id);
        let servers = Parameters {
            sender_id,
            recipient_id,
            ..*shared
        };
        Self {
            contexts: vec![SecurityContext::derive(&servers).expect("a context")],
            numbers: BTreeSet::new(),
            answers: BTreeMap::new(),
            materials: Vec::new(),
            upload: None,
            sent: Vec::new(),
            received: Vec::new(),
            heard: Heard::default(),
        }
    }

    /// How many keys the authorization server made since the seed began.
    pub fn materials(&self) -> usize {
        self.materials.len()
    }

    /// Another seed begins.
    pub fn forget(&mut self) {
        self.contexts.truncate(1);
        self.numbers.retain(|(context, _)| *context == 0);
        self.answers.retain(|(context, _), _| *context == 0);
        self.materials.clear();
        self.upload = None;
        self.heard = Heard::default();
    }

    /// Learns keys where the client does.
    pub fn watch(&mut self, watched: &Watched<'_>) {
        self.count_blocks(watched);
        let block = |number| watched.options.block(number).ok().flatten();
        match (watched.phase, watched.direction) {
            (Phase::Token, Direction::Received) if watched.code == Code::CREATED => {
                if gather(&mut self.received, block(option::BLOCK2), watched.payload)
                    && let Ok(information) = AccessInformation::parse(&self.received)
                    && let Some(Confirmation::Osc(material)) = information.cnf
                {
                    self.materials.push(Material {
                        token: information.access_token.to_vec(),
                        ms: material.ms.expect("a secret").to_vec(),
                        salt: material.salt.unwrap_or_default().to_vec(),
                    });
                }
            }
            (Phase::Upload, Direction::Sent) => {
                if gather(&mut self.sent, block(option::BLOCK1), watched.payload)
                    && let Ok(AuthzInfoRequest {
                        access_token,
                        nonce1: Some(nonce),
                        client_recipient_id: Some(id),
                    }) = AuthzInfoRequest::parse(&self.sent)
                {
                    let material = self
                        .materials
                        .iter()
                        .position(|material| material.token == access_token);
                    self.upload =
                        Some((material.expect("of this seed"), nonce.to_vec(), id.to_vec()));
                }
            }
            (Phase::Upload, Direction::Received) if watched.code == Code::CREATED => {
                if let Some(context) = self.derive(watched.payload) {
                    self.contexts.push(context);
                }
            }
            _ => {}
        }
    }

    fn count_blocks(&mut self, watched: &Watched<'_>) {
        let is_part = |number| {
            let block = watched.options.block(number).ok().flatten();
            usize::from(block.is_some_and(|block| block.more || block.number > 0))
        };
        let (sent, received) = match watched.direction {
            Direction::Sent => (is_part(option::BLOCK1), 0),
            Direction::Received => (0, is_part(option::BLOCK2)),
        };
        let heard = &mut self.heard;
        match watched.phase {
            Phase::Token => heard.token_blocks += received,
            Phase::Upload => heard.upload_blocks += sent,
            Phase::Update if watched.options.path_is(AUTHZ_INFO) => heard.update_blocks += sent,
            Phase::Access => heard.access_blocks += sent + received,
            _ => {}
        }
    }

    /// RFC 9203, 4.3; `None` if the answer to the upload was changed so that the client cannot use it either.
    fn derive(&self, answer: &[u8]) -> Option<SecurityContext> {
        let answer = AuthzInfoResponse::parse(answer).ok()?;
        let (material, nonce1, id1) = self.upload.as_ref()?;
        let material = self.materials.get(*material)?;
        let mut salt = [0; 128];
        let mut writer = Writer::new(&mut salt);
        for part in [&material.salt, &nonce1[..], answer.nonce2] {
            writer.bytes(part).ok()?;
        }
        let length = writer.finish();
        SecurityContext::derive(&Parameters {
            master_secret: &material.ms,
            master_salt: &salt[..length],
            sender_id: id1,
            recipient_id: answer.server_recipient_id,
            id_context: None,
            aead: Aead::AesCcm16_64_128,
            hkdf: Hkdf::Sha256,
        })
        .ok()
    }

    /// Reads everything that was sent during a seed. With `corrupted`, tokens may lead nowhere.
    pub fn read(&mut self, capture: &[Captured], corrupted: bool) {
        let mut known: BTreeMap<Ciphertext, (usize, u64)> = BTreeMap::new();
        let mut asked: HashMap<Token, (usize, u64)> = HashMap::new();
        for captured in capture {
            let Ok(message) = Message::parse(&captured.datagram) else {
                continue;
            };
            let Ok(oscore) = OscoreOption::of(&message) else {
                continue;
            };
            let as_sent = !matches!(captured.fate, Fate::Corrupted(_));
            if captured.from != CLIENT {
                let Some((context, number)) = asked.get(&message.token) else {
                    assert!(corrupted, "an answer to no request");
                    continue;
                };
                if as_sent {
                    let nonce = oscore
                        .partial_iv
                        .map_or(Nonce::OfRequest(*number), |own| Nonce::Own(own.number()));
                    let before = self
                        .answers
                        .entry((*context, nonce))
                        .or_insert_with(|| message.payload.to_vec());
                    assert_eq!(
                        before, message.payload,
                        "{nonce:?} used twice by {}",
                        captured.from
                    );
                }
            } else if let Some(request) = known.get(message.payload) {
                asked.insert(message.token, *request);
            } else if as_sent {
                let opened = self.open(&oscore, &message);
                let context =
                    opened.expect("a request under an unknown key, or a Partial IV used twice");
                let request = (context, oscore.partial_iv.expect("checked").number());
                assert!(self.numbers.insert(request), "{request:?} used twice");
                known.insert(message.payload.to_vec(), request);
                asked.insert(message.token, request);
                self.heard.requests += 1;
            }
        }
    }

    /// The context under which a request verifies for the first time.
    fn open(&mut self, oscore: &OscoreOption<'_>, message: &Message<'_>) -> Option<usize> {
        let mut plain = [0; 1280];
        self.contexts.iter_mut().position(|context| {
            let random = &mut SeededRandom::new(0);
            context.matches(oscore)
                && context
                    .unprotect_request(oscore, message, random, &mut plain)
                    .is_ok()
        })
    }
}

/// Puts a body together from its blocks; whether it is whole.
fn gather(body: &mut Vec<u8>, block: Option<Block>, payload: &[u8]) -> bool {
    if block.is_none_or(|block| block.number == 0) {
        body.clear();
    }
    body.extend_from_slice(payload);
    block.is_none_or(|block| !block.more)
}
