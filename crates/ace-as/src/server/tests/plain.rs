//! What anyone may ask, without OSCORE.

use super::*;

#[tokio::test]
async fn rfc9200_5_8_a_token_request_without_oscore_is_invalid_client() {
    let world = World::new().await;
    let answer = world.send(HOME, &encoded(&post(REQUEST), 1)).await.unwrap();
    assert_eq!(answer.code, Code::UNAUTHORIZED);
    assert_eq!(
        ErrorResponse::parse(&answer.payload).unwrap().error,
        ErrorCode::InvalidClient
    );
    assert_eq!(answer.options, [(option::CONTENT_FORMAT, vec![19])]);
    assert_eq!(world.tokens().await, 0);
}

#[tokio::test]
async fn rfc6690_4_well_known_core_names_the_token_endpoint() {
    let world = World::new().await;
    let answer = world
        .send(HOME, &encoded(&get("/.well-known/core"), 1))
        .await
        .unwrap();
    assert_eq!(
        (answer.code, &answer.payload[..]),
        (Code::CONTENT, &b"</token>;ct=19"[..])
    );
    assert_eq!(answer.options, [(option::CONTENT_FORMAT, vec![40])]);
    // In pieces of 16 bytes it is one piece.
    let mut request = get("/.well-known/core");
    request.options.push(option::BLOCK2, 0u32).unwrap();
    let answer = world.send(HOME, &encoded(&request, 2)).await.unwrap();
    assert_eq!(&answer.payload[..], b"</token>;ct=19");
}

#[tokio::test]
async fn methods_paths_and_options_have_their_codes() {
    let world = World::new().await;
    let code =
        async |request: &OutMessage<'_>| world.send(HOME, &encoded(request, 1)).await.unwrap().code;
    let with = |mut request: OutMessage<'static>, number, value: &'static [u8]| {
        request.options.push(number, value).unwrap();
        request
    };
    assert_eq!(code(&get("/token")).await, Code::METHOD_NOT_ALLOWED);
    assert_eq!(code(&get("/nothing")).await, Code::NOT_FOUND);
    assert_eq!(code(&get("/")).await, Code::NOT_FOUND);
    assert_eq!(
        code(&with(post(REQUEST), option::ACCEPT, &[60])).await,
        Code::NOT_ACCEPTABLE
    );
    assert_eq!(
        code(&with(get("/.well-known/core"), option::ACCEPT, &[60])).await,
        Code::NOT_ACCEPTABLE
    );
    assert_eq!(
        code(&with(get("/.well-known/core"), option::URI_QUERY, b"rt=x")).await,
        Code::CONTENT
    );
    // RFC 7252, 5.4.1
    assert_eq!(
        code(&with(post(REQUEST), 2049, b"x")).await,
        Code::BAD_OPTION
    );
    assert_eq!(
        code(&with(post(REQUEST), option::IF_NONE_MATCH, b"")).await,
        Code::BAD_OPTION
    );
    // RFC 7252, 5.10.2
    assert_eq!(
        code(&with(post(REQUEST), option::PROXY_URI, b"coap://x/")).await,
        Code::PROXYING_NOT_SUPPORTED
    );
    assert_eq!(
        code(&with(post(REQUEST), option::PROXY_SCHEME, b"coap")).await,
        Code::PROXYING_NOT_SUPPORTED
    );
}

#[tokio::test]
async fn rfc7252_5_4_1_a_non_with_an_unknown_critical_option_is_ignored() {
    let world = World::new().await;
    let mut request = post(REQUEST);
    request.options.push(2049, b"x").unwrap();
    let mut out = [0; 128];
    let length = request
        .encode(&mut out, Type::NonConfirmable, 1, Token::EMPTY)
        .unwrap();
    assert_eq!(world.send(HOME, &out[..length]).await, None);
}

#[tokio::test]
async fn a_response_is_not_answered() {
    let world = World::new().await;
    assert_eq!(
        world
            .send(HOME, &encoded(&OutMessage::new(Code::CONTENT), 1))
            .await,
        None
    );
}

#[tokio::test]
async fn rfc9175_2_4_an_unverified_peer_gets_three_times_its_bytes_at_most() {
    let world = World::new().await;
    for request in [get("/"), get("/.well-known/core"), post(b"")] {
        for token in [&[][..], &[1; 8]] {
            let token = Token::new(token).unwrap();
            let mut out = [0; 128];
            let length = request
                .encode(&mut out, Type::Confirmable, 1, token)
                .unwrap();
            if let Some(answer) = world.send(HOME, &out[..length]).await {
                let answer = answer.as_message().unwrap();
                assert!(
                    answer.encoded_len(token.as_bytes().len()) <= 3 * length,
                    "{answer:?}"
                );
            }
        }
    }
    // An answer of 21 bytes to a request of which 6 are said to have come: first an Echo, then the answer.
    let ask = async |request: &OutMessage<'_>, claimed: usize| {
        let mut out = [0; 64];
        let length = request
            .encode(&mut out, Type::Confirmable, 1, Token::EMPTY)
            .unwrap();
        let message = Message::parse(&out[..length]).unwrap();
        world
            .server
            .handle(Instant(1000), NOW, HOME, &message, claimed)
            .await
    };
    let challenge = ask(&get("/.well-known/core"), 6).await.unwrap();
    assert_eq!(challenge.code, Code::UNAUTHORIZED);
    let echo = challenge.options[0].1.clone();
    assert_eq!(challenge.options[0].0, option::ECHO);
    let mut again = get("/.well-known/core");
    again.options.push(option::ECHO, &echo[..]).unwrap();
    assert_eq!(ask(&again, 6).await.unwrap().code, Code::CONTENT);
    // The value is for that address alone.
    let mut out = [0; 64];
    let length = again
        .encode(&mut out, Type::Confirmable, 1, Token::EMPTY)
        .unwrap();
    let message = Message::parse(&out[..length]).unwrap();
    let other = world
        .server
        .handle(Instant(1000), NOW, ELSEWHERE, &message, 6)
        .await
        .unwrap();
    assert_eq!(other.code, Code::UNAUTHORIZED);
}
