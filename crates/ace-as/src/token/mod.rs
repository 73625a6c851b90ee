//! The token endpoint (RFC 9200, 5.8; RFC 9201; RFC 9202, 3 and 4; RFC 9203, 3): from a request and the client that
//! authenticated to an answer. The answer leaves after what it promises is stored.

mod refusal;
mod scope;

use ace_crypto::{Secret, VerifyingKey, sha256};
use ace_token::{
    derive_psk,
    issue::{self, Claims, Cnf, Issuer, IssuingKey},
};
use ace_wire::{
    ace::{
        AccessInformation, Confirmation, GrantType, OscoreInputMaterial, ProfileRequest,
        TokenRequest,
    },
    cbor::Writer,
    coap::{Code, content_format::ACE_CBOR},
    cose::{CoseKey, KeyType, Y, curve},
};
use zeroize::Zeroizing;

pub(crate) use refusal::Refusal;
pub(crate) use scope::shown;
use scope::{Granted, narrow};

use crate::{
    audit,
    registry::{RsProfile, short},
    server::MAX_BODY,
    store::{Issuance, PopKey, Principal, RsRecord, Store, TokenKey, signed},
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
    binding: Binding,
    cnonce: Option<&'a [u8]>,
    name_profile: bool,
}

/// What the token is to be bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Binding {
    /// A new key, made here: OSCORE input material or a pre-shared key.
    New(RsProfile),
    /// The client's public key, whether or not a token is bound to it already.
    Public(VerifyingKey),
    /// The key of this name, which a live token is bound to: new rights for it (RFC 9202, 4; RFC 9203, 3.1).
    Update(RsProfile, Vec<u8>),
}

