//! Security contexts with registered peers: loaded at first sight, kept in bounded memory.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ace_crypto::{Aead, Hkdf};
use ace_oscore::{Parameters, SecurityContext};

use crate::store::{PeerRecord, Store, StoreError};

/// Sender sequence numbers reserved at a time. A response seldom takes one: it uses its request's nonce.
const BLOCK: u64 = 32;

/// With fewer numbers left, more are reserved: an answer takes one at most, and several are made side by side.
const MARGIN: u64 = 8;

/// A peer and the mutable part of its context.
pub(super) struct Peer {
    pub id: u64,
    context: Mutex<SecurityContext>,
    /// Held while numbers are reserved, so that one of many requests does it.
    reserving: tokio::sync::Mutex<()>,
    /// Where the last request came from that was no replay.
    seen_at: Mutex<Option<SocketAddr>>,
}

/// What came of reserving sequence numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reserved {
    /// There are numbers to answer with.
    Ready,
    /// The peer is no longer in the store.
    Gone,
    /// The context was used, and given up, after this one had been loaded: its replay window is not
    /// true, and what it let pass is not to be answered.
    Stale,
}

impl Peer {
    fn new(record: &PeerRecord) -> Option<Self> {
        let parameters = Parameters {
            master_secret: record.master_secret.as_bytes(),
            master_salt: record.master_salt.as_bytes(),
            sender_id: &record.sender_id,
            recipient_id: &record.recipient_id,
            id_context: record.id_context.as_deref(),
            aead: Aead::from_cose(record.alg)?,
            hkdf: Hkdf::from_cose(record.hkdf)?,
        };
        let mut context = SecurityContext::derive(&parameters).ok()?;
        // RFC 8613, B.1: a peer that was never spoken to has an empty replay window; with any other,
        // what came before is not known any more.
        if record.reserved > 0 {
            context.resume(record.reserved);
        }
        Some(Self {
            id: record.id,
            context: Mutex::new(context),
            reserving: tokio::sync::Mutex::new(()),
            seen_at: Mutex::new(None),
        })
    }

    pub fn context(&self) -> MutexGuard<'_, SecurityContext> {
        self.context.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a request that was no replay came from this address before.
    pub fn was_seen_at(&self, address: SocketAddr) -> bool {
        *self.seen_at.lock().unwrap_or_else(PoisonError::into_inner) == Some(address)
    }

    pub fn set_seen_at(&self, address: SocketAddr) {
        *self.seen_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(address);
    }

    /// Makes sure, before anything is answered, that the store knows this context as used and that
    /// there are numbers to answer with (RFC 8613, B.1.1).
    pub async fn reserve(&self, store: &Store) -> Result<Reserved, StoreError> {
        if !self.context().needs_reservation(MARGIN) {
            return Ok(Reserved::Ready);
        }
        let _one = self.reserving.lock().await;
        let known = {
            let context = self.context();
            if !context.needs_reservation(MARGIN) {
                return Ok(Reserved::Ready);
            }
            context.reserved()
        };
        let Some(end) = store.reserve_sequence(self.id, BLOCK).await? else {
            return Ok(Reserved::Gone);
        };
        let start = end.saturating_sub(BLOCK);
        let mut context = self.context();
        if start != known {
            context.resume(start);
        }
        context.reserve_up_to(end);
        Ok(if start == known {
            Reserved::Ready
        } else {
            Reserved::Stale
        })
    }
}

/// The contexts in memory. The one unused longest makes room, unless it is answering; it is
/// resumed from the store when its peer comes back, as after a restart.
pub(super) struct Peers {
    capacity: usize,
    cache: Mutex<Cache>,
}

#[derive(Default)]
struct Cache {
    by_kid: HashMap<Vec<u8>, (Arc<Peer>, u64)>,
    /// Kids by the time of their last use, counted in uses.
    by_use: BTreeMap<u64, Vec<u8>>,
    uses: u64,
}

