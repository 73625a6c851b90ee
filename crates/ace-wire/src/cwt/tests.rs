use proptest::prelude::*;
use std::vec::Vec;

use super::*;
use crate::Error;
use crate::ace::{Confirmation, OscoreInputMaterial, Scope};
use crate::testing::{assert_strict, assert_types, cbor, hex, value, with_unknown_entries};

fn encoded(claims: &ClaimsSet<'_>) -> Vec<u8> {
    let mut out = std::vec![0u8; 1024];
    let length = claims.encode(&mut out).unwrap();
    for short in 0..length {
        assert_eq!(claims.encode(&mut out[..short]), Err(Error::BufferTooSmall));
    }
    out.truncate(length);
    out
}

fn parse(bytes: &[u8]) -> Result<(), Error> {
    ClaimsSet::parse(bytes).map(drop)
}

fn full() -> ClaimsSet<'static> {
    ClaimsSet {
        iss: Some("coap://as.example.com"),
        sub: Some("erikw"),
        aud: Some(Audience::list(&["thermo", "lock"])),
        exp: Some(NumericDate::from_seconds(1_444_064_944)),
        nbf: Some(NumericDate::from_seconds(1_443_944_944)),
        iat: Some(NumericDate::from_seconds(0)),
        cti: Some(&[0x0b, 0x71]),
        cnf: Some(Confirmation::Osc(OscoreInputMaterial {
            id: Some(&[1]),
            ms: Some(&[2; 16]),
            ..Default::default()
        })),
        scope: Some(Scope::Bytes(&[0x80])),
        ace_profile: Some(2),
        cnonce: Some(&[3; 8]),
        exi: Some(600),
    }
}

#[test]
fn rfc8392_a_1_figure_2_claims() {
    let figures = include_str!("../../tests/vectors/rfc8392-appendix-a.json");
    let figures: serde_json::Value = serde_json::from_str(figures).unwrap();
    let figure = hex(figures["figures"][0]["hex"].as_str().unwrap());
    let claims = ClaimsSet {
        iss: Some("coap://as.example.com"),
        sub: Some("erikw"),
        aud: Some(Audience::one("coap://light.example.com")),
        exp: Some(NumericDate::from_seconds(1_444_064_944)),
        nbf: Some(NumericDate::from_seconds(1_443_944_944)),
        iat: Some(NumericDate::from_seconds(1_443_944_944)),
        cti: Some(&[0x0b, 0x71]),
        ..ClaimsSet::default()
    };
    assert_eq!(ClaimsSet::parse(&figure), Ok(claims));
    assert_eq!(encoded(&claims), figure);
    assert_strict(&figure, parse);
}

#[test]
fn rfc8392_a_7_a_date_may_be_a_float() {
    let payload = hex("a1 06 fb41d584367c200000");
    let claims = ClaimsSet::parse(&payload).unwrap();
    let iat = claims.iat.unwrap();
    assert_eq!(
        (iat.seconds(), iat.nanoseconds()),
        (1_443_944_944, 500_000_000)
    );
    assert_eq!(encoded(&claims), payload);
    assert!(iat > NumericDate::from_seconds(1_443_944_944));
    assert!(iat < NumericDate::from_seconds(1_443_944_945));
}

#[test]
fn dates_are_those_of_arithmetic_on_doubles() {
    let date = |value: f64| {
        let mut payload = hex("a1 04 fb0000000000000000");
        payload[3..].copy_from_slice(&value.to_be_bytes());
        ClaimsSet::parse(&payload).map(|claims| claims.exp.unwrap())
    };
    let edges = [
        0.0,
        -0.0,
        0.999_999_999_4,
        0.999_999_999_6,
        4.9e-324,
        2.3e-308,
        1e-20,
        1e-9,
        0.6e-9,
        9_007_199_254_740_991.0,
    ];
    let dense = (0..4000u32).map(|n| f64::from(n) * 1.7e-3 * 2f64.powi(n as i32 % 58 - 8));
    for value in edges.into_iter().chain(dense) {
        let fraction = ((value - value.floor()) * 1e9 + 0.5) as u64;
        let expected = u128::from(value as u64) * 1_000_000_000 + u128::from(fraction);
        let date = date(value).unwrap();
        let found = u128::from(date.seconds()) * 1_000_000_000 + u128::from(date.nanoseconds());
        // The arithmetic rounds before it rounds to a nanosecond.
        assert!(
            found.abs_diff(expected) <= 1,
            "{value:e}: {found} {expected}"
        );
        assert!(date.nanoseconds() < 1_000_000_000);
    }
    for value in [
        -1.0,
        -4.9e-324,
        9_007_199_254_740_992.0,
        1e300,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
        -f64::NAN,
    ] {
        assert_eq!(date(value), Err(Error::NumericDate), "{value:e}");
    }
}

