//! The authorization server as a CoAP server without sockets: one request in, at most one answer out.
//!
//! ```text
//! request -> proxy options? 5.05 -> outer blocks -> OSCORE option?
//!              no:  /.well-known/core, or "ask over OSCORE"; no more than three times what came
//!              yes: context by kid -> verify -> numbers reserved -> still registered?
//!                   -> inner blocks -> /token -> commit -> inner blocks -> protect -> outer blocks
//! request in a DTLS session -> still registered? -> blocks -> /token -> commit -> blocks
//! ```

mod answer;
mod blocks;
mod dtls;
mod peers;
mod resource;

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use ace_coap::{
    Instant,
    block::OperationKey,
    echo::{Allowance, EchoVerifier, allowance, challenge_message},
};
use ace_oscore::{OscoreError, OscoreOption, RequestBinding, Unprotected};
use ace_wire::coap::{Code, Message, Type, option};
use getrandom::{SysRng, rand_core::UnwrapErr};
use zeroize::Zeroizing;

pub use answer::Answer;
pub(crate) use blocks::MAX_BODY;
use blocks::{Blocks, Taken, is_blockwise};
pub use dtls::{DtlsCredentials, PeerId};
use peers::{Peer, Peers, Reserved};
use resource::{Route, route};

use crate::{
    Site, Store, TokenAnswer,
    store::{Principal, StoreError},
    token::TokenEndpoint,
};

/// How long an Echo value proves that the address is real.
const ECHO_AGE: Duration = Duration::from_secs(30);

/// How long a server waits for the one before it to stop.
const HANDOVER: Duration = Duration::from_secs(1);

/// Seconds between sweeps of what has expired.
const SWEEP: u64 = 60;

/// How an authorization server is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Issuer and URI.
    pub site: Site,
    /// Seconds a token lives.
    pub token_lifetime: u64,
    /// Bounds of its memory.
    pub limits: Limits,
}

/// Bounds of the server's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Security contexts in memory, about 600 bytes each.
    pub contexts: usize,
    /// Bodies under way in blocks, each way, inside and outside of OSCORE: four times 8 KiB each.
    pub bodies: usize,
}

impl Default for Limits {
    /// 65,536 contexts (40 MB) and 64 bodies (2 MB).
    fn default() -> Self {
        Self {
            contexts: 65_536,
            bodies: 64,
        }
    }
}

/// The authorization server. Shared by many tasks; a request waits for none but the commit it is part of.
pub struct AuthorizationServer {
    store: Store,
    endpoint: TokenEndpoint,
    peers: Peers,
    outer: Blocks,
    inner: Blocks,
    echo: EchoVerifier,
    /// Seconds a token lives.
    lifetime: u64,
    /// Seconds since the epoch of the next sweep.
    next_sweep: AtomicU64,
    /// Held as long as this server lives, and released by the system if it is killed.
    _lock: std::fs::File,
}

impl AuthorizationServer {
    /// Serves what is in `store`, alone: two servers would answer under the same nonces.
    ///
    /// # Errors
    /// [`StoreError::Served`] if another server runs on the store and does not stop within a second;
    /// [`StoreError::Randomness`].
    pub async fn new(store: Store, config: Config) -> Result<Self, StoreError> {
        let lock = store.lock_for_server(HANDOVER).await?;
        let (mut nonce_head, mut echo) = ([0; 5], [0; 32]);
        getrandom::fill(&mut nonce_head).map_err(|_| StoreError::Randomness)?;
        getrandom::fill(&mut echo).map_err(|_| StoreError::Randomness)?;
        let Config {
            site,
            token_lifetime,
            limits,
        } = config;
        Ok(Self {
            endpoint: TokenEndpoint::new(store.clone(), site.issuer, token_lifetime, nonce_head),
            store,
            peers: Peers::new(limits.contexts),
            outer: Blocks::new(limits.bodies),
            inner: Blocks::new(limits.bodies),
            echo: EchoVerifier::new(echo),
            lifetime: token_lifetime,
            next_sweep: AtomicU64::new(0),
            _lock: lock,
        })
    }