impl Peers {
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            cache: Mutex::default(),
        }
    }

    /// The peer that sends under `kid`; `None` if there is none.
    pub async fn find(&self, store: &Store, kid: &[u8]) -> Result<Option<Arc<Peer>>, StoreError> {
        if let Some(peer) = self.cache().used(kid) {
            return Ok(Some(peer));
        }
        let Some(record) = store.peer_by_kid(kid).await? else {
            return Ok(None);
        };
        let Some(peer) = Peer::new(&record) else {
            tracing::error!(
                kid = hex::encode(kid),
                "the store holds OSCORE parameters that cannot be used"
            );
            return Ok(None);
        };
        let mut cache = self.cache();
        // Another request may have been faster: there is one context in memory, never two.
        if let Some(peer) = cache.used(kid) {
            return Ok(Some(peer));
        }
        let peer = Arc::new(peer);
        cache.insert(kid, peer.clone(), self.capacity);
        Ok(Some(peer))
    }

    /// Drops the context of a peer that was removed from the registry.
    pub fn forget(&self, kid: &[u8]) {
        let mut cache = self.cache();
        if let Some((_, last)) = cache.by_kid.remove(kid) {
            cache.by_use.remove(&last);
        }
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.cache().by_kid.len()
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cache {
    fn used(&mut self, kid: &[u8]) -> Option<Arc<Peer>> {
        let (peer, last) = self.by_kid.get_mut(kid)?;
        let kid = self.by_use.remove(last)?;
        self.uses = self.uses.wrapping_add(1);
        *last = self.uses;
        self.by_use.insert(self.uses, kid);
        Some(peer.clone())
    }

    fn insert(&mut self, kid: &[u8], peer: Arc<Peer>, capacity: usize) {
        while self.by_kid.len() >= capacity {
            let idle = |kid: &Vec<u8>| {
                self.by_kid
                    .get(kid)
                    .is_none_or(|(peer, _)| Arc::strong_count(peer) == 1)
            };
            let oldest = self
                .by_use
                .iter()
                .find(|(_, kid)| idle(kid))
                .map(|(last, _)| *last);
            // All are answering: the network's own bound holds for them.
            let Some(kid) = oldest.and_then(|last| self.by_use.remove(&last)) else {
                break;
            };
            self.by_kid.remove(&kid);
        }
        self.uses = self.uses.wrapping_add(1);
        self.by_use.insert(self.uses, kid.to_vec());
        self.by_kid.insert(kid.to_vec(), (peer, self.uses));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ClientOptions, Registry, Site};

    #[tokio::test]
    async fn a_context_loaded_before_another_was_used_goes_on_above_it_and_unsynchronised() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::create(folder.path().join("store.sqlite"))
            .await
            .unwrap();
        let site = Site {
            issuer: "as".into(),
            uri: "coap://as/token".into(),
            coaps_uri: Some("coaps://as/token".into()),
        };
        let registry = Registry::new(store.clone(), site);
        let bundle = registry
            .add_client("alice", &ClientOptions::default())
            .await
            .unwrap();
        let kid = &bundle
            .authorization_server
            .oscore
            .as_ref()
            .unwrap()
            .sender_id
            .0;
        // Loaded twice, as when the first is evicted while the second is being loaded.
        let (first, second) = (Peers::new(1), Peers::new(1));
        let first = first.find(&store, kid).await.unwrap().unwrap();
        let second = second.find(&store, kid).await.unwrap().unwrap();
        assert_eq!(first.reserve(&store).await.unwrap(), Reserved::Ready);
        assert!(first.context().is_synchronised());
        assert_eq!(second.reserve(&store).await.unwrap(), Reserved::Stale);
        let context = second.context();
        assert!(!context.is_synchronised());
        assert_eq!(
            (context.next_sequence(), context.reserved()),
            (BLOCK, 2 * BLOCK)
        );
    }
}
