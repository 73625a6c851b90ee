//! Tokens from their upload to their end (RFC 9200, 5.10; RFC 9203, 4 and 6).

use core::time::Duration;

use ace_coap::Instant;
use ace_crypto::{CryptoRng, Secret};
use ace_oscore::storage::Storage;
use ace_wire::ace::AuthzInfoRequest;
#[cfg(feature = "oscore")]
use ace_wire::ace::{Confirmation, Profile};
use ace_wire::aif::Permission;
use ace_wire::coap::{Code, Options};

use crate::authz_info::{Examined, Place};
use crate::config::Config;
use crate::error::{Error, Refusal};
use crate::event::{EventKind, Events};
use crate::freshness::Numbers;
use crate::front::Origin;
#[cfg(feature = "oscore")]
use crate::material::{Exchange, Material, NONCE2};
use crate::peer::Peer;
#[cfg(feature = "persist")]
use crate::persist::Records;
use crate::rate::{Admission, Caller, Gate, Pace, Paid, Rate, SOURCES};
use crate::resource::Who;
use crate::table::Table;
use crate::token::{Entry, KeyDigest, Proof, Security, TokenHash, TokenId};

/// Updates of rights that one context or session may post in a row; then one per second.
pub(crate) const UPDATES: Rate = Rate::new(4, Duration::from_secs(1));

/// A token as it came.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Upload<'m> {
    /// With what the client sent beside it (RFC 9203, 4.1).
    AceCbor(AuthzInfoRequest<'m>),
    /// Alone (RFC 9200, 5.10.1).
    #[cfg(feature = "dtls")]
    Cwt(&'m [u8]),
}

impl<'m> Upload<'m> {
    pub(crate) const fn token(&self) -> &'m [u8] {
        match self {
            Self::AceCbor(request) => request.access_token,
            #[cfg(feature = "dtls")]
            Self::Cwt(token) => token,
        }
    }
}

/// What was taken, and what goes into the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Posted {
    /// RFC 9203, 4.2
    #[cfg(feature = "oscore")]
    Oscore {
        nonce2: [u8; NONCE2],
        server_id: heapless::Vec<u8, 2>,
    },
    /// The token that has the key now.
    #[cfg(feature = "dtls")]
    Dtls(TokenId),
}

/// A refusal, and when to try again if that may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Denied {
    pub(crate) refusal: Refusal,
    pub(crate) retry_after: Option<Duration>,
}

impl Denied {
    pub(crate) const fn later(refusal: Refusal, wait: Duration) -> Self {
        Self {
            refusal,
            retry_after: Some(wait),
        }
    }
}

/// Why an upload is not worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The source is to show its address first.
    Challenge,
    Denied(Denied),
}

