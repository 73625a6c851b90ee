//! What every decoder of this crate must refuse, made from one valid input.

use ciborium::Value;
use std::vec::Vec;

use crate::Error;

/// Hex digits, spaces and line breaks ignored.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: std::string::String = text.chars().filter(|c| !c.is_whitespace()).collect();
    hex::decode(digits).unwrap()
}

/// What ciborium reads.
pub(crate) fn value(bytes: &[u8]) -> Value {
    ciborium::from_reader(bytes).unwrap()
}

/// What ciborium writes.
pub(crate) fn cbor(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}

/// Checks `parse` against everything that one valid input without unknown parts can be turned into:
/// cut short, continued, with a key twice in any map, with an indefinite length anywhere, nested
/// too deep, with invalid UTF-8.
pub(crate) fn assert_strict(valid: &[u8], parse: impl Fn(&[u8]) -> Result<(), Error>) {
    assert_eq!(parse(valid), Ok(()), "{}", hex::encode(valid));
    for length in 0..valid.len() {
        assert!(parse(&valid[..length]).is_err(), "cut to {length} bytes");
    }
    for extra in [0x00, 0xa0, 0xf6, 0xff] {
        let continued = [valid, &[extra]].concat();
        assert_eq!(
            parse(&continued),
            Err(Error::TrailingBytes),
            "followed by {extra:02x}"
        );
    }
    let tree = value(valid);
    for wide in [false, true] {
        for index in 0..count(&tree, &mut |item| {
            usize::from(matches!(item, Value::Map(_)))
        }) {
            let twice = duplicate(&tree, index, wide);
            for bytes in twice {
                assert_eq!(
                    parse(&bytes),
                    Err(Error::DuplicateKey),
                    "{}",
                    hex::encode(&bytes)
                );
            }
        }
    }
    let items = count(&tree, &mut |_| 1);
    let mut indefinite = 0;
    for target in 0..items {
        let mut encoder = Encoder {
            bytes: Vec::new(),
            next: 0,
            change: Change::Indefinite(target),
        };
        encoder.item(&tree);
        if encoder.bytes != valid && value_has_indefinite(&tree, target) {
            indefinite += 1;
            let refused = parse(&encoder.bytes);
            assert_eq!(
                refused,
                Err(Error::IndefiniteLength),
                "{}",
                hex::encode(&encoder.bytes)
            );
        }
        let mut encoder = Encoder {
            bytes: Vec::new(),
            next: 0,
            change: Change::BadText(target),
        };
        encoder.item(&tree);
        if nth(&tree, target).is_text() {
            assert_eq!(parse(&encoder.bytes), Err(Error::InvalidText));
        }
    }
    assert!(indefinite > 0);
    // Longer encodings of numbers and lengths are no reason to refuse.
    let mut encoder = Encoder {
        bytes: Vec::new(),
        next: 0,
        change: Change::Wide,
    };
    encoder.item(&tree);
    assert_eq!(
        parse(&encoder.bytes),
        Ok(()),
        "{}",
        hex::encode(&encoder.bytes)
    );
}

