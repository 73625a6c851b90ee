//! Garbage, replays and sizes.

mod common;

use ace_client::{Client, Config, Request};
use ace_testkit::SeededRandom;
use ace_wire::coap::Code;
use common::{AS, CLIENT, RS, Seen, World, temperature};
use proptest::prelude::*;

/// Runs a request while something is thrown at the client between any two events.
fn disturbed(seed: u64, mut throw: impl FnMut(&World, &mut SeededRandom) -> Vec<u8>) -> Seen {
    let mut random = SeededRandom::new(seed);
    let mut world = World::with(seed, Default::default(), common::config());
    world.client.request(0, RS, Request::get("/temp")).unwrap();
    for _ in 0..10_000 {
        if let Some(end) = world.client.take_end() {
            return end;
        }
        let from = [AS, RS, 99][random.below(3) as usize];
        let datagram = throw(&world, &mut random);
        ace_testkit::Node::handle(&mut world.client, world.network.now, from, &datagram);
        assert!(world.step());
    }
    panic!("never ended");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn random_datagrams_change_nothing(
        seed: u64,
        garbage in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..120), 1..40),
    ) {
        let end = disturbed(seed, |_, random| {
            garbage[random.below(garbage.len() as u64) as usize].clone()
        });
        prop_assert_eq!(end, temperature());
    }

    #[test]
    fn rfc8613_7_4_replays_of_everything_heard_change_nothing(seed: u64) {
        let end = disturbed(seed, |world, random| {
            let heard: Vec<_> = world
                .network
                .capture
                .iter()
                .filter(|c| c.to == CLIENT && c.sent + 10 <= world.network.now)
                .collect();
            match heard.len() as u64 {
                0 => vec![],
                count => heard[random.below(count) as usize].datagram.clone(),
            }
        });
        prop_assert_eq!(end, temperature());
    }

    #[test]
    fn changed_copies_of_what_is_under_way_end_in_some_event(seed: u64) {
        // On the path, unprotected steps can be spoilt. They end all the same, and nothing panics.
        disturbed(seed, |world, random| {
            let newest = world.network.capture.iter().rfind(|c| c.to == CLIENT);
            let mut copy = newest.map_or(vec![], |c| c.datagram.clone());
            if !copy.is_empty() {
                let at = random.below(copy.len() as u64) as usize;
                copy[at] ^= 1 << random.below(8);
                let length = copy.len() as u64;
                if random.chance(0.3) {
                    copy.truncate(random.below(length) as usize);
                }
            }
            copy
        });
    }
}

#[test]
fn who_looks_on_sees_every_message_as_it_was_written() {
    use ace_client::{Direction, Phase, Watch, Watched};
    use std::sync::Mutex;
    static SEEN: Mutex<Vec<(Phase, Direction, bool, Code)>> = Mutex::new(Vec::new());
    let watch = Watch(Some(&|message: Watched<'_>| {
        let Watched {
            phase,
            direction,
            protected,
            code,
            ..
        } = message;
        SEEN.lock()
            .unwrap()
            .push((phase, direction, protected, code));
    }));
    let mut world = World::configured(Config {
        watch,
        ..common::config()
    });
    assert_eq!(world.request(Request::get("/temp")), temperature());
    use Direction::{Received, Sent};
    let expected = [
        (Phase::Hints, Sent, false, Code::GET),
        (Phase::Hints, Received, false, Code::UNAUTHORIZED),
        (Phase::Token, Sent, true, Code::POST),
        (Phase::Token, Received, true, Code::CREATED),
        (Phase::Upload, Sent, false, Code::POST),
        (Phase::Upload, Received, false, Code::CREATED),
        (Phase::Access, Sent, true, Code::GET),
        (Phase::Access, Received, true, Code::CONTENT),
    ];
    assert_eq!(SEEN.lock().unwrap()[..], expected);
}

#[test]
fn a_small_client_does_all_of_it() {
    let config = Config {
        block_size: 64,
        ..common::config()
    };
    let mut client = common::ClientNode::<1, 256, 320, 2, 384>::new(config, Default::default(), 1);
    let mut world = World::new();
    world.a.padding = 40;
    world.a.set_blocks(2);
    world.rs.set_blocks(2);
    world.rs.values.insert("/led".into(), vec![b'0'; 250]);
    let observe = Request {
        observe: true,
        ..Request::get("/temp")
    };
    let put = Request {
        payload: &[b'1'; 250],
        ..Request::new(Code::PUT, "/led")
    };
    let changed = Seen::Response(Code::CHANGED, vec![], true);
    let led = Seen::Response(Code::CONTENT, vec![b'1'; 250], true);
    let requests = [
        (observe, temperature()),
        (put, changed),
        (Request::get("/led"), led),
        (Request::get("/temp"), temperature()),
    ];
    for (request, expected) in requests {
        client.request(world.network.now, RS, request).unwrap();
        let end = loop {
            let nodes: &mut [(u16, &mut dyn ace_testkit::Node)] = &mut [
                (CLIENT, &mut client),
                (AS, &mut world.a),
                (RS, &mut world.rs),
            ];
            assert!(world.network.step(nodes).is_some());
            if let Some(end) = client.take_end() {
                break end;
            }
        };
        assert_eq!(end, expected);
    }
    world.rs.set(world.network.now, "/temp", b"22");
    while client.notices.is_empty() {
        let nodes: &mut [(u16, &mut dyn ace_testkit::Node)] =
            &mut [(CLIENT, &mut client), (RS, &mut world.rs)];
        assert!(world.network.step(nodes).is_some());
    }
    let news = Seen::Notification(Code::CONTENT, b"22".to_vec(), true);
    assert_eq!(client.notices, [news]);
    // Three rights, one after the other, of one token in one place.
    assert_eq!((world.a.asked.len(), world.rs.uploads), (3, 1));
}

#[test]
fn memory_is_what_the_documentation_says() {
    type Default64 = Client<'static, core::net::SocketAddrV4, ()>;
    type Small = Client<'static, core::net::SocketAddrV4, (), 1, 256, 320, 2, 256, 320>;
    let sizes = [
        core::mem::size_of::<Default64>(),
        core::mem::size_of::<Small>(),
    ];
    // With fewer algorithms in `ace-crypto` and without the index of `ace-coap` it is up to 500 bytes less.
    let documented = [11_700, 4_800];
    for (size, documented) in sizes.into_iter().zip(documented) {
        assert!((documented - 600..=documented).contains(&size), "{sizes:?}");
    }
}
