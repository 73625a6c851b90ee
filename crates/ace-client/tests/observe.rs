//! Observation of a resource (RFC 7641) through tokens and contexts that come and go.

mod common;

use ace_client::{Config, Phase, Reason, Request, RequestError, Step};
use ace_wire::coap::content_format::TEXT_PLAIN;
use ace_wire::coap::{Code, Message, Type, option};
use common::{CLIENT, RS, RS2, Reply, Seen, World, config, forge, is_protected, sent, temperature};

use Phase::{Access, Hints, Idle, Observing, Token, Upload};

fn observe() -> Request<'static> {
    Request {
        observe: true,
        ..Request::get("/temp")
    }
}

fn news(text: &str) -> Seen {
    Seen::Notification(Code::CONTENT, text.into(), true)
}

/// A world whose client observes /temp.
fn observing(config: Config<'static, u16>) -> World {
    let mut world = World::configured(config);
    assert_eq!(world.request(observe()), temperature());
    assert_eq!(world.phases(), [Hints, Token, Upload, Access, Observing]);
    world
}

fn set(world: &mut World, value: &str) {
    world.rs.set(world.network.now, "/temp", value.as_bytes());
    world.rest(500);
}

fn told(world: &mut World) -> Vec<Seen> {
    core::mem::take(&mut world.client.notices)
}

#[test]
fn rfc7641_3_2_notifications_are_told_in_order() {
    let mut world = observing(config());
    for value in ["22", "23", "24"] {
        set(&mut world, value);
        assert_eq!(told(&mut world), [news(value)]);
    }
    assert_eq!(world.phases(), []);
    assert_eq!(world.a.asked.len(), 1);
}

#[test]
fn rfc7641_3_other_requests_go_on_beside_an_observation() {
    let mut world = observing(config());
    assert_eq!(world.request(Request::get("/temp")), temperature());
    assert_eq!(world.request_to(RS2, Request::get("/temp")), temperature());
    assert_eq!(world.phases()[..2], [Access, Observing]);
    set(&mut world, "22");
    assert_eq!(told(&mut world), [news("22")]);
}

#[test]
fn rfc7641_1_3_notification_during_a_request_is_made_up_for() {
    let mut world = observing(config());
    // The answer takes its time, and news come before it.
    let slow = ace_testkit::Conditions {
        delay: (900, 900),
        ..Default::default()
    };
    world.network.set_link(CLIENT, RS, slow);
    world
        .client
        .request(world.network.now, RS, Request::get("/led"))
        .unwrap();
    set(&mut world, "22");
    assert_eq!(told(&mut world), []);
    world.finish();
    world.rest(10_000);
    assert_eq!(told(&mut world), [news("22")]);
}

#[test]
fn rfc7959_2_6_long_notification_is_fetched() {
    let mut world = observing(config());
    world.rs.values.insert("/temp".into(), b"21.5".to_vec());
    let long = "x".repeat(1020);
    let longer = "y".repeat(1024);
    set(&mut world, &long);
    assert_eq!(told(&mut world), [news(&long)]);
    // Cut into two blocks, of which the first is what the notification brings.
    let mut world = observing(Config {
        block_size: 64,
        ..config()
    });
    world.rs.set_blocks(2);
    world
        .rs
        .values
        .insert("/temp".into(), longer.clone().into_bytes());
    let first = Reply::with(Code::CONTENT, TEXT_PLAIN, &longer.as_bytes()[..64])
        .option(option::OBSERVE, [9])
        .option(option::BLOCK2, [0x0a]);
    world.rs.notify(world.network.now, &first);
    world.rest(10_000);
    assert_eq!(told(&mut world), [news(&longer)]);
    // The registration is still the first.
    set(&mut world, "22");
    assert_eq!(told(&mut world), [news("22")]);
}

#[test]
fn rfc9203_6_observation_moves_to_the_new_context() {
    let mut world = observing(config());
    world.rs.forget();
    world.phases();
    assert_eq!(world.request(Request::get("/temp")), temperature());
    world.rest(10_000);
    let moved = [Access, Upload, Access, Observing, Access, Observing];
    assert_eq!(world.phases(), moved);
    assert_eq!(told(&mut world), [news("21.5")]);
    set(&mut world, "22");
    assert_eq!(told(&mut world), [news("22")]);
}

#[test]
fn rfc9200_5_10_3_observation_outlives_its_token() {
    let mut world = observing(config());
    for round in 0..4 {
        world.rest(3_500_000);
        world.rest(80_000);
        // Renewed by itself, and registered under the new context.
        assert_eq!(
            world.phases(),
            [Token, Upload, Observing, Access, Observing],
            "{round}"
        );
        assert_eq!(told(&mut world), [news("21.5")]);
        world.rs.set(world.network.now, "/temp", b"22");
        world.rest(500);
        assert_eq!(told(&mut world), [news("22")]);
        world.rs.set(world.network.now, "/temp", b"21.5");
        world.rest(500);
        told(&mut world);
    }
}

#[test]
fn rfc9200_5_10_3_4_01_that_ends_an_observation_leads_to_another_token() {
    // Protected: revoked.
    let mut world = observing(config());
    world.phases();
    world
        .rs
        .notify(world.network.now, &Reply::new(Code::UNAUTHORIZED));
    world.rs.denies = Some(Code::UNAUTHORIZED);
    while world.a.asked.len() < 2 {
        assert!(world.step());
    }
    world.rs.denies = None;
    world.rest(10_000);
    assert_eq!(world.phases(), [Access, Token, Upload, Access, Observing]);
    assert_eq!(told(&mut world), [news("21.5")]);
    set(&mut world, "22");
    assert_eq!(told(&mut world), [news("22")]);
}

