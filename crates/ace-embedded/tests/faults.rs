//! Flipped bits, worn pages, a full flash, foreign content, records of the wrong size.

mod common;

use std::collections::BTreeMap;

use ace_embedded::{FlashError, FlashStorage};
use ace_oscore::storage::{Key, Storage};
use ace_testkit::SeededRandom;
use common::nor::Nor;
use proptest::prelude::*;

const PAGE: usize = 512;

type Chip = Nor<4, PAGE>;
type Flash = FlashStorage<Chip, 256>;

fn open(nor: &Chip) -> Result<Flash, FlashError<common::nor::NorError>> {
    let end = nor.0.borrow().bytes.len() as u32;
    FlashStorage::open(nor.clone(), 0..end)
}

fn load(
    storage: &mut Flash,
    key: u32,
) -> Result<Option<Vec<u8>>, FlashError<common::nor::NorError>> {
    let mut out = [0xee; 256];
    let length = storage.load(Key(key), &mut out)?;
    Ok(length.map(|length| out[..length].to_vec()))
}

/// Short records at keys 0 and 1, long ones at 2 and 3, each saved several times.
fn filled() -> (Chip, BTreeMap<u32, Vec<u8>>) {
    let nor = Chip::blank(3);
    let mut storage = open(&nor).unwrap();
    let mut random = SeededRandom::new(3);
    let mut records = BTreeMap::new();
    for step in 0..24u64 {
        let key = (step % 4) as u32;
        let value = match key {
            0 | 1 => step.to_be_bytes().to_vec(),
            _ => {
                let mut value = vec![0xff; 70];
                random.fill_bytes(&mut value[..20]);
                value
            }
        };
        storage.save(Key(key), &value).unwrap();
        records.insert(key, value);
    }
    (nor, records)
}

#[test]
fn one_flipped_bit_brings_back_no_older_value() {
    let (nor, records) = filled();
    let length = nor.0.borrow().bytes.len();
    let (mut healed, mut lost) = (0, 0);
    // Five has no common divisor with eight: every bit of a byte, and every word.
    for bit in (0..length * 8).step_by(5) {
        let nor = nor.copy();
        nor.0.borrow_mut().bytes[bit / 8] ^= 1 << (bit % 8);
        let mut storage = open(&nor).unwrap();
        for (key, value) in &records {
            match load(&mut storage, *key) {
                Ok(found) => assert_eq!(found.as_ref(), Some(value), "bit {bit}, record {key}"),
                Err(error) => {
                    assert_eq!(error, FlashError::Corrupt, "bit {bit}");
                    assert!(value.len() > 16, "short records survive: bit {bit}");
                    lost += 1;
                }
            }
        }
        // It goes on: also the record that was lost can be saved anew, if no bit is stuck.
        if bit % 25 == 0 {
            for key in 0..4 {
                storage.save(Key(key), b"new").unwrap();
                assert_eq!(
                    load(&mut storage, key).unwrap().as_deref(),
                    Some(&b"new"[..]),
                    "bit {bit}"
                );
            }
            let mut storage = open(&nor).unwrap();
            for key in 0..4 {
                assert_eq!(
                    load(&mut storage, key).unwrap().as_deref(),
                    Some(&b"new"[..]),
                    "bit {bit}"
                );
            }
        }
        healed += 1;
    }
    println!("{healed} bits flipped, {lost} times a long record was reported as corrupt");
}

#[test]
fn noise_is_reported_and_panics_nowhere() {
    let (nor, _) = filled();
    for seed in 0..600 {
        let nor = nor.copy();
        let mut random = SeededRandom::new(seed);
        {
            let mut cells = nor.0.borrow_mut();
            let length = cells.bytes.len() as u64;
            for _ in 0..=random.below(40) {
                let (at, run) = (
                    random.below(length - 40) as usize,
                    random.below(40) as usize,
                );
                random.fill_bytes(&mut cells.bytes[at..at + run]);
            }
        }
        let Ok(mut storage) = open(&nor) else {
            continue;
        };
        for key in 0..4 {
            let _ = load(&mut storage, key);
        }
    }
    // Nothing but noise is not ours.
    let nor = Chip::blank(3);
    SeededRandom::new(1).fill_bytes(&mut nor.0.borrow_mut().bytes);
    assert_eq!(open(&nor).err(), Some(FlashError::Foreign));
    let erased = nor.0.borrow().erasures.clone();
    assert_eq!(erased, [0, 0, 0]);
}

#[test]
fn two_pages_in_pieces_are_reported() {
    let (nor, _) = filled();
    for page in 0..2 {
        nor.0.borrow_mut().bytes[page * PAGE..][..4].fill(0);
    }
    assert_eq!(open(&nor).err(), Some(FlashError::Corrupt));
}

