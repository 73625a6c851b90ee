//! Random numbers from a seed.
//!
//! **An emulated board has no entropy.** Whoever starts it hands in 32 bytes from a real generator, anew for each start:
//! two starts with one seed draw the same nonces. A board made of silicon implements the same two traits over its own
//! generator.

use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::semihosting::{File, Mode};

/// ChaCha20 keyed with the seed; a [`rand_core::CryptoRng`].
pub type Random = ChaCha20Rng;

/// The generator for this start; `None` without a whole seed in the file `seed`.
pub(crate) fn seeded() -> Option<Random> {
    let mut seed = [0; 32];
    let length = File::open(c"seed", Mode::Read)?.read(&mut seed);
    (length == seed.len()).then(|| Random::from_seed(seed))
}