#[test]
fn rfc9203_4_3_unprotected_4_01_to_an_observation_is_looked_into_and_loses_nothing() {
    let mut world = observing(config());
    world.phases();
    let mut forged = true;
    world.rs.bend = Some(Box::new(move |_, datagram| {
        let is_news = Message::parse(&datagram).unwrap().kind == Type::Confirmable;
        let forge_it = is_news && core::mem::replace(&mut forged, false);
        Some(if forge_it {
            forge(&datagram, &Reply::new(Code::UNAUTHORIZED))
        } else {
            datagram
        })
    }));
    set(&mut world, "22");
    world.rest(10_000);
    // Asked, under the context that is held; the registration is what it was.
    assert_eq!(world.phases(), [Access, Observing]);
    assert_eq!(told(&mut world), [news("22")]);
    set(&mut world, "23");
    assert_eq!(told(&mut world), [news("23")]);
    assert_eq!((world.a.asked.len(), world.rs.uploads), (1, 1));
}

#[test]
fn rfc8613_7_4_1_forged_and_replayed_notifications_are_passed_over() {
    let mut world = observing(config());
    set(&mut world, "22");
    told(&mut world);
    let old = sent(&world, RS, CLIENT)
        .into_iter()
        .rfind(|d| is_protected(d))
        .unwrap();
    let message = Message::parse(&old).unwrap();
    for (number, spoil) in [(1u16, false), (2, true)] {
        let mut copy = old.clone();
        copy[2..4].copy_from_slice(&(message.id.wrapping_add(1000 + number)).to_be_bytes());
        if spoil {
            *copy.last_mut().unwrap() ^= 1;
        }
        world.network.send(RS, CLIENT, copy);
        world.rest(1_000);
        assert_eq!(told(&mut world), []);
    }
    set(&mut world, "23");
    assert_eq!(told(&mut world), [news("23")]);
}

#[test]
fn rfc7641_3_6_cancelled_observation_is_rejected() {
    let mut world = observing(config());
    world.client.client.cancel_observation();
    assert_eq!(world.client.client.phase(), Idle);
    set(&mut world, "22");
    assert_eq!(told(&mut world), []);
    let last = sent(&world, CLIENT, RS).pop().unwrap();
    assert_eq!(Message::parse(&last).unwrap().kind, Type::Reset);
}

#[test]
fn rfc7641_3_1_resource_that_cannot_be_observed_is_answered_once() {
    let mut world = World::new();
    world.rs.observable = false;
    assert_eq!(world.request(observe()), temperature());
    assert_eq!(world.phases(), [Hints, Token, Upload, Access, Idle]);
}

#[test]
fn rfc7641_3_2_error_ends_the_observation() {
    let mut world = observing(config());
    world
        .rs
        .notify(world.network.now, &Reply::new(Code::NOT_FOUND));
    world.rest(500);
    assert_eq!(
        told(&mut world),
        [Seen::Notification(Code::NOT_FOUND, vec![], true)]
    );
    assert_eq!(world.client.client.phase(), Idle);
}

#[test]
fn observation_that_cannot_be_renewed_is_told_to_be_lost() {
    let mut world = observing(config());
    world.rs.observable = false;
    world.rs.forget();
    assert_eq!(world.request(Request::get("/temp")), temperature());
    world.rest(10_000);
    let lost = Seen::ObservationLost(Step::Access, Reason::NotObservable);
    assert_eq!(told(&mut world), [news("21.5"), lost]);
    assert_eq!(world.client.client.phase(), Idle);
}

#[test]
fn rfc7641_3_1_resource_open_to_all_is_observed_unprotected() {
    let mut world = World::new();
    world.rs.public.push("/temp".into());
    let open = Seen::Response(Code::CONTENT, b"21.5".to_vec(), false);
    assert_eq!(world.request(observe()), open);
    assert_eq!(world.phases(), [Hints, Observing]);
    set(&mut world, "22");
    assert_eq!(
        told(&mut world),
        [Seen::Notification(Code::CONTENT, b"22".to_vec(), false)]
    );
}

#[test]
fn only_short_get_requests_observe() {
    let mut world = World::new();
    let put = Request {
        observe: true,
        ..Request::new(Code::PUT, "/temp")
    };
    assert_eq!(world.client.request(0, RS, put), Err(RequestError::Observe));
    let name = "a".repeat(200);
    let long = Request {
        audience: Some(&name),
        ..observe()
    };
    assert_eq!(
        world.client.request(0, RS, long),
        Err(RequestError::TooLong)
    );
    assert_eq!(world.phases(), []);
}

#[test]
fn request_taken_during_a_refresh_follows_it_and_loses_no_news() {
    let mut world = observing(config());
    world.rs.forget();
    assert_eq!(world.request(Request::get("/temp")), temperature());
    // The registration is on its way again.
    world.phases();
    while world.client.client.phase() != Access {
        assert!(world.step());
    }
    let start = world.network.now;
    assert_eq!(world.request(Request::get("/temp")), temperature());
    assert!(world.network.now - start < 1_000);
    assert_eq!(told(&mut world), [news("21.5")]);
    assert_eq!(world.phases(), [Access, Observing, Access, Observing]);
}