    /// The store it serves from.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Decides about a token request of a client or resource server that the caller has
    /// authenticated by its registered `name` (RFC 9200, 5.8). `now_unix` in seconds since the epoch.
    ///
    /// # Errors
    /// When the store cannot be asked who that is.
    pub async fn token(
        &self,
        name: &str,
        now_unix: u64,
        content_format: Option<u16>,
        payload: &[u8],
    ) -> Result<TokenAnswer, StoreError> {
        let principal = self.store.principal_named(name).await?;
        Ok(self
            .endpoint
            .answer(principal.as_ref(), now_unix, content_format, payload)
            .await)
    }

    /// What a DTLS server needs for its handshakes. Makes the AS's key if no device was registered that needs it. Within a
    /// tokio runtime, which then asks the store.
    ///
    /// # Errors
    /// [`StoreError::Randomness`], and as the database fails.
    pub async fn credentials(&self) -> Result<DtlsCredentials, StoreError> {
        DtlsCredentials::new(self.store.clone()).await
    }

    /// Answers one request that came in a DTLS session with `peer` (RFC 9202, 3.1 and 6); `None` is silence.
    ///
    /// A peer that is no longer registered gets 4.01, and its session is best ended then. Times as for
    /// [`handle`](Self::handle). A request that the CoAP layer has seen before must not come here again.
    pub async fn handle_in_session(
        &self,
        now: Instant,
        now_unix: u64,
        peer: PeerId,
        request: &Message<'_>,
    ) -> Option<Answer> {
        if !request.code.is_request() {
            return None;
        }
        let id = peer.stored();
        let principal = match id {
            Some(id) => self.store.principal(id).await,
            None => Ok(None),
        };
        let (id, principal) = match (id, principal) {
            (Some(id), Ok(Some(principal))) => (id, principal),
            (_, Ok(_)) => return Some(resource::unauthenticated()),
            (_, Err(error)) => {
                tracing::error!(%error, "peer not looked up");
                return Some(resource::unavailable());
            }
        };
        // RFC 7252, 5.7.2 and 5.10.2: not a proxy.
        if is_for_proxies(request) {
            return Some(Answer::new(Code::PROXYING_NOT_SUPPORTED));
        }
        self.sweep(now, now_unix);
        let key = OperationKey::new(&[b"dtls", &id.to_be_bytes()], request);
        let answer = self.serve(now, now_unix, &key, &principal, request).await;
        // RFC 9202, 3.2.1: absent, it would be 60 seconds.
        Some(match u32::try_from(self.lifetime) {
            Ok(lifetime @ ..60) if answer.code == Code::CREATED => {
                answer.with_option(option::MAX_AGE, lifetime)
            }
            _ => answer,
        })
    }

    /// Answers one request from `peer`; `None` is silence, and nothing is to be remembered of it.
    ///
    /// `now` is monotonic, `now_unix` in seconds since the epoch, `request_len` the length of the
    /// datagram: the measure of what an unverified peer may be sent. A request that the CoAP layer has
    /// seen before must not come here again.
    pub async fn handle(
        &self,
        now: Instant,
        now_unix: u64,
        peer: SocketAddr,
        request: &Message<'_>,
        request_len: usize,
    ) -> Option<Answer> {
        if !request.code.is_request() {
            return None;
        }
        // RFC 7252, 5.7.2 and 5.10.2: not a proxy.
        if is_for_proxies(request) {
            return unverified(
                request,
                request_len,
                Answer::new(Code::PROXYING_NOT_SUPPORTED),
            );
        }
        if !request.options.contains(option::OSCORE) {
            return self.unprotected(now, peer, request, request_len);
        }
        if !is_blockwise(request) {
            return self
                .protected(now, now_unix, peer, request, request_len)
                .await;
        }
        // RFC 8613, 8.2.1: outer blocks first.
        let key = OperationKey::new(&[peer.to_string().as_bytes()], request);
        let (body, block1) = match self.outer.take(now, &key, request) {
            Taken::Piece(answer) => return Some(answer),
            Taken::Whole(body, block1) => (body, block1),
        };
        let whole = Message {
            payload: &body,
            ..*request
        };
        let answer = self
            .protected(now, now_unix, peer, &whole, request_len)
            .await?;
        Some(self.outer.give(now, &key, request, block1, answer))
    }

