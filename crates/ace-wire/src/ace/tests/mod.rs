mod cnf;
mod introspection;
mod trl;

use proptest::prelude::*;

use super::parameter as p;
use super::*;
use crate::Error;
use crate::cbor::Label;
use crate::cose::{CoseKey, KeyType, Y, curve};
use crate::testing::{
    assert_strict, assert_types, cbor, hex, value, with_unknown_entries, without,
};

/// Encodes into a buffer of any size; checks that each smaller one is refused.
fn encoded(encode: impl Fn(&mut [u8]) -> Result<usize, Error>) -> std::vec::Vec<u8> {
    let mut out = std::vec![0u8; 2048];
    let length = encode(&mut out).unwrap();
    for short in 0..length {
        assert_eq!(encode(&mut out[..short]), Err(Error::BufferTooSmall));
    }
    assert_eq!(encode(&mut out[..length]), Ok(length));
    out.truncate(length);
    out
}

const X: [u8; 32] = [0xba; 32];
const Y_: [u8; 32] = [0x20; 32];

fn public_key() -> CoseKey<'static> {
    CoseKey {
        kid: Some(b"\x11"),
        crv: Some(curve::P_256),
        x: Some(&X),
        y: Some(Y::Bytes(&Y_)),
        ..CoseKey::new(KeyType::Ec2)
    }
}

fn full_request() -> TokenRequest<'static> {
    TokenRequest {
        grant_type: GrantType::Password,
        client_id: Some("myclient"),
        client_secret: Some(b"client secret"),
        audience: Some("tempSensor4711"),
        scope: Some(Scope::Text("read")),
        req_cnf: Some(Confirmation::CoseKey(public_key())),
        ace_profile: ProfileRequest::Null,
        cnonce: Some(b"\xe0\xa1\x56"),
        response_type: Some("code"),
        redirect_uri: Some("coap://client.example"),
        state: Some("xyz"),
        code: Some(b"Splx"),
        username: Some("johndoe"),
        password: Some("A3ddj3w"),
        refresh_token: Some(b"tGzv3"),
    }
}

fn full_response() -> AccessInformation<'static> {
    AccessInformation {
        access_token: &[0xd0, 0x83],
        expires_in: Some(3600),
        cnf: Some(Confirmation::Osc(full_material())),
        scope: Some(Scope::Bytes(&[0x80])),
        token_type: Some(p::TOKEN_TYPE_POP),
        state: Some("xyz"),
        refresh_token: Some(b"tGzv3"),
        ace_profile: Some(Profile::CoapOscore.number()),
        rs_cnf: Some(Confirmation::CoseKey(public_key())),
    }
}

fn full_material() -> OscoreInputMaterial<'static> {
    OscoreInputMaterial {
        id: Some(&[1]),
        version: Some(1),
        ms: Some(&[0xf9; 16]),
        hkdf: Some(Label::Int(5)),
        alg: Some(Label::Text("AES-CCM-16-64-128")),
        salt: Some(&[0x5a; 8]),
        context_id: Some(&[0xc1; 8]),
        unknown: false,
    }
}

#[test]
fn rfc9200_5_3_figure_3_hints() {
    let figure = hex(
        "a4 01 78 1c 636f6170733a2f2f61732e657861 6d706c652e636f6d2f746f6b656e
         05 76 636f6170733a2f2f72732e657861 6d706c652e636f6d
         09 66 7254656d7043 18 27 45 e0a156bb3f",
    );
    // Figure 2.
    let hints = AsRequestCreationHints {
        r#as: Some("coaps://as.example.com/token"),
        kid: None,
        audience: Some("coaps://rs.example.com"),
        scope: Some(Scope::Text("rTempC")),
        cnonce: Some(&[0xe0, 0xa1, 0x56, 0xbb, 0x3f]),
    };
    assert_eq!(AsRequestCreationHints::parse(&figure), Ok(hints));
    assert_eq!(encoded(|out| hints.encode(out)), figure);
}

