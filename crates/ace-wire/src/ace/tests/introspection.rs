use super::{encoded, full_material, public_key};
use crate::Error;
use crate::ace::{
    Confirmation, IntrospectionRequest, IntrospectionResponse, Profile, Scope, parameter as p,
};
use crate::cbor::Label;
use crate::cwt::{Audience, NumericDate};
use crate::testing::{assert_strict, assert_types, hex, with_unknown_entries, without};

fn full_response() -> IntrospectionResponse<'static> {
    IntrospectionResponse {
        active: true,
        iss: Some("coap://as.example.com"),
        sub: Some("door"),
        aud: Some(Audience::one("tempSensor4711")),
        exp: Some(NumericDate::from_seconds(1_700_000_600)),
        nbf: Some(NumericDate::from_seconds(1_700_000_000)),
        iat: Some(NumericDate::from_seconds(1_700_000_000)),
        cti: Some(&[0x01, 0x02]),
        cnf: Some(Confirmation::Osc(full_material())),
        scope: Some(Scope::Text("read")),
        client_id: Some("alice"),
        token_type: Some(p::TOKEN_TYPE_POP),
        username: Some("johndoe"),
        ace_profile: Some(Profile::CoapOscore.number()),
        cnonce: Some(&[0xe0, 0xa1]),
        exi: Some(600),
    }
}

#[test]
fn rfc9200_5_9_1_figure_9_request() {
    let payload = hex("a2 0b 48 ee08f475 74095c0e 18 21 02");
    let request = IntrospectionRequest::parse(&payload).unwrap();
    assert_eq!(request.token.len(), 8);
    assert_eq!(request.token_type_hint, Some(Label::Int(p::TOKEN_TYPE_POP)));
    assert_eq!(encoded(|out| request.encode(out)), payload);
    // Table 6 has a text string.
    let payload = hex("a2 0b 41 01 18 21 63 506f50");
    let request = IntrospectionRequest::parse(&payload).unwrap();
    assert_eq!(request.token_type_hint, Some(Label::Text("PoP")));
    assert_eq!(encoded(|out| request.encode(out)), payload);
}

#[test]
fn rfc9200_5_9_1_request_is_strict() {
    let parse = |bytes: &[u8]| IntrospectionRequest::parse(bytes).map(drop);
    let request = IntrospectionRequest {
        token: &[7; 40],
        token_type_hint: Some(Label::Int(2)),
    };
    let valid = encoded(|out| request.encode(out));
    assert_strict(&valid, parse);
    assert_types(&valid, &[(11, "b"), (33, "unt")], parse);
    assert_eq!(
        IntrospectionRequest::parse(&with_unknown_entries(&valid)),
        Ok(request)
    );
    assert_eq!(parse(&without(&valid, 11)), Err(Error::MissingParameter));
}

#[test]
fn rfc9200_5_9_2_figure_10_response() {
    let payload = hex("a4 0a f5 09 64 72656164 18 26 01
         08 a1 01 a3 01 04 02 44 dfd1aa97 20 4f 849b5786457c1491be3a76dcea6c42");
    let response = IntrospectionResponse::parse(&payload).unwrap();
    assert!(response.active);
    assert_eq!(response.scope, Some(Scope::Text("read")));
    assert_eq!(response.ace_profile, Some(Profile::CoapDtls.number()));
    assert!(matches!(response.cnf, Some(Confirmation::CoseKey(key)) if key.k.is_some()));
    let again = encoded(|out| response.encode(out));
    assert_eq!(IntrospectionResponse::parse(&again), Ok(response));
}

#[test]
fn rfc9201_4_figure_4_response() {
    let response = IntrospectionResponse {
        active: true,
        scope: Some(Scope::Text("read")),
        aud: Some(Audience::one("tempSensor4711")),
        cnf: Some(Confirmation::CoseKey(public_key())),
        ..Default::default()
    };
    let payload = encoded(|out| response.encode(out));
    assert_eq!(payload[..3], [0xa4, 0x03, 0x6e]);
    assert_eq!(IntrospectionResponse::parse(&payload), Ok(response));
}

#[test]
fn rfc7662_2_2_inactive_tells_nothing_else() {
    let payload = [0xa1, 0x0a, 0xf4];
    let response = IntrospectionResponse::default();
    assert_eq!(encoded(|out| response.encode(out)), payload);
    assert_eq!(IntrospectionResponse::parse(&payload), Ok(response));
}

#[test]
fn rfc9200_5_9_2_response_is_strict() {
    let parse = |bytes: &[u8]| IntrospectionResponse::parse(bytes).map(drop);
    let response = full_response();
    let valid = encoded(|out| response.encode(out));
    assert_eq!(IntrospectionResponse::parse(&valid), Ok(response));
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
        (10, "o"),
        (24, "t"),
        (34, "un"),
        (35, "t"),
        (38, "un"),
        (39, "b"),
        (40, "u"),
    ];
    assert_types(&valid, &types, parse);
    assert_eq!(
        IntrospectionResponse::parse(&with_unknown_entries(&valid)),
        Ok(response)
    );
    assert_eq!(parse(&without(&valid, 10)), Err(Error::MissingParameter));
    // A date that no comparison with a clock could be trusted with.
    assert_eq!(parse(&hex("a2 0a f5 04 f97e00")), Err(Error::NumericDate));
}

#[test]
fn debug_of_a_response_shows_no_key() {
    let shown = std::format!("{:?}", full_response());
    assert!(!shown.contains("249") && !shown.contains("f9"), "{shown}");
}
