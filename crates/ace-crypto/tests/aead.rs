//! AEADs against published vectors, and what they must refuse.

mod vectors;

use ace_crypto::{Aead, CryptoError, TlsAead};
use serde_json::Value;
use vectors::{bytes, cases, left_out, verdicts};

const CCM: [Aead; 8] = [
    Aead::AesCcm16_64_128,
    Aead::AesCcm16_64_256,
    Aead::AesCcm64_64_128,
    Aead::AesCcm64_64_256,
    Aead::AesCcm16_128_128,
    Aead::AesCcm16_128_256,
    Aead::AesCcm64_128_128,
    Aead::AesCcm64_128_256,
];

fn all() -> Vec<Aead> {
    (-300..300).filter_map(Aead::from_cose).collect()
}

/// What the AEADs of COSE and of TLS have in common.
trait Cipher: Copy {
    fn lengths(self) -> [usize; 3];
    fn seal(
        self,
        key: &[u8],
        nonce: &[u8],
        aad: &[u8],
        buffer: &mut [u8],
        plaintext_len: usize,
    ) -> Result<usize, CryptoError>;
    fn open(
        self,
        key: &[u8],
        nonce: &[u8],
        aad: &[u8],
        buffer: &mut [u8],
    ) -> Result<usize, CryptoError>;
}

macro_rules! cipher {
    ($type:ty, $aead:ident => $lengths:expr) => {
        impl Cipher for $type {
            fn lengths(self) -> [usize; 3] {
                let $aead = self;
                $lengths
            }
            fn seal(
                self,
                key: &[u8],
                nonce: &[u8],
                aad: &[u8],
                buffer: &mut [u8],
                plaintext_len: usize,
            ) -> Result<usize, CryptoError> {
                Self::seal(self, key, nonce, aad, buffer, plaintext_len)
            }
            fn open(
                self,
                key: &[u8],
                nonce: &[u8],
                aad: &[u8],
                buffer: &mut [u8],
            ) -> Result<usize, CryptoError> {
                Self::open(self, key, nonce, aad, buffer)
            }
        }
    };
}

cipher!(Aead, aead => [aead.key_len(), aead.nonce_len(), aead.tag_len()]);
cipher!(TlsAead, aead => [Self::KEY_LEN, Self::NONCE_LEN, aead.tag_len()]);

struct Case<'a, C> {
    aead: C,
    key: &'a [u8],
    nonce: &'a [u8],
    aad: &'a [u8],
    plaintext: &'a [u8],
    sealed: &'a [u8],
}

impl<C: Cipher> Case<'_, C> {
    fn opens(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let mut buffer = sealed.to_vec();
        match self.aead.open(self.key, self.nonce, self.aad, &mut buffer) {
            Ok(len) => {
                buffer.truncate(len);
                Some(buffer)
            }
            Err(error) => {
                assert_eq!(error, CryptoError::Verification);
                assert!(buffer.iter().all(|&byte| byte == 0), "plaintext released");
                None
            }
        }
    }

    /// Seals to what is expected, opens it, and refuses it with any byte changed, shorter or longer.
    fn passes(&self, name: &Value) {
        let mut buffer = [self.plaintext, &[0xee; 40]].concat();
        let len = self
            .aead
            .seal(
                self.key,
                self.nonce,
                self.aad,
                &mut buffer,
                self.plaintext.len(),
            )
            .unwrap();
        assert_eq!(&buffer[..len], self.sealed, "{name}");
        assert!(buffer[len..].iter().all(|&byte| byte == 0xee), "{name}");
        assert_eq!(
            self.opens(self.sealed).as_deref(),
            Some(self.plaintext),
            "{name}"
        );

        for at in 0..self.sealed.len() {
            let mut changed = self.sealed.to_vec();
            changed[at] ^= 1 << (at % 8);
            assert_eq!(self.opens(&changed), None, "{name} changed at {at}");
            assert_eq!(self.opens(&self.sealed[..at]), None, "{name} cut at {at}");
        }
        assert_eq!(self.opens(&[self.sealed, &[0]].concat()), None, "{name}");
    }
}

fn wycheproof<C: Cipher>(file: &str, aead_for: impl Fn(usize, usize, usize) -> C) {
    for case in cases(file) {
        let (key, nonce, aad) = (bytes(&case, "key"), bytes(&case, "iv"), bytes(&case, "aad"));
        let (plaintext, sealed) = (
            bytes(&case, "msg"),
            [bytes(&case, "ct"), bytes(&case, "tag")].concat(),
        );
        let test = Case {
            aead: aead_for(key.len(), nonce.len(), sealed.len() - plaintext.len()),
            key: &key,
            nonce: &nonce,
            aad: &aad,
            plaintext: &plaintext,
            sealed: &sealed,
        };
        if case["valid"] == true {
            test.passes(&case["id"]);
        } else {
            assert_eq!(test.opens(&sealed), None, "{}", case["id"]);
        }
    }
}

