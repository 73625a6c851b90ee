use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use ace_client::{
    Client, Config, Event, Instant, Phase, Reason, Refusal, Request, RequestError, Step,
};
use ace_oscore::storage::{Key, Storage};
use ace_testkit::{Node, SeededRandom};
use ace_wire::ace::ErrorCode;
use ace_wire::coap::Code;

use super::EPOCH;

/// Storage that outlives the client.
#[derive(Clone, Default)]
pub struct Memory {
    pub records: Rc<RefCell<BTreeMap<u32, Vec<u8>>>>,
    pub broken: Rc<RefCell<bool>>,
}

impl Storage for Memory {
    type Error = ();

    fn load(&mut self, key: Key, out: &mut [u8]) -> Result<Option<usize>, ()> {
        match self.records.borrow().get(&key.0) {
            None => Ok(None),
            Some(record) => {
                out.get_mut(..record.len())
                    .ok_or(())?
                    .copy_from_slice(record);
                Ok(Some(record.len()))
            }
        }
    }

    fn save(&mut self, key: Key, value: &[u8]) -> Result<(), ()> {
        if *self.broken.borrow() {
            return Err(());
        }
        self.records.borrow_mut().insert(key.0, value.to_vec());
        Ok(())
    }
}

/// An event that does not borrow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    Response(Code, Vec<u8>, bool),
    RefusedByAs(ErrorCode, String),
    RefusedByRs(Step, Code, bool),
    NotGranted(Code),
    UntrustedAs(String),
    Failed(Step, Reason),
    Notification(Code, Vec<u8>, bool),
    ObservationLost(Step, Reason),
    RenewalFailed(Step, Reason),
}

pub struct ClientNode<
    const TOKENS: usize = 2,
    const GRANT: usize = 640,
    const BODY: usize = 1024,
    const SLOTS: usize = 3,
    const MTU: usize = 1152,
    const HANDSHAKE: usize = 1024,
> {
    pub client: Client<'static, u16, Memory, TOKENS, GRANT, BODY, SLOTS, MTU, HANDSHAKE>,
    pub rng: SeededRandom,
    pub phases: Vec<Phase>,
    pub ends: Vec<Seen>,
    pub notices: Vec<Seen>,
    /// Whether the client knows the time.
    pub has_clock: bool,
}

impl<
    const TOKENS: usize,
    const GRANT: usize,
    const BODY: usize,
    const SLOTS: usize,
    const MTU: usize,
    const HANDSHAKE: usize,
> ClientNode<TOKENS, GRANT, BODY, SLOTS, MTU, HANDSHAKE>
{
    pub fn new(config: Config<'static, u16>, memory: Memory, seed: u64) -> Self {
        let mut rng = SeededRandom::new(seed ^ 0xc1);
        Self {
            client: Client::new(config, memory, &mut rng).expect("a client"),
            rng,
            phases: vec![],
            ends: vec![],
            notices: vec![],
            has_clock: true,
        }
    }

    fn wall(&self, now: u64) -> Option<u64> {
        self.has_clock.then_some(EPOCH + now / 1000)
    }

    pub fn request(&mut self, now: u64, rs: u16, request: Request<'_>) -> Result<(), RequestError> {
        let wall = self.wall(now);
        let taken = self
            .client
            .request(Instant(now), wall, rs, request, &mut self.rng);
        self.drain();
        taken
    }

    pub fn take_end(&mut self) -> Option<Seen> {
        (!self.ends.is_empty()).then(|| self.ends.remove(0))
    }

    fn drain(&mut self) {
        while let Some(event) = self.client.poll_event() {
            let seen = match event {
                Event::Phase(phase) => {
                    self.phases.push(phase);
                    continue;
                }
                Event::Response {
                    code,
                    payload,
                    protected,
                    ..
                } => Seen::Response(code, payload.to_vec(), protected),
                Event::Refused {
                    by: Refusal::As { error, description },
                } => Seen::RefusedByAs(error, description.unwrap_or("").into()),
                Event::Refused {
                    by:
                        Refusal::Rs {
                            step,
                            code,
                            protected,
                        },
                } => Seen::RefusedByRs(step, code, protected),
                Event::Refused {
                    by: Refusal::NotGranted { code },
                } => Seen::NotGranted(code),
                Event::Refused {
                    by: Refusal::UntrustedAs { uri },
                } => Seen::UntrustedAs(uri.into()),
                Event::Failed { step, reason } => Seen::Failed(step, reason),
                Event::Notification {
                    code,
                    payload,
                    protected,
                    ..
                } => {
                    self.notices
                        .push(Seen::Notification(code, payload.to_vec(), protected));
                    continue;
                }
                Event::ObservationLost { step, reason } => {
                    self.notices.push(Seen::ObservationLost(step, reason));
                    continue;
                }
                Event::RenewalFailed { step, reason } => {
                    self.notices.push(Seen::RenewalFailed(step, reason));
                    continue;
                }
            };
            self.ends.push(seen);
        }
    }
}

impl<
    const TOKENS: usize,
    const GRANT: usize,
    const BODY: usize,
    const SLOTS: usize,
    const MTU: usize,
    const HANDSHAKE: usize,
> Node for ClientNode<TOKENS, GRANT, BODY, SLOTS, MTU, HANDSHAKE>
{
    fn handle(&mut self, now: u64, from: u16, datagram: &[u8]) {
        let wall = self.wall(now);
        self.client.handle(
            Instant(now),
            wall,
            from,
            &mut datagram.to_vec(),
            &mut self.rng,
        );
        self.drain();
    }

    fn poll_transmit(&mut self, now: u64) -> Option<(u16, Vec<u8>)> {
        self.client
            .poll_transmit(Instant(now))
            .map(|t| (t.peer, t.datagram.to_vec()))
    }

    fn poll_timeout(&self) -> Option<u64> {
        self.client.poll_timeout().map(|due| due.0)
    }

    fn handle_timeout(&mut self, now: u64) {
        let wall = self.wall(now);
        self.client
            .handle_timeout(Instant(now), wall, &mut self.rng);
        self.drain();
    }
}
