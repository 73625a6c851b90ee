use proptest::prelude::*;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use super::*;
use crate::testing::hex;

fn plain(bytes: &str) -> String {
    Diagnostic::new(&hex(bytes)).to_string()
}

fn named(context: Context, bytes: &str) -> String {
    Diagnostic::new(&hex(bytes)).context(context).to_string()
}

fn redacted(context: Context, bytes: &str) -> String {
    Diagnostic::new(&hex(bytes))
        .context(context)
        .redacted()
        .to_string()
}

#[test]
fn rfc8949_appendix_a_is_shown_as_printed_there() {
    let vectors = include_str!("../../tests/vectors/cbor-appendix-a.json");
    let vectors: serde_json::Value = serde_json::from_str(vectors).unwrap();
    let mut seen = 0;
    for vector in vectors.as_array().unwrap() {
        let text = vector["hex"].as_str().unwrap();
        let shown = plain(text);
        if text == "f818" {
            assert_eq!(shown, " / not well-formed at byte 2 /");
            continue;
        }
        seen += 1;
        match (&vector["diagnostic"], &vector["decoded"]) {
            (serde_json::Value::String(diagnostic), _) => {
                assert_eq!(shown, *diagnostic, "{text}");
            }
            (_, serde_json::Value::Number(number)) => match &text[..2] {
                // Bignums are shown as tagged byte strings.
                "c2" => assert_eq!(shown, "2(h'010000000000000000')"),
                "c3" => assert_eq!(shown, "3(h'010000000000000000')"),
                "f9" | "fa" | "fb" => {
                    let (ours, theirs) = (shown.parse::<f64>().unwrap(), number.as_f64().unwrap());
                    assert!(
                        (ours - theirs).abs() <= theirs.abs() * 1e-15,
                        "{shown} {number}"
                    );
                    assert!(shown.contains(['.', 'e']), "{shown} is a float");
                }
                "3b" if text == "3bffffffffffffffff" => assert_eq!(shown, "-18446744073709551616"),
                _ => assert_eq!(shown, number.to_string(), "{text}"),
            },
            (_, decoded) if !text.contains("ff") => {
                // JSON is diagnostic notation but for blanks.
                let read: serde_json::Value = serde_json::from_str(&shown).unwrap();
                assert_eq!(read, *decoded, "{text}");
            }
            _ => assert!(shown.contains("_ "), "{text} {shown}"),
        }
    }
    assert_eq!(seen, 81);
}

