//! The token endpoint (RFC 9200, 5.8; RFC 9201; RFC 9203, 3): from a request and the client that
//! authenticated to an answer. The answer leaves after what it promises is stored.

mod refusal;
mod scope;

use ace_crypto::{Aead, Secret, sha256};
use ace_token::issue::{self, Claims, Cnf, Issuer, IssuingKey};
use ace_wire::{
    ace::{
        AccessInformation, Confirmation, GrantType, OscoreInputMaterial, Profile, ProfileRequest,
        TokenRequest,
    },
    cbor::Writer,
    coap::{Code, content_format::ACE_CBOR},
};
use zeroize::Zeroizing;

pub(crate) use refusal::Refusal;
pub(crate) use scope::shown;
use scope::{Granted, narrow};

use crate::{
    audit,
    registry::short,
    server::MAX_BODY,
    store::{Issuance, NewMaterial, Principal, RsRecord, Store, signed},
};

/// Longest `cnonce` that a token carries, in bytes.
const MAX_CNONCE: usize = 64;

/// What the token endpoint answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenAnswer {
    /// 2.01, 4.00, 4.01, 4.15, 5.00 or 5.03.
    pub code: Code,
    /// application/ace+cbor if there is a payload.
    pub content_format: Option<u16>,
    /// Access Information or error, in CBOR; holds keys, and is wiped on drop.
    pub payload: Zeroizing<Vec<u8>>,
}

/// Decides about token requests.
#[derive(Debug)]
pub(crate) struct TokenEndpoint {
    store: Store,
    issuer: String,
    /// Seconds a token lives.
    lifetime: u64,
    /// Head of every AEAD nonce of this process. The counter behind it is unique by itself; the
    /// head keeps nonces apart even when a store is put back from a backup.
    nonce_head: [u8; 5],
}

/// A request that may be answered with a token.
struct Decision<'a> {
    client: u64,
    rs: RsRecord,
    granted: Granted,
    /// Input material that the new rights are for (RFC 9203, 3.1).
    update: Option<&'a [u8]>,
    cnonce: Option<&'a [u8]>,
    name_profile: bool,
}

struct Issued {
    answer: Zeroizing<Vec<u8>>,
    cti: Vec<u8>,
}

impl TokenEndpoint {
    pub fn new(store: Store, issuer: String, lifetime: u64, nonce_head: [u8; 5]) -> Self {
        Self {
            store,
            issuer,
            lifetime,
            nonce_head,
        }
    }

    /// Answers one request; `None` for a client that did not authenticate.
    pub async fn answer(
        &self,
        principal: Option<&Principal>,
        now: u64,
        content_format: Option<u16>,
        payload: &[u8],
    ) -> TokenAnswer {
        // RFC 9200, 5.8.1 and 8.16
        if content_format.is_some_and(|format| format != ACE_CBOR) {
            let payload = Zeroizing::default();
            return TokenAnswer {
                code: Code::UNSUPPORTED_CONTENT_FORMAT,
                content_format: None,
                payload,
            };
        }
        let mut event = audit::Event {
            client: principal.map(Principal::name),
            ..audit::Event::default()
        };
        let outcome = self.process(principal, now, payload, &mut event).await;
        event.emit(outcome.as_ref().map(|issued| issued.cti.as_slice()));
        match outcome {
            Ok(issued) => TokenAnswer {
                code: Code::CREATED,
                content_format: Some(ACE_CBOR),
                payload: issued.answer,
            },
            Err(refusal) => {
                let payload = Zeroizing::new(refusal.payload());
                let content_format = (!payload.is_empty()).then_some(ACE_CBOR);
                TokenAnswer {
                    code: refusal.code(),
                    content_format,
                    payload,
                }
            }
        }
    }

