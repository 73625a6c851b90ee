//! Under OSCORE: who is served, what survives a crash, what happens when the store changes or fails.

use std::collections::HashSet;

use super::*;

#[tokio::test]
async fn rfc9203_5_a_registered_client_gets_a_token_over_its_context() {
    let world = World::new().await;
    let mut alice = world.client("alice").await;
    // RFC 8613, B.1: a context never used before needs no Echo.
    let answer = alice.ask(&world, &post(REQUEST)).await;
    assert!(answer.is_token(), "{answer:?}");
    assert_eq!(answer.option(option::CONTENT_FORMAT), Some(&[19][..]));
    assert_eq!(world.tokens().await, 1);
}

#[tokio::test]
async fn rfc8613_8_3_the_outer_code_tells_nothing() {
    let world = World::new().await;
    let mut alice = world.client("alice").await;
    for request in [post(REQUEST), post(b"\xff"), get("/nothing")] {
        let (datagram, _) = alice.protect(&request);
        let answer = world.send(HOME, &datagram).await.unwrap();
        assert_eq!(answer.code, Code::CHANGED);
        assert_eq!(
            answer.options.iter().map(|(n, _)| *n).collect::<Vec<_>>(),
            [option::OSCORE]
        );
    }
}

#[tokio::test]
async fn codes_of_coap_and_errors_of_ace_are_protected() {
    let world = World::new().await;
    let mut alice = world.client("alice").await;
    let with = |mut request: OutMessage<'static>, number, value: &'static [u8]| {
        request.options.push(number, value).unwrap();
        request
    };
    let mut text = OutMessage::new(Code::POST).with_payload(REQUEST);
    text.options.push_path("/token").unwrap();
    for (request, code) in [
        (get("/token"), Code::METHOD_NOT_ALLOWED),
        (get("/nothing"), Code::NOT_FOUND),
        (get("/.well-known/core"), Code::CONTENT),
        (
            with(post(REQUEST), option::ACCEPT, &[60]),
            Code::NOT_ACCEPTABLE,
        ),
        (with(post(REQUEST), option::ACCEPT, &[19]), Code::CREATED),
        (
            with(text, option::CONTENT_FORMAT, &[60]),
            Code::UNSUPPORTED_CONTENT_FORMAT,
        ),
        (with(post(REQUEST), 2049, b"x"), Code::BAD_OPTION),
        (post(b""), Code::BAD_REQUEST),
    ] {
        assert_eq!(alice.ask(&world, &request).await.code, code);
    }
    assert_eq!(
        alice.ask(&world, &post(b"\xa1\x05\x61x")).await.error(),
        ErrorCode::InvalidRequest
    );
}

#[tokio::test]
async fn rfc6749_5_2_a_resource_server_is_no_client() {
    let world = World::new().await;
    let bundle = world.registry.rs_bundle("thermo").await.unwrap();
    let mut thermo = Client::new(bundle.authorization_server.oscore.as_ref().unwrap());
    assert_eq!(
        thermo.ask(&world, &post(REQUEST)).await.error(),
        ErrorCode::UnauthorizedClient
    );
}

#[tokio::test]
async fn rfc8613_b_1_2_after_a_crash_the_window_is_synchronised_with_echo() {
    let mut world = World::new().await;
    let mut alice = world.client("alice").await;
    let (recorded, _) = alice.protect(&post(REQUEST));
    assert!(world.send(HOME, &recorded).await.is_some());
    world = world.crash().await;
    // The request from before the crash is verified, but not served.
    let challenge = world.send(ELSEWHERE, &recorded).await.unwrap();
    assert_eq!(challenge.code, Code::CHANGED);
    assert_eq!(world.tokens().await, 1);
    assert!(alice.ask_with_echo(&world, &post(REQUEST)).await.is_token());
    // Once synchronised, it is a replay.
    assert_eq!(world.send(ELSEWHERE, &recorded).await, None);
    assert!(alice.ask(&world, &post(REQUEST)).await.is_token());
    assert_eq!(world.tokens().await, 3);
}

