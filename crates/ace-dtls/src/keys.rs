//! From the premaster secret to keys and Finished (RFC 5246, 5, 6.3, 7.4.9 and 8.1; RFC 7627, 4).

use ace_crypto::{Secret, tls12_prf_sha256};

use crate::{
    Error, Role, bytes::Writer, credentials::MAX_PSK, hello::RANDOM_LEN, messages::VERIFY_DATA_LEN,
    record::KEY_BLOCK_LEN,
};

pub(crate) const MASTER_LEN: usize = 48;
pub(crate) type Master = Secret<MASTER_LEN>;
/// Two vectors: of a shared secret or zeros, and of a pre-shared key.
const MAX_PREMASTER: usize = 2 + MAX_PSK + 2 + MAX_PSK;
pub(crate) type Premaster = Secret<MAX_PREMASTER>;

/// The premaster secret of a plain PSK: zeros in place of another secret (RFC 4279, 2).
pub(crate) fn psk_premaster(psk: &[u8]) -> Result<Premaster, Error> {
    let zeros = [0; MAX_PSK];
    mixed_premaster(zeros.get(..psk.len()).ok_or(Error::NoCredentials)?, psk)
}

/// The premaster secret of another secret and a PSK (RFC 4279, 2; RFC 5489, 2).
pub(crate) fn mixed_premaster(other: &[u8], psk: &[u8]) -> Result<Premaster, Error> {
    if psk.is_empty() {
        return Err(Error::NoCredentials);
    }
    let mut premaster =
        Premaster::zeroed(2 + other.len() + 2 + psk.len()).ok_or(Error::NoCredentials)?;
    let mut writer = Writer::new(premaster.as_mut_bytes());
    writer.vec(2, |w| w.put(other));
    writer.vec(2, |w| w.put(psk));
    Ok(premaster)
}

/// The randoms of both hellos.
#[derive(Clone, Copy)]
pub(crate) struct Randoms<'a> {
    pub(crate) client: &'a [u8; RANDOM_LEN],
    pub(crate) server: &'a [u8; RANDOM_LEN],
}

/// RFC 7627, 4, if `session_hash` is given, else RFC 5246, 8.1.
pub(crate) fn master_secret(
    premaster: &Premaster,
    session_hash: Option<&[u8; 32]>,
    randoms: Randoms<'_>,
) -> Master {
    let mut master = Master::full([0; MASTER_LEN]);
    let (secret, out) = (premaster.as_bytes(), master.as_mut_bytes());
    match session_hash {
        Some(hash) => tls12_prf_sha256(secret, b"extended master secret", &[hash], out),
        None => tls12_prf_sha256(
            secret,
            b"master secret",
            &[randoms.client, randoms.server],
            out,
        ),
    }
    master
}

/// RFC 5246, 6.3
pub(crate) fn key_block(master: &Master, randoms: Randoms<'_>) -> Secret<KEY_BLOCK_LEN> {
    let mut block = Secret::full([0; KEY_BLOCK_LEN]);
    tls12_prf_sha256(
        master.as_bytes(),
        b"key expansion",
        &[randoms.server, randoms.client],
        block.as_mut_bytes(),
    );
    block
}

/// RFC 5246, 7.4.9
pub(crate) fn verify_data(
    master: &Master,
    sender: Role,
    transcript_hash: &[u8; 32],
) -> [u8; VERIFY_DATA_LEN] {
    let label: &[u8] = match sender {
        Role::Client => b"client finished",
        Role::Server => b"server finished",
    };
    let mut out = [0; VERIFY_DATA_LEN];
    tls12_prf_sha256(master.as_bytes(), label, &[transcript_hash], &mut out);
    out
}
