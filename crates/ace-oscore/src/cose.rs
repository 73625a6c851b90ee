//! What goes into HKDF and AEAD: info, nonce and AAD (RFC 8613, 3.2.1, 5.2, 5.4).

use ace_crypto::{Aead, Secret};
use zeroize::Zeroizing;

use crate::{
    OscoreError, Parameters,
    bytes::{ARRAY, BYTE_STRING, Bytes, TEXT_STRING, UNSIGNED},
    option::PartialIv,
};

pub(crate) type Nonce = Secret<{ Aead::MAX_NONCE_LEN }>;
pub(crate) type Aad = Zeroizing<Bytes<48>>;

/// The two halves of an ID Context; outside of appendix B.2 the second is empty.
pub(crate) type IdContextParts<'a> = [&'a [u8]; 2];

/// What is derived.
#[derive(Clone, Copy)]
pub(crate) enum Output<'a> {
    /// The key of the endpoint with this ID.
    Key(&'a [u8]),
    /// The Common IV.
    Iv,
}

// RFC 8613, 3.2.1
pub(crate) fn derive<const N: usize>(
    parameters: &Parameters<'_>,
    id_context: Option<IdContextParts<'_>>,
    output: Output<'_>,
) -> Result<Secret<N>, OscoreError> {
    let len = match output {
        Output::Key(_) => parameters.aead.key_len(),
        Output::Iv => parameters.aead.nonce_len(),
    };
    let mut secret = Secret::zeroed(len).ok_or(OscoreError::TooLong)?;
    derive_to(parameters, id_context, output, secret.as_mut_bytes())?;
    Ok(secret)
}

// One instance for keys and IVs.
#[inline(never)]
fn derive_to(
    parameters: &Parameters<'_>,
    id_context: Option<IdContextParts<'_>>,
    output: Output<'_>,
    secret: &mut [u8],
) -> Result<(), OscoreError> {
    let (id, kind) = match output {
        Output::Key(id) => (id, "Key"),
        Output::Iv => (&[][..], "IV"),
    };
    let [first, second] = id_context.unwrap_or_default();
    let (head, tail) = info(parameters.aead, id, id_context, kind, secret.len())
        .ok_or(OscoreError::IdContextTooLong)?;
    parameters
        .hkdf
        .derive(
            parameters.master_secret,
            parameters.master_salt,
            &[head.as_bytes(), first, second, tail.as_bytes()],
            secret,
        )
        .map_err(|_| OscoreError::TooLong)
}

/// What stands before and after the bytes of the ID Context.
fn info(
    aead: Aead,
    id: &[u8],
    id_context: Option<IdContextParts<'_>>,
    kind: &str,
    len: usize,
) -> Option<(Bytes<16>, Bytes<16>)> {
    let mut head = Bytes::EMPTY;
    head.push_head(ARRAY, 5)?;
    head.push_byte_string(id)?;
    match id_context {
        Some([a, b]) => head.push_head(BYTE_STRING, a.len().checked_add(b.len())?)?,
        None => head.push(&[NULL])?,
    }
    let mut tail = Bytes::EMPTY;
    tail.push_head(UNSIGNED, usize::try_from(aead.cose()).ok()?)?;
    tail.push_head(TEXT_STRING, kind.len())?;
    tail.push(kind.as_bytes())?;
    tail.push_head(UNSIGNED, len)?;
    Some((head, tail))
}

const NULL: u8 = 0xf6;

// RFC 8613, 5.2
pub(crate) fn nonce(common_iv: &Nonce, id_piv: &[u8], partial_iv: PartialIv) -> Nonce {
    let mut nonce = common_iv.clone();
    let padded = partial_iv.padded();
    let from_the_end = padded.iter().rev().chain(id_piv.iter().rev());
    for (byte, part) in nonce.as_mut_bytes().iter_mut().rev().zip(from_the_end) {
        *byte ^= part;
    }
    if let Some(first) = nonce.as_mut_bytes().first_mut() {
        *first ^= id_piv.len() as u8;
    }
    nonce
}

// RFC 8613, 5.4
pub(crate) fn aad(aead: Aead, request_kid: &[u8], request_piv: PartialIv) -> Option<Aad> {
    let mut array = Zeroizing::new(Bytes::<32>::EMPTY);
    array.push_head(ARRAY, 5)?;
    array.push_head(UNSIGNED, OSCORE_VERSION)?;
    array.push_head(ARRAY, 1)?;
    array.push_head(UNSIGNED, usize::try_from(aead.cose()).ok()?)?;
    array.push_byte_string(request_kid)?;
    request_piv.with_bytes(|piv| array.push_byte_string(piv))?;
    // RFC 8613, 4.1: no option is of Class I.
    array.push_byte_string(&[])?;

    // RFC 9052, 5.3
    let mut aad = Aad::new(Bytes::EMPTY);
    aad.push_head(ARRAY, 3)?;
    aad.push_head(TEXT_STRING, ENCRYPT0.len())?;
    aad.push(ENCRYPT0.as_bytes())?;
    aad.push_byte_string(&[])?;
    aad.push_byte_string(array.as_bytes())?;
    Some(aad)
}

const OSCORE_VERSION: usize = 1;
const ENCRYPT0: &str = "Encrypt0";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc8613_5_4_example() {
        let aad = aad(Aead::AesCcm16_64_128, &[0], PartialIv::new(0x25).unwrap()).unwrap();
        assert_eq!(
            hex::encode(aad.as_bytes()),
            "8368456e63727970743040498501810a4100412540"
        );
    }

    #[test]
    fn rfc8613_5_4_two_byte_algorithm_and_longest_fields_fit() {
        let piv = PartialIv::new(crate::MAX_SEQUENCE).unwrap();
        let aad = aad(Aead::AesCcm64_128_256, &[7; crate::MAX_ID], piv).unwrap();
        assert_eq!(
            hex::encode(aad.as_bytes()),
            "8368456e6372797074304054850181182147\
             0707070707070745ffffffffff40"
        );
    }

    #[test]
    fn rfc8613_5_2_longest_id_and_partial_iv_fill_the_nonce() {
        let zero = Nonce::zeroed(13).unwrap();
        let piv = PartialIv::new(crate::MAX_SEQUENCE).unwrap();
        assert_eq!(
            hex::encode(nonce(&zero, &[0xaa; 7], piv).as_bytes()),
            "07aaaaaaaaaaaaaaffffffffff"
        );
        let short = Nonce::zeroed(7).unwrap();
        assert_eq!(
            hex::encode(nonce(&short, &[0xaa], PartialIv::new(1).unwrap()).as_bytes()),
            "01aa0000000001"
        );
    }
}
