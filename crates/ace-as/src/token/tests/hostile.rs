//! Bytes of any kind.

use proptest::prelude::*;

use super::*;

/// Random CBOR of some depth, so that parsing gets further than the first byte.
fn cbor() -> impl Strategy<Value = Vec<u8>> {
    let head = |major: u8, len: usize| {
        assert!(len < 24);
        major << 5 | len as u8
    };
    let leaf = prop_oneof![
        (0..24u8).prop_map(|n| vec![n]),
        any::<u8>().prop_map(|n| vec![0x18, n]),
        prop::collection::vec(any::<u8>(), 0..8).prop_map(move |bytes| [
            vec![head(2, bytes.len())],
            bytes
        ]
        .concat()),
        "[a-z /]{0,8}"
            .prop_map(move |text| [vec![head(3, text.len())], text.into_bytes()].concat()),
        Just(b"\x6atempSensor".to_vec()),
        Just(vec![0xf6]),
        prop::collection::vec(any::<u8>(), 1..4),
    ];
    leaf.prop_recursive(3, 24, 6, move |inner| {
        let keys = prop_oneof![
            Just(4u8),
            Just(5),
            Just(8),
            Just(9),
            Just(24),
            Just(25),
            Just(33),
            Just(38),
            Just(39),
            0..4u8
        ];
        let key = |key: u8| if key < 24 { vec![key] } else { vec![0x18, key] };
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(move |items| [
                vec![head(4, items.len())],
                items.concat()
            ]
            .concat()),
            prop::collection::vec((keys, inner), 0..6).prop_map(move |pairs| {
                let len = pairs.len();
                let pairs = pairs.into_iter().map(|(k, value)| [key(k), value].concat());
                [vec![head(5, len)], pairs.collect::<Vec<_>>().concat()].concat()
            }),
        ]
    })
}

#[test]
fn token_requests_never_panic_and_always_have_a_defined_answer() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let (fixture, asking) = runtime.block_on(async {
        let fixture = fixture_with(&RsOptions {
            profiles: RsProfile::ALL.to_vec(),
            ..RsOptions::default()
        })
        .await;
        let grant = fixture.registry.grant("alice", "thermo", "GET /temp");
        grant.await.unwrap();
        let rosa = ClientProfile::CoapDtlsRpk(Default::default());
        fixture.client("rosa", rosa).await;
        let asking = [
            fixture.principal("alice").await,
            fixture.principal("rosa").await,
        ];
        (fixture, asking)
    });
    proptest!(ProptestConfig::with_cases(512), |(payload in prop_oneof![cbor(), prop::collection::vec(any::<u8>(), 0..64)], who in 0..2usize)| {
        let answer = runtime.block_on(fixture.endpoint.answer(Some(&asking[who]), NOW, Some(ACE_CBOR), &payload));
        match answer.code {
            Code::CREATED => drop(AccessInformation::parse(&answer.payload).unwrap()),
            _ => drop(error(&answer)),
        }
    });
}
