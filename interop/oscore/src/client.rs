//! A client with one server: requests over OSCORE, block-wise inside of it, with the Echo of a server that lost its
//! replay window answered (RFC 8613, B.1.2).

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant as Clock},
};

use ace_coap::{
    Block, Code, Event, Incoming, Message, OutMessage, Reliability, RequestId, Token, Type,
    block::{Progress, Transfer},
    option,
};
use ace_oscore::{
    OscoreError, RequestBinding, SecurityContext,
    rederive::{FirstRequest, InputMaterial, SecondRequest},
};
use anyhow::{Result, anyhow, bail, ensure};

use crate::{
    keys::{Input, Sequence},
    rng,
    udp::{Turn, Udp},
};

/// How long one exchange may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest body taken.
const BODY: usize = 65_536;
/// The longest message.
const MESSAGE: usize = 2048;

pub struct Client {
    udp: Udp,
    peer: SocketAddr,
    state: State,
    pub reliability: Reliability,
}

enum State {
    Established {
        context: SecurityContext,
        /// `None` if a random number has made the context new.
        sequence: Option<Sequence>,
    },
    /// RFC 8613, B.2: the first exchange makes the context.
    Start(InputMaterial),
}

pub struct Answer {
    pub code: Code,
    pub payload: Vec<u8>,
}

/// A request under way, and the answer to it that came last.
struct Exchanged {
    request: RequestId,
    binding: RequestBinding,
    /// A whole encoded message.
    response: Vec<u8>,
}

impl Client {
    pub fn new(
        peer: SocketAddr,
        mut context: SecurityContext,
        mut sequence: Sequence,
    ) -> Result<Self> {
        sequence.restore(&mut context)?;
        let sequence = Some(sequence);
        Self::with(peer, State::Established { context, sequence })
    }

    pub fn without_context(peer: SocketAddr, input: &Input) -> Result<Self> {
        let material = InputMaterial::new(&input.parameters())?;
        Self::with(peer, State::Start(material))
    }

    fn with(peer: SocketAddr, state: State) -> Result<Self> {
        Ok(Self {
            udp: Udp::bind((Ipv4Addr::LOCALHOST, 0).into())?,
            peer,
            state,
            reliability: Reliability::Confirmable,
        })
    }

    /// A whole operation: the request's body in blocks of `block` bytes if it is longer, the answer's too.
    pub fn transfer(&mut self, request: &OutMessage<'_>, block: Option<usize>) -> Result<Answer> {
        let szx = Block::szx_for(block.unwrap_or(1024));
        let mut transfer = Transfer::new(request, szx)?;
        if block.is_some() {
            transfer = transfer.with_response_blocks(szx);
        }
        let mut body = vec![0; BODY];
        loop {
            let exchanged = self.exchange(&transfer.next_message()?)?;
            let response = Message::parse(&exchanged.response)?;
            match transfer.on_response(&response, &mut body)? {
                Progress::Again => {}
                Progress::Complete { code, length } => {
                    body.truncate(length);
                    return Ok(Answer {
                        code,
                        payload: body,
                    });
                }
            }
        }
    }

    /// Registers an observation and gives `each` the first `count` states.
    pub fn observe(
        &mut self,
        request: &OutMessage<'_>,
        count: usize,
        mut each: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let Exchanged {
            request,
            mut binding,
            response,
        } = self.exchange(request)?;
        let first = Message::parse(&response)?;
        ensure!(first.code.is_success(), "{:?}", first.code);
        ensure!(!binding.is_closed(), "no observation was established");
        each(first.payload)?;
        for _ in 1..count {
            let datagram = self.response_to(request)?;
            let message = Message::parse(&datagram)?;
            let response = self.unprotect(&mut binding, &message)?;
            let notification = Message::parse(&response)?;
            ensure!(notification.code.is_success(), "{:?}", notification.code);
            each(notification.payload)?;
        }
        self.udp.engine.cancel(request);
        Ok(())
    }

    /// One request and its answer.
    fn exchange(&mut self, request: &OutMessage<'_>) -> Result<Exchanged> {
        let exchanged = self.exchange_once(request)?;
        let response = Message::parse(&exchanged.response)?;
        let echo = response.options.find(option::ECHO);
        let (Code::UNAUTHORIZED, Some(echo)) = (response.code, echo) else {
            return Ok(exchanged);
        };
        // RFC 8613, B.1.2; RFC 9175, 2.3
        let mut again = *request;
        again.options.push(option::ECHO, echo)?;
        self.exchange_once(&again)
    }

