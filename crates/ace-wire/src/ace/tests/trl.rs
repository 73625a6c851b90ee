use std::vec::Vec;

use proptest::prelude::*;

use super::encoded;
use crate::Error;
use crate::ace::{Cursor, DiffEntries, DiffEntry, TokenHashes, Trl, TrlError, TrlProblem, TrlSet};
use crate::testing::{assert_strict, assert_types, hex, with_unknown_entries, without};

const A: &[u8] = &[0x01, 0xaa];
const B: &[u8] = &[0x01, 0xbb];
const C: &[u8] = &[0x01, 0xcc];

fn entries() -> [DiffEntry<'static>; 2] {
    [
        DiffEntry {
            removed: TokenHashes::list(&[A, B]),
            added: TokenHashes::list(&[C]),
        },
        DiffEntry {
            removed: TokenHashes::list(&[]),
            added: TokenHashes::list(&[A, B]),
        },
    ]
}

#[test]
fn rfc9770_7_figure_7_full_query() {
    let payload = hex("a1 00 82 44 01fa51cc 44 01748190");
    let trl = Trl::parse(&payload).unwrap();
    let TrlSet::Full(hashes) = trl.set else {
        panic!("{trl:?}")
    };
    let found: Vec<_> = hashes.iter().collect();
    assert_eq!(found, [hex("01fa51cc"), hex("01748190")]);
    assert_eq!((trl.cursor, trl.more), (Cursor::Absent, None));
    assert_eq!(encoded(|out| trl.encode(out)), payload);
    let built = Trl {
        set: TrlSet::Full(TokenHashes::list(&found)),
        ..trl
    };
    assert_eq!(built, trl);
    assert_eq!(encoded(|out| built.encode(out)), payload);
}