/// Checks that the value of each top-level key is refused in every type that is not listed.
/// Types: `u`nsigned, `n`egative, `b`ytes, `t`ext, `a`rray, `m`ap, `o` boolean, `0` null, `f`loat,
/// `g` tag.
pub(crate) fn assert_types(
    valid: &[u8],
    allowed: &[(i64, &str)],
    parse: impl Fn(&[u8]) -> Result<(), Error>,
) {
    let Value::Map(entries) = value(valid) else {
        panic!("not a map")
    };
    assert_eq!(
        entries.len(),
        allowed.len(),
        "every key of the valid input is listed"
    );
    let examples = [
        ("u", Value::from(7)),
        ("n", Value::from(-7)),
        ("b", Value::Bytes(Vec::from([1]))),
        ("t", Value::from("t")),
        ("a", Value::Array(Vec::new())),
        ("m", Value::Map(Vec::new())),
        ("o", Value::from(true)),
        ("0", Value::Null),
        ("f", Value::from(0.5)),
        ("g", Value::Tag(1, std::boxed::Box::new(Value::from(1)))),
    ];
    for (key, types) in allowed {
        let at = entries
            .iter()
            .position(|(found, _)| *found == Value::from(*key));
        let at = at.unwrap_or_else(|| panic!("key {key} is not in the valid input"));
        for (kind, example) in &examples {
            let mut changed = entries.clone();
            changed[at].1 = example.clone();
            let result = parse(&cbor(&Value::Map(changed)));
            if types.contains(kind) {
                assert_ne!(result, Err(Error::WrongType), "key {key}, type {kind}");
            } else {
                assert_eq!(result, Err(Error::WrongType), "key {key}, type {kind}");
            }
        }
    }
}

/// `valid`, a map, with an integer and a text key that nobody knows.
pub(crate) fn with_unknown_entries(valid: &[u8]) -> Vec<u8> {
    let Value::Map(mut entries) = value(valid) else {
        panic!("not a map")
    };
    let nested = Value::Array(Vec::from([Value::Map(Vec::from([(
        Value::from(1),
        Value::Null,
    )]))]));
    entries.insert(0, (Value::from(-65_600), nested.clone()));
    entries.push((Value::from("unknown"), nested));
    cbor(&Value::Map(entries))
}

/// `valid`, a map, without the entry `key`.
pub(crate) fn without(valid: &[u8], key: i64) -> Vec<u8> {
    let Value::Map(mut entries) = value(valid) else {
        panic!("not a map")
    };
    let before = entries.len();
    entries.retain(|(found, _)| *found != Value::from(key));
    assert_ne!(before, entries.len());
    cbor(&Value::Map(entries))
}

/// Sums `measure` over all items, keys included, in encoding order.
fn count(item: &Value, measure: &mut dyn FnMut(&Value) -> usize) -> usize {
    let own = measure(item);
    own + match item {
        Value::Array(items) => items.iter().map(|item| count(item, measure)).sum(),
        Value::Map(entries) => entries
            .iter()
            .map(|(key, item)| count(key, measure) + count(item, measure))
            .sum(),
        Value::Tag(_, item) => count(item, measure),
        _ => 0,
    }
}

fn nth(tree: &Value, target: usize) -> Value {
    let mut next = 0;
    let mut found = None;
    count(tree, &mut |item| {
        if next == target {
            found = Some(item.clone());
        }
        next += 1;
        0
    });
    found.unwrap()
}

fn value_has_indefinite(tree: &Value, target: usize) -> bool {
    matches!(
        nth(tree, target),
        Value::Array(_) | Value::Map(_) | Value::Bytes(_) | Value::Text(_)
    )
}

/// The encodings of `tree` with one entry of its `target`th map repeated at the end.
fn duplicate(tree: &Value, target: usize, wide: bool) -> Vec<Vec<u8>> {
    let mut entries = 0;
    let mut maps = 0;
    count(tree, &mut |item| {
        if let Value::Map(map) = item {
            if maps == target {
                entries = map.len();
            }
            maps += 1;
        }
        0
    });
    (0..entries)
        .map(|entry| {
            let change = Change::Duplicate {
                map: target,
                entry,
                wide,
            };
            let mut encoder = Encoder {
                bytes: Vec::new(),
                next: 0,
                change,
            };
            encoder.item(tree);
            encoder.bytes
        })
        .collect()
}

#[derive(Clone, Copy)]
enum Change {
    /// Encode this item with indefinite length.
    Indefinite(usize),
    /// Break the UTF-8 of this item.
    BadText(usize),
    /// Repeat an entry of this map, with a longer encoding of the key if `wide`.
    Duplicate {
        map: usize,
        entry: usize,
        wide: bool,
    },
    /// Everything in the longest encoding.
    Wide,
}