#[test]
fn rfc9200_5_3_hints_are_strict() {
    let parse = |bytes: &[u8]| AsRequestCreationHints::parse(bytes).map(drop);
    let hints = AsRequestCreationHints {
        r#as: Some("coap://as"),
        kid: Some(&[1]),
        audience: Some("rs"),
        scope: Some(Scope::Bytes(&[0x80])),
        cnonce: Some(&[2]),
    };
    let valid = encoded(|out| hints.encode(out));
    assert_strict(&valid, parse);
    assert_types(
        &valid,
        &[(1, "t"), (2, "b"), (5, "t"), (9, "tb"), (39, "b")],
        parse,
    );
    assert_eq!(
        AsRequestCreationHints::parse(&with_unknown_entries(&valid)),
        Ok(hints)
    );
    assert_eq!(
        AsRequestCreationHints::parse(&[0xa0]),
        Ok(AsRequestCreationHints::default())
    );
}

#[test]
fn rfc9203_3_1_figure_3_request_to_update_rights() {
    let payload = hex("a3 05 6e 74656d7053656e736f7234373131 09 65 7772697465 04 a1 03 41 01");
    let request = TokenRequest {
        audience: Some("tempSensor4711"),
        scope: Some(Scope::Text("write")),
        req_cnf: Some(Confirmation::Kid(&[1])),
        ..TokenRequest::default()
    };
    assert_eq!(TokenRequest::parse(&payload), Ok(request));
    assert_eq!(request.grant_type, GrantType::ClientCredentials);
    assert_eq!(
        TokenRequest::parse(&encoded(|out| request.encode(out))),
        Ok(request)
    );
}