#[tokio::test]
async fn rfc8613_b_1_1_no_partial_iv_comes_twice_across_crashes() {
    let mut world = World::new().await;
    let mut alice = world.client("alice").await;
    assert!(alice.ask(&world, &post(REQUEST)).await.is_token());
    let mut seen = HashSet::new();
    for round in 0..4 {
        world = world.crash().await;
        // More challenges than one block of numbers holds, in the last round.
        for _ in 0..if round == 3 { 80 } else { 3 } {
            let (datagram, _) = alice.protect(&post(REQUEST));
            let answer = world.send(HOME, &datagram).await.unwrap();
            let value = &answer
                .options
                .iter()
                .find(|(n, _)| *n == option::OSCORE)
                .unwrap()
                .1;
            let option = ace_oscore::OscoreOption::parse(value).unwrap();
            assert!(seen.insert(option.partial_iv.unwrap().number()));
        }
    }
    assert_eq!(world.tokens().await, 1);
}

#[tokio::test]
async fn the_store_knows_a_context_as_used_before_its_first_answer() {
    let world = World::new().await;
    let mut alice = world.client("alice").await;
    assert_eq!(world.count("SELECT max(reserved) FROM peer").await, 0);
    // A forgery is no use, and moves nothing.
    let (mut forged, _) = alice.protect(&post(REQUEST));
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(world.send(HOME, &forged).await, None);
    assert_eq!(world.count("SELECT max(reserved) FROM peer").await, 0);
    alice.ask(&world, &post(REQUEST)).await;
    assert!(world.count("SELECT max(reserved) FROM peer").await > 0);
}

#[tokio::test]
async fn a_removed_client_stops_working_at_once() {
    let world = World::new().await;
    let mut alice = world.client("alice").await;
    assert!(alice.ask(&world, &post(REQUEST)).await.is_token());
    // Removed by another process.
    let other = Registry::new(
        Store::open(world.server.store().path()).await.unwrap(),
        site(),
    );
    other.remove_client("alice").await.unwrap();
    for _ in 0..2 {
        let (datagram, _) = alice.protect(&post(REQUEST));
        let answer = world.send(HOME, &datagram).await.unwrap();
        assert_eq!(
            (answer.code, &answer.payload[..]),
            (Code::UNAUTHORIZED, &b"Security context not found"[..])
        );
    }
    assert_eq!(world.tokens().await, 1);
    // A new client of that name is another one.
    let mut again = world.client("alice").await;
    assert!(again.ask(&world, &post(REQUEST)).await.is_token());
}

#[tokio::test]
async fn changes_of_another_process_count_from_the_next_request_on() {
    let world = World::new().await;
    let mut alice = world.client("alice").await;
    assert!(alice.ask(&world, &post(REQUEST)).await.is_token());
    let other = Registry::new(
        Store::open(world.server.store().path()).await.unwrap(),
        site(),
    );
    other.revoke("alice", "thermo", "GET /temp").await.unwrap();
    assert_eq!(
        alice.ask(&world, &post(REQUEST)).await.error(),
        ErrorCode::InvalidRequest
    );
    other.grant("alice", "thermo", "PUT /led").await.unwrap();
    assert!(alice.ask(&world, &post(REQUEST)).await.is_token());
    other.remove_rs("thermo").await.unwrap();
    assert_eq!(
        alice.ask(&world, &post(REQUEST)).await.error(),
        ErrorCode::InvalidRequest
    );
    let bundle = other
        .add_client("bob", &ClientOptions::default())
        .await
        .unwrap();
    let mut bob = Client::new(bundle.authorization_server.oscore.as_ref().unwrap());
    assert_eq!(
        bob.ask(&world, &post(REQUEST)).await.error(),
        ErrorCode::InvalidRequest
    );
}