#[test]
fn rfc8949_8_1_indefinite_lengths_are_shown() {
    for (bytes, shown) in [
        ("5f42010243030405ff", "(_ h'0102', h'030405')"),
        ("7f657374726561646d696e67ff", r#"(_ "strea", "ming")"#),
        ("9fff", "[_ ]"),
        ("9f018202039f0405ffff", "[_ 1, [2, 3], [_ 4, 5]]"),
        ("bf61610161629f0203ffff", r#"{_ "a": 1, "b": [_ 2, 3]}"#),
        ("5fff", "''_"),
        ("7fff", "\"\"_"),
    ] {
        assert_eq!(plain(bytes), shown);
    }
}

#[test]
fn text_is_escaped() {
    let text = "a\"b\\c\n\r\t\u{0}\u{1b}[31m\u{7f}\u{9b}\u{202e}\u{20ac}";
    let bytes = crate::testing::cbor(&text.into());
    let shown = Diagnostic::new(&bytes).to_string();
    assert_eq!(
        shown,
        r#""a\"b\\c\n\r\t\u0000\u001b[31m\u007f\u009b\u202e€""#
    );
}

#[test]
fn sequences_are_shown_with_commas() {
    assert_eq!(plain("01 02 80"), "1, 2, []");
    assert_eq!(plain(""), " / not well-formed at byte 0 /");
}

#[test]
fn what_is_not_well_formed_says_where() {
    assert_eq!(plain("a201"), "{1:  / not well-formed at byte 2 /");
    assert_eq!(plain("82 01 1c"), "[1,  / not well-formed at byte 2 /");
    assert_eq!(plain("43 0102"), " / not well-formed at byte 1 /");
    assert_eq!(plain("61 ff"), " / not well-formed at byte 2 /");
    assert_eq!(plain("ff"), " / not well-formed at byte 0 /");
    assert_eq!(plain("5f 01 ff"), "(_  / not well-formed at byte 2 /");
    let deep = [std::vec![0x81; 100_000], std::vec![0x00]].concat();
    let shown = Diagnostic::new(&deep).to_string();
    assert_eq!(
        shown,
        format!("{} / nested too deep /", "[".repeat(usize::from(MAX_DEPTH)))
    );
    let tags = std::vec![0xc1; 100_000];
    assert!(
        Diagnostic::new(&tags)
            .to_string()
            .ends_with(" / nested too deep /")
    );
    let chunks = [std::vec![0x5f; 1000], std::vec![0xff; 1000]].concat();
    assert!(
        Diagnostic::new(&chunks)
            .to_string()
            .contains("not well-formed")
    );
}

#[test]
fn rfc9200_figure_2_hints_with_names() {
    let figure = "a4 01 78 1c 636f6170733a2f2f61732e657861 6d706c652e636f6d2f746f6b656e
        05 76 636f6170733a2f2f72732e657861 6d706c652e636f6d 09 66 7254656d7043 18 27 45 e0a156bb3f";
    assert_eq!(
        named(Context::Hints, figure),
        r#"{/ AS / 1: "coaps://as.example.com/token", / audience / 5: "coaps://rs.example.com", / scope / 9: "rTempC", / cnonce / 39: h'e0a156bb3f'}"#,
    );
    let bytes = hex(figure);
    assert_eq!(
        format!("{:#}", Diagnostic::new(&bytes).context(Context::Hints)),
        r#"{
  / AS / 1: "coaps://as.example.com/token",
  / audience / 5: "coaps://rs.example.com",
  / scope / 9: "rTempC",
  / cnonce / 39: h'e0a156bb3f'
}"#,
    );
}

#[test]
fn rfc9203_figures_4_and_5_with_names() {
    let response = "a4 01 42 8343 1826 02 02 190e10 08 a1 04 a2 00 41 01 02 42 f9af";
    assert_eq!(
        named(Context::Parameters, response),
        "{/ access_token / 1: h'8343', / ace_profile / 38: 2 / coap_oscore /, \
         / expires_in / 2: 3600, / cnf / 8: {/ osc / 4: {/ id / 0: h'01', / ms / 2: h'f9af'}}}",
    );
    assert_eq!(
        redacted(Context::Parameters, response),
        "{/ access_token / 1: (secret, 2 bytes), / ace_profile / 38: 2 / coap_oscore /, \
         / expires_in / 2: 3600, \
         / cnf / 8: {/ osc / 4: {/ id / 0: h'01', / ms / 2: (secret, 2 bytes)}}}",
    );
    let claims = "a5 03 66 746865726d6f 06 1a 5112d728 04 fb41d4451772200000
        09 58 1c 83 82 67 2f732f74656d70 01 82 66 2f612f6c6564 05 82 65 2f64746c73 02 08 a1 03 4101";
    assert_eq!(
        named(Context::ClaimsSet, claims),
        "{/ aud / 3: \"thermo\", / iat / 6: 1360189224 / 2013-02-06T22:20:24Z /, \
         / exp / 4: 1360289224.5 / 2013-02-08T02:07:04Z /, \
         / scope / 9: <<[[\"/s/temp\", 1 / GET /], [\"/a/led\", 5 / GET,PUT /], \
         [\"/dtls\", 2 / POST /]]>>, / cnf / 8: {/ kid / 3: h'01'}}",
    );
}

#[test]
fn dates_are_those_of_the_calendar() {
    for (seconds, date) in [
        ("00", "1970-01-01T00:00:00Z"),
        ("1a 386d4380", "2000-01-01T00:00:00Z"),
        ("1a 38bbcdff", "2000-02-29T13:47:43Z"),
        ("1a 3a4fc87f", "2000-12-31T23:59:59Z"),
        ("1a 3a9d9100", "2001-03-01T00:00:00Z"),
        ("1a 65e06dff", "2024-02-29T11:43:59Z"),
        ("1a 7fffffff", "2038-01-19T03:14:07Z"),
        ("1a f4863e6f", "2099-12-31T22:15:11Z"),
        ("1a f4d41f7f", "2100-02-28T23:59:59Z"),
        ("1a f4d41f80", "2100-03-01T00:00:00Z"),
        ("1b 0000003afff4417f", "9999-12-31T23:59:59Z"),
    ] {
        let shown = named(Context::ClaimsSet, &format!("a1 04 {seconds}"));
        assert!(shown.contains(&format!("/ {date} /")), "{seconds}: {shown}");
    }
    for no_date in [
        "20",
        "1b 0000003afff44180",
        "1bffffffffffffffff",
        "f97e00",
        "f97c00",
        "60",
    ] {
        let shown = named(Context::ClaimsSet, &format!("a1 04 {no_date}"));
        assert!(!shown.contains('T'), "{shown}");
    }
}

#[test]
fn keys_show_names_by_their_type_and_hide_secrets() {
    let ec2 = "a6 01 02 02 4111 03 26 20 01 21 42bac5 22 f5";
    assert_eq!(
        named(Context::CoseKey, ec2),
        "{/ kty / 1: 2 / EC2 /, / kid / 2: h'11', / alg / 3: -7 / ES256 /, \
         / crv / -1: 1 / P-256 /, / x / -2: h'bac5', / y / -3: true}",
    );
    assert_eq!(
        redacted(Context::CoseKey, ec2),
        named(Context::CoseKey, ec2)
    );
    let private = "a4 01 01 20 06 21 42bac5 23 43010203";
    assert_eq!(
        redacted(Context::CoseKey, private),
        "{/ kty / 1: 1 / OKP /, / crv / -1: 6 / Ed25519 /, / x / -2: h'bac5', \
         / d / -4: (secret, 3 bytes)}",
    );
    // kty behind the key value, and in more bytes than needed.
    assert_eq!(
        redacted(Context::CoseKey, "a2 20 430102ff 1801 1804"),
        "{/ k / -1: (secret, 3 bytes), / kty / 1: 4 / Symmetric /}",
    );
    for odd in [
        // No type, type of another type, an unknown one, two types, indefinite length.
        "a1 20 43 ab0102",
        "a2 01 6141 20 43 ab0102",
        "a2 01 18 63 20 43 ab0102",
        "a3 01 02 01 04 20 43 ab0102",
        "bf 01 02 20 43 ab0102 ff",
        "a2 01 03 22 43 ab0102",
        // The value has another type, or is nested.
        "a2 01 04 20 63 616263",
        "a2 01 04 20 83 43 ab0102 01 02",
        "a2 01 04 20 5f 43 ab0102 ff",
        "a2 01 04 20 c1 43 ab0102",
        "a2 01 02 23 a1 43 ab0102 01",
    ] {
        let shown = redacted(Context::CoseKey, odd);
        assert!(shown.contains("(secret, "), "{odd}: {shown}");
        assert!(
            !shown.contains("ab0102") && !shown.contains("abc"),
            "{odd}: {shown}"
        );
        assert!(!shown.contains("well-formed"), "{shown}");
    }
    // Cut short inside the secret: nothing of it is shown.
    assert_eq!(
        redacted(Context::CoseKey, "a2 01 04 20 43 ab01"),
        "{/ kty / 1: 4 / Symmetric /, -1:  / not well-formed at byte 5 /",
    );
}

#[test]
fn sensitive_parameters_are_hidden() {
    let request = "a8 1819 43616263 1824 63616263 1825 43616263 181d 43616263 1821 00
        04 a1 01 a2 01 04 20 43616263 1823 63 786162 1822 02";
    assert_eq!(
        redacted(Context::Parameters, request),
        "{/ client_secret / 25: (secret, 3 bytes), / password / 36: (secret, 3 bytes), \
         / refresh_token / 37: (secret, 3 bytes), / code / 29: (secret, 3 bytes), \
         / grant_type / 33: 0 / password /, \
         / req_cnf / 4: {/ COSE_Key / 1: {/ kty / 1: 4 / Symmetric /, / k / -1: (secret, 3 bytes)}}, \
         / username / 35: \"xab\", / token_type / 34: 2 / PoP /}",
    );
    assert!(
        named(Context::Parameters, request)
            .matches("616263")
            .count()
            == 4
    );
}

#[test]
fn tokens_are_opened_as_far_as_they_can_be_read() {
    let figures = include_str!("../../tests/vectors/rfc8392-appendix-a.json");
    let figures: serde_json::Value = serde_json::from_str(figures).unwrap();
    let figure = |index: usize| figures["figures"][index]["hex"].as_str().unwrap();
    let signed = named(Context::Cose, figure(4));
    assert!(
        signed.starts_with(
            "18([<<{/ alg / 1: -7 / ES256 /}>>, \
             {/ kid / 4: h'4173796d6d65747269634543445341323536'}, \
             <<{/ iss / 1: \"coap://as.example.com\", / sub / 2: \"erikw\", "
        ),
        "{signed}",
    );
    let maced = named(Context::Cose, figure(5));
    assert!(
        maced.starts_with("61(17([<<{/ alg / 1: 4 / HMAC 256/64 /}>>, "),
        "{maced}"
    );
    assert!(
        maced.ends_with("/ cti / 7: h'0b71'}>>, h'093101ef6d789200']))"),
        "{maced}"
    );
    let encrypted = named(Context::Cose, figure(6));
    assert!(encrypted.starts_with("16([<<{/ alg / 1: 10 / AES-CCM-16-64-128 /}>>, {/ kid / 4: "));
    assert!(
        encrypted.contains("/ IV / 5: h'99a0d7846e762c49ffe8a63e0b'"),
        "{encrypted}"
    );

    // A key in a token that is not encrypted is hidden wherever the token stands.
    let claims = "a1 08 a1 04 a1 02 42 cafe";
    let mac0 = format!("d1 84 43 a10105 a0 49 {claims} 42 beef");
    let whole = hex(&mac0);
    assert_eq!(
        redacted(Context::Cose, &mac0),
        "17([<<{/ alg / 1: 5 / HMAC 256/256 /}>>, {}, \
         <<{/ cnf / 8: {/ osc / 4: {/ ms / 2: (secret, 2 bytes)}}}>>, h'beef'])",
    );
    let response = format!("a1 01 58 {:02x} {mac0}", whole.len());
    assert!(!redacted(Context::Parameters, &response).contains("cafe"));
    assert!(named(Context::Parameters, &response).contains("/ ms / 2: h'cafe'"));
    // Nested, and with a payload that is not a claims set.
    let nested = format!("d2 84 43 a10126 a0 58 {:02x} {mac0} 42 beef", whole.len());
    let shown = redacted(Context::Cose, &nested);
    assert!(
        shown.contains("<<17([") && !shown.contains("cafe"),
        "{shown}"
    );
    for payload in ["42 cafe", "45 a10143cafe", "43 41 cafe"] {
        let shown = redacted(
            Context::Cose,
            &format!("d1 84 43 a10105 a0 {payload} 42 beef"),
        );
        assert!(
            shown.contains("(secret, ") && !shown.contains("cafe"),
            "{shown}"
        );
    }
}

#[test]
fn names_are_for_the_item_they_belong_to() {
    // Nothing is known below an unknown key, nor about text keys.
    assert_eq!(
        named(Context::ClaimsSet, "a1 18 63 a1 01 04"),
        "{99: {1: 4}}"
    );
    assert_eq!(
        named(Context::ClaimsSet, "a1 61 31 a1 01 04"),
        "{\"1\": {1: 4}}"
    );
    assert_eq!(named(Context::Plain, "a1 03 04"), "{3: 4}");
    assert_eq!(
        named(Context::Introspection, "a3 0a f5 03 6161 1828 190258"),
        "{/ active / 10: true, / aud / 3: \"a\", / exi / 40: 600}"
    );
    assert_eq!(
        named(Context::Parameters, "a1 181e 06"),
        "{/ error / 30: 6 / invalid_scope /}"
    );
    assert_eq!(
        named(Context::Parameters, "a1 181e 18ff"),
        "{/ error / 30: 255}"
    );
    assert_eq!(
        named(Context::Parameters, "a2 1828 4101 182b 4102"),
        "{/ nonce1 / 40: h'01', / ace_client_recipientid / 43: h'02'}",
    );
    assert_eq!(named(Context::Aif, "81 82 61 2f 00"), "[[\"/\", 0]]");
    assert_eq!(
        named(Context::OscoreInputMaterial, "a3 03 05 04 0a 06 40"),
        "{/ hkdf / 3: 5 / HMAC 256/256 /, / alg / 4: 10 / AES-CCM-16-64-128 /, / contextId / 6: h''}",
    );
    assert_eq!(named(Context::Header, "a1 05 4101"), "{/ IV / 5: h'01'}");
    assert_eq!(
        named(Context::Confirmation, "a1 02 83 43a1010a a1 05 4101 42cafe"),
        "{/ Encrypted_COSE_Key / 2: [<<{/ alg / 1: 10 / AES-CCM-16-64-128 /}>>, \
         {/ IV / 5: h'01'}, h'cafe']}",
    );
    assert_eq!(
        format!("{:?}", Diagnostic::new(&[1, 2])),
        "Diagnostic(Plain, 2 bytes)"
    );
}

#[test]
fn lines_are_indented_by_nesting() {
    let token = hex("d0 83 43a1010a a1 04 4101 42cafe");
    assert_eq!(
        format!("{:#}", Diagnostic::new(&token).context(Context::Cose)),
        "16([
  <<{
    / alg / 1: 10 / AES-CCM-16-64-128 /
  }>>,
  {
    / kid / 4: h'01'
  },
  h'cafe'
])",
    );
    let mixed = hex("a2 01 83 01 02 03 02 81 80");
    assert_eq!(
        format!("{:#}", Diagnostic::new(&mixed)),
        "{\n  1: [1, 2, 3],\n  2: [\n    []\n  ]\n}"
    );
}

