//! What RFC 9202 asks of a client.

use ace_client::{Client, ClientError, Phase, Reason, Request, Step};
use ace_crypto::Signature;
use ace_testkit::Conditions;
use ace_wire::aif::MethodSet;
use ace_wire::coap::Code;

use crate::common::{Seen, aif};
use crate::world::{
    AS, CLIENT, RS, RS_COAPS, World, key, psk_config, rpk_config, spki, temperature,
};

fn phases(world: &mut World) -> Vec<Phase> {
    core::mem::take(&mut world.client.phases)
}

#[test]
fn rfc9202_2_the_flow_with_a_pre_shared_key() {
    let mut world = World::psk();
    assert_eq!(world.request(Request::get("/temp")), temperature());
    let way = [
        Phase::Hints,
        Phase::Token,
        Phase::Upload,
        Phase::Handshake,
        Phase::Access,
        Phase::Idle,
    ];
    assert_eq!(phases(&mut world), way);
    // RFC 9202, 3.3.1: a symmetric key is not asked for by name.
    assert_eq!(world.a.asked.len(), 1);
    assert_eq!(
        (&world.a.asked[0].kid, &world.a.asked[0].key),
        (&None, &None)
    );
    assert!(world.a.asked[0].session);
    assert_eq!(world.rs().uploads, [false]);
    // The session lasts.
    assert_eq!(world.request(Request::get("/temp")), temperature());
    assert_eq!(phases(&mut world), [Phase::Access, Phase::Idle]);
    assert_eq!(world.rs().host.handshakes, 1);
}

#[test]
fn rfc9202_3_3_2_psk_identity_names_the_uploaded_token() {
    let mut world = World::psk();
    world.request(Request::get("/temp"));
    let mut figure_9 = vec![0xa1, 0x08, 0xa1, 0x01, 0xa2, 0x01, 0x04, 0x02, 0x48];
    figure_9.extend_from_slice(&[b'k', b'e', b'y', 0, 0, 0, 0, 1]);
    assert_eq!(world.rs().host.keys.identities, [figure_9]);
}

#[test]
fn rfc9202_3_3_2_whole_token_as_psk_identity_is_not_uploaded() {
    let mut config = psk_config();
    config.token_in_handshake = true;
    let mut world = World::with(1, Conditions::default(), config, None);
    assert_eq!(world.request(Request::get("/temp")), temperature());
    assert!(world.rs().uploads.is_empty());
    assert_eq!(world.rs().host.keys.identities[0].len(), 120);
    // One that does not fit an identity is uploaded all the same.
    let mut world = World::with(1, Conditions::default(), config, None);
    world.a.length = 513;
    assert_eq!(world.request(Request::get("/temp")), temperature());
    assert_eq!(world.rs().uploads, [false]);
    // And one that is refused there.
    let mut world = World::with(1, Conditions::default(), config, None);
    world.a.book = Default::default();
    let end = world.request(Request::get("/temp"));
    let refused = |end: &Seen| {
        matches!(
            end,
            Seen::RefusedByRs(Step::Upload, Code::UNAUTHORIZED, false)
        )
    };
    assert!(refused(&end), "{end:?}");
}

#[test]
fn rfc9202_3_2_the_flow_with_raw_public_keys() {
    for algorithm in [Signature::Es256, Signature::EdDsa] {
        let mut world = World::rpk(algorithm);
        assert_eq!(world.request(Request::get("/temp")), temperature());
        // RFC 9202, 3.2.1: the key in req_cnf, by the name that is a hash of it.
        let own = key(algorithm, 1).verifying_key();
        let named = (spki(&own), ace_crypto::key_id(&own).to_vec());
        assert_eq!(world.a.asked[0].key, Some(named));
        // RFC 9202, 3.2.2: uploaded before the handshake.
        assert_eq!(world.rs().uploads, [false]);
        assert_eq!(world.request(Request::get("/temp")), temperature());
        assert_eq!(world.rs().host.handshakes, 1);
    }
}

#[test]
fn rfc9200_5_8_2_without_ace_profile_the_key_tells() {
    for mut world in [World::psk(), World::rpk(Signature::Es256)] {
        world.a.names_profile = false;
        assert_eq!(world.request(Request::get("/temp")), temperature());
    }
}

