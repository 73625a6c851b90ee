//! HMAC_DRBG with SHA-256 (NIST SP 800-90A, 10.1.2): all randomness of a handle comes from the seed it was given.

use core::convert::Infallible;

use ace_crypto::{TryCryptoRng, TryRng, hmac_sha256};
use zeroize::Zeroize;

pub(crate) struct Drbg {
    key: [u8; 32],
    value: [u8; 32],
}

impl Drbg {
    pub(crate) fn new(seed: &[u8]) -> Self {
        let mut drbg = Self {
            key: [0; 32],
            value: [1; 32],
        };
        drbg.update(seed);
        drbg
    }

    /// Adds entropy; what was there is not lost.
    pub(crate) fn update(&mut self, seed: &[u8]) {
        self.key = hmac_sha256(&self.key, &[&self.value, &[0], seed]);
        self.value = hmac_sha256(&self.key, &[&self.value]);
        if !seed.is_empty() {
            self.key = hmac_sha256(&self.key, &[&self.value, &[1], seed]);
            self.value = hmac_sha256(&self.key, &[&self.value]);
        }
    }
}

impl Drop for Drbg {
    fn drop(&mut self) {
        self.key.zeroize();
        self.value.zeroize();
    }
}

impl TryRng for Drbg {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for block in out.chunks_mut(32) {
            self.value = hmac_sha256(&self.key, &[&self.value]);
            block
                .iter_mut()
                .zip(self.value)
                .for_each(|(to, from)| *to = from);
        }
        self.update(&[]);
        Ok(())
    }
}

impl TryCryptoRng for Drbg {}

#[cfg(test)]
mod tests {
    use super::*;
    use ace_crypto::sha256;

    // RFC 6979, 3.3: k is the first output of this generator, seeded with the key and the hash of the message.
    #[test]
    fn rfc6979_a_2_5_first_output_is_k_of_the_example() {
        let x = hex::decode("C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721")
            .unwrap();
        let mut drbg = Drbg::new(&[x.as_slice(), &sha256(&[b"sample"])].concat());
        let mut k = [0; 32];
        drbg.try_fill_bytes(&mut k).unwrap();
        assert_eq!(
            hex::encode_upper(k),
            "A6E3C57DD01ABE90086538398355DD4C3B17AA873382B0F24D6129493D8AAD60"
        );
    }

    #[test]
    fn outputs_differ_and_new_entropy_changes_them() {
        let mut outputs = std::collections::HashSet::new();
        let (mut a, mut b) = (Drbg::new(&[1; 32]), Drbg::new(&[1; 32]));
        b.update(&[2; 32]);
        for _ in 0..100 {
            for drbg in [&mut a, &mut b] {
                assert!(outputs.insert(drbg.try_next_u64().unwrap()));
            }
        }
    }
}
