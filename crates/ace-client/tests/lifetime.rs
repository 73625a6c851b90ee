//! Ends of tokens, renewal, and what survives a reboot.

mod common;

use core::time::Duration;
use std::collections::BTreeSet;

use ace_client::{AsSecurity, Client, ClientError, Config, Phase, Reason, Request, Step};
use ace_oscore::OscoreOption;
use ace_testkit::SeededRandom;
use ace_wire::ace::ErrorCode;
use ace_wire::coap::Message;
use common::{AS, CLIENT, DefaultClient, RS, Seen, World, config, sent, temperature};

use Phase::{Access, Hints, Idle, Token, Upload};

fn with_audience() -> Request<'static> {
    Request {
        audience: Some("thermo"),
        ..Request::get("/temp")
    }
}

fn settled(config: Config<'static, u16>) -> World {
    let mut world = World::configured(config);
    assert_eq!(world.request(Request::get("/temp")), temperature());
    world.phases();
    world
}

#[test]
fn rfc9200_5_10_4_keys_end_with_their_token() {
    let mut world = settled(Config {
        renew_before: Duration::ZERO,
        ..config()
    });
    world.rest(3_500_000);
    assert_eq!(world.request(Request::get("/temp")), temperature());
    assert_eq!(world.phases(), [Access, Idle]);
    world.rest(100_000);
    assert_eq!(world.request(Request::get("/temp")), temperature());
    assert_eq!(world.phases(), [Token, Upload, Access, Idle]);
    assert_eq!(world.a.asked[1].scope, world.a.asked[0].scope);
}

#[test]
fn rfc9200_5_10_4_answer_that_comes_after_the_end_is_not_believed() {
    let mut world = settled(Config {
        renew_before: Duration::ZERO,
        ..config()
    });
    world.rest(3_590_000 - world.network.now);
    // Held up on its way until the token has ended.
    let slow = ace_testkit::Conditions {
        delay: (15_000, 15_000),
        ..Default::default()
    };
    world.network.set_link(RS, CLIENT, slow);
    assert_eq!(world.request(Request::get("/temp")), temperature());
    assert_eq!(world.phases(), [Access, Token, Upload, Access, Idle]);
}

#[test]
fn renewal_follows_the_request_in_the_background() {
    let mut world = settled(config());
    world.rest(3_550_000);
    assert_eq!(world.request(Request::get("/temp")), temperature());
    assert_eq!(world.phases(), [Access, Idle]);
    world.rest(1_000);
    assert_eq!(world.phases(), [Token, Upload, Idle]);
    assert_eq!((world.a.asked.len(), world.rs.uploads), (2, 2));
    // Past the end of the first token, without any delay.
    world.rest(100_000);
    assert_eq!(world.request(Request::get("/temp")), temperature());
    assert_eq!(world.phases(), [Access, Idle]);
    assert!(world.client.notices.is_empty());
}

#[test]
fn request_taken_during_renewal_is_done_after_it() {
    let mut world = settled(config());
    world.rest(3_550_000);
    assert_eq!(world.request(Request::get("/temp")), temperature());
    while world.client.client.phase() != Token {
        assert!(world.step());
    }
    assert_eq!(world.request(Request::get("/temp")), temperature());
    assert_eq!(
        world.phases(),
        [Access, Idle, Token, Upload, Idle, Access, Idle]
    );
}

#[test]
fn renewal_that_fails_is_told_and_the_token_used_on() {
    let mut world = settled(config());
    world.rest(3_550_000);
    world.a.error = Some((ErrorCode::InvalidClient, ""));
    assert_eq!(world.request(Request::get("/temp")), temperature());
    world.rest(1_000);
    let failed = Seen::RenewalFailed(Step::Token, Reason::RefusedByAs(ErrorCode::InvalidClient));
    assert_eq!(world.client.notices, [failed]);
    world.phases();
    // Not tried again at once.
    assert_eq!(world.request(Request::get("/temp")), temperature());
    world.rest(1_000);
    assert_eq!(world.phases(), [Access, Idle]);
    world.a.error = None;
    world.rest(30_000);
    assert_eq!(world.request(Request::get("/temp")), temperature());
    world.rest(1_000);
    assert_eq!(world.phases(), [Access, Idle, Token, Upload, Idle]);
}

#[test]
fn renewed_token_that_could_not_be_uploaded_is_uploaded_later() {
    let mut world = settled(config());
    world.rest(3_550_000);
    assert_eq!(world.request(Request::get("/temp")), temperature());
    world.rs.silent = true;
    world.rest(1_000_000);
    assert_eq!(
        world.client.notices,
        [Seen::RenewalFailed(Step::Upload, Reason::TimedOut)]
    );
    world.rs.silent = false;
    world.phases();
    assert_eq!(world.request(Request::get("/temp")), temperature());
    assert_eq!(world.phases(), [Upload, Access, Idle]);
    assert_eq!(world.a.asked.len(), 2);
}

#[test]
fn token_survives_a_reboot_and_is_uploaded_with_another_nonce() {
    let mut world = settled(config());
    world.reboot();
    assert_eq!(world.request(with_audience()), temperature());
    assert_eq!(world.phases(), [Upload, Access, Idle]);
    assert_eq!(world.request(Request::get("/temp")), temperature());
    assert_eq!(world.phases(), [Access, Idle]);
    // Without audience the resource server is asked for it.
    world.reboot();
    assert_eq!(world.request(Request::get("/temp")), temperature());
    assert_eq!(world.phases(), [Hints, Upload, Access, Idle]);
    assert_eq!((world.a.asked.len(), world.rs.uploads), (1, 3));
}