    /// A request without OSCORE: what may be known to anyone.
    fn unprotected(
        &self,
        now: Instant,
        peer: SocketAddr,
        request: &Message<'_>,
        request_len: usize,
    ) -> Option<Answer> {
        let known_address = || {
            let address = peer.to_string();
            let echo = request.options.find(option::ECHO);
            echo.is_some_and(|echo| {
                self.echo
                    .verify(now, address.as_bytes(), echo, ECHO_AGE)
                    .is_ok()
            })
        };
        let answer = match route(request) {
            Route::Answer(answer)
                if answer.code == Code::BAD_OPTION && request.kind != Type::Confirmable =>
            {
                // RFC 7252, 5.4.1: a NON with it is rejected, here without a Reset.
                return None;
            }
            Route::Answer(answer) => answer,
            Route::Token => resource::unauthenticated(),
            Route::WellKnownCore => {
                let key = OperationKey::new(&[peer.to_string().as_bytes()], request);
                match self.outer.take(now, &key, request) {
                    Taken::Piece(answer) => answer,
                    Taken::Whole(_, block1) => {
                        self.outer
                            .give(now, &key, request, block1, resource::well_known_core())
                    }
                }
            }
        };
        if known_address() {
            return Some(answer);
        }
        // RFC 9175, 2.4
        match allowance(
            request_len,
            request.token.as_bytes().len(),
            &answer.as_message().ok()?,
        ) {
            Allowance::Full => Some(answer),
            Allowance::Challenge => {
                let value = self.echo.challenge(now, peer.to_string().as_bytes());
                Some(Answer::of_message(&challenge_message(&value)))
            }
            Allowance::Bare => Some(Answer::new(answer.code)),
            Allowance::Silence => None,
        }
    }

    /// A request under OSCORE, its outer blocks put together.
    async fn protected(
        &self,
        now: Instant,
        now_unix: u64,
        address: SocketAddr,
        request: &Message<'_>,
        request_len: usize,
    ) -> Option<Answer> {
        let refuse = |error: OscoreError| {
            tracing::debug!(%error, peer = %address, "OSCORE request refused");
            // RFC 8613, 8.2
            let mut answer = Answer::new(error.outer_code()?).with_option(option::MAX_AGE, 0u32);
            if let Some(diagnostic) = error.diagnostic() {
                answer = answer.with_payload(diagnostic);
            }
            unverified(request, request_len, answer)
        };
        let (oscore, kid) = match OscoreOption::of(request) {
            Ok(
                oscore @ OscoreOption {
                    kid: Some(kid),
                    partial_iv: Some(_),
                    ..
                },
            ) => (oscore, kid),
            Ok(_) => return refuse(OscoreError::Malformed),
            Err(error) => return refuse(error),
        };
        let peer = match self.peers.find(&self.store, kid).await {
            Ok(Some(peer)) => peer,
            Ok(None) => return refuse(OscoreError::ContextNotFound),
            Err(error) => {
                tracing::error!(%error, "security context not loaded");
                return unverified(request, request_len, resource::unavailable());
            }
        };
        let mut plaintext = Zeroizing::new(vec![
            0;
            request.payload.len().saturating_add(
                request.options.as_bytes().len()
            )
        ]);
        let unprotected = peer.context().unprotect_request(
            &oscore,
            request,
            &mut UnwrapErr(SysRng),
            &mut plaintext,
        );
        let unprotected = match unprotected {
            Ok(unprotected) => unprotected,
            // Whoever replays or forges is not to learn that from here, unless it is where the peer is.
            Err(error @ (OscoreError::Replay | OscoreError::Decryption))
                if !peer.was_seen_at(address) =>
            {
                tracing::debug!(%error, peer = %address, "OSCORE request dropped");
                return None;
            }
            Err(OscoreError::UnknownCriticalOption) if request.kind != Type::Confirmable => {
                return None;
            }
            Err(error) => return refuse(error),
        };
        // From here on the peer is who it says. Nothing is answered under its keys before the store
        // knows that they are in use.
        match peer.reserve(&self.store).await {
            Ok(Reserved::Ready) => {}
            Ok(Reserved::Gone) => {
                self.peers.forget(kid);
                return refuse(OscoreError::ContextNotFound);
            }
            // It comes again, and is then asked for freshness.
            Ok(Reserved::Stale) => return None,
            Err(error) => {
                tracing::error!(%error, "no sequence numbers reserved");
                return unverified(request, request_len, resource::unavailable());
            }
        }
        let principal = match self.store.principal(peer.id).await {
            Ok(Some(principal)) => Ok(principal),
            Ok(None) => {
                self.peers.forget(kid);
                return refuse(OscoreError::ContextNotFound);
            }
            Err(error) => Err(error),
        };
        match unprotected {
            Unprotected::Challenge { mut binding, echo } => {
                // RFC 8613, B.1.2
                let mut out = [0; 128];
                let length = peer.context().protect_challenge(
                    &mut binding,
                    &echo,
                    Type::Acknowledgement,
                    request.id,
                    request.token,
                    &mut out,
                );
                sent(length, &out)
            }
            Unprotected::Request { message, binding } => {
                peer.set_seen_at(address);
                let answer = match principal {
                    Ok(principal) => {
                        self.sweep(now, now_unix);
                        // RFC 8613, 4.1.3.4.1
                        let key = OperationKey::new(&[b"peer", &peer.id.to_be_bytes()], &message);
                        self.serve(now, now_unix, &key, &principal, &message).await
                    }
                    Err(error) => {
                        tracing::error!(%error, "peer not looked up");
                        resource::unavailable()
                    }
                };
                protect(&peer, binding, request, &answer)
            }
        }
    }

