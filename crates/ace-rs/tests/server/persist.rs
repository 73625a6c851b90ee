//! Confirmed tokens across a reset (RFC 8613, B.1; RFC 9200, 5.10.3).

use ace_coap::Instant;
use ace_crypto::Aead;
use ace_oscore::OscoreOption;
use ace_rs::{Config, EventKind, Limits, Revoke, TokenKey, TrustedKey};
use ace_token::issue::{Claims, Cnf, Scope};
use ace_wire::coap::{Code, Message, option};

use crate::bench::{
    Bench, Client, Exchange, Flash, ISSUER, Owned, WALL, claims, config, issue, upload,
};

const FIRST: u32 = 500;

fn keeping() -> Config<'static> {
    Config {
        persist: Some(FIRST),
        limits: Limits {
            upload_burst: 60_000,
            ..Limits::default()
        },
        ..config()
    }
}

fn bench() -> Bench {
    Bench::with(keeping())
}

/// The power fails and comes back; the clock has gone on for `seconds`.
fn reset(bench: &mut Bench, seconds: u64) {
    let wall = bench.wall;
    *bench = Bench::boot(keeping(), bench.flash.clone(), bench.now.0 + seconds);
    bench.now = Instant(5_000);
    bench.wall = wall.map(|wall| wall + seconds);
}

/// Asks; answers the challenge after a reset, which must come under a number of the server's own.
fn get_challenged(
    bench: &mut Bench,
    client: &mut Client,
    path: &str,
    seen: &mut Vec<u64>,
) -> Owned {
    let get = Owned::new(Code::GET, path);
    let (sealed, mut binding) = client.protect(&get);
    let challenge = bench.ask(client.peer, &sealed).expect("a challenge");
    let encoded = challenge.encode();
    let message = Message::parse(&encoded).unwrap();
    let number = OscoreOption::of(&message)
        .unwrap()
        .partial_iv
        .expect("a number of its own");
    assert!(!seen.contains(&number.number()), "{number:?} twice");
    seen.push(number.number());
    let inner = client.open(&mut binding, &challenge);
    assert_eq!(inner.code, Code::UNAUTHORIZED);
    let echo = inner.option(option::ECHO).expect("an Echo").to_vec();
    client.ask(bench, &get.with(option::ECHO, &echo[..]))
}

fn records(bench: &Bench) -> usize {
    let records = bench.flash.0.borrow();
    records
        .range(FIRST..)
        .filter(|(_, record)| !record.is_empty() && record.len() > 8)
        .count()
}

fn kinds(bench: &mut Bench) -> Vec<EventKind> {
    bench.events().into_iter().map(|event| event.kind).collect()
}

#[test]
fn rfc8613_b_1_2_a_confirmed_client_goes_on_after_a_reset() {
    let mut bench = bench();
    let mut client = bench.confirmed(3, &claims(1), 1);
    assert_eq!(records(&bench), 1);
    let mut seen = vec![];
    for life in 0..10 {
        reset(&mut bench, 60);
        let answer = get_challenged(&mut bench, &mut client, "/temp", &mut seen);
        assert_eq!(answer.code, Code::CONTENT, "life {life}");
        assert!(kinds(&mut bench).contains(&EventKind::TokenRestored));
        assert_eq!(client.get(&mut bench, "/temp").code, Code::CONTENT);
        assert_eq!(client.get(&mut bench, "/led").code, Code::FORBIDDEN);
        let token = bench.server.tokens().next().unwrap();
        assert!(token.confirmed && token.peer == Some(3));
    }
    // Above what was reserved, each time.
    assert!(
        seen.windows(2).all(|pair| pair[0] + 64 <= pair[1]),
        "{seen:?}"
    );
}

#[test]
fn rfc8613_b_1_2_what_was_answered_before_the_reset_is_not_answered_again() {
    let mut bench = bench();
    let mut client = bench.confirmed(3, &claims(1), 1);
    let (old, _) = client.protect(&Owned::new(Code::GET, "/temp"));
    let first = bench.ask(3, &old).unwrap();
    assert_eq!(
        first.option(option::OSCORE),
        Some(&[][..]),
        "under the request's nonce"
    );
    let runs = |bench: &Bench| bench.server.resources().seen.len();
    let before = runs(&bench);
    reset(&mut bench, 1);
    for _ in 0..20 {
        let again = bench.ask(3, &old).unwrap();
        // Not under the request's nonce.
        assert_ne!(again.option(option::OSCORE), Some(&[][..]));
    }
    assert_eq!(runs(&bench), 0);
    assert!(before > 0);
    let mut seen = vec![];
    assert_eq!(
        get_challenged(&mut bench, &mut client, "/temp", &mut seen).code,
        Code::CONTENT
    );
    // Now the window knows it is old.
    let again = bench.ask(3, &old).unwrap();
    assert_eq!(
        (again.code, again.option(option::OSCORE)),
        (Code::UNAUTHORIZED, None)
    );
}

