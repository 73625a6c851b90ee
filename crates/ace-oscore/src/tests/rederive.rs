//! Contexts derived more than once (RFC 8613, B.2).

use super::*;
use crate::{
    bytes::unwrap_byte_string,
    rederive::{
        FirstRequest, FirstResponse, InputMaterial, Received as Step, SecondRequest, Server,
    },
};

fn material(parameters: Parameters<'_>) -> InputMaterial {
    InputMaterial::new(&parameters).unwrap()
}

fn server() -> Server {
    Server::new(material(mirrored(CLIENT)))
}

/// The bytes of a message protected by `f`.
fn sent(
    f: impl FnOnce(&Message<'_>, &mut [u8]) -> Result<(usize, RequestBinding), OscoreError>,
) -> (Vec<u8>, RequestBinding) {
    let original = datagram(Code::GET, &[(11, b"temp")], &[]);
    let mut out = [0; 200];
    let (len, binding) = f(&Message::parse(&original).unwrap(), &mut out).unwrap();
    (out[..len].to_vec(), binding)
}

enum Outcome {
    Request(Plain, RequestBinding),
    First(FirstResponse),
}

impl Outcome {
    fn first(self) -> FirstResponse {
        match self {
            Self::First(first) => first,
            Self::Request(..) => panic!("a request"),
        }
    }

    fn request(self) -> (Plain, RequestBinding) {
        match self {
            Self::Request(plain, binding) => (plain, binding),
            Self::First(_) => panic!("a first request"),
        }
    }
}

fn step(server: &mut Server, datagram: &[u8], rng: &mut Rng) -> Result<Outcome, OscoreError> {
    let message = Message::parse(datagram).unwrap();
    let option = OscoreOption::of(&message).unwrap();
    let mut out = vec![0xee; datagram.len()];
    let result = match server.receive(&option, &message, rng, &mut out) {
        Ok(Step::Unprotected(Unprotected::Request { message, binding })) => {
            return Ok(Outcome::Request(Plain::of(&message), binding));
        }
        Ok(Step::Unprotected(Unprotected::Challenge { .. })) => panic!("challenged"),
        Ok(Step::FirstRequest(first)) => Ok(Outcome::First(first)),
        Err(error) => Err(error),
    };
    assert!(out.iter().all(|b| *b == 0));
    result
}

fn first_response(server: &Server, first: FirstResponse) -> Vec<u8> {
    let mut out = [0; 100];
    let token = Token::new(&[0xca, 0xfe]).unwrap();
    let len = server
        .protect_first_response(first, Type::Confirmable, 0x1234, token, &mut out)
        .unwrap();
    out[..len].to_vec()
}

fn second_request(
    first: &SecurityContext,
    binding: &mut RequestBinding,
    response: &[u8],
    rng: &mut Rng,
) -> Result<SecondRequest, OscoreError> {
    let mut scratch = vec![0xee; response.len()];
    let message = Message::parse(response).unwrap();
    let result = SecondRequest::after(
        &material(CLIENT),
        first,
        binding,
        &message,
        rng,
        &mut scratch,
    );
    if !matches!(result, Err(OscoreError::Malformed)) {
        assert!(scratch.iter().all(|b| *b == 0));
    }
    result
}

fn kid_context(datagram: &[u8]) -> Vec<u8> {
    let message = Message::parse(datagram).unwrap();
    OscoreOption::of(&message)
        .unwrap()
        .kid_context
        .unwrap()
        .to_vec()
}

/// A whole run; gives the client's context and the messages of the way: request #1, response #1, request #2.
fn run(server: &mut Server, rng: &mut Rng) -> (SecurityContext, [Vec<u8>; 3]) {
    let mut first = FirstRequest::start(&material(CLIENT), rng).unwrap();
    let (request1, mut binding1) = sent(|m, out| first.protect_request(m, out));
    let answer = step(server, &request1, rng).unwrap().first();
    let response1 = first_response(server, answer);
    let mut second = second_request(first.context(), &mut binding1, &response1, rng).unwrap();
    let (request2, mut binding2) = sent(|m, out| second.protect_request(m, out));
    let (plain, mut served) = step(server, &request2, rng).unwrap().request();
    assert_eq!(plain.options, [(11, b"temp".to_vec())]);
    let response2 = content(server.context_mut().unwrap(), &mut served);
    let mut out = [0; 100];
    let message = Message::parse(&response2).unwrap();
    let plain = second
        .verify_response(&mut binding2, &message, &mut out)
        .unwrap();
    assert_eq!(plain.payload, b"22.5 C");
    (
        second.into_context().unwrap(),
        [request1, response1, request2],
    )
}

#[test]
fn rfc8613_b_2_protocol_run() {
    let (mut server, mut rng) = (server(), Rng(1));
    let (mut client, [request1, response1, request2]) = run(&mut server, &mut rng);

    let r1 = kid_context(&request1);
    let r2 = kid_context(&response1);
    let id3 = kid_context(&request2);
    assert_eq!((r1.len(), r1[0]), (9, 0x48));
    assert_eq!((r2.len(), r2[0]), (17, 0x50));
    assert_eq!((id3.len(), id3[..2].to_vec()), (26, vec![0x58, 24]));
    assert_eq!(id3[2..18], r2[1..]);
    assert_eq!(client.id_context(), unwrap_byte_string(&id3));
    assert_eq!(Message::parse(&response1).unwrap().code, Code::CHANGED);

    // From here on an ordinary context, with `kid context` plain or left out.
    let (message, mut binding) = get(&mut client);
    assert_eq!(kid_context(&message), &id3[2..]);
    let (_, mut served) = step(&mut server, &message, &mut rng).unwrap().request();
    let response = content(server.context_mut().unwrap(), &mut served);
    accept(&client, &mut binding, &response).unwrap();
    let (message, _) = sent(|m, out| client.protect_request(m, false, out));
    step(&mut server, &message, &mut rng).unwrap().request();
}

#[test]
fn rfc8613_b_2_replayed_request_2_is_refused() {
    let (mut server, mut rng) = (server(), Rng(2));
    let (_, [request1, _, request2]) = run(&mut server, &mut rng);
    assert_eq!(
        step(&mut server, &request2, &mut rng).err(),
        Some(OscoreError::Replay)
    );

    // After another run it belongs to no run, and is at most a reason to answer, never to act.
    run(&mut server, &mut rng);
    let established = server.context().unwrap().id_context().unwrap().to_vec();
    for old in [&request1, &request2] {
        step(&mut server, old, &mut rng).unwrap().first();
    }
    assert_eq!(
        server.context().unwrap().id_context(),
        Some(&established[..])
    );

    // After a reboot likewise
    let mut rebooted = super::rederive::server();
    for old in [&request1, &request2] {
        step(&mut rebooted, old, &mut rng).unwrap().first();
    }
    assert!(rebooted.context().is_none());
}

#[test]
fn rfc8613_b_2_1_a_completed_run_ends_those_beside_it() {
    let (mut server, mut rng) = (server(), Rng(3));
    let mut starts = vec![];
    for _ in 0..3 {
        let mut first = FirstRequest::start(&material(CLIENT), &mut rng).unwrap();
        let (request, binding) = sent(|m, out| first.protect_request(m, out));
        let answer = step(&mut server, &request, &mut rng).unwrap().first();
        starts.push((first, binding, first_response(&server, answer)));
    }
    let mut requests = vec![];
    for (first, binding, response) in &mut starts {
        let mut second = second_request(first.context(), binding, response, &mut rng).unwrap();
        requests.push(sent(|m, out| second.protect_request(m, out)).0);
    }
    step(&mut server, &requests[1], &mut rng).unwrap().request();
    for late in [0, 2] {
        step(&mut server, &requests[late], &mut rng)
            .unwrap()
            .first();
    }

    // Likewise a run that took too long
    let mut server = super::rederive::server();
    let mut first = FirstRequest::start(&material(CLIENT), &mut rng).unwrap();
    let (request, mut binding) = sent(|m, out| first.protect_request(m, out));
    let answer = step(&mut server, &request, &mut rng).unwrap().first();
    let response = first_response(&server, answer);
    let mut second = second_request(first.context(), &mut binding, &response, &mut rng).unwrap();
    server.forget_runs();
    let (request, _) = sent(|m, out| second.protect_request(m, out));
    step(&mut server, &request, &mut rng).unwrap().first();
}

#[test]
fn rfc8613_b_2_the_server_may_start_after_losing_its_context() {
    let (mut server, mut rng) = (server(), Rng(4));
    // An ID Context short enough to be a part of the second one
    let with_context = Parameters {
        id_context: Some(ID_CONTEXT),
        ..CLIENT
    };
    let mut established = derive(with_context);
    let (message, mut binding) = get(&mut established);
    assert_eq!(kid_context(&message), ID_CONTEXT);
    let answer = step(&mut server, &message, &mut rng).unwrap().first();
    let response = first_response(&server, answer);
    // The established context alone cannot make anything of it, and its exchange stays open.
    assert_eq!(
        accept(&established, &mut binding, &response),
        Err(OscoreError::ContextNotFound)
    );
    let mut second = second_request(&established, &mut binding, &response, &mut rng).unwrap();
    let (request, _) = sent(|m, out| second.protect_request(m, out));
    step(&mut server, &request, &mut rng).unwrap().request();

    // And again from the context of 24 bytes that is established now
    let (mut client, _) = run(&mut server, &mut rng);
    let mut rebooted = super::rederive::server();
    let (message, mut binding) = get(&mut client);
    let answer = step(&mut rebooted, &message, &mut rng).unwrap().first();
    let response = first_response(&rebooted, answer);
    let mut second = second_request(&client, &mut binding, &response, &mut rng).unwrap();
    let (request, _) = sent(|m, out| second.protect_request(m, out));
    step(&mut rebooted, &request, &mut rng).unwrap().request();
}

#[test]
fn rfc8613_b_2_the_established_context_lives_until_request_2_verifies() {
    let (mut server, mut rng) = (server(), Rng(5));
    let (mut client, _) = run(&mut server, &mut rng);
    let mut first = FirstRequest::start(&material(CLIENT), &mut rng).unwrap();
    let (request1, mut binding) = sent(|m, out| first.protect_request(m, out));
    let answer = step(&mut server, &request1, &mut rng).unwrap().first();
    let response1 = first_response(&server, answer);
    let mut second = second_request(first.context(), &mut binding, &response1, &mut rng).unwrap();
    let (request2, _) = sent(|m, out| second.protect_request(m, out));

    for at in [request2.len() - 1, request2.len() - 9] {
        let mut forged = request2.clone();
        forged[at] ^= 1;
        assert_eq!(
            step(&mut server, &forged, &mut rng).err(),
            Some(OscoreError::Decryption)
        );
    }
    step(&mut server, &get(&mut client).0, &mut rng)
        .unwrap()
        .request();
    step(&mut server, &request2, &mut rng).unwrap().request();
    let old = get(&mut client).0;
    // What is left of the old context is at most a new beginning.
    step(&mut server, &old, &mut rng).unwrap().first();
}

#[test]
fn rfc8613_b_2_forged_steps_are_refused() {
    let (mut server, mut rng) = (server(), Rng(6));
    let mut first = FirstRequest::start(&material(CLIENT), &mut rng).unwrap();
    let (request1, mut binding) = sent(|m, out| first.protect_request(m, out));
    for at in Message::parse(&request1)
        .map(|m| request1.len() - m.payload.len()..request1.len())
        .unwrap()
    {
        let mut forged = request1.clone();
        forged[at] ^= 0x10;
        assert_eq!(
            step(&mut server, &forged, &mut rng).err(),
            Some(OscoreError::Decryption)
        );
    }
    let answer = step(&mut server, &request1, &mut rng).unwrap().first();
    let response1 = first_response(&server, answer);
    let parsed = Message::parse(&response1).unwrap();
    let value = parsed.options.find(9).unwrap();
    for at in 0..value.len() {
        let mut value = value.to_vec();
        value[at] ^= 1;
        let forged = datagram(Code::CHANGED, &[(9, &value)], parsed.payload);
        assert!(second_request(first.context(), &mut binding, &forged, &mut rng).is_err());
    }
    for at in 0..parsed.payload.len() {
        let mut payload = parsed.payload.to_vec();
        payload[at] ^= 1;
        let forged = datagram(Code::CHANGED, &[(9, value)], &payload);
        let error = second_request(first.context(), &mut binding, &forged, &mut rng).err();
        assert_eq!(error, Some(OscoreError::Decryption));
    }
    assert!(!binding.is_closed());

    // Another client's, and one without kid context
    let mut other = derive(Parameters {
        sender_id: &[9],
        id_context: Some(ID_CONTEXT),
        ..CLIENT
    });
    let mut plain = derive(CLIENT);
    for context in [&mut other, &mut plain] {
        let (request, _) = get(context);
        let error = step(&mut server, &request, &mut rng).err();
        assert_eq!(error, Some(OscoreError::ContextNotFound));
    }

    let mut second = second_request(first.context(), &mut binding, &response1, &mut rng).unwrap();
    let again = second_request(first.context(), &mut binding, &response1, &mut rng).err();
    assert_eq!(again, Some(OscoreError::RepeatedResponse));
    sent(|m, out| second.protect_request(m, out));
    assert!(second.into_context().is_none(), "not confirmed");
}

/// A server that answers request #1 under the request's nonce, as the text allows: with the Common IV of the first
/// context, or of the second.
#[test]
fn rfc8613_b_2_response_1_without_partial_iv_is_understood() {
    for literal in [true, false] {
        let mut rng = Rng(7);
        let mut first = FirstRequest::start(&material(CLIENT), &mut rng).unwrap();
        let (request1, mut binding) = sent(|m, out| first.protect_request(m, out));
        let id1 = kid_context(&request1)[1..].to_vec();
        let r2 = [0x77; 8];
        let mut peer = derive(Parameters {
            id_context: Some(&[&r2[..], &id1].concat()),
            ..mirrored(CLIENT)
        });
        if literal {
            peer.common_iv = first.context().common_iv.clone();
        }
        peer.window.accept(binding.partial_iv());
        let mut served = binding;
        let original = datagram(Code::UNAUTHORIZED, &[], &[]);
        let response = respond(&mut peer, &mut served, &original).unwrap();
        let payload = Message::parse(&response).unwrap().payload;
        let mut value = vec![0x10, 9, 0x48];
        value.extend(r2);
        let response = datagram(Code::CHANGED, &[(9, &value)], payload);
        let second = second_request(first.context(), &mut binding, &response, &mut rng).unwrap();
        drop(second);
    }
}

#[test]
fn rfc8613_b_2_material_is_checked_and_not_printed() {
    let long = [1; 65];
    for parameters in [
        Parameters {
            master_secret: &long,
            ..CLIENT
        },
        Parameters {
            master_salt: &long,
            ..CLIENT
        },
    ] {
        assert_eq!(
            InputMaterial::new(&parameters).err(),
            Some(OscoreError::SecretTooLong)
        );
    }
    let same = Parameters {
        sender_id: &[2],
        ..CLIENT
    };
    assert_eq!(InputMaterial::new(&same).err(), Some(OscoreError::SameIds));
    let printed = std::format!("{:?}", server());
    assert!(!printed.contains("92, 92"), "{printed}");
}