#[test]
fn rfc9202_3_2_1_rs_cnf_is_missed_unless_the_key_is_known() {
    let mut world = World::rpk(Signature::Es256);
    world.a.names_rs = false;
    let end = world.request(Request::get("/temp"));
    assert_eq!(end, Seen::Failed(Step::Token, Reason::Confirmation));
    // Known from the token before.
    world.a.names_rs = true;
    world.a.lifetime = 90;
    assert_eq!(world.request(Request::get("/temp")), temperature());
    world.a.names_rs = false;
    world.rest(40_000);
    assert_eq!(world.request(Request::get("/temp")), temperature());
    world.rest(5_000);
    assert_eq!((world.a.asked.len(), world.client.notices.len()), (3, 0));
}

#[test]
fn rfc9202_4_update_of_rights_keeps_key_and_session() {
    for mut world in [World::psk(), World::rpk(Signature::EdDsa)] {
        assert_eq!(world.request(Request::get("/temp")), temperature());
        let put = Request {
            payload: b"1",
            ..Request::new(Code::PUT, "/led")
        };
        let done = Seen::Response(Code::CHANGED, vec![], true);
        assert_eq!(world.request(put), done);
        // The request names the key, and the token goes to the resource server in the session.
        let kid = world.rs().host.keys.held[0].kid.clone();
        assert_eq!(world.a.asked[1].kid, Some(kid));
        let both = aif(&[("/temp", MethodSet::GET), ("/led", MethodSet::PUT)]);
        assert_eq!(world.a.asked[1].scope, Some(both));
        assert_eq!(world.rs().uploads, [false, true]);
        assert_eq!(world.rs().host.handshakes, 1);
        assert_eq!(world.request(Request::get("/temp")), temperature());
    }
}

#[test]
fn rfc9202_4_unsupported_pop_key_gets_another_key() {
    let mut world = World::psk();
    assert_eq!(world.request(Request::get("/temp")), temperature());
    world.a.knows_keys = false;
    let put = Request::new(Code::PUT, "/led");
    assert_eq!(
        world.request(put),
        Seen::Response(Code::CHANGED, vec![], true)
    );
    assert_eq!(world.a.asked.len(), 3);
    assert_eq!(world.rs().host.handshakes, 2);
}

#[test]
fn rfc9202_5_expired_token_is_replaced() {
    for mut world in [World::psk(), World::rpk(Signature::Es256)] {
        world.a.lifetime = 100;
        assert_eq!(world.request(Request::get("/temp")), temperature());
        world.rest(150_000);
        assert_eq!(world.request(Request::get("/temp")), temperature());
        assert_eq!((world.a.asked.len(), world.rs().host.handshakes), (2, 2));
    }
}

#[test]
fn renewal_in_the_background_brings_a_new_psk_and_the_old_session_is_closed() {
    let mut world = World::psk();
    world.a.lifetime = 90;
    assert_eq!(world.request(Request::get("/temp")), temperature());
    world.rest(40_000);
    assert_eq!(world.request(Request::get("/temp")), temperature());
    world.rest(10_000);
    assert_eq!((world.a.asked.len(), world.rs().host.handshakes), (2, 2));
    assert_eq!(world.rs().host.sessions.len(), 1);
    world.rest(45_000);
    assert_eq!(world.request(Request::get("/temp")), temperature());
    assert_eq!(world.client.notices, []);
}

#[test]
fn rfc9202_4_renewal_with_the_same_public_key_keeps_the_session() {
    let mut world = World::rpk(Signature::Es256);
    world.a.lifetime = 90;
    assert_eq!(world.request(Request::get("/temp")), temperature());
    world.rest(40_000);
    assert_eq!(world.request(Request::get("/temp")), temperature());
    world.rest(10_000);
    assert_eq!((world.a.asked.len(), world.rs().host.handshakes), (2, 1));
    assert_eq!(world.rs().uploads, [false, true]);
    world.rest(45_000);
    assert_eq!(world.request(Request::get("/temp")), temperature());
    assert_eq!((world.a.asked.len(), world.rs().host.handshakes), (2, 1));
}

#[test]
fn observation_lives_in_the_session_and_moves_to_the_next() {
    for mut world in [World::psk(), World::rpk(Signature::Es256)] {
        world.a.lifetime = 200;
        let observe = Request {
            observe: true,
            ..Request::get("/temp")
        };
        assert_eq!(world.request(observe), temperature());
        for second in 1..60 {
            let value = format!("{second}");
            let now = world.network.now;
            world.rs().set(now, "/temp", value.as_bytes());
            world.rest(10_000);
        }
        let last = Seen::Notification(Code::CONTENT, b"59".to_vec(), true);
        assert_eq!(world.client.notices.last(), Some(&last));
        assert!(
            world.client.notices.len() > 50,
            "{:?}",
            world.client.notices
        );
        assert!(world.a.asked.len() >= 3);
    }
}

