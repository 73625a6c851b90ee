//! Requests and decisions (RFC 9200, 5.10.2; RFC 9203, 4.3 and 4.4).

use ace_rs::{EventKind, MethodSet, Outcome};
use ace_wire::coap::{Code, option};

use crate::bench::{Bench, Owned, claims};

#[test]
fn rfc9203_4_3_first_request_confirms_and_is_served() {
    let mut bench = Bench::new();
    bench.server.resources_mut().temp = 22;
    let mut client = bench.join(7, &crate::bench::issue(&claims(1)), 1);
    assert_eq!(
        bench
            .server
            .tokens()
            .filter(|token| token.confirmed)
            .count(),
        0
    );
    let answer = client.get(&mut bench, "/temp");
    assert_eq!(
        (answer.code, answer.payload.as_slice()),
        (Code::CONTENT, &b"22"[..])
    );
    assert_eq!(
        bench
            .server
            .tokens()
            .filter(|token| token.confirmed)
            .count(),
        1
    );
    let kinds: Vec<_> = bench.events().into_iter().map(|event| event.kind).collect();
    assert_eq!(kinds[0], EventKind::TokenAccepted);
    assert_eq!(kinds[1], EventKind::TokenConfirmed);
    assert!(matches!(
        kinds[2],
        EventKind::Request {
            answer: Code::CONTENT,
            outcome: Outcome::Handled,
            ..
        }
    ));
    let _ = (MethodSet::GET, option::OSCORE);
}
