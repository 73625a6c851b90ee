use proptest::prelude::*;

use super::*;
use crate::testing::{hex, value};

fn skip(bytes: &[u8]) -> Result<(), Error> {
    let mut reader = Reader::new(bytes);
    assert_eq!(reader.skip()?.len(), reader.position());
    reader.finish()
}

#[test]
fn rfc8949_3_not_well_formed_items_are_refused() {
    // RFC 8949, appendix F.1
    let cases = "18 19 1a 1b 1901 1a0102 1b01020304050607 38 58 78 98 9a01ff00 b8 d8 f8 f900 fa0000 \
        fb000000 41 61 5affffffff00 5bffffffffffffffff010203 7affffffff00 7b7fffffffffffffff010203 \
        81 818181818181818181 8200 a1 a20102 a100 a2000000 \
        c0 1c 1d 1e 3c 3d 3e 5c 5d 5e 7c 7d 7e 9c 9d 9e bc bd be dc dd de fc fd fe \
        f800 f801 f818 f81f ff 81ff 8200ff a1ff a1ff00 a100ff a20000ff \
        1f 3f df";
    for case in cases.split_whitespace() {
        let refused = skip(&hex(case));
        assert!(
            matches!(refused, Err(Error::Truncated | Error::Malformed)),
            "{case}: {refused:?}",
        );
    }
}

#[test]
fn rfc8949_3_2_indefinite_lengths_are_refused() {
    for case in [
        "5f4101ff",
        "7f6161ff",
        "9f01ff",
        "bf0101ff",
        "819f01ff",
        "a1015f4101ff",
        "c19fff",
    ] {
        assert_eq!(skip(&hex(case)), Err(Error::IndefiniteLength), "{case}");
    }
}

#[test]
fn rfc8949_appendix_a_items_are_walked_over() {
    let vectors = include_str!("../../tests/vectors/cbor-appendix-a.json");
    let vectors: serde_json::Value = serde_json::from_str(vectors).unwrap();
    let mut definite = 0;
    for vector in vectors.as_array().unwrap() {
        let text = vector["hex"].as_str().unwrap();
        let bytes = hex(text);
        match skip(&bytes) {
            Ok(()) => definite += 1,
            // RFC 7049 allowed simple(24) in two bytes; RFC 8949, 3.3 does not.
            Err(Error::Malformed) if text == "f818" => {}
            Err(Error::IndefiniteLength) => assert!(text.contains("ff"), "{text}"),
            other => panic!("{text}: {other:?}"),
        }
        if let Some(float) = vector["decoded"].as_f64().filter(|_| bytes[0] >= 0xf9) {
            // serde_json reads the last digit loosely.
            let ours = Reader::new(&bytes).float().unwrap();
            assert!(
                (ours - float).abs() <= float.abs() * 1e-15,
                "{text}: {ours}"
            );
        }
    }
    assert_eq!(definite, 70);
}

#[test]
fn half_precision_matches_single_precision_for_every_value() {
    for bits in 0..=u16::MAX {
        let bytes = [0xf9, (bits >> 8) as u8, bits as u8];
        let ours = Reader::new(&bytes).float().unwrap();
        let theirs = value(&bytes).into_float().unwrap();
        assert!(
            ours == theirs || ours.is_nan() && theirs.is_nan(),
            "{bits:04x}"
        );
        assert!(
            ours.is_nan() || ours.is_sign_negative() == (bits & 0x8000 != 0),
            "{bits:04x}"
        );
    }
}

#[test]
fn nesting_is_followed_to_the_limit_and_no_further() {
    let nested = |levels: usize| [std::vec![0x81; levels], std::vec![0x00]].concat();
    let depth = usize::from(MAX_DEPTH);
    assert_eq!(skip(&nested(depth)), Ok(()));
    assert_eq!(skip(&nested(depth + 1)), Err(Error::TooDeep));
    assert_eq!(skip(&nested(100_000)), Err(Error::TooDeep));
    // Levels that the caller entered count as well.
    let bytes = nested(depth + 1);
    let mut reader = Reader::new(&bytes);
    assert_eq!(
        reader.array(|_, inner| inner.skip().map(drop)),
        Err(Error::TooDeep)
    );
    // Empty arrays and tags add no level.
    assert_eq!(
        skip(&[std::vec![0x81; depth], std::vec![0x80]].concat()),
        Ok(())
    );
    assert_eq!(
        skip(&[std::vec![0xc1; 100_000], std::vec![0x00]].concat()),
        Ok(())
    );

    fn descend(reader: &mut Reader<'_>) -> Result<(), Error> {
        reader.array(|_, inner| descend(inner)).map(drop)
    }
    assert_eq!(
        descend(&mut Reader::new(&nested(100_000))),
        Err(Error::TooDeep)
    );
}

#[test]
fn a_length_beyond_the_input_is_refused_before_any_loop() {
    for case in [
        "9bffffffffffffffff",
        "bbffffffffffffffff",
        "bb7fffffffffffffff00",
        "9a0000000a00",
    ] {
        let bytes = hex(case);
        assert_eq!(skip(&bytes), Err(Error::Truncated), "{case}");
        assert_eq!(Reader::new(&bytes).skip().map(drop), Err(Error::Truncated));
        let mut calls = 0;
        let _ = Reader::new(&bytes).array(|_, element| {
            calls += 1;
            element.skip().map(drop)
        });
        let _ = Reader::new(&bytes).map(|_, element| {
            calls += 1;
            element.skip().map(drop)
        });
        assert_eq!(calls, 0);
    }
}

fn map(bytes: &[u8]) -> Result<usize, Error> {
    let mut entries = 0;
    let mut reader = Reader::new(bytes);
    reader.map(|_, value| {
        entries += 1;
        value.skip().map(drop)
    })?;
    reader.finish().map(|()| entries)
}