#[test]
fn long_bodies_go_block_wise_inside_the_session() {
    let mut world = World::psk();
    world.a.length = 500;
    world.config.block_size = 64;
    world.reboot();
    world.rs().values.insert("/temp".into(), vec![b'x'; 1000]);
    let body = Seen::Response(Code::CONTENT, vec![b'x'; 1000], true);
    assert_eq!(world.request(Request::get("/temp")), body);
    let put = Request {
        payload: &[b'y'; 900],
        ..Request::new(Code::PUT, "/temp")
    };
    assert_eq!(
        world.request(put),
        Seen::Response(Code::CHANGED, vec![], true)
    );
    assert_eq!(world.rs().values["/temp"].len(), 900);
}

#[test]
fn after_a_reboot_the_stored_token_is_uploaded_again() {
    for mut world in [World::psk(), World::rpk(Signature::EdDsa)] {
        world.request(Request::get("/temp"));
        world.reboot();
        let named = Request {
            audience: Some("thermo"),
            ..Request::get("/temp")
        };
        assert_eq!(world.request(named), temperature());
        let way = [Phase::Upload, Phase::Handshake, Phase::Access, Phase::Idle];
        assert_eq!(phases(&mut world), way);
        assert_eq!((world.a.asked.len(), world.rs().host.handshakes), (1, 2));
    }
}

#[test]
fn token_of_another_own_key_is_not_used_after_a_reboot() {
    let mut world = World::rpk(Signature::Es256);
    world.request(Request::get("/temp"));
    world.config.own_key = Some(key(Signature::Es256, 9));
    world.reboot();
    let named = Request {
        audience: Some("thermo"),
        ..Request::get("/temp")
    };
    assert_eq!(world.request(named), temperature());
    assert_eq!(world.a.asked.len(), 2);
}

#[test]
fn session_that_the_resource_server_closed_or_lost_is_made_anew() {
    for mut world in [World::psk(), World::rpk(Signature::Es256)] {
        world.request(Request::get("/temp"));
        world.rs().host.close_all();
        world.rest(1000);
        assert_eq!(world.request(Request::get("/temp")), temperature());
        assert_eq!(world.rs().host.handshakes, 2);
        // Lost without a word: the request finds out.
        world.rs().host.restart();
        assert_eq!(world.request(Request::get("/temp")), temperature());
        assert_eq!((world.rs().uploads.len(), world.a.asked.len()), (1, 1));
        // And with the tokens: uploaded again.
        world.rs().host.restart();
        world.rs().host.keys.held.clear();
        assert_eq!(world.request(Request::get("/temp")), temperature());
        assert_eq!((world.rs().uploads.len(), world.a.asked.len()), (2, 1));
        // Another token, if the one held is not known any more.
        world.rs().host.restart();
        world.rs().host.keys.held.clear();
        world.a.book.borrow_mut().clear();
        assert_eq!(world.request(Request::get("/temp")), temperature());
        assert_eq!(world.a.asked.len(), 2);
    }
}

#[test]
fn two_tokens_for_one_address_have_one_session_after_the_other() {
    for mut world in [World::psk(), World::rpk(Signature::Es256)] {
        let other = Request {
            audience: Some("lamp"),
            ..Request::get("/temp")
        };
        for _ in 0..3 {
            assert_eq!(world.request(Request::get("/temp")), temperature());
            assert_eq!(world.request(other), temperature());
            world.rest(1000);
            assert_eq!(world.rs().host.sessions.len(), 1);
        }
        assert_eq!(world.a.asked.len(), 2);
    }
}

#[test]
fn handshake_beside_an_old_session_takes_flights_longer_than_the_mtu() {
    let mut world = World::rpk(Signature::Es256);
    let (config, memory) = (world.config, world.memory.clone());
    let mut client =
        crate::common::ClientNode::<2, 640, 1024, 3, 300, 1024>::new(config, memory, 1);
    let mut ask = |world: &mut World, request| {
        let now = world.network.now;
        client.request(now, RS, request).unwrap();
        world.finish_with(&mut client)
    };
    assert_eq!(ask(&mut world, Request::get("/temp")), temperature());
    // No answer to what may not be asked twice: the session is doubted, and still there.
    world.rs().silent = true;
    let end = ask(&mut world, Request::new(Code::POST, "/temp"));
    assert_eq!(end, Seen::Failed(Step::Access, Reason::UnknownOutcome));
    world.rs().silent = false;
    assert_eq!(ask(&mut world, Request::get("/temp")), temperature());
    assert_eq!((world.a.asked.len(), world.rs().host.handshakes), (1, 2));
}

