//! Raw public keys, signatures and key shares of the ECDHE suites (RFC 7250, 8422).

use ace_crypto::{KeyAgreement, Signature, SigningKey, VerifyingKey};

use crate::{
    Error,
    bytes::{Reader, Writer, numbers},
};

/// SignatureScheme numbers (RFC 8422, 5.1.3: hash and signature side by side).
#[cfg(feature = "es256")]
const ECDSA_SECP256R1_SHA256: u16 = 0x0403;
#[cfg(feature = "eddsa")]
const ED25519: u16 = 0x0807;

/// ecdsa_sign among the ClientCertificateTypes (RFC 8422, 5.5); for Ed25519 too.
const ECDSA_SIGN: u8 = 64;
/// named_curve among the ECCurveTypes (RFC 8422, 5.4).
const NAMED_CURVE: u8 = 3;

const ALGORITHMS: &[u16] = &[
    #[cfg(feature = "es256")]
    ECDSA_SECP256R1_SHA256,
    #[cfg(feature = "eddsa")]
    ED25519,
];

/// The number of the algorithm on the wire.
fn number(algorithm: Signature) -> Option<u16> {
    match algorithm {
        #[cfg(feature = "es256")]
        Signature::Es256 => Some(ECDSA_SECP256R1_SHA256),
        #[cfg(feature = "eddsa")]
        Signature::EdDsa => Some(ED25519),
        _ => None,
    }
}

/// Whether a key of this algorithm may sign for a peer that listed these.
pub(crate) fn offers(list: &[u8], algorithm: Signature) -> bool {
    numbers(list).any(|listed| Some(listed) == number(algorithm))
}

/// Whether the curve of a key of this algorithm is among the groups (RFC 8422, 5.1.1: for ECDSA alone).
pub(crate) fn curve_fits(groups: &[u8], algorithm: Signature) -> bool {
    match algorithm {
        #[cfg(feature = "es256")]
        Signature::Es256 => {
            numbers(groups).any(|group| group == KeyAgreement::Secp256r1.named_group())
        }
        _ => {
            let _ = groups;
            true
        }
    }
}

/// The list of `signature_algorithms`, with its length.
pub(crate) fn write_algorithms(w: &mut Writer<'_>) {
    w.vec(2, |w| {
        ALGORITHMS.iter().for_each(|&number| w.u16(number));
    });
}

/// The body of a Certificate with a raw public key (RFC 7250, 3), or an empty one.
pub(crate) fn write_certificate(key: Option<&SigningKey>, w: &mut Writer<'_>) {
    let mut spki = [0; VerifyingKey::MAX_SPKI_LEN];
    let len = key.map_or(0, |key| {
        let written = key.verifying_key().to_spki(&mut spki);
        // There is room for any key.
        written.unwrap_or(0)
    });
    w.vec(3, |w| w.put(spki.get(..len).unwrap_or(&[])));
}

/// The SubjectPublicKeyInfo in a Certificate; empty if there is no key.
pub(crate) fn parse_certificate(body: &[u8]) -> Result<&[u8], Error> {
    let mut reader = Reader::new(body);
    let spki = reader.vec24()?;
    reader.finish()?;
    Ok(spki)
}

pub(crate) fn parse_key(spki: &[u8]) -> Result<VerifyingKey, Error> {
    VerifyingKey::from_spki(spki).map_err(|error| match error {
        ace_crypto::CryptoError::Unsupported => Error::PeerKeyUnsupported,
        _ => Error::PeerKeyInvalid,
    })
}

/// The body of a CertificateRequest: ecdsa_sign, our algorithms, no authorities (RFC 5246, 7.4.4).
pub(crate) fn write_certificate_request(w: &mut Writer<'_>) {
    w.put(&[1, ECDSA_SIGN]);
    write_algorithms(w);
    w.u16(0);
}

/// The signature algorithms of a CertificateRequest, empty if no key of a kind we have may sign.
///
/// Without certificate_types the algorithms alone decide: GnuTLS sends none when it takes Ed25519 alone, though RFC 5246, 7.4.4, wants one.
pub(crate) fn parse_certificate_request(body: &[u8]) -> Result<&[u8], Error> {
    let mut reader = Reader::new(body);
    let types = reader.vec8()?;
    let algorithms = reader.vec16()?;
    let mut authorities = Reader::new(reader.vec16()?);
    reader.finish()?;
    while !authorities.is_empty() {
        authorities.vec16()?;
    }
    if algorithms.is_empty() || !algorithms.len().is_multiple_of(2) {
        return Err(Error::Decode);
    }
    Ok(if types.is_empty() || types.contains(&ECDSA_SIGN) {
        algorithms
    } else {
        &[]
    })
}

