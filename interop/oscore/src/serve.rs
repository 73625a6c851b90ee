//! A server with four resources for one client.

use std::{
    net::SocketAddr,
    time::{Duration, Instant as Clock},
};

use ace_coap::{
    Code, Event, Exchange, Incoming, Instant, Message, OutMessage, Reliability, Token, Type,
    block::{Assembly, BlockReceiver, BlockSender, Body, OperationKey, Received},
    option,
};
use ace_oscore::{
    OscoreError, OscoreOption, RequestBinding, SEQUENCE_LIMIT, SecurityContext, Unprotected,
    rederive::{self, InputMaterial},
};
use anyhow::{Result, ensure};

use crate::{
    arguments::Arguments,
    client::encoded,
    keys::Keys,
    rng,
    udp::{Turn, Udp},
};

/// Time between two states of /ticks.
const TICK: Duration = Duration::from_millis(200);
/// The longest body.
const BODY: usize = 8192;
/// The longest message.
const MESSAGE: usize = 2048;
/// Observers of /ticks; one more takes the place of the oldest.
const OBSERVERS: usize = 8;
/// The critical options that are understood inside.
const CRITICAL: [u16; 7] = [
    option::URI_HOST,
    option::URI_PORT,
    option::URI_PATH,
    option::URI_QUERY,
    option::ACCEPT,
    option::BLOCK1,
    option::BLOCK2,
];

pub fn run(arguments: &mut Arguments) -> Result<()> {
    let input = Keys::read(&arguments.path("--context")?)?.decode()?;
    let listen: SocketAddr = arguments.required("--listen")?.parse()?;
    let unsynchronised = arguments.flag("--unsynchronised");
    let rederive = arguments.flag("--rederive");
    arguments.finish()?;
    ensure!(listen.ip().is_loopback(), "only on the loopback interface");

    let contexts = if rederive {
        let material = InputMaterial::new(&input.parameters())?;
        Contexts::Many(Box::new(rederive::Server::new(material)))
    } else {
        let mut context = input.context()?;
        if unsynchronised {
            context.resume(1000);
        }
        context.reserve_up_to(SEQUENCE_LIMIT);
        Contexts::One(context)
    };
    let mut udp = Udp::bind(listen)?;
    let mut server = Server::new(contexts);
    let mut next_tick = Clock::now() + TICK;
    loop {
        let wait = next_tick.saturating_duration_since(Clock::now());
        match udp.turn(wait)? {
            Turn::Datagram(peer, datagram) => {
                if let Incoming::Request { exchange, message } = udp.handle(peer, &datagram) {
                    server.serve(&mut udp, peer, exchange, &message)?;
                }
            }
            Turn::Event(Event::ObserverGone { peer, token }) => server.forget(peer, token),
            Turn::Event(_) | Turn::Nothing => {}
        }
        if Clock::now() >= next_tick {
            next_tick += TICK;
            server.tick(&mut udp)?;
        }
    }
}

enum Contexts {
    One(SecurityContext),
    /// RFC 8613, B.2
    Many(Box<rederive::Server>),
}

impl Contexts {
    /// The one in use.
    fn current(&mut self) -> Result<&mut SecurityContext, OscoreError> {
        match self {
            Self::One(context) => Ok(context),
            Self::Many(server) => server.context_mut().ok_or(OscoreError::ContextNotFound),
        }
    }
}

/// Why there is no protected response.
enum Failure {
    /// What came is to be refused.
    Message(OscoreError),
    /// This server cannot go on.
    Own(anyhow::Error),
}

impl From<OscoreError> for Failure {
    fn from(error: OscoreError) -> Self {
        Self::Message(error)
    }
}

struct Server {
    contexts: Contexts,
    receiver: BlockReceiver<Vec<Assembly<BODY>>, BODY>,
    sender: BlockSender<Vec<Body<BODY>>, BODY>,
    large: Vec<u8>,
    store: Vec<u8>,
    ticks: u32,
    observers: Vec<Observer>,
}

struct Observer {
    peer: SocketAddr,
    token: Token,
    binding: RequestBinding,
}

impl Server {
    fn new(contexts: Contexts) -> Self {
        Self {
            contexts,
            receiver: BlockReceiver::new(vec![Assembly::new(); 4], 6),
            sender: BlockSender::new(vec![Body::new(); 4], 6),
            large: (0..3000u32).map(|at| (at * 7 + at / 256) as u8).collect(),
            store: Vec::new(),
            ticks: 0,
            observers: Vec::new(),
        }
    }

    fn serve(
        &mut self,
        udp: &mut Udp,
        peer: SocketAddr,
        exchange: Exchange,
        message: &Message<'_>,
    ) -> Result<()> {
        let now = udp.now();
        let response = match self.protected_response(now, peer, message) {
            Ok(response) => response,
            Err(Failure::Message(error)) => {
                eprintln!("{:?} from {peer}: {error}", message.code);
                // RFC 8613, 8.2: unprotected, and not to be cached.
                let code = error.outer_code().unwrap_or(Code::UNAUTHORIZED);
                let diagnostic = error.diagnostic().unwrap_or_default();
                let mut response = OutMessage::new(code).with_payload(diagnostic.as_bytes());
                response.options.push(option::MAX_AGE, 0u32)?;
                encoded(&response)?
            }
            Err(Failure::Own(error)) => return Err(error),
        };
        let response = OutMessage::from_message(&Message::parse(&response)?)?;
        Ok(udp.engine.respond(now, exchange, &response)?)
    }

