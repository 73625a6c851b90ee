//! Power fails in every operation of the flash.

mod common;

use std::collections::BTreeMap;

use ace_embedded::{FlashError, FlashStorage};
use ace_oscore::storage::{Key, Storage};
use ace_testkit::SeededRandom;
use common::nor::{Nor, NorError};
use rand_core::Rng as _;

type Records = BTreeMap<u32, Vec<u8>>;

fn open<const W: usize, const P: usize>(
    nor: &Nor<W, P>,
) -> Result<FlashStorage<Nor<W, P>, 512>, FlashError<NorError>> {
    let end = nor.0.borrow().bytes.len() as u32;
    FlashStorage::open(nor.clone(), 0..end)
}

fn load<const W: usize, const P: usize>(
    storage: &mut FlashStorage<Nor<W, P>, 512>,
    key: u32,
) -> Option<Vec<u8>> {
    let mut out = [0xee; 512];
    let length = storage.load(Key(key), &mut out).expect("readable")?;
    Some(out[..length].to_vec())
}

/// Sequence numbers, `exi` numbers and grants, as the engines save them.
fn workload(random: &mut SeededRandom, step: u64) -> (u32, Vec<u8>) {
    match random.below(8) {
        0..4 => (0, (step * 64).to_be_bytes().to_vec()),
        4..6 => (0x6578_6900, step.to_be_bytes().to_vec()),
        6 => (1, grant(random, 90)),
        _ => (2, grant(random, 150)),
    }
}

fn grant(random: &mut SeededRandom, longest: u64) -> Vec<u8> {
    let mut value = vec![0; random.below(longest) as usize];
    random.fill_bytes(&mut value);
    // Runs that look like erased flash.
    if value.len() > 40 {
        value[10..34].fill(0xff);
    }
    value
}

/// After a cut in a save, every record is as it was; that one may be the new one.
fn check<const W: usize, const P: usize>(
    storage: &mut FlashStorage<Nor<W, P>, 512>,
    acknowledged: &mut Records,
    pending: Option<&(u32, Vec<u8>)>,
    context: &str,
) {
    for key in [0, 1, 2, 0x6578_6900] {
        let found = load(storage, key);
        let before = acknowledged.get(&key).cloned();
        if found == before {
            continue;
        }
        let (pending_key, value) = pending.expect(context);
        assert_eq!(
            (key, &found),
            (*pending_key, &Some(value.clone())),
            "{context}"
        );
        // It was seen: it stays.
        acknowledged.insert(key, value.clone());
    }
}

/// Cuts power in each operation of each save of a workload, in `ways` ways, and in the recovery after it as well.
fn cut_everywhere<const W: usize, const P: usize>(pages: usize, saves: u64, ways: u64) {
    let nor = Nor::<W, P>::blank(pages);
    let mut random = SeededRandom::new(pages as u64);
    let mut acknowledged = Records::new();
    let mut cuts = 0u64;
    let mut storage = open(&nor).unwrap();
    for step in 1..=saves {
        let save = workload(&mut random, step);
        let before = nor.copy();
        storage.save(Key(save.0), &save.1).unwrap();
        let operations = nor.operations() - before.operations();
        for cut in 0..operations {
            for way in 0..ways {
                let seed = (step << 20 | cut) * 64 + way;
                let context = format!("save {step} of {}, cut {cut}, way {way}", save.0);
                let nor = before.copy();
                let mut expected = acknowledged.clone();
                let mut storage = open(&nor).unwrap();
                nor.cut_after(cut, seed);
                let failed = storage.save(Key(save.0), &save.1);
                assert_eq!(failed, Err(FlashError::Flash(NorError::Dead)), "{context}");
                // Power fails again while the storage recovers, or does not.
                nor.power_up();
                nor.cut_after(seed % 7, seed + 1);
                let mut again = SeededRandom::new(seed);
                if let Ok(mut storage) = open(&nor) {
                    let _ = storage.load(Key(save.0), &mut [0; 512]);
                }
                nor.power_up();
                let mut storage = open(&nor).expect(&context);
                check(&mut storage, &mut expected, Some(&save), &context);
                // It works as before.
                for more in 1..4 {
                    let (key, value) = workload(&mut again, step + more);
                    storage.save(Key(key), &value).expect(&context);
                    expected.insert(key, value);
                }
                let mut storage = open(&nor).expect(&context);
                check(&mut storage, &mut expected, None, &context);
                cuts += 1;
            }
        }
        acknowledged.insert(save.0, save.1);
    }
    check(&mut storage, &mut acknowledged, None, "at the end");
    let erasures = nor.0.borrow().erasures.clone();
    println!(
        "{pages} pages of {P}, words of {W}: {saves} saves, {cuts} cuts, erasures {erasures:?}"
    );
    assert!(
        erasures.iter().all(|count| *count > 0),
        "the workload was long enough: {erasures:?}"
    );
}

#[test]
fn no_acknowledged_record_is_lost_with_two_pages() {
    cut_everywhere::<4, 1024>(2, 60, 1);
}

#[test]
fn no_acknowledged_record_is_lost_with_three_pages() {
    cut_everywhere::<4, 512>(3, 45, 2);
}

#[test]
fn no_acknowledged_record_is_lost_with_words_of_one_byte() {
    cut_everywhere::<1, 512>(3, 30, 1);
}

#[test]
fn no_acknowledged_record_is_lost_with_words_of_sixteen_bytes() {
    cut_everywhere::<16, 1024>(4, 80, 2);
}

#[test]
fn a_first_boot_can_be_cut_anywhere() {
    for pages in 2..5 {
        let whole = Nor::<4, 512>::blank(pages);
        open(&whole).unwrap().save(Key(0), b"first").unwrap();
        for cut in 0..whole.operations() {
            for seed in 0..20 {
                let nor = Nor::<4, 512>::blank(pages);
                for more in [cut, seed, cut] {
                    nor.power_up();
                    nor.cut_after(more, seed);
                    let _ = open(&nor).and_then(|mut storage| storage.save(Key(0), b"first"));
                }
                nor.power_up();
                let mut storage = open(&nor).unwrap();
                let found = load(&mut storage, 0);
                assert!(
                    found.is_none() || found.as_deref() == Some(b"first"),
                    "{found:?}"
                );
                storage.save(Key(0), b"first").unwrap();
                assert_eq!(load(&mut storage, 0).as_deref(), Some(&b"first"[..]));
            }
        }
    }
}

#[test]
fn thousands_of_cuts_one_after_the_other() {
    for seed in 0..4 {
        let nor = Nor::<4, 512>::blank(3);
        let mut random = SeededRandom::new(seed);
        let mut acknowledged = Records::new();
        let mut step = 0;
        for life in 0..500 {
            let context = format!("seed {seed}, life {life}");
            nor.cut_after(random.below(400), random.next_u64());
            let mut pending = None;
            if let Ok(mut storage) = open(&nor) {
                while !nor.is_dead() {
                    step += 1;
                    let (key, value) = workload(&mut random, step);
                    match storage.save(Key(key), &value) {
                        Ok(()) => drop(acknowledged.insert(key, value)),
                        Err(_) => pending = Some((key, value)),
                    }
                }
            }
            nor.power_up();
            check(
                &mut open(&nor).expect(&context),
                &mut acknowledged,
                pending.as_ref(),
                &context,
            );
        }
        let erasures = nor.0.borrow().erasures.clone();
        println!("{step} saves in 500 lives, erasures {erasures:?}");
    }
}