/// The server's part of the agreement, without the signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share<'a> {
    pub(crate) group: KeyAgreement,
    pub(crate) public: &'a [u8],
    /// As it stood on the wire, for the signature.
    pub(crate) params: &'a [u8],
}

impl<'a> Share<'a> {
    /// ServerECDHParams from the front (RFC 8422, 5.4), of a group that was offered.
    pub(crate) fn read(reader: &mut Reader<'a>, offered: &[KeyAgreement]) -> Result<Self, Error> {
        let mut ahead = *reader;
        let curve_type = ahead.u8()?;
        let group = ahead.u16()?;
        let public = ahead.vec8()?;
        let params = reader.take(4 + public.len())?;
        let group = KeyAgreement::from_named_group(group)
            .filter(|group| curve_type == NAMED_CURVE && offered.contains(group))
            .ok_or(Error::KeyShare)?;
        Ok(Self {
            group,
            public,
            params,
        })
    }
}

/// ServerECDHParams (RFC 8422, 5.4).
pub(crate) fn write_share(group: KeyAgreement, public: &[u8], w: &mut Writer<'_>) {
    w.u8(NAMED_CURVE);
    w.u16(group.named_group());
    w.vec(1, |w| w.put(public));
}

/// A digitally-signed element over the concatenated `parts` (RFC 5246, 4.7; RFC 8422, 5.4 and 5.10).
pub(crate) fn sign(key: &SigningKey, parts: &[&[u8]], w: &mut Writer<'_>) -> Result<(), Error> {
    let algorithm = key.algorithm();
    w.u16(number(algorithm).ok_or(Error::SignatureAlgorithm)?);
    let signature = key.sign(parts).map_err(|_| Error::Crypto)?;
    match algorithm {
        #[cfg(feature = "es256")]
        Signature::Es256 => {
            let mut der = [0; ace_crypto::MAX_DER_SIGNATURE_LEN];
            let len =
                ace_crypto::signature_to_der(&signature, &mut der).map_err(|_| Error::Crypto)?;
            w.vec(2, |w| w.put(der.get(..len).unwrap_or(&[])));
        }
        _ => w.vec(2, |w| w.put(&signature)),
    }
    Ok(())
}

/// Reads a digitally-signed element and checks it. It must be by the algorithm of the key, and nothing may be behind it.
pub(crate) fn verify(
    key: &VerifyingKey,
    parts: &[&[u8]],
    mut reader: Reader<'_>,
) -> Result<(), Error> {
    let algorithm = reader.u16()?;
    let signature = reader.vec16()?;
    reader.finish()?;
    if Some(algorithm) != number(key.algorithm()) {
        return Err(Error::SignatureAlgorithm);
    }
    match key.algorithm() {
        #[cfg(feature = "es256")]
        Signature::Es256 => {
            let raw = ace_crypto::signature_from_der(signature).map_err(|_| Error::Signature)?;
            key.verify(parts, &raw)
        }
        _ => key.verify(parts, signature),
    }
    .map_err(|_| Error::Signature)
}

/// Longest digitally-signed element, in bytes.
pub(crate) const MAX_SIGNED_LEN: usize = 2 + 2 + 72;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc5246_7_4_4_certificate_requests() {
        let parse = parse_certificate_request;
        assert_eq!(parse(&[1, 64, 0, 2, 8, 7, 0, 0]), Ok(&[8, 7][..]));
        // RFC 8422, 5.5: rsa_sign alone
        assert_eq!(parse(&[1, 1, 0, 2, 8, 7, 0, 0]), Ok(&[][..]));
        // As GnuTLS sends it.
        assert_eq!(parse(&[0, 0, 2, 8, 7, 0, 0]), Ok(&[8, 7][..]));
        assert!(parse(&[0, 0, 0, 0, 0]).is_err() && parse(&[0, 0, 1, 8, 0, 0]).is_err());
        let whole = [2, 1, 64, 0, 4, 4, 3, 8, 7, 0, 3, 0, 1, 9];
        assert_eq!(parse(&whole), Ok(&[4, 3, 8, 7][..]));
        for cut in 0..whole.len() {
            assert_eq!(parse(&whole[..cut]), Err(Error::Decode));
        }
    }
}