#[test]
fn rfc8949_5_6_duplicate_keys_are_refused_in_any_encoding() {
    assert_eq!(map(&hex("a201000200")), Ok(2));
    for case in [
        "a201000100",
        "a20100180100",
        "a2010019000100",
        "a201001b000000000000000100",
        "a220003b000000000000000000",
        "a3010002000100",
        "a2616100616100",
        "a26161007801 61 00",
        "a301a1616100 6162 00 6162 00",
    ] {
        assert_eq!(map(&hex(case)), Err(Error::DuplicateKey), "{case}");
    }
    // 1 and "1", 0 and -1 are different keys.
    assert_eq!(map(&hex("a20100613100")), Ok(2));
    assert_eq!(map(&hex("a200002000")), Ok(2));
}

#[test]
fn keys_other_than_integers_and_text_are_refused() {
    for case in [
        "a1410100",
        "a1800000",
        "a1f600",
        "a1f500",
        "a1c10100",
        "a1f93c0000",
        "a1a000",
    ] {
        assert_eq!(map(&hex(case)), Err(Error::WrongType), "{case}");
    }
    assert_eq!(map(&hex("a11b800000000000000000")), Err(Error::OutOfRange));
    assert_eq!(map(&hex("a13b800000000000000000")), Err(Error::OutOfRange));
}

#[test]
fn a_map_may_have_so_many_entries_and_no_more() {
    let with = |entries: usize| {
        let mut bytes = std::vec![0u8; 4 * entries + 8];
        let mut writer = Writer::new(&mut bytes);
        writer.map(entries).unwrap();
        for key in 0..entries {
            writer.uint(key as u64).unwrap();
            writer.uint(0).unwrap();
        }
        let length = writer.finish();
        bytes.truncate(length);
        bytes
    };
    assert_eq!(map(&with(MAX_MAP_ENTRIES)), Ok(MAX_MAP_ENTRIES));
    assert_eq!(map(&with(MAX_MAP_ENTRIES + 1)), Err(Error::TooManyEntries));
}

#[test]
fn numbers_keep_to_their_range() {
    assert_eq!(Reader::new(&hex("1b7fffffffffffffff")).int(), Ok(i64::MAX));
    assert_eq!(Reader::new(&hex("3b7fffffffffffffff")).int(), Ok(i64::MIN));
    assert_eq!(
        Reader::new(&hex("1b8000000000000000")).int(),
        Err(Error::OutOfRange)
    );
    assert_eq!(
        Reader::new(&hex("3b8000000000000000")).int(),
        Err(Error::OutOfRange)
    );
    assert_eq!(Reader::new(&hex("1bffffffffffffffff")).uint(), Ok(u64::MAX));
    assert_eq!(Reader::new(&hex("20")).uint(), Err(Error::WrongType));
    assert_eq!(Reader::new(&hex("c24101")).int(), Err(Error::WrongType));
}

#[test]
fn rfc8949_5_3_1_text_must_be_utf_8() {
    for case in ["61ff", "62c328", "63eda080", "64f4908080"] {
        assert_eq!(
            Reader::new(&hex(case)).text(),
            Err(Error::InvalidText),
            "{case}"
        );
        assert_eq!(skip(&hex(case)), Err(Error::InvalidText), "{case}");
    }
}

#[test]
fn a_full_buffer_is_an_error_at_every_length() {
    fn write(out: &mut [u8]) -> Result<usize, Error> {
        let mut writer = Writer::new(out);
        writer.tag(61)?;
        writer.array(8)?;
        writer.int(-500)?;
        writer.uint(70_000)?;
        writer.bytes(&[1, 2, 3])?;
        writer.text("text")?;
        writer.bool(true)?;
        writer.null()?;
        writer.float(1.1)?;
        writer.map(1)?;
        writer.label(Label::Text("k"))?;
        writer.raw(&[0x80])?;
        Ok(writer.finish())
    }
    let mut room = [0u8; 64];
    let length = write(&mut room).unwrap();
    assert_eq!(skip(&room[..length]), Ok(()));
    for short in 0..length {
        assert_eq!(write(&mut room[..short]), Err(Error::BufferTooSmall));
    }
    assert_eq!(write(&mut room[..length]), Ok(length));
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = skip(&bytes);
        let _ = map(&bytes);
    }

    #[test]
    fn what_is_walked_over_is_what_ciborium_reads(
        bytes in proptest::collection::vec(any::<u8>(), 0..16),
    ) {
        let mut reader = Reader::new(&bytes);
        if let Ok(item) = reader.skip() {
            let mut rest = &bytes[..];
            let read = ciborium::from_reader::<ciborium::Value, _>(&mut rest);
            // ciborium has no unassigned simple values and refuses bignums of odd shapes.
            if read.is_ok() {
                prop_assert_eq!(bytes.len() - rest.len(), item.len());
            }
        }
    }

    #[test]
    fn integers_are_written_shortest_and_read_back(signed in any::<i64>(), unsigned in any::<u64>()) {
        let mut out = [0u8; 9];
        let mut writer = Writer::new(&mut out);
        writer.int(signed).unwrap();
        let length = writer.finish();
        prop_assert_eq!(Reader::new(&out[..length]).int(), Ok(signed));
        prop_assert_eq!(&crate::testing::cbor(&signed.into())[..], &out[..length]);
        let mut writer = Writer::new(&mut out);
        writer.uint(unsigned).unwrap();
        let length = writer.finish();
        prop_assert_eq!(Reader::new(&out[..length]).uint(), Ok(unsigned));
        prop_assert_eq!(&crate::testing::cbor(&unsigned.into())[..], &out[..length]);
    }
}