#[test]
fn rfc9201_3_1_figure_1_request_with_public_key() {
    let payload = hex("a1 04 a1 01 a5 01 02 02 41 11 20 01
         21 5820 BAC5B11CAD8F99F9C72B05CF4B9E26D24 4DC189F745228255A219A86D6A09EFF
         22 5820 20138BF82DC1B6D562BE0FA54AB7804A3 A64B6D72CCFED6B6FB6ED28BBFC117E");
    let request = TokenRequest::parse(&payload).unwrap();
    let Some(Confirmation::CoseKey(key)) = request.req_cnf else {
        panic!("{request:?}")
    };
    assert_eq!(
        (key.kty, key.crv, key.kid),
        (KeyType::Ec2, Some(curve::P_256), Some(&[0x11][..]))
    );
    assert_eq!(key.x.map(<[u8]>::len), Some(32));
    assert_eq!(encoded(|out| request.encode(out)), payload);
}

#[test]
fn rfc9200_5_8_1_grant_type_defaults_to_client_credentials() {
    assert_eq!(TokenRequest::parse(&[0xa0]), Ok(TokenRequest::default()));
    assert_eq!(encoded(|out| TokenRequest::default().encode(out)), [0xa0]);
    for number in [0, 1, 2, 3, 4, u64::MAX] {
        let mut payload = std::vec![0xa1, 0x18, 33];
        payload.extend(cbor(&number.into()));
        let grant_type = TokenRequest::parse(&payload).unwrap().grant_type;
        assert_eq!(grant_type.number(), number);
        assert_eq!(grant_type.name().is_some(), number < 4);
    }
}

#[test]
fn rfc9200_5_8_4_3_ace_profile_is_absent_null_or_a_number() {
    let profile = |payload: &str| TokenRequest::parse(&hex(payload)).map(|r| r.ace_profile);
    assert_eq!(profile("a0"), Ok(ProfileRequest::Absent));
    assert_eq!(profile("a11826f6"), Ok(ProfileRequest::Null));
    assert_eq!(profile("a1182602"), Ok(ProfileRequest::Value(2)));
    assert_eq!(profile("a1182620"), Ok(ProfileRequest::Value(-1)));
    let request = TokenRequest {
        ace_profile: ProfileRequest::Value(2),
        ..Default::default()
    };
    assert_eq!(encoded(|out| request.encode(out)), hex("a1182602"));
}

#[test]
fn rfc9200_5_8_1_token_request_is_strict() {
    let parse = |bytes: &[u8]| TokenRequest::parse(bytes).map(drop);
    let request = full_request();
    let valid = encoded(|out| request.encode(out));
    assert_eq!(TokenRequest::parse(&valid), Ok(request));
    assert_strict(&valid, parse);
    let types = [
        (4, "m"),
        (5, "t"),
        (9, "tb"),
        (24, "t"),
        (25, "b"),
        (26, "t"),
        (27, "t"),
        (28, "t"),
        (29, "b"),
        (33, "u"),
        (35, "t"),
        (36, "t"),
        (37, "b"),
        (38, "un0"),
        (39, "b"),
    ];
    assert_types(&valid, &types, parse);
    assert_eq!(
        TokenRequest::parse(&with_unknown_entries(&valid)),
        Ok(request)
    );
    for payload in ["", "80", "f6", "00", "4100", "c1a0", "a14101"] {
        assert!(parse(&hex(payload)).is_err(), "{payload}");
    }
}

#[test]
fn rfc6749_3_2_parameters_of_other_messages_are_ignored() {
    // A response, and a request to /authz-info, have nothing for the token endpoint.
    let response = full_response();
    let payload = encoded(|out| response.encode(out));
    let request = TokenRequest::parse(&payload).unwrap();
    assert_eq!(request.scope, response.scope);
    assert_eq!(request.req_cnf, None);
}

#[test]
fn rfc9203_3_2_figures_4_and_7_token_response() {
    let payload = hex("a4 01 49 8343a1010aa2044c53 1826 02 02 190e10
         08 a1 04 a2 00 41 01 02 50 f9af838368e353e78888e1426bd94e6f");
    let information = AccessInformation::parse(&payload).unwrap();
    assert_eq!(information.access_token, hex("8343a1010aa2044c53"));
    assert_eq!(information.expires_in, Some(3600));
    assert_eq!(
        information.ace_profile.and_then(Profile::from_number),
        Some(Profile::CoapOscore)
    );
    let ms = hex("f9af838368e353e78888e1426bd94e6f");
    let material = OscoreInputMaterial {
        id: Some(&[1]),
        ms: Some(&ms),
        ..Default::default()
    };
    assert_eq!(information.cnf, Some(Confirmation::Osc(material)));
    let again = encoded(|out| information.encode(out));
    assert_eq!(AccessInformation::parse(&again), Ok(information));

    let payload = hex("a3 01 49 8343a1010aa2044c53 1826 02 02 190e10");
    let information = AccessInformation::parse(&payload).unwrap();
    assert_eq!(
        (information.cnf, information.expires_in),
        (None, Some(3600))
    );
}

#[test]
fn rfc9201_3_2_figures_2_and_3_token_response() {
    let payload = hex("a2 01 47 4A5015DF686428 08 a1 01 a3 01 04 02 44 DFD1AA97
         20 51 849B5786457C1491BE3A76DCEA6C427108");
    let information = AccessInformation::parse(&payload).unwrap();
    let Some(Confirmation::CoseKey(key)) = information.cnf else {
        panic!("{information:?}")
    };
    assert_eq!(key.kty, KeyType::Symmetric);
    assert_eq!(key.k, Some(&hex("849B5786457C1491BE3A76DCEA6C427108")[..]));
    assert_eq!(encoded(|out| information.encode(out)), payload);

    let payload = hex(
        "a2 01 50 D08343A1010AA1054D2A45DF6FBC5A5A 1829 a1 01 a5 01 02 02 41 12 20 01
         21 5820 BCEE7EAAC162F91E6F330F5771211E220 B8B546C96589B0AC4AD0FD24C77E1F1
         22 5820 C647B38C55EFBBC4E62E651720F002D5D 75B2E0C02CD1326E662BCA222B90416",
    );
    let information = AccessInformation::parse(&payload).unwrap();
    assert!(
        matches!(information.rs_cnf, Some(Confirmation::CoseKey(key)) if key.kty == KeyType::Ec2)
    );
    assert_eq!(encoded(|out| information.encode(out)), payload);
}

#[test]
fn rfc9200_5_8_2_token_response_is_strict() {
    let parse = |bytes: &[u8]| AccessInformation::parse(bytes).map(drop);
    let information = full_response();
    let valid = encoded(|out| information.encode(out));
    assert_eq!(AccessInformation::parse(&valid), Ok(information));
    assert_strict(&valid, parse);
    let types = [
        (1, "b"),
        (2, "u"),
        (8, "m"),
        (9, "tb"),
        (28, "t"),
        (34, "un"),
        (37, "b"),
        (38, "un"),
        (41, "m"),
    ];
    assert_types(&valid, &types, parse);
    assert_eq!(
        AccessInformation::parse(&with_unknown_entries(&valid)),
        Ok(information)
    );
    assert_eq!(parse(&without(&valid, 1)), Err(Error::MissingParameter));
}

#[test]
fn rfc9200_5_8_3_error_codes_have_the_numbers_of_table_3() {
    let names = [
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
        "unsupported_pop_key",
        "incompatible_ace_profiles",
    ];
    for (number, name) in (1..).zip(names) {
        assert_eq!(ErrorCode::from_number(number).name(), Some(name));
        assert_eq!(ErrorCode::from_number(number).number(), number);
    }
    for number in [i64::MIN, -1, 0, 9, i64::MAX] {
        assert_eq!(ErrorCode::from_number(number), ErrorCode::Other(number));
        assert_eq!(ErrorCode::Other(number).name(), None);
    }
}

#[test]
fn rfc9200_5_8_3_error_response_is_strict() {
    let parse = |bytes: &[u8]| ErrorResponse::parse(bytes).map(drop);
    let response = ErrorResponse {
        error: ErrorCode::InvalidScope,
        error_description: Some("no such scope"),
        error_uri: Some("coap://as/errors"),
    };
    let valid = encoded(|out| response.encode(out));
    assert_eq!(ErrorResponse::parse(&valid), Ok(response));
    assert_strict(&valid, parse);
    assert_types(&valid, &[(30, "un"), (31, "t"), (32, "t")], parse);
    assert_eq!(
        ErrorResponse::parse(&with_unknown_entries(&valid)),
        Ok(response)
    );
    assert_eq!(parse(&without(&valid, 30)), Err(Error::MissingParameter));
    let short = ErrorResponse {
        error_description: None,
        error_uri: None,
        ..response
    };
    assert_eq!(encoded(|out| short.encode(out)), hex("a1181e06"));
}

#[test]
fn rfc9203_4_1_figure_11_authz_info_request() {
    let payload = hex("a3 01 49 8343a1010aa2044c53 1828 48 018a278f7faab55a 182b 42 1645");
    let token = hex("8343a1010aa2044c53");
    let request = AuthzInfoRequest {
        access_token: &token,
        nonce1: Some(&[0x01, 0x8a, 0x27, 0x8f, 0x7f, 0xaa, 0xb5, 0x5a]),
        client_recipient_id: Some(&[0x16, 0x45]),
    };
    let parse = |bytes: &[u8]| AuthzInfoRequest::parse(bytes).map(drop);
    assert_eq!(AuthzInfoRequest::parse(&payload), Ok(request));
    assert_eq!(encoded(|out| request.encode(out)), payload);
    assert_strict(&payload, parse);
    assert_types(&payload, &[(1, "b"), (40, "b"), (43, "b")], parse);
    assert_eq!(
        AuthzInfoRequest::parse(&with_unknown_entries(&payload)),
        Ok(request)
    );
    assert_eq!(parse(&without(&payload, 1)), Err(Error::MissingParameter));
    // 4.1, last paragraph: an update carries the token alone.
    let update = AuthzInfoRequest {
        nonce1: None,
        client_recipient_id: None,
        ..request
    };
    assert_eq!(
        AuthzInfoRequest::parse(&encoded(|out| update.encode(out))),
        Ok(update)
    );
    // An empty Recipient ID is one.
    let empty = AuthzInfoRequest {
        client_recipient_id: Some(&[]),
        ..request
    };
    assert_eq!(
        AuthzInfoRequest::parse(&encoded(|out| empty.encode(out))),
        Ok(empty)
    );
}

#[test]
fn rfc9203_4_2_figure_12_authz_info_response() {
    let payload = hex("a2 182a 48 25a8991cd700ac01 182c 42 0000");
    let response = AuthzInfoResponse {
        nonce2: &[0x25, 0xa8, 0x99, 0x1c, 0xd7, 0x00, 0xac, 0x01],
        server_recipient_id: &[0, 0],
    };
    let parse = |bytes: &[u8]| AuthzInfoResponse::parse(bytes).map(drop);
    assert_eq!(AuthzInfoResponse::parse(&payload), Ok(response));
    assert_eq!(encoded(|out| response.encode(out)), payload);
    assert_strict(&payload, parse);
    assert_types(&payload, &[(42, "b"), (44, "b")], parse);
    assert_eq!(
        AuthzInfoResponse::parse(&with_unknown_entries(&payload)),
        Ok(response)
    );
    for key in [42, 44] {
        assert_eq!(parse(&without(&payload, key)), Err(Error::MissingParameter));
    }
}

#[test]
fn debug_shows_no_secret() {
    let request = std::format!("{:?}", full_request());
    for secret in ["[99, 108", "A3ddj3w", "[83, 112", "[116, 71"] {
        assert!(!request.contains(secret), "{request}");
    }
    assert!(
        request.contains("client_secret: Some((secret, 13 bytes))"),
        "{request}"
    );
    let response = std::format!("{:?}", full_response());
    assert!(
        response.contains("ms: Some((secret, 16 bytes))"),
        "{response}"
    );
    assert!(!response.contains("249, 249"), "{response}");
    let key = CoseKey {
        k: Some(&[77; 4]),
        ..CoseKey::new(KeyType::Symmetric)
    };
    assert!(!std::format!("{key:?}").contains("77"));
    let key = CoseKey {
        d: Some(&[77; 4]),
        ..public_key()
    };
    assert!(!std::format!("{key:?}").contains("77"));
}

#[test]
fn maps_are_written_in_bytewise_key_order() {
    for payload in [
        encoded(|out| full_request().encode(out)),
        encoded(|out| full_response().encode(out)),
        encoded(|out| full_material().encode(out)),
        encoded(|out| public_key().encode(out)),
    ] {
        let entries = value(&payload).into_map().unwrap();
        let keys: std::vec::Vec<_> = entries.iter().map(|(key, _)| cbor(key)).collect();
        assert!(keys.is_sorted(), "{keys:?}");
        assert_eq!(cbor(&value(&payload)), payload, "ciborium writes the same");
    }
}

fn bytes() -> impl Strategy<Value = Option<std::vec::Vec<u8>>> {
    proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40))
}

fn text() -> impl Strategy<Value = Option<std::string::String>> {
    proptest::option::of("\\PC{0,12}")
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ = TokenRequest::parse(&bytes);
        let _ = AccessInformation::parse(&bytes);
        let _ = ErrorResponse::parse(&bytes);
        let _ = AsRequestCreationHints::parse(&bytes);
        let _ = AuthzInfoRequest::parse(&bytes);
        let _ = AuthzInfoResponse::parse(&bytes);
        let _ = Confirmation::parse(&bytes);
        let _ = OscoreInputMaterial::parse(&bytes);
    }

    #[test]
    fn one_changed_byte_never_panics(at in 0usize..400, byte in any::<u8>()) {
        for mut payload in [
            encoded(|out| full_request().encode(out)),
            encoded(|out| full_response().encode(out)),
        ] {
            let at = at % payload.len();
            payload[at] = byte;
            let _ = TokenRequest::parse(&payload);
            let _ = AccessInformation::parse(&payload);
        }
    }

    #[test]
    fn requests_are_read_as_written(
        numbers in (0u64..6, any::<i64>(), 0u8..3),
        strings in (text(), text(), text(), text(), text(), text(), text()),
        blobs in (bytes(), bytes(), bytes(), bytes(), bytes()),
    ) {
        let (grant_type, profile, kind) = numbers;
        let request = TokenRequest {
            grant_type: GrantType::from_number(grant_type),
            client_id: strings.0.as_deref(),
            audience: strings.1.as_deref(),
            response_type: strings.2.as_deref(),
            redirect_uri: strings.3.as_deref(),
            state: strings.4.as_deref(),
            username: strings.5.as_deref(),
            password: strings.6.as_deref(),
            client_secret: blobs.0.as_deref(),
            scope: blobs.1.as_deref().map(Scope::Bytes),
            req_cnf: blobs.2.as_deref().map(Confirmation::Kid),
            ace_profile: match kind {
                0 => ProfileRequest::Absent,
                1 => ProfileRequest::Null,
                _ => ProfileRequest::Value(profile),
            },
            cnonce: blobs.3.as_deref(),
            code: None,
            refresh_token: blobs.4.as_deref(),
        };
        let payload = encoded(|out| request.encode(out));
        prop_assert_eq!(TokenRequest::parse(&payload), Ok(request));
        prop_assert_eq!(cbor(&value(&payload)), payload);
    }
}

#[test]
fn parsed_values_stay_small() {
    // The crate's documentation says so.
    assert!(size_of::<TokenRequest<'_>>() <= 512);
    assert!(size_of::<AccessInformation<'_>>() <= 512);
    assert!(size_of::<crate::cwt::ClaimsSet<'_>>() <= 512);
}