#[test]
fn request_that_is_not_idempotent_is_not_repeated_in_another_session() {
    let mut world = World::psk();
    world.request(Request::get("/temp"));
    world.rs().host.restart();
    let post = Request::new(Code::POST, "/temp");
    let end = world.request(post);
    assert_eq!(end, Seen::Failed(Step::Access, Reason::UnknownOutcome));
    assert!(world.rs().hits.iter().all(|hit| hit.code != Code::POST));
    assert_eq!(world.request(Request::get("/temp")), temperature());
}

#[test]
fn rfc9202_6_session_with_the_authorization_server_is_used_again_and_made_anew_when_lost() {
    let mut world = World::psk();
    world.request(Request::get("/temp"));
    world.request(Request::new(Code::PUT, "/led"));
    assert_eq!(world.a.host.handshakes, 1);
    world.a.host.restart();
    world.request(Request::new(Code::PUT, "/lamp"));
    assert_eq!((world.a.host.handshakes, world.a.asked.len()), (2, 3));
    world.a.host.close_all();
    world.rest(500);
    world.request(Request::new(Code::PUT, "/fan"));
    assert_eq!((world.a.host.handshakes, world.a.asked.len()), (3, 4));
    // Idle for long: not trusted.
    world.rest(400_000);
    world.request(Request::new(Code::PUT, "/door"));
    assert_eq!((world.a.host.handshakes, world.a.asked.len()), (4, 5));
}

#[test]
fn configuration_that_does_not_fit_together_makes_no_client() {
    let make = |config| {
        let mut rng = ace_testkit::SeededRandom::new(1);
        let storage = crate::common::Memory::default();
        Client::<_, _>::new(config, storage, &mut rng).err()
    };
    let mut config = psk_config();
    assert_eq!(make(config), None);
    config.as_uri = "coap://as.example.com/token";
    assert_eq!(make(config), Some(ClientError::AsScheme));
    let mut config = psk_config();
    config.as_security = crate::common::config().as_security;
    assert_eq!(make(config), Some(ClientError::AsScheme));
    for (identity, key) in [
        (&b""[..], &[1][..]),
        (&[1; 513], &[1]),
        (&[1], &[]),
        (&[1], &[1; 65]),
    ] {
        let credential = ace_client::DtlsCredential::Psk { identity, key };
        let mut config = psk_config();
        config.as_security = ace_client::AsSecurity::Dtls(credential);
        assert_eq!(make(config), Some(ClientError::AsCredential));
    }
}

#[test]
fn the_flow_completes_at_30_percent_loss_over_150_seeds() {
    for seed in 0..150 {
        let algorithm = (seed % 5 == 0).then_some(Signature::Es256);
        let config = match algorithm {
            Some(algorithm) => rpk_config(algorithm),
            None => psk_config(),
        };
        let mut world = World::with(seed, Conditions::harsh(), config, algorithm);
        let mut end = world.request(Request::get("/temp"));
        if end != temperature() {
            // Everything has an end; the next attempt goes on from there.
            end = world.request(Request::get("/temp"));
        }
        assert_eq!(end, temperature(), "seed {seed}");
        let put = Request {
            payload: b"1",
            ..Request::new(Code::PUT, "/led")
        };
        world.request(put);
        assert_eq!(
            world.request(Request::get("/temp")),
            temperature(),
            "seed {seed}"
        );
        // Nothing but token uploads and hints in the clear.
        for sent in world.network.capture.iter().filter(|c| c.to != RS) {
            assert!(
                (20..64).contains(&sent.datagram[0]) || sent.from == RS,
                "{sent:?}"
            );
        }
    }
}

#[test]
fn only_hints_and_tokens_leave_in_the_clear() {
    let mut world = World::psk();
    world.request(Request::get("/temp"));
    for sent in world.network.capture.iter().filter(|c| c.from == CLIENT) {
        let clear = (0x40..0x80).contains(&sent.datagram[0]);
        assert_eq!(clear, sent.to == RS);
        assert!(matches!(sent.to, RS | RS_COAPS | AS));
    }
}