const CONTEXTS: [Context; 11] = [
    Context::Plain,
    Context::Parameters,
    Context::Hints,
    Context::Introspection,
    Context::ClaimsSet,
    Context::Cose,
    Context::Header,
    Context::CoseKey,
    Context::Confirmation,
    Context::OscoreInputMaterial,
    Context::Aif,
];

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        for context in CONTEXTS {
            let shown = Diagnostic::new(&bytes).context(context);
            prop_assert!(!shown.to_string().is_empty());
            let lines = format!("{:#}", shown.redacted());
            prop_assert!(!lines.is_empty());
        }
    }

    #[test]
    fn a_secret_is_never_shown(
        secret in proptest::collection::vec(any::<u8>(), 4..20),
        at in any::<prop::sample::Index>(),
        cut in any::<bool>(),
        byte in any::<u8>(),
    ) {
        use crate::ace::{AccessInformation, Confirmation, OscoreInputMaterial};
        let material = OscoreInputMaterial { ms: Some(&secret), ..Default::default() };
        let information = AccessInformation {
            access_token: &[0xd0],
            expires_in: Some(1),
            cnf: Some(Confirmation::Osc(material)),
            ..Default::default()
        };
        let mut bytes = std::vec![0u8; 128];
        let length = information.encode(&mut bytes).unwrap();
        bytes.truncate(length);
        let marker: Vec<u8> = secret.clone();
        // Damage inside the secret does not uncover it.
        let start = length - secret.len();
        let index = start + at.index(secret.len());
        if cut { bytes.truncate(index) } else { bytes[index] = byte }
        let shown = Diagnostic::new(&bytes).context(Context::Parameters).redacted().to_string();
        let digits = hex::encode(&marker[..4]);
        prop_assert!(!shown.contains(&digits), "{}", shown);
    }
}
