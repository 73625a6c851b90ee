use proptest::prelude::*;
use std::string::{String, ToString};
use std::vec::Vec;

use super::*;
use crate::testing::{assert_strict, cbor, hex, value};

fn encoded(entries: &[(&str, MethodSet)]) -> Vec<u8> {
    let mut out = std::vec![0u8; 1024];
    let length = Aif::encode(entries.iter().copied(), &mut out).unwrap();
    for short in 0..length {
        let full = Aif::encode(entries.iter().copied(), &mut out[..short]);
        assert_eq!(full, Err(Error::BufferTooSmall));
    }
    out.truncate(length);
    out
}

fn check(bytes: &[u8]) -> Result<(), Error> {
    Aif::parse(bytes).map(drop)
}

#[test]
fn rfc9237_3_figures_3_4_and_5() {
    let figure = hex("83 82 67 2f732f74656d70 01 82 66 2f612f6c6564 05 82 65 2f64746c73 02");
    // Figure 3: [["/s/temp",1],["/a/led",5],["/dtls",2]]
    let entries = [
        ("/s/temp", MethodSet(1)),
        ("/a/led", MethodSet(5)),
        ("/dtls", MethodSet(2)),
    ];
    let aif = Aif::parse(&figure).unwrap();
    assert!(aif.iter().eq(entries));
    assert_eq!(encoded(&entries), figure);
    assert_eq!(aif.as_cbor(), figure);
    // Table 1.
    assert_eq!(aif.to_string(), "GET /s/temp; GET,PUT /a/led; POST /dtls");
    assert_strict(&figure, check);
    // Figure 4: the numbers of the methods.
    let all = "GET,POST,PUT,DELETE,FETCH,PATCH,iPATCH,Dynamic-GET,Dynamic-POST,Dynamic-PUT,\
        Dynamic-DELETE,Dynamic-FETCH,Dynamic-PATCH,Dynamic-iPATCH";
    let bits = [0, 1, 2, 3, 4, 5, 6, 32, 33, 34, 35, 36, 37, 38];
    for (name, bit) in all.split(',').zip(bits) {
        assert_eq!(MethodSet::parse(name), Ok(MethodSet(1 << bit)), "{name}");
    }
    assert_eq!(MethodSet::parse(all).unwrap().to_string(), all);
}

#[test]
fn rfc9237_2_1_permissions_of_table_1() {
    let entries = [
        ("/s/temp", MethodSet::GET),
        ("/a/led", MethodSet::PUT | MethodSet::GET),
        ("/dtls", MethodSet::POST),
    ];
    let bytes = encoded(&entries);
    let aif = Aif::parse(&bytes).unwrap();
    use Permission::{Allowed, MethodNotAllowed, NoSuchObject};
    for (path, method, expected) in [
        ("/s/temp", Code::GET, Allowed),
        ("/s/temp", Code::PUT, MethodNotAllowed),
        ("/a/led", Code::GET, Allowed),
        ("/a/led", Code::PUT, Allowed),
        ("/a/led", Code::POST, MethodNotAllowed),
        ("/a/led", Code::IPATCH, MethodNotAllowed),
        ("/dtls", Code::POST, Allowed),
        ("/dtls", Code::GET, MethodNotAllowed),
        ("/s", Code::GET, NoSuchObject),
        ("/s/temp/", Code::GET, NoSuchObject),
        ("/s/temp/1", Code::GET, NoSuchObject),
        ("/S/temp", Code::GET, NoSuchObject),
        ("//s/temp", Code::GET, NoSuchObject),
        ("/s//temp", Code::GET, NoSuchObject),
        ("/s/temp%00", Code::GET, NoSuchObject),
        ("/s/../s/temp", Code::GET, NoSuchObject),
        ("/", Code::GET, NoSuchObject),
        ("", Code::GET, NoSuchObject),
        // Not methods.
        ("/s/temp", Code::EMPTY, MethodNotAllowed),
        ("/s/temp", Code::CONTENT, MethodNotAllowed),
        ("/s/temp", Code(33), MethodNotAllowed),
    ] {
        assert_eq!(aif.permits(path, None, method), expected, "{path} {method}");
        let segments = path
            .strip_prefix('/')
            .unwrap_or(path)
            .split('/')
            .map(str::as_bytes);
        if !path.contains('%') {
            let decision = aif.permits_options(segments, core::iter::empty(), method);
            assert_eq!(decision, expected, "{path} {method}");
        }
    }
    assert_eq!(aif.permits("/s/temp", Some("x"), Code::GET), NoSuchObject);
}

