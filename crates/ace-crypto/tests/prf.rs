//! The PRF of TLS 1.2 and the hash that the handshake runs.

use ace_crypto::{Sha256, hmac_sha256, sha256, tls12_prf_sha256};

fn prf(secret: &[u8], label: &[u8], seed: &[&[u8]], len: usize) -> Vec<u8> {
    let mut out = vec![0xee; len];
    tls12_prf_sha256(secret, label, seed, &mut out);
    out
}

/// P_SHA256 as the RFC writes it, with its A(i) computed anew for each block.
fn by_definition(secret: &[u8], label: &[u8], seed: &[u8], len: usize) -> Vec<u8> {
    let seed = [label, seed].concat();
    let a = |i: usize| (0..i).fold(seed.clone(), |a, _| hmac_sha256(secret, &[&a]).to_vec());
    let blocks = (1..=len.div_ceil(32)).map(|i| hmac_sha256(secret, &[&a(i), &seed]));
    blocks.flatten().take(len).collect()
}

/// Posted to the mailing list of the TLS working group, <https://www.ietf.org/mail-archive/web/tls/current/msg03416.html>;
/// OpenSSL's TLS1-PRF gives the same.
#[test]
fn rfc5246_5_vector_of_the_working_group() {
    let secret = hex::decode("9bbe436ba940f017b17652849a71db35").unwrap();
    let seed = hex::decode("a0ba9f936cda311827a6f796ffd5198c").unwrap();
    let expected = "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a\
                    6b301791e90d35c9c9a46b4e14baf9af0fa022f7077def17abfd3797c0564bab\
                    4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff701\
                    87347b66";
    let out = prf(&secret, b"test label", &[&seed], 100);
    assert_eq!(hex::encode(&out), expected);
    let (head, tail) = seed.split_at(7);
    assert_eq!(prf(&secret, b"test label", &[head, &[], tail], 100), out);
    assert_eq!(prf(&secret, b"", &[b"test label", &seed], 100), out);
}

/// `openssl kdf -kdfopt digest:SHA2-256 … TLS1-PRF`, with a secret longer than a block of the hash.
#[test]
fn rfc5246_5_any_length_is_a_prefix_of_the_longer_ones() {
    let expected = "ad16ddb09e6b1876e92697d53a301eeed34bb7b62c48a9cf2ec2412f893b9b03\
                    1702d6f317a642f5168bf35c8cd73d877442ecce8a0a175b6cd2a81380c28dc1\
                    44";
    let whole = hex::decode(expected).unwrap();
    for len in 0..=whole.len() {
        let out = prf(&[0x61; 65], b"master secret", &[&[0; 32], &[0; 32]], len);
        assert_eq!(out, whole[..len]);
    }
}

#[test]
fn rfc5246_5_agrees_with_the_definition() {
    for secret_len in [0, 1, 16, 32, 48, 63, 64, 65, 130] {
        let secret = vec![secret_len as u8 ^ 0x5c; secret_len];
        for (label, seed) in [
            (&b"key expansion"[..], &[7; 64][..]),
            (b"", b""),
            (b"client finished", &[9; 32]),
        ] {
            for len in [0, 1, 12, 31, 32, 33, 40, 48, 96, 161] {
                assert_eq!(
                    prf(&secret, label, &[seed], len),
                    by_definition(&secret, label, seed, len)
                );
            }
        }
    }
}

#[test]
fn a_hash_in_pieces_is_that_of_the_whole() {
    // FIPS 180-4's example, and the hash of nothing.
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let mut hash = Sha256::new();
    assert_eq!(hex::encode(hash.clone().finish()), empty);
    hash.update(b"ab");
    let before = hash.clone();
    hash.update(b"");
    hash.update(b"c");
    assert_eq!(hex::encode(hash.finish()), abc);
    assert_eq!(before.finish(), sha256(&[b"ab"]));

    let text: Vec<u8> = (0..200).collect();
    for cut in 0..text.len() {
        let mut hash = Sha256::new();
        hash.update(&text[..cut]);
        hash.update(&text[cut..]);
        assert_eq!(hash.finish(), sha256(&[&text]));
    }
    assert_eq!(format!("{:?}", Sha256::new()), "Sha256(..)");
}