#[test]
fn nothing_is_written_for_whoever_has_no_key() {
    let mut bench = bench();
    let client = bench.join(3, &issue(&claims(1)), 1);
    assert_eq!(records(&bench), 0);
    reset(&mut bench, 1);
    bench.advance(1);
    assert_eq!(bench.server.tokens().count(), 0);
    drop(client);
}

#[test]
fn rfc9200_5_10_3_tokens_that_ended_or_count_their_time_do_not_come_back() {
    let mut bench = bench();
    let short = Claims {
        exp: Some(WALL + 100),
        ..claims(1)
    };
    bench.confirmed(3, &short, 1);
    let counted = Claims {
        cti: Some([&b"thermo"[..], &[1]].concat()),
        exi: Some(1000),
        ..claims(2)
    };
    bench.confirmed(4, &counted, 2);
    assert_eq!(records(&bench), 1);
    bench.confirmed(5, &claims(3), 3);
    assert_eq!(records(&bench), 2);
    reset(&mut bench, 200);
    bench.advance(1);
    let left: Vec<_> = bench
        .server
        .tokens()
        .map(|token| token.cti.unwrap().to_vec())
        .collect();
    assert_eq!(left, [vec![3]]);
    assert_eq!(records(&bench), 1);
    // Its end is where it was.
    reset(&mut bench, 3_600 - 200 - 1);
    bench.advance(1);
    assert_eq!(bench.server.tokens().count(), 1);
    bench.advance(1_000);
    assert_eq!(bench.server.tokens().count(), 0);
    assert_eq!(records(&bench), 0);
}

#[test]
fn an_update_of_rights_survives() {
    let mut bench = bench();
    let mut client = bench.confirmed(3, &claims(1), 1);
    let update = Claims {
        cnf: Some(Cnf::Kid(vec![0xa0, 1])),
        scope: Some(Scope::Text("switch".into())),
        cti: Some(vec![9]),
        ..claims(1)
    };
    let payload = Exchange::new(1).payload(&issue(&update));
    assert_eq!(
        client.ask(&mut bench, &upload(&payload)).code,
        Code::CREATED
    );
    reset(&mut bench, 1);
    let mut seen = vec![];
    assert_eq!(
        get_challenged(&mut bench, &mut client, "/led", &mut seen).code,
        Code::CONTENT
    );
    assert_eq!(client.get(&mut bench, "/temp").code, Code::FORBIDDEN);
}

#[test]
fn what_was_replaced_or_revoked_does_not_come_back() {
    let mut bench = bench();
    let mut old = bench.confirmed(3, &claims(1), 1);
    let mut new = bench.confirmed(3, &claims(1), 1);
    bench.confirmed(4, &claims(2), 2);
    assert_eq!(records(&bench), 2);
    assert_eq!(bench.server.revoke(bench.now, Revoke::Cti(&[2])), 1);
    assert_eq!(records(&bench), 1);
    reset(&mut bench, 1);
    let mut seen = vec![];
    assert_eq!(
        get_challenged(&mut bench, &mut new, "/temp", &mut seen).code,
        Code::CONTENT
    );
    let gone = old
        .ask_outer(&mut bench, &Owned::new(Code::GET, "/temp"))
        .unwrap();
    assert_eq!(
        (gone.code, gone.option(option::OSCORE)),
        (Code::UNAUTHORIZED, None)
    );
    // A revocation that comes before the first datagram.
    reset(&mut bench, 1);
    bench.server.revoke(bench.now, Revoke::Cti(&[1]));
    assert_eq!(records(&bench), 0);
    bench.advance(1);
    assert_eq!(bench.server.tokens().count(), 0);
}

