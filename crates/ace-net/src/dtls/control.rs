//! What others than the peers have to say to the sessions of a server.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::SessionId;

/// Ends sessions of a running [`serve_coaps`](super::serve_coaps), and tells it that credentials have been decided.
///
/// Clones are one and the same. What is asked before the server runs happens when it does.
#[derive(Debug, Clone, Default)]
pub struct SessionControl {
    wake: Arc<Notify>,
    ends: Arc<Mutex<Vec<End>>>,
}

/// Whose sessions are to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Session(SessionId),
    Peer(u64),
}

impl SessionControl {
    /// Woken by `notify` too: that of credentials which answer [`Pending`](ace_dtls::Decision::Pending).
    #[must_use]
    pub fn woken_by(notify: Arc<Notify>) -> Self {
        Self {
            wake: notify,
            ends: Arc::default(),
        }
    }

    /// Asks the credentials again about handshakes that wait for their decision.
    pub fn resume(&self) {
        self.wake.notify_one();
    }

    /// Ends one session, with `close_notify`.
    pub fn end_session(&self, session: SessionId) {
        self.end(End::Session(session));
    }

    /// Ends all sessions of the peer with this number, [`DtlsPeer::number`](super::DtlsPeer::number).
    pub fn end_peer(&self, number: u64) {
        self.end(End::Peer(number));
    }

    fn end(&self, which: End) {
        self.ends().push(which);
        self.wake.notify_one();
    }

    /// Ready when there may be something to do.
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    pub(crate) fn take_ends(&self) -> Vec<End> {
        std::mem::take(&mut self.ends())
    }

    fn ends(&self) -> std::sync::MutexGuard<'_, Vec<End>> {
        // Nothing panics while it holds it.
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