    async fn process<'a>(
        &self,
        principal: Option<&'a Principal>,
        now: u64,
        payload: &'a [u8],
        event: &mut audit::Event<'a>,
    ) -> Result<Issued, Refusal> {
        let principal = principal.ok_or(Refusal::NotAuthenticated)?;
        let request = TokenRequest::parse(payload).map_err(Refusal::Malformed)?;
        event.audience = request.audience.map(str::to_owned);
        event.asked = request.scope.map(shown);
        let decision = self.decide(principal, now, &request).await?;
        event.audience = Some(decision.rs.audience.clone());
        event.rs = Some(decision.rs.name.clone());
        event.granted = Some(shown(decision.granted.scope.as_scope()));
        event.update = decision.update.is_some();
        self.issue(decision, now).await
    }

    async fn decide<'a>(
        &self,
        principal: &Principal,
        now: u64,
        request: &TokenRequest<'a>,
    ) -> Result<Decision<'a>, Refusal> {
        let Principal::Client {
            id: client,
            name,
            profiles,
        } = principal
        else {
            return Err(Refusal::NotAClient);
        };
        // RFC 6749, 2.3 and 5.2
        if request.client_id.is_some_and(|id| id != name) {
            return Err(Refusal::ClientId);
        }
        if request.client_secret.is_some() {
            return Err(Refusal::ClientSecret);
        }
        // RFC 9200, 5.8.1
        if request.grant_type != GrantType::ClientCredentials {
            return Err(Refusal::GrantType);
        }
        // RFC 9200, 5.8.4.3
        if matches!(request.ace_profile, ProfileRequest::Value(_)) {
            return Err(Refusal::ProfileValue);
        }
        if request
            .cnonce
            .is_some_and(|cnonce| cnonce.len() > MAX_CNONCE)
        {
            return Err(Refusal::ClientNonce);
        }
        let mut candidates = self.store.granted(*client, request.audience).await?;
        let rs = match (candidates.pop(), candidates.is_empty(), request.audience) {
            (Some(rs), true, _) => rs,
            (_, _, Some(_)) => return Err(Refusal::Audience),
            (_, _, None) => return Err(Refusal::AudienceMissing),
        };
        // RFC 9200, 5.8.3
        if profiles & rs.profiles & (1 << Profile::CoapOscore.number()) == 0 {
            return Err(Refusal::Profiles);
        }
        let update = match request.req_cnf {
            None => None,
            // RFC 9203, 3.1
            Some(Confirmation::Kid(id)) => {
                if !self.store.material_lives(id, *client, rs.id, now).await? {
                    return Err(Refusal::InputMaterial);
                }
                Some(id)
            }
            // RFC 9201, 3.1: public keys are for another profile, and symmetric ones are the AS's to make.
            Some(_) => return Err(Refusal::PopKey),
        };
        let grants = self.store.grants(*client, rs.id).await?;
        let granted = narrow(request.scope, &grants)?;
        Ok(Decision {
            client: *client,
            rs,
            granted,
            update,
            cnonce: request.cnonce,
            name_profile: request.ace_profile == ProfileRequest::Null,
        })
    }

    async fn issue(&self, decision: Decision<'_>, now: u64) -> Result<Issued, Refusal> {
        let rs = &decision.rs;
        let exp = now.saturating_add(self.lifetime);
        // One number per token and audience: in its cti and in its nonce.
        let number = self.store.number(&format!("rs/{}", rs.audience)).await?;
        let cti = [rs.audience.as_bytes(), &number.to_be_bytes()].concat();
        let (id, material) = match decision.update {
            Some(id) => (id.to_vec(), None),
            None => {
                let id = self.store.number("input_material").await?;
                (short(signed(id), 1), Some(new_material()?))
            }
        };
        let claims = Claims {
            iss: Some(self.issuer.clone()),
            aud: vec![rs.audience.clone()],
            exp: Some(exp),
            iat: Some(now),
            cti: Some(cti.clone()),
            cnf: Some(match &material {
                // RFC 9203, 3.2
                Some(material) => Cnf::Osc(issue::OscoreInputMaterial {
                    id: id.clone(),
                    version: None,
                    ms: Zeroizing::new(material.ms.as_bytes().to_vec()),
                    // The defaults, which both sides know.
                    hkdf: None,
                    alg: None,
                    salt: Some(material.salt.to_vec()),
                    context_id: None,
                }),
                None => Cnf::Kid(id.clone()),
            }),
            scope: Some(match decision.granted.scope.as_scope() {
                ace_wire::ace::Scope::Text(text) => issue::Scope::Text(text.to_owned()),
                ace_wire::ace::Scope::Bytes(bytes) => issue::Scope::Bytes(bytes.to_vec()),
            }),
            // RFC 9200, 5.8.4.4 and 5.10
            cnonce: decision.cnonce.map(<[u8]>::to_vec),
            // RFC 9200, 5.10.3
            exi: rs.clockless.then_some(self.lifetime),
            ..Claims::default()
        };
        let token = self.protect(rs, &claims, number)?;
        let answer = access_information(&decision, &token, self.lifetime, &id, material.as_ref())?;
        let stored = self
            .store
            .issue(Issuance {
                cti: cti.clone(),
                hash: sha256(&[&token]),
                client: decision.client,
                rs: rs.id,
                scope: scope_cbor(&decision.granted)?,
                iat: now,
                exp,
                input_material: id,
                new_material: material,
            })
            .await?;
        if stored {
            Ok(Issued { answer, cti })
        } else {
            Err(Refusal::Removed)
        }
    }

    fn protect(&self, rs: &RsRecord, claims: &Claims, number: u64) -> Result<Vec<u8>, Refusal> {
        let aead =
            Aead::from_cose(rs.alg).ok_or(Refusal::Internal("a token key of unknown algorithm"))?;
        // The number never repeats under this key, and the head only adds to that.
        let nonce = [self.nonce_head.as_slice(), &number.to_be_bytes()].concat();
        let nonce = nonce
            .len()
            .checked_sub(aead.nonce_len())
            .and_then(|surplus| nonce.get(surplus..));
        let nonce = nonce.ok_or(Refusal::Internal("a token key whose nonce is too long"))?;
        Issuer {
            kid: Some(&rs.kid),
            key: IssuingKey::Aead(aead, rs.k.as_bytes()),
        }
        .issue_with_nonce(claims, nonce)
        .map_err(|_| Refusal::Internal("the token could not be built"))
    }
}