#[test]
fn a_cut_between_the_new_token_and_the_end_of_the_old_one_heals() {
    let mut bench = bench();
    bench.confirmed(3, &claims(1), 1);
    let before = bench.flash.0.borrow().clone();
    let mut new = bench.confirmed(3, &claims(1), 1);
    // Both records stand.
    for (key, record) in before {
        let mut records = bench.flash.0.borrow_mut();
        if records.get(&key).is_none_or(Vec::is_empty) {
            records.insert(key, record);
        }
    }
    assert_eq!(records(&bench), 2);
    reset(&mut bench, 1);
    let mut seen = vec![];
    assert_eq!(
        get_challenged(&mut bench, &mut new, "/temp", &mut seen).code,
        Code::CONTENT
    );
    assert_eq!((bench.server.tokens().count(), records(&bench)), (1, 1));
}

#[test]
fn without_a_clock_nothing_comes_back_and_nothing_stays_behind() {
    let mut bench = bench();
    let mut client = bench.confirmed(3, &claims(1), 1);
    reset(&mut bench, 1);
    let wall = bench.wall.take();
    let unknown = client
        .ask_outer(&mut bench, &Owned::new(Code::GET, "/temp"))
        .unwrap();
    assert_eq!(unknown.option(option::OSCORE), None);
    // The clock comes: with it the token.
    bench.wall = wall;
    let mut seen = vec![];
    assert_eq!(
        get_challenged(&mut bench, &mut client, "/temp", &mut seen).code,
        Code::CONTENT
    );
    // A token taken before the clock came takes the place of all.
    reset(&mut bench, 1);
    let wall = bench.wall.take();
    let counted = Claims {
        cti: Some([&b"thermo"[..], &[1]].concat()),
        exi: Some(1000),
        exp: None,
        iat: None,
        ..claims(2)
    };
    bench.confirmed(4, &counted, 2);
    bench.wall = wall;
    bench.advance(1);
    assert_eq!((bench.server.tokens().count(), records(&bench)), (1, 0));
}

#[test]
fn a_token_that_comes_back_has_a_name_that_none_had_in_this_life() {
    let mut bench = bench();
    bench.confirmed(3, &claims(1), 1);
    reset(&mut bench, 1);
    let wall = bench.wall.take();
    let counted = Claims {
        cti: Some([&b"thermo"[..], &[1]].concat()),
        exi: Some(1000),
        exp: None,
        iat: None,
        ..claims(2)
    };
    bench.join(4, &issue(&counted), 2);
    let first = bench.server.tokens().next().unwrap().id;
    // It waits in vain; then the clock comes.
    bench.advance(1_001_000);
    assert_eq!(bench.server.tokens().count(), 0);
    bench.wall = wall;
    bench.advance(1);
    let back = bench.server.tokens().next().unwrap().id;
    assert!(back > first, "{back} {first}");
    bench.join(5, &issue(&claims(3)), 3);
    let last = bench.server.tokens().map(|token| token.id).max().unwrap();
    assert!(last > back, "{last} {back}");
}

#[test]
fn an_update_of_a_token_whose_key_is_not_proven_is_not_written() {
    use crate::dtls_client::{Door, cwt, psk_claims};
    let mut bench = Bench::with(dtls_keeping());
    for token in [psk_claims(1), crate::dtls_update::update(1, 1, "switch")] {
        let posted = bench.ask_proven(3, &cwt(&issue(&token))).unwrap();
        assert_eq!((posted.code, records(&bench)), (Code::CREATED, 0));
    }
    let mut door = Door::by_kid(3, 1);
    assert!(door.open(&mut bench));
    assert_eq!(records(&bench), 1);
    assert_eq!(door.get(&mut bench, "/led").code, Code::CONTENT);
}

#[test]
fn writes_are_bounded_and_nobody_is_turned_away() {
    let mut bench = bench();
    let mut kept = 0;
    for _ in 0..24 {
        let mut client = bench.join(3, &issue(&claims(1)), 1);
        assert_eq!(client.get(&mut bench, "/temp").code, Code::CONTENT);
        let told = kinds(&mut bench).contains(&EventKind::TokenNotKept);
        // What the one before had is gone with it.
        assert_eq!(records(&bench), usize::from(!told));
        kept += records(&bench);
        bench.advance(4_000);
    }
    // 16, and one in 30 s.
    assert_eq!(kept, 16 + 3);
    bench.advance(30_000);
    let mut client = bench.join(3, &issue(&claims(1)), 1);
    assert_eq!(client.get(&mut bench, "/temp").code, Code::CONTENT);
    assert_eq!(records(&bench), 1);
}

