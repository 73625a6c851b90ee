//! What both servers do with a request.

use ace_coap::block::{Assembly, BlockReceiver, BlockSender, Body, OperationKey, Received};
use ace_coap::{Instant, OutMessage};
use ace_wire::coap::{Code, Message, Token, Type, option};

/// A response that owns its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub code: Code,
    pub content_format: Option<u16>,
    pub options: Vec<(u16, Vec<u8>)>,
    pub payload: Vec<u8>,
}

impl Reply {
    pub fn new(code: Code) -> Self {
        Self {
            code,
            content_format: None,
            options: vec![],
            payload: vec![],
        }
    }

    pub fn with(code: Code, content_format: u16, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            content_format: Some(content_format),
            payload: payload.into(),
            ..Self::new(code)
        }
    }

    pub fn option(mut self, number: u16, value: impl Into<Vec<u8>>) -> Self {
        self.options.push((number, value.into()));
        self
    }

    pub fn message(&self) -> OutMessage<'_> {
        let mut out = OutMessage::new(self.code).with_payload(&self.payload);
        for (number, value) in &self.options {
            out.options.push(*number, &value[..]).unwrap();
        }
        if let Some(format) = self.content_format {
            out.options.push(option::CONTENT_FORMAT, format).unwrap();
        }
        out
    }
}

/// Bodies in blocks, both ways.
pub struct Blocks {
    receiver: BlockReceiver<Vec<Assembly<4096>>, 4096>,
    sender: BlockSender<Vec<Body<4096>>, 4096>,
}

impl Blocks {
    pub fn new(szx: u8) -> Self {
        let receiver = BlockReceiver::new((0..4).map(|_| Assembly::new()).collect(), szx);
        let sender = BlockSender::new((0..4).map(|_| Body::new()).collect(), szx);
        Self { receiver, sender }
    }

    /// Runs the handler once the request is whole; returns the encoded response.
    pub fn serve(
        &mut self,
        now: u64,
        context: &[u8],
        request: &Message<'_>,
        handler: impl FnOnce(&[u8]) -> Reply,
    ) -> Vec<u8> {
        let now = Instant(now);
        let key = OperationKey::new(&[context], request);
        if let Some(response) = self.sender.follow_up(now, &key, request) {
            return encode(&response);
        }
        let (reply, block1) = match self.receiver.receive(now, &key, request) {
            Received::Whole { body, block1 } => (handler(body), block1),
            other => return encode(&other.reply()),
        };
        self.receiver.release(&key);
        let message = reply.message();
        encode(
            &self
                .sender
                .respond(now, &key, request, block1, &message)
                .unwrap(),
        )
    }
}

pub fn encode(message: &OutMessage<'_>) -> Vec<u8> {
    let mut out = [0; 4096];
    let length = message
        .encode(&mut out, Type::Acknowledgement, 0, Token::EMPTY)
        .unwrap();
    out[..length].to_vec()
}

pub fn path(message: &Message<'_>) -> String {
    let mut path = String::new();
    for segment in message
        .options
        .iter()
        .filter(|o| o.number == option::URI_PATH)
    {
        path.push('/');
        path.push_str(&String::from_utf8_lossy(segment.value));
    }
    path
}

/// Another answer in place of the one in `datagram`, as somebody on the path would forge it.
pub fn forge(datagram: &[u8], reply: &Reply) -> Vec<u8> {
    let message = Message::parse(datagram).unwrap();
    let mut out = [0; 2048];
    let length = reply
        .message()
        .encode(&mut out, message.kind, message.id, message.token)
        .unwrap();
    out[..length].to_vec()
}
