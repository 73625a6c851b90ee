//! The whole flow over networks that lose, delay, duplicate and corrupt.

mod common;

use std::collections::BTreeSet;

use ace_client::{Config, Reason, Request, Step};
use ace_oscore::OscoreOption;
use ace_testkit::Conditions;
use ace_wire::ace::{AsRequestCreationHints, Scope};
use ace_wire::aif::MethodSet;
use ace_wire::coap::{Code, Message};
use common::{AS, CLIENT, Seen, World, aif, config, hints_of, sent, temperature};

fn world(seed: u64, conditions: Conditions) -> World {
    // Blocks make more messages, and so more to lose.
    let mut world = World::with(
        seed,
        conditions,
        Config {
            block_size: 128,
            ..config()
        },
    );
    let rights = [
        ("/temp", MethodSet::GET),
        ("/led", MethodSet::PUT | MethodSet::GET),
        ("/log", MethodSet::POST),
    ];
    world.rs.hints = hints_of(AsRequestCreationHints {
        audience: Some("thermo"),
        scope: Some(Scope::Bytes(&aif(&rights))),
        ..Default::default()
    });
    world
}

#[test]
fn rfc7252_4_2_the_flow_completes_at_30_percent_loss_over_1000_seeds() {
    let mut unknown = 0;
    for seed in 0..1000 {
        let mut world = world(seed, Conditions::harsh());
        assert_eq!(
            world.request(Request::get("/temp")),
            temperature(),
            "seed {seed}"
        );
        let body = vec![seed as u8; 200];
        let put = Request {
            payload: &body,
            ..Request::new(Code::PUT, "/led")
        };
        assert_eq!(
            world.request(put),
            Seen::Response(Code::CHANGED, vec![], true),
            "seed {seed}"
        );
        let get = Seen::Response(Code::CONTENT, body, true);
        assert_eq!(world.request(Request::get("/led")), get, "seed {seed}");
        // Done once, or not known; never twice.
        let post = Request {
            payload: b"x",
            ..Request::new(Code::POST, "/log")
        };
        match world.request(post) {
            Seen::Response(Code::CHANGED, body, true) => assert_eq!(body, b"x"),
            Seen::Failed(Step::Access, Reason::UnknownOutcome) => unknown += 1,
            other => panic!("{other:?}, seed {seed}"),
        }
        assert!(world.rs.values["/log"].len() <= 1, "seed {seed}");
        let numbers: Vec<u64> = sent(&world, CLIENT, AS)
            .iter()
            .map(|datagram| {
                let message = Message::parse(datagram).unwrap();
                let option = OscoreOption::of(&message);
                (
                    message.id,
                    option
                        .ok()
                        .and_then(|o| o.partial_iv)
                        .map(|piv| piv.number()),
                )
            })
            .filter_map(|(id, piv)| Some((id, piv?)))
            .collect::<BTreeSet<_>>()
            .into_iter()
            .map(|(_, piv)| piv)
            .collect();
        let distinct: BTreeSet<u64> = numbers.iter().copied().collect();
        assert_eq!(
            distinct.len(),
            numbers.len(),
            "a Partial IV twice, seed {seed}"
        );
    }
    // 3.5 % by the odds of five transmissions.
    assert!(unknown < 80, "{unknown}");
}

#[test]
fn corrupted_datagrams_never_become_answers() {
    let conditions = Conditions {
        corrupt: 0.2,
        duplicate: 0.2,
        delay: (5, 200),
        ..Default::default()
    };
    let mut answered = 0;
    for seed in 0..300 {
        let mut world = world(seed, conditions.clone());
        for _ in 0..3 {
            match world.request(Request::get("/temp")) {
                Seen::Response(code, body, true) => {
                    assert_eq!(
                        (code, &body[..]),
                        (Code::CONTENT, &b"21.5"[..]),
                        "seed {seed}"
                    );
                    answered += 1;
                }
                // What is not protected can be changed: that is why it is not believed.
                Seen::Response(_, _, false) | Seen::Failed(..) | Seen::UntrustedAs(_) => {}
                Seen::RefusedByRs(..) | Seen::RefusedByAs(..) | Seen::NotGranted(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(answered > 700, "{answered}");
}