#[test]
fn rfc9200_5_10_4_after_a_reboot_a_token_of_unknown_end_is_not_used() {
    let mut world = settled(config());
    world.reboot();
    world.client.has_clock = false;
    assert_eq!(world.request(with_audience()), temperature());
    assert_eq!(world.phases(), [Token, Upload, Access, Idle]);
    // What was got without a clock is not kept.
    world.reboot();
    assert_eq!(world.request(with_audience()), temperature());
    assert_eq!(world.phases(), [Token, Upload, Access, Idle]);
    world.rest(3_700_000);
    world.reboot();
    assert_eq!(world.request(with_audience()), temperature());
    assert_eq!(world.phases(), [Token, Upload, Access, Idle]);
}

#[test]
fn corrupt_and_foreign_token_records_are_passed_over() {
    let mut world = settled(config());
    let whole = world.memory.records.borrow()[&1].clone();
    for record in [
        vec![],
        vec![0xff],
        whole[..whole.len() - 1].to_vec(),
        vec![0; 2000],
    ] {
        world.memory.records.borrow_mut().insert(1, record);
        world.reboot();
        assert_eq!(world.request(with_audience()), temperature());
        assert_eq!(world.phases(), [Token, Upload, Access, Idle]);
    }
    assert!(!world.memory.records.borrow().contains_key(&2));
}

#[test]
fn rfc8613_b_1_1_no_partial_iv_is_used_twice_across_reboots() {
    for reservation in [1, 3, 64] {
        let mut world = World::configured(Config {
            reservation,
            ..config()
        });
        for round in 0..20 {
            // A reboot at every point of the exchange.
            world.client.has_clock = false;
            world
                .client
                .request(world.network.now, RS, Request::get("/temp"))
                .unwrap();
            for _ in 0..round {
                world.step();
            }
            world.reboot();
        }
        world.client.has_clock = false;
        assert_eq!(world.request(Request::get("/temp")), temperature());
        let numbers: Vec<u64> = sent(&world, CLIENT, AS)
            .iter()
            .filter_map(|datagram| {
                let message = Message::parse(datagram).unwrap();
                Some(
                    OscoreOption::of(&message)
                        .ok()?
                        .partial_iv
                        .unwrap()
                        .number(),
                )
            })
            .collect();
        assert!(numbers.len() > 10);
        let distinct: BTreeSet<u64> = numbers.iter().copied().collect();
        assert_eq!(distinct.len(), numbers.len(), "{numbers:?}");
    }
}

#[test]
fn rfc8613_b_1_1_without_storage_there_is_no_client_and_no_number() {
    let memory = common::Memory::default();
    *memory.broken.borrow_mut() = true;
    let made: Result<DefaultClient, _> = Client::new(config(), memory, &mut SeededRandom::new(1));
    assert_eq!(made.err(), Some(ClientError::Storage));
    // One number is reserved at the start; the next one needs the storage.
    let mut world = World::configured(Config {
        reservation: 1,
        ..config()
    });
    *world.memory.broken.borrow_mut() = true;
    assert_eq!(world.request(Request::get("/temp")), temperature());
    let failed = Seen::Failed(Step::Token, Reason::Storage);
    assert_eq!(world.request_to(common::RS2, Request::get("/temp")), failed);
    // What was held goes on.
    assert_eq!(world.request(Request::get("/temp")), temperature());
    *world.memory.broken.borrow_mut() = false;
    assert_eq!(
        world.request_to(common::RS2, Request::get("/temp")),
        temperature()
    );
}

#[test]
fn configuration_that_cannot_work_is_refused() {
    let make = |config: Config<'static, u16>| -> Option<ClientError> {
        let made: Result<DefaultClient, _> =
            Client::new(config, common::Memory::default(), &mut SeededRandom::new(1));
        made.err()
    };
    assert_eq!(make(config()), None);
    assert_eq!(
        make(Config {
            as_uri: "https://as/token",
            ..config()
        }),
        Some(ClientError::AsUri)
    );
    assert_eq!(
        make(Config {
            authz_info: "authz",
            ..config()
        }),
        Some(ClientError::AuthzInfo)
    );
    let mut same = config();
    let AsSecurity::Oscore(context) = &mut same.as_security else {
        panic!("OSCORE");
    };
    context.recipient_id = context.sender_id;
    let same = make(same);
    assert_eq!(
        same,
        Some(ClientError::AsContext(ace_oscore::OscoreError::SameIds))
    );
}

#[test]
fn full_table_gives_up_the_token_that_ends_first() {
    let mut world = World::new();
    world.a.lifetime = 1000;
    let get = |audience: &'static str, lifetime: u64, world: &mut World| {
        world.a.lifetime = lifetime;
        world
            .client
            .request(
                world.network.now,
                RS,
                Request {
                    audience: Some(audience),
                    scope: None,
                    ..Request::get("/temp")
                },
            )
            .unwrap();
        world.finish();
        world.phases()
    };
    world.a.grants = Some(common::aif(&[("/temp", ace_wire::aif::MethodSet::GET)]));
    // Refused by the resource server, but held: three audiences in two places.
    get("thermo", 2000, &mut world);
    get("b", 1000, &mut world);
    assert_eq!(get("c", 3000, &mut world)[0], Token);
    assert_eq!(get("thermo", 2000, &mut world)[0], Access);
    assert_eq!(get("b", 1000, &mut world)[0], Token);
    assert_eq!(get("c", 3000, &mut world)[0], Upload);
    // The storage holds what the table holds.
    let records = world.memory.records.borrow();
    let holds = |name: &[u8]| {
        records
            .values()
            .any(|r| r.windows(name.len()).any(|w| w == name))
    };
    assert!(holds(b"\x61b") && holds(b"\x61c") && !holds(b"thermo"));
}
