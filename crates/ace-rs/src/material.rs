//! The OSCORE context of a token (RFC 9203, 4.1 to 4.3).

use ace_crypto::{Aead, Hkdf};
use ace_oscore::{MAX_ID_CONTEXT, OscoreError, Parameters, SecurityContext};
use ace_wire::ace::{AuthzInfoRequest, Confirmation, OscoreInputMaterial};
use ace_wire::cbor::{Label, Writer};
use ace_wire::cose::algorithm_number;
use ace_wire::cwt::ClaimsSet;

use crate::Refusal;

/// Longest `nonce1` and longest input salt taken, in bytes.
const MAX_NONCE: usize = 64;

/// Length of `nonce2` in bytes.
// RFC 9203, 4.2
pub(crate) const NONCE2: usize = 8;

/// OSCORE input material of a token, fit for use (RFC 9203, 3.2.1).
#[derive(Clone, Copy)]
pub(crate) struct Material<'b> {
    pub(crate) id: &'b [u8],
    pub(crate) ms: &'b [u8],
    salt: &'b [u8],
    context_id: Option<&'b [u8]>,
    aead: Aead,
    hkdf: Hkdf,
}

impl<'b> Material<'b> {
    // RFC 9203, 4.2: what is missing or not recognized refuses the token.
    pub(crate) fn of(claims: &ClaimsSet<'b>) -> Result<Self, Refusal> {
        let Some(Confirmation::Osc(osc)) = claims.cnf else {
            return Err(Refusal::Confirmation);
        };
        Self::usable(&osc).ok_or(Refusal::InputMaterial)
    }

    fn usable(osc: &OscoreInputMaterial<'b>) -> Option<Self> {
        let number = |algorithm: Option<Label<'b>>, default: i64| {
            algorithm.map_or(Some(default), algorithm_number)
        };
        // RFC 8613, 5.4: this is version 1.
        let version_fits = osc.version.is_none_or(|version| version == 1);
        let salt = osc.salt.unwrap_or(&[]);
        let context_fits = osc.context_id.is_none_or(|id| id.len() <= MAX_ID_CONTEXT);
        if osc.unknown || !version_fits || salt.len() > MAX_NONCE || !context_fits {
            return None;
        }
        Some(Self {
            id: osc.id?,
            ms: osc.ms.filter(|ms| !ms.is_empty())?,
            salt,
            context_id: osc.context_id,
            // RFC 8613, 3.2: the defaults.
            aead: Aead::from_cose(number(osc.alg, 10)?)?,
            hkdf: Hkdf::from_cose(number(osc.hkdf, -10)?)?,
        })
    }

    /// Derives the context of RFC 9203, 4.3; no sequence number is reserved yet.
    pub(crate) fn derive(
        &self,
        exchange: Exchange<'_>,
        nonce2: &[u8],
        server_id: &[u8],
    ) -> Result<SecurityContext, Refusal> {
        // RFC 9203, 4.3: salt, N1 and N2, each as a CBOR byte string.
        let mut master_salt = [0; MAX_NONCE * 2 + NONCE2 + 5];
        let mut writer = Writer::new(&mut master_salt);
        let written = [self.salt, exchange.nonce1, nonce2]
            .iter()
            .try_for_each(|part| writer.bytes(part));
        let length = writer.finish();
        let master_salt = written.ok().and_then(|()| master_salt.get(..length));
        SecurityContext::derive(&Parameters {
            master_secret: self.ms,
            master_salt: master_salt.ok_or(Refusal::Exchange)?,
            sender_id: exchange.client_id,
            recipient_id: server_id,
            id_context: self.context_id,
            aead: self.aead,
            hkdf: self.hkdf,
        })
        .map_err(|error| match error {
            OscoreError::IdTooLong | OscoreError::SameIds => Refusal::Exchange,
            _ => Refusal::InputMaterial,
        })
    }
}

/// What the client sent beside the token (RFC 9203, 4.1).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Exchange<'m> {
    nonce1: &'m [u8],
    pub(crate) client_id: &'m [u8],
}

impl<'m> Exchange<'m> {
    // RFC 9203, 4.1.1, 4.1.2 and 4.2
    pub(crate) fn of(request: &AuthzInfoRequest<'m>) -> Result<Self, Refusal> {
        match (request.nonce1, request.client_recipient_id) {
            (Some(nonce1), Some(client_id))
                if nonce1.len() <= MAX_NONCE && client_id.len() <= ace_oscore::MAX_ID =>
            {
                Ok(Self { nonce1, client_id })
            }
            _ => Err(Refusal::Exchange),
        }
    }
}