#[test]
fn rfc9203_3_2_figure_6_claims() {
    let figure = hex(
        "A5 03 76 74656D7053656E736F72496E4C6976696E67526F6F6D 06 1A 5112D728 04 1A 51145DC8
         09 78 18 74656D70657261747572655F67206669726D776172655F70
         08 A1 04 A2 00 41 01 02 50 F9AF838368E353E78888E1426BD94E6F",
    );
    let ms = hex("F9AF838368E353E78888E1426BD94E6F");
    let material = OscoreInputMaterial {
        id: Some(&[1]),
        ms: Some(&ms),
        ..Default::default()
    };
    let claims = ClaimsSet {
        aud: Some(Audience::one("tempSensorInLivingRoom")),
        iat: Some(NumericDate::from_seconds(1_360_189_224)),
        exp: Some(NumericDate::from_seconds(1_360_289_224)),
        scope: Some(Scope::Text("temperature_g firmware_p")),
        cnf: Some(Confirmation::Osc(material)),
        ..ClaimsSet::default()
    };
    assert_eq!(ClaimsSet::parse(&figure), Ok(claims));
    // Same claims, in bytewise order of the keys.
    assert_eq!(encoded(&claims).len(), figure.len());
    assert_eq!(ClaimsSet::parse(&encoded(&claims)), Ok(claims));
    assert_strict(&figure, parse);
    // Figure 8: an update names the material by kid.
    let update = ClaimsSet {
        cnf: Some(Confirmation::Kid(&[1])),
        ..claims
    };
    assert_eq!(ClaimsSet::parse(&encoded(&update)), Ok(update));
}