#[tokio::test]
async fn contexts_in_memory_are_bounded_and_come_back_through_echo() {
    let world = World::new().await;
    let mut clients = Vec::new();
    for n in 0..12 {
        clients.push(world.client(&format!("c{n}")).await);
    }
    for client in &mut clients {
        assert!(client.ask(&world, &post(REQUEST)).await.is_token());
    }
    assert_eq!(world.server.peers.len(), 8);
    // The last ones are there; the first ones have been forgotten and are asked for freshness.
    assert!(clients[11].ask(&world, &post(REQUEST)).await.is_token());
    assert_eq!(
        clients[0].ask(&world, &post(REQUEST)).await.code,
        Code::UNAUTHORIZED
    );
    assert!(
        clients[0]
            .ask_with_echo(&world, &post(REQUEST))
            .await
            .is_token()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_clients_at_once_share_commits() {
    let world = std::sync::Arc::new(World::new().await);
    let mut clients = Vec::new();
    for n in 0..40 {
        clients.push(world.client(&format!("c{n}")).await);
    }
    let before = world.server.store().transactions();
    // Commits wait for the change of the registry, and requests queue up.
    let change = world.server.store().begin().await.unwrap();
    let tasks: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            let world = world.clone();
            tokio::spawn(async move { client.ask(&world, &post(REQUEST)).await.is_token() })
        })
        .collect();
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    drop(change);
    for task in tasks {
        assert!(task.await.unwrap());
    }
    // Each takes a reservation of its context and a token; numbers come in blocks on top.
    let taken = world.server.store().transactions() - before;
    assert!(
        taken < 40,
        "{taken} transactions for 40 contexts and 40 tokens"
    );
    assert_eq!(world.tokens().await, 40);
}

#[tokio::test]
async fn a_store_that_fails_answers_5_03_and_stores_nothing() {
    let world = World::new().await;
    let mut alice = world.client("alice").await;
    let mut bob = world.client("bob").await;
    assert!(alice.ask(&world, &post(REQUEST)).await.is_token());
    world
        .break_table(
            "CREATE TRIGGER a BEFORE INSERT ON token BEGIN SELECT RAISE(FAIL, 'full'); END",
        )
        .await;
    let answer = alice.ask(&world, &post(REQUEST)).await;
    assert_eq!(
        (answer.code, answer.option(option::MAX_AGE)),
        (Code::SERVICE_UNAVAILABLE, Some(&[5][..]))
    );
    assert_eq!(world.tokens().await, 1);
    // Bob's context is not known as used yet and cannot be marked so: nothing goes out under it.
    world
        .break_table("CREATE TRIGGER b BEFORE UPDATE ON peer BEGIN SELECT RAISE(FAIL, 'full'); END")
        .await;
    let (datagram, _) = bob.protect(&post(REQUEST));
    let answer = world.send(HOME, &datagram).await.unwrap();
    assert_eq!(
        (answer.code, answer.payload.len()),
        (Code::SERVICE_UNAVAILABLE, 0)
    );
    // Both go on when the store does.
    world.break_table("DROP TRIGGER a").await;
    world.break_table("DROP TRIGGER b").await;
    assert!(alice.ask(&world, &post(REQUEST)).await.is_token());
    assert!(bob.ask(&world, &post(REQUEST)).await.is_token());
}

#[tokio::test]
async fn one_store_has_one_server() {
    let world = World::new().await;
    let second = Store::open(world.server.store().path()).await.unwrap();
    let error = second
        .lock_for_server(std::time::Duration::ZERO)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("another server runs on the store /"),
        "{error}"
    );
    // It takes over as soon as the first one is gone.
    let (started, ()) = tokio::join!(
        async { AuthorizationServer::new(second, config()).await.map(drop) },
        async {
            tokio::time::sleep(std::time::Duration::from_millis(30)).await;
            drop(world.server);
        }
    );
    started.unwrap();
}

#[tokio::test]
async fn expired_tokens_are_swept_while_requests_come() {
    let world = World::new().await;
    let mut alice = world.client("alice").await;
    let mut ask = async |now_unix| {
        let (datagram, binding) = alice.protect(&post(REQUEST));
        let message = Message::parse(&datagram).unwrap();
        let answer = world
            .server
            .handle(Instant(1), now_unix, HOME, &message, datagram.len())
            .await
            .unwrap();
        assert!(alice.open(&answer, binding).unwrap().is_token());
    };
    ask(NOW).await;
    ask(NOW + 10).await;
    ask(NOW + 4000).await;
    for _ in 0..200 {
        if world.tokens().await == 1 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("{} tokens left", world.tokens().await);
}