    fn protected_response(
        &mut self,
        now: Instant,
        peer: SocketAddr,
        message: &Message<'_>,
    ) -> Result<Vec<u8>, Failure> {
        let option = OscoreOption::of(message)?;
        let mut plain = vec![0; MESSAGE];
        let mut out = vec![0; MESSAGE];
        let (kind, id, token) = (Type::Confirmable, 0, Token::EMPTY);
        let unprotected = match &mut self.contexts {
            Contexts::One(context) => {
                context.unprotect_request(&option, message, &mut rng(), &mut plain)?
            }
            Contexts::Many(server) => {
                match server.receive(&option, message, &mut rng(), &mut plain)? {
                    rederive::Received::Unprotected(unprotected) => unprotected,
                    rederive::Received::FirstRequest(first) => {
                        let length =
                            server.protect_first_response(first, kind, id, token, &mut out)?;
                        out.truncate(length);
                        return Ok(out);
                    }
                }
            }
        };
        let length = match unprotected {
            Unprotected::Request {
                message,
                mut binding,
            } => {
                let response = self
                    .response(now, peer, &message, binding)
                    .map_err(Failure::Own)?;
                let response =
                    Message::parse(&response).map_err(|error| Failure::Own(error.into()))?;
                let context = self.contexts.current()?;
                context.protect_response(&mut binding, &response, &mut out)?
            }
            Unprotected::Challenge { mut binding, echo } => {
                let context = self.contexts.current()?;
                context.protect_challenge(&mut binding, &echo, kind, id, token, &mut out)?
            }
        };
        out.truncate(length);
        Ok(out)
    }

    /// The response to a decrypted request, encoded.
    fn response(
        &mut self,
        now: Instant,
        peer: SocketAddr,
        request: &Message<'_>,
        binding: RequestBinding,
    ) -> Result<Vec<u8>> {
        if request.options.unrecognized_critical(&CRITICAL).is_some() {
            return encoded(&OutMessage::new(Code::BAD_OPTION));
        }
        let key = OperationKey::new(&[peer.to_string().as_bytes()], request);
        if let Some(later_block) = self.sender.follow_up(now, &key, request) {
            return encoded(&later_block);
        }
        let (body, block1) = match self.receiver.receive(now, &key, request) {
            Received::Whole { body, block1 } => (body, block1),
            other => return encoded(&other.reply()),
        };
        let resource = ["/hello", "/large", "/store", "/ticks"]
            .into_iter()
            .find(|path| request.options.path_is(path));
        let tick = format!("tick {}", self.ticks);
        let mut response = match (resource, request.code) {
            (Some("/hello"), Code::GET) => {
                OutMessage::new(Code::CONTENT).with_payload(b"hello from ace")
            }
            (Some("/large"), Code::GET) => OutMessage::new(Code::CONTENT).with_payload(&self.large),
            (Some("/store"), Code::GET) => OutMessage::new(Code::CONTENT).with_payload(&self.store),
            (Some("/store"), Code::PUT) => {
                self.store = body.to_vec();
                OutMessage::new(Code::CHANGED)
            }
            (Some("/ticks"), Code::GET) => {
                OutMessage::new(Code::CONTENT).with_payload(tick.as_bytes())
            }
            (Some(_), _) => OutMessage::new(Code::METHOD_NOT_ALLOWED),
            (None, _) => OutMessage::new(Code::NOT_FOUND),
        };
        if resource == Some("/ticks") && response.code.is_success() {
            let token = request.token;
            // RFC 7641, 4.1: a new registration takes the place of the old one, Observe 1 ends it.
            self.observers
                .retain(|observer| (observer.peer, observer.token) != (peer, token));
            if binding.is_registration() {
                if self.observers.len() == OBSERVERS {
                    self.observers.remove(0);
                }
                self.observers.push(Observer {
                    peer,
                    token,
                    binding,
                });
                response.options.push(option::OBSERVE, self.ticks)?;
            }
        }
        let response = self.sender.respond(now, &key, request, block1, &response)?;
        let response = encoded(&response)?;
        self.receiver.release(&key);
        Ok(response)
    }

    /// A new state of /ticks, for all who observe it.
    fn tick(&mut self, udp: &mut Udp) -> Result<()> {
        self.ticks += 1;
        let text = format!("tick {}", self.ticks);
        let mut notification = OutMessage::new(Code::CONTENT).with_payload(text.as_bytes());
        notification.options.push(option::OBSERVE, self.ticks)?;
        let plain = encoded(&notification)?;
        // RFC 7641, 4.5: one in a few asks whether the observer is still there.
        let reliability = match self.ticks % 4 {
            0 => Reliability::Confirmable,
            _ => Reliability::NonConfirmable,
        };
        for Observer {
            peer,
            token,
            binding,
        } in &mut self.observers
        {
            let mut out = vec![0; MESSAGE];
            let context = self.contexts.current()?;
            let length = context.protect_response(binding, &Message::parse(&plain)?, &mut out)?;
            let protected = OutMessage::from_message(&Message::parse(&out[..length])?)?;
            let now = udp.now();
            udp.engine
                .notify(now, *peer, *token, reliability, &protected)?;
        }
        Ok(())
    }

    fn forget(&mut self, peer: SocketAddr, token: Token) {
        self.observers
            .retain(|observer| (observer.peer, observer.token) != (peer, token));
    }
}
