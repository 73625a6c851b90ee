//! Counts what passes the client's socket, phase by phase.

use std::{
    net::SocketAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use ace_client::{Direction, Phase, Request, Watched};
use ace_net::{FileStorage, Outcome, Requester, Seen};
use ace_wire::{
    ace::AsRequestCreationHints,
    coap::{Code, Message, option},
};

use crate::{failure::Failure, inspect::scope_words, trace::Trace};

/// How long an answer to a datagram that is sent by hand may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long nothing comes where nothing is expected.
const SILENCE: Duration = Duration::from_millis(100);

/// What one step took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Taken {
    /// As the application saw it: inside OSCORE or DTLS, where there is any.
    pub code: Option<Code>,
    pub request_bytes: usize,
    pub response_bytes: usize,
    pub time: Duration,
}

impl Taken {
    /// Both as one step.
    pub fn after(self, before: Option<Self>) -> Self {
        let before = before.unwrap_or_default();
        Self {
            code: self.code,
            request_bytes: before.request_bytes + self.request_bytes,
            response_bytes: before.response_bytes + self.response_bytes,
            time: before.time + self.time,
        }
    }
}

/// Watches a [`Requester`].
#[derive(Debug)]
pub struct Meter {
    rs: SocketAddr,
    trace: Trace,
    seen: Mutex<Sightings>,
}

#[derive(Debug, Default)]
struct Sightings {
    phases: Vec<(Phase, Instant, Taken)>,
    hints: String,
    sent_to_rs: Vec<u8>,
}

impl Meter {
    pub fn new(rs: SocketAddr, trace: Trace) -> Self {
        Self {
            rs,
            trace,
            seen: Mutex::default(),
        }
    }

    fn seen<T>(&self, look: impl FnOnce(&mut Sightings) -> T) -> T {
        // Nothing panics while it looks; if it did, the numbers would still be numbers.
        look(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// One request, counted from nothing.
    pub async fn request(
        &self,
        requester: &mut Requester<'_, FileStorage>,
        request: Request<'_>,
    ) -> Result<Outcome, Failure> {
        self.seen(|seen| seen.phases.clear());
        let asked = requester
            .request(self.rs, request, &mut |event| self.datagram(&event))
            .await;
        asked.map_err(Failure::refused)
    }

    fn datagram(&self, event: &Seen<'_>) {
        self.trace.datagram(event);
        self.seen(|seen| {
            let now = Instant::now();
            let last = seen.phases.last_mut();
            match *event {
                Seen::Phase(phase) => {
                    if let Some((_, since, taken)) = last {
                        taken.time = now - *since;
                    }
                    seen.phases.push((phase, now, Taken::default()));
                }
                Seen::Sent(peer, datagram) => {
                    if let Some((.., taken)) = last {
                        taken.request_bytes += datagram.len();
                    }
                    if peer == self.rs {
                        seen.sent_to_rs = datagram.to_vec();
                    }
                }
                Seen::Received(_, datagram) => {
                    if let Some((.., taken)) = last {
                        taken.response_bytes += datagram.len();
                    }
                }
            }
        });
    }

    /// A message as its sender wrote it.
    pub fn message(&self, watched: &Watched<'_>) {
        self.trace.message(watched);
        if watched.direction == Direction::Sent {
            return;
        }
        self.seen(|seen| {
            let mut phases = seen.phases.iter_mut().rev();
            if let Some((.., taken)) = phases.find(|(phase, ..)| *phase == watched.phase) {
                taken.code = Some(watched.code);
            }
            if watched.phase == Phase::Hints
                && let Ok(hints) = AsRequestCreationHints::parse(watched.payload)
            {
                let scope = hints
                    .scope
                    .map_or_else(|| "?".into(), |scope| scope_words(&scope));
                let (uri, audience) = (hints.r#as.unwrap_or("?"), hints.audience.unwrap_or("?"));
                seen.hints = format!("ask {uri} for audience \"{audience}\", scope {scope}");
            }
        });
    }

    /// What a phase of the last request took.
    pub fn taken(&self, phase: Phase) -> Option<Taken> {
        self.seen(|seen| {
            let found = seen.phases.iter().find(|(p, ..)| *p == phase);
            found.map(|(.., taken)| *taken)
        })
    }

    /// What the resource server hinted at, in words.
    pub fn hints(&self) -> String {
        self.seen(|seen| seen.hints.clone())
    }

    /// The last datagram to the resource server.
    pub fn sent_to_rs(&self) -> Vec<u8> {
        self.seen(|seen| seen.sent_to_rs.clone())
    }

    /// Sends datagrams from the client's socket. To the last one there is an answer in the clear; those before it may be
    /// met with silence.
    pub async fn by_hand(
        &self,
        requester: &Requester<'_, FileStorage>,
        datagrams: &[Vec<u8>],
    ) -> Result<Taken, Failure> {
        let began = Instant::now();
        let mut taken = Taken::default();
        let Some((last, before)) = datagrams.split_last() else {
            return Ok(taken);
        };
        for datagram in before {
            self.send(requester, datagram, &mut taken).await?;
            while let Some(received) = self.receive(requester, SILENCE).await? {
                taken.response_bytes += received.len();
            }
        }
        self.send(requester, last, &mut taken).await?;
        while let Some(received) = self.receive(requester, PATIENCE).await? {
            taken.response_bytes += received.len();
            let Ok(message) = Message::parse(&received) else {
                continue;
            };
            // A refusal under OSCORE would hide its code; these are in the clear.
            let in_clear = !message.options.contains(option::OSCORE);
            taken.code = in_clear.then_some(message.code);
            break;
        }
        taken.time = began
            .elapsed()
            .saturating_sub(SILENCE * before.len() as u32);
        Ok(taken)
    }

    async fn send(
        &self,
        requester: &Requester<'_, FileStorage>,
        datagram: &[u8],
        taken: &mut Taken,
    ) -> Result<(), Failure> {
        self.trace.datagram(&Seen::Sent(self.rs, datagram));
        taken.request_bytes += datagram.len();
        let sent = requester.socket().send_to(datagram, self.rs).await;
        sent.map(drop).map_err(lost)
    }

    async fn receive(
        &self,
        requester: &Requester<'_, FileStorage>,
        patience: Duration,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let mut buffer = vec![0; 2048];
        let received = requester.socket().recv_from(&mut buffer);
        let Ok(received) = tokio::time::timeout(patience, received).await else {
            return Ok(None);
        };
        let (length, peer) = received.map_err(lost)?;
        buffer.truncate(length);
        self.trace.datagram(&Seen::Received(peer, &buffer));
        Ok(Some(buffer))
    }
}

fn lost(error: std::io::Error) -> Failure {
    Failure::setup(format!("the socket failed: {error}"))
}