impl Binding {
    const fn profile(&self) -> RsProfile {
        match self {
            Self::New(profile) | Self::Update(profile, _) => *profile,
            Self::Public(_) => RsProfile::CoapDtlsRpk,
        }
    }
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
        event.profile = Some(decision.binding.profile().name());
        event.update = matches!(decision.binding, Binding::Update(..));
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
            key,
        } = principal
        else {
            return Err(Refusal::NotAClient);
        };
        let key = key.as_deref().copied();
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
        let common = profiles & rs.profiles;
        if common == 0 {
            return Err(Refusal::Profiles);
        }
        let binding = match request.req_cnf {
            None => Binding::New(unasked(common)?),
            // RFC 9202, 3.3.1: an identifier may stand in a COSE_Key.
            Some(
                Confirmation::Kid(kid)
                | Confirmation::CoseKey(CoseKey {
                    kty: KeyType::Symmetric,
                    kid: Some(kid),
                    k: None,
                    ..
                }),
            ) => self.known(kid, *client, key, &rs, common, now).await?,
            Some(Confirmation::CoseKey(asked)) => Binding::Public(own_key(&asked, key, common)?),
            // RFC 9201, 3.1: symmetric keys are the AS's to make.
            Some(_) => return Err(Refusal::PopKey),
        };
        let grants = self.store.grants(*client, rs.id).await?;
        let granted = narrow(request.scope, &grants)?;
        // RFC 9200, 5.8.2: also when the client cannot know it.
        let oscore = RsProfile::CoapOscore.bit();
        let several = rs.profiles & oscore != 0 && rs.profiles != oscore;
        Ok(Decision {
            client: *client,
            rs,
            granted,
            binding,
            cnonce: request.cnonce,
            name_profile: several || request.ace_profile == ProfileRequest::Null,
        })
    }

    /// The key that a client names instead of showing it.
    async fn known(
        &self,
        kid: &[u8],
        client: u64,
        key: Option<VerifyingKey>,
        rs: &RsRecord,
        common: u64,
        now: u64,
    ) -> Result<Binding, Refusal> {
        // RFC 9202, 3.2.1: an identifier for a public key that the AS knows.
        let own = key.filter(|key| ace_crypto::key_id(key) == *kid);
        if let Some(key) = own.filter(|_| common & RsProfile::CoapDtlsRpk.bit() != 0) {
            return Ok(Binding::Public(key));
        }
        match self.store.pop_key_lives(kid, client, rs.id, now).await? {
            Some(profile) if common & profile.bit() != 0 => {
                Ok(Binding::Update(profile, kid.to_vec()))
            }
            // RFC 9203, 3.1; RFC 9202, 4
            _ if common == RsProfile::CoapOscore.bit() => Err(Refusal::InputMaterial),
            _ => Err(Refusal::UnknownPopKey),
        }
    }

    async fn issue(&self, decision: Decision<'_>, now: u64) -> Result<Issued, Refusal> {
        let rs = &decision.rs;
        let exp = now.saturating_add(self.lifetime);
        // One number per token and audience: in its cti and in its nonce.
        let number = self.store.number(&format!("rs/{}", rs.audience)).await?;
        let cti = [rs.audience.as_bytes(), &number.to_be_bytes()].concat();
        let kid = match &decision.binding {
            Binding::Update(_, kid) => kid.clone(),
            Binding::Public(key) => ace_crypto::key_id(key).to_vec(),
            // RFC 9202, 3.3.1: unique among all of this resource server.
            Binding::New(_) => short(signed(self.store.number("input_material").await?), 1),
        };
        // Not yet there if it is to be derived from the token.
        let mut key = match (&decision.binding, &rs.key_derivation_key) {
            (Binding::Update(..), _) => None,
            (Binding::Public(_), _) => Some(PopKey::Rpk),
            (Binding::New(RsProfile::CoapOscore), _) => Some(new_material()?),
            (Binding::New(_), Some(_)) => None,
            (Binding::New(_), None) => Some(PopKey::Psk(new_psk()?)),
        };
        let claims = Claims {
            iss: Some(self.issuer.clone()),
            aud: vec![rs.audience.clone()],
            exp: Some(exp),
            iat: Some(now),
            cti: Some(cti.clone()),
            cnf: Some(cnf(&decision.binding, &kid, key.as_ref())),
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
        if let (Binding::New(RsProfile::CoapDtlsPsk), Some(secret)) =
            (&decision.binding, &rs.key_derivation_key)
        {
            let psk = derive_psk(secret.as_bytes(), &token);
            let psk = psk.map_err(|_| Refusal::Internal("no key could be derived"))?;
            key = Some(PopKey::Psk(psk));
        }
        let answer = access_information(&decision, &token, self.lifetime, &kid, key.as_ref())?;
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
                kid,
                pop_key: key,
            })
            .await?;
        if stored {
            Ok(Issued { answer, cti })
        } else {
            Err(Refusal::Removed)
        }
    }

    fn protect(&self, rs: &RsRecord, claims: &Claims, number: u64) -> Result<Vec<u8>, Refusal> {
        let kid = Some(&rs.kid[..]);
        let token = match &rs.token_key {
            TokenKey::Aead(aead, k) => {
                // The number never repeats under this key, and the head only adds to that.
                let nonce = [self.nonce_head.as_slice(), &number.to_be_bytes()].concat();
                let nonce = nonce
                    .len()
                    .checked_sub(aead.nonce_len())
                    .and_then(|surplus| nonce.get(surplus..));
                let nonce =
                    nonce.ok_or(Refusal::Internal("a token key whose nonce is too long"))?;
                let key = IssuingKey::Aead(*aead, k.as_bytes());
                Issuer { kid, key }.issue_with_nonce(claims, nonce)
            }
            TokenKey::Sign(key) => {
                let key = IssuingKey::Sign(key);
                Issuer { kid, key }.issue_with_nonce(claims, &[])
            }
        };
        token.map_err(|_| Refusal::Internal("the token could not be built"))
    }
}

/// The profile for a client that names no key: one whose key is made here.
fn unasked(common: u64) -> Result<RsProfile, Refusal> {
    // A client has but one of these.
    [RsProfile::CoapOscore, RsProfile::CoapDtlsPsk]
        .into_iter()
        .find(|profile| common & profile.bit() != 0)
        // RFC 9202, 3.2.1: the client must name its public key.
        .ok_or(Refusal::PopKeyMissing)
}

/// The key in `req_cnf`, which must be the one that the client has registered, and has proved to have: nobody gets a token
/// for another's key (RFC 9202, 3.2.1 and 7). What the client calls it does not matter.
fn own_key(
    asked: &CoseKey<'_>,
    registered: Option<VerifyingKey>,
    common: u64,
) -> Result<VerifyingKey, Refusal> {
    // Type, curve, point, alg and key_ops are looked at.
    let Ok(ace_token::TokenKey::Verify(key)) = ace_token::TokenKey::from_cose_key(asked) else {
        return Err(Refusal::PopKey);
    };
    // RFC 9200, 5.8.3
    if common & RsProfile::CoapDtlsRpk.bit() == 0 {
        return Err(Refusal::PopKey);
    }
    if registered == Some(key) {
        Ok(key)
    } else {
        Err(Refusal::ForeignPopKey)
    }
}

