//! Chains of X.509 certificates (RFC 5280), verified by `rustls-webpki` with the cryptography of `ace-crypto`.

use std::vec::Vec;

use ace_crypto::{VerifyingKey, Y};
use rustls_pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, ServerName,
    SignatureVerificationAlgorithm, TrustAnchor, UnixTime, alg_id,
};
use webpki::{EndEntityCert, KeyUsage};

use crate::{
    Error, Role,
    bytes::{Reader, Writer},
};

/// Our X.509 certificates, and what those of peers are held against.
///
/// A chain has to lead to a trust anchor, to be valid at the time and for the use (server or client authentication, RFC 5280, 4.2.1.12), and a server's
/// certificate has to be for its name. Revocation is left to the application.
///
/// All certificates of a handshake have to fit the handshake's buffer: some 8 KiB are a good size for it.
#[derive(Debug, Clone)]
pub struct X509 {
    /// Our own chain: first the certificate of [`Credentials::signing_key`](crate::Credentials::signing_key), then each the issuer of the one before; a trust anchor may
    /// be left out. Empty for a client without one.
    pub chain: Vec<CertificateDer<'static>>,
    /// Whom we trust.
    pub anchors: Vec<TrustAnchor<'static>>,
    /// Client: the server's name, without which no server is accepted.
    pub server_name: Option<ServerName<'static>>,
    /// The time; [`UnixTime::now`] but in tests.
    pub time: fn() -> UnixTime,
    /// The signatures that certificates may have; [`X509::ALGORITHMS`] or more. The key of a peer's own certificate is one for P-256 or Ed25519 in any case.
    pub algorithms: &'static [&'static dyn SignatureVerificationAlgorithm],
}

impl X509 {
    /// `ecdsa-with-SHA256` with keys on P-256, and Ed25519.
    pub const ALGORITHMS: &'static [&'static dyn SignatureVerificationAlgorithm] =
        &[&EcdsaP256, &Ed25519];

    /// Trusts these certificates as issuers, has no chain, and knows no name yet.
    ///
    /// # Errors
    /// [`Error::CertificateInvalid`] for one that cannot be read.
    pub fn trusting(anchors: &[CertificateDer<'_>]) -> Result<Self, Error> {
        let anchors = anchors.iter().map(|der| {
            let anchor = webpki::anchor_from_trusted_cert(der).map_err(reason)?;
            Ok(anchor.to_owned())
        });
        Ok(Self {
            chain: Vec::new(),
            anchors: anchors.collect::<Result<_, Error>>()?,
            server_name: None,
            time: UnixTime::now,
            algorithms: Self::ALGORITHMS,
        })
    }

    /// Verifies the chain of a peer in this role; returns the SubjectPublicKeyInfo of its certificate.
    pub(crate) fn verify(
        &self,
        chain: &[CertificateDer<'_>],
        peer: Role,
    ) -> Result<Vec<u8>, Error> {
        let (leaf, issuers) = chain.split_first().ok_or(Error::NoPeerKey)?;
        let leaf = EndEntityCert::try_from(leaf).map_err(reason)?;
        let usage = match peer {
            Role::Server => KeyUsage::server_auth(),
            Role::Client => KeyUsage::client_auth(),
        };
        let time = (self.time)();
        let anchors = &self.anchors;
        leaf.verify_for_usage(self.algorithms, anchors, issuers, time, usage, None, None)
            .map_err(reason)?;
        if peer == Role::Server {
            let name = self.server_name.as_ref().ok_or(Error::CertificateName)?;
            leaf.verify_is_valid_for_subject_name(name)
                .map_err(reason)?;
        }
        Ok(leaf.subject_public_key_info().to_vec())
    }
}

fn reason(error: webpki::Error) -> Error {
    use webpki::Error as E;
    match error {
        E::CertExpired { .. } | E::CertNotValidYet { .. } => Error::CertificateExpired,
        E::UnknownIssuer => Error::UnknownIssuer,
        E::CertNotValidForName(_) => Error::CertificateName,
        E::RequiredEkuNotFoundContext(_) => Error::CertificatePurpose,
        E::UnsupportedSignatureAlgorithmContext(_)
        | E::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => Error::PeerKeyUnsupported,
        _ => Error::CertificateInvalid,
    }
}

/// The certificates of a Certificate message (RFC 5246, 7.4.2).
pub(crate) fn read_chain(body: &[u8]) -> Result<Vec<CertificateDer<'_>>, Error> {
    let mut reader = Reader::new(body);
    let mut list = Reader::new(reader.vec24()?);
    reader.finish()?;
    let mut chain = Vec::new();
    while !list.is_empty() {
        let certificate = list.vec24()?;
        if certificate.is_empty() {
            return Err(Error::Decode);
        }
        chain.push(CertificateDer::from(certificate));
    }
    Ok(chain)
}

pub(crate) fn write_chain(chain: &[CertificateDer<'_>], w: &mut Writer<'_>) {
    w.vec(3, |w| {
        for certificate in chain {
            w.vec(3, |w| w.put(certificate));
        }
    });
}

#[derive(Debug)]
struct EcdsaP256;

impl SignatureVerificationAlgorithm for EcdsaP256 {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        // RFC 5480, 2.2: an uncompressed point
        let point = public_key.strip_prefix(&[4]).ok_or(InvalidSignature)?;
        let (x, y) = point.split_at_checked(32).ok_or(InvalidSignature)?;
        let key = VerifyingKey::p256(x, Y::Coordinate(y)).map_err(|_| InvalidSignature)?;
        let raw = ace_crypto::signature_from_der(signature).map_err(|_| InvalidSignature)?;
        key.verify(&[message], &raw).map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_P256
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_SHA256
    }
}

#[derive(Debug)]
struct Ed25519;

impl SignatureVerificationAlgorithm for Ed25519 {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let key = VerifyingKey::ed25519(public_key).map_err(|_| InvalidSignature)?;
        key.verify(&[message], signature)
            .map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ED25519
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ED25519
    }
}