#[test]
fn rfc9770_8_figure_9_diff_query() {
    let payload = hex("a1 01 83
        82 82 44 01fa51cc 44 01748190 82 44 01cdf1ca 44 01be41a6
        82 82 44 0144dd12 44 01231fff 80
        82 80 82 44 01ca986f 44 01fe1a2b");
    let trl = Trl::parse(&payload).unwrap();
    let TrlSet::Diff(entries) = trl.set else {
        panic!("{trl:?}")
    };
    let counts: Vec<_> = entries
        .iter()
        .map(|entry| (entry.removed.iter().count(), entry.added.iter().count()))
        .collect();
    assert_eq!(counts, [(2, 2), (2, 0), (0, 2)]);
    let last = entries.iter().last().unwrap();
    assert_eq!(last.added.iter().next(), Some(&hex("01ca986f")[..]));
    assert_eq!(encoded(|out| trl.encode(out)), payload);
    let found: Vec<_> = entries.iter().collect();
    let built = Trl {
        set: TrlSet::Diff(DiffEntries::list(&found)),
        ..trl
    };
    assert_eq!(built, trl);
    assert_eq!(encoded(|out| built.encode(out)), payload);
}

#[test]
fn rfc9770_9_answers_with_cursor() {
    // 9.1: nothing yet, and later.
    for (payload, cursor) in [
        ("a2 00 80 02 f6", Cursor::Null),
        ("a2 00 80 02 1bffffffffffffffff", Cursor::At(u64::MAX)),
    ] {
        let trl = Trl::parse(&hex(payload)).map(|trl| (trl.cursor, trl.more));
        assert_eq!(trl, Ok((cursor, None)));
    }
    // 9.2.1, and case A of 9.2.3.
    for (payload, more) in [
        ("a3 01 80 02 f6 03 f4", false),
        ("a3 01 80 02 f6 03 f5", true),
    ] {
        let payload = hex(payload);
        let trl = Trl {
            set: TrlSet::Diff(DiffEntries::list(&[])),
            cursor: Cursor::Null,
            more: Some(more),
        };
        assert_eq!(Trl::parse(&payload), Ok(trl));
        assert_eq!(encoded(|out| trl.encode(out)), payload);
    }
}

#[test]
fn rfc9770_7_and_8_answers_are_strict() {
    let parse = |bytes: &[u8]| Trl::parse(bytes).map(drop);
    let full = Trl {
        set: TrlSet::Full(TokenHashes::list(&[A, B])),
        cursor: Cursor::At(300),
        more: None,
    };
    let valid = encoded(|out| full.encode(out));
    assert_eq!(Trl::parse(&valid), Ok(full));
    assert_strict(&valid, parse);
    assert_types(&valid, &[(0, "a"), (2, "u0")], parse);
    assert_eq!(Trl::parse(&with_unknown_entries(&valid)), Ok(full));
    assert_eq!(parse(&without(&valid, 0)), Err(Error::MissingParameter));

    let updates = entries();
    let diff = Trl {
        set: TrlSet::Diff(DiffEntries::list(&updates)),
        cursor: Cursor::Null,
        more: Some(true),
    };
    let valid = encoded(|out| diff.encode(out));
    assert_eq!(Trl::parse(&valid), Ok(diff));
    assert_strict(&valid, parse);
    assert_types(&valid, &[(1, "a"), (2, "u0"), (3, "o")], parse);
    assert_eq!(Trl::parse(&with_unknown_entries(&valid)), Ok(diff));

    // Both sets.
    assert_eq!(parse(&hex("a2 00 80 01 80")), Err(Error::UnknownValue));
    for wrong in [
        "a1 00 81 01",          // not a byte string
        "a1 00 81 61 61",       // text
        "a1 00 81 80",          // an array too many
        "a1 01 81 40",          // not a pair
        "a1 01 81 80",          // no pair
        "a1 01 81 81 80",       // one
        "a1 01 81 83 80 80 80", // three
        "a1 01 81 82 80 01",    // not an array
        "a1 01 81 82 81 01 80", // not a byte string
        "a1 01 81 82 f6 80",
    ] {
        assert_eq!(parse(&hex(wrong)), Err(Error::WrongType), "{wrong}");
    }
    // More elements announced than there are bytes.
    assert_eq!(parse(&hex("a1 00 9affffffff")), Err(Error::Truncated));
    assert_eq!(
        parse(&hex("a1 01 81 82 9bffffffffffffffff 80")),
        Err(Error::Truncated)
    );
}

#[test]
fn rfc9770_6_1_figure_5_problem() {
    let payload = hex("a3 20 77 496e76616c696420706172616d657465722076616c7565
         21 78 1f 496e76616c69642076616c756520666f722027637572736f72273a202d3533
         01 a2 00 00 01 18 2a");
    let problem = TrlProblem {
        error: TrlError::InvalidParameterValue,
        cursor: Cursor::At(42),
        title: TrlError::InvalidParameterValue.description(),
        detail: Some("Invalid value for 'cursor': -53"),
    };
    assert_eq!(TrlProblem::parse(&payload), Ok(problem));
    assert_eq!(encoded(|out| problem.encode(out)), payload);
}

#[test]
fn rfc9770_6_1_problem_is_strict() {
    let parse = |bytes: &[u8]| TrlProblem::parse(bytes).map(drop);
    let problem = TrlProblem {
        error: TrlError::OutOfBoundCursor,
        cursor: Cursor::Null,
        title: Some("title"),
        detail: Some("detail"),
    };
    let valid = encoded(|out| problem.encode(out));
    assert_eq!(TrlProblem::parse(&valid), Ok(problem));
    assert_strict(&valid, parse);
    assert_types(&valid, &[(-1, "t"), (-2, "t"), (1, "m")], parse);
    assert_eq!(
        TrlProblem::parse(&with_unknown_entries(&valid)),
        Ok(problem)
    );
    assert_eq!(parse(&without(&valid, 1)), Err(Error::MissingParameter));
    assert_eq!(parse(&hex("a1 01 a0")), Err(Error::MissingParameter));
    assert_eq!(parse(&hex("a1 01 a1 00 f6")), Err(Error::WrongType));
    assert_eq!(parse(&hex("a1 01 a2 00 00 01 20")), Err(Error::WrongType));
    // RFC 9290, 2: a title with a language.
    let tagged = hex("a2 20 d826 82 62 656e 65 7469746c65 01 a1 00 01");
    let problem = TrlProblem::parse(&tagged).unwrap();
    assert_eq!(problem.error, TrlError::InvalidSetOfParameters);
    assert_eq!((problem.title, problem.cursor), (None, Cursor::Absent));
}

#[test]
fn rfc9770_13_errors_have_the_numbers_of_table_2() {
    for number in -1..4 {
        let error = TrlError::from_number(number);
        assert_eq!(error.number(), number);
        assert_eq!(error.description().is_some(), (0..3).contains(&number));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(trl) = Trl::parse(&bytes) {
            match trl.set {
                TrlSet::Full(hashes) => drop(hashes.iter().count()),
                TrlSet::Diff(entries) => drop(entries.iter().count()),
            }
        }
        let _ = TrlProblem::parse(&bytes);
    }
}