#[test]
fn a_page_that_does_not_erase_leaves_the_records_readable() {
    let (nor, records) = filled();
    for page in 0..3 {
        for at in [0, 4, 100, 300, PAGE - 8, PAGE - 1] {
            let nor = nor.copy();
            // A cell that was written and never becomes 1 again.
            nor.0.borrow_mut().stuck.insert(page * PAGE + at, (1, 0));
            let mut records = records.clone();
            let mut storage = open(&nor).unwrap();
            let mut random = SeededRandom::new(at as u64);
            let mut refused = 0;
            for step in 0..120u64 {
                let (key, value) = (step as u32 % 2, random.next_u64().to_be_bytes().to_vec());
                match storage.save(Key(key), &value) {
                    Ok(()) => drop(records.insert(key, value)),
                    Err(error) => {
                        assert_eq!(error, FlashError::Worn);
                        refused += 1;
                        // Old or new may stand.
                        let found = load(&mut storage, key).unwrap().unwrap();
                        assert!(found == value || Some(&found) == records.get(&key));
                        records.insert(key, found);
                    }
                }
                if step % 16 == 0 {
                    storage = open(&nor).unwrap();
                }
                for (key, value) in &records {
                    assert_eq!(
                        load(&mut storage, *key).unwrap().as_ref(),
                        Some(value),
                        "page {page}, cell {at}"
                    );
                }
            }
            assert!(refused > 0, "page {page}, cell {at}");
        }
    }
}

#[test]
fn a_cell_that_does_not_take_a_write_is_passed_over_or_reported() {
    let (nor, records) = filled();
    let (mut passed_over, mut reported) = (0, 0);
    for at in (0..3 * PAGE).step_by(12) {
        let nor = nor.copy();
        if nor.0.borrow().bytes[at] != 0xff {
            continue;
        }
        nor.0.borrow_mut().stuck.insert(at, (0, 0xff));
        let mut records = records.clone();
        let mut storage = open(&nor).unwrap();
        let mut worn = false;
        for step in 0..20u64 {
            let value = (step << 32 | 0x01020304).to_be_bytes().to_vec();
            match storage.save(Key(0), &value) {
                Ok(()) => drop(records.insert(0, value)),
                Err(error) => {
                    assert_eq!(error, FlashError::Worn);
                    worn = true;
                    let found = load(&mut storage, 0).unwrap().unwrap();
                    assert!(found == value || Some(&found) == records.get(&0));
                    records.insert(0, found);
                }
            }
            for (key, value) in &records {
                assert_eq!(
                    load(&mut storage, *key).unwrap().as_ref(),
                    Some(value),
                    "cell {at}, {step}"
                );
            }
        }
        if worn {
            reported += 1
        } else {
            passed_over += 1
        }
    }
    println!("{passed_over} cells passed over, {reported} reported");
    assert!(passed_over > 0 && reported > 0);
}

#[test]
fn a_full_flash_refuses_and_keeps_what_it_has() {
    let nor = Chip::blank(3);
    let mut storage = open(&nor).unwrap();
    storage.save(Key(0), &[1; 8]).unwrap();
    let mut held = 1;
    let error = loop {
        match storage.save(Key(held), &[held as u8; 100]) {
            Ok(()) => held += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error, FlashError::Full);
    // Each takes 148 bytes with its witness; one page of three stays free.
    assert!(held > 5, "{held}");
    for _ in 0..3 {
        assert_eq!(storage.save(Key(held), &[0; 100]), Err(FlashError::Full));
    }
    let mut storage = open(&nor).unwrap();
    assert_eq!(load(&mut storage, 0).unwrap().unwrap(), [1; 8]);
    for key in 1..held {
        assert_eq!(load(&mut storage, key).unwrap().unwrap(), [key as u8; 100]);
    }
    assert_eq!(load(&mut storage, held).unwrap(), None);
    // What is given up makes room.
    for key in 1..3 {
        storage.save(Key(key), &[]).unwrap();
    }
    storage.save(Key(held), &[9; 100]).unwrap();
    for step in 0..50u64 {
        storage.save(Key(0), &step.to_be_bytes()).unwrap();
    }
    assert_eq!(load(&mut storage, held).unwrap().unwrap(), [9; 100]);
    assert_eq!(load(&mut storage, 1).unwrap().unwrap(), []);
}

#[test]
fn records_of_the_wrong_size_are_refused() {
    let nor = Chip::blank(2);
    let mut storage = open(&nor).unwrap();
    assert_eq!(Flash::LONGEST, 246);
    assert_eq!(
        storage.save(Key(0), &[7; Flash::LONGEST + 1]),
        Err(FlashError::TooLong)
    );
    storage.save(Key(0), &[7; Flash::LONGEST]).unwrap();
    assert_eq!(storage.load(Key(0), &mut [0; 245]), Err(FlashError::NoRoom));
    assert_eq!(storage.load(Key(0), &mut [0; 246]), Ok(Some(246)));
    storage.save(Key(1), &[7; 8]).unwrap();
    assert_eq!(storage.load(Key(1), &mut [0; 7]), Err(FlashError::NoRoom));
    // Longer than a page.
    let nor = Nor::<4, 256>::blank(3);
    let mut storage: FlashStorage<_, 512> = FlashStorage::open(nor, 0..768).unwrap();
    assert_eq!(storage.save(Key(0), &[7; 240]), Err(FlashError::TooLong));
    storage.save(Key(0), &[7; 200]).unwrap();
    // Read with less memory than it was written with.
    let nor = storage.into_flash();
    let mut storage: FlashStorage<_, 128> = FlashStorage::open(nor, 0..768).unwrap();
    assert_eq!(
        storage.load(Key(0), &mut [0; 512]),
        Err(FlashError::TooLong)
    );
}

#[test]
#[expect(
    clippy::reversed_empty_ranges,
    reason = "one of the ranges that are refused"
)]
fn ranges_that_are_no_pages_are_refused() {
    let pages = |range| FlashStorage::<_, 256>::open(Chip::blank(4), range).err();
    for range in [0..512, 1..1024, 0..1000, 1024..1024, 0..4096, 1024..512] {
        assert_eq!(pages(range.clone()), Some(FlashError::Layout), "{range:?}");
    }
    assert_eq!(pages(512..1536), None);
    let tiny = Nor::<4, 16>::blank(64);
    assert_eq!(
        FlashStorage::<_, 256>::open(tiny, 0..1024).err(),
        Some(FlashError::Layout)
    );
    let wide = Nor::<64, 1024>::blank(4);
    assert_eq!(
        FlashStorage::<_, 256>::open(wide, 0..4096).err(),
        Some(FlashError::Layout)
    );
}