#[test]
fn rfc9237_2_an_empty_list_allows_nothing() {
    let aif = Aif::parse(&[0x80]).unwrap();
    for path in ["", "/", "/s/temp"] {
        assert_eq!(aif.permits(path, None, Code::GET), Permission::NoSuchObject);
    }
    let bytes = encoded(&[("/s/temp", MethodSet::EMPTY)]);
    let aif = Aif::parse(&bytes).unwrap();
    assert_eq!(
        aif.permits("/s/temp", None, Code::GET),
        Permission::MethodNotAllowed
    );
}

#[test]
fn rfc9237_2_3_dynamic_methods_allow_nothing_on_the_resource_itself() {
    let methods = MethodSet::parse("POST,Dynamic-GET,Dynamic-DELETE").unwrap();
    assert_eq!(methods, MethodSet(2 | 1 << 32 | 1 << 35));
    let bytes = encoded(&[("/a/make-coffee", methods)]);
    let aif = Aif::parse(&bytes).unwrap();
    assert_eq!(
        aif.permits("/a/make-coffee", None, Code::POST),
        Permission::Allowed
    );
    assert_eq!(
        aif.permits("/a/make-coffee", None, Code::GET),
        Permission::MethodNotAllowed
    );
    assert_eq!(
        aif.permits("/a/make-coffee", None, Code::DELETE),
        Permission::MethodNotAllowed
    );
    assert_eq!(methods.dynamic(), MethodSet::GET | MethodSet::DELETE);
    // A response code has the number a Dynamic method has: it is still none.
    for code in 0..=u8::MAX {
        assert_eq!(
            MethodSet(u64::MAX).contains(Code(code)),
            (1..32).contains(&code),
            "{code}"
        );
    }
}

#[test]
fn rfc9237_3_entries_of_one_path_are_merged() {
    let entries = [
        ("/led", MethodSet::GET),
        ("/temp", MethodSet::GET),
        ("/led", MethodSet::PUT),
        ("/led", MethodSet::GET),
    ];
    let bytes = encoded(&entries);
    let aif = Aif::parse(&bytes).unwrap();
    assert!(
        aif.iter()
            .eq([("/led", MethodSet(5)), ("/temp", MethodSet(1))])
    );
    // A sender that does not merge is understood all the same.
    let apart = hex("82 82 64 2f6c6564 01 82 64 2f6c6564 04");
    let aif = Aif::parse(&apart).unwrap();
    assert_eq!(aif.permits("/led", None, Code::GET), Permission::Allowed);
    assert_eq!(aif.permits("/led", None, Code::PUT), Permission::Allowed);
    assert_eq!(
        aif.permits("/led", None, Code::POST),
        Permission::MethodNotAllowed
    );
}

#[test]
fn rfc7252_6_4_percent_encoding_and_separators() {
    let bytes = encoded(&[
        ("/a%20b/%e2%82%ac", MethodSet::GET),
        ("/x%2Fy", MethodSet::GET),
        ("/q?a=1&b=2", MethodSet::GET),
        ("/%71?a%26b", MethodSet::GET),
        ("/", MethodSet::GET),
    ]);
    let aif = Aif::parse(&bytes).unwrap();
    let text = |path, query| aif.permits(path, query, Code::GET) == Permission::Allowed;
    let options = |path: &[&str], query: &[&str]| {
        let path = path.iter().map(|segment| segment.as_bytes());
        let query = query.iter().map(|argument| argument.as_bytes());
        aif.permits_options(path, query, Code::GET) == Permission::Allowed
    };
    assert!(options(&["a b", "\u{20ac}"], &[]));
    assert!(text("/a%20b/\u{20ac}", None) && text("/%61%20b/%E2%82%AC", None));
    assert!(options(&["x/y"], &[]) && !options(&["x", "y"], &[]));
    assert!(text("/x%2fy", None) && !text("/x/y", None));
    assert!(options(&["q"], &["a=1", "b=2"]) && text("/q", Some("a=1&b=2")));
    assert!(!options(&["q"], &["b=2", "a=1"]) && !options(&["q"], &["a=1&b=2"]));
    assert!(!options(&["q"], &["a=1"]) && !options(&["q"], &[]) && !text("/q", None));
    assert!(options(&["q"], &["a&b"]) && !options(&["q"], &["a", "b"]));
    // The root: no Uri-Path option at all, or as libraries send it, a single empty one.
    assert!(options(&[], &[]) && options(&[""], &[]) && text("/", None) && text("", None));
    assert!(!options(&["", ""], &[]) && !text("//", None));
    // An empty query is not no query.
    assert!(!options(&[], &[""]) && !text("/", Some("")));
}

