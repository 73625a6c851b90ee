//! Tests of the whole crate, with a look at keys and state where needed.

mod kept;
mod messages;
mod observe;
#[cfg(feature = "proxy-uri")]
mod proxy_uri;
mod rederive;
mod replay;
mod simulation;
mod tampering;
mod vectors;

use core::convert::Infallible;
use std::{vec, vec::Vec};

use ace_crypto::{Aead, Hkdf};
use ace_wire::coap::{Code, Message, OptionList, Token, Type, Writer};
use rand_core::{Rng as _, TryCryptoRng, TryRng};

use crate::{
    ECHO_LEN, OscoreError, OscoreOption, Parameters, RequestBinding, SEQUENCE_LIMIT,
    SecurityContext, Unprotected, context::Freshness, window::ReplayWindow,
};

/// Repeatable, not random.
#[derive(Clone)]
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    /// 0 to `limit` - 1.
    fn below(&mut self, limit: u64) -> u64 {
        self.next_u64() % limit
    }

    fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
}

impl TryRng for Rng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok((self.try_next_u64()? >> 32) as u32)
    }

    // SplitMix64
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Ok(z ^ (z >> 31))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for chunk in out.chunks_mut(8) {
            let bytes = self.try_next_u64()?.to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for Rng {}

const CLIENT: Parameters<'static> = Parameters {
    master_secret: &[0x5c; 16],
    master_salt: &[0x9e, 0x7c],
    sender_id: &[0x01],
    recipient_id: &[0x02],
    id_context: None,
    aead: Aead::AesCcm16_64_128,
    hkdf: Hkdf::Sha256,
};

const ID_CONTEXT: &[u8] = &[0x37, 0xcb, 0xf3];

