//! Bundles, and the state beside them.

use crate::*;

#[test]
fn a_state_that_cannot_be_used() {
    let world = World::new();
    let (alice, thermo) = (
        world.site.file("alice.json.state"),
        world.site.file("thermo.json.state"),
    );
    let mut short = FileStorage::open(&world.site.file("short")).expect("opens");
    short.save(Key(0), b"short").expect("saved");
    drop(short);
    let short = fs::read(world.site.file("short")).expect("read");
    for bytes in [
        &b"garbage"[..],
        b"",
        b"acestat2",
        &short[..short.len() - 1],
        &short,
    ] {
        fs::write(&alice, bytes).expect("written");
        assert_says(
            &world.request(2, &world.alice, &[]),
            &[text(&alice), "damaged", "delete it"],
        );
    }
    fs::remove_file(&alice).expect("removed");
    fs::write(&thermo, "garbage").expect("written");
    assert_says(
        &world.rs_serve(&world.thermo),
        &[text(&thermo), "damaged", "delete it", "ace rs add"],
    );
    fs::remove_file(&thermo).expect("removed");
    for state in ["/proc/state", "/nowhere/state", world.site.path()] {
        assert_says(
            &world.request(2, &world.alice, &["--state", state]),
            &["cannot open", state],
        );
    }
}

#[test]
fn a_bundle_that_is_none() {
    let world = World::new();
    let original = fs::read_to_string(&world.alice).expect("read");
    let damaged = world.site.file("damaged.json");
    for (bytes, part) in [
        (&original.as_bytes()[..100], "line"),
        (b"", "line 1"),
        (b"[]", "line 1"),
        (b"not JSON", "line 1"),
    ] {
        fs::write(&damaged, bytes).expect("written");
        let sentence = world.request(2, &damaged, &[]);
        assert_says(
            &sentence,
            &[
                text(&damaged),
                "is not a client bundle",
                part,
                "ace client add",
            ],
        );
        let sentence = world.rs_serve(&damaged);
        assert_says(
            &sentence,
            &[
                text(&damaged),
                "is not a resource server bundle",
                part,
                "ace rs add",
            ],
        );
    }
    fs::write(&damaged, b"\xff").expect("written");
    assert_says(
        &world.request(2, &damaged, &[]),
        &["cannot read", text(&damaged), "expected text"],
    );
    let missing = world.site.file("missing.json");
    assert_says(
        &world.request(2, &missing, &[]),
        &["cannot read", text(&missing), "check the path"],
    );
    assert_says(
        &world.rs_serve(&missing),
        &["cannot read", text(&missing), "check the path"],
    );

    // Each other's.
    let sentence = world.request(2, &world.thermo, &[]);
    assert_says(
        &sentence,
        &[
            text(&world.thermo),
            "is the bundle of a resource server",
            "ace client add",
        ],
    );
    let sentence = world.rs_serve(&world.alice);
    assert_says(
        &sentence,
        &[
            text(&world.alice),
            "is the bundle of a client",
            "ace rs add",
        ],
    );
    for (from, to, parts) in [
        (
            "\"name\"",
            "\"nme\"",
            &["unknown field `nme`", "line 2"][..],
        ),
        (
            "\"alg\": 10",
            "\"alg\": 10, \"more\": 1",
            &["unknown field `more`", "line 11"],
        ),
        (
            "\"alg\": 10",
            "\"alg\": \"ten\"",
            &["invalid type", "line 11"],
        ),
        ("\"alg\": 10,", "", &["missing field `alg`"]),
        ("\"alg\": 10", "\"alg\": 99", &["alice", "alg 99"]),
        ("\"hkdf\": -10", "\"hkdf\": -99", &["alice", "hkdf -99"]),
        (
            "\"master_salt\": \"",
            "\"master_salt\": \"zz",
            &["hexadecimal", "line 7"],
        ),
        (
            "\"sender_id\": \"",
            "\"sender_id\": \"616161616161616161",
            &["id too long"],
        ),
        (
            "\"uri\": \"coap",
            "\"uri\": \"http",
            &["altered.json", "the uri of `as`", "coap://"],
        ),
        (
            "\"uri\": \"coap",
            "\"uri\": \"coaps",
            &["altered.json", "the uri of `as`", "coap://"],
        ),
    ] {
        let altered = world.altered(&world.alice, from, to);
        let sentence = world.request(2, &altered, &[]);
        assert_says(&sentence, parts);
        assert!(
            sentence.contains("ace client add") || sentence.contains("coap://"),
            "{sentence}"
        );
    }
    for (from, to, parts) in [
        (
            "\"audience\"",
            "\"audence\"",
            &["unknown field `audence`", "line 3"][..],
        ),
        ("\"kid\"", "\"kit\"", &["unknown field `kit`"]),
        (
            "\"k\": \"",
            "\"k\": \"00",
            &["thermo", "token_keys", "key `k`"],
        ),
        (
            "\"kid\": \"00\",\n      \"alg\": 10",
            "\"kid\": \"00\",\n      \"alg\": 99",
            &["token_keys", "alg 99"],
        ),
    ] {
        let sentence = world.rs_serve(&world.altered(&world.thermo, from, to));
        assert_says(&sentence, parts);
        assert_says(&sentence, &["ace rs add"]);
    }
}

#[test]
fn no_message_shows_what_may_be_a_key() {
    let world = World::new();
    let original = fs::read_to_string(&world.alice).expect("read");
    let bundle: serde_json::Value = serde_json::from_str(&original).expect("JSON");
    let secret = bundle["as"]["oscore"]["master_secret"]
        .as_str()
        .expect("text");
    let slips = [
        ("x", "hexadecimal"),
        (" ", "hexadecimal"),
        ("0", "hexadecimal"),
    ];
    for (slip, part) in slips {
        let altered = world.altered(&world.alice, secret, &format!("{secret}{slip}"));
        let sentence = world.request(2, &altered, &[]);
        assert_says(&sentence, &["line 6", part]);
        assert!(!sentence.contains(secret), "{sentence}");
    }
    let empty = world.altered(&world.alice, secret, "");
    assert_says(
        &world.request(2, &empty, &[]),
        &["alice", "master_secret is empty", "ace client add"],
    );
}