    /// A request of a known peer, as it was before OSCORE or DTLS.
    async fn serve(
        &self,
        now: Instant,
        now_unix: u64,
        key: &OperationKey,
        principal: &Principal,
        request: &Message<'_>,
    ) -> Answer {
        let route = route(request);
        if let Route::Answer(answer) = route {
            return answer;
        }
        let (body, block1) = match self.inner.take(now, key, request) {
            Taken::Piece(answer) => return answer,
            Taken::Whole(body, block1) => (body, block1),
        };
        let answer = match route {
            Route::Token => {
                resource::token(&self.endpoint, principal, now_unix, request, &body).await
            }
            _ => resource::well_known_core(),
        };
        self.inner.give(now, key, request, block1, answer)
    }

    /// Now and then: forgets expired tokens and bodies left behind, beside the request.
    fn sweep(&self, now: Instant, now_unix: u64) {
        let due = self.next_sweep.load(Ordering::Relaxed);
        let next = now_unix.saturating_add(SWEEP);
        if now_unix < due
            || self
                .next_sweep
                .compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_err()
        {
            return;
        }
        self.inner.expire(now);
        self.outer.expire(now);
        let store = self.store.clone();
        tokio::spawn(async move {
            loop {
                match store.expire(now_unix).await {
                    Ok(0) => break,
                    Ok(_) => {}
                    Err(error) => {
                        tracing::warn!(%error, "expired tokens not deleted");
                        break;
                    }
                }
            }
        });
    }
}

impl std::fmt::Debug for AuthorizationServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthorizationServer")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

/// Whether it is to be forwarded.
fn is_for_proxies(request: &Message<'_>) -> bool {
    request.options.contains(option::PROXY_URI) || request.options.contains(option::PROXY_SCHEME)
}

/// What of an answer may go to a peer that has proved nothing: without payload and options if it is
/// too long (RFC 9175, 2.4).
fn unverified(request: &Message<'_>, request_len: usize, answer: Answer) -> Option<Answer> {
    match allowance(
        request_len,
        request.token.as_bytes().len(),
        &answer.as_message().ok()?,
    ) {
        Allowance::Full => Some(answer),
        Allowance::Silence => None,
        Allowance::Challenge | Allowance::Bare => Some(Answer::new(answer.code)),
    }
}

fn protect(
    peer: &Peer,
    mut binding: RequestBinding,
    request: &Message<'_>,
    answer: &Answer,
) -> Option<Answer> {
    let plaintext = answer.plaintext().ok()?;
    let message = answer::response(&plaintext, request.id, request.token).ok()?;
    // Outer header, token, OSCORE option and tag.
    let mut out = vec![0; plaintext.len().saturating_add(128)];
    let length = peer
        .context()
        .protect_response(&mut binding, &message, &mut out);
    sent(length, &out)
}

/// The OSCORE message in `out` as an answer.
fn sent(length: Result<usize, OscoreError>, out: &[u8]) -> Option<Answer> {
    match length {
        Ok(length) => Message::parse(out.get(..length)?)
            .ok()
            .map(|message| Answer::of_parsed(&message)),
        Err(error) => {
            tracing::error!(%error, "answer not protected");
            None
        }
    }
}

#[cfg(test)]
mod tests;