fn new_material() -> Result<NewMaterial, Refusal> {
    let failed = |_| Refusal::Internal("the system gave no random bytes");
    let mut material = NewMaterial {
        ms: Secret::full([0; 16]),
        salt: [0; 8],
    };
    getrandom::fill(material.ms.as_mut_bytes()).map_err(failed)?;
    getrandom::fill(&mut material.salt).map_err(failed)?;
    Ok(material)
}

/// The successful answer (RFC 9200, 5.8.2; RFC 9203, 3.2).
fn access_information(
    decision: &Decision<'_>,
    token: &[u8],
    lifetime: u64,
    id: &[u8],
    material: Option<&NewMaterial>,
) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    let scope = decision.granted.scope.as_scope();
    let information = AccessInformation {
        access_token: token,
        expires_in: Some(lifetime),
        // RFC 9203, 3.2: left out when rights are updated.
        cnf: material.map(|material| {
            Confirmation::Osc(OscoreInputMaterial {
                id: Some(id),
                ms: Some(material.ms.as_bytes()),
                salt: Some(&material.salt),
                ..OscoreInputMaterial::default()
            })
        }),
        // RFC 6749, 5.1
        scope: decision.granted.differs.then_some(scope),
        ace_profile: decision
            .name_profile
            .then_some(Profile::CoapOscore.number()),
        ..AccessInformation::default()
    };
    let scope_len = match scope {
        ace_wire::ace::Scope::Text(text) => text.len(),
        ace_wire::ace::Scope::Bytes(bytes) => bytes.len(),
    };
    let mut answer = Zeroizing::new(vec![
        0;
        token
            .len()
            .saturating_add(scope_len)
            .saturating_add(128)
    ]);
    let length = information
        .encode(&mut answer)
        .map_err(|_| Refusal::Internal("the answer did not fit"))?;
    answer.truncate(length);
    if answer.len() > MAX_BODY {
        return Err(Refusal::TooLarge);
    }
    Ok(answer)
}

/// The scope as a CBOR item, as it stands in the token.
fn scope_cbor(granted: &Granted) -> Result<Vec<u8>, Refusal> {
    let write = |out: &mut [u8]| {
        let mut writer = Writer::new(out);
        match granted.scope.as_scope() {
            ace_wire::ace::Scope::Text(text) => writer.text(text)?,
            ace_wire::ace::Scope::Bytes(bytes) => writer.bytes(bytes)?,
        }
        Ok::<_, ace_wire::Error>(writer.finish())
    };
    let len = match granted.scope.as_scope() {
        ace_wire::ace::Scope::Text(text) => text.len(),
        ace_wire::ace::Scope::Bytes(bytes) => bytes.len(),
    };
    let mut cbor = vec![0; len.saturating_add(9)];
    let length = write(&mut cbor).map_err(|_| Refusal::Internal("the scope did not fit"))?;
    cbor.truncate(length);
    Ok(cbor)
}

#[cfg(test)]
mod tests;