#[test]
fn rfc8747_3_2_and_3_4_claims() {
    let public = hex(
        "a4 01 78 1a 636f6170733a2f2f7365727665722e6578616d706c652e636f6d
         03 78 1a 636f6170733a2f2f636c69656e742e6578616d706c652e6f7267
         04 1a 70004b4f
         08 a1 01 a4 01 02 20 01
         21 5820 d7cc072de2205bdc1537a543d53c60a6acb62eccd890c7fa27c9e354089bbe13
         22 5820 f95e1d4b851a2cc80fff87d8e23f22afb725d535e515d020731e79a3b4e47120",
    );
    let claims = ClaimsSet::parse(&public).unwrap();
    assert_eq!(claims.exp.map(NumericDate::seconds), Some(1_879_067_471));
    let Some(Confirmation::CoseKey(key)) = claims.cnf else {
        panic!("{claims:?}")
    };
    assert_eq!(key.x.map(|x| x[0]), Some(0xd7));
    assert_strict(&public, parse);
    assert_eq!(encoded(&claims), public);
    let kid = hex("a4 01 76 636f6170733a2f2f61732e6578616d706c652e636f6d
         03 78 1c 636f6170733a2f2f7265736f757263652e6578616d706c652e6f7267
         04 1a 51254c28 08 a1 03 50 dfd1aa976d8d4575a0fe34b96de2bfad");
    let claims = ClaimsSet::parse(&kid).unwrap();
    assert_eq!(claims.exp.map(NumericDate::seconds), Some(1_361_398_824));
    assert!(matches!(claims.cnf, Some(Confirmation::Kid(kid)) if kid.len() == 16));
    assert_strict(&kid, parse);
}

#[test]
fn rfc8392_3_claims_are_strict() {
    let valid = encoded(&full());
    assert_eq!(ClaimsSet::parse(&valid), Ok(full()));
    assert_strict(&valid, parse);
    let types = [
        (1, "t"),
        (2, "t"),
        (3, "ta"),
        (4, "unf"),
        (5, "unf"),
        (6, "unf"),
        (7, "b"),
        (8, "m"),
        (9, "tb"),
        (38, "un"),
        (39, "b"),
        (40, "u"),
    ];
    assert_types(&valid, &types, parse);
    assert_eq!(ClaimsSet::parse(&with_unknown_entries(&valid)), Ok(full()));
    assert_eq!(ClaimsSet::parse(&[0xa0]), Ok(ClaimsSet::default()));
    assert_eq!(cbor(&value(&valid)), valid, "ciborium writes the same");
}

#[test]
fn rfc8392_2_dates_must_be_finite_and_positive() {
    for key in ["04", "05", "06"] {
        for date in [
            "20",
            "3b7fffffffffffffff",
            "3bffffffffffffffff",
            "f97e00",
            "f97c00",
            "f9fc00",
            "f9bc00",
            "f98001",
            "fa7fc00000",
            "fa7f800000",
            "faff800000",
            "fabf800000",
            "fb7ff8000000000000",
            "fb7ff0000000000000",
            "fbfff0000000000000",
            "fbc1d584367c200000",
            "fb7fefffffffffffff",
            "fb4340000000000000",
        ] {
            let payload = hex(&std::format!("a1 {key} {date}"));
            assert_eq!(parse(&payload), Err(Error::NumericDate), "{date}");
        }
        // RFC 8392, 2: the leading tag 1 must be omitted.
        assert_eq!(
            parse(&hex(&std::format!("a1 {key} c1 00"))),
            Err(Error::WrongType)
        );
    }
    let date = |bytes: &str| {
        let payload = hex(&std::format!("a1 04 {bytes}"));
        let date = ClaimsSet::parse(&payload).unwrap().exp.unwrap();
        (date.seconds(), date.nanoseconds())
    };
    assert_eq!(date("00"), (0, 0));
    assert_eq!(date("f98000"), (0, 0), "minus zero");
    assert_eq!(date("1bffffffffffffffff"), (u64::MAX, 0));
    assert_eq!(date("fb433fffffffffffff"), ((1 << 53) - 1, 0));
    assert_eq!(date("f93e00"), (1, 500_000_000));
    assert_eq!(date("fa4eac21b4"), (1_443_944_960, 0));
    // The float just below 1.
    assert_eq!(date("fb3fefffffffffffff"), (1, 0));
}

#[test]
fn rfc8392_3_1_3_audience_is_one_or_several() {
    let one = hex("a1 03 6161");
    let claims = ClaimsSet::parse(&one).unwrap();
    let aud = claims.aud.unwrap();
    assert!(aud.contains("a") && !aud.contains("b") && !aud.contains("") && !aud.contains("A"));
    assert_eq!(aud, Audience::one("a"));
    assert_ne!(aud, Audience::list(&["a"]));

    let several = hex("a1 03 83 6161 6162 60");
    let claims = ClaimsSet::parse(&several).unwrap();
    let aud = claims.aud.unwrap();
    assert!(aud.iter().eq(["a", "b", ""]));
    assert!(aud.contains("b") && aud.contains("") && !aud.contains("c"));
    assert_eq!(aud, Audience::list(&["a", "b", ""]));
    assert_eq!(encoded(&claims), several);
    assert_eq!(std::format!("{aud:?}"), r#"["a", "b", ""]"#);

    let none = hex("a1 03 80");
    let claims = ClaimsSet::parse(&none).unwrap();
    assert_eq!(claims.aud.unwrap().iter().count(), 0);
    assert!(!claims.aud.unwrap().contains(""));
    for wrong in [
        "a1 03 81 01",
        "a1 03 81 40",
        "a1 03 81 81 6161",
        "a1 03 82 6161 f6",
    ] {
        assert_eq!(parse(&hex(wrong)), Err(Error::WrongType), "{wrong}");
    }
}

fn date() -> impl Strategy<Value = Option<NumericDate>> {
    proptest::option::of(any::<u64>().prop_map(NumericDate::from_seconds))
}

fn bytes() -> impl Strategy<Value = Option<Vec<u8>>> {
    proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40))
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn one_changed_byte_never_panics(at in 0usize..400, byte in any::<u8>()) {
        let mut payload = encoded(&full());
        let at = at % payload.len();
        payload[at] = byte;
        let _ = parse(&payload);
    }

    #[test]
    fn a_float_date_survives(seconds in 0f64..9_007_199_254_740_991.0) {
        let payload = [&[0xa1, 0x04, 0xfb][..], &seconds.to_be_bytes()].concat();
        let claims = ClaimsSet::parse(&payload).unwrap();
        let date = claims.exp.unwrap();
        let read = date.seconds() as f64 + f64::from(date.nanoseconds()) / 1e9;
        prop_assert!((read - seconds).abs() < 1e-9);
        let again = encoded(&claims);
        prop_assert_eq!(ClaimsSet::parse(&again), Ok(claims));
    }

    #[test]
    fn claims_are_read_as_written(
        texts in (proptest::option::of("\\PC{0,12}"), proptest::option::of("\\PC{0,12}")),
        audiences in proptest::collection::vec("\\PC{0,12}", 0..4),
        dates in (date(), date(), date()),
        blobs in (bytes(), bytes(), bytes(), bytes()),
        numbers in (proptest::option::of(any::<i64>()), proptest::option::of(any::<u64>())),
    ) {
        let audiences: Vec<&str> = audiences.iter().map(|audience| &audience[..]).collect();
        let claims = ClaimsSet {
            iss: texts.0.as_deref(),
            sub: texts.1.as_deref(),
            aud: match &audiences[..] {
                [] => None,
                [one] => Some(Audience::one(one)),
                several => Some(Audience::list(several)),
            },
            exp: dates.0,
            nbf: dates.1,
            iat: dates.2,
            cti: blobs.0.as_deref(),
            cnf: blobs.1.as_deref().map(Confirmation::Kid),
            scope: blobs.2.as_deref().map(Scope::Bytes),
            ace_profile: numbers.0,
            cnonce: blobs.3.as_deref(),
            exi: numbers.1,
        };
        let payload = encoded(&claims);
        prop_assert_eq!(ClaimsSet::parse(&payload), Ok(claims));
        prop_assert_eq!(cbor(&value(&payload)), payload);
    }
}
