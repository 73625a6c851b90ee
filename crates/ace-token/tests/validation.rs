//! Claims checked as RFC 9200, 5.10.1.1 orders them.

use ace_token::{ClaimError, Validation};
use ace_wire::{
    ace::Scope,
    coap::Code,
    cwt::{Audience, ClaimsSet, NumericDate},
};

const NOW: u64 = 1_000_000;

const fn check() -> Validation<'static> {
    Validation {
        issuer: "coap://as.example",
        audience: &["thermo", "all"],
        now: Some(NOW),
        leeway: 0,
    }
}

fn good() -> ClaimsSet<'static> {
    ClaimsSet {
        iss: Some("coap://as.example"),
        aud: Some(Audience::one("thermo")),
        exp: Some(NumericDate::from_seconds(NOW + 1)),
        nbf: Some(NumericDate::from_seconds(NOW)),
        scope: Some(Scope::Text("read")),
        ..Default::default()
    }
}

fn refused(claims: &ClaimsSet<'_>, error: ClaimError, code: Code) {
    assert_eq!(check().validate(claims), Err(error));
    assert_eq!(error.code(), code);
}

#[test]
fn rfc9200_5_10_1_1_good_claims_pass() {
    assert_eq!(check().validate(&good()), Ok(()));
    let fewest = ClaimsSet {
        iss: None,
        exp: None,
        nbf: None,
        ..good()
    };
    assert_eq!(check().validate(&fewest), Ok(()));
}

#[test]
fn rfc9200_5_10_1_1_issuer_must_be_the_one_whose_key_opened_the_token() {
    for iss in [
        "",
        "coap://other.example",
        "coap://as.example/",
        "COAP://as.example",
    ] {
        let claims = ClaimsSet {
            iss: Some(iss),
            ..good()
        };
        refused(&claims, ClaimError::Issuer, Code::UNAUTHORIZED);
    }
}

#[test]
fn rfc8392_3_1_4_exp_must_be_in_the_future() {
    for end in [0, NOW - 1, NOW] {
        let claims = ClaimsSet {
            exp: Some(NumericDate::from_seconds(end)),
            ..good()
        };
        refused(&claims, ClaimError::Expired, Code::UNAUTHORIZED);
        assert_eq!(
            Validation {
                now: None,
                ..check()
            }
            .validate(&claims),
            Ok(())
        );
    }
    let claims = ClaimsSet {
        exp: Some(NumericDate::from_seconds(u64::MAX)),
        ..good()
    };
    assert_eq!(check().validate(&claims), Ok(()));
    // With a leeway of 10 s, a token ends 10 s late.
    let lenient = Validation {
        leeway: 10,
        ..check()
    };
    for (end, expected) in [(NOW - 9, Ok(())), (NOW - 10, Err(ClaimError::Expired))] {
        let claims = ClaimsSet {
            exp: Some(NumericDate::from_seconds(end)),
            ..good()
        };
        assert_eq!(lenient.validate(&claims), expected);
    }
    // A clock that says 1970 with a leeway beyond it.
    let early = Validation {
        now: Some(3),
        leeway: 10,
        ..check()
    };
    let claims = ClaimsSet {
        exp: Some(NumericDate::from_seconds(1)),
        nbf: None,
        ..good()
    };
    assert_eq!(early.validate(&claims), Ok(()));
}

#[test]
fn rfc8392_3_1_5_nbf_must_not_be_ahead() {
    for start in [NOW + 1, u64::MAX] {
        let claims = ClaimsSet {
            nbf: Some(NumericDate::from_seconds(start)),
            ..good()
        };
        refused(&claims, ClaimError::NotYetValid, Code::UNAUTHORIZED);
        assert_eq!(
            Validation {
                now: None,
                ..check()
            }
            .validate(&claims),
            Ok(())
        );
    }
    let lenient = Validation {
        leeway: 10,
        ..check()
    };
    for (start, expected) in [(NOW + 10, Ok(())), (NOW + 11, Err(ClaimError::NotYetValid))] {
        let claims = ClaimsSet {
            nbf: Some(NumericDate::from_seconds(start)),
            ..good()
        };
        assert_eq!(lenient.validate(&claims), expected);
    }
    let late = Validation {
        now: Some(u64::MAX),
        leeway: 10,
        ..check()
    };
    let claims = ClaimsSet {
        nbf: Some(NumericDate::from_seconds(u64::MAX)),
        exp: None,
        ..good()
    };
    assert_eq!(late.validate(&claims), Ok(()));
}

