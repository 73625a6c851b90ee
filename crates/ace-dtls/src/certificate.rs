//! The Certificate messages of both sides: raw public keys (RFC 7250), or chains of X.509 certificates.

use ace_crypto::{SigningKey, VerifyingKey};

use crate::{
    Credentials, Decision, Error, Peer, Session,
    connection::{Context, Handshake, Progress},
    messages, signing,
};

/// What the Certificates of a handshake are (RFC 7250, 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum CertificateType {
    #[cfg(feature = "x509")]
    X509 = 0,
    RawPublicKey = 2,
}

impl CertificateType {
    /// Certificates where there are any, else raw public keys.
    pub(crate) fn of(credentials: &dyn Credentials) -> Self {
        #[cfg(feature = "x509")]
        if credentials.x509().is_some() {
            return Self::X509;
        }
        let _ = credentials;
        Self::RawPublicKey
    }

    /// Whether it is among those that the other side listed.
    // RFC 7250, 4.1: X.509 without the extension
    pub(crate) fn is_in(self, list: Option<&[u8]>) -> bool {
        match list {
            Some(list) => list.contains(&(self as u8)),
            None => !self.is_raw(),
        }
    }

    /// Whether there is what a Certificate of this type needs beside the key.
    pub(crate) fn has_own(self, credentials: &dyn Credentials) -> bool {
        #[cfg(feature = "x509")]
        if self == Self::X509 {
            return credentials
                .x509()
                .is_some_and(|x509| !x509.chain.is_empty());
        }
        let _ = credentials;
        true
    }

    pub(crate) fn is_raw(self) -> bool {
        self == Self::RawPublicKey
    }
}

impl Handshake {
    /// Takes the peer's Certificate, with a key in it, if the application accepts that.
    pub(crate) fn take_certificate(
        &mut self,
        session: &mut Session,
        context: &mut Context<'_>,
    ) -> Result<Progress, Error> {
        let (_, body) = self.messages.incoming().ok_or(Error::Decode)?;
        let credentials = &mut *context.credentials;
        let (decision, at, len) = match self.certificate_type {
            CertificateType::RawPublicKey => {
                let spki = signing::parse_certificate(body)?;
                let key = signing::parse_key(spki)?;
                (credentials.accept_key(&key), 3, spki.len())
            }
            #[cfg(feature = "x509")]
            CertificateType::X509 => {
                let chain = crate::x509::read_chain(body)?;
                let x509 = credentials.x509().ok_or(Error::NoCredentials)?;
                let spki = x509.verify(&chain, session.role().other())?;
                let key = signing::parse_key(&spki)?;
                let at = body.windows(spki.len()).position(|at| at == &spki[..]);
                let at = at.ok_or(Error::CertificateInvalid)?;
                (credentials.accept_chain(&chain, &key), at, spki.len())
            }
        };
        match decision {
            Decision::Accept(peer) => self.peer = Peer::Key(peer),
            Decision::Refuse => return Err(Error::PeerKeyRefused),
            Decision::RefuseWith(alert) => {
                session.refusal = Some(alert);
                return Err(Error::PeerKeyRefused);
            }
            Decision::Pending => return Ok(Progress::Waiting),
        }
        self.spki = self.take().skip(at).first(len);
        Ok(Progress::Taken)
    }

    /// Writes our Certificate, an empty one without a key.
    pub(crate) fn write_certificate(
        &mut self,
        key: Option<&SigningKey>,
        credentials: &dyn Credentials,
    ) -> Result<(), Error> {
        #[cfg(feature = "x509")]
        if self.certificate_type == CertificateType::X509 {
            let chain = credentials.x509().filter(|_| key.is_some());
            let chain = chain.map_or(&[][..], |x509| &x509.chain);
            return self.write(messages::CERTIFICATE, &|w| {
                crate::x509::write_chain(chain, w);
            });
        }
        let _ = credentials;
        self.write(messages::CERTIFICATE, &|w| {
            signing::write_certificate(key, w);
        })
    }

    /// The key in the peer's Certificate.
    pub(crate) fn peer_key(&self) -> Result<VerifyingKey, Error> {
        signing::parse_key(self.messages.get(self.spki))
    }
}
