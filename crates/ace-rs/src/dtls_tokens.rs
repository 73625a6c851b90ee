//! Tokens of the coap_dtls profile in the store: new keys, other rights for a key that is here (RFC 9202, 3.2.2, 3.3.2 and 4).

use ace_oscore::storage::Storage;
use ace_wire::ace::Profile;

use crate::Refusal;
use crate::authz_info::Examined;
use crate::event::Events;
use crate::freshness::number;
use crate::front::Origin;
use crate::peer::Peer;
use crate::possession::{Key, Possession};
use crate::store::{Denied, Store};
use crate::token::{Entry, TokenHash, TokenId};

impl<P, S, const TOKENS: usize, const UNCONFIRMED: usize, const SCOPE: usize>
    Store<'_, P, S, TOKENS, UNCONFIRMED, SCOPE>
where
    P: Peer,
    S: Storage,
{
    /// The very same token, if it is here already: to post it again changes nothing.
    #[inline(never)]
    pub(crate) fn known(
        &self,
        token: &[u8],
        scratch: &mut [u8],
    ) -> Result<Option<TokenId>, Refusal> {
        let hash = TokenHash::of(token, scratch).ok_or(Refusal::TooLarge)?;
        Ok(self
            .table
            .first(&|entry| entry.is_dtls() && entry.grant.hash == hash))
    }

    /// Takes a token that came alone, in a handshake.
    pub(crate) fn post_cwt(
        &mut self,
        at: &Origin<P>,
        token: &[u8],
        clear: &mut [u8],
        events: &mut Events<P>,
    ) -> Result<TokenId, Denied> {
        let (examined, hash) = self.examine(at, token, clear)?;
        self.post_dtls(at, None, token, &examined, hash, events)
    }

    /// Takes a token that came in the session of the token `within`.
    pub(crate) fn post_within(
        &mut self,
        at: &Origin<P>,
        within: TokenId,
        token: &[u8],
        clear: &mut [u8],
        events: &mut Events<P>,
    ) -> Result<TokenId, Denied> {
        self.pay(at, within)?;
        if let Some(id) = self.known(token, clear)? {
            return Ok(id);
        }
        let (examined, hash) = self.examine(at, token, clear)?;
        self.post_dtls(at, Some(within), token, &examined, hash, events)
    }

    /// Takes a token with a key of its own, or other rights for a key that is here.
    pub(crate) fn post_dtls(
        &mut self,
        at: &Origin<P>,
        within: Option<TokenId>,
        token: &[u8],
        examined: &Examined<'_>,
        hash: TokenHash,
        events: &mut Events<P>,
    ) -> Result<TokenId, Denied> {
        examined.is_for(Profile::CoapDtls)?;
        let secret = self.digest_key();
        let key = match Possession::of(examined.claims.cnf, self.config, secret)? {
            Possession::Key(key) => key,
            Possession::Named { kid, symmetric } => {
                if let Some(id) = self.named(kid, |entry| entry.issuer == examined.issuer) {
                    return self.post_again(at, within, id, examined, hash, events);
                }
                if !symmetric {
                    return Err(Refusal::UnknownKey.into());
                }
                Key::derive(kid, token, self.config, secret)?
            }
        };
        let same = |entry: &Entry<P, SCOPE>| entry.is_dtls() && entry.key == key.digest;
        if let Some(id) = self.table.first(&same) {
            return self.post_again(at, within, id, examined, hash, events);
        }
        self.room(at.now)?;
        self.has_room(at, key.digest, examined)?;
        let Key { kid, digest, own } = key;
        let added = self.add(at, examined, hash, digest, &kid, own.into(), events);
        added.map_err(Denied::from)
    }

    /// Replaces the rights of a key, never by those of an older token (RFC 9202, 3.4 and 4).
    #[inline(never)]
    fn post_again(
        &mut self,
        at: &Origin<P>,
        within: Option<TokenId>,
        id: TokenId,
        examined: &Examined<'_>,
        hash: TokenHash,
        events: &mut Events<P>,
    ) -> Result<TokenId, Denied> {
        let entry = self.table.get(id).ok_or(Refusal::Expired)?;
        let number = |cti| number(cti, self.config.identifier).ok();
        let numbers = number(examined.claims.cti).zip(number(entry.grant.claims.cti()));
        let dates = examined.issued().zip(entry.grant.issued.get());
        // Its client knows what it does; anyone else could post what he once saw.
        let by_its_client = within == Some(id);
        let newer = match numbers.or(dates) {
            Some((new, old)) => new > old || by_its_client && new == old,
            None => by_its_client,
        };
        if !newer {
            return Err(Refusal::Older.into());
        }
        self.replace(at, id, examined, hash, events)?;
        Ok(id)
    }

    /// The token whose key has this name, the one posted last if there are several. What another authorization server
    /// calls so does not stand in the way of a key that was proven.
    pub(crate) fn named(
        &self,
        kid: &[u8],
        condition: impl Fn(&Entry<P, SCOPE>) -> bool,
    ) -> Option<TokenId> {
        let is_named = |entry: &&Entry<P, SCOPE>| {
            let name = entry.grant.claims.key_id();
            entry.is_dtls() && !kid.is_empty() && name == kid && condition(entry)
        };
        let named = || self.table.iter().filter(is_named);
        let proven = named().find(|entry| entry.is_confirmed());
        named()
            .filter(|entry| proven.is_none_or(|proven| proven.issuer == entry.issuer))
            .map(|entry| entry.grant.id)
            .max()
    }
}