/// How the token names the key.
fn cnf(binding: &Binding, kid: &[u8], key: Option<&PopKey>) -> Cnf {
    let kid = kid.to_vec();
    match (binding, key) {
        // RFC 9202, 3.2.2: nobody knows whether the resource server has an earlier token.
        (Binding::Public(key), _) => Cnf::CoseKey(issue::CoseKey::public(key, Some(&kid))),
        (Binding::Update(..), _) => Cnf::Kid(kid),
        // RFC 9203, 3.2
        (Binding::New(_), Some(PopKey::Oscore { ms, salt })) => {
            Cnf::Osc(issue::OscoreInputMaterial {
                id: kid,
                version: None,
                ms: Zeroizing::new(ms.as_bytes().to_vec()),
                // The defaults, which both sides know.
                hkdf: None,
                alg: None,
                salt: Some(salt.to_vec()),
                context_id: None,
            })
        }
        // RFC 9202, 3.3.1
        (Binding::New(_), Some(PopKey::Psk(k))) => Cnf::CoseKey(issue::CoseKey::Symmetric {
            kid: Some(kid),
            alg: None,
            k: Zeroizing::new(k.as_bytes().to_vec()),
        }),
        (Binding::New(_), _) => Cnf::CoseKey(issue::CoseKey::Derived { kid }),
    }
}

fn new_material() -> Result<PopKey, Refusal> {
    let mut salt = [0; 8];
    getrandom::fill(&mut salt).map_err(|_| NO_RANDOMNESS)?;
    Ok(PopKey::Oscore {
        ms: new_psk()?,
        salt,
    })
}

/// 16 random bytes.
fn new_psk() -> Result<Secret<16>, Refusal> {
    let mut key = Secret::full([0; 16]);
    getrandom::fill(key.as_mut_bytes()).map_err(|_| NO_RANDOMNESS)?;
    Ok(key)
}

const NO_RANDOMNESS: Refusal = Refusal::Internal("the system gave no random bytes");

/// The successful answer (RFC 9200, 5.8.2; RFC 9201, 3.2; RFC 9202, 3.2.1 and 3.3.1; RFC 9203, 3.2).
fn access_information(
    decision: &Decision<'_>,
    token: &[u8],
    lifetime: u64,
    kid: &[u8],
    key: Option<&PopKey>,
) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    let scope = decision.granted.scope.as_scope();
    let rs_key = decision.rs.key.map(|key| (key.x(), key.y()));
    let profile = decision.binding.profile();
    let information = AccessInformation {
        access_token: token,
        expires_in: Some(lifetime),
        cnf: match key {
            Some(PopKey::Oscore { ms, salt }) => Some(Confirmation::Osc(OscoreInputMaterial {
                id: Some(kid),
                ms: Some(ms.as_bytes()),
                salt: Some(salt),
                ..OscoreInputMaterial::default()
            })),
            Some(PopKey::Psk(k)) => Some(Confirmation::CoseKey(CoseKey {
                kid: Some(kid),
                k: Some(k.as_bytes()),
                ..CoseKey::new(KeyType::Symmetric)
            })),
            // The client's own key; or one it has, whose rights are updated.
            Some(PopKey::Rpk) | None => None,
        },
        // RFC 6749, 5.1
        scope: decision.granted.differs.then_some(scope),
        ace_profile: decision
            .name_profile
            .then_some(profile.ace_profile().number()),
        // RFC 9202, 3.2.1
        rs_cnf: match (profile, &rs_key) {
            (RsProfile::CoapDtlsRpk, Some((x, y))) => {
                Some(Confirmation::CoseKey(public_cose_key(x, y.as_ref())))
            }
            _ => None,
        },
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
            .saturating_add(192)
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

/// A public key on the wire: with y on P-256, without on Ed25519.
fn public_cose_key<'k>(x: &'k [u8; 32], y: Option<&'k [u8; 32]>) -> CoseKey<'k> {
    let (kty, crv) = match y {
        Some(_) => (KeyType::Ec2, curve::P_256),
        None => (KeyType::Okp, curve::ED25519),
    };
    CoseKey {
        crv: Some(crv),
        x: Some(x),
        y: y.map(|y| Y::Bytes(y)),
        ..CoseKey::new(kty)
    }
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
