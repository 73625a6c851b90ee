//! As much CoAP as one GET and its answer.

use ace_wire::coap::{Code, Message, OptionList, Token, Type, Writer};
use anyhow::{Result, anyhow, ensure};

const MESSAGE_ID: u16 = 0x1234;
const TOKEN: &[u8] = b"ace!";

pub fn request(path: &str) -> Result<Vec<u8>> {
    let mut buffer = vec![0; 256];
    let mut options = OptionList::<8>::new();
    options
        .push_path(path)
        .map_err(|error| anyhow!("{error}"))?;
    let length = (|| {
        let token = Token::new(TOKEN)?;
        let mut writer = Writer::new(&mut buffer, Type::Confirmable, Code::GET, MESSAGE_ID, token)?;
        writer.options(&options)?;
        Ok(writer.finish())
    })()
    .map_err(|error: ace_wire::coap::CoapError| anyhow!("{error}"))?;
    buffer.truncate(length);
    Ok(buffer)
}

/// The payload of a piggybacked or separate answer to [`request`]; `None` for any other message.
pub fn payload(datagram: &[u8]) -> Result<Option<Vec<u8>>> {
    let message = Message::parse(datagram).map_err(|error| anyhow!("{error}"))?;
    if message.token.as_bytes() != TOKEN {
        return Ok(None);
    }
    ensure!(message.code.is_success(), "{:?}", message.code);
    Ok(Some(message.payload.to_vec()))
}

/// The answer to a GET; `None` for any other message.
pub fn answer(datagram: &[u8]) -> Option<Vec<u8>> {
    let message = Message::parse(datagram).ok()?;
    if message.code != Code::GET {
        return None;
    }
    let kind = match message.kind {
        Type::Confirmable => Type::Acknowledgement,
        other => other,
    };
    let mut buffer = vec![0; 256];
    let mut writer =
        Writer::new(&mut buffer, kind, Code::CONTENT, message.id, message.token).ok()?;
    writer.payload(b"hello from ace").ok()?;
    let length = writer.finish();
    buffer.truncate(length);
    Some(buffer)
}