#[test]
fn wycheproof_aes_ccm() {
    assert_eq!(verdicts(&cases("wycheproof-aes-ccm.json")), (24, 0));
    wycheproof("wycheproof-aes-ccm.json", |key, nonce, _| {
        match (key, nonce) {
            (16, 13) => Aead::AesCcm16_128_128,
            (32, 13) => Aead::AesCcm16_128_256,
            (16, 7) => Aead::AesCcm64_128_128,
            (32, 7) => Aead::AesCcm64_128_256,
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn wycheproof_aes_ccm_of_tls() {
    let file = "wycheproof-aes-ccm-tls.json";
    assert_eq!(verdicts(&cases(file)), (59, 27));
    let short = |case: &&Value| bytes(case, "tag").len() == 8;
    assert_eq!(cases(file).iter().filter(short).count(), 8);
    wycheproof(file, |key, nonce, tag| match (key, nonce, tag) {
        (16, 12, 8) => TlsAead::Aes128Ccm8,
        (16, 12, 16) => TlsAead::Aes128Ccm,
        other => panic!("{other:?}"),
    });
}

#[cfg(feature = "gcm")]
#[test]
fn wycheproof_aes_gcm() {
    assert_eq!(verdicts(&cases("wycheproof-aes-gcm.json")), (116, 81));
    wycheproof("wycheproof-aes-gcm.json", |key, _, _| match key {
        16 => Aead::A128Gcm,
        24 => Aead::A192Gcm,
        _ => Aead::A256Gcm,
    });
}

#[cfg(feature = "chacha20poly1305")]
#[test]
fn wycheproof_chacha20_poly1305() {
    assert_eq!(
        verdicts(&cases("wycheproof-chacha20-poly1305.json")),
        (256, 60)
    );
    wycheproof("wycheproof-chacha20-poly1305.json", |_, _, _| {
        Aead::ChaCha20Poly1305
    });
}

#[test]
fn rfc3610_8_packet_vectors() {
    let cases = cases("rfc3610-aes-ccm.json");
    assert_eq!(cases.len(), 12);
    for case in cases {
        Case {
            aead: Aead::AesCcm16_64_128,
            key: &bytes(&case, "key"),
            nonce: &bytes(&case, "nonce"),
            aad: &bytes(&case, "aad"),
            plaintext: &bytes(&case, "plaintext"),
            sealed: &bytes(&case, "ciphertext_and_tag"),
        }
        .passes(&case["number"]);
    }
}

#[test]
fn cose_wg_examples() {
    let cases = cases("cose-wg-aead.json");
    assert_eq!(verdicts(&cases), (25, 2));
    let mut seen = Vec::new();
    for case in cases {
        let Some(aead) = Aead::from_cose(case["alg"].as_i64().unwrap()) else {
            left_out(cfg!(all(feature = "gcm", feature = "chacha20poly1305")));
            continue;
        };
        let (key, nonce, aad) = (bytes(&case, "key"), bytes(&case, "iv"), bytes(&case, "aad"));
        let (plaintext, sealed) = (bytes(&case, "msg"), bytes(&case, "ct"));
        let test = Case {
            aead,
            key: &key,
            nonce: &nonce,
            aad: &aad,
            plaintext: &plaintext,
            sealed: &sealed,
        };
        if case["valid"] == true {
            test.passes(&case["name"]);
            seen.push(aead);
        } else {
            assert_eq!(test.opens(&sealed), None, "{}", case["name"]);
        }
    }
    for aead in all() {
        assert!(seen.contains(&aead), "{aead:?} without an example");
    }
}

fn wrong_lengths_and_full_buffers(aeads: &[impl Cipher]) {
    for aead in aeads {
        let [key, nonce, tag_len] = aead.lengths();
        let (key, nonce) = (vec![1; key], vec![2; nonce]);
        let mut buffer = [7; 64];
        for len in (0..40).filter(|&len| len != key.len()) {
            assert_eq!(
                aead.seal(&vec![1; len], &nonce, b"", &mut buffer, 4),
                Err(CryptoError::KeyLength)
            );
            assert_eq!(
                aead.open(&vec![1; len], &nonce, b"", &mut [7; 64]),
                Err(CryptoError::KeyLength)
            );
        }
        for len in (0..20).filter(|&len| len != nonce.len()) {
            assert_eq!(
                aead.seal(&key, &vec![2; len], b"", &mut buffer, 4),
                Err(CryptoError::NonceLength)
            );
            let mut sealed = [7; 64];
            assert_eq!(
                aead.open(&key, &vec![2; len], b"", &mut sealed),
                Err(CryptoError::NonceLength)
            );
            assert_eq!(sealed, [0; 64]);
        }
        let room = buffer.len() - tag_len;
        for len in [room + 1, buffer.len(), buffer.len() + 1, usize::MAX] {
            assert_eq!(
                aead.seal(&key, &nonce, b"", &mut buffer, len),
                Err(CryptoError::BufferTooSmall)
            );
        }
        assert_eq!(buffer, [7; 64], "changed by a refused call");
        assert_eq!(aead.seal(&key, &nonce, b"", &mut buffer, room), Ok(64));
        for len in 0..tag_len {
            assert_eq!(
                aead.open(&key, &nonce, b"", &mut vec![7; len]),
                Err(CryptoError::Verification)
            );
        }
    }
}

#[test]
fn wrong_lengths_and_full_buffers_are_refused() {
    wrong_lengths_and_full_buffers(&all());
    wrong_lengths_and_full_buffers(&[TlsAead::Aes128Ccm8, TlsAead::Aes128Ccm]);
}

#[test]
fn rfc3610_2_1_length_field_bounds_the_text() {
    for aead in CCM {
        let (key, nonce) = (vec![1; aead.key_len()], vec![2; aead.nonce_len()]);
        let mut buffer = vec![0; 0x1_0000 + 16];
        let limit = aead.seal(&key, &nonce, b"", &mut buffer, 0xffff);
        assert_eq!(limit, Ok(0xffff + aead.tag_len()));
        let sealed = 0xffff + aead.tag_len();
        assert_eq!(
            aead.open(&key, &nonce, b"", &mut buffer[..sealed]),
            Ok(0xffff)
        );
        buffer.fill(0x55);
        let above = aead.seal(&key, &nonce, b"", &mut buffer, 0x1_0000);
        if aead.nonce_len() == 13 {
            assert_eq!(above, Err(CryptoError::TooLong));
            assert!(buffer.iter().all(|&byte| byte == 0x55));
            assert_eq!(
                aead.open(&key, &nonce, b"", &mut buffer),
                Err(CryptoError::Verification)
            );
            assert!(buffer.iter().all(|&byte| byte == 0));
        } else {
            assert_eq!(above, Ok(0x1_0000 + aead.tag_len()));
        }
    }
}

#[test]
fn rfc3610_2_1_length_field_of_three_bytes_bounds_the_text() {
    let (key, nonce) = ([1; TlsAead::KEY_LEN], [2; TlsAead::NONCE_LEN]);
    let mut buffer = vec![0x55; (1 << 24) + 8];
    assert_eq!(
        TlsAead::Aes128Ccm8.seal(&key, &nonce, b"", &mut buffer, 1 << 24),
        Err(CryptoError::TooLong)
    );
    assert!(buffer.iter().all(|&byte| byte == 0x55));
    assert_eq!(
        TlsAead::Aes128Ccm8.open(&key, &nonce, b"", &mut buffer),
        Err(CryptoError::Verification)
    );
    assert!(buffer.iter().all(|&byte| byte == 0));
    let len = TlsAead::Aes128Ccm8.seal(&key, &nonce, b"", &mut buffer, 1 << 14);
    assert_eq!(len, Ok((1 << 14) + 8));
}

#[test]
fn rfc6655_3_lengths() {
    for (aead, tag) in [(TlsAead::Aes128Ccm8, 8), (TlsAead::Aes128Ccm, 16)] {
        assert_eq!(aead.lengths(), [16, 12, tag]);
        assert!(tag <= TlsAead::MAX_TAG_LEN);
    }
}

#[test]
fn rfc9053_4_numbers_are_those_of_the_registry() {
    let expected = [
        (1, "A128GCM", 16, 12, 16),
        (2, "A192GCM", 24, 12, 16),
        (3, "A256GCM", 32, 12, 16),
        (10, "AES-CCM-16-64-128", 16, 13, 8),
        (11, "AES-CCM-16-64-256", 32, 13, 8),
        (12, "AES-CCM-64-64-128", 16, 7, 8),
        (13, "AES-CCM-64-64-256", 32, 7, 8),
        (24, "ChaCha20/Poly1305", 32, 12, 16),
        (30, "AES-CCM-16-128-128", 16, 13, 16),
        (31, "AES-CCM-16-128-256", 32, 13, 16),
        (32, "AES-CCM-64-128-128", 16, 7, 16),
        (33, "AES-CCM-64-128-256", 32, 7, 16),
    ];
    let here: Vec<_> = all()
        .into_iter()
        .map(|a| (a.cose(), a.name(), a.key_len(), a.nonce_len(), a.tag_len()))
        .collect();
    let built_in = |&(number, ..): &(i64, _, _, _, _)| {
        (number > 3 || cfg!(feature = "gcm"))
            && (number != 24 || cfg!(feature = "chacha20poly1305"))
    };
    assert_eq!(
        here,
        expected.into_iter().filter(built_in).collect::<Vec<_>>()
    );
    for aead in all() {
        assert!(aead.key_len() <= Aead::MAX_KEY_LEN);
        assert!(aead.nonce_len() <= Aead::MAX_NONCE_LEN);
        assert!(aead.tag_len() <= Aead::MAX_TAG_LEN);
    }
}