struct Encoder {
    bytes: Vec<u8>,
    /// Number of the next item, or of the next map for `Change::Duplicate`.
    next: usize,
    change: Change,
}

impl Encoder {
    fn head(&mut self, major: u8, argument: u64, wide: bool) {
        if wide || matches!(self.change, Change::Wide) {
            self.bytes.push(major << 5 | 27);
            self.bytes.extend(argument.to_be_bytes());
            return;
        }
        let argument = argument.to_be_bytes();
        let zeros = argument.iter().take_while(|byte| **byte == 0).count();
        let (info, bytes) = match 8 - zeros {
            0 | 1 if argument[7] < 24 => (argument[7], 0),
            0 | 1 => (24, 1),
            2 => (25, 2),
            3 | 4 => (26, 4),
            _ => (27, 8),
        };
        self.bytes.push(major << 5 | info);
        self.bytes.extend(&argument[8 - bytes..]);
    }

    fn key(&mut self, key: &Value, wide: bool) {
        match key {
            Value::Integer(number) if wide => {
                let number = i128::from(*number);
                if number < 0 {
                    self.head(1, u64::try_from(-1 - number).unwrap(), true);
                } else {
                    self.head(0, u64::try_from(number).unwrap(), true);
                }
            }
            other => self.item(other),
        }
    }

    fn item(&mut self, item: &Value) {
        let is_map = matches!(item, Value::Map(_));
        let number = self.next;
        if is_map || !matches!(self.change, Change::Duplicate { .. }) {
            self.next += 1;
        }
        let indefinite = matches!(self.change, Change::Indefinite(target) if target == number);
        let bad_text = matches!(self.change, Change::BadText(target) if target == number);
        match item {
            Value::Integer(value) => {
                let value = i128::from(*value);
                if value < 0 {
                    self.head(1, u64::try_from(-1 - value).unwrap(), false);
                } else {
                    self.head(0, u64::try_from(value).unwrap(), false);
                }
            }
            Value::Bytes(bytes) if indefinite => {
                self.bytes.push(0x5f);
                self.head(2, bytes.len() as u64, false);
                self.bytes.extend(bytes);
                self.bytes.push(0xff);
            }
            Value::Bytes(bytes) => {
                self.head(2, bytes.len() as u64, false);
                self.bytes.extend(bytes);
            }
            Value::Text(text) if indefinite => {
                self.bytes.push(0x7f);
                self.head(3, text.len() as u64, false);
                self.bytes.extend(text.bytes());
                self.bytes.push(0xff);
            }
            Value::Text(_) if bad_text => {
                self.head(3, 2, false);
                self.bytes.extend([b'a', 0xc3]);
            }
            Value::Text(text) => {
                self.head(3, text.len() as u64, false);
                self.bytes.extend(text.bytes());
            }
            Value::Array(items) => {
                if indefinite {
                    self.bytes.push(0x9f);
                } else {
                    self.head(4, items.len() as u64, false);
                }
                items.iter().for_each(|item| self.item(item));
                if indefinite {
                    self.bytes.push(0xff);
                }
            }
            Value::Map(entries) => {
                let again = match self.change {
                    Change::Duplicate { map, entry, wide } if map == number => Some((entry, wide)),
                    _ => None,
                };
                if indefinite {
                    self.bytes.push(0xbf);
                } else {
                    let length = entries.len() + usize::from(again.is_some());
                    self.head(5, length as u64, false);
                }
                for (key, item) in entries {
                    self.item(key);
                    self.item(item);
                }
                if let Some((entry, wide)) = again {
                    self.key(&entries[entry].0, wide);
                    self.item(&entries[entry].1);
                }
                if indefinite {
                    self.bytes.push(0xff);
                }
            }
            Value::Tag(tag, item) => {
                self.head(6, *tag, false);
                self.item(item);
            }
            other => self.bytes.extend(cbor(other)),
        }
    }
}