#[test]
fn rfc9237_3_values_are_strict() {
    for wrong in [
        "a0",
        "40",
        "00",
        "f6",
        "81 80",
        "81 81 61 2f",
        "81 83 61 2f 01 01",
        "81 a1 61 2f 01",
        "81 82 41 2f 01",
        "81 82 01 61 2f",
        "81 82 61 2f 20",
        "81 82 61 2f 41 01",
        "81 82 61 2f f5",
        "81 82 61 2f f93c00",
        "82 82 61 2f 01 00",
        "c1 80",
    ] {
        assert_eq!(check(&hex(wrong)), Err(Error::WrongType), "{wrong}");
    }
    for wrong in [
        "temp",
        "a/b",
        "*",
        "coap://rs/temp",
        "#x",
        "/x#y",
        "/a b",
        "/%",
        "/%1",
        "/%zz",
        "/\n",
        " ",
    ] {
        let bytes = cbor(&ciborium::Value::Array(std::vec![ciborium::Value::Array(
            std::vec![wrong.into(), 1.into()]
        )]));
        assert_eq!(check(&bytes), Err(Error::LocalPath), "{wrong}");
        let entry = core::iter::once((wrong, MethodSet::GET));
        assert_eq!(
            Aif::encode(entry, &mut [0; 64]),
            Err(Error::LocalPath),
            "{wrong}"
        );
    }
    // Methods of the future are kept, and allow what they name.
    let bytes = hex("81 82 62 2f78 1bffffffffffffffff");
    let aif = Aif::parse(&bytes).unwrap();
    assert_eq!(aif.permits("/x", None, Code(31)), Permission::Allowed);
    assert!(
        aif.to_string()
            .starts_with("GET,POST,PUT,DELETE,FETCH,PATCH,iPATCH,0.08,")
    );
    assert_strict(&bytes, check);
}

#[test]
fn entries_are_read_from_text() {
    assert_eq!(parse_entry("GET /temp"), Ok(("/temp", MethodSet::GET)));
    assert_eq!(parse_entry(" GET,PUT  /led "), Ok(("/led", MethodSet(5))));
    assert_eq!(
        parse_entry("POST,Dynamic-GET /a?b=c"),
        Ok(("/a?b=c", MethodSet(2 | 1 << 32)))
    );
    for wrong in [
        "get /x",
        "GET, /x",
        ",GET /x",
        "GET;PUT /x",
        "OPTIONS /x",
        "Dynamic- /x",
        "Dynamic-Dynamic-GET /x",
    ] {
        assert_eq!(parse_entry(wrong), Err(Error::UnknownMethod), "{wrong}");
    }
    for wrong in ["", "GET", "/temp", "GET temp", "GET PUT /led"] {
        assert_eq!(parse_entry(wrong), Err(Error::LocalPath), "{wrong}");
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..40),
        path in "\\PC{0,8}",
        segments in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..4), 0..3),
    ) {
        let parsed = Aif::parse(&bytes);
        let figure = hex("82 82 67 2f732f74656d70 01 82 63 2f2531 01");
        for aif in parsed.into_iter().chain(Aif::parse(&figure)) {
            let _ = aif.permits(&path, Some(&path), Code::GET);
            let segments = segments.iter().map(|segment| &segment[..]);
            let _ = aif.permits_options(segments.clone(), segments, Code::GET);
        }
        let _ = parse_entry(&path);
    }

    #[test]
    fn lists_are_read_as_written(
        entries in proptest::collection::vec(("(/[a-z%?]{0,2}){0,2}", any::<u64>()), 0..6),
    ) {
        let entries: Vec<(&str, MethodSet)> = entries
            .iter()
            .map(|(path, methods)| (&path[..], MethodSet(*methods)))
            .filter(|(path, _)| local_path::check(path).is_ok())
            .collect();
        let bytes = encoded(&entries);
        let aif = Aif::parse(&bytes).unwrap();
        prop_assert_eq!(cbor(&value(&bytes)), bytes.clone());
        for (path, _) in &entries {
            let merged = entries
                .iter()
                .filter(|(other, _)| other == path)
                .fold(MethodSet::EMPTY, |all, (_, methods)| all | *methods);
            prop_assert_eq!(aif.iter().filter(|entry| entry == &(*path, merged)).count(), 1);
        }
    }

    #[test]
    fn text_and_options_agree(
        path in "(/[a-c]{1,2}){1,3}",
        other in "(/[a-c]{1,2}){1,3}",
        query in proptest::option::of("[a-c]{1,2}(&[a-c]{1,2}){0,2}"),
    ) {
        let object: String = match &query {
            Some(query) => std::format!("{path}?{query}"),
            None => path.clone(),
        };
        let bytes = encoded(&[(&object, MethodSet::GET)]);
        let aif = Aif::parse(&bytes).unwrap();
        for requested in [&path, &other] {
            let by_text = aif.permits(requested, query.as_deref(), Code::GET);
            let by_options = aif.permits_options(
                requested[1..].split('/').map(str::as_bytes),
                query.iter().flat_map(|query| query.split('&').map(str::as_bytes)),
                Code::GET,
            );
            prop_assert_eq!(by_text, by_options);
            prop_assert_eq!(by_text == Permission::Allowed, requested == &path);
        }
    }
}
