use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

use crate::SeededRandom;

/// An engine in the network. Time is in milliseconds.
pub trait Node {
    /// Takes a datagram that came from `from`.
    fn handle(&mut self, now: u64, from: u16, datagram: &[u8]);
    /// The next datagram to send and where to, until `None`.
    fn poll_transmit(&mut self, now: u64) -> Option<(u16, Vec<u8>)>;
    /// When `handle_timeout` is to be called.
    fn poll_timeout(&self) -> Option<u64>;
    /// Does what is due.
    fn handle_timeout(&mut self, now: u64);
}

/// What a link does to datagrams. Probabilities are 0.0 to 1.0, times in milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Conditions {
    /// Probability that a datagram is lost.
    pub loss: f64,
    /// Probability that a datagram arrives twice, each copy delayed by itself.
    pub duplicate: f64,
    /// Probability that one to four bytes of a copy are changed, or that its end is cut off.
    pub corrupt: f64,
    /// Shortest and longest delay; datagrams overtake each other within it.
    pub delay: (u64, u64),
    /// Probability that a copy is held up by a further `late`.
    pub late_chance: f64,
    /// How long a late copy is held up, at most.
    pub late: u64,
    /// Datagrams longer than this vanish.
    pub mtu: usize,
}

impl Default for Conditions {
    /// A perfect link with 10 ms delay and an MTU of 65,507 bytes.
    fn default() -> Self {
        Self {
            loss: 0.0,
            duplicate: 0.0,
            corrupt: 0.0,
            delay: (10, 10),
            late_chance: 0.0,
            late: 0,
            mtu: 65_507,
        }
    }
}

impl Conditions {
    /// 30 % loss, 20 % duplicates, 5 to 400 ms delay, every tenth copy up to 5 s late.
    #[must_use]
    pub fn harsh() -> Self {
        Self {
            loss: 0.3,
            duplicate: 0.2,
            corrupt: 0.0,
            delay: (5, 400),
            late_chance: 0.1,
            late: 5_000,
            mtu: 1_280,
        }
    }
}

/// What became of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Arrives, at this time.
    Delivered(u64),
    /// Arrives changed, at this time.
    Corrupted(u64),
    /// Lost on the way.
    Lost,
    /// Longer than the link carries.
    TooLong,
    /// Sent to an address without a node.
    NoSuchNode,
}

/// One datagram of the capture; a duplicated one has an entry for each copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    /// When it was sent.
    pub sent: u64,
    /// By whom.
    pub from: u16,
    /// To whom.
    pub to: u16,
    /// As it was sent, or as it arrives if it was corrupted.
    pub datagram: Vec<u8>,
    /// What became of it.
    pub fate: Fate,
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Nothing is under way and no timer is set.
    Idle,
    /// The next event lies behind the deadline.
    Deadline,
    /// As many events as allowed were handled.
    Steps,
}

/// Arrival, order of sending, from, to, datagram.
type UnderWay = (u64, u64, u16, u16, Vec<u8>);

/// The network, its clock and its capture.
#[derive(Debug)]
pub struct Network {
    /// Milliseconds; moves with the events.
    pub now: u64,
    /// Every datagram sent so far.
    pub capture: Vec<Captured>,
    /// What links do that have no conditions of their own.
    pub conditions: Conditions,
    links: BTreeMap<(u16, u16), Conditions>,
    random: SeededRandom,
    under_way: BinaryHeap<Reverse<UnderWay>>,
    sequence: u64,
}

impl Network {
    /// A network at time 0 whose accidents follow from `seed`.
    #[must_use]
    pub fn new(seed: u64, conditions: Conditions) -> Self {
        Self {
            now: 0,
            capture: Vec::new(),
            conditions,
            links: BTreeMap::new(),
            random: SeededRandom::new(seed),
            under_way: BinaryHeap::new(),
            sequence: 0,
        }
    }

    /// Gives the way from one node to another conditions of its own; the way back is another.
    pub fn set_link(&mut self, from: u16, to: u16, conditions: Conditions) {
        self.links.insert((from, to), conditions);
    }