impl From<Denied> for Stop {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Self {
        Self {
            refusal,
            retry_after: None,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Store<'c, P, S, const TOKENS: usize, const UNCONFIRMED: usize, const SCOPE: usize>
{
    pub(crate) config: &'c Config<'c>,
    pub(crate) table: Table<P, TOKENS, UNCONFIRMED, SCOPE>,
    pub(crate) storage: S,
    numbers: Numbers,
    gate: Gate,
    /// When a block-wise upload last began, and whose it is.
    assembling: Option<(Instant, P)>,
    /// Of this life of the device: for nonces and digests.
    pub(crate) secret: Secret<32>,
    pub(crate) last_token: u32,
    #[cfg(feature = "persist")]
    pub(crate) records: Records,
}

impl<'c, P, S, const TOKENS: usize, const UNCONFIRMED: usize, const SCOPE: usize>
    Store<'c, P, S, TOKENS, UNCONFIRMED, SCOPE>
where
    P: Peer,
    S: Storage,
{
    pub(crate) fn new(
        config: &'c Config<'c>,
        mut storage: S,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, Error> {
        let mut secret = Secret::full([0; 32]);
        rng.fill_bytes(secret.as_mut_bytes());
        Ok(Self {
            table: Table::new(rng.next_u32() as u16),
            numbers: Numbers::load(&mut storage).ok_or(Error::Storage)?,
            storage,
            gate: Gate::default(),
            assembling: None,
            secret,
            last_token: 0,
            #[cfg(feature = "persist")]
            records: Records::default(),
            config,
        })
    }

    /// Whether an upload is worked on now (RFC 9200, 5.10.1.2). `blockwise`: it begins a transfer.
    pub(crate) fn admit(&mut self, at: &Origin<P>, blockwise: bool) -> Result<(), Stop> {
        let grace = self.config.limits.grace;
        // Before anything is charged or worked on. A transfer that begins needs room at its end.
        if !blockwise {
            self.room(at.now)?;
        }
        let by_another = |(began, peer): (Instant, P)| peer != at.peer && at.now < began + grace;
        let assembling = blockwise && self.assembling.is_some_and(by_another);
        let pressure = assembling || self.table.in_grace(at.now, grace) * 4 >= UNCONFIRMED;
        let (pace, caller) = (self.pace(), caller(at, &self.secret));
        match self.gate.admit(pace, caller, at.proven, pressure) {
            Admission::Admitted => {}
            Admission::Challenge => return Err(Stop::Challenge),
            Admission::Busy(wait) => return Err(Denied::later(Refusal::Busy, wait).into()),
        }
        if blockwise {
            self.assembling = Some((at.now, at.peer));
        }
        Ok(())
    }

    pub(crate) fn room(&self, now: Instant) -> Result<(), Denied> {
        match self.table.wait_for_room(now, self.config.limits.grace) {
            Some(wait) => Err(Denied::later(Refusal::TableFull, wait)),
            None => Ok(()),
        }
    }

    fn refund(&mut self, at: &Origin<P>) {
        let (pace, caller) = (self.pace(), caller(at, &self.secret));
        self.gate.refund(pace, caller);
    }

    /// How often tokens are taken.
    fn pace(&self) -> Pace {
        let limits = &self.config.limits;
        // All classes of sources together take up at most half of the time of the waiting slots.
        let slots = u32::try_from(UNCONFIRMED).unwrap_or(u32::MAX).max(1);
        Pace {
            common: Rate::new(limits.upload_burst, limits.upload_interval),
            pause: limits.grace.saturating_mul(2 * SOURCES) / slots,
        }
    }

    /// Opens, checks and hashes a token; changes nothing. `clear` holds its claims afterwards.
    pub(crate) fn examine<'b>(
        &self,
        at: &Origin<P>,
        token: &'b [u8],
        clear: &'b mut [u8],
    ) -> Result<(Examined<'b>, TokenHash), Refusal>
    where
        'c: 'b,
    {
        let hash = TokenHash::of(token, clear).ok_or(Refusal::TooLarge)?;
        let place = Place {
            config: self.config,
            numbers: &self.numbers,
            secret: self.secret.as_bytes(),
            now: at.now,
            wall: at.wall,
        };
        let mut examined = place.examine(token, clear)?;
        // RFC 9200, 5.10.3: the count began when this token was first seen. One token can come in other bytes (with a tag
        // in front, say), but has one number.
        let number = examined.term.number.get();
        let same_number = |entry: &Entry<P, SCOPE>| {
            number.is_some()
                && entry.grant.term.number.get() == number
                && entry.issuer == examined.issuer
        };
        let earlier = self
            .table
            .iter()
            .filter(|entry| entry.grant.hash == hash || same_number(entry));
        let first = earlier.map(|entry| entry.grant.term.end).min();
        examined.term.end = first.map_or(examined.term.end, |end| end.min(examined.term.end));
        Ok((examined, hash))
    }

    /// Takes a token posted in the clear. Its key waits beside those in force for a first use.
    pub(crate) fn post(
        &mut self,
        at: &Origin<P>,
        upload: &Upload<'_>,
        clear: &mut [u8],
        rng: &mut dyn CryptoRng,
        events: &mut Events<P>,
    ) -> Result<Posted, Denied> {
        #[cfg(feature = "dtls")]
        if let Some(id) = self.known(upload.token(), clear)? {
            return Ok(Posted::Dtls(id));
        }
        if let Err(denied) = self.room(at.now) {
            // The end of a block-wise transfer: whoever carried it through does not pay for others.
            self.refund(at);
            return Err(denied);
        }
        let (examined, hash) = self.examine(at, upload.token(), clear)?;
        #[cfg(not(feature = "oscore"))]
        let _ = rng;
        match upload {
            // The token alone is one of coap_dtls, even in a map, if its key is.
            #[cfg(all(feature = "oscore", feature = "dtls"))]
            Upload::AceCbor(request)
                if request.nonce1.is_some()
                    || request.client_recipient_id.is_some()
                    || matches!(examined.claims.cnf, None | Some(Confirmation::Osc(_))) =>
            {
                self.post_oscore(at, request, &examined, hash, rng, events)
            }
            #[cfg(not(feature = "dtls"))]
            Upload::AceCbor(request) => self.post_oscore(at, request, &examined, hash, rng, events),
            #[cfg(feature = "dtls")]
            upload => {
                let token = upload.token();
                let taken = self.post_dtls(at, None, token, &examined, hash, events);
                taken.map(Posted::Dtls)
            }
        }
    }

    /// Sets up the context of RFC 9203, 4.3.
    #[cfg(feature = "oscore")]
    fn post_oscore(
        &mut self,
        at: &Origin<P>,
        request: &AuthzInfoRequest<'_>,
        examined: &Examined<'_>,
        hash: TokenHash,
        rng: &mut dyn CryptoRng,
        events: &mut Events<P>,
    ) -> Result<Posted, Denied> {
        examined.is_for(Profile::CoapOscore)?;
        let material = Material::of(&examined.claims)?;
        let exchange = Exchange::of(request)?;
        let key = KeyDigest::of(&[b"key", material.ms], self.digest_key());
        self.has_room(at, key, examined)?;
        // RFC 9203, 4.2
        let mut nonce2 = [0; NONCE2];
        rng.fill_bytes(&mut nonce2);
        let server_id = self
            .table
            .free_id(exchange.client_id)
            .ok_or(Refusal::TableFull)?;
        let mut context = material.derive(exchange, &nonce2, &server_id)?;
        context.reserve_up_to(self.first_numbers());
        let security = Security::Oscore(context);
        self.add(at, examined, hash, key, material.id, security, events)?;
        Ok(Posted::Oscore { nonce2, server_id })
    }

    /// Whether the token can come into force.
    pub(crate) fn has_room(
        &self,
        at: &Origin<P>,
        key: KeyDigest,
        examined: &Examined<'_>,
    ) -> Result<(), Denied> {
        let (issuer, subject) = (examined.issuer, examined.claims.sub);
        let by_subject = self.config.limits.one_token_per_subject;
        if self.table.has_room(issuer, key, subject, by_subject) {
            return Ok(());
        }
        let ends = self.table.iter().filter(|entry| entry.is_confirmed());
        let next = ends.map(|entry| entry.grant.term.end).min();
        Err(Denied {
            refusal: Refusal::TableFull,
            retry_after: next.map(|end| end.saturating_sub(at.now)),
        })
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of an entry")]
    pub(crate) fn add(
        &mut self,
        at: &Origin<P>,
        examined: &Examined<'_>,
        hash: TokenHash,
        key: KeyDigest,
        key_id: &[u8],
        security: Security,
        events: &mut Events<P>,
    ) -> Result<TokenId, Refusal> {
        let id = TokenId(self.last_token.wrapping_add(1));
        let entry = Entry {
            grant: examined.grant(id, hash, key_id)?,
            security,
            issuer: examined.issuer,
            key,
            proof: Proof::Awaited(at.now),
            peer: Some(at.peer),
            updates: Paid::default(),
        };
        if let Some(oldest) = self.table.gives_way() {
            self.end(oldest, false);
        }
        self.numbers
            .take(examined.term.number.get(), &mut self.storage)?;
        self.table.insert(entry)?;
        self.last_token = id.0;
        events.push(Some(at.peer), Some(id), EventKind::TokenAccepted);
        Ok(id)
    }

    /// Replaces the rights of the context that the token came in (RFC 9203, 4.2).
    #[cfg(feature = "oscore")]
    pub(crate) fn update(
        &mut self,
        at: &Origin<P>,
        id: TokenId,
        token: &[u8],
        clear: &mut [u8],
        events: &mut Events<P>,
    ) -> Result<(), Denied> {
        self.pay(at, id)?;
        let (examined, hash) = self.examine(at, token, clear)?;
        examined.is_for(Profile::CoapOscore)?;
        let entry = self.table.get(id).ok_or(Refusal::Expired)?;
        match examined.claims.cnf {
            Some(Confirmation::Kid(kid))
                if kid == entry.grant.claims.key_id() && examined.issuer == entry.issuer => {}
            Some(_) => return Err(Refusal::OtherMaterial.into()),
            None => return Err(Refusal::Confirmation.into()),
        }
        self.replace(at, id, &examined, hash, events)
            .map_err(Denied::from)
    }

    /// An upload in a context or session: so many, and no more.
    pub(crate) fn pay(&mut self, at: &Origin<P>, id: TokenId) -> Result<(), Denied> {
        let entry = self.table.get_mut(id).ok_or(Refusal::Expired)?;
        let busy = |wait| Denied::later(Refusal::Busy, wait);
        UPDATES.take(&mut entry.updates, at.now).map_err(busy)
    }

    pub(crate) fn replace(
        &mut self,
        at: &Origin<P>,
        id: TokenId,
        examined: &Examined<'_>,
        hash: TokenHash,
        events: &mut Events<P>,
    ) -> Result<(), Refusal> {
        let entry = self.table.get(id).ok_or(Refusal::Expired)?;
        if entry.issuer != examined.issuer {
            return Err(Refusal::OtherMaterial);
        }
        let before = entry.grant.term.number.get();
        let grant = examined.grant(id, hash, entry.grant.claims.key_id())?;
        let number = grant.term.number.get();
        // What is written comes back as confirmed.
        let confirmed = entry.is_confirmed();
        self.numbers.take(number, &mut self.storage)?;
        if number != before {
            self.numbers.end(before);
        }
        if let Some(entry) = self.table.get_mut(id) {
            entry.grant = grant;
        }
        if confirmed {
            self.keep(at, id, events);
        }
        events.push(Some(at.peer), Some(id), EventKind::TokenUpdated);
        Ok(())
    }

    /// A request verified under this token's context: possession of the key is proven, and what the
    /// same client had before ends (RFC 9203, 2 and 6).
    ///
    /// # Errors
    /// The table is full; the token goes on waiting.
    pub(crate) fn confirm(
        &mut self,
        at: &Origin<P>,
        id: TokenId,
        events: &mut Events<P>,
    ) -> Result<(), Denied> {
        let Some(entry) = self.table.get_mut(id) else {
            return Err(Refusal::Expired.into());
        };
        entry.peer = Some(at.peer);
        if entry.is_confirmed() {
            return Ok(());
        }
        let (issuer, key) = (entry.issuer, entry.key);
        let by_subject = self.config.limits.one_token_per_subject;
        let subject = self
            .table
            .get(id)
            .and_then(|entry| entry.grant.claims.subject());
        if !self.table.has_room(issuer, key, subject, by_subject) {
            return Err(Refusal::TableFull.into());
        }
        // Before what it replaces is gone: one of them outlives a power cut.
        self.keep(at, id, events);
        while let Some((old, same_token)) = self.superseded_by(id) {
            self.end(old, !same_token);
            events.push(Some(at.peer), Some(old), EventKind::TokenReplaced);
        }
        if let Some(entry) = self.table.get_mut(id) {
            entry.proof = Proof::Given;
        }
        self.refund(at);
        events.push(Some(at.peer), Some(id), EventKind::TokenConfirmed);
        Ok(())
    }

    /// A token in force that ends when this one comes into force, and whether they are the same (RFC 9200, 5.10.1).
    fn superseded_by(&self, id: TokenId) -> Option<(TokenId, bool)> {
        let new = self.table.get(id)?;
        let by_subject = self.config.limits.one_token_per_subject;
        let mut old = self.table.iter().filter(|old| old.is_confirmed());
        let subject = new.grant.claims.subject();
        let old = old.find(|old| old.same_client(new.issuer, new.key, subject, by_subject))?;
        Some((old.grant.id, old.grant.hash == new.grant.hash))
    }

    /// Wipes a token and its context. With `for_good`, its number is not taken again.
    #[inline(never)]
    pub(crate) fn end(&mut self, id: TokenId, for_good: bool) {
        if for_good && let Some(entry) = self.table.get(id) {
            self.numbers.end(entry.grant.term.number.get());
        }
        #[cfg(feature = "persist")]
        if let Some(index) = self.table.position(id) {
            self.forget(index);
        }
        self.table.remove(id);
    }

    /// A token whose time is over, or that waited too long for its first request.
    pub(crate) fn over(&self, now: Instant, wall: Option<u64>) -> Option<TokenId> {
        let patience = self.config.limits.unconfirmed_lifetime;
        self.table.first(&|entry| {
            entry.grant.term.is_over(now, wall)
                || matches!(entry.proof, Proof::Awaited(since) if since + patience <= now)
        })
    }

    /// When [`over`](Self::over) next finds one, as far as the monotonic clock tells.
    pub(crate) fn next_end(&self) -> Option<Instant> {
        self.table.next_end(self.config.limits.unconfirmed_lifetime)
    }

    /// What the token says about a request (RFC 9203, 4.4).
    pub(crate) fn permit(&self, id: TokenId, options: Options<'_>, method: Code) -> Permission {
        match self.table.get(id) {
            Some(entry) => entry
                .grant
                .claims
                .rights()
                .permit(self.config.scopes, options, method),
            None => Permission::NoSuchObject,
        }
    }

    /// Whether the token allows GET on this path, without query.
    pub(crate) fn may_observe(&self, id: TokenId, path: &str) -> bool {
        self.table.get(id).is_some_and(|entry| {
            entry
                .grant
                .claims
                .rights()
                .permits_get(self.config.scopes, path)
        })
    }

    pub(crate) fn who(&self, id: TokenId) -> Option<Who<'_>> {
        let entry = self.table.get(id)?;
        Some(Who {
            token: id,
            subject: entry.grant.claims.subject(),
            cti: entry.grant.claims.cti(),
            key: entry.key(),
        })
    }
}

fn caller<'s, P: Peer>(at: &Origin<P>, secret: &'s Secret<32>) -> Caller<'s> {
    Caller {
        now: at.now,
        secret: secret.as_bytes(),
        source: at.peer.source(),
    }
}