fn mirrored(parameters: Parameters<'_>) -> Parameters<'_> {
    Parameters {
        sender_id: parameters.recipient_id,
        recipient_id: parameters.sender_id,
        ..parameters
    }
}

fn derive(parameters: Parameters<'_>) -> SecurityContext {
    let mut context = SecurityContext::derive(&parameters).unwrap();
    context.reserve_up_to(SEQUENCE_LIMIT);
    context
}

/// Client and server.
fn pair_of(parameters: Parameters<'_>) -> (SecurityContext, SecurityContext) {
    (derive(parameters), derive(mirrored(parameters)))
}

fn pair() -> (SecurityContext, SecurityContext) {
    pair_of(CLIENT)
}

/// All that a message can change.
fn state(context: &SecurityContext) -> (u64, u64, ReplayWindow, Freshness) {
    (
        context.next_sequence(),
        context.reserved(),
        context.window,
        context.freshness,
    )
}

type OptionsOf<'a> = &'a [(u16, &'a [u8])];

fn datagram(code: Code, options: OptionsOf<'_>, payload: &[u8]) -> Vec<u8> {
    let mut list = OptionList::<64>::new();
    for (number, value) in options {
        list.push(*number, *value).unwrap();
    }
    let mut out = vec![0; 4000];
    let token = Token::new(&[0xca, 0xfe]).unwrap();
    let mut writer = Writer::new(&mut out, Type::Confirmable, code, 0x1234, token).unwrap();
    writer.options(&list).unwrap();
    writer.payload(payload).unwrap();
    let len = writer.finish();
    out.truncate(len);
    out
}

fn options_of(message: &Message<'_>) -> Vec<(u16, Vec<u8>)> {
    message
        .options
        .iter()
        .map(|o| (o.number, o.value.to_vec()))
        .collect()
}

/// A decrypted message.
#[derive(Debug, Clone, PartialEq)]
struct Plain {
    code: Code,
    options: Vec<(u16, Vec<u8>)>,
    payload: Vec<u8>,
}

impl Plain {
    fn of(message: &Message<'_>) -> Self {
        assert_eq!(message.token.as_bytes(), [0xca, 0xfe]);
        assert_eq!((message.id, message.kind), (0x1234, Type::Confirmable));
        Self {
            code: message.code,
            options: options_of(message),
            payload: message.payload.to_vec(),
        }
    }
}

#[derive(Debug)]
enum Received {
    Request(Plain, RequestBinding),
    Challenge(RequestBinding, [u8; ECHO_LEN]),
}

impl Received {
    fn request(self) -> (Plain, RequestBinding) {
        match self {
            Self::Request(plain, binding) => (plain, binding),
            Self::Challenge(..) => panic!("challenged"),
        }
    }

    fn challenge(self) -> (RequestBinding, [u8; ECHO_LEN]) {
        match self {
            Self::Challenge(binding, echo) => (binding, echo),
            Self::Request(..) => panic!("not challenged"),
        }
    }
}

fn protect(
    context: &mut SecurityContext,
    datagram: &[u8],
) -> Result<(Vec<u8>, RequestBinding), OscoreError> {
    let mut out = vec![0xee; datagram.len() + crate::MAX_OVERHEAD];
    let message = Message::parse(datagram).unwrap();
    match context.protect_request(&message, context.id_context().is_some(), &mut out) {
        Ok((len, binding)) => {
            out.truncate(len);
            Ok((out, binding))
        }
        Err(error) => Err(error),
    }
}

fn get(context: &mut SecurityContext) -> (Vec<u8>, RequestBinding) {
    protect(context, &datagram(Code::GET, &[(11, b"temp")], &[])).unwrap()
}

/// With a buffer as long as the datagram, which must do; nothing may be left in it after an error.
fn receive(context: &mut SecurityContext, datagram: &[u8]) -> Result<Received, OscoreError> {
    receive_with(context, datagram, &mut Rng(7))
}

fn receive_with(
    context: &mut SecurityContext,
    datagram: &[u8],
    rng: &mut Rng,
) -> Result<Received, OscoreError> {
    let message = Message::parse(datagram).map_err(|_| OscoreError::NotOscore)?;
    let option = OscoreOption::of(&message)?;
    let mut out = vec![0xee; datagram.len()];
    let received = match context.unprotect_request(&option, &message, rng, &mut out) {
        Ok(Unprotected::Request { message, binding }) => {
            return Ok(Received::Request(Plain::of(&message), binding));
        }
        Ok(Unprotected::Challenge { binding, echo }) => Ok(Received::Challenge(binding, echo)),
        Err(error) => Err(error),
    };
    assert!(out.iter().all(|byte| *byte == 0));
    received
}

fn respond(
    context: &mut SecurityContext,
    binding: &mut RequestBinding,
    datagram: &[u8],
) -> Result<Vec<u8>, OscoreError> {
    let mut out = vec![0xee; datagram.len() + crate::MAX_OVERHEAD];
    let message = Message::parse(datagram).unwrap();
    let len = context.protect_response(binding, &message, &mut out)?;
    out.truncate(len);
    Ok(out)
}

fn content(context: &mut SecurityContext, binding: &mut RequestBinding) -> Vec<u8> {
    respond(context, binding, &datagram(Code::CONTENT, &[], b"22.5 C")).unwrap()
}

fn accept(
    context: &SecurityContext,
    binding: &mut RequestBinding,
    datagram: &[u8],
) -> Result<Plain, OscoreError> {
    let message = Message::parse(datagram).map_err(|_| OscoreError::NotOscore)?;
    let mut out = vec![0xee; datagram.len()];
    let error = match context.unprotect_response(binding, &message, &mut out) {
        Ok(message) => return Ok(Plain::of(&message)),
        Err(error) => error,
    };
    assert!(out.iter().all(|byte| *byte == 0));
    Err(error)
}

fn partial_iv(datagram: &[u8]) -> Option<u64> {
    let message = Message::parse(datagram).unwrap();
    let option = OscoreOption::of(&message).unwrap();
    option.partial_iv.map(crate::PartialIv::number)
}