    /// How many datagrams are under way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.under_way.len()
    }

    /// Puts a datagram on its way as if `from` had sent it: a forgery, or the start of a test.
    pub fn send(&mut self, from: u16, to: u16, datagram: Vec<u8>) {
        let conditions = self
            .links
            .get(&(from, to))
            .unwrap_or(&self.conditions)
            .clone();
        if datagram.len() > conditions.mtu {
            return self.record(from, to, datagram, Fate::TooLong);
        }
        let copies = 1 + usize::from(self.random.chance(conditions.duplicate));
        for _ in 0..copies {
            if self.random.chance(conditions.loss) {
                self.record(from, to, datagram.clone(), Fate::Lost);
                continue;
            }
            let (shortest, longest) = conditions.delay;
            let mut delay = shortest + self.random.below(longest.saturating_sub(shortest) + 1);
            if self.random.chance(conditions.late_chance) {
                delay += self.random.below(conditions.late + 1);
            }
            let mut copy = datagram.clone();
            let arrival = self.now + delay;
            let fate = if self.random.chance(conditions.corrupt) && self.corrupt(&mut copy) {
                Fate::Corrupted(arrival)
            } else {
                Fate::Delivered(arrival)
            };
            self.record(from, to, copy.clone(), fate);
            self.sequence += 1;
            self.under_way
                .push(Reverse((arrival, self.sequence, from, to, copy)));
        }
    }

    /// Delivers a datagram now, whatever the conditions; not in the capture.
    pub fn inject(&self, node: &mut dyn Node, from: u16, datagram: &[u8]) {
        node.handle(self.now, from, datagram);
    }

    /// Lets time jump to the next event and handles it, or returns `None` if there is none. All nodes' transmissions
    /// are collected before and after.
    pub fn step(&mut self, nodes: &mut [(u16, &mut dyn Node)]) -> Option<u64> {
        self.collect(nodes);
        let at = self.next_event(nodes)?;
        self.now = self.now.max(at);
        match self.under_way.peek() {
            Some(Reverse((arrival, ..))) if *arrival <= self.now => {
                let Reverse((_, _, from, to, datagram)) = self.under_way.pop()?;
                match nodes.iter_mut().find(|(address, _)| *address == to) {
                    Some((_, node)) => node.handle(self.now, from, &datagram),
                    None => self.record(from, to, datagram, Fate::NoSuchNode),
                }
            }
            _ => {
                for (_, node) in nodes.iter_mut() {
                    if node.poll_timeout().is_some_and(|due| due <= self.now) {
                        node.handle_timeout(self.now);
                    }
                }
            }
        }
        self.collect(nodes);
        Some(self.now)
    }

    /// Steps until nothing is left to do, the next event lies behind `deadline`, or `limit` events were handled.
    pub fn run(&mut self, nodes: &mut [(u16, &mut dyn Node)], deadline: u64, limit: usize) -> Stop {
        self.run_until(nodes, deadline, limit, |_| false)
            .unwrap_or(Stop::Idle)
    }

    /// As [`run`](Self::run), and until `done` says so; then `None`. `done` sees the network between two events.
    pub fn run_until(
        &mut self,
        nodes: &mut [(u16, &mut dyn Node)],
        deadline: u64,
        limit: usize,
        mut done: impl FnMut(&Self) -> bool,
    ) -> Option<Stop> {
        for _ in 0..limit {
            if done(self) {
                return None;
            }
            self.collect(nodes);
            match self.next_event(nodes) {
                None => return Some(Stop::Idle),
                Some(at) if at > deadline => {
                    self.now = self.now.max(deadline);
                    return Some(Stop::Deadline);
                }
                Some(_) => self.step(nodes),
            };
        }
        Some(Stop::Steps)
    }

    fn next_event(&self, nodes: &[(u16, &mut dyn Node)]) -> Option<u64> {
        let arrival = self.under_way.peek().map(|Reverse((at, ..))| *at);
        nodes
            .iter()
            .filter_map(|(_, node)| node.poll_timeout())
            .chain(arrival)
            .min()
    }

    fn collect(&mut self, nodes: &mut [(u16, &mut dyn Node)]) {
        for (from, node) in nodes {
            while let Some((to, datagram)) = node.poll_transmit(self.now) {
                self.send(*from, to, datagram);
            }
        }
    }

    fn record(&mut self, from: u16, to: u16, datagram: Vec<u8>, fate: Fate) {
        self.capture.push(Captured {
            sent: self.now,
            from,
            to,
            datagram,
            fate,
        });
    }

    /// False if there was nothing to change.
    fn corrupt(&mut self, datagram: &mut Vec<u8>) -> bool {
        if datagram.is_empty() {
            return false;
        }
        let len = datagram.len() as u64;
        if self.random.chance(0.25) {
            datagram.truncate(self.random.below(len) as usize);
            return true;
        }
        let before = datagram.clone();
        // Two changes of one byte may undo each other.
        while *datagram == before {
            for _ in 0..=self.random.below(4) {
                let at = self.random.below(len) as usize;
                datagram[at] ^= 1 + self.random.below(255) as u8;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends numbered datagrams and notes what it gets.
    #[derive(Default)]
    struct Counter {
        to_send: Vec<(u16, Vec<u8>)>,
        heard: Vec<(u64, u16, Vec<u8>)>,
        timer: Option<u64>,
        fired: Vec<u64>,
    }

    impl Node for Counter {
        fn handle(&mut self, now: u64, from: u16, datagram: &[u8]) {
            self.heard.push((now, from, datagram.to_vec()));
        }
        fn poll_transmit(&mut self, _now: u64) -> Option<(u16, Vec<u8>)> {
            self.to_send.pop()
        }
        fn poll_timeout(&self) -> Option<u64> {
            self.timer
        }
        fn handle_timeout(&mut self, now: u64) {
            self.fired.push(now);
            self.timer = None;
        }
    }

    fn flood(conditions: Conditions, seed: u64) -> (Network, Counter) {
        let mut a = Counter {
            to_send: (0..10_000u32)
                .map(|n| (2, n.to_be_bytes().to_vec()))
                .collect(),
            ..Counter::default()
        };
        let mut b = Counter::default();
        let mut network = Network::new(seed, conditions);
        let stop = network.run(&mut [(1, &mut a), (2, &mut b)], u64::MAX, usize::MAX);
        assert_eq!(stop, Stop::Idle);
        (network, b)
    }

    #[test]
    fn conditions_do_what_they_say() {
        let (network, b) = flood(Conditions::harsh(), 1);
        let lost = |c: &&Captured| c.fate == Fate::Lost;
        let share =
            network.capture.iter().filter(lost).count() as f64 / network.capture.len() as f64;
        assert!((0.28..0.32).contains(&share), "{share}");
        assert!((11_800..12_200).contains(&network.capture.len()));
        assert_eq!(
            b.heard.len(),
            network.capture.len() - network.capture.iter().filter(lost).count()
        );
        let reordered = b.heard.windows(2).filter(|w| w[0].2 < w[1].2).count();
        assert!(reordered > 300, "{reordered}");
        assert!(b.heard.iter().any(|(at, ..)| *at > 4_000));
        assert!(
            b.heard
                .iter()
                .all(|(at, from, _)| (5..=5_400).contains(at) && *from == 1)
        );
    }

    #[test]
    fn corruption_changes_every_corrupted_datagram() {
        let conditions = Conditions {
            corrupt: 0.5,
            ..Conditions::default()
        };
        let (network, b) = flood(conditions, 2);
        assert_eq!(b.heard.len(), 10_000);
        let mut corrupted = 0;
        for (captured, number) in network.capture.iter().zip((0..10_000u32).rev()) {
            let changed = captured.datagram != number.to_be_bytes();
            assert_eq!(changed, matches!(captured.fate, Fate::Corrupted(_)));
            corrupted += usize::from(changed);
        }
        assert!((4_800..5_200).contains(&corrupted), "{corrupted}");
    }

    #[test]
    fn same_seed_same_run() {
        let run = |seed| flood(Conditions::harsh(), seed).0.capture;
        assert_eq!(run(5), run(5));
        assert_ne!(run(5), run(6));
    }

    #[test]
    fn long_datagrams_and_strangers() {
        let mut a = Counter {
            to_send: vec![(2, vec![0; 101]), (2, vec![0; 100]), (9, vec![1])],
            ..Counter::default()
        };
        let mut b = Counter::default();
        let mut network = Network::new(1, Conditions::default());
        network.set_link(
            1,
            2,
            Conditions {
                mtu: 100,
                ..Conditions::default()
            },
        );
        network.run(&mut [(1, &mut a), (2, &mut b)], 1_000, 100);
        assert_eq!(b.heard.len(), 1);
        let fates: Vec<Fate> = network.capture.iter().map(|c| c.fate).collect();
        assert!(fates.contains(&Fate::TooLong) && fates.contains(&Fate::NoSuchNode));
    }

    #[test]
    fn clock_jumps_to_timers_and_stops_at_the_deadline() {
        let mut a = Counter {
            timer: Some(500),
            ..Counter::default()
        };
        let mut network = Network::new(1, Conditions::default());
        assert_eq!(network.run(&mut [(1, &mut a)], 499, 100), Stop::Deadline);
        assert_eq!(network.now, 499);
        assert_eq!(network.run(&mut [(1, &mut a)], 9_000, 100), Stop::Idle);
        assert_eq!(a.fired, [500]);
        a.timer = Some(600);
        assert_eq!(network.run(&mut [(1, &mut a)], 9_000, 0), Stop::Steps);
        assert_eq!(
            network.run_until(&mut [(1, &mut a)], 9_000, 9, |n| n.now >= 500),
            None
        );
    }
}