    fn exchange_once(&mut self, request: &OutMessage<'_>) -> Result<Exchanged> {
        let plain = encoded(request)?;
        let plain = Message::parse(&plain)?;
        if let State::Start(_) = self.state {
            return self.establish(&plain);
        }
        let mut protected = vec![0; MESSAGE];
        let (context, sequence) = self.established()?;
        if let Some(sequence) = sequence {
            sequence.keep_up(context)?;
        }
        let with_id_context = context.id_context().is_some();
        let (length, mut binding) =
            context.protect_request(&plain, with_id_context, &mut protected)?;
        protected.truncate(length);
        let request = self.send(&protected)?;
        let datagram = self.response_to(request)?;
        let response = self.unprotect(&mut binding, &Message::parse(&datagram)?)?;
        Ok(Exchanged {
            request,
            binding,
            response,
        })
    }

    /// RFC 8613, B.2, with `plain` as both requests.
    fn establish(&mut self, plain: &Message<'_>) -> Result<Exchanged> {
        let State::Start(material) = &self.state else {
            bail!("a context is there already");
        };
        let mut protected = vec![0; MESSAGE];
        let mut first = FirstRequest::start(material, &mut rng())?;
        let (length, mut binding) = first.protect_request(plain, &mut protected)?;
        let request = self.send(&protected[..length])?;
        let datagram = self.response_to(request)?;
        let State::Start(material) = &self.state else {
            bail!("a context is there already");
        };
        let mut second = SecondRequest::after(
            material,
            first.context(),
            &mut binding,
            &Message::parse(&datagram)?,
            &mut rng(),
            &mut [0; MESSAGE],
        )?;
        let (length, mut binding) = second.protect_request(plain, &mut protected)?;
        let request = self.send(&protected[..length])?;
        let datagram = self.response_to(request)?;
        let mut out = vec![0; MESSAGE];
        let message = Message::parse(&datagram)?;
        let response =
            encoded_message(&second.verify_response(&mut binding, &message, &mut out)?)?;
        let context = second
            .into_context()
            .ok_or_else(|| anyhow!("no context after a verified response"))?;
        self.state = State::Established {
            context,
            sequence: None,
        };
        Ok(Exchanged {
            request,
            binding,
            response,
        })
    }

    fn established(&mut self) -> Result<(&mut SecurityContext, &mut Option<Sequence>)> {
        match &mut self.state {
            State::Established { context, sequence } => Ok((context, sequence)),
            State::Start(_) => bail!("no context yet"),
        }
    }

    fn unprotect(
        &mut self,
        binding: &mut RequestBinding,
        message: &Message<'_>,
    ) -> Result<Vec<u8>> {
        let (context, _) = self.established()?;
        let mut out = vec![0; MESSAGE];
        match context.unprotect_response(binding, message, &mut out) {
            Ok(response) => encoded_message(&response),
            Err(OscoreError::NotOscore) => {
                bail!(
                    "an unprotected {:?}: {}",
                    message.code,
                    String::from_utf8_lossy(message.payload)
                )
            }
            Err(error) => Err(error.into()),
        }
    }

    fn send(&mut self, message: &[u8]) -> Result<RequestId> {
        let message = OutMessage::from_message(&Message::parse(message)?)?;
        let (now, peer) = (self.udp.now(), self.peer);
        let reliability = self.reliability;
        Ok(self
            .udp
            .engine
            .request(now, peer, reliability, &message, &mut rng())?)
    }

    /// The next response to a request, as it came.
    fn response_to(&mut self, request: RequestId) -> Result<Vec<u8>> {
        let end = Clock::now() + PATIENCE;
        while let Some(left) = end.checked_duration_since(Clock::now()) {
            match self.udp.turn(left)? {
                Turn::Datagram(peer, datagram) => match self.udp.handle(peer, &datagram) {
                    Incoming::Response { request: to, .. } if to == request => return Ok(datagram),
                    _ => {}
                },
                Turn::Event(Event::TimedOut(to) | Event::Reset(to)) if to == request => {
                    bail!("no response")
                }
                Turn::Event(_) | Turn::Nothing => {}
            }
        }
        bail!("no response within {PATIENCE:?}")
    }

    /// A request without protection, and its answer.
    pub fn unprotected(&mut self, request: &OutMessage<'_>) -> Result<Answer> {
        let request = self.send(&encoded(request)?)?;
        let datagram = self.response_to(request)?;
        let Message { code, payload, .. } = Message::parse(&datagram)?;
        let payload = payload.to_vec();
        Ok(Answer { code, payload })
    }

    /// Goes on with another server.
    pub fn turn_to(&mut self, peer: SocketAddr) {
        self.peer = peer;
    }
}

/// A whole message; type, Message ID and token are set when it leaves.
pub fn encoded(message: &OutMessage<'_>) -> Result<Vec<u8>> {
    let mut bytes = vec![0; MESSAGE];
    let length = message.encode(&mut bytes, Type::Confirmable, 0, Token::EMPTY)?;
    bytes.truncate(length);
    Ok(bytes)
}

fn encoded_message(message: &Message<'_>) -> Result<Vec<u8>> {
    encoded(&OutMessage::from_message(message)?)
}