#[test]
fn an_update_that_cannot_be_written_any_more_takes_the_old_rights_away_for_good() {
    let mut bench = bench();
    let mut client = bench.confirmed(3, &claims(1), 1);
    let mut other = bench.confirmed(4, &claims(2), 2);
    for cti in 10..26 {
        let update = Claims {
            cnf: Some(Cnf::Kid(vec![0xa0, 2])),
            cti: Some(vec![cti]),
            ..claims(2)
        };
        let payload = Exchange::new(2).payload(&issue(&update));
        let answer = other.ask(&mut bench, &upload(&payload));
        assert_eq!(answer.code, Code::CREATED);
        bench.advance(1_000);
    }
    let update = Claims {
        cnf: Some(Cnf::Kid(vec![0xa0, 1])),
        scope: Some(Scope::Text("switch".into())),
        cti: Some(vec![9]),
        ..claims(1)
    };
    let payload = Exchange::new(1).payload(&issue(&update));
    let answer = client.ask(&mut bench, &upload(&payload));
    assert_eq!(answer.code, Code::CREATED);
    assert_eq!(client.get(&mut bench, "/led").code, Code::CONTENT);
    reset(&mut bench, 1);
    bench.advance(1);
    assert!(!bench.server.tokens().any(|token| token.cti == Some(&[1])));
}

#[test]
fn a_storage_that_fails_is_told_and_ends_nothing() {
    let mut bench = bench();
    *bench.flash.1.borrow_mut() = true;
    let mut client = bench.confirmed(3, &claims(1), 1);
    assert!(kinds(&mut bench).contains(&EventKind::TokenNotKept));
    assert_eq!(client.get(&mut bench, "/temp").code, Code::CONTENT);
    // A record that cannot be taken away is told, too.
    *bench.flash.1.borrow_mut() = false;
    let mut client = bench.confirmed(4, &claims(2), 2);
    *bench.flash.1.borrow_mut() = true;
    bench.server.revoke(bench.now, Revoke::Cti(&[2]));
    bench.advance(1);
    assert!(kinds(&mut bench).contains(&EventKind::TokenNotKept));
    let _ = client.ask_outer(&mut bench, &Owned::new(Code::GET, "/temp"));
}

#[test]
fn a_context_whose_numbers_are_all_of_this_life_is_not_written_later() {
    let mut bench = bench();
    let counted = Claims {
        cti: Some([&b"thermo"[..], &[1]].concat()),
        exi: Some(1000),
        ..claims(1)
    };
    let mut client = bench.confirmed(3, &counted, 1);
    let update = Claims {
        cnf: Some(Cnf::Kid(vec![0xa0, 1])),
        ..claims(1)
    };
    let payload = Exchange::new(1).payload(&issue(&update));
    let answer = client.ask(&mut bench, &upload(&payload));
    assert_eq!((answer.code, records(&bench)), (Code::CREATED, 0));
    assert!(kinds(&mut bench).contains(&EventKind::TokenNotKept));
    reset(&mut bench, 1);
    let get = Owned::new(Code::GET, "/temp");
    let unknown = client.ask_outer(&mut bench, &get).unwrap();
    assert_eq!(unknown.code, Code::UNAUTHORIZED);
}

#[test]
fn rfc8613_7_2_1_a_client_whose_context_has_no_numbers_left_is_told() {
    let mut bench = bench();
    let mut client = bench.confirmed(3, &claims(1), 1);
    for record in bench.flash.0.borrow_mut().values_mut() {
        let reserved = 64u64.to_be_bytes();
        if let Some(at) = record.windows(8).position(|bytes| bytes == reserved) {
            let limit = ace_oscore::SEQUENCE_LIMIT.to_be_bytes();
            record[at..at + 8].copy_from_slice(&limit);
        }
    }
    reset(&mut bench, 1);
    let get = Owned::new(Code::GET, "/temp");
    let unknown = client.ask_outer(&mut bench, &get).expect("an answer");
    assert_eq!(
        (unknown.code, unknown.option(option::OSCORE)),
        (Code::UNAUTHORIZED, None)
    );
    assert_eq!((bench.server.tokens().count(), records(&bench)), (0, 0));
}

