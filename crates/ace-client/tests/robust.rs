//! Garbage, replays and sizes.

mod common;

use ace_client::{Client, Request};
use ace_testkit::SeededRandom;
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
fn memory_is_what_the_documentation_says() {
    type Default64 = Client<'static, core::net::SocketAddrV4, ()>;
    type Small = Client<'static, core::net::SocketAddrV4, (), 1, 256, 320, 2, 384>;
    let sizes = [
        core::mem::size_of::<Default64>(),
        core::mem::size_of::<Small>(),
    ];
    let documented = [10_100, 4_300];
    for (size, documented) in sizes.into_iter().zip(documented) {
        assert!((documented - 300..=documented).contains(&size), "{sizes:?}");
    }
}
