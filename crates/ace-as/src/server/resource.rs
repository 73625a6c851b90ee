//! The resources of the authorization server, behind whatever protection.

use ace_wire::{
    coap::{
        Code, Message,
        content_format::{ACE_CBOR, LINK_FORMAT},
        option,
    },
    link::LinkWriter,
};

use super::Answer;
use crate::{
    store::Principal,
    token::{Refusal, TokenEndpoint},
};

/// Path of the token endpoint (RFC 9200, 5.8).
const TOKEN: &str = "/token";
const WELL_KNOWN_CORE: &str = "/.well-known/core";

/// Critical options that the resources understand.
const KNOWN: [u16; 7] = [
    option::URI_HOST,
    option::URI_PORT,
    option::URI_PATH,
    option::URI_QUERY,
    option::ACCEPT,
    option::BLOCK2,
    option::BLOCK1,
];

/// Seconds after which a client may try again when the store fails (RFC 7252, 5.9.3.4).
const RETRY_AFTER: u32 = 5;

/// Which resource and method a request is for, or the answer that settles it.
pub(super) enum Route {
    Token,
    WellKnownCore,
    Answer(Answer),
}

/// Options, path, method and Accept, in this order.
pub(super) fn route(request: &Message<'_>) -> Route {
    let refuse = |code| Route::Answer(Answer::new(code));
    // RFC 7252, 5.4.1
    if request.options.unrecognized_critical(&KNOWN).is_some() {
        return refuse(Code::BAD_OPTION);
    }
    let (route, method, format) = if request.options.path_is(TOKEN) {
        (Route::Token, Code::POST, ACE_CBOR)
    } else if request.options.path_is(WELL_KNOWN_CORE) {
        (Route::WellKnownCore, Code::GET, LINK_FORMAT)
    } else {
        return refuse(Code::NOT_FOUND);
    };
    if request.code != method {
        return refuse(Code::METHOD_NOT_ALLOWED);
    }
    // RFC 7252, 5.10.4
    match request.options.uint(option::ACCEPT) {
        Ok(Some(accepted)) if accepted != u32::from(format) => refuse(Code::NOT_ACCEPTABLE),
        _ => route,
    }
}

/// Answers a token request from the client that authenticated.
pub(super) async fn token(
    endpoint: &TokenEndpoint,
    principal: &Principal,
    now_unix: u64,
    request: &Message<'_>,
    body: &[u8],
) -> Answer {
    let content_format = request.options.uint(option::CONTENT_FORMAT).ok().flatten();
    // A Content-Format has 16 bits.
    let content_format = content_format.map(|format| u16::try_from(format).unwrap_or(u16::MAX));
    let given = endpoint
        .answer(Some(principal), now_unix, content_format, body)
        .await;
    let mut answer = Answer {
        payload: given.payload,
        ..Answer::new(given.code)
    };
    if let Some(format) = given.content_format {
        answer = answer.with_option(option::CONTENT_FORMAT, format);
    }
    if given.code == Code::SERVICE_UNAVAILABLE {
        answer = answer.with_option(option::MAX_AGE, RETRY_AFTER);
    }
    answer
}

/// The answer when the store fails.
pub(super) fn unavailable() -> Answer {
    Answer::new(Code::SERVICE_UNAVAILABLE).with_option(option::MAX_AGE, RETRY_AFTER)
}

/// The answer to a token request that nothing protects.
pub(super) fn unauthenticated() -> Answer {
    let refusal = Refusal::NotAuthenticated;
    crate::audit::Event::default().emit(Err(&refusal));
    Answer::new(refusal.code())
        .with_option(option::CONTENT_FORMAT, ACE_CBOR)
        .with_payload(refusal.payload())
}

/// What there is (RFC 6690; RFC 9200, 5.8: the token endpoint's media type).
pub(super) fn well_known_core() -> Answer {
    let mut payload = vec![0; 64];
    let mut links = LinkWriter::new(&mut payload);
    let written = links
        .link(TOKEN)
        .and_then(|()| links.number("ct", u64::from(ACE_CBOR)));
    let length = if written.is_ok() { links.finish() } else { 0 };
    payload.truncate(length);
    Answer::new(Code::CONTENT)
        .with_option(option::CONTENT_FORMAT, LINK_FORMAT)
        .with_payload(payload)
}
