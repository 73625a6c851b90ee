//! Clients and resource servers over DTLS: who they are by their credentials (RFC 9202, 6).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ace_crypto::{Secret, SigningKey, VerifyingKey};
use ace_dtls::{Alert, Credentials, Decision, Psk};
use tokio::{runtime::Handle, sync::Notify, time::Instant};

use crate::{
    registry::{DTLS_ALGORITHM, spki},
    store::{DtlsRecord, Purpose, Store, StoreError},
};

/// Credentials that may be asked for at a time; more wait for their turn.
const ASKED: usize = 2048;

/// How long what the store said holds: the rest of one handshake, so that a change of the registry shows at the next.
const FRESH: Duration = Duration::from_secs(2);

/// A peer that authenticated itself in DTLS: the number that [`DtlsCredentials`] gave for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PeerId(u64);

impl PeerId {
    /// From the number of [`ace_dtls::Peer`]. 0 is nobody's: that of an anonymous peer does no harm.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    const fn of(peer: u64) -> Self {
        Self(peer.saturating_add(1))
    }

    /// Its id in the store.
    pub(super) const fn stored(self) -> Option<u64> {
        self.0.checked_sub(1)
    }
}

/// The registered peers, and the AS's own key, for the handshakes of a DTLS server.
///
/// Nothing here waits: what is not known yet is [`Decision::Pending`] while the store is asked, and
/// [`notify`](Self::notify) says when to resume. What waits is bounded, whoever asks.
pub struct DtlsCredentials {
    store: Store,
    runtime: Handle,
    key: SigningKey,
    asked: Arc<Mutex<HashMap<Credential, State>>>,
    notify: Arc<Notify>,
}

/// What a peer showed, without proof yet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Credential {
    Identity(Vec<u8>),
    /// DER of the SubjectPublicKeyInfo.
    Key(Vec<u8>),
}

enum State {
    Asking,
    Known(Instant, Result<Option<DtlsRecord>, StoreError>),
}

impl DtlsCredentials {
    /// Within a tokio runtime.
    pub(super) async fn new(store: Store) -> Result<Self, StoreError> {
        let mut transaction = store.begin().await?;
        let own = store.own_key(&mut transaction, Purpose::Dtls, DTLS_ALGORITHM);
        let own = own.await?;
        let committed = transaction.commit().await;
        committed.map_err(|error| store.failed(error))?;
        Ok(Self {
            store,
            runtime: Handle::current(),
            key: own.key,
            asked: Arc::default(),
            notify: Arc::default(),
        })
    }

    /// Notified when a credential is known that was [`Decision::Pending`].
    #[must_use]
    pub fn notify(&self) -> Arc<Notify> {
        self.notify.clone()
    }

    /// The AS's public key, which devices have in their bundles.
    #[must_use]
    pub fn public_key(&self) -> VerifyingKey {
        self.key.verifying_key()
    }

    /// How many credentials are known or asked for.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        lock(&self.asked).len()
    }

    /// What the store says of `credential`, which is asked now if it is not known.
    fn look_up(&self, credential: Credential) -> Decision<DtlsRecord> {
        let mut asked = lock(&self.asked);
        match asked.get(&credential) {
            Some(State::Asking) => return Decision::Pending,
            Some(State::Known(at, found)) if at.elapsed() <= FRESH => {
                return match found {
                    Ok(Some(record)) => Decision::Accept(record.clone()),
                    Ok(None) => Decision::Refuse,
                    Err(_) => Decision::RefuseWith(Alert::INTERNAL_ERROR),
                };
            }
            _ => {}
        }
        // No key stays for longer than it is of use. A handshake that still wants it asks again.
        asked.retain(|_, state| !matches!(state, State::Known(at, _) if at.elapsed() > FRESH));
        if asked.len() >= ASKED {
            make_room(&mut asked);
        }
        if asked.len() >= ASKED {
            // Each answer notifies, and then it is asked again.
            return Decision::Pending;
        }
        asked.insert(credential.clone(), State::Asking);
        drop(asked);
        let (store, asked, notify) = (self.store.clone(), self.asked.clone(), self.notify.clone());
        self.runtime.spawn(async move {
            let found = match &credential {
                Credential::Identity(identity) => store.dtls_by_identity(identity).await,
                Credential::Key(spki) => store.dtls_by_key(spki).await,
            };
            if let Err(error) = &found {
                tracing::error!(%error, "DTLS peer not looked up");
            }
            lock(&asked).insert(credential, State::Known(Instant::now(), found));
            notify.notify_one();
        });
        Decision::Pending
    }
}

impl Credentials for DtlsCredentials {
    fn find_psk(&mut self, identity: &[u8]) -> Decision<Psk> {
        match self.look_up(Credential::Identity(identity.to_vec())) {
            Decision::Accept(record) => {
                match record.psk.and_then(|psk| Secret::new(psk.as_bytes())) {
                    Some(key) => Decision::Accept(Psk {
                        key,
                        peer: PeerId::of(record.peer).0,
                    }),
                    None => Decision::Refuse,
                }
            }
            Decision::Refuse => Decision::Refuse,
            Decision::RefuseWith(alert) => Decision::RefuseWith(alert),
            Decision::Pending => Decision::Pending,
        }
    }

    fn signing_key(&self) -> Option<&SigningKey> {
        Some(&self.key)
    }

    fn accept_key(&mut self, key: &VerifyingKey) -> Decision<u64> {
        match self.look_up(Credential::Key(spki(key))) {
            Decision::Accept(record) => Decision::Accept(PeerId::of(record.peer).0),
            Decision::Refuse => Decision::Refuse,
            Decision::RefuseWith(alert) => Decision::RefuseWith(alert),
            Decision::Pending => Decision::Pending,
        }
    }
}

/// Forgets the oldest answer.
fn make_room(asked: &mut HashMap<Credential, State>) {
    let answers = asked.iter().filter_map(|(credential, state)| match state {
        State::Known(at, _) => Some((*at, credential)),
        State::Asking => None,
    });
    let oldest = answers.min_by_key(|(at, _)| *at);
    if let Some(credential) = oldest.map(|(_, credential)| credential.clone()) {
        asked.remove(&credential);
    }
}

fn lock(asked: &Mutex<HashMap<Credential, State>>) -> MutexGuard<'_, HashMap<Credential, State>> {
    asked.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for DtlsCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DtlsCredentials")
            .field("store", &self.store)
            .field("public_key", &self.public_key())
            .finish_non_exhaustive()
    }
}