#[test]
fn rfc8392_2_fractions_of_a_second_count() {
    // 1000000.5 as a half of a claims set: {4: 1000000.5, 5: 1000000.5}
    let parsed = |key: u8| {
        let date = 1_000_000.5f64.to_be_bytes();
        let cbor = [&[0xa1, key, 0xfb][..], &date].concat();
        let claims = ClaimsSet::parse(&cbor).unwrap();
        (claims.exp, claims.nbf)
    };
    let (exp, nbf) = (parsed(4).0, parsed(5).1);
    let at = |now| Validation {
        now: Some(now),
        ..check()
    };
    assert_eq!(at(NOW).validate(&ClaimsSet { exp, ..good() }), Ok(()));
    assert_eq!(
        at(NOW + 1).validate(&ClaimsSet { exp, ..good() }),
        Err(ClaimError::Expired)
    );
    let started = ClaimsSet {
        nbf,
        exp: None,
        ..good()
    };
    assert_eq!(at(NOW).validate(&started), Err(ClaimError::NotYetValid));
    assert_eq!(at(NOW + 1).validate(&started), Ok(()));
}

#[test]
fn rfc9200_5_10_1_1_audience_must_be_one_of_ours() {
    for aud in ["", "therm", "thermo ", "Thermo", "lock"] {
        let claims = ClaimsSet {
            aud: Some(Audience::one(aud)),
            ..good()
        };
        refused(&claims, ClaimError::Audience, Code::FORBIDDEN);
    }
    refused(
        &ClaimsSet {
            aud: None,
            ..good()
        },
        ClaimError::MissingAudience,
        Code::FORBIDDEN,
    );
    let several = ClaimsSet {
        aud: Some(Audience::list(&["lock", "all"])),
        ..good()
    };
    assert_eq!(check().validate(&several), Ok(()));
    let none = ClaimsSet {
        aud: Some(Audience::list(&[])),
        ..good()
    };
    refused(&none, ClaimError::Audience, Code::FORBIDDEN);
    let nobody = Validation {
        audience: &[],
        ..check()
    };
    assert_eq!(nobody.validate(&good()), Err(ClaimError::Audience));
}

#[test]
fn rfc9200_5_10_1_1_scope_must_be_there() {
    let claims = ClaimsSet {
        scope: None,
        ..good()
    };
    refused(&claims, ClaimError::MissingScope, Code::BAD_REQUEST);
    let bytes = ClaimsSet {
        scope: Some(Scope::Bytes(&[0x80])),
        ..good()
    };
    assert_eq!(check().validate(&bytes), Ok(()));
}

#[test]
fn rfc9200_5_10_1_1_the_first_of_the_list_is_told() {
    let mut claims = ClaimsSet {
        iss: Some("coap://other.example"),
        exp: Some(NumericDate::from_seconds(1)),
        nbf: Some(NumericDate::from_seconds(u64::MAX)),
        aud: Some(Audience::one("lock")),
        scope: None,
        ..Default::default()
    };
    refused(&claims, ClaimError::Issuer, Code::UNAUTHORIZED);
    claims.iss = None;
    refused(&claims, ClaimError::Expired, Code::UNAUTHORIZED);
    claims.exp = None;
    refused(&claims, ClaimError::NotYetValid, Code::UNAUTHORIZED);
    claims.nbf = None;
    refused(&claims, ClaimError::Audience, Code::FORBIDDEN);
    claims.aud = Some(Audience::one("all"));
    refused(&claims, ClaimError::MissingScope, Code::BAD_REQUEST);
}