#[test]
fn what_lies_beside_the_range_is_left_alone() {
    let nor = Chip::blank(5);
    {
        let mut cells = nor.0.borrow_mut();
        cells.bytes[..PAGE].fill(0x11);
        cells.bytes[4 * PAGE..].fill(0x22);
    }
    let mut storage = FlashStorage::<_, 256>::open(nor.clone(), 512..2048).unwrap();
    for step in 0..200u64 {
        storage.save(Key(0), &step.to_be_bytes()).unwrap();
    }
    let cells = nor.0.borrow();
    assert!(cells.bytes[..PAGE].iter().all(|byte| *byte == 0x11));
    assert!(cells.bytes[4 * PAGE..].iter().all(|byte| *byte == 0x22));
}

#[test]
fn wear_is_spread() {
    let nor = Nor::<4, 4096>::blank(4);
    let mut storage: FlashStorage<_, 704> = FlashStorage::open(nor.clone(), 0..4 * 4096).unwrap();
    let saves = 2_000u64;
    for step in 0..saves {
        storage.save(Key(0), &(step * 64).to_be_bytes()).unwrap();
        if step % 100 == 0 {
            storage.save(Key(1), &[step as u8; 400]).unwrap();
        }
    }
    let cells = nor.0.borrow();
    let (least, most) = (
        cells.erasures.iter().min().unwrap(),
        cells.erasures.iter().max().unwrap(),
    );
    println!(
        "{saves} reservations: erasures {:?}, {} words",
        cells.erasures, cells.operations
    );
    assert!(most - least <= 1, "{:?}", cells.erasures);
    // 56 bytes for each reservation, a page of 4 KiB for 72 of them.
    assert!(
        u64::from(*most) <= saves / 72 / 4 + 2,
        "{:?}",
        cells.erasures
    );
    // What is saved again unchanged costs nothing.
    let before = cells.operations;
    drop(cells);
    storage
        .save(Key(0), &((saves - 1) * 64).to_be_bytes())
        .unwrap();
    assert_eq!(nor.operations(), before);
}

#[derive(Debug, Clone)]
enum Step {
    Save(u32, Vec<u8>),
    Reopen,
    Cut(u64, u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..4u32, prop::collection::vec(any::<u8>(), 0..90)).prop_map(|(key, value)| Step::Save(key, value)),
        2 => (0..2u32, any::<[u8; 8]>()).prop_map(|(key, value)| Step::Save(key, value.to_vec())),
        1 => Just(Step::Reopen),
        2 => (0..60u64, any::<u64>()).prop_map(|(after, seed)| Step::Cut(after, seed)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_saves_cuts_and_reboots_keeps_the_records(steps in prop::collection::vec(step(), 1..80)) {
        let nor = Chip::blank(4);
        let mut storage = open(&nor).unwrap();
        let mut records = BTreeMap::<u32, Vec<u8>>::new();
        for step in steps {
            match step {
                Step::Save(key, value) => match storage.save(Key(key), &value) {
                    Ok(()) => drop(records.insert(key, value)),
                    Err(_) => {
                        prop_assert!(nor.is_dead());
                        nor.power_up();
                        storage = open(&nor).unwrap();
                        let found = load(&mut storage, key).unwrap();
                        prop_assert!(found.as_ref() == records.get(&key) || found.as_ref() == Some(&value));
                        if let Some(found) = found {
                            records.insert(key, found);
                        }
                    }
                },
                Step::Reopen => {
                    nor.power_up();
                    storage = open(&nor).unwrap();
                }
                Step::Cut(after, seed) => nor.cut_after(after, seed),
            }
            if !nor.is_dead() {
                for key in 0..4 {
                    if let Ok(found) = load(&mut storage, key) {
                        prop_assert_eq!(found.as_ref(), records.get(&key));
                    }
                }
            }
        }
    }
}