#[test]
fn records_that_are_none_of_ours_bring_back_nothing() {
    let mut whole = bench();
    whole.confirmed(3, &claims(1), 1);
    let (key, record) = {
        let records = whole.flash.0.borrow();
        let (key, record) = records.range(FIRST..).next().unwrap();
        (*key, record.clone())
    };
    println!("a record of {} bytes", record.len());
    let tokens_of = |record: Vec<u8>, config: Config<'static>| {
        let flash = Flash::default();
        flash.0.borrow_mut().insert(key, record);
        let mut bench = Bench::boot(config, flash, 9);
        bench.advance(1);
        bench.server.tokens().count()
    };
    assert_eq!(tokens_of(record.clone(), keeping()), 1);
    for end in 0..record.len() {
        assert_eq!(tokens_of(record[..end].to_vec(), keeping()), 0, "{end}");
    }
    for at in 0..record.len() {
        let mut other = record.clone();
        other[at] ^= 0x81;
        tokens_of(other, keeping());
    }
    assert_eq!(tokens_of(vec![0xff; 2_000], keeping()), 0);
    // The names mean something else now.
    let mut other = keeping();
    other.scopes = &other.scopes[1..];
    assert_eq!(tokens_of(record.clone(), other), 0);
    let mut other = keeping();
    other.audiences = &["thermo"];
    assert_eq!(tokens_of(record.clone(), other), 0);
    // So do the keys.
    const OTHER_KEYS: &[TrustedKey<'static>] = &[TrustedKey {
        kid: Some(b"rs1"),
        issuer: ISSUER,
        key: TokenKey::Aead(Aead::AesCcm16_64_128, &[8; 16]),
    }];
    let mut other = keeping();
    other.token_keys = OTHER_KEYS;
    assert_eq!(tokens_of(record.clone(), other), 0);
    let mut other = keeping();
    other.key_derivation_key = Some(&[1; 32]);
    assert_eq!(tokens_of(record.clone(), other), 0);
    let mut other = keeping();
    other.own_key = Some(Box::leak(Box::new(crate::dtls_client::server_key())));
    assert_eq!(tokens_of(record, other), 0);
}

/// A resource server of coap_dtls that keeps its tokens.
fn dtls_keeping() -> Config<'static> {
    Config {
        persist: Some(FIRST),
        ..crate::dtls_client::config()
    }
}

fn dtls_reset(bench: &mut Bench) {
    let (wall, seed) = (bench.wall, bench.now.0 + 1);
    *bench = Bench::boot(dtls_keeping(), bench.flash.clone(), seed);
    (bench.now, bench.wall) = (Instant(5_000), wall);
}

#[test]
fn rfc9202_3_3_a_pre_shared_key_opens_a_session_after_a_reset() {
    use crate::dtls_client::{Door, cwt, psk_claims};
    let mut bench = Bench::with(dtls_keeping());
    let posted = bench.ask(3, &cwt(&issue(&psk_claims(1)))).unwrap();
    assert_eq!((posted.code, records(&bench)), (Code::CREATED, 0));
    let mut door = Door::by_kid(3, 1);
    assert!(door.open(&mut bench));
    assert_eq!(door.get(&mut bench, "/temp").code, Code::CONTENT);
    assert_eq!(records(&bench), 1);
    for _ in 0..3 {
        dtls_reset(&mut bench);
        let mut door = Door::by_kid(3, 1);
        assert!(door.open(&mut bench));
        assert_eq!(door.get(&mut bench, "/temp").code, Code::CONTENT);
        assert_eq!(door.get(&mut bench, "/led").code, Code::FORBIDDEN);
    }
    // Another key of that name opens nothing.
    dtls_reset(&mut bench);
    let mut stranger = Door::by_kid(4, 2);
    assert!(!stranger.open(&mut bench));
}

#[test]
fn rfc9202_3_2_a_raw_public_key_opens_a_session_after_a_reset() {
    use crate::dtls_client::{Door, client_key, cwt, rpk_claims, sign};
    use ace_crypto::Signature;
    let mut bench = Bench::with(dtls_keeping());
    let key = client_key(Signature::Es256, 1);
    let token = sign(&rpk_claims(1, &key), Signature::Es256);
    assert_eq!(
        bench.ask_proven(3, &cwt(&token)).unwrap().code,
        Code::CREATED
    );
    assert!(Door::by_key(3, key.clone()).open(&mut bench));
    assert_eq!(records(&bench), 1);
    dtls_reset(&mut bench);
    let mut door = Door::by_key(3, key);
    assert!(door.open(&mut bench), "{:?}", door.closed);
    assert_eq!(door.get(&mut bench, "/temp").code, Code::CONTENT);
    assert!(!Door::by_key(5, client_key(Signature::Es256, 2)).open(&mut bench));
}
